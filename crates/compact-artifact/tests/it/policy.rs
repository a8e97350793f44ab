//! Space that comes back by itself, and deletes that do not fail because of what other records hold.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use compact_artifact::{
    Batch, CompactArtifact, CompactionPolicy, Durability, ErrorKind, Filter, FilterValue, Maintenance,
    Metric, Options, Record, SpaceOptions,
};
use serde_json::json;

use crate::left_out;

const SEGMENT: u64 = 64 << 10;

fn options() -> Options {
    left_out::options().segment_len(SEGMENT).durability(Durability::Buffered)
}

fn disk(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().metadata());
    files.map(|file| file.map_or(0, |file| file.len())).sum()
}

/// A text that does not compress well.
fn text(seed: u64) -> String {
    let mut random = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..40).fold(String::new(), |text, _| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        text + &format!("{:x} ", random >> 40)
    })
}

const KEYS: u64 = 400;

/// Replaces the same records again and again. Returns the most bytes on disk after a commit, and what is alive.
fn churn(options: Options, path: &Path, rounds: u64) -> (u64, u64) {
    let artifact = options.create(path).unwrap();
    let mut most = 0;
    for round in 0..rounds {
        for i in 0..KEYS / 8 {
            // Some records are replaced often, others seldom.
            let key = (round * 7 + i * if i % 3 == 0 { 1 } else { 8 }) % KEYS;
            artifact.upsert(Record::text(text(round << 32 | i)).key(key.to_string())).unwrap();
        }
        most = most.max(disk(path));
    }
    artifact.close().unwrap();
    let artifact = CompactArtifact::open(path).unwrap();
    artifact.compact(64 << 20).unwrap();
    (most, disk(path))
}

#[test]
pub(crate) fn the_disk_stays_bounded_under_endless_upserts_unless_that_is_turned_off() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let (most, alive) = churn(options(), &at("inline"), 100);
    println!("inline: {most} bytes at the most, {alive} are alive");
    // The bound that `CompactionPolicy` states.
    assert!(most <= alive * 3 / 2 + 3 * SEGMENT, "{most}, {alive}");
    // A thread that gets no processor comes too late: once in a while it gets one.
    let is_bounded = |attempt: u32| {
        let background = options().maintenance(Maintenance::Background);
        let (most, alive) = churn(background, &at(&format!("background{attempt}")), 100);
        println!("background: {most} bytes at the most, {alive} are alive");
        most <= alive * 3 + 6 * SEGMENT
    };
    assert!((0..8).any(is_bounded));
    let off = options().auto_compact(None);
    let (without, alive) = churn(off, &at("off"), 100);
    println!("off: {without} bytes at the most, {alive} are alive");
    assert!(without > alive * 2 + 3 * SEGMENT, "{without}, {alive}");
}

/// What can change without a record that is added for good.
#[derive(Debug, Clone, Copy)]
enum Change {
    Metadata,
    Embedding,
    NoEmbedding,
    SmallUpsert,
    AddAndDelete,
}

impl Change {
    const ALL: [Self; 5] =
        [Self::Metadata, Self::Embedding, Self::NoEmbedding, Self::SmallUpsert, Self::AddAndDelete];

    fn make(self, artifact: &CompactArtifact, number: u64) {
        let key = (number % 10).to_string();
        let id = || artifact.id_of_key(&key).unwrap().unwrap();
        let value = |i: u64| f32::from(u16::try_from((number * 31 + i * 7) % 1_009).unwrap());
        let vector: Vec<f32> = (0..16).map(value).collect();
        match self {
            Self::Metadata => drop(artifact.update_key(&key, json!({"i": text(number)})).unwrap()),
            Self::Embedding => artifact.add_embedding(id(), "v", &vector).unwrap(),
            Self::NoEmbedding if number.is_multiple_of(2) => {
                artifact.write(Batch::new().add_embedding(id(), "v", vector)).unwrap();
                artifact.write(Batch::new().remove_embedding(id(), "v")).unwrap();
            }
            Self::NoEmbedding => {}
            Self::SmallUpsert => drop(artifact.upsert(Record::text("t").key(&key)).unwrap()),
            Self::AddAndDelete => {
                artifact.add(Record::text("t").key("x")).unwrap();
                artifact.delete_key("x").unwrap();
            }
        }
    }
}

