//! The bytes of signs.
//!
//! Sixty-four vectors are a block. Of each, every eight dimensions are a byte, the first in the lowest bit, set where the code is not
//! negative; a row of 64 bytes holds the same byte of all of them. So one instruction looks up four dimensions of up to 64 vectors in a
//! table of 16 sums (André, Kermarrec and Le Scouarnec, "Cache locality is not enough", 2015).

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
