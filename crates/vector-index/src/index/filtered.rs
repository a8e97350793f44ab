//! Walking a graph of which only some rows may be hits.
//!
//! The walk goes *through* all nodes and collects those allowed. Where that finds few of them, since what is allowed lies elsewhere, it goes
//! on *within* what is allowed: from some allowed nodes to their allowed neighbours, and over a node that is not allowed to
//! those behind it (Patel et al., "`ACORN`", 2024).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::options::SearchOptions;
use super::reader::View;
use crate::codes::query::QueryRef;
use crate::graph::pool::{Key, Pool};
use crate::graph::walk::{AT_ONCE, SOON, WalkScratch};
use crate::node::node_id;
use crate::sketch::outline::Looked;

/// What a filtered walk keeps from one to the next.
#[derive(Debug, Default)]
pub(super) struct FilterScratch {
    /// The nearest allowed nodes.
    found: Pool,
    /// Nodes seen and not expanded, the nearest first.
    frontier: BinaryHeap<Reverse<Key>>,
    /// Neighbours of a node that are not allowed.
    bridges: Vec<u32>,
    /// What of the rows of a scan may be among the nearest, with rough distances.
    pub(super) near: Vec<Key>,
}

impl FilterScratch {
    pub(super) fn heap_bytes(&self) -> usize {
        let Self { found, frontier, bridges, near } = self;
        found.heap_bytes()
            + frontier.capacity() * size_of::<Reverse<Key>>()
            + bridges.capacity() * size_of::<u32>()
            + near.capacity() * size_of::<Key>()
    }
}

/// A filtered walk under way.
pub(super) struct FilteredWalk<'a, 's> {
    pub(super) view: View<'a>,
    pub(super) options: &'a SearchOptions<'a>,
    pub(super) query: QueryRef<'s>,
    pub(super) walk: &'s mut WalkScratch,
    pub(super) scratch: &'s mut FilterScratch,
}

/// Rows that a scan compares in the time in which a walk expands a node, about, ...
const ROWS_PER_NODE: usize = 12;
/// ... and as many as it is worth to scan rather than to go on: a scan finds more.
const ROWS_PER_NODE_MORE: usize = 30;
/// A walk is given up that expands so many times as many nodes as it should take.
const PATIENCE: usize = 3;
/// So many allowed nodes are waited for before it counts how few there were: where they lie anywhere, fewer than a quarter of these come once in 300 walks, ...
const EXPECTED: usize = 10;
/// ... and none of so many once in 1,100.
const EXPECTED_AT_LEAST: usize = 7;
/// So many nodes are expanded before what was seen of others counts.
const EXPANDED_AT_LEAST: usize = 16;
/// Rows that a scan compares in the time in which a walk within the filter expands a node, about, where all are allowed. Where few are, it goes by way of others.
const ROWS_PER_NODE_WITHIN: usize = 30;
/// Rows of the filter, spread over all of them, that a walk within it begins from.
const SEEDS: usize = 32;

/// How much of the graph a filtered search looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Candidates that are kept of what is allowed, as long as no more than `passed` nodes were expanded, ...
    ef: usize,
    /// ... and afterwards.
    allowed: usize,
    passed: usize,
    /// Rows that the filter lets through, about.
    matches: usize,
}

/// Nodes that a walk met, and how many of these are allowed.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    nodes: usize,
    allowed: usize,
}

impl Met {
    fn add(&mut self, is_allowed: bool) {
        self.nodes += 1;
        self.allowed += usize::from(is_allowed);
    }
}

impl Effort {
    /// To find `wanted` among `matches` of `nodes`.
    ///
    /// The nearest `k` of a part `s` of all, at random, are among the nearest `k / s` of all: the longer that list, the smaller the part of
    /// it that a beam has to have beyond it. `ef * s^(1/4)` allowed candidates find as much as `ef` without a filter.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a product of a number of nodes and a part, rounded down"
    )]
    pub(super) fn new(nodes: usize, matches: usize, ef: usize, wanted: usize) -> Self {
        let part = matches as f64 / nodes as f64;
        let allowed = ((ef as f64 * part.sqrt().sqrt()) as usize).max(wanted.saturating_mul(2)).min(ef);
        Self { ef, allowed, passed: ((allowed as f64 / part) as usize).min(nodes), matches }
    }

    /// Whether comparing all that match costs less than walking the graph through those that do not.
    pub(super) fn exceeds_scan(self) -> bool {
        self.matches <= self.passed.saturating_mul(ROWS_PER_NODE)
    }

    /// Whether a walk through all nodes should end: it has expanded too many, or of these or of all that it saw less than a quarter are allowed of those expected.
    fn is_lost(self, expanded: Met, seen: Met) -> bool {
        let are_elsewhere = |Met { nodes, allowed }| {
            // Of `passed` nodes.
            let expected = nodes.saturating_mul(self.allowed);
            let least = if allowed == 0 { EXPECTED_AT_LEAST } else { EXPECTED };
            expected >= least * self.passed && allowed.saturating_mul(4 * self.passed) < expected
        };
        expanded.nodes >= self.ef && are_elsewhere(expanded)
            || expanded.nodes >= self.ef.min(EXPANDED_AT_LEAST) && are_elsewhere(seen)
            || expanded.nodes >= self.passed.saturating_mul(PATIENCE)
    }

    /// Whether a walk through all nodes that goes on finding as many as it did takes longer from now on than comparing all that match.
    fn takes_longer(self, expanded: Met, seen: Met) -> bool {
        let in_all = self.allowed.saturating_mul(seen.nodes) / seen.allowed.max(1);
        expanded.nodes >= EXPANDED_AT_LEAST
            && in_all.saturating_sub(expanded.nodes).saturating_mul(ROWS_PER_NODE_MORE) > self.matches
    }

    /// Candidates of a walk within the filter, whose nodes have fewer links among each other than all have.
    fn width_within(self) -> usize {
        self.ef.saturating_mul(4).min(self.matches)
    }
}

