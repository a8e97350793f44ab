//! The bytes of a block, in both versions: keys without what they share with the key before, numbers that tell first rows, lists of more rows.

use std::io;

use roaring::RoaringBitmap;
use wire::{bits, bits_at, put_varint};

use crate::error::Result;
use crate::layout::Version;

/// The lengths before the suffix of a key take no more bytes.
pub(crate) const LENGTHS_LEN_MAX: usize = 1 + 2 * VARINT_LEN_MAX;
/// What stands before the numbers of a block takes no more bytes.
pub(crate) const NUMBERS_HEAD_LEN_MAX: usize = VARINT_LEN_MAX + 1;
/// The longest varint, in bytes.
pub(crate) const VARINT_LEN_MAX: usize = 5;

/// Appends the key of an entry: `shared` bytes of it are those of the key before it, and `suffix` follows them.
pub(crate) fn put_key(out: &mut Vec<u8>, shared: usize, suffix: &[u8]) {
    let short = |len: usize| u8::try_from(len).unwrap_or(u8::MAX).min(LONG);
    out.push(short(shared) << 4 | short(suffix.len()));
    for len in [shared, suffix.len()] {
        if let Some(more) = len.checked_sub(LONG.into()) {
            put_varint(out, more as u64);
        }
    }
    out.extend(suffix);
}

/// The four bits of a length that say that a varint follows, with what the length has more than this.
pub(crate) const LONG: u8 = 15;

/// Takes the lengths before the suffix of a key: how many bytes it shares with the key before it, and how many follow.
#[inline]
pub(crate) fn take_lengths(version: Version, bytes: &mut &[u8]) -> Option<(usize, usize)> {
    match version {
        Version::V1 => Some((take_len(bytes, 0)?, take_len(bytes, 0)?)),
        Version::V2 => {
            let (&both, rest) = bytes.split_first()?;
            *bytes = rest;
            let mut len = |short: u8| {
                if short < LONG { Some(short.into()) } else { take_len(bytes, LONG.into()) }
            };
            Some((len(both >> 4)?, len(both & 0xF)?))
        }
    }
}

fn take_len(bytes: &mut &[u8], least: u64) -> Option<usize> {
    usize::try_from(take_varint(bytes)? + least).ok()
}

/// The first row of each entry of a block, and whether it has more.
///
/// An entry's number is its first row less `base`; where `tells_more`, twice that, plus 1 for an entry of several rows. Each takes `width`
/// bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a> {
    head: NumbersHead,
    entries: usize,
    bytes: &'a [u8],
}

/// What stands before the [`Numbers`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumbersHead {
    base: u64,
    width: usize,
    tells_more: bool,
}

/// Twice the highest row, plus 1.
pub(crate) const WIDTH_MAX: usize = 33;
/// Set in the byte of the width if numbers tell whether an entry has several rows.
pub(crate) const TELLS_MORE: u8 = 0x80;

impl NumbersHead {
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let base = take_varint(bytes)?;
        let (&width, rest) = bytes.split_first()?;
        *bytes = rest;
        let tells_more = width & TELLS_MORE != 0;
        let width = Some(usize::from(width & !TELLS_MORE)).filter(|&width| width <= WIDTH_MAX)?;
        Some(Self { base, width, tells_more })
    }

    /// Length of the numbers of so many entries in bytes.
    pub(crate) fn len(self, entries: usize) -> usize {
        (entries * self.width).div_ceil(8)
    }
}

impl<'a> Numbers<'a> {
    pub(crate) const NONE: Self =
        Self { head: NumbersHead { base: 0, width: 0, tells_more: false }, entries: 0, bytes: &[] };

    /// The numbers of so many entries, in `bytes`. `None`: cut off.
    pub(crate) fn new(head: NumbersHead, entries: usize, bytes: &'a [u8]) -> Option<Self> {
        Some(Self { head, entries, bytes: bytes.get(..head.len(entries))? })
    }

