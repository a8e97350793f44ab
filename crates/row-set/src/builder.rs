//! A set that grows by many lists of rows before anybody looks at it.

use crate::bitmap::{RowSet, place};

/// Lists of rows that become one [`RowSet`]. A row is counted when all are there, which makes adding one several times as fast as
/// [`RowSet::insert`]; lists of rows are added by [`insert_roaring`](Self::insert_roaring).
///
/// ```
/// use row_set::{RowSet, RowSetBuilder};
///
/// let mut builder = RowSetBuilder::new();
/// builder.insert(70);
/// builder.insert(3);
/// builder.insert(70);
/// assert!(builder.contains(70) && !builder.contains(4));
/// assert_eq!(builder.build(), RowSet::from_iter([3, 70]));
/// ```
#[derive(Debug, Clone, Default)]
pub struct RowSetBuilder {
    /// 64 rows each, the lowest in the lowest bit. The last is not zero.
    words: Vec<u64>,
}

impl RowSetBuilder {
    /// No rows yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row. Takes memory for all rows up to it, one bit each.
    pub fn insert(&mut self, row: u32) {
        let (word, bit) = place(row);
        self.reach(word);
        self.words[word] |= bit;
    }

    /// Whether a row was added.
    #[must_use]
    pub fn contains(&self, row: u32) -> bool {
        let (word, bit) = place(row);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The rows as a set.
    #[must_use]
    pub fn build(self) -> RowSet {
        self.words.into()
    }

    /// The words from that of `first`, a multiple of 64, to that of `last`, into which rows are added.
    pub(crate) fn words_between(&mut self, first: u32, last: u32) -> &mut [u64] {
        let (first, last) = (place(first).0, place(last).0);
        self.reach(last);
        &mut self.words[first..=last]
    }

    /// Makes room for a word, which is going to get a row.
    fn reach(&mut self, word: usize) {
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
    }
}