impl FilteredWalk<'_, '_> {
    /// Leaves allowed nodes that are near the query in the pool of the walk. Returns false if a scan is called for.
    pub(super) fn run(mut self, entry: (u32, f32), effort: Effort) -> bool {
        if self.walk_through(entry, effort) {
            std::mem::swap(&mut self.scratch.found, &mut self.walk.pool);
            return true;
        }
        let nodes_per_match = self.view.nodes().div_ceil(effort.matches.max(1));
        effort.width_within().saturating_mul(ROWS_PER_NODE_WITHIN * nodes_per_match) < effort.matches
            && self.walk_within(entry, effort)
    }

    /// Walks by way of all nodes, and collects those allowed in `found`. Gives up and returns false if they are not where the query is. With outlines, as walks without a
    /// filter do.
    fn walk_through(&mut self, entry: (u32, f32), effort: Effort) -> bool {
        let Self { view, options, query, walk, scratch } = self;
        let FilterScratch { found, frontier, .. } = &mut **scratch;
        let links = view.lowest();
        let space = links.space(view.space);
        let WalkScratch { visited, fresh, list, near, excluded, by_bits, dots, hops, distances, .. } =
            &mut **walk;
        let mut looked =
            space.outlines.map(|outlines| (outlines, Looked::of_walk(space.kernel, *query, by_bits)));
        let at_once = if looked.is_some() { AT_ONCE } else { 1 };
        found.start(effort.ef);
        frontier.clear();
        near.clear();
        excluded.clear();
        visited.start(links.nodes());
        visited.insert(entry.0);
        frontier.push(Reverse(Key::new(entry.1, entry.0)));
        if options.allows_node(view, entry.0) {
            found.insert(entry.1, entry.0);
        }
        let (mut expanded, mut seen) = (Met::default(), Met::default());
        loop {
            fresh.clear();
            let before = expanded.nodes;
            while expanded.nodes - before < at_once
                && let Some(Reverse(nearest)) = frontier.pop()
            {
                if expanded.nodes == effort.passed {
                    found.shrink(effort.allowed);
                }
                if !found.takes(nearest) {
                    frontier.clear(); // the others are farther away
                    break;
                }
                if effort.is_lost(expanded, seen) || effort.takes_longer(expanded, seen) {
                    *hops += (expanded.nodes - before) as u64;
                    return false;
                }
                expanded.add(options.allows_node(view, nearest.node()));
                // The first in the heap are not the nearest in order, but near.
                links.fetch(nearest.node(), frontier.iter().take(SOON).map(|Reverse(key)| key.node()));
                let first = fresh.len();
                visited.insert_all(links.with_end(nearest.node(), list), fresh);
                if let Some((outlines, _)) = looked {
                    outlines.prefetch(&fresh[first..]);
                }
            }
            *hops += (expanded.nodes - before) as u64;
            if looked.is_none() {
                std::mem::swap(fresh, near);
                frontier.peek().into_iter().for_each(|Reverse(next)| links.prefetch(next.node()));
            }
            if expanded.nodes == before && near.is_empty() {
                break;
            }
            *distances += near.len() as u64;
            let mut at = 0;
            space.rough_distances(*query, near, dots, |node, distance| {
                let key = Key::new(distance, node);
                let is_near = found.takes(key);
                if let Some((_, looked)) = &mut looked {
                    looked.learn(at, is_near);
                    at += 1;
                }
                if is_near {
                    frontier.push(Reverse(key));
                    let is_allowed = options.allows_node(view, node);
                    seen.add(is_allowed);
                    if is_allowed {
                        found.insert(distance, node);
                    }
                }
            });
            match &mut looked {
                Some((outlines, looked)) => {
                    looked.adapt(excluded, fresh);
                    frontier.iter().take(AT_ONCE).for_each(|Reverse(next)| links.prefetch(next.node()));
                    space.keep_near(*outlines, looked, found.limit(), fresh, (near, excluded));
                    for &node in near.iter() {
                        space.prefetch_row(node);
                    }
                }
                None => near.clear(),
            }
        }
        found.keys().len() >= effort.allowed.min(effort.matches)
    }

