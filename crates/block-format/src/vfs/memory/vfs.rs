//! The calls of [`Vfs`] on a disk in memory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::crash::crash;
use super::disk::{Disk, Event, Placed, State, write_at};
use super::variant::CrashVariant;
use crate::vfs::{Access, MappedBytes, Vfs, VfsFile, VfsLock};

/// A file system in memory. Clones are the same file system.
#[derive(Clone, Default)]
pub struct MemoryVfs(Arc<Mutex<Disk>>);

impl fmt::Debug for MemoryVfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.0.lock();
        write!(f, "MemoryVfs({:?}, {} events)", disk.live.names, disk.events.len())
    }
}

impl MemoryVfs {
    /// An empty file system, whose root is there.
    pub fn new() -> Self {
        Self::default()
    }

    fn holding(state: State) -> Self {
        let disk = Disk { base: state.clone(), live: state, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    /// How many events there were.
    pub fn event_count(&self) -> usize {
        self.0.lock().events.len()
    }

    /// An event.
    pub fn event(&self, index: usize) -> Event {
        self.0.lock().events[index].clone()
    }

    /// An independent copy of what a process sees now, all of it durable.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::holding(self.0.lock().live.clone())
    }

    /// Makes every change fail from now on, as on read-only media.
    pub fn set_read_only(&self, on: bool) {
        self.0.lock().read_only = on;
    }

    /// The content of a file.
    pub fn read_file(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let disk = self.0.lock();
        disk.live.names.get(path.as_ref()).map(|&file| disk.live.files[file].to_vec())
    }

    /// Puts a file in place, durably and without an event: for files that nobody wrote.
    pub fn write_file(&self, path: impl AsRef<Path>, bytes: Vec<u8>) {
        let disk = &mut *self.0.lock();
        let path = path.as_ref().to_owned();
        let file = disk.live.names.get(&path).copied().unwrap_or(disk.live.files.len());
        disk.place(Placed { path, file: Some((file, Arc::new(bytes))) });
    }

    /// Removes a file, durably and without an event.
    pub fn remove_file(&self, path: impl AsRef<Path>) {
        self.0.lock().place(Placed { path: path.as_ref().to_owned(), file: None });
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.0.lock().live.names.keys().cloned().collect()
    }

    pub(in crate::vfs) fn open_file(&self, path: &Path, access: Access) -> io::Result<MemoryFile> {
        let disk = self.0.lock();
        if disk.live.has_dir(path) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if access == Access::Append && disk.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let file = *disk.live.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(MemoryFile { vfs: self.clone(), file, access })
    }

    /// The file system as it is found when the power went after the first `events` events.
    #[must_use]
    pub fn crash(&self, events: usize, variant: CrashVariant) -> Self {
        Self::holding(crash(&self.0.lock(), events, variant))
    }
}

impl Vfs for MemoryVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        if disk.live.has_dir(path) {
            return Ok(());
        }
        disk.is_free(path)?;
        disk.change(Event::CreateDir { path: path.to_owned() })?;
        disk.live.dirs.insert(path.to_owned());
        Ok(())
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        let file = self.0.lock().create(path)?;
        Ok(Arc::new(MemoryFile { vfs: self.clone(), file, access: Access::Append }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(self.open_file(path, access)?))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let disk = self.0.lock();
        if disk.live.names.contains_key(path) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if !disk.live.has_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = disk.live.names.keys().chain(&disk.live.dirs);
        let within = names.filter(|name| name.parent() == Some(path));
        Ok(within.filter_map(|name| Some(name.file_name()?.to_str()?.to_owned())).collect())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        if !disk.live.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.change(Event::Unlink { path: path.to_owned() })?;
        disk.live.names.remove(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        if !disk.live.dirs.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if disk.live.names.keys().chain(&disk.live.dirs).any(|name| name.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        disk.change(Event::RemoveDir { path: path.to_owned() })?;
        disk.live.dirs.remove(path);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        if !disk.live.has_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.change(Event::SyncDir { path: path.to_owned() })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        let mut disk = self.0.lock();
        if disk.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let file = match disk.live.names.get(path) {
            Some(&file) => file,
            None => disk.create(path)?,
        };
        if !disk.locked.insert(file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock { vfs: self.clone(), path: path.to_owned(), file }))
    }
}

#[derive(Debug)]
struct MemoryLock {
    vfs: MemoryVfs,
    path: PathBuf,
    file: usize,
}

impl VfsLock for MemoryLock {
    fn is_held(&self) -> io::Result<bool> {
        Ok(self.vfs.0.lock().live.names.get(&self.path) == Some(&self.file))
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.vfs.0.lock().locked.remove(&self.file);
    }
}

/// An open file; it stays readable when its name is gone.
#[derive(Debug)]
pub(in crate::vfs) struct MemoryFile {
    vfs: MemoryVfs,
    file: usize,
    access: Access,
}

impl MemoryFile {
    /// What was written since the last sync is lost: it is seen, but never becomes durable.
    pub(in crate::vfs) fn fail_sync(&self) {
        self.vfs.0.lock().events.push(Event::SyncFailed { file: self.file });
    }

    fn content(&self) -> Arc<Vec<u8>> {
        self.vfs.0.lock().live.files[self.file].clone()
    }
}

impl VfsFile for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content();
        let rest = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or_default();
        let len = buf.len().min(rest.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if self.access == Access::Read {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if buf.is_empty() {
            return Ok(0);
        }
        let disk = &mut *self.vfs.0.lock();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        disk.change(Event::Write { file: self.file, offset, bytes: buf.into() })?;
        write_at(Arc::make_mut(&mut disk.live.files[self.file]), offset, buf);
        Ok(buf.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content().len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.vfs.0.lock().change(Event::Sync { file: self.file })
    }

    fn map(&self, len: u64) -> io::Result<Box<dyn MappedBytes>> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let content = self.content();
        if content.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Box::new(MemoryMap { content, len }))
    }
}

#[derive(Debug)]
struct MemoryMap {
    content: Arc<Vec<u8>>,
    len: usize,
}

impl AsRef<[u8]> for MemoryMap {
    fn as_ref(&self) -> &[u8] {
        &self.content[..self.len]
    }
}

impl MappedBytes for MemoryMap {}
