//! The signs of codes by node, with what estimates of distances are made of: what a walk looks at before it compares codes.
//!
//! A walk waits for memory. The signs of a vector are a quarter of its high nibbles, and with them its estimate ([`sketch`](super)) lies in one line of the
//! cache up to 384 dimensions. Most neighbours of a node are so much farther away than what a walk keeps that this is all of them it has to see.

use super::layout::{Facts, Outlines, Word, row_len, sign_byte};
use super::spread;
use crate::codes::layout::groups;
use crate::codes::planes::Planes;
use crate::codes::query::{QueryRef, Terms};
use crate::codes::sums::squared_sum;
use crate::graph::pool::Key;
use crate::kernel::{BitPlanes, Estimates, Kernel};

/// An estimate that is so many deviations of its error beyond what is kept is not looked into, as long as that loses little. That some near ones are lost is made good by how little each
/// costs: with twice as many, a width finds a thousandth more, for a twentieth more distances.
const DEVIATIONS: f32 = 0.3;
/// The same of a scan, which meets each but once: of a thousand errors, one is so large to the side that counts.
const DEVIATIONS_OF_SCAN: f32 = 3.0;
/// Of what is excluded so many are compared all the same, ...
const FIRST: usize = 16;
/// ... and then one of so many.
const ONE_OF: usize = 32;
/// So many of these that are near enough are no chance.
const FEW: u32 = 3;
/// So many of what was excluded, about, are looked at once more if that was wrong.
const REMEMBERED: usize = 128;
/// Of what a scan tries estimates with, one of so many may be nearer than they say.
const MAY_BE_NEARER: usize = 16;
/// If so much room for errors as this gives is not enough, outlines rule out nothing.
const ROUNDS: usize = 4;

impl Outlines<'_> {
    /// Leaves in `near` those of some nodes that may be nearer to a query than `limit`, in order, and behind them some others, to see whether these are not. The first
    /// who are neither come behind `excluded`.
    pub(crate) fn keep_near(
        self,
        kernel: Kernel,
        looked: &mut Looked<'_>,
        limit: f32,
        nodes: &[u32],
        (near, excluded): (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        let before = excluded.len();
        near.resize(nodes.len(), 0);
        excluded.resize(before + nodes.len(), 0);
        let estimates = looked.estimates(limit);
        let kept = kernel.keep_near(estimates, self, nodes, (&mut *near, &mut excluded[before..]));
        let others = before + nodes.len() - kept;
        near.truncate(kept);
        looked.is_limited = limit < f32::INFINITY;
        looked.kept_now = kept;
        let first = looked.excluded;
        looked.excluded += others - before;
        let now = &excluded[before..others];
        near.extend(&now[..FIRST.saturating_sub(first).min(now.len())]);
        near.extend(now.iter().skip(ONE_OF - 1 - first % ONE_OF).step_by(ONE_OF));
        // As long as all are remembered, their places are their numbers.
        excluded.truncate(if first < REMEMBERED { others } else { before });
    }
}

/// Whether the one of this number among those excluded is compared all the same.
fn is_tried(number: usize) -> bool {
    number < FIRST || number % ONE_OF == ONE_OF - 1
}

/// A query that is compared with outlines, and how far these can be trusted.
///
/// Estimates are right on average for queries that are to vectors as vectors are to each other. Where signs tell little, as those of vectors without negative values, and a query lies
/// elsewhere, all may be wrong to the same side. So some of what they exclude is compared as well: if it is near enough a quarter as often as what they let through,
/// they are given more room, and tried anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looked<'a> {
    query: QueryRef<'a>,
    by_bits: &'a [BitPlanes],
    /// What errors are multiplied by, for a deviation.
    length: f32,
    deviations: f32,
    /// Of the last nodes, so many were let through, by a limit.
    kept_now: usize,
    is_limited: bool,
    excluded: usize,
    /// Of what was excluded and let through, so many were compared, ...
    compared: [u32; 2],
    /// ... and so many of these were near enough.
    near: [u32; 2],
}

impl<'a> Looked<'a> {
    /// For a walk.
    pub(crate) fn of_walk(kernel: Kernel, query: QueryRef<'a>, room: &'a mut Vec<BitPlanes>) -> Self {
        Self::new(kernel, query, DEVIATIONS, room)
    }

    /// For a scan.
    pub(crate) fn of_scan(kernel: Kernel, query: QueryRef<'a>, room: &'a mut Vec<BitPlanes>) -> Self {
        Self::new(kernel, query, DEVIATIONS_OF_SCAN, room)
    }

    #[expect(clippy::cast_precision_loss, reason = "a length")]
    fn new(kernel: Kernel, query: QueryRef<'a>, deviations: f32, room: &'a mut Vec<BitPlanes>) -> Self {
        kernel.by_bits(query.codes.lines, room);
        let squared = squared_sum(query.codes.lines.as_flattened()) as f32;
        let length = query.terms.scale.abs() * squared.sqrt();
        let (kept_now, is_limited, excluded, compared, near) = Default::default();
        let by_bits = &room[..];
        Self { query, by_bits, length, deviations, kept_now, is_limited, excluded, compared, near }
    }

