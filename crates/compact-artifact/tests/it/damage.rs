//! Flipped bytes, missing files: what is sound is served, what is not is named, and nothing is made up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use compact_artifact::{
    CompactArtifact, ErrorKind, Filter, Maintenance, Metric, Options, Query, Record, SpaceOptions,
    VerifyLevel, salvage, search_snapshots, verify,
};
use serde_json::json;

use crate::left_out;
use crate::planted::section;

pub(crate) const RECORDS: u8 = 120;

pub(crate) fn options() -> Options {
    left_out::options()
        .block_len(1024)
        .maintenance(Maintenance::Manual)
        .seed(3)
        .space("v", SpaceOptions::new(4, Metric::Cosine))
}

fn text(i: u8) -> String {
    format!("text number {i} with words {}", "and more words ".repeat(usize::from(i % 5)))
}

/// Two shards and something in the log.
pub(crate) fn built(path: &Path) -> BTreeMap<u64, String> {
    let artifact = options().create(path).unwrap();
    let mut model = BTreeMap::new();
    for i in 0..RECORDS {
        let record = Record::text(text(i)).key(format!("k{i}")).metadata(json!({"i": i}));
        let id = artifact.add(record.embedding("v", [f32::from(i), 7.0, 1.0, 3.0])).unwrap();
        model.insert(id.0, text(i));
        if i == 60 || i == 110 {
            artifact.seal().unwrap();
        }
    }
    artifact.close().unwrap();
    model
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn files(path: &Path, kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with(kind));
    files.sort();
    files
}

/// The files with shards: the larger parts.
fn shards(path: &Path) -> Vec<PathBuf> {
    let mut parts = files(path, "part");
    parts.retain(|part| fs::metadata(part).unwrap().len() > 1_000);
    parts
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 0x40;
    fs::write(file, bytes).unwrap();
}

/// Whatever an artifact serves is what was stored.
fn serves_nothing_else(artifact: &CompactArtifact, model: &BTreeMap<u64, String>) {
    for entry in artifact.records().flatten() {
        if let Ok(text) = entry.text() {
            assert_eq!(Some(text.as_ref()), model.get(&entry.id().0).map(String::as_str));
        }
    }
    let queries = [
        Query::words("number words").snippet(40),
        Query::vector("v", [3.0, 7.0, 1.0, 3.0]).fetch(true),
        Query::new().filter(Filter::field("i").lt(9)).fetch(true),
    ];
    for query in queries {
        for hit in artifact.search(&query.k(30)).iter().flat_map(|found| &found.hits) {
            if let Some(Ok(text)) = hit.record.as_ref().map(compact_artifact::Entry::text) {
                assert_eq!(Some(text.as_ref()), model.get(&hit.id.0).map(String::as_str));
            }
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_never_gives_what_was_not_stored_and_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let original = temp.path().join("a");
    let model = built(&original);
    let mut number = 0;
    for kind in ["manifest", "log", "segment", "part"] {
        for file in files(&original, kind) {
            let name = file.file_name().unwrap();
            let len = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
            for at in (0..len).step_by((len / 24).max(1)) {
                number += 1;
                let damaged = temp.path().join(format!("b{number}"));
                copy(&original, &damaged);
                flip(&damaged.join(name), at);
                let named = verify(&damaged, VerifyLevel::Decode);
                assert!(named.is_err() || !named.unwrap().is_sound(), "{name:?} at {at} is not named");
                for artifact in
                    [options().open_read_only(&damaged), options().open(&damaged)].iter().flatten()
                {
                    serves_nothing_else(artifact, &model);
                }
                fs::remove_dir_all(&damaged).unwrap();
            }
        }
    }
    assert!(number > 100, "{number}");
}

/// Everything is found: by words, by key, by metadata; and by vector, if those are to be there.
pub(crate) fn finds_everything(artifact: &CompactArtifact, vectors: usize) {
    assert_eq!(artifact.len(), u64::from(RECORDS));
    assert_eq!(artifact.search(&Query::words("number").k(1_000)).unwrap().hits.len(), usize::from(RECORDS));
    assert_eq!(artifact.count(&Filter::field("i").gte(0)).unwrap(), u64::from(RECORDS));
    assert!((0..RECORDS).all(|i| artifact.id_of_key(&format!("k{i}")).unwrap().is_some()));
    let near = artifact.search(&Query::vector("v", [3.0, 7.0, 1.0, 3.0]).k(1_000)).unwrap();
    assert_eq!(near.hits.len(), vectors);
}

#[test]
pub(crate) fn a_damaged_or_missing_index_is_made_anew_and_what_was_lost_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let original = temp.path().join("a");
    built(&original);
    const LOST: usize = 61;
    for name in ["gone", "cut", "trailer"] {
        let path = temp.path().join(name);
        copy(&original, &path);
        let shard = &shards(&path)[0];
        match name {
            "gone" => fs::remove_file(shard).unwrap(),
            "cut" => fs::write(shard, &fs::read(shard).unwrap()[..500]).unwrap(),
            // The trailer of the content: before a checksum for each 64 KiB and the footer of the part.
            _ => flip(shard, fs::read(shard).unwrap().len() - 64 - 4 - 10),
        }
        let reader = options().open_read_only(&path).unwrap();
        assert!(!reader.recovery().is_clean(), "{name}");
        finds_everything(&reader, usize::from(RECORDS) - LOST);
        drop(reader);
        let artifact = options().open(&path).unwrap();
        assert_eq!(artifact.recovery().shards_rebuilt, 1, "{name}");
        finds_everything(&artifact, usize::from(RECORDS) - LOST);
        artifact.seal().unwrap();
        artifact.close().unwrap();
        let artifact = options().open(&path).unwrap();
        remembers_lost_embeddings(&artifact, LOST);
        finds_everything(&artifact, usize::from(RECORDS) - LOST);
        assert!(artifact.verify(VerifyLevel::Decode).unwrap().is_sound(), "{name}");
        gives_them_back(artifact, &path, LOST);
    }
}

/// Embeddings that were lost with an index are damage, though everything else is made anew.
fn remembers_lost_embeddings(artifact: &CompactArtifact, count: usize) {
    let damage = &artifact.recovery().damage;
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].space.as_deref(), Some("v"));
    let records = if count == 1 { "record has" } else { "records have" };
    assert!(damage[0].to_string().starts_with(&format!("{count} {records} no embedding")), "{damage:?}");
    searches_name_what_is_lost(artifact, true);
}

