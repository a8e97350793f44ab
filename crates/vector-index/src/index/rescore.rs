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
/// A code is off by half a step in every dimension, by five eighths if it was made with a residual, and a little more for 16 bits. So the codes are off by that times the root of the dimensions, those of the
/// query with their remainder by a 504th of a step in each, and what that does to a distance follows from the triangle inequality.
#[derive(Debug, Clone, Copy)]
struct Reach {
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
    const STEP: f32 = 0.65;
    const QUERY_STEP: f32 = 0.002;

    #[expect(clippy::cast_precision_loss, reason = "65,536 dimensions at most")]
    fn new(quantizer: &Int8Quantizer, squared: f32, terms: QueryTerms) -> Self {
        let (metric, dimensions) = (quantizer.metric(), quantizer.dimension() as f32);
        let root = dimensions.sqrt();
        let is_known = quantizer.calibration().is_none();
        Self {
            metric,
            off: if is_known { Self::STEP * root } else { f32::INFINITY },
            query_off: Self::QUERY_STEP * root * terms.scale.abs(),
            lengths: [squared.sqrt(), 128.0 * root],
            base: terms.base,
            rounding: 1e-5 + 4e-9 * dimensions,
        }
    }

    fn around(self, vector: Terms, distance: f32) -> f32 {
        let step = self.off * vector.b;
        let nearer = match self.metric {
            // Two vectors of length 1 differ by the chord of the angle, whose sine this is at most.
            Metric::Cosine if step < 1.0 => {
                (2.0 - 2.0 * (1.0 - step * step).sqrt()).sqrt() + 1.5 * self.query_off
            }
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

/// Puts into `nearest` the nearest of `found` by their originals, as many as it has room for. `found` is in ascending order of the distances of codes: where these
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
    let reach = Reach::new(quantizer, squared, terms);
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
            space.prefetch(node);
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
