//! Processes that write to one artifact by turns: each lets the others write when it is idle. They add, replace, change in part, and let records expire. Some are killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use compact_artifact::{CompactArtifact, ErrorKind, Metric, Options, Query, Record, SpaceOptions};
use serde_json::json;

const AGENTS: usize = 4;

fn create(path: &Path) {
    let options = Options::new().space("v", SpaceOptions::new(2, Metric::Cosine)).expires_at("until");
    options.create(path).unwrap().close().unwrap();
}

/// Whether this record of an agent expires: it may be gone before that was said.
fn expires(i: usize) -> bool {
    i % 9 == 8
}

fn options() -> Options {
    Options::new().busy_timeout(Duration::from_mins(1)).idle_release(Duration::from_millis(2))
}

/// Adds records until it has added so many, or is killed, and says each that is kept.
fn work(path: &Path, name: &str, count: usize) {
    let artifact = options().open(path).unwrap();
    for i in 0..count {
        let key = format!("{name}-{i}");
        artifact.add(Record::text(format!("thought {i} {name}")).key(&key)).unwrap();
        println!("\nkept {key}");
        // Another agent's record is there as soon as this one writes behind it.
        assert!(artifact.get_by_key(&key).unwrap().is_some());
        if i % 7 == 3 {
            artifact.upsert(Record::text(format!("thought {i} {name}, thought over")).key(&key)).unwrap();
        }
        if i % 3 == 1 {
            assert!(artifact.update_key(&key, json!({"state": name})).unwrap());
            println!("\nupdated {key}");
        }
        if i % 5 == 2 {
            let id = artifact.id_of_key(&key).unwrap().unwrap();
            artifact.add_embedding(id, "v", &[1.0, i as f32]).unwrap();
            println!("\nembedded {key}");
        }
        if expires(i) {
            assert!(artifact.update_key(&key, json!({"until": "2000-01-01"})).unwrap());
            println!("\nexpired {key}");
        }
        if i % 10 == 5 {
            artifact.seal().unwrap();
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    artifact.close().unwrap();
    println!("\nended");
}

/// The other processes begin here.
#[test]
#[ignore = "run by the tests below, as a process of its own"]
fn child() {
    let var = |name: &str| std::env::var(name).unwrap();
    work(Path::new(&var("SHARED_PATH")), &var("SHARED_NAME"), var("SHARED_COUNT").parse().unwrap());
}

fn agent(path: &Path, name: &str, count: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["shared::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .envs([("SHARED_PATH", path.to_str().unwrap()), ("SHARED_NAME", name)])
        .env("SHARED_COUNT", count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What an agent said that it did, and to which record.
type Deeds = Vec<(String, String)>;

fn deeds(child: &mut Child) -> Deeds {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let deed = |line: String| {
        let (deed, key) = line.split_once(' ')?;
        let known = ["kept", "updated", "embedded", "expired"].contains(&deed);
        known.then(|| (deed.to_owned(), key.to_owned()))
    };
    lines.filter_map(deed).collect()
}

/// Everything that was said is so.
fn check(artifact: &CompactArtifact, deeds: &Deeds, about: &str) {
    for (deed, key) in deeds {
        let (name, number) = key.rsplit_once('-').unwrap();
        let found = artifact.get_by_key(key).unwrap();
        let may_be_gone = name != "here" && expires(number.parse().unwrap());
        let Some(entry) = found else {
            assert!(may_be_gone, "{about}: {key} is lost");
            continue;
        };
        match deed.as_str() {
            "updated" => assert_eq!(entry.metadata().unwrap()["state"], name, "{about}: {key}"),
            "embedded" => {
                let vector = artifact.embedding(entry.id(), "v").unwrap();
                assert!(vector.is_some(), "{about}: the embedding of {key} is lost");
            }
            "expired" => panic!("{about}: {key} is back"),
            _ => {}
        }
    }
}

#[test]
fn four_processes_share_an_artifact_and_all_that_each_kept_is_there_once() {
    const COUNT: usize = 25;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("memory");
    create(&path);
    let mut agents: Vec<Child> = (0..AGENTS).map(|i| agent(&path, &format!("agent{i}"), COUNT)).collect();
    let mut said = Deeds::new();
    for child in &mut agents {
        let deeds = deeds(child);
        assert_eq!(deeds.iter().filter(|(deed, _)| deed == "kept").count(), COUNT);
        said.extend(deeds);
        assert!(child.wait().unwrap().success());
    }
    let artifact = CompactArtifact::open(&path).unwrap();
    assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
    check(&artifact, &said, "all are over");
    let left = COUNT - (0..COUNT).filter(|i| expires(*i)).count();
    assert_eq!(artifact.len() as usize, AGENTS * left);
    assert_eq!(artifact.keys("").unwrap().len(), AGENTS * left);
    let found = artifact.search(&Query::words("thought").k(1_000)).unwrap();
    assert_eq!(found.hits.len(), AGENTS * left);
    let found = artifact.search(&Query::words("agent2").k(1_000)).unwrap();
    assert_eq!(found.hits.len(), left);
    let found = artifact.search(&Query::vector("v", [1.0, 1.0]).k(1_000)).unwrap();
    assert_eq!(found.hits.len(), AGENTS * (0..COUNT).filter(|i| i % 5 == 2 && !expires(*i)).count());
}

#[test]
fn agents_that_are_killed_lose_nothing_that_they_kept_and_hold_up_nobody() {
    let rounds = if std::env::var("CAMPAIGN").is_ok_and(|value| value == "full") { 200 } else { 6 };
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("memory");
    create(&path);
    let here = options().open(&path).unwrap();
    let mut said = Deeds::new();
    for round in 0..rounds {
        let mut agents: Vec<Child> =
            (0..AGENTS).map(|i| agent(&path, &format!("r{round}a{i}"), 1_000)).collect();
        std::thread::sleep(Duration::from_millis(200 + round * 37 % 150));
        let key = format!("here-{round}");
        here.add(Record::text("thought here").key(&key)).unwrap();
        said.push(("kept".to_owned(), key));
        for child in &mut agents {
            child.kill().unwrap();
            said.extend(deeds(child));
            child.wait().unwrap();
        }
        here.upsert(Record::text("thought here, over").key(format!("here-{round}"))).unwrap();
        check(&here, &said, &format!("round {round}"));
        assert!(here.verify(compact_artifact::VerifyLevel::Decode).unwrap().is_sound());
    }
    let found = here.search(&Query::words("thought").k(10_000)).unwrap().hits.len() as u64;
    assert_eq!(found, here.len());
    here.close().unwrap();
    let fresh = CompactArtifact::open(&path).unwrap();
    assert_eq!(fresh.len(), found);
    check(&fresh, &said, "opened anew");
    println!("{rounds} rounds, {} calls of agents that were acknowledged", said.len());
    assert!(said.len() > rounds as usize * 3);
}

#[test]
fn who_holds_an_artifact_is_named_and_not_when_it_was_killed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("memory");
    create(&path);
    let mut child = agent(&path, "a", 1_000_000);
    let said = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    said.take_while(|line| !line.starts_with("kept")).for_each(drop);
    let error = CompactArtifact::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    if cfg!(target_os = "linux") {
        assert!(
            error.to_string().contains(&format!("another writer, process {}, has", child.id())),
            "{error}"
        );
    }
    assert!(CompactArtifact::try_open(&path).unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    let artifact = CompactArtifact::try_open(&path).unwrap().unwrap();
    let error = CompactArtifact::open(&path).unwrap_err();
    if cfg!(target_os = "linux") {
        assert!(error.to_string().contains("another writer in this process has"), "{error}");
    }
    drop(artifact);
}

#[test]
fn waiting_ends_when_the_holder_closes_and_fails_when_the_time_is_over() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("memory");
    let artifact = CompactArtifact::create(&path).unwrap();
    let begun = Instant::now();
    let error = CompactArtifact::open_or_wait(&path, Duration::from_millis(60)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(begun.elapsed() >= Duration::from_millis(60));
    std::thread::scope(|threads| {
        let waits = threads.spawn(|| CompactArtifact::open_or_wait(&path, Duration::from_mins(1)).unwrap());
        std::thread::sleep(Duration::from_millis(30));
        artifact.add_text("before").unwrap();
        artifact.close().unwrap();
        assert_eq!(waits.join().unwrap().len(), 1);
    });
}

/// A writer that never stops gives way with an `idle_release` of 0, and one that holds for a while does not before.
#[test]
fn a_writer_that_is_never_idle_gives_way_between_two_calls() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("memory");
    let busy = options().idle_release(Duration::ZERO).create(&path).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                busy.upsert(Record::text("busy").key("busy")).unwrap();
            }
        });
        let other = options().open(&path).unwrap();
        for i in 0..5 {
            other.add_text(&format!("other {i}")).unwrap();
        }
        other.close().unwrap();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    busy.upsert(Record::text("busy").key("busy")).unwrap();
    assert_eq!(busy.len(), 6);
    let patient = Options::new().busy_timeout(Duration::from_millis(80));
    busy.close().unwrap();
    let held = options().idle_release(Duration::from_mins(1)).open(&path).unwrap();
    assert_eq!(patient.open(&path).unwrap_err().kind(), ErrorKind::Locked);
    held.add_text("still mine").unwrap();
}

/// What was given up is read on, sees what others commit when asked, and is closed without the lock.
#[test]
fn a_writer_that_gave_way_reads_on() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("memory");
    let one = options().create(&path).unwrap();
    one.add(Record::text("a cat").key("cat")).unwrap();
    let other = Options::new().busy_timeout(Duration::from_mins(1)).open(&path).unwrap();
    other.upsert(Record::text("a dog").key("cat")).unwrap();
    other.seal().unwrap();
    assert_eq!(one.get_by_key("cat").unwrap().unwrap().text().unwrap(), "a cat");
    assert!(one.refresh().unwrap());
    assert_eq!(one.get_by_key("cat").unwrap().unwrap().text().unwrap(), "a dog");
    one.close().unwrap();
    other.close().unwrap();
    let error = Options::new().idle_release(Duration::ZERO).open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
