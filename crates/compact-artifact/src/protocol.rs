//! Every step by which no record is lost, comes back, or is found twice, by name.
//!
//! With the feature `testing` a test can plant a bug by leaving one out, and a test must notice every one. Without the
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
    /// What readers see is worked out anew when the next record expires.
    HideWhenDue,
    /// What expired is deleted before it is sealed.
    DeleteExpired,
    /// When enough of the sealed bytes are dead, files are rewritten by themselves.
    CompactWhenDue,
    /// Whoever follows reads settings that changed.
    FollowSettings,
    /// What was committed before a change of settings is on disk before the settings are.
    SyncBeforeSettings,
    /// Shards with many vectors of dropped spaces are written anew.
    CompactDropped,
    /// What was lost with a damaged shard is written down.
    RememberLost,
    /// The bytes of a mapped shard that say which records its rows are, and where their metadata are, are verified before they are used.
    CheckIds,
    /// Those of its words.
    CheckWords,
    /// Those of its metadata.
    CheckFilters,
    /// Those of its vectors.
    CheckVectors,
    /// Those of the vectors as they were given.
    CheckOriginals,
    /// Those of stored neighbours.
    CheckNeighbours,
}

#[cfg(feature = "testing")]
impl Step {
    /// The verifications of the sections of shards, for the test that leaves each out in turn.
    pub const CHECKS: &[Self] =
        &[Self::CheckIds, Self::CheckWords, Self::CheckFilters, Self::CheckVectors, Self::CheckOriginals];

    /// All other steps, likewise.
    pub const ALL: &[Self] = &[
        Self::MarkBeforeMerging,
        Self::KeepForTheTail,
        Self::SyncBeforeDropping,
        Self::WriteTombstones,
        Self::CompareWithRecords,
        Self::WriteSettingsTwice,
        Self::NumberOnce,
        Self::KeepReplacedMetadata,
        Self::HideWhenDue,
        Self::DeleteExpired,
        Self::CompactWhenDue,
        Self::FollowSettings,
        Self::SyncBeforeSettings,
        Self::CompactDropped,
        Self::RememberLost,
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
