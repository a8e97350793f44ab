//! The signs of codes, a bit a dimension: what a scan passes over first.
//!
//! A dot product is estimated from the signs of one side alone: `sum(q[i] * sign(u[i])) * |u|^2 / sum(|u[i]|)`, which is right for
//! `u` itself and has an error of about `0.75 |q| |u| / sqrt(dimension)` for what is unlike it (Gao and Long, "`RaBitQ`", 2024; there after
//! a random rotation, which changed nothing on embeddings). The best of the estimates are compared by their whole codes.

pub(crate) mod layout;
pub(crate) mod outline;

use wire::AlignedBytes;

use self::layout::{BLOCK, SignRow, Tables, column, sign_byte, sign_rows};
use crate::codes::layout::groups;
use crate::codes::query::{QueryRef, Terms};
use crate::codes::sums::{absolute_sum, squared_sum};
use crate::kernel::Kernel;

/// A value in a table at most, so that four of them are at most a byte.
const VALUE_MAX: u16 = 63;

/// Signs and factors of vectors, where they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sketch<'a> {
    rows: &'a [SignRow],
    /// Of each vector, padded to whole blocks: what a sum of signed codes is multiplied by.
    factors: &'a [f32],
    rows_per_block: usize,
    len: u32,
}

/// Signs and factors in memory, to be added to.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnedSketch {
    signs: AlignedBytes,
    factors: Vec<f32>,
    len: usize,
}

impl OwnedSketch {
    /// Adds a vector: its codes, of which there are as many for each, and the scale in its terms.
    pub(crate) fn push(&mut self, codes: &[i8], scale: f32) {
        let block_len = sign_rows(groups(codes.len())) * BLOCK;
        let (block, place) = (self.len / BLOCK, self.len % BLOCK);
        if place == 0 {
            self.signs.grow(block_len);
            self.factors.resize(self.factors.len() + BLOCK, 0.0);
        }
        let rows = self.signs.as_mut()[block * block_len..].as_chunks_mut::<BLOCK>().0;
        let mut bytes = codes.chunks(8).map(sign_byte);
        for row in rows {
            row[column(place)] = bytes.next().unwrap_or_default();
        }
        self.factors[self.len] = scale * spread(codes);
        self.len += 1;
    }

    pub(crate) fn signs(&self) -> &[u8] {
        self.signs.as_ref()
    }

    pub(crate) fn factors(&self) -> &[f32] {
        &self.factors
    }
}

/// `|u|^2 / sum(|u[i]|)`.
#[expect(clippy::cast_precision_loss, reason = "one rounding of exact integers, the same on every machine")]
fn spread(codes: &[i8]) -> f32 {
    squared_sum(codes) as f32 / absolute_sum(codes).max(1) as f32
}

/// A query as tables.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    tables: Vec<Tables>,
    /// What a sum of looked up values is multiplied by, and then has added, to be a sum of signed codes.
    step: f32,
    least: f32,
}

impl Lookup {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.tables.capacity() * size_of::<Tables>()
    }

    #[expect(clippy::cast_precision_loss, reason = "small integers")]
    fn prepare(&mut self, codes: &[i8]) {
        let value_max = (usize::from(u16::MAX) * 4 / codes.len().max(1)).min(VALUE_MAX.into()) as f32;
        let span = |four: &[i8]| four.iter().map(|&code| 2 * i32::from(code).abs()).sum::<i32>();
        let widest = codes.chunks(4).map(span).max().unwrap_or(0).max(1) as f32;
        self.step = widest / value_max;
        self.least = -(absolute_sum(codes) as f32);
        let per_unit = value_max / widest;
        self.tables.clear();
        self.tables.extend(codes.as_chunks::<8>().0.iter().map(|eight| {
            let [low, high] = [&eight[..4], &eight[4..]];
            [table(low, per_unit), table(high, per_unit)]
        }));
    }
}

/// For each combination of signs, how much the sum of four signed codes is above the least.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 63"
)]
fn table(four: &[i8], per_unit: f32) -> [u8; 16] {
    std::array::from_fn(|signs| {
        let above = |(i, &code): (usize, &i8)| {
            if (signs >> i & 1 == 1) == (code >= 0) { 2 * i32::from(code).abs() } else { 0 }
        };
        let above: i32 = four.iter().enumerate().map(above).sum();
        (above as f32 * per_unit).round() as u8
    })
}

impl<'a> Sketch<'a> {
    /// Of `len` vectors.
    pub(crate) fn new(signs: &'a [u8], factors: &'a [f32], groups: usize, len: u32) -> Self {
        Self { rows: signs.as_chunks().0, factors, rows_per_block: sign_rows(groups), len }
    }

