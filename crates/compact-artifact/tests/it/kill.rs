//! A writer that is killed again and again, beside four readers, all of them processes: what was acknowledged is there, batches are whole for
//! everybody at any time, also after compacting and opening once more. The writer seals and compacts in threads of its own meanwhile, and
//! each batch gives embeddings to the records of an earlier one.
//!
//! `CAMPAIGN=full cargo test --release -p compact-artifact --test it kill:: -- --nocapture` kills a thousand times.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_artifact::{
    Batch, CompactArtifact, Embedder, Filter, Maintenance, Metric, Options, Query, Record, Snapshot,
    SpaceOptions,
};
use serde_json::json;

use crate::toy::{GROUPS, Toy};

/// Records of a batch.
const RECORDS: u64 = 5;
/// Batches that are there at a time: each takes the place of the one so many before.
const KEPT: u64 = 12;

/// The records of a batch get a second embedding from the batch so many later.
const LATER: u64 = 3;

fn options() -> Options {
    Options::new()
        .segment_len(64 << 10)
        .maintenance(Maintenance::Manual)
        .space("v", SpaceOptions::new(4, Metric::Cosine))
        .space("late", SpaceOptions::new(2, Metric::Cosine))
}

/// What the late embedding of a record tells of the batch that gave it.
fn late_vector(number: u64) -> [f32; 2] {
    [(number % 40) as f32 + 1.0, 20.0]
}

fn batch(artifact: &CompactArtifact, number: u64) -> Batch {
    let record = |i: u64| {
        Record::text(format!("record {i} of batch {number} {}", "filler ".repeat(40)))
            .key(format!("{number}-{i}"))
            .metadata(json!({"batch": number}))
            .embedding("v", [1.0, i as f32, (number % 100) as f32, 1.0])
    };
    let mut batch = (0..RECORDS).fold(Batch::new(), |batch, i| batch.add(record(i)));
    for i in (0..RECORDS).filter(|_| number >= LATER) {
        let id = artifact.id_of_key(&format!("{}-{i}", number - LATER)).unwrap().unwrap();
        batch = batch.add_embedding(id, "late", late_vector(number));
    }
    let last = Record::text(number.to_string()).key("last");
    match number.checked_sub(KEPT) {
        Some(old) => batch.upsert(last).delete_where(Filter::field("batch").eq(old)),
        None => batch.upsert(last),
    }
}

/// The newest batch of a snapshot, in which everything is whole; or what is not.
fn newest(artifact: &CompactArtifact) -> Result<Option<u64>, String> {
    let snapshot = artifact.snapshot();
    let Some(last) = snapshot.get_by_key("last").map_err(|e| format!("last: {e}"))? else {
        return if snapshot.is_empty() { Ok(None) } else { Err("records, but no last batch".to_owned()) };
    };
    let last: u64 = last.text().map_err(|e| e.to_string())?.parse().map_err(|e| format!("last: {e}"))?;
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in snapshot.records() {
        let entry = entry.map_err(|e| format!("iteration: {e}"))?;
        if let Some(number) = entry.metadata().map_err(|e| e.to_string())?.get("batch") {
            *counts.entry(number.as_u64().ok_or("a batch without a number")?).or_default() += 1;
        }
    }
    let expected: BTreeMap<u64, u64> =
        ((last + 1).saturating_sub(KEPT)..=last).map(|number| (number, RECORDS)).collect();
    if counts != expected {
        return Err(format!("batches {counts:?}, expected {expected:?}"));
    }
    let embedded = expected.keys().filter(|&&number| number + LATER <= last).count() as u64;
    let searches = [
        (Query::words("filler"), expected.len() as u64),
        (Query::vector("v", [1.0, 0.0, 1.0, 1.0]), expected.len() as u64),
        (Query::vector("late", [1.0, 1.0]), embedded),
    ];
    for (query, batches) in searches {
        let found = snapshot.search(&query.k(1_000)).map_err(|e| e.to_string())?.hits.len() as u64;
        if found != batches * RECORDS {
            return Err(format!("a search finds {found} records of {}", batches * RECORDS));
        }
    }
    for &number in expected.keys() {
        for i in 0..RECORDS {
            check_record(&snapshot, number, i, last)?;
        }
    }
    Ok(Some(last))
}

