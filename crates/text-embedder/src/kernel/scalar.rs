//! The definition, in plain code that compilers turn into what vector instructions there are.

use super::Row;

/// Values whose sums are kept in registers at a time.
const BLOCK: usize = 64;

#[inline]
pub(super) fn add_rows(rows: &[Row<'_>], sum: &mut [f32]) {
    let (blocks, rest) = sum.as_chunks_mut::<BLOCK>();
    for (block, sum) in blocks.iter_mut().enumerate() {
        // Kept apart from `sum`, which the compiler would write to after each row.
        let mut sums = *sum;
        for (codes, factor) in rows {
            if let Some(codes) = codes.get(block * BLOCK..).and_then(|codes| codes.first_chunk::<BLOCK>()) {
                add_codes(codes, *factor, &mut sums);
            }
        }
        *sum = sums;
    }
    let start = blocks.len() * BLOCK;
    for (codes, factor) in rows {
        add_codes(codes.get(start..).unwrap_or_default(), *factor, rest);
    }
}

#[inline]
fn add_codes(codes: &[u8], factor: f32, sum: &mut [f32]) {
    for (sum, code) in sum.iter_mut().zip(codes) {
        *sum += factor * f32::from(code.cast_signed());
    }
}
