//! Bytes → keys and rows: finds a key by its block, and reads entries one after the other. Verifies bytes before it uses them.

use std::cmp::Ordering;
use std::fmt;

use wire::Bytes;

use crate::block::layout::{
    LENGTHS_LEN_MAX, NUMBERS_HEAD_LEN_MAX, Numbers, NumbersHead, RowsHead, VARINT_LEN_MAX, take_lengths,
    take_varint,
};
use crate::block::rows::{Blocks, Form, Many, Rows, broken_rows};
use crate::error::{Error, Result};
use crate::layout::{self, BLOCK_ENTRIES, Trailer, Version, decode_offset};

/// A sorted table of keys and their rows, in the bytes of an index.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    blocks: Blocks<'a>,
    offsets: &'a [[u8; 4]],
    /// Blocks and offsets.
    body: &'a [u8],
    trailer: Trailer,
    /// Rows of the index.
    pub(crate) rows: u32,
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
        let blocks = Blocks { bytes: blocks, rows, unverified };
        Self { blocks, offsets: offsets.as_chunks().0, body, trailer, rows }
    }

    /// Length of blocks and offsets in bytes.
    pub(crate) fn len_bytes(&self) -> usize {
        self.body.len()
    }

    /// Where a block begins.
    fn start_of(&self, block: usize) -> Result<usize> {
        let at = self.blocks.bytes.len() + size_of_val(&self.offsets[..block]);
        self.blocks.check(at..at + size_of_val(&self.offsets[block]))?;
        Ok(decode_offset(self.offsets[block]))
    }

    fn first_key(&self, block: usize) -> Result<&'a [u8]> {
        let at = self.start_of(block)?;
        let head = self.blocks.verified(at, LENGTHS_LEN_MAX)?;
        let mut rest = head;
        let (_, len) = take_lengths(self.trailer.version, &mut rest).ok_or_else(broken_entry)?;
        self.blocks.verified(at + head.len() - rest.len(), len)
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
        entries.seek(key)?;
        Ok(entries)
    }

    /// All entries.
    pub(crate) fn entries(&self) -> Result<Entries<'a>> {
        self.entries_of(0)
    }

    /// The entries of a block and of all blocks after it.
    fn entries_of(&self, block: usize) -> Result<Entries<'a>> {
        let at = if self.offsets.is_empty() { 0 } else { self.start_of(block)? };
        let verified_to = if self.blocks.unverified.is_some() { at } else { self.blocks.bytes.len() };
        let (table, key, rows, numbers) = (*self, Vec::new(), Rows::One(0), Numbers::NONE);
        let (in_block, peeked, failed) = (0, false, false);
        Ok(Entries { table, at, verified_to, key, rows, block, numbers, in_block, peeked, failed })
    }

    /// How many entries a block has.
    fn entries_in(&self, block: usize) -> usize {
        let before = block as u64 * BLOCK_ENTRIES as u64;
        let left = self.trailer.entries.saturating_sub(before).min(BLOCK_ENTRIES as u64);
        usize::try_from(left).unwrap_or(BLOCK_ENTRIES)
    }

    /// The rows of a key; `None` if the table does not have it.
    pub(crate) fn rows_of(&self, key: &[u8]) -> Result<Option<Rows<'a>>> {
        let mut entries = self.entries_from(key)?;
        let Some(entry) = entries.next_entry() else { return Ok(None) };
        let (found, rows) = entry?;
        Ok((found == key).then_some(rows))
    }

    /// Compares the checksum, the number of the keys and their order, and the rows.
    pub(crate) fn verify(&self) -> Result<()> {
        if crc32fast::hash(self.body) != self.trailer.body_crc {
            return Err(Error::damaged("its checksum does not hold"));
        }
        let mut entries = self.entries()?;
        let (mut count, mut last) = (0u64, None::<Vec<u8>>);
        while let Some(entry) = entries.next_entry() {
            let (key, list) = entry?;
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(not_in_order());
            }
            last = Some(key.to_vec());
            list.each(&mut |_| ())?;
            count += 1;
        }
        if count != self.trailer.entries {
            return Err(Error::damaged("not as many entries as its trailer says"));
        }
        Ok(())
    }
}

