//! The distances of originals in the place of those of codes.
//!
//! Whole ones are read of what may be among the nearest by its codes. Residuals take less time than to find that out: all candidates are compared with them, those of a walk before they
//! are with their whole codes.

use super::checks::Unverified;
use super::options::{Originals, SearchOptions};
use super::reader::View;
use super::refined::Refined;
use super::slack::WalkSlack;
use crate::codes::query::{QueryRef, QueryTerms, Terms};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::pool::{Key, Nearest};
use crate::metric::{Metric, dot};
use crate::quantize::Int8Quantizer;

/// What originals are written to, and what is compared with them.
#[derive(Debug, Default)]
pub(super) struct Room {
    original: Vec<f32>,
    query: Refined,
    candidates: Vec<Candidate>,
}

impl Room {
    pub(super) fn heap_bytes(&self) -> usize {
        let Self { original, query, candidates } = self;
        original.capacity() * size_of::<f32>()
            + candidates.capacity() * size_of::<Candidate>()
            + query.heap_bytes()
    }
}

/// How much nearer than its codes an original may be.
///
/// A code is off by half a step in every dimension, by five eighths if it was made with a residual, and an original of 16 bits by a sixteenth, all values of a rotated one together by that times the root of the dimensions. So the codes are off by that times the root of the dimensions, those of the
/// query with their remainder by a 504th of a step in each, and what that does to a distance follows from the triangle inequality.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    metric: Metric,
    /// How far codes may be off, in steps; of calibrated ones, which may end before their vector does, that is not known.
    off: f32,
    /// How far the query may be off; under cosine, by which it has length 1.
    query_off: f32,
    /// The length of the query, and of the longest codes.
    lengths: [f32; 2],
    base: f32,
    /// Of the numbers that a distance is made of, what their roundings may add up to.
    rounding: f32,
}

impl Reach {
    /// Of a code and a whole original, ...
    const STEPS: f32 = 0.65;
    /// ... one of 16 bits, ...
    const STEPS_F16: f32 = 0.7;
    /// ... and what a residual adds to it, half a code at most.
    const STEPS_RESIDUAL: f32 = 0.51;
    const QUERY_STEP: f32 = 0.002;

    #[expect(clippy::cast_precision_loss, reason = "65,536 dimensions at most")]
    pub(super) fn new(
        quantizer: &Int8Quantizer,
        originals: Originals<'_>,
        query: &[f32],
        terms: QueryTerms,
    ) -> Self {
        let (metric, dimensions) = (quantizer.metric(), quantizer.dimension() as f32);
        let root = dimensions.sqrt();
        let is_known = quantizer.calibration().is_none();
        let step = match originals {
            Originals::F32(_) => Self::STEPS,
            Originals::F16(_) => Self::STEPS_F16,
            Originals::Residual(_) => Self::STEPS_RESIDUAL,
        };
        Self {
            metric,
            off: if is_known { step * root } else { f32::INFINITY },
            query_off: Self::QUERY_STEP * root * terms.scale.abs(),
            lengths: [dot(query, query).sqrt(), 128.0 * root],
            base: terms.base,
            rounding: 1e-5 + 4e-9 * dimensions,
        }
    }

    pub(super) fn around(self, vector: Terms, distance: f32) -> f32 {
        let step = self.off * vector.b;
        let nearer = match self.metric {
            // Two vectors of length 1 differ by the chord of the angle, whose sine this is at most: by the root of 2 - 2 * sqrt(1 - step^2), which is no more.
            Metric::Cosine if step < 1.0 => step + step * step * step / 2.0 + 1.5 * self.query_off,
            Metric::Dot if step.is_finite() => {
                step * self.lengths[0] + self.query_off * self.lengths[1] * vector.b
            }
            // The scale of the query is doubled there.
            Metric::L2 if step.is_finite() => (2.0 * step + self.query_off) * distance.max(0.0).sqrt(),
            _ => return f32::INFINITY,
        };
        nearer + self.rounding * (self.base + vector.a + distance.abs())
    }
}

fn no_original(row: u32) -> Error {
    Error::new(ErrorKind::NoSuchRow, format!("there is no original of row {row}, which was found"))
}

