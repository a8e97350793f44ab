//! How wide a walk has to be to find what there is: measured on vectors of the graph itself, as if they were not in it.

use std::collections::BTreeMap;

use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer};
use super::links::{Links, NONE};
use super::pool::Key;
use super::reach::{SHORTLIST, Stranger, strangers};
use super::rows::{Room, Rows};
use super::walk::WalkScratch;
use crate::codes::query::{QueryRef, QueryRoom};
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};
use crate::widths::{TARGETS, USUAL, Widths, reaches};
use crate::workers::Workers;

/// The widths that are tried first; ...
const LADDER: [u16; 16] = [16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096];
/// ... then, for each target, those between the last that was too narrow and the first that was not, in steps of so many.
const STEP: u16 = 8;
/// So many vectors are searched for, ...
const SAMPLE: usize = 192;
/// ... and, of a large graph, one in so many of its own for the target that searches have of which nothing is asked, ...
const ONE_OF: usize = 128;
/// ... up to so many times as many. What a search misses it misses ten at a time: one vector in a hundred that is hard to find would decide.
const MORE: usize = 2;
/// ... and so many of the nearest others of each.
const K: usize = 10;
/// Of so many of its vectors a graph is asked for the opposite, for a vector in any direction, and for one along an axis.
const STRANGERS: usize = 24;
/// The true nearest of so many are looked for at once.
const AT_ONCE: usize = 96;

/// High planes tell enough if so many of what is nearest of a shortlist by them ...
const TOLD: usize = 16;
/// ... are this part of the true nearest.
const ENOUGH_TOLD: f64 = 0.85;

/// What searches of a graph that is yet to be made are measured by: some of its vectors, and queries that are unlike all of them.
#[derive(Debug)]
pub(crate) struct Sample {
    sampled: Vec<Sampled>,
    strangers: Vec<Stranger>,
}

/// A vector of the sample, and the nearest others, ascending by node.
#[derive(Debug, Clone)]
struct Sampled {
    node: u32,
    nearest: Vec<u32>,
    /// How many of these are among the [`TOLD`] nearest by the high planes.
    by_high_planes: usize,
}

impl Sample {
    /// Of nodes of which the layers above the lowest have the first `known`: none of these.
    pub(crate) fn take(nodes: &Nodes, space: Space<'_>, known: usize, workers: Workers) -> Self {
        let count = (nodes.len() / ONE_OF).clamp(SAMPLE, MORE * SAMPLE);
        let step = ((nodes.len() - known) / count).max(1);
        let picked: Vec<u32> = (known..nodes.len()).step_by(step).take(count).map(node_id).collect();
        let groups: Vec<&[u32]> = picked.chunks(AT_ONCE).collect();
        let step = picked.len().div_ceil(STRANGERS).max(1);
        // At once, since what threads divide takes room in programs.
        let found = workers.map(&groups, |group| {
            let few: Vec<u32> = group.iter().copied().step_by(step).collect();
            (nearest_others(nodes, space, group), strangers(nodes, space, &few))
        });
        let (sampled, strangers): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Self { sampled: sampled.concat(), strangers: strangers.into_iter().flatten().collect() }
    }

    /// How many true nearest are known.
    fn wanted(sample: &[Sampled]) -> usize {
        sample.iter().map(|sampled| sampled.nearest.len()).sum()
    }

    /// The nodes of its vectors.
    pub(super) fn nodes(&self) -> Vec<u32> {
        self.sampled.iter().map(|sampled| sampled.node).collect()
    }

    pub(super) fn strangers(&self) -> &[Stranger] {
        &self.strangers
    }

    /// Whether walks by high planes would have to be much wider than walks by whole codes.
    pub(crate) fn needs_whole(&self) -> bool {
        !reaches(
            self.sampled.iter().map(|sampled| sampled.by_high_planes).sum(),
            Self::wanted(&self.sampled),
            ENOUGH_TOLD,
        )
    }
}

