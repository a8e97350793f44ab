//! A pack → a store for reading.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use super::vfs::PackVfs;
use crate::error::Result;
use crate::options::Options;
use crate::ranges::RangeSource;
use crate::report::RecoveryReport;
use crate::store::Store;

impl Store {
    /// The pack that this store was opened from, if it was.
    pub fn as_pack(&self) -> Option<&PackVfs> {
        let container: &dyn Any = self.directory.vfs.container()?;
        container.downcast_ref()
    }

    /// Opens a packed artifact for reading.
    pub fn open_packed(path: impl AsRef<Path>, options: Options) -> Result<(Self, RecoveryReport)> {
        Self::open_packed_at(path, 0, options)
    }

    /// Opens a packed artifact that begins at `offset` in a file.
    pub fn open_packed_at(
        path: impl AsRef<Path>,
        offset: u64,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let vfs = PackVfs::open(&path, offset, &options)?;
        Self::open_read_only_in(Arc::new(vfs), path, options)
    }

    /// Opens a packed artifact that is all of an object which is read by ranges: what is needed is fetched, and kept up to
    /// [`Options::range_cache_bytes`].
    pub fn open_packed_ranges(
        source: Arc<dyn RangeSource>,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        options.check()?;
        let vfs = PackVfs::by_ranges(source, &options)?;
        Self::open_read_only_in(Arc::new(vfs), "pack read by ranges", options)
    }

    /// Opens a packed artifact in memory; see [`PackVfs::from_bytes`].
    pub fn open_packed_bytes(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let vfs = PackVfs::from_bytes(bytes)?;
        Self::open_read_only_in(Arc::new(vfs), "pack in memory", options)
    }
}
