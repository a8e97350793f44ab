//! Changes that wait in the log, of records whose sealed index was damaged meanwhile: what can be read is changed, what cannot is named.

use std::fs;
use std::path::{Path, PathBuf};

use compact_artifact::{
    Batch, CompactArtifact, Damage, ErrorKind, Filter, Maintenance, Metric, Options, Query, Record, RecordId,
    SpaceOptions,
};
use serde_json::json;

use crate::planted::section;

const RECORDS: u16 = 300;
const DIMENSION: usize = 256;
const VECTORS: u32 = 4;

fn options() -> Options {
    Options::new()
        .maintenance(Maintenance::Manual)
        .graph_from(50)
        .space("early", SpaceOptions::new(DIMENSION, Metric::Cosine))
        .space("late", SpaceOptions::new(2, Metric::L2))
}

fn early(i: u16) -> Vec<f32> {
    (0..DIMENSION)
        .map(|at| f32::from(i * 7 % 101) + if at == usize::from(i) % DIMENSION { 90.0 } else { 1.0 })
        .collect()
}

fn late(i: u16) -> Vec<f32> {
    vec![f32::from(i), 1.0]
}

/// Records that were sealed with an embedding each.
fn sealed(path: &Path) -> CompactArtifact {
    let artifact = options().create(path).unwrap();
    let record = |i: u16| {
        let record = Record::text(format!("text {i}")).key(format!("k{i}"));
        record.metadata(json!({"state": "old", "i": i})).embedding("early", early(i))
    };
    let ids = artifact.add_batch((0..RECORDS).map(record)).unwrap();
    assert_eq!(ids, (0..RECORDS).map(id).collect::<Vec<_>>());
    artifact.seal().unwrap();
    artifact
}

/// The embeddings of a batch stand before its records.
fn id(i: u16) -> RecordId {
    RecordId(u64::from(i) + 1)
}

/// The files of a kind, in the order of their numbers.
fn files(path: &Path, kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with(kind));
    files.sort();
    files
}

fn the_shard(path: &Path) -> PathBuf {
    files(path, "part-").into_iter().max_by_key(|part| fs::metadata(part).unwrap().len()).unwrap()
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::remove_file(file).unwrap(); // whoever has it mapped keeps it
    fs::write(file, bytes).unwrap();
}

/// Every change is there, whoever asks. Returns how many early embeddings are.
fn has_all_changes(artifact: &CompactArtifact) -> usize {
    assert_eq!(artifact.len(), u64::from(RECORDS));
    for (state, expected) in [("new", RECORDS), ("old", 0)] {
        match artifact.count(&Filter::field("state").eq(state)) {
            Ok(count) => assert_eq!(count, u64::from(expected)),
            // The bytes that were damaged are verified together with some of another index.
            Err(e) => assert_eq!(e.kind(), ErrorKind::Damaged),
        }
    }
    let mut count = 0;
    for i in 0..RECORDS {
        let entry = artifact.get(id(i)).unwrap().unwrap();
        assert_eq!(entry.metadata().unwrap()["state"], "new", "record {i}");
        assert_eq!(artifact.id_of_key(&format!("k{i}")).unwrap(), Some(id(i)));
        let expected = (i % 3 != 0).then(|| late(i));
        let found = artifact.embedding(id(i), "late").unwrap();
        assert_eq!(found.is_some(), expected.is_some(), "record {i}");
        if let Some(vector) = expected {
            let found = artifact.search(&Query::vector("late", vector).k(1)).unwrap();
            assert_eq!(found.hits[0].id, id(i));
        }
        let Ok(Some(embedding)) = artifact.embedding(id(i), "early") else { continue };
        count += 1;
        let like: f32 = embedding.iter().zip(early(i)).map(|(a, b)| a * b).sum();
        let len = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!(like / len(&embedding) / len(&early(i)) > 0.99, "record {i}");
    }
    count
}

