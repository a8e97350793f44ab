//! Any bit of any file flips: every question gets the answer that it had before, or an error or loss that says so.
//!
//! `CAMPAIGN=full cargo test --release -p compact-artifact --test it flips:: -- --nocapture` flips every ninth bit, which is one of each byte but every ninth, in
//! all ways to open an artifact; `CAMPAIGN=every` flips every bit, which takes nine times as long.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use compact_artifact::{
    Batch, CompactArtifact, ErrorKind, Facet, Filter, Maintenance, Metric, Options, Order, Originals, Query,
    Record, RecordId, Result, SpaceOptions, StoreStep,
};
use serde_json::json;

/// So many that vectors get a graph, and so few that an artifact is opened and asked everything in milliseconds: that is done for each bit.
const RECORDS: u32 = 240;

pub(crate) fn options() -> Options {
    Options::new()
        .block_len(8 << 10)
        .maintenance(Maintenance::Manual)
        .seed(3)
        .threads(1)
        .precompute_similar(5)
        .graph_from(200)
        .expires_at("until")
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
        "deep": {"er": i % 11}, "until": if i % 30 == 29 { "2001-01-01" } else { "2999-01-01" },
    });
    let record = Record::text(text).key(format!("key{i}")).metadata(metadata).embedding("v", vector(i, 4));
    let record =
        if i.is_multiple_of(40) { record.field("title", format!("the odd title {i}")) } else { record };
    if i.is_multiple_of(9) { record.embedding("w", vector(i, 3)) } else { record }
}

/// Two sealed shards, one with a graph, both with deleted records; metadata that changed and embeddings that came late or went, sealed and not; records that
/// expired; a little in the log.
fn build(path: &Path) {
    build_sized(path, RECORDS, 20..22);
}

/// The same with so many records in the first shard, some of which have other metadata by then.
pub(crate) fn build_sized(path: &Path, records: u32, updated: impl Iterator<Item = u32>) {
    let artifact = options().create(path).unwrap();
    artifact.add_batch((0..records).map(record)).unwrap();
    let update =
        |batch: Batch, i: u32| batch.update_key(format!("key{i}"), json!({"name": "n7", "i": 1_000 + i}));
    artifact.write(updated.fold(Batch::new(), update)).unwrap();
    // Where there are many, not all ids follow one another.
    let first = if records > RECORDS { 201 } else { records };
    let delete = |batch: Batch, i: u32| batch.delete_key(format!("key{i}"));
    artifact.write((first..records).step_by(4).fold(Batch::new(), delete)).unwrap();
    artifact.seal().unwrap();
    artifact.add_batch((records..records + 40).map(record)).unwrap();
    artifact.add_embedding(RecordId(5), "w", &vector(5, 3)).unwrap();
    artifact.update_key(&format!("key{}", records + 7), json!({"name": "n7", "i": 1_007})).unwrap();
    artifact.seal().unwrap();
    for i in [7, 8, 50, records + 3] {
        artifact.delete_key(&format!("key{i}")).unwrap();
    }
    artifact.add_batch((records + 40..records + 44).map(record)).unwrap();
    artifact.add_embedding(RecordId(11), "w", &vector(11, 3)).unwrap();
    artifact.remove_embedding(RecordId(12), "v").unwrap();
    artifact.update_key("key22", json!({"name": "n7"})).unwrap();
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
            let hits = found.hits.iter().map(|hit| (hit.id, hit.score.to_bits(), text(hit)));
            (hits.collect::<Vec<_>>(), found.total, found.facets)
        })),
    }
}

fn filters() -> Vec<Filter> {
    vec![
        Filter::field("i").lt(70),
        Filter::field("i").gte(1_000),
        Filter::field("half").gte(90.5),
        Filter::field("even").eq(true).and(Filter::field("name").eq("n12")),
        Filter::field("name").prefix("n4"),
        Filter::field("tags").contains("t3"),
        Filter::field("deep.er").is_in([3, 5]),
        Filter::field("at").exists().and(Filter::field("missing").missing()),
    ]
}

/// Searches by vectors alone.
fn near_queries() -> Vec<Query> {
    let near = |i| vector(i, 4);
    // By what is stored of their neighbours.
    let stored = (60..90).step_by(2).map(|id| Query::similar_to("v", RecordId(id)).k(5));
    let mut queries: Vec<Query> = stored.collect();
    queries.extend([
        Query::vector("v", near(9)).k(12),
        Query::vector("v", near(123)).k(12).fetch(true),
        Query::vector("v", near(RECORDS + 20)).exact(true).k(9),
        Query::vector("v", near(77)).filter(Filter::field("i").gte(150)).k(9),
        Query::vector("v", near(78)).filter(Filter::field("tags").contains("t3")).k(9),
        Query::vector("v", near(79)).total(true).k(1),
        Query::vector("w", vector(180, 3)).k(30),
        Query::similar_to("v", RecordId(100)).k(7),
        Query::similar_to("v", RecordId(102)).k(5),
        Query::similar_to("v", RecordId(u64::from(RECORDS) + 10)).k(3),
    ]);
    queries
}

fn other_queries() -> Vec<Query> {
    vec![
        Query::words("red number 77").k(20).fetch(true),
        Query::parse("\"of a blue\"").unwrap().k(20),
        Query::parse("hou* +green").unwrap().k(20),
        Query::parse("title:odd").unwrap().k(20),
        Query::words("house 14").and_vector("v", vector(200, 4)).k(10),
        Query::new().filter(Filter::field("name").eq("n7")).k(50),
        Query::words("house").order_by("i", Order::Descending).total(true).k(9),
        Query::new().facet(Facet::values("tags")).group_by("name", 1).k(60),
    ]
}

