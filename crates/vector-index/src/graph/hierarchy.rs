//! The way from the top of a graph down to its lowest layer.

use super::links::Links;
use super::walk::WalkScratch;
use crate::codes::query::QueryRef;
use crate::space::Space;

/// The upper layers: the first `top` nodes, all looked at, then layers of links, the highest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hierarchy<L> {
    pub(crate) top: u32,
    pub(crate) uppers: L,
}

impl<'a, L: Iterator<Item = Links<'a>>> Hierarchy<L> {
    /// Where to begin in the layer below: the nearest node of the lowest upper layer, as far as a greedy descent finds it.
    pub(crate) fn entry(
        self,
        space: Space<'_>,
        query: QueryRef<'_>,
        scratch: &mut WalkScratch,
    ) -> (u32, f32) {
        let nearest = scratch.nearest_of_first(space, query, self.top);
        self.uppers.fold(nearest, |best, links| scratch.descend(space, links, query, best))
    }
}
