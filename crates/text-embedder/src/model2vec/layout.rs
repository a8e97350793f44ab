//! The bytes of `model.safetensors`: the length of a header, the header, which is JSON, and the values of the tensors.
//!
//! <https://github.com/huggingface/safetensors#format>

use crate::error::{Error, ErrorKind, Result};

/// Bytes of the length of the header.
const LEN: usize = 8;
/// The longest header, in bytes.
const HEADER_LIMIT: u64 = 16 << 20;

/// The header and the values.
pub(super) fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let Some((len, rest)) = bytes.split_first_chunk::<LEN>() else {
        let message = format!("cut off at byte {}, in the length of a header", bytes.len());
        return Err(Error::new(ErrorKind::Truncated, message));
    };
    let len = u64::from_le_bytes(*len);
    if len > HEADER_LIMIT {
        let message = format!("the header has {len} bytes; {HEADER_LIMIT} are possible");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len)).ok_or_else(|| {
        let message = format!("the header has {len} bytes, of which {} are here", rest.len());
        Error::new(ErrorKind::Truncated, message)
    })
}

/// 32-bit floating point numbers.
pub(super) fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value))
}

/// 64-bit floating point numbers, rounded to 32 bits.
pub(super) fn f64s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    #[expect(clippy::cast_possible_truncation, reason = "weights are rounded, and infinite ones are refused")]
    let rounded = |value: &[u8; 8]| f64::from_le_bytes(*value) as f32;
    bytes.as_chunks::<8>().0.iter().map(rounded)
}

/// 16-bit floating point numbers (IEEE 754 binary16).
pub(super) fn f16s(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|value| f16_value(u16::from_le_bytes(*value)))
}

pub(super) fn i32s(bytes: &[u8]) -> impl Iterator<Item = i64> {
    bytes.as_chunks::<4>().0.iter().map(|value| i32::from_le_bytes(*value).into())
}

pub(super) fn i64s(bytes: &[u8]) -> impl Iterator<Item = i64> {
    bytes.as_chunks::<8>().0.iter().map(|value| i64::from_le_bytes(*value))
}

/// The value of a 16-bit floating point number: sign, 5 bits of exponent, 10 bits of fraction.
fn f16_value(bits: u16) -> f32 {
    /// 2 to the power of -24, the least value.
    const STEP: f32 = 1.0 / 16_777_216.0;
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1F), u32::from(bits & 0x3FF));
    let magnitude = match exponent {
        0 => f32::from(bits & 0x3FF) * STEP,
        0x1F => f32::from_bits(0x7F80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_byte_says_where_it_is_cut_off() {
        let error = split(&[0]).unwrap_err();
        assert!(error.to_string().contains("cut off at byte 1, in the length of a header"), "{error}");
    }

    #[test]
    fn every_16_bit_number_has_the_value_that_the_crate_half_gives() {
        for bits in 0..=u16::MAX {
            let (found, expected) = (f16_value(bits), half::f16::from_bits(bits).to_f32());
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{bits:04x}"
            );
        }
    }
}
