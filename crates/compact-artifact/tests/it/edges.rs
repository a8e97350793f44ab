//! Changes in part at their edges: damage, limits, two writers by turns, recovery in pieces, another model meanwhile.
//! One file because all tests are of the same few records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use compact_artifact::{
    Batch, CompactArtifact, Compression, ErrorKind, Filter, Maintenance, Metric, Options, Query, Record,
    RecordId, SpaceOptions, salvage,
};
use serde_json::{Value, json};

use crate::toy::Toy;

fn options() -> Options {
    Options::new()
        .compression(Compression::None)
        .block_len(1024)
        .maintenance(Maintenance::Manual)
        .space("v", SpaceOptions::new(2, Metric::Cosine))
}

fn record(n: u64) -> Record {
    Record::text(format!("cat number{n}")).key(format!("k{n}")).metadata(json!({"n": n, "state": "new"}))
}

/// A number like no other.
fn word(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

fn metadata(artifact: &CompactArtifact, id: u64) -> Value {
    artifact.get(RecordId(id)).unwrap().unwrap().metadata().unwrap().into()
}

/// Flips a byte of every place in the files that begin like this where `needle` stands.
fn damage(path: &Path, kind: &str, needle: &[u8]) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_str().unwrap().starts_with(kind) {
            continue;
        }
        let mut bytes = std::fs::read(entry.path()).unwrap();
        let places: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(needle)).collect();
        for at in &places {
            bytes[*at] ^= 1;
        }
        count += places.len();
        std::fs::write(entry.path(), bytes).unwrap();
    }
    count
}

#[test]
fn changed_metadata_that_are_damaged_cost_nothing_else() {
    for is_sealed in [true, false] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = options().create(&path).unwrap();
        artifact.add_batch((0..6).map(record)).unwrap();
        artifact.update(RecordId(2), json!({"state": "before"})).unwrap();
        let noise: String = (0..2_000u32).map(|i| char::from_digit(10 + i * i % 23, 36).unwrap()).collect();
        let patch = json!({"state": "changed", "noise": format!("NEEDLE{noise}")});
        artifact.update(RecordId(2), patch).unwrap();
        artifact.update(RecordId(3), json!({"state": "other"})).unwrap();
        artifact.add_embedding(RecordId(2), "v", &[1.0, 2.0]).unwrap();
        if is_sealed {
            artifact.seal().unwrap();
        }
        artifact.close().unwrap();
        assert!(damage(&path, if is_sealed { "segment" } else { "log" }, b"NEEDLE") > 0);
        let copy = temp.path().join("b");
        let losses = salvage(&path, &copy, options()).unwrap().losses;
        if is_sealed {
            assert!(losses.iter().any(|loss| loss.message.starts_with("record 2: its newest metadata")));
        }
        for from in [&path, &copy] {
            // A log that is damaged in its middle is not written to.
            let is_read_only = !is_sealed && from == &path;
            let artifact = if is_read_only { options().open_read_only(from) } else { options().open(from) };
            let artifact = artifact.unwrap();
            assert_eq!(artifact.len(), 6);
            assert_eq!(metadata(&artifact, 3)["state"], "other");
            let entry = artifact.get_by_key("k2").unwrap().unwrap();
            assert_eq!(entry.text().unwrap(), "cat number2");
            assert!(artifact.embedding(RecordId(2), "v").unwrap().is_some());
            // Sealed, the index says that there is something newer, which is damaged; what was salvaged is sound.
            if is_sealed && from == &path {
                assert_eq!(entry.metadata().unwrap_err().kind(), ErrorKind::Damaged);
                let error = artifact.update(RecordId(2), json!({"state": "again"})).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged);
            } else {
                // Those before went with the index that has the newest.
                let (expected, count) = if is_sealed { ("new", 5) } else { ("before", 1) };
                assert_eq!(entry.metadata().unwrap()["state"], expected, "{from:?}");
                assert_eq!(artifact.count(&Filter::field("state").eq(expected)).unwrap(), count);
                if is_read_only {
                    continue;
                }
                assert!(artifact.update(RecordId(2), json!({"state": "again"})).unwrap());
                assert_eq!(artifact.update_where(&Filter::field("n").lt(9), json!({"m": 1})).unwrap(), 6);
            }
            artifact.seal().unwrap();
            let again = artifact.upsert(record(2)).unwrap();
            assert_eq!(metadata(&artifact, again.0)["state"], "new");
            assert!(artifact.embedding(again, "v").unwrap().is_some());
            artifact.seal().unwrap();
            assert_eq!(artifact.len(), 6);
            artifact.close().unwrap();
        }
    }
}

