//! Embeddings that were lost with an index stay named until nobody misses them.

use std::fs;
use std::path::{Path, PathBuf};

use compact_artifact::{
    Batch, CompactArtifact, ErrorKind, Maintenance, Metric, Options, Query, Record, RecordId, SpaceOptions,
    salvage,
};

use crate::planted::section;

const FEW: u16 = 60;
/// More than one piece takes under the least limit of memory.
const MANY: u16 = 9_000;
/// From docs/FORMAT.md: a kind of part, and of a section in it.
const SHARD: u32 = 257;
const FILTERS: u32 = 3;

fn options() -> Options {
    Options::new().maintenance(Maintenance::Manual).space("v", SpaceOptions::new(2, Metric::L2))
}

fn limited() -> Options {
    options().memory_limit(8 << 20)
}

fn vector(n: u16) -> [f32; 2] {
    [f32::from(n), 1.0]
}

fn records(count: u16) -> impl Iterator<Item = Record> {
    let word = |n: u64| format!("{:016x} ", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..count).map(move |n| {
        let words = u64::from(n) * 15..u64::from(n) * 15 + 15;
        Record::text(words.map(word).collect::<String>()).embedding("v", vector(n))
    })
}

/// The files of sealed indexes, in the order of their numbers.
fn shards(path: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let is_shard = |file: &PathBuf| {
        let is_part = file.file_name().unwrap().to_str().unwrap().starts_with("part-");
        is_part && kind_of_part(&fs::read(file).unwrap()) == SHARD
    };
    let mut shards: Vec<PathBuf> = files.filter(is_shard).collect();
    shards.sort();
    shards
}

/// From docs/FORMAT.md: the kind stands in the footer.
fn kind_of_part(bytes: &[u8]) -> u32 {
    let kind = bytes.len() - 64 + 16;
    u32::from_le_bytes(bytes[kind..kind + 4].try_into().unwrap())
}

/// Nothing of the index can be read any more.
fn cut(shard: &Path) {
    let bytes = fs::read(shard).unwrap();
    fs::remove_file(shard).unwrap(); // whoever has it mapped keeps it
    fs::write(shard, &bytes[..bytes.len() - 1]).unwrap();
}

fn cut_shards(path: &Path) {
    let shards = shards(path);
    assert!(!shards.is_empty());
    for shard in shards {
        cut(&shard);
    }
}

/// An artifact whose records lost their embeddings, which is written down.
fn with_lost(path: &Path, count: u16) -> Vec<RecordId> {
    let artifact = options().create(path).unwrap();
    let ids = artifact.add_batch(records(count)).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    cut_shards(path);
    let artifact = options().open(path).unwrap();
    assert_eq!(named(&artifact), usize::from(count));
    artifact.seal().unwrap();
    artifact.close().unwrap();
    ids
}

/// How many records are named as without the embedding that they had.
fn named(artifact: &CompactArtifact) -> usize {
    let damage = artifact.recovery().damage.iter().filter(|damage| damage.space.as_deref() == Some("v"));
    let counts = damage.map(|damage| damage.message.split(' ').next().unwrap().parse::<usize>().unwrap());
    let count = counts.sum();
    assert_eq!(is_named(artifact), count > 0, "by a search");
    count
}

/// Whether a search says that embeddings are lost.
fn is_named(artifact: &CompactArtifact) -> bool {
    let found = artifact.search(&Query::vector("v", vector(1))).unwrap();
    found.losses.iter().any(|loss| loss.space.as_deref() == Some("v"))
}

#[test]
fn pieces_that_are_sealed_while_opening_forget_no_embedding_that_was_lost_before() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let ids = with_lost(&path, MANY);
    // Another index is damaged, which shows that it has no embeddings, but not that there were any.
    let shards = shards(&path);
    assert_eq!(shards.len(), 1);
    let mut bytes = fs::read(&shards[0]).unwrap();
    bytes[section(&shards[0], FILTERS).start] ^= 1;
    fs::write(&shards[0], bytes).unwrap();
    for round in 0..3 {
        let artifact = limited().open(&path).unwrap();
        // The damaged one goes when all is sealed.
        assert_eq!(artifact.recovery().shards_rebuilt, u64::from(round < 2));
        assert_eq!(named(&artifact), usize::from(MANY), "round {round}");
        if round > 0 {
            artifact.seal().unwrap();
        }
    }
    let artifact = options().open(&path).unwrap();
    let again = (0..).zip(&ids).map(|(n, &id)| (id, vector(n)));
    let again = again.fold(Batch::new(), |batch, (id, vector)| batch.add_embedding(id, "v", vector));
    artifact.write(again).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    assert_eq!(named(&options().open(&path).unwrap()), 0);
}

