//! Records that change in part: metadata by a patch, embeddings that are taken away, upserts that keep what they do not replace.

use std::path::Path;
use std::sync::Arc;

use compact_artifact::vfs::MemoryVfs;
use compact_artifact::{
    Batch, CompactArtifact, Durability, ErrorKind, Filter, MAX_METADATA_LEN, MetadataPatch, Query, Record,
    RecordId, VerifyLevel, salvage,
};
use serde_json::{Value, json};

use crate::late::options;

fn record(n: u64) -> Record {
    let metadata = json!({"n": n, "state": "new", "by": {"name": "Ada", "age": n}});
    Record::text(format!("record number{n}"))
        .key(format!("k{n}"))
        .field("title", "a title")
        .metadata(metadata)
}

fn metadata(artifact: &CompactArtifact, id: u64) -> Value {
    Value::Object(artifact.get(RecordId(id)).unwrap().unwrap().metadata().unwrap())
}

/// A record that was updated is what it was, but for its metadata, however it is asked for.
fn ask(artifact: &CompactArtifact, id: u64, state: &str, value: Option<f32>) {
    let snapshot = artifact.snapshot();
    let (id, key) = (RecordId(id), format!("k{id}"));
    let of_all = snapshot.records().map(Result::unwrap).find(|entry| entry.id() == id).unwrap();
    let by_key = snapshot.get_by_key(&key).unwrap().unwrap();
    let many = snapshot.get_many(&[id]).unwrap().remove(0).unwrap();
    let found = snapshot.search(&Query::words(&format!("number{id}")).fetch(true)).unwrap().hits;
    assert_eq!(found.len(), 1);
    for entry in [&of_all, &by_key, &many, found[0].record.as_ref().unwrap()] {
        assert_eq!(entry.id(), id);
        assert_eq!(entry.text().unwrap(), format!("record number{id}"));
        assert_eq!(entry.field("title").unwrap().as_deref(), Some("a title"));
        assert_eq!(entry.metadata().unwrap()["state"], state);
        assert_eq!(entry.metadata().unwrap()["n"], id.0);
    }
    for known in ["new", "read", "done", "old"] {
        let ids = snapshot.ids_where(&Filter::field("state").eq(known)).unwrap();
        assert_eq!(ids.contains(&id), known == state, "{known}, is {state}");
    }
    let stored = match snapshot.embedding(id, "v") {
        // No record of these never had one.
        Err(e) if value.is_none() && e.kind() == ErrorKind::Damaged => None,
        stored => stored.unwrap(),
    };
    assert_eq!(stored.is_some(), value.is_some());
    if let (Some(stored), Some(value)) = (stored, value) {
        assert!((stored[0] / stored[1] - value).abs() < 0.1, "{stored:?} {value}");
        let near = snapshot.search(&Query::vector("v", [value, 1.0, 0.0]).k(1)).unwrap();
        assert_eq!(near.hits[0].id, id);
    }
}

#[test]
fn an_update_keeps_id_key_content_fields_and_embeddings_wherever_the_record_is() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let reader = options().open_read_only(&path).unwrap();
    artifact.add_batch((0..6).map(record)).unwrap();
    artifact.add_embedding(RecordId(2), "v", &[3.0, 1.0, 0.0]).unwrap();
    assert!(artifact.update(RecordId(2), json!({"state": "read"})).unwrap());
    ask(&artifact, 2, "read", Some(3.0));
    assert!(artifact.update_key("k2", json!({"state": "done", "by": {"age": null}})).unwrap());
    assert_eq!(metadata(&artifact, 2), json!({"n": 2, "state": "done", "by": {"name": "Ada"}}));
    let seen = |artifact: &CompactArtifact| ask(artifact, 2, "done", Some(3.0));
    seen(&artifact);
    assert!(reader.refresh().unwrap());
    seen(&reader);
    artifact.seal().unwrap();
    seen(&artifact);
    reader.refresh().unwrap();
    seen(&reader);
    artifact.update(RecordId(2), json!({"state": "old"})).unwrap();
    artifact.update(RecordId(2), json!({"state": "done"})).unwrap();
    artifact.add_embedding(RecordId(2), "v", &[5.0, 1.0, 0.0]).unwrap();
    ask(&artifact, 2, "done", Some(5.0));
    artifact.compact(8 << 20).unwrap();
    ask(&artifact, 2, "done", Some(5.0));
    let pack = temp.path().join("a.pack");
    artifact.pack(&pack).unwrap();
    ask(&options().open_read_only(&pack).unwrap(), 2, "done", Some(5.0));
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    ask(&artifact, 2, "done", Some(5.0));
    assert!(artifact.verify(VerifyLevel::Decode).unwrap().is_sound());
    assert!(!artifact.update(RecordId(77), json!({"state": "no"})).unwrap(), "no such record");
    assert!(!artifact.update_key("k77", json!({"state": "no"})).unwrap());
}

