//! Sets of rows: what a filter lets through, or what was deleted.

/// A set of rows as a bitmap with a known number of members: a filter, or the deleted.
///
/// ```
/// let even: vector_index::RowSet = (0..1_000).step_by(2).collect();
/// assert_eq!(even.len(), 500);
/// assert!(even.contains(8) && !even.contains(9) && !even.contains(5_000));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
    len: usize,
}

impl RowSet {
    /// The set with no row.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row; whether it was new. Takes memory for all rows up to it, one bit each.
    pub fn insert(&mut self, row: u32) -> bool {
        let (word, bit) = place(row);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(new);
        new
    }

    /// Whether a row is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, row: u32) -> bool {
        let (word, bit) = place(row);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// How many rows are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0u32..).step_by(64).zip(&self.words).flat_map(|(first, &word)| {
            std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|&rest| rest != 0)
                .map(move |rest| first + rest.trailing_zeros())
        })
    }

    /// 64 rows a word, the lowest in the lowest bit.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

impl From<Vec<u64>> for RowSet {
    /// From 64 rows a word, the lowest in the lowest bit. At most 2^26 words count.
    fn from(mut words: Vec<u64>) -> Self {
        words.truncate(1 << 26);
        let len = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, len }
    }
}

impl FromIterator<u32> for RowSet {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> Self {
        let mut set = Self::new();
        rows.into_iter().for_each(|row| {
            set.insert(row);
        });
        set
    }
}

fn place(row: u32) -> (usize, u64) {
    ((row / 64) as usize, 1 << (row % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_row_set_is_a_set_of_rows(rows in prop::collection::vec(0..5_000u32, 0..200)) {
            let (set, model): (RowSet, BTreeSet<u32>) = (rows.iter().copied().collect(), rows.iter().copied().collect());
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            for row in 0..5_100 {
                prop_assert_eq!(set.contains(row), model.contains(&row));
            }
            prop_assert_eq!(RowSet::from(set.words().to_vec()), set);
        }
    }
}