/// Searches that would find the embeddings say so; others do not.
fn searches_name_what_is_lost(artifact: &CompactArtifact, is_lost: bool) {
    let near = artifact.search(&Query::vector("v", [3.0, 7.0, 1.0, 3.0])).unwrap();
    assert_eq!(near.is_complete, !is_lost);
    let spaces: Vec<_> = near.losses.iter().map(|loss| loss.space.as_deref()).collect();
    assert_eq!(spaces, if is_lost { vec![Some("v")] } else { vec![] });
    let words = artifact.search(&Query::words("text")).unwrap();
    assert!(words.is_complete && words.losses.is_empty(), "{words:?}");
}

/// Whether an embedding is said to be lost, with the name of its space; no record of these is without one.
#[track_caller]
fn is_lost(embedding: compact_artifact::Result<Option<Vec<f32>>>) -> bool {
    match embedding {
        Ok(embedding) => {
            assert!(embedding.is_some(), "an embedding that was lost is said never to have been");
            false
        }
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Damaged, "{e}");
            assert!(e.to_string().contains("space \"v\""), "{e}");
            true
        }
    }
}

/// They are remembered until the last of their records has another one, or is deleted.
fn gives_them_back(artifact: CompactArtifact, path: &Path, count: usize) {
    let without = |artifact: &CompactArtifact| -> Vec<compact_artifact::RecordId> {
        let ids = artifact.records().map(|entry| entry.unwrap().id());
        ids.filter(|id| is_lost(artifact.embedding(*id, "v"))).collect()
    };
    let lost = without(&artifact);
    assert_eq!(lost.len(), count);
    artifact.delete(lost[0]).unwrap();
    for &id in &lost[2..] {
        artifact.add_embedding(id, "v", &[1.0, 7.0, 1.0, 3.0]).unwrap();
    }
    artifact.close().unwrap();
    remembers_lost_embeddings(&options().open_read_only(path).unwrap(), 1);
    let artifact = options().open(path).unwrap();
    remembers_lost_embeddings(&artifact, 1);
    artifact.compact(8 << 20).unwrap();
    drop(artifact);
    let artifact = options().open(path).unwrap();
    remembers_lost_embeddings(&artifact, 1);
    artifact.add_embedding(lost[1], "v", &[1.0, 7.0, 1.0, 3.0]).unwrap();
    searches_name_what_is_lost(&artifact, false);
    artifact.seal().unwrap();
    artifact.close().unwrap();
    let artifact = options().open(path).unwrap();
    assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
    searches_name_what_is_lost(&artifact, false);
    assert_eq!(artifact.len(), u64::from(RECORDS) - 1);
    assert!(without(&artifact).is_empty());
}