#[test]
fn one_of_several_handles_is_closed_without_waiting_for_who_writes() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let options = || options().busy_timeout(Duration::from_secs(5)).idle_release(Duration::from_millis(2));
    let here = options().create(&path).unwrap();
    here.add(record(0)).unwrap();
    let other = Options::new().busy_timeout(Duration::from_mins(1)).open(&path).unwrap();
    let clone = here.clone();
    let begun = Instant::now();
    assert_eq!(here.close().unwrap_err().kind(), ErrorKind::InUse);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    clone.sync().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    clone.close().unwrap();
    other.close().unwrap();
}

fn parts(path: &Path) -> BTreeSet<PathBuf> {
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("part")).collect()
}

#[test]
fn of_metadata_the_newest_stay_where_the_index_and_the_tombstones_are_lost() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..6).map(record)).unwrap();
    artifact.add_embedding(RecordId(2), "v", &[1.0, 2.0]).unwrap();
    artifact.seal().unwrap();
    let before = parts(&path);
    artifact.update(RecordId(2), json!({"state": "changed"})).unwrap();
    artifact.seal().unwrap();
    let lost: Vec<PathBuf> = parts(&path).difference(&before).cloned().collect();
    artifact.add(record(6)).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    // The index with the newest metadata, and the tombstones of the one before.
    assert_eq!(lost.len(), 2);
    for file in &lost {
        let mut bytes = std::fs::read(file).unwrap();
        for byte in &mut bytes {
            *byte ^= 0x55;
        }
        std::fs::write(file, bytes).unwrap();
    }
    let copy = temp.path().join("b");
    salvage(&path, &copy, options()).unwrap();
    let reader = options().open_read_only(&path).unwrap();
    for step in 0..3 {
        let artifact = options().open([&path, &path, &copy][step]).unwrap();
        for artifact in [&artifact, &reader] {
            assert_eq!(artifact.len(), 7);
            assert!(artifact.embedding(RecordId(2), "v").unwrap().is_some());
            assert_eq!(metadata(artifact, 2)["state"], "changed", "step {step}");
            assert_eq!(artifact.count(&Filter::field("state").eq("changed")).unwrap(), 1);
            assert_eq!(artifact.search(&Query::words("number2")).unwrap().hits.len(), 1);
        }
        artifact.seal().unwrap();
        assert_eq!(artifact.ids_where(&Filter::field("state").eq("changed")).unwrap(), [RecordId(2)]);
        artifact.close().unwrap();
    }
}

