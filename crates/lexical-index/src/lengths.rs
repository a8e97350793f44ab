//! How many tokens each text has, exactly: a byte a row, and the few lengths that do not fit one, by row.

use crate::bm25::LONG;
use crate::wire::u32_at;

/// Bytes of a row and its length.
pub(crate) const LONG_LEN: usize = 8;

/// The lengths of one field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) long: LongLengths<'a>,
}

/// Rows whose byte is [`LONG`], ascending, with their lengths.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LongLengths<'a> {
    Sealed(&'a [u8]),
    Memory(&'a [(u32, u32)]),
}

impl Lengths<'_> {
    /// The length, if it is less than [`LONG`].
    #[inline]
    pub(crate) fn byte(&self, row: u32) -> u8 {
        self.bytes.get(row as usize).copied().unwrap_or(LONG)
    }

    #[cold]
    pub(crate) fn of_long(&self, row: u32) -> u32 {
        match self.long {
            LongLengths::Memory(long) => {
                long.binary_search_by_key(&row, |&(row, _)| row).ok().map(|i| long[i].1)
            }
            LongLengths::Sealed(bytes) => find_long(bytes, row),
        }
        .unwrap_or(u32::from(LONG))
    }

    pub(crate) fn of(&self, row: u32) -> u32 {
        match self.byte(row) {
            LONG => self.of_long(row),
            byte => u32::from(byte),
        }
    }
}

fn find_long(bytes: &[u8], row: u32) -> Option<u32> {
    let (mut from, mut to) = (0, bytes.len() / LONG_LEN);
    while from < to {
        let middle = from.midpoint(to);
        match u32_at(bytes, middle * LONG_LEN)?.cmp(&row) {
            std::cmp::Ordering::Equal => return u32_at(bytes, middle * LONG_LEN + 4),
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    None
}
