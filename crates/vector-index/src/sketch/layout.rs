//! The bytes of signs.
//!
//! Sixty-four vectors are a block. Of each, every eight dimensions are a byte, the first in the lowest bit, set where the code is not
//! negative; a row of 64 bytes holds the same byte of all of them. So one instruction looks up four dimensions of up to 64 vectors in a
//! table of 16 sums (André, Kermarrec and Le Scouarnec, "Cache locality is not enough", 2015).
//!
//! A graph has the signs of each node in a row of their own instead, an outline, with three floats behind them, of whole lines of the cache.

use crate::codes::layout::groups;
use crate::prefetch::prefetch_rows;

/// Vectors in a block.
pub(crate) const BLOCK: usize = 64;

/// The same byte of all vectors of a block: those of vectors 0 to 31 in the even places, those of 32 to 63 in the odd ones, because
/// sums of 16 bits are made of the even and the odd bytes.
pub(crate) type SignRow = [u8; BLOCK];

/// Sums of looked up values, by vector.
pub(crate) type Sums = [u16; BLOCK];

/// What the four dimensions of each nibble add, by their signs: for the lower nibbles of a row, and for the upper ones.
pub(crate) type Tables = [[u8; 16]; 2];

/// The rows of signs of a vector of so many groups of 64 dimensions.
pub(crate) const fn sign_rows(groups: usize) -> usize {
    groups * 8
}

/// The signs of up to eight codes.
#[inline]
pub(crate) fn sign_byte(eight: &[i8]) -> u8 {
    let Some(eight) = eight.first_chunk::<8>() else {
        return eight.iter().rev().fold(0, |byte, &code| byte << 1 | u8::from(code >= 0));
    };
    // The lowest bit of each byte says that it is not negative; the product has the sum of byte `i` moved to bit `56 + i`, and no carries.
    let signs = !u64::from_le_bytes(eight.map(i8::cast_unsigned)) >> 7 & 0x0101_0101_0101_0101;
    (signs.wrapping_mul(0x0102_0408_1020_4080) >> 56).to_le_bytes()[0]
}

/// The place of a vector's byte in a row.
pub(crate) fn column(place: usize) -> usize {
    place % 32 * 2 + place / 32
}

/// The signs of 64 codes: bit `i` is set where that of dimension `i` of them is not negative.
pub(crate) type Word = [u8; 8];

/// Up to so many times 64 dimensions, the high nibbles of a vector are themselves a line or two.
const FEW_GROUPS: usize = 2;

/// A row is a multiple of so many words, a line of the cache.
const LINE: usize = 8;

/// Floats take two words behind the signs: the term `a` of the vector, its factor, its error, and 0.
const FACTS: usize = 2;

/// Whether graphs of vectors of so many dimensions have outlines, unless the codes are calibrated.
pub(crate) const fn has_outlines(dimension: usize) -> bool {
    groups(dimension) > FEW_GROUPS
}

/// The words of a row.
pub(crate) const fn stride(dimension: usize) -> usize {
    (groups(dimension) + FACTS).next_multiple_of(LINE)
}

/// The bytes of a row.
pub(crate) const fn row_len(dimension: usize) -> usize {
    stride(dimension) * size_of::<Word>()
}

/// Bytes that a graph has for each vector of so many dimensions beside its codes, unless these are calibrated: an outline, or none.
pub const fn outline_len(dimension: usize) -> usize {
    if has_outlines(dimension) { row_len(dimension) } else { 0 }
}

/// Rows of signs and floats, where they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlines<'a> {
    words: &'a [Word],
    groups: usize,
    stride: usize,
}

/// What an estimate is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The term `a` of the vector.
    pub(crate) a: f32,
    /// What the sum of signed codes is multiplied by.
    pub(crate) factor: f32,
    /// The deviation of the product from a dot product with a query of length 1.
    pub(crate) error: f32,
}

impl Facts {
    /// Writes them behind the signs of a row.
    pub(crate) fn write(self, place: &mut [u8]) {
        let Self { a, factor, error } = self;
        for (at, fact) in place.as_chunks_mut().0.iter_mut().zip([a, factor, error]) {
            *at = fact.to_le_bytes();
        }
    }
}

/// The bits of a word.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn bits(word: Word) -> u64 {
    u64::from_le_bytes(word)
}

impl<'a> Outlines<'a> {
    pub(crate) fn new(bytes: &'a [u8], dimension: usize) -> Self {
        Self { words: bytes.as_chunks().0, groups: groups(dimension), stride: stride(dimension) }
    }

    #[inline]
    pub(crate) fn row(self, node: u32) -> &'a [Word] {
        &self.words[node as usize * self.stride..][..self.stride]
    }

    /// Has the rows of some nodes fetched, which are read soon.
    #[inline]
    pub(crate) fn prefetch(self, nodes: &[u32]) {
        prefetch_rows(self.words, self.stride, nodes);
    }

    /// The signs of a node.
    #[inline]
    pub(crate) fn signs(self, node: u32) -> &'a [Word] {
        &self.row(node)[..self.groups]
    }

    #[inline]
    pub(crate) fn facts(self, node: u32) -> Facts {
        let [[a, factor], [error, _]] = match self.row(node)[self.groups..].first_chunk::<FACTS>() {
            Some(facts) => {
                facts.map(|[a, b, c, d, e, f, g, h]| [[a, b, c, d], [e, f, g, h]].map(f32::from_le_bytes))
            }
            None => [[0.0; 2]; FACTS],
        };
        Facts { a, factor, error }
    }
}
