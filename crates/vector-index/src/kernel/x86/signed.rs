//! The sums of what a query has where bits are set.
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "intrinsics have prefixes of their own"))]
#![expect(unsafe_code, reason = "calls that the existence of a `Kernel` makes sound")]

use std::arch::x86_64::*;

use super::{halves, load_line, sum256, sums_of_four};
use crate::codes::layout::Line;
use crate::sketch::layout::{Outlines, Word, bits};

/// So many lines add up in 16 bits: 2 * 2 * 127 * 64 < 32768.
const LINES: usize = 64;

pub(in crate::kernel) fn signed_sums_avx2(
    query: &[Line],
    outlines: Outlines<'_>,
    ids: &[u32],
    out: &mut [i32],
) {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { all_avx2(query, outlines, ids, out) }
}

pub(in crate::kernel) fn signed_sums_avx512(
    query: &[Line],
    outlines: Outlines<'_>,
    ids: &[u32],
    out: &mut [i32],
) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { all_avx512(query, outlines, ids, out) }
}

/// Four rows at a time, so that the codes are loaded once for all of them, and their sums are added up together.
#[target_feature(enable = "avx2")]
fn all_avx2(query: &[Line], outlines: Outlines<'_>, ids: &[u32], out: &mut [i32]) {
    let (fours, rest) = ids.as_chunks::<4>();
    let (out_fours, out_rest) = out.as_chunks_mut::<4>();
    for (&[a, b, c, d], out) in fours.iter().zip(out_fours) {
        let rows = [outlines.signs(a), outlines.signs(b), outlines.signs(c), outlines.signs(d)];
        *out = sums_of_four(rows_avx2(query, rows));
    }
    for (&id, out) in rest.iter().zip(out_rest) {
        *out = sum256(rows_avx2(query, [outlines.signs(id)])[0]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn rows_avx2<const N: usize>(query: &[Line], rows: [&[Word]; N]) -> [__m256i; N] {
    let (ones, ones16) = (_mm256_set1_epi8(1), _mm256_set1_epi16(1));
    let each_bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    // Eight times each of the first four bytes, and of the others.
    let first_bytes =
        _mm256_set_epi64x(0x0303_0303_0303_0303, 0x0202_0202_0202_0202, 0x0101_0101_0101_0101, 0);
    let second_bytes = _mm256_add_epi8(first_bytes, _mm256_set1_epi8(4));
    let mut rows = rows;
    for row in &mut rows {
        *row = &row[..query.len()];
    }
    let mut sums = [_mm256_setzero_si256(); N];
    for (at, lines) in query.chunks(LINES).enumerate() {
        let mut pairs = [_mm256_setzero_si256(); N];
        for (line, codes) in lines.iter().enumerate() {
            let [first, second] = halves(codes);
            for i in 0..N {
                let word = _mm256_set1_epi64x(bits(rows[i][at * LINES + line]).cast_signed());
                for (codes, each_byte) in [(first, first_bytes), (second, second_bytes)] {
                    let bytes = _mm256_shuffle_epi8(word, each_byte);
                    let is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, each_bit), each_bit);
                    let some = _mm256_maddubs_epi16(ones, _mm256_and_si256(codes, is_set));
                    pairs[i] = _mm256_add_epi16(pairs[i], some);
                }
            }
        }
        for i in 0..N {
            sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs[i], ones16));
        }
    }
    sums
}

/// The same with the bits as masks.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn all_avx512(query: &[Line], outlines: Outlines<'_>, ids: &[u32], out: &mut [i32]) {
    let (fours, rest) = ids.as_chunks::<4>();
    let (out_fours, out_rest) = out.as_chunks_mut::<4>();
    for (&[a, b, c, d], out) in fours.iter().zip(out_fours) {
        let rows = [outlines.signs(a), outlines.signs(b), outlines.signs(c), outlines.signs(d)];
        *out = sums_of_four(rows_avx512(query, rows));
    }
    for (&id, out) in rest.iter().zip(out_rest) {
        *out = sum256(rows_avx512(query, [outlines.signs(id)])[0]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn rows_avx512<const N: usize>(query: &[Line], rows: [&[Word]; N]) -> [__m256i; N] {
    let ones = _mm512_set1_epi8(1);
    let mut rows = rows;
    for row in &mut rows {
        *row = &row[..query.len()];
    }
    let mut sums = [_mm512_setzero_si512(); N];
    for (at, codes) in query.iter().enumerate() {
        let codes = load_line(codes);
        for i in 0..N {
            let some = _mm512_maskz_mov_epi8(bits(rows[i][at]), ones);
            sums[i] = _mm512_dpbusd_epi32(sums[i], some, codes);
        }
    }
    let mut halves = [_mm256_setzero_si256(); N];
    for i in 0..N {
        let upper = _mm512_extracti64x4_epi64::<1>(sums[i]);
        halves[i] = _mm256_add_epi32(_mm512_castsi512_si256(sums[i]), upper);
    }
    halves
}