/// New metadata for all, late embeddings for two thirds.
fn change(artifact: &CompactArtifact) {
    for i in 0..RECORDS {
        artifact.update(id(i), json!({"state": "new"})).unwrap();
        artifact.add_embedding(id(i), "late", &late(i)).unwrap();
        if i % 3 == 0 {
            artifact.write(Batch::new().remove_embedding(id(i), "late")).unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_in_vectors_costs_no_change_of_their_records_and_what_it_costs_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let original = temp.path().join("a");
    let artifact = sealed(&original);
    change(&artifact);
    drop(artifact);
    let vectors = section(&the_shard(&original), VECTORS);
    let places = [0, 1, 8, 9, vectors.len() / 3, vectors.len() / 2, vectors.len() - 100, vectors.len() - 1];
    for (number, at) in places.into_iter().enumerate() {
        let path = temp.path().join(format!("b{number}"));
        copy_all(&original, &path);
        flip(&the_shard(&path), vectors.start + at);
        let is_named = |artifact: &CompactArtifact| {
            let damage = &artifact.recovery().damage;
            damage.iter().any(|damage| damage.space.as_deref() == Some("early"))
        };
        let reader = options().open_read_only(&path).unwrap();
        let left = has_all_changes(&reader);
        assert_eq!(is_named(&reader), left < usize::from(RECORDS), "byte {at}");
        let artifact = options().open(&path).unwrap();
        assert_eq!(has_all_changes(&artifact), left);
        artifact.seal().unwrap();
        assert_eq!(has_all_changes(&artifact), left);
        artifact.close().unwrap();
        let artifact = options().open(&path).unwrap();
        assert_eq!(has_all_changes(&artifact), left);
        assert_eq!(is_named(&artifact), left < usize::from(RECORDS), "byte {at}: it stays named");
        // And with new ones all is as it was.
        for i in 0..RECORDS {
            artifact.add_embedding(id(i), "early", &early(i)).unwrap();
        }
        artifact.seal().unwrap();
        artifact.compact(8 << 20).unwrap();
        artifact.close().unwrap();
        let artifact = options().open(&path).unwrap();
        assert_eq!(has_all_changes(&artifact), usize::from(RECORDS));
        assert!(!is_named(&artifact), "{:?}", artifact.recovery().damage);
        assert_eq!(artifact.count(&Filter::field("state").eq("new")).unwrap(), u64::from(RECORDS));
    }
}

#[test]
fn a_record_whose_embedding_cannot_be_read_gets_another_but_is_not_indexed_without_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    sealed(&path).close().unwrap();
    let shard = the_shard(&path);
    let vectors = section(&shard, VECTORS);
    flip(&shard, vectors.start + vectors.len() / 2);
    let artifact = options().open(&path).unwrap();
    let unreadable: Vec<u16> =
        (0..RECORDS).filter(|&i| artifact.embedding(id(i), "early").is_err()).collect();
    assert!(!unreadable.is_empty());
    let i = unreadable[0];
    let refused = [
        artifact.update(id(i), json!({"state": "new"})).map(drop),
        artifact.add_embedding(id(i), "late", &late(i)).map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Damaged);
    }
    assert_eq!(artifact.get(id(i)).unwrap().unwrap().metadata().unwrap()["state"], "old");
    artifact.add_embedding(id(i), "early", &early(i)).unwrap();
    artifact.update(id(i), json!({"state": "new"})).unwrap();
    assert_eq!(artifact.count(&Filter::field("state").eq("new")).unwrap(), 1);
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    assert!(artifact.embedding(id(i), "early").unwrap().is_some());
}

