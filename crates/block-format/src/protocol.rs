//! Every step that the crash contract rests on, by name.
//!
//! A step is a sync that orders what reaches the disk, or a check that tells sound bytes from others. The code asks
//! [`Steps::take`] before each one; with the feature `testing` a test can plant a bug by leaving one out
//! (`Options::leave_out`), and the campaigns must notice every one. Without the feature nothing of this is left in the program.

/// A sync or a check of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "public for tests only"))]
pub enum Step {
    /// The directory of a new artifact becomes durable in its parent.
    SyncParentDir,
    /// The header of a new log is durable before the manifest names the log.
    SyncNewLog,
    /// The blocks of a commit are durable before it is acknowledged.
    SyncCommit,
    /// The names of new files are durable before the manifest names them.
    SyncNewNames,
    /// A sealed segment is durable before the manifest names it.
    SyncSegment,
    /// A part is durable before the manifest names it.
    SyncPart,
    /// A file that was copied out of a pack is durable before the manifest names it.
    SyncUnpacked,
    /// Each copy of a manifest is durable before anything relies on it.
    SyncManifest,
    /// The names of the manifest are durable before the files it replaces are removed.
    SyncManifestNames,
    /// The log is durable up to the checkpoint that a manifest is about to vouch for.
    SyncCheckpoint,
    /// The log that recovery found is copied into a new one and synced before it is served: it may be in the page cache only.
    AdoptByCopy,
    /// The checksum of a block header, before its lengths are believed.
    CheckHeader,
    /// The checksum of a block payload, before it is decoded.
    CheckPayload,
    /// The offset inside the checksums: a sound block in the wrong place is noticed.
    CheckPlace,
    /// The chained hash over all that a commit covers.
    CheckChain,
    /// The sync floor: a later commit that vouches for an earlier, damaged one.
    CheckFloor,
    /// The hash over a manifest.
    CheckManifest,
    /// The log reaches at least to the manifest's checkpoint, with the hash recorded there.
    CheckCheckpoint,
    /// The length of a sealed file is the one that the manifest recorded.
    CheckLength,
    /// The checksum of a file header.
    CheckFileHeader,
    /// The checksum of a segment's block table and footer.
    CheckTable,
    /// The checksums of a part, by whoever verifies it as a whole.
    CheckPart,
    /// The checksum of a chunk of a part, before its bytes are used.
    CheckChunk,
    /// The hash over a whole sealed file, by `verify`.
    CheckFileHash,
    /// The hash over a whole sealed file, before its copy is a pack.
    CheckPacked,
    /// Commits found beyond the newest sound manifest: it was lost, not merely never written.
    CheckOrphans,
    /// A sealed segment is read back before its sources are removed.
    CheckReadBack,
    /// A file that was copied out of a pack is read back and verified before the manifest names it.
    CheckUnpacked,
    /// The list of deleted ids is written twice, since nothing else says which records are alive.
    WriteDeletesTwice,
    /// The lock that is held is still the one at its path, before anything is committed.
    CheckLock,
    /// A write or sync that failed ends the life of the writer.
    Poison,
}

#[cfg(feature = "testing")]
impl Step {
    /// All steps, for the test that leaves each out in turn.
    pub const ALL: &[Self] = &[
        Self::SyncParentDir,
        Self::SyncNewLog,
        Self::SyncCommit,
        Self::SyncNewNames,
        Self::SyncSegment,
        Self::SyncPart,
        Self::SyncUnpacked,
        Self::SyncManifest,
        Self::SyncManifestNames,
        Self::SyncCheckpoint,
        Self::AdoptByCopy,
        Self::CheckHeader,
        Self::CheckPayload,
        Self::CheckPlace,
        Self::CheckChain,
        Self::CheckFloor,
        Self::CheckManifest,
        Self::CheckCheckpoint,
        Self::CheckLength,
        Self::CheckFileHeader,
        Self::CheckTable,
        Self::CheckPart,
        Self::CheckChunk,
        Self::CheckFileHash,
        Self::CheckPacked,
        Self::CheckOrphans,
        Self::CheckReadBack,
        Self::CheckUnpacked,
        Self::WriteDeletesTwice,
        Self::CheckLock,
        Self::Poison,
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
