//! Any bit of any file flips: every question gets the answer that it had before, or an error or loss that says so.
//!
//! `CAMPAIGN=full cargo test --release -p compact-artifact --test it flips -- --nocapture` flips every bit.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use compact_artifact::{
    CompactArtifact, ErrorKind, Filter, Maintenance, Metric, Options, Originals, Query, Record, RecordId,
    Result, SpaceOptions, StoreStep,
};
use serde_json::json;

/// So many that vectors get a graph where `graph_from` is 2,000.
const RECORDS: u32 = 2_100;

fn options() -> Options {
    Options::new()
        .block_len(8 << 10)
        .maintenance(Maintenance::Manual)
        .seed(3)
        .precompute_similar(5)
        .graph_from(2_000)
        .space("v", SpaceOptions::new(4, Metric::Cosine).originals(Originals::F16))
        .space("w", SpaceOptions::new(3, Metric::L2))
}

/// A vector of small integers that is another for each `i`.
fn vector(i: u32, dimension: u32) -> Vec<f32> {
    (0..dimension).map(|at| ((i * 7_919 + at * 104_729) % 997) as f32 - 498.5).collect()
}

fn record(i: u32) -> Record {
    let text = format!("number {i} of a {} house {}", ["red", "blue", "green"][i as usize % 3], i % 101);
    let metadata = json!({
        "i": i, "half": f64::from(i) / 2.0, "even": i.is_multiple_of(2), "name": format!("n{}", i % 50),
        "at": format!("2024-01-{:02}T00:00:00Z", i % 28 + 1), "tags": ["a", format!("t{}", i % 7)],
        "deep": {"er": i % 11},
    });
    let record = Record::text(text).key(format!("key{i}")).metadata(metadata).embedding("v", vector(i, 4));
    if i.is_multiple_of(90) { record.embedding("w", vector(i, 3)) } else { record }
}