#[test]
fn searches_by_vectors_that_cannot_be_read_say_so_and_others_do_not() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    built(&path);
    let shard = &shards(&path)[0];
    let vectors = section(shard, 4);
    let mut unread = 0;
    for at in (vectors.start..vectors.end).step_by(16) {
        flip(shard, at);
        let artifact = options().open_read_only(&path).unwrap();
        if !artifact.recovery().is_clean() {
            unread += 1;
            let damage = &artifact.recovery().damage;
            assert!(damage.iter().any(|damage| damage.space.as_deref() == Some("v")), "{at}: {damage:?}");
            searches_name_what_is_lost(&artifact, true);
            let near = Query::vector("v", [3.0, 7.0, 1.0, 3.0]);
            let total = artifact.search(&near.clone().total(true)).unwrap().total.unwrap();
            assert_eq!((total.records, total.is_exact), (u64::from(RECORDS) - 61, false), "{at}");
            let several = search_snapshots(&[artifact.snapshot()], &near).unwrap();
            assert!(!several.is_complete && !several.losses.is_empty(), "{at}");
            let ids: Vec<_> = artifact.records().map(|entry| entry.unwrap().id()).collect();
            let (lost, there) = (ids[60], ids[61]);
            assert!(is_lost(artifact.embedding(lost, "v")), "{at}");
            assert!(!is_lost(artifact.embedding(there, "v")), "{at}");
        }
        flip(shard, at);
    }
    assert!(unread > 0, "no header of vectors was met");
}

#[test]
fn what_never_had_an_embedding_lost_none() {
    let temp = tempfile::tempdir().unwrap();
    // So many records that the metadata end in another page of 4 KiB than the one in which the vectors begin.
    let path = (300..900).find_map(|count: u64| {
        let path = temp.path().join(count.to_string());
        let artifact = options().space("w", SpaceOptions::new(2, Metric::Dot)).create(&path).unwrap();
        let record = |i| Record::text(format!("text number {i}")).metadata(json!({"i": i}));
        let with_vector =
            |i: u64| if i < 20 { record(i).embedding("v", [1.0, 7.0, 1.0, 3.0]) } else { record(i) };
        artifact.add_batch((0..count).map(with_vector)).unwrap();
        artifact.seal().unwrap();
        artifact.add(record(count)).unwrap();
        artifact.close().unwrap();
        let (metadata, vectors) = (section(&shards(&path)[0], 3), section(&shards(&path)[0], 4));
        (metadata.end / 4096 < vectors.start / 4096).then_some(path)
    });
    let path = path.expect("one in 64 is so");
    let shard = &shards(&path)[0];
    flip(shard, section(shard, 3).end - 20);
    let artifact = options().open(&path).unwrap();
    assert_eq!(artifact.recovery().shards_rebuilt, 1);
    assert_eq!(artifact.recovery().damage.len(), 1, "{:?}", artifact.recovery());
    assert_eq!(artifact.search(&Query::vector("v", [3.0, 7.0, 1.0, 3.0]).k(1_000)).unwrap().hits.len(), 20);
}

#[test]
fn salvage_keeps_records_with_their_ids_and_vectors_of_sound_indexes() {
    let temp = tempfile::tempdir().unwrap();
    let original = temp.path().join("a");
    let model = built(&original);
    for manifest in files(&original, "manifest") {
        fs::remove_file(manifest).unwrap();
    }
    let segment = &files(&original, "segment")[0];
    flip(segment, 4096 + 200); // a block of records
    assert!(options().open(&original).is_err());
    let to = temp.path().join("b");
    let report = salvage(&original, &to, options()).unwrap();
    assert!(!report.losses.is_empty());
    let artifact = options().open(&to).unwrap();
    assert!(report.records == artifact.len() && report.records > 60 && report.records < u64::from(RECORDS));
    for entry in artifact.records() {
        let entry = entry.unwrap();
        assert_eq!(entry.text().unwrap(), model[&entry.id().0]);
    }
    let near = artifact.search(&Query::vector("v", [3.0, 7.0, 1.0, 3.0]).k(1_000).fetch(true)).unwrap();
    assert_eq!(near.hits.len() as u64, artifact.len());
    assert!(near.losses.is_empty());
}

