//! What codes leave out of vectors, in two bits a dimension: of every 64 dimensions byte `i` of 16 has those of dimensions `i`, `16 + i`, `32 + i` and `48 + i`, the first in its lowest
//! bits.
//!
//! A vector of which that is kept is rounded to quarters of what a code of 1 stands for. Its codes are the nearest whole numbers to these, of two as near the lower in the first and third sixteen of
//! 64 dimensions and the higher in the others, so that they are not too low or too high on average; the residual is how many quarters are beyond a code, in two's complement of two bits, which stand for -1 to 2, or
//! -2 to 1. So what codes stand for exactly, such as zeros, stays exact, and bytes of 0 are nothing beyond.

use crate::codes::layout::{Line, groups};
use crate::wide::widest;

/// Quarters of what a code of 1 stands for.
pub(crate) const PARTS: i16 = 4;

/// Dimensions of a line whose bits lie in the same place.
pub(crate) const BLOCK: usize = 16;

/// For each block of a line where its bits are, and how many quarters of a code below it a residual may go.
pub(crate) const BLOCKS: [(u8, i16); 4] = [(0, 1), (2, 2), (4, 1), (6, 2)];

/// Values of a query, in parts of its codes.
pub(crate) type Parts = [i16; size_of::<Line>()];

/// Bytes of a residual.
pub(crate) const fn len(dimension: usize) -> usize {
    groups(dimension) * BLOCK
}

/// Writes the codes of values of which the largest is `max`, and returns what they leave out.
pub(crate) fn pack(values: &[f32], max: f32, codes: &mut [i8]) -> Vec<u8> {
    let per_value = if max > 0.0 { 127.0 / max } else { 0.0 };
    let mut packed = vec![0; len(values.len())];
    write(values, per_value, codes, &mut packed);
    packed
}

widest! {
    /// Writes the codes of values, multiplied by a factor before, and what they leave out.
    fn write(values: &[f32], factor: f32, codes: &mut [i8], left_out: &mut [u8]) = write_by_any
}

#[expect(clippy::cast_possible_truncation, reason = "-127 to 127, and two bits")]
#[expect(clippy::inline_always, reason = "compiled for the instructions of its callers")]
#[inline(always)]
fn write_by_any(values: &[f32], factor: f32, codes: &mut [i8], left_out: &mut [u8]) {
    let (lines, codes) = (values.chunks(size_of::<Line>()), codes.chunks_mut(size_of::<Line>()));
    for ((values, codes), packed) in lines.zip(codes).zip(left_out.chunks_mut(BLOCK)) {
        for ((values, codes), (shift, below)) in values.chunks(BLOCK).zip(codes.chunks_mut(BLOCK)).zip(BLOCKS)
        {
            for ((&value, code), byte) in values.iter().zip(codes).zip(&mut *packed) {
                let quarters = round(value * factor * f32::from(PARTS));
                *code = ((quarters + below) >> 2) as i8;
                *byte |= (quarters.cast_unsigned() as u8 & 3) << shift;
            }
        }
    }
}

/// Rounds a value in -32,767.5 to 32,767.5 to the nearest whole number: where a value that large is added, the last bit of the mantissa counts ones.
fn round(value: f32) -> i16 {
    const ONES: f32 = 12_582_912.0; // 1.5 * 2^23
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    let low = (value + ONES).to_bits() as u16;
    low.cast_signed()
}

/// The quarters of a line of codes with what they leave out.
#[inline]
pub(crate) fn quarters(codes: &Line, left_out: &[u8; BLOCK]) -> Parts {
    let mut all = codes.map(|code| i16::from(code) * PARTS);
    for (all, (shift, below)) in all.as_chunks_mut::<BLOCK>().0.iter_mut().zip(BLOCKS) {
        for (all, &byte) in all.iter_mut().zip(left_out) {
            *all += ((i16::from(byte >> shift) + below) & 3) - below;
        }
    }
    all
}

/// The vector that codes and a residual stand for; what the residual lacks counts as zeros.
pub(crate) fn refine(codes: &[i8], scale: f32, residual: &[u8]) -> Vec<f32> {
    let part = scale / f32::from(PARTS);
    let lines = residual.as_chunks().0.iter().chain(std::iter::repeat(&[0; BLOCK]));
    let mut vector = vec![0.0; codes.len()];
    let values = vector.chunks_mut(size_of::<Line>()).zip(codes.chunks(size_of::<Line>()));
    for ((values, codes), left_out) in values.zip(lines) {
        let mut line = [0; size_of::<Line>()];
        line[..codes.len()].copy_from_slice(codes);
        for (value, quarters) in values.iter_mut().zip(quarters(&line, left_out)) {
            *value = f32::from(quarters) * part;
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use crate::{Int8Quantizer, Metric};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wider_instructions_give_the_same_residuals(values in prop::collection::vec(-127.0..127.0f32, 1..300)) {
            let room = || (vec![0; values.len()], vec![0; super::len(values.len())]);
            let [(mut codes, mut left_out), (mut plain, mut plain_left_out)] = [room(), room()];
            super::write(&values, 1.0, &mut codes, &mut left_out);
            super::write_by_any(&values, 1.0, &mut plain, &mut plain_left_out);
            prop_assert_eq!((codes, left_out), (plain, plain_left_out));
        }

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

    proptest! {
        #[test]
        fn a_rotated_vector_that_is_read_back_and_written_once_more_stays_what_it_is(
            values in prop::collection::vec(-1e3..1e3f32, 1..200), exponent in -140..100i32
        ) {
            for metric in [Metric::L2, Metric::Dot, Metric::Cosine] {
                let exponent = if metric == Metric::Cosine { exponent } else { exponent.clamp(-80, 40) };
                #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
                let factor = 2f64.powi(exponent) as f32;
                let vector: Vec<f32> = values.iter().map(|value| value * factor).collect();
                let quantizer = Int8Quantizer::new(metric, vector.len()).unwrap().rotated().unwrap();
                let Ok((codes, scale, residual)) = quantizer.quantize_with_residual(&vector) else { continue };
                let refined = quantizer.refine(&codes, scale, &residual);
                let second = quantizer.quantize_with_residual(&refined).unwrap();
                prop_assert_eq!((&second.0, &second.2), (&codes, &residual));
                prop_assert!((second.1 / scale - 1.0).abs() < 1e-5 || scale == 0.0);
                let cosine = Metric::Cosine.distance(&vector, &refined);
                prop_assert!(cosine.is_nan() || cosine < 1e-4, "{}", cosine);
            }
        }
    }

    #[test]
    fn what_codes_stand_for_stays_exact_and_ties_go_down_as_often_as_up() {
        let quantizer = Int8Quantizer::new(Metric::L2, 64).unwrap();
        let all = |values: [f32; 4]| values.map(|value| [value; 16]).as_flattened().to_vec();
        let exact = all([127.0, -3.0, 0.0, -127.0]);
        let (codes, scale, residual) = quantizer.quantize_with_residual(&exact).unwrap();
        assert_eq!(quantizer.decode(&codes, scale), exact);
        assert_eq!((quantizer.refine(&codes, scale, &residual), residual), (exact, vec![0; 16]));
        let mut between = all([5.5, 0.5, -3.5, -1.5]);
        between[0] = 127.0;
        let (codes, scale, residual) = quantizer.quantize_with_residual(&between).unwrap();
        assert_eq!([1, 16, 32, 48].map(|at| codes[at]), [5, 1, -4, -1]);
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
