//! Which of the candidates become neighbours, and why.
//!
//! The heuristic of HNSW (algorithm 4 of Malkov and Yashunin) with the slack of Vamana (Subramanya et al., "`DiskANN`", 2019): a
//! candidate is left out if a nearer one that was kept is nearer to it than the node itself, by a factor of `alpha`.

use super::pool::Key;
use crate::codes::query::QueryRoom;
use crate::metric::Metric;
use crate::space::{Dots, Nodes, Space};

/// Selects neighbours; keeps its scratch.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    nodes: Vec<u32>,
    dots: Dots,
    query: QueryRoom,
    pub(crate) kept: Vec<Key>,
}

/// Kept neighbours are compared so many at a time: most candidates fall to one of the first.
const AT_ONCE: usize = 8;

impl Selector {
    /// Puts into `kept` at most `degree` of the candidates, which are in ascending order of their distance from a node and do not
    /// contain it.
    pub(crate) fn select(
        &mut self,
        nodes: &Nodes,
        space: Space<'_>,
        candidates: &[Key],
        degree: usize,
        alpha: f32,
    ) {
        self.kept.clear();
        self.nodes.clear();
        // A factor means nothing for distances that may be negative.
        let alpha = if nodes.quantizer().metric() == Metric::Dot { 1.0 } else { alpha };
        for &candidate in candidates {
            if self.kept.len() == degree {
                break;
            }
            if !self.is_occluded(nodes, space, candidate, alpha) {
                self.kept.push(candidate);
                self.nodes.push(candidate.node());
            }
        }
    }

    fn is_occluded(&mut self, nodes: &Nodes, space: Space<'_>, candidate: Key, alpha: f32) -> bool {
        let query = nodes.query(candidate.node(), &mut self.query);
        self.nodes.chunks(AT_ONCE).any(|kept| {
            let mut occluded = false;
            space.distances(query, kept, &mut self.dots, |_, distance| {
                occluded |= distance * alpha < candidate.distance();
            });
            occluded
        })
    }
}
