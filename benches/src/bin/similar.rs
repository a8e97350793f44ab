//! What is similar to a record, with and without neighbours that are stored: time to seal, disk, time of a query, recall.
//!
//! `cargo run --release -p benches --bin similar [FOLDER]`: keeps the two artifacts in the folder. `similar --open ARTIFACT QUERIES` only asks, for
//! `valgrind --tool=callgrind`.

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that prints small numbers")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{Result, percentile};
use compact_artifact::{
    CompactArtifact, MEANING, Maintenance, Options, Query, Record, RecordId, StaticEmbedder,
};

/// How many hits are asked for.
const K: usize = 10;
/// How many records are asked about.
const QUERIES: usize = 2_000;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, path, queries] = &args[..]
        && first == "--open"
    {
        let artifact = options().open_read_only(path)?;
        for id in some_ids(&artifact, queries.parse()?)? {
            artifact.search(&query(id))?;
        }
        return Ok(());
    }
    let temp = tempfile::tempdir()?;
    let folder = args.first().map_or(temp.path(), Path::new);
    println!("{}\n", benches::machine()?);
    println!("| neighbours | added and sealed in | shards | MB on disk | similar, p50 | p95 | recall@{K} |");
    println!("|---|---|---|---|---|---|---|");
    let mut artifacts = Vec::new();
    for stored in [0, K] {
        let path = folder.join(format!("similar-{stored}.artifact"));
        let begun = Instant::now();
        let artifact = options()
            .precompute_similar(stored)
            .embedder(Arc::new(StaticEmbedder::built_in()?))
            .create(&path)?;
        artifact.add_batch(benches::texts()?.into_iter().map(Record::text))?;
        artifact.seal()?;
        artifacts.push((stored, begun.elapsed(), artifact));
    }
    let mut times = [Vec::new(), Vec::new()];
    for id in some_ids(&artifacts[0].2, QUERIES)? {
        // In turn, so that what else the machine does falls on both.
        for (times, (_, _, artifact)) in times.iter_mut().zip(&artifacts) {
            let query = query(id);
            let begun = Instant::now();
            artifact.search(&query)?;
            times.push(begun.elapsed());
        }
    }
    for (mut times, (stored, sealed, artifact)) in times.into_iter().zip(&artifacts) {
        let stats = artifact.stats();
        println!(
            "| {stored} | {:.1} s | {} | {:.1} | {:.1} µs | {:.1} µs | {:.4} |",
            sealed.as_secs_f64(),
            stats.shards,
            stats.disk_bytes as f64 / 1e6,
            micros(percentile(&mut times, 50)),
            micros(percentile(&mut times, 95)),
            recall(artifact)?
        );
    }
    Ok(())
}

fn options() -> Options {
    CompactArtifact::options().maintenance(Maintenance::Manual).result_cache_bytes(0)
}

/// So many records, far from each other.
fn some_ids(artifact: &CompactArtifact, count: usize) -> Result<Vec<RecordId>> {
    let hits = artifact.search(&Query::new().k(60_000))?.hits;
    Ok(hits.iter().step_by((hits.len() / count).max(1)).take(count).map(|hit| hit.id).collect())
}

fn query(id: RecordId) -> Query {
    Query::similar_to(MEANING, id).k(K)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The share of the true neighbours that are found.
fn recall(artifact: &CompactArtifact) -> Result<f64> {
    let (mut found, mut all) = (0usize, 0usize);
    for id in some_ids(artifact, QUERIES / 10)? {
        let ids = |query: &Query| -> Result<Vec<RecordId>> {
            Ok(artifact.search(query)?.hits.iter().map(|hit| hit.id).collect())
        };
        let query = query(id);
        let exact = ids(&query.clone().exact(true))?;
        found += ids(&query)?.iter().filter(|id| exact.contains(id)).count();
        all += exact.len();
    }
    Ok(found as f64 / all as f64)
}
