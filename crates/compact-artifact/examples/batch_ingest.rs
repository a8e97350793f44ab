//! Many records from several threads: one batch writer turns them into few commits, and sealing happens in the background.
//!
//! `cargo run --release -p compact-artifact --example batch_ingest`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use compact_artifact::{
    BatchOptions, BatchReport, CompactArtifact, Filter, Maintenance, Query, Record, Result,
};
use serde_json::json;

const THREADS: u64 = 4;

fn main() -> Result<()> {
    let temp = tempfile::tempdir()?;
    run(temp.path(), 25_000).map(drop)
}

/// Adds `per_thread` lines of a log from each thread to a new artifact in `folder`.
pub(crate) fn run(folder: &Path, per_thread: u64) -> Result<BatchReport> {
    let path = folder.join("log.artifact");
    // What was added is indexed for good by a thread of the artifact's own, whenever there are 4 MiB of it.
    let artifact =
        CompactArtifact::options().maintenance(Maintenance::Background).segment_len(4 << 20).create(&path)?;

    let begun = Instant::now();
    let options =
        BatchOptions::new().batch_size(2_000).flush_interval(Duration::from_millis(500)).max_memory(8 << 20);
    let writer = artifact.batch_writer(options)?;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let writer = &writer;
            // An error ends its thread; `finish` returns the first one.
            scope.spawn(move || (0..per_thread).try_for_each(|number| writer.add(line(thread, number))));
        }
    });
    let report = writer.finish()?; // everything is on disk now
    let seconds = begun.elapsed().as_secs_f64();

    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    let rate = report.records as f64 / seconds;
    println!(
        "{} records from {THREADS} threads in {} commits: {seconds:.2} s, {rate:.0} records/s, each of them on disk",
        report.records, report.batches
    );

    // Everything is found at once, sealed or not.
    let stats = artifact.stats();
    println!("sealed so far: {} of {} records", stats.records - stats.tail_records, stats.records);
    let failed = Filter::field("status").gte(500);
    println!("failed requests: {}", artifact.count(&failed)?);
    let query = Query::words("checkout timeout").filter(failed).k(3).fetch(true);
    for hit in artifact.search(&query)?.hits {
        let Some(line) = &hit.record else { continue };
        println!("  {:.2}  {}", hit.score, line.text()?);
    }

    artifact.seal()?;
    let stats = artifact.stats();
    println!(
        "sealed: {} KB of log as {} KB, and {} KB of indexes",
        stats.raw_bytes / 1000,
        stats.segment_bytes / 1000,
        (stats.disk_bytes - stats.segment_bytes) / 1000
    );
    artifact.close()?;
    Ok(report)
}

/// A line of a log, as a server would write it.
fn line(thread: u64, number: u64) -> Record {
    let page = ["search", "basket", "checkout", "account"][usize::try_from(number % 4).unwrap_or(0)];
    let (status, outcome) = if number % 50 == 10 { (503, "timeout of the database") } else { (200, "done") };
    Record::text(format!("server {thread} request {number} for {page}: {outcome}"))
        .metadata(json!({"server": thread, "status": status}))
}
