//! Walking a graph towards a query: the greedy descent and the beam. Used by the builder on lists that grow, and by the reader on
//! bytes. Distances here are rough: those of the high plane of the codes.
//!
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
//! graphs", 2016: algorithms 2 and 5.

use super::links::{Links, NONE};
use super::pool::Pool;
use super::visited::Visited;
use crate::codes::query::QueryRef;
use crate::kernel::BitPlanes;
use crate::sketch::outline::Looked;
use crate::space::{Dots, Space};

/// Of how many more nodes lists that lie far away are fetched together: a beam expands nearly all that it finds so near.
pub(crate) const SOON: usize = 15;

/// Nodes that a walk of a search expands at a time.
pub(crate) const AT_ONCE: usize = 3;

/// A node whose own vector is walked for is as good as found when it would be among this part of the pool.
const SURE: usize = 4;

/// The node whose own vector is walked for, if there is one.
#[derive(Debug)]
struct Wanted {
    node: u32,
    /// Its distance, as rough as a walk compares it.
    distance: f32,
    /// Whether the walk has come to a list with it.
    was_seen: bool,
}

impl Wanted {
    fn new(node: u32, from: u32, space: Space<'_>, query: QueryRef<'_>, dots: &mut Dots) -> Self {
        let mut wanted = Self { node, distance: f32::INFINITY, was_seen: node == from };
        if node != NONE {
            space.rough_distances(query, &[node], dots, |_, distance| wanted.distance = distance);
        }
        wanted
    }

    #[inline]
    fn look_in(&mut self, neighbours: &[u32]) {
        self.was_seen |= self.node != NONE && neighbours.contains(&self.node);
    }

    #[inline]
    fn is_as_good_as_found(&self, pool: &Pool, ef: usize) -> bool {
        self.was_seen && pool.keys().get(ef / SURE).is_none_or(|key| key.distance() > self.distance)
    }
}

/// What a search needs besides the graph, kept from one to the next: no search allocates once these have grown.
#[derive(Debug, Default)]
pub(crate) struct WalkScratch {
    pub(crate) pool: Pool,
    pub(crate) visited: Visited,
    pub(crate) fresh: Vec<u32>,
    /// The neighbours of a node.
    pub(crate) list: Vec<u32>,
    /// Nodes that may be near enough to be compared.
    pub(crate) near: Vec<u32>,
    /// Nodes that are not, as far as is known.
    pub(crate) excluded: Vec<u32>,
    /// The query of a walk that looks at outlines.
    pub(crate) by_bits: Vec<BitPlanes>,
    pub(crate) dots: Dots,
    pub(crate) hops: u64,
    pub(crate) distances: u64,
}

impl WalkScratch {
    pub(crate) fn heap_bytes(&self) -> usize {
        let nodes =
            self.fresh.capacity() + self.list.capacity() + self.near.capacity() + self.excluded.capacity();
        let by_bits = self.by_bits.capacity() * size_of::<BitPlanes>();
        self.pool.heap_bytes() + self.visited.heap_bytes() + nodes * size_of::<u32>() + by_bits
    }

    /// The nearest of the first `nodes` nodes, and its distance. `nodes` is at least 1.
    pub(crate) fn nearest_of_first(
        &mut self,
        space: Space<'_>,
        query: QueryRef<'_>,
        nodes: u32,
    ) -> (u32, f32) {
        let mut all = std::mem::take(&mut self.fresh);
        all.clear();
        all.extend(0..nodes);
        let nearest = self.nearest_of(space, query, &all);
        self.fresh = all;
        nearest
    }

    /// The nearest of some nodes, of which there is at least one, and its distance.
    pub(crate) fn nearest_of(&mut self, space: Space<'_>, query: QueryRef<'_>, nodes: &[u32]) -> (u32, f32) {
        self.distances += nodes.len() as u64;
        let mut best = (nodes[0], f32::INFINITY);
        space.rough_distances(query, nodes, &mut self.dots, |node, distance| {
            if distance < best.1 {
                best = (node, distance);
            }
        });
        best
    }

    /// Whether the pool holds a node that is at most as far from a query as this one is, by the whole codes.
    pub(crate) fn finds_as_near(&mut self, space: Space<'_>, query: QueryRef<'_>, node: u32) -> bool {
        let mut own = f32::INFINITY;
        space.distances(query, &[node], &mut self.dots, |_, distance| own = distance);
        self.fresh.clear();
        self.fresh.extend(self.pool.keys().iter().map(|key| key.node()));
        let mut found = false;
        space.distances(query, &self.fresh, &mut self.dots, |_, distance| found |= distance <= own);
        found
    }

    /// Goes from a node to its nearest neighbour as long as that is nearer. Each step is nearer than the one before, so it ends
    /// whatever the links say.
    pub(crate) fn descend(
        &mut self,
        space: Space<'_>,
        links: Links<'_>,
        query: QueryRef<'_>,
        mut best: (u32, f32),
    ) -> (u32, f32) {
        let space = links.space(space);
        loop {
            let from = best.0;
            self.fresh.clear();
            self.fresh.extend_from_slice(links.neighbours(from, &mut self.list));
            self.hops += 1;
            self.distances += self.fresh.len() as u64;
            space.rough_distances(query, &self.fresh, &mut self.dots, |node, distance| {
                if distance < best.1 {
                    best = (node, distance);
                }
            });
            if best.0 == from {
                return best;
            }
        }
    }