    /// The first row of an entry, and whether it has more. `None`: there are fewer entries.
    #[inline]
    pub(crate) fn get(&self, entry: usize) -> Option<(u64, bool)> {
        let NumbersHead { base, width, tells_more } = self.head;
        if entry >= self.entries {
            return None;
        }
        let number = bits_at(self.bytes, entry * width, width)?;
        let more = u64::from(tells_more);
        Some((base + (number >> more), number & more != 0))
    }
}

impl Numbers<'_> {
    /// Whether an entry has more rows than the first.
    #[inline]
    pub(crate) fn has_more(&self, entry: usize) -> bool {
        self.head.tells_more && self.get(entry).is_some_and(|(_, has_more)| has_more)
    }
}

/// Appends the numbers of the entries of a block: the first row of each, and whether it has more.
pub(crate) fn put_numbers(out: &mut Vec<u8>, entries: &[(u32, bool)]) {
    let base = entries.iter().map(|&(row, _)| row).min().unwrap_or(0);
    let tells_more = entries.iter().any(|&(_, has_more)| has_more);
    let number =
        |&(row, has_more): &(u32, bool)| u64::from(row - base) << u32::from(tells_more) | u64::from(has_more);
    let width = u64::BITS - entries.iter().map(number).max().unwrap_or(0).leading_zeros();
    put_varint(out, base.into());
    out.push(width.to_le_bytes()[0] | if tells_more { TELLS_MORE } else { 0 });
    out.extend(bits(entries.iter().map(number), width as usize));
}

/// No longer list is written, where a bitmap is longer as well: rows of bitmaps are read in half the time.
pub(crate) const LIST_LEN_MAX: usize = 63;

/// Appends the rows of an entry of several, without the first: as a list of how far each is from the one before, less 1, or as a bitmap of all of them,
/// whichever is shorter.
pub(crate) fn put_more_rows(out: &mut Vec<u8>, mut rows: RoaringBitmap) -> Result<()> {
    rows.optimize();
    let bitmap_len = rows.serialized_size();
    let list_len_max = bitmap_len.min(LIST_LEN_MAX);
    let mut list = Vec::new();
    let mut rest = rows.iter();
    let mut last = rest.next().unwrap_or(0);
    for row in rest {
        put_varint(&mut list, u64::from(row - last - 1));
        last = row;
        if list.len() > list_len_max {
            put_varint(out, (bitmap_len as u64) << 1 | 1);
            return Ok(rows.serialize_into(out)?);
        }
    }
    put_varint(out, (list.len() as u64) << 1);
    out.extend(list);
    Ok(())
}

/// Calls `found` with the rows of a list, the first included, until it returns `false`. `None`: there is no second row, one is not below
/// `limit`, or the list is cut off.
pub(crate) fn each_in_list(
    first: u32,
    mut list: &[u8],
    limit: u32,
    found: &mut dyn FnMut(u32) -> bool,
) -> Option<()> {
    let mut row = first;
    while found(row) {
        let next = u64::from(row) + 1 + take_varint(&mut list)?;
        row = u32::try_from(next).ok().filter(|&row| row < limit)?;
        if list.is_empty() {
            found(row);
            break;
        }
    }
    Some(())
}

/// How the rows of an entry are stored, by the varint before them. The lowest bit has another meaning where only entries of several rows have such a
/// varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsHead {
    /// The one row.
    One(u64),
    /// A list of so many bytes follows.
    List(usize),
    /// A Roaring bitmap of so many bytes follows.
    Bitmap(usize),
}

impl RowsHead {
    #[inline]
    pub(crate) fn decode(version: Version, head: u64) -> Option<Self> {
        let value = head >> 1;
        match version {
            Version::V1 if head & 1 == 0 => Some(Self::One(value)),
            Version::V2 if head & 1 == 0 => usize::try_from(value).ok().map(Self::List),
            _ => usize::try_from(value).ok().map(Self::Bitmap),
        }
    }
}

pub(crate) fn decode_bitmap(bytes: &[u8]) -> io::Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes)
}

/// Takes a varint from the beginning of `bytes`. `None`: cut off, or longer than any that is written.
#[inline]
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut at = 0;
    let value = wire::varint_at(&bytes[..bytes.len().min(VARINT_LEN_MAX)], &mut at);
    *bytes = &bytes[at..];
    value
}
