//! Vectors that are copied together, so that many of them can be compared with many.

use std::ops::Range;

use bytemuck::Zeroable;

use super::walk::NONE;
use crate::codes::layout::{Aligned, Line, codes_mut, groups, lines, walks_by_whole_codes};
use crate::codes::query::{QueryRoom, QueryTerms, Terms};
use crate::kernel::{Kernel, Row};
use crate::node::node_id;
use crate::space::Nodes;

/// So many vectors are compared with others at a time: their codes stay in the first cache.
const AT_ONCE: usize = 32;
/// After so many others, what is near enough is decided anew.
const STEP: usize = 128;

/// The most that a part of a code can be; see [`Kernel::products`].
const PART_MAX: u8 = 63;
/// Into so many parts, whose sum it is, a code is divided that is compared exactly.
const PARTS: usize = 5;

/// Some vectors, each as a query and as what queries are compared with.
///
/// Codes of many dimensions lose the lower two of their eight bits as the latter, half a step in 32: a walk sees fewer. Those of few dimensions are
/// divided into parts, each of which is multiplied with the same codes of the query.
#[derive(Debug, Default)]
pub(super) struct Rows {
    queries: Vec<Aligned>,
    parts: Vec<Aligned>,
    terms: Vec<QueryTerms>,
    a: Vec<f32>,
    b: Vec<f32>,
    /// Lines of a row.
    stride: usize,
}

impl Rows {
    /// Copies some nodes, in the place of what was there.
    pub(super) fn gather(&mut self, nodes: &Nodes, ids: &[u32]) {
        let dimension = nodes.quantizer().dimension();
        let is_exact = walks_by_whole_codes(dimension);
        let copies = if is_exact { PARTS } else { 1 };
        self.stride = groups(dimension) * copies;
        self.terms.clear();
        self.a.clear();
        self.b.clear();
        for lines in [&mut self.queries, &mut self.parts] {
            lines.resize(ids.len() * self.stride, Aligned::zeroed());
        }
        let (mut room, mut stored) = (QueryRoom::default(), vec![0; dimension]);
        for (at, &id) in ids.iter().enumerate() {
            let (query, terms) = (nodes.query(id, &mut room), nodes.terms()[id as usize]);
            let codes = if nodes.is_calibrated() {
                nodes.planes().as_ref().unpack(id, &mut stored);
                &stored
            } else {
                &query.codes.lines.as_flattened()[..dimension]
            };
            let row = at * self.stride..(at + 1) * self.stride;
            let parts = codes_mut(&mut self.parts[row.clone()]);
            let (unit, zero) = if is_exact {
                divide(codes, parts);
                (1.0, 128.0)
            } else {
                upper_bits(codes, parts);
                (4.0, 126.5)
            };
            for copy in
                codes_mut(&mut self.queries[row]).chunks_exact_mut(groups(dimension) * size_of::<Line>())
            {
                copy.copy_from_slice(query.codes.lines.as_flattened());
            }
            self.terms.push(of_parts(query.terms, query.codes.sum, unit, zero));
            self.a.push(terms.a);
            self.b.push(terms.b);
        }
    }

    /// Makes all as long as each other, under the dot product, so that none is the nearest of most others.
    pub(super) fn normalize(&mut self, kernel: Kernel) {
        for at in 0..self.terms.len() {
            let row = at * self.stride..(at + 1) * self.stride;
            let mut dot = [0];
            kernel.products(
                &lines(&self.queries)[row.clone()],
                &lines(&self.parts)[row],
                self.stride,
                &mut dot,
            );
            let squared = -self.terms[at].distance(dot[0], Terms { a: self.a[at], b: self.b[at] });
            self.b[at] /= squared.max(f32::MIN_POSITIVE).sqrt();
        }
    }