    /// Gives estimates more room as long as many of some nodes are nearer than they say, by the distances of their codes.
    pub(crate) fn try_with(&mut self, kernel: Kernel, outlines: Outlines<'_>, known: &[Key]) {
        let is_nearer = |looked: &Self, key: &Key| {
            let estimates = looked.estimates(key.distance());
            kernel.keep_near(estimates, outlines, &[key.node()], (&mut [0], &mut [0])) == 0
        };
        let mut rounds = 0;
        while known.iter().filter(|key| is_nearer(self, key)).count() > known.len() / MAY_BE_NEARER {
            rounds += 1;
            self.deviations = if rounds < ROUNDS { 4.0 * (self.deviations + 1.0) } else { f32::INFINITY };
        }
    }

    fn estimates(&self, limit: f32) -> Estimates<'a> {
        let QueryRef { codes, terms, .. } = self.query;
        Estimates { codes, by_bits: self.by_bits, terms, length: self.length * self.deviations, limit }
    }

    /// That the one at a position among the last nodes was compared, and whether it was near enough.
    #[inline]
    pub(crate) fn learn(&mut self, at: usize, is_near: bool) {
        if self.is_limited {
            let kind = usize::from(at < self.kept_now);
            self.compared[kind] += 1;
            self.near[kind] += u32::from(is_near);
        }
    }

    /// After all of the last nodes were compared: gives more room if too much was excluded, and puts what is remembered of that behind the nodes that are looked at next.
    pub(crate) fn adapt(&mut self, remembered: &mut Vec<u32>, next: &mut Vec<u32>) {
        let [missed, taken] = self.near;
        let [excluded, kept] = self.compared;
        let is_often =
            u64::from(missed) * 4 * u64::from(kept.max(1)) > u64::from(taken) * u64::from(excluded);
        let is_wrong = missed >= FEW && is_often;
        if is_wrong {
            self.deviations = 4.0 * (self.deviations + 1.0);
            (self.excluded, self.compared, self.near) = Default::default();
            let anew = remembered.drain(..).enumerate().filter(|&(number, _)| !is_tried(number));
            next.extend(anew.map(|(_, node)| node));
        }
    }
}

/// Writes the row of codes with these terms.
fn write(codes: &[i8], terms: Terms, row: &mut [u8]) {
    let (signs, facts) = row.split_at_mut(groups(codes.len()) * size_of::<Word>());
    // What is behind the last dimension does not matter: queries have zeros there.
    for (byte, eight) in signs.iter_mut().zip(codes.chunks(8)) {
        *byte = sign_byte(eight);
    }
    let spread = spread(codes);
    Facts { a: terms.a, factor: terms.b * spread, error: terms.b.abs() * error(codes, spread) }.write(facts);
}

/// How far the estimate of a dot product with codes deviates: what the signs leave out of them is orthogonal to them, and a query goes in that direction with
/// `1 / sqrt(dimension)` of its length.
#[expect(clippy::cast_precision_loss, reason = "one rounding of exact integers, the same on every machine")]
fn error(codes: &[i8], spread: f32) -> f32 {
    let (dimension, squared) = (codes.len() as f32, squared_sum(codes) as f32);
    let left_out = spread * spread * dimension - squared;
    (left_out.max(0.0) / dimension).sqrt()
}

