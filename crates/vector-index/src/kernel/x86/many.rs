//! AVX2 and AVX-512 VNNI for what a build compares: many vectors with many.
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "intrinsics have prefixes of their own"))]
#![expect(unsafe_code, reason = "calls that the existence of a `Kernel` makes sound")]

use std::arch::x86_64::*;

use super::super::scalar;
use super::super::{PLACES, Row};
use super::load_group;
use crate::codes::layout::{Line, PANEL, QUADS, Quads};
use crate::codes::query::QueryTerms;

pub(in crate::kernel) fn products(
    codes: &[Line],
    are_short: bool,
    panels: &[Quads],
    stride: usize,
    out: &mut [i32],
) {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { products_avx2(codes, are_short, panels, stride, out) }
}

pub(in crate::kernel) fn products_avx512_vnni(
    codes: &[Line],
    panels: &[Quads],
    stride: usize,
    out: &mut [i32],
) {
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 VNNI and BW.
    unsafe { products_avx512(codes, panels, stride, out) }
}

pub(in crate::kernel) fn nearer(query: QueryTerms, row: Row<'_>, limit: f32, found: &mut Vec<(usize, f32)>) {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { nearer_avx2(query, row, limit, found) }
}

pub(in crate::kernel) fn insert(distances: &mut [f32], others: &mut [u32], distance: f32, other: u32) {
    // SAFETY: a `Kernel` of these kinds is made only where the processor has AVX2.
    unsafe { insert_avx2(distances, others, distance, other) }
}

#[target_feature(enable = "avx2")]
fn products_avx2(codes: &[Line], are_short: bool, panels: &[Quads], stride: usize, out: &mut [i32]) {
    if are_short {
        products_adding::<8>(codes, panels, stride, out);
    } else {
        products_adding::<2>(codes, panels, stride, out);
    }
}

/// Four rows of codes with two panels at a time: what their products are made of fits the registers. Two panels, and all rows of codes, which are few, stay
/// in the first cache.
#[target_feature(enable = "avx2")]
fn products_adding<const ADDED: usize>(codes: &[Line], panels: &[Quads], stride: usize, out: &mut [i32]) {
    let (of_panel, columns) = (stride * QUADS, panels.len() / (stride * QUADS) * PANEL);
    for (panels, first) in panels.chunks(2 * of_panel).zip((0..columns).step_by(2 * PANEL)) {
        for (codes, out) in codes.chunks(4 * stride).zip(out.chunks_mut(4 * columns)) {
            if codes.len() == 4 * stride && panels.len() == 2 * of_panel {
                multiply_avx2::<4, 2, ADDED>(codes, panels, stride, out, columns, first);
                continue;
            }
            for (codes, out) in codes.chunks(stride).zip(out.chunks_mut(columns)) {
                for (panel, first) in panels.chunks(of_panel).zip((first..columns).step_by(PANEL)) {
                    multiply_avx2::<1, 1, ADDED>(codes, panel, stride, out, columns, first);
                }
            }
        }
    }
}

