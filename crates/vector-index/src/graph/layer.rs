//! One layer of a graph while it grows.

use rayon::prelude::*;

use super::links::{Links, NONE};
use super::pool::Key;
use super::select::Selector;
use super::walk::WalkScratch;
use crate::codes::query::QueryRoom;
use crate::node::node_id;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};
use crate::workers::Workers;

/// How a layer is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerOptions {
    /// Neighbours of a node at most.
    pub(crate) degree: usize,
    pub(crate) ef_construction: usize,
    pub(crate) alpha: f32,
    pub(crate) workers: Workers,
}

/// The lists of neighbours of the first nodes of a graph.
///
/// Nodes are inserted in batches, by all threads: each node of a batch searches the graph as it was before the batch, then
/// the new links and their reverses are merged list by list (as in `ParlayANN`, Dobson et al., 2023). Nothing depends on which
/// thread did what, so the same input gives the same lists.
///
/// A list has room for half as many again as it may keep in the end, so that it is pruned once in a while and not for each
/// link that arrives.
#[derive(Debug)]
pub(crate) struct Layer {
    options: LayerOptions,
    room: usize,
    ids: Vec<u32>,
    distances: Vec<f32>,
    lens: Vec<u16>,
}

/// A node that waits to be inserted, and where the search for its neighbours begins: a node that was inserted in an earlier
/// batch. Only the nodes of the very first batch have no such.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) node: u32,
    pub(crate) entry: Option<u32>,
}

/// A link that some list is to get: the node whose list it is, and what it gets.
type NewLink = (u32, Key);

/// While a layer has fewer nodes, those of a batch are many beside them, and look at each other too.
const FEW: usize = 1024;

/// Nodes that choose all at once choose this part of the neighbours that they may have, so that there is room for those that choose them.
const FIRST: (usize, usize) = (5, 8);
/// They choose from the nearest so many, should a node have more candidates at once.
const CANDIDATES_MAX: usize = 128;

/// Reverse links of all nodes are merged in so many parts, which takes less memory than at once.
const SLICES: usize = 4;

/// Lists that one task merges links into.
const LISTS_PER_TASK: usize = 512;

impl Layer {
    pub(crate) fn new(nodes: usize, options: LayerOptions) -> Self {
        let room = options.degree + options.degree.div_ceil(2);
        let lists = nodes * room;
        Self { options, room, ids: vec![NONE; lists], distances: vec![0.0; lists], lens: vec![0; nodes] }
    }

