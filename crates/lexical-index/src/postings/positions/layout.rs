//! The bytes of packs: numbers of as many bits as the widest of a few needs.
//!
//! What a term's positions are written as: up to 128 at a time, so that one that is large costs no others its bits. Fewer than
//! [`FEW`] are varints. Others begin with a byte: the width of each in bits, from the lowest bit of the first byte on; or [`VARINTS`], where
//! these are shorter.

use wire::{bits, put_varint};

use super::super::BLOCK_LEN;

/// Numbers in a pack; the last one of a block of postings may have fewer.
pub(in crate::postings) const PACK_LEN: usize = BLOCK_LEN;
/// Fewer numbers are varints, with no byte before them.
pub(in crate::postings) const FEW: usize = 3;
/// In the place of a width: varints follow.
pub(in crate::postings) const VARINTS: u8 = u8::MAX;
/// The least width, so that each number has a bit that is its own: what bytes claim to hold is bounded by how many they are.
const MIN_WIDTH: u8 = 1;
pub(in crate::postings) const MAX_WIDTH: u8 = 32;

/// Appends up to [`PACK_LEN`] numbers.
pub(in crate::postings) fn put_pack(out: &mut Vec<u8>, numbers: &[u32]) {
    if numbers.len() >= FEW {
        let all = numbers.iter().fold(0, |all, number| all | number);
        let width = (32 - all.leading_zeros()).to_le_bytes()[0].max(MIN_WIDTH);
        let as_varints = numbers.iter().map(|&number| varint_len(number)).sum::<usize>();
        if packed_len(numbers.len(), width) <= as_varints {
            out.push(width);
            return out.extend(bits(numbers.iter().map(|&number| number.into()), width.into()));
        }
        out.push(VARINTS);
    }
    for &number in numbers {
        put_varint(out, number.into());
    }
}

fn varint_len(number: u32) -> usize {
    (38 - (number | 1).leading_zeros()) as usize / 7
}

/// Bytes of so many numbers of this width.
pub(in crate::postings) fn packed_len(count: usize, width: u8) -> usize {
    (count * usize::from(width)).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_bytes_of_packs_stay() {
        let pack = |numbers: &[u32]| {
            let mut bytes = Vec::new();
            put_pack(&mut bytes, numbers);
            bytes
        };
        assert_eq!(pack(&[5, 300]), [5, 0xAC, 2], "few: varints");
        assert_eq!(pack(&[0, 0, 0]), [1, 0], "a bit each");
        assert_eq!(pack(&[1, 2, 3, 4, 5, 6, 7, 0]), [3, 0xD1, 0x58, 0x1F]);
        let shorter = [VARINTS, 1, 2, 3, 0xC0, 0xB8, 2];
        assert_eq!(pack(&[1, 2, 3, 40_000]), shorter, "6 bytes, and not 8 of 16 bits");
    }

    #[test]
    fn lengths_of_varints_are_those_that_are_written() {
        for number in (0..32).flat_map(|bits| [(1 << bits) - 1, 1 << bits, u32::MAX >> bits]) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number.into());
            assert_eq!(varint_len(number), bytes.len(), "{number}");
        }
    }
}