/// An artifact with ten records that [`Change::make`] changes.
fn ten_records(options: Options, path: &Path) -> CompactArtifact {
    let artifact = options.space("v", SpaceOptions::new(16, Metric::L2)).create(path).unwrap();
    artifact.add_batch((0..10).map(|i: u32| Record::text("t").key(i.to_string()))).unwrap();
    artifact
}

#[test]
fn the_disk_stays_bounded_whatever_changes_however_often() {
    let temp = tempfile::tempdir().unwrap();
    for change in Change::ALL {
        let path = temp.path().join(format!("{change:?}"));
        let artifact = ten_records(options(), &path);
        let (mut most, mut number) = (0, 0);
        // Before anything is sealed the log tells how much a change writes.
        let before = disk(&path);
        (0..100).for_each(|number| change.make(&artifact, number));
        let each = (disk(&path) - before) / 100;
        while number * each < 10 * SEGMENT {
            change.make(&artifact, number);
            number += 1;
            if number % 32 == 0 {
                most = most.max(disk(&path));
            }
        }
        artifact.compact(64 << 20).unwrap();
        let alive = disk(&path);
        println!("{change:?}: {number} times {each} bytes, {most} bytes at the most, {alive} are alive");
        assert!(most <= alive * 3 / 2 + 3 * SEGMENT, "{change:?}: {most}, {alive}");
        assert_eq!(artifact.len(), 10);
    }
}

#[test]
fn the_disk_stays_bounded_over_sessions_of_few_changes() {
    let temp = tempfile::tempdir().unwrap();
    for change in Change::ALL {
        let path = temp.path().join(format!("{change:?}"));
        ten_records(options(), &path).close().unwrap();
        let mut most = 0;
        for session in 0..100 {
            let artifact = CompactArtifact::open(&path).unwrap();
            assert_eq!(artifact.len(), 10);
            for number in 0..25 {
                change.make(&artifact, session * 25 + number);
            }
            artifact.close().unwrap();
            most = most.max(disk(&path));
        }
        println!("{change:?}: {most} bytes at the most");
        assert!(most < 320 << 10, "{change:?}: {most}");
    }
}

#[test]
fn what_is_deleted_comes_back_without_records_that_are_added() {
    let temp = tempfile::tempdir().unwrap();
    let filled = |name: &str, options: Options| {
        let path = temp.path().join(name);
        let artifact = options.create(&path).unwrap();
        let record = |i: u64| {
            let long = if i.is_multiple_of(10) { text(i).repeat(4) + &text(i + 1) } else { text(i) };
            Record::text(long).key(i.to_string()).metadata(json!({"i": i}))
        };
        artifact.add_batch((0..4_000).map(record)).unwrap();
        artifact.seal().unwrap();
        (artifact, path)
    };
    let is_bounded = |artifact: &CompactArtifact, path: &Path| {
        let (disk, alive) = (disk(path), artifact.stats().live_bytes);
        assert!(disk <= alive * 3 / 2 + 3 * SEGMENT, "{disk} bytes, {alive} are alive");
    };
    // One by one, the long ones first.
    let (artifact, path) = filled("keys", options());
    for i in (0..4_000).step_by(10).chain((0..4_000).filter(|i| i % 10 > 0)) {
        artifact.delete_key(&i.to_string()).unwrap();
        if i % 50 == 0 {
            is_bounded(&artifact, &path);
        }
    }
    // All at once, and in a further session; by a seal, where there is too little for a look otherwise.
    let (artifact, path) = filled("filter", options());
    artifact.delete_where(&Filter::field("i").lt(3_900)).unwrap();
    is_bounded(&artifact, &path);
    let (artifact, path) = filled("session", options());
    artifact.close().unwrap();
    for first in (0..3_900).step_by(100) {
        let artifact = options().open(&path).unwrap();
        artifact
            .delete_where(&Filter::all([Filter::field("i").gte(first), Filter::field("i").lt(first + 100)]))
            .unwrap();
        is_bounded(&artifact, &path);
    }
    let (artifact, path) = filled("seal", options().segment_len(64 << 20));
    artifact.delete_where(&Filter::field("i").lt(3_900)).unwrap();
    let before = disk(&path);
    artifact.seal().unwrap();
    assert!(disk(&path) * 5 < before, "{} of {before} bytes are left", disk(&path));
}