/// Puts into `nearest` the nearest of `found` by their originals, as many as it has room for. `found` is in ascending order of the distances of codes, or of less than these: where they
/// say that no original can be near enough, it is not read.
pub(super) fn rescore(
    view: &View<'_>,
    quantizer: &Int8Quantizer,
    (query, terms): (&[f32], QueryTerms),
    (originals, bytes): (Originals<'_>, Option<Unverified<'_>>),
    (found, nearest): (impl Iterator<Item = (u32, f32)> + Clone, &mut Nearest),
    Room { original, .. }: &mut Room,
) -> Result<()> {
    let (metric, dimension) = (quantizer.metric(), quantizer.dimension());
    let squared = dot(query, query);
    let reach = Reach::new(quantizer, originals, query, terms);
    original.resize(dimension, 0.0);
    for (row, _) in found.clone().take(2 * nearest.capacity()) {
        view.prefetch_node_of(row);
        originals.prefetch(row as usize, dimension);
    }
    for (number, distance) in found {
        let row = number as usize;
        let (node, range) = (view.node_of(number), originals.place_of(row, dimension));
        let (Some(node), Some(range)) = (node, range) else { return Err(no_original(number)) };
        let terms = view.space.terms.get(node);
        if nearest.excludes(distance - reach.around(terms, distance)) {
            continue;
        }
        if let Some(bytes) = bytes {
            bytes.check(range)?;
        }
        let values = row * dimension..(row + 1) * dimension;
        let vector = match originals {
            Originals::F32(all) => all.get(values).unwrap_or_default(),
            Originals::F16(all) => {
                view.space.kernel.widen(all.get(values).unwrap_or_default(), original);
                &original[..]
            }
            Originals::Residual(_) => return Err(no_original(number)),
        };
        let distance = view.space.kernel.distance(metric, (query, squared), vector);
        nearest.insert(distance, number);
    }
    Ok(())
}

/// So many are fetched while those before are compared.
const REFINED_AT_ONCE: usize = 8;

/// A row whose residual is read, its node, and its distance as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    distance: f32,
    row: u32,
    node: u32,
}

