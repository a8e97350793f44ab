//! Embeddings that come after their records: at any position, again and again, beside readers, sealing, compacting, recovery and damage. Every
//! index is asked after each step, and a record is found by exactly one row.
//! One file because every test asks the same questions of the same kind of artifact.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use compact_artifact::vfs::{CrashVariant, MemoryVfs, Vfs};
use compact_artifact::{
    Batch, CompactArtifact, Durability, ErrorKind, Filter, Maintenance, Metric, Options, Query, Record,
    RecordId, SpaceOptions, VerifyLevel, salvage,
};
use serde_json::json;

use crate::between::Between;
use crate::left_out;

pub(crate) fn options() -> Options {
    left_out::options()
        .block_len(1024)
        .maintenance(Maintenance::Manual)
        .durability(Durability::Buffered)
        .seed(5)
        .space("v", SpaceOptions::new(3, Metric::Cosine))
}

/// What is expected of a record: its key, and the first value of its embedding.
type Model = BTreeMap<u64, (String, Option<f32>)>;

fn record(key: &str) -> Record {
    Record::text(format!("record {key}")).key(key).metadata(json!({"of": key}))
}

/// Asks every index for everything, and compares with what is expected.
fn ask(artifact: &CompactArtifact, model: &Model) {
    ask_what_is_left(artifact, model, !artifact.recovery().is_clean());
}

/// The same; searches may name embeddings that were lost.
fn ask_what_is_left(artifact: &CompactArtifact, model: &Model, are_lost: bool) {
    let snapshot = artifact.snapshot();
    let all: Vec<u64> = model.keys().copied().collect();
    assert_eq!(snapshot.len(), all.len() as u64);
    let ids: Vec<u64> = snapshot.records().map(|entry| entry.unwrap().id().0).collect();
    assert_eq!(ids, all, "in order");
    for (&id, (key, value)) in model {
        let entry = snapshot.get(RecordId(id)).unwrap().unwrap_or_else(|| panic!("record {id} is lost"));
        assert_eq!(entry.key().unwrap().as_deref(), Some(key.as_str()));
        assert_eq!(snapshot.id_of_key(key).unwrap(), Some(RecordId(id)), "{key}");
        assert_eq!(snapshot.ids_where(&Filter::field("of").eq(key.as_str())).unwrap(), [RecordId(id)]);
        let stored = match snapshot.embedding(RecordId(id), "v") {
            Err(e) if are_lost && e.kind() == ErrorKind::Damaged => None,
            stored => stored.unwrap(),
        };
        assert_eq!(stored.is_some(), value.is_some(), "the embedding of {id}");
        if let (Some(stored), Some(value)) = (stored, value) {
            assert!((stored[0] / stored[1] - value).abs() < 0.1, "{id}: {stored:?} of {value}");
        }
    }
    let found = |query: Query| {
        let results = snapshot.search(&query.k(60_000)).unwrap();
        assert!(results.losses.iter().all(|loss| are_lost && loss.space.is_some()), "{:?}", results.losses);
        let mut ids: Vec<u64> = results.hits.iter().map(|hit| hit.id.0).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(found(Query::words("record")), all, "by words");
    assert_eq!(found(Query::new().filter(Filter::field("of").exists())), all, "by metadata");
    let embedded: Vec<u64> =
        model.iter().filter(|(_, (_, value))| value.is_some()).map(|(id, _)| *id).collect();
    assert_eq!(found(Query::vector("v", [1.0, 1.0, 0.0])), embedded, "by vector");
    assert_eq!(found(Query::vector("v", [1.0, 1.0, 0.0]).exact(true)), embedded, "by all vectors");
}

fn add(artifact: &CompactArtifact, model: &mut Model, count: u64) {
    for _ in 0..count {
        let key = format!("k{}", model.last_key_value().map_or(0, |(id, _)| id + 1));
        let id = artifact.add(record(&key)).unwrap();
        model.insert(id.0, (key, None));
    }
}

fn embed(artifact: &CompactArtifact, model: &mut Model, id: u64, value: f32) {
    artifact.add_embedding(RecordId(id), "v", &[value, 1.0, 0.0]).unwrap();
    model.get_mut(&id).unwrap().1 = Some(value);
}

#[test]
pub(crate) fn a_reader_that_follows_finds_a_record_once_however_often_it_gets_an_embedding() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let reader = options().open_read_only(&path).unwrap();
    let mut model = Model::new();
    add(&artifact, &mut model, 8);
    for n in 0..7u8 {
        embed(&artifact, &mut model, 2, f32::from(n));
        add(&artifact, &mut model, 1);
        reader.refresh().unwrap();
        ask(&reader, &model);
    }
    artifact.delete(RecordId(2)).unwrap();
    model.remove(&2);
    reader.refresh().unwrap();
    ask(&reader, &model);
    ask(&artifact, &model);
}

