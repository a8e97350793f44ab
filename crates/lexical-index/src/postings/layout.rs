//! The bytes of a list of postings.
//!
//! The number of postings, a varint. Fewer than 128 of them follow as varints, then their positions (if such are kept) or, of more than 512, a varint
//! where these begin. Before 128 and more stands that varint, and they are skip entries and blocks.
//!
//! A full block is 128 gaps and 128 frequencies, each packed into as many bits as the largest of them needs, in four lanes, as in SIMD-BP128
//! (Lemire and Boytsov, "Decoding billions of integers per second through vectorization", 2015): integer `i` is in lane `i % 4`, and the
//! 32 integers of a lane follow each other from the lowest bit of its words on. Word `w` of lane `l` is the 32-bit little-endian word
//! number `4 w + l`.

use std::ops::Range;

use wire::{MAX_VARINT_LEN, put, put_varint, try_u16_at, try_u32_at, varint_at, varint32_at};

use super::BLOCK_LEN;
use super::positions::Positions;
use crate::bm25::{LONG, MANY, Saturation};
use crate::bytes::Guarded;

/// Skip entry: one for each block. Without positions the last field is left out.
pub(crate) mod skip {
    wire::layout!(16, LAST_ROW: 4, END: 4, IMPACTS: 4, POSITIONS: 4);
}

/// The least length of a list in bytes: two varints and a posting; without positions one varint, and two postings or one with its frequency.
pub(crate) const MIN_LIST_LEN: u64 = 3;
/// The longest posting as integers of seven bits a byte.
const MAX_POSTING_LEN: usize = 2 * MAX_VARINT_LEN;

/// Length of a skip entry.
pub(crate) fn skip_len(has_positions: bool) -> usize {
    if has_positions { skip::LEN } else { skip::POSITIONS }
}

/// How the positions of a part are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    No,
    /// Each a varint, all of them elsewhere: of parts that earlier versions wrote.
    Varints,
    /// In packs, those of short lists in the list.
    Packed,
}

/// A short list with more positions than this has them elsewhere.
pub(crate) const MAX_INSIDE: u64 = 512;

/// In the value of a term in the dictionary: the value is the row of its only posting, not the place of a list.
const SINGLE: u64 = 1;

/// What the dictionary says of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// It occurs once, in this row, and no positions are kept.
    Single(u32),
    /// Where its list begins.
    List(u64),
}

impl Value {
    pub(crate) fn encode(self) -> u64 {
        match self {
            Self::Single(row) => u64::from(row) << 1 | SINGLE,
            Self::List(offset) => offset << 1,
        }
    }

    pub(crate) fn decode(value: u64) -> Option<Self> {
        if value & SINGLE == 0 {
            return Some(Self::List(value >> 1));
        }
        u32::try_from(value >> 1).ok().map(Self::Single)
    }
}

/// Two pairs of a frequency and a length such that every posting has, of one of them, at most the frequency and at
/// least the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Impacts(pub(crate) [u8; 4]);

impl Impacts {
    /// Of postings with these frequencies and bytes of lengths: the shortest texts, and the rest.
    pub(crate) fn new(freqs: &[u32], lens: &[u8]) -> Self {
        let pairs = || freqs.iter().map(|&freq| u8::try_from(freq).unwrap_or(MANY)).zip(lens.iter().copied());
        let short = pairs().map(|(_, len)| len).min().unwrap_or(0);
        let few = pairs().filter(|&(_, len)| len == short).map(|(freq, _)| freq).max().unwrap_or(MANY);
        let beyond = || pairs().filter(|&(freq, _)| freq > few);
        let many = beyond().map(|(freq, _)| freq).max().unwrap_or(few);
        Self([few, short, many, beyond().map(|(_, len)| len).min().unwrap_or(short)])
    }

    /// One of the postings is saturated so much.
    pub(crate) fn reached(self, saturation: &Saturation) -> u32 {
        let Self([few, short, ..]) = self;
        if short == LONG { 0 } else { saturation.get(u32::from(few), short, || u32::from(LONG)) }
    }

    #[inline]
    pub(crate) fn bound(self, saturation: &Saturation) -> u32 {
        let Self([few, short, many, long]) = self;
        saturation.bound(few, short).max(saturation.bound(many, long))
    }
}