    pub(crate) fn links(&self) -> Links<'_> {
        Links::new(&self.ids, self.room)
    }

    /// Inserts nodes into a layer that holds `done` others, or none.
    pub(crate) fn insert(
        &mut self,
        nodes: &Nodes,
        space: Space<'_>,
        done: usize,
        batch: &[Pending],
        scratch: &Pooled<InsertScratch>,
    ) {
        let ids: Vec<u32> = batch.iter().map(|pending| pending.node).collect();
        let peers = if done < FEW { &ids[..] } else { &[] };
        let choose =
            |pending: &Pending| scratch.with(|scratch| self.choose(nodes, space, pending, peers, scratch));
        let chosen: Vec<Vec<Key>> = self.options.workers.map(batch, choose);
        let mut reverse: Vec<NewLink> = Vec::with_capacity(chosen.iter().map(Vec::len).sum());
        for (&node, chosen) in ids.iter().zip(&chosen) {
            reverse.extend(chosen.iter().map(|key| (key.node(), Key::new(key.distance(), node))));
            self.set(node, chosen);
        }
        self.options.workers.sort_unstable(&mut reverse);
        self.merge(nodes, space, &reverse, scratch);
    }

    fn choose(
        &self,
        nodes: &Nodes,
        space: Space<'_>,
        &Pending { node, entry }: &Pending,
        peers: &[u32],
        scratch: &mut InsertScratch,
    ) -> Vec<Key> {
        let InsertScratch { walk, selector, candidates, query: room } = scratch;
        let query = nodes.query(node, room);
        walk.fresh.clear();
        if let Some(entry) = entry {
            let from = walk.nearest_of(space, query, &[entry]);
            walk.beam(space, self.links(), query, from, self.options.ef_construction);
            walk.fresh.clear();
            walk.fresh.extend(walk.pool.keys().iter().map(|key| key.node()));
        }
        // Neighbours in the same batch, which the graph does not know yet.
        walk.pool.start(self.options.degree);
        space.rough_distances(query, peers, &mut walk.dots, |other, distance| {
            if other != node {
                walk.pool.insert(distance, other);
            }
        });
        walk.fresh.extend(walk.pool.keys().iter().map(|key| key.node()));
        candidates.clear();
        space.distances(query, &walk.fresh, &mut walk.dots, |other, distance| {
            candidates.push(Key::new(distance, other));
        });
        sort_by_key(candidates);
        selector.select(nodes, space, candidates, self.options.degree, self.options.alpha);
        selector.kept.clone()
    }

    /// Gives all nodes neighbours of their candidates, at once.
    pub(crate) fn choose_all(
        &mut self,
        nodes: &Nodes,
        space: Space<'_>,
        of_node: impl Fn(u32, &mut Vec<u32>) + Sync,
        scratch: &Pooled<InsertScratch>,
    ) {
        let (room, options) = (self.room, self.options);
        let first = options.degree * FIRST.0 / FIRST.1;
        self.for_each_task(|begin, mut lists| {
            scratch.with(|InsertScratch { walk, selector, candidates, query }| {
                for at in 0..lists.lens.len() {
                    let node = node_id(begin + at);
                    of_node(node, &mut walk.fresh);
                    candidates.clear();
                    let query = nodes.query(node, query);
                    space.distances(query, &walk.fresh, &mut walk.dots, |other, distance| {
                        candidates.push(Key::new(distance, other));
                    });
                    sort_by_key(candidates);
                    candidates.truncate(CANDIDATES_MAX);
                    selector.select(nodes, space, candidates, first, options.alpha);
                    lists.list(at, room).set(&selector.kept);
                }
            });
        });
    }

    /// Adds to every list those in whose lists the node is.
    pub(crate) fn link_back(&mut self, nodes: &Nodes, space: Space<'_>, scratch: &Pooled<InsertScratch>) {
        let mut links: Vec<Key> = Vec::with_capacity(self.lens.iter().map(|&len| usize::from(len)).sum());
        let lens = self.lens.clone();
        for (list, &len) in lens.iter().enumerate() {
            let list = list * self.room..list * self.room + usize::from(len);
            let keys = self.ids[list.clone()].iter().zip(&self.distances[list]);
            links.extend(keys.map(|(&id, &distance)| Key::new(distance, id)));
        }
        let mut rest = &links[..];
        let tasks = (0..).step_by(LISTS_PER_TASK).zip(lens.chunks(LISTS_PER_TASK)).map(|(begin, lens)| {
            let (some, later) = rest.split_at(lens.iter().map(|&len| usize::from(len)).sum());
            rest = later;
            (begin, lens, some)
        });
        let tasks: Vec<(u32, &[u16], &[Key])> = tasks.collect();
        let slice = node_id(self.nodes().div_ceil(SLICES).max(1));
        for first in (0..node_id(self.nodes())).step_by(slice as usize) {
            let reverse_of = |task: &(u32, &[u16], &[Key])| {
                let &(begin, lens, mut rest) = task;
                let mut reverse: Vec<NewLink> = Vec::new();
                for (node, &len) in (begin..).zip(lens) {
                    let (list, later) = rest.split_at(len.into());
                    let within = list.iter().filter(|key| (first..first + slice).contains(&key.node()));
                    reverse.extend(within.map(|key| (key.node(), Key::new(key.distance(), node))));
                    rest = later;
                }
                reverse
            };
            let mut reverse = self.options.workers.map(&tasks, reverse_of).concat();
            self.options.workers.sort_unstable(&mut reverse);
            self.merge(nodes, space, &reverse, scratch);
        }
    }

    fn set(&mut self, node: u32, list: &[Key]) {
        let at = node as usize;
        let all = Lists { ids: &mut self.ids, distances: &mut self.distances, lens: &mut self.lens };
        { all }.list(at, self.room).set(list);
    }

    /// Adds links to lists, and prunes those that overflow. `links` are sorted.
    fn merge(&mut self, nodes: &Nodes, space: Space<'_>, links: &[NewLink], scratch: &Pooled<InsertScratch>) {
        let (room, options) = (self.room, self.options);
        self.for_each_task(|first, mut lists| {
            let start = links.partition_point(|&(node, _)| (node as usize) < first);
            let end = links.partition_point(|&(node, _)| (node as usize) < first + lists.lens.len());
            scratch.with(|scratch| {
                for group in links[start..end].chunk_by(|a, b| a.0 == b.0) {
                    let list = lists.list(group[0].0 as usize - first, room);
                    merge_list(nodes, space, list, group, options, scratch);
                }
            });
        });
    }

    /// Prunes every list to what it may keep, the nearest first.
    pub(crate) fn finish(&mut self, nodes: &Nodes, space: Space<'_>, scratch: &Pooled<InsertScratch>) {
        let (room, options) = (self.room, self.options);
        self.for_each_task(|_, mut lists| {
            scratch.with(|scratch| {
                for at in 0..lists.lens.len() {
                    finish_list(nodes, space, lists.list(at, room), options, scratch);
                }
            });
        });
    }

    /// Hands all lists to `work`, some at a time, with the node of the first.
    fn for_each_task(&mut self, work: impl Fn(usize, Lists<'_>) + Sync + Send) {
        let entries = LISTS_PER_TASK * self.room;
        let (ids, distances, lens) = (&mut self.ids[..], &mut self.distances[..], &mut self.lens[..]);
        match self.options.workers {
            Workers::Caller => {
                let lists = ids.chunks_mut(entries).zip(distances.chunks_mut(entries));
                for (task, ((ids, distances), lens)) in lists.zip(lens.chunks_mut(LISTS_PER_TASK)).enumerate()
                {
                    work(task * LISTS_PER_TASK, Lists { ids, distances, lens });
                }
            }
            Workers::Pool => {
                let lists = ids.par_chunks_mut(entries).zip(distances.par_chunks_mut(entries));
                let tasks = lists.zip(lens.par_chunks_mut(LISTS_PER_TASK)).enumerate();
                tasks.with_max_len(1).for_each(|(task, ((ids, distances), lens))| {
                    work(task * LISTS_PER_TASK, Lists { ids, distances, lens });
                });
            }
        }
    }

    pub(crate) fn list(&self, node: u32) -> &[u32] {
        &self.ids[node as usize * self.room..][..self.lens[node as usize].into()]
    }

    pub(crate) fn degree(&self) -> usize {
        self.options.degree
    }

    pub(crate) fn workers(&self) -> Workers {
        self.options.workers
    }

    pub(crate) fn nodes(&self) -> usize {
        self.lens.len()
    }

    /// Sets the lists of the first nodes, whose distances are not known.
    pub(crate) fn seed(
        &mut self,
        nodes: &Nodes,
        space: Space<'_>,
        which: &[u32],
        lists: impl Fn(u32) -> Vec<u32> + Sync,
        scratch: &Pooled<InsertScratch>,
    ) {
        let options = self.options;
        let seeded: Vec<Vec<Key>> = options.workers.map(which, |&node| {
            scratch.with(|InsertScratch { walk, selector, candidates, query }| {
                candidates.clear();
                let list = lists(node);
                space.distances(nodes.query(node, query), &list, &mut walk.dots, |other, distance| {
                    if other != node {
                        candidates.push(Key::new(distance, other));
                    }
                });
                sort_by_key(candidates);
                if candidates.len() > options.degree {
                    selector.select(nodes, space, candidates, options.degree, options.alpha);
                    candidates.clone_from(&selector.kept);
                }
                candidates.clone()
            })
        });
        for (&node, list) in which.iter().zip(&seeded) {
            self.set(node, list);
        }
    }

    /// Puts a link in a slot of a finished list: in the place of another, or behind the last if there is room.
    pub(crate) fn link(&mut self, node: u32, slot: usize, key: Key) {
        let at = node as usize * self.room + slot;
        (self.ids[at], self.distances[at]) = (key.node(), key.distance());
        self.lens[node as usize] = self.lens[node as usize].max(list_len(slot + 1));
    }
}