#[test]
fn embeddings_that_came_late_are_recovered_with_their_records() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let mut model = Model::new();
    for round in 0..16u64 {
        let keys: Vec<String> = (0..300).map(|n| format!("k{round}-{n}")).collect();
        let ids = artifact.add_batch(keys.iter().map(|key| record(key))).unwrap();
        model.extend(ids.iter().map(|id| id.0).zip(keys.into_iter().map(|key| (key, None))));
        let all: Vec<u64> = model.keys().copied().collect();
        let late = (0..20).map(|n| all[(n * 7919 + round as usize * 31) % all.len()]);
        late.for_each(|id| embed(&artifact, &mut model, id, (round % 7) as f32));
    }
    artifact.sync().unwrap();
    drop(artifact);
    let mut limited = options().memory_limit(8 << 20);
    for _ in 0..2 {
        let artifact = limited.open(&path).unwrap();
        assert!(artifact.recovery().damage.is_empty());
        ask(&artifact, &model);
        artifact.seal().unwrap();
        ask(&artifact, &model);
        artifact.close().unwrap();
        limited = options();
    }
}

/// Texts of long words, more than half of 8 MiB to index.
fn heavy(artifact: &CompactArtifact) {
    let word =
        |n: u64| format!("{:032x} ", u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let text = |n: u64| (n * 15..n * 15 + 15).map(word).collect::<String>();
    artifact.add_batch((1..=9_000).map(|n| Record::text(text(n)))).unwrap();
    artifact.sync().unwrap();
}

#[test]
fn embeddings_of_deleted_records_do_not_keep_recovery_from_its_limit() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let deleted = artifact.add(record("deleted").embedding("v", [1.0, 1.0, 0.0])).unwrap();
    assert!(artifact.delete(deleted).unwrap());
    heavy(&artifact);
    drop(artifact);
    let e = options().memory_limit(8 << 20).open_read_only(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TooLarge, "{e}");
    let artifact = options().memory_limit(8 << 20).open(&path).unwrap();
    assert!(artifact.stats().shards > 1, "sealed in pieces: {:?}", artifact.stats());
    assert_eq!((artifact.len(), artifact.get(deleted).unwrap().is_none()), (9_000, true));
}

#[test]
fn a_reader_that_could_not_follow_says_so_until_it_can() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let reader = options().memory_limit(8 << 20).open_read_only(&path).unwrap();
    heavy(&artifact);
    for _ in 0..2 {
        assert_eq!(reader.refresh().map_err(|e| e.kind()), Err(ErrorKind::TooLarge));
        assert_eq!(reader.len(), 0);
    }
    artifact.seal().unwrap();
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.len(), 9_000);
    assert!(!reader.refresh().unwrap());
}

#[test]
fn an_embedding_for_what_the_batch_replaces_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    let old = artifact.add(record("k")).unwrap();
    let batch = Batch::new().upsert(record("k")).add_embedding(old, "v", [1.0, 1.0, 0.0]);
    assert_eq!(artifact.write(batch).unwrap_err().kind(), ErrorKind::NoSuchRecord);
    assert_eq!(artifact.id_of_key("k").unwrap(), Some(old));
}

