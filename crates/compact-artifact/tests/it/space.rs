//! Deleted space comes back, by bytes and not by numbers of records.

use std::path::Path;

use compact_artifact::{CompactArtifact, Maintenance, Metric, Options, Record, RecordId, SpaceOptions};

fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual).seed(1).space("v", SpaceOptions::new(8, Metric::Cosine))
}

fn disk(path: &Path) -> u64 {
    std::fs::read_dir(path).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

fn small(artifact: &CompactArtifact) -> u64 {
    let record = |n: u16| {
        Record::text(format!("a small text, number {n}"))
            .key(format!("k{n}"))
            .embedding("v", [f32::from(n) + 1.0; 8])
    };
    artifact.add_batch((0..200).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.len()
}

/// Bytes that do not compress.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn text_of_different_words(seed: u64) -> String {
    noise(seed, 120_000).chunks(6).fold(String::new(), |text, word| {
        text + &word.iter().map(|byte| char::from(b'a' + byte % 26)).collect::<String>() + " "
    })
}

/// Adds a few large records beside many small ones, deletes them, compacts; and returns the length of the files.
fn compacted(path: &Path, large: impl Fn(u64) -> Record) -> u64 {
    let artifact = options().create(path).unwrap();
    let ids: Vec<RecordId> = (0..5).map(|n| artifact.add(large(n)).unwrap()).collect();
    assert_eq!(small(&artifact), 205);
    let before = disk(path);
    for id in ids {
        assert!(artifact.delete(id).unwrap());
    }
    let report = artifact.compact(32 << 20).unwrap();
    assert!(report.segments_rewritten >= 1 && report.records_dropped >= 5, "{report:?}");
    assert!(before > 3 * disk(path), "{before} became {}", disk(path));
    assert_eq!(artifact.len(), 200);
    artifact.close().unwrap();
    disk(path)
}

#[test]
fn after_compact_files_are_no_longer_than_1_15_times_what_is_alive_whatever_was_deleted() {
    let temp = tempfile::tempdir().unwrap();
    let fresh = temp.path().join("fresh");
    let artifact = options().create(&fresh).unwrap();
    small(&artifact);
    artifact.close().unwrap();
    let live = disk(&fresh);
    let blobs = compacted(&temp.path().join("blobs"), |n| Record::blob(noise(n, 600_000)));
    let large = compacted(&temp.path().join("large"), |n| Record::blob(noise(n, 3 << 20)));
    let texts = compacted(&temp.path().join("texts"), |n| Record::text(text_of_different_words(n)));
    for (len, of) in [(blobs, "blobs"), (large, "large blobs"), (texts, "texts")] {
        assert!(len * 100 <= live * 115, "{of}: {len} bytes, of which {live} are alive");
    }
}