/// Audits the lowest layer of a finished graph by a sample of its vectors, through which no walk goes.
pub(crate) fn audit<'a>(
    layer: &Layer,
    nodes: &Nodes,
    space: Space<'_>,
    hierarchy: &Hierarchy<impl Iterator<Item = Links<'a>> + Clone + Sync>,
    Sample { sampled: sample, .. }: &Sample,
    scratch: &Pooled<InsertScratch>,
) -> Widths {
    let workers = layer.workers();
    let found = |sample: &[Sampled], width: u16| {
        let found = workers.map(sample, |Sampled { node, nearest, .. }| {
            scratch.with(|InsertScratch { walk, query, .. }| {
                let query = nodes.query(*node, query);
                let from = hierarchy.clone().entry(space, query, walk);
                walk.beam_without(space, layer.links(), query, from, width.into(), *node);
                let found = walk.best_by_codes(space, query);
                found.iter().filter(|node| nearest.binary_search(node).is_ok()).count()
            })
        });
        found.into_iter().sum()
    };
    let few: Vec<Sampled> = sample.iter().step_by(sample.len().div_ceil(SAMPLE).max(1)).cloned().collect();
    let widths = measured(Sample::wanted(&few), |width| found(&few, width));
    if few.len() == sample.len() {
        return widths;
    }
    let usual = nearer(u16::try_from(widths.usual()).unwrap_or(u16::MAX), |width| {
        reaches(found(sample, width), Sample::wanted(sample), USUAL)
    });
    widths.with_usual(usual)
}

/// The least width that is enough, to within an eighth, looked for from one on that may be; `None`: none up to the greatest is.
fn nearer(first: u16, mut is_enough: impl FnMut(u16) -> bool) -> Option<u16> {
    let rounded = |width: u16| (width / STEP * STEP).clamp(LADDER[0], LADDER[LADDER.len() - 1]);
    let (mut low, mut high) = (0, rounded(first));
    if is_enough(high) {
        while high > LADDER[0] && low == 0 {
            let narrower = rounded(high - high / 4);
            if is_enough(narrower) { high = narrower } else { low = narrower }
        }
    } else {
        while low < high {
            low = high;
            let wider = rounded(high.saturating_add(high / 2));
            if wider == high {
                return None;
            }
            high = wider;
            if is_enough(high) {
                break;
            }
        }
    }
    while low > 0 && high - low > high / 8 {
        let middle = rounded(low.midpoint(high));
        if middle <= low || middle >= high {
            break;
        }
        if is_enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Each of some nodes with the nearest others, by a scan.
fn nearest_others(nodes: &Nodes, space: Space<'_>, group: &[u32]) -> Vec<Sampled> {
    let (mut rows, mut room) = (Rows::default(), Room::default());
    rows.gather(nodes, group);
    let others: Vec<u32> = rows.nearest_of_all(space.kernel, nodes, SHORTLIST, &mut room).others().collect();
    let (mut query, mut walk) = (QueryRoom::default(), WalkScratch::default());
    let each = group.iter().zip(others.chunks_exact(SHORTLIST));
    each.map(|(&node, others)| {
        walk.fresh.clear();
        walk.fresh.extend(others.iter().filter(|&&other| other != node && other != NONE));
        let query = nodes.query(node, &mut query);
        let mut nearest = walk.best_of_fresh(space, query);
        nearest.sort_unstable();
        let walked = walk.nearest_of_fresh(space, query);
        let is_nearest = |node: &&u32| nearest.binary_search(node).is_ok();
        let by_high_planes = walked.iter().take(TOLD).filter(is_nearest).count();
        Sampled { node, nearest, by_high_planes }
    })
    .collect()
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
    /// The nearest of the pool by the whole codes.
    fn best_by_codes(&mut self, space: Space<'_>, query: QueryRef<'_>) -> Vec<u32> {
        self.fresh.clear();
        self.fresh.extend(self.pool.keys().iter().map(|key| key.node()));
        self.best_of_fresh(space, query)
    }

    /// All of `fresh`, the nearest first as a walk compares them.
    fn nearest_of_fresh(&mut self, space: Space<'_>, query: QueryRef<'_>) -> Vec<u32> {
        let mut all: Vec<Key> = Vec::with_capacity(self.fresh.len());
        space.rough_distances(query, &self.fresh, &mut self.dots, |node, distance| {
            all.push(Key::new(distance, node));
        });
        all.sort_unstable();
        all.into_iter().map(Key::node).collect()
    }

    /// The nearest of `fresh` by the whole codes.
    fn best_of_fresh(&mut self, space: Space<'_>, query: QueryRef<'_>) -> Vec<u32> {
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
    fn a_width_that_is_enough_is_found_from_any_other_and_is_too_wide_by_an_eighth_at_most() {
        for enough in (8..=4_096u16).step_by(4) {
            for first in [64, 100, 512, 4_096] {
                let mut tried = 0;
                let found = nearer(first, |width| {
                    tried += 1;
                    width >= enough
                });
                let found = found.unwrap();
                assert!(
                    found >= enough && found <= (enough + enough / 7 + 8).max(16),
                    "{first} {enough}: {found}"
                );
                assert!(tried <= 24, "{first} {enough}: {tried}");
            }
        }
        assert_eq!(nearer(512, |_| false), None);
    }

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
