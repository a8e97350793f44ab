//! The nearest others of each record, stored when it is sealed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use compact_artifact::*;
use serde_json::json;

const DIMENSION: u32 = 6;

/// Small integers that are others for each `i`; every twentieth has an equal.
fn vector(i: u32) -> Vec<f32> {
    let i = if i.is_multiple_of(20) { i / 40 * 40 } else { i };
    (0..DIMENSION).map(|at| ((i * 7_919 + at * 104_729 + i * i * 31) % 997) as f32 - 498.5).collect()
}

fn options() -> Options {
    Options::new()
        .maintenance(Maintenance::Manual)
        .space("v", SpaceOptions::new(DIMENSION as usize, Metric::Cosine))
}

fn record(i: u32) -> Record {
    let record = Record::text(format!("record {i}")).key(i.to_string()).metadata(json!({"i": i}));
    // Some have no vector.
    if i % 17 == 5 { record } else { record.embedding("v", vector(i)) }
}

fn similar(artifact: &CompactArtifact, id: RecordId, k: usize) -> SearchResults {
    artifact.search(&Query::similar_to("v", id).k(k).explain(true)).unwrap()
}

/// In how many shards the neighbours of a record were stored: 1 or 0.
fn stored(results: &SearchResults) -> usize {
    results.explain.as_ref().unwrap().lists[0].stored
}

fn scores(results: &SearchResults) -> Vec<(u64, u32)> {
    results.hits.iter().map(|hit| (hit.id.0, hit.score.to_bits())).collect()
}

/// Every record has the neighbours that comparing it with all others finds; returns of how many they were stored.
fn compare(artifact: &CompactArtifact, k: usize, when: &str) -> usize {
    let snapshot = artifact.snapshot();
    let mut from_stored = 0;
    for entry in snapshot.records() {
        let id = entry.unwrap().id();
        if snapshot.embedding(id, "v").unwrap().is_none() {
            let error = snapshot.search(&Query::similar_to("v", id)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NoSuchRecord, "{when}");
            continue;
        }
        let found = similar(artifact, id, k);
        let exact = artifact.search(&Query::similar_to("v", id).k(k).exact(true)).unwrap();
        assert_eq!(scores(&found), scores(&exact), "{when}: record {id}");
        assert!(found.is_complete && found.losses.is_empty(), "{when}: {:?}", found.losses);
        // A longer ranking begins as a shorter one does.
        let longer = similar(artifact, id, 3 * k);
        assert_eq!(scores(&longer)[..found.hits.len()], scores(&found), "{when}: record {id}");
        from_stored += stored(&found);
    }
    from_stored
}

#[test]
fn stored_neighbours_are_those_of_an_exact_scan_whatever_became_of_the_records_since() {
    for originals in [Originals::None, Originals::Residual, Originals::F16, Originals::F32] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let space = SpaceOptions::new(DIMENSION as usize, Metric::Cosine).originals(originals);
        let options = || Options::new().maintenance(Maintenance::Manual).space("v", space);
        let artifact = options().precompute_similar(5).create(&path).unwrap();
        artifact.add_batch((0..300).map(record)).unwrap();
        assert_eq!(compare(&artifact, 5, "in the tail"), 0);
        artifact.seal().unwrap();
        let all = compare(&artifact, 5, "sealed");
        assert!(all > 270, "{all}");
        assert!(artifact.stats().spaces[0].similar_bytes >= 300 * 6 * 4);

        // Newer records stand among them, in the tail and in a shard of their own.
        artifact.add_batch((300..340).map(record)).unwrap();
        assert_eq!(compare(&artifact, 5, "with a tail"), all);
        artifact.seal().unwrap();
        assert!(compare(&artifact, 5, "in two shards") > all);

        for i in [3, 40, 77, 301] {
            artifact.delete_key(&i.to_string()).unwrap();
        }
        artifact.upsert(record(500).key("9")).unwrap();
        // A record whose embedding is another, and one that had none.
        let id = |key: &str| artifact.id_of_key(key).unwrap().unwrap();
        artifact.add_embedding(id("10"), "v", &vector(600)).unwrap();
        artifact.add_embedding(id("22"), "v", &vector(601)).unwrap();
        assert!(compare(&artifact, 5, "deleted, replaced, embedded late") > all - 20);
        artifact.seal().unwrap();
        compare(&artifact, 5, "sealed after that");
        drop(artifact);
        let artifact = options().open(&path).unwrap();
        assert!(artifact.recovery().damage.is_empty());
        assert!(compare(&artifact, 5, "opened again") > all - 20);
        let gone = (100..200).fold(Batch::new(), |batch, i| batch.delete_key(i.to_string()));
        artifact.write(gone).unwrap();
        artifact.compact(64 << 20).unwrap();
        let live = compare(&artifact, 5, "compacted");
        assert!(live > 200, "{live}");
        let pack = temp.path().join("a.pack");
        artifact.pack(&pack).unwrap();
        assert!(artifact.verify(VerifyLevel::Decode).unwrap().is_sound());
        artifact.close().unwrap();
        for mapped in [true, false] {
            let reader = options().memory_mapping(mapped).open_read_only(&pack).unwrap();
            assert_eq!(compare(&reader, 5, "packed"), live);
        }
        assert_eq!(compare(&options().open_read_only(&path).unwrap(), 5, "read only"), live);
    }
}

