//! AVX2, AVX-VNNI and AVX-512 VNNI.
//!
//! Nibbles are unsigned and codes signed, which is what `vpmaddubsw` and `vpdpbusd` multiply. The former adds two products in 16
//! bits, which eight such sums do not exceed: 8 * 2 * 15 * 127 < 32768.
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "intrinsics have prefixes of their own"))]
#![expect(unsafe_code, reason = "loads, and calls that the existence of a `Kernel` makes sound")]

mod many;
mod refined;
mod signed;

use std::arch::x86_64::*;

use wire::F16;

use super::scalar::{self, estimate};
use crate::codes::layout::{Group, Line, Plane};
use crate::metric::Metric;
use crate::prefetch;
use crate::sketch::layout::{BLOCK, SignRow, Sums, Tables};

pub(super) use refined::{refined_avx2, refined_avx512};
pub(super) use signed::{by_bits, keep_near_avx2, keep_near_avx512};

pub(super) use many::{insert, nearer, products, products_avx512_vnni};

/// How many rows ahead of the one that is multiplied are asked for.
const AHEAD: usize = 8;

/// Rows of signs that are asked for before they are needed.
const ROWS_AHEAD: usize = 64;

pub(super) fn avx2(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX2.
    unsafe { dots_avx2(query, plane, ids, out) }
}

pub(super) fn both_avx2(query: &[Line], planes: [Plane<'_>; 2], ids: &[u32], out: &mut [i32]) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX2.
    unsafe { dots_of_both_avx2(query, planes, ids, out) }
}

pub(super) fn avx_vnni(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-VNNI, and AVX2 with it.
    unsafe { dots_avx_vnni(query, plane, ids, out) }
}

pub(super) fn avx512_vnni(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { dots_avx512(query, plane, ids, out) }
}

pub(super) fn sums_avx2(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX2.
    unsafe { look_up_avx2(tables, rows, out) }
}

pub(super) fn sums_avx512(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { look_up_avx512(tables, rows, out) }
}

pub(super) fn estimate_avx2(
    sums: &Sums,
    factors: &[f32; BLOCK],
    terms: [f32; 3],
    out: &mut [f32; BLOCK],
) -> f32 {
    #[target_feature(enable = "avx2")]
    fn compiled(sums: &Sums, factors: &[f32; BLOCK], terms: [f32; 3], out: &mut [f32; BLOCK]) -> f32 {
        estimate(sums, factors, terms, out)
    }
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX2.
    unsafe { compiled(sums, factors, terms, out) }
}

pub(super) fn estimate_avx512(
    sums: &Sums,
    factors: &[f32; BLOCK],
    terms: [f32; 3],
    out: &mut [f32; BLOCK],
) -> f32 {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn compiled(sums: &Sums, factors: &[f32; BLOCK], terms: [f32; 3], out: &mut [f32; BLOCK]) -> f32 {
        estimate(sums, factors, terms, out)
    }
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { compiled(sums, factors, terms, out) }
}

pub(super) fn distance(metric: Metric, from: (&[f32], f32), to: &[f32]) -> f32 {
    #[target_feature(enable = "avx2")]
    fn compiled(metric: Metric, from: (&[f32], f32), to: &[f32]) -> f32 {
        metric.distance_from(from, to)
    }
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { compiled(metric, from, to) }
}

pub(super) fn widen(halves: &[F16], out: &mut [f32]) {
    #[target_feature(enable = "avx2,f16c")]
    fn compiled(halves: &[F16], out: &mut [f32]) {
        let (eights, rest) = halves.as_chunks::<8>();
        let (out_eights, out_rest) = out.as_chunks_mut::<8>();
        for (eight, out) in eights.iter().zip(out_eights) {
            *out = bytemuck::cast(_mm256_cvtph_ps(bytemuck::cast(*eight)));
        }
        scalar::widen(rest, out_rest);
    }
    let len = halves.len().min(out.len());
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2 and F16C.
    unsafe { compiled(&halves[..len], &mut out[..len]) }
}

/// Asks for the row of signs so many places on, which may be past the end of all.
#[inline]
fn prefetch_later(row: &SignRow) {
    prefetch::line(row.as_ptr().wrapping_add(ROWS_AHEAD * BLOCK).cast());
}

/// Asks for the rows of the first few ids.
#[inline]
fn prefetch_first(plane: Plane<'_>, ids: &[u32]) {
    plane.prefetch(&ids[..ids.len().min(AHEAD)]);
}

/// Asks for the row that comes [`AHEAD`] of the one at `at`.
#[inline]
fn prefetch_ahead(plane: Plane<'_>, ids: &[u32], at: usize) {
    plane.prefetch(ids.get(at + AHEAD..=at + AHEAD).unwrap_or_default());
}

#[inline]
fn load_codes(codes: &[i8; 32]) -> __m256i {
    // SAFETY: 32 readable bytes; called where AVX2 is.
    unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) }
}

