//! A rotation that makes the dimensions of vectors alike, so that a step that suits one suits all.
//!
//! Signs that look random, then a Hadamard transform: what lies in one dimension comes to lie in all of them (Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", 2009; for vector
//! codes Gao and Long, `RaBitQ`, 2024). Where the number of dimensions is no power of two, two transforms cover it, one from the first dimension on and one up to the last, after halves
//! were mixed. Lengths and angles stay what they are, but for the rounding of sums.
#![expect(clippy::inline_always, reason = "compiled for the instructions of their callers")]

use std::sync::Arc;

use crate::wide::widest;

/// A rotation of vectors of one number of dimensions: always the same one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    /// 1 or -1 for each dimension before the first transform, then before the second.
    signs: Arc<[f32]>,
}

/// What the bits of signs are made of, by `SplitMix64`.
const SEED: u64 = 0x636f_6d70_6163_7421;

impl Rotation {
    pub(crate) fn new(dimension: usize) -> Self {
        let (mut state, mut signs) = (SEED, vec![1.0; 2 * dimension]);
        for row in signs.chunks_exact_mut(dimension) {
            for signs in row.chunks_mut(64) {
                let mut bits = split_mix(&mut state);
                for sign in signs {
                    *sign = if bits & 1 == 0 { 1.0 } else { -1.0 };
                    bits >>= 1;
                }
            }
        }
        Self { signs: signs.into() }
    }

    /// Rotates a vector.
    pub(crate) fn apply(&self, vector: &mut [f32]) {
        let (first, second) = self.signs.split_at(vector.len());
        multiply(vector, first);
        let whole = power(vector.len());
        if whole < vector.len() {
            mix_halves(vector);
        }
        transform(&mut vector[..whole]);
        multiply(vector, second);
        let begin = vector.len() - whole;
        transform(&mut vector[begin..]);
    }