#[test]
pub(crate) fn updates_are_recovered_with_what_they_rest_on() {
    let disk = Arc::new(MemoryVfs::new());
    let open = || CompactArtifact::open_in(disk.clone(), options(), Path::new("/a")).unwrap();
    let artifact = CompactArtifact::create_in(disk.clone(), options(), Path::new("/a")).unwrap();
    artifact.add_batch((0..6).map(record)).unwrap();
    artifact.update(RecordId(2), json!({"state": "read"})).unwrap();
    artifact.seal().unwrap();
    // In the log: an embedding of the record with the metadata of the index, then metadata in their place.
    artifact.add_embedding(RecordId(2), "v", &[3.0, 1.0, 0.0]).unwrap();
    // So much is between them that they are indexed one after the other.
    artifact.add_text(&"a text ".repeat(1 << 20)).unwrap();
    artifact.update(RecordId(2), json!({"state": "old"})).unwrap();
    artifact.update(RecordId(2), json!({"state": "done"})).unwrap();
    artifact.update(RecordId(3), json!({"state": "read"})).unwrap();
    artifact.delete(RecordId(3)).unwrap();
    artifact.sync().unwrap();
    drop(artifact);
    for _ in 0..2 {
        let artifact = open();
        assert!(artifact.recovery().damage.is_empty(), "{:?}", artifact.recovery());
        assert_eq!(artifact.len(), 6);
        ask(&artifact, 2, "done", Some(3.0));
        artifact.compact(8 << 20).unwrap();
        ask(&artifact, 2, "done", Some(3.0));
        drop(artifact);
    }
}

#[test]
fn update_where_changes_all_that_match_or_none() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..100).map(record)).unwrap();
    artifact.seal().unwrap();
    let few = Filter::field("n").lt(40);
    assert_eq!(artifact.update_where(&few, json!({"state": "read"})).unwrap(), 40);
    assert_eq!(artifact.count(&Filter::field("state").eq("read")).unwrap(), 40);
    assert_eq!(artifact.update_where(&Filter::field("n").gt(1000), json!({"state": "x"})).unwrap(), 0);
    // One of them would get too large: none changes.
    let long = "x".repeat(MAX_METADATA_LEN - 200);
    artifact.update(RecordId(7), json!({"long": long})).unwrap();
    let e = artifact.update_where(&few, json!({"state": "y".repeat(300)})).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TooLarge, "{e}");
    assert!(e.to_string().contains("record 7"), "{e}");
    assert_eq!(artifact.count(&Filter::field("state").eq("read")).unwrap(), 40);
    // With other changes in one commit, in the order of the batch.
    let batch = Batch::new()
        .delete(RecordId(0))
        .update_where(few.clone(), json!({"state": "done"}))
        .update(RecordId(1), json!({"state": "old"}))
        .delete(RecordId(2))
        .add(record(500))
        .durability(Durability::Sync);
    let receipt = artifact.write(batch).unwrap();
    assert_eq!((receipt.updated, receipt.deleted), (38, 2), "what is deleted as well is not counted");
    assert_eq!(artifact.count(&Filter::field("state").eq("done")).unwrap(), 37);
    ask(&artifact, 1, "old", None);
    assert_eq!(artifact.len(), 99);
    let refused = Batch::new().add(record(600)).update_key("k600", json!({"state": "x"}));
    assert_eq!(artifact.write(refused).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let e = artifact.update(RecordId(1), MetadataPatch::from(json!("text"))).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn threads_that_update_one_record_lose_no_change() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    artifact.add(record(0)).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let artifact = artifact.clone();
            threads.spawn(move || {
                for n in 0..25 {
                    let patch =
                        MetadataPatch::new().set(format!("t{thread}"), json!({format!("n{n}"): true}));
                    assert!(artifact.update(RecordId(0), patch).unwrap());
                }
            });
        }
    });
    for thread in 0..4 {
        let fields = metadata(&artifact, 0)[format!("t{thread}")].as_object().unwrap().len();
        assert_eq!(fields, 25);
    }
}

#[test]
fn metadata_that_were_replaced_give_their_space_back() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..50).map(record)).unwrap();
    let noise = |n: u64| {
        let words: Vec<String> = (0..200).map(|i| format!("{:x}", (n * 7919 + i) * 0x9e37_79b9)).collect();
        words.concat()
    };
    for n in 0..30 {
        artifact.update_where(&Filter::field("n").exists(), json!({"noise": noise(n)})).unwrap();
        if n % 10 == 0 {
            artifact.seal().unwrap();
        }
    }
    artifact.compact(8 << 20).unwrap();
    let updated = artifact.stats().disk_bytes;
    let fresh = options().create(temp.path().join("b")).unwrap();
    fresh.add_batch((0..50).map(record)).unwrap();
    fresh.update_where(&Filter::field("n").exists(), json!({"noise": noise(29)})).unwrap();
    fresh.compact(8 << 20).unwrap();
    let once = fresh.stats().disk_bytes;
    assert!(updated * 100 <= once * 130, "{updated} bytes after 30 updates, {once} after one");
    artifact.delete_where(&Filter::field("n").exists()).unwrap();
    artifact.compact(8 << 20).unwrap();
    assert!(artifact.stats().disk_bytes < once / 4, "{:?}", artifact.stats());
}

