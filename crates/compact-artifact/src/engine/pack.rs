//! An artifact ↔ one immutable file.

use std::path::Path;

use super::core::Engine;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::reports::{PackReport, UnpackReport};

impl Engine {
    /// Seals what is not sealed, and writes the newest commit to one file.
    pub(crate) fn pack(&self, path: impl AsRef<Path>) -> Result<PackReport> {
        let records = self.sealed_records()?;
        let report = self.store.pack_to(&records, path)?;
        let hash = report.hash.iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
        Ok(PackReport { bytes: report.len, files: report.files.into(), hash })
    }

    /// The newest commit, with everything sealed.
    fn sealed_records(&self) -> Result<block_format::Snapshot> {
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            if !self.read_only {
                self.seal()?;
            }
            let state = self.state();
            if state.tail().next().is_none() {
                return Ok(state.records.clone());
            }
            if self.read_only {
                return Err(Error::new(
                    ErrorKind::ReadOnly,
                    "the newest records are not sealed, and who opened the artifact for reading cannot seal them; pack by somebody who may \
                     write, when nobody else does",
                ));
            }
        }
        Err(Error::invalid(
            "records were added faster than they could be sealed, or by another process; pack when nobody writes",
        ))
    }

    /// Makes a directory of this pack.
    pub(crate) fn unpack(&self, to: impl AsRef<Path>) -> Result<UnpackReport> {
        let not_packed =
            || Error::invalid("expected a packed artifact, found a directory, which can be copied as it is");
        unpack_from(self.store.as_pack().ok_or_else(not_packed)?, to)
    }
}

/// Makes a directory artifact, which can be written to, of the packed one in the file `from`: see [`CompactArtifact::unpack`](crate::CompactArtifact::unpack).
///
/// ```
/// # use compact_artifact::{CompactArtifact, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let path = |name: &str| temp.path().join(name);
/// let artifact = CompactArtifact::create(path("notes.artifact"))?;
/// artifact.add(Record::text("a cat"))?;
/// artifact.pack(path("notes.cart"))?;
/// compact_artifact::unpack(path("notes.cart"), path("restored.artifact"))?;
/// assert_eq!(CompactArtifact::open(path("restored.artifact"))?.len(), 1);
/// # Ok(()) }
/// ```
pub fn unpack(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<UnpackReport> {
    let options = block_format::Options::default();
    unpack_from(&block_format::PackVfs::open(from, 0, &options)?, to)
}

fn unpack_from(pack: &block_format::PackVfs, to: impl AsRef<Path>) -> Result<UnpackReport> {
    let report = pack.unpack(to, &block_format::Options::default())?;
    Ok(UnpackReport { files: report.files, bytes: report.bytes })
}
