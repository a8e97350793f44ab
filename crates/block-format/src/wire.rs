//! Fixed little-endian fields at fixed offsets, and variable-length integers.

/// Declares the fields of a structure on disk: `NAME` of so many bytes, in order. Each name becomes a constant with
/// its offset, derived from the field before it; that the fields fill the structure is checked at compile time, and
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

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at a constant offset of a structure whose length the caller has checked.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
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

/// Reads what [`put_varint`] wrote and moves the slice behind it. `None`: cut off, or more than 64 bits.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_hostile_ones_are_refused() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut rest = &out[..];
            assert_eq!(take_varint(&mut rest), Some(value));
            assert!(rest.is_empty());
            assert_eq!(take_varint(&mut &out[..out.len() - 1]), None, "cut off");
        }
        assert_eq!(take_varint(&mut &[0xFF; 9][..]), None, "never ends");
        assert_eq!(take_varint(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02][..]), None);
    }
}
