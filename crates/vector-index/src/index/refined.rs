//! A query beside codes with residuals, in whole numbers.

use crate::codes::planes::Planes;
use crate::codes::query::{QueryRef, Remainder};
use crate::kernel::Kernel;
use crate::metric::Metric;
use crate::residual::{PARTS, Parts};

/// A query beside vectors with residuals, in whole numbers: what it has in each dimension, in parts of a code of 1.
#[derive(Debug, Default)]
pub(super) struct Refined {
    lines: Vec<Parts>,
    /// The sum of the squares of the parts, if the metric needs it.
    squared: i64,
}

impl Refined {
    pub(super) fn heap_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Parts>()
    }

    pub(super) fn start(&mut self, metric: Metric, query: QueryRef<'_>) {
        self.lines.clear();
        let parts = |code: &i8| i16::from(*code) * Remainder::PARTS;
        self.lines.extend(query.codes.lines.iter().map(|line| line.each_ref().map(parts)));
        let remainder = query.remainder.iter().flat_map(|remainder| remainder.codes.lines);
        for (all, rest) in self.lines.iter_mut().zip(remainder) {
            all.iter_mut().zip(rest).for_each(|(all, &rest)| *all += i16::from(rest));
        }
        let square = |&value: &i16| i64::from(value).pow(2);
        let squares = self.lines.as_flattened().iter().filter(|_| metric == Metric::L2).map(square);
        self.squared = squares.sum();
    }

    /// The distance from a node with this residual.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "sums below 2^41, and one rounding"
    )]
    pub(super) fn distance(
        &self,
        kernel: Kernel,
        (metric, query): (Metric, QueryRef<'_>),
        (planes, node, scale): (Planes<'_>, u32, f32),
        left_out: &[u8],
    ) -> f32 {
        let rows = (planes.high.row(node), planes.low.row(node), left_out.as_chunks().0);
        let (dot, squared) = kernel.refined(&self.lines, rows);
        let parts = f64::from(Remainder::PARTS);
        let of_vector = f64::from(scale) / f64::from(PARTS);
        let [base, of_query] = [query.terms.base, query.terms.scale].map(f64::from);
        let dot = dot as f64 / parts;
        let distance = match metric {
            // The scale cancels; of zeros there is none.
            Metric::Cosine => base + of_query * dot / (squared.max(1) as f64).sqrt(),
            Metric::Dot => base + of_query * dot * of_vector,
            Metric::L2 => {
                // The scale of the query is doubled there.
                let of_query = of_query / -2.0;
                let part = of_query / parts;
                let sum = self.squared as f64 * part * part + squared as f64 * of_vector * of_vector;
                (sum - 2.0 * of_query * dot * of_vector).max(0.0)
            }
        };
        distance as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Int8Quantizer;
    use crate::codes::layout::{groups, pack};
    use crate::codes::planes::OwnedPlanes;
    use crate::codes::query::QueryRoom;
    use proptest::prelude::*;

    proptest! {
        #[test]
        #[expect(clippy::cast_precision_loss, reason = "a few hundred dimensions")]
        fn a_query_is_as_far_from_codes_with_residuals_as_from_the_vector_that_they_stand_for(
            pairs in prop::collection::vec((-1e3..1e3f32, -1e3..1e3f32), 1..200)
        ) {
            let (query, vector): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let length = query.iter().map(|value| value * value).sum::<f32>().sqrt();
            prop_assume!(length > 0.0);
            for metric in Metric::ALL {
                let quantizer = Int8Quantizer::new(metric, query.len()).unwrap();
                let Ok((codes, scale, residual)) = quantizer.quantize_with_residual(&vector) else { continue };
                let refined = quantizer.refine(&codes, scale, &residual);
                let mut planes = OwnedPlanes::new(groups(query.len()));
                pack(&codes, planes.grow(1));
                let distance = |query: &[f32]| {
                    let (mut room, mut whole) = (QueryRoom::default(), Refined::default());
                    let query = quantizer.prepare(query, &mut room);
                    whole.start(metric, query);
                    whole.distance(Kernel::detect(), (metric, query), (planes.as_ref(), 0, scale), &residual)
                };
                // A query is off by half a part of a code in every dimension.
                let max = query.iter().fold(0.0f32, |max, value| max.max(value.abs()));
                let off = 0.51 * max / 127.0 / 252.0;
                let (found, expected) = (distance(&query), metric.distance(&query, &refined));
                let allowed = match metric {
                    // The direction is off by the length of all that to that of the query, and sums in 32 bits.
                    Metric::Cosine => off * (query.len() as f32).sqrt() / length + 2e-6,
                    Metric::Dot => off * refined.iter().map(|value| value.abs()).sum::<f32>() + 1e-5 * 1e6 * query.len() as f32,
                    Metric::L2 => 2.0 * off * query.iter().zip(&refined).map(|(a, b)| (a - b).abs()).sum::<f32>() + 1e-6 * expected + 1.0,
                };
                prop_assert!((found - expected).abs() <= allowed, "{} {} {} {}", metric, found, expected, allowed);
                // What is stored is at no distance from itself.
                if metric != Metric::Dot {
                    let length: f32 = refined.iter().map(|value| value * value).sum();
                    let scale = if metric == Metric::L2 { length } else { 1.0 };
                    prop_assert!(distance(&refined).abs() <= 1e-6 * scale, "{} {}", metric, distance(&refined));
                }
            }
        }
    }
}
