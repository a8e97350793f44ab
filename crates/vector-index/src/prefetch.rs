//! Asking for memory before it is read, where there is an instruction for it: x86-64 has one.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "prefetches"))]

/// The bytes of a line of the cache.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Asks for the lines of some values.
#[inline]
pub(crate) fn prefetch<T>(values: &[T]) {
    lines(values.as_ptr().cast(), size_of_val(values));
}

/// Asks for the lines of some rows of `stride` values each. What is asked for is not read: a row need not be there.
#[inline]
pub(crate) fn prefetch_rows<T>(rows: &[T], stride: usize, ids: &[u32]) {
    let len = stride * size_of::<T>();
    for &id in ids {
        lines(rows.as_ptr().cast::<i8>().wrapping_add((id as usize).wrapping_mul(len)), len);
    }
}

/// Asks for the lines of bytes that may lie anywhere.
#[inline]
#[cfg(target_arch = "x86_64")]
fn lines(first: *const i8, len: usize) {
    line(first);
    let mut at = LINE;
    while at < len {
        line(first.wrapping_add(at));
        at += LINE;
    }
}

#[inline]
#[cfg(not(target_arch = "x86_64"))]
fn lines(_: *const i8, _: usize) {}

/// Asks for the line of a byte that may lie anywhere.
#[inline]
#[cfg(target_arch = "x86_64")]
pub(crate) fn line(at: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing that a program could see, and fails nowhere. SSE is part of x86-64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at) }
}