    /// Collects in `pool` the best nodes that a beam of width `ef` finds from a node on.
    pub(crate) fn beam(
        &mut self,
        space: Space<'_>,
        links: Links<'_>,
        query: QueryRef<'_>,
        from: (u32, f32),
        ef: usize,
    ) {
        self.beam_to(space, links, query, from, ef, NONE);
    }

    /// The same for the vector of the node `to`. Ends and returns true as soon as a list has that node and so few in the pool are nearer that it would stay there; the node is not put
    /// into the pool then. [`NONE`] is no node.
    pub(crate) fn beam_to(
        &mut self,
        space: Space<'_>,
        links: Links<'_>,
        query: QueryRef<'_>,
        from: (u32, f32),
        ef: usize,
        to: u32,
    ) -> bool {
        self.visited.start(links.nodes());
        self.go(space, links, query, from, ef, to)
    }

    /// The same, as if one of the nodes, from which the walk does not begin, were not there.
    pub(crate) fn beam_without(
        &mut self,
        space: Space<'_>,
        links: Links<'_>,
        query: QueryRef<'_>,
        from: (u32, f32),
        ef: usize,
        without: u32,
    ) {
        self.visited.start(links.nodes());
        self.visited.insert(without);
        self.go(space, links, query, from, ef, NONE);
    }

    /// Walks until the pool is expanded, or the node `to` is as good as found, and says which.
    fn go(
        &mut self,
        space: Space<'_>,
        links: Links<'_>,
        query: QueryRef<'_>,
        from: (u32, f32),
        ef: usize,
        to: u32,
    ) -> bool {
        if space.walks_ahead {
            return self.go_ahead(space, links, query, from, ef, to);
        }
        let Self { pool, visited, fresh, list, dots, hops, distances, .. } = self;
        let space = links.space(space);
        pool.start(ef);
        visited.insert(from.0);
        pool.insert(from.1, from.0);
        let mut wanted = Wanted::new(to, from.0, space, query, dots);
        while let Some(node) = pool.expand() {
            links.fetch(node, pool.soon(SOON));
            fresh.clear();
            let neighbours = links.with_end(node, list);
            wanted.look_in(neighbours);
            if wanted.is_as_good_as_found(pool, ef) {
                return true;
            }
            visited.insert_all(neighbours, fresh);
            *hops += 1;
            *distances += fresh.len() as u64;
            if let Some(next) = pool.next() {
                links.prefetch(next);
            }
            space.rough_distances(query, fresh, dots, |node, distance| pool.insert(distance, node));
        }
        false
    }

    /// The same, where several nodes are expanded at a time, and what they lead to is compared after the next have been: so what has to be fetched of some is on its way while others are
    /// dealt with. Where there are outlines, only neighbours that these do not exclude are compared.
    fn go_ahead(
        &mut self,
        space: Space<'_>,
        links: Links<'_>,
        query: QueryRef<'_>,
        from: (u32, f32),
        ef: usize,
        to: u32,
    ) -> bool {
        let Self { pool, visited, fresh, list, near, excluded, by_bits, dots, hops, distances } = self;
        let (outlines, space) = (space.outlines, links.space(space));
        let mut looked = Looked::of_walk(space.kernel, query, by_bits);
        pool.start(ef);
        visited.insert(from.0);
        pool.insert(from.1, from.0);
        near.clear();
        excluded.clear();
        let mut wanted = Wanted::new(to, from.0, space, query, dots);
        loop {
            let before = *hops;
            fresh.clear();
            for _ in 0..AT_ONCE {
                let Some(node) = pool.expand() else { break };
                // Most of what is expanded is found.
                space.prefetch_found(node);
                // Those of the next two are among what is fetched soon.
                if *hops == before {
                    links.fetch(node, pool.soon(SOON));
                }
                let (first, neighbours) = (fresh.len(), links.with_end(node, list));
                wanted.look_in(neighbours);
                visited.insert_all(neighbours, fresh);
                match outlines {
                    Some(outlines) => outlines.prefetch(&fresh[first..]),
                    None => space.prefetch(&fresh[first..]),
                }
                *hops += 1;
            }
            if *hops == before && near.is_empty() {
                return false;
            }
            if wanted.is_as_good_as_found(pool, ef) {
                return true;
            }
            *distances += near.len() as u64;
            let mut at = 0;
            space.rough_distances(query, near, dots, |node, distance| {
                looked.learn(at, pool.offer(distance, node));
                at += 1;
            });
            looked.adapt(excluded, fresh);
            pool.soon(AT_ONCE).for_each(|next| links.prefetch(next));
            match outlines {
                Some(outlines) => {
                    space.keep_near(outlines, &mut looked, pool.limit(), fresh, (near, excluded));
                }
                None => std::mem::swap(fresh, near),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_as_good_as_found_when_it_was_seen_and_few_are_nearer() {
        let mut pool = Pool::default();
        pool.start(16);
        let wanted = |was_seen| Wanted { node: 9, distance: 0.5, was_seen };
        pool.insert(0.9, 20);
        for (distance, node) in [0.1, 0.2, 0.3, 0.4].into_iter().zip(0..) {
            pool.insert(distance, node);
            assert!(
                wanted(true).is_as_good_as_found(&pool, 16) && !wanted(false).is_as_good_as_found(&pool, 16)
            );
        }
        pool.insert(0.45, 5);
        assert!(!wanted(true).is_as_good_as_found(&pool, 16), "five are nearer");
        let mut wanted = wanted(false);
        wanted.look_in(&[3, 4]);
        assert!(!wanted.was_seen);
        wanted.look_in(&[3, 9]);
        assert!(wanted.was_seen);
    }
}