#[test]
fn what_needs_a_search_is_searched_for() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().precompute_similar(4).create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..100).map(record)).unwrap();
    artifact.seal().unwrap();
    let near = || Query::similar_to("v", RecordId(50)).k(4).explain(true);
    let of = |query: Query| stored(&artifact.search(&query).unwrap());
    assert_eq!(of(near()), 1);
    assert_eq!(of(near().filter(Filter::field("i").gte(0))), 0);
    assert_eq!(of(near().exact(true)), 0);
    assert_eq!(of(near().ef_search(90)), 0);
    let hybrid = artifact.search(&near().and_words("record")).unwrap();
    assert!(hybrid.explain.as_ref().unwrap().lists.iter().all(|list| list.stored == 0));
    // Pages, and the hits behind those that are stored.
    let all = similar(&artifact, RecordId(50), 80);
    assert_eq!(stored(&all), 1);
    for (offset, k) in [(0, 3), (2, 2), (3, 10), (10, 30)] {
        let page = artifact.search(&near().offset(offset).k(k)).unwrap();
        assert_eq!(scores(&page), scores(&all)[offset..offset + k]);
    }
}

#[test]
fn the_option_is_kept_in_the_artifact_and_can_be_changed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..100).map(record)).unwrap();
    artifact.seal().unwrap();
    assert_eq!(compare(&artifact, 3, "by default"), 0);
    assert_eq!(artifact.stats().spaces[0].similar_bytes, 0);
    artifact.close().unwrap();
    let at = |k| options().precompute_similar(k).open(&path).unwrap();
    let sizes = [3, 8, 0].map(|k| {
        let artifact = at(k);
        artifact.seal().unwrap();
        let expected = if k == 0 { 0 } else { 94 };
        assert_eq!(compare(&artifact, 3, "changed"), expected);
        artifact.close().unwrap();
        let artifact = options().open(&path).unwrap();
        // Without the option it stays.
        artifact.add(record(1_000 + k as u32)).unwrap();
        artifact.seal().unwrap();
        assert!(compare(&artifact, 3, "opened without it") >= expected);
        artifact.stats().spaces[0].similar_bytes
    });
    assert!(sizes[0] > 0 && sizes[1] > 2 * sizes[0] && sizes[2] == 0, "{sizes:?}");
    for k in [1_001, usize::MAX] {
        let error = options().precompute_similar(k).create(temp.path().join("b")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("precompute_similar"), "{error}");
    }
}

/// The files of an artifact, by their lengths.
fn files(path: &Path) -> BTreeMap<PathBuf, u64> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    files.map(|entry| (entry.path(), entry.metadata().unwrap().len())).collect()
}

