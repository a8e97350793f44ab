//! A manifest → the next generation on disk.

use std::sync::atomic::Ordering;

use super::Manifest;
use super::reader::check_consistency;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileName;
use crate::id::FileId;
use crate::protocol::Step;

/// Why there is no next generation.
#[derive(Debug)]
pub(crate) struct NoGeneration {
    pub(crate) error: Error,
    /// Nothing of it is on disk, whatever happens next: the writer can go on.
    pub(crate) left_nothing: bool,
}

/// A failure after which nobody knows what is on disk.
impl From<Error> for NoGeneration {
    fn from(error: Error) -> Self {
        Self { error, left_nothing: false }
    }
}

impl Directory {
    /// Writes `manifest` as the generation after `catalog`, twice, and removes the copies of the one before.
    pub(crate) fn write_generation(
        &self,
        catalog: &mut Manifest,
        mut manifest: Manifest,
    ) -> Result<(), NoGeneration> {
        let unwritten = |error| NoGeneration { error, left_nothing: true };
        let last = || Error::damaged("the manifest has the last of all 2^64 generations").at(&self.root);
        manifest.generation = catalog.generation.checked_add(1).ok_or_else(last).map_err(unwritten)?;
        manifest.next_file = FileId(self.next_file.load(Ordering::Relaxed));
        // Whoever opens it asks the same, and would find no artifact.
        check_consistency(&manifest).map_err(|e| {
            let message =
                format!("nothing was changed, since the next open would refuse it: {}", e.message());
            unwritten(Error::invalid(message).at(&self.root))
        })?;
        let bytes = manifest.encode();
        for copy in 0..2 {
            let name = FileName::Manifest { generation: manifest.generation, copy };
            let path = self.path(name);
            let written = self.create(name).and_then(|file| {
                file.write_all_at(&bytes, 0).map_err(|e| Error::io(e, "writing the manifest", &path))?;
                Ok(file)
            });
            let file = written.map_err(|error| {
                // The first copy has fewer bytes than it says, and is gone for good before anything else is written.
                let left_nothing =
                    copy == 0 && error.kind() == ErrorKind::DiskFull && self.remove_for_good(name);
                NoGeneration { error, left_nothing }
            })?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::error::ErrorKind;
    use crate::id::ArtifactId;
    use crate::manifest::{Checkpoint, LogEntry, SegmentEntry};
    use crate::options::Options;
    use crate::vfs::{MemoryVfs, Vfs};

    #[test]
    fn a_generation_that_no_open_would_accept_is_not_written() {
        let disk = MemoryVfs::new();
        let root = Path::new("/a");
        disk.create_dir(root).unwrap();
        let artifact = ArtifactId([0; 16]);
        let directory = Directory::new(Arc::new(disk.clone()), root, artifact, &Options::new(), 20);
        let checkpoint = Checkpoint { len: 4096, seq: 1, next_id: 10, chain: 0 };
        let segment = |file| {
            let (file, hash, first_id, last_id) = (FileId(file), 0, 0, 4);
            SegmentEntry { file, len: 5000, hash, first_id, last_id, records: 5, raw_len: 0 }
        };
        let sound = Manifest {
            artifact,
            generation: 1,
            next_file: FileId(20),
            segments: vec![segment(1)],
            parts: Vec::new(),
            logs: vec![LogEntry { file: FileId(3), checkpoint }],
        };
        let twice = Manifest { segments: vec![segment(1), segment(2)], ..sound.clone() };
        let mut catalog = sound.clone();
        let failed = directory.write_generation(&mut catalog, twice).unwrap_err();
        assert_eq!((failed.error.kind(), failed.left_nothing), (ErrorKind::InvalidArgument, true));
        assert!(failed.error.to_string().contains("segments overlap or repeat ids"), "{}", failed.error);
        assert_eq!((disk.files().len(), &catalog), (0, &sound));
        directory.write_generation(&mut catalog, sound.clone()).unwrap();
        assert_eq!((disk.files().len(), catalog.generation), (2, 2));
    }
}