#[test]
fn a_piece_of_an_index_that_is_lost_takes_no_metadata_of_the_others_with_it() {
    const MANY: u64 = 9_000;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().memory_limit(8 << 20).create(&path).unwrap();
    let record = |n| Record::text(format!("text {n}")).metadata(json!({"state": "old", "n": n}));
    artifact.add_batch((0..MANY).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.update_where(&Filter::field("state").eq("old"), json!({"state": "new"})).unwrap();
    artifact.seal().unwrap();
    artifact.compact(8 << 20).unwrap();
    assert!(artifact.stats().shards > 1, "{:?}", artifact.stats());
    artifact.close().unwrap();
    let mut parts = files(&path, "part-");
    parts.retain(|file| fs::metadata(file).unwrap().len() > 10_000);
    assert!(parts.len() > 1);
    for (number, part) in parts.into_iter().enumerate() {
        let copy = temp.path().join(format!("copy{number}"));
        copy_all(&path, &copy);
        let part = copy.join(part.file_name().unwrap());
        let len = fs::metadata(&part).unwrap().len();
        fs::OpenOptions::new().write(true).open(part).unwrap().set_len(len - 1).unwrap();
        for _ in 0..2 {
            let artifact = options().open(&copy).unwrap();
            assert_eq!(artifact.count(&Filter::field("state").eq("new")).unwrap(), MANY, "without {number}");
            let states = artifact.records().map(|entry| entry.unwrap().metadata().unwrap()["state"].clone());
            assert!(states.into_iter().all(|state| state == "new"));
            artifact.seal().unwrap();
            artifact.close().unwrap();
        }
    }
}

/// A record of several frames, sealed, with changes of it in the log.
fn large(path: &Path) {
    let artifact = options().create(path).unwrap();
    let words =
        (0..400_000u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect::<Vec<_>>().join(" ");
    let record = Record::text(words).key("large").metadata(json!({"state": "old"}));
    let id = artifact.add(record).unwrap();
    artifact.add(Record::text("small").key("small")).unwrap();
    artifact.seal().unwrap();
    artifact.update(id, json!({"state": "new"})).unwrap();
    artifact.sync().unwrap();
}

fn segment(path: &Path) -> PathBuf {
    files(path, "segment-").remove(0)
}

#[test]
fn a_record_whose_text_is_damaged_has_its_newest_metadata() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    large(&path);
    let segment = segment(&path);
    flip(&segment, usize::try_from(fs::metadata(&segment).unwrap().len()).unwrap() / 2);
    for _ in 0..2 {
        let artifact = options().open(&path).unwrap();
        let entry = artifact.get_by_key("large").unwrap().unwrap();
        assert_eq!(entry.metadata().unwrap()["state"], "new");
        assert_eq!(entry.text().unwrap_err().kind(), ErrorKind::Damaged);
        assert_eq!(artifact.count(&Filter::field("state").eq("new")).unwrap(), 1);
        assert_eq!(artifact.len(), 2);
        artifact.seal().unwrap();
        artifact.close().unwrap();
    }
}

#[test]
fn a_record_whose_beginning_is_damaged_is_not_taken_for_deleted() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    large(&path);
    options().open(&path).unwrap().close().unwrap();
    let artifact = options().open(&path).unwrap();
    artifact.add(Record::text("another").key("another")).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    flip(&segment(&path), 4096 + 200);
    // Another index is damaged, so that all records are looked at.
    let newest = files(&path, "part-").pop().unwrap();
    let len = usize::try_from(fs::metadata(&newest).unwrap().len()).unwrap();
    flip(&newest, len - 20);
    for _ in 0..2 {
        let artifact = options().open(&path).unwrap();
        let id = artifact.id_of_key("large").unwrap().unwrap();
        assert_eq!(artifact.get(id).map_err(|e| e.kind()).unwrap_err(), ErrorKind::Damaged);
        assert_eq!(artifact.len(), 3);
        artifact.seal().unwrap();
        artifact.close().unwrap();
    }
}

#[test]
fn a_record_whose_metadata_are_damaged_is_found_by_those_of_its_index_and_takes_new_ones() {
    for has_newer in [false, true] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = sealed(&path);
        artifact.update(id(7), json!({"state": "kept", "long": "x".repeat(9_000)})).unwrap();
        artifact.seal().unwrap();
        // In the log, beside metadata that will be damaged.
        artifact.add_embedding(id(7), "late", &late(7)).unwrap();
        if has_newer {
            artifact.update(id(7), json!({"state": "newer", "long": null})).unwrap();
        }
        artifact.sync().unwrap();
        drop(artifact);
        let segments = files(&path, "segment-");
        flip(&segments[1], 4096 + 60);
        for round in 0..2 {
            let artifact = options().open(&path).unwrap();
            let metadata = artifact.get(id(7)).unwrap().unwrap().metadata();
            let found = |state: &str| artifact.count(&Filter::field("state").eq(state)).unwrap();
            let others = u64::from(RECORDS) - 1;
            if has_newer {
                assert_eq!(metadata.unwrap()["state"], "newer");
                assert_eq!((found("kept"), found("newer"), found("old")), (0, 1, others));
                assert!(artifact.embedding(id(7), "late").unwrap().is_some());
            } else {
                assert_eq!(metadata.unwrap_err().kind(), ErrorKind::Damaged);
                assert_eq!((found("kept"), found("old")), (1, others));
                let damage = &artifact.recovery().damage;
                assert!(
                    round > 0 || damage.iter().any(|damage| damage.message.contains("embeddings")),
                    "{damage:?}"
                );
                assert_eq!(artifact.count(&!Filter::field("state").eq("kept")).unwrap(), others);
            }
            artifact.seal().unwrap();
            artifact.close().unwrap();
        }
    }
}