#[test]
fn metadata_grow_by_patches_up_to_their_limits_and_no_further() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..2).map(record)).unwrap();
    let large = |bytes: usize| "x".repeat(bytes);
    artifact.update(RecordId(0), json!({"a": large(500_000)})).unwrap();
    let error = artifact.update(RecordId(0), json!({"b": large(600_000)})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(metadata(&artifact, 0).as_object().unwrap().len(), 3);
    let size = |artifact: &CompactArtifact| serde_json::to_vec(&metadata(artifact, 0)).unwrap().len();
    let room = (1 << 20) - size(&artifact) - ",\"b\":\"\"".len();
    assert_eq!(
        artifact.update(RecordId(0), json!({"b": large(room + 1)})).unwrap_err().kind(),
        ErrorKind::TooLarge
    );
    artifact.update(RecordId(0), json!({"b": large(room)})).unwrap();
    assert_eq!(size(&artifact), 1 << 20);
    // Deeper and deeper.
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({"d": inner}));
    let most =
        (1..200).take_while(|&levels| artifact.update(RecordId(1), deep(levels)).is_ok()).last().unwrap();
    println!("{most} levels");
    let error = artifact.update(RecordId(1), deep(most + 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let inside = json!({"d": {"d": [deep(most)]}});
    assert_eq!(artifact.update(RecordId(1), inside).unwrap_err().kind(), ErrorKind::TooLarge);
    let path_len = json!({"p".repeat(800): {"q".repeat(800): 1}});
    assert_eq!(artifact.update(RecordId(1), path_len).unwrap_err().kind(), ErrorKind::TooLarge);
    artifact.update(RecordId(1), json!({"p".repeat(1_000): {"q": 1}})).unwrap();
    let expected = [metadata(&artifact, 0), metadata(&artifact, 1)];
    drop(artifact);
    let mut artifact = options().open(&path).unwrap();
    for seal in [true, false] {
        assert!(artifact.recovery().damage.is_empty());
        assert_eq!([metadata(&artifact, 0), metadata(&artifact, 1)], expected);
        if seal {
            artifact.seal().unwrap();
            artifact.close().unwrap();
            artifact = options().open(&path).unwrap();
        }
    }
}

#[test]
fn changes_are_recovered_in_pieces() {
    const RECORDS: u64 = 10_000;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let vector = |n: u64| [1.0, n as f32];
    artifact.add_batch((0..RECORDS).map(|n| record(n).embedding("v", vector(n)))).unwrap();
    let ids: BTreeMap<u64, RecordId> =
        (0..RECORDS).map(|n| (n, artifact.id_of_key(&format!("k{n}")).unwrap().unwrap())).collect();
    for round in 0..3 {
        artifact.update_where(&Filter::field("n").gte(round * 2_000), json!({"round": round})).unwrap();
        let batch = ids.values().skip(round as usize).step_by(7).fold(Batch::new(), |batch, id| {
            if round == 1 {
                batch.remove_embedding(*id, "v")
            } else {
                batch.add_embedding(*id, "v", [1.0, 0.5])
            }
        });
        artifact.write(batch).unwrap();
        artifact.add_batch((0..3_000).map(|n| record(RECORDS + round * 3_000 + n))).unwrap();
    }
    artifact.delete_where(&Filter::field("n").lt(50)).unwrap();
    artifact.sync().unwrap();
    let all = |artifact: &CompactArtifact| -> Vec<_> {
        let snapshot = artifact.snapshot();
        let entry = |entry: compact_artifact::Result<compact_artifact::Entry>| {
            let entry = entry.unwrap();
            let vector = snapshot.embedding(entry.id(), "v").unwrap();
            (entry.id(), entry.key().unwrap(), entry.metadata().unwrap(), vector.map(|v| format!("{v:.3?}")))
        };
        snapshot.records().map(entry).collect()
    };
    let expected = all(&artifact);
    drop(artifact);
    for step in 0..3 {
        let options = if step == 0 { options().memory_limit(8 << 20) } else { options() };
        let artifact = options.open(&path).unwrap();
        assert!(artifact.recovery().damage.is_empty());
        println!("{:?}", artifact.stats());
        assert!(all(&artifact) == expected, "step {step}");
        for round in 0..3i64 {
            let filter = Filter::field("round").eq(round);
            let count =
                expected.iter().filter(|(_, _, map, _)| map.get("round") == Some(&json!(round))).count();
            assert_eq!(artifact.count(&filter).unwrap() as usize, count);
        }
        let with = expected.iter().filter(|(_, _, _, vector)| vector.is_some()).count();
        assert_eq!(
            artifact.search(&Query::vector("v", [1.0, 1.0]).k(60_000).exact(true)).unwrap().hits.len(),
            with
        );
        if step == 1 {
            artifact.compact(8 << 20).unwrap();
            artifact.close().unwrap();
        }
    }
}

#[test]
fn updates_while_texts_are_embedded_by_another_model_are_there_afterwards() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let (old, new) = (Toy::new("old"), Toy::of_dimension("new", 4));
    let artifact = options().embedder(old).create(&path).unwrap();
    artifact.add_batch((0..3_000).map(record)).unwrap();
    artifact.seal().unwrap();
    std::thread::scope(|threads| {
        let mover = artifact.clone();
        let new = new.clone();
        let moved = threads.spawn(move || mover.reembed(new).unwrap());
        let mut n = 0;
        while !moved.is_finished() || n < 200 {
            let id = RecordId(n * 13 % 3_000);
            if n % 5 == 4 {
                artifact.upsert(record(n * 13 % 3_000)).unwrap();
            } else {
                artifact.update(id, json!({"state": format!("s{n}")})).unwrap();
            }
            if n % 50 == 0 {
                artifact.seal().unwrap();
            }
            n += 1;
        }
        println!("{n} changes, {:?}", moved.join().unwrap());
    });
    let check = |artifact: &CompactArtifact, about: &str| {
        assert_eq!(artifact.len(), 3_000);
        let words = artifact.search(&Query::words("cat").k(9_000)).unwrap().hits.len();
        let meaning = artifact.search(&Query::meaning("cat").k(9_000).exact(true)).unwrap().hits.len();
        assert_eq!((words, meaning), (3_000, 3_000), "{about}");
        for entry in artifact.records().map(Result::unwrap) {
            let state = entry.metadata().unwrap()["state"].as_str().unwrap().to_owned();
            let found = artifact.ids_where(&Filter::field("state").eq(state.as_str())).unwrap();
            assert!(found.contains(&entry.id()));
        }
    };
    check(&artifact, "after");
    drop(artifact);
    let artifact = options().embedder(new).open(&path).unwrap();
    check(&artifact, "opened again");
    artifact.compact(32 << 20).unwrap();
    check(&artifact, "compacted");
}