/// Every kind of question.
fn ask(artifact: &CompactArtifact) -> Vec<Answer> {
    let mut answers = Vec::new();
    for i in [0, 5, 7, 11, 20, 22, 59, 177, RECORDS + 1, RECORDS + 41] {
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
    let metadata = |entry: Result<compact_artifact::Entry>| entry.and_then(|entry| entry.metadata());
    answers.push(told(artifact.records().map(metadata).collect::<Result<Vec<_>>>()));
    for filter in filters() {
        answers.push(told(artifact.count(&filter)));
        answers.push(told(artifact.ids_where(&filter)));
    }
    answers.extend(other_queries().iter().map(|query| found(artifact, query)));
    answers.extend(near_queries().iter().map(|query| found(artifact, query)));
    answers
}

/// How the artifact is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Mapped,
    Read,
    PackedFile,
    PackedBytes,
}

const WAYS: [Way; 4] = [Way::Mapped, Way::Read, Way::PackedFile, Way::PackedBytes];

/// An artifact as a directory or a pack, and what it answers.
pub(crate) struct Subject {
    way: Way,
    options: Options,
    path: PathBuf,
    pub(crate) files: Vec<PathBuf>,
    answers: Vec<Answer>,
}

impl Subject {
    /// Of the artifact in `directory`.
    pub(crate) fn new(way: Way, options: Options, directory: &Path) -> Self {
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
        for (at, answer) in subject.answers.iter().enumerate() {
            assert!(matches!(answer, Ok(Some(_))), "question {at}: {answer:?}");
        }
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
        let recovery = artifact.recovery();
        let is_clean = recovery.is_clean();
        let is_of_index =
            recovery.damage.iter().all(|damage| damage.shard.is_some() || damage.space.is_some());
        let by_vectors = self.answers.len() - near_queries().len()..;
        let answers = ask(&artifact);
        let mut withheld = !is_clean;
        for (at, (answer, expected)) in answers.iter().zip(&self.answers).enumerate() {
            match answer {
                Ok(Some(_)) if answer == expected => {}
                Ok(None) => withheld = true,
                // What opening lost, it said. Searches say once more which vectors were lost; words of a shard that is made anew have other scores, without what was deleted.
                Ok(Some(_)) | Err(_) if !(is_clean || is_of_index && by_vectors.contains(&at)) => {}
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

impl Subject {
    /// Flips a bit, and says what is wrong; returns whether any answer was withheld.
    pub(crate) fn flip(&self, file: &Path, bit: u64) -> std::result::Result<bool, String> {
        flip(file, bit);
        let checked = catch_unwind(AssertUnwindSafe(|| self.check())).unwrap_or(Err("a panic".to_owned()));
        flip(file, bit);
        checked.map_err(|e| format!("{:?}, {}, bit {bit}: {e}", self.way, file.display()))
    }

    /// The bits to flip: every `stride`-th of every file, by the number of the file. Large files get the same dose for their size, small ones at least some.
    fn bits(&self, stride: u64) -> Vec<(usize, u64)> {
        let of_file = |(at, file): (usize, &PathBuf)| {
            let bits = fs::metadata(file).unwrap().len() * 8;
            let stride = stride.min((bits / 8).max(1)) | 1;
            (stride / 2..bits).step_by(stride as usize).map(move |bit| (at, bit))
        };
        self.files.iter().enumerate().flat_map(of_file).collect()
    }
}

/// Copies the files of an artifact.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Flips bits one at a time, each core those of a copy of its own; returns how many, and how many of them kept an answer back.
fn flips(way: Way, directory: &Path, stride: u64) -> (usize, usize) {
    let (next, withheld) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let bits = Subject::new(way, options(), directory).bits(stride);
    std::thread::scope(|threads| {
        for core in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let copied = directory.with_file_name(format!("{way:?}-{core}"));
            copy(directory, &copied);
            let (bits, next, withheld) = (&bits, &next, &withheld);
            threads.spawn(move || {
                let subject = Subject::new(way, options(), &copied);
                while let Some(&(file, bit)) = bits.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let noticed = subject.flip(&subject.files[file], bit).unwrap_or_else(|e| panic!("{e}"));
                    withheld.fetch_add(usize::from(noticed), Ordering::Relaxed);
                }
            });
        }
    });
    (bits.len(), withheld.into_inner())
}

#[test]
fn no_flipped_bit_changes_an_answer_in_silence() {
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join("a");
    build(&directory);
    let campaign = std::env::var("CAMPAIGN").unwrap_or_default();
    for way in WAYS {
        let files = fs::read_dir(&directory).unwrap();
        let bits: u64 = files.map(|file| file.unwrap().metadata().unwrap().len() * 8).sum();
        let stride = match campaign.as_str() {
            "every" => 1,
            "full" => 9,
            _ => bits / 30,
        };
        let (flips, withheld) = flips(way, &directory, stride);
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
    let bits = subject.bits(997);
    let planted = bits.iter().find_map(|&(file, bit)| subject.flip(&subject.files[file], bit).err());
    println!("{}", planted.expect("the campaign notices").chars().take(300).collect::<String>());
}
