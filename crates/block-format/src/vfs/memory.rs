//! A file system in memory that knows what was made durable, and what may be left of the rest when the power goes.
//!
//! The model is a union of those of CrashMonkey, littlefs, FoundationDB and Pebble: of the writes to a file since its
//! last completed sync any part may survive; size, content and name of a file persist independently; a failed sync
//! loses what it was for, though the page cache goes on showing it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Access, MappedBytes, Vfs, VfsFile, VfsLock};

/// A call that changes something or makes it durable. Files are numbered in the order of their creation.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are what the calls of `Vfs` are given")]
pub enum Event {
    CreateDir { path: PathBuf },
    Create { path: PathBuf, file: usize },
    Unlink { path: PathBuf },
    RemoveDir { path: PathBuf },
    SyncDir { path: PathBuf },
    Write { file: usize, offset: usize, bytes: Arc<[u8]> },
    Sync { file: usize },
    SyncFailed { file: usize },
}

/// What survives of the writes to a file since its last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persist {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// Of each write the part before a boundary of so many bytes in the file, chosen at random.
    Torn(usize),
    /// The bytes of all writes in order, up to one chosen at random.
    BytePrefix,
    /// Each 512-byte sector with an even chance.
    Sectors,
    /// Each write with an even chance.
    Writes,
    /// The last write only.
    Last,
    /// Each sector with an even chance; the others hold garbage.
    Garbage,
}

/// The size of a file with writes since its last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistSize {
    /// As far as its surviving content reaches.
    AsContent,
    /// As large as it was; what did not survive reads as zeros.
    Grown,
}

/// Which names, created or removed since the last sync of their directory, persist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistNames {
    /// None of the changes.
    None,
    /// All of them.
    All,
    /// Each with an even chance.
    Some,
}

/// One way in which things can be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashVariant {
    /// Content of files.
    pub content: Persist,
    /// Size of files.
    pub size: PersistSize,
    /// Names in directories.
    pub names: PersistNames,
    /// For what is chosen at random.
    pub seed: u64,
}

impl CrashVariant {
    /// A kill of the process: the operating system keeps everything.
    pub const KILL: Self =
        Self { content: Persist::All, size: PersistSize::Grown, names: PersistNames::All, seed: 0 };

    /// Sixteen variants that together tear content, size and names apart in every way of the model.
    pub fn standard(seed: u64) -> Vec<Self> {
        use Persist as P;
        use PersistNames as N;
        use PersistSize::{AsContent, Grown};
        let variants = [
            (P::None, AsContent, N::None),
            (P::None, AsContent, N::All),
            (P::None, Grown, N::All),
            (P::All, Grown, N::All),
            (P::All, Grown, N::None),
            (P::All, Grown, N::Some),
            (P::Torn(512), AsContent, N::All),
            (P::Torn(512), Grown, N::Some),
            (P::Torn(4096), AsContent, N::All),
            (P::Torn(4096), Grown, N::All),
            (P::BytePrefix, AsContent, N::All),
            (P::BytePrefix, Grown, N::Some),
            (P::Sectors, Grown, N::All),
            (P::Writes, Grown, N::All),
            (P::Last, Grown, N::All),
            (P::Garbage, Grown, N::Some),
        ];
        let with_seed = |(index, (content, size, names))| {
            let seed = seed.wrapping_mul(31).wrapping_add(index as u64);
            Self { content, size, names, seed }
        };
        variants.into_iter().enumerate().map(with_seed).collect()
    }
}

/// A file system in memory. Clones are the same file system.
#[derive(Clone, Default)]
pub struct MemoryVfs(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    /// What was there, durably, before the first event.
    base: State,
    live: State,
    events: Vec<Event>,
    /// Files put in place or removed without an event, each with the number of events before it.
    placed: Vec<(usize, Placed)>,
    /// Numbers of files.
    locked: HashSet<usize>,
    read_only: bool,
}

#[derive(Default, Clone)]
struct State {
    dirs: HashSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    files: Vec<Arc<Vec<u8>>>,
}

/// A name, and the file that it has from now on with its content, or none.
#[derive(Clone)]
struct Placed {
    path: PathBuf,
    file: Option<(usize, Arc<Vec<u8>>)>,
}