#[test]
fn damage_of_stored_neighbours_is_named_and_the_answer_is_that_of_a_search() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..300).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    let before = files(&path);
    let artifact = options().precompute_similar(7).open(&path).unwrap();
    artifact.seal().unwrap();
    let expected: Vec<_> = (1..300)
        .step_by(7)
        .map(|id| artifact.search(&Query::similar_to("v", RecordId(id)).k(7)).ok().map(|r| scores(&r)))
        .collect();
    artifact.close().unwrap();
    // The new part that has a row for each record.
    let after = files(&path);
    let (part, len) =
        after.iter().find(|(path, len)| !before.contains_key(*path) && **len > 300 * 8 * 4).unwrap();
    let (mut losses, mut clean) = (0, 0);
    for bit in (0..len * 8).step_by(997) {
        let flip = || {
            let mut byte = [fs::read(part).unwrap()[(bit / 8) as usize]];
            byte[0] ^= 1 << (bit % 8);
            let mut file = File::options().write(true).open(part).unwrap();
            file.seek(SeekFrom::Start(bit / 8)).unwrap();
            file.write_all(&byte).unwrap();
        };
        flip();
        let artifact = options().open_read_only(&path).unwrap();
        let said_at_opening = !artifact.recovery().damage.is_empty();
        for (id, expected) in (1..300).step_by(7).zip(&expected) {
            let Ok(found) = artifact.search(&Query::similar_to("v", RecordId(id)).k(7).explain(true)) else {
                continue;
            };
            assert!(found.is_complete);
            assert_eq!(Some(scores(&found)), *expected, "bit {bit}, record {id}");
            assert_eq!(stored(&found) == 0, said_at_opening || !found.losses.is_empty(), "bit {bit}");
            for loss in &found.losses {
                assert!(loss.message.contains("neighbours of shard 1") && loss.shard == Some(1), "{loss:?}");
                assert_eq!(loss.space.as_deref(), Some("v"));
                losses += 1;
            }
            clean += usize::from(found.losses.is_empty());
        }
        assert!(!artifact.verify(VerifyLevel::Checksums).unwrap().is_sound(), "bit {bit}");
        flip();
    }
    assert!(losses > 100 && clean > 100, "{losses} {clean}");

    // One that cannot be opened is written anew by the next sealing; nothing else is lost.
    fs::remove_file(part).unwrap();
    let artifact = options().open(&path).unwrap();
    assert!(
        artifact.recovery().damage.iter().any(|damage| damage.message.contains("neighbours")),
        "{:?}",
        artifact.recovery()
    );
    assert_eq!(compare(&artifact, 7, "without the part"), 0);
    artifact.seal().unwrap();
    assert!(compare(&artifact, 7, "written anew") > 270);
    artifact.close().unwrap();
    assert!(verify(&path, VerifyLevel::Decode).unwrap().is_sound());
}

#[test]
fn a_salvaged_artifact_has_neighbours_again() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().precompute_similar(5).create(&path).unwrap();
    artifact.add_batch((0..100).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    let report = salvage(&path, temp.path().join("b"), options()).unwrap();
    assert!(report.losses.is_empty(), "{report:?}");
    assert_eq!(compare(&options().open(temp.path().join("b")).unwrap(), 5, "salvaged"), 94);
}

#[test]
fn neighbours_through_a_graph_are_at_least_those_of_a_search() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().precompute_similar(10).graph_from(2_000).create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..6_000).map(record)).unwrap();
    artifact.seal().unwrap();
    let (mut found, mut searched) = (0, 0);
    for id in (1..6_000).step_by(83) {
        let query = || Query::similar_to("v", RecordId(id)).k(10);
        let Ok(exact) = artifact.search(&query().exact(true)) else { continue };
        let results = similar(&artifact, RecordId(id), 10);
        assert_eq!((stored(&results), results.hits.len()), (1, 10));
        let right = |results: &SearchResults| {
            results.hits.iter().filter(|hit| exact.hits.iter().any(|other| other.id == hit.id)).count()
        };
        found += right(&results);
        searched += right(&artifact.search(&query().ef_search(64)).unwrap());
    }
    assert!(found >= searched && found > 600, "{found} {searched}");
}

#[test]
fn a_recall_that_is_asked_for_is_not_answered_by_stored_neighbours() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().precompute_similar(5).graph_from(500).create(temp.path().join("a")).unwrap();
    artifact.add_batch((0..1_000).map(record)).unwrap();
    artifact.seal().unwrap();
    for id in (1..1_000).step_by(17).map(RecordId) {
        let query = || Query::similar_to("v", id).k(5).explain(true);
        let search = |query: Query| artifact.search(&query).unwrap();
        assert_eq!(stored(&search(query())), 1);
        let (all, exact) = (search(query().recall(1.0)), search(query().exact(true)));
        assert_eq!((stored(&all), scores(&all)), (0, scores(&exact)), "record {id}");
    }
}

#[test]
fn a_reader_does_not_change_how_many_neighbours_are_stored() {
    let temp = tempfile::tempdir().unwrap();
    let (path, pack) = (temp.path().join("a"), temp.path().join("p"));
    let artifact = options().precompute_similar(4).create(&path).unwrap();
    artifact.add(Record::text("one")).unwrap();
    artifact.pack(&pack).unwrap();
    artifact.close().unwrap();
    for k in [0, 3, 5] {
        let options = options().precompute_similar(k);
        for refused in [options.clone().open_read_only(&path), options.open_packed_at(&pack, 0)] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SettingsMismatch);
            assert!(
                error.to_string().starts_with("option precompute_similar: the artifact stores 4"),
                "{error}"
            );
        }
    }
    options().precompute_similar(4).open_read_only(&path).unwrap();
    options().open_read_only(&path).unwrap();
}
