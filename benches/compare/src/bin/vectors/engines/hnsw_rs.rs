//! `hnsw_rs` over int8 codes of one scale for all vectors, with a distance of our own: the crate has none for i8.
//!
//! The distance is a plain loop that the compiler vectorises: widened to 16 bits, multiplied and added in pairs. It
//! is compiled a second time for AVX2 and that one taken where the CPU has it, so that the crate is not held back by
//! the baseline of the target.

use ::hnsw_rs::prelude::{AnnT, Distance, Hnsw};
use benches::Result;

use super::{BuildOptions, Index};
use crate::data::Vectors;
use crate::options::Metric;

const LAYERS: usize = 16;
/// Points inserted one after the other before threads start: the crate loses links when an empty index is filled
/// from several at once.
const ALONE: usize = 1_000;

/// Encodes all vectors and inserts them.
pub fn build(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    let coder = Coder::new(base, options.metric);
    let mut all = Vec::with_capacity(base.values.len());
    base.rows().for_each(|row| encode(row, coder.scale, &mut all));
    let distance = CodeDistance { bound: coder.bound(), avx2: has_avx2(), metric: options.metric };
    let graph = Hnsw::new(options.m, base.len(), LAYERS, options.ef_construction, distance);
    let rows: Vec<(&[i8], usize)> = all.chunks_exact(base.dim).zip(0..).collect();
    let (alone, together) = rows.split_at(ALONE.min(rows.len()));
    alone.iter().for_each(|row| graph.insert_slice(*row));
    graph.parallel_insert_slice(&together.to_vec());
    Ok(Box::new(HnswRs { graph, coder, effort: 0, code: Vec::new() }))
}

struct HnswRs {
    graph: Hnsw<'static, i8, CodeDistance>,
    coder: Coder,
    effort: usize,
    code: Vec<i8>,
}

impl Index for HnswRs {
    fn bytes(&self) -> Result<u64> {
        let folder = tempfile::tempdir()?;
        self.graph.file_dump(folder.path(), "dump")?;
        benches::disk_len(folder.path())
    }

    fn set_effort(&mut self, effort: usize) -> Result<()> {
        self.effort = effort;
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()> {
        self.code.clear();
        encode(query, self.coder.query_scale(query), &mut self.code);
        let found = self.graph.search(&self.code, k, self.effort);
        ids.extend(found.iter().map(|neighbour| neighbour.d_id as u32));
        Ok(())
    }
}

/// Codes are values times one scale, rounded.
struct Coder {
    metric: Metric,
    scale: f32,
    max_norm: f32,
}

impl Coder {
    /// The largest value becomes 127.
    fn new(base: &Vectors, metric: Metric) -> Self {
        let max = base.values.iter().fold(f32::MIN_POSITIVE, |max, value| max.max(value.abs()));
        let max_norm = base.rows().map(norm).fold(f32::MIN_POSITIVE, f32::max);
        Self { metric, scale: 127.0 / max, max_norm }
    }

    /// Length of a query does not change the order of inner products; so it is that of the longest base vector.
    fn query_scale(&self, query: &[f32]) -> f32 {
        match self.metric {
            Metric::L2 | Metric::Cosine => self.scale,
            Metric::Dot => self.scale * self.max_norm / norm(query).max(f32::MIN_POSITIVE),
        }
    }

    /// More than any inner product of codes: the greatest squared length, and something for the rounding.
    fn bound(&self) -> f32 {
        (self.max_norm * self.scale).powi(2) * 1.1
    }
}

fn encode(row: &[f32], scale: f32, codes: &mut Vec<i8>) {
    codes.extend(row.iter().map(|value| (value * scale).round().clamp(-127.0, 127.0) as i8));
}

fn norm(row: &[f32]) -> f32 {
    row.iter().map(|value| value * value).sum::<f32>().sqrt()
}

/// Distances of codes; the crate demands that none is negative.
#[derive(Clone, Copy)]
struct CodeDistance {
    metric: Metric,
    bound: f32,
    avx2: bool,
}

impl Distance<i8> for CodeDistance {
    fn eval(&self, a: &[i8], b: &[i8]) -> f32 {
        match self.metric {
            Metric::L2 => squared_difference(a, b) as f32,
            Metric::Cosine | Metric::Dot => (self.bound - self.dot(a, b) as f32).max(0.0),
        }
    }
}

impl CodeDistance {
    fn dot(self, a: &[i8], b: &[i8]) -> i32 {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `avx2` is what the CPU said.
            return unsafe { dot_avx2(a, b) };
        }
        dot(a, b)
    }
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_avx2(a: &[i8], b: &[i8]) -> i32 {
    dot(a, b)
}

#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    let product = |(a, b): (&i8, &i8)| i32::from(*a) * i32::from(*b);
    let (a, a_rest) = a.as_chunks::<64>();
    let (b, b_rest) = b.as_chunks::<64>();
    let whole: i32 = a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(product).sum::<i32>()).sum();
    whole + a_rest.iter().zip(b_rest).map(product).sum::<i32>()
}

fn squared_difference(a: &[i8], b: &[i8]) -> i32 {
    let square = |(a, b): (&i8, &i8)| (i32::from(*a) - i32::from(*b)).pow(2);
    a.iter().zip(b).map(square).sum()
}
