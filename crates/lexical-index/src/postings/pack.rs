//! 128 integers in as many bits as the largest of them needs.
//!
//! Four lanes, as in SIMD-BP128 (Lemire and Boytsov, "Decoding billions of integers per second through
//! vectorization", 2015): integer `i` is in lane `i % 4`, and the 32 integers of a lane follow each other from the lowest
//! bit of its words on. Word `w` of lane `l` is the 32-bit little-endian word number `4 w + l`.

use super::BLOCK_LEN;

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