#[test]
pub(crate) fn pieces_that_memory_makes_necessary_have_every_record_between_them() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().memory_limit(8 << 20).create(&path).unwrap();
    let mut model = Model::new();
    // More rows than one piece takes under this limit, of records and of what came late.
    let keys: Vec<String> = (0..9_000).map(|n| format!("k{n}")).collect();
    let ids = artifact.add_batch(keys.iter().map(|key| record(key))).unwrap();
    model.extend(ids.iter().map(|id| id.0).zip(keys.into_iter().map(|key| (key, None))));
    artifact.seal().unwrap();
    let mut late = Batch::new();
    for (n, (&id, (_, value))) in (0u16..).zip(model.iter_mut()) {
        late = late.add_embedding(RecordId(id), "v", [f32::from(n % 7), 1.0, 0.0]);
        *value = Some(f32::from(n % 7));
    }
    artifact.write(late).unwrap();
    ask(&artifact, &model);
    artifact.seal().unwrap();
    assert!(artifact.stats().shards > 2, "{}", artifact.stats().shards);
    ask(&artifact, &model);
    artifact.compact(8 << 20).unwrap();
    artifact.close().unwrap();
    let artifact = options().open(&path).unwrap();
    assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
    ask(&artifact, &model);
    drop(artifact);
    // Whichever piece is lost, the embeddings of the others are there.
    for (number, (len, part)) in parts(&path).into_iter().enumerate() {
        let copy = temp.path().join(format!("copy{number}"));
        copy_files(&path, &copy);
        let part = copy.join(part.file_name().unwrap());
        std::fs::OpenOptions::new().write(true).open(part).unwrap().set_len(len - 1).unwrap();
        let artifact = options().open(&copy).unwrap();
        let left = model
            .keys()
            .filter(|&&id| artifact.embedding(RecordId(id), "v").is_ok_and(|found| found.is_some()));
        let left = left.count();
        assert!(left >= 4_500, "without part {number}: {left}");
        assert_eq!(artifact.len(), 9_000);
        drop(artifact);
        std::fs::remove_dir_all(&copy).unwrap();
    }
    // One piece is lost: what it had is indexed anew, without its embeddings.
    let lost = parts(&path).pop().unwrap().1;
    let bytes = std::fs::read(&lost).unwrap();
    std::fs::write(&lost, &bytes[..bytes.len() - 1]).unwrap();
    let artifact = options().open(&path).unwrap();
    assert_eq!(artifact.recovery().shards_rebuilt, 1);
    forget_lost_embeddings(&artifact, &mut model);
    ask(&artifact, &model);
}

/// The lengths and paths of the parts, the longest last.
fn parts(path: &Path) -> Vec<(u64, std::path::PathBuf)> {
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let parts = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("part"));
    let mut parts: Vec<_> = parts.map(|file| (std::fs::metadata(&file).unwrap().len(), file)).collect();
    parts.sort();
    parts
}

fn forget_lost_embeddings(artifact: &CompactArtifact, model: &mut Model) {
    for (&id, (_, value)) in model.iter_mut() {
        match artifact.embedding(RecordId(id), "v") {
            Err(e) if e.kind() == ErrorKind::Damaged => *value = None,
            found => assert_eq!(found.unwrap().is_some(), value.is_some()),
        }
    }
}

#[test]
pub(crate) fn a_damaged_index_costs_embeddings_at_most_and_its_records_are_indexed_anew() {
    damage_the_largest_index(true);
    damage_the_largest_index(false);
}

