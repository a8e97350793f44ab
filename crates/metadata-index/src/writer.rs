//! Writes an index: keys in order, each with its rows, front-coded in blocks.

use std::io::Write;

use roaring::RoaringBitmap;

use crate::block::layout::{put_key, put_more_rows, put_numbers};
use crate::error::Result;
use crate::layout::{BLOCK_ENTRIES, Trailer, Version, encode_offset};

/// Writes keys, in ascending order, and their rows.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
    crc: crc32fast::Hasher,
    /// Where each block begins, encoded.
    offsets: Vec<u8>,
    last_key: Vec<u8>,
    entries: u64,
    written: u64,
    /// The block that is being filled: its first key, the first row of each entry and whether there are more, and what follows those.
    first_key: Vec<u8>,
    first_rows: Vec<(u32, bool)>,
    rest: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        let (offsets, last_key, first_key, rest) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (crc, first_rows) = (crc32fast::Hasher::new(), Vec::with_capacity(BLOCK_ENTRIES));
        Self { out, crc, offsets, last_key, entries: 0, written: 0, first_key, first_rows, rest }
    }

    /// Adds a key, greater than all before, with its rows, of which there is at least one.
    pub(crate) fn push(&mut self, key: &[u8], rows: RoaringBitmap) -> Result<()> {
        let has_more = rows.len() > 1;
        self.push_entry(key, rows.min().unwrap_or(0), has_more)?;
        if has_more { put_more_rows(&mut self.rest, rows) } else { Ok(()) }
    }

    /// Adds a key that one row has, as [`push`](Self::push) does.
    pub(crate) fn push_one(&mut self, key: &[u8], row: u32) -> Result<()> {
        self.push_entry(key, row, false)
    }

    fn push_entry(&mut self, key: &[u8], first_row: u32, has_more: bool) -> Result<()> {
        if self.first_rows.len() == BLOCK_ENTRIES {
            self.write_block()?;
        }
        if self.first_rows.is_empty() {
            put_key(&mut self.first_key, 0, key);
        } else {
            let shared = key.iter().zip(&self.last_key).take_while(|(a, b)| a == b).count();
            put_key(&mut self.rest, shared, &key[shared..]);
        }
        self.first_rows.push((first_row, has_more));
        self.last_key.clear();
        self.last_key.extend(key);
        self.entries += 1;
        Ok(())
    }

    fn write_block(&mut self) -> Result<()> {
        self.offsets.extend(encode_offset(self.written)?);
        let mut block = std::mem::take(&mut self.first_key);
        put_numbers(&mut block, &self.first_rows);
        block.append(&mut self.rest);
        self.write(&block)?;
        block.clear();
        self.first_key = block;
        self.first_rows.clear();
        Ok(())
    }

    /// Writes the last block, the offsets of all, and the trailer.
    pub(crate) fn finish(mut self) -> Result<()> {
        if !self.first_rows.is_empty() {
            self.write_block()?;
        }
        let blocks_len = self.written;
        let offsets = std::mem::take(&mut self.offsets);
        self.write(&offsets)?;
        let (blocks, entries) = (self.entries.div_ceil(BLOCK_ENTRIES as u64), self.entries);
        let body_crc = self.crc.finalize();
        let trailer = Trailer { version: Version::NEWEST, body_crc, blocks_len, blocks, entries };
        Ok(self.out.write_all(&trailer.encode())?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }
}
