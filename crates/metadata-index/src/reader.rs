//! Bytes → keys and rows: finds a key by its block, and reads entries one after the other. Verifies bytes before it uses them.

use std::fmt;
use std::ops::Range;

use roaring::RoaringBitmap;
use row_set::RowSetBuilder;
use wire::Bytes;

use crate::error::{Error, Result};
use crate::layout::{
    self, BLOCK_ENTRIES, LENGTHS_LEN_MAX, RowsHead, Trailer, VARINT_LEN_MAX, decode_offset, take_varint,
};

/// A sorted table of keys and their rows, in the bytes of an index.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    blocks: &'a [u8],
    offsets: &'a [[u8; 4]],
    /// Blocks and offsets.
    body: &'a [u8],
    body_crc: u32,
    /// Rows of the index.
    pub(crate) rows: u32,
    /// Verifies the body before it is used; `None` if all of it is verified.
    unverified: Option<&'a dyn Bytes>,
}

impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("blocks", &self.offsets.len()).finish_non_exhaustive()
    }
}

/// Entries that are read one after the other are verified so many bytes at a time.
const VERIFIED_AT_ONCE: usize = 4 << 10;

fn broken_entry() -> Error {
    Error::damaged("an entry does not hold")
}

impl<'a> Table<'a> {
    /// The table of an index of so many rows, whose trailer was read from `bytes`.
    pub(crate) fn new(bytes: &'a dyn Bytes, trailer: Trailer, rows: u32) -> Self {
        let all = bytes.as_ref();
        let body = &all[..all.len().saturating_sub(layout::trailer::LEN)];
        let (blocks, offsets) = body.split_at(usize::try_from(trailer.blocks_len).unwrap_or(body.len()));
        let unverified = (!bytes.is_verified()).then_some(bytes);
        Self { blocks, offsets: offsets.as_chunks().0, body, body_crc: trailer.body_crc, rows, unverified }
    }

    /// Length of blocks and offsets in bytes.
    pub(crate) fn len_bytes(&self) -> usize {
        self.body.len()
    }

    fn check(&self, range: Range<usize>) -> Result<()> {
        match self.unverified {
            Some(bytes) => bytes.check(range).map_err(Error::not_verified),
            None => Ok(()),
        }
    }

    /// Verified bytes of the blocks from `at` on: `len`, or as many as there are.
    fn verified(&self, at: usize, len: usize) -> Result<&'a [u8]> {
        let end = at.saturating_add(len).min(self.blocks.len());
        let bytes =
            self.blocks.get(at..end).ok_or_else(|| Error::damaged("a block does not lie where it can"))?;
        self.check(at..end)?;
        Ok(bytes)
    }

    /// Where a block begins.
    fn start_of(&self, block: usize) -> Result<usize> {
        let at = self.blocks.len() + size_of_val(&self.offsets[..block]);
        self.check(at..at + size_of_val(&self.offsets[block]))?;
        Ok(decode_offset(self.offsets[block]))
    }

    fn first_key(&self, block: usize) -> Result<&'a [u8]> {
        let at = self.start_of(block)?;
        let head = self.verified(at, LENGTHS_LEN_MAX)?;
        let mut rest = head;
        let len = take_varint(&mut rest).and_then(|_| take_varint(&mut rest));
        let len = len.and_then(|len| usize::try_from(len).ok()).ok_or_else(broken_entry)?;
        self.verified(at + head.len() - rest.len(), len)
    }

    /// The entries from the first key on that is not less than `key`.
    pub(crate) fn entries_from(&self, key: &[u8]) -> Result<Entries<'a>> {
        let (mut low, mut high) = (0, self.offsets.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.first_key(middle)? <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut entries = self.entries_of(low.saturating_sub(1))?;
        // The next block begins with a greater key.
        for _ in 0..=BLOCK_ENTRIES {
            let Some(next) = entries.peek_key() else { return Ok(entries) };
            if next? >= key {
                return Ok(entries);
            }
            entries.peeked = false;
        }
        Err(not_in_order())
    }

    /// All entries.
    pub(crate) fn entries(&self) -> Result<Entries<'a>> {
        self.entries_of(0)
    }

    /// The entries of a block and of all blocks after it.
    fn entries_of(&self, block: usize) -> Result<Entries<'a>> {
        let at = if self.offsets.is_empty() { 0 } else { self.start_of(block)? };
        let verified_to = if self.unverified.is_some() { at } else { self.blocks.len() };
        let (key, rows) = (Vec::new(), Rows::One(0));
        Ok(Entries { table: *self, at, verified_to, key, rows, in_block: 0, peeked: false, failed: false })
    }

    /// The rows of a key; `None` if the table does not have it.
    pub(crate) fn rows_of(&self, key: &[u8]) -> Result<Option<Rows<'a>>> {
        let mut entries = self.entries_from(key)?;
        let Some(entry) = entries.next_entry() else { return Ok(None) };
        let (found, rows) = entry?;
        Ok((found == key).then_some(rows))
    }

    /// Compares the checksum, the order of the keys, and the rows.
    pub(crate) fn verify(&self) -> Result<()> {
        if crc32fast::hash(self.body) != self.body_crc {
            return Err(Error::damaged("its checksum does not hold"));
        }
        let mut entries = self.entries()?;
        let mut last: Option<Vec<u8>> = None;
        while let Some(entry) = entries.next_entry() {
            let (key, list) = entry?;
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(not_in_order());
            }
            last = Some(key.to_vec());
            list.decode()?;
        }
        Ok(())
    }
}