/// A record is found by its key, and has the embeddings that it has by now.
fn check_record(snapshot: &Snapshot, number: u64, i: u64, last: u64) -> Result<(), String> {
    let key = format!("{number}-{i}");
    let id = snapshot.id_of_key(&key).map_err(|e| e.to_string())?.ok_or(format!("{key} is lost"))?;
    let late = snapshot.embedding(id, "late").map_err(|e| format!("{key}: {e}"))?;
    let expected = (number + LATER <= last).then(|| late_vector(number + LATER));
    let ratio = |vector: &[f32]| vector[0] / vector[1];
    let fits = match (&late, &expected) {
        (Some(found), Some(expected)) => (ratio(found) - ratio(expected)).abs() < 0.02,
        (found, expected) => found.is_none() && expected.is_none(),
    };
    if fits { Ok(()) } else { Err(format!("{key} has {late:?} instead of {expected:?}")) }
}

fn write(path: &Path) {
    let artifact = options().maintenance(Maintenance::Background).open(path).unwrap();
    let mut number = newest(&artifact).unwrap().map_or(0, |last| last + 1);
    let mut out = std::io::stdout();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            loop {
                artifact.seal().unwrap();
                std::thread::sleep(Duration::from_millis(3));
                artifact.compact(8 << 20).unwrap();
            }
        });
        loop {
            artifact.write(batch(&artifact, number)).unwrap();
            writeln!(out, "ack {number}").unwrap();
            out.flush().unwrap();
            number += 1;
        }
    });
}

