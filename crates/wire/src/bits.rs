//! Numbers of equally many bits, one behind the other from the lowest bit of the first byte on.

/// The widest that these numbers may be.
pub const MAX_BITS: usize = 57;

/// The bytes of numbers of `width` bits each, which is at most [`MAX_BITS`]; of a wider number the lowest bits.
pub fn bits(numbers: impl IntoIterator<Item = u64>, width: usize) -> impl Iterator<Item = u8> {
    debug_assert!(width <= MAX_BITS, "{width} bits");
    let (mut numbers, mut word, mut filled) = (numbers.into_iter().fuse(), 0u64, 0);
    std::iter::from_fn(move || {
        while filled < 8 {
            let Some(number) = numbers.next() else { break };
            word |= (number & mask(width)) << filled;
            filled += width;
        }
        let [byte, ..] = word.to_le_bytes();
        let is_more = filled > 0;
        (word, filled) = (word >> 8, filled.saturating_sub(8));
        is_more.then_some(byte)
    })
}

/// The number of `width` bits that begins at `bit`, counted from the lowest of the first byte on. `None`: cut off, or wider than [`MAX_BITS`].
#[inline]
pub fn bits_at(bytes: &[u8], bit: usize, width: usize) -> Option<u64> {
    if bit.checked_add(width)? > bytes.len() * 8 || width > MAX_BITS {
        return None;
    }
    // A number ends within the eight bytes from that on in which it begins, or within the last eight.
    let at = (bit / 8).min(bytes.len().saturating_sub(8));
    let word = match bytes[at..].first_chunk() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    // No bits may begin at the end of eight bytes, 64 from their beginning.
    Some(word >> ((bit - at * 8) % 64) & mask(width))
}

fn mask(width: usize) -> u64 {
    (1 << width) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for width in 0..=MAX_BITS {
            for count in [0, 1, 7, 8, 9, 127, 128] {
                let numbers: Vec<u64> =
                    (1..).take(count).map(|i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
                let bytes: Vec<u8> = bits(numbers.iter().copied(), width).collect();
                assert_eq!(bytes.len(), (count * width).div_ceil(8), "{count} of {width} bits");
                for (i, number) in numbers.iter().enumerate() {
                    let low = number & mask(width);
                    assert_eq!(
                        bits_at(&bytes, i * width, width),
                        Some(low),
                        "{i} of {count} of {width} bits"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_too_wide_is_none() {
        let bytes = [0xFF; 9];
        assert_eq!(bits_at(&bytes, 67, 5), Some(31));
        assert_eq!((bits_at(&bytes, 68, 5), bits_at(&bytes[..2], 12, 5)), (None, None));
        assert_eq!(
            (bits_at(&bytes, 72, 0), bits_at(&bytes, 73, 0), bits_at(&[], 0, 0)),
            (Some(0), None, Some(0))
        );
        assert_eq!((bits_at(&bytes, 0, MAX_BITS + 1), bits_at(&bytes, usize::MAX, 1)), (None, None));
    }

    #[test]
    fn the_golden_bytes_of_numbers_stay() {
        let all = |numbers: &[u64], width| bits(numbers.iter().copied(), width).collect::<Vec<u8>>();
        assert_eq!(all(&[1, 2, 3, 4, 5, 6, 7, 0], 3), [0xD1, 0x58, 0x1F]);
        assert_eq!(all(&[1, 2, 0x1_FFFF, u64::MAX], 17), [1, 0, 4, 0, 0xFC, 0xFF, 0xFF, 0xFF, 0x0F]);
    }
}
