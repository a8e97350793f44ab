//! The definition, compiled for AVX2 and for AVX-512.

#![expect(unsafe_code, reason = "calls that the existence of a `Kernel` makes sound")]

use super::{Row, scalar};

pub(super) fn avx2(rows: &[Row<'_>], sum: &mut [f32]) {
    #[target_feature(enable = "avx2")]
    fn compiled(rows: &[Row<'_>], sum: &mut [f32]) {
        scalar::add_rows(rows, sum);
    }
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX2.
    unsafe { compiled(rows, sum) }
}

pub(super) fn avx512(rows: &[Row<'_>], sum: &mut [f32]) {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn compiled(rows: &[Row<'_>], sum: &mut [f32]) {
        scalar::add_rows(rows, sum);
    }
    // SAFETY: a `Kernel` of this kind is made only where the processor has AVX-512 F and BW.
    unsafe { compiled(rows, sum) }
}
