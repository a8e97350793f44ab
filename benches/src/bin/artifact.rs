//! The facade end to end, on real texts with metadata, words and vectors: ingest, disk, open, search, memory, space after deletes.
//!
//! `cargo run --release -p benches --bin artifact -- VECTORS.npy [OUT.md]`: float16, row i belongs to line i of the texts.
//! With `MEMORY_LIMIT=64` (MiB) everything runs under that limit. Where there are more vectors than texts, as in a set that `derive.py grow` made, further
//! texts are the halves of two: such a record has the length, the words and the metadata of a real one, and a text that no other has.
//! With `QUERIES=100`, as many queries of each kind instead of 1,000: of ten million vectors the exact scan, which tells the recall, takes a second each.
//! With `KEEP=FOLDER` the artifact is made there and stays, whole; where it is found, it is not made again.

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that prints small numbers")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::{Random, Result, percentile};
use compact_artifact::{
    BatchOptions, CompactArtifact, Durability, Filter, Metric, Options, Query, Record, RecordId, SpaceOptions,
};
use peak_alloc::PeakAlloc;
use vector_index::F16;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The query of a row.
type Kind<'a> = Box<dyn Fn(usize) -> Result<Query> + 'a>;

const SPACE: &str = "meaning";
const MIB: f64 = 1024.0 * 1024.0;
/// Rows whose number is a multiple are left out, and are queries.
const QUERIES_EVERY: usize = 59;

struct Data {
    /// A key, a definition and metadata each.
    lines: Vec<serde_json::Value>,
    vectors: File,
    /// Where the values begin in the file.
    begin: usize,
    count: usize,
    dimension: usize,
}

impl Data {
    fn vector(&self, row: usize) -> std::io::Result<Vec<f32>> {
        let mut values = vec![0; self.dimension * 2];
        self.vectors.read_exact_at(&mut values, (self.begin + row * self.dimension * 2) as u64)?;
        Ok(values.as_chunks().0.iter().map(|&pair| F16::from_le_bytes(pair).to_f32()).collect())
    }

    fn record(&self, row: usize) -> std::io::Result<Record> {
        Ok(Record::text(self.text(row))
            .key(self.key(row))
            .metadata(self.lines[row % self.lines.len()]["metadata"].clone())
            .embedding(SPACE, self.vector(row)?))
    }

    fn key(&self, row: usize) -> String {
        let (round, line) = (row / self.lines.len(), row % self.lines.len());
        let key = self.lines[line]["key"].as_str().unwrap_or_default();
        if round == 0 { key.to_owned() } else { format!("{key}.{round}") }
    }

    /// The text of a line; in further rounds its first half, and the second of a line that is as far on as there were rounds, times a prime.
    fn text(&self, row: usize) -> String {
        let (round, line) = (row / self.lines.len(), row % self.lines.len());
        let text = |line: usize| self.lines[line]["text"].as_str().unwrap_or_default();
        if round == 0 {
            return text(line).to_owned();
        }
        let (first, second) = (text(line), text((line + round * 7_919) % self.lines.len()));
        let (first, second): (Vec<&str>, Vec<&str>) =
            (first.split(' ').collect(), second.split(' ').collect());
        [&first[..first.len().div_ceil(2)], &second[second.len() / 2..]].concat().join(" ")
    }

    fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).filter(|row| row % QUERIES_EVERY != 0)
    }

    fn queries(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.count).step_by(QUERIES_EVERY)
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let first = args.next().ok_or("which .npy file?")?;
    if first == "--open" {
        let path = PathBuf::from(args.next().ok_or("which artifact?")?);
        return open_and_search(
            &path,
            args.map(|value| value.parse()).collect::<std::result::Result<_, _>>()?,
        );
    }
    let data = load(&first)?;
    let mut report = format!("{}\n\n", benches::machine()?.split("; `").next().unwrap_or_default());
    let kept = std::env::var("KEEP").map(PathBuf::from);
    let temp = tempfile::tempdir_in(std::env::var("TMP_DIR").unwrap_or_else(|_| "/tmp".to_owned()))?;
    let path = kept.clone().unwrap_or_else(|_| temp.path().join("words.artifact"));
    if !path.exists() {
        ingest(&data, &path, &mut report)?;
    }
    disk(&path, &mut report)?;
    opening(&data, &path, &mut report)?;
    searching(&data, &path, &mut report)?;
    if kept.is_err() {
        compacting(&path, &mut report)?;
    }
    println!("{report}");
    if let Some(out) = args.next() {
        fs::write(out, report)?;
    }
    Ok(())
}

