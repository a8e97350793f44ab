//! Proves that no packed artifact, whatever its header, table and files say under right checksums and a right hash, makes opening from
//! memory, any query, verifying or unpacking panic, hang or take much memory.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use block_format::PackVfs;
use block_format::vfs::MemoryVfs;
use compact_artifact::CompactArtifact;
use fuzz::Choice;
use fuzz::damage::{Change, damaged, identity};
use fuzz::pack;
use fuzz::sound::{PACKED, options};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    files: Vec<Change>,
    pack: Vec<pack::Change>,
    /// From memory, unpacked in memory, or, in one input of 32, what needs a disk.
    by: u8,
    choice: u32,
}

fuzz_target!(|input: Input| {
    let files = damaged(PACKED.clone(), &input.files);
    let bytes = pack::build(&identity(&PACKED), &files, &input.pack);
    let choice = &mut Choice::new(input.choice);
    match input.by {
        ..124 => {
            if let Ok(artifact) = CompactArtifact::open_packed_bytes(bytes, options()) {
                fuzz::look_facade(&artifact, choice);
            }
        }
        124..248 => unpacked(bytes, choice),
        248.. => {
            let temp = tempfile::tempdir().expect("a folder");
            let path = temp.path().join("pack");
            std::fs::write(&path, &bytes).expect("room");
            fuzz::exercise_pack(&path, &temp.path().join("unpacked"), choice);
        }
    }
});

fn unpacked(bytes: Vec<u8>, choice: &mut Choice) {
    let Ok(pack) = PackVfs::from_bytes(bytes) else { return };
    let vfs = Arc::new(MemoryVfs::new());
    let unpacked = pack.unpack_in(vfs.clone(), "/to", &block_format::Options::new());
    if unpacked.is_ok()
        && let Ok(artifact) = CompactArtifact::open_in(vfs, options(), "/to".as_ref())
    {
        fuzz::look_facade(&artifact, choice);
    }
}