#[inline]
fn load_group(group: &Group) -> __m256i {
    // SAFETY: 32 readable bytes; called where AVX2 is.
    unsafe { _mm256_loadu_si256(group.as_ptr().cast()) }
}

#[inline]
fn load_two_groups(groups: &[Group; 2]) -> __m512i {
    // SAFETY: 64 readable bytes; called where AVX-512 is.
    unsafe { _mm512_loadu_si512(groups.as_ptr().cast()) }
}

#[inline]
fn load_line(line: &Line) -> __m512i {
    // SAFETY: 64 readable bytes; called where AVX-512 is.
    unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
}

/// The lower and the upper nibbles of bytes.
#[target_feature(enable = "avx2")]
fn nibbles256(bytes: __m256i) -> [__m256i; 2] {
    let mask = _mm256_set1_epi8(15);
    [_mm256_and_si256(bytes, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask)]
}

/// Four rows at a time, so that the codes are loaded once for all of them, and their sums are added up together.
#[target_feature(enable = "avx2")]
fn dots_avx2(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    prefetch_first(plane, ids);
    let (fours, rest) = ids.as_chunks::<4>();
    let (out_fours, out_rest) = out.as_chunks_mut::<4>();
    for (at, (&[a, b, c, d], out)) in fours.iter().zip(out_fours).enumerate() {
        for i in 0..4 {
            prefetch_ahead(plane, ids, at * 4 + i);
        }
        let rows = [plane.row(a), plane.row(b), plane.row(c), plane.row(d)];
        *out = sums_of_four(sums_of_rows(query, rows));
    }
    for (&id, out) in rest.iter().zip(out_rest) {
        *out = sum256(sums_of_rows(query, [plane.row(id)])[0]);
    }
}

/// The same of two planes, of which the first counts sixteen times.
#[target_feature(enable = "avx2")]
fn dots_of_both_avx2(query: &[Line], [high, low]: [Plane<'_>; 2], ids: &[u32], out: &mut [i32]) {
    prefetch_first(high, ids);
    prefetch_first(low, ids);
    let (fours, rest) = ids.as_chunks::<4>();
    let (out_fours, out_rest) = out.as_chunks_mut::<4>();
    for (at, (&[a, b, c, d], out)) in fours.iter().zip(out_fours).enumerate() {
        for i in 0..4 {
            prefetch_ahead(high, ids, at * 4 + i);
            prefetch_ahead(low, ids, at * 4 + i);
        }
        let highs = [high.row(a), high.row(b), high.row(c), high.row(d)];
        let lows = [low.row(a), low.row(b), low.row(c), low.row(d)];
        let (mut sums, lows) = (sums_of_rows(query, highs), sums_of_rows(query, lows));
        for i in 0..4 {
            sums[i] = _mm256_add_epi32(_mm256_slli_epi32::<4>(sums[i]), lows[i]);
        }
        *out = sums_of_four(sums);
    }
    for (&id, out) in rest.iter().zip(out_rest) {
        let [high, low] = sums_of_rows(query, [high.row(id), low.row(id)]);
        *out = sum256(_mm256_add_epi32(_mm256_slli_epi32::<4>(high), low));
    }
}

/// A group adds two sums of two products: four groups are within the bound of eight.
#[inline]
#[target_feature(enable = "avx2")]
fn sums_of_rows<const N: usize>(query: &[Line], rows: [&[Group]; N]) -> [__m256i; N] {
    let ones = _mm256_set1_epi16(1);
    let mut rows = rows;
    for row in &mut rows {
        *row = &row[..query.len()];
    }
    let (mut sums, mut pairs) = ([_mm256_setzero_si256(); N], [_mm256_setzero_si256(); N]);
    for at in 0..query.len() {
        let codes = halves(&query[at]);
        for i in 0..N {
            let [low, high] = nibbles256(load_group(&rows[i][at]));
            pairs[i] = _mm256_add_epi16(pairs[i], _mm256_maddubs_epi16(low, codes[0]));
            pairs[i] = _mm256_add_epi16(pairs[i], _mm256_maddubs_epi16(high, codes[1]));
        }
        if at % 4 == 3 || at + 1 == query.len() {
            for i in 0..N {
                sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs[i], ones));
                pairs[i] = _mm256_setzero_si256();
            }
        }
    }
    sums
}

