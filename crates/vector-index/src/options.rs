//! How an index is built, with the limits of each setting.

use crate::error::{Error, Result};
use crate::workers::Workers;

/// How an index is built.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct BuildOptions {
    pub(crate) m: usize,
    /// `None`: as [`ef_construction`](Self::ef_construction) says.
    pub(crate) ef_construction: Option<usize>,
    pub(crate) alpha: f32,
    pub(crate) seed: u64,
    pub(crate) graph_from: usize,
    pub(crate) workers: Workers,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { m: 16, ef_construction: None, alpha: 1.1, seed: 0, graph_from: 10_000, workers: Workers::Pool }
    }

    /// How many neighbours a node has at most in the upper layers; in the lowest, which has nearly all links, it has twice as
    /// many. More makes a larger index of higher recall. 2 to 256. Default: 16.
    pub fn m(mut self, m: usize) -> Self {
        self.m = m;
        self
    }

    /// How many candidates the neighbours of a node are chosen from, which a walk through the graph as it is so far finds. More makes a
    /// better graph in more time. If it is not set, graphs of 4,096 vectors and more are not built by walks: about 40 candidates are found by comparing all
    /// vectors of small parts with each other, which makes about as good a graph as 48 or a better one, of many dimensions in less time; unless two thirds of the vectors come with
    /// their links, from an index that is merged. 1 to 10,000. Default: 48.
    pub fn ef_construction(mut self, ef_construction: usize) -> Self {
        self.ef_construction = Some(ef_construction);
        self
    }

    /// How much nearer a neighbour must be to a candidate than the node itself for the candidate to be left out. Above 1, nodes keep
    /// more and longer links. 1 to 2. Without effect under [`Metric::Dot`](crate::Metric::Dot). Default: 1.1.
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }

    /// What the choice of the nodes of the upper layers, and the order of insertion, begin with. The same vectors, options and seed
    /// give the same bytes. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// From how many vectors on there is a graph. Fewer take no time to build, and every search passes over all of them: over the signs of
    /// their codes, or over the high plane of calibrated ones, then over the whole codes of the best: twice
    /// [`ef_search`](crate::SearchOptions::ef_search) by their signs, and as many more as the errors of these call for, or `ef_search` by the plane.
    /// Default: 10,000.
    pub fn graph_from(mut self, vectors: usize) -> Self {
        self.graph_from = vectors;
        self
    }

    /// Whether a build divides its work among the threads of the rayon pool that it is called from. Otherwise the calling thread does all
    /// of it, and no pool is looked for. Default: yes.
    pub fn parallel(mut self, parallel: bool) -> Self {
        self.workers = if parallel { Workers::Pool } else { Workers::Caller };
        self
    }

    /// How many candidates a walk finds.
    pub(crate) fn walk_width(&self) -> usize {
        self.ef_construction.unwrap_or(48)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(2..=256).contains(&self.m) {
            return Err(Error::invalid(format!("m = {}: a node has 2 to 256 neighbours", self.m)));
        }
        if let Some(width) = self.ef_construction.filter(|width| !(1..=10_000).contains(width)) {
            return Err(Error::invalid(format!("ef_construction = {width}: 1 to 10,000")));
        }
        if !(1.0..=2.0).contains(&self.alpha) {
            return Err(Error::invalid(format!("alpha = {}: 1 to 2", self.alpha)));
        }
        Ok(())
    }
}
