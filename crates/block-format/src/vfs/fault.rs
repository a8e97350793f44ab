//! A file system whose calls fail when a test says so.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Access, MappedBytes, MemoryVfs, Vfs, VfsFile, VfsLock};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Any call: the medium reports an error.
    Io,
    /// Calls that need space: there is none.
    NoSpace,
    /// A write takes half of its bytes, or finds no space if it has one; if it goes on, later ones find no space.
    ShortWrite,
    /// A sync of a file fails, and what it was for is lost, though it can still be read.
    SyncLost,
}

/// A [`MemoryVfs`] whose calls are counted and can fail. Clones are the same file system.
#[derive(Debug, Clone)]
pub struct FaultVfs {
    inner: MemoryVfs,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    fault: Option<(u64, Fault, bool)>,
    hits: u64,
    /// The planned fault has failed a call.
    struck: bool,
}

/// The sort of a call, as far as faults care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Space,
    Write,
    SyncFile,
}

impl FaultVfs {
    /// Calls go to `inner` until a fault is planned.
    pub fn new(inner: MemoryVfs) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// The file system behind this one.
    pub fn inner(&self) -> &MemoryVfs {
        &self.inner
    }

    /// How many calls there were.
    pub fn call_count(&self) -> u64 {
        self.plan.lock().calls
    }

    /// Makes the first call at or behind number `at` that can fail so, fail; or, `persistent`, every one.
    pub fn inject(&self, at: u64, fault: Fault, persistent: bool) {
        let mut plan = self.plan.lock();
        plan.fault = Some((at, fault, persistent));
        plan.struck = false;
    }

    /// No more faults.
    pub fn heal(&self) {
        self.plan.lock().fault = None;
    }

    /// How many calls failed.
    pub fn hits(&self) -> u64 {
        self.plan.lock().hits
    }

    /// The fault that this call meets.
    fn call(&self, call: Call) -> Option<Fault> {
        let mut plan = self.plan.lock();
        let number = plan.calls;
        plan.calls += 1;
        let (at, fault, persistent) = plan.fault?;
        let applies = match fault {
            Fault::Io => true,
            Fault::NoSpace => call != Call::Read,
            Fault::ShortWrite => call == Call::Write,
            Fault::SyncLost => call == Call::SyncFile,
        };
        if number < at || !applies {
            return None;
        }
        plan.hits += 1;
        let was_struck = std::mem::replace(&mut plan.struck, true);
        if !persistent {
            plan.fault = None;
        }
        Some(if was_struck && fault == Fault::ShortWrite { Fault::NoSpace } else { fault })
    }

    fn check(&self, call: Call) -> io::Result<()> {
        match self.call(call) {
            None => Ok(()),
            Some(fault) => Err(error(fault)),
        }
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Io | Fault::SyncLost => io::Error::from_raw_os_error(5), // EIO
        Fault::NoSpace | Fault::ShortWrite => io::ErrorKind::StorageFull.into(),
    }
}

impl Vfs for FaultVfs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Call::Space)?;
        self.inner.create_dir(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn VfsFile>> {
        self.check(Call::Space)?;
        self.inner.create_new(path)?;
        self.wrap(path, Access::Append)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        self.check(Call::Read)?;
        self.wrap(path, access)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.check(Call::Read)?;
        self.inner.list(path)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.check(Call::Read)?;
        self.inner.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Call::Read)?;
        self.inner.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.check(Call::Space)?;
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn VfsLock>> {
        self.check(Call::Read)?;
        self.inner.lock(path)
    }
}

impl FaultVfs {
    fn wrap(&self, path: &Path, access: Access) -> io::Result<Arc<dyn VfsFile>> {
        Ok(Arc::new(FaultFile { vfs: self.clone(), inner: self.inner.open_file(path, access)? }))
    }
}

#[derive(Debug)]
struct FaultFile {
    vfs: FaultVfs,
    inner: super::memory::MemoryFile,
}

impl VfsFile for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.vfs.check(Call::Read)?;
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        match self.vfs.call(Call::Write) {
            None => self.inner.write_at(buf, offset),
            Some(Fault::ShortWrite) if buf.len() > 1 => self.inner.write_at(&buf[..buf.len() / 2], offset),
            Some(fault) => Err(error(fault)),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.vfs.check(Call::Read)?;
        self.inner.len()
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.vfs.call(Call::SyncFile) {
            None => self.inner.sync_data(),
            Some(Fault::SyncLost) => {
                self.inner.fail_sync();
                Err(error(Fault::SyncLost))
            }
            Some(fault) => Err(error(fault)),
        }
    }

    fn map(&self, len: u64) -> io::Result<Box<dyn MappedBytes>> {
        self.vfs.check(Call::Read)?;
        self.inner.map(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(fault: Fault, persistent: bool) -> (FaultVfs, Arc<dyn VfsFile>) {
        let vfs = FaultVfs::new(MemoryVfs::new());
        let file = vfs.create_new(Path::new("/f")).unwrap();
        vfs.inject(vfs.call_count(), fault, persistent);
        (vfs, file)
    }

    #[test]
    fn a_short_write_is_half_and_then_either_whole_or_out_of_space() {
        let (vfs, once) = file(Fault::ShortWrite, false);
        assert_eq!(once.write_at(&[1; 8], 0).unwrap(), 4);
        assert_eq!(once.write_at(&[1; 4], 4).unwrap(), 4);
        assert_eq!(vfs.hits(), 1);
        let (_, for_good) = file(Fault::ShortWrite, true);
        assert_eq!(for_good.write_at(&[1; 8], 0).unwrap(), 4);
        assert_eq!(for_good.write_at(&[1; 4], 4).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(for_good.len().unwrap(), 4);
    }

    #[test]
    fn a_fault_waits_for_a_call_that_can_fail_so() {
        let (vfs, file) = file(Fault::SyncLost, false);
        file.write_at(&[1; 8], 0).unwrap();
        vfs.sync_dir(Path::new("/")).unwrap();
        assert_eq!(vfs.hits(), 0);
        assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
        assert_eq!(file.len().unwrap(), 8, "and yet it is seen");
        file.sync_data().unwrap();
        assert_eq!((vfs.hits(), vfs.call_count()), (1, 6));
        let found = vfs.inner.crash(vfs.inner.event_count(), crate::vfs::CrashVariant::KILL);
        assert!(!found.read_file("/f").unwrap().contains(&1), "what the sync was for is lost");
    }

    #[test]
    fn a_full_disk_can_still_be_read_and_tidied() {
        let (vfs, file) = file(Fault::NoSpace, true);
        for result in [file.write_at(&[1], 0).map(drop), file.sync_data(), vfs.create_dir(Path::new("/d"))] {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        vfs.open(Path::new("/f"), Access::Read).unwrap();
        vfs.unlink(Path::new("/f")).unwrap();
        vfs.heal();
        vfs.create_dir(Path::new("/d")).unwrap();
    }

    #[test]
    fn a_medium_that_fails_fails_every_call() {
        let (vfs, file) = file(Fault::Io, true);
        for result in [file.len().map(drop), vfs.list(Path::new("/")).map(drop), file.map(0).map(drop)] {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(5));
        }
        assert_eq!(vfs.hits(), 3);
    }
}