impl State {
    /// The root is always there.
    fn has_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.dirs.contains(path)
    }

    fn place(&mut self, placed: Placed) {
        let Placed { path, file } = placed;
        let Some((file, bytes)) = file else {
            self.names.remove(&path);
            return;
        };
        if file == self.files.len() {
            self.files.push(bytes);
        } else {
            self.files[file] = bytes;
        }
        self.names.insert(path, file);
    }
}

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

    pub(super) fn open_file(&self, path: &Path, access: Access) -> io::Result<MemoryFile> {
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
        let disk = self.0.lock();
        let mut crash = Crash {
            variant,
            state: disk.base.clone(),
            sizes: BTreeMap::new(),
            pending: BTreeMap::new(),
            names: Vec::new(),
        };
        let mut placed = disk.placed.iter().filter(|(before, _)| *before <= events).peekable();
        for (index, event) in disk.events[..events].iter().enumerate() {
            while let Some((_, file)) = placed.next_if(|(before, _)| *before <= index) {
                crash.place(file);
            }
            crash.replay(event);
        }
        placed.for_each(|(_, file)| crash.place(file));
        drop(disk);
        Self::holding(crash.finish())
    }
}

/// A replay that keeps what is not durable apart.
struct Crash {
    variant: CrashVariant,
    state: State,
    /// Length of files as a process saw it.
    sizes: BTreeMap<usize, usize>,
    pending: BTreeMap<usize, Vec<(usize, Arc<[u8]>)>>,
    /// Changes of names: `Some` was created, `None` was removed.
    names: Vec<(PathBuf, Option<usize>)>,
}

impl Crash {
    fn replay(&mut self, event: &Event) {
        match event {
            Event::CreateDir { path } => self.names.push((path.clone(), Some(usize::MAX))),
            Event::Create { path, file } => {
                debug_assert_eq!(*file, self.state.files.len());
                self.state.files.push(Arc::default());
                self.names.push((path.clone(), Some(*file)));
            }
            Event::Unlink { path } | Event::RemoveDir { path } => self.names.push((path.clone(), None)),
            Event::SyncDir { path } => {
                let (durable, pending) = std::mem::take(&mut self.names)
                    .into_iter()
                    .partition(|(name, _)| name.parent() == Some(path));
                self.names = pending;
                let durable: Vec<_> = durable;
                for change in durable {
                    self.rename(change);
                }
            }
            Event::Write { file, offset, bytes } => {
                let len = self.state.files[*file].len();
                let size = self.sizes.entry(*file).or_insert(len);
                *size = (*size).max(offset + bytes.len());
                self.pending.entry(*file).or_default().push((*offset, bytes.clone()));
            }
            Event::Sync { file } => {
                for (offset, bytes) in self.pending.remove(file).unwrap_or_default() {
                    write_at(Arc::make_mut(&mut self.state.files[*file]), offset, &bytes);
                }
            }
            Event::SyncFailed { file } => {
                self.pending.remove(file);
            }
        }
    }

    /// What is put in place is durable at once, whatever was pending for its name or content.
    fn place(&mut self, placed: &Placed) {
        self.names.retain(|(path, _)| *path != placed.path);
        if let Some((file, _)) = placed.file {
            self.pending.remove(&file);
            self.sizes.remove(&file);
        }
        self.state.place(placed.clone());
    }

    fn rename(&mut self, (path, file): (PathBuf, Option<usize>)) {
        match file {
            Some(usize::MAX) => drop(self.state.dirs.insert(path)),
            Some(file) => drop(self.state.names.insert(path, file)),
            None => {
                self.state.names.remove(&path);
                self.state.dirs.remove(&path);
            }
        }
    }

