//! Ours: int8 codes, and a graph searched in the bytes it was written to.

use benches::Result;
use vector_index::{Builder, Codes, Graph, Int8Quantizer, Metric as Near, Scratch, SearchOptions};

use super::{BuildOptions, Index};
use crate::data::Vectors;
use crate::options::Metric;

/// Encodes all vectors and builds the graph file.
pub fn build(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    let quantizer = Int8Quantizer::new(near(options.metric), base.dim)?;
    let codes: Codes = quantizer.encode_all(base.rows())?;
    let graph_options =
        vector_index::BuildOptions::new().m(options.m).ef_construction(options.ef_construction);
    let bytes: Vec<u8> = Builder::new(graph_options).build(&codes)?;
    let bytes: &'static [u8] = bytes.leak(); // lives as long as the run, like every index here
    Ok(Box::new(Ours { bytes, graph: Graph::open(bytes)?, effort: 0, scratch: Scratch::new() }))
}

fn near(metric: Metric) -> Near {
    match metric {
        Metric::Cosine => Near::Cosine,
        Metric::L2 => Near::L2,
        Metric::Dot => Near::Dot,
    }
}

struct Ours {
    bytes: &'static [u8],
    graph: Graph<&'static [u8]>,
    effort: usize,
    scratch: Scratch,
}

impl Index for Ours {
    fn bytes(&self) -> Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn set_effort(&mut self, effort: usize) -> Result<()> {
        self.effort = effort;
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()> {
        let options = SearchOptions::new(k).ef_search(self.effort);
        let hits = self.graph.search(query, &options, &mut self.scratch)?;
        ids.extend(hits.iter().map(|hit| hit.id));
        Ok(())
    }
}
