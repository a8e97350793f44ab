//! How fast records go in.
#![expect(clippy::cast_precision_loss, reason = "figures to look at")]

use std::path::Path;
use std::time::{Duration, Instant};

use compact_artifact::{Batch, BatchOptions, Options};

use super::data::Data;
use super::measure::{median, shared};
use super::report::{Report, Series, Unit};
use crate::failure::{Failure, Result};
use crate::input::Document;
use crate::output::Progress;

/// Records in a commit where that is not what is measured.
const BATCH: usize = 8192;
/// The most records that go in for a point of a series.
const MAX_PART: usize = 20_000;
/// The fewest, and how many commits there are at the most.
const MIN_PART: usize = 500;
const MAX_COMMITS: usize = 200;

/// Everything, durable and with every index, several times; the last one stays at `path`.
pub(super) fn all(data: &Data, rounds: usize, path: &Path, report: &mut Report) -> Result<()> {
    let bar = Progress::steps(rounds as u64 + 1, "ingest");
    let content: u64 = data.documents.iter().map(Document::content_len).sum();
    let mut times = Vec::new();
    // The first round warms up, and is told apart.
    for _ in 0..=rounds {
        clear(path)?;
        times.push(write(&data.documents, data.options(), BATCH, path)?);
        bar.advance(1);
    }
    let first = times.remove(0);
    let took = median(&mut times);
    report.seconds("ingest, first round", first);
    report.seconds("ingest until all is indexed, median", took);
    report.figure("  records", data.documents.len() as f64 / took.as_secs_f64(), Unit::PerSecond);
    report.figure("  content", content as f64 / took.as_secs_f64(), Unit::BytesPerSecond);
    Ok(())
}

/// By the number of records in a commit.
pub(super) fn by_batch_size(data: &Data, rounds: usize, scratch: &Path, report: &mut Report) -> Result<()> {
    let path = scratch.join("batches.artifact");
    let _bar = Progress::spinner("ingest by batch size");
    let mut points = Vec::new();
    for size in [1, 10, 100, 1000, 10_000] {
        let part = first(&data.documents, (size * MAX_COMMITS).clamp(MIN_PART, MAX_PART));
        let took = repeated(rounds, || {
            clear(&path)?;
            write(part, data.options(), size, &path)
        })?;
        points.push((size, part.len() as f64 / took.as_secs_f64()));
    }
    clear(&path)?;
    let name = "ingest by records in a commit, each on disk before the next".to_owned();
    report.series.push(Series { name, setting: "batch", unit: Unit::PerSecond, points });
    Ok(())
}

/// By the number of threads that add through one batch writer.
pub(super) fn by_threads(data: &Data, rounds: usize, scratch: &Path, report: &mut Report) -> Result<()> {
    let path = scratch.join("threads.artifact");
    let _bar = Progress::spinner("ingest by threads");
    let part = first(&data.documents, MAX_PART);
    let mut points = Vec::new();
    for threads in super::thread_counts() {
        let took = repeated(rounds, || {
            clear(&path)?;
            write_from_threads(part, data.options(), threads, &path)
        })?;
        points.push((threads, part.len() as f64 / took.as_secs_f64()));
    }
    clear(&path)?;
    let name = "ingest by threads that add one by one".to_owned();
    report.series.push(Series { name, setting: "threads", unit: Unit::PerSecond, points });
    Ok(())
}

fn first(documents: &[Document], len: usize) -> &[Document] {
    documents.get(..len).unwrap_or(documents)
}

/// The median of some rounds after one that does not count.
fn repeated(rounds: usize, mut round: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    round()?;
    let mut times = (0..rounds).map(|_| round()).collect::<Result<Vec<Duration>>>()?;
    Ok(median(&mut times))
}

/// Time until everything is on disk and sealed. Records are cloned before.
fn write(documents: &[Document], options: Options, batch: usize, path: &Path) -> Result<Duration> {
    let batches: Vec<Batch> = documents
        .chunks(batch)
        .map(|part| part.iter().cloned().map(Document::into_record).collect())
        .collect();
    let begun = Instant::now();
    let artifact = options.create(path)?;
    for batch in batches {
        artifact.write(batch)?;
    }
    artifact.seal()?;
    artifact.close()?;
    Ok(begun.elapsed())
}

fn write_from_threads(
    documents: &[Document],
    options: Options,
    threads: usize,
    path: &Path,
) -> Result<Duration> {
    let begun = Instant::now();
    let artifact = options.create(path)?;
    let writer = artifact.batch_writer(BatchOptions::default())?;
    shared(documents, threads, |document| Ok(writer.add(document.clone().into_record())?))?;
    writer.finish()?;
    artifact.seal()?;
    artifact.close()?;
    Ok(begun.elapsed())
}

/// Removes an artifact of an earlier round.
fn clear(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::failed(format_args!("cannot be removed: {e}")).at(path.display()))
        }
        _ => Ok(()),
    }
}