    /// Rotates a vector back.
    pub(crate) fn undo(&self, vector: &mut [f32]) {
        let (first, second) = self.signs.split_at(vector.len());
        let whole = power(vector.len());
        let begin = vector.len() - whole;
        transform(&mut vector[begin..]);
        multiply(vector, second);
        transform(&mut vector[..whole]);
        if whole < vector.len() {
            mix_halves(vector);
        }
        multiply(vector, first);
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The largest power of two that is no more than a number of dimensions, which is not 0.
fn power(dimension: usize) -> usize {
    1 << dimension.ilog2()
}

widest! { fn multiply(vector: &mut [f32], signs: &[f32]) = multiply_by_any }

#[inline(always)]
fn multiply_by_any(vector: &mut [f32], signs: &[f32]) {
    for (value, sign) in vector.iter_mut().zip(signs) {
        *value *= sign;
    }
}

widest! {
    /// Sums and differences of pairs, which lie half of all dimensions apart: the same again gives back what was. One in the middle stays.
    fn mix_halves(vector: &mut [f32]) = mix_halves_by_any
}

#[inline(always)]
fn mix_halves_by_any(vector: &mut [f32]) {
    let half = vector.len() / 2;
    let second = vector.len() - half;
    let (low, high) = vector.split_at_mut(second);
    for (a, b) in low.iter_mut().zip(high) {
        (*a, *b) = ((*a + *b) * std::f32::consts::FRAC_1_SQRT_2, (*a - *b) * std::f32::consts::FRAC_1_SQRT_2);
    }
}

widest! {
    /// The Hadamard transform of as many values as a power of two, of the same length as these: the same again gives back what was.
    fn transform(values: &mut [f32]) = transform_by_any
}

#[expect(clippy::cast_precision_loss, reason = "a power of two")]
#[inline(always)]
fn transform_by_any(values: &mut [f32]) {
    // What lies together first, in registers.
    const LANES: usize = 8;
    let (blocks, rest) = values.as_chunks_mut::<LANES>();
    for block in blocks {
        sums_and_differences(block, 1);
    }
    sums_and_differences(rest, 1);
    sums_and_differences(values, LANES);
    let factor = (values.len() as f32).sqrt().recip();
    for value in values {
        *value *= factor;
    }
}

/// Sums and differences of values that lie so far apart, then of those twice as far, and so on.
#[inline(always)]
fn sums_and_differences(values: &mut [f32], mut apart: usize) {
    while apart < values.len() {
        for pair in values.chunks_exact_mut(2 * apart) {
            let (low, high) = pair.split_at_mut(apart);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        apart *= 2;
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small powers of two")]
mod tests {
    use super::*;
    use crate::metric::dot;
    use crate::{Int8Quantizer, Metric};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wider_instructions_compute_the_same_bits(
            values in prop::collection::vec(-1e3..1e3f32, 1..300), exponent in -140..90i32
        ) {
            #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
            let factor = 2f64.powi(exponent) as f32;
            let values: Vec<f32> = values.iter().map(|value| value * factor).collect();
            let signs = Rotation::new(values.len()).signs;
            let whole = power(values.len());
            let bits = |turn: &dyn Fn(&mut [f32])| {
                let mut turned = values.clone();
                turn(&mut turned);
                turned.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
            };
            prop_assert_eq!(bits(&|all| multiply(all, &signs)), bits(&|all| multiply_by_any(all, &signs)));
            prop_assert_eq!(bits(&mix_halves), bits(&mix_halves_by_any));
            prop_assert_eq!(bits(&|all| transform(&mut all[..whole])), bits(&|all| transform_by_any(&mut all[..whole])));
        }

        #[test]
        fn lengths_and_angles_stay_and_a_vector_comes_back(
            pairs in prop::collection::vec((-1e3..1e3f32, -1e3..1e3f32), 1..300)
        ) {
            let rotation = Rotation::new(pairs.len());
            let (mut a, mut b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let before = (a.clone(), dot(&a, &a), dot(&a, &b));
            rotation.apply(&mut a);
            rotation.apply(&mut b);
            let room = 1e-4 * (1.0 + (dot(&a, &a) * dot(&b, &b)).sqrt());
            prop_assert!((dot(&a, &a) - before.1).abs() <= 1e-4 * (1.0 + before.1));
            prop_assert!((dot(&a, &b) - before.2).abs() <= room);
            rotation.undo(&mut a);
            let error = a.iter().zip(&before.0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            prop_assert!(error <= 1e-5 * (1.0 + before.1.sqrt()));
        }
    }

    #[test]
    fn what_lies_in_one_dimension_comes_to_lie_in_all_and_a_transform_is_that_of_the_definition() {
        for dimension in [65, 96, 127, 128, 384, 511, 768, 1_536] {
            let rotation = Rotation::new(dimension);
            for at in [0, 1, dimension / 2, dimension - 1] {
                let mut vector = vec![0.0; dimension];
                vector[at] = 1.0;
                rotation.apply(&mut vector);
                let largest = vector.iter().fold(0.0f32, |max, value| max.max(value.abs()));
                assert!(largest <= 5.0 / (power(dimension) as f32).sqrt(), "{dimension} {at}: {largest}");
            }
        }
        let mut values: Vec<f32> = (0..32u8).map(|at| f32::from(at % 7)).collect();
        let sum = |row: usize| -> f32 {
            let sign = |column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            values.iter().enumerate().map(|(column, value)| sign(column) * value).sum::<f32>() / 32f32.sqrt()
        };
        let expected: Vec<f32> = (0..32).map(sum).collect();
        transform(&mut values);
        assert!(values.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{values:?} {expected:?}");
    }

    #[test]
    fn codes_of_rotated_vectors_stand_better_for_uneven_ones_and_as_well_for_even_ones() {
        const DIMENSION: usize = 200;
        let mut state = 7;
        let mut value = || (0..4).map(|_| split_mix(&mut state) as f32 / u64::MAX as f32 - 0.5).sum::<f32>();
        let sizes: Vec<f32> = (0..DIMENSION).map(|_| (2.0 * value()).exp()).collect();
        let even: Vec<f32> = (0..300 * DIMENSION).map(|_| value()).collect();
        let uneven: Vec<f32> = even.iter().zip(sizes.iter().cycle()).map(|(a, b)| a * b * b).collect();
        let error = |quantizer: &Int8Quantizer, samples: &[f32]| {
            quantizer.statistics(samples).unwrap().mean_cosine_error
        };
        for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
            let plain = Int8Quantizer::new(metric, DIMENSION).unwrap();
            let rotated = plain.clone().rotated().unwrap();
            let [before, after] = [&plain, &rotated].map(|quantizer| error(quantizer, &uneven));
            assert!(after * 2.0 < before, "{before} {after}");
            let [before, after] = [&plain, &rotated].map(|quantizer| error(quantizer, &even));
            assert!(after < before * 1.5, "{before} {after}");
        }
    }

    /// Every file has codes of rotated vectors: the rotation never changes.
    #[test]
    fn the_rotation_is_the_one_of_the_document() {
        let mut vector: Vec<f32> = (0..100u8).map(f32::from).collect();
        Rotation::new(100).apply(&mut vector);
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(crc32fast::hash(&bytes), 2_076_985_044);
    }
}
