//! The plain version, which defines the right answer. Compilers vectorise it as far as they may.

use wire::F16;

use super::{RefinedRow, Row};
use crate::codes::layout::{Line, PANEL, Plane, QUADS, Quads, unpack_group};
use crate::codes::query::{QueryTerms, Terms};
use crate::residual::{Parts, quarters};
use crate::sketch::layout::{BLOCK, Outlines, SignRow, Sums, Tables, Word};

pub(super) fn dots(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    for (&id, out) in ids.iter().zip(out) {
        *out = query.iter().zip(plane.row(id)).map(|(codes, nibbles)| group(codes, nibbles)).sum();
    }
}

/// The lower nibbles of 32 bytes belong to the first 32 codes, the upper ones to the other 32.
fn group(codes: &Line, nibbles: &[u8; 32]) -> i32 {
    let (first, second) = codes.split_at(32);
    let product = |(&byte, (&low, &high)): (&u8, (&i8, &i8))| {
        i32::from(byte & 15) * i32::from(low) + i32::from(byte >> 4) * i32::from(high)
    };
    nibbles.iter().zip(first.iter().zip(second)).map(product).sum()
}

pub(super) fn signed_sums(query: &[Line], outlines: Outlines<'_>, ids: &[u32], out: &mut [i32]) {
    for (&id, out) in ids.iter().zip(out) {
        *out = query.iter().zip(outlines.signs(id)).map(|(codes, &word)| signed_sum(codes, word)).sum();
    }
}

fn signed_sum(codes: &Line, word: Word) -> i32 {
    let eights = codes.as_chunks::<8>().0.iter().zip(word);
    let sum = |(codes, byte): (&[i8; 8], u8)| {
        (0..).zip(codes).map(|(bit, &code)| i32::from(code) * i32::from(byte >> bit & 1)).sum::<i32>()
    };
    eights.map(sum).sum()
}

pub(super) fn refined(query: &[Parts], (high, low, left_out): RefinedRow<'_>) -> (i64, i64) {
    let (mut dot, mut squared) = (0, 0);
    for ((parts, left_out), (high, low)) in query.iter().zip(left_out).zip(high.iter().zip(low)) {
        let (mut line, mut squares) = (0i32, 0i32);
        for (&part, quarters) in parts.iter().zip(quarters(&unpack_group(high, low), left_out)) {
            let quarters = i32::from(quarters);
            line = line.wrapping_add(i32::from(part).wrapping_mul(quarters));
            squares = squares.wrapping_add(quarters.wrapping_mul(quarters));
        }
        (dot, squared) = (dot + i64::from(line), squared + i64::from(squares));
    }
    (dot, squared)
}

pub(super) fn products(codes: &[Line], panels: &[Quads], stride: usize, out: &mut [i32]) {
    let count = panels.len() / (stride * QUADS);
    for (codes, out) in codes.chunks_exact(stride).zip(out.chunks_mut(count * PANEL)) {
        let quads = codes.as_flattened().as_chunks::<4>().0;
        for (panel, out) in panels.chunks_exact(stride * QUADS).zip(out.as_chunks_mut::<PANEL>().0) {
            *out = [0; PANEL];
            for (codes, parts) in quads.iter().zip(panel) {
                for (sum, parts) in out.iter_mut().zip(parts) {
                    for (&code, &part) in codes.iter().zip(parts) {
                        *sum = sum.wrapping_add(i32::from(code) * i32::from(part));
                    }
                }
            }
        }
    }
}

pub(super) fn nearer(query: QueryTerms, row: Row<'_>, limit: f32, found: &mut Vec<(usize, f32)>) {
    let terms = row.a.iter().zip(row.b).map(|(&a, &b)| Terms { a, b });
    for (at, ((&dot, terms), &own)) in row.dots.iter().zip(terms).zip(row.limits).enumerate() {
        let distance = query.distance(dot, terms);
        if distance < limit || distance < own {
            found.push((at, distance));
        }
    }
}

pub(super) fn insert(distances: &mut [f32], others: &mut [u32], distance: f32, other: u32) {
    for at in (1..distances.len()).rev() {
        if distances[at] > distance {
            let moves = distances[at - 1] > distance;
            (distances[at], others[at]) =
                if moves { (distances[at - 1], others[at - 1]) } else { (distance, other) };
        }
    }
}

pub(super) fn sums(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    for ([low, high], row) in tables.iter().zip(rows) {
        let (even, odd) = out.split_at_mut(32);
        for ((even, odd), pair) in even.iter_mut().zip(odd).zip(row.as_chunks::<2>().0) {
            let looked_up =
                |byte: u8| u16::from(low[usize::from(byte & 15)]) + u16::from(high[usize::from(byte >> 4)]);
            *even += looked_up(pair[0]);
            *odd += looked_up(pair[1]);
        }
    }
}

/// The estimates of a block, and the lowest.
#[expect(clippy::inline_always, reason = "so that it is compiled with the instructions of its callers")]
#[inline(always)]
pub(super) fn estimate(
    sums: &Sums,
    factors: &[f32; BLOCK],
    [per_sum, least, base]: [f32; 3],
    out: &mut [f32; BLOCK],
) -> f32 {
    let mut lowest = [f32::INFINITY; 16];
    for ((sums, factors), out) in
        sums.as_chunks::<16>().0.iter().zip(factors.as_chunks::<16>().0).zip(out.as_chunks_mut::<16>().0)
    {
        for i in 0..16 {
            out[i] = base + factors[i] * (per_sum * f32::from(sums[i]) + least);
            lowest[i] = if out[i] < lowest[i] { out[i] } else { lowest[i] };
        }
    }
    lowest.into_iter().fold(f32::INFINITY, f32::min)
}

pub(super) fn widen(halves: &[F16], out: &mut [f32]) {
    for (half, out) in halves.iter().zip(out) {
        *out = half.to_f32();
    }
}
