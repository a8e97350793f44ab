//! A writer that is killed again and again, beside four readers, all of them processes: what was acknowledged is there, batches are whole for
//! everybody at any time, also after compacting and opening once more. The writer seals and compacts in threads of its own and by its policy meanwhile; each
//! batch gives embeddings to the records of an earlier one, other metadata to those of another, and lets one expire; vector spaces are renamed, dropped and
//! added anew. Readers watch, and keep account of what there is by changes alone.
//!
//! `CAMPAIGN=full cargo test --release -p compact-artifact --test it kill:: -- --nocapture` kills a thousand times.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use compact_artifact::{
    Batch, CommitSeq, CompactArtifact, CompactionPolicy, Embedder, Filter, Maintenance, Metric, Options,
    Query, Record, Snapshot, SpaceOptions,
};
use serde_json::json;

use crate::toy::{GROUPS, Toy};

/// Records of a batch.
const RECORDS: u64 = 5;
/// Batches that are there at a time: each takes the place of the one so many before.
const KEPT: u64 = 12;

/// The records of a batch get a second embedding from the batch so many later.
const LATER: u64 = 3;
/// Other metadata from this one.
const UPDATED: u64 = 5;
/// And the first of them expires with this one.
const EXPIRED: u64 = 7;

fn options() -> Options {
    Options::new().segment_len(64 << 10).maintenance(Maintenance::Manual)
}

fn create(path: &Path) -> CompactArtifact {
    let cosine = |dimension| SpaceOptions::new(dimension, Metric::Cosine);
    let options = options().space("v", cosine(4)).space("late", cosine(2)).space("side", cosine(2));
    options.expires_at("until").create(path).unwrap()
}

/// A vector that tells the number of a batch.
fn vector_of(number: u64) -> [f32; 2] {
    [(number % 40) as f32 + 1.0, 20.0]
}

/// The name that the space of late embeddings has now.
fn late_space(artifact: &CompactArtifact) -> &'static str {
    if artifact.spaces().iter().any(|space| space.name() == "late") { "late" } else { "later" }
}

fn has_side(artifact: &CompactArtifact) -> bool {
    artifact.spaces().iter().any(|space| space.name() == "side")
}

fn batch(artifact: &CompactArtifact, number: u64) -> Batch {
    let record = |i: u64| {
        let record = Record::text(format!("record {i} of batch {number} {}", "filler ".repeat(40)))
            .key(format!("{number}-{i}"))
            .metadata(json!({"batch": number, "until": "2999-01-01"}))
            .embedding("v", [1.0, i as f32, (number % 100) as f32, 1.0]);
        if i == 1 { record.embedding("side", vector_of(number)) } else { record }
    };
    let mut batch = (0..RECORDS).fold(Batch::new(), |batch, i| batch.add(record(i)));
    let late = late_space(artifact);
    for i in (0..RECORDS).filter(|_| number >= LATER) {
        let id = artifact.id_of_key(&format!("{}-{i}", number - LATER)).unwrap().unwrap();
        batch = batch.add_embedding(id, late, vector_of(number));
    }
    if let Some(old) = number.checked_sub(UPDATED) {
        batch = batch.update_where(Filter::field("batch").eq(old), json!({"state": number}));
    }
    if let Some(old) = number.checked_sub(EXPIRED) {
        batch = batch.update_key(format!("{old}-0"), json!({"until": "2000-01-01"}));
    }
    let last = Record::text(number.to_string()).key("last");
    match number.checked_sub(KEPT) {
        Some(old) => batch.upsert(last).delete_where(Filter::field("batch").eq(old)),
        None => batch.upsert(last),
    }
}

/// The records of a batch that have not expired when `last` is the newest one.
fn unexpired(number: u64, last: u64) -> std::ops::Range<u64> {
    u64::from(number + EXPIRED <= last)..RECORDS
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
    let expected: BTreeMap<u64, u64> = ((last + 1).saturating_sub(KEPT)..=last)
        .map(|number| (number, unexpired(number, last).count() as u64))
        .collect();
    if counts != expected {
        return Err(format!("batches {counts:?}, expected {expected:?}"));
    }
    let sum = |test: &dyn Fn(u64) -> bool| -> u64 {
        expected.iter().filter(|(number, _)| test(**number)).map(|(_, count)| count).sum()
    };
    let searches = [
        (Query::words("filler"), sum(&|_| true)),
        (Query::vector("v", [1.0, 0.0, 1.0, 1.0]), sum(&|_| true)),
        (Query::vector(late_space(artifact), [1.0, 1.0]), sum(&|number| number + LATER <= last)),
        (Query::new().filter(Filter::field("until").eq("2999-01-01")), sum(&|_| true)),
    ];
    for (query, expected) in searches {
        let found = snapshot.search(&query.k(1_000)).map_err(|e| e.to_string())?.hits.len() as u64;
        if found != expected {
            return Err(format!("a search finds {found} records of {expected}"));
        }
    }
    for &number in expected.keys() {
        for i in unexpired(number, last) {
            check_record(&snapshot, late_space(artifact), (number, i, last))?;
        }
        if unexpired(number, last).start > 0
            && snapshot.get_by_key(&format!("{number}-0")).is_ok_and(|it| it.is_some())
        {
            return Err(format!("{number}-0 is back"));
        }
    }
    check_side(artifact, &snapshot).map(|()| Some(last))
}

