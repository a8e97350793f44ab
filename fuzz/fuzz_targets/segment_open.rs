//! Proves that any bytes as the blocks, table and footer of a segment, under right or wrong checksums, are an error, a
//! table built again, or records.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::hostile::{Artifact, Choice, Part, Segment};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    segments: Vec<Segment>,
    deletes: Option<Part>,
    no_manifest: Choice,
}

fuzz_target!(|input: Input| {
    let Input { segments, deletes, no_manifest } = input;
    let artifact =
        Artifact { segments, parts: deletes.into_iter().collect(), no_manifest, ..Artifact::default() };
    fuzz::exercise(&artifact.build());
});
