//! Every node is reachable from every other, and found by its own vector: what pruning cut off is linked again.

use super::builder::node_id;
use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer};
use super::pool::Key;
use super::walk::{Links, WalkScratch};
use crate::scratch::Pooled;
use crate::space::{Nodes, QueryRoom, Space};

/// How wide the beam is that looks for a neighbour with room for one more link.
const WIDTH: usize = 64;
/// Every vector is found by a search of this width for itself.
const FINDABLE: usize = 16;
/// A link may take the place of another, which can cut off a node elsewhere: so it is done over, rarely more than once.
const ROUNDS: usize = 16;

/// Adds links until every node can be reached from the first, and the first from every node; then any entry does.
pub(crate) fn connect(layer: &mut Layer, nodes: &Nodes, space: Space<'_>) {
    let mut scratch = WalkScratch::default();
    for _ in 0..ROUNDS {
        let changes =
            link_in(layer, nodes, space, &mut scratch) + link_out(layer, nodes, space, &mut scratch);
        if changes == 0 {
            return;
        }
    }
}

/// Searches for every node by its own vector, and links those that are not found to what was found instead. `hierarchy` leads
/// to where a search begins.
pub(crate) fn make_findable<'a>(
    layer: &mut Layer,
    nodes: &Nodes,
    space: Space<'_>,
    hierarchy: Hierarchy<impl Iterator<Item = Links<'a>> + Clone + Sync>,
    scratch: &Pooled<InsertScratch>,
) {
    let everyone: Vec<u32> = (0..node_id(layer.nodes())).collect();
    let mut unsure = everyone.clone();
    let mut replaced = false;
    for round in 0..ROUNDS {
        let search = |&node: &u32| {
            scratch.with(|InsertScratch { walk, query, .. }| {
                let query = nodes.query(node, query);
                let from = hierarchy.clone().entry(space, query, walk);
                walk.beam(space, layer.links(), query, from, FINDABLE);
                let itself = walk.nearest_of(space, query, &[node]);
                let found = walk.pool.keys().first().is_some_and(|first| first.distance() <= itself.1);
                (!found).then(|| (node, walk.pool.keys().to_vec()))
            })
        };
        let missed: Vec<(u32, Vec<Key>)> =
            layer.workers().map(&unsure, search).into_iter().flatten().collect();
        for (node, found) in &missed {
            replaced |= link_from(layer, found, *node, round);
        }
        unsure = missed.into_iter().map(|(node, _)| node).collect();
        if unsure.is_empty() {
            if !replaced {
                return;
            }
            (unsure, replaced) = (everyone.clone(), false);
        }
    }
}

/// Links to a node from the nearest of some that has room; if all are full, from any, not always the same,
/// in the place of another link. Returns whether that was so.
fn link_from(layer: &mut Layer, near: &[Key], node: u32, round: usize) -> bool {
    let roomy = near.iter().find(|key| layer.list(key.node()).len() < layer.degree());
    if let Some(from) = roomy.or(near.get((node as usize + round) % near.len().max(1))) {
        layer.link(from.node(), Key::new(from.distance(), node));
    }
    roomy.is_none()
}

/// Links to every node that cannot be reached from the first, from the nearest that can. Returns how many there were.
fn link_in(layer: &mut Layer, nodes: &Nodes, space: Space<'_>, scratch: &mut WalkScratch) -> usize {
    let mut reached = Reached::new(layer.nodes());
    reached.spread(0, |node| layer.list(node).iter().copied());
    let mut changes = 0;
    for node in 0..node_id(layer.nodes()) {
        if reached.has(node) {
            continue;
        }
        let near = nearest(layer, nodes, space, node, scratch);
        link_from(layer, &near, node, 0);
        reached.spread(node, |node| layer.list(node).iter().copied());
        changes += 1;
    }
    changes
}

/// Links from every node that cannot reach the first, to the nearest that can. Returns how many there were.
fn link_out(layer: &mut Layer, nodes: &Nodes, space: Space<'_>, scratch: &mut WalkScratch) -> usize {
    let reverse = Reverse::of(layer);
    let mut reaching = Reached::new(layer.nodes());
    reaching.spread(0, |node| reverse.of_node(node));
    let mut changes = 0;
    for node in 0..node_id(layer.nodes()) {
        if reaching.has(node) {
            continue;
        }
        let near = nearest(layer, nodes, space, node, scratch);
        let Some(&to) = near.iter().find(|key| reaching.has(key.node())) else { continue };
        layer.link(node, to);
        reaching.spread(node, |node| reverse.of_node(node));
        changes += 1;
    }
    changes
}

/// The nearest nodes that a beam from the first finds.
fn nearest(layer: &Layer, nodes: &Nodes, space: Space<'_>, node: u32, scratch: &mut WalkScratch) -> Vec<Key> {
    let mut room = QueryRoom::default();
    let query = nodes.query(node, &mut room);
    let from = scratch.nearest_of(space, query, &[0]);
    scratch.beam(space, layer.links(), query, from, WIDTH);
    scratch.pool.keys().iter().map(|key| key.unexpanded()).filter(|key| key.node() != node).collect()
}

/// The nodes that a walk has come to.
struct Reached {
    marks: Vec<bool>,
    waiting: Vec<u32>,
}

impl Reached {
    fn new(nodes: usize) -> Self {
        Self { marks: vec![false; nodes], waiting: Vec::new() }
    }

    fn has(&self, node: u32) -> bool {
        self.marks[node as usize]
    }

    /// Walks on from a node.
    fn spread<I: Iterator<Item = u32>>(&mut self, from: u32, next: impl Fn(u32) -> I) {
        let mut reach = |node: u32, waiting: &mut Vec<u32>| {
            if !std::mem::replace(&mut self.marks[node as usize], true) {
                waiting.push(node);
            }
        };
        reach(from, &mut self.waiting);
        while let Some(node) = self.waiting.pop() {
            for other in next(node) {
                reach(other, &mut self.waiting);
            }
        }
    }
}

/// The links of a layer, turned around.
struct Reverse {
    starts: Vec<usize>,
    sources: Vec<u32>,
}

impl Reverse {
    fn of(layer: &Layer) -> Self {
        let nodes = node_id(layer.nodes());
        let mut ends = vec![0; layer.nodes() + 1];
        for target in (0..nodes).flat_map(|node| layer.list(node)) {
            ends[*target as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total;
        }
        // Filled from behind, so that every end becomes a start.
        let mut sources = vec![0; total];
        for node in 0..nodes {
            for &target in layer.list(node) {
                let end = &mut ends[target as usize];
                *end -= 1;
                sources[*end] = node;
            }
        }
        Self { starts: ends, sources }
    }

    fn of_node(&self, node: u32) -> impl Iterator<Item = u32> {
        self.sources[self.starts[node as usize]..self.starts[node as usize + 1]].iter().copied()
    }
}
