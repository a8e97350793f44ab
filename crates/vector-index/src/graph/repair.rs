//! Every node is reachable from every other, and found by its own vector: what pruning cut off is linked again.

use std::collections::{HashSet, VecDeque};

use super::layer::{InsertScratch, Layer};
use super::links::NONE;
use super::pool::Key;
use super::walk::WalkScratch;
use crate::codes::query::QueryRoom;
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};

/// How wide the beam is that looks for a neighbour with room for one more link.
const WIDTH: usize = 64;
/// Every vector is found by a search of this width for itself, ...
const SELF_SEARCH_WIDTH: usize = 16;
/// ... after so many rounds of linking it to what is found instead. What is not found then is *hidden*.
const ROUNDS: usize = 16;

/// Adds links until every node can be reached from the first, and the first from every node; then any entry does.
pub(crate) fn connect<'l>(layer: &'l mut Layer, nodes: &Nodes, space: Space<'_>) -> Connected<'l> {
    let none = vec![NONE; layer.nodes()];
    let mut connected = Connected { layer, from: none.clone(), onward: none.clone(), shown_by: none };
    let mut scratch = WalkScratch::default();
    connected.reach_all(nodes, space, &mut scratch);
    connected.lead_back_all(nodes, space, &mut scratch);
    connected
}

/// A layer, and which of its links are needed to reach every node. The others may be replaced.
///
/// Of a node that is not reached, some list of the nodes reached has a slot to spare: of `n` nodes that are reached, `n - 1` links are
/// needed, and lists have room for two at least. Of a node that leads to no such as leads back to the first, what it leads to is a tree of needed links and
/// others, and the list of a leaf of that tree has a slot to spare. So each step links a node for good, and there are as many steps as nodes at most.
#[derive(Debug)]
pub(crate) struct Connected<'l> {
    layer: &'l mut Layer,
    /// The node whose link to this one is part of the way from the first.
    from: Vec<u32>,
    /// The neighbour that is next on the way to the first.
    onward: Vec<u32>,
    /// The node whose link to this one makes it findable.
    shown_by: Vec<u32>,
}

