//! Ours: int8 codes, and a graph searched in the bytes it was written to.

use benches::Result;
use vector_index::{
    Builder, Codes, Index as Ours, IndexBytes, Int8Quantizer, Metric as Near, Scratch, SearchOptions,
};

use super::{BuildOptions, Index};
use crate::data::Vectors;
use crate::options::Metric;

/// Encodes all vectors and builds the index.
pub fn build(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    let mut codes = Codes::new(Int8Quantizer::new(near(options.metric), base.dim)?);
    codes.push_all(0, &base.values)?;
    let settings = vector_index::BuildOptions::new().m(options.m).ef_construction(options.ef_construction);
    let index = Ours::open(Builder::new(settings).build(codes)?.to_bytes()?)?;
    Ok(Box::new(Opened { index, effort: 0, scratch: Scratch::new() }))
}

fn near(metric: Metric) -> Near {
    match metric {
        Metric::Cosine => Near::Cosine,
        Metric::L2 => Near::L2,
        Metric::Dot => Near::Dot,
    }
}

struct Opened {
    index: Ours<IndexBytes>,
    effort: usize,
    scratch: Scratch,
}

impl Index for Opened {
    fn bytes(&self) -> Result<u64> {
        Ok(self.index.byte_len() as u64)
    }

    fn set_effort(&mut self, effort: usize) -> Result<()> {
        self.effort = effort;
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()> {
        let options = SearchOptions::new(k).ef_search(self.effort);
        let hits = self.index.search(query, &options, &mut self.scratch)?;
        ids.extend(hits.iter().map(|hit| hit.row));
        Ok(())
    }
}
