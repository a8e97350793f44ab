//! A query: its codes, and what its distances from stored codes are computed with.

use bytemuck::Zeroable;

use super::layout::{self, Aligned, Line, codes_mut, groups};
use super::sums::{absolute_sum, dot_of, squared_sum, sum_of};

/// What is known of a stored vector beside its codes: its distance from a query is
/// `query.base + a + b * (query.offset + query.scale * dot)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C)]
pub(crate) struct Terms {
    /// The squared norm under L2; otherwise 0, but for what [centres](crate::space::Nodes::begin_centring) dot products.
    pub(crate) a: f32,
    /// The scale of the codes; under cosine divided by the norm.
    pub(crate) b: f32,
}

/// The factors of a query; see [`Terms`]. Its codes lie beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct QueryTerms {
    pub(crate) base: f32,
    pub(crate) offset: f32,
    pub(crate) scale: f32,
}

impl QueryTerms {
    #[expect(
        clippy::cast_precision_loss,
        reason = "one rounding of an exact integer, the same on every machine"
    )]
    #[inline]
    pub(crate) fn distance(self, dot: i32, terms: Terms) -> f32 {
        self.base + terms.a + terms.b * (self.offset + self.scale * dot as f32)
    }

    /// What a remainder, of which this is the dot product, adds to a distance.
    #[expect(
        clippy::cast_precision_loss,
        reason = "one rounding of an exact integer, the same on every machine"
    )]
    #[inline]
    pub(crate) fn remainder(self, dot: i32, terms: Terms) -> f32 {
        terms.b * (self.scale * (dot as f32 / f32::from(Remainder::PARTS)))
    }
}

/// A query's codes, and what distances from it are computed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryCodes<'a> {
    pub(crate) lines: &'a [Line],
    /// The sum of the codes.
    pub(crate) sum: i32,
}

impl<'a> QueryCodes<'a> {
    pub(crate) fn new(lines: &'a [Line]) -> Self {
        Self { lines, sum: sum_of(lines.as_flattened()) }
    }
}

/// A query as codes and factors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryRef<'a> {
    pub(crate) codes: QueryCodes<'a>,
    /// What the codes leave out of the query; nothing if that is 0 in every dimension.
    pub(crate) remainder: Option<Remainder<'a>>,
    pub(crate) terms: QueryTerms,
}

impl<'a> QueryRef<'a> {
    /// A query that is what its codes say.
    pub(crate) fn exact(codes: QueryCodes<'a>, terms: QueryTerms) -> Self {
        Self { codes, remainder: None, terms }
    }

    /// How much the remainder changes a distance from a vector with these terms at most: no stored code is beyond 127.
    pub(crate) fn reach(&self, terms: Terms) -> f32 {
        self.remainder.map_or(0.0, |remainder| (remainder.reach * self.terms.scale * terms.b).abs())
    }
}

/// What the codes of a query leave out of it, in steps of [`PARTS`](Remainder::PARTS) to a code of 1: a multiple of four, so that codes with residuals are exact as queries. A query is not stored, so that its rounding need
/// not add to that of the vectors that it is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remainder<'a> {
    pub(crate) codes: QueryCodes<'a>,
    /// How much it adds to a dot product of codes at most.
    reach: f32,
}

impl<'a> Remainder<'a> {
    /// A code is off by a half at most, which are 126 steps.
    pub(crate) const PARTS: i16 = 252;

    #[expect(clippy::cast_precision_loss, reason = "an upper bound, with room for rounding")]
    fn new(lines: &'a [Line]) -> Option<Self> {
        let all = absolute_sum(lines.as_flattened());
        let reach = all as f32 * (127.0 / f32::from(Self::PARTS)) * 1.001;
        (all > 0).then(|| Self { codes: QueryCodes::new(lines), reach })
    }
}

/// Where the codes of a query, and of its remainder, are written.
#[derive(Debug, Default)]
pub(crate) struct QueryRoom {
    codes: Vec<Aligned>,
    remainder: Vec<Aligned>,
    turned: Vec<f32>,
}

impl QueryRoom {
    pub(crate) fn heap_bytes(&self) -> usize {
        let lines = (self.codes.capacity() + self.remainder.capacity()) * size_of::<Aligned>();
        lines + self.turned.capacity() * size_of::<f32>()
    }