#[test]
fn a_salvage_that_fails_leaves_what_does_not_open_and_the_next_one_begins_anew() {
    let temp = tempfile::tempdir().unwrap();
    let [original, to] = ["a", "b"].map(|name| temp.path().join(name));
    built(&original);
    // Everything is copied when this is found out.
    let other_dimension = Options::new().space("v", SpaceOptions::new(5, Metric::Cosine));
    let failed = salvage(&original, &to, other_dimension).unwrap_err();
    assert!(failed.to_string().contains("is not complete; call `salvage` once more"), "{failed}");
    let opened = [options().open(&to), options().open_read_only(&to), options().open_or_create(&to)];
    for e in opened.into_iter().chain([options().create(&to)]).map(|opened| opened.unwrap_err()) {
        assert_eq!(e.kind(), ErrorKind::NotAnArtifact);
        assert!(e.to_string().contains("`salvage` is at work here, or was interrupted"), "{e}");
    }
    assert!(salvage(&original, &to, options()).unwrap().losses.is_empty());
    finds_everything(&options().open(&to).unwrap(), usize::from(RECORDS));
    assert_eq!(salvage(&original, &to, options()).unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn a_shard_with_a_number_that_no_writer_gives_is_damage_and_goes() {
    for number in [0, u64::MAX - 1, u64::MAX] {
        refuses_shard(number);
    }
}

fn refuses_shard(number: u64) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    built(&path);
    let (store, _) = block_format::Store::open(&path, block_format::Options::new()).unwrap();
    let kind = block_format::PartKind(257);
    store.edit(|edit| edit.write_part(kind, number, |out| out.write_all(b"forged"))).unwrap();
    store.close().unwrap();
    let artifact = options().open(&path).unwrap();
    artifact.add(Record::text("one more")).unwrap();
    assert_eq!(artifact.recovery().shards_rebuilt, 1);
    artifact.seal().unwrap();
    assert_eq!(artifact.len(), u64::from(RECORDS) + 1);
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
    assert_eq!(artifact.len(), u64::from(RECORDS) + 1);
    let near = artifact.search(&Query::vector("v", [3.0, 7.0, 1.0, 3.0]).k(1_000)).unwrap();
    assert_eq!(near.hits.len(), usize::from(RECORDS));
}

/// A set of all numbers of 32 bits in less than a megabyte, as Roaring writes it.
fn all_numbers() -> Vec<u8> {
    let mut bytes = 0xFFFF_303B_u32.to_le_bytes().to_vec();
    bytes.extend([0xFF; 8192]);
    for key in 0..=u16::MAX {
        bytes.extend(key.to_le_bytes());
        bytes.extend(u16::MAX.to_le_bytes());
    }
    let first = bytes.len() + (4 << 16);
    (0..1usize << 16).for_each(|at| bytes.extend(u32::try_from(first + at * 6).unwrap().to_le_bytes()));
    (0..1 << 16).for_each(|_| bytes.extend([1, 0, 0, 0, 0xFF, 0xFF]));
    bytes
}

/// With tombstones of rows that a shard does not have, and all ids among those whose embeddings may be lost.
#[test]
fn sets_that_name_what_is_not_there_cost_nothing_and_take_nothing_away() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let model = built(&path);
    let (store, _) = block_format::Store::open(&path, block_format::Options::new()).unwrap();
    let shards: Vec<u64> =
        store.snapshot().parts().iter().filter(|part| part.kind().0 == 257).map(|part| part.tag()).collect();
    let ids = [&1u64.to_le_bytes()[..], &0u32.to_le_bytes(), &all_numbers()].concat();
    let dead: roaring::RoaringBitmap = (u32::from(RECORDS)..500).collect();
    store
        .edit(|edit| {
            edit.write_part(block_format::PartKind(261), 0, |out| out.write_all(&ids))?;
            for &shard in &shards {
                edit.write_part(block_format::PartKind(258), shard, |out| dead.serialize_into(out))?;
            }
            Ok(())
        })
        .unwrap();
    // More ids than there are rows, of records that never were.
    store
        .edit(|edit| {
            edit.delete((10_000..12_000).map(block_format::RecordId));
            Ok(())
        })
        .unwrap();
    store.close().unwrap();
    for round in 1..4u64 {
        let artifact = options().open(&path).unwrap();
        assert_eq!(artifact.len(), model.len() as u64 + 200 * (round - 1));
        for i in 0..200u16 {
            artifact
                .add(Record::text("one more").embedding("v", [f32::from(i), 1.0, 2.0, round as f32]))
                .unwrap();
        }
        artifact.seal().unwrap();
        artifact.compact(64 << 20).unwrap();
        let all = artifact.len();
        assert_eq!(all, model.len() as u64 + 200 * round);
        let near = artifact.search(&Query::vector("v", [3.0, 7.0, 1.0, 3.0]).k(1_000)).unwrap();
        assert_eq!(near.hits.len() as u64, all);
        assert_eq!(artifact.count(&Filter::field("i").exists()).unwrap(), u64::from(RECORDS));
        artifact.close().unwrap();
    }
}