/// With `compacts`, it is not the newest one.
fn damage_the_largest_index(compacts: bool) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let mut model = Model::new();
    add(&artifact, &mut model, 300);
    artifact.seal().unwrap();
    let ids: Vec<u64> = model.keys().copied().collect();
    for &id in &ids {
        embed(&artifact, &mut model, id, 2.0);
    }
    artifact.seal().unwrap();
    if compacts {
        artifact.compact(8 << 20).unwrap();
    }
    artifact.close().unwrap();
    let follower = options().open_read_only(&path).unwrap();
    let shard = parts(&path).pop().unwrap().1;
    let mut bytes = std::fs::read(&shard).unwrap();
    let footer = bytes.len() - 20;
    bytes[footer] ^= 1;
    std::fs::remove_file(&shard).unwrap(); // whoever has it mapped keeps it
    std::fs::write(&shard, bytes).unwrap();

    let salvaged = temp.path().join("salvaged");
    let report = salvage(&path, &salvaged, options()).unwrap();
    assert_eq!(report.records, 300);
    assert!(!report.losses.is_empty());
    for path in [&path, &salvaged] {
        let reader = options().open_read_only(path).unwrap();
        let mut left = model.clone();
        forget_lost_embeddings(&reader, &mut left);
        ask(&reader, &left);
        let artifact = options().open(path).unwrap();
        ask(&artifact, &left);
        let taken = artifact.add(record("k0")).unwrap_err();
        assert_eq!(taken.kind(), compact_artifact::ErrorKind::AlreadyExists);
        artifact.seal().unwrap();
        artifact.close().unwrap();
        let artifact = options().open(path).unwrap();
        // Nothing but what cannot be made anew.
        let damage = &artifact.recovery().damage;
        assert!(damage.iter().all(|damage| damage.space.as_deref() == Some("v")), "{damage:?}");
        assert_eq!(damage.is_empty(), left == model, "{damage:?}");
        ask(&artifact, &left);
        assert!(artifact.verify(VerifyLevel::Decode).unwrap().is_sound());
    }
    follower.refresh().unwrap();
    forget_lost_embeddings(&options().open_read_only(&path).unwrap(), &mut model);
    // It opened before the damage, and tells of it.
    ask_what_is_left(&follower, &model, true);
}

#[test]
pub(crate) fn small_files_that_are_damaged_cost_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let mut model = Model::new();
    add(&artifact, &mut model, 300);
    artifact.seal().unwrap();
    (0..10).for_each(|id| embed(&artifact, &mut model, id, 3.0));
    artifact.delete(RecordId(20)).unwrap();
    model.remove(&20);
    artifact.seal().unwrap();
    artifact.close().unwrap();
    let mut small = parts(&path);
    small.retain(|(len, _)| *len < 1_000);
    // Settings twice, tombstones, and the deleted ids.
    assert!(small.len() >= 4, "{small:?}");
    for (_, part) in small {
        let bytes = std::fs::read(&part).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 3] ^= 4;
        std::fs::write(&part, flipped).unwrap();
        let open = options().open_read_only(&path);
        ask(&open.unwrap_or_else(|e| panic!("{}: {e}", part.display())), &model);
        // A writer mends what it can.
        let copy = temp.path().join("copy");
        copy_files(&path, &copy);
        let artifact = options().open(&copy).unwrap();
        ask(&artifact, &model);
        artifact.seal().unwrap();
        ask(&artifact, &model);
        artifact.compact(8 << 20).unwrap();
        ask(&artifact, &model);
        assert_eq!(
            artifact.verify(VerifyLevel::Decode).unwrap().damage,
            Vec::<compact_artifact::Damage>::new()
        );
        artifact.close().unwrap();
        std::fs::remove_dir_all(&copy).unwrap();
        std::fs::write(&part, bytes).unwrap();
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

const ROOT: &str = "/a";

/// Runs `edit`, and `meanwhile` when it begins to write an index; then closes, or is killed. Returns what is left on the disk.
fn between(
    model: &mut Model,
    edit: fn(&CompactArtifact),
    meanwhile: fn(&CompactArtifact, &mut Model),
    is_closed: bool,
) -> MemoryVfs {
    let disk = MemoryVfs::new();
    let vfs = Between::new(Arc::new(disk.clone()));
    let artifact = CompactArtifact::create_in(vfs.clone(), options(), Path::new(ROOT)).unwrap();
    add(&artifact, model, 40);
    (0..30).for_each(|id| embed(&artifact, model, id, 1.0));
    artifact.seal().unwrap();
    (0..15).for_each(|id| embed(&artifact, model, id, 2.0));
    (30..35).for_each(|id| {
        artifact.delete(RecordId(id)).unwrap();
        model.remove(&id);
    });
    artifact.sync().unwrap();
    let artifact = Arc::new(artifact);
    let theirs: Arc<OnceLock<Model>> = Arc::default();
    let (for_call, result, mut changed) = (artifact.clone(), theirs.clone(), model.clone());
    vfs.before_the_next_part(move || {
        meanwhile(&for_call, &mut changed);
        result.set(changed).unwrap();
    });
    edit(&artifact);
    *model = theirs.get().expect("an index was written").clone();
    ask(&artifact, model);
    let artifact = Arc::into_inner(artifact).unwrap();
    if is_closed {
        artifact.close().unwrap();
    } else {
        drop(artifact);
    }
    disk
}