    /// Room for a vector that is rotated, until it is [given back](Self::give_turned).
    pub(crate) fn take_turned(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.turned)
    }

    pub(crate) fn give_turned(&mut self, room: Vec<f32>) {
        self.turned = room;
    }

    /// Room for so many codes, with zeros behind them.
    pub(crate) fn codes(&mut self, dimension: usize) -> &mut [i8] {
        cleared(&mut self.codes, dimension)
    }

    /// The same, and as much room for what they leave out.
    pub(crate) fn codes_and_remainder(&mut self, dimension: usize) -> [&mut [i8]; 2] {
        [&mut self.codes, &mut self.remainder].map(|lines| cleared(lines, dimension))
    }

    pub(crate) fn lines(&self) -> &[Line] {
        layout::lines(&self.codes)
    }

    /// What was written as codes and as their remainder last.
    pub(crate) fn query(&self, terms: QueryTerms) -> QueryRef<'_> {
        let remainder = Remainder::new(layout::lines(&self.remainder));
        QueryRef { codes: QueryCodes::new(self.lines()), remainder, terms }
    }
}

fn cleared(lines: &mut Vec<Aligned>, dimension: usize) -> &mut [i8] {
    lines.resize(groups(dimension), Aligned::zeroed());
    if let Some(last) = lines.last_mut() {
        *last = Aligned::zeroed();
    }
    &mut codes_mut(lines)[..dimension]
}

/// The squared norm of codes with their remainder.
#[expect(clippy::cast_possible_truncation, reason = "one rounding of a sum that is nearly exact")]
pub(crate) fn squared_norm(codes: &[i8], remainder: &[i8]) -> f32 {
    let [plain, mixed, rest] =
        [squared_sum(codes), dot_of(codes, remainder), squared_sum(remainder)].map(f64::from);
    let parts = f64::from(Remainder::PARTS);
    (plain + 2.0 * mixed / parts + rest / (parts * parts)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Int8Quantizer, Metric};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn with_its_remainder_a_query_is_as_far_away_as_it_is_and_the_remainder_adds_no_more_than_its_reach(
            pair in prop::collection::vec((-1e3..1e3f32, prop_oneof![Just(-127i8), Just(127), -127..=127i8]), 1..200)
        ) {
            let (query, codes): (Vec<f32>, Vec<i8>) = pair.into_iter().unzip();
            for metric in Metric::ALL {
                let quantizer = Int8Quantizer::new(metric, query.len()).unwrap();
                prop_assume!(query.iter().any(|&value| value != 0.0));
                let (mut room, terms) = (QueryRoom::default(), quantizer.terms(&codes, 0.5));
                let prepared = quantizer.prepare(&query, &mut room);
                let Some(remainder) = prepared.remainder else { continue };
                let dot = |lines: &[Line]| dot_of(&lines.as_flattened()[..codes.len()], &codes);
                let more = prepared.terms.remainder(dot(remainder.codes.lines), terms);
                prop_assert!(more.abs() <= prepared.reach(terms), "{} {}", metric, more);
                if metric == Metric::Dot {
                    let distance = prepared.terms.distance(dot(prepared.codes.lines), terms) + more;
                    let vector = quantizer.decode(&codes, 0.5);
                    // Half a part in every dimension, and the rounding of floats.
                    let part = query.iter().fold(0.0f32, |max, value| max.max(value.abs())) / 127.0 / f32::from(Remainder::PARTS);
                    let lengths: f32 = vector.iter().zip(&query).map(|(value, query)| (value * query).abs()).sum();
                    let allowed = 0.51 * part * vector.iter().map(|value| value.abs()).sum::<f32>() + 1e-5 * lengths;
                    let expected = metric.distance(&query, &vector);
                    prop_assert!((distance - expected).abs() <= allowed, "{} {}", distance, expected);
                }
            }
        }

        #[test]
        fn what_was_stored_is_a_query_without_a_remainder(values in prop::collection::vec(-1e3..1e3f32, 1..100)) {
            prop_assume!(values.iter().any(|&value| value != 0.0));
            for metric in Metric::ALL {
                let quantizer = Int8Quantizer::new(metric, values.len()).unwrap();
                let (codes, scale) = quantizer.quantize(&values).unwrap();
                let mut room = QueryRoom::default();
                prop_assert!(quantizer.prepare(&quantizer.decode(&codes, scale), &mut room).remainder.is_none());
            }
        }
    }
}
