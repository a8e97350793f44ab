//! A manifest → the next generation on disk.

use std::sync::atomic::Ordering;

use super::Manifest;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::FileId;
use crate::protocol::Step;

impl Directory {
    /// Writes `manifest` as the generation after `catalog`, twice, and removes the copies of the one before.
    pub(crate) fn write_generation(&self, catalog: &mut Manifest, mut manifest: Manifest) -> Result<()> {
        let last = || Error::damaged("the manifest has the last of all 2^64 generations").at(&self.root);
        manifest.generation = catalog.generation.checked_add(1).ok_or_else(last)?;
        manifest.next_file = FileId(self.next_file.load(Ordering::Relaxed));
        let bytes = manifest.encode();
        for copy in 0..2 {
            let name = FileName::Manifest { generation: manifest.generation, copy };
            let (path, file) = (self.path(name), self.create(name)?);
            file.write_all_at(&bytes, 0).map_err(|e| Error::io(e, "writing the manifest", &path))?;
            self.sync_data(Step::SyncManifest, &*file, &path)?;
        }
        self.sync_names(Step::SyncManifestNames)?;
        let old = std::mem::replace(catalog, manifest).generation;
        for copy in 0..2 {
            self.remove(FileName::Manifest { generation: old, copy });
        }
        Ok(())
    }
}
