//! Which rows of a shard are no longer there: deleted, or in a newer shard.

use roaring::RoaringBitmap;
use vector_index::RowSet;

/// A set of rows, in the two forms that indexes ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dead {
    rows: RoaringBitmap,
    set: RowSet,
}

impl Dead {
    pub(crate) fn new(rows: RoaringBitmap) -> Self {
        let set = row_set(&rows);
        Self { rows, set }
    }

    /// This set with more rows.
    pub(crate) fn with(&self, rows: impl IntoIterator<Item = u32>) -> Self {
        let mut more = self.clone();
        for row in rows {
            more.rows.insert(row);
            more.set.insert(row);
        }
        more
    }

    pub(crate) fn contains(&self, row: u32) -> bool {
        self.set.contains(row)
    }

    pub(crate) fn len(&self) -> u64 {
        self.rows.len()
    }

    pub(crate) fn heap_bytes(&self) -> u64 {
        (size_of_val(self.set.words()) + self.rows.serialized_size()) as u64
    }

    pub(crate) fn bitmap(&self) -> &RoaringBitmap {
        &self.rows
    }

    pub(crate) fn set(&self) -> &RowSet {
        &self.set
    }
}

/// The rows of a bitmap, as vector indexes want them.
fn row_set(rows: &RoaringBitmap) -> RowSet {
    let Some(last) = rows.max() else { return RowSet::new() };
    let mut words = vec![0u64; last as usize / 64 + 1];
    for row in rows {
        words[row as usize / 64] |= 1 << (row % 64);
    }
    words.into()
}
