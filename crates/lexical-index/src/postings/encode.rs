//! From the postings of one term to the bytes of its list.

use std::collections::TryReserveError;
use std::io::Write;

use wire::put_varint;

use super::BLOCK_LEN;
use super::layout::{Impacts, MAX_INSIDE, Skip, Value, is_short, pack, put_posting, width};
use super::positions::layout::{PACK_LEN, put_pack};
use crate::error::{Error, ErrorKind, Result};

/// Positions in memory before they are written, in bytes: a text may repeat a word millions of times.
const MAX_UNWRITTEN: usize = 64 << 10;

/// No block of postings is longer, in bytes: two numbers of 32 bits each, by their bits or as varints.
const MAX_BLOCK_LEN: usize = 2 + 2 * 5 * BLOCK_LEN;

fn no_memory(_: TryReserveError) -> Error {
    Error::out_of_memory("the postings of one word")
}

/// Writes lists one after the other, and their positions elsewhere. Of a term at hand it is in memory which texts have it, and a piece of its positions.
pub(crate) struct Encoder<L, P> {
    lists: L,
    lists_len: u64,
    positions: Option<P>,
    /// Those in `places` included.
    positions_len: u64,
    /// Of the term at hand: its texts in the order of their rows, how often each has it, and the byte of the length of each.
    rows: Vec<u32>,
    freqs: Vec<u32>,
    lens: Vec<u8>,
    /// Where the positions of the term begin, and after that those of each block.
    first_position: u64,
    block_positions: Vec<u64>,
    /// The newest position in the newest text.
    position: u32,
    /// How many positions the term has.
    occurrences: u64,
    /// Those of the newest pack, as they are written: distances.
    pack: Vec<u32>,
    /// Packs that are not written yet.
    places: Vec<u8>,
    list: Vec<u8>,
    skips: Vec<u8>,
    blocks: Vec<u8>,
}

