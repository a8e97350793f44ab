//! Any header fields and any payload with right checksums: an error or records, never a panic.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    blocks: Vec<(u8, u8, u32, u32, u64, Vec<u8>)>,
    next_id: u64,
}

fuzz_target!(|input: Input| {
    let mut body = Vec::new();
    for (kind, codec, raw_len, count, first_id, payload) in input.blocks.iter().take(8) {
        // Mostly plausible, so that the payload is what matters.
        let raw_len = if codec % 4 == 0 { payload.len() as u32 } else { raw_len % (3 << 20) };
        body.extend(fuzz::block(kind % 5, codec % 4, raw_len, count % 300, first_id % (1 << 40), payload));
    }
    body.extend(fuzz::commit(1, 0, input.next_id, 0, 0));
    fuzz::exercise(&fuzz::with_log(&body, true));
});
