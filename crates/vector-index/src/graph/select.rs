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
    /// Candidates that no neighbour is nearer to so far.
    left: Vec<Key>,
    nodes: Vec<u32>,
    dots: Dots,
    query: QueryRoom,
    pub(crate) kept: Vec<Key>,
}

impl Selector {
    /// Puts into `kept` at most `degree` of the candidates, which are in ascending order of their distance from a node and do not
    /// contain it.
    ///
    /// Each that is kept is compared with all that are left, so that none is compared after it has fallen; by the high planes of those, half the bytes, which
    /// is as good a rule.
    pub(crate) fn select(
        &mut self,
        nodes: &Nodes,
        space: Space<'_>,
        candidates: &[Key],
        degree: usize,
        alpha: f32,
    ) {
        let Self { left, nodes: others, dots, query, kept } = self;
        kept.clear();
        left.clear();
        left.extend_from_slice(candidates);
        // A factor means nothing for distances that may be negative.
        let alpha = if nodes.quantizer().metric() == Metric::Dot { 1.0 } else { alpha };
        while let Some((&next, rest)) = left.split_first() {
            kept.push(next);
            if kept.len() >= degree {
                break;
            }
            others.clear();
            others.extend(rest.iter().map(|key| key.node()));
            let (mut at, mut len) = (0, 0);
            space.rough_distances(nodes.query(next.node(), query), others, dots, |_, distance| {
                at += 1;
                let candidate = left[at];
                let is_occluded = distance * alpha < candidate.distance();
                if !is_occluded {
                    left[len] = candidate;
                    len += 1;
                }
            });
            left.truncate(len);
        }
    }
}
