//! Any bytes as the blocks of a segment, and as its table: an error, a table built again, or records; never a panic.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    table: Option<&'a [u8]>,
    ids: (u16, u16),
    body: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let first = u64::from(input.ids.0);
    let ids = (first, first + u64::from(input.ids.1));
    fuzz::exercise(&fuzz::with_segment(input.body, input.table, ids));
});