fn load(path: &str) -> Result<Data> {
    let lines: Vec<serde_json::Value> =
        benches::wordnet()?.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let vectors = File::open(path)?;
    let mut start = [0; 10];
    vectors.read_exact_at(&mut start, 0)?;
    let begin = start.len() + usize::from(u16::from_le_bytes([start[8], start[9]]));
    let mut header = vec![0; begin - start.len()];
    vectors.read_exact_at(&mut header, start.len() as u64)?;
    let header = String::from_utf8_lossy(&header).into_owned();
    let mut shape = header.split(['(', ',', ')']).filter_map(|part| part.trim().parse().ok());
    let (Some(count), Some(dimension)) = (shape.next(), shape.next()) else {
        return Err("an array of two dimensions was expected".into());
    };
    Ok(Data { lines, vectors, begin, count, dimension })
}

/// Of each kind.
fn queries() -> usize {
    std::env::var("QUERIES").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000)
}

fn options() -> Options {
    let options = Options::new();
    match std::env::var("MEMORY_LIMIT").ok().and_then(|limit| limit.parse::<usize>().ok()) {
        Some(limit) => options.memory_limit(limit << 20).cache_bytes(4 << 20),
        None => options,
    }
}

/// Heap that a step takes beyond what was there before, at its peak.
fn peak_of<T>(step: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let value = step()?;
    Ok((value, HEAP.peak_usage().saturating_sub(before) as f64 / MIB))
}

fn ingest(data: &Data, path: &Path, report: &mut String) -> Result<()> {
    let begun = Instant::now();
    let artifact = options().space(SPACE, SpaceOptions::new(data.dimension, Metric::Cosine)).create(path)?;
    let ((), peak) = peak_of(|| {
        let writer = artifact.batch_writer(BatchOptions::new().batch_size(5_000))?;
        let rows: Vec<usize> = data.rows().collect();
        std::thread::scope(|threads| {
            let add = |rows: &[usize]| {
                rows.iter().try_for_each(|&row| {
                    let record = data.record(row).map_err(|err| err.to_string())?;
                    writer.add(record).map_err(|err| err.to_string())
                })
            };
            let halves = rows.split_at(rows.len() / 2);
            let other = threads.spawn(move || add(halves.1));
            add(halves.0).and(other.join().unwrap_or(Ok(())))
        })?;
        writer.finish()?;
        writeln!(report, "Records are found after {:.2} s,", begun.elapsed().as_secs_f64())?;
        artifact.seal()?;
        Ok(())
    })?;
    artifact.close()?;
    let seconds = begun.elapsed().as_secs_f64();
    let count = data.rows().count();
    writeln!(
        report,
        "everything of {count} records is indexed, sealed and closed after {seconds:.2} s ({:.0} records/s); peak heap {peak:.1} MiB\n",
        count as f64 / seconds
    )?;
    Ok(())
}

