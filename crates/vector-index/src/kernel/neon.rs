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

use crate::codes::layout::{Line, Plane};
use crate::sketch::layout::{SignRow, Sums, Tables};

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

/// Products of all rows of codes with all rows of parts, four of these at a time, while all rows of codes, which are few, stay in the first cache.
pub(super) fn products(codes: &[Line], parts: &[Line], stride: usize, out: &mut [i32], has_dotprod: bool) {
    let columns = parts.len() / stride;
    for first in (0..columns).step_by(4) {
        // The last row stands in the place of those that are missing.
        let row = |j: usize| &parts[(first + j).min(columns - 1) * stride..][..stride];
        let four = [row(0), row(1), row(2), row(3)];
        let count = (columns - first).min(4);
        for (code, out) in codes.chunks_exact(stride).zip(out.chunks_mut(columns)) {
            let sums = if has_dotprod {
                // SAFETY: a `Kernel` of this kind is made only where the processor has the dot product instructions.
                unsafe { four_dotprod(code, four) }
            } else {
                // SAFETY: NEON is part of 64-bit Arm as Rust compiles for it.
                unsafe { four_plain(code, four) }
            };
            out[first..][..count].copy_from_slice(&sums[..count]);
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

/// Two products of a part with a code are added in 16 bits, which they do not exceed: 2 * 63 * 127 < 32768.
#[target_feature(enable = "neon")]
fn four_plain(code: &[Line], parts: [&[Line]; 4]) -> [i32; 4] {
    parts.map(|part| {
        let mut sum = vdupq_n_s32(0);
        for (code, part) in code.as_flattened().as_chunks().0.iter().zip(part.as_flattened().as_chunks().0) {
            let (code, part) = (load(code), load(part));
            let low = vmull_s8(vget_low_s8(code), vget_low_s8(part));
            sum = vpadalq_s16(sum, vmlal_high_s8(low, code, part));
        }
        vaddvq_s32(sum)
    })
}

#[target_feature(enable = "neon,dotprod")]
fn four_dotprod(code: &[Line], [b0, b1, b2, b3]: [&[Line]; 4]) -> [i32; 4] {
    let mut sums = [vdupq_n_s32(0); 4];
    for (a, ((b0, b1), (b2, b3))) in code.iter().zip(b0.iter().zip(b1).zip(b2.iter().zip(b3))) {
        for (quarter, a) in a.as_chunks().0.iter().enumerate() {
            let a = load(a);
            for (sum, b) in sums.iter_mut().zip([b0, b1, b2, b3]) {
                *sum = sdot(*sum, a, load(&b.as_chunks().0[quarter]));
            }
        }
    }
    sums.map(|sum| vaddvq_s32(sum))
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