#[test]
#[expect(clippy::too_many_lines, reason = "what is done beside what is asked")]
fn two_writers_by_turns_see_each_others_changes_in_part() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let options = || {
        options()
            .segment_len(64 << 10)
            .precompute_similar(2)
            .busy_timeout(Duration::from_mins(1))
            .idle_release(Duration::from_millis(1))
    };
    let first = options().create(&path).unwrap();
    first.add_batch((0..20).map(record)).unwrap();
    let writers = [first, options().open(&path).unwrap()];
    let mut model: BTreeMap<u64, (Value, bool)> =
        (0..20).map(|n| (n, (json!({"n": n, "state": "new"}), false))).collect();
    let mut last = [writers[0].snapshot().seq(), writers[1].snapshot().seq()];
    let mut mirrors = [model.clone(), model.clone()];
    let mut told = 0;
    let mut random = 3u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut turn = 0;
    for step in 0..250u64 {
        if next(3) == 0 {
            turn = 1 - turn;
        }
        let writer = &writers[turn];
        let ids: Vec<u64> = model.keys().copied().collect();
        let id = ids[next(ids.len() as u64) as usize];
        match next(12) {
            0..=3 => {
                assert!(writer.update(RecordId(id), json!({"state": step})).unwrap(), "step {step}");
                model.get_mut(&id).unwrap().0["state"] = json!(step);
            }
            4 => {
                writer.add_embedding(RecordId(id), "v", &[1.0, step as f32]).unwrap();
                model.get_mut(&id).unwrap().1 = true;
            }
            5 => {
                writer.remove_embedding(RecordId(id), "v").unwrap();
                model.get_mut(&id).unwrap().1 = false;
            }
            6 => {
                let n = model[&id].0["n"].as_u64().unwrap();
                let had = model.remove(&id).unwrap().1;
                let new = writer.upsert(record(n)).unwrap();
                model.insert(new.0, (json!({"n": n, "state": "new"}), had));
            }
            7 => {
                let from = next(step.max(1));
                let updated = writer.update_where(&Filter::field("n").eq(from % 20), json!({"seen": step}));
                let meant = model.values_mut().filter(|(map, _)| map["n"] == json!(from % 20));
                assert_eq!(meant.map(|(map, _)| map["seen"] = json!(step)).count() as u64, updated.unwrap());
            }
            8 => drop(writer.seal().unwrap()),
            9 => drop(writer.compact(8 << 20).unwrap()),
            _ if model.len() > 10 => {
                assert!(writer.delete(RecordId(id)).unwrap());
                model.remove(&id);
            }
            _ => {
                let n = 1_000 + step;
                let new = writer.add(record(n)).unwrap();
                model.insert(new.0, (json!({"n": n, "state": "new"}), false));
            }
        }
        let looks = if next(2) == 0 { vec![turn] } else { vec![turn, 1 - turn] };
        for look in looks {
            let artifact = &writers[look];
            artifact.refresh().unwrap();
            let snapshot = artifact.snapshot();
            let now: BTreeMap<u64, (Value, bool)> = snapshot
                .records()
                .map(|entry| {
                    let entry = entry.unwrap();
                    let has = snapshot.embedding(entry.id(), "v").unwrap().is_some();
                    (entry.id().0, (entry.metadata().unwrap().into(), has))
                })
                .collect();
            assert_eq!(now, model, "step {step}");
            let near = snapshot.search(&Query::vector("v", [1.0, 1.0]).k(100)).unwrap().hits.len();
            assert_eq!(near, model.values().filter(|(_, has)| *has).count());
            let filter = Filter::field("seen").exists();
            let seen = snapshot.count(&filter).unwrap_or_default();
            assert_eq!(seen as usize, model.values().filter(|(map, _)| map.get("seen").is_some()).count());
            let Some(changes) = artifact.changes_since(last[look]).unwrap() else {
                (mirrors[look], last[look]) = (model.clone(), snapshot.seq());
                continue;
            };
            told += 1;
            let mirror = &mut mirrors[look];
            let replaced = changes.replaced.iter().filter_map(|change| change.replaces);
            for id in changes.deleted.iter().map(|change| change.id).chain(replaced) {
                assert!(mirror.remove(&id.0).is_some(), "step {step}: {id} was not there");
            }
            for change in changes.added.iter().chain(&changes.replaced).chain(&changes.updated) {
                mirror.insert(change.id.0, model[&change.id.0].clone());
            }
            last[look] = changes.commit;
            let plain = |map: &BTreeMap<u64, (Value, bool)>| -> Vec<_> {
                map.iter().map(|(id, (value, _))| (*id, value.to_string())).collect()
            };
            assert_eq!(plain(mirror), plain(&model), "step {step}: a follower");
        }
    }
    println!("{told} times told");
    assert!(told > 50);
}

