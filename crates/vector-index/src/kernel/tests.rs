//! Every kernel beside the definition, and beside the scalar one.

use super::*;
use proptest::prelude::*;

use crate::codes::layout::{self, Aligned, PANEL, groups, pack, put_in_panel};
use crate::codes::planes::{OwnedPlanes, Planes};
use crate::codes::query::QueryCodes;
use crate::sketch::layout::{Facts, row_len};

#[test]
fn every_kernel_widens_every_number_of_16_bits_alike() {
    let all: Vec<F16> = (0..=u16::MAX).map(|bits| F16::from_le_bytes(bits.to_le_bytes())).collect();
    for kernel in Kernel::available() {
        for begin in [0, 3] {
            let mut wide = vec![0.0; all.len() - begin];
            kernel.widen(&all[begin..], &mut wide);
            for (half, wide) in all[begin..].iter().zip(&wide) {
                let exact = half.to_f32();
                assert!(
                    wide.to_bits() == exact.to_bits() || (wide.is_nan() && exact.is_nan()),
                    "{kernel} {half:?}"
                );
            }
        }
    }
}

/// The definition, in 64 bits.
fn by_hand(a: &[i8], b: &[i8]) -> i64 {
    a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum()
}

fn lines(codes: &[i8]) -> Vec<Line> {
    let line = |chunk: &[i8]| std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0));
    codes.chunks(64).map(line).collect()
}

fn planes(rows: &[&[i8]]) -> OwnedPlanes {
    let mut planes = OwnedPlanes::new(groups(rows[0].len()));
    for row in rows {
        pack(row, planes.grow(1));
    }
    planes
}

fn dots(kernel: Kernel, query: &[i8], planes: Planes<'_>, ids: &[u32]) -> Vec<i32> {
    let (mut out, mut room) = (vec![0; ids.len()], vec![0; ids.len()]);
    planes.dots(kernel, QueryCodes::new(&lines(query)), ids, &mut out, &mut room);
    out
}

fn code() -> impl Strategy<Value = i8> {
    prop_oneof![Just(-127), Just(127), Just(0), Just(-1), -127..=127i8]
}

proptest! {
    #[test]
    fn every_kernel_gives_the_integer_of_the_definition(
        pair in prop::collection::vec((code(), code()), 1..1_500)
    ) {
        let (a, b): (Vec<_>, Vec<_>) = pair.into_iter().unzip();
        for kernel in Kernel::available() {
            let dot = dots(kernel, &a, planes(&[&b]).as_ref(), &[0])[0];
            prop_assert_eq!(i64::from(dot), by_hand(&a, &b), "{}", kernel);
        }
    }

    #[test]
    fn every_kernel_gives_the_sum_of_the_scalar_one_on_any_nibbles(
        query in prop::collection::vec(code(), 1..1_000), noise in any::<[u8; 32]>()
    ) {
        let query = lines(&query);
        let bytes: Vec<u8> = noise.iter().cycle().take(query.len() * 32 * 3 + 5).copied().collect();
        // Begins anywhere in memory.
        for skipped in [0, 1, 5] {
            let plane = Plane::new(&bytes[skipped..], query.len());
            let mut expected = [0; 3];
            scalar::dots(&query, plane, &[2, 0, 1], &mut expected);
            for kernel in Kernel::available() {
                let mut found = [0; 3];
                kernel.dots(&query, plane, &[2, 0, 1], &mut found);
                prop_assert_eq!(found, expected, "{}", kernel);
            }
        }
    }

    #[test]
    fn packed_codes_come_back(codes in prop::collection::vec(code(), 1..300)) {
        let mut unpacked = vec![1; codes.len()];
        planes(&[&codes]).as_ref().unpack(0, &mut unpacked);
        prop_assert_eq!(unpacked, codes);
    }

    #[test]
    fn the_high_plane_alone_is_right_to_half_a_step_in_every_dimension(
        pair in prop::collection::vec((code(), code()), 64..65)
    ) {
        let (a, b): (Vec<_>, Vec<_>) = pair.into_iter().unzip();
        let mut rough = [0];
        planes(&[&b]).as_ref().rough_dots(Kernel::detect(), QueryCodes::new(&lines(&a)), &[0], &mut rough);
        let bound: i64 = a.iter().map(|&code| i64::from(code.unsigned_abs()) * 8).sum();
        prop_assert!((i64::from(rough[0]) - by_hand(&a, &b)).abs() <= bound + 1);
    }
}