#[test]
fn an_embedding_that_is_taken_away_is_not_named_as_lost_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let ids = with_lost(&path, FEW);
    let remove = |artifact: &CompactArtifact, id| {
        artifact.write(Batch::new().remove_embedding(id, "v")).unwrap();
    };
    let artifact = options().open(&path).unwrap();
    let reader = options().open_read_only(&path).unwrap();
    ids[1..].iter().for_each(|&id| remove(&artifact, id));
    assert!(is_named(&artifact));
    drop(artifact);
    // By the log, then by what was sealed of it.
    for _ in 0..2 {
        let artifact = options().open(&path).unwrap();
        assert_eq!(named(&artifact), 1);
        artifact.seal().unwrap();
    }
    let artifact = options().open(&path).unwrap();
    remove(&artifact, ids[0]);
    assert!(!is_named(&artifact));
    for n in 0..3 {
        reader.refresh().unwrap();
        assert!(!is_named(&reader), "refresh {n}");
        artifact.add(Record::text("another")).unwrap();
    }
    artifact.seal().unwrap();
    assert!(!is_named(&artifact));
    drop(artifact);
    assert_eq!(named(&options().open(&path).unwrap()), 0);
}

#[test]
fn an_embedding_that_was_taken_away_before_its_index_was_damaged_is_not_named_as_lost() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let ids = artifact.add_batch(records(FEW)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch(records(FEW)).unwrap();
    artifact.seal().unwrap();
    artifact.write(Batch::new().remove_embedding(ids[7], "v")).unwrap();
    drop(artifact);
    cut(&shards(&path)[0]);
    for _ in 0..2 {
        let artifact = options().open(&path).unwrap();
        assert_eq!(named(&artifact), usize::from(FEW) - 1);
        artifact.seal().unwrap();
    }
}

#[test]
fn an_upsert_replaces_a_record_and_its_lost_embedding_is_not_missed_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    artifact.add_batch(records(FEW).zip(0..).map(|(record, n)| record.key(format!("k{n}")))).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    cut_shards(&path);
    let artifact = options().open(&path).unwrap();
    assert_eq!(named(&artifact), usize::from(FEW));
    artifact.upsert(Record::text("other content").key("k0")).unwrap();
    let same = artifact.get_by_key("k1").unwrap().unwrap().text().unwrap().into_owned();
    artifact.upsert(Record::text(same).key("k1")).unwrap();
    for _ in 0..2 {
        artifact.sync().unwrap();
        let reader = options().open_read_only(&path).unwrap();
        assert_eq!(named(&reader), usize::from(FEW) - 2);
        artifact.seal().unwrap();
    }
}

#[test]
fn embeddings_of_records_that_lie_in_the_log_are_named_when_their_index_is_lost() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = options().create(&path).unwrap();
    let mut ids = artifact.add_batch(records(MANY)).unwrap();
    artifact.write(Batch::new().remove_embedding(ids.remove(5), "v")).unwrap();
    artifact.add_batch((0..30).map(|n| Record::text(format!("without {n}")))).unwrap();
    drop(artifact);
    // Memory makes pieces of it, which are sealed; the log stays.
    drop(limited().open(&path).unwrap());
    cut_shards(&path);
    for round in 0..2 {
        let artifact = options().open(&path).unwrap();
        let is_damaged = |e: compact_artifact::Error| e.kind() == ErrorKind::Damaged;
        let without = |id: &&RecordId| artifact.embedding(**id, "v").is_err_and(is_damaged);
        let lost = ids.iter().filter(without).count();
        assert!(lost > 1_000, "{lost}");
        assert_eq!(named(&artifact), lost, "round {round}");
        artifact.seal().unwrap();
        artifact.close().unwrap();
    }
}

