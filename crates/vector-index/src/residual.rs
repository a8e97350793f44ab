//! What codes leave out of vectors, in four bits a dimension: a byte has that of a dimension of the first half of them below, and of the
//! second half above.
//!
//! A code is the nearest whole number to `value / scale`. The difference, at most a half, is kept in fifteenths, from -7 to 7, as
//! a signed number of four bits.

/// Parts of the distance between two codes.
const PARTS: i16 = 15;
const LARGEST: f32 = 7.0;

/// Bytes of a residual.
pub(crate) const fn len(dimension: usize) -> usize {
    dimension.div_ceil(2)
}

/// Of values of which the largest is `max`, and that have these codes.
#[expect(clippy::cast_possible_truncation, reason = "-7 to 7")]
pub(crate) fn pack(values: &[f32], codes: &[i8], max: f32) -> Vec<u8> {
    let per_value = if max > 0.0 { 127.0 / max } else { 0.0 };
    let mut packed = vec![0; len(values.len())];
    for (at, (&value, &code)) in values.iter().zip(codes).enumerate() {
        let left_out = (value * per_value - f32::from(code)) * f32::from(PARTS);
        let part = (left_out.round().clamp(-LARGEST, LARGEST) as i8).cast_unsigned() & 15;
        let (byte, shift) = if at < packed.len() { (at, 0) } else { (at - packed.len(), 4) };
        packed[byte] |= part << shift;
    }
    packed
}

/// Writes the vector that codes and a residual stand for to `out`, which is as long as the codes are.
#[inline]
pub(crate) fn refine(codes: &[i8], scale: f32, residual: &[u8], out: &mut [f32]) {
    let half = len(codes.len()).min(out.len());
    let Some(parts) = residual.get(..half) else {
        out.iter_mut().zip(codes).for_each(|(out, &code)| *out = f32::from(code) * scale);
        return;
    };
    // Whole fifteenths, which are exact; the four bits come in the upper half of `part`.
    let fifteenth = scale / f32::from(PARTS);
    let value = |code: i8, part: u8| {
        f32::from(i16::from(code) * PARTS + i16::from(part.cast_signed() >> 4)) * fifteenth
    };
    let (low, high) = out.split_at_mut(half);
    let (low_codes, high_codes) = codes.split_at(half);
    if let (Some(last), Some(&code), Some(&part)) = (low.last_mut(), low_codes.last(), parts.last()) {
        *last = value(code, part << 4); // of an odd number it has no other
    }
    let others = low.iter_mut().zip(low_codes).zip(high).zip(high_codes);
    for ((((low, &low_code), high), &high_code), &part) in others.zip(parts) {
        *low = value(low_code, part << 4);
        *high = value(high_code, part);
    }
}

#[cfg(test)]
mod tests {
    use crate::{Int8Quantizer, Metric};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_vector_is_kept_to_within_a_thirtieth_of_a_code(
            values in prop::collection::vec(-1e3..1e3f32, 1..70), exponent in -140..100i32
        ) {
            for metric in [Metric::L2, Metric::Dot, Metric::Cosine] {
                let exponent = if metric == Metric::Cosine { exponent } else { exponent.clamp(-80, 40) };
                #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
                let factor = 2f64.powi(exponent) as f32;
                let vector: Vec<f32> = values.iter().map(|value| value * factor).collect();
                let quantizer = Int8Quantizer::new(metric, vector.len()).unwrap();
                let Ok((codes, scale)) = quantizer.quantize(&vector) else { continue };
                let refined = quantizer.refine(&codes, scale, &quantizer.residual(&vector).unwrap());
                let max = vector.iter().fold(0.0f32, |max, value| max.max(value.abs()));
                for (refined, &value) in refined.iter().zip(&vector) {
                    // As steps of the codes, whatever length the scale stands for.
                    let expected = f64::from(value) * 127.0 / f64::from(max);
                    let found = f64::from(*refined) / f64::from(scale);
                    prop_assert!((found - expected).abs() <= 1.0 / 30.0 + 1e-3, "{} {}", found, expected);
                    prop_assert!(value != 0.0 || *refined == 0.0);
                }
            }
        }
    }

    #[test]
    fn zeros_and_residuals_that_are_too_short_are_what_the_codes_say() {
        let quantizer = Int8Quantizer::new(Metric::L2, 3).unwrap();
        let residual = quantizer.residual(&[0.0; 3]).unwrap();
        assert_eq!(quantizer.refine(&[0; 3], 0.0, &residual), [0.0; 3]);
        assert_eq!(quantizer.refine(&[5, -3, 0], 2.0, &[]), [10.0, -6.0, 0.0]);
    }
}
