//! Which rows of a shard are no longer there: deleted, or in a newer shard.

use roaring::RoaringBitmap;
use vector_index::RowSet;

use crate::format::parts::row_set;

/// The dead rows of one shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dead(RowSet);

impl Dead {
    pub(crate) fn new(rows: &RoaringBitmap) -> Self {
        Self(row_set(rows))
    }

    /// This set with more rows.
    pub(crate) fn with(&self, rows: impl IntoIterator<Item = u32>) -> Self {
        let mut more = self.clone();
        more.0.extend(rows);
        more
    }

    pub(crate) fn contains(&self, row: u32) -> bool {
        self.0.contains(row)
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        self.0.heap_bytes() as u64
    }

    /// The rows as the indexes take them.
    pub(crate) fn rows(&self) -> &RowSet {
        &self.0
    }

    /// The rows as tombstones and merges take them.
    pub(crate) fn to_bitmap(&self) -> RoaringBitmap {
        self.0.iter().collect()
    }
}
