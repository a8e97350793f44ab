//! Which nodes may be near a query, by the sums of what it has where signs are set.
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "intrinsics have prefixes of their own"))]
#![expect(unsafe_code, reason = "calls that the existence of a `Kernel` makes sound")]

use std::arch::x86_64::*;

use super::{load_line, sums_of_four};
use crate::codes::layout::Line;
use crate::kernel::{BitPlanes, Estimates, put};
use crate::sketch::layout::{Outlines, Word, bits};

pub(in crate::kernel) fn by_bits(lines: &[Line], planes: &mut Vec<BitPlanes>) {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { by_bits_avx2(lines, planes) }
}

pub(in crate::kernel) fn keep_near_avx2(
    query: Estimates<'_>,
    outlines: Outlines<'_>,
    ids: &[u32],
    out: (&mut [u32], &mut [u32]),
) -> usize {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { all_avx2(query, outlines, ids, out) }
}

pub(in crate::kernel) fn keep_near_avx512(
    query: Estimates<'_>,
    outlines: Outlines<'_>,
    ids: &[u32],
    out: (&mut [u32], &mut [u32]),
) -> usize {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { all_avx512(query, outlines, ids, out) }
}

/// Codes by the places of their signs: for each bit of a byte, those whose signs are that bit of two words; twice, since two rows are looked at together.
#[target_feature(enable = "avx2")]
fn by_bits_avx2(lines: &[Line], planes: &mut Vec<BitPlanes>) {
    planes.clear();
    for lines in lines.chunks(2) {
        let first = transposed(&lines[0]);
        let second = lines.get(1).map_or([0; 8], |line| transposed(line));
        planes.push(std::array::from_fn(|bit| [first[bit], second[bit], first[bit], second[bit]]));
    }
}

