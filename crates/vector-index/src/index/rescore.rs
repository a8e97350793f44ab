//! The distances of originals in the place of those of codes.

use super::checks::Unverified;
use super::options::Originals;
use super::reader::View;
use crate::error::{Error, ErrorKind, Result};
use crate::quantize::Int8Quantizer;
use crate::residual;

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

/// Puts the distances of originals in the place of those of codes, for rows that were found.
pub(super) fn rescore<'h>(
    view: &View<'_>,
    quantizer: &Int8Quantizer,
    query: &[f32],
    (originals, bytes): (Originals<'_>, Option<Unverified<'_>>),
    hits: impl Iterator<Item = (u32, &'h mut f32)>,
    Original { codes, original }: &mut Original,
) -> Result<()> {
    if matches!(originals, Originals::Residual(_)) && quantizer.calibration().is_some() {
        return Err(Error::invalid("residuals of calibrated codes, which have none"));
    }
    let (metric, dimension) = (quantizer.metric(), quantizer.dimension());
    original.resize(dimension, 0.0);
    for (number, distance) in hits {
        let row = number as usize;
        let missing = || {
            let message = format!("there is no original of row {row}, which was found");
            Error::new(ErrorKind::NoSuchRow, message)
        };
        let values = row * dimension..(row + 1) * dimension;
        let range = originals.place_of(row, dimension).ok_or_else(missing)?;
        if let Some(bytes) = bytes {
            bytes.check(range.clone())?;
        }
        *distance = match originals {
            Originals::F32(all) => metric.distance(query, all.get(values).ok_or_else(missing)?),
            Originals::F16(all) => {
                view.space.kernel.widen(all.get(values).ok_or_else(missing)?, original);
                metric.distance(query, original)
            }
            Originals::Residual(all) => {
                let left_out = all.get(range).ok_or_else(missing)?;
                let node = view.node_of(number).ok_or_else(missing)?;
                codes.resize(dimension, 0);
                view.space.planes.unpack(node, codes);
                let scale = quantizer.scale_of(view.space.terms.get(node));
                residual::refine(codes, scale, left_out, original);
                metric.distance(query, original)
            }
        };
    }
    Ok(())
}