    /// Estimates the distances of a query from the vectors of one of `step` blocks; `squared` are the terms of all if these have squared norms. Calls `each` for those below its last
    /// answer, which it begins with infinity.
    pub(crate) fn scan(
        self,
        kernel: Kernel,
        query: QueryRef<'_>,
        (squared, step): (Option<&[Terms]>, usize),
        lookup: &mut Lookup,
        mut each: impl FnMut(u32, f32) -> f32,
    ) {
        lookup.prepare(query.codes.lines.as_flattened());
        let (per_sum, least) = (query.terms.scale * lookup.step, query.terms.scale * lookup.least);
        let mut limit = f32::INFINITY;
        let blocks = self.rows.chunks_exact(self.rows_per_block).zip(self.factors.as_chunks::<BLOCK>().0);
        for ((rows, factors), first) in blocks.zip((0u32..).step_by(BLOCK)).step_by(step) {
            let mut sums = [0; BLOCK];
            kernel.sums(&lookup.tables, rows, &mut sums);
            let mut estimates = [0.0; BLOCK];
            let lowest = kernel.estimate(&sums, factors, [per_sum, least, query.terms.base], &mut estimates);
            if squared.is_none() && lowest >= limit {
                continue;
            }
            for (node, estimate) in (first..self.len).zip(estimates) {
                let estimate = estimate + squared.map_or(0.0, |terms| terms[node as usize].a);
                if estimate < limit {
                    limit = each(node, estimate);
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use super::*;
    use crate::codes::layout::Line;
    use crate::codes::query::{QueryCodes, QueryTerms};
    use crate::node::node_id;
    use proptest::prelude::*;

    fn lines(codes: &[i8]) -> Vec<Line> {
        codes.chunks(64).map(|chunk| std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0))).collect()
    }

    fn in_place(sketch: &OwnedSketch, dimension: usize) -> Sketch<'_> {
        Sketch::new(sketch.signs(), sketch.factors(), groups(dimension), node_id(sketch.len))
    }

    fn estimates(kernel: Kernel, query: &[i8], vectors: &[Vec<i8>]) -> Vec<f32> {
        let dimension = query.len();
        let mut sketch = OwnedSketch::default();
        for vector in vectors {
            sketch.push(vector, 1.0);
        }
        let lines = lines(query);
        let terms = QueryTerms { base: 0.0, offset: 0.0, scale: 1.0 };
        let query = QueryRef::exact(QueryCodes::new(&lines), terms);
        let mut found = Vec::new();
        in_place(&sketch, dimension).scan(
            kernel,
            query,
            (None, 1),
            &mut Lookup::default(),
            |node, estimate| {
                assert_eq!(node as usize, found.len());
                found.push(estimate);
                f32::INFINITY
            },
        );
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn estimates_are_the_sums_of_signed_codes_on_every_kernel(
            dimension in 1..200usize, count in 1..150usize, seed in any::<u64>()
        ) {
            let mut state = seed | 1;
            let mut code = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                i8::try_from((state >> 40) % 255).unwrap_or(-100)
            };
            let query: Vec<i8> = (0..dimension).map(|_| code()).collect();
            let vectors: Vec<Vec<i8>> = (0..count).map(|_| (0..dimension).map(|_| code()).collect()).collect();
            let plain = estimates(Kernel::available()[0], &query, &vectors);
            prop_assert_eq!(plain.len(), count);
            for (vector, &estimate) in vectors.iter().zip(&plain) {
                let signed = |(&q, &u): (&i8, &i8)| if u >= 0 { i32::from(q) } else { -i32::from(q) };
                let sum: i32 = query.iter().zip(vector).map(signed).sum();
                let expected = sum as f32 * spread(vector);
                // Half a step for each table.
                let allowed = 0.5 * 8.0 * 127.0 / 63.0 * (dimension.div_ceil(4) as f32) * spread(vector) + 0.01;
                prop_assert!((estimate - expected).abs() <= allowed, "{} {}", estimate, expected);
            }
            for kernel in Kernel::available() {
                prop_assert_eq!(estimates(kernel, &query, &vectors), plain.clone(), "{}", kernel);
            }
        }
    }

    #[test]
    fn the_longest_vectors_do_not_overflow() {
        let query = vec![127; crate::MAX_DIMENSION];
        let vectors = [vec![127; crate::MAX_DIMENSION], vec![-127; crate::MAX_DIMENSION]];
        let expected = 127.0 * 127.0 * 65_536.0;
        for kernel in Kernel::available() {
            let found = estimates(kernel, &query, &vectors);
            assert!(
                (found[0] / expected - 1.0).abs() < 1e-3 && (found[1] / expected + 1.0).abs() < 1e-3,
                "{found:?}"
            );
        }
    }
}