fn disk(path: &Path, report: &mut String) -> Result<()> {
    let artifact = CompactArtifact::open_read_only(path)?;
    let stats = artifact.stats();
    let space = &stats.spaces[0];
    let on_disk = folder_len(path)?;
    let needed = stats.segment_bytes + space.bytes;
    writeln!(report, "| on disk | bytes | a record |\n|---|---|---|")?;
    let parts = [
        ("records, compressed", stats.segment_bytes),
        ("codes", space.bytes - space.graph_bytes),
        ("links", space.graph_bytes),
        ("words", stats.words_bytes),
        ("metadata and keys", stats.filters_bytes),
        ("all files", on_disk),
    ];
    for (name, bytes) in parts {
        writeln!(report, "| {name} | {bytes} | {:.1} |", bytes as f64 / stats.records as f64)?;
    }
    writeln!(
        report,
        "\nAll files / (records + codes + links): {:.3}; shards: {}\n",
        on_disk as f64 / needed as f64,
        stats.shards
    )?;
    Ok(())
}

fn folder_len(path: &Path) -> Result<u64> {
    let mut len = 0;
    for entry in fs::read_dir(path)? {
        len += entry?.metadata()?.len();
    }
    Ok(len)
}

/// In a new process: from nothing to the first hit.
fn open_and_search(path: &Path, vector: Vec<f32>) -> Result<()> {
    let begun = Instant::now();
    let artifact = CompactArtifact::open_read_only(path)?;
    let opened = begun.elapsed();
    let found = artifact.search(&Query::words("small domestic animal").fetch(true))?;
    let first = begun.elapsed();
    artifact.search(&Query::vector(SPACE, vector).fetch(true))?;
    println!(
        "{} {} {} {}",
        opened.as_nanos(),
        first.as_nanos(),
        begun.elapsed().as_nanos(),
        found.hits.len()
    );
    Ok(())
}

fn opening(data: &Data, path: &Path, report: &mut String) -> Result<()> {
    let mut times: [Vec<Duration>; 3] = Default::default();
    for row in data.queries().take(21) {
        let mut child = std::process::Command::new(std::env::current_exe()?);
        child.arg("--open").arg(path).args(data.vector(row)?.iter().map(f32::to_string));
        let output = child.output()?;
        let text = String::from_utf8(output.stdout)?;
        for (times, word) in times.iter_mut().zip(text.split_whitespace()) {
            times.push(Duration::from_nanos(word.parse()?));
        }
    }
    let [open, first, both] = times.each_mut().map(|times| percentile(times, 50).as_secs_f64() * 1e3);
    writeln!(
        report,
        "New process, warm page cache, median of 21: open {open:.2} ms, first result {first:.2} ms (words), {both:.2} ms with vectors too\n"
    )?;
    Ok(())
}