/// What another process left in the log takes more memory than this one may: it is sealed in pieces when the lock is taken back.
#[test]
fn a_writer_that_takes_the_lock_back_seals_in_pieces_behind_the_shards_of_others() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let patient = || options().busy_timeout(Duration::from_mins(1));
    let here = patient().memory_limit(8 << 20).idle_release(Duration::from_millis(1)).create(&path).unwrap();
    here.add_batch((0..20).map(record)).unwrap();
    here.seal().unwrap();
    let other = patient().open(&path).unwrap();
    for first in [20, 40] {
        other.add_batch((first..first + 20).map(record)).unwrap();
        other.update_where(&Filter::field("n").lt(30), json!({"state": first})).unwrap();
        other.seal().unwrap();
    }
    let wordy = |n: u64| {
        let words: Vec<String> = (0..40).map(|i| format!("{:x} ", word(n * 40 + i) >> 32)).collect();
        let metadata = json!({"n": n, "state": "new"});
        let record = Record::text(words.concat()).key(format!("k{n}")).metadata(metadata);
        record.embedding("v", [1.0, n as f32])
    };
    other.add_batch((60..12_000).map(wordy)).unwrap();
    other.update_where(&Filter::field("n").lt(10), json!({"state": "last"})).unwrap();
    other.close().unwrap();
    for step in 0..3 {
        let artifact = match step {
            0 => here.clone(),
            1 => options().open_read_only(&path).unwrap(),
            _ => {
                here.sync().unwrap();
                here.seal().unwrap();
                here.compact(8 << 20).unwrap();
                here.clone()
            }
        };
        if step == 0 {
            assert!(here.update(RecordId(0), json!({"state": "here"})).unwrap());
        }
        assert_eq!(artifact.len(), 12_000);
        let count = |state: Value| {
            let filter = match state {
                Value::String(state) => Filter::field("state").eq(state.as_str()),
                number => Filter::field("state").eq(number.as_i64().unwrap()),
            };
            artifact.count(&filter).unwrap()
        };
        assert_eq!([count(json!("here")), count(json!("last")), count(json!(40))], [1, 9, 20], "step {step}");
        assert_eq!(count(json!("new")), 12_000 - 30);
        for n in [0, 15, 25, 35, 55, 70, 11_999] {
            let entry = artifact.get_by_key(&format!("k{n}")).unwrap().unwrap();
            assert_eq!(entry.metadata().unwrap()["n"], n);
        }
        let stats = artifact.stats();
        assert!(step > 0 || stats.tail_records < 11_000, "sealed in pieces: {stats:?}");
        let damage = artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().damage;
        assert!(damage.is_empty(), "{damage:?}");
    }
}

