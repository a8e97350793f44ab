//! A sorted table of keys, each with a list of rows: written once in order, searched where it lies.
//!
//! ```text
//! blocks | where each begins, u32 | trailer 48 bytes
//! block: up to 32 entries, each: shared bytes with the key before, varint | length of the rest, varint | the rest | rows
//! rows:  the row times 2, varint | or: 2 * length + 1, varint, and a Roaring bitmap of that length
//! ```

use std::io::Write;
use std::ops::Range;

use roaring::RoaringBitmap;
use vector_index::Bytes;

use crate::api::error::{Error, ErrorKind, Result};

const MAGIC: [u8; 8] = *b"\x89CAFI\r\n\x1a";
const VERSION: u32 = 1;
const TRAILER_LEN: usize = 48;
const BLOCK: usize = 32;
/// The most blocks of a table, by its offsets of 32 bits.
const MAX_LEN: u64 = 1 << 32;

/// Writes a table.
#[derive(Debug)]
pub(crate) struct TableWriter<W> {
    out: W,
    crc: crc32fast::Hasher,
    offsets: Vec<u32>,
    last: Vec<u8>,
    entries: u64,
    written: u64,
    buf: Vec<u8>,
}

impl<W: Write> TableWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        let (offsets, last, buf) = (Vec::new(), Vec::new(), Vec::new());
        Self { out, crc: crc32fast::Hasher::new(), offsets, last, entries: 0, written: 0, buf }
    }

    /// Adds a key, greater than all before, with its rows, of which there is at least one.
    pub(crate) fn push(&mut self, key: &[u8], rows: &RoaringBitmap) -> Result<()> {
        self.buf.clear();
        let begins = self.entries.is_multiple_of(BLOCK as u64);
        let shared = if begins { 0 } else { key.iter().zip(&self.last).take_while(|(a, b)| a == b).count() };
        if begins {
            let full = || {
                Error::new(
                    ErrorKind::TooLarge,
                    "an index of metadata of more than 4 GiB; seal smaller batches",
                )
            };
            self.offsets.push(u32::try_from(self.written).map_err(|_| full())?);
        }
        put_varint(&mut self.buf, shared as u64);
        put_varint(&mut self.buf, (key.len() - shared) as u64);
        self.buf.extend(&key[shared..]);
        match (rows.len(), rows.min()) {
            (1, Some(row)) => put_varint(&mut self.buf, u64::from(row) << 1),
            _ => {
                let mut rows = rows.clone();
                rows.optimize();
                put_varint(&mut self.buf, (rows.serialized_size() as u64) << 1 | 1);
                rows.serialize_into(&mut self.buf)?;
            }
        }
        self.last.clear();
        self.last.extend(key);
        self.entries += 1;
        let bytes = std::mem::take(&mut self.buf);
        self.write(&bytes)?;
        self.buf = bytes;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        let blocks_len = self.written;
        let offsets: Vec<u8> = self.offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
        self.write(&offsets)?;
        let mut trailer = Vec::with_capacity(TRAILER_LEN);
        trailer.extend(MAGIC);
        trailer.extend(VERSION.to_le_bytes());
        trailer.extend(self.crc.clone().finalize().to_le_bytes());
        trailer.extend(blocks_len.to_le_bytes());
        trailer.extend((self.offsets.len() as u64).to_le_bytes());
        trailer.extend(self.entries.to_le_bytes());
        trailer.extend([0; 4]);
        let crc = crc32fast::hash(&trailer);
        trailer.extend(crc.to_le_bytes());
        self.out.write_all(&trailer)?;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Takes a number of up to 35 bits.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn fault(message: &str) -> Error {
    Error::damaged(format!("index of metadata: {message}"))
}

/// Where the parts of a table are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    blocks_len: usize,
    blocks: usize,
    crc: u32,
}

impl Layout {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let (body, trailer) = bytes.split_last_chunk::<TRAILER_LEN>().ok_or_else(|| fault("too short"))?;
        let number = |at: usize| trailer[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let small = |at: usize| trailer[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if trailer[..8] != MAGIC || crc32fast::hash(&trailer[..44]) != small(44) {
            return Err(fault("its trailer does not hold"));
        }
        if small(8) > VERSION {
            let message =
                format!("an index of metadata of version {}; this library reads up to {VERSION}", small(8));
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let (blocks_len, blocks) = (number(16), number(24));
        let len = blocks.checked_mul(4).and_then(|table| table.checked_add(blocks_len));
        if len != Some(body.len() as u64) || blocks_len > MAX_LEN {
            return Err(fault("not as long as its trailer says"));
        }
        let size = |value: u64| usize::try_from(value).map_err(|_| fault("too long for this machine"));
        Ok(Self { blocks_len: size(blocks_len)?, blocks: size(blocks)?, crc: small(12) })
    }
}

/// A table where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    blocks: &'a [u8],
    offsets: &'a [[u8; 4]],
    body: &'a [u8],
    crc: u32,
    /// What verifies the body before it is used, if it was not.
    unverified: Option<&'a dyn Bytes>,
}

impl std::fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("blocks", &self.offsets.len()).finish_non_exhaustive()
    }
}

/// The two numbers before a key take no more.
const LENGTHS_LEN: usize = 10;
/// Entries that are read one after the other are verified so many bytes at a time.
const VERIFIED_AT_ONCE: usize = 4 << 10;

impl<'a> Table<'a> {
    pub(crate) fn new(bytes: &'a dyn Bytes, layout: Layout) -> Self {
        let body = &bytes.as_ref()[..layout.blocks_len + 4 * layout.blocks];
        let (blocks, offsets) = body.split_at(layout.blocks_len);
        let unverified = (!bytes.is_verified()).then_some(bytes);
        Self { blocks, offsets: offsets.as_chunks().0, body, crc: layout.crc, unverified }
    }

