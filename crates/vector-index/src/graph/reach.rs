//! How far away what a walk finds may be for the graph to be known to lead to all that is near: measured with queries that are unlike all vectors.
//!
//! Links lead to what is near some vector. What is nearest to a query far from all of them, such as the opposite of one, or one of another model, need not be near any.

use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer};
use super::links::{Links, NONE};
use super::partition::mix;
use super::rows::{Room, Rows};
use super::walk::WalkScratch;
use crate::codes::layout::{self, Aligned, codes_mut, groups};
use crate::codes::query::{QueryCodes, QueryRef, QueryRoom, QueryTerms};
use crate::metric::{Metric, dot};
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};
use crate::widths::{RANK, Reach, USUAL, Widths, length, reaches};

use bytemuck::Zeroable;

/// The nearest are looked for among so many, which are the nearest by the upper bits of the codes.
pub(super) const SHORTLIST: usize = 64;

/// A graph in which the usual search finds less than this part of what is near leads nowhere.
const MIN_USUAL: f64 = 0.95;
/// Scans make up for the rest where less than this part of what is near strangers is found.
const MIN_FOUND: f64 = 0.97;
/// For strangers that are as near as vectors are one in so many usual searches may end with a scan.
const SCANNED: [usize; 4] = [100, 40, 20, 10];

/// A query that is unlike all vectors.
#[derive(Debug)]
pub(super) struct Stranger {
    codes: Vec<Aligned>,
    terms: QueryTerms,
    /// The distance of the last of its nearest, and how many these are.
    last: f32,
    count: usize,
}

impl Stranger {
    /// The opposite of a node.
    fn opposite(nodes: &Nodes, node: u32, room: &mut QueryRoom) -> Self {
        let query = nodes.query(node, room);
        let mut codes = vec![Aligned::zeroed(); groups(nodes.quantizer().dimension())];
        codes_mut(&mut codes).copy_from_slice(query.codes.lines.as_flattened());
        let QueryTerms { base, offset, scale } = query.terms;
        Self { codes, terms: QueryTerms { base, offset: -offset, scale: -scale }, last: 0.0, count: 0 }
    }

    /// A vector in any direction, or along an axis, as long as a node; under L2, where it matters, also four times as long.
    fn random(nodes: &Nodes, (number, node): (usize, u32), is_axis: bool, room: &mut Vec<i8>) -> Self {
        let dimension = nodes.quantizer().dimension();
        let noise = |at: u64| {
            #[expect(clippy::cast_possible_truncation, reason = "some of the bits")]
            let bits = mix(at, node) as u16;
            f32::from(bits) / 32_767.5 - 1.0
        };
        let axis = (is_axis && dimension > 1).then(|| mix(0, node) % dimension as u64);
        let mut vector: Vec<f32> = (0..dimension as u64)
            .map(|at| if axis.is_none_or(|axis| axis == at) { noise(at) } else { 0.0 })
            .collect();
        let length = |vector: &[f32]| dot(vector, vector).sqrt();
        let times = if nodes.quantizer().metric() == Metric::L2 && number % 2 == 1 { 4.0 } else { 1.0 };
        let factor = times * length(&nodes.values(node, room)) / length(&vector);
        if factor.is_normal() {
            for value in &mut vector {
                *value *= factor;
            }
        }
        let mut codes = vec![Aligned::zeroed(); groups(dimension)];
        let terms = nodes.quantizer().encode_query(&vector, &mut codes_mut(&mut codes)[..dimension]);
        Self { codes, terms, last: 0.0, count: 0 }
    }

    fn query(&self) -> QueryRef<'_> {
        QueryRef::exact(QueryCodes::new(layout::lines(&self.codes)), self.terms)
    }
}

/// Queries made of some nodes, with the nearest of each.
pub(super) fn strangers(nodes: &Nodes, space: Space<'_>, sources: &[u32]) -> Vec<Stranger> {
    let (mut room, mut codes) = (QueryRoom::default(), Vec::new());
    let mut strangers: Vec<Stranger> =
        sources.iter().map(|&node| Stranger::opposite(nodes, node, &mut room)).collect();
    for is_axis in [false, true] {
        let some = sources.iter().copied().enumerate();
        strangers.extend(some.map(|source| Stranger::random(nodes, source, is_axis, &mut codes)));
    }
    find_nearest(nodes, space, &mut strangers);
    strangers
}

/// Finds how far the nearest of each are, by a scan.
fn find_nearest(nodes: &Nodes, space: Space<'_>, strangers: &mut [Stranger]) {
    let (mut rows, mut room, mut walk) = (Rows::default(), Room::default(), WalkScratch::default());
    rows.gather_queries(nodes, strangers.iter().map(Stranger::query));
    let found: Vec<u32> = rows.nearest_of_all(space.kernel, nodes, SHORTLIST, &mut room).others().collect();
    for (stranger, found) in strangers.iter_mut().zip(found.chunks_exact(SHORTLIST)) {
        let found: Vec<u32> = found.iter().copied().filter(|&node| node != NONE).collect();
        let distances = walk.distances_of(space, stranger.query(), &found);
        stranger.count = distances.len().min(RANK);
        stranger.last = distances.get(..RANK).unwrap_or(&distances).last().copied().unwrap_or_default();
    }
}

/// What a walk towards a query found.
struct Found {
    /// Of what is as near as its nearest.
    count: usize,
    wanted: usize,
    /// How far away the walk ended.
    distance: f32,
}