/// What a skip entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) last_row: u32,
    /// Where the block ends, from the end of the skip entries on.
    pub(crate) end: u32,
    pub(crate) impacts: Impacts,
    /// Where its positions begin, from those of the term on.
    pub(crate) positions: u32,
}

impl Skip {
    pub(crate) fn encode(self, has_positions: bool, out: &mut Vec<u8>) {
        let mut bytes = [0; skip::LEN];
        put(&mut bytes, skip::LAST_ROW, self.last_row.to_le_bytes());
        put(&mut bytes, skip::END, self.end.to_le_bytes());
        put(&mut bytes, skip::IMPACTS, self.impacts.0);
        put(&mut bytes, skip::POSITIONS, self.positions.to_le_bytes());
        out.extend_from_slice(&bytes[..skip_len(has_positions)]);
    }
}

/// A list in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<'a> {
    pub(crate) df: u32,
    pub(crate) kept: Kept,
    /// Where the positions of the term begin, if that is said before its postings.
    positions: u64,
    /// Verified by [`verify_skips`](Self::verify_skips).
    skips: Guarded<'a>,
    /// The blocks; of a short list, its postings.
    data: Guarded<'a>,
}

impl<'a> List<'a> {
    /// The list at the beginning of these bytes, as far as they reach; it has at most `rows` postings.
    pub(crate) fn new(bytes: Guarded<'a>, kept: Kept, rows: u32) -> Option<Self> {
        let mut at = 0;
        let head = bytes.first(2 * MAX_VARINT_LEN);
        let df = varint32_at(head, &mut at).filter(|&df| df > 0 && df <= rows)?;
        let is_said = kept == Kept::Varints || kept == Kept::Packed && !is_short(df);
        let positions = if is_said { varint_at(head, &mut at)? } else { 0 };
        let blocks = if is_short(df) { 0 } else { (df as usize).div_ceil(BLOCK_LEN) };
        let data_at = at.checked_add(blocks * skip_len(kept != Kept::No))?;
        let (skips, data) = (bytes.slice(at..data_at)?, bytes.slice_from(data_at)?);
        Some(Self { df, kept, positions, skips, data })
    }

    /// Where it lies in the part: the skip entries, and about as many bytes behind them as its postings take.
    pub(crate) fn place(&self) -> Range<usize> {
        let about = (self.df as usize).saturating_mul(5) / 4 + MAX_POSTING_LEN;
        self.skips.place_of(0..self.skips.len()).start..self.data.place_of(0..about).end
    }

    /// Where its postings lie in the part; of a short list, at least. Those of two lists do not overlap.
    pub(crate) fn postings_range(&self) -> Range<usize> {
        let len = if self.is_short() { self.df } else { self.end(self.blocks() - 1).unwrap_or(u32::MAX) };
        let [start, data] = [self.skips, self.data].map(|bytes| bytes.place_of(0..0).start);
        start..data.saturating_add(len as usize)
    }

    /// Verifies the skip entries, before any is asked for.
    pub(crate) fn verify_skips(&self) {
        self.skips.verify(0..self.skips.len());
    }

