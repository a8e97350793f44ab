//! Copies of manifests: which of them a crash left unfinished, and which are damaged.

use crate::damage::Damage;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileName;
use crate::file::layout::FILE_HEADER_LEN;
use crate::manifest::Manifest;
use crate::report::{Leftover, LeftoverKind, VerifyReport};
use crate::vfs::Access;

/// Whether there is a file of that name, which the next open for writing removes: no folder.
pub(super) fn is_removable(directory: &Directory, name: FileName) -> bool {
    let kind = directory.open(name, Access::Read).err().map(|e| e.kind());
    !matches!(kind, Some(ErrorKind::MissingFile | ErrorKind::NotAnArtifact))
}

/// The copies of manifests in a directory, beside the one that is in force.
pub(super) struct ManifestCopies<'a> {
    pub(super) directory: &'a Directory,
    pub(super) manifest: &'a Manifest,
    /// In order.
    pub(super) names: &'a [FileName],
}

impl ManifestCopies<'_> {
    /// Tells what a crash left from damage.
    pub(super) fn classify(&self, unsound: &[(FileName, Error)], report: &mut VerifyReport) -> Result<()> {
        let generations = self.names.iter().filter_map(|name| match name {
            FileName::Manifest { generation, .. } => Some(*generation),
            _ => None,
        });
        let oldest = generations.min();
        for (name, error) in unsound {
            let path = self.directory.path(*name);
            if self.is_unfinished(*name, error, oldest)? {
                if is_removable(self.directory, *name) {
                    report.left_by_crash.push(Leftover { path, kind: LeftoverKind::ManifestCopy });
                }
            } else {
                let len = self.directory.open(*name, Access::Read).ok().and_then(|file| file.len().ok());
                let len = len.unwrap_or(0).max(self.manifest.encoded_len());
                report.damage.push(Damage::new(&path, 0..len, error, 0..0));
            }
        }
        let is_old = |name: &&FileName| matches!(name, FileName::Manifest { generation, .. } if *generation < self.manifest.generation);
        let old = self.names.iter().filter(is_old).filter(|&&name| is_removable(self.directory, name));
        report.left_by_crash.extend(
            old.map(|&name| Leftover { path: self.directory.path(name), kind: LeftoverKind::OldManifest }),
        );
        Ok(())
    }

    /// Whether a copy is missing or does not hold because writing its generation was interrupted. Copy 0 is synced before copy 1 is
    /// begun, and the generation before is removed when both are durable.
    fn is_unfinished(&self, name: FileName, error: &Error, oldest: Option<u64>) -> Result<bool> {
        let FileName::Manifest { generation, copy } = name else { return Ok(false) };
        if self.directory.vfs.container().is_some() {
            return Ok(false);
        }
        let is_missing = error.kind() == ErrorKind::MissingFile;
        if generation > self.manifest.generation {
            let twin = FileName::Manifest { generation, copy: 1 - copy };
            return Ok(is_missing || self.names.binary_search(&twin).is_err());
        }
        let was_removed = oldest.is_none_or(|oldest| oldest >= generation);
        Ok((copy == 1 || is_missing) && (!was_removed || (generation == 1 && self.log_is_new()?)))
    }

    /// Whether nothing was committed yet: the first generation was written, and perhaps not finished.
    fn log_is_new(&self) -> Result<bool> {
        let Some(entry) = self.manifest.logs.last() else { return Ok(false) };
        let name = FileName::Log(entry.file);
        let (_, len) = self.directory.open_with_len(name)?;
        Ok(len <= FILE_HEADER_LEN as u64)
    }
}
