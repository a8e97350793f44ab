//! `cart bench`: figures of real work.

mod data;
mod first_result;
mod ingest;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compact_artifact::CompactArtifact;
use performance::{Operation, PerformanceBenchmark, Report, Unit};

use crate::failure::{Failure, Result};
use crate::input::cannot_read;
use crate::interrupt;
use crate::output::{Output, Progress, check_folder, check_new_file};
use data::Data;

const LONG: &str = "\
Measure searches, gets and ingest with real records.

With the records of an artifact, which is only read, or with the texts of the demo. Everything is done as a program would do it: \
what is ingested is on disk when it counts, every search returns records, no result is kept. Loads run from several clients at a time, each its \
next call when the last has ended (closed loop); and at a rate, where the time of a call counts from when it was due (open loop). \
What is written goes to scratch artifacts, which are removed. Questions follow from --seed.

  cart bench notes.artifact --html page.html
  cart bench notes.artifact --json > old.json
  cart bench notes.artifact --compare old.json";

/// Measure searches, gets and ingest with real records
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    /// The artifact whose records are used [default: the texts of the demo]
    artifact: Option<PathBuf>,
    /// Embeddings of the texts of the demo, a row for each: a .npy file
    #[arg(long, value_name = "NPY", conflicts_with = "artifact")]
    vectors: Option<PathBuf>,
    /// How many records are ingested at the most
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    records: usize,
    /// Different searches of each kind, and gets
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    queries: usize,
    /// Rounds of ingest, after one that does not count
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100))]
    rounds: usize,
    /// How long each load runs
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    duration: Duration,
    /// How long each load runs before it counts
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    warm_up: Duration,
    /// Numbers of clients, with commas between [default: 1, 2, 4, … as many as there are processors]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    clients: Vec<usize>,
    /// Numbers of records that are added at a time, with commas between
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,10,100,1000")]
    batch: Vec<usize>,
    /// Rates of open loops, as parts of the most throughput, with commas between; 0: none
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "0.5,0.8")]
    rate: Vec<f64>,
    /// What questions follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where artifacts are built, and removed again [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Write a page with everything to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Compare with a run before: what --json wrote
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// The commit of the code that is measured, for the report
    #[arg(long, value_name = "HASH")]
    commit: Option<String>,
}

/// A time in seconds.
fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= Duration::from_hours(1) => Ok(time),
        _ => Err("expected 0 to 3600 seconds".to_owned()),
    }
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    // What cannot be read or written is said before anything is measured.
    let old = args.compare.as_deref().map(read_report).transpose()?;
    args.html.as_deref().map_or(Ok(()), check_new_file)?;
    args.scratch
        .as_deref()
        .map_or(Ok(()), |folder| check_folder(folder).map_err(|e| e.at(folder.display())))?;
    let scratch = match &args.scratch {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let scratch =
        scratch.map_err(|e| Failure::failed(format_args!("--scratch: no folder can be made: {e}")))?;
    let report = interrupt::with_aside(scratch.path(), scratch.path(), || measure(args, scratch.path()))?;
    if let Some(path) = &args.html {
        let page = old.as_ref().map_or_else(|| report.to_html(), |old| report.to_html_beside(old));
        let written = File::create_new(path).and_then(|mut file| file.write_all(page.as_bytes()));
        written.map_err(|e| Failure::failed(format_args!("cannot be written: {e}")).at(path.display()))?;
    }
    let comparison = old.as_ref().map(|old| report.compare(old));
    if output.is_json() {
        let mut json = serde_json::to_value(&report).map_err(Failure::failed)?;
        if let Some(comparison) = comparison {
            json["comparison"] = serde_json::to_value(comparison).map_err(Failure::failed)?;
        }
        return output.json(&json);
    }
    output.line(format_args!("{}", report.to_string().trim_end()))?;
    match comparison {
        Some(comparison) => output.line(format_args!("\n{}", comparison.to_string().trim_end())),
        None => Ok(()),
    }
}

fn read_report(path: &Path) -> Result<Report> {
    let at = |e: Failure| e.at(path.display());
    let json = std::fs::read_to_string(path).map_err(|e| cannot_read(path, &e))?;
    Report::from_json(&json).map_err(|e| at(Failure::failed(e).and("`cart bench --json` writes one")))
}

fn measure(args: &Args, scratch: &Path) -> Result<Report> {
    let data = match &args.artifact {
        Some(path) => Data::of_artifact(path, args.records)?,
        None => Data::of_demo(args.vectors.as_deref(), args.records)?,
    };
    if data.documents.is_empty() {
        return Err(Failure::not_there("there are no records to measure with"));
    }
    let built = scratch.join(&data.name);
    let ingest = ingest::all(&data, args.rounds, &built)?;
    let path = args.artifact.as_deref().unwrap_or(&built);
    let mut report = loads(args, path, scratch)?;
    ingest.report(&mut report);
    disk(path, &mut report)?;
    first_result::measure(path, &data, &mut report)?;
    Ok(report)
}

fn loads(args: &Args, path: &Path, scratch: &Path) -> Result<Report> {
    let mut bar: Option<Progress> = None;
    let mut bench = PerformanceBenchmark::new(path)
        .operations([Operation::Search, Operation::Get, Operation::Add])
        .duration(args.duration)
        .warm_up(args.warm_up)
        .batch_sizes(args.batch.clone())
        .rates(args.rate.iter().copied().filter(|&rate| rate != 0.0))
        .queries(args.queries)
        .recall_queries(args.queries.min(100))
        .seed(args.seed)
        .scratch(scratch)
        .on_progress(move |_, _, steps| {
            bar.get_or_insert_with(|| Progress::steps(steps as u64, "loads")).advance(1);
        });
    if !args.clients.is_empty() {
        bench = bench.clients(args.clients.clone());
    }
    // The commit that a build was told.
    if let Some(commit) = args.commit.as_deref().or(option_env!("CART_COMMIT")) {
        bench = bench.commit(commit);
    }
    bench.run().map_err(failure)
}

fn failure(error: performance::Error) -> Failure {
    match error {
        performance::Error::Artifact(e) => e.into(),
        performance::Error::Invalid(message) => Failure::usage(message),
        performance::Error::NothingToMeasure(message) => Failure::not_there(message),
        other => Failure::failed(other),
    }
}

/// What the files of the artifact take.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn disk(path: &Path, report: &mut Report) -> Result<()> {
    let stats = CompactArtifact::open_read_only(path)?.stats();
    report.add_figure("disk, all files", stats.disk_bytes as f64, Unit::Bytes);
    report.add_figure("  records, compressed", stats.segment_bytes as f64, Unit::Bytes);
    report.add_figure("  words", stats.words_bytes as f64, Unit::Bytes);
    report.add_figure("  metadata", stats.filters_bytes as f64, Unit::Bytes);
    for space in &stats.spaces {
        report.add_figure(format!("  vectors of {:?}", space.name), space.bytes as f64, Unit::Bytes);
    }
    Ok(())
}
