//! Looking for damage everywhere, and keeping what is sound.

use std::path::Path;
use std::sync::Arc;

use block_format::{PackVfs, VerifyLevel};
use serde::Serialize;

use crate::artifact::CompactArtifact;
use crate::error::Result;
use crate::options::Options;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files that were looked at.
    pub files: u64,
    /// Blocks of records in them.
    pub blocks: u64,
    /// What a crash left, or a writer that is at work, a sentence each: no damage, nothing is lost. The next open for writing clears it.
    pub left_by_crash: Vec<String>,
    /// Damaged places, a sentence each: which file, where, what is lost.
    pub damage: Vec<String>,
}

impl VerifyReport {
    /// Whether there is no damage.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// What salvaging kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Records that were kept, with their ids, keys and metadata.
    pub records: u64,
    /// What was lost, a sentence each.
    pub losses: Vec<String>,
}

impl CompactArtifact {
    /// Reads the artifact that is open, wherever it lies, and compares every checksum: of files, as [`verify`] does, and of what indexes hold
    /// against what they may.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        let mut report: VerifyReport = self.inner.store.verify(level)?.into();
        for view in &self.inner.state().views {
            if let Err(e) = view.shard.verify() {
                report.damage.push(format!("shard {}: {e}", view.shard.number));
            }
        }
        Ok(report)
    }
}

/// Reads the files of the artifact at `path`, a directory or a packed file, without opening it, and compares their checksums. A writer may be at
/// work meanwhile.
///
/// An error means that there is nothing to go by, or that the medium fails; damage is in the report.
pub fn verify(path: impl AsRef<Path>, level: VerifyLevel) -> Result<VerifyReport> {
    let path = path.as_ref();
    if !path.is_file() {
        return Ok(block_format::verify(path, level)?.into());
    }
    let options = block_format::Options::default();
    let pack = PackVfs::open(path, 0, &options)?;
    Ok(block_format::verify_in(Arc::new(pack), path, level, &options)?.into())
}

impl From<block_format::VerifyReport> for VerifyReport {
    fn from(report: block_format::VerifyReport) -> Self {
        let left_by_crash = report.left_by_crash.iter().map(ToString::to_string).collect();
        let damage = report.damage.iter().map(ToString::to_string).collect();
        Self { files: report.files, blocks: report.blocks, left_by_crash, damage }
    }
}

/// Copies everything that is sound from a damaged artifact, a directory or a packed file, into a new one at `to`. Records keep their ids. Indexes that are damaged are made anew
/// from the records; embeddings whose codes are damaged are lost, and named.
pub fn salvage(from: impl AsRef<Path>, to: impl AsRef<Path>, options: Options) -> Result<SalvageReport> {
    let store = block_format::salvage(from, &to, options.store.clone())?;
    let mut losses: Vec<String> = store.lost.iter().map(|id| format!("record {id}")).collect();
    if store.damaged_blocks > 0 {
        losses.push(format!("{} blocks, and what was in them", store.damaged_blocks));
    }
    if store.deletes_incomplete {
        losses.push("a list of deleted records: some of them may be back".to_owned());
    }
    losses.extend(
        store.lost_parts.iter().map(|(_, number)| format!("index {number}, with the embeddings in it")),
    );
    let artifact = CompactArtifact::open_salvaged(options, to.as_ref())?;
    losses.extend(artifact.recovery().damage.iter().cloned());
    artifact.seal()?;
    let records = artifact.len();
    artifact.close()?;
    Ok(SalvageReport { records, losses })
}