#[target_feature(enable = "avx2,avxvnni")]
fn dots_avx_vnni(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    prefetch_first(plane, ids);
    for (at, (&id, out)) in ids.iter().zip(out).enumerate() {
        prefetch_ahead(plane, ids, at);
        let mut sums = [_mm256_setzero_si256(); 2];
        for (codes, group) in query.iter().zip(plane.row(id)) {
            let [low, high] = nibbles256(load_group(group));
            let [first, second] = codes.as_chunks().0 else { continue };
            sums[0] = _mm256_dpbusd_avx_epi32(sums[0], low, load_codes(first));
            sums[1] = _mm256_dpbusd_avx_epi32(sums[1], high, load_codes(second));
        }
        *out = sum256(_mm256_add_epi32(sums[0], sums[1]));
    }
}

#[target_feature(enable = "avx2")]
fn sum256(sum: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two)))
}

/// For common lengths, the query stays in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dots_avx512(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    match query.len() {
        2 => dots_avx512_of::<1>(query, plane, ids, out),
        4 => dots_avx512_of::<2>(query, plane, ids, out),
        6 => dots_avx512_of::<3>(query, plane, ids, out),
        8 => dots_avx512_of::<4>(query, plane, ids, out),
        12 => dots_avx512_of::<6>(query, plane, ids, out),
        16 => dots_avx512_of::<8>(query, plane, ids, out),
        _ => dots_avx512_any(query, plane, ids, out),
    }
}

/// Rows of `N` pairs of groups.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dots_avx512_of<const N: usize>(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    let Some(query) = query.as_chunks::<2>().0.first_chunk::<N>() else { return };
    let mut codes = [[_mm512_setzero_si512(); 2]; N];
    for i in 0..N {
        codes[i] = halves_together(load_line(&query[i][0]), load_line(&query[i][1]));
    }
    prefetch_first(plane, ids);
    for (at, (&id, out)) in ids.iter().zip(out).enumerate() {
        prefetch_ahead(plane, ids, at);
        let Some(row) = plane.row(id).as_chunks::<2>().0.first_chunk::<N>() else { return };
        let mut sums = [_mm512_setzero_si512(); 2];
        for i in 0..N {
            sums = add_products(sums, load_two_groups(&row[i]), codes[i]);
        }
        *out = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn dots_avx512_any(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    let (pairs, last) = query.as_chunks::<2>();
    prefetch_first(plane, ids);
    for (at, (&id, out)) in ids.iter().zip(out).enumerate() {
        prefetch_ahead(plane, ids, at);
        let (row_pairs, row_last) = plane.row(id).as_chunks::<2>();
        let mut sums = [_mm512_setzero_si512(); 2];
        for (codes, groups) in pairs.iter().zip(row_pairs) {
            let codes = halves_together(load_line(&codes[0]), load_line(&codes[1]));
            sums = add_products(sums, load_two_groups(groups), codes);
        }
        for (codes, group) in last.iter().zip(row_last) {
            let codes = halves_together(load_line(codes), _mm512_setzero_si512());
            sums = add_products(sums, _mm512_zextsi256_si512(load_group(group)), codes);
        }
        *out = _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1]));
    }
}

