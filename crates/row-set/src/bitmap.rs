//! The bitmap, and a second one of its words that are not zero.

use std::ops::{BitAndAssign, BitOrAssign, Range, SubAssign};

/// Rows in a word.
const WORD: usize = u64::BITS as usize;
/// The most words that a set has: one bit for every `u32`.
const MAX_WORDS: usize = 1 << 26;

/// A set of rows as a bitmap with a known number of members. See the [crate page](crate).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSet {
    /// 64 rows each, the lowest in the lowest bit.
    words: Vec<u64>,
    /// A bit for each word that is not zero.
    occupied: Vec<u64>,
    len: usize,
}

impl RowSet {
    /// The set with no row.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The set with all rows below `end`.
    #[must_use]
    pub fn all_below(end: u32) -> Self {
        let (full, rest) = place(end);
        let mut words = vec![u64::MAX; full];
        words.extend((rest > 1).then(|| rest - 1));
        words.into()
    }

    /// Adds a row; whether it was new. Takes memory for all rows up to it, one bit each.
    pub fn insert(&mut self, row: u32) -> bool {
        let (word, bit) = place(row);
        if word >= self.words.len() {
            self.grow(word + 1);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.occupied[word / WORD] |= 1 << (word % WORD);
        self.len += usize::from(is_new);
        is_new
    }

    /// Whether a row is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, row: u32) -> bool {
        let (word, bit) = place(row);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// How many rows are in it.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows, ascending.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { set: self, word: 0, rest: self.words.first().copied().unwrap_or(0), end: 1 << u32::BITS }
    }

    /// The rows from `range.start` to before `range.end`, ascending.
    #[must_use]
    pub fn range(&self, range: Range<u32>) -> Iter<'_> {
        let (word, bit) = place(range.start);
        let rest = self.words.get(word).map_or(0, |all| all & bit.wrapping_neg());
        Iter { set: self, word, rest, end: range.end.into() }
    }

    /// 64 rows a word, the lowest in the lowest bit.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bytes of memory behind it.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.words) + size_of_val(&*self.occupied)
    }

    /// Replaces each word by what `f` makes of it and of the word of `other`.
    fn combine(&mut self, other: &Self, f: impl Fn(u64, u64) -> u64) {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        for (word, other) in self.words.iter_mut().zip(others) {
            *word = f(*word, other);
        }
        *self = std::mem::take(&mut self.words).into();
    }

    #[cold]
    fn grow(&mut self, words: usize) {
        self.words.resize(words, 0);
        self.occupied.resize(words.div_ceil(WORD), 0);
    }

    /// The first word from `from` on that is not zero.
    fn next_occupied(&self, from: usize) -> Option<usize> {
        let mut at = from / WORD;
        let mut occupied = self.occupied.get(at)? & (u64::MAX << (from % WORD));
        while occupied == 0 {
            at += 1;
            occupied = *self.occupied.get(at)?;
        }
        Some(at * WORD + occupied.trailing_zeros() as usize)
    }
}

/// Keeps the rows that are in the other set as well.
impl BitAndAssign<&RowSet> for RowSet {
    fn bitand_assign(&mut self, other: &RowSet) {
        self.combine(other, |word, other| word & other);
    }
}

/// Adds the rows of the other set.
impl BitOrAssign<&RowSet> for RowSet {
    fn bitor_assign(&mut self, other: &RowSet) {
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.words.len() > self.words.len() {
            self.grow(other.words.len());
        }
        self.combine(other, |word, other| word | other);
    }
}

/// Removes the rows of the other set.
impl SubAssign<&RowSet> for RowSet {
    fn sub_assign(&mut self, other: &RowSet) {
        if other.is_empty() {
            return;
        }
        self.combine(other, |word, other| word & !other);
    }
}

impl From<Vec<u64>> for RowSet {
    /// From 64 rows a word, the lowest in the lowest bit. At most 2^26 words count.
    fn from(mut words: Vec<u64>) -> Self {
        words.truncate(MAX_WORDS);
        // Equal sets have equal words.
        let kept = words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        words.truncate(kept);
        let len = words.iter().map(|word| word.count_ones() as usize).sum();
        let is_occupied = |words: &[u64]| {
            words.iter().enumerate().fold(0, |all, (at, &word)| all | u64::from(word != 0) << at)
        };
        let occupied = words.chunks(WORD).map(is_occupied).collect();
        Self { words, occupied, len }
    }
}

