//! The distances of originals in the place of those of codes.

use super::checks::Unverified;
use super::options::Originals;
use super::reader::View;
use crate::codes::query::{QueryTerms, Terms};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::pool::Nearest;
use crate::metric::{Metric, dot};
use crate::quantize::Int8Quantizer;

/// What originals are written to.
#[derive(Debug, Default)]
pub(super) struct Original {
    codes: Vec<i8>,
    original: Vec<f32>,
}

impl Original {
    pub(super) fn heap_bytes(&self) -> usize {
        self.codes.capacity() + self.original.capacity() * size_of::<f32>()
    }
}

/// How much nearer than its codes an original may be.
///
/// A code is off by half a step in every dimension, and a little more for what 16 bits and roundings of the query add. So the codes are off by that times the
/// root of the dimensions, and what that does to a distance follows from the triangle inequality.
#[derive(Debug, Clone, Copy)]
struct Reach {
    metric: Metric,
    /// How far codes may be off, in steps; of calibrated ones, which may end before their vector does, that is not known.
    off: Option<f32>,
    terms: QueryTerms,
    /// The length of the query, if the metric is the dot product.
    length: f32,
}

impl Reach {
    const STEP: f32 = 0.6;
    /// Of the numbers that a distance is made of, what their roundings may add up to.
    const ROUNDING: f32 = 1e-5;

    fn new(quantizer: &Int8Quantizer, query: &[f32], terms: QueryTerms) -> Self {
        let metric = quantizer.metric();
        #[expect(clippy::cast_precision_loss, reason = "65,536 at most")]
        let off = quantizer.calibration().is_none().then(|| Self::STEP * (query.len() as f32).sqrt());
        let length = if metric == Metric::Dot { dot(query, query).sqrt() } else { 0.0 };
        Self { metric, off, terms, length }
    }

    fn around(self, vector: Terms, distance: f32) -> f32 {
        let Some(off) = self.off else { return f32::INFINITY };
        let step = off * vector.b;
        let nearer = match self.metric {
            // Two vectors of length 1 differ by the chord of the angle, whose sine this is at most.
            Metric::Cosine if step < 1.0 => (2.0 - 2.0 * (1.0 - step * step).sqrt()).sqrt(),
            Metric::Cosine => 2.0,
            Metric::Dot => step * self.length,
            Metric::L2 => 2.0 * step * distance.max(0.0).sqrt(),
        };
        nearer + Self::ROUNDING * (self.terms.base + vector.a + distance.abs())
    }
}

/// Puts into `nearest` the nearest of `found` by their originals, as many as it has room for. `found` is in ascending order of the distances of codes: where these
/// say that no original can be near enough, it is not read.
pub(super) fn rescore(
    view: &View<'_>,
    quantizer: &Int8Quantizer,
    (query, terms): (&[f32], QueryTerms),
    (originals, bytes): (Originals<'_>, Option<Unverified<'_>>),
    (found, nearest): (impl Iterator<Item = (u32, f32)> + Clone, &mut Nearest),
    Original { codes, original }: &mut Original,
) -> Result<()> {
    if matches!(originals, Originals::Residual(_)) && quantizer.calibration().is_some() {
        return Err(Error::invalid("residuals of calibrated codes, which have none"));
    }
    let (metric, dimension) = (quantizer.metric(), quantizer.dimension());
    let reach = Reach::new(quantizer, query, terms);
    original.resize(dimension, 0.0);
    for (row, _) in found.clone().take(2 * nearest.capacity()) {
        originals.prefetch(row as usize, dimension);
    }
    for (number, distance) in found {
        let row = number as usize;
        let missing = || {
            let message = format!("there is no original of row {row}, which was found");
            Error::new(ErrorKind::NoSuchRow, message)
        };
        let node = view.node_of(number).ok_or_else(missing)?;
        if nearest.excludes(distance - reach.around(view.space.terms.get(node), distance)) {
            continue;
        }
        let values = row * dimension..(row + 1) * dimension;
        let range = originals.place_of(row, dimension).ok_or_else(missing)?;
        if let Some(bytes) = bytes {
            bytes.check(range.clone())?;
        }
        let distance = match originals {
            Originals::F32(all) => metric.distance(query, all.get(values).ok_or_else(missing)?),
            Originals::F16(all) => {
                view.space.kernel.widen(all.get(values).ok_or_else(missing)?, original);
                metric.distance(query, original)
            }
            Originals::Residual(all) => {
                let left_out = all.get(range).ok_or_else(missing)?;
                codes.resize(dimension, 0);
                view.space.planes.unpack(node, codes);
                let scale = quantizer.scale_of(view.space.terms.get(node));
                view.space.kernel.refine(codes, scale, left_out, original);
                metric.distance(query, original)
            }
        };
        nearest.insert(distance, number);
    }
    Ok(())
}
