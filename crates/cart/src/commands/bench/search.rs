//! How fast, and how well, records are found.
#![expect(clippy::cast_precision_loss, reason = "figures to look at")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use compact_artifact::{CompactArtifact, Query, RecordId};
use serde_json::Value;

use super::data::{Asked, Data, searches};
use super::measure::{Random, median, shared, times};
use super::report::{Latency, Report, Series, Unit};
use crate::failure::{Failure, Result};
use crate::output::Progress;

/// Processes that are started to see how fast they are.
const PROCESSES: usize = 11;
/// Neighbours that recall is about.
const K: usize = 10;

/// From the start of a process to its first result.
pub(super) fn first_result(path: &Path, data: &Data, report: &mut Report) -> Result<()> {
    let _bar = Progress::spinner("open to first result");
    let fault = |e: String| Failure::failed(format_args!("a process of our own: {e}"));
    let program = std::env::current_exe().map_err(|e| fault(e.to_string()))?;
    let word = data.documents.iter().find_map(super::data::two_words).unwrap_or_else(|| "first".to_owned());
    let (mut whole, mut inside) = (Vec::new(), Vec::new());
    for _ in 0..=PROCESSES {
        let begun = Instant::now();
        let mut command = Command::new(&program);
        command.args(["search", "--json", "-k", "1"]).arg(path).args(word.split(' '));
        let ended =
            command.stdin(Stdio::null()).stderr(Stdio::null()).output().map_err(|e| fault(e.to_string()))?;
        whole.push(begun.elapsed());
        let found: Value = serde_json::from_slice(&ended.stdout).map_err(|e| fault(e.to_string()))?;
        let seconds = |name: &str| found.get(name).and_then(Value::as_f64).unwrap_or_default();
        inside.push(
            Duration::try_from_secs_f64(seconds("open_seconds") + seconds("seconds")).unwrap_or_default(),
        );
    }
    report.seconds("open to first result, first process", inside.remove(0));
    report.seconds("open to first result, new process, median", median(&mut inside));
    whole.remove(0);
    report.seconds("  with its start and its end", median(&mut whole));
    Ok(())
}

/// Records by their number, from anywhere.
pub(super) fn gets(path: &Path, count: usize, seed: u64, report: &mut Report) -> Result<()> {
    let _bar = Progress::spinner("point gets");
    let ids: Vec<RecordId> = {
        let artifact = CompactArtifact::open_read_only(path)?;
        artifact.snapshot().records().map(|entry| Ok(entry?.id())).collect::<Result<_>>()?
    };
    let mut random = Random(seed);
    let picked: Vec<RecordId> =
        (0..count).filter_map(|_| ids.get(random.below(ids.len())).copied()).collect();
    // A single block may be all there is, and is kept.
    for (name, cache, picked) in [
        ("get, block decoded each time", 0, &picked[..]),
        ("get, block in the cache", 256 << 20, picked.get(..100).unwrap_or(&picked)),
    ] {
        let artifact = CompactArtifact::options().cache_bytes(cache).open_read_only(path)?;
        let snapshot = artifact.snapshot();
        let get = |id: &RecordId| match snapshot.get(*id)? {
            Some(entry) => Ok(entry.bytes()?.iter().fold(0u8, |a, b| a ^ b)),
            None => Err(Failure::failed(format_args!("record {} is gone", id.0))),
        };
        // What shall be in the cache is there before.
        picked.iter().try_for_each(|id| get(id).map(drop))?;
        let repeated: Vec<RecordId> = picked.iter().copied().cycle().take(count).collect();
        report.latencies.push(Latency::new(name, times(&repeated, get)?));
    }
    Ok(())
}

/// Searches of all kinds, with ten hits each, their records and snippets; no result is kept.
pub(super) fn all_kinds(
    path: &Path,
    data: &Data,
    count: usize,
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let artifact = CompactArtifact::options().result_cache_bytes(0).open_read_only(path)?;
    let snapshot = artifact.snapshot();
    let asked = searches(data, count, seed)?;
    let bar = Progress::steps(asked.len() as u64, "searches");
    for Asked { name, queries } in &asked {
        let search = |query: &Query| Ok(snapshot.search(query)?);
        report.latencies.push(Latency::new(name, times(queries, search)?));
        bar.advance(1);
    }
    drop(bar);
    let _bar = Progress::spinner("searches by threads");
    for Asked { name, queries } in asked.iter().filter(|asked| !asked.name.contains("exact")) {
        let mut points = Vec::new();
        for threads in super::thread_counts() {
            let took = shared(queries, threads, |query| Ok(snapshot.search(query).map(drop)?))?;
            points.push((threads, queries.len() as f64 / took.as_secs_f64()));
        }
        let name = format!("searches by threads: {name}");
        report.series.push(Series { name, setting: "threads", unit: Unit::PerSecond, points });
    }
    let memory = artifact.memory_stats();
    report.bytes(
        "heap of indexes and caches after all searches",
        memory.tail_bytes + memory.block_cache_bytes + memory.result_cache_bytes,
    );
    Ok(())
}

/// How many of the true neighbours a search finds, by the width of the search.
pub(super) fn recall(path: &Path, data: &Data, count: usize, report: &mut Report) -> Result<()> {
    let artifact = CompactArtifact::open_read_only(path)?;
    let snapshot = artifact.snapshot();
    let efs = [16, 32, 64, 128, 256];
    for (space, _) in &data.spaces {
        let _bar = Progress::spinner("recall");
        let found = snapshot.audit_recall(space, count, K, &efs)?;
        let points = efs.into_iter().zip(found).collect();
        let name = format!("recall at {K} in {space:?}, against an exact scan, by ef");
        report.series.push(Series { name, setting: "ef", unit: Unit::Share, points });
    }
    Ok(())
}
