//! simd128, which a module for WebAssembly is compiled with or without: nothing is found out at run time.

use std::arch::wasm32::{
    f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_pmin, f32x4_splat, i8x16_add, i8x16_eq, i8x16_swizzle,
    i16x8_add, i16x8_extadd_pairwise_i8x16, i16x8_mul, i16x8_shl, i16x8_shr, i32x4_add,
    i32x4_extadd_pairwise_i16x8, u16x8_shr, u16x8_splat, u32x4_extend_high_u16x8, u32x4_extend_low_u16x8,
    u64x2, u64x2_splat, v128, v128_and,
};

use crate::codes::layout::{Group, Line, Plane};
use crate::sketch::layout::{BLOCK, Outlines, SignRow, Sums, Tables, Word};

/// Bytes with one bit each, the lowest first.
const EACH_BIT: u64 = 0x8040_2010_0804_0201;
/// A byte times this is eight of it.
const EACH_BYTE: u64 = 0x0101_0101_0101_0101;

/// Lines of a query that are prepared at a time.
const LINES: usize = 16;

/// The codes of a line in 16 bits each: for both halves of a group, those of the lower nibbles of even and odd bytes, and of the upper ones.
type Prepared = [[v128; 4]; 2];

pub(super) fn dots(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    out.fill(0);
    let mut prepared = [[[u16x8_splat(0); 4]; 2]; LINES];
    for (at, lines) in query.chunks(LINES).enumerate() {
        for (prepared, line) in prepared.iter_mut().zip(lines) {
            *prepared = prepare(line);
        }
        let prepared = &prepared[..lines.len()];
        for (&id, out) in ids.iter().zip(&mut *out) {
            *out += dot(prepared, &plane.row(id)[at * LINES..][..lines.len()]);
        }
    }
}

pub(super) fn signed_sums(query: &[Line], outlines: Outlines<'_>, ids: &[u32], out: &mut [i32]) {
    for (&id, out) in ids.iter().zip(out) {
        *out = signed_sum(query, outlines.signs(id));
    }
}

/// A sum of 16 bits takes the 8 codes of a line.
fn signed_sum(query: &[Line], signs: &[Word]) -> i32 {
    let bits = u64x2_splat(EACH_BIT);
    let mut sum = u16x8_splat(0);
    for (line, word) in query.iter().zip(signs) {
        let mut pairs = u16x8_splat(0);
        for (codes, &[low, high]) in
            bytemuck::cast::<Line, [v128; 4]>(*line).into_iter().zip(word.as_chunks().0)
        {
            let both = u64x2(u64::from(low) * EACH_BYTE, u64::from(high) * EACH_BYTE);
            let is_set = i8x16_eq(v128_and(both, bits), bits);
            pairs = i16x8_add(pairs, i16x8_extadd_pairwise_i8x16(v128_and(codes, is_set)));
        }
        sum = i32x4_add(sum, i32x4_extadd_pairwise_i16x8(pairs));
    }
    bytemuck::cast::<v128, [i32; 4]>(sum).into_iter().sum()
}

fn prepare(line: &Line) -> Prepared {
    let [a, b, c, d] = bytemuck::cast::<Line, [v128; 4]>(*line);
    [(a, c), (b, d)].map(|(low, high)| {
        let [low, high] = [low, high].map(|codes| [i16x8_shr(i16x8_shl(codes, 8), 8), i16x8_shr(codes, 8)]);
        [low[0], low[1], high[0], high[1]]
    })
}

/// A sum of 16 bits takes the 16 products of two groups: 16 * 15 * 127 < 32768.
fn dot(codes: &[Prepared], row: &[Group]) -> i32 {
    let mut sum = u16x8_splat(0);
    for (codes, groups) in codes.chunks(2).zip(row.chunks(2)) {
        let mut products = u16x8_splat(0);
        for (codes, group) in codes.iter().zip(groups) {
            let halves = bytemuck::cast::<Group, [v128; 2]>(*group);
            for (codes, half) in codes.iter().zip(halves) {
                for (&code, nibble) in codes.iter().zip(nibbles(half)) {
                    products = i16x8_add(products, i16x8_mul(code, nibble));
                }
            }
        }
        sum = i32x4_add(sum, i32x4_extadd_pairwise_i16x8(products));
    }
    bytemuck::cast::<v128, [i32; 4]>(sum).into_iter().sum()
}

/// The lower nibbles of even and odd bytes, and the upper ones, in 16 bits each.
fn nibbles(bytes: v128) -> [v128; 4] {
    let lowest = |values| v128_and(values, u16x8_splat(15));
    [lowest(bytes), lowest(u16x8_shr(bytes, 8)), lowest(u16x8_shr(bytes, 4)), u16x8_shr(bytes, 12)]
}

/// A quarter of a row at a time. Two rows add four values of at most 63 in a byte; then the even and the odd bytes are added to sums of 16 bits.
pub(super) fn sums(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    let mut sums = [u16x8_splat(0); 8];
    for quarter in 0..4 {
        let (mut even, mut odd) = (u16x8_splat(0), u16x8_splat(0));
        for (tables, rows) in tables.chunks(2).zip(rows.chunks(2)) {
            let mut bytes = u16x8_splat(0);
            for (table, row) in tables.iter().zip(rows) {
                let signs = bytemuck::cast_ref::<SignRow, [[u8; 16]; 4]>(row)[quarter];
                bytes = i8x16_add(bytes, looked_up(table, bytemuck::cast(signs)));
            }
            even = i16x8_add(even, v128_and(bytes, u16x8_splat(255)));
            odd = i16x8_add(odd, u16x8_shr(bytes, 8));
        }
        (sums[quarter], sums[4 + quarter]) = (even, odd);
    }
    *out = bytemuck::cast(sums);
}

/// The sum of what both tables have for the nibbles of each byte.
fn looked_up(tables: &Tables, signs: v128) -> v128 {
    let [low, high] = bytemuck::cast::<Tables, [v128; 2]>(*tables);
    let nibbles = |bytes| v128_and(bytes, u16x8_splat(0x0F0F));
    i8x16_add(i8x16_swizzle(low, nibbles(signs)), i8x16_swizzle(high, nibbles(u16x8_shr(signs, 4))))
}

/// The estimates of a block, and the lowest: the operations of the scalar kernel in the same order.
pub(super) fn estimate(sums: &Sums, factors: &[f32; BLOCK], terms: [f32; 3], out: &mut [f32; BLOCK]) -> f32 {
    let [per_sum, least, base] = terms.map(|term| f32x4_splat(term));
    let mut lowest = f32x4_splat(f32::INFINITY);
    for ((sums, factors), out) in
        sums.as_chunks::<8>().0.iter().zip(factors.as_chunks::<8>().0).zip(out.as_chunks_mut::<8>().0)
    {
        let sums = bytemuck::cast(*sums);
        let sums = [u32x4_extend_low_u16x8(sums), u32x4_extend_high_u16x8(sums)]
            .map(|sums| f32x4_convert_i32x4(sums));
        let mut estimates = bytemuck::cast::<[f32; 8], [v128; 2]>(*factors);
        for (estimate, sum) in estimates.iter_mut().zip(sums) {
            let scaled = f32x4_add(f32x4_mul(per_sum, sum), least);
            *estimate = f32x4_add(base, f32x4_mul(*estimate, scaled));
            lowest = f32x4_pmin(lowest, *estimate);
        }
        *out = bytemuck::cast(estimates);
    }
    bytemuck::cast::<v128, [f32; 4]>(lowest).into_iter().fold(f32::INFINITY, f32::min)
}
