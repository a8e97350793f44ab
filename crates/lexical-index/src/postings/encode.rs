//! From the postings of one term to the bytes of its list.

use std::io::Write;

use wire::put_varint;

use super::BLOCK_LEN;
use super::layout::{Impacts, Skip, Value, is_short, pack, put_posting, width};
use crate::error::{Error, ErrorKind, Result};

/// All postings of one term, in the order of their rows.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    pub(crate) rows: Vec<u32>,
    pub(crate) freqs: Vec<u32>,
    /// Of each, the byte of its text's length.
    pub(crate) lens: Vec<u8>,
    /// Of each, `freq` ascending positions, one after the other; empty where none are kept.
    pub(crate) positions: Vec<u32>,
}

impl Postings {
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.freqs.clear();
        self.lens.clear();
        self.positions.clear();
    }

    pub(crate) fn push(&mut self, row: u32, freq: u32, len: u8) {
        self.rows.push(row);
        self.freqs.push(freq);
        self.lens.push(len);
    }
}

/// Writes lists one after the other, and their positions elsewhere.
pub(crate) struct Encoder<L, P> {
    lists: L,
    lists_len: u64,
    positions: Option<P>,
    positions_len: u64,
    /// Of the term at hand.
    list: Vec<u8>,
    skips: Vec<u8>,
    blocks: Vec<u8>,
    places: Vec<u8>,
}

impl<L: Write, P: Write> Encoder<L, P> {
    pub(crate) fn new(lists: L, positions: Option<P>) -> Self {
        Self {
            lists,
            lists_len: 0,
            positions,
            positions_len: 0,
            list: Vec::new(),
            skips: Vec::new(),
            blocks: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Bytes of lists and of positions so far.
    pub(crate) fn lens(&self) -> (u64, u64) {
        (self.lists_len, self.positions_len)
    }

    /// Writes the list of a term; returns what the dictionary says of it.
    pub(crate) fn put(&mut self, postings: &Postings) -> Result<Value> {
        let has_positions = self.positions.is_some();
        if let ([row], [1], false) = (&postings.rows[..], &postings.freqs[..], has_positions) {
            return Ok(Value::Single(*row));
        }
        let value = Value::List(self.lists_len);
        let df = u32::try_from(postings.rows.len())
            .map_err(|_| Error::invalid("a term in more than 2^32 rows"))?;
        self.list.clear();
        put_varint(&mut self.list, u64::from(df));
        if has_positions {
            put_varint(&mut self.list, self.positions_len);
        }
        self.places.clear();
        if is_short(df) {
            put_short(&mut self.list, u32::MAX, &postings.rows, &postings.freqs);
            if has_positions {
                put_positions(&mut self.places, &postings.freqs, &postings.positions);
            }
        } else {
            self.put_blocks(postings)?;
        }
        self.lists.write_all(&self.list)?;
        self.lists_len += self.list.len() as u64;
        if let Some(out) = &mut self.positions {
            out.write_all(&self.places)?;
            self.positions_len += self.places.len() as u64;
        }
        Ok(value)
    }

    fn put_blocks(&mut self, postings: &Postings) -> Result<()> {
        let has_positions = self.positions.is_some();
        self.skips.clear();
        self.blocks.clear();
        let mut before = u32::MAX;
        let mut places = &postings.positions[..];
        let full = |len: usize| {
            u32::try_from(len)
                .map_err(|_| Error::new(ErrorKind::Full, "the postings of one term exceed 4 GiB"))
        };
        for start in (0..postings.rows.len()).step_by(BLOCK_LEN) {
            let end = postings.rows.len().min(start + BLOCK_LEN);
            let (rows, freqs) = (&postings.rows[start..end], &postings.freqs[start..end]);
            let place = full(self.places.len())?;
            put_block(&mut self.blocks, before, rows, freqs);
            if has_positions {
                let len = freqs.iter().map(|&freq| freq as usize).sum();
                let (these, rest) = places.split_at(len);
                put_positions(&mut self.places, freqs, these);
                places = rest;
            }
            before = rows[rows.len() - 1];
            let skip = Skip {
                last_row: before,
                end: full(self.blocks.len())?,
                impacts: Impacts::new(freqs, &postings.lens[start..end]),
                positions: place,
            };
            skip.encode(has_positions, &mut self.skips);
        }
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

/// The positions of each posting: the first as it is, the others as distances.
fn put_positions(out: &mut Vec<u8>, freqs: &[u32], mut positions: &[u32]) {
    for &freq in freqs {
        let (these, rest) = positions.split_at(freq as usize);
        let mut before = 0;
        for &position in these {
            put_varint(out, u64::from(position - before));
            before = position;
        }
        positions = rest;
    }
}
