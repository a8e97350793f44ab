//! Graphs of the crate `hnsw_rs`: brought into our format, or built through it.

use std::collections::BTreeMap;

use ::hnsw_rs::prelude::{Distance, Hnsw};

use crate::build::{Builder, Built};
use crate::codes::Codes;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::builder::Seeds;
use crate::metric::Metric;
use crate::options::BuildOptions;
use crate::quantize::Int8Quantizer;

/// Brings a finished [`Hnsw`] into our format: its vectors are quantized, the links of its lowest layer kept, and the small layers
/// above made anew. A point's origin id becomes its row.
///
/// `quantizer` has the metric that the graph was built with. The number of neighbours is that of the graph (`m` of `options` is not
/// looked at). Nodes that the graph does not reach are linked again.
///
/// Fails with [`DuplicateRow`](ErrorKind::DuplicateRow) if an origin id occurs twice, with
/// [`InvalidArgument`](ErrorKind::InvalidArgument) for one of 2^32 - 1 or more, and as [`Codes::push`] does. No thread may insert into
/// the graph meanwhile.
pub fn freeze<T, D>(hnsw: &Hnsw<'_, T, D>, quantizer: &Int8Quantizer, options: BuildOptions) -> Result<Built>
where
    T: Copy + Send + Sync + Into<f32>,
    D: Distance<T> + Send + Sync,
{
    let mut vectors = BTreeMap::new();
    for_each_point(hnsw, |row, values| {
        vectors.insert(row, values.iter().map(|&value| value.into()).collect::<Vec<f32>>())
    })?;
    let mut codes = Codes::new(quantizer.clone());
    for (&row, vector) in &vectors {
        codes.push(row, vector)?;
    }
    freeze_codes(hnsw, codes, options)
}

/// Builds an index through `hnsw_rs` instead of our builder: slower, and not the same twice, since its threads race.
///
/// Fails with [`InvalidArgument`](ErrorKind::InvalidArgument) under [`Metric::Dot`], whose distances may be negative, which `hnsw_rs`
/// does not take, and for a calibrated quantizer.
pub fn build(codes: Codes, options: BuildOptions) -> Result<Built> {
    options.check()?;
    if codes.quantizer().metric() == Metric::Dot || codes.quantizer().calibration().is_some() {
        return Err(Error::invalid("hnsw_rs builds for cosine and L2, with a scale for each vector"));
    }
    // 256 wraps to 0 in a byte there.
    let m = options.m.min(255);
    let distance = CodeDistance { metric: codes.quantizer().metric() };
    let hnsw: Hnsw<'_, i8, CodeDistance> =
        Hnsw::new(m, codes.len().max(1), 16, options.walk_width(), distance);
    let points: Vec<(Vec<i8>, usize)> =
        (0..codes.len()).filter_map(|at| Some((with_scale(codes.get(at)?), at))).collect();
    // Threads that find it empty link their points to nothing: the first ones are inserted alone.
    let (first, rest) = points.split_at(points.len().min(64));
    let insert = |(point, at): &(Vec<i8>, usize)| hnsw.insert((point, codes.rows()[*at] as usize));
    for point in first {
        insert(point);
    }
    options.workers.map(rest, insert);
    freeze_codes(&hnsw, codes, options)
}

/// The distance of two codes that their scales follow.
#[derive(Debug, Clone, Copy)]
struct CodeDistance {
    metric: Metric,
}

const SCALE_LEN: usize = size_of::<f32>();

fn with_scale((codes, scale): (Vec<i8>, f32)) -> Vec<i8> {
    codes.into_iter().chain(scale.to_le_bytes().map(u8::cast_signed)).collect()
}

fn split_scale(point: &[i8]) -> (&[i8], f32) {
    let (codes, scale) = point.split_at(point.len() - SCALE_LEN);
    let scale = scale.first_chunk::<SCALE_LEN>().copied().unwrap_or_default();
    (codes, f32::from_le_bytes(scale.map(i8::cast_unsigned)))
}

impl Distance<i8> for CodeDistance {
    #[expect(clippy::cast_precision_loss, reason = "one rounding of an exact integer")]
    fn eval(&self, a: &[i8], b: &[i8]) -> f32 {
        let ((a, scale_a), (b, scale_b)) = (split_scale(a), split_scale(b));
        let dot = |a: &[i8], b: &[i8]| {
            a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum::<i32>() as f32
        };
        let between = dot(a, b) * scale_a * scale_b;
        match self.metric {
            // The scale of a code under cosine is that of a vector of length 1.
            Metric::Cosine | Metric::Dot => (1.0 - between).max(0.0),
            Metric::L2 => {
                (dot(a, a) * scale_a * scale_a + dot(b, b) * scale_b * scale_b - 2.0 * between).max(0.0)
            }
        }
    }
}

/// Builds the index of codes whose rows are the origin ids of a graph.
fn freeze_codes<T, D>(hnsw: &Hnsw<'_, T, D>, codes: Codes, options: BuildOptions) -> Result<Built>
where
    T: Clone + Send + Sync,
    D: Distance<T> + Send + Sync,
{
    let mut seeds = Seeds { lists: vec![Some(Vec::new()); codes.len()], are_kept: true };
    if !codes.is_empty() {
        for point in hnsw.get_point_indexation() {
            let position =
                |id: usize| u32::try_from(id).ok().and_then(|row| codes.rows().binary_search(&row).ok());
            let Some(own) = position(point.get_origin_id()) else { continue };
            let lowest = point.get_neighborhood_id().into_iter().next().unwrap_or_default();
            let mut list: Vec<u32> = lowest
                .into_iter()
                .filter_map(|neighbour| position(neighbour.d_id))
                .filter_map(|other| u32::try_from(other).ok())
                .collect();
            list.sort_unstable();
            list.dedup();
            seeds.lists[own] = Some(list);
        }
    }
    let m = usize::from(hnsw.get_max_nb_connection()).max(2);
    Builder::new(options.m(m)).build_seeded(codes, &seeds, |_| std::ops::ControlFlow::Continue(()))
}

fn for_each_point<T, D, R>(hnsw: &Hnsw<'_, T, D>, mut each: impl FnMut(u32, &[T]) -> Option<R>) -> Result<()>
where
    T: Clone + Send + Sync,
    D: Distance<T> + Send + Sync,
{
    // An empty one cannot be iterated over.
    if hnsw.get_nb_point() == 0 {
        return Ok(());
    }
    for point in hnsw.get_point_indexation() {
        let id = point.get_origin_id();
        let Some(row) = u32::try_from(id).ok().filter(|&row| row < u32::MAX) else {
            return Err(Error::invalid(format!("origin id {id}: rows are below 2^32 - 1")));
        };
        if each(row, point.get_v()).is_some() {
            return Err(Error::new(ErrorKind::DuplicateRow, format!("two points have the origin id {id}")));
        }
    }
    Ok(())
}