    /// The postings of a short list.
    pub(crate) fn postings(&self) -> &'a [u8] {
        self.data.first(self.count(0) * MAX_POSTING_LEN)
    }

    pub(crate) fn is_short(&self) -> bool {
        is_short(self.df)
    }

    pub(crate) fn has_positions(&self) -> bool {
        self.kept != Kept::No
    }

    /// The positions of a short list, whose postings end so far behind the beginning of its data and have `count` of them; those that are elsewhere are in
    /// `section`. `None`: it does not say where.
    pub(crate) fn short_positions(
        &self,
        end: usize,
        count: u64,
        section: Guarded<'a>,
    ) -> Option<Positions<'a>> {
        match self.kept {
            Kept::No => Some(Positions::none()),
            Kept::Varints => Some(Positions::of_varints(section, place(self.positions))),
            Kept::Packed if count <= MAX_INSIDE => Some(Positions::packed(self.data, end, count)),
            Kept::Packed => {
                let said = self.data.slice_from(end)?.first(MAX_VARINT_LEN);
                Some(Positions::packed(section, place(varint_at(said, &mut 0)?), count))
            }
        }
    }

    /// The positions of a block, which has `count` of them.
    pub(crate) fn block_positions(
        &self,
        block: usize,
        count: u64,
        section: Guarded<'a>,
    ) -> Option<Positions<'a>> {
        let end = if block + 1 < self.blocks() { place(self.positions_of(block + 1)) } else { usize::MAX };
        let (section, at) = (section.slice(0..end.min(section.len()))?, place(self.positions_of(block)));
        Some(match self.kept {
            Kept::No => Positions::none(),
            Kept::Varints => Positions::of_varints(section, at),
            Kept::Packed => Positions::packed(section, at, count),
        })
    }

    pub(crate) fn blocks(&self) -> usize {
        self.skips.len() / skip_len(self.has_positions())
    }

    /// How many postings a block has.
    pub(crate) fn count(&self, block: usize) -> usize {
        BLOCK_LEN.min((self.df as usize).saturating_sub(block * BLOCK_LEN))
    }

    #[inline]
    pub(crate) fn last_row(&self, block: usize) -> u32 {
        try_u32_at(self.skips.as_verified(), block * skip_len(self.has_positions()) + skip::LAST_ROW)
            .unwrap_or(0)
    }

    /// No posting is saturated more. `None`: the positions of a block begin before those of an earlier one.
    pub(crate) fn bound(&self, saturation: &Saturation) -> Option<u32> {
        let (mut bound, mut before, mut ascend) = (0, 0, true);
        for block in 0..self.blocks() {
            bound = self.impacts(block).bound(saturation).max(bound);
            let positions = if self.has_positions() { self.positions_of(block) } else { 0 };
            ascend &= before <= positions;
            before = positions;
        }
        ascend.then_some(bound)
    }

    pub(crate) fn impacts(&self, block: usize) -> Impacts {
        let at = block * skip_len(self.has_positions()) + skip::IMPACTS;
        Impacts(try_u32_at(self.skips.as_verified(), at).unwrap_or(u32::MAX).to_le_bytes())
    }

    /// Where the positions of a block begin.
    fn positions_of(&self, block: usize) -> u64 {
        let at = block * skip_len(true) + skip::POSITIONS;
        let relative = try_u32_at(self.skips.as_verified(), at).unwrap_or(u32::MAX);
        self.positions.saturating_add(u64::from(relative))
    }

    /// The bytes of a block.
    pub(crate) fn block(&self, block: usize) -> Option<&'a [u8]> {
        let start = if block == 0 { 0 } else { self.end(block - 1)? };
        self.data.get(start as usize..self.end(block)? as usize)
    }

    /// Where a block ends, from the end of the skip entries on.
    fn end(&self, block: usize) -> Option<u32> {
        try_u32_at(self.skips.as_verified(), block * skip_len(self.has_positions()) + skip::END)
    }
}

/// A place in a section, of which there are no more bytes than memory can have.
fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

pub(crate) fn is_short(df: u32) -> bool {
    (df as usize) < BLOCK_LEN
}

/// The widths of a full block: of its gaps, of its frequencies.
pub(crate) fn widths(block: &[u8]) -> Option<(u8, u8)> {
    try_u16_at(block, 0).map(|both| (both.to_le_bytes()[0], both.to_le_bytes()[1]))
}

/// Bytes before the packed integers of a full block.
pub(crate) const WIDTHS_LEN: usize = 2;

/// Appends one posting of a short list or a last block: `row` follows `before` (of the first: `u32::MAX`).
pub(crate) fn put_posting(out: &mut Vec<u8>, before: u32, row: u32, freq: u32) {
    let gap = u64::from(row.wrapping_sub(before).wrapping_sub(1));
    put_varint(out, gap << 1 | u64::from(freq > 1));
    if freq > 1 {
        put_varint(out, u64::from(freq - 2));
    }
}

/// Reads what [`put_posting`] wrote, if the row is at most `last`.
#[inline]
pub(crate) fn take_posting(bytes: &[u8], at: &mut usize, before: u32, last: u32) -> Option<(u32, u32)> {
    let word = varint_at(bytes, at)?;
    let row = u64::from(before.wrapping_add(1)) + (word >> 1);
    let freq = if word & 1 == 0 { 1 } else { varint32_at(bytes, at)?.checked_add(2)? };
    Some((u32::try_from(row).ok().filter(|&row| row <= last)?, freq))
}