impl<L: Write, P: Write> Encoder<L, P> {
    pub(crate) fn new(lists: L, positions: Option<P>) -> Self {
        Self {
            lists,
            lists_len: 0,
            positions,
            positions_len: 0,
            rows: Vec::new(),
            freqs: Vec::new(),
            lens: Vec::new(),
            first_position: 0,
            block_positions: Vec::new(),
            position: 0,
            occurrences: 0,
            pack: Vec::with_capacity(PACK_LEN),
            places: Vec::new(),
            list: Vec::new(),
            skips: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Bytes of lists and of positions so far.
    pub(crate) fn lens(&self) -> (u64, u64) {
        (self.lists_len, self.positions_len)
    }

    /// Whether the term at hand has no posting yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The next text that the term at hand is in: where it occurs is put next, `freq` times.
    pub(crate) fn put(&mut self, row: u32, freq: u32, len: u8) -> Result<()> {
        let room = [self.rows.try_reserve(1), self.freqs.try_reserve(1), self.lens.try_reserve(1)];
        room.into_iter().collect::<Result<(), _>>().map_err(no_memory)?;
        if self.rows.len().is_multiple_of(BLOCK_LEN) {
            self.finish_pack()?;
            self.block_positions.push(self.positions_len - self.first_position);
        }
        self.rows.push(row);
        self.freqs.push(freq);
        self.lens.push(len);
        self.position = 0;
        Ok(())
    }

    /// The next position in the newest text: the first is written as it is, the others as distances.
    #[inline]
    pub(crate) fn put_position(&mut self, position: u32) -> Result<()> {
        if self.pack.len() == PACK_LEN {
            self.finish_pack()?;
        }
        self.pack.push(position - self.position);
        self.occurrences += 1;
        self.position = position;
        Ok(())
    }

    fn finish_pack(&mut self) -> Result<()> {
        if self.places.len() >= MAX_UNWRITTEN {
            self.write_positions()?;
        }
        let before = self.places.len();
        put_pack(&mut self.places, &self.pack);
        self.positions_len += (self.places.len() - before) as u64;
        self.pack.clear();
        Ok(())
    }

    /// Writes the list of the term at hand; returns what the dictionary says of it.
    pub(crate) fn finish_term(&mut self) -> Result<Value> {
        let value = self.finish_pack().and_then(|()| self.write_term());
        self.rows.clear();
        self.freqs.clear();
        self.lens.clear();
        self.block_positions.clear();
        self.occurrences = 0;
        self.first_position = self.positions_len;
        value
    }

    fn write_term(&mut self) -> Result<Value> {
        let has_positions = self.positions.is_some();
        if let ([row], [1], false) = (&self.rows[..], &self.freqs[..], has_positions) {
            return Ok(Value::Single(*row));
        }
        let value = Value::List(self.lists_len);
        let df =
            u32::try_from(self.rows.len()).map_err(|_| Error::invalid("a term in more than 2^32 rows"))?;
        self.list.clear();
        put_varint(&mut self.list, u64::from(df));
        if is_short(df) {
            put_short(&mut self.list, u32::MAX, &self.rows, &self.freqs);
            if has_positions && self.occurrences <= MAX_INSIDE {
                self.list.append(&mut self.places);
                self.positions_len = self.first_position;
            } else if has_positions {
                put_varint(&mut self.list, self.first_position);
            }
        } else {
            if has_positions {
                put_varint(&mut self.list, self.first_position);
            }
            self.put_blocks()?;
        }
        self.lists.write_all(&self.list)?;
        self.lists_len += self.list.len() as u64;
        self.write_positions()?;
        Ok(value)
    }

    fn write_positions(&mut self) -> Result<()> {
        if let Some(out) = &mut self.positions {
            out.write_all(&self.places)?;
        }
        self.places.clear();
        Ok(())
    }

    fn put_blocks(&mut self) -> Result<()> {
        let has_positions = self.positions.is_some();
        self.skips.clear();
        self.blocks.clear();
        let mut before = u32::MAX;
        let full = |len: u64| {
            u32::try_from(len)
                .map_err(|_| Error::new(ErrorKind::Full, "the postings of one term exceed 4 GiB"))
        };
        for (start, &positions) in (0..self.rows.len()).step_by(BLOCK_LEN).zip(&self.block_positions) {
            let end = self.rows.len().min(start + BLOCK_LEN);
            let (rows, freqs) = (&self.rows[start..end], &self.freqs[start..end]);
            self.blocks.try_reserve(MAX_BLOCK_LEN).map_err(no_memory)?;
            put_block(&mut self.blocks, before, rows, freqs);
            before = rows[rows.len() - 1];
            let skip = Skip {
                last_row: before,
                end: full(self.blocks.len() as u64)?,
                impacts: Impacts::new(freqs, &self.lens[start..end]),
                positions: full(positions)?,
            };
            skip.encode(has_positions, &mut self.skips);
        }
        self.list.try_reserve(self.skips.len() + self.blocks.len()).map_err(no_memory)?;
        self.list.extend_from_slice(&self.skips);
        self.list.extend_from_slice(&self.blocks);
        Ok(())
    }
}

fn put_block(out: &mut Vec<u8>, mut before: u32, rows: &[u32], freqs: &[u32]) {
    if rows.len() < BLOCK_LEN {
        return put_short(out, before, rows, freqs);
    }
    let mut gaps = [0; BLOCK_LEN];
    let mut extra = [0; BLOCK_LEN];
    for (i, (&row, &freq)) in rows.iter().zip(freqs).enumerate() {
        gaps[i] = row.wrapping_sub(before).wrapping_sub(1);
        extra[i] = freq - 1;
        before = row;
    }
    let (gap_width, freq_width) = (width(&gaps), width(&extra));
    out.extend_from_slice(&[gap_width, freq_width]);
    pack(&gaps, gap_width, out);
    pack(&extra, freq_width, out);
}

fn put_short(out: &mut Vec<u8>, mut before: u32, rows: &[u32], freqs: &[u32]) {
    for (&row, &freq) in rows.iter().zip(freqs) {
        put_posting(out, before, row, freq);
        before = row;
    }
}
