//! Filtered searches of `vector-index`, and of the facade: time beside recall, for filters that let 0.1 to 90 % through and have more or less
//! to do with the query.
//!
//! `cargo run --release -p benches --bin vector_filters -- DATA.npy`: float16, two dimensions, C order. `ONLY=facade` or `ONLY=index`
//! measures one of the two.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a program that prints a table of small numbers"
)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use benches::{Random, Result, micros, percentile, read_npy};
use compact_artifact::{BatchOptions, Filter, Options, Query, Record, RecordId, SpaceOptions};
use serde_json::json;
use vector_index::{
    AlignedBytes, BuildOptions, Builder, Codes, Index, Int8Quantizer, Metric, RowSet, Scratch, SearchOptions,
    SearchPath,
};

/// Rows whose number is a multiple are queries.
const QUERIES_EVERY: usize = 59;
const QUERIES: usize = 200;
const K: usize = 10;
const SPACE: &str = "meaning";
/// Of 1,000 rows, so many are let through.
const PER_MILLE: [usize; 8] = [1, 5, 10, 50, 100, 200, 500, 900];

struct Data {
    dimension: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
    /// Distances of each query from all of `base`.
    distances: Vec<Vec<f32>>,
}

impl Data {
    fn count(&self) -> usize {
        self.base.len() / self.dimension
    }

    fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks_exact(self.dimension)
    }

    /// The nearest to a query that are let through.
    fn truth(&self, query: usize, allows: impl Fn(u32) -> bool) -> Vec<u32> {
        let all = self.distances[query].iter().zip(0..).filter(|&(_, row)| allows(row));
        let mut all: Vec<(f32, u32)> = all.map(|(&distance, row)| (distance, row)).collect();
        let k = K.min(all.len());
        if k < all.len() {
            all.select_nth_unstable_by(k, |a, b| a.0.total_cmp(&b.0));
        }
        all[..k].iter().map(|&(_, row)| row).collect()
    }

    /// All rows, those nearest to a row first.
    fn near_row(&self, row: u32) -> Vec<u32> {
        let vector = &self.base[row as usize * self.dimension..][..self.dimension];
        let distance = |other| Metric::Cosine.distance(vector, other);
        let distances: Vec<f32> = self.base.chunks_exact(self.dimension).map(distance).collect();
        let mut all: Vec<u32> = (0..self.count() as u32).collect();
        all.sort_by(|&a, &b| distances[a as usize].total_cmp(&distances[b as usize]));
        all
    }

    /// All rows, those nearest to a query first.
    fn by_distance(&self, query: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..self.count() as u32).collect();
        all.sort_by(|&a, &b| self.distances[query][a as usize].total_cmp(&self.distances[query][b as usize]));
        all
    }
}

/// What a search of one filter came to.
#[derive(Default)]
struct Figures {
    times: Vec<Duration>,
    found: usize,
    wanted: usize,
    /// Of the nearest by codes.
    found_by_codes: usize,
    distances: u64,
    scans: usize,
}

impl Figures {
    fn add(&mut self, time: Duration, truth: &[u32], found: &[u32]) {
        self.times.push(time);
        self.wanted += truth.len();
        self.found += truth.iter().filter(|row| found.contains(row)).count();
    }

    fn times(&mut self, name: &str) -> String {
        let [p50, p99] = [50, 99].map(|percent| percentile(&mut self.times, percent).as_secs_f64() * 1e6);
        let recall = self.found as f64 / self.wanted.max(1) as f64;
        format!("| {name} | {p50:.1} | {p99:.1} | {recall:.4} |")
    }

    fn row(&mut self, name: &str) -> String {
        let each = self.distances / self.times.len() as u64;
        let scans = self.scans * 100 / self.times.len();
        let by_codes = self.found_by_codes as f64 / self.wanted.max(1) as f64;
        format!("{} {by_codes:.4} | {each} | {scans} % |", self.times(name))
    }
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("which .npy file?")?;
    let only = std::env::var("ONLY").unwrap_or_default();
    let data = load(&path)?;
    println!("{}\n", benches::machine()?.split("; `").next().unwrap_or_default());
    if only != "facade" {
        index(&data)?;
    }
    if only != "index" {
        facade(&data)?;
    }
    Ok(())
}

fn load(path: &str) -> Result<Data> {
    let (dimension, values) = read_npy(path)?;
    let (mut base, mut queries) = (Vec::new(), Vec::new());
    for (row, vector) in values.chunks_exact(dimension).enumerate() {
        if row % QUERIES_EVERY != 0 {
            base.extend_from_slice(vector);
        } else if queries.len() < QUERIES * dimension {
            queries.extend_from_slice(vector);
        }
    }
    let distance = |query: &[f32]| {
        base.chunks_exact(dimension).map(|vector| Metric::Cosine.distance(query, vector)).collect()
    };
    let distances = queries.chunks_exact(dimension).map(distance).collect();
    Ok(Data { dimension, base, queries, distances })
}

/// Whether a row is among the random ones of a filter.
fn is_random(row: u32, per_mille: usize) -> bool {
    bucket(row) < per_mille
}

fn bucket(row: u32) -> usize {
    Random(row.into()).below(1 << 40) as usize % 1000
}

