//! NEON, with the dot product instruction where the processor has it.
#![expect(
    unsafe_code,
    reason = "loads, one instruction without an intrinsic, and calls that the existence of a `Kernel` makes sound"
)]

#[cfg_attr(
    not(test),
    expect(clippy::wildcard_imports, reason = "intrinsics have prefixes of their own")
)]
use std::arch::aarch64::*;
use std::arch::asm;

use crate::codes::layout::{Line, PANEL, Plane, QUADS, Quads};
use crate::sketch::layout::{Outlines, SignRow, Sums, Tables, Word};

/// Bytes with one bit each, the lowest first.
const EACH_BIT: u64 = 0x8040_2010_0804_0201;

pub(super) fn plain(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    for (&id, out) in ids.iter().zip(out) {
        // SAFETY: NEON is part of 64-bit Arm as Rust compiles for it.
        *out = unsafe { dot_plain(query, plane.row(id).as_flattened()) };
    }
}

pub(super) fn dotprod(query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
    for (&id, out) in ids.iter().zip(out) {
        // SAFETY: a `Kernel` of this kind is made only where the processor has the dot product instructions.
        *out = unsafe { dot_dotprod(query, plane.row(id).as_flattened()) };
    }
}

pub(super) fn signed_sums(query: &[Line], outlines: Outlines<'_>, ids: &[u32], out: &mut [i32]) {
    for (&id, out) in ids.iter().zip(out) {
        // SAFETY: NEON is part of 64-bit Arm as Rust compiles for it.
        *out = unsafe { signed_sum(query, outlines.signs(id)) };
    }
}

/// Products of all rows of codes with all panels, one after the other, while all rows of codes, which are few, stay in the first cache.
pub(super) fn products(codes: &[Line], panels: &[Quads], stride: usize, out: &mut [i32], has_dotprod: bool) {
    let columns = panels.len() / (stride * QUADS) * PANEL;
    for (panel, first) in panels.chunks_exact(stride * QUADS).zip((0..columns).step_by(PANEL)) {
        for (codes, out) in codes.chunks_exact(stride).zip(out.chunks_mut(columns)) {
            let codes = codes.as_flattened().as_chunks::<4>().0;
            let sums = if has_dotprod {
                // SAFETY: a `Kernel` of this kind is made only where the processor has the dot product instructions.
                unsafe { panel_dotprod(codes, panel) }
            } else {
                // SAFETY: NEON is part of 64-bit Arm as Rust compiles for it.
                unsafe { panel_plain(codes, panel) }
            };
            out[first..][..PANEL].copy_from_slice(sums.as_flattened());
        }
    }
}

pub(super) fn sums(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    // SAFETY: NEON is part of 64-bit Arm as Rust compiles for it.
    unsafe { look_up(tables, rows, out) }
}

#[inline]
fn load(codes: &[i8; 16]) -> int8x16_t {
    // SAFETY: 16 readable bytes; NEON is part of 64-bit Arm.
    unsafe { vld1q_s8(codes.as_ptr()) }
}

/// The lower and the upper nibbles of 16 bytes.
#[inline]
#[target_feature(enable = "neon")]
fn nibbles(bytes: &[u8; 16]) -> [int8x16_t; 2] {
    let bytes = vreinterpretq_u8_s8(load(bytemuck::cast_ref(bytes)));
    [vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8::<4>(bytes))]
}

/// The codes that belong to the lower and the upper nibbles of half a group.
#[inline]
fn codes(line: &Line, half: usize) -> [int8x16_t; 2] {
    let quarters = line.as_chunks().0;
    [load(&quarters[half]), load(&quarters[2 + half])]
}

/// A sum of 16 bits takes the 8 codes of a line.
#[target_feature(enable = "neon")]
fn signed_sum(query: &[Line], signs: &[Word]) -> i32 {
    let bits = vcombine_u8(vcreate_u8(EACH_BIT), vcreate_u8(EACH_BIT));
    let mut sum = vdupq_n_s32(0);
    for (line, word) in query.iter().zip(signs) {
        let mut pairs = vdupq_n_s16(0);
        for (codes, &[low, high]) in line.as_chunks().0.iter().zip(word.as_chunks().0) {
            let is_set = vtstq_u8(vcombine_u8(vdup_n_u8(low), vdup_n_u8(high)), bits);
            pairs = vpadalq_s8(pairs, vandq_s8(load(codes), vreinterpretq_s8_u8(is_set)));
        }
        sum = vpadalq_s16(sum, pairs);
    }
    vaddvq_s32(sum)
}