/// Rows of parts in panels, as many rows as fill them.
fn panels(rows: &[&[u8]]) -> Vec<Aligned> {
    let mut panels = vec![Aligned([0; 64]); rows.len().next_multiple_of(PANEL) * (rows[0].len() / 64)];
    for (at, row) in rows.iter().enumerate() {
        put_in_panel(row, &mut panels, at);
    }
    panels
}

#[test]
fn every_kernel_multiplies_all_rows_with_all_parts() {
    let code = |i: usize| i8::try_from(((i * 2_654_435_761) >> 7) % 255).unwrap_or(-100);
    let part = |i: usize| u8::try_from(((i * 2_654_435_761) >> 9) % 64).unwrap();
    for (stride, rows, columns) in
        [(1, 1, 1), (1, 2, 4), (2, 3, 9), (3, 5, 16), (6, 33, 130), (2, 17, 88), (7, 4, 25)]
    {
        let codes: Vec<i8> = (0..stride * rows * 64).map(code).collect();
        let parts: Vec<u8> = (0..stride * columns * 64).map(part).collect();
        let parts: Vec<&[u8]> = parts.chunks(stride * 64).collect();
        let (panels, filled) = (panels(&parts), columns.next_multiple_of(PANEL));
        for (kernel, divisor) in Kernel::available().into_iter().flat_map(|kernel| [(kernel, 1), (kernel, 4)])
        {
            let codes: Vec<i8> = codes.iter().map(|code| code / divisor).collect();
            let mut found = vec![0; rows * filled];
            kernel.products(&lines(&codes), divisor == 4, layout::panels(&panels), stride, &mut found);
            for (codes, found) in codes.chunks(stride * 64).zip(found.chunks(filled)) {
                for (parts, &found) in parts.iter().zip(found) {
                    let expected = by_hand(codes, bytemuck::cast_slice(parts));
                    assert_eq!(i64::from(found), expected, "{kernel} {stride} {rows} {columns} {divisor}");
                }
            }
        }
    }
    for (code, is_short) in [(-127, false), (127, false), (-32, true), (32, true)] {
        let (codes, parts) = (vec![code; crate::MAX_DIMENSION], vec![63; crate::MAX_DIMENSION]);
        let stride = groups(codes.len());
        for kernel in Kernel::available() {
            let mut found = [0; PANEL];
            kernel.products(&lines(&codes), is_short, layout::panels(&panels(&[&parts])), stride, &mut found);
            let expected = by_hand(&codes, bytemuck::cast_slice(&parts));
            assert_eq!(i64::from(found[0]), expected, "{kernel} {code}");
        }
    }
}

proptest! {
    #[test]
    fn every_kernel_finds_the_same_vectors_nearer(
        row in prop::collection::vec((-90_000..90_000i32, -2.0..2.0f32, -2.0..2.0f32, prop_oneof![Just(f32::INFINITY), -9e4..9e4f32]), 0..50),
        query in (-2.0..2.0f32, -2.0..2.0f32, -2.0..2.0f32), limit in prop_oneof![Just(f32::NEG_INFINITY), -9e4..9e4f32]
    ) {
        let dots: Vec<i32> = row.iter().map(|row| row.0).collect();
        let [a, b, limits] = [0, 1, 2].map(|at| row.iter().map(|row| [row.1, row.2, row.3][at]).collect::<Vec<f32>>());
        let row = Row { dots: &dots, a: &a, b: &b, limits: &limits };
        let query = QueryTerms { base: query.0, offset: query.1, scale: query.2 };
        let mut expected = vec![(7, 0.5)];
        scalar::nearer(query, row, limit, &mut expected);
        for kernel in Kernel::available() {
            let mut found = vec![(7, 0.5)];
            kernel.nearer(query, row, limit, &mut found);
            prop_assert_eq!(&found, &expected, "{}", kernel);
        }
    }
}