fn index(data: &Data) -> Result<()> {
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, data.dimension)?);
    codes.push_all(0, &data.base)?;
    let index = Index::open(Builder::new(BuildOptions::new()).build(codes)?.to_bytes()?)?;
    let count = data.count();
    println!(
        "| index: filter | p50 us | p99 us | recall | of codes | distances | by a scan |\n|---|---|---|---|---|---|---|"
    );
    let mut scratch = Scratch::new();
    for ef in [64, 128] {
        let mut plain = Figures::default();
        for (number, query) in data.queries().enumerate() {
            let options = SearchOptions::new(K).ef_search(ef);
            let truth = data.truth(number, |_| true);
            measure(&mut plain, &truth, &mut scratch, &index, query, &options)?;
        }
        println!("{}", plain.row(&format!("none, ef {ef}")));
    }
    let orders: Vec<Vec<u32>> = (0..QUERIES).map(|query| data.by_distance(query)).collect();
    let far: Vec<Vec<u32>> = orders.iter().map(|order| data.near_row(order[count - 1])).collect();
    for per_mille in PER_MILLE {
        let matches = count * per_mille / 1000;
        let random: RowSet = (0..count as u32).filter(|&row| is_random(row, per_mille)).collect();
        for kind in ["random", "clustered", "correlated", "anti-correlated"] {
            let mut figures = Figures::default();
            for (number, query) in data.queries().enumerate() {
                let filter: RowSet = match kind {
                    "random" => random.clone(),
                    // The neighbourhood of another query.
                    "clustered" => orders[(number * 7 + 1) % QUERIES][..matches].iter().copied().collect(),
                    "correlated" => orders[number][..matches].iter().copied().collect(),
                    // The neighbourhood of the vector that is farthest from the query.
                    _ => far[number][..matches].iter().copied().collect(),
                };
                let truth = data.truth(number, |row| filter.contains(row));
                let options = SearchOptions::new(K).filter(&filter);
                measure(&mut figures, &truth, &mut scratch, &index, query, &options)?;
            }
            println!("{}", figures.row(&format!("{kind} {} %", per_mille as f64 / 10.0)));
        }
    }
    println!();
    Ok(())
}

/// The time of a search, the second time it is made.
fn measure(
    figures: &mut Figures,
    truth: &[u32],
    scratch: &mut Scratch,
    index: &Index<AlignedBytes>,
    query: &[f32],
    options: &SearchOptions<'_>,
) -> Result<()> {
    index.search(query, options, scratch)?;
    let begun = Instant::now();
    let found: Vec<u32> = index.search(query, options, scratch)?.iter().map(|hit| hit.row).collect();
    figures.add(begun.elapsed(), truth, &found);
    figures.distances += scratch.statistics().distances;
    figures.scans += usize::from(scratch.statistics().path != SearchPath::Graph);
    let exact = index.search(query, &options.exact(true), scratch)?;
    figures.found_by_codes += exact.iter().filter(|hit| found.contains(&hit.row)).count();
    Ok(())
}

fn facade(data: &Data) -> Result<()> {
    let temp = tempfile::tempdir_in(std::env::var("TMP_DIR").unwrap_or_else(|_| "/tmp".to_owned()))?;
    let path = temp.path().join("filters.artifact");
    let artifact =
        Options::new().space(SPACE, SpaceOptions::new(data.dimension, Metric::Cosine)).create(&path)?;
    let writer = artifact.batch_writer(BatchOptions::new().batch_size(5_000))?;
    for (row, vector) in (0u32..).zip(data.base.chunks_exact(data.dimension)) {
        let bucket = bucket(row);
        let metadata = json!({"bucket": bucket, "half": bucket < 500});
        writer.add(Record::text(row.to_string()).metadata(metadata).embedding(SPACE, vector.to_vec()))?;
    }
    writer.finish()?;
    artifact.seal()?;
    artifact.close()?;
    println!(
        "| facade: filter | p50 us | p99 us | recall | p50 us, asked for the first time |\n|---|---|---|---|---|"
    );
    let open = |bytes| Options::new().result_cache_bytes(bytes).open_read_only(&path);
    let (kept, first) = (open(16 << 20)?, open(0)?);
    let row_of: HashMap<RecordId, u32> = kept
        .records()
        .map(|entry| {
            let entry = entry?;
            Ok((entry.id(), entry.text().unwrap_or_default().parse()?))
        })
        .collect::<Result<_>>()?;
    let below = |per_mille: usize| Filter::field("bucket").lt(per_mille as u64);
    let mut filters = vec![("none".to_owned(), None, 1000)];
    filters.push(("half = true".to_owned(), Some(Filter::field("half").eq(true)), 500));
    filters.extend(
        PER_MILLE.map(|per_mille| (format!("bucket < {per_mille}"), Some(below(per_mille)), per_mille)),
    );
    for (name, filter, per_mille) in &filters {
        for ef in [64, 128] {
            let (mut again, mut alone) = (Figures::default(), Figures::default());
            for (number, vector) in data.queries().enumerate() {
                let mut query = Query::vector(SPACE, vector.to_vec()).ef_search(ef);
                if let Some(filter) = filter {
                    query = query.filter(filter.clone());
                }
                for (artifact, figures) in [(&kept, &mut again), (&first, &mut alone)] {
                    // Another query of the same way, so that no ranking is kept.
                    artifact.search(&query.clone().k(K + 1))?;
                    let query = query.clone().k(K);
                    let begun = Instant::now();
                    let found = artifact.search(&query)?;
                    let time = begun.elapsed();
                    let found: Vec<u32> = found.hits.iter().map(|hit| row_of[&hit.id]).collect();
                    figures.add(time, &data.truth(number, |row| is_random(row, *per_mille)), &found);
                }
            }
            println!(
                "{} {} |",
                again.times(&format!("{name}, ef {ef}")),
                micros(percentile(&mut alone.times, 50))
            );
        }
    }
    Ok(())
}