/// Some lists, lent to one task.
struct Lists<'a> {
    ids: &'a mut [u32],
    distances: &'a mut [f32],
    lens: &'a mut [u16],
}

struct List<'a> {
    ids: &'a mut [u32],
    distances: &'a mut [f32],
    len: &'a mut u16,
}

impl List<'_> {
    fn keys(&self) -> impl Iterator<Item = Key> {
        let len = usize::from(*self.len);
        self.ids[..len].iter().zip(&self.distances[..len]).map(|(&id, &distance)| Key::new(distance, id))
    }

    fn set(self, list: &[Key]) {
        for ((id, distance), key) in self.ids.iter_mut().zip(self.distances).zip(list) {
            (*id, *distance) = (key.node(), key.distance());
        }
        self.ids[list.len()..].fill(NONE);
        *self.len = list_len(list.len());
    }
}

impl Lists<'_> {
    fn list(&mut self, at: usize, room: usize) -> List<'_> {
        List {
            ids: &mut self.ids[at * room..][..room],
            distances: &mut self.distances[at * room..][..room],
            len: &mut self.lens[at],
        }
    }
}

/// What one thread needs to insert nodes.
#[derive(Debug, Default)]
pub(crate) struct InsertScratch {
    pub(crate) walk: WalkScratch,
    selector: Selector,
    candidates: Vec<Key>,
    pub(crate) query: QueryRoom,
}

