//! Integers of seven bits a byte, the lowest first; the high bit of a byte says that another one follows.

/// The longest varint, in bytes.
pub const MAX_VARINT_LEN: usize = 10;

/// Appends an integer as a varint of 1 to 10 bytes.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Reads the varint at `at`, and moves `at` behind it. `None`: cut off, or more than 64 bits.
#[inline]
pub fn varint_at(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let &byte = bytes.get(*at)?;
        *at += 1;
        let low = u64::from(byte & 0x7F);
        if shift == 63 && low > 1 {
            return None;
        }
        value |= low << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Reads as [`varint_at`] does. `None` also for more than 32 bits.
#[inline]
pub fn varint32_at(bytes: &[u8], at: &mut usize) -> Option<u32> {
    u32::try_from(varint_at(bytes, at)?).ok()
}

/// Reads the varint that `bytes` begin with, and moves them behind it. `None`: cut off, or more than 64 bits.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    // Not by `varint_at`, which reads by position: finding a record in a block took 38 percent more instructions.
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(byte & 0x7F);
        if shift == 63 && low > 1 {
            return None;
        }
        value |= low << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Passes over up to `count` varints, without decoding them. Returns how many bytes and how many varints it passed: fewer than `count` if
/// `bytes` end before, perhaps within a varint.
///
/// Each varint ends with its first byte below 128, so they are counted eight bytes at a time.
#[must_use]
pub fn skip_varints(bytes: &[u8], count: u64) -> (usize, u64) {
    const UPPER_BITS: u64 = 0x8080_8080_8080_8080;
    let (mut passed, mut left) = (0, count);
    for eight in bytes.as_chunks::<8>().0 {
        let ends = u64::from((!u64::from_le_bytes(*eight) & UPPER_BITS).count_ones());
        if ends >= left {
            break;
        }
        (left, passed) = (left - ends, passed + 8);
    }
    for &byte in &bytes[passed..] {
        if left == 0 {
            break;
        }
        passed += 1;
        left -= u64::from(byte < 128);
    }
    (passed, count - left)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_come_back_and_those_cut_off_are_refused(value in (any::<u64>(), 0..64u32).prop_map(|(value, by)| value >> by)) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert!(out.len() <= MAX_VARINT_LEN);
            let (mut at, mut rest) = (0, &out[..]);
            prop_assert_eq!((varint_at(&out, &mut at), at), (Some(value), out.len()));
            prop_assert_eq!((take_varint(&mut rest), rest.len()), (Some(value), 0));
            prop_assert_eq!(varint32_at(&out, &mut 0), u32::try_from(value).ok());
            prop_assert_eq!(varint_at(&out[..out.len() - 1], &mut 0), None);
            prop_assert_eq!(take_varint(&mut &out[..out.len() - 1]), None);
        }
    }

    proptest! {
        #[test]
        fn varints_are_passed_over_as_if_each_was_read(values in prop::collection::vec((any::<u64>(), 0..64u32), 0..60), count in 0..70u64) {
            let mut out = Vec::new();
            for (value, by) in &values {
                put_varint(&mut out, value >> by);
            }
            let mut at = 0;
            let read = (0..count).take_while(|_| varint_at(&out, &mut at).is_some()).count() as u64;
            prop_assert_eq!(skip_varints(&out, count), (at, read));
        }
    }

    #[test]
    fn the_golden_bytes_stay_and_too_many_bits_are_refused() {
        let mut out = Vec::new();
        for value in [0, 127, 128, 300] {
            put_varint(&mut out, value);
        }
        assert_eq!(out, [0, 127, 0x80, 1, 0xAC, 2]);
        assert_eq!(varint_at(&[0xFF; 12], &mut 0), None, "never ends");
        assert_eq!(
            take_varint(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02][..]),
            None,
            "65 bits"
        );
        assert_eq!(varint32_at(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F], &mut 0), None, "33 bits");
    }
}