fn not_in_order() -> Error {
    Error::damaged("keys are not in order")
}

/// The rows of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// A row below those of the table.
    One(u32),
    Many(Bitmap<'a>),
}

fn broken_rows(why: impl fmt::Display) -> Error {
    Error::damaged(format_args!("a list of rows: {why}"))
}

/// A Roaring bitmap in the bytes of a table. It is verified when it is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bitmap<'a> {
    table: Table<'a>,
    at: usize,
    len: usize,
}

impl Rows<'_> {
    /// The rows: at least one, and all below those of the table. A forged list of a few bytes may name four billion.
    pub(crate) fn decode(self) -> Result<RoaringBitmap> {
        match self {
            Self::One(row) => Ok(RoaringBitmap::from_iter([row])),
            Self::Many(Bitmap { table, at, len }) => {
                let rows = layout::decode_bitmap(table.verified(at, len)?).map_err(broken_rows)?;
                match rows.max() {
                    Some(last) if last < table.rows => Ok(rows),
                    _ => Err(broken_rows(format_args!("empty, or with a row beyond {}", table.rows))),
                }
            }
        }
    }

    /// Calls `found` with every row.
    pub(crate) fn each(self, found: &mut dyn FnMut(u32)) -> Result<()> {
        match self {
            Self::One(row) => found(row),
            Self::Many(_) => self.decode()?.iter().for_each(found),
        }
        Ok(())
    }

    /// The first row that `is_wanted` accepts.
    pub(crate) fn find(self, is_wanted: &dyn Fn(u32) -> bool) -> Result<Option<u32>> {
        match self {
            Self::One(row) => Ok(Some(row).filter(|&row| is_wanted(row))),
            Self::Many(_) => Ok(self.decode()?.into_iter().find(|&row| is_wanted(row))),
        }
    }

    /// Adds the rows to a set.
    pub(crate) fn add_to(self, set: &mut RowSetBuilder) -> Result<()> {
        match self {
            Self::One(row) => {
                set.insert(row);
                Ok(())
            }
            Self::Many(Bitmap { table, at, len }) => {
                set.insert_roaring(table.verified(at, len)?, table.rows).map_err(broken_rows)
            }
        }
    }
}

/// Reads keys and rows, in order.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    table: Table<'a>,
    /// Where the next byte is read.
    at: usize,
    /// Bytes from `at` to here are verified.
    verified_to: usize,
    /// The key that was read last.
    key: Vec<u8>,
    rows: Rows<'a>,
    /// Entries of the block that were read.
    in_block: usize,
    /// Whether the entry that was read last has not been returned yet.
    peeked: bool,
    failed: bool,
}

impl<'a> Entries<'a> {
    /// The next key and its rows. After an error there are no more.
    pub(crate) fn next_entry(&mut self) -> Option<Result<(&[u8], Rows<'a>)>> {
        let read = self.peek()?;
        self.peeked = false;
        Some(read.map(|()| (self.key.as_slice(), self.rows)))
    }

    /// The key that comes next.
    pub(crate) fn peek_key(&mut self) -> Option<Result<&[u8]>> {
        let read = self.peek()?;
        Some(read.map(|()| self.key.as_slice()))
    }

    fn peek(&mut self) -> Option<Result<()>> {
        if self.peeked {
            return Some(Ok(()));
        }
        if self.at >= self.table.blocks.len() || self.failed {
            return None;
        }
        let read = self.read();
        self.peeked = read.is_ok();
        self.failed = read.is_err();
        Some(read)
    }

    fn read(&mut self) -> Result<()> {
        let shared = self.take_len()?;
        let len = self.take_len()?;
        if shared > self.key.len() || self.in_block == 0 && shared > 0 {
            return Err(broken_entry());
        }
        let rest = self.rest(len)?;
        self.key.truncate(shared);
        self.key.extend(rest.get(..len).ok_or_else(broken_entry)?);
        self.at += len;
        self.rows = match RowsHead::decode(self.take_varint()?).ok_or_else(broken_entry)? {
            RowsHead::One(row) if row < self.table.rows => Rows::One(row),
            RowsHead::One(row) => {
                return Err(broken_rows(format_args!("row {row} of {}", self.table.rows)));
            }
            RowsHead::Bitmap(len) => {
                let bitmap = Bitmap { table: self.table, at: self.at, len };
                self.at = self.at.checked_add(len).ok_or_else(broken_entry)?;
                if self.at > self.table.blocks.len() {
                    return Err(broken_entry());
                }
                Rows::Many(bitmap)
            }
        };
        self.in_block = (self.in_block + 1) % BLOCK_ENTRIES;
        Ok(())
    }

    /// The bytes that are left, of which `len`, if there are so many, are verified.
    fn rest(&mut self, len: usize) -> Result<&'a [u8]> {
        let all = self.table.blocks;
        let end = self.at.saturating_add(len).min(all.len());
        if end > self.verified_to {
            let end = end.next_multiple_of(VERIFIED_AT_ONCE).min(all.len());
            self.table.check(self.at..end)?;
            self.verified_to = end;
        }
        Ok(&all[self.at..])
    }

    fn take_varint(&mut self) -> Result<u64> {
        let before = self.rest(VARINT_LEN_MAX)?;
        let mut rest = before;
        let value = take_varint(&mut rest);
        self.at += before.len() - rest.len();
        value.ok_or_else(broken_entry)
    }

    fn take_len(&mut self) -> Result<usize> {
        usize::try_from(self.take_varint()?).map_err(|_| broken_entry())
    }
}
