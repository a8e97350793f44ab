//! What opening, sealing, compacting, packing, verifying and salvaging did or found.

use serde::Serialize;

use crate::api::damage::Damage;

/// What opening found, beyond what a closed artifact has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Commits that were not closed in: found in the log, and kept.
    pub commits_recovered: u64,
    /// Records in them.
    pub records_recovered: u64,
    /// Bytes of a commit that was never acknowledged, and was dropped.
    pub dropped_len: u64,
    /// Files of changes that never finished, and were removed.
    pub removed_files: usize,
    /// Records that no sealed index covers, and that were indexed in memory.
    pub records_indexed: u64,
    /// Indexes that were damaged or missing, and were made anew from records.
    pub shards_rebuilt: u64,
    /// Damage that was met. `verify` looks everywhere.
    pub damage: Vec<Damage>,
}

impl RecoveryReport {
    /// Whether the artifact was found as it was closed.
    pub fn is_clean(&self) -> bool {
        *self == Self { records_indexed: self.records_indexed, ..Self::default() }
    }
}

/// What sealing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SealReport {
    /// Records that are in sealed indexes now and were not before.
    pub records: u64,
    /// Indexes that were written.
    pub shards: u64,
    /// Indexes and files of records that would have been merged with their neighbours, and are damaged: they stay as they are.
    pub damage: Vec<Damage>,
}

/// What compacting did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of all files on disk before, the log included.
    pub bytes_before: u64,
    /// Bytes of all files on disk now.
    pub bytes_after: u64,
    /// Deleted records that were left out of segments that were rewritten; what was deleted before it was sealed is left out by sealing.
    pub records_dropped: u64,
    /// Segments that were rewritten.
    pub segments_rewritten: u64,
    /// Indexes that were rewritten.
    pub shards_rewritten: u64,
}

/// What indexing the words of all records anew did: see [`set_text_options`](crate::CompactArtifact::set_text_options).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReindexReport {
    /// Records whose words were indexed.
    pub records: u64,
    /// Indexes that were written.
    pub shards: u64,
    /// Records that cannot be read, because their bytes are damaged: no words find them from now on.
    pub damaged: u64,
    /// Records that were still to come when the caller ended it, so that nothing was changed: 0 when all is done.
    pub left: u64,
}

/// What packing wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PackReport {
    /// Length of the file.
    pub bytes: u64,
    /// Files that it holds.
    pub files: u64,
    /// The BLAKE3 hash of its content, in hexadecimal.
    pub hash: String,
}

/// What unpacking wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnpackReport {
    /// Files of the new directory.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

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
    /// Damaged places: which file, where, what is lost.
    pub damage: Vec<Damage>,
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
    /// What was lost.
    pub losses: Vec<Damage>,
}

impl From<block_format::VerifyReport> for VerifyReport {
    fn from(report: block_format::VerifyReport) -> Self {
        let left_by_crash = report.left_by_crash.iter().map(ToString::to_string).collect();
        let damage = report.damage.iter().map(Damage::from).collect();
        Self { files: report.files, blocks: report.blocks, left_by_crash, damage }
    }
}

/// What `reembed` did.
#[cfg(feature = "embedder")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReembedReport {
    /// Texts that got an embedding.
    pub embedded: u64,
    /// Texts in which the model knows nothing.
    pub without: u64,
    /// Records that are no texts and have a vector that was given in the space of the old model, which goes with that space.
    pub given: u64,
    /// Places in the store that cannot be read, because their bytes are damaged.
    pub damaged: u64,
    /// Texts that are still to get one: 0 when all is done.
    pub left: u64,
}