    /// Has a range of the body verified.
    fn check(&self, range: Range<usize>) -> Result<()> {
        match self.unverified {
            Some(bytes) => bytes.check(range).map_err(|e| fault(&e.to_string())),
            None => Ok(()),
        }
    }

    /// The bytes of blocks from `at` on: `len`, or as many as there are.
    fn verified(&self, at: usize, len: usize) -> Result<&'a [u8]> {
        let end = at.saturating_add(len).min(self.blocks.len());
        let bytes = self.blocks.get(at..end).ok_or_else(|| fault("a block does not lie where it can"))?;
        self.check(at..end)?;
        Ok(bytes)
    }

    /// Where a block begins.
    fn begin_of(&self, block: usize) -> Result<usize> {
        let at = self.blocks.len() + 4 * block;
        self.check(at..at + 4)?;
        Ok(u32::from_le_bytes(self.offsets[block]) as usize)
    }

    /// The first key of a block.
    fn first_key(&self, block: usize) -> Result<&'a [u8]> {
        let at = self.begin_of(block)?;
        let head = self.verified(at, LENGTHS_LEN)?;
        let mut rest = head;
        let len = take_varint(&mut rest).and_then(|_| take_varint(&mut rest));
        let len =
            len.and_then(|len| usize::try_from(len).ok()).ok_or_else(|| fault("an entry does not hold"))?;
        self.verified(at + head.len() - rest.len(), len)
    }

    /// The entries from the first key on that is not less than `key`.
    pub(crate) fn from(&self, key: &[u8]) -> Result<Entries<'a>> {
        let (mut low, mut high) = (0, self.offsets.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.first_key(middle)? <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut entries = self.entries_from(low.saturating_sub(1))?;
        while let Some(next) = entries.peek_key() {
            if next? >= key {
                break;
            }
            entries.peeked = false;
        }
        Ok(entries)
    }

    fn entries_from(&self, block: usize) -> Result<Entries<'a>> {
        let at = if self.offsets.is_empty() { 0 } else { self.begin_of(block)? };
        let verified_to = if self.unverified.is_some() { at } else { self.blocks.len() };
        let (key, rows) = (Vec::new(), Rows::One(0));
        Ok(Entries { table: *self, at, verified_to, key, rows, in_block: 0, peeked: false, failed: false })
    }

    pub(crate) fn entries(&self) -> Result<Entries<'a>> {
        self.entries_from(0)
    }

    pub(crate) fn verify(&self, rows: u32) -> Result<()> {
        if crc32fast::hash(self.body) != self.crc {
            return Err(fault("its checksum does not hold"));
        }
        let mut entries = self.entries()?;
        let mut last: Option<Vec<u8>> = None;
        while let Some(entry) = entries.next_entry() {
            let (key, list) = entry?;
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(fault("keys are not in order"));
            }
            last = Some(key.to_vec());
            if list.decode()?.max().is_none_or(|row| row >= rows) {
                return Err(fault("a list of no rows, or of rows that are not there"));
            }
        }
        Ok(())
    }
}

/// The rows of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows<'a> {
    One(u32),
    Many(List<'a>),
}

/// A serialized list of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<'a> {
    table: Table<'a>,
    at: usize,
    len: usize,
}

impl Rows<'_> {
    pub(crate) fn decode(self) -> Result<RoaringBitmap> {
        match self {
            Self::One(row) => Ok(RoaringBitmap::from_iter([row])),
            Self::Many(List { table, at, len }) => RoaringBitmap::deserialize_from(table.verified(at, len)?)
                .map_err(|e| fault(&format!("a list of rows: {e}"))),
        }
    }
}

/// Keys and rows, in order.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    table: Table<'a>,
    /// Of what was not read yet.
    at: usize,
    /// Bytes from `at` to here are verified.
    verified_to: usize,
    key: Vec<u8>,
    rows: Rows<'a>,
    in_block: usize,
    peeked: bool,
    failed: bool,
}

impl<'a> Entries<'a> {
    /// The next key and its rows, which stay until this is called again.
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
        let broken = || fault("an entry does not hold");
        let shared = self.take_size()?;
        let len = self.take_size()?;
        if shared > self.key.len() || self.in_block == 0 && shared > 0 {
            return Err(broken());
        }
        let rest = self.rest(len)?;
        self.key.truncate(shared);
        self.key.extend(rest.get(..len).ok_or_else(broken)?);
        self.at += len;
        let head = self.take_size()?;
        self.rows = if head & 1 == 0 {
            Rows::One(u32::try_from(head >> 1).map_err(|_| broken())?)
        } else {
            let list = List { table: self.table, at: self.at, len: head >> 1 };
            // It is verified by whoever decodes it.
            self.at = self.at.checked_add(list.len).ok_or_else(broken)?;
            if self.at > self.table.blocks.len() {
                return Err(broken());
            }
            Rows::Many(list)
        };
        self.in_block = (self.in_block + 1) % BLOCK;
        Ok(())
    }

    /// What was not read yet, of which `len` bytes, if there are so many, are verified.
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

    fn take_size(&mut self) -> Result<usize> {
        let before = self.rest(LENGTHS_LEN / 2)?;
        let mut rest = before;
        let value = take_varint(&mut rest).and_then(|value| usize::try_from(value).ok());
        self.at += before.len() - rest.len();
        value.ok_or_else(|| fault("an entry does not hold"))
    }
}