const LANES: usize = 4;
const PER_LANE: usize = BLOCK_LEN / LANES;

/// Bytes of a packed block, for each bit of width.
pub(crate) const BYTES_PER_BIT: usize = BLOCK_LEN / 8;

/// The width of the widest value.
pub(crate) fn width(values: &[u32; BLOCK_LEN]) -> u8 {
    let all = values.iter().fold(0, |all, value| all | value);
    (32 - all.leading_zeros()).to_le_bytes()[0]
}

/// Appends the values, of which none is wider than `width`.
pub(crate) fn pack(values: &[u32; BLOCK_LEN], width: u8, out: &mut Vec<u8>) {
    let width = usize::from(width);
    let mut words = [[0u32; LANES]; PER_LANE + 1];
    for (i, lanes) in values.chunks_exact(LANES).enumerate() {
        let (word, shift) = (i * width / 32, i * width % 32);
        for (lane, &value) in lanes.iter().enumerate() {
            words[word][lane] |= value << shift;
            if shift + width > 32 {
                words[word + 1][lane] |= value >> (32 - shift);
            }
        }
    }
    out.extend(words[..width].iter().flatten().flat_map(|word| word.to_le_bytes()));
}

/// Reads what [`pack`] wrote. `None`: too few bytes, or a width above 32.
pub(crate) fn unpack(bytes: &[u8], width: u8, values: &mut [u32; BLOCK_LEN]) -> Option<()> {
    let bytes = bytes.get(..usize::from(width) * BYTES_PER_BIT)?;
    macro_rules! by_width {
        ($($width:literal)+) => {
            match width {
                0 => values.fill(0),
                $($width => unpack_width::<$width>(bytes, values),)+
                _ => return None,
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    Some(())
}

/// The width is a constant, so that the compiler unrolls the loop and keeps four lanes in a vector.
fn unpack_width<const WIDTH: usize>(bytes: &[u8], values: &mut [u32; BLOCK_LEN]) {
    let mask = u32::MAX >> (32 - WIDTH);
    let Ok(words) = <&[[[u8; 4]; LANES]; WIDTH]>::try_from(bytes.as_chunks().0.as_chunks().0) else { return };
    let (lanes, _) = values.as_chunks_mut::<LANES>();
    for (i, out) in lanes.iter_mut().enumerate() {
        let (word, shift) = (i * WIDTH / 32, i * WIDTH % 32);
        for lane in 0..LANES {
            let mut value = u32::from_le_bytes(words[word][lane]) >> shift;
            if shift + WIDTH > 32 {
                value |= u32::from_le_bytes(words[word + 1][lane]) << (32 - shift);
            }
            out[lane] = value & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_width_come_back() {
        for bits in 0..=32u8 {
            let mut values = [0u32; BLOCK_LEN];
            let mut state = 1u64;
            for value in &mut values {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *value = u32::try_from((state >> 32) & ((1u64 << bits) - 1)).unwrap();
            }
            assert!(width(&values) <= bits);
            let mut bytes = Vec::new();
            pack(&values, bits, &mut bytes);
            assert_eq!(bytes.len(), usize::from(bits) * BYTES_PER_BIT);
            let mut back = [7; BLOCK_LEN];
            assert_eq!(unpack(&bytes, bits, &mut back), Some(()));
            assert_eq!(back, values);
            if bits > 0 {
                assert_eq!(unpack(&bytes[1..], bits, &mut back), None, "too few bytes");
            }
        }
        assert_eq!(unpack(&[0; 1024], 33, &mut [0; BLOCK_LEN]), None);
    }

    #[test]
    fn the_golden_bytes_of_a_packed_block_stay() {
        let mut values = [0; BLOCK_LEN];
        for (value, i) in values.iter_mut().zip(0..) {
            *value = i % 8;
        }
        let mut bytes = Vec::new();
        pack(&values, 3, &mut bytes);
        assert_eq!(
            bytes[..16],
            [0x20, 0x08, 0x82, 0x20, 0x69, 0x9A, 0xA6, 0x69, 0xB2, 0x2C, 0xCB, 0xB2, 0xFB, 0xBE, 0xEF, 0xFB]
        );
    }
}