#[target_feature(enable = "neon")]
fn dot_plain(query: &[Line], row: &[u8]) -> i32 {
    let mut sum = vdupq_n_s32(0);
    for (i, bytes) in row.as_chunks().0.iter().enumerate() {
        let (codes, nibbles) = (codes(&query[i / 2], i % 2), nibbles(bytes));
        for (code, nibble) in codes.into_iter().zip(nibbles) {
            sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(code), vget_low_s8(nibble)));
            sum = vpadalq_s16(sum, vmull_high_s8(code, nibble));
        }
    }
    vaddvq_s32(sum)
}

#[target_feature(enable = "neon,dotprod")]
fn dot_dotprod(query: &[Line], row: &[u8]) -> i32 {
    let mut sums = [vdupq_n_s32(0); 2];
    for (i, bytes) in row.as_chunks().0.iter().enumerate() {
        let (codes, nibbles) = (codes(&query[i / 2], i % 2), nibbles(bytes));
        sums[0] = sdot(sums[0], codes[0], nibbles[0]);
        sums[1] = sdot(sums[1], codes[1], nibbles[1]);
    }
    vaddvq_s32(vaddq_s32(sums[0], sums[1]))
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: one arithmetic instruction on registers, which the target feature provides.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// Four values of a query, again and again.
#[inline]
#[target_feature(enable = "neon")]
fn repeated(codes: [i8; 4]) -> int8x16_t {
    vreinterpretq_s8_s32(vdupq_n_s32(bytemuck::cast(codes)))
}

/// The parts of the first four rows, and of the others.
#[inline]
#[target_feature(enable = "neon")]
fn halves(quads: &Quads) -> [int8x16_t; 2] {
    let [first, second]: &[[i8; 16]; 2] = bytemuck::cast_ref(quads);
    [load(first), load(second)]
}

#[target_feature(enable = "neon")]
fn panel_plain(codes: &[[i8; 4]], panel: &[Quads]) -> [[i32; 4]; 2] {
    let mut sums = [[vdupq_n_s32(0); 2]; 2];
    for (&codes, quads) in codes.iter().zip(panel) {
        let codes = repeated(codes);
        for (sums, parts) in sums.iter_mut().zip(halves(quads)) {
            sums[0] = vpadalq_s16(sums[0], vmull_s8(vget_low_s8(codes), vget_low_s8(parts)));
            sums[1] = vpadalq_s16(sums[1], vmull_high_s8(codes, parts));
        }
    }
    sums.map(|[low, high]| values(vpaddq_s32(low, high)))
}

#[target_feature(enable = "neon,dotprod")]
fn panel_dotprod(codes: &[[i8; 4]], panel: &[Quads]) -> [[i32; 4]; 2] {
    let mut sums = [vdupq_n_s32(0); 2];
    for (&codes, quads) in codes.iter().zip(panel) {
        let (codes, [first, second]) = (repeated(codes), halves(quads));
        sums = [sdot(sums[0], codes, first), sdot(sums[1], codes, second)];
    }
    sums.map(values)
}

#[inline]
fn values(sums: int32x4_t) -> [i32; 4] {
    let mut out = [0; 4];
    // SAFETY: 16 writable bytes; NEON is part of 64-bit Arm.
    unsafe { vst1q_s32(out.as_mut_ptr(), sums) };
    out
}

#[inline]
fn load_bytes(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 16 readable bytes; NEON is part of 64-bit Arm.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
fn store_sums(sums: uint16x8_t, out: &mut [u16; 8]) {
    // SAFETY: 16 writable bytes; NEON is part of 64-bit Arm.
    unsafe { vst1q_u16(out.as_mut_ptr(), sums) }
}

/// A quarter of a row at a time: its even bytes are those of eight vectors, its odd ones of eight others.
#[target_feature(enable = "neon")]
fn look_up(tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
    let out = out.as_chunks_mut::<8>().0;
    for quarter in 0..4 {
        let (mut even, mut odd) = (vdupq_n_u16(0), vdupq_n_u16(0));
        for ([low, high], row) in tables.iter().zip(rows) {
            let signs = load_bytes(&row.as_chunks().0[quarter]);
            let low = vqtbl1q_u8(load_bytes(low), vandq_u8(signs, vdupq_n_u8(15)));
            let bytes = vaddq_u8(low, vqtbl1q_u8(load_bytes(high), vshrq_n_u8::<4>(signs)));
            let pairs = vreinterpretq_u16_u8(bytes);
            even = vaddq_u16(even, vandq_u16(pairs, vdupq_n_u16(255)));
            odd = vaddq_u16(odd, vshrq_n_u16::<8>(pairs));
        }
        store_sums(even, &mut out[quarter]);
        store_sums(odd, &mut out[4 + quarter]);
    }
}