/// `ROWS` of codes with `PANELS`. So many products with four values each are added in 16 bits, which two of them per sum do not exceed: of codes of 127 two, since
/// 2 * 2 * 63 * 127 < 32768, of 32 eight, since 8 * 2 * 63 * 32 < 32768.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply_avx2<const ROWS: usize, const PANELS: usize, const ADDED: usize>(
    codes: &[Line],
    panels: &[Quads],
    stride: usize,
    out: &mut [i32],
    columns: usize,
    first: usize,
) {
    let ones = _mm256_set1_epi16(1);
    let mut codes_of = [&[] as &[[[i8; 4]; ADDED]]; ROWS];
    for (row, codes) in codes_of.iter_mut().zip(codes.chunks_exact(stride)) {
        *row = codes.as_flattened().as_chunks::<4>().0.as_chunks().0;
    }
    let mut panels_of = [&[] as &[[Quads; ADDED]]; PANELS];
    for (panel, quads) in panels_of.iter_mut().zip(panels.chunks_exact(stride * QUADS)) {
        *panel = quads.as_chunks().0;
    }
    let mut sums = [[_mm256_setzero_si256(); PANELS]; ROWS];
    for at in 0..panels_of[0].len() {
        let mut pairs = [[_mm256_setzero_si256(); PANELS]; ROWS];
        for step in 0..ADDED {
            let mut parts = [_mm256_setzero_si256(); PANELS];
            for j in 0..PANELS {
                parts[j] = load_group(bytemuck::cast_ref(&panels_of[j][at][step]));
            }
            for i in 0..ROWS {
                let codes = _mm256_set1_epi32(bytemuck::cast(codes_of[i][at][step]));
                for j in 0..PANELS {
                    pairs[i][j] = _mm256_add_epi16(pairs[i][j], _mm256_maddubs_epi16(parts[j], codes));
                }
            }
        }
        for i in 0..ROWS {
            for j in 0..PANELS {
                sums[i][j] = _mm256_add_epi32(sums[i][j], _mm256_madd_epi16(pairs[i][j], ones));
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_mut(columns)) {
        for (&sums, out) in sums.iter().zip(out[first..].as_chunks_mut::<PANEL>().0) {
            *out = bytemuck::cast(sums);
        }
    }
}

/// Eight rows of codes with four panels at a time: sixteen sums, so that no product waits for the one before.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn products_avx512(codes: &[Line], panels: &[Quads], stride: usize, out: &mut [i32]) {
    let (of_panel, columns) = (stride * QUADS, panels.len() / (stride * QUADS) * PANEL);
    for (panels, first) in panels.chunks(4 * of_panel).zip((0..columns).step_by(4 * PANEL)) {
        for (codes, out) in codes.chunks(8 * stride).zip(out.chunks_mut(8 * columns)) {
            if codes.len() == 8 * stride && panels.len() == 4 * of_panel {
                multiply_avx512::<8, 2>(codes, panels, stride, out, columns, first);
                continue;
            }
            for (codes, out) in codes.chunks(stride).zip(out.chunks_mut(columns)) {
                for (panels, first) in panels.chunks(2 * of_panel).zip((first..columns).step_by(2 * PANEL)) {
                    multiply_avx512::<1, 1>(codes, panels, stride, out, columns, first);
                }
            }
        }
    }
}

/// `ROWS` of codes with `PAIRS` of panels, the last of which may be one panel.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn multiply_avx512<const ROWS: usize, const PAIRS: usize>(
    codes: &[Line],
    panels: &[Quads],
    stride: usize,
    out: &mut [i32],
    columns: usize,
    first: usize,
) {
    let of_panel = stride * QUADS;
    let mut codes_of = [&[] as &[[i8; 4]]; ROWS];
    for (row, codes) in codes_of.iter_mut().zip(codes.chunks_exact(stride)) {
        *row = &codes.as_flattened().as_chunks::<4>().0[..of_panel];
    }
    let mut halves_of = [[&[] as &[Quads]; 2]; PAIRS];
    for (halves, panels) in halves_of.iter_mut().zip(panels.chunks(2 * of_panel)) {
        // Of one panel, both halves are the same.
        *halves = [&panels[..of_panel], &panels[panels.len() - of_panel..]];
    }
    let mut sums = [[_mm512_setzero_si512(); PAIRS]; ROWS];
    for at in 0..of_panel {
        let mut parts = [_mm512_setzero_si512(); PAIRS];
        for (parts, [low, high]) in parts.iter_mut().zip(halves_of) {
            let [low, high] = [low, high].map(|half| load_group(bytemuck::cast_ref(&half[at])));
            *parts = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
        }
        for (sums, codes) in sums.iter_mut().zip(codes_of) {
            let codes = _mm512_set1_epi32(bytemuck::cast(codes[at]));
            for (sum, parts) in sums.iter_mut().zip(parts) {
                *sum = _mm512_dpbusd_epi32(*sum, parts, codes);
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_mut(columns)) {
        for (&sum, out) in sums.iter().zip(out[first..].chunks_mut(2 * PANEL)) {
            let halves = [_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum)];
            for (half, out) in halves.into_iter().zip(out.as_chunks_mut::<PANEL>().0) {
                *out = bytemuck::cast(half);
            }
        }
    }
}

/// Every place gets what it has, what is before it, or the new one.
#[target_feature(enable = "avx2")]
fn insert_avx2(distances: &mut [f32], others: &mut [u32], distance: f32, other: u32) {
    let (limit, new) =
        (_mm256_set1_ps(distance), _mm256_castsi256_ps(_mm256_set1_epi32(other.cast_signed())));
    let mut end = distances.len().min(others.len());
    while end > PLACES {
        let first = end - PLACES;
        let (Some(before), Some(from)) =
            (distances[first - 1..].first_chunk::<PLACES>(), others[first - 1..].first_chunk::<PLACES>())
        else {
            return;
        };
        let (before, from): (__m256, __m256) = (bytemuck::cast(*before), bytemuck::cast(*from));
        let (Some(distances), Some(others)) =
            (distances[first..].first_chunk_mut::<PLACES>(), others[first..].first_chunk_mut::<PLACES>())
        else {
            return;
        };
        let (own, of_own): (__m256, __m256) = (bytemuck::cast(*distances), bytemuck::cast(*others));
        let moves = _mm256_cmp_ps::<_CMP_GT_OQ>(before, limit);
        let is_later = _mm256_cmp_ps::<_CMP_GT_OQ>(own, limit);
        *distances = bytemuck::cast(_mm256_blendv_ps(own, _mm256_blendv_ps(limit, before, moves), is_later));
        *others = bytemuck::cast(_mm256_blendv_ps(of_own, _mm256_blendv_ps(new, from, moves), is_later));
        end = first;
    }
}

/// Eight vectors at a time, with the same roundings as one by one.
#[target_feature(enable = "avx2")]
fn nearer_avx2(query: QueryTerms, row: Row<'_>, limit: f32, found: &mut Vec<(usize, f32)>) {
    let (base, offset) = (_mm256_set1_ps(query.base), _mm256_set1_ps(query.offset));
    let (scale, limit8) = (_mm256_set1_ps(query.scale), _mm256_set1_ps(limit));
    let (dots, rest) = row.dots.as_chunks::<8>();
    let (a, b, limits) = (row.a.as_chunks::<8>().0, row.b.as_chunks::<8>().0, row.limits.as_chunks::<8>().0);
    for (at, (((dots, a), b), limits)) in dots.iter().zip(a).zip(b).zip(limits).enumerate() {
        let dots = _mm256_cvtepi32_ps(bytemuck::cast(*dots));
        let scaled = _mm256_add_ps(offset, _mm256_mul_ps(scale, dots));
        let distances =
            _mm256_add_ps(_mm256_add_ps(base, bytemuck::cast(*a)), _mm256_mul_ps(bytemuck::cast(*b), scaled));
        let limits = _mm256_max_ps(bytemuck::cast(*limits), limit8);
        let mut mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(distances, limits)).cast_unsigned();
        if mask != 0 {
            let distances: [f32; 8] = bytemuck::cast(distances);
            while mask != 0 {
                let lane = mask.trailing_zeros() as usize;
                found.push((at * 8 + lane, distances[lane & 7]));
                mask &= mask - 1;
            }
        }
    }
    let first = row.dots.len() - rest.len();
    let (dots, a, b, limits) = (rest, &row.a[first..], &row.b[first..], &row.limits[first..]);
    let before = found.len();
    scalar::nearer(query, Row { dots, a, b, limits }, limit, found);
    found[before..].iter_mut().for_each(|(at, _)| *at += first);
}