#[test]
pub(crate) fn an_embedding_that_comes_while_indexes_are_written_costs_nothing() {
    let edits: [fn(&CompactArtifact); 2] = [
        |artifact| {
            artifact.seal().unwrap();
        },
        |artifact| {
            artifact.compact(8 << 20).unwrap();
        },
    ];
    let meanwhile: [fn(&CompactArtifact, &mut Model); 3] = [
        |artifact, model| (0..20).for_each(|id| embed(artifact, model, id, 5.0)),
        |artifact, model| {
            add(artifact, model, 3);
            embed(artifact, model, 36, 6.0);
        },
        |artifact, model| {
            artifact.upsert(record("k3")).unwrap();
            let id = artifact.id_of_key("k3").unwrap().unwrap();
            // Of the same text: it keeps its embedding.
            let kept = model.remove(&3).and_then(|(_, value)| value);
            model.insert(id.0, ("k3".to_owned(), kept));
            embed(artifact, model, 4, 7.0);
        },
    ];
    for edit in edits {
        for meanwhile in meanwhile {
            for is_closed in [true, false] {
                let mut model = Model::new();
                let disk = between(&mut model, edit, meanwhile, is_closed);
                let open =
                    || CompactArtifact::open_in(Arc::new(disk.clone()), options(), Path::new(ROOT)).unwrap();
                let artifact = open();
                ask(&artifact, &model);
                artifact.seal().unwrap();
                ask(&artifact, &model);
                artifact.compact(8 << 20).unwrap();
                ask(&artifact, &model);
                drop(artifact);
                ask(&open(), &model);
            }
        }
    }
}

#[test]
pub(crate) fn what_is_on_disk_relies_on_nothing_that_is_not() {
    // A `Buffered` upsert of a record that was synced, while `compact` writes; then the power fails.
    let mut model = Model::new();
    let upsert: fn(&CompactArtifact, &mut Model) = |artifact, _| {
        artifact.upsert(record("k3")).unwrap();
        artifact.upsert(record("k36")).unwrap();
        artifact.add_embedding(RecordId(5), "v", &[9.0, 1.0, 0.0]).unwrap();
    };
    let disk = MemoryVfs::new();
    let vfs = Between::new(Arc::new(disk.clone()));
    let artifact = Arc::new(CompactArtifact::create_in(vfs.clone(), options(), Path::new(ROOT)).unwrap());
    add(&artifact, &mut model, 40);
    (0..40).for_each(|id| embed(&artifact, &mut model, id, 1.0));
    artifact.seal().unwrap();
    for id in 8..30 {
        artifact.delete(RecordId(id)).unwrap();
        model.remove(&id);
    }
    add(&artifact, &mut model, 2);
    artifact.sync().unwrap();
    let synced = disk.event_count();
    let theirs = artifact.clone();
    let mut unused = Model::new();
    vfs.before_the_next_part(move || upsert(&theirs, &mut unused));
    artifact.compact(8 << 20).unwrap();
    let end = disk.event_count();
    let mut states = 0;
    for events in synced..=end {
        for variant in CrashVariant::standard(events as u64) {
            let crashed: Arc<dyn Vfs> = Arc::new(disk.crash(events, variant));
            let artifact = CompactArtifact::open_in(crashed, options(), Path::new(ROOT)).unwrap();
            for (id, (key, _)) in &model {
                let found = artifact.id_of_key(key).unwrap();
                assert!(found.is_some(), "{key} (record {id}) is lost after {events} events, {variant:?}");
            }
            assert_eq!(artifact.len(), model.len() as u64, "after {events} events, {variant:?}");
            states += 1;
        }
    }
    assert!(states > 100, "{states}");
}

#[test]
fn add_reader_keeps_the_tail_few_shards() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options().create(temp.path().join("a")).unwrap();
    for n in 0..200 {
        artifact.add_reader(Record::blob([]).key(format!("k{n}")), &b"content"[..]).unwrap();
    }
    assert!(artifact.stats().tail_shards < 20, "{}", artifact.stats().tail_shards);
    assert!((0..200).all(|n| artifact.id_of_key(&format!("k{n}")).unwrap().is_some()));
}
