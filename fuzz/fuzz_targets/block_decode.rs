//! Proves that no block, file or manifest with right checksums makes the library panic, hang or take much memory.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::hostile::{Artifact, Commit, Log, Piece, Segment};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Input {
    /// These blocks in one commit of a log, and in a segment.
    Blocks(Vec<Piece>),
    Segment(Vec<Piece>),
    /// All kinds of files, any numbers in the manifest.
    Artifact(Artifact),
}

fuzz_target!(|input: Input| {
    let artifact = match input {
        Input::Blocks(pieces) => Artifact { logs: vec![Log::of(Commit::of(pieces))], ..Artifact::default() },
        Input::Segment(pieces) => Artifact { segments: vec![Segment::of(pieces)], ..Artifact::default() },
        Input::Artifact(artifact) => artifact,
    };
    fuzz::exercise(&artifact.build());
});
