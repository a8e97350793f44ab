//! The file system as the store sees it: the few calls it makes, and nothing else of `std::fs`.
//!
//! Everything that the store does to a disk goes through [`Vfs`] and [`VfsFile`], so that tests can put a file
//! system in its place that forgets, tears, reorders or fails (`MemoryVfs` and `FaultVfs`, feature `testing`).
//! There is no rename, no truncation and no overwriting here, because the store never does any of them.

mod anchored;
mod disk;
#[cfg(feature = "testing")]
mod fault;
mod map;
#[cfg(feature = "testing")]
mod memory;

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::ranges::RangeReader;

pub(crate) use anchored::disk_at;
pub use disk::DiskVfs;
#[cfg(feature = "testing")]
pub use fault::{Fault, FaultVfs};
pub(crate) use map::Sparse;
#[cfg(feature = "testing")]
pub use memory::{CrashVariant, Event, MemoryVfs, Persist, PersistNames, PersistSize};

/// The calls that the store makes on directories and names.
pub trait Vfs: fmt::Debug + Send + Sync {
    /// Creates a directory. Its parent must exist; that the directory exists is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Creates a file for reading and writing; fails where the name exists.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>>;

    /// Opens an existing regular file, for reading only or for appending as well.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>>;

    /// The names in a directory, in any order. One that is not UTF-8 has replacement characters: the store makes none.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Removes a name. Whoever has the file open can go on reading it.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory; fails if anything is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a directory, so that none that comes later is taken for it. `None` where the file system cannot tell.
    fn hold(&self, _path: &Path) -> io::Result<Option<Arc<dyn VfsFile>>> {
        Ok(None)
    }

    /// Whether an open file, or a directory that is [held](Self::hold), is the one at `path`, as far as the file system tells.
    fn is_at(&self, file: &dyn VfsFile, path: &Path) -> io::Result<bool> {
        file.is_at(path)
    }

    /// The one file in which all of these files lie, if they do, such as a pack.
    fn container(&self) -> Option<&dyn Container> {
        None
    }

    /// Takes the exclusive lock on a file, which is created where it does not exist and is removed with the artifact only.
    /// [`io::ErrorKind::WouldBlock`] means that somebody else holds it. Dropping the value lets go.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>>;

    /// The process that holds the lock on a file, where the system says: the number that it has for this process.
    fn lock_holder(&self, _path: &Path) -> Option<u32> {
        None
    }
}

/// One file that holds all files of an artifact.
#[expect(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
pub trait Container: fmt::Debug + Any {
    /// Length of the file in bytes.
    fn len(&self) -> u64;

    /// Reads all of it, and compares the hash over it.
    fn verify(&self) -> Result<()>;
}

/// An exclusive lock on a file. Dropping it lets go.
pub trait VfsLock: fmt::Debug + Send + Sync {
    /// Whether the locked file is still the one at its path, and this process the one that locked it. If not, somebody else may hold the
    /// lock of the file that is there now.
    fn is_held(&self) -> io::Result<bool>;
}

/// Whether an opened file may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading, and writing behind the end.
    Append,
}

/// The calls that the store makes on one file. Positioned, so that readers and the writer share the file freely.
#[expect(
    clippy::len_without_is_empty,
    reason = "`len` asks the disk; emptiness is not a question the store has"
)]
pub trait VfsFile: fmt::Debug + Send + Sync {
    /// Reads up to `buf.len()` bytes from `offset`; 0 means the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `buf` at `offset` and says how much.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;

    /// The length of the file in bytes.
    fn len(&self) -> io::Result<u64>;

    /// The first place at or behind `offset` that is not known to be a hole of a sparse file; `None`: there is only a hole to the end.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }

    /// Makes the content, and as much of the length as is needed to read it, durable.
    fn sync_data(&self) -> io::Result<()>;

    /// [`Vfs::is_at`], of a path as the operating system takes it.
    fn is_at(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }

    /// What reads this file by ranges of an object that lies far away, and where the file begins in the object; `None` for any other file.
    fn by_ranges(&self) -> Option<(&Arc<RangeReader>, u64)> {
        None
    }

    /// Maps the first `len` bytes for reading, where that is possible; `len` was checked against [`VfsFile::len`].
    fn map(&self, len: u64) -> io::Result<Box<dyn MappedBytes>>;
}

/// Bytes that stay readable, and stay the same, as long as the value lives.
pub trait MappedBytes: AsRef<[u8]> + fmt::Debug + Send + Sync {
    /// Whether they are a map of a file, rather than on the heap or in the program.
    fn is_file_map(&self) -> bool {
        false
    }
}

impl dyn VfsFile {
    /// Fills `buf` from `offset`, or fails with [`io::ErrorKind::UnexpectedEof`].
    pub(crate) fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Writes all of `buf` at `offset`, through short writes and interruptions.
    pub(crate) fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    buf = &buf[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