    /// Walks by way of allowed nodes, from what was found and from some rows of the filter. Whether it came to as many as it keeps.
    fn walk_within(&mut self, entry: (u32, f32), effort: Effort) -> bool {
        let links = self.view.lowest();
        let space = links.space(self.view.space);
        self.walk.visited.start(links.nodes());
        self.walk.fresh.clear();
        self.walk.visited.insert(entry.0);
        self.gather_allowed(entry.0);
        self.gather_seeds();
        let width = effort.width_within();
        let WalkScratch { pool, fresh, dots, distances, .. } = &mut *self.walk;
        *distances += fresh.len() as u64;
        pool.start(width);
        self.view
            .space
            .rough_distances(self.query, fresh, dots, |node, distance| pool.insert(distance, node));
        while let Some(node) = self.walk.pool.expand() {
            self.walk.fresh.clear();
            links.fetch(node, self.walk.pool.soon(SOON));
            self.gather_allowed(node);
            let WalkScratch { pool, fresh, dots, hops, distances, .. } = &mut *self.walk;
            *hops += 1;
            *distances += fresh.len() as u64;
            if let Some(next) = pool.next() {
                links.prefetch(next);
            }
            space.rough_distances(self.query, fresh, dots, |node, distance| pool.insert(distance, node));
        }
        self.walk.pool.keys().len() >= width
    }

    /// Adds to `fresh` the allowed neighbours of a node that were not seen; if few of its neighbours are allowed, also those behind the others.
    fn gather_allowed(&mut self, node: u32) {
        let Self { view, options, walk, scratch, .. } = self;
        let bridges = &mut scratch.bridges;
        let links = view.lowest();
        let WalkScratch { visited, fresh, list, .. } = &mut **walk;
        bridges.clear();
        let mut allowed = 0;
        for &id in links.neighbours(node, list) {
            if options.allows_node(view, id) {
                allowed += 1;
                if visited.insert(id) {
                    fresh.push(id);
                }
            } else if visited.insert(id) {
                bridges.push(id);
            }
        }
        if allowed >= links.room() / 4 {
            return;
        }
        if let Some((&first, others)) = bridges.split_first() {
            links.fetch(first, others.iter().copied());
        }
        for &bridge in bridges.iter() {
            if fresh.len() >= 2 * links.room() {
                return;
            }
            let behind = links.neighbours(bridge, list).iter().copied();
            fresh.extend(behind.filter(|&id| options.allows_node(view, id) && visited.insert(id)));
        }
    }

    /// Adds to `fresh` what was found before, and nodes of rows all over the filter.
    fn gather_seeds(&mut self) {
        let Self { view, options, walk, scratch, .. } = self;
        let WalkScratch { visited, fresh, .. } = &mut **walk;
        fresh.extend(scratch.found.keys().iter().map(|key| key.node()).filter(|&node| visited.insert(node)));
        let Some(filter) = options.filter else { return };
        let words = filter.words().len();
        for first in (0..words).step_by(words.div_ceil(SEEDS)) {
            let mut rows = filter.range(node_id(first) * u64::BITS..u32::MAX);
            let row = rows.find(|&row| options.allows(row));
            fresh.extend(row.and_then(|row| view.node_of(row)).filter(|&node| visited.insert(node)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_is_given_up_where_what_is_allowed_lies_elsewhere_and_hardly_ever_by_chance() {
        let mut state = 1u64;
        let mut is_allowed = |per_mille: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % 1_000 < per_mille
        };
        for per_mille in [50, 100, 200, 500] {
            for ef in [10, 16, 32, 64] {
                let effort = Effort::new(100_000, 100 * usize::try_from(per_mille).unwrap(), ef, 10);
                let mut lost = 0;
                for _ in 0..2_000 {
                    let (mut expanded, mut seen) = (Met::default(), Met::default());
                    lost += usize::from((0..effort.passed).any(|_| {
                        let is_lost = effort.is_lost(expanded, seen);
                        expanded.add(is_allowed(per_mille));
                        (0..3).for_each(|_| seen.add(is_allowed(per_mille)));
                        is_lost
                    }));
                }
                assert!(lost <= 20, "{per_mille} {ef}: {lost} of 2,000");
                let all = |nodes| Met { nodes, allowed: 0 };
                let given_up = (0..1_000).find(|&nodes| effort.is_lost(all(nodes), all(nodes))).unwrap();
                assert!(
                    given_up <= ef.max(effort.passed) && given_up <= ef.max(201),
                    "{per_mille} {ef}: {given_up}"
                );
            }
        }
    }
}