fn not_in_order() -> Error {
    Error::damaged("keys are not in order")
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
    /// Block of the entry that comes next.
    block: usize,
    /// First rows of its entries.
    numbers: Numbers<'a>,
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
        if self.is_at_end() || self.failed {
            return None;
        }
        let read = self.read();
        self.peeked = read.is_ok();
        self.failed = read.is_err();
        Some(read)
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.table.blocks.bytes.len()
    }

    fn read(&mut self) -> Result<()> {
        let (shared, suffix) = self.read_key(self.key.len())?;
        self.key.truncate(shared);
        self.key.extend(suffix);
        self.rows = self.read_rows()?;
        self.pass();
        Ok(())
    }

    /// Goes to the first entry whose key is not less than `key`, which is in the block that is read next, or else the first of the block behind it.
    ///
    /// No key before that is put together: one that shares more with the key before it than that shares with `key` is less as well, and one that shares
    /// less is greater.
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        // Of the key that was read last: its length, and how many bytes it has in common with `key`.
        let (mut len, mut common) = (0, 0);
        for _ in 0..=BLOCK_ENTRIES {
            if self.is_at_end() {
                return Ok(());
            }
            if self.in_block == 0 {
                (len, common) = (0, 0);
            }
            let (shared, suffix) = self.read_key(len)?;
            len = shared + suffix.len();
            let is_less = match shared.cmp(&common) {
                Ordering::Greater => true,
                Ordering::Less => false,
                Ordering::Equal => {
                    let is_less = suffix < &key[shared..];
                    if is_less {
                        common += suffix.iter().zip(&key[shared..]).take_while(|(a, b)| a == b).count();
                    }
                    is_less
                }
            };
            if is_less {
                self.skip_rows()?;
                self.pass();
            } else {
                self.key.extend(&key[..shared]);
                self.key.extend(suffix);
                self.rows = self.read_rows()?;
                self.pass();
                self.peeked = true;
                return Ok(());
            }
        }
        Err(not_in_order())
    }

    /// Reads a key: how many bytes it shares with the one before it, which has `len`, and those that follow.
    fn read_key(&mut self, len: usize) -> Result<(usize, &'a [u8])> {
        let before = self.rest(LENGTHS_LEN_MAX)?;
        let mut rest = before;
        let lengths = take_lengths(self.table.trailer.version, &mut rest);
        let (shared, suffix_len) = lengths.ok_or_else(broken_entry)?;
        self.at += before.len() - rest.len();
        if shared > if self.in_block == 0 { 0 } else { len } {
            return Err(broken_entry());
        }
        let suffix = self.rest(suffix_len)?.get(..suffix_len).ok_or_else(broken_entry)?;
        self.at += suffix_len;
        if self.in_block == 0 && self.table.trailer.version == Version::V2 {
            self.read_numbers()?;
        }
        Ok((shared, suffix))
    }

    /// Reads where the rows of an entry are, behind its key.
    fn read_rows(&mut self) -> Result<Rows<'a>> {
        let first = match self.table.trailer.version {
            Version::V1 => None,
            Version::V2 => {
                let (first, has_more) = self.numbers.get(self.in_block).ok_or_else(broken_entry)?;
                let first = self.row(first)?;
                if !has_more {
                    return Ok(Rows::One(first));
                }
                Some(first)
            }
        };
        let (form, len) = match (self.read_rows_head()?, first) {
            (RowsHead::One(row), _) => return self.row(row).map(Rows::One),
            (RowsHead::List(len), Some(first)) => (Form::List { first }, len),
            (RowsHead::Bitmap(len), first) => (Form::Bitmap { first }, len),
            (RowsHead::List(_), None) => return Err(broken_entry()),
        };
        let many = Many { blocks: self.table.blocks, at: self.at, len, form };
        self.skip(len)?;
        Ok(Rows::Many(many))
    }

    /// Goes behind the rows of an entry.
    fn skip_rows(&mut self) -> Result<()> {
        if self.table.trailer.version == Version::V2 && !self.numbers.has_more(self.in_block) {
            return Ok(());
        }
        match self.read_rows_head()? {
            RowsHead::One(_) => Ok(()),
            RowsHead::List(len) | RowsHead::Bitmap(len) => self.skip(len),
        }
    }

    fn read_rows_head(&mut self) -> Result<RowsHead> {
        let before = self.rest(VARINT_LEN_MAX)?;
        let mut rest = before;
        let head = take_varint(&mut rest);
        self.at += before.len() - rest.len();
        head.and_then(|head| RowsHead::decode(self.table.trailer.version, head)).ok_or_else(broken_entry)
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        let end = self.at.checked_add(len).filter(|&end| end <= self.table.blocks.bytes.len());
        self.at = end.ok_or_else(broken_entry)?;
        Ok(())
    }

    /// Counts an entry that was read.
    #[inline]
    fn pass(&mut self) {
        self.in_block += 1;
        if self.in_block == BLOCK_ENTRIES {
            (self.block, self.in_block) = (self.block + 1, 0);
        }
    }

    fn row(&self, row: u64) -> Result<u32> {
        let found = u32::try_from(row).ok().filter(|&row| row < self.table.rows);
        found.ok_or_else(|| broken_rows(format_args!("row {row} of {}", self.table.rows)))
    }

    /// Reads the numbers of the entries of a block.
    fn read_numbers(&mut self) -> Result<()> {
        let before = self.rest(NUMBERS_HEAD_LEN_MAX)?;
        let mut rest = before;
        let head = NumbersHead::take(&mut rest).ok_or_else(broken_entry)?;
        self.at += before.len() - rest.len();
        let entries = self.table.entries_in(self.block);
        let len = head.len(entries);
        self.numbers = Numbers::new(head, entries, self.rest(len)?).ok_or_else(broken_entry)?;
        self.at += len;
        Ok(())
    }

    /// The bytes that are left, of which `len`, if there are so many, are verified.
    #[inline]
    fn rest(&mut self, len: usize) -> Result<&'a [u8]> {
        if self.at.saturating_add(len) > self.verified_to {
            self.verify_more(len)?;
        }
        Ok(&self.table.blocks.bytes[self.at..])
    }

    #[cold]
    fn verify_more(&mut self, len: usize) -> Result<()> {
        let all = self.table.blocks.bytes.len();
        let end = self.at.saturating_add(len).min(all);
        if end > self.verified_to {
            let end = end.next_multiple_of(VERIFIED_AT_ONCE).min(all);
            self.table.blocks.check(self.at..end)?;
            self.verified_to = end;
        }
        Ok(())
    }
}
