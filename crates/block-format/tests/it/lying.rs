//! A medium that says it kept what it did not keep.

use std::path::Path;
use std::sync::Arc;

use block_format::vfs::{Access, MappedBytes, MemoryVfs, Vfs, VfsFile, VfsLock};
use block_format::{Step, Store};

use crate::campaign::{self, ROOT};
use crate::damage::{Records, options, passes, record};

/// A file system that does not keep what is written to segments.
#[derive(Debug)]
pub(crate) struct LyingVfs(pub(crate) MemoryVfs);

impl Vfs for LyingVfs {
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.create_dir(path)
    }
    fn create_new(&self, path: &Path) -> std::io::Result<Arc<dyn VfsFile>> {
        let file = self.0.create_new(path)?;
        let lies = path.to_string_lossy().contains("segment-");
        Ok(if lies { Arc::new(LyingFile(file)) } else { file })
    }
    fn open(&self, path: &Path, access: Access) -> std::io::Result<Arc<dyn VfsFile>> {
        self.0.open(path, access)
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn unlink(&self, path: &Path) -> std::io::Result<()> {
        self.0.unlink(path)
    }
    fn remove_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        self.0.sync_dir(path)
    }
    fn lock(&self, path: &Path) -> std::io::Result<Box<dyn VfsLock>> {
        self.0.lock(path)
    }
}

#[derive(Debug)]
struct LyingFile(Arc<dyn VfsFile>);

impl VfsFile for LyingFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn write_at(&self, buf: &[u8], offset: u64) -> std::io::Result<usize> {
        let mut buf = buf.to_vec();
        if let Some(byte) = buf.get_mut(4200) {
            *byte ^= 4;
        }
        self.0.write_at(&buf, offset)
    }
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn map(&self, len: u64) -> std::io::Result<Box<dyn MappedBytes>> {
        self.0.map(len)
    }
}

/// Sealing onto a medium that changes a bit: the log stays.
pub(crate) fn lying_medium(left_out: Option<Step>) -> Result<u64, String> {
    let options = options(left_out);
    let disk = MemoryVfs::new();
    let vfs: Arc<dyn Vfs> = Arc::new(LyingVfs(disk.clone()));
    let store = Store::create_in(vfs, ROOT, options.clone()).map_err(|e| e.to_string())?;
    let mut model = Records::new();
    for id in 0..30 {
        store.put(&record(id)).map_err(|e| e.to_string())?;
        model.insert(id, record(id));
    }
    if store.seal().is_ok() {
        return Err("sealing noticed nothing".to_owned());
    }
    drop(store);
    let (store, _) = campaign::open(&disk, &options).map_err(|e| e.to_string())?;
    let mut found = 0;
    for record in store.snapshot().records() {
        let record = record.map_err(|e| e.to_string())?;
        found +=
            u64::from(model.get(&record.id().0).is_some_and(|m| record.bytes().is_ok_and(|b| b == &m[..])));
    }
    if found == 30 { Ok(1) } else { Err(format!("{found} of 30 records are left")) }
}

#[test]
fn a_medium_that_does_not_keep_what_is_written_costs_nothing() {
    passes("lying media", lying_medium(None), 1);
}