#[test]
fn much_that_expired_is_deleted_once() {
    let temp = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(0));
    let asked = Arc::new(AtomicU64::new(0));
    let (clock, count) = (now.clone(), asked.clone());
    let artifact = Options::new()
        .segment_len(4 << 20)
        .maintenance(Maintenance::Inline)
        .expires_at("until")
        .clock(move || {
            count.fetch_add(1, Ordering::Relaxed);
            UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed))
        })
        .create(temp.path().join("a"))
        .unwrap();
    let short = |n: u64| Record::text(format!("n{n}")).metadata(json!({"until": "1970-01-01T00:00:09Z"}));
    artifact.add_batch((0..105_000).map(short)).unwrap();
    artifact.seal().unwrap();
    now.store(10, Ordering::Relaxed);
    assert_eq!(artifact.len(), 0);
    let before = artifact.snapshot().seq().0;
    let large: String = (0..1_000_000).map(|n| format!("{:x} ", word(n) >> 24)).collect::<Vec<_>>().concat();
    asked.store(0, Ordering::Relaxed);
    artifact.add(Record::text(large)).unwrap();
    assert_eq!(artifact.stats().tail_records, 0, "sealed at once");
    // One for the record, eleven for what expired, and what sealing takes; each asks for the time once.
    let (commits, asked) = (artifact.snapshot().seq().0 - before, asked.load(Ordering::Relaxed));
    println!("{commits} commits, {asked} times asked for the time");
    assert!(commits <= 14 && asked <= 20, "{commits} {asked}");
    assert_eq!(artifact.len(), 1);
}

/// Another process, which has the old model only, waits until all texts are embedded by the new one.
#[test]
fn an_artifact_that_moves_to_another_model_does_not_give_way_meanwhile() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let (old, new) = (Toy::new("old"), Toy::of_dimension("new", 4));
    let patient = || options().busy_timeout(Duration::from_secs(50));
    let idle = Duration::from_millis(1);
    let here = patient().idle_release(idle).embedder(old.clone()).create(&path).unwrap();
    here.add_batch((0..3_000).map(record)).unwrap();
    std::thread::scope(|threads| {
        let mut other = None;
        here.reembed_with(new.clone(), false, |_| {
            other.get_or_insert_with(|| {
                threads.spawn(|| {
                    let Ok(other) = patient().embedder(old.clone()).open(&path) else { return };
                    drop(other.add(Record::text("another cat")));
                    other.close().unwrap();
                })
            });
            std::thread::sleep(Duration::from_millis(150));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        let found = |query: Query| here.search(&query.k(9_000)).unwrap().hits.len();
        assert_eq!(found(Query::words("cat")), found(Query::meaning("cat").exact(true)));
        other.unwrap().join().unwrap();
    });
}

#[test]
fn waiting_for_what_is_no_artifact_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let wait = Duration::from_millis(5);
    let missing = temp.path().join("missing");
    assert!(CompactArtifact::open_or_wait(&missing, wait).is_err());
    assert!(CompactArtifact::try_open(&missing).is_err());
    assert!(!missing.exists());
    let (empty, other) = (temp.path().join("empty"), temp.path().join("other"));
    for path in [&empty, &other] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::write(other.join("notes.txt"), "notes").unwrap();
    for (path, files) in [(&empty, 0), (&other, 1)] {
        println!("{}", CompactArtifact::open_or_wait(path, wait).unwrap_err());
        CompactArtifact::try_open(path).unwrap_err();
        assert_eq!(std::fs::read_dir(path).unwrap().count(), files);
    }
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    assert!(CompactArtifact::open_or_wait(&path, wait).is_err()); // it waited
    artifact.add(record(1)).unwrap();
    artifact.pack(temp.path().join("pack")).unwrap();
    compact_artifact::unpack(temp.path().join("pack"), temp.path().join("b")).unwrap();
    assert!(artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().damage.is_empty());
    artifact.destroy().unwrap();
    assert!(!path.exists());
}