/// Puts into `nearest` the nearest of what was found by their residuals: of what a walk left, `rough` in ascending order of their distances by the high plane, and of rows. Returns how many were compared.
pub(super) fn refine(
    view: &View<'_>,
    (quantizer, options): (&Int8Quantizer, &SearchOptions<'_>),
    query: QueryRef<'_>,
    (originals, bytes): (Originals<'_>, Option<Unverified<'_>>),
    (rough, rows, wanted): (&[Key], impl Iterator<Item = u32> + Clone, usize),
    nearest: &mut Nearest,
    Room { query: whole, candidates, .. }: &mut Room,
) -> Result<u64> {
    let (metric, dimension) = (quantizer.metric(), quantizer.dimension());
    let Originals::Residual(all) = originals else {
        return Err(Error::invalid("originals that are no residuals"));
    };
    if quantizer.calibration().is_some() {
        return Err(Error::invalid("residuals of calibrated codes, which have none"));
    }
    whole.start(metric, query);
    let (space, mut slack) = (view.space, WalkSlack::new(query, view.space.is_whole));
    let mut compared = 0;
    let mut compare = |some: &[Candidate], slack: &mut WalkSlack, nearest: &mut Nearest| -> Result<()> {
        for &Candidate { distance, row, node } in some {
            if let Some(checks) = space.checks {
                checks.high(&[node]);
                checks.low(&[node]);
            }
            let terms = space.terms.get(node);
            if nearest.excludes(distance - slack.around(terms)) {
                continue;
            }
            let range = originals.place_of(row as usize, dimension).ok_or_else(|| no_original(row))?;
            if let Some(bytes) = bytes {
                bytes.check(range.clone())?;
            }
            let place = (space.planes, node, quantizer.scale_of(terms));
            let left_out = all.get(range).unwrap_or_default();
            let refined = whole.distance(space.kernel, (metric, query), place, left_out);
            slack.add(refined - distance, terms);
            compared += 1;
            nearest.insert(refined, row);
        }
        Ok(())
    };
    candidates.clear();
    for row in rows.clone() {
        view.prefetch_node_of(row);
    }
    for row in rows {
        let node = view.node_of(row).ok_or_else(|| no_original(row))?;
        originals.prefetch(row as usize, dimension);
        candidates.push(Candidate { distance: f32::NEG_INFINITY, row, node });
    }
    let mut done = 0;
    for some in rough.chunks(REFINED_AT_ONCE) {
        let begun = candidates.len();
        for key in some {
            let (distance, node) = (key.distance(), key.node());
            // The terms of what a walk compared were verified with its codes.
            if distance.is_finite() && nearest.excludes(distance - slack.around(space.terms.get(node))) {
                continue;
            }
            let rows = view.rows_of(node).filter(|&row| options.allows(row)).take(wanted);
            candidates.extend(rows.map(|row| Candidate { distance, row, node }));
            space.prefetch(&[node]);
        }
        for candidate in &candidates[begun..] {
            originals.prefetch(candidate.row as usize, dimension);
        }
        compare(&candidates[done..begun], &mut slack, nearest)?;
        done = begun;
    }
    compare(&candidates[done..], &mut slack, nearest)?;
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::F16;
    use crate::codes::layout::{groups, pack};
    use crate::codes::planes::OwnedPlanes;
    use crate::codes::query::QueryRoom;
    use crate::codes::sums::dot_of;
    use crate::kernel::Kernel;
    use proptest::prelude::*;

    /// A vector, and a query that is turned towards or away from everything that the codes of the vector leave out.
    fn adverse(seeds: &[(i8, bool)], part: f32, towards: f32, size: f32) -> [Vec<f32>; 2] {
        let off = |is_up: bool| if is_up { part } else { -part };
        let value = |&(code, is_up): &(i8, bool)| (f32::from(code) + off(is_up)) * size;
        let mut vector: Vec<f32> = seeds.iter().map(value).collect();
        vector[0] = 127.0 * size;
        let query = vector.iter().zip(seeds);
        let query = query.map(|(value, &(_, is_up))| value + towards * off(is_up) * size).collect();
        [vector, query]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn no_original_is_nearer_than_its_codes_by_more_than_the_reach(
            metric in prop::sample::select(vec![Metric::Cosine, Metric::Dot, Metric::L2]),
            seeds in prop::collection::vec((-126..=126i8, prop::bool::ANY), 1..200), narrow in 1..=126i8, is_high in prop::bool::ANY,
            in_blocks in prop::bool::ANY, largest in 1.0..1.1f32,
            part in prop::sample::select(vec![0.25f32, 0.49, 0.51, 0.6, 0.62, 0.6249]),
            towards in -300.0..300.0f32, is_near in prop::bool::ANY, exponent in -8..8i32,
        ) {
            let of_kind = |code: i8| if is_high { 121 + code.abs() % 6 } else { code % narrow };
            // Residuals go as far as they may up in the first and third sixteen of dimensions, and down in the others.
            let ups = seeds.iter().enumerate().map(|(at, &(_, is_up))| if in_blocks { at / 16 % 2 == 0 } else { is_up });
            let seeds: Vec<_> = seeds.iter().map(|&(code, _)| of_kind(code)).zip(ups).collect();
            let towards = if is_near { towards / 100.0 } else { towards };
            let [vector, query] = adverse(&seeds, part, towards, largest * 2f32.powi(exponent) / 127.0);
            let quantizer = Int8Quantizer::new(metric, vector.len()).unwrap();
            let mut room = QueryRoom::default();
            prop_assume!(quantizer.check(&query).is_ok());
            let query_ref = quantizer.prepare(&query, &mut room);
            let reach = |originals| Reach::new(&quantizer, originals, &query, query_ref.terms);
            let halves: Vec<f32> = vector.iter().map(|&value| F16::from_f32(value).to_f32()).collect();
            let (plain, scale) = quantizer.quantize(&vector).unwrap();
            let (refined, refined_scale, left_out) = quantizer.quantize_with_residual(&vector).unwrap();
            for (codes, scale, has_residual) in [(plain, scale, false), (refined, refined_scale, true)] {
                let terms = quantizer.terms(&codes, scale);
                let dot_with = |lines: &[crate::codes::layout::Line]| dot_of(&lines.as_flattened()[..codes.len()], &codes);
                let mut distance = query_ref.terms.distance(dot_with(query_ref.codes.lines), terms);
                if let Some(remainder) = query_ref.remainder {
                    distance += query_ref.terms.remainder(dot_with(remainder.codes.lines), terms);
                }
                for (original, originals) in [(&vector, Originals::F32(&[])), (&halves, Originals::F16(&[]))] {
                    let (nearer, most) = (distance - metric.distance(&query, original), reach(originals).around(terms, distance));
                    prop_assert!(nearer <= most, "{metric:?} {nearer} {most} {}", vector.len());
                }
                if has_residual {
                    let mut planes = OwnedPlanes::new(groups(vector.len()));
                    pack(&codes, planes.grow(1));
                    let mut whole = Refined::default();
                    whole.start(metric, query_ref);
                    let with_residual = whole.distance(Kernel::detect(), (metric, query_ref), (planes.as_ref(), 0, scale), &left_out);
                    let (nearer, most) = (distance - with_residual, reach(Originals::Residual(&[])).around(terms, distance));
                    prop_assert!(nearer <= most, "{metric:?} with its residual: {nearer} {most} {}", vector.len());
                }
            }
        }
    }
}