fn read(path: &Path) {
    let artifact = options().open_read_only(path).unwrap();
    let mut seen = None;
    loop {
        artifact.refresh().unwrap_or_else(|e| panic!("refresh: {e}"));
        let now = newest(&artifact).unwrap_or_else(|e| panic!("a reader sees {e}"));
        assert!(now >= seen, "a reader goes back from {seen:?} to {now:?}");
        seen = now;
        println!("saw {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The other processes begin here.
#[test]
#[ignore = "run by the test below, as a process of its own"]
fn child() {
    let path = std::env::var("KILL_PATH").unwrap();
    match std::env::var("KILL_ROLE").unwrap().as_str() {
        "writer" => write(Path::new(&path)),
        "mover" => move_on(Path::new(&path)),
        _ => read(Path::new(&path)),
    }
}

fn start(role: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .envs([("KILL_ROLE", role), ("KILL_PATH", path.to_str().unwrap()), ("RAYON_NUM_THREADS", "1")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_writer_loses_nothing_acknowledged_and_readers_never_see_a_part_of_a_batch() {
    let kills = if std::env::var("CAMPAIGN").is_ok_and(|value| value == "full") { 1_000 } else { 50 };
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    options().create(&path).unwrap().close().unwrap();
    let mut readers: Vec<Child> = (0..4).map(|_| start("reader", &path)).collect();
    let mut random = 7u64;
    let mut acknowledged: Option<u64> = None;
    for kill in 0..kills {
        let mut writer = start("writer", &path);
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // From the first acknowledgement on, so that there is something to lose.
        let mut note = |line: &str| {
            if let Some(number) = line.rsplit_once("ack ") {
                acknowledged = acknowledged.max(number.1.parse().ok());
            }
        };
        for line in lines.by_ref() {
            let line = line.unwrap();
            note(&line);
            if line.contains("ack ") {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis((random >> 33) % 60));
        writer.kill().unwrap();
        lines.map_while(Result::ok).for_each(|line| note(&line));
        writer.wait().unwrap();

        let artifact = options().open(&path).unwrap();
        let check = |artifact: &CompactArtifact, acknowledged: Option<u64>, when: &str| {
            let found = newest(artifact).unwrap_or_else(|e| panic!("kill {kill}, {when}: {e}"));
            let next = acknowledged.map_or(0, |last| last + 1);
            assert!(
                found >= acknowledged && found <= Some(next),
                "kill {kill}, {when}: {found:?}, acknowledged {acknowledged:?}"
            );
        };
        assert!(artifact.recovery().damage.is_empty(), "{:?}", artifact.recovery());
        check(&artifact, acknowledged, "opened");
        acknowledged = newest(&artifact).unwrap(); // what is there now stays
        if kill % 5 == 4 {
            artifact.compact(8 << 20).unwrap();
            check(&artifact, acknowledged, "compacted");
        }
        artifact.close().unwrap();
        let artifact = options().open(&path).unwrap();
        assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
        check(&artifact, acknowledged, "opened again");
    }
    let patience = Instant::now();
    for reader in &mut readers {
        assert!(reader.try_wait().unwrap().is_none(), "a reader gave up: {}", errors_of(reader));
        reader.kill().unwrap();
        let lines = BufReader::new(reader.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.filter(|line| line.contains("saw Some")).count() > 3);
        reader.wait().unwrap();
    }
    println!("kills: {kills}, batches written: {acknowledged:?}, nothing lost ({:?})", patience.elapsed());
}

/// Texts of the artifact that moves.
const TEXTS: usize = 3_000;

/// The model that an artifact has, and the one that it is moved to.
fn models_of(path: &Path) -> [Arc<Toy>; 2] {
    let artifact = CompactArtifact::open(path).unwrap();
    let has_first = artifact.spaces()[0].model().unwrap().id() == "first";
    let models = [Toy::new("first"), Toy::of_dimension("second", 3)];
    if has_first {
        models
    } else {
        let [first, second] = models;
        [second, first]
    }
}

fn move_on(path: &Path) {
    let [has, next] = models_of(path);
    let artifact = CompactArtifact::options().embedder(has).open(path).unwrap();
    println!("begun");
    artifact.reembed(next).unwrap();
    artifact.seal().unwrap();
    artifact.close().unwrap();
    println!("ended");
}

#[test]
fn a_killed_move_to_another_model_loses_nothing_and_goes_on() {
    let kills = if std::env::var("CAMPAIGN").is_ok_and(|value| value == "full") { 300 } else { 12 };
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let artifact = CompactArtifact::options().embedder(Toy::new("first")).create(&path).unwrap();
    let text = |i: usize| format!("record {i} of a {}", GROUPS[i % GROUPS.len()][0]);
    artifact.add_batch((0..TEXTS).map(|i| Record::text(text(i)))).unwrap();
    artifact.close().unwrap();
    let (mut ended, mut moved) = (0, 0);
    for kill in 0..kills {
        let before = models_of(&path)[0].id().to_owned();
        let mut mover = start("mover", &path);
        let mut lines = BufReader::new(mover.stdout.take().unwrap()).lines();
        lines.by_ref().map_while(Result::ok).find(|line| line.contains("begun")).unwrap();
        std::thread::sleep(Duration::from_millis(kill * 37 % 90));
        mover.kill().unwrap();
        ended += lines.map_while(Result::ok).filter(|line| line.contains("ended")).count();
        mover.wait().unwrap();
        let [has, next] = models_of(&path);
        moved += usize::from(has.id() != before);
        let artifact = CompactArtifact::options().embedder(has.clone()).open(&path).unwrap();
        assert!(artifact.recovery().damage.is_empty(), "{:?}", artifact.recovery());
        let check = |artifact: &CompactArtifact, when: &str| {
            let found = |query: Query| artifact.search(&query.k(2 * TEXTS)).unwrap().hits.len();
            let counts = [found(Query::words("record")), found(Query::meaning("cat").exact(true))];
            assert_eq!(counts, [TEXTS; 2], "kill {kill}, {when}, {}", has.id());
        };
        check(&artifact, "opened");
        if kill % 4 == 3 {
            assert_eq!(artifact.reembed(next).unwrap().left, 0);
            check(&artifact, "called again");
            artifact.compact(64 << 20).unwrap();
            check(&artifact, "compacted");
        }
        artifact.close().unwrap();
    }
    println!("kills: {kills}, of which {ended} came too late, and {moved} found the artifact moved");
    assert!(ended < kills as usize);
}

fn errors_of(child: &mut Child) -> String {
    let Some(errors) = child.stderr.take() else { return String::new() };
    BufReader::new(errors).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n")
}
