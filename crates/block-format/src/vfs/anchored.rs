//! The disk, with relative paths as they were meant when an artifact was opened: whatever the current folder of the process is later.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Access, DiskVfs, Vfs, VfsFile, VfsLock};

/// The file system of the operating system, for an artifact at `path`.
pub(crate) fn disk_at(path: &Path) -> Arc<dyn Vfs> {
    match std::env::current_dir() {
        // An empty path stays empty, and leads nowhere.
        Ok(folder) if path.is_relative() && !path.as_os_str().is_empty() => Arc::new(AnchoredVfs { folder }),
        _ => Arc::new(DiskVfs),
    }
}

#[derive(Debug)]
struct AnchoredVfs {
    /// What relative paths begin at.
    folder: PathBuf,
}

impl AnchoredVfs {
    fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

impl Vfs for AnchoredVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DiskVfs.create_dir(&self.at(path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        DiskVfs.create_new(&self.at(path))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        DiskVfs.open(&self.at(path), access)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        DiskVfs.list(&self.at(path))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        DiskVfs.unlink(&self.at(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        DiskVfs.remove_dir(&self.at(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        DiskVfs.sync_dir(&self.at(path))
    }

    fn hold(&self, path: &Path) -> io::Result<Option<Arc<dyn VfsFile>>> {
        DiskVfs.hold(&self.at(path))
    }

    fn is_at(&self, file: &dyn VfsFile, path: &Path) -> io::Result<bool> {
        file.is_at(&self.at(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        DiskVfs.lock(&self.at(path))
    }

    fn lock_holder(&self, path: &Path) -> Option<u32> {
        DiskVfs.lock_holder(&self.at(path))
    }
}