/// The first of every eight codes, and so on.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(line: &Line) -> [u64; 8] {
    let in_turns = _mm_set_epi8(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
    let [a, b, c, d] = bytemuck::cast::<Line, [__m128i; 4]>(*line).map(|two| _mm_shuffle_epi8(two, in_turns));
    let (low, high) = (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
    let (later_low, later_high) = (_mm_unpacklo_epi16(c, d), _mm_unpackhi_epi16(c, d));
    bytemuck::cast([
        _mm_unpacklo_epi32(low, later_low),
        _mm_unpackhi_epi32(low, later_low),
        _mm_unpacklo_epi32(high, later_high),
        _mm_unpackhi_epi32(high, later_high),
    ])
}

/// Four rows at a time, whose sums are added up together.
macro_rules! keep_near {
    ($name:ident, $features:literal, $sums:ident) => {
        #[target_feature(enable = $features)]
        fn $name(
            query: Estimates<'_>,
            outlines: Outlines<'_>,
            ids: &[u32],
            (near, others): (&mut [u32], &mut [u32]),
        ) -> usize {
            let (mut kept, mut first) = (0, 0);
            while let Some(&last) = ids[first..].last() {
                let four = match ids[first..].first_chunk() {
                    Some(four) => *four,
                    None => std::array::from_fn(|at| ids.get(first + at).copied().unwrap_or(last)),
                };
                let rows = [
                    outlines.row(four[0]),
                    outlines.row(four[1]),
                    outlines.row(four[2]),
                    outlines.row(four[3]),
                ];
                let is_near = are_near(&query, rows, $sums(&query, rows));
                let outs = (near[kept..].first_chunk_mut(), others[first - kept..].first_chunk_mut());
                if let (true, (Some(near), Some(others))) = (ids.len() - first >= 4, outs) {
                    *near = packed(four, is_near);
                    *others = packed(four, !is_near & 15);
                    kept += is_near.count_ones() as usize;
                } else {
                    let rest = ids[first..].iter().enumerate();
                    let rest = rest.map(|(at, &id)| (id, is_near >> at & 1 == 1));
                    return put(rest, first, kept, (near, others));
                }
                first += 4;
            }
            kept
        }
    };
}

keep_near!(all_avx2, "avx2", sums_avx2);
keep_near!(all_avx512, "avx512f,avx512bw,avx512vnni", sums_avx512);

/// Those of four whose bit is set, in order; what is behind them is any.
#[inline]
#[target_feature(enable = "avx2")]
fn packed(four: [u32; 4], is_wanted: u32) -> [u32; 4] {
    const ORDERS: [[u8; 16]; 16] = {
        let mut orders = [[0; 16]; 16];
        let mut wanted = 0;
        while wanted < 16 {
            let (mut from, mut to) = (0u8, 0);
            while from < 16 {
                if wanted >> (from / 4) & 1 == 1 {
                    orders[wanted][to] = from;
                    to += 1;
                }
                from += 1;
            }
            wanted += 1;
        }
        orders
    };
    let order = bytemuck::cast(ORDERS[is_wanted as usize & 15]);
    bytemuck::cast(_mm_shuffle_epi8(bytemuck::cast(four), order))
}

/// Of four rows, a bit for each that may be near enough. The same roundings as [`Estimates::is_near`], in which what is no number is near.
#[inline]
#[target_feature(enable = "avx2")]
fn are_near(query: &Estimates<'_>, rows: [&[Word]; 4], set: __m128i) -> u32 {
    let at = query.codes.lines.len();
    let (f0, f1, f2, f3) = (facts(rows[0], at), facts(rows[1], at), facts(rows[2], at), facts(rows[3], at));
    let (first, second) = (_mm_unpacklo_ps(f0, f1), _mm_unpacklo_ps(f2, f3));
    let (a, factor) = (_mm_movelh_ps(first, second), _mm_movehl_ps(second, first));
    let error = _mm_movelh_ps(_mm_unpackhi_ps(f0, f1), _mm_unpackhi_ps(f2, f3));
    let sum = _mm_cvtepi32_ps(_mm_sub_epi32(_mm_slli_epi32::<1>(set), _mm_set1_epi32(query.codes.sum)));
    let dot = _mm_mul_ps(factor, _mm_mul_ps(_mm_set1_ps(query.terms.scale), sum));
    let estimate = _mm_add_ps(_mm_add_ps(_mm_set1_ps(query.terms.base), a), dot);
    let least = _mm_sub_ps(estimate, _mm_mul_ps(error, _mm_set1_ps(query.length)));
    let is_beyond = _mm_cmpgt_ps(least, _mm_set1_ps(query.limit));
    !_mm_movemask_ps(is_beyond).cast_unsigned() & 15
}

#[inline]
#[target_feature(enable = "avx2")]
fn facts(row: &[Word], at: usize) -> __m128 {
    bytemuck::cast::<[Word; 2], __m128>(row[at..].first_chunk().copied().unwrap_or_default())
}

/// The bits of bytes one after the other: those of all dimensions whose signs are at one place of a byte are moved to the lowest and multiplied with their codes, of two rows
/// at a time. Behind an odd number of words are others, where the query has zeros.
#[inline]
#[target_feature(enable = "avx2")]
fn sums_avx2(query: &Estimates<'_>, [a, b, c, d]: [&[Word]; 4]) -> __m128i {
    let (mut ab, mut cd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    let (a, b) = (a.as_chunks::<2>().0, b.as_chunks::<2>().0);
    let (c, d) = (c.as_chunks::<2>().0, d.as_chunks::<2>().0);
    for ((((planes, a), b), c), d) in query.by_bits.iter().zip(a).zip(b).zip(c).zip(d) {
        ab = _mm256_add_epi32(ab, sums_of_two(planes, [*a, *b]));
        cd = _mm256_add_epi32(cd, sums_of_two(planes, [*c, *d]));
    }
    let both = _mm256_hadd_epi32(ab, cd);
    let both = _mm256_hadd_epi32(both, both);
    _mm_unpacklo_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256::<1>(both))
}

/// Parts of the sum of one row, and then those of the other: 8 * 2 * 127 < 32768.
#[inline]
#[target_feature(enable = "avx2")]
fn sums_of_two(planes: &BitPlanes, rows: [[Word; 2]; 2]) -> __m256i {
    let lowest = _mm256_set1_epi8(1);
    let mut signs = bytemuck::cast(rows);
    let mut pairs = _mm256_setzero_si256();
    for &plane in planes {
        let set = _mm256_maddubs_epi16(_mm256_and_si256(signs, lowest), bytemuck::cast(plane));
        pairs = _mm256_add_epi16(pairs, set);
        signs = _mm256_srli_epi16::<1>(signs);
    }
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

/// The same with the bits as masks.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_avx512(query: &Estimates<'_>, rows: [&[Word]; 4]) -> __m128i {
    let ones = _mm512_set1_epi8(1);
    let lines = query.codes.lines;
    let len = lines.len();
    let rows = [&rows[0][..len], &rows[1][..len], &rows[2][..len], &rows[3][..len]];
    let mut sums = [_mm512_setzero_si512(); 4];
    for (at, codes) in lines.iter().enumerate() {
        let codes = load_line(codes);
        for i in 0..4 {
            let some = _mm512_maskz_mov_epi8(bits(rows[i][at]), ones);
            sums[i] = _mm512_dpbusd_epi32(sums[i], some, codes);
        }
    }
    let mut halves = [_mm256_setzero_si256(); 4];
    for i in 0..4 {
        let upper = _mm512_extracti64x4_epi64::<1>(sums[i]);
        halves[i] = _mm256_add_epi32(_mm512_castsi512_si256(sums[i]), upper);
    }
    bytemuck::cast(sums_of_four(halves))
}