/// Two sealed shards, one with a graph, both with deleted records; embeddings that came late, sealed and not; a little in the log.
fn build(path: &Path) {
    let artifact = options().create(path).unwrap();
    artifact.add_batch((0..RECORDS).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((RECORDS..RECORDS + 40).map(record)).unwrap();
    artifact.add_embedding(RecordId(5), "w", &vector(5, 3)).unwrap();
    artifact.seal().unwrap();
    for i in [7, 8, 500, RECORDS + 3] {
        artifact.delete_key(&format!("key{i}")).unwrap();
    }
    artifact.add_batch((RECORDS + 40..RECORDS + 44).map(record)).unwrap();
    artifact.add_embedding(RecordId(11), "w", &vector(11, 3)).unwrap();
    artifact.close().unwrap();
}

/// The answer to a question; `None` if an error or a loss says that it cannot be given.
type Answer = std::result::Result<Option<String>, String>;

fn told<T: std::fmt::Debug>(found: Result<T>) -> Answer {
    match found {
        Ok(found) => Ok(Some(format!("{found:?}"))),
        Err(e) if e.kind() == ErrorKind::Damaged => Ok(None),
        Err(e) => Err(format!("{:?}: {e}", e.kind())),
    }
}

fn found(artifact: &CompactArtifact, query: &Query) -> Answer {
    match artifact.search(query) {
        Ok(found) if !found.is_complete || !found.losses.is_empty() => Ok(None),
        found => told(found.map(|found| {
            let text = |hit: &compact_artifact::Hit| {
                hit.record.as_ref().map(|entry| entry.text().map(std::borrow::Cow::into_owned).ok())
            };
            found.hits.iter().map(|hit| (hit.id, hit.score.to_bits(), text(hit))).collect::<Vec<_>>()
        })),
    }
}

fn filters() -> Vec<Filter> {
    vec![
        Filter::field("i").lt(700),
        Filter::field("half").gte(900.5),
        Filter::field("even").eq(true).and(Filter::field("name").eq("n12")),
        Filter::field("name").prefix("n4"),
        Filter::field("tags").contains("t3"),
        Filter::field("deep.er").is_in([3, 5]),
        Filter::field("at").exists().and(Filter::field("missing").missing()),
    ]
}

fn queries() -> Vec<Query> {
    let near = |i| vector(i, 4);
    vec![
        Query::words("red number 77").k(20).fetch(true),
        Query::parse("\"of a blue\"").unwrap().k(20),
        Query::parse("hou* +green").unwrap().k(20),
        Query::vector("v", near(9)).k(12),
        Query::vector("v", near(1_234)).k(12).fetch(true),
        Query::vector("v", near(2_120)).exact(true).k(9),
        Query::vector("v", near(77)).filter(Filter::field("i").gte(1_500)).k(9),
        Query::vector("v", near(78)).filter(Filter::field("tags").contains("t3")).k(9),
        Query::vector("w", vector(180, 3)).k(30),
        Query::similar_to("v", RecordId(1_000)).k(7),
        Query::similar_to("v", RecordId(1_001)).k(5),
        Query::similar_to("v", RecordId(u64::from(RECORDS) + 1)).k(3),
        Query::words("house 14").and_vector("v", near(300)).k(10),
        Query::new().filter(Filter::field("name").eq("n7")).k(50),
    ]
}

/// Every kind of question.
fn ask(artifact: &CompactArtifact) -> Vec<Answer> {
    let mut answers = Vec::new();
    for i in [0, 5, 7, 11, 499, 1_777, RECORDS + 1, RECORDS + 41] {
        let text = |entry: compact_artifact::Entry| {
            let text = entry.text().map(std::borrow::Cow::into_owned)?;
            Ok((entry.id(), entry.key()?, entry.metadata()?, text))
        };
        let id = RecordId(i.into());
        let key = format!("key{i}");
        answers.push(told(artifact.get(id).and_then(|entry| entry.map(text).transpose())));
        answers.push(told(artifact.get_by_key(&key).and_then(|entry| entry.map(text).transpose())));
        answers.push(told(artifact.id_of_key(&key)));
        answers.push(told(artifact.embedding(id, "v")));
        answers.push(told(artifact.embedding(id, "w")));
    }
    for filter in filters() {
        answers.push(told(artifact.count(&filter)));
        answers.push(told(artifact.ids_where(&filter)));
    }
    answers.extend(queries().iter().map(|query| found(artifact, query)));
    answers
}

/// How the artifact is opened.
#[derive(Debug, Clone, Copy)]
enum Way {
    Mapped,
    Read,
    PackedFile,
    PackedBytes,
}

const WAYS: [Way; 4] = [Way::Mapped, Way::Read, Way::PackedFile, Way::PackedBytes];

/// An artifact as a directory or a pack, and what it answers.
struct Subject {
    way: Way,
    options: Options,
    path: PathBuf,
    files: Vec<PathBuf>,
    answers: Vec<Answer>,
}

impl Subject {
    /// Of the artifact in `directory`.
    fn new(way: Way, options: Options, directory: &Path) -> Self {
        let mut path = directory.to_owned();
        if matches!(way, Way::PackedFile | Way::PackedBytes) {
            path = directory.with_extension(format!("{way:?}"));
            self::options().open(directory).unwrap().pack(&path).unwrap();
        }
        let mut files = vec![path.clone()];
        if path.is_dir() {
            files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.retain(|file| file.file_name().is_some_and(|name| name != "LOCK"));
            files.sort();
        }
        let mut subject = Self { way, options, path, files, answers: Vec::new() };
        subject.answers = ask(&subject.open().unwrap());
        assert!(subject.answers.iter().all(|answer| matches!(answer, Ok(Some(_)))), "{:?}", subject.answers);
        subject
    }

    fn open(&self) -> Result<CompactArtifact> {
        let options = self.options.clone();
        match self.way {
            Way::Mapped | Way::PackedFile => options.open_read_only(&self.path),
            Way::Read => options.memory_mapping(false).open_read_only(&self.path),
            Way::PackedBytes => CompactArtifact::open_packed_bytes(fs::read(&self.path)?, options),
        }
    }

    /// Says what is wrong when a file is as it is now; returns whether any answer was withheld.
    fn check(&self) -> std::result::Result<bool, String> {
        let artifact = match self.open() {
            Ok(artifact) => artifact,
            Err(e) if matches!(e.kind(), ErrorKind::Damaged | ErrorKind::NotAnArtifact) => return Ok(true),
            // A file that says of itself that it is another's, or of another version.
            Err(e) if matches!(e.kind(), ErrorKind::Foreign | ErrorKind::NewerFormat) => return Ok(true),
            Err(e) => return Err(format!("opening: {:?}: {e}", e.kind())),
        };
        let is_clean = artifact.recovery().is_clean();
        let answers = ask(&artifact);
        let mut withheld = !is_clean;
        for (at, (answer, expected)) in answers.iter().zip(&self.answers).enumerate() {
            match answer {
                Ok(Some(_)) if answer == expected => {}
                Ok(None) => withheld = true,
                // What opening lost, it said.
                Ok(Some(_)) | Err(_) if !is_clean => {}
                other => return Err(format!("question {at}: {other:?}, expected {expected:?}")),
            }
        }
        Ok(withheld)
    }
}

/// Flips a bit where it lies.
fn flip(file: &Path, bit: u64) {
    let mut byte = [fs::read(file).unwrap()[(bit / 8) as usize]];
    byte[0] ^= 1 << (bit % 8);
    let mut file = File::options().write(true).open(file).unwrap();
    file.seek(SeekFrom::Start(bit / 8)).unwrap();
    file.write_all(&byte).unwrap();
}

/// Flips every `stride`-th bit of every file, one at a time; returns how many, and how many of them kept an answer back.
fn flips(subject: &Subject, stride: u64) -> std::result::Result<(u64, u64), String> {
    let (mut flips, mut withheld) = (0, 0);
    for file in &subject.files {
        let bits = fs::metadata(file).unwrap().len() * 8;
        // Large files get the same dose for their size, small ones at least some.
        let stride = stride.min((bits / 8).max(1)) | 1;
        for bit in (stride / 2..bits).step_by(stride as usize) {
            flip(file, bit);
            let checked =
                catch_unwind(AssertUnwindSafe(|| subject.check())).unwrap_or(Err("a panic".to_owned()));
            flip(file, bit);
            let say = |e: String| format!("{:?}, {}, bit {bit}: {e}", subject.way, file.display());
            withheld += u64::from(checked.map_err(say)?);
            flips += 1;
        }
    }
    Ok((flips, withheld))
}

fn full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

#[test]
fn no_flipped_bit_changes_an_answer_in_silence() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("a");
    build(&directory);
    for way in WAYS {
        let subject = Subject::new(way, options(), &directory);
        let bits: u64 = subject.files.iter().map(|file| fs::metadata(file).unwrap().len() * 8).sum();
        let stride = if full() { 1 } else { bits / 30 };
        let (flips, withheld) = flips(&subject, stride).unwrap_or_else(|e| panic!("{e}"));
        println!("{way:?}: {bits} bits, {flips} flipped, {withheld} noticed by a question, 0 silent");
        assert!(flips > 25);
    }
}

#[test]
fn without_the_checks_of_chunks_the_flips_are_noticed() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("a");
    build(&directory);
    let subject = Subject::new(Way::Mapped, options().leave_out_of_store(StoreStep::CheckChunk), &directory);
    let bits: u64 = subject.files.iter().map(|file| fs::metadata(file).unwrap().len() * 8).sum();
    let planted = (0..20).find_map(|round| flips(&subject, bits / 300 + round * 2).err());
    println!("{}", planted.expect("the campaign notices").chars().take(300).collect::<String>());
}
