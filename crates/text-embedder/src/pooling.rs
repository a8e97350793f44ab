//! The sum of the rows of a text to its vector: the mean, an optional step for each dimension, unit length.
//!
//! Everything is done in one order, so that the same model gives the same bits on every machine.

use crate::error::{Error, Result};

/// Sums of squares that are kept side by side, so that they can be added at once.
const LANES: usize = 16;

/// Divides a sum by the number of its rows, applies the last step, and brings the vector to length 1.
///
/// False: it has no direction, because it is all zeros.
pub(crate) fn finish(sum: &mut [f32], rows: usize, tanh: Option<&Tanh>) -> Result<bool> {
    if let Some(tanh) = tanh {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a text has fewer counted tokens than 2^32, and the mean is no exact number"
        )]
        let portion = 1.0 / rows as f32;
        tanh.apply(sum, portion);
    }
    let length = length(sum);
    if !length.is_finite() {
        return Err(Error::damaged(
            "the rows of the model give a vector that is not finite; its file may be damaged",
        ));
    }
    if length == 0.0 {
        return Ok(false);
    }
    let factor = 1.0 / length;
    // So short or so long that its reciprocal is no such number.
    let is_extreme = !factor.is_normal();
    for value in sum {
        #[expect(clippy::cast_possible_truncation, reason = "at most 1")]
        let divided = |value: f32| (f64::from(value) / f64::from(length)) as f32;
        *value = if is_extreme { divided(*value) } else { *value * factor };
    }
    Ok(true)
}

/// The Euclidean length. Values are squared in 64 bits, which none is too large or too small for.
fn length(values: &[f32]) -> f32 {
    let mut sums = [0f64; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += f64::from(value) * f64::from(value);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a length beyond 32-bit floating point becomes infinite, which is refused"
    )]
    let length = sums.iter().sum::<f64>().sqrt() as f32;
    length
}

/// The last step of some models, for each dimension i: `gamma_i * tanh(alpha_i * x_i + beta_i) + bias_i`, "separable dynamic tanh".
///
/// Zhu et al., "Transformers without Normalization" (arXiv 2503.10622), with an alpha for each dimension.
#[derive(Debug)]
pub(crate) struct Tanh {
    alpha: Vec<f32>,
    beta: Vec<f32>,
    gamma: Vec<f32>,
    bias: Vec<f32>,
}

impl Tanh {
    /// `values` has alpha, beta, gamma and bias, one after the other.
    pub(crate) fn new(values: &[f32], dimension: usize) -> Result<Self> {
        let mut parts = values.chunks_exact(dimension).map(<[f32]>::to_vec);
        let (Some(alpha), Some(beta), Some(gamma), Some(bias)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::damaged("the model's values of its last step are incomplete"));
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::damaged("the model's values of its last step are not all finite"));
        }
        Ok(Self { alpha, beta, gamma, bias })
    }

    /// Replaces each value by what the step makes of `portion` times it.
    fn apply(&self, values: &mut [f32], portion: f32) {
        let parameters = self.alpha.iter().zip(&self.beta).zip(self.gamma.iter().zip(&self.bias));
        for (value, ((alpha, beta), (gamma, bias))) in values.iter_mut().zip(parameters) {
            *value = gamma * tanh(alpha * (*value * portion) + beta) + bias;
        }
    }
}

/// The hyperbolic tangent, to within 0.000001: `(1 - e) / (1 + e)`, where e is `exp(-2 |x|)` as the 32nd power of the first terms of the
/// series of `exp(-|x| / 16)`. The functions of the standard library differ from machine to machine, and take one value at a time.
#[inline]
fn tanh(x: f32) -> f32 {
    // Beyond 9, the result rounds to 1.
    let y = -x.abs().min(9.0) / 16.0;
    let series = 1.0
        + y * (1.0
            + y * (1.0 / 2.0
                + y * (1.0 / 6.0 + y * (1.0 / 24.0 + y * (1.0 / 120.0 + y * (1.0 / 720.0 + y / 5040.0))))));
    let power_2 = series * series;
    let power_4 = power_2 * power_2;
    let power_8 = power_4 * power_4;
    let power_16 = power_8 * power_8;
    let e = power_16 * power_16;
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_right_to_a_millionth() {
        for step in -30_000..=30_000i16 {
            let x = f32::from(step) / 1_500.0;
            let error = (f64::from(tanh(x)) - f64::from(x).tanh()).abs();
            assert!(error < 1e-6, "{x}: {error}");
        }
        assert_eq!((tanh(f32::INFINITY), tanh(f32::MIN), tanh(0.0)), (tanh(9.0), -tanh(9.0), 0.0));
        assert!(tanh(f32::NAN).is_nan() || tanh(f32::NAN).abs() <= 1.0);
    }

    #[test]
    fn a_vector_has_length_1_or_no_direction() {
        let mut vector = [3e30, 4e30];
        assert!(finish(&mut vector, 1, None).unwrap());
        assert!((vector[0] - 0.6).abs() < 1e-6 && (vector[1] - 0.8).abs() < 1e-6);
        for scale in [f32::from_bits(1 << 12), 1e-39, 1e38] {
            let mut vector = [3.0 * scale / 4.0, 0.0, scale];
            assert!(finish(&mut vector, 1, None).unwrap());
            assert!(
                (vector[0] - 0.6).abs() < 1e-3 && vector[1] == 0.0 && (vector[2] - 0.8).abs() < 1e-3,
                "{scale}"
            );
        }
        assert!(!finish(&mut [0.0; 3], 1, None).unwrap());
        assert!(finish(&mut [f32::NAN], 1, None).is_err());
        assert!(finish(&mut [f32::MAX, f32::MAX], 1, None).is_err());
    }

    #[test]
    fn the_last_step_is_applied_to_the_mean() {
        let tanh = Tanh::new(&[2.0, 1.0, 0.5, 0.0, 3.0, 1.0, 0.25, 0.0], 2).unwrap();
        let mut vector = [4.0, 0.0];
        tanh.apply(&mut vector, 0.5);
        assert!((vector[0] - (3.0 * 4.5f32.tanh() + 0.25)).abs() < 1e-5 && vector[1] == 0.0);
        assert!(Tanh::new(&[f32::NAN; 4], 1).is_err() && Tanh::new(&[1.0; 3], 1).is_err());
    }
}