/// A flipped byte anywhere: metadata are those of now, or an error, or those from before where that is said.
#[test]
fn no_flipped_byte_brings_metadata_back_without_a_word() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch((0..6).map(record)).unwrap();
    artifact.update(RecordId(1), json!({"state": "one"})).unwrap();
    artifact.seal().unwrap();
    artifact.update(RecordId(1), json!({"state": "two"})).unwrap();
    artifact.update(RecordId(2), json!({"state": "two"})).unwrap();
    artifact.add_embedding(RecordId(2), "v", &[1.0, 2.0]).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((20..30).map(record)).unwrap();
    artifact.delete_key("k5").unwrap();
    artifact.seal().unwrap();
    artifact.update_key("k3", json!({"state": "three"})).unwrap();
    artifact.update_key("k20", json!({"state": "three"})).unwrap();
    artifact.remove_embedding(RecordId(2), "v").unwrap();
    artifact.close().unwrap();
    let all = |artifact: &CompactArtifact| -> BTreeMap<u64, Option<Value>> {
        let entries = artifact.records().filter_map(Result::ok);
        entries.map(|entry| (entry.id().0, entry.metadata().ok().map(Value::from))).collect()
    };
    let expected = all(&options().open_read_only(&path).unwrap());
    assert_eq!(expected.len(), 15);
    let files: Vec<PathBuf> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    let (mut count, mut earlier) = (0, 0);
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        for at in (count % 149..whole.len()).step_by(149) {
            count += 1;
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            std::fs::write(&file, &bytes).unwrap();
            let copy = temp.path().join(format!("copy-{count}"));
            let salvaged = salvage(&path, &copy, options()).map(|report| !report.losses.is_empty());
            let opened = [
                options()
                    .open_read_only(&path)
                    .map(|artifact| (!artifact.recovery().damage.is_empty(), artifact)),
                salvaged.and_then(|is_told| Ok((is_told, options().open(&copy)?))),
            ];
            for (number, opened) in opened.into_iter().enumerate() {
                let Ok((is_told, artifact)) = opened else { continue };
                for (id, metadata) in all(&artifact) {
                    let about = format!("{} at {at}, {number}: record {id}", file.display());
                    match (metadata, expected.get(&id)) {
                        (Some(metadata), Some(Some(expected))) if metadata == *expected => {}
                        (None, Some(_)) => assert!(number == 0, "{about}: what was salvaged is sound"),
                        (metadata, _) => {
                            assert!(is_told, "{about}: {metadata:?}");
                            earlier += 1;
                        }
                    }
                }
            }
            drop(std::fs::remove_dir_all(&copy));
        }
        std::fs::write(&file, &whole).unwrap();
    }
    println!("{count} flips, {earlier} times metadata from before, which was said");
    assert!(count > 60 && earlier > 0);
}

#[test]
fn each_record_of_a_batch_gets_the_id_of_the_last_one_with_its_key() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let record = |(i, key): (usize, &str)| Record::text(format!("text {i}")).key(key);
    let keys = ["a", "b", "a", "c", "a", "b"];
    let batch = keys.into_iter().enumerate().map(record).fold(Batch::new(), Batch::upsert);
    let ids = artifact.write(batch).unwrap().ids;
    let newest = |key: &str| artifact.id_of_key(key).unwrap().unwrap();
    assert_eq!(ids, keys.map(newest));
    for (i, key) in [(4, "a"), (5, "b"), (3, "c")] {
        let record = artifact.get(newest(key)).unwrap().unwrap();
        assert_eq!(record.text().unwrap(), format!("text {i}"));
    }
    assert_eq!(artifact.len(), 3);
}
