//! The real file system.

#![expect(clippy::disallowed_methods, reason = "the one file that may call std::fs")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Access, MappedBytes, Vfs, VfsFile, VfsLock, map};

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskVfs;

impl DiskVfs {
    /// Whether there is a file at `path`, as a packed artifact is one, rather than a directory or nothing.
    pub fn is_file(path: impl AsRef<Path>) -> bool {
        path.as_ref().is_file()
    }
}

impl Vfs for DiskVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        // Asked before opening, since opening a FIFO for reading waits for a writer.
        // A link may be read through, since what is behind it is checked; nothing is written through one.
        let metadata = match access {
            Access::Read => fs::metadata(path).map_err(|e| if is_circle(&e) { not_regular() } else { e })?,
            Access::Append => fs::symlink_metadata(path)?,
        };
        if !metadata.is_file() {
            return Err(not_regular());
        }
        let file = OpenOptions::new().read(true).write(access == Access::Append).open(path)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if cfg!(windows) {
            return Ok(()); // there is no such call; NTFS orders its own names
        }
        File::open(path)?.sync_all()
    }

    #[cfg(unix)]
    fn hold(&self, path: &Path) -> io::Result<Option<Arc<dyn VfsFile>>> {
        Ok(Some(Arc::new(DiskFile(File::open(path)?))))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        // Opened for writing as well: some file systems (NFS, the BSDs') refuse an exclusive lock otherwise. Created only as a new
        // name, so that a link that leads nowhere makes no file where it leads.
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.clone().create_new(true).open(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(path)?.is_file() {
                    return Err(not_regular());
                }
                options.open(path)?
            }
            created => created?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let lock = DiskLock { file, path: path.to_owned(), process: std::process::id() };
        if lock.is_held()? { Ok(Box::new(lock)) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// From the table of the system, so that it is never that of a process which held it once. Only locks of processes that this one can see are in it.
    #[cfg(target_os = "linux")]
    fn lock_holder(&self, path: &Path) -> Option<u32> {
        use std::os::unix::fs::MetadataExt;
        let file = fs::symlink_metadata(path).ok()?;
        let (major, minor) = (libc::major(file.dev()), libc::minor(file.dev()));
        let place = format!("{major:02x}:{minor:02x}:{}", file.ino());
        holder_in(&fs::read_to_string("/proc/locks").ok()?, &place)
            .filter(|process| Path::new("/proc").join(process.to_string()).exists())
    }
}

/// The process with an exclusive lock on the file at `place`, by the lines of `/proc/locks`: `2: FLOCK  ADVISORY  WRITE 28845 fe:00:5545986 0 EOF`.
#[cfg(target_os = "linux")]
fn holder_in(locks: &str, place: &str) -> Option<u32> {
    let holder = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_lock = words.next()? == "FLOCK" && words.nth(1)? == "WRITE";
        let process: u32 = words.next()?.parse().ok()?;
        (is_lock && words.next()? == place && process > 0).then_some(process)
    };
    locks.lines().find_map(holder)
}

/// Whether links lead in a circle, so that there is no file.
#[cfg(unix)]
fn is_circle(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(not(unix))]
fn is_circle(_: &io::Error) -> bool {
    false
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[derive(Debug)]
struct DiskLock {
    file: File,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix tells whether a file is the one at a path"))]
    path: PathBuf,
    /// Who took it: a process that was forked has the file open too, but not the lock.
    process: u32,
}

impl VfsLock for DiskLock {
    #[cfg(unix)]
    fn is_held(&self) -> io::Result<bool> {
        let is_same = is_same(&self.file, fs::symlink_metadata(&self.path))?;
        Ok(is_same && self.process == std::process::id())
    }

    #[cfg(not(unix))]
    fn is_held(&self) -> io::Result<bool> {
        Ok(self.process == std::process::id())
    }
}

impl Drop for DiskLock {
    /// Closing alone would not do: a child process that another thread is just starting shares the open file, and with
    /// it the lock, until it has executed its program. A forked child lets its parent keep the lock.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = self.file.unlock();
        }
    }
}

/// Whether an open file is the one that is there.
#[cfg(unix)]
fn is_same(file: &File, there: io::Result<fs::Metadata>) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let there = match there {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let open = file.metadata()?;
    Ok((there.dev(), there.ino()) == (open.dev(), open.ino()))
}

#[derive(Debug)]
struct DiskFile(File);

impl VfsFile for DiskFile {
    #[cfg(unix)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buf, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, buf, offset)
    }

    #[cfg(not(any(unix, windows)))]
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(unix)]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.0, buf, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.0, buf, offset)
    }

    #[cfg(not(any(unix, windows)))]
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
    #[expect(unsafe_code, reason = "std has no call for holes in files")]
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        let Ok(from) = libc::off_t::try_from(offset) else { return Ok(None) };
        // SAFETY: the descriptor is open as long as `self` is, and no memory is passed. The position of the file, which this moves, is used by nobody.
        let at = unsafe { libc::lseek(self.0.as_raw_fd(), from, libc::SEEK_DATA) };
        if let Ok(at) = u64::try_from(at) {
            return Ok(Some(at.max(offset)));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENXIO) => Ok(None),
            Some(libc::EINVAL | libc::ENOTSUP) => Ok(Some(offset)), // a file system that does not say
            _ => Err(error),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[cfg(unix)]
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        is_same(&self.0, fs::metadata(path))
    }

    fn map(&self, len: u64) -> io::Result<Box<dyn MappedBytes>> {
        map::map(&self.0, len)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_told_from_those_who_wait_and_share_and_from_other_files() {
        let locks = "1: FLOCK  ADVISORY  READ 1 fe:00:7 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 2 fe:00:7 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 3 fe:00:77 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 4 fe:00:7 0 EOF\n\
                     4: -> FLOCK  ADVISORY  WRITE 5 fe:00:8 0 EOF\n\
                     6: FLOCK  ADVISORY  WRITE 0 fe:00:9 0 EOF\n6: FLOCK";
        assert_eq!(holder_in(locks, "fe:00:7"), Some(4));
        assert_eq!(holder_in(locks, "fe:00:77"), Some(3));
        assert_eq!(holder_in(locks, "fe:00:8"), None);
        assert_eq!(holder_in(locks, "fe:00:9"), None);
    }

    #[test]
    fn a_lock_is_held_by_this_process_and_by_nobody_afterwards() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("l");
        let lock = DiskVfs.lock(&path).unwrap();
        assert_eq!(DiskVfs.lock_holder(&path), Some(std::process::id()));
        drop(lock);
        assert_eq!(DiskVfs.lock_holder(&path), None);
    }
}
