//! What a query reads of a pack that lies far away: requests, rounds and bytes, cold and warm.
//!
//! `cargo run --release -p benches --bin ranges PACK [RECORDS VECTORS]`: makes the pack where there is none, of so many records, from the texts of `WordNet` and
//! their vectors (`VECTORS`, a file of float16 in two dimensions). A record has five texts, so that it is about as long as a paragraph; beyond
//! the number of texts, records have other five of them, and vectors near those that are there. The pack is read from a file by positions; each cold query has
//! the pack opened anew.

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that prints a table")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use benches::{Random, Result, machine, read_npy, wordnet};
use compact_artifact::{
    CompactArtifact, Facet, Filter, Maintenance, Metric, Options, Order, Query, RangeSource, RangeStatistics,
    Record, SpaceOptions,
};
use serde_json::Value;

/// Queries of each kind.
const QUERIES: usize = 20;
/// Texts of a record.
const TEXTS: usize = 5;

/// A file that is read by ranges, one after the other.
#[derive(Debug)]
struct Ranges(File, u64);

impl RangeSource for Ranges {
    fn len(&self) -> u64 {
        self.1
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>> {
        let read = |range: &Range<u64>| {
            let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(io::Error::other)?];
            self.0.read_exact_at(&mut bytes, range.start)?;
            Ok(bytes)
        };
        ranges.iter().map(read).collect()
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = Path::new(args.first().ok_or("expected the path of a pack")?);
    if !path.exists() {
        let [_, records, vectors] = &args[..] else {
            return Err("expected the number of records, and vectors".into());
        };
        make(path, records.parse()?, Path::new(vectors))?;
    }
    let len = path.metadata()?.len();
    let open = || -> Result<CompactArtifact> {
        let source = Ranges(File::open(path)?, len);
        Ok(Options::new()
            .result_cache_bytes(0)
            .range_cache_bytes(u64::MAX)
            .open_packed_ranges(Arc::new(source))?)
    };
    let statistics = |artifact: &CompactArtifact| artifact.range_statistics().unwrap_or_default();
    let artifact = open()?;
    let opened = statistics(&artifact);
    println!("{}\n", machine()?);
    println!(
        "{} records, {:.1} MB. Opening: {} requests in {} rounds, {} KB, {:.3} % of the pack.\n",
        artifact.len(),
        len as f64 / 1e6,
        opened.requests,
        opened.rounds,
        opened.bytes / 1000,
        percent(opened.bytes, len)
    );
    println!(
        "| query | cold: requests | rounds | KB | with opening, % of the pack | most, % | then: requests | KB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, queries) in questions(&artifact)? {
        let (mut cold, mut then, mut hits) = (Vec::new(), Vec::new(), 0);
        let kept = open()?;
        for query in &queries {
            let artifact = open()?;
            let before = statistics(&artifact);
            hits += artifact.search(query)?.hits.len();
            cold.push(difference(before, statistics(&artifact)));
            let before = statistics(&kept);
            kept.search(query)?;
            then.push(difference(before, statistics(&kept)));
        }
        if hits == 0 {
            return Err(format!("{name}: nothing was found").into());
        }
        let most = cold.iter().map(|cold| cold[2]).max().unwrap_or(0);
        // What is asked when ten others of the kind were.
        let (cold, then) = (medians(&cold), medians(&then[queries.len() / 2..]));
        println!(
            "| {name} | {} | {} | {} | {:.3} | {:.3} | {} | {} |",
            cold[0],
            cold[1],
            cold[2] / 1000,
            percent(opened.bytes + cold[2], len),
            percent(opened.bytes + most, len),
            then[0],
            then[2] / 1000
        );
    }
    Ok(())
}

fn percent(bytes: u64, of: u64) -> f64 {
    bytes as f64 / of as f64 * 100.0
}

fn difference(before: RangeStatistics, after: RangeStatistics) -> [u64; 3] {
    [after.requests - before.requests, after.rounds - before.rounds, after.bytes - before.bytes]
}

fn medians(figures: &[[u64; 3]]) -> [u64; 3] {
    [0, 1, 2].map(|at| {
        let mut of_one: Vec<u64> = figures.iter().map(|figures| figures[at]).collect();
        of_one.sort_unstable();
        of_one.get(of_one.len() / 2).copied().unwrap_or(0)
    })
}

fn make(path: &Path, records: usize, vectors: &Path) -> Result<()> {
    let senses: Vec<Value> =
        wordnet()?.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let (dimension, vectors) = read_npy(vectors)?;
    let temp = tempfile::tempdir_in(path.parent().unwrap_or(Path::new(".")))?;
    let options = CompactArtifact::options().maintenance(Maintenance::Manual).result_cache_bytes(0).seed(1);
    let artifact =
        options.space("v", SpaceOptions::new(dimension, Metric::Cosine)).create(temp.path().join("a"))?;
    let mut random = Random(1);
    let record = |i: usize| {
        let texts = (0..TEXTS).map(|at| (i + at * 20_011 + i / senses.len() * 7_919) % senses.len());
        let texts: Vec<&str> = texts.filter_map(|at| senses[at]["text"].as_str()).collect();
        let metadata = senses[i % senses.len()]["metadata"].clone();
        let vector = &vectors[i % senses.len() * dimension..][..dimension];
        let mut noise =
            || if i < senses.len() { 0.0 } else { (random.below(1000) as f32 - 499.5) / 20_000.0 };
        let vector: Vec<f32> = vector.iter().map(|value| value + noise()).collect();
        let mut record = Record::text(texts.join("\n")).key(format!("sense-{i}")).embedding("v", vector);
        if let Value::Object(_) = &metadata {
            record = record.metadata(metadata);
        }
        record
    };
    let all: Vec<usize> = (0..records).collect();
    let mut record = record;
    for some in all.chunks(50_000) {
        artifact.add_batch(some.iter().map(|&i| record(i)))?;
    }
    artifact.seal()?;
    artifact.pack(path)?;
    Ok(())
}

/// Kinds of queries, with their names.
type Questions = Vec<(&'static str, Vec<Query>)>;

/// Words and vectors are those of records that lie far apart.
fn questions(artifact: &CompactArtifact) -> Result<Questions> {
    let snapshot = artifact.snapshot();
    let hits = artifact.search(&Query::new().k(60_000).fetch(false))?.hits;
    let ids: Vec<_> = hits.iter().step_by(hits.len() / QUERIES).take(QUERIES).map(|hit| hit.id).collect();
    let mut asked: Vec<(Vec<String>, Vec<f32>)> = Vec::new();
    for id in ids {
        let entry = snapshot.get(id)?.ok_or("a record is gone")?;
        let words =
            entry.text()?.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
        let words = words.into_iter().filter(|word| word.len() > 3).take(6).collect();
        let vector = snapshot.embedding(id, "v")?.ok_or("a record without a vector")?;
        asked.push((words, vector));
    }
    let each = |query: &dyn Fn(&[String], &[f32]) -> Query| -> Vec<Query> {
        asked.iter().map(|(words, vector)| query(words, vector)).collect()
    };
    let noun = || Filter::field("pos").eq("noun");
    Ok(vec![
        ("one word", each(&|words, _| Query::words(&words[0]))),
        ("three words", each(&|words, _| Query::words(&words[..3].join(" ")))),
        ("three words, with records", each(&|words, _| Query::words(&words[..3].join(" ")).fetch(true))),
        ("a phrase", each(&|words, _| Query::words(&format!("\"{} {}\"", words[0], words[1])))),
        (
            "a filter",
            each(&|words, _| Query::new().filter(Filter::field("words").contains(words[0].as_str()))),
        ),
        ("words and a filter", each(&|words, _| Query::words(&words[0]).filter(noun()))),
        (
            "words, in the order of a field",
            each(&|words, _| Query::words(&words[0]).order_by("senses", Order::Ascending)),
        ),
        ("words, with counts", each(&|words, _| Query::words(&words[0]).facet(Facet::values("topic")))),
        ("a vector", each(&|_, vector| Query::vector("v", vector))),
        ("a vector, width 64", each(&|_, vector| Query::vector("v", vector).ef_search(64))),
        ("a vector and a filter", each(&|_, vector| Query::vector("v", vector).filter(noun()))),
        (
            "words and a vector",
            each(&|words, vector| Query::words(&words[..3].join(" ")).and_vector("v", vector)),
        ),
    ])
}
