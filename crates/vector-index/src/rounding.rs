//! Values of a vector to whole numbers.
#![expect(clippy::inline_always, reason = "compiled for the instructions of their callers")]
#![expect(
    clippy::cast_precision_loss,
    reason = "a power of two, and one rounding of an exact integer, the same on every machine"
)]

use crate::codes::query::Remainder;
use crate::codes::sums::squared_sum;
use crate::wide::widest;

/// Vectors whose largest value is smaller are zeros, or multiplied for their direction: a scale must not be subnormal, which would have
/// few digits, and 127 / value must be finite.
pub(crate) const TINY: f32 = 127.0 * f32::MIN_POSITIVE;
/// What the values of such vectors are multiplied by for their direction: a power of two, so that nothing is rounded.
pub(crate) const LIFT: f32 = (1u128 << 100) as f32;

widest! {
    /// The largest of values without their signs; 0 of none.
    pub(crate) fn max_abs(vector: &[f32]) -> f32 = max_abs_by_any
}

#[inline(always)]
fn max_abs_by_any(vector: &[f32]) -> f32 {
    let (chunks, rest) = vector.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            let value = value.abs();
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.into_iter().chain(rest.iter().map(|value| value.abs())).fold(0.0, f32::max)
}

widest! {
    /// Writes codes of values, multiplied by a factor before, the largest of which is `max` then, and what the codes leave out of them, if there is room for it. Returns the scale of the codes.
    pub(crate) fn encode(values: &[f32], factor: f32, max: f32, codes: &mut [i8], remainder: Option<&mut [i8]>) -> f32 = encode_by_any
}

#[inline(always)]
fn encode_by_any(
    values: &[f32],
    factor: f32,
    max: f32,
    codes: &mut [i8],
    remainder: Option<&mut [i8]>,
) -> f32 {
    let values = || values.iter().map(|value| value * factor);
    let scale = encode_max_abs(values(), max, codes);
    if let Some(remainder) = remainder {
        write_remainder(values(), max, codes, remainder);
    }
    scale
}

#[inline(always)]
pub(crate) fn encode_max_abs(values: impl Iterator<Item = f32>, max: f32, codes: &mut [i8]) -> f32 {
    if max < TINY {
        codes.fill(0);
        return 0.0;
    }
    let per_value = 127.0 / max;
    for (code, value) in codes.iter_mut().zip(values) {
        *code = round_to_i8(value * per_value);
    }
    max / 127.0
}

/// Writes what the codes of values leave out of them, where they are not all zeros.
#[inline(always)]
pub(crate) fn write_remainder(
    values: impl Iterator<Item = f32>,
    max: f32,
    codes: &[i8],
    remainder: &mut [i8],
) {
    let per_value = if max < TINY { 0.0 } else { 127.0 / max };
    for ((rest, &code), value) in remainder.iter_mut().zip(codes).zip(values) {
        *rest = round_to_i8((value * per_value - f32::from(code)) * f32::from(Remainder::PARTS));
    }
}

/// Rounds a value in [-127.5, 127.5] to the nearest integer, ties to even: where a value that large is added, the last bit
/// of the mantissa counts ones, and the lowest byte is the result. Compilers turn this into vector instructions everywhere.
#[inline(always)]
pub(crate) fn round_to_i8(value: f32) -> i8 {
    const ONES: f32 = 12_582_912.0; // 1.5 * 2^23
    #[expect(clippy::cast_possible_truncation, reason = "the lowest byte")]
    let byte = (value + ONES).to_bits() as u8;
    byte.cast_signed()
}

pub(crate) fn squared_norm(codes: &[i8]) -> f32 {
    squared_sum(codes) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wider_instructions_give_the_same_codes(
            values in prop::collection::vec(-1e3..1e3f32, 0..200), exponent in -140..90i32,
            factor in prop_oneof![Just(1.0), Just(LIFT), 0.0..2.0f32], has_remainder in prop::bool::ANY
        ) {
            #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
            let size = 2f64.powi(exponent) as f32;
            let values: Vec<f32> = values.iter().map(|value| value * size).collect();
            prop_assert_eq!(max_abs(&values).to_bits(), max_abs_by_any(&values).to_bits());
            let max = max_abs(&values) * factor;
            let room = || (vec![0; values.len()], vec![0; values.len()]);
            let [(mut codes, mut remainder), (mut plain, mut plain_remainder)] = [room(), room()];
            let scale = encode(&values, factor, max, &mut codes, has_remainder.then_some(&mut remainder[..]));
            let expected = encode_by_any(&values, factor, max, &mut plain, has_remainder.then_some(&mut plain_remainder[..]));
            prop_assert_eq!((scale.to_bits(), codes, remainder), (expected.to_bits(), plain, plain_remainder));
        }
    }
}
