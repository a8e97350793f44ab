//! Embeddings of texts that are kept in the artifact, so that the same texts need no model in another process.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use compact_artifact::*;

use crate::toy::{GROUPS, Toy};

fn options(toy: &Arc<Toy>) -> Options {
    Options::new().embedder(toy.clone()).keep_embedding_cache(true)
}

fn text(i: usize) -> String {
    format!("{} and {} {i}", GROUPS[i % GROUPS.len()][0], GROUPS[i / 7 % GROUPS.len()][0])
}

fn add(artifact: &CompactArtifact, texts: std::ops::Range<usize>) {
    artifact.add_batch(texts.map(|i| Record::text(text(i)))).unwrap();
}

/// How many texts an embedder was asked for while a call ran.
fn embedded(toy: &Toy, call: impl FnOnce()) -> usize {
    let before = toy.texts.load(Ordering::Relaxed);
    call();
    toy.texts.load(Ordering::Relaxed) - before
}

/// The file that is there only because embeddings are kept.
fn kept_file(path: &Path) -> PathBuf {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    // Its content begins with version 1 and 6 dimensions.
    let is_kept = |file: &PathBuf| fs::read(file).unwrap().starts_with(&[1, 0, 0, 0, 6, 0, 0, 0]);
    files.into_iter().find(is_kept).unwrap()
}

#[test]
fn a_text_that_comes_again_in_another_process_needs_no_model() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let toy = Toy::new("toy");
    let artifact = options(&toy).create(&path).unwrap();
    add(&artifact, 0..200);
    let bytes = artifact.memory_stats().embedding_cache_bytes;
    artifact.close().unwrap();
    for round in 0..3 {
        let artifact = options(&toy).open(&path).unwrap();
        assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
        assert_eq!(artifact.memory_stats().embedding_cache_bytes, bytes, "round {round}");
        assert_eq!(embedded(&toy, || add(&artifact, 0..200)), 0, "round {round}");
        let found = artifact.search(&Query::meaning("cat").k(500)).unwrap().hits;
        assert!(found.len() > 60, "{}", found.len());
        artifact.close().unwrap();
    }
    // Sealing writes it as well, so that it is there after a crash.
    let artifact = options(&toy).open(&path).unwrap();
    assert_eq!(embedded(&toy, || add(&artifact, 200..220)), 20);
    artifact.seal().unwrap();
    assert_eq!(embedded(&toy, || add(&artifact, 220..230)), 10);
    drop(artifact);
    let artifact = options(&toy).open(&path).unwrap();
    assert_eq!(embedded(&toy, || add(&artifact, 200..220)), 0);
    assert_eq!(embedded(&toy, || add(&artifact, 220..230)), 10, "lost in the crash");
    artifact.compact(64 << 20).unwrap();
    assert!(artifact.verify(VerifyLevel::Decode).unwrap().is_sound());
    artifact.close().unwrap();

    // Without the option it is neither read nor touched; readers do without; a pack takes it along.
    let artifact = Options::new().embedder(toy.clone()).open(&path).unwrap();
    assert_eq!(artifact.memory_stats().embedding_cache_bytes, 0);
    assert_eq!(embedded(&toy, || add(&artifact, 0..10)), 10);
    artifact.pack(temp.path().join("pack")).unwrap();
    artifact.close().unwrap();
    assert_eq!(options(&toy).open_read_only(&path).unwrap().memory_stats().embedding_cache_bytes, 0);
    unpack(temp.path().join("pack"), temp.path().join("b")).unwrap();
    let artifact = options(&toy).open(temp.path().join("b")).unwrap();
    assert_eq!(embedded(&toy, || add(&artifact, 0..200)), 0);
}

#[test]
fn what_is_kept_belongs_to_its_model_and_is_bounded_in_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let (toy, new) = (Toy::new("toy"), Toy::new("new"));
    let artifact = options(&toy).create(&path).unwrap();
    add(&artifact, 0..100);
    artifact.close().unwrap();
    let artifact = options(&toy).open(&path).unwrap();
    assert_eq!(embedded(&new, || assert_eq!(artifact.reembed(new.clone()).unwrap().embedded, 100)), 100);
    artifact.close().unwrap();
    let artifact = options(&new).open(&path).unwrap();
    assert_eq!(embedded(&new, || add(&artifact, 0..100)), 0);
    artifact.close().unwrap();
    // A model that is not at hand is not asked, and what it gave stays.
    let artifact = Options::new().keep_embedding_cache(true).open(&path).unwrap();
    add(&artifact, 0..3);
    artifact.close().unwrap();
    let small = options(&new).embedding_cache_bytes(3_000).open(&path).unwrap();
    let bytes = small.memory_stats().embedding_cache_bytes;
    assert!(bytes > 1_000 && bytes <= 3_000, "{bytes}");
    add(&small, 100..150);
    small.close().unwrap();
    assert!(fs::metadata(kept_file(&path)).unwrap().len() < 3_000);

    let error = options(&new).embedding_cache_bytes(0).open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("keep_embedding_cache"), "{error}");
}

#[test]
fn damage_of_what_is_kept_is_named_and_costs_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let toy = Toy::new("toy");
    let artifact = options(&toy).create(&path).unwrap();
    add(&artifact, 0..20);
    artifact.close().unwrap();
    let file = kept_file(&path);
    let flip = |bit: u64| {
        let mut byte = [fs::read(&file).unwrap()[(bit / 8) as usize]];
        byte[0] ^= 1 << (bit % 8);
        let mut file = File::options().write(true).open(&file).unwrap();
        file.seek(SeekFrom::Start(bit / 8)).unwrap();
        file.write_all(&byte).unwrap();
    };
    let is_named = |damage: &[Damage]| damage.iter().any(|damage| damage.message.contains("kept embeddings"));
    let bits = fs::metadata(&file).unwrap().len() * 8;
    for bit in (0..bits).step_by(89) {
        flip(bit);
        let artifact = options(&toy).open(&path).unwrap();
        assert!(is_named(&artifact.recovery().damage), "bit {bit}: {:?}", artifact.recovery());
        assert_eq!(artifact.memory_stats().embedding_cache_bytes, 0, "bit {bit}");
        assert_eq!(artifact.search(&Query::meaning("cat").k(5)).unwrap().hits.len(), 5);
        artifact.close().unwrap();
        // It is found by whoever looks everywhere, and salvaging loses it alone.
        assert!(!verify(&path, VerifyLevel::Checksums).unwrap().is_sound(), "bit {bit}");
        flip(bit);
    }
    flip(300);
    let report = salvage(&path, temp.path().join("b"), Options::new().embedder(toy.clone())).unwrap();
    assert_eq!(report.records, 20);
    assert!(is_named(&report.losses), "{report:?}");
    // The next text that is embedded writes it anew.
    let artifact = options(&toy).open(&path).unwrap();
    assert_eq!(embedded(&toy, || add(&artifact, 0..20)), 20);
    artifact.close().unwrap();
    let artifact = options(&toy).open(&path).unwrap();
    assert!(artifact.recovery().is_clean());
    assert_eq!(embedded(&toy, || add(&artifact, 0..20)), 0);
    artifact.close().unwrap();
    assert!(verify(&path, VerifyLevel::Decode).unwrap().is_sound());
    fs::remove_file(kept_file(&path)).unwrap();
    let artifact = options(&toy).open(&path).unwrap();
    assert!(is_named(&artifact.recovery().damage), "{:?}", artifact.recovery());
}