/// 1,000 records of which the first are deleted.
fn partly_dead(options: Options, path: &Path, deleted: u32) -> CompactArtifact {
    let artifact = options.create(path).unwrap();
    artifact.add_batch((0..1_000).map(|i| Record::text(text(i)).metadata(json!({"i": i})))).unwrap();
    artifact.seal().unwrap();
    artifact.delete_where(&Filter::field("i").lt(deleted)).unwrap();
    artifact
}

fn becomes(artifact: &CompactArtifact, wanted: impl Fn(&CompactArtifact) -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if wanted(artifact) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
fn a_thread_in_the_background_compacts_when_it_is_quiet_and_nobody_does_with_manual() {
    let temp = tempfile::tempdir().unwrap();
    let policy = CompactionPolicy::new().quiet(Duration::from_millis(30));
    let background = options().maintenance(Maintenance::Background).auto_compact(policy);
    let artifact = partly_dead(background.clone(), &temp.path().join("b"), 700);
    assert!(becomes(&artifact, |artifact| artifact.stats().dead_bytes * 10 < artifact.stats().disk_bytes));
    assert_eq!(artifact.len(), 300);
    // From a half on it does not wait until it is quiet.
    let patient = background.clone().auto_compact(policy.quiet(Duration::from_hours(1)));
    let artifact = partly_dead(patient.clone(), &temp.path().join("half"), 700);
    assert!(becomes(&artifact, |artifact| artifact.stats().dead_bytes * 10 < artifact.stats().disk_bytes));
    for (name, deleted, options) in [
        ("manual", 700, background.clone().maintenance(Maintenance::Manual)),
        ("none", 700, background.clone().auto_compact(None)),
        ("share", 700, background.clone().auto_compact(policy.dead_percent(90))),
        ("patient", 430, patient),
    ] {
        let artifact = partly_dead(options, &temp.path().join(name), deleted);
        std::thread::sleep(Duration::from_millis(150));
        assert!(artifact.stats().dead_bytes * 3 > artifact.stats().disk_bytes, "{name}");
    }
}

#[test]
fn a_run_rewrites_as_many_bytes_as_its_budget_says() {
    let temp = tempfile::tempdir().unwrap();
    let big = options().maintenance(Maintenance::Background).segment_len(8 << 20);
    let policy = CompactionPolicy::new().quiet(Duration::from_millis(300)).budget(1 << 20);
    let artifact = big.auto_compact(policy).create(temp.path().join("a")).unwrap();
    let blob = |i: u64| {
        Record::blob((0..20).map(|part| text(part * 10_000 + i)).collect::<String>().into_bytes())
            .metadata(json!({"i": i}))
    };
    for part in 0..4 {
        artifact.add_batch((0..400).map(|i| blob(part * 400 + i))).unwrap();
        artifact.seal().unwrap();
    }
    artifact.compact(64 << 20).unwrap();
    let before = artifact.stats().dead_bytes;
    artifact.delete_where(&Filter::field("i").gte(0)).unwrap();
    assert!(artifact.stats().dead_bytes > before);
    assert!(becomes(&artifact, |artifact| artifact.stats().segments == 0), "{:?}", artifact.stats());
}

#[test]
fn limits_of_the_policy_are_said() {
    let temp = tempfile::tempdir().unwrap();
    let policy = CompactionPolicy::new;
    for wrong in [
        policy().dead_percent(4),
        policy().dead_percent(91),
        policy().budget(1_000),
        policy().quiet(Duration::from_millis(9)),
    ] {
        let error = Options::new().auto_compact(wrong).create(temp.path().join("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("auto_compact"), "{error}");
    }
}

#[test]
fn what_expires_is_deleted_in_the_background() {
    let temp = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicU64::new(0));
    let theirs = clock.clone();
    let artifact = options()
        .maintenance(Maintenance::Background)
        .auto_compact(CompactionPolicy::new().quiet(Duration::from_millis(20)))
        .expires_at("until")
        .clock(move || UNIX_EPOCH + Duration::from_secs(theirs.load(Ordering::Relaxed)))
        .create(temp.path().join("a"))
        .unwrap();
    artifact.add(Record::text("a").metadata(json!({"until": "1970-01-01T00:01:00Z"}))).unwrap();
    artifact.add(Record::text("b")).unwrap();
    let commit = artifact.snapshot().seq();
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!((artifact.len(), artifact.snapshot().seq()), (2, commit));
    clock.store(60, Ordering::Relaxed);
    assert_eq!(artifact.len(), 1);
    assert!(becomes(&artifact, |artifact| artifact.snapshot().seq() > commit));
    clock.store(0, Ordering::Relaxed);
    assert_eq!(artifact.len(), 1);
}

#[test]
fn what_expired_is_deleted_by_the_next_commit_when_it_is_much() {
    let temp = tempfile::tempdir().unwrap();
    for (count, is_much) in [(9_999, false), (10_000, true)] {
        let clock = Arc::new(AtomicU64::new(0));
        let theirs = clock.clone();
        let artifact = left_out::options()
            .durability(Durability::Buffered)
            .expires_at("until")
            .clock(move || UNIX_EPOCH + Duration::from_secs(theirs.load(Ordering::Relaxed)))
            .create(temp.path().join(count.to_string()))
            .unwrap();
        let record = |_| Record::text("a").metadata(json!({"until": "1970-01-01T00:01:00Z"}));
        artifact.add_batch((0..count).map(record)).unwrap();
        artifact.add(Record::text("b")).unwrap();
        clock.store(60, Ordering::Relaxed);
        assert_eq!(artifact.len(), 1);
        artifact.add(Record::text("c")).unwrap();
        assert_eq!(artifact.len(), 2);
        // Where it was deleted an earlier time does not bring it back.
        clock.store(0, Ordering::Relaxed);
        assert_eq!(artifact.len(), if is_much { 2 } else { count + 2 });
    }
}

#[test]
fn deletes_by_filter_do_not_fail_because_of_what_other_records_hold() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let values = [
        json!("2026-01-01"),
        json!("2026-06-01T12:00:00Z"),
        json!("soon"),
        json!(7),
        json!(true),
        json!(null),
        json!(["2026-01-02", "never"]),
    ];
    let fill = || {
        for value in &values {
            artifact.add(Record::text("x").metadata(json!({"at": value, "text": "plain", "n": 1}))).unwrap();
        }
    };
    let at = || Filter::field("at");
    let date = |date: &str| FilterValue::datetime(date).unwrap();
    let cases: Vec<(Filter, u64, bool)> = vec![
        // Strings beside dates: a string that is a date means one, others are compared as text.
        (at().lt("2026-02-01"), 2, true),
        (at().lt(date("2026-02-01")), 2, false),
        (at().gte("2026-02-01"), 1, true),
        (at().gte("soon"), 1, false),
        // Types that a field does not have.
        (Filter::field("text").lt(date("2026-02-01")), 0, true),
        (Filter::field("text").gte(3), 0, true),
        (Filter::field("n").eq("one"), 0, true),
        (Filter::field("n").lt("2026-01-01"), 0, true),
        (Filter::field("nobody").lt(date("2026-02-01")), 0, false),
        (Filter::field("n").eq(1).and(Filter::field("text").gte(3)), 0, true),
        (Filter::field("n").eq(1), 7, false),
    ];
    for (filter, expected, is_error_of_count) in cases {
        fill();
        let counted = artifact.count(&filter).map_err(|e| e.kind());
        assert_eq!(counted.is_err(), is_error_of_count, "{filter:?}");
        assert_eq!(artifact.delete_where(&filter).unwrap(), expected, "{filter:?}");
        artifact.delete_where(&Filter::field("n").eq(1)).unwrap();
        assert!(artifact.is_empty());
    }
    // A field that has dates only is not compared with other strings.
    artifact.add(Record::text("x").metadata(json!({"at": "2026-01-01"}))).unwrap();
    assert_eq!(artifact.delete_where(&at().gte("a word")).unwrap(), 0);
    assert_eq!(artifact.delete_where(&at().lt("2026-01-02")).unwrap(), 1);
    let unbounded = Filter::field("n").gte(f64::NAN);
    assert_eq!(artifact.delete_where(&unbounded).unwrap_err().kind(), ErrorKind::InvalidFilter);
}

#[test]
fn deletes_by_a_negated_comparison_with_a_type_that_the_field_does_not_have_delete_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    for status in 0..5 {
        let at = if status < 3 { format!("2026-01-0{}", status + 1) } else { "soon".to_owned() };
        artifact.add(Record::text("x").metadata(json!({"status": status, "at": at}))).unwrap();
    }
    let (status, at) = (|| Filter::field("status"), || Filter::field("at"));
    let three = || status().gte(3);
    for filter in [
        status().ne("0"),
        status().not_in(["0", "1"]),
        !status().lt("3"),
        !status().prefix("3"),
        !status().contains("3"),
        !!status().ne("0"),
        !(!status().ne("0")).strict(),
        !Filter::any([status().eq("0"), Filter::field("nobody").exists()]),
        status().ne("0").or(status().gt(9)),
        three().and(status().ne("0")),
        !(status().eq("0").or(three())),
    ] {
        let refused = artifact.count(&filter).unwrap_err().kind();
        assert_eq!(refused, ErrorKind::TypeMismatch, "{filter:?}");
        assert_eq!(artifact.delete_where(&filter).unwrap(), 0, "{filter:?}");
        assert_eq!(artifact.write(Batch::new().delete_where(filter)).unwrap().deleted, 0);
    }
    // Among dates and other strings, the others are as little beyond a date as before it.
    assert_eq!(artifact.delete_where(&!at().gte("2026-01-02")).unwrap(), 0);
    assert_eq!(artifact.delete_where(&at().lt("2026-01-02")).unwrap(), 1);
    assert_eq!(artifact.delete_where(&at().gte("2026-01-03")).unwrap(), 1);
    assert_eq!(artifact.len(), 3);
    // What does not depend on such a comparison is deleted.
    assert_eq!(artifact.delete_where(&three().or(status().ne("0"))).unwrap(), 2);
    assert_eq!(artifact.delete_where(&!(status().eq("0").and(three()))).unwrap(), 1);
    // Of a field with both types, and of one that nobody has any more, the opposite is what a count says.
    for value in [json!(0), json!("0"), json!("1")] {
        artifact.add(Record::text("x").metadata(json!({"status": value}))).unwrap();
    }
    for (filter, expected) in [(status().ne("0"), 2), (Filter::field("at").ne(7), 1)] {
        assert_eq!(artifact.count(&filter).unwrap(), expected);
        assert_eq!(artifact.delete_where(&filter).unwrap(), expected);
    }
}