    /// The nearest `k` of each by position, but itself.
    pub(super) fn nearest_of_each_other<'r>(
        &self,
        kernel: Kernel,
        k: usize,
        room: &'r mut Room,
    ) -> &'r Nearest {
        let Room { dots, found, nearest } = room;
        let count = self.terms.len();
        nearest.start(count, k);
        for first in (0..count).step_by(AT_ONCE) {
            let len = AT_ONCE.min(count - first);
            self.products(kernel, first..first + len, self, first, dots);
            for (at, dots) in (first..).zip(dots.chunks_exact(count - first)) {
                for begin in (at + 1..count).step_by(STEP) {
                    let columns = begin..count.min(begin + STEP);
                    let limits = &nearest.limits[columns.clone()];
                    let row = self.row(&dots[begin - first..][..columns.len()], columns, limits);
                    found.clear();
                    kernel.nearer(self.terms[at], row, nearest.limits[at], found);
                    for &(other, distance) in &*found {
                        nearest.insert(at, begin + other, distance);
                        nearest.insert(begin + other, at, distance);
                    }
                }
            }
        }
        nearest
    }

    /// The nearest `k` of each among others, by position.
    pub(super) fn nearest_among<'r>(
        &self,
        kernel: Kernel,
        others: &Self,
        k: usize,
        room: &'r mut Room,
    ) -> &'r Nearest {
        room.nearest.start(self.terms.len(), k);
        self.look_among(kernel, others, 0, room);
        &room.nearest
    }

    /// The nearest `k` of each among all nodes, of which it is one, by node.
    pub(super) fn nearest_of_all<'r>(
        &self,
        kernel: Kernel,
        nodes: &Nodes,
        k: usize,
        room: &'r mut Room,
    ) -> &'r Nearest {
        room.nearest.start(self.terms.len(), k);
        let mut others = Self::default();
        for first in (0..nodes.len()).step_by(STEP) {
            let ids: Vec<u32> = (first..nodes.len().min(first + STEP)).map(node_id).collect();
            others.gather(nodes, &ids);
            self.look_among(kernel, &others, first, room);
        }
        &room.nearest
    }

    /// Looks for nearer ones among others, the first of which has the position `base`.
    fn look_among(&self, kernel: Kernel, others: &Self, base: usize, room: &mut Room) {
        let Room { dots, found, nearest } = room;
        let count = others.terms.len();
        for first in (0..self.terms.len()).step_by(AT_ONCE) {
            let len = AT_ONCE.min(self.terms.len() - first);
            self.products(kernel, first..first + len, others, 0, dots);
            for (at, dots) in (first..).zip(dots.chunks_exact(count)) {
                for begin in (0..count).step_by(STEP) {
                    let columns = begin..count.min(begin + STEP);
                    let limits = &[f32::NEG_INFINITY; STEP][..columns.len()];
                    let row = others.row(&dots[columns.clone()], columns, limits);
                    found.clear();
                    kernel.nearer(self.terms[at], row, nearest.limits[at], found);
                    for &(other, distance) in &*found {
                        nearest.insert(at, base + begin + other, distance);
                    }
                }
            }
        }
    }

    /// The dot products of some with others from `from` on.
    fn products(&self, kernel: Kernel, which: Range<usize>, others: &Self, from: usize, dots: &mut Vec<i32>) {
        dots.resize(which.len() * (others.terms.len() - from), 0);
        let queries = &lines(&self.queries)[which.start * self.stride..which.end * self.stride];
        kernel.products(queries, &lines(&others.parts)[from * self.stride..], self.stride, dots);
    }

    fn row<'a>(&'a self, dots: &'a [i32], columns: Range<usize>, limits: &'a [f32]) -> Row<'a> {
        Row { dots, a: &self.a[columns.clone()], b: &self.b[columns], limits }
    }
}

/// Room for comparing vectors.
#[derive(Debug, Default)]
pub(super) struct Room {
    dots: Vec<i32>,
    found: Vec<(usize, f32)>,
    nearest: Nearest,
}

/// The nearest `k` others of some vectors, in ascending order. Of those that are equally near, the first that came stays.
#[derive(Debug, Default)]
pub(super) struct Nearest {
    k: usize,
    distances: Vec<f32>,
    others: Vec<u32>,
    /// The distance from which on an other is not among them.
    limits: Vec<f32>,
}

impl Nearest {
    fn start(&mut self, count: usize, k: usize) {
        self.k = k;
        for distances in [&mut self.distances, &mut self.limits] {
            distances.clear();
        }
        self.distances.resize(count * k, f32::INFINITY);
        self.limits.resize(count, f32::INFINITY);
        self.others.clear();
        self.others.resize(count * k, NONE);
    }

    fn insert(&mut self, at: usize, other: usize, distance: f32) {
        if distance >= self.limits[at] {
            return;
        }
        let list = at * self.k..(at + 1) * self.k;
        let (distances, others) = (&mut self.distances[list.clone()], &mut self.others[list]);
        // Every place gets what it has, what is before it, or the new one, without branches.
        for slot in (1..self.k).rev() {
            let (before, is_after) = (distances[slot - 1], distances[slot] > distance);
            let other_before = if before > distance { others[slot - 1] } else { node_id(other) };
            others[slot] = if is_after { other_before } else { others[slot] };
            distances[slot] = distances[slot].min(before.max(distance));
        }
        if distances[0] > distance {
            (distances[0], others[0]) = (distance, node_id(other));
        }
        self.limits[at] = distances[self.k - 1];
    }

