//! Products with codes and what they leave out, as numbers of 16 bits.
#![expect(unsafe_code, reason = "loads, and calls that the existence of a `Kernel` makes sound")]

use std::arch::x86_64::*;

use super::{load_group, nibbles256};
use crate::kernel::RefinedRow;
use crate::residual::{BLOCK, Parts};

/// The sums of 32 bits of so many lines do not overflow: 2 * 16 * 2 * 32,130 * 514 < 2^31.
const LINES: usize = 16;

pub(in crate::kernel) fn refined_avx2(query: &[Parts], rows: RefinedRow<'_>) -> (i64, i64) {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { sums_avx2(query, rows) }
}

pub(in crate::kernel) fn refined_avx512(query: &[Parts], rows: RefinedRow<'_>) -> (i64, i64) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { sums_avx512(query, rows) }
}

#[inline]
fn load_left_out(left_out: &[u8; BLOCK]) -> __m128i {
    // SAFETY: 16 readable bytes; SSE2 is part of x86-64.
    unsafe { _mm_loadu_si128(left_out.as_ptr().cast()) }
}

#[inline]
fn load_sixteen(parts: &[i16; 16]) -> __m256i {
    // SAFETY: 32 readable bytes; called where AVX2 is.
    unsafe { _mm256_loadu_si256(parts.as_ptr().cast()) }
}

#[inline]
fn load_parts(parts: &[i16; 32]) -> __m512i {
    // SAFETY: 64 readable bytes; called where AVX-512 is.
    unsafe { _mm512_loadu_si512(parts.as_ptr().cast()) }
}

/// The codes of a group above -128, those of its first 32 dimensions and of the others.
#[inline]
#[target_feature(enable = "avx2")]
fn codes256(high: __m256i, low: __m256i) -> [__m256i; 2] {
    let ([first, second], [low_first, low_second]) = (nibbles256(high), nibbles256(low));
    [
        _mm256_or_si256(_mm256_slli_epi16::<4>(first), low_first),
        _mm256_or_si256(_mm256_slli_epi16::<4>(second), low_second),
    ]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_avx512(query: &[Parts], (high, low, left_out): RefinedRow<'_>) -> (i64, i64) {
    // Where the bits of 16 dimensions are, and what is below 0: see `BLOCKS`.
    let below = _mm512_inserti64x4::<1>(_mm512_set1_epi16(1), _mm256_set1_epi16(2));
    let above = _mm512_add_epi16(below, _mm512_set1_epi16(512));
    let shifts = [
        _mm512_inserti64x4::<1>(_mm512_setzero_si512(), _mm256_set1_epi16(2)),
        _mm512_inserti64x4::<1>(_mm512_set1_epi16(4), _mm256_set1_epi16(6)),
    ];
    let (mut dot, mut squared) = (0, 0);
    let blocks = query.chunks(LINES).zip(left_out.chunks(LINES));
    for ((query, left_out), (high, low)) in blocks.zip(high.chunks(LINES).zip(low.chunks(LINES))) {
        let mut dots = [_mm512_setzero_si512(); 2];
        let mut squares = [_mm512_setzero_si512(); 2];
        for ((parts, left_out), (high, low)) in query.iter().zip(left_out).zip(high.iter().zip(low)) {
            let codes = codes256(load_group(high), load_group(low));
            let bits = _mm512_broadcast_i64x4(_mm256_cvtepu8_epi16(load_left_out(left_out)));
            let [first, second] = parts.as_chunks().0 else { continue };
            let parts = [load_parts(first), load_parts(second)];
            for half in 0..2 {
                let beyond = _mm512_add_epi16(_mm512_srlv_epi16(bits, shifts[half]), below);
                let beyond = _mm512_and_si512(beyond, _mm512_set1_epi16(3));
                let codes = _mm512_slli_epi16::<2>(_mm512_cvtepu8_epi16(codes[half]));
                let quarters = _mm512_sub_epi16(_mm512_or_si512(codes, beyond), above);
                dots[half] = _mm512_dpwssd_epi32(dots[half], quarters, parts[half]);
                squares[half] = _mm512_dpwssd_epi32(squares[half], quarters, quarters);
            }
        }
        dot += sum512(dots);
        squared += sum512(squares);
    }
    (dot, squared)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum512([a, b]: [__m512i; 2]) -> i64 {
    let sum = _mm512_add_epi32(a, b);
    let [low, high] = [_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum)];
    _mm512_reduce_add_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(low), _mm512_cvtepi32_epi64(high)))
}

#[target_feature(enable = "avx2")]
fn sums_avx2(query: &[Parts], (high, low, left_out): RefinedRow<'_>) -> (i64, i64) {
    let (mut dot, mut squared) = (0, 0);
    let blocks = query.chunks(LINES).zip(left_out.chunks(LINES));
    for ((query, left_out), (high, low)) in blocks.zip(high.chunks(LINES).zip(low.chunks(LINES))) {
        let (mut dots, mut squares) = ([_mm256_setzero_si256(); 2], [_mm256_setzero_si256(); 2]);
        for ((parts, left_out), (high, low)) in query.iter().zip(left_out).zip(high.iter().zip(low)) {
            let codes = codes256(load_group(high), load_group(low));
            let mut bits = _mm256_cvtepu8_epi16(load_left_out(left_out));
            let [a, b, c, d] = parts.as_chunks().0 else { continue };
            for (half, parts) in [[a, b], [c, d]].into_iter().enumerate() {
                let sixteens =
                    [_mm256_castsi256_si128(codes[half]), _mm256_extracti128_si256::<1>(codes[half])];
                for at in 0..2 {
                    let below = _mm256_set1_epi16(if at == 0 { 1 } else { 2 });
                    let beyond = _mm256_and_si256(_mm256_add_epi16(bits, below), _mm256_set1_epi16(3));
                    bits = _mm256_srli_epi16::<2>(bits);
                    let codes = _mm256_slli_epi16::<2>(_mm256_cvtepu8_epi16(sixteens[at]));
                    let above = _mm256_add_epi16(below, _mm256_set1_epi16(512));
                    let quarters = _mm256_sub_epi16(_mm256_or_si256(codes, beyond), above);
                    let products = _mm256_madd_epi16(quarters, load_sixteen(parts[at]));
                    dots[at] = _mm256_add_epi32(dots[at], products);
                    squares[at] = _mm256_add_epi32(squares[at], _mm256_madd_epi16(quarters, quarters));
                }
            }
        }
        dot += sum256(dots);
        squared += sum256(squares);
    }
    (dot, squared)
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum256(sums: [__m256i; 2]) -> i64 {
    let mut wide = _mm256_setzero_si256();
    for sum in sums {
        wide = _mm256_add_epi64(wide, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(sum)));
        wide = _mm256_add_epi64(wide, _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(sum)));
    }
    bytemuck::cast::<_, [i64; 4]>(wide).into_iter().sum()
}
