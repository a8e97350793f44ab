//! Proves that no artifact of the facade, whatever its manifest, settings, shards, tombstones, deletes and records say under right
//! checksums, makes opening, any query, verifying, sealing, compacting, packing or salvaging panic, hang or take much memory.
#![no_main]

use arbitrary::Arbitrary;
use fuzz::Choice;
use fuzz::damage::{Change, damaged};
use fuzz::records::{Raw, with_records};
use fuzz::sound::DIRECTORY;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    changes: Vec<Change>,
    records: Vec<Raw>,
    sealed: bool,
    mapped: bool,
    /// For reading, for writing, or, in one input of 32, what needs a disk.
    by: u8,
    choice: u32,
}

fuzz_target!(|input: Input| {
    let Input { changes, records, sealed, mapped, by, choice } = input;
    let choice = &mut Choice::new(choice);
    let files =
        if records.is_empty() { DIRECTORY.clone() } else { with_records(&DIRECTORY, &records, sealed) };
    let files = damaged(files, &changes);
    match by {
        ..124 => fuzz::exercise_reader(&files, mapped, choice),
        124..248 => fuzz::exercise_writer(&files, mapped, choice),
        248.. => fuzz::exercise_on_disk(&files, choice),
    }
});