/// Two groups lie in a register: the codes that belong to their lower nibbles, and those of the upper ones.
#[inline]
#[target_feature(enable = "avx512f")]
fn halves_together(a: __m512i, b: __m512i) -> [__m512i; 2] {
    [_mm512_shuffle_i64x2::<0b01_00_01_00>(a, b), _mm512_shuffle_i64x2::<0b11_10_11_10>(a, b)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_products(sums: [__m512i; 2], bytes: __m512i, codes: [__m512i; 2]) -> [__m512i; 2] {
    let mask = _mm512_set1_epi8(15);
    let (low, high) = (_mm512_and_si512(bytes, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), mask));
    [_mm512_dpbusd_epi32(sums[0], low, codes[0]), _mm512_dpbusd_epi32(sums[1], high, codes[1])]
}

#[inline]
fn load_table(table: &[u8; 16]) -> __m128i {
    // SAFETY: 16 readable bytes; SSE2 is part of x86-64.
    unsafe { _mm_loadu_si128(table.as_ptr().cast()) }
}

#[inline]
fn store_sums256(sums: __m256i, out: &mut [u16; 16]) {
    // SAFETY: 32 writable bytes; called where AVX2 is.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sums) }
}

#[inline]
fn store_sums512(sums: __m512i, out: &mut [u16; 32]) {
    // SAFETY: 64 writable bytes; called where AVX-512 is.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), sums) }
}

/// Two rows add four values of at most 63 in a byte; then the even and the odd bytes are added to sums of 16 bits.
#[target_feature(enable = "avx2")]
fn look_up_avx2(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    let [out0, out1, out2, out3] = out.as_chunks_mut::<16>().0 else { return };
    for (half, even_out, odd_out) in [(0, out0, out2), (1, out1, out3)] {
        let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (tables, rows) in tables.chunks(2).zip(rows.chunks(2)) {
            let mut bytes = _mm256_setzero_si256();
            for (table, row) in tables.iter().zip(rows) {
                prefetch_later(row);
                let [low, high] = nibbles256(load_group(&row.as_chunks().0[half]));
                let tables = table.each_ref().map(|table| _mm256_broadcastsi128_si256(load_table(table)));
                bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(tables[0], low));
                bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(tables[1], high));
            }
            even = _mm256_add_epi16(even, _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
            odd = _mm256_add_epi16(odd, _mm256_srli_epi16::<8>(bytes));
        }
        store_sums256(even, even_out);
        store_sums256(odd, odd_out);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn look_up_avx512(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    let mask = _mm512_set1_epi8(15);
    let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    // Rows come in eights: a group of 64 dimensions has so many.
    for (tables, rows) in tables.as_chunks::<2>().0.iter().zip(rows.as_chunks::<2>().0) {
        let mut bytes = _mm512_setzero_si512();
        for i in 0..2 {
            prefetch_later(&rows[i]);
            let signs = load_line(bytemuck::cast_ref(&rows[i]));
            let low = _mm512_broadcast_i32x4(load_table(&tables[i][0]));
            let high = _mm512_broadcast_i32x4(load_table(&tables[i][1]));
            bytes = _mm512_add_epi8(bytes, _mm512_shuffle_epi8(low, _mm512_and_si512(signs, mask)));
            let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(signs), mask);
            bytes = _mm512_add_epi8(bytes, _mm512_shuffle_epi8(high, upper));
        }
        even = _mm512_add_epi16(even, _mm512_and_si512(bytes, _mm512_set1_epi16(255)));
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(bytes));
    }
    let [even_out, odd_out] = out.as_chunks_mut::<32>().0 else { return };
    store_sums512(even, even_out);
    store_sums512(odd, odd_out);
}

#[inline]
#[target_feature(enable = "avx2")]
fn sums_of_four([s0, s1, s2, s3]: [__m256i; 4]) -> [i32; 4] {
    let both = _mm256_hadd_epi32(_mm256_hadd_epi32(s0, s1), _mm256_hadd_epi32(s2, s3));
    bytemuck::cast(_mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(line: &Line) -> [__m256i; 2] {
    bytemuck::cast(*line)
}
