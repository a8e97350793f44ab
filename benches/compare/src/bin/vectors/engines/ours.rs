//! Ours: int8 codes and a graph, searched in the bytes of the index.

use benches::Result;
use vector_index::{AlignedBytes, Builder, Codes, Index as Opened, Int8Quantizer, Scratch, SearchOptions};

use super::{BuildOptions, Index};
use crate::data::Vectors;
use crate::options::Metric;

/// Encodes all vectors, builds the index and opens it.
pub fn build(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    Ok(Box::new(built(base, options, Way::Graph)?))
}

/// No graph: a first pass over the high plane of all codes.
pub fn build_scan(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    Ok(Box::new(built(base, options, Way::Scan)?))
}

/// No graph: all codes.
pub fn build_exact(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    Ok(Box::new(built(base, options, Way::ExactScan)?))
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Graph,
    Scan,
    ExactScan,
}

fn built(base: &Vectors, options: BuildOptions, way: Way) -> Result<Ours> {
    let metric = match options.metric {
        Metric::Cosine => vector_index::Metric::Cosine,
        Metric::L2 => vector_index::Metric::L2,
        Metric::Dot => vector_index::Metric::Dot,
    };
    let mut codes = Codes::new(Int8Quantizer::new(metric, base.dim)?);
    codes.push_all(0, &base.values)?;
    let mut settings = vector_index::BuildOptions::new().m(options.m);
    // 0: as graphs are built if nothing is asked.
    if options.ef_construction > 0 {
        settings = settings.ef_construction(options.ef_construction);
    }
    let settings = if way == Way::Graph { settings } else { settings.graph_from(usize::MAX) };
    let bytes = Builder::new(settings).build(codes)?.to_bytes()?;
    Ok(Ours { index: Opened::open(bytes)?, effort: 0, way, scratch: Scratch::new() })
}

struct Ours {
    index: Opened<AlignedBytes>,
    effort: usize,
    way: Way,
    scratch: Scratch,
}

impl Index for Ours {
    fn bytes(&self) -> Result<u64> {
        Ok(self.index.byte_len() as u64)
    }

    fn is_scan(&self) -> bool {
        self.way != Way::Graph
    }

    fn set_effort(&mut self, effort: usize) -> Result<()> {
        self.effort = effort;
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()> {
        let options = SearchOptions::new(k).exact(self.way == Way::ExactScan);
        let options = if self.way == Way::Graph { options.ef_search(self.effort) } else { options };
        let hits = self.index.search(query, &options, &mut self.scratch)?;
        ids.extend(hits.iter().map(|hit| hit.row));
        Ok(())
    }
}
