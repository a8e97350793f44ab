//! Fixed little-endian fields at fixed offsets.

/// Declares the fields of a structure on disk: the length of all, then `NAME: bytes` for each, in order.
///
/// Each name becomes a constant with its offset, derived from the field before it, and `LEN` the length. That the fields fill the
/// structure is checked at compile time. In tests, `FIELDS` has name, offset and length of each, to be compared with a document. Use it
/// in a module of its own:
///
/// ```
/// /// What stands at the end.
/// mod footer {
///     wire::layout!(16, MAGIC: 4, COUNT: 8, CRC: 4);
/// }
/// assert_eq!((footer::COUNT, footer::CRC, footer::LEN), (4, 12, 16));
/// ```
#[macro_export]
macro_rules! layout {
    ($len:literal, $($name:ident: $size:literal),+ $(,)?) => {
        pub(crate) const LEN: usize = $len;
        #[cfg(test)]
        pub(crate) const FIELDS: &[(&str, usize, usize)] = &[$((stringify!($name), $name, $size)),+];
        $crate::layout!(@offsets 0usize; $($name: $size,)+);
    };
    (@offsets $at:expr; $name:ident: $size:literal, $($rest:tt)*) => {
        pub(crate) const $name: usize = $at;
        $crate::layout!(@offsets $name + $size; $($rest)*);
    };
    (@offsets $at:expr;) => {
        const _: () = assert!($at == LEN, "the fields fill the structure");
    };
}

/// The `u16` at a constant offset of a structure.
///
/// # Panics
///
/// If it does not lie within `bytes`: the length of a structure is checked before its fields are read.
#[inline]
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// The `u32` at a constant offset of a structure. Panics as [`u16_at`] does.
#[inline]
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// The `u64` at a constant offset of a structure. Panics as [`u16_at`] does.
#[inline]
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The `u128` at a constant offset of a structure. Panics as [`u16_at`] does.
#[inline]
#[must_use]
pub fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at a constant offset of a structure. Panics as [`u16_at`] does.
#[inline]
#[must_use]
pub fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// The `u16` at any offset; `None` if it does not lie within `bytes`.
#[inline]
#[must_use]
pub fn try_u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The `u32` at any offset; `None` if it does not lie within `bytes`.
#[inline]
#[must_use]
pub fn try_u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The `u64` at any offset; `None` if it does not lie within `bytes`.
#[inline]
#[must_use]
pub fn try_u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Writes a field. Panics as [`u16_at`] does.
#[inline]
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::*;

    mod entry {
        crate::layout!(16, KIND: 2, SPACE: 2, OFFSET: 8, CRC: 4);
    }

    #[test]
    fn fields_come_back_from_where_they_were_put() {
        assert_eq!(entry::FIELDS, [("KIND", 0, 2), ("SPACE", 2, 2), ("OFFSET", 4, 8), ("CRC", 12, 4)]);
        let mut bytes = [0; entry::LEN];
        put(&mut bytes, entry::SPACE, 0x0102u16.to_le_bytes());
        put(&mut bytes, entry::OFFSET, (u64::MAX - 1).to_le_bytes());
        put(&mut bytes, entry::CRC, [1, 2, 3, 4]);
        assert_eq!((u16_at(&bytes, entry::KIND), u16_at(&bytes, entry::SPACE)), (0, 0x0102));
        assert_eq!(u64_at(&bytes, entry::OFFSET), u64::MAX - 1);
        assert_eq!((u32_at(&bytes, entry::CRC), array_at(&bytes, entry::CRC)), (0x0403_0201, [1, 2, 3, 4]));
        assert_eq!(u128_at(&bytes, 0) >> 96, 0x0403_0201);
        assert_eq!((try_u32_at(&bytes, 12), try_u32_at(&bytes, 13)), (Some(0x0403_0201), None));
        assert_eq!((try_u16_at(&bytes, 15), try_u64_at(&bytes, usize::MAX)), (None, None));
    }
}