proptest! {
    #[test]
    fn every_kernel_keeps_the_nearest_in_order(
        values in prop::collection::vec(prop_oneof![-5..5i8, Just(100)], 0..60), chunks in 1..4usize
    ) {
        for kernel in Kernel::available() {
            let mut distances = vec![f32::INFINITY; chunks * PLACES + 1];
            distances[0] = f32::NEG_INFINITY;
            let mut others = vec![u32::MAX; distances.len()];
            let mut expected: Vec<(i8, u32)> = Vec::new();
            for (other, &value) in (0..).zip(&values) {
                kernel.insert(&mut distances, &mut others, f32::from(value), other);
                expected.push((value, other));
            }
            kernel.insert(&mut distances, &mut others, f32::NAN, 99);
            expected.sort_unstable();
            let found = distances.iter().zip(&others).skip(1).take_while(|(_, other)| **other != u32::MAX);
            let found: Vec<(f32, u32)> = found.map(|(&distance, &other)| (distance, other)).collect();
            let expected: Vec<(f32, u32)> = expected.iter().map(|&(value, other)| (f32::from(value), other)).take(chunks * PLACES).collect();
            prop_assert_eq!(found, expected, "{}", kernel);
        }
    }
}

#[test]
fn the_longest_vectors_of_the_largest_codes_do_not_overflow() {
    for (x, y) in [(127, 127), (-127, 127), (127, -127), (-127, -127)] {
        let (a, b) = (vec![x; crate::MAX_DIMENSION], vec![y; crate::MAX_DIMENSION]);
        let planes = planes(&[&b]);
        for kernel in Kernel::available() {
            assert_eq!(i64::from(dots(kernel, &a, planes.as_ref(), &[0])[0]), by_hand(&a, &b), "{kernel}");
        }
    }
}

