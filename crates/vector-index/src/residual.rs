//! What codes leave out of vectors, in two bits a dimension: a byte has those of one dimension of each quarter of them, the first quarter in the lowest bits.
//!
//! A vector of which that is kept is rounded to quarters of what a code of 1 stands for. Its codes are the nearest whole numbers to these, of two as near the lower in the first and third quarter of
//! the dimensions and the higher in the others, so that they are not too low or too high on average; the residual is how many quarters are beyond a code, in two's complement of two bits, which stand for -1 to 2, or
//! -2 to 1. So what codes stand for exactly, such as zeros, stays exact, and bytes of 0 are nothing beyond.

/// Quarters of what a code of 1 stands for.
const PARTS: i16 = 4;

/// For each quarter of the dimensions where its bits are, and how many quarters of a code below it a residual may go.
const QUARTERS: [(u8, i16); 4] = [(0, 1), (2, 2), (4, 1), (6, 2)];

/// Bytes of a residual.
pub(crate) const fn len(dimension: usize) -> usize {
    dimension.div_ceil(4)
}

/// Writes the codes of values of which the largest is `max`, and returns what they leave out.
#[expect(clippy::cast_possible_truncation, reason = "-127 to 127, and two bits")]
pub(crate) fn pack(values: &[f32], max: f32, codes: &mut [i8]) -> Vec<u8> {
    let per_value = if max > 0.0 { 127.0 / max } else { 0.0 };
    let len = len(values.len()).max(1);
    let mut packed = vec![0; len];
    for ((values, codes), (shift, below)) in values.chunks(len).zip(codes.chunks_mut(len)).zip(QUARTERS) {
        for ((&value, code), byte) in values.iter().zip(codes).zip(&mut packed) {
            let quarters = round(value * per_value * f32::from(PARTS));
            *code = ((quarters + below) >> 2) as i8;
            *byte |= (quarters.cast_unsigned() as u8 & 3) << shift;
        }
    }
    packed
}

/// Rounds a value in -32,767.5 to 32,767.5 to the nearest whole number: where a value that large is added, the last bit of the mantissa counts ones.
fn round(value: f32) -> i16 {
    const ONES: f32 = 12_582_912.0; // 1.5 * 2^23
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    let low = (value + ONES).to_bits() as u16;
    low.cast_signed()
}

/// Writes the vector that codes and a residual stand for to `out`, which is as long as the codes are.
#[inline]
pub(crate) fn refine(codes: &[i8], scale: f32, residual: &[u8], out: &mut [f32]) {
    let len = len(codes.len());
    let Some(parts) = residual.get(..len).filter(|parts| !parts.is_empty()) else {
        out.iter_mut().zip(codes).for_each(|(out, &code)| *out = f32::from(code) * scale);
        return;
    };
    let part = scale / f32::from(PARTS);
    for ((out, codes), (shift, below)) in out.chunks_mut(len).zip(codes.chunks(len)).zip(QUARTERS) {
        for ((out, &code), &byte) in out.iter_mut().zip(codes).zip(parts) {
            let beyond = ((i16::from(byte >> shift) + below) & 3) - below;
            *out = f32::from(i16::from(code) * PARTS + beyond) * part;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Int8Quantizer, Metric};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_vector_is_kept_to_within_an_eighth_of_a_code(
            values in prop::collection::vec(-1e3..1e3f32, 1..70), exponent in -140..100i32
        ) {
            for metric in [Metric::L2, Metric::Dot, Metric::Cosine] {
                let exponent = if metric == Metric::Cosine { exponent } else { exponent.clamp(-80, 40) };
                #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
                let factor = 2f64.powi(exponent) as f32;
                let vector: Vec<f32> = values.iter().map(|value| value * factor).collect();
                let quantizer = Int8Quantizer::new(metric, vector.len()).unwrap();
                let Ok((codes, scale, residual)) = quantizer.quantize_with_residual(&vector) else { continue };
                let refined = quantizer.refine(&codes, scale, &residual);
                let max = vector.iter().fold(0.0f32, |max, value| max.max(value.abs()));
                for (refined, &value) in refined.iter().zip(&vector) {
                    // As steps of the codes, whatever length the scale stands for.
                    let expected = f64::from(value) * 127.0 / f64::from(max);
                    let found = f64::from(*refined) / f64::from(scale);
                    prop_assert!((found - expected).abs() <= 1.0 / 8.0 + 1e-3, "{} {}", found, expected);
                    prop_assert!(value != 0.0 || *refined == 0.0);
                }
                let zeros = vec![0; residual.len()];
                prop_assert_eq!(quantizer.refine(&codes, scale, &zeros), quantizer.decode(&codes, scale));
                // What is read back and written once more stays what it is.
                let second = quantizer.quantize_with_residual(&refined).unwrap();
                prop_assert_eq!((&second.0, &second.2), (&codes, &residual));
                prop_assert!((second.1 / scale - 1.0).abs() < 1e-5 || scale == 0.0);
            }
        }
    }

    #[test]
    fn what_codes_stand_for_stays_exact_and_ties_go_down_as_often_as_up() {
        let quantizer = Int8Quantizer::new(Metric::L2, 8).unwrap();
        let exact = [127.0, 5.0, 0.0, -3.0, 1.0, -127.0, 64.0, -1.0];
        let (codes, scale, residual) = quantizer.quantize_with_residual(&exact).unwrap();
        assert_eq!(quantizer.decode(&codes, scale), exact);
        assert_eq!((quantizer.refine(&codes, scale, &residual), residual), (exact.to_vec(), vec![0; 2]));
        let between = [127.0, 5.5, 0.5, -3.5, 1.5, -126.5, 64.5, -1.5];
        let (codes, scale, residual) = quantizer.quantize_with_residual(&between).unwrap();
        assert_eq!(codes, [127, 5, 1, -3, 1, -127, 65, -1]);
        assert_eq!(quantizer.refine(&codes, scale, &residual), between);
    }

    #[test]
    fn zeros_and_residuals_that_are_too_short_are_what_the_codes_say() {
        let quantizer = Int8Quantizer::new(Metric::L2, 3).unwrap();
        let (codes, scale, residual) = quantizer.quantize_with_residual(&[0.0; 3]).unwrap();
        assert_eq!(quantizer.refine(&codes, scale, &residual), [0.0; 3]);
        assert_eq!(quantizer.refine(&[5, -3, 0], 2.0, &[]), [10.0, -6.0, 0.0]);
    }
}