/// A record is found by its key, and has the metadata and the embeddings that it has by now.
fn check_record(
    snapshot: &Snapshot,
    late_space: &str,
    (number, i, last): (u64, u64, u64),
) -> Result<(), String> {
    let key = format!("{number}-{i}");
    let entry = snapshot.get_by_key(&key).map_err(|e| e.to_string())?.ok_or(format!("{key} is lost"))?;
    let state = entry.metadata().map_err(|e| e.to_string())?.get("state").cloned();
    if state != (number + UPDATED <= last).then(|| json!(number + UPDATED)) {
        return Err(format!("{key} has the state {state:?}"));
    }
    let late = snapshot.embedding(entry.id(), late_space).map_err(|e| format!("{key}: {e}"))?;
    let expected = (number + LATER <= last).then(|| vector_of(number + LATER));
    if same_direction(late.as_deref(), expected) {
        Ok(())
    } else {
        Err(format!("{key} has {late:?} instead of {expected:?}"))
    }
}

fn same_direction(found: Option<&[f32]>, expected: Option<[f32; 2]>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found[0] / found[1] - expected[0] / expected[1]).abs() < 0.02,
        (found, expected) => found.is_none() && expected.is_none(),
    }
}

/// Whoever has a vector in the space that comes and goes has the right one.
fn check_side(artifact: &CompactArtifact, snapshot: &Snapshot) -> Result<(), String> {
    if !has_side(artifact) {
        return Ok(());
    }
    for hit in snapshot.search(&Query::vector("side", [1.0, 1.0]).k(1_000)).map_err(|e| e.to_string())?.hits {
        let entry = snapshot.get(hit.id).map_err(|e| e.to_string())?.ok_or("a hit that is lost")?;
        let number = entry.metadata().map_err(|e| e.to_string())?["batch"].as_u64().unwrap();
        let vector = snapshot.embedding(hit.id, "side").map_err(|e| e.to_string())?;
        if entry.key().map_err(|e| e.to_string())? != Some(format!("{number}-1"))
            || !same_direction(vector.as_deref(), Some(vector_of(number)))
        {
            return Err(format!("record {} of batch {number} has {vector:?} in a space", hit.id));
        }
    }
    Ok(())
}

/// What there is, by changes alone.
#[derive(Default)]
struct Account {
    keys: BTreeMap<u64, Option<String>>,
    last: CommitSeq,
    followed: u64,
}

impl Account {
    fn follow(&mut self, artifact: &CompactArtifact) -> Result<(), String> {
        let changes = artifact.changes_since(self.last).map_err(|e| format!("changes: {e}"))?;
        let snapshot = artifact.snapshot();
        self.last = snapshot.seq();
        let entries: Vec<_> = snapshot.records().collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        let Some(changes) = changes else {
            let pair = |entry: &compact_artifact::Entry| (entry.id().0, entry.key().unwrap());
            self.keys = entries.iter().map(pair).collect();
            return Ok(());
        };
        self.followed += 1;
        changes.deleted.iter().for_each(|gone| drop(self.keys.remove(&gone.id.0)));
        for change in &changes.replaced {
            self.keys.remove(&change.replaces.unwrap().0);
        }
        let came = changes.added.iter().chain(&changes.replaced);
        self.keys.extend(came.map(|change| (change.id.0, change.key.clone())));
        let seen: Vec<u64> = entries.iter().map(|entry| entry.id().0).collect();
        // What expired is told when it is deleted.
        let expired = |key: &Option<String>| key.as_ref().is_some_and(|key| key.ends_with("-0"));
        let missing: Vec<_> =
            self.keys.iter().filter(|(id, key)| !seen.contains(id) && !expired(key)).collect();
        let unknown: Vec<_> = seen.iter().filter(|id| !self.keys.contains_key(id)).collect();
        if missing.is_empty() && unknown.is_empty() {
            return Ok(());
        }
        Err(format!("changes: {missing:?} are not there, {unknown:?} were never told"))
    }
}

fn write(path: &Path) {
    let policy = CompactionPolicy::new().dead_percent(10).quiet(Duration::from_millis(10));
    let options = options().maintenance(Maintenance::Background).auto_compact(policy);
    let artifact = options.open(path).unwrap();
    // A killed writer may have dropped it, and not added it yet.
    artifact.add_space("side", SpaceOptions::new(2, Metric::Cosine)).unwrap();
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
            change_spaces(&artifact, number);
            number += 1;
        }
    });
}

fn change_spaces(artifact: &CompactArtifact, number: u64) {
    if number % 11 == 10 {
        let (from, to) = match late_space(artifact) {
            "late" => ("late", "later"),
            later => (later, "late"),
        };
        artifact.rename_space(from, to).unwrap();
    }
    if number % 23 == 22 {
        artifact.drop_space("side").unwrap();
        artifact.add_space("side", SpaceOptions::new(2, Metric::Cosine)).unwrap();
    }
}

fn read(path: &Path) {
    let artifact = options().open_read_only(path).unwrap();
    let mut seen = None;
    let mut account = Account::default();
    loop {
        artifact.watch(Duration::from_millis(20)).unwrap_or_else(|e| panic!("watch: {e}"));
        let now = newest(&artifact).unwrap_or_else(|e| panic!("a reader sees {e}"));
        account.follow(&artifact).unwrap_or_else(|e| panic!("a reader: {e}"));
        assert!(now >= seen, "a reader goes back from {seen:?} to {now:?}");
        seen = now;
        println!("saw {now:?}, followed {}", account.followed);
        std::thread::sleep(Duration::from_millis(10));
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
    create(&path).close().unwrap();
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
        let saw: Vec<String> = lines.filter(|line| line.contains("saw Some")).collect();
        assert!(saw.len() > 3 && !saw.last().unwrap().ends_with("followed 0"), "{:?}", saw.last());
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