    fn finish(mut self) -> State {
        let CrashVariant { content, size, names, seed } = self.variant;
        let mut random = Random(seed ^ 0x5DEE_CE66);
        for change in std::mem::take(&mut self.names) {
            let survives = match names {
                PersistNames::None => false,
                PersistNames::All => true,
                PersistNames::Some => random.coin(),
            };
            if survives {
                self.rename(change);
            }
        }
        // Not only files with pending writes: one whose sync failed may have its size, but not its content.
        for (file, seen) in self.sizes {
            let writes = self.pending.remove(&file).unwrap_or_default();
            let durable = self.state.files[file].len();
            let least = if size == PersistSize::Grown { seen.max(durable) } else { durable };
            if writes.is_empty() && least == durable {
                continue;
            }
            let bytes = Arc::make_mut(&mut self.state.files[file]);
            survive(bytes, &writes, least, content, &mut random);
            bytes.resize(least.max(bytes.len()), 0);
        }
        // What was in a directory that is not there is not there either, however deep.
        let State { dirs, names, .. } = &mut self.state;
        let all = dirs.clone();
        let within = |path: &PathBuf| {
            path.ancestors().skip(1).all(|above| above.parent().is_none() || all.contains(above))
        };
        names.retain(|name, _| within(name));
        dirs.retain(within);
        self.state
    }
}

fn write_at(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if bytes.len() < offset + new.len() {
        bytes.resize(offset + new.len(), 0);
    }
    bytes[offset..offset + new.len()].copy_from_slice(new);
}

