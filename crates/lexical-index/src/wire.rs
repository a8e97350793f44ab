//! Fixed little-endian fields at fixed offsets, and variable-length integers.

/// Declares the fields of a structure: `NAME` of so many bytes, in order. Each name becomes a constant with its offset;
/// `FIELDS` lets a test compare them with `docs/FORMAT.md`.
macro_rules! layout {
    ($len:literal, $($name:ident: $size:literal),+ $(,)?) => {
        pub(crate) const LEN: usize = $len;
        #[cfg(test)]
        pub(crate) const FIELDS: &[(&str, usize, usize)] = &[$((stringify!($name), $name, $size)),+];
        $crate::wire::layout!(@offsets 0usize; $($name: $size,)+);
    };
    (@offsets $at:expr; $name:ident: $size:literal, $($rest:tt)*) => {
        pub(crate) const $name: usize = $at;
        $crate::wire::layout!(@offsets $name + $size; $($rest)*);
    };
    (@offsets $at:expr;) => {
        const _: () = assert!($at == LEN, "the fields fill the structure");
    };
}
pub(crate) use layout;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// Appends an unsigned integer, seven bits a byte, lowest first; the high bit says that another byte follows.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Reads what [`put_varint`] wrote and moves `at` behind it. `None`: cut off, or more than 64 bits.
#[inline]
pub(crate) fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
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

/// The same for 32 bits.
#[inline]
pub(crate) fn take_varint32(bytes: &[u8], at: &mut usize) -> Option<u32> {
    u32::try_from(take_varint(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_hostile_ones_are_refused() {
        for value in [0, 1, 127, 128, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut at = 0;
            assert_eq!((take_varint(&out, &mut at), at), (Some(value), out.len()));
            assert_eq!(take_varint(&out[..out.len() - 1], &mut 0), None, "cut off");
        }
        assert_eq!(take_varint(&[0xFF; 12], &mut 0), None, "never ends");
        assert_eq!(take_varint32(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F], &mut 0), None, "33 bits");
    }
}
