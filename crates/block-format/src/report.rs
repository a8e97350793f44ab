//! The reports of opening, verifying and salvaging an artifact.

use std::fmt;
use std::path::PathBuf;

use crate::damage::Damage;
use crate::id::RecordId;
use crate::part::PartKind;

/// The report of opening: empty for an artifact that was closed, and is as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Commits that were in the log behind the manifest's checkpoint: the artifact was not closed after them.
    pub commits_recovered: u64,
    /// Records in them.
    pub records_recovered: u64,
    /// Bytes behind the last commit: of one that was never acknowledged.
    pub dropped_len: u64,
    /// Files that no generation names and that were removed: of a commit or an edit that never finished.
    pub removed_files: Vec<PathBuf>,
    /// Copies of the manifest that were missing or damaged and were written anew.
    pub manifests_rewritten: Vec<PathBuf>,
    /// Damage that was met. Where it [is derived](Damage::is_derived), the artifact opens all the same; otherwise only
    /// [`Store::open_read_only`](crate::Store::open_read_only) goes on in spite of it. `verify` looks everywhere.
    pub damage: Vec<Damage>,
}

impl RecoveryReport {
    /// Whether the artifact was found as it was closed.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// The report of [`verify`](crate::verify).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files looked at.
    pub files: u64,
    /// Blocks of records and frames in them.
    pub blocks: u64,
    /// Records in those blocks, deleted ones included; counted at [`VerifyLevel::Decode`](crate::VerifyLevel::Decode).
    pub records: u64,
    /// Bytes behind the last commit of an artifact that was not closed: no damage, the next open drops them.
    pub torn_len: u64,
    /// Files and bytes that a crash left, or that a writer at work has not finished: no damage. The next open for writing clears them.
    pub left_by_crash: Vec<Leftover>,
    /// Every place that is not what was written there.
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    /// Whether there is no damage.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.blocks += other.blocks;
        self.records += other.records;
        self.torn_len += other.torn_len;
        self.left_by_crash.extend(other.left_by_crash);
        self.damage.extend(other.damage);
    }
}

/// A file, or the end of one, that an interrupted change left behind. Nothing that was acknowledged is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// Its sort.
    pub kind: LeftoverKind,
}

/// The sort of a [`Leftover`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftoverKind {
    /// A copy of the manifest that is missing or half written: its twin, or the generation before, is in force.
    ManifestCopy,
    /// A manifest of an earlier generation.
    OldManifest,
    /// A log, segment or part that the manifest does not name.
    UnnamedFile,
    /// This many bytes behind the last commit of a log.
    TornTail(u64),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match self.kind {
            LeftoverKind::ManifestCopy => f.write_str("a copy of the manifest that was not finished"),
            LeftoverKind::OldManifest => f.write_str("the manifest of an earlier generation"),
            LeftoverKind::UnnamedFile => {
                f.write_str("a file of a change that was not finished, or was replaced")
            }
            LeftoverKind::TornTail(1) => f.write_str("1 byte of a commit that was not finished"),
            LeftoverKind::TornTail(len) => write!(f, "{len} bytes of a commit that was not finished"),
        }
    }
}

/// The report of [`salvage`](crate::salvage): how much was kept, and what is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Records in the new artifact, under the ids they had.
    pub records: u64,
    /// Large records of which a frame is damaged, and records whose block is: their ids where they are known.
    pub lost: Vec<RecordId>,
    /// Blocks that were recognised but do not hold. In [`Damage::lost`] is the first id of each: how many follow in the block is not known.
    pub damage: Vec<Damage>,
    /// A list of deleted records is damaged: some of them may be back.
    pub deletes_incomplete: bool,
    /// Parts of kinds from 256 on in the new artifact, with the kind and tag they had, and their bytes.
    pub parts: u64,
    /// Kind and tag of such parts that are missing, or of which a checksum does not hold.
    pub lost_parts: Vec<(PartKind, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_tail_of_one_byte_is_no_bytes() {
        let said = |len| Leftover { path: "log".into(), kind: LeftoverKind::TornTail(len) }.to_string();
        assert_eq!(said(1), "log: 1 byte of a commit that was not finished");
        assert_eq!(said(2), "log: 2 bytes of a commit that was not finished");
    }
}