#[test]
fn many_rows_at_once_give_what_each_alone_gives() {
    let code = |i: usize| i8::try_from(((i * 2_654_435_761) >> 7) % 255).unwrap_or(-100);
    for (dimension, count) in [(1, 1), (64, 70), (65, 33), (384, 32), (385, 5), (768, 31), (831, 9)] {
        let codes: Vec<i8> = (0..dimension * count).map(code).collect();
        let rows: Vec<&[i8]> = codes.chunks(dimension).collect();
        let planes = planes(&rows);
        let ids: Vec<u32> = (0..100u32).map(|i| (i * 7) % u32::try_from(count).unwrap()).collect();
        for kernel in Kernel::available() {
            for len in [0, 1, 2, 3, 4, 5, 8, 31, 100] {
                let found = dots(kernel, rows[0], planes.as_ref(), &ids[..len]);
                for (&id, &dot) in ids.iter().zip(&found) {
                    assert_eq!(
                        i64::from(dot),
                        by_hand(rows[0], rows[id as usize]),
                        "{kernel} {dimension} {len}"
                    );
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn every_kernel_multiplies_a_query_with_the_same_residuals(
        values in prop::collection::vec((-32_130..=32_130i16, code(), any::<u8>()), 1..1_300)
    ) {
        let codes: Vec<i8> = values.iter().map(|&(_, code, _)| code).collect();
        let query: Vec<i16> = values.iter().map(|&(part, ..)| part).collect();
        let left_out: Vec<u8> = values.iter().map(|&(.., byte)| byte).cycle().take(residual::len(codes.len())).collect();
        check_refined(&query, &codes, &left_out);
    }
}

#[test]
fn residuals_of_the_longest_vectors_do_not_overflow() {
    for (part, code, byte) in
        [(32_130, 127, 0b01_01_01_01), (-32_130, 127, 0b10_10_10_10), (32_130, -127, 0b10_11_10_11)]
    {
        let len = crate::MAX_DIMENSION;
        check_refined(&vec![part; len], &vec![code; len], &vec![byte; residual::len(len)]);
    }
}

/// Compares every kernel with the vector that codes and residual stand for.
fn check_refined(query: &[i16], codes: &[i8], left_out: &[u8]) {
    let planes = planes(&[codes]);
    let planes = planes.as_ref();
    let mut parts = vec![[0; 64]; groups(codes.len())];
    parts.as_flattened_mut()[..query.len()].copy_from_slice(query);
    #[expect(clippy::cast_possible_truncation, reason = "quarters")]
    let quarters: Vec<i64> =
        residual::refine(codes, 4.0, left_out).iter().map(|&value| value as i64).collect();
    let dot = query.iter().zip(&quarters).map(|(&part, quarters)| i64::from(part) * quarters).sum::<i64>();
    // What is behind the last dimension is residuals of codes of 0, which the query does not have.
    let whole = residual::refine(&[codes, &vec![0; parts.len() * 64 - codes.len()]].concat(), 4.0, left_out);
    #[expect(clippy::cast_possible_truncation, reason = "quarters")]
    let squared = whole.iter().map(|&value| (value as i64).pow(2)).sum::<i64>();
    for kernel in Kernel::available() {
        let row = (planes.high.row(0), planes.low.row(0), left_out.as_chunks().0);
        assert_eq!(kernel.refined(&parts, row), (dot, squared), "{kernel} {}", codes.len());
    }
}

#[test]
fn every_kernel_has_the_distances_of_the_definition() {
    for dimension in [1, 15, 16, 33, 384, 391] {
        let values = |first: u16| -> Vec<f32> {
            (0..dimension).map(|at| f32::from((first + at * 37) % 101) * 0.037 - 1.7).collect()
        };
        let (a, b) = (values(3), values(50));
        let squared = crate::metric::dot(&a, &a);
        for (kernel, metric) in Kernel::available().into_iter().flat_map(|k| Metric::ALL.map(|m| (k, m))) {
            let (found, expected) = (kernel.distance(metric, (&a, squared), &b), metric.distance(&a, &b));
            assert_eq!(found.to_bits(), expected.to_bits(), "{kernel} {metric} {dimension}");
        }
    }
}

proptest! {
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "exact in 24 bits")]
    fn every_kernel_adds_up_the_codes_where_signs_say_so(
        query in prop::collection::vec(code(), 1..700), signs in prop::collection::vec(any::<u8>(), 1..200), count in 1..12usize
    ) {
        let len = row_len(query.len());
        let mut rows: Vec<u8> = signs.iter().cycle().take(len * count).copied().collect();
        for row in rows.chunks_mut(len) {
            Facts { a: 0.0, factor: 1.0, error: 0.0 }.write(&mut row[groups(query.len()) * 8..]);
        }
        let ids: Vec<u32> = (0..u32::try_from(count).unwrap()).rev().collect();
        let outlines = Outlines::new(&rows, query.len());
        let lines = lines(&query);
        let codes = QueryCodes::new(&lines);
        let expected = |&id: &u32| {
            let row = &rows[id as usize * len..][..len];
            let set = |(at, _): &(usize, &i8)| row[at / 8] >> (at % 8) & 1 == 1;
            let set: i32 = query.iter().enumerate().filter(set).map(|(_, &code)| i32::from(code)).sum();
            2 * set - codes.sum
        };
        let expected: Vec<i32> = ids.iter().map(expected).collect();
        for kernel in Kernel::available() {
            for &limit in &expected {
                for limit in [limit, limit - 1] {
                    let (near, others): (Vec<_>, Vec<_>) = ids.iter().zip(&expected).partition(|&(_, &sum)| sum <= limit);
                    let ids_of = |some: Vec<(&u32, &i32)>| some.into_iter().map(|(&id, _)| id).collect::<Vec<u32>>();
                    let found = kept_near(kernel, codes, outlines, &ids, limit as f32);
                    prop_assert_eq!(found, (ids_of(near), ids_of(others)), "{}", kernel);
                }
            }
        }
    }
}

/// What a kernel keeps of some nodes, and what not; estimates are the sums of signed codes, if facts say so.
fn kept_near(
    kernel: Kernel,
    codes: QueryCodes<'_>,
    outlines: Outlines<'_>,
    ids: &[u32],
    limit: f32,
) -> (Vec<u32>, Vec<u32>) {
    let terms = QueryTerms { base: 0.0, offset: 0.0, scale: 1.0 };
    kept(kernel, (codes, terms, 1.0), outlines, ids, limit)
}

fn kept(
    kernel: Kernel,
    (codes, terms, length): (QueryCodes<'_>, QueryTerms, f32),
    outlines: Outlines<'_>,
    ids: &[u32],
    limit: f32,
) -> (Vec<u32>, Vec<u32>) {
    let mut by_bits = Vec::new();
    kernel.by_bits(codes.lines, &mut by_bits);
    let estimates = Estimates { codes, by_bits: &by_bits, terms, length, limit };
    let (mut near, mut others) = (vec![0; ids.len()], vec![0; ids.len()]);
    let kept = kernel.keep_near(estimates, outlines, ids, (&mut near, &mut others));
    near.truncate(kept);
    others.truncate(ids.len() - kept);
    (near, others)
}

proptest! {
    #[test]
    #[expect(clippy::cast_precision_loss, clippy::neg_cmp_op_on_partial_ord, reason = "small numbers; what is no number is near")]
    fn every_kernel_estimates_with_the_same_roundings_and_keeps_what_is_no_number(
        query in prop::collection::vec(code(), 129..500),
        count in prop_oneof![Just(0usize), 1..12usize, 30..36usize, 63..67usize],
        terms in prop::array::uniform4(0.01..3.0f32), seed in any::<u64>(), odd in 0..40usize
    ) {
        let len = row_len(query.len());
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut rows: Vec<u8> = (0..len * count).map(|_| (next() & 255) as u8).collect();
        for (at, row) in rows.chunks_mut(len).enumerate() {
            let mut fact = || next() as f32 / (1u64 << 31) as f32;
            let facts = Facts { a: fact(), factor: fact() * 0.01 - 0.005, error: fact() * 0.1 };
            let facts = if at == odd { Facts { factor: f32::NAN, ..facts } } else { facts };
            facts.write(&mut row[groups(query.len()) * 8..]);
        }
        let outlines = Outlines::new(&rows, query.len());
        let lines = lines(&query);
        let ids: Vec<u32> = (0..u32::try_from(count).unwrap()).collect();
        let codes = QueryCodes::new(&lines);
        let [base, scale, length, limit] = terms;
        // What one of them is estimated to be, in the order of the definition.
        let estimate = |id: u32| {
            let Facts { a, factor, error } = outlines.facts(id);
            let set: i32 = outlines.signs(id).as_flattened().iter().zip(lines.as_flattened().chunks(8)).flat_map(|(byte, eight)| {
                (0..8).zip(eight).filter(move |(bit, _)| byte >> bit & 1 == 1).map(|(_, &code)| i32::from(code))
            }).sum();
            let sum = (2 * set - codes.sum) as f32;
            base + a + factor * (scale * sum) - error * length
        };
        let mut limits = vec![limit, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        limits.extend(ids.iter().take(3).map(|&id| estimate(id)).flat_map(|limit| [limit, limit.next_down(), limit.next_up()]));
        for limit in limits {
            let (near, others): (Vec<u32>, Vec<u32>) = ids.iter().partition(|&&id| !(estimate(id) > limit));
            for kernel in Kernel::available() {
                let terms = QueryTerms { base, offset: 0.0, scale };
                let found = kept(kernel, (codes, terms, length), outlines, &ids, limit);
                prop_assert_eq!(&found, &(near.clone(), others.clone()), "{}", kernel);
            }
        }
    }
}

#[test]
fn the_signs_of_the_longest_vectors_do_not_overflow() {
    for (code, signs) in [(127, 255), (-127, 255), (127, 0)] {
        let mut row = vec![signs; row_len(crate::MAX_DIMENSION)];
        let facts = groups(crate::MAX_DIMENSION) * 8;
        Facts { a: 0.0, factor: 1.0, error: 0.0 }.write(&mut row[facts..]);
        let query = lines(&vec![code; crate::MAX_DIMENSION]);
        #[expect(clippy::cast_precision_loss, reason = "exact in 24 bits")]
        let sum = (i32::from(code) * (2 * i32::from(signs / 255) - 1) * 65_536) as f32;
        for kernel in Kernel::available() {
            for (limit, is_near) in [(sum, true), (sum - 1.0, false)] {
                let outlines = Outlines::new(&row, crate::MAX_DIMENSION);
                let (near, _) = kept_near(kernel, QueryCodes::new(&query), outlines, &[0], limit);
                assert_eq!(near.len() == 1, is_near, "{kernel}");
            }
        }
    }
}
