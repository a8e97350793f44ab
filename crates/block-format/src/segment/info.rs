//! A sealed segment, as callers see it.

use crate::id::{FileId, RecordId};
use crate::manifest::SegmentEntry;

/// The size and ids of a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The number of its file.
    pub file: FileId,
    /// Length of its file in bytes.
    pub len: u64,
    /// Raw bytes of its blocks.
    pub raw_len: u64,
    /// The smallest and the largest id in it.
    pub ids: (RecordId, RecordId),
    /// How many records it holds, deleted ones included.
    pub records: u64,
}

impl From<&SegmentEntry> for SegmentInfo {
    fn from(entry: &SegmentEntry) -> Self {
        let SegmentEntry { file, len, raw_len, records, first_id, last_id, .. } = *entry;
        Self { file, len, raw_len, records, ids: (RecordId(first_id), RecordId(last_id)) }
    }
}