/// Each segment has as many records as 64 bits can say, by a manifest whose hash holds.
#[test]
fn a_manifest_with_more_records_than_ids_is_damage_and_salvage_keeps_all() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    built(&path);
    for manifest in files(&path, "manifest") {
        let mut bytes = fs::read(&manifest).unwrap();
        let segments = usize::from(bytes[48]);
        assert!(segments > 1);
        (0..segments).for_each(|entry| bytes[64 + entry * 64 + 48..][..8].fill(0xFF));
        let hashed = bytes.len() - 16;
        let hash = xxhash_rust::xxh3::xxh3_128(&bytes[..hashed]);
        bytes[hashed..].copy_from_slice(&hash.to_le_bytes());
        fs::write(manifest, bytes).unwrap();
    }
    assert_eq!(options().open(&path).unwrap_err().kind(), ErrorKind::Damaged);
    let kept = temp.path().join("kept");
    salvage(&path, &kept, options()).unwrap();
    assert_eq!(CompactArtifact::open_read_only(&kept).unwrap().records().count(), usize::from(RECORDS));
}

#[test]
fn a_damaged_block_is_no_reason_not_to_seal_close_or_compact_the_rest() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    for i in 0..3u8 {
        artifact.add(Record::text(text(i)).key(format!("k{i}"))).unwrap();
        artifact.seal().unwrap();
    }
    artifact.close().unwrap();
    flip(&files(&path, "segment")[1], 4096 + 50);
    let artifact = options().open(&path).unwrap();
    // The fourth segment makes a group of four, which cannot be merged.
    artifact.add(Record::text(text(3)).key("k3")).unwrap();
    let report = artifact.seal().unwrap();
    assert_eq!(report.damage.len(), 1, "what stays unmerged is told: {report:?}");
    let name = files(&path, "segment")[1].file_name().unwrap().to_owned();
    assert!(report.damage[0].to_string().contains(name.to_str().unwrap()), "{report:?}");
    for i in 4..7u8 {
        artifact.add(Record::text(text(i)).key(format!("k{i}"))).unwrap();
        artifact.seal().unwrap();
    }
    let finds = |artifact: &CompactArtifact| {
        for i in (0..7u8).filter(|&i| i != 1) {
            assert_eq!(artifact.get_by_key(&format!("k{i}")).unwrap().unwrap().text().unwrap(), text(i));
        }
        assert!(artifact.get_by_key("k1").is_err());
    };
    finds(&artifact);
    assert!(artifact.delete_key("k6").unwrap());
    assert!(!artifact.verify(VerifyLevel::Decode).unwrap().is_sound(), "the damage is still named");
    artifact.upsert(Record::text(text(6)).key("k6")).unwrap();
    artifact.compact(8 << 20).unwrap();
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    finds(&artifact);
    // What is damaged can be deleted: then compacting says that it cannot be read, and everything else is compacted.
    assert!(artifact.delete_key("k1").unwrap());
    assert!(artifact.get_by_key("k1").unwrap().is_none());
    assert_eq!(artifact.len(), 6);
}