#[test]
fn an_embedding_that_a_record_with_damaged_metadata_does_not_get_stays_named_until_the_record_is_gone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = sealed(&path);
    artifact.update(id(7), json!({"long": "x".repeat(9_000)})).unwrap();
    artifact.seal().unwrap();
    artifact.add_embedding(id(7), "late", &late(7)).unwrap();
    drop(artifact);
    flip(&files(&path, "segment-")[1], 4096 + 60);
    for round in 0..4 {
        let artifact = options().open(&path).unwrap();
        let damage = &artifact.recovery().damage;
        let named: Vec<_> = damage
            .iter()
            .filter(|damage| damage.space.is_some())
            .map(|damage| damage.records.clone())
            .collect();
        let expected = if round < 3 { vec![Some(id(7)..id(8))] } else { Vec::new() };
        assert_eq!(named, expected, "{damage:?}");
        if round == 2 {
            assert!(artifact.delete(id(7)).unwrap());
        }
        artifact.seal().unwrap();
        artifact.close().unwrap();
    }
}

#[test]
fn an_embedding_that_a_record_lost_before_its_metadata_were_damaged_stays_named() {
    let temp = tempfile::tempdir().unwrap();
    let original = temp.path().join("a");
    let artifact = sealed(&original);
    for i in 0..RECORDS {
        artifact.update(id(i), json!({"state": "new", "long": "x".repeat(9_000)})).unwrap();
    }
    artifact.seal().unwrap();
    for i in 0..RECORDS {
        artifact.add_embedding(id(i), "late", &late(i)).unwrap();
    }
    drop(artifact);
    // A place that costs the embedding of the second record, whose metadata will be damaged as well, in the newest index.
    let mut shards = files(&original, "part-");
    shards.retain(|part| fs::metadata(part).unwrap().len() > u64::from(RECORDS) * DIMENSION as u64 / 2);
    let shard = shards.pop().unwrap();
    let vectors = section(&shard, VECTORS);
    let damaged = vectors.step_by(2_048).map(|at| {
        let path = temp.path().join(format!("b{at}"));
        copy_all(&original, &path);
        flip(&path.join(shard.file_name().unwrap()), at);
        let reader = options().open_read_only(&path).unwrap();
        let lost =
            (0..RECORDS).filter(|&i| !matches!(reader.embedding(id(i), "early"), Ok(Some(_)))).collect();
        (path, lost)
    });
    let (path, lost): (PathBuf, Vec<u16>) = { damaged }
        .find(|(_, lost): &(_, Vec<u16>)| lost.contains(&1) && lost.len() < usize::from(RECORDS))
        .unwrap();
    flip(&files(&path, "segment-")[1], 4096 + 60);
    for round in 0..3 {
        let artifact = options().open(&path).unwrap();
        assert!(artifact.get(id(1)).unwrap().unwrap().metadata().is_err(), "round {round}");
        let said = format!("{} records", lost.len());
        let damage = &artifact.recovery().damage;
        let is_named =
            |damage: &Damage| damage.space.as_deref() == Some("early") && damage.message.starts_with(&said);
        assert!(damage.iter().any(is_named), "round {round}: {said}, {damage:?}");
        artifact.seal().unwrap();
        artifact.close().unwrap();
    }
}

#[test]
fn compaction_does_not_make_records_absent_that_cannot_be_found_for_damage() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let noise = |n: u32| {
        (0..40)
            .map(|i| format!("{:x}", (n * 40 + i).wrapping_mul(2_654_435_761)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let ids =
        artifact.add_batch((0..1_000).map(|n| Record::text(noise(n)).metadata(json!({"n": n})))).unwrap();
    artifact.seal().unwrap();
    artifact.delete_where(&Filter::field("n").lt(600)).unwrap();
    artifact.close().unwrap();
    let segment = segment(&path);
    let mut bytes = fs::read(&segment).unwrap();
    let len = bytes.len();
    bytes[len - 8192..].fill(0);
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, bytes).unwrap();
    let artifact = options().open(&path).unwrap();
    for _ in 0..2 {
        assert_eq!(artifact.get(ids[999]).map_err(|e| e.kind()).unwrap_err(), ErrorKind::Damaged);
        assert!(artifact.get(ids[700]).unwrap().is_some());
        assert_eq!(artifact.compact(8 << 20).map_err(|e| e.kind()).unwrap_err(), ErrorKind::Damaged);
    }
}
