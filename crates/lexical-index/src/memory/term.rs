//! What is held of a term: 16 bytes of one that occurs once, as most do, and chains of one that occurs again.

use super::chain::{Chain, ChainReader};

/// A term.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    /// Where its bytes begin.
    key: u32,
    key_len: u8,
    pub(super) field: u8,
    occurs_once: bool,
    /// Its row, if it occurs once; otherwise the number of its list.
    place: u32,
    /// Its position, if it occurs once.
    position: u32,
}

/// The postings of a term that occurs more than once.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    pub(super) df: u32,
    /// The newest posting, which is not in the chain yet.
    pub(super) row: u32,
    pub(super) freq: u32,
    /// The row before it.
    before: u32,
    /// The newest position in the newest row.
    position: u32,
    pub(super) postings: Chain,
    pub(super) positions: Chain,
}

/// What a term has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Occurrences {
    Once { row: u32, position: u32 },
    Listed(List),
}

impl Term {
    /// A term with its first occurrence. Its bytes lie at `key` among those of all terms.
    pub(super) fn new(key: u32, key_len: u8, field: u8, row: u32, position: u32) -> Self {
        Self { key, key_len, field, occurs_once: true, place: row, position }
    }

    pub(super) fn key<'a>(&self, keys: &'a [u8]) -> &'a [u8] {
        let start = self.key as usize;
        &keys[start..start + usize::from(self.key_len)]
    }

    pub(super) fn occurrences(&self, lists: &[List]) -> Occurrences {
        if self.occurs_once {
            return Occurrences::Once { row: self.place, position: self.position };
        }
        Occurrences::Listed(lists[self.place as usize])
    }

    /// Counts another occurrence.
    #[inline]
    pub(super) fn count(
        &mut self,
        row: u32,
        position: u32,
        keep_position: bool,
        lists: &mut Vec<List>,
        pool: &mut Vec<u8>,
    ) {
        if self.occurs_once {
            let mut list = List::default();
            list.count(self.place, self.position, pool, keep_position);
            self.place = u32::try_from(lists.len()).unwrap_or(u32::MAX);
            self.occurs_once = false;
            lists.push(list);
        }
        lists[self.place as usize].count(row, position, pool, keep_position);
    }
}

impl Default for List {
    fn default() -> Self {
        let (postings, positions) = (Chain::default(), Chain::default());
        Self { df: 0, row: u32::MAX, freq: 0, before: u32::MAX, position: 0, postings, positions }
    }
}

impl List {
    /// Counts a token of `row`.
    fn count(&mut self, row: u32, position: u32, pool: &mut Vec<u8>, keep_position: bool) {
        if self.df == 0 || self.row != row {
            self.flush(pool);
            (self.before, self.row, self.freq) = (self.row, row, 0);
            self.df += 1;
            self.position = 0;
        }
        self.freq += 1;
        if keep_position {
            self.positions.put_varint(pool, u64::from(position - self.position));
            self.position = position;
        }
    }

    /// Puts the newest posting into the chain, in the form of [`crate::postings::layout::put_posting`].
    fn flush(&mut self, pool: &mut Vec<u8>) {
        if self.df == 0 {
            return;
        }
        let gap = u64::from(self.row.wrapping_sub(self.before).wrapping_sub(1));
        self.postings.put_varint(pool, gap << 1 | u64::from(self.freq > 1));
        if self.freq > 1 {
            self.postings.put_varint(pool, u64::from(self.freq - 2));
        }
    }
}

impl Occurrences {
    /// The postings before the newest one, and that.
    pub(super) fn postings<'a>(&self, pool: &'a [u8]) -> (ChainReader<'a>, (u32, u32)) {
        match self {
            Self::Once { row, .. } => (Chain::default().reader(pool), (*row, 1)),
            Self::Listed(list) => (list.postings.reader(pool), (list.row, list.freq)),
        }
    }

    pub(super) fn positions<'a>(&self, pool: &'a [u8]) -> ChainReader<'a> {
        match self {
            Self::Once { position, .. } => ChainReader::of_one((*position).into()),
            Self::Listed(list) => list.positions.reader(pool),
        }
    }
}