impl Connected<'_> {
    /// Searches for every node by its own vector, and links those that are not found to what was found instead. `entries` are
    /// where the searches begin. Returns the nodes that are still not found, ascending.
    pub(crate) fn make_findable(
        mut self,
        nodes: &Nodes,
        space: Space<'_>,
        entries: &[u32],
        scratch: &Pooled<InsertScratch>,
    ) -> Vec<u32> {
        let everyone: Vec<u32> = (0..node_id(self.layer.nodes())).collect();
        let mut unsure = everyone.clone();
        let mut replaced = false;
        for round in 0..ROUNDS {
            let missed = self.missed(nodes, space, entries, scratch, &unsure);
            for (node, found) in &missed {
                replaced |= self.link_from(found, *node, round);
            }
            unsure = missed.into_iter().map(|(node, _)| node).collect();
            if unsure.is_empty() {
                if !replaced {
                    return unsure;
                }
                (unsure, replaced) = (everyone.clone(), false);
            }
        }
        let missed = self.missed(nodes, space, entries, scratch, &everyone);
        missed.into_iter().map(|(node, _)| node).collect()
    }

    /// Which nodes a search for their own vectors does not find, nor another as near, and what it finds.
    fn missed(
        &self,
        nodes: &Nodes,
        space: Space<'_>,
        entries: &[u32],
        scratch: &Pooled<InsertScratch>,
        unsure: &[u32],
    ) -> Vec<(u32, Vec<Key>)> {
        let search = |&node: &u32| {
            scratch.with(|InsertScratch { walk, query, .. }| {
                let query = nodes.query(node, query);
                let from = walk.nearest_of(space, query, &entries[node as usize..][..1]);
                let found = walk.beam_to(space, self.layer.links(), query, from, SELF_SEARCH_WIDTH, node)
                    || walk.pool.keys().iter().any(|key| key.node() == node)
                    || walk.finds_as_near(space, query, node);
                (!found).then(|| (node, walk.pool.keys().iter().map(|key| key.unexpanded()).collect()))
            })
        };
        self.layer.workers().map(unsure, search).into_iter().flatten().collect()
    }

    /// Links to a node from the nearest of some that has room; if all are full, from any, not always the same,
    /// in the place of a link that is not needed. Returns whether that was so.
    fn link_from(&mut self, near: &[Key], node: u32, round: usize) -> bool {
        let roomy = near.iter().position(|key| self.layer.list(key.node()).len() < self.layer.degree());
        let first = roomy.unwrap_or((node as usize + round) % near.len().max(1));
        let spare = (0..near.len())
            .map(|i| near[(first + i) % near.len()])
            .find_map(|key| Some((key, self.spare_slot(key.node())?)));
        let Some((key, slot)) = spare else { return false };
        self.layer.link(key.node(), slot, Key::new(key.distance(), node));
        self.shown_by[node as usize] = key.node();
        roomy.is_none()
    }

    /// A slot of the list of a node that is free, or has a link that is not needed: the last such.
    fn spare_slot(&self, node: u32) -> Option<usize> {
        let list = self.layer.list(node);
        if list.len() < self.layer.degree() {
            return Some(list.len());
        }
        let is_needed = |to: u32| {
            let at = to as usize;
            self.from[at] == node || self.shown_by[at] == node || self.onward[node as usize] == to
        };
        list.iter().rposition(|&to| !is_needed(to))
    }

    fn is_reached(&self, node: u32) -> bool {
        node == 0 || self.from[node as usize] != NONE
    }

    fn leads_back(&self, node: u32) -> bool {
        node == 0 || self.onward[node as usize] != NONE
    }

    /// Links to every node that cannot be reached from the first, from the nearest that can.
    fn reach_all(&mut self, nodes: &Nodes, space: Space<'_>, scratch: &mut WalkScratch) {
        self.reach_on(0);
        for node in 0..node_id(self.layer.nodes()) {
            if self.is_reached(node) {
                continue;
            }
            let near = nearest(self.layer, nodes, space, node, scratch);
            let roomy =
                near.iter().copied().filter(|key| self.layer.list(key.node()).len() < self.layer.degree());
            let far = (0..node_id(self.layer.nodes())).filter(|&other| self.is_reached(other));
            let mut candidates =
                roomy.chain(near.iter().copied()).chain(far.map(|other| Key::new(f32::INFINITY, other)));
            let Some((key, slot)) = candidates.find_map(|key| Some((key, self.spare_slot(key.node())?)))
            else {
                continue; // cannot be: see the type
            };
            self.layer.link(key.node(), slot, Key::new(key.distance(), node));
            self.from[node as usize] = key.node();
            self.reach_on(node);
        }
    }

    /// Marks what can be reached from a node.
    fn reach_on(&mut self, node: u32) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            for &next in self.layer.list(node) {
                if !self.is_reached(next) {
                    self.from[next as usize] = node;
                    pending.push(next);
                }
            }
        }
    }

    /// Links from every node that cannot reach the first, or from one that it reaches, to the nearest that can.
    fn lead_back_all(&mut self, nodes: &Nodes, space: Space<'_>, scratch: &mut WalkScratch) {
        let reverse = Reverse::new(self.layer);
        self.lead_back_to(0, &reverse);
        for node in 0..node_id(self.layer.nodes()) {
            while !self.leads_back(node) {
                let Some((from, slot)) = self.spare_slot_beyond(node) else { break }; // cannot be: see the type
                let near = nearest(self.layer, nodes, space, from, scratch);
                let to = near.iter().copied().find(|key| self.leads_back(key.node()));
                let to = to.unwrap_or(Key::new(f32::INFINITY, 0));
                self.layer.link(from, slot, to);
                self.onward[from as usize] = to.node();
                self.lead_back_to(from, &reverse);
            }
        }
    }

    /// A spare slot of the first list that has one, of a node and those that can be reached from it.
    fn spare_slot_beyond(&self, node: u32) -> Option<(u32, usize)> {
        let mut seen = HashSet::from([node]);
        let mut pending = VecDeque::from([node]);
        while let Some(node) = pending.pop_front() {
            if let Some(slot) = self.spare_slot(node) {
                return Some((node, slot));
            }
            pending.extend(self.layer.list(node).iter().filter(|&&next| seen.insert(next)));
        }
        None
    }

    /// Marks what leads to a node that leads back.
    fn lead_back_to(&mut self, node: u32, reverse: &Reverse) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            for before in reverse.of_node(node) {
                if !self.leads_back(before) {
                    self.onward[before as usize] = node;
                    pending.push(before);
                }
            }
        }
    }
}

/// The nearest nodes that a beam from the first finds.
fn nearest(layer: &Layer, nodes: &Nodes, space: Space<'_>, node: u32, scratch: &mut WalkScratch) -> Vec<Key> {
    let mut room = QueryRoom::default();
    let query = nodes.query(node, &mut room);
    let from = scratch.nearest_of(space, query, &[0]);
    scratch.beam(space, layer.links(), query, from, WIDTH);
    scratch.pool.keys().iter().map(|key| key.unexpanded()).filter(|key| key.node() != node).collect()
}

/// The links of a layer, turned around.
struct Reverse {
    starts: Vec<usize>,
    sources: Vec<u32>,
}

impl Reverse {
    fn new(layer: &Layer) -> Self {
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