fn searching(data: &Data, path: &Path, report: &mut String) -> Result<()> {
    let ((), peak) = peak_of(|| {
        let artifact = options().result_cache_bytes(0).open_read_only(path)?;
        writeln!(report, "| search, k = 10 | p50 ms | p90 ms | p99 ms | recall |\n|---|---|---|---|---|")?;
        let text = |row: usize| data.text(row).split(':').next_back().unwrap_or_default().to_owned();
        let filter = |share: u64| Filter::field("topic").lt(share);
        let near = |row: usize| Ok(Query::vector(SPACE, data.vector(row)?));
        let both = |row: usize| Ok(Query::words(&text(row)).and_vector(SPACE, data.vector(row)?));
        let kinds: [(&str, Kind<'_>); 7] = [
            ("words, a definition as the query", Box::new(|row| Ok(Query::words(&text(row))))),
            (
                "words, two of them",
                Box::new(|row| {
                    let text = text(row);
                    Ok(Query::words(&text.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" ")))
                }),
            ),
            ("vector", Box::new(near)),
            ("vector and filter", Box::new(move |row| Ok(near(row)?.filter(filter(3))))),
            ("words and vector", Box::new(both)),
            ("words and vector, records fetched", Box::new(move |row| Ok(both(row)?.fetch(true)))),
            (
                "words, vector, filter, snippets",
                Box::new(move |row| Ok(both(row)?.filter(filter(10)).snippet(120))),
            ),
        ];
        for (name, query) in &kinds {
            let (mut times, mut same, mut wanted) = (Vec::new(), 0, 0);
            // Warm searches: what is verified or faulted in when it is first used was.
            for row in data.queries().take(queries()) {
                artifact.search(&query(row)?)?;
            }
            for row in data.queries().take(queries()) {
                let query = query(row)?;
                let begun = Instant::now();
                let found = artifact.search(&query)?;
                times.push(begun.elapsed());
                if *name == "vector" || *name == "vector and filter" {
                    let truth = artifact.search(&query.exact(true))?;
                    let ids: Vec<RecordId> = truth.hits.iter().map(|hit| hit.id).collect();
                    wanted += ids.len();
                    same += found.hits.iter().filter(|hit| ids.contains(&hit.id)).count();
                }
            }
            let [p50, p90, p99] =
                [50, 90, 99].map(|percent| percentile(&mut times, percent).as_secs_f64() * 1e3);
            let recall = if wanted > 0 {
                format!("{:.4} of the exact scan", same as f64 / wanted as f64)
            } else {
                String::new()
            };
            writeln!(report, "| {name} | {p50:.3} | {p90:.3} | {p99:.3} | {recall} |")?;
        }
        let mut random = Random(7);
        for (name, cached) in [("get by id", false), ("get by id, cached", true), ("get by key", true)] {
            let mut times = Vec::new();
            for _ in 0..2_000 {
                let id = RecordId(random.below(100_000));
                let key = data.key(usize::try_from(random.below(100_000))?);
                if cached {
                    artifact.get(id)?;
                } else {
                    artifact.release_memory();
                }
                let begun = Instant::now();
                let found =
                    if name == "get by key" { artifact.get_by_key(&key)? } else { artifact.get(id)? };
                std::hint::black_box(&found);
                times.push(begun.elapsed());
            }
            let [p50, p90, p99] =
                [50, 90, 99].map(|percent| percentile(&mut times, percent).as_secs_f64() * 1e3);
            writeln!(report, "| {name} | {p50:.4} | {p90:.4} | {p99:.4} | |")?;
        }
        Ok(())
    })?;
    writeln!(report, "\nPeak heap of opening and all these searches: {peak:.1} MiB\n")?;
    Ok(())
}

fn compacting(path: &Path, report: &mut String) -> Result<()> {
    const BUDGET: usize = 32 << 20;
    // Half would be reason enough to compact while it is deleted.
    let artifact = options().durability(Durability::Buffered).auto_compact(None).open(path)?;
    let before = folder_len(path)?;
    let ids: Vec<RecordId> = artifact.records().map(|entry| Ok(entry?.id())).collect::<Result<_>>()?;
    let mut batch = compact_artifact::Batch::new();
    for id in ids.iter().step_by(2) {
        batch = batch.delete(*id);
    }
    artifact.write(batch)?;
    artifact.release_memory();
    let peak_disk = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watcher = {
        let (path, peak_disk, stop) = (path.to_owned(), peak_disk.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let len = folder_len(&path).unwrap_or(0);
                peak_disk.fetch_max(len, std::sync::atomic::Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        })
    };
    let begun = Instant::now();
    let (done, peak) = peak_of(|| Ok(artifact.compact(BUDGET)?))?;
    let seconds = begun.elapsed().as_secs_f64();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    drop(watcher.join());
    let after = folder_len(path)?;
    let stats = artifact.stats();
    let live = stats.live_bytes;
    artifact.close()?;
    writeln!(
        report,
        "Half deleted, then compact({} MiB): {:.1} -> {:.1} MiB in {seconds:.2} s ({} shards now); files / live bytes {:.3}; peak heap {peak:.1} MiB; \
         extra disk at the most {:.1} MiB; {} records dropped",
        BUDGET >> 20,
        before as f64 / MIB,
        after as f64 / MIB,
        stats.shards,
        after as f64 / live as f64,
        (peak_disk.load(std::sync::atomic::Ordering::Relaxed).saturating_sub(before)) as f64 / MIB,
        done.records_dropped,
    )?;
    Ok(())
}
