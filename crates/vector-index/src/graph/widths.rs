//! How wide a walk has to be to find what there is: measured on vectors of the graph itself, as if they were not in it.

use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer};
use super::pool::Key;
use super::walk::{Links, WalkScratch};
use crate::codes::query::QueryRef;
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};

/// Parts of the true nearest that searches may ask for.
pub(crate) const TARGETS: [f64; 6] = [0.90, 0.95, 0.97, 0.98, 0.99, 0.995];
/// The widths that are tried.
const LADDER: [u16; 16] = [16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096];
/// So many vectors are searched for, ...
const SAMPLE: usize = 192;
/// ... and so many of the nearest others of each.
const K: usize = 10;
/// The nearest are looked for among so many, which are the nearest by the high plane of the codes.
const SHORTLIST: usize = 128;

/// The least width of the ladder that found each of [`TARGETS`]; 0 where none did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Widths(pub(crate) [u16; TARGETS.len()]);

impl Widths {
    /// Those of a pass over signs or the high plane, which goes on as long as its errors call for more.
    pub(crate) const WITHOUT_GRAPH: Self = Self([64, 64, 64, 64, 64, 0]);

    /// Notes that walks of a width found so many of those wanted.
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn note(&mut self, width: u16, found: usize, wanted: usize) {
        for (slot, target) in self.0.iter_mut().zip(TARGETS) {
            if *slot == 0 && found as f64 >= target * wanted as f64 {
                *slot = width;
            }
        }
    }

    /// How wide a search is that nothing is asked of: it finds 0.99 of the nearest, unless that takes a width beyond 512.
    pub(crate) fn usual(self) -> usize {
        const LEAST: usize = 64;
        const MOST: usize = 512;
        self.reaching(0.99).unwrap_or(MOST).clamp(LEAST, MOST)
    }

    /// The least width that is known to find a part of the true nearest.
    pub(crate) fn reaching(self, target: f64) -> Option<usize> {
        let at = TARGETS.iter().position(|&known| known >= target)?;
        Some(self.0[at].into()).filter(|&width| width > 0)
    }
}

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
        widths.note(width, found.into_iter().sum(), wanted);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_between_those_that_are_known_takes_the_width_of_the_next() {
        let mut widths = Widths::default();
        widths.note(16, 96, 100);
        widths.note(64, 99, 100);
        assert_eq!(widths.0, [16, 16, 64, 64, 64, 0]);
        assert_eq!([0.5, 0.951, 0.99].map(|target| widths.reaching(target)), [Some(16), Some(64), Some(64)]);
        assert_eq!([0.991, 1.0].map(|target| widths.reaching(target)), [None, None]);
        assert_eq!((widths.usual(), Widths::default().usual()), (64, 512));
        let mut nothing = Widths::default();
        nothing.note(16, 0, 0);
        assert_eq!(nothing.reaching(0.995), Some(16));
    }
}
