//! Every step by which no record is lost, comes back, or is found twice, by name.
//!
//! With the feature `testing` a test can plant a bug by leaving one out, and the tests of late embeddings must notice every one. Without the
//! feature nothing of this is left in the program.

/// A step that the indexes rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public for tests only"))]
pub enum Step {
    /// Older rows of a record that is indexed again are marked before shards of the tail are merged.
    MarkBeforeMerging,
    /// A row that only the tail has taken the place of stays on disk.
    KeepForTheTail,
    /// The log is synced before anything is dropped because of what it says.
    SyncBeforeDropping,
    /// Rows that a sealed shard takes the place of get tombstones.
    WriteTombstones,
    /// When an index is damaged, all indexes are compared with all records.
    CompareWithRecords,
    /// The settings are written twice.
    WriteSettingsTwice,
    /// A number of a shard is never used again.
    NumberOnce,
    /// Metadata that were replaced stay until the newer row of their record is on disk.
    KeepReplacedMetadata,
}

#[cfg(feature = "testing")]
impl Step {
    /// All steps, for the test that leaves each out in turn.
    pub const ALL: &[Self] = &[
        Self::MarkBeforeMerging,
        Self::KeepForTheTail,
        Self::SyncBeforeDropping,
        Self::WriteTombstones,
        Self::CompareWithRecords,
        Self::WriteSettingsTwice,
        Self::NumberOnce,
        Self::KeepReplacedMetadata,
    ];
}

/// Which steps are taken: all of them, except where a test planted a bug.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Steps {
    #[cfg(feature = "testing")]
    pub(crate) left_out: Option<Step>,
}

impl Steps {
    /// Whether `step` is to be taken.
    #[cfg(feature = "testing")]
    pub(crate) fn take(self, step: Step) -> bool {
        self.left_out != Some(step)
    }

    /// Whether `step` is to be taken: always.
    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_self, reason = "the same signature as with planted bugs")]
    pub(crate) const fn take(self, _step: Step) -> bool {
        true
    }
}