/// Up to how far from a query a graph leads to all that is near, where searches are as wide as is usual. `sample` has nodes that stand for queries like what is stored.
pub(crate) fn reach<'a>(
    layer: &Layer,
    nodes: &Nodes,
    space: Space<'_>,
    (hierarchy, widths): (&Hierarchy<impl Iterator<Item = Links<'a>> + Clone + Sync>, Widths),
    (strangers, sample): (&[Stranger], &[u32]),
    scratch: &Pooled<InsertScratch>,
) -> Reach {
    let width = widths.usual();
    if widths.reaching(MIN_USUAL).is_none_or(|least| least > width) {
        return Reach::up_to(f32::NEG_INFINITY);
    }
    let metric = nodes.quantizer().metric();
    let tenth = |walk: &WalkScratch, query: QueryRef<'_>| {
        let keys = walk.pool.keys();
        let tenth = keys.get(RANK - 1).or(keys.last()).map_or(f32::INFINITY, |key| key.distance());
        Some(tenth / length(metric, query)).filter(|distance| distance.is_finite())
    };
    let strange = |stranger: &Stranger| {
        scratch.with(|InsertScratch { walk, .. }| {
            let query = stranger.query();
            let from = hierarchy.clone().entry(space, query, walk);
            walk.beam(space, layer.links(), query, from, width);
            let distance = tenth(walk, query);
            let found: Vec<u32> = walk.pool.keys().iter().map(|key| key.node()).collect();
            let distances = walk.distances_of(space, query, &found);
            let count = distances.iter().filter(|&&distance| distance <= stranger.last).count();
            let (wanted, distance) = (stranger.count, distance.unwrap_or(f32::INFINITY));
            Found { count: count.min(wanted), wanted, distance }
        })
    };
    let strange: Vec<Found> = strangers.iter().map(strange).collect();
    let (found, wanted) =
        strange.iter().fold((0, 0), |sum, found| (sum.0 + found.count, sum.1 + found.wanted));
    if reaches(found, wanted, USUAL) {
        return Reach::default();
    }
    let usual = sample.iter().filter_map(|&node| {
        scratch.with(|InsertScratch { walk, query, .. }| {
            let query = nodes.query(node, query);
            let from = hierarchy.clone().entry(space, query, walk);
            walk.beam_without(space, layer.links(), query, from, width, node);
            tenth(walk, query)
        })
    });
    between(usual.collect(), &strange)
}

/// The distance beyond all usual ones, by no more than half of these are within the last, up to which enough of what there is to find for strangers is found, as scans find all beyond. Where these are
/// as near as vectors are, it is less, but of [`SCANNED`] as many usual searches at most.
fn between(mut usual: Vec<f32>, strange: &[Found]) -> Reach {
    usual.sort_unstable_by(f32::total_cmp);
    let (Some(&middle), Some(&last)) = (usual.get(usual.len() / 2), usual.last()) else {
        return Reach::default();
    };
    let nearest = strange.iter().map(|found| found.distance).fold(f32::INFINITY, f32::min);
    let spread = last - middle;
    let beyond = last + ((nearest - last) / 2.0).clamp(spread / 4.0, spread);
    let within = SCANNED.map(|part| usual[usual.len() - 1 - usual.len() / part]);
    let is_enough = |reach: f32| {
        let found = |found: &Found| if found.distance > reach { found.wanted } else { found.count };
        reaches(strange.iter().map(found).sum(), strange.iter().map(|found| found.wanted).sum(), MIN_FOUND)
    };
    let reach = [beyond].into_iter().chain(within).find(|&reach| is_enough(reach));
    let reach = reach.unwrap_or(within[within.len() - 1]);
    if reach.is_finite() { Reach::up_to(reach) } else { Reach::default() }
}

impl WalkScratch {
    /// The distances of some nodes from a query by the whole codes, ascending.
    fn distances_of(&mut self, space: Space<'_>, query: QueryRef<'_>, nodes: &[u32]) -> Vec<f32> {
        let mut all = Vec::with_capacity(nodes.len());
        space.distances(query, nodes, &mut self.dots, |_, distance| all.push(distance));
        all.sort_unstable_by(f32::total_cmp);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(usual: Vec<f32>, strange: &[(usize, f32)]) -> f32 {
        let strange: Vec<Found> =
            strange.iter().map(|&(count, distance)| Found { count, wanted: 10, distance }).collect();
        f32::from_bits(between(usual, &strange).0)
    }

    #[test]
    fn a_graph_leads_a_little_farther_than_to_what_usual_queries_find() {
        let usual: Vec<f32> = (0..=100u8).map(|at| f32::from(at) / 100.0).collect();
        assert_eq!(reach(usual.clone(), &[(3, 1.5), (0, 2.0)]).to_bits(), 1.25f32.to_bits(), "half way");
        assert_eq!(reach(usual.clone(), &[(3, 9.0)]).to_bits(), 1.5f32.to_bits(), "no farther than that");
        assert_eq!(
            reach(usual, &[(10, 1.0), (0, 2.0)]).to_bits(),
            1.125f32.to_bits(),
            "strangers that are found"
        );
    }

    #[test]
    fn for_strangers_as_near_as_vectors_a_tenth_of_usual_searches_are_scans_at_most() {
        let usual: Vec<f32> = (0..=100u8).map(|at| f32::from(at) / 100.0).collect();
        assert_eq!(reach(usual.clone(), &[(0, 0.98), (10, 0.5)]).to_bits(), 0.95f32.to_bits());
        assert_eq!(reach(usual, &[(0, 0.3)]).to_bits(), 0.9f32.to_bits());
    }
}
