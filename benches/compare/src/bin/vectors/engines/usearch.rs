//! usearch: int8 scalars, made by it from the f32 vectors it is given, as its users do.

use benches::Result;
use rayon::prelude::*;
use usearch::{Index as Graph, IndexOptions, MetricKind, ScalarKind};

use super::{BuildOptions, Index};
use crate::data::Vectors;
use crate::options::Metric;

/// Adds all vectors, from as many threads as the pool has.
pub fn build(base: &Vectors, options: BuildOptions) -> Result<Box<dyn Index>> {
    let graph = Graph::new(&IndexOptions {
        dimensions: base.dim,
        metric: kind(options.metric),
        quantization: ScalarKind::I8,
        connectivity: options.m,
        expansion_add: options.ef_construction,
        ..IndexOptions::default()
    })?;
    graph.reserve_capacity_and_threads(base.len(), options.threads)?;
    let rows = base.values.par_chunks_exact(base.dim).enumerate();
    rows.try_for_each(|(id, row)| graph.add(id as u64, row).map_err(|error| error.to_string()))?;
    Ok(Box::new(Usearch(graph)))
}

fn kind(metric: Metric) -> MetricKind {
    match metric {
        Metric::Cosine => MetricKind::Cos,
        Metric::L2 => MetricKind::L2sq,
        Metric::Dot => MetricKind::IP,
    }
}

struct Usearch(Graph);

impl Index for Usearch {
    fn bytes(&self) -> Result<u64> {
        Ok(self.0.serialized_length() as u64)
    }

    fn set_effort(&mut self, effort: usize) -> Result<()> {
        self.0.change_expansion_search(effort);
        Ok(())
    }

    fn search(&mut self, query: &[f32], k: usize, ids: &mut Vec<u32>) -> Result<()> {
        let found = self.0.search(query, k)?;
        ids.extend(found.keys.iter().map(|&id| id as u32));
        Ok(())
    }
}
