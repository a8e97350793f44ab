//! `cart bench`: figures of real work.

mod data;
mod html;
mod ingest;
mod measure;
mod report;
mod search;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use compact_artifact::CompactArtifact;

use crate::failure::{Failure, Result};
use crate::input::Document;
use crate::output::{Output, peak_memory};
use data::Data;
use report::{Report, Setting};

const LONG: &str = "\
Measure ingest, opening, gets and searches with real records.

With the texts of the demo, or with the records of an artifact, which is only read. Everything is done as a program would do it: \
what is ingested is on disk and indexed when it counts, every search returns records with snippets, and no result is kept. Figures are \
medians; warm-up rounds do not count, and are told apart where they tell something. Questions follow from --seed.";

/// Measure ingest, opening, gets and searches with real records
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    /// The artifact whose records are used [default: the texts of the demo]
    artifact: Option<PathBuf>,
    /// Embeddings of the texts of the demo, a row for each: a .npy file
    #[arg(long, value_name = "NPY", conflicts_with = "artifact")]
    vectors: Option<PathBuf>,
    /// How many records are used at the most
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    records: usize,
    /// Searches and gets of each kind
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    queries: usize,
    /// Rounds of each ingest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100))]
    rounds: usize,
    /// What questions follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where artifacts are built, and removed again [default: the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let data = match &args.artifact {
        Some(path) => Data::of_artifact(path, args.records)?,
        None => Data::of_demo(args.vectors.as_deref(), args.records)?,
    };
    if data.documents.is_empty() {
        return Err(Failure::not_there("there are no records to measure with"));
    }
    let scratch = match &args.scratch {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let scratch =
        scratch.map_err(|e| Failure::failed(format_args!("--scratch: no folder can be made: {e}")))?;
    let report = measure(args, &data, scratch.path())?;
    if let Some(path) = &args.html {
        let written = std::fs::write(path, html::page(&report));
        written.map_err(|e| Failure::failed(format_args!("cannot be written: {e}")).at(path.display()))?;
    }
    if output.is_json() { output.json(&report) } else { report.print(output) }
}

fn measure(args: &Args, data: &Data, scratch: &Path) -> Result<Report> {
    let setting = Setting {
        version: env!("CARGO_PKG_VERSION"),
        is_release: !cfg!(debug_assertions),
        processor: processor(),
        threads: thread_counts().last().copied().unwrap_or(1),
        data: data.name.clone(),
        records: data.documents.len(),
        content_bytes: data.documents.iter().map(Document::content_len).sum(),
        spaces: data.spaces.iter().map(|(name, _)| name.clone()).collect(),
        seed: args.seed,
        queries: args.queries,
        rounds: args.rounds,
        unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    let mut report = Report { setting, figures: Vec::new(), latencies: Vec::new(), series: Vec::new() };
    let path = scratch.join("bench.artifact");
    ingest::all(data, args.rounds, &path, &mut report)?;
    if let Some(peak) = peak_memory() {
        report.bytes("memory at the most, records and mapped files included", peak);
    }
    disk(&path, &mut report)?;
    search::first_result(&path, data, &mut report)?;
    search::gets(&path, args.queries, args.seed, &mut report)?;
    search::all_kinds(&path, data, args.queries, args.seed, &mut report)?;
    search::recall(&path, data, args.queries.min(200), &mut report)?;
    ingest::by_batch_size(data, args.rounds, scratch, &mut report)?;
    ingest::by_threads(data, args.rounds, scratch, &mut report)?;
    Ok(report)
}

/// What the files of the artifact take, as the file system and as the artifact say.
fn disk(path: &Path, report: &mut Report) -> Result<()> {
    let fault = |e: std::io::Error| Failure::failed(format_args!("cannot be read: {e}")).at(path.display());
    let mut len = 0;
    for entry in std::fs::read_dir(path).map_err(fault)? {
        len += entry.and_then(|entry| entry.metadata()).map_err(fault)?.len();
    }
    report.bytes("disk, all files", len);
    let stats = CompactArtifact::open_read_only(path)?.stats();
    report.bytes("  records, compressed", stats.segment_bytes);
    report.bytes("  words", stats.words_bytes);
    report.bytes("  metadata", stats.filters_bytes);
    for space in &stats.spaces {
        report.bytes(format!("  vectors of {:?}", space.name), space.bytes);
    }
    Ok(())
}

/// 1, 2, 4 and so on, up to what the machine runs at once.
fn thread_counts() -> Vec<usize> {
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < most).collect();
    counts.push(most);
    counts
}

fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").ok();
    let name =
        known.as_deref().and_then(|info| info.lines().find_map(|line| line.strip_prefix("model name")));
    name.map_or(std::env::consts::ARCH, |name| name.trim_start_matches([':', '\t', ' '])).to_owned()
}
