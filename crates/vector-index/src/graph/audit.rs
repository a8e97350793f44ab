//! How wide a walk has to be to find what there is: measured on vectors of the graph itself, as if they were not in it.

use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer};
use super::pool::Key;
use super::walk::{Links, WalkScratch};
use crate::codes::query::QueryRef;
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};
use crate::widths::Widths;

/// The widths that are tried.
const LADDER: [u16; 16] = [16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096];
/// So many vectors are searched for, ...
const SAMPLE: usize = 192;
/// ... and so many of the nearest others of each.
const K: usize = 10;
/// The nearest are looked for among so many, which are the nearest by the high plane of the codes.
const SHORTLIST: usize = 128;

/// A vector of the sample, and the nearest others, ascending by node.
struct Sampled {
    node: u32,
    nearest: Vec<u32>,
}

/// Audits the lowest layer of a finished graph, of which the layers above have the first `known` nodes. A vector of the sample is not one of those, and
/// no walk goes through it.
pub(crate) fn audit<'a>(
    layer: &Layer,
    nodes: &Nodes,
    space: Space<'_>,
    hierarchy: &Hierarchy<impl Iterator<Item = Links<'a>> + Clone + Sync>,
    known: usize,
    scratch: &Pooled<InsertScratch>,
) -> Widths {
    let workers = layer.workers();
    let step = ((nodes.len() - known) / SAMPLE).max(1);
    let picked: Vec<u32> = (known..nodes.len()).step_by(step).take(SAMPLE).map(node_id).collect();
    let sample: Vec<Sampled> = workers.map(&picked, |&node| {
        scratch.with(|InsertScratch { walk, query, .. }| {
            let mut nearest = walk.nearest_others(space, nodes.query(node, query), nodes.len(), node);
            nearest.sort_unstable();
            Sampled { node, nearest }
        })
    });
    let wanted: usize = sample.iter().map(|sampled| sampled.nearest.len()).sum();
    let mut widths = Widths::default();
    for width in LADDER {
        let found = workers.map(&sample, |Sampled { node, nearest }| {
            scratch.with(|InsertScratch { walk, query, .. }| {
                let query = nodes.query(*node, query);
                let from = hierarchy.clone().entry(space, query, walk);
                walk.beam_without(space, layer.links(), query, from, width.into(), *node);
                let found = walk.best_by_codes(space, query);
                found.iter().filter(|node| nearest.binary_search(node).is_ok()).count()
            })
        });
        widths.record(width, found.into_iter().sum(), wanted);
        if widths.0.iter().all(|&width| width > 0) {
            break;
        }
    }
    widths
}

impl WalkScratch {
    /// The nearest others of one of the first `count` nodes, by a scan.
    fn nearest_others(
        &mut self,
        space: Space<'_>,
        query: QueryRef<'_>,
        count: usize,
        itself: u32,
    ) -> Vec<u32> {
        self.pool.start(SHORTLIST);
        for first in (0..count).step_by(SHORTLIST) {
            let some = (first..count.min(first + SHORTLIST)).map(node_id);
            self.fresh.clear();
            self.fresh.extend(some.filter(|&node| node != itself));
            let Self { pool, fresh, dots, .. } = self;
            space.rough_distances(query, fresh, dots, |node, distance| pool.insert(distance, node));
        }
        self.best_by_codes(space, query)
    }

    /// The nearest of the pool by the whole codes.
    fn best_by_codes(&mut self, space: Space<'_>, query: QueryRef<'_>) -> Vec<u32> {
        self.fresh.clear();
        self.fresh.extend(self.pool.keys().iter().map(|key| key.node()));
        let mut all: Vec<Key> = Vec::with_capacity(self.fresh.len());
        space.distances(query, &self.fresh, &mut self.dots, |node, distance| {
            all.push(Key::new(distance, node));
        });
        all.sort_unstable();
        all.iter().take(K).map(|key| key.node()).collect()
    }
}
