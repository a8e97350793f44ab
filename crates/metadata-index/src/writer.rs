//! Writes an index: keys in order, each with its rows, front-coded in blocks.

use std::io::Write;

use roaring::RoaringBitmap;

use crate::error::Result;
use crate::layout::{self, BLOCK_ENTRIES, Trailer, encode_offset};

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
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        let (offsets, last_key, buffer) = (Vec::new(), Vec::new(), Vec::new());
        Self { out, crc: crc32fast::Hasher::new(), offsets, last_key, entries: 0, written: 0, buffer }
    }

    /// Adds a key, greater than all before, with its rows, of which there is at least one.
    pub(crate) fn push(&mut self, key: &[u8], mut rows: RoaringBitmap) -> Result<()> {
        rows.optimize();
        self.push_entry(key, |out| layout::put_rows(out, &rows))
    }

    /// Adds a key that one row has, as [`push`](Self::push) does.
    pub(crate) fn push_one(&mut self, key: &[u8], row: u32) -> Result<()> {
        self.push_entry(key, |out| {
            layout::put_row(out, row);
            Ok(())
        })
    }

    fn push_entry(&mut self, key: &[u8], put_rows: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let shared = if self.entries.is_multiple_of(BLOCK_ENTRIES as u64) {
            self.offsets.extend(encode_offset(self.written)?);
            0
        } else {
            key.iter().zip(&self.last_key).take_while(|(a, b)| a == b).count()
        };
        let mut entry = std::mem::take(&mut self.buffer);
        entry.clear();
        layout::put_key(&mut entry, shared, &key[shared..]);
        put_rows(&mut entry)?;
        self.write(&entry)?;
        self.buffer = entry;
        self.last_key.clear();
        self.last_key.extend(key);
        self.entries += 1;
        Ok(())
    }

    /// Writes the offsets of the blocks and the trailer.
    pub(crate) fn finish(mut self) -> Result<()> {
        let blocks_len = self.written;
        let offsets = std::mem::take(&mut self.offsets);
        self.write(&offsets)?;
        let blocks = self.entries.div_ceil(BLOCK_ENTRIES as u64);
        let body_crc = self.crc.finalize();
        let trailer = Trailer { body_crc, blocks_len, blocks, entries: self.entries };
        Ok(self.out.write_all(&trailer.encode())?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        Ok(self.out.write_all(bytes)?)
    }
}
