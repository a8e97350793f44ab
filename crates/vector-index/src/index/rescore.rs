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
/// A code is off by half a step in every dimension, by five eighths if it has a residual, and a little more for 16 bits. So the codes are off by that times the root of the dimensions, those of the
/// query with their remainder by a 508th of a step in each, and what that does to a distance follows from the triangle inequality.
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
        let (Some(node), Some(range)) = (node, range) else {
            let message = format!("there is no original of row {row}, which was found");
            return Err(Error::new(ErrorKind::NoSuchRow, message));
        };
        let terms = view.space.terms.get(node);
        if nearest.excludes(distance - reach.around(terms, distance)) {
            continue;
        }
        if let Some(bytes) = bytes {
            bytes.check(range.clone())?;
        }
        let values = row * dimension..(row + 1) * dimension;
        let vector = match originals {
            Originals::F32(all) => all.get(values).unwrap_or_default(),
            Originals::F16(all) => {
                view.space.kernel.widen(all.get(values).unwrap_or_default(), original);
                &original[..]
            }
            Originals::Residual(all) => {
                codes.resize(dimension, 0);
                view.space.planes.unpack(node, codes);
                let left_out = all.get(range).unwrap_or_default();
                view.space.kernel.refine(codes, quantizer.scale_of(terms), left_out, original);
                &original[..]
            }
        };
        let distance = view.space.kernel.distance(metric, (query, squared), vector);
        nearest.insert(distance, number);
    }
    Ok(())
}