    /// The positions of the nearest `k` of every vector, one after the other; [`NONE`] for what is missing.
    pub(super) fn others(&self) -> impl Iterator<Item = u32> {
        self.others.iter().copied()
    }
}

/// Codes without their lower two bits.
fn upper_bits(codes: &[i8], parts: &mut [i8]) {
    parts[codes.len()..].fill(0);
    for (part, &code) in parts.iter_mut().zip(codes) {
        *part = ((code.cast_unsigned() ^ 128) >> 2).cast_signed();
    }
}

/// Codes as sums of parts, each part of all before the next.
fn divide(codes: &[i8], parts: &mut [i8]) {
    let len = parts.len() / PARTS;
    parts.fill(0);
    for (at, &code) in codes.iter().enumerate() {
        let mut rest = code.cast_unsigned() ^ 128;
        for part in parts[at..].iter_mut().step_by(len) {
            let some = rest.min(PART_MAX);
            *part = some.cast_signed();
            rest -= some;
        }
    }
}

/// The factors of a query whose products are with parts: codes are `unit` times a part, less `zero`.
#[expect(clippy::cast_precision_loss, reason = "one rounding of an exact integer, the same on every machine")]
fn of_parts(terms: QueryTerms, sum: i32, unit: f32, zero: f32) -> QueryTerms {
    QueryTerms {
        offset: terms.offset - terms.scale * (zero * sum as f32),
        scale: terms.scale * unit,
        ..terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Codes;
    use crate::workers::Workers;
    use crate::{Int8Quantizer, Metric};

    fn vectors(count: usize, dimension: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 2_654_435_761) >> 7) % 2_001;
        (0..count * dimension).map(|i| f32::from(u16::try_from(value(i)).unwrap()) - 700.0).collect()
    }

    /// The distances of a node from all others, ascending.
    fn distances(nodes: &Nodes, node: u32) -> Vec<f32> {
        let (mut room, others) =
            (QueryRoom::default(), (0..node_id(nodes.len())).filter(|&other| other != node));
        let others: Vec<u32> = others.collect();
        let mut all = Vec::new();
        let (query, space) = (nodes.query(node, &mut room), nodes.space(Kernel::detect()));
        space.distances(query, &others, &mut crate::space::Dots::default(), |_, distance| all.push(distance));
        all.sort_by(f32::total_cmp);
        all
    }

    /// A pair is compared once, with the one as a query: if calibrated, it is as far from the other only nearly.
    #[test]
    fn of_few_dimensions_the_nearest_are_exact_and_of_many_nearly_so() {
        let kernel = Kernel::detect();
        for (dimension, count, allowed) in [(1, 40, 1e-5), (64, 170, 1e-5), (65, 200, 0.01), (300, 90, 0.01)]
        {
            let all = vectors(count, dimension);
            for metric in Metric::ALL {
                let calibrated = Int8Quantizer::calibrated(metric, dimension, &all).unwrap();
                for quantizer in [Int8Quantizer::new(metric, dimension).unwrap(), calibrated] {
                    let mut codes = Codes::new(quantizer);
                    codes.push_all(0, &all).unwrap();
                    let order: Vec<u32> = (0..node_id(count)).collect();
                    let nodes = codes.permuted(&order, Workers::Caller);
                    let (mut rows, mut room) = (Rows::default(), Room::default());
                    rows.gather(&nodes, &order);
                    let each = rows.nearest_of_each_other(kernel, 5, &mut room).distances.clone();
                    let among = &rows.nearest_among(kernel, &rows, 6, &mut room).distances;
                    for ((node, found), among) in order.iter().zip(each.chunks(5)).zip(among.chunks(6)) {
                        let expected = distances(&nodes, *node);
                        let allowed = if nodes.is_calibrated() { 0.01f32.max(allowed) } else { allowed };
                        let size = expected.iter().fold(0.0f32, |size, distance| size.max(distance.abs()));
                        for (found, expected) in found.iter().zip(&expected) {
                            let off = (found - expected).abs() / size;
                            assert!(off <= allowed, "{metric} {dimension} {node}: {found} {expected}");
                        }
                        assert!(
                            among.is_sorted()
                                && (metric == Metric::Dot || among[5] <= found[4] + allowed * size)
                        );
                    }
                }
            }
        }
    }
}