/// Adds links to a list, and prunes it if it overflows.
fn merge_list(
    nodes: &Nodes,
    space: Space<'_>,
    list: List<'_>,
    links: &[NewLink],
    options: LayerOptions,
    scratch: &mut InsertScratch,
) {
    let len = usize::from(*list.len);
    let InsertScratch { selector, candidates, .. } = scratch;
    candidates.clear();
    let is_new = |&&(_, key): &&NewLink| !list.ids[..len].contains(&key.node());
    candidates.extend(links.iter().filter(is_new).map(|&(_, key)| key));
    if len + candidates.len() <= list.ids.len() {
        for (i, key) in candidates.iter().enumerate() {
            (list.ids[len + i], list.distances[len + i]) = (key.node(), key.distance());
        }
        *list.len = list_len(len + candidates.len());
        return;
    }
    candidates.extend(list.keys());
    sort_by_key(candidates);
    selector.select(nodes, space, candidates, options.degree, options.alpha);
    list.set(&selector.kept);
}

fn finish_list(
    nodes: &Nodes,
    space: Space<'_>,
    list: List<'_>,
    options: LayerOptions,
    InsertScratch { selector, candidates, .. }: &mut InsertScratch,
) {
    candidates.clear();
    candidates.extend(list.keys());
    sort_by_key(candidates);
    if candidates.len() > options.degree {
        selector.select(nodes, space, candidates, options.degree, options.alpha);
        list.set(&selector.kept);
    } else {
        list.set(candidates);
    }
}

fn sort_by_key(keys: &mut [Key]) {
    keys.sort_unstable_by_key(|key| key.unexpanded());
}

fn list_len(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
