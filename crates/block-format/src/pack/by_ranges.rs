//! An object that is read by ranges, as a file.

use std::io;
use std::sync::Arc;

use crate::ranges::RangeReader;
use crate::vfs::{MappedBytes, VfsFile};

/// A whole object.
#[derive(Debug)]
pub(super) struct RangeFile(pub(super) Arc<RangeReader>);

impl VfsFile for RangeFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn by_ranges(&self) -> Option<(&Arc<RangeReader>, u64)> {
        Some((&self.0, 0))
    }

    fn map(&self, _: u64) -> io::Result<Box<dyn MappedBytes>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