/// Writes the rows of nodes from the first on, as many as there is room for; `terms` are theirs.
pub(crate) fn write_rows(planes: Planes<'_>, terms: &[Terms], first: u32, dimension: usize, rows: &mut [u8]) {
    let mut codes = vec![0; dimension];
    for ((node, &terms), row) in (first..).zip(terms).zip(rows.chunks_exact_mut(row_len(dimension))) {
        planes.unpack(node, &mut codes);
        write(&codes, terms, row);
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use super::*;
    use crate::codes::planes::OwnedPlanes;
    use crate::codes::query::QueryRoom;
    use crate::codes::sums::dot_of;
    use crate::{Int8Quantizer, Metric};

    const DIMENSION: usize = 300;

    fn noise(seed: usize) -> Vec<i8> {
        let mut state = seed as u64 | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i32::try_from((state >> 40) % 64).unwrap_or(0)
        };
        (0..DIMENSION).map(|_| i8::try_from(next() + next() + next() + next() - 126).unwrap_or(0)).collect()
    }

    /// The lowest limit at which a node is kept, found by halving.
    fn estimate_of(row: &[u8], looked: Looked<'_>) -> f32 {
        let outlines = Outlines::new(row, DIMENSION);
        let is_kept = |limit: f32| {
            let mut near = Vec::new();
            let mut looked = looked;
            outlines.keep_near(Kernel::detect(), &mut looked, limit, &[0], (&mut near, &mut Vec::new()));
            looked.kept_now > 0
        };
        assert!(is_kept(f32::INFINITY) && !is_kept(f32::NEG_INFINITY));
        let (mut low, mut high) = (-1e9f32, 1e9f32);
        for _ in 0..100 {
            let middle = low.midpoint(high);
            if is_kept(middle) { high = middle } else { low = middle }
        }
        high
    }

    #[test]
    fn estimates_of_a_vector_itself_are_right_and_others_deviate_by_as_much_as_outlines_say() {
        for metric in Metric::ALL {
            let quantizer = Int8Quantizer::new(metric, DIMENSION).unwrap();
            let (mut off, mut count) = (0.0, 0);
            for seed in 1..200 {
                let (codes, query) = (noise(seed), noise(seed + 1_000));
                let terms = quantizer.terms(&codes, 0.5);
                let mut planes = OwnedPlanes::new(groups(DIMENSION));
                crate::codes::layout::pack(&codes, planes.grow(1));
                let mut row = vec![0; row_len(DIMENSION)];
                write_rows(planes.as_ref(), &[terms], 0, DIMENSION, &mut row);
                let mut room = QueryRoom::default();
                let mut ask = |vector: &[i8]| {
                    let prepared = quantizer.prepare(&quantizer.decode(vector, 0.5), &mut room);
                    let mut bits = Vec::new();
                    let looked = Looked::of_walk(Kernel::detect(), prepared, &mut bits);
                    let distance = prepared
                        .terms
                        .distance(dot_of(prepared.codes.lines.as_flattened(), &padded(&codes)), terms);
                    let deviation =
                        Outlines::new(&row, DIMENSION).facts(0).error * looked.length * DEVIATIONS;
                    (estimate_of(&row, looked) + deviation - distance, deviation / DEVIATIONS)
                };
                let (itself, deviation) = ask(&codes);
                assert!(itself.abs() < deviation * 0.05, "{metric}: {itself} beside {deviation}");
                let (other, deviation) = ask(&query);
                assert!(other.abs() < 5.0 * deviation, "{metric}: {other} beside {deviation}");
                off += (other / deviation).powi(2);
                count += 1;
            }
            let part = (off / count as f32).sqrt();
            assert!((0.85..1.15).contains(&part), "{metric}: {part} of the deviation");
        }
    }

    fn padded(codes: &[i8]) -> Vec<i8> {
        let mut all = codes.to_vec();
        all.resize(groups(DIMENSION) * 64, 0);
        all
    }

    #[test]
    fn of_what_is_excluded_each_is_compared_at_once_or_looked_at_anew() {
        let rows = vec![0; row_len(DIMENSION) * 120];
        let outlines = Outlines::new(&rows, DIMENSION);
        let quantizer = Int8Quantizer::new(Metric::L2, DIMENSION).unwrap();
        let (mut room, mut bits) = (QueryRoom::default(), Vec::new());
        let mut looked =
            Looked::of_walk(Kernel::detect(), quantizer.prepare(&[1.0; DIMENSION], &mut room), &mut bits);
        let (mut near, mut excluded, mut compared, mut first) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for count in [5, 0, 30, 1, 60, 24] {
            let nodes: Vec<u32> = (first..first + count).collect();
            first += count;
            outlines.keep_near(
                Kernel::detect(),
                &mut looked,
                f32::NEG_INFINITY,
                &nodes,
                (&mut near, &mut excluded),
            );
            assert_eq!(looked.kept_now, 0);
            compared.append(&mut near);
        }
        let expected: Vec<u32> = (0..16).chain([31, 63, 95]).collect();
        assert_eq!(compared, expected);
        (0..3).for_each(|at| looked.learn(at, true));
        let mut next = Vec::new();
        looked.adapt(&mut excluded, &mut next);
        let others: Vec<u32> = (0..120).filter(|node| !expected.contains(node)).collect();
        assert_eq!((next, excluded), (others, Vec::new()));
    }

    #[test]
    fn what_is_not_a_number_is_kept() {
        let row = vec![255; row_len(DIMENSION)];
        let quantizer = Int8Quantizer::new(Metric::L2, DIMENSION).unwrap();
        let mut room = QueryRoom::default();
        let mut bits = Vec::new();
        let prepared = quantizer.prepare(&[1.0; DIMENSION], &mut room);
        let mut looked = Looked::of_walk(Kernel::detect(), prepared, &mut bits);
        let mut near = vec![7; 3];
        Outlines::new(&row, DIMENSION).keep_near(
            Kernel::detect(),
            &mut looked,
            0.0,
            &[0],
            (&mut near, &mut Vec::new()),
        );
        assert_eq!((near, looked.kept_now), (vec![0], 1));
    }
}