#[test]
fn an_embedding_that_is_taken_away_does_not_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let mut artifact = options().create(&path).unwrap();
    artifact.add_batch((0..4).map(record)).unwrap();
    (0..4u8).for_each(|n| {
        artifact.add_embedding(RecordId(n.into()), "v", &[1.0 + f32::from(n), 1.0, 0.0]).unwrap();
    });
    artifact.seal().unwrap();
    artifact.remove_embedding(RecordId(1), "v").unwrap();
    artifact.remove_embedding(RecordId(1), "v").unwrap();
    artifact
        .write(
            Batch::new().add_embedding(RecordId(2), "v", [9.0, 1.0, 0.0]).remove_embedding(RecordId(2), "v"),
        )
        .unwrap();
    artifact
        .write(Batch::new().remove_embedding(RecordId(3), "v").add_embedding(
            RecordId(3),
            "v",
            [7.0, 1.0, 0.0],
        ))
        .unwrap();
    artifact.sync().unwrap();
    for step in 0..4 {
        let found = artifact.search(&Query::vector("v", [1.0, 1.0, 0.0])).unwrap().hits;
        let mut ids: Vec<u64> = found.iter().map(|hit| hit.id.0).collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 3], "step {step}");
        assert_eq!(artifact.len(), 4);
        ask(&artifact, 1, "new", None);
        ask(&artifact, 3, "new", Some(7.0));
        match step {
            0 => {
                drop(artifact);
                artifact = options().open(&path).unwrap();
            }
            1 => drop(artifact.seal().unwrap()),
            _ => drop(artifact.compact(8 << 20).unwrap()),
        }
    }
    let e = artifact.remove_embedding(RecordId(77), "v").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NoSuchRecord);
    assert_eq!(artifact.remove_embedding(RecordId(1), "w").unwrap_err().kind(), ErrorKind::NoSuchSpace);
}

#[test]
fn an_upsert_loses_no_embedding_without_saying_so() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    let id = artifact.add(record(0)).unwrap();
    artifact.add_embedding(id, "v", &[3.0, 1.0, 0.0]).unwrap();
    // The same content: the embedding is still of it.
    let same = artifact.upsert(record(0).metadata(json!({"state": "read"}))).unwrap();
    assert_ne!(same, id);
    assert!(artifact.embedding(same, "v").unwrap().is_some(), "taken over");
    // Another content: nobody knows whether it fits.
    let other = || Record::text("something else").key("k0");
    let e = artifact.upsert(other()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::WouldLoseEmbedding, "{e}");
    assert!(e.to_string().contains("\"k0\"") && e.to_string().contains("\"v\""), "{e}");
    assert_eq!(artifact.id_of_key("k0").unwrap(), Some(same), "nothing changed");
    // The ways on: an embedding, or to let go of the old one.
    let given = artifact.upsert(other().embedding("v", [1.0, 1.0, 0.0])).unwrap();
    assert!(artifact.embedding(given, "v").unwrap().is_some());
    let receipt = artifact.write(Batch::new().delete_key("k0").upsert(other())).unwrap();
    assert!(artifact.embedding(receipt.ids[0], "v").unwrap().is_none());
    // Within one batch as well.
    let twice = Batch::new().upsert(record(9).embedding("v", [1.0, 1.0, 0.0])).upsert(record(9));
    let ids = artifact.write(twice).unwrap().ids;
    assert!(artifact.embedding(ids[1], "v").unwrap().is_some());
    let late =
        Batch::new().add_embedding(receipt.ids[0], "v", [1.0, 1.0, 0.0]).upsert(Record::text("x").key("k0"));
    assert_eq!(artifact.write(late).unwrap_err().kind(), ErrorKind::WouldLoseEmbedding);
}

#[test]
fn a_damaged_index_is_made_anew_with_the_newest_metadata() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..6).map(record)).unwrap();
    artifact.update(RecordId(2), json!({"state": "read"})).unwrap();
    artifact.seal().unwrap();
    artifact.update(RecordId(2), json!({"state": "done"})).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    // The end of every part: none of the indexes opens.
    for file in std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        if let Some(at) = bytes.windows(8).position(|window| window == b"\x89CASH\r\n\x1a") {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(&file, damaged).unwrap();
        }
    }
    let copy = temp.path().join("b");
    salvage(&path, &copy, options()).unwrap();
    for path in [&path, &copy] {
        let artifact = options().open(path).unwrap();
        assert_eq!(artifact.len(), 6);
        ask(&artifact, 2, "done", None);
        ask(&artifact, 3, "new", None);
    }
}
