//! The plain version, which defines the right answer. Compilers vectorise it as far as they may.

use super::Plane;
use crate::planes::Line;
use crate::sketch::{SignRow, Sums, Tables};

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