impl FromIterator<u32> for RowSet {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> Self {
        let mut set = Self::new();
        set.extend(rows);
        set
    }
}

impl Extend<u32> for RowSet {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, rows: I) {
        rows.into_iter().for_each(|row| {
            self.insert(row);
        });
    }
}

impl<'a> IntoIterator for &'a RowSet {
    type Item = u32;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Some rows of a [`RowSet`], ascending.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    set: &'a RowSet,
    /// The word that `rest` is of.
    word: usize,
    /// The bits of that word that are still to come.
    rest: u64,
    end: u64,
}

impl Iter<'_> {
    /// Writes the next rows to `rows`, as many as there are and it has room for, and returns how many.
    #[inline]
    pub fn put(&mut self, rows: &mut [u32]) -> usize {
        let mut len = 0;
        while len < rows.len()
            && let Some(first) = self.next()
        {
            rows[len] = first;
            len += 1;
            let word = first - first % u64::BITS;
            if u64::from(word) + WORD as u64 > self.end {
                continue;
            }
            for row in &mut rows[len..] {
                if self.rest == 0 {
                    break;
                }
                *row = word + self.rest.trailing_zeros();
                self.rest &= self.rest - 1;
                len += 1;
            }
        }
        len
    }
}

impl Iterator for Iter<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.rest == 0 {
            self.word = self.set.next_occupied(self.word + 1)?;
            self.rest = self.set.words[self.word];
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^26 words")]
        let row = (self.word * WORD) as u32 + self.rest.trailing_zeros();
        if u64::from(row) >= self.end {
            return None;
        }
        self.rest &= self.rest - 1;
        Some(row)
    }
}

/// The word of a row, and its bit there.
#[inline]
pub(crate) fn place(row: u32) -> (usize, u64) {
    (row as usize / WORD, 1 << (row as usize % WORD))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_zeros_at_the_end_make_no_other_set() {
        assert_eq!(RowSet::from(vec![0, 1, 0, 0]), RowSet::from_iter([64]));
        assert_eq!(RowSet::from(vec![0; 3]), RowSet::new());
    }

    proptest! {
        #[test]
        fn a_row_set_is_a_set_of_rows(
            rows in prop::collection::vec(prop_oneof![0..5_000u32, 0..200_000u32], 0..200),
            range in (0..210_000u32, 0..210_000u32),
        ) {
            let (set, model): (RowSet, BTreeSet<u32>) = (rows.iter().copied().collect(), rows.iter().copied().collect());
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            for row in (0..5_100).chain(rows.iter().map(|row| row + 1)) {
                prop_assert_eq!(set.contains(row), model.contains(&row));
            }
            let range = range.0.min(range.1)..range.0.max(range.1);
            prop_assert_eq!(set.range(range.clone()).collect::<Vec<_>>(), model.range(range).copied().collect::<Vec<_>>());
            prop_assert_eq!(RowSet::from(set.words().to_vec()), set);
        }
    }

    proptest! {
        #[test]
        fn sets_are_combined_row_by_row(
            a in prop::collection::btree_set(prop_oneof![0..200u32, 0..20_000u32], 0..200),
            b in prop::collection::btree_set(prop_oneof![0..200u32, 0..20_000u32], 0..200),
            end in 0..300u32,
        ) {
            let set = |rows: &BTreeSet<u32>| rows.iter().copied().collect::<RowSet>();
            let (mut and, mut or, mut sub) = (set(&a), set(&a), set(&a));
            and &= &set(&b);
            or |= &set(&b);
            sub -= &set(&b);
            prop_assert_eq!((and.len(), and), ((&a & &b).len(), set(&(&a & &b))));
            prop_assert_eq!((or.len(), or), ((&a | &b).len(), set(&(&a | &b))));
            prop_assert_eq!((sub.len(), sub), ((&a - &b).len(), set(&(&a - &b))));
            prop_assert_eq!(RowSet::all_below(end), (0..end).collect());
        }
    }

    #[test]
    fn nothing_is_lost_at_the_ends() {
        assert_eq!(RowSet::new().iter().next(), None);
        let ends: RowSet = [0, u32::MAX].into_iter().collect();
        assert_eq!(ends.iter().collect::<Vec<_>>(), [0, u32::MAX]);
        assert_eq!(ends.range(1..u32::MAX).next(), None);
    }
}
