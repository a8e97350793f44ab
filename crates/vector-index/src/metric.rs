//! What "near" means.
#![expect(clippy::inline_always, reason = "kernels compile these for the instructions that they have")]

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How the distance of two vectors is measured. Smaller is nearer, for every metric. Printed and read back as `cosine`, `dot` or `l2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// One minus the cosine of the angle: 0 for the same direction, 2 for the opposite one. Lengths do not matter, and
    /// vectors of zeros are refused.
    Cosine,
    /// The negated dot product, for vectors whose length carries meaning ("maximum inner product").
    Dot,
    /// The squared Euclidean distance.
    L2,
}

impl Metric {
    pub(crate) const ALL: [Self; 3] = [Self::Cosine, Self::Dot, Self::L2];

    /// Its number in the file.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Cosine => 0,
            Self::Dot => 1,
            Self::L2 => 2,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.code() == code)
    }

    /// The exact distance of two vectors in 32-bit floating point, each sum taken in a fixed order, so that it is the
    /// same on every machine. For rescoring, and as the oracle of the tests.
    ///
    /// Both have the same number of dimensions; what one has more is ignored.
    #[must_use]
    pub fn distance(self, a: &[f32], b: &[f32]) -> f32 {
        let squared = if self == Self::Cosine { dot(a, a) } else { 0.0 };
        self.distance_from((a, squared), b)
    }

    /// The same from a vector the sum of whose squares is known.
    #[inline(always)]
    pub(crate) fn distance_from(self, (a, squared): (&[f32], f32), b: &[f32]) -> f32 {
        match self {
            Self::Cosine => 1.0 - cosine((a, squared), b),
            Self::Dot => -dot(a, b),
            Self::L2 => sum(a, b, |x, y| (x - y) * (x - y)),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::L2 => "l2",
        })
    }
}

/// From the name that it prints as; any other is an error of kind [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|metric| metric.to_string() == name);
        named.ok_or_else(|| Error::invalid(format!("expected cosine, dot or l2, found {name:?}")))
    }
}

/// Squared lengths whose square roots, and products with others, are exact enough in 32 bits.
const PLAIN: std::ops::Range<f32> = 1e-24..1e36;

#[inline(always)]
fn cosine((a, aa): (&[f32], f32), b: &[f32]) -> f32 {
    let bb = dot(b, b);
    if PLAIN.contains(&aa) && PLAIN.contains(&bb) {
        return dot(a, b) / (aa.sqrt() * bb.sqrt());
    }
    exact_cosine(a, b)
}

#[cold]
fn exact_cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    #[expect(clippy::cast_possible_truncation, reason = "-1 to 1")]
    let cosine = (dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())) as f32;
    cosine
}

#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| x * y)
}

/// Sixteen running sums, then one: what a compiler turns into vector instructions without changing the result.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0f32; 16];
    for (a, b) in a.iter().zip(b) {
        for i in 0..sums.len() {
            sums[i] += term(a[i], b[i]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&x, &y)| term(x, y)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_what_its_name_says() {
        for metric in Metric::ALL {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
        }
        let error = "Cosine".parse::<Metric>().unwrap_err();
        assert_eq!(error.to_string(), "expected cosine, dot or l2, found \"Cosine\"");
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small integers are exact")]
    fn distances_are_those_of_the_definition() {
        let (a, b) = ([3.0, 4.0], [4.0, -3.0]);
        assert_eq!(Metric::Cosine.distance(&a, &b), 1.0);
        assert_eq!(Metric::Cosine.distance(&a, &[6.0, 8.0]), 0.0);
        for length in [f32::MAX / 8.0, 1e25, 1e-25, 1e-44] {
            let distance = Metric::Cosine.distance(&a.map(|value| value * length), &[3.0, 4.0]);
            assert!(distance.abs() < 0.02, "{length} {distance}");
        }
        assert_eq!(Metric::Dot.distance(&a, &[1.0, 2.0]), -11.0);
        assert_eq!(Metric::L2.distance(&a, &b), 50.0);
        let (long, other): (Vec<f32>, Vec<f32>) = ((1..=37u8).map(f32::from).collect(), vec![2.0; 37]);
        assert_eq!(Metric::Dot.distance(&long, &other), -(37.0 * 38.0));
    }
}