#[test]
fn salvage_keeps_records_and_their_fields_where_no_copy_of_the_settings_holds() {
    let temp = tempfile::tempdir().unwrap();
    for (name, is_sealed, knows_space) in [
        ("log", false, false),
        ("log of a space", false, true),
        ("sealed", true, false),
        ("sealed space", true, true),
    ] {
        let (path, to) = (temp.path().join(name), temp.path().join(format!("{name} salvaged")));
        let manual = Options::new().maintenance(Maintenance::Manual);
        let artifact = options().field("z", 3).field("a", 2).no_language().create(&path).unwrap();
        let record = Record::text("one").field("a", "walking").field("title", "first");
        let first = artifact.add(record.embedding("v", vector(7))).unwrap();
        let second = artifact.add(Record::text("two").field("z", "running")).unwrap();
        if is_sealed {
            artifact.seal().unwrap();
        }
        artifact.close().unwrap();
        for entry in fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()) {
            let mut bytes = fs::read(&entry).unwrap();
            let is_part = entry.file_name().unwrap().to_str().unwrap().starts_with("part-");
            if is_part && kind_of_part(&bytes) == 256 {
                bytes[8] ^= 1;
                fs::write(entry, bytes).unwrap();
            }
        }
        let options = if knows_space { options() } else { manual };
        let report = salvage(&path, &to, options.clone()).unwrap();
        assert_eq!(report.records, 2, "{name}: {:?}", report.losses);
        let artifact = options.open(&to).unwrap();
        if knows_space {
            assert!(artifact.embedding(first, "v").unwrap().is_some(), "{name}");
        } else {
            assert!(
                report.losses.iter().any(|loss| loss.message.contains("embeddings")),
                "{name}: {:?}",
                report.losses
            );
        }
        let field = |id, name: &str| artifact.get(id).unwrap().unwrap().field(name).unwrap();
        assert_eq!(field(first, "a").as_deref(), Some("walking"));
        assert_eq!(field(second, "z").as_deref(), Some("running"));
        for (query, id) in [
            ("a:walking", first),
            ("a:walked", first),
            ("z:running", second),
            ("title:first", first),
            ("run", second),
        ] {
            let hits = artifact.search(&Query::parse(query).unwrap()).unwrap().hits;
            let ids: Vec<RecordId> = hits.iter().map(|hit| hit.id).collect();
            assert_eq!(ids, [id], "{name}: {query}");
        }
        assert_eq!(artifact.search(&Query::parse("a:running").unwrap()).unwrap().hits.len(), 0);
    }
}

#[test]
fn salvage_says_of_every_part_what_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let ids = with_lost(&path, FEW);
    let artifact = options().open(&path).unwrap();
    artifact.add_embedding(ids[0], "v", &vector(0)).unwrap(); // its first row is dead
    artifact.seal().unwrap();
    artifact.close().unwrap();
    // From docs/FORMAT.md.
    let kinds = [
        (256, "a copy of the settings"),
        (SHARD, "with the embeddings in it"),
        (258, "which rows of index"),
        (261, "which embeddings were lost earlier"),
    ];
    let mut seen = std::collections::BTreeSet::new();
    let files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("part-")) {
        let sound = fs::read(&file).unwrap();
        let kind = kind_of_part(&sound);
        let mut bytes = sound.clone();
        bytes[8] ^= 1;
        fs::write(&file, bytes).unwrap();
        let to = temp.path().join(file.file_name().unwrap());
        let losses = salvage(&path, &to, options()).unwrap().losses;
        for (named, says) in kinds {
            let is_said = losses.iter().any(|loss| loss.message.contains(says));
            assert_eq!(is_said, named == kind, "{kind}: {losses:?}");
        }
        seen.insert(kind);
        fs::write(&file, sound).unwrap();
    }
    assert!(seen.into_iter().eq(kinds.map(|(kind, _)| kind)));
}

/// One block of records is damaged, or nearly all of them.
#[test]
fn a_record_that_cannot_be_read_is_named_as_without_its_embedding_after_it_was_sealed() {
    for percent in [0, 95] {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        with_lost(&path, MANY);
        let files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        let segment = files.max_by_key(|file| {
            let is_segment = file.file_name().unwrap().to_str().unwrap().starts_with("segment-");
            (is_segment, fs::metadata(file).unwrap().len())
        });
        let segment = segment.unwrap();
        let mut bytes = fs::read(&segment).unwrap();
        let end = (bytes.len() * percent / 100).max(4096 + 201);
        (4096 + 200..end).step_by(1_000).for_each(|at| bytes[at] ^= 1);
        fs::write(&segment, bytes).unwrap();
        cut_shards(&path);
        for round in 0..3 {
            let artifact = options().open(&path).unwrap();
            assert!(artifact.len() < u64::from(MANY));
            assert_eq!(named(&artifact), usize::from(MANY), "{percent} {round}");
            artifact.seal().unwrap();
            artifact.close().unwrap();
        }
    }
}
