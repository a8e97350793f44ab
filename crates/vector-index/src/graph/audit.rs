//! How wide a walk has to be to find what there is: measured on vectors of the graph itself, as if they were not in it.

use std::collections::BTreeMap;

use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer};
use super::pool::Key;
use super::walk::{Links, WalkScratch};
use crate::codes::query::QueryRef;
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};
use crate::widths::{TARGETS, Widths, reaches};

/// The widths that are tried first; ...
const LADDER: [u16; 16] = [16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096];
/// ... then, for each target, those between the last that was too narrow and the first that was not, in steps of so many.
const STEP: u16 = 8;
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
    measured(wanted, |width| {
        let found = workers.map(&sample, |Sampled { node, nearest }| {
            scratch.with(|InsertScratch { walk, query, .. }| {
                let query = nodes.query(*node, query);
                let from = hierarchy.clone().entry(space, query, walk);
                walk.beam_without(space, layer.links(), query, from, width.into(), *node);
                let found = walk.best_by_codes(space, query);
                found.iter().filter(|node| nearest.binary_search(node).is_ok()).count()
            })
        });
        found.into_iter().sum()
    })
}

/// The least widths that find enough of `wanted`, where walks of a width find `found`.
fn measured(wanted: usize, mut found: impl FnMut(u16) -> usize) -> Widths {
    let mut by_width = BTreeMap::new();
    for width in LADDER {
        by_width.insert(width, found(width));
        if TARGETS.iter().all(|&target| reaches(by_width[&width], wanted, target)) {
            break;
        }
    }
    for target in TARGETS {
        while let Some(width) = between(&by_width, wanted, target) {
            by_width.insert(width, found(width));
        }
    }
    let mut widths = Widths::default();
    for (width, found) in by_width {
        widths.record(width, found, wanted);
    }
    widths
}

/// The width in the middle between the least that is known to reach a target and the one before it, unless they are neighbours.
fn between(by_width: &BTreeMap<u16, usize>, wanted: usize, target: f64) -> Option<u16> {
    let (&high, _) = by_width.iter().find(|&(_, &found)| reaches(found, wanted, target))?;
    let (&low, _) = by_width.range(..high).next_back()?;
    Some(low.midpoint(high) / STEP * STEP).filter(|middle| (low + 1..high).contains(middle))
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
    fn of_widths_in_steps_of_eight_the_least_that_finds_enough_is_found() {
        for enough in 1..=4_096u16 {
            let mut tried = Vec::new();
            let widths = measured(1_000, |width| {
                tried.push(width);
                if width >= enough { 1_000 } else { 899 }
            });
            let least = if enough <= LADDER[0] { LADDER[0] } else { enough.next_multiple_of(STEP) };
            assert_eq!(widths.0, [least; TARGETS.len()], "{enough}");
            assert!(tried.len() <= LADDER.len() + 8, "{enough}: {tried:?}");
        }
        assert_eq!(measured(1_000, |_| 899), Widths::default());
        let slope = |width: u16| usize::from(width / 8 + 890).min(1_000);
        assert_eq!(measured(1_000, slope).0, [80, 480, 640, 720, 800, 840]);
    }
}
