//! Vectors that are copied together, so that many of them can be compared with many.

use std::ops::Range;

use bytemuck::Zeroable;

use super::links::NONE;
use crate::codes::layout::{
    Aligned, Line, PANEL, codes_mut, groups, lines, panels, put_in_panel, walks_by_whole_codes,
};
use crate::codes::query::{QueryRef, QueryRoom, QueryTerms, Terms};
use crate::codes::sums::sum_of;
use crate::kernel::{Kernel, PLACES, Row};
use crate::node::node_id;
use crate::space::Nodes;

/// So many vectors are compared with others at a time: their codes stay in the first cache. Whole panels.
const AT_ONCE: usize = 4 * PANEL;
/// After so many others, what is near enough is decided anew.
const STEP: usize = 128;

/// Nodes lie anywhere: while one is copied, that which comes so many later is fetched.
const NODES_AHEAD: usize = 4;

/// The most that a part of a code can be; see [`Kernel::products`].
const PART_MAX: u8 = 63;
/// Into so many parts, whose sum it is, a code is divided that is compared exactly.
const PARTS: usize = 5;

/// Some vectors, each as a query and as what queries are compared with.
///
/// Codes of many dimensions lose the lower two of their eight bits, half a step in 32: a walk sees fewer. Those of few dimensions are
/// divided into parts, each of which is multiplied with the same codes of the query.
#[derive(Debug, Default)]
pub(super) struct Rows {
    queries: Vec<Aligned>,
    /// Panels of parts, the last of which may have more rows than there are.
    panels: Vec<Aligned>,
    terms: Vec<QueryTerms>,
    a: Vec<f32>,
    b: Vec<f32>,
    /// Lines of a row.
    stride: usize,
    /// Whether queries have been shortened.
    are_short: bool,
}

impl Rows {
    /// Copies some nodes, in the place of what was there.
    pub(super) fn gather(&mut self, nodes: &Nodes, ids: &[u32]) {
        let dimension = nodes.quantizer().dimension();
        let is_exact = walks_by_whole_codes(dimension);
        let copies = if is_exact { PARTS } else { 1 };
        self.stride = groups(dimension) * copies;
        self.are_short = !is_exact;
        self.terms.clear();
        self.a.clear();
        self.b.clear();
        self.queries.resize(ids.len() * self.stride, Aligned::zeroed());
        self.panels.resize(ids.len().next_multiple_of(PANEL) * self.stride, Aligned::zeroed());
        let (mut room, mut stored) = (QueryRoom::default(), vec![0; dimension]);
        let mut parts = vec![0; self.stride * size_of::<Line>()];
        for (at, &id) in ids.iter().enumerate() {
            if let Some(&later) = ids.get(at + NODES_AHEAD) {
                nodes.prefetch(later);
            }
            let (query, terms) = (nodes.query(id, &mut room), nodes.terms()[id as usize]);
            let codes = if nodes.is_calibrated() {
                nodes.planes().as_ref().unpack(id, &mut stored);
                &stored
            } else {
                &query.codes.lines.as_flattened()[..dimension]
            };
            let queries = codes_mut(&mut self.queries[at * self.stride..(at + 1) * self.stride]);
            if is_exact {
                divide(codes, &mut parts);
            } else {
                upper_bits(codes, &mut parts);
            }
            self.terms.push(put_query(query, is_exact, queries));
            put_in_panel(&parts, &mut self.panels, at);
            self.a.push(terms.a);
            self.b.push(terms.b);
        }
    }

