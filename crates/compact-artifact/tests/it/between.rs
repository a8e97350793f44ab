//! A file system that calls something in the middle of sealing and compacting.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use compact_artifact::vfs::{Access, Vfs, VfsFile, VfsLock};

type Call = Box<dyn FnOnce() + Send>;

/// Another file system, and a call that is made once, before the next part is created.
pub(crate) struct Between {
    disk: Arc<dyn Vfs>,
    call: Mutex<Option<Call>>,
}

impl Between {
    pub(crate) fn new(disk: Arc<dyn Vfs>) -> Arc<Self> {
        Arc::new(Self { disk, call: Mutex::default() })
    }

    pub(crate) fn before_the_next_part(&self, call: impl FnOnce() + Send + 'static) {
        *self.call.lock().unwrap() = Some(Box::new(call));
    }

    /// Forgets the call, and says whether it was still to be made.
    pub(crate) fn forget(&self) -> bool {
        self.call.lock().unwrap().take().is_some()
    }
}

impl fmt::Debug for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl Vfs for Between {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        let is_part = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("part"));
        let taken = if is_part { self.call.lock().unwrap().take() } else { None };
        if let Some(call) = taken {
            call();
        }
        self.disk.create_new(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        self.disk.open(path, access)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.disk.lock(path)
    }
}