/// Applies what survives of `writes` to a file that is at least `least` bytes long.
fn survive(
    bytes: &mut Vec<u8>,
    writes: &[(usize, Arc<[u8]>)],
    least: usize,
    content: Persist,
    random: &mut Random,
) {
    const SECTOR: usize = 512;
    let total: usize = writes.iter().map(|(_, new)| new.len()).sum();
    let mut prefix = random.below(total + 1);
    let mut kept: HashMap<usize, bool> = HashMap::new();
    if content == Persist::Garbage {
        let begin = bytes.len();
        bytes.resize(least.max(begin), 0);
        bytes[begin..].iter_mut().for_each(|byte| *byte = random.next().to_le_bytes()[0]);
    }
    for (index, (offset, new)) in writes.iter().enumerate() {
        match content {
            Persist::All => write_at(bytes, *offset, new),
            Persist::Writes if random.coin() => write_at(bytes, *offset, new),
            Persist::Last if index + 1 == writes.len() => write_at(bytes, *offset, new),
            Persist::None | Persist::Writes | Persist::Last => {}
            Persist::Torn(unit) => {
                let first = offset / unit;
                let last = (offset + new.len()).div_ceil(unit);
                let cut = (first + random.below(last - first + 1)) * unit;
                let len = cut.saturating_sub(*offset).min(new.len());
                if len > 0 {
                    write_at(bytes, *offset, &new[..len]);
                }
            }
            Persist::BytePrefix => {
                let len = prefix.min(new.len());
                prefix -= len;
                if len > 0 {
                    write_at(bytes, *offset, &new[..len]);
                }
            }
            Persist::Sectors | Persist::Garbage => {
                let mut at = *offset;
                while at < offset + new.len() {
                    let end = ((at / SECTOR + 1) * SECTOR).min(offset + new.len());
                    if *kept.entry(at / SECTOR).or_insert_with(|| random.coin()) {
                        write_at(bytes, at, &new[at - offset..end - offset]);
                    }
                    at = end;
                }
            }
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }
}

impl Disk {
    fn change(&mut self, event: Event) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.events.push(event);
        Ok(())
    }

    /// There is nothing of this name, and a directory that it could be in.
    fn is_free(&self, path: &Path) -> io::Result<()> {
        if self.live.has_dir(path) || self.live.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|dir| self.live.has_dir(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        self.is_free(path)?;
        let file = self.live.files.len();
        self.change(Event::Create { path: path.to_owned(), file })?;
        self.live.files.push(Arc::default());
        self.live.names.insert(path.to_owned(), file);
        Ok(file)
    }

    fn place(&mut self, placed: Placed) {
        if self.events.is_empty() {
            self.base.place(placed.clone());
        } else {
            self.placed.push((self.events.len(), placed.clone()));
        }
        self.live.place(placed);
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
pub(super) struct MemoryFile {
    vfs: MemoryVfs,
    file: usize,
    access: Access,
}

impl MemoryFile {
    /// What was written since the last sync is lost: it is seen, but never becomes durable.
    pub(super) fn fail_sync(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(content: Persist, size: PersistSize, names: PersistNames) -> CrashVariant {
        CrashVariant { content, size, names, seed: 1 }
    }

    /// A file with 1,000 synced bytes and 2,000 that were not, in a directory that was synced before the file was made.
    fn sample(sync_name: bool) -> MemoryVfs {
        let vfs = MemoryVfs::new();
        vfs.create_dir(Path::new("/d")).unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
        let file = vfs.create_new(Path::new("/d/f")).unwrap();
        file.write_at(&[1; 1000], 0).unwrap();
        file.sync_data().unwrap();
        if sync_name {
            vfs.sync_dir(Path::new("/d")).unwrap();
        }
        file.write_at(&[2; 2000], 1000).unwrap();
        vfs
    }

    fn left(vfs: &MemoryVfs, variant: CrashVariant) -> Option<Vec<u8>> {
        vfs.crash(vfs.event_count(), variant).read_file("/d/f")
    }

    #[test]
    fn a_name_needs_its_directory_synced_whatever_the_file_had() {
        use PersistSize::Grown;
        assert_eq!(left(&sample(false), variant(Persist::All, Grown, PersistNames::None)), None);
        assert!(left(&sample(true), variant(Persist::All, Grown, PersistNames::None)).is_some());
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_is_as_the_variant_says() {
        use PersistNames::All;
        use PersistSize::{AsContent, Grown};
        let vfs = sample(true);
        let found = |content, size| left(&vfs, variant(content, size, All)).unwrap();
        assert_eq!(found(Persist::None, AsContent), [1; 1000]);
        assert_eq!(found(Persist::None, Grown), [&[1; 1000][..], &[0; 2000]].concat());
        assert_eq!(found(Persist::All, AsContent), [&[1; 1000][..], &[2; 2000]].concat());
        for seed in 0..50 {
            let torn = CrashVariant { content: Persist::Torn(512), size: AsContent, names: All, seed };
            let bytes = left(&vfs, torn).unwrap();
            assert!(bytes.len() == 1000 || bytes.len() == 3000 || bytes.len().is_multiple_of(512));
            let sectors = CrashVariant { content: Persist::Sectors, size: Grown, names: All, seed };
            let bytes = left(&vfs, sectors).unwrap();
            assert_eq!((bytes.len(), &bytes[..1000]), (3000, &[1; 1000][..]));
        }
    }

    #[test]
    fn a_failed_sync_loses_what_it_was_for_whatever_comes_after() {
        let vfs = sample(true);
        let file = vfs.open(Path::new("/d/f"), Access::Append).unwrap();
        vfs.open_file(Path::new("/d/f"), Access::Append).unwrap().fail_sync();
        assert_eq!(file.len().unwrap(), 3000, "and yet it is seen");
        file.sync_data().unwrap();
        let all = variant(Persist::All, PersistSize::AsContent, PersistNames::All);
        assert_eq!(left(&vfs, all).unwrap(), [1; 1000]);
    }

    #[test]
    fn a_lost_directory_takes_its_files_with_it() {
        let vfs = MemoryVfs::new();
        vfs.create_dir(Path::new("/d")).unwrap();
        let file = vfs.create_new(Path::new("/d/f")).unwrap();
        file.sync_data().unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        let none = variant(Persist::All, PersistSize::Grown, PersistNames::None);
        assert!(vfs.crash(vfs.event_count(), none).files().is_empty());
    }

    #[test]
    fn a_file_whose_sync_failed_may_keep_the_size_it_had() {
        let vfs = sample(true);
        vfs.open_file(Path::new("/d/f"), Access::Append).unwrap().fail_sync();
        let grown = variant(Persist::All, PersistSize::Grown, PersistNames::All);
        assert_eq!(left(&vfs, grown).unwrap(), [&[1; 1000][..], &[0; 2000]].concat());
    }

    #[test]
    fn files_put_in_place_between_events_are_durable_from_there_on() {
        let vfs = sample(true);
        let before = vfs.event_count();
        vfs.write_file("/d/f", vec![7; 10]);
        vfs.write_file("/d/new", vec![8; 10]);
        vfs.create_new(Path::new("/d/later")).unwrap().write_at(&[9; 5], 0).unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        let none = variant(Persist::None, PersistSize::AsContent, PersistNames::None);
        let after = vfs.crash(vfs.event_count(), none);
        assert_eq!(after.read_file("/d/f").unwrap(), [7; 10]);
        assert_eq!(after.read_file("/d/new").unwrap(), [8; 10]);
        assert_eq!(after.read_file("/d/later").unwrap(), []);
        assert_eq!(vfs.crash(before - 1, none).read_file("/d/f").unwrap(), [1; 1000], "not before");
        vfs.remove_file("/d/f");
        assert!(vfs.crash(vfs.event_count(), CrashVariant::KILL).read_file("/d/f").is_none());
    }

    #[test]
    fn what_is_in_a_directory_in_a_lost_directory_is_lost_too() {
        let vfs = MemoryVfs::new();
        for dir in ["/d", "/d/e"] {
            vfs.create_dir(Path::new(dir)).unwrap();
        }
        vfs.create_new(Path::new("/d/e/f")).unwrap();
        vfs.sync_dir(Path::new("/d/e")).unwrap();
        vfs.sync_dir(Path::new("/d")).unwrap();
        let none = variant(Persist::All, PersistSize::Grown, PersistNames::None);
        let found = vfs.crash(vfs.event_count(), none);
        assert!(found.files().is_empty(), "{found:?}");
        assert!(found.list(Path::new("/d/e")).is_err());
    }

    #[test]
    fn names_answer_as_those_of_a_disk_do() {
        use io::ErrorKind::{AlreadyExists, InvalidInput, NotFound};
        let vfs = sample(true);
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(vfs.create_dir(Path::new("/no/e"))), NotFound);
        assert_eq!(kind(vfs.create_new(Path::new("/no/f")).map(drop)), NotFound);
        assert_eq!(kind(vfs.create_new(Path::new("/d")).map(drop)), AlreadyExists);
        assert_eq!(kind(vfs.open(Path::new("/d/no"), Access::Read).map(drop)), NotFound);
        assert_eq!(kind(vfs.open(Path::new("/"), Access::Read).map(drop)), InvalidInput);
        assert_eq!(kind(vfs.sync_dir(Path::new("/no"))), NotFound);
        vfs.create_dir(Path::new("/d/e")).unwrap();
        assert_eq!(vfs.list(Path::new("/d")).unwrap(), ["f", "e"]);
        assert_eq!(vfs.list(Path::new("/")).unwrap(), ["d"]);
    }

    #[test]
    fn a_write_of_nothing_changes_nothing() {
        let vfs = sample(true);
        let file = vfs.open(Path::new("/d/f"), Access::Append).unwrap();
        assert_eq!(file.write_at(&[], 9000).unwrap(), 0);
        assert_eq!(file.len().unwrap(), 3000);
    }

    #[test]
    fn of_threads_that_lock_at_once_one_has_it_and_the_others_are_told() {
        for _ in 0..2000 {
            let vfs = MemoryVfs::new();
            let gate = std::sync::Barrier::new(2);
            let one = || {
                gate.wait();
                vfs.lock(Path::new("/l"))
            };
            let locks = std::thread::scope(|scope| {
                let threads = [scope.spawn(one), scope.spawn(one)];
                threads.map(|thread| thread.join().unwrap())
            });
            let told = locks.iter().filter_map(|lock| lock.as_ref().err()).map(io::Error::kind);
            assert_eq!(told.collect::<Vec<_>>(), [io::ErrorKind::WouldBlock]);
        }
    }

    #[test]
    fn locks_are_exclusive_until_dropped_and_a_crash_holds_none() {
        let vfs = MemoryVfs::new();
        let held = vfs.lock(Path::new("/l")).unwrap();
        assert_eq!(vfs.lock(Path::new("/l")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        vfs.crash(vfs.event_count(), CrashVariant::KILL).lock(Path::new("/l")).unwrap();
        vfs.fork().lock(Path::new("/l")).unwrap();
        drop(held);
        vfs.lock(Path::new("/l")).unwrap();
    }

    #[test]
    fn the_same_crash_is_the_same_every_time() {
        let vfs = sample(false);
        for variant in CrashVariant::standard(3) {
            assert_eq!(left(&vfs, variant), left(&vfs, variant), "{variant:?}");
        }
    }
}