    /// Copies some queries, in the place of what was there; nothing is compared with them.
    pub(super) fn gather_queries<'q>(&mut self, nodes: &Nodes, queries: impl Iterator<Item = QueryRef<'q>>) {
        self.gather(nodes, &[]);
        for query in queries {
            let first = self.queries.len();
            self.queries.resize(first + self.stride, Aligned::zeroed());
            self.terms.push(put_query(query, !self.are_short, codes_mut(&mut self.queries[first..])));
        }
    }

    /// Makes all as long as each other, under the dot product, so that none is the nearest of most others.
    pub(super) fn normalize(&mut self, kernel: Kernel) {
        let mut dots = Vec::new();
        for at in 0..self.terms.len() {
            self.products(kernel, at..at + 1, self, at / PANEL * PANEL, &mut dots);
            let squared = -self.terms[at].distance(dots[at % PANEL], Terms { a: self.a[at], b: self.b[at] });
            let length = squared.max(f32::MIN_POSITIVE).sqrt();
            self.a[at] /= length;
            self.b[at] /= length;
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
            for (at, dots) in (first..).zip(dots.chunks_exact(self.filled() - first)) {
                for begin in (at + 1..count).step_by(STEP) {
                    let columns = begin..count.min(begin + STEP);
                    let limits = &nearest.limits[columns.clone()];
                    let row = self.row(&dots[begin - first..][..columns.len()], columns, limits);
                    found.clear();
                    kernel.nearer(self.terms[at], row, nearest.limits[at], found);
                    for &(other, distance) in &*found {
                        nearest.insert(kernel, at, begin + other, distance);
                        nearest.insert(kernel, begin + other, at, distance);
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
            for (at, dots) in (first..).zip(dots.chunks_exact(others.filled())) {
                for begin in (0..count).step_by(STEP) {
                    let columns = begin..count.min(begin + STEP);
                    let limits = &[f32::NEG_INFINITY; STEP][..columns.len()];
                    let row = others.row(&dots[columns.clone()], columns, limits);
                    found.clear();
                    kernel.nearer(self.terms[at], row, nearest.limits[at], found);
                    for &(other, distance) in &*found {
                        nearest.insert(kernel, at, base + begin + other, distance);
                    }
                }
            }
        }
    }

    /// The dot products of some with as many others from `from` on, where a panel begins, as fill their panels.
    fn products(&self, kernel: Kernel, which: Range<usize>, others: &Self, from: usize, dots: &mut Vec<i32>) {
        dots.resize(which.len() * (others.filled() - from), 0);
        let queries = &lines(&self.queries)[which.start * self.stride..which.end * self.stride];
        let panels = panels(&others.panels[from * self.stride..]);
        kernel.products(queries, self.are_short, panels, self.stride, dots);
    }

    /// How many rows the panels have room for.
    fn filled(&self) -> usize {
        self.terms.len().next_multiple_of(PANEL)
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
///
/// A list is as [`Kernel::insert`] wants it.
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
        let stride = self.stride();
        self.distances.resize(count * stride, f32::INFINITY);
        self.distances.iter_mut().step_by(stride).for_each(|before| *before = f32::NEG_INFINITY);
        self.limits.resize(count, f32::INFINITY);
        self.others.clear();
        self.others.resize(count * stride, NONE);
    }

    fn stride(&self) -> usize {
        self.k.next_multiple_of(PLACES) + 1
    }

    fn insert(&mut self, kernel: Kernel, at: usize, other: usize, distance: f32) {
        if distance >= self.limits[at] {
            return;
        }
        let list = at * self.stride()..(at + 1) * self.stride();
        let (distances, others) = (&mut self.distances[list.clone()], &mut self.others[list]);
        kernel.insert(distances, others, distance, node_id(other));
        self.limits[at] = distances[self.k];
    }

    /// The positions of the nearest `k` of every vector, one after the other; [`NONE`] for what is missing.
    pub(super) fn others(&self) -> impl Iterator<Item = u32> {
        self.others.chunks_exact(self.stride()).flat_map(|list| list[1..=self.k].iter().copied())
    }
}

/// Writes the codes of a query as rows are compared with them, and returns its factors.
fn put_query(query: QueryRef<'_>, is_exact: bool, queries: &mut [i8]) -> QueryTerms {
    let asked = query.codes.lines.as_flattened();
    if is_exact {
        queries.chunks_exact_mut(asked.len()).for_each(|copy| copy.copy_from_slice(asked));
        return of_parts(query.terms, query.codes.sum, [1.0, 1.0], 128.0);
    }
    of_parts(query.terms, shorten(asked, queries), [4.0, 4.0], 126.5)
}

/// Codes without their lower two bits.
fn upper_bits(codes: &[i8], parts: &mut [u8]) {
    parts[codes.len()..].fill(0);
    for (part, &code) in parts.iter_mut().zip(codes) {
        *part = (code.cast_unsigned() ^ 128) >> 2;
    }
}

/// Codes as sums of parts, each part of all before the next.
fn divide(codes: &[i8], parts: &mut [u8]) {
    let len = parts.len() / PARTS;
    parts.fill(0);
    for (at, &code) in codes.iter().enumerate() {
        let mut rest = code.cast_unsigned() ^ 128;
        for part in parts[at..].iter_mut().step_by(len) {
            let some = rest.min(PART_MAX);
            *part = some;
            rest -= some;
        }
    }
}

/// Codes of a query in steps of four, rounded to the nearest, of two to the even one: at most 32. Returns their sum.
fn shorten(codes: &[i8], short: &mut [i8]) -> i32 {
    for (short, &code) in short.iter_mut().zip(codes) {
        let (quarter, rest) = (code >> 2, code & 3);
        *short = quarter + i8::from(rest + (quarter & 1) > 2);
    }
    sum_of(short)
}

/// The factors of a query whose products are with parts: its codes are `units[0]` times what they are there, whose sum is given, and codes are `units[1]` times
/// a part, less `zero`.
#[expect(clippy::cast_precision_loss, reason = "one rounding of an exact integer, the same on every machine")]
fn of_parts(terms: QueryTerms, sum: i32, units: [f32; 2], zero: f32) -> QueryTerms {
    QueryTerms {
        offset: terms.offset - terms.scale * (zero * units[0] * sum as f32),
        scale: terms.scale * (units[0] * units[1]),
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
                    for ((node, found), among) in order.iter().zip(each.chunks(9)).zip(among.chunks(9)) {
                        let (found, among) = (&found[1..6], &among[1..7]);
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
