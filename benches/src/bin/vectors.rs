//! What `vector-index` does beside itself: filtered searches and scans, against an exact scan of the same vectors and against reading
//! memory. Other engines are in `benches/compare`.
//!
//! `cargo run --release -p benches --bin vectors -- DATA.npy [OUT.md]`: float16, two dimensions, C order.

#![expect(
    clippy::print_stdout,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a program that prints a table of small numbers"
)]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::{Result, median, read_npy};
use vector_index::{
    AlignedBytes, BuildOptions, Builder, Codes, F16, Index, Int8Quantizer, Metric, Originals, RowSet,
    Scratch, SearchOptions, SearchPath,
};

/// Rows whose number is a multiple are queries.
const QUERIES_EVERY: usize = 59;
/// Queries that are timed.
const QUERIES: usize = 400;
const K: usize = 10;

struct Data {
    dimension: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("which .npy file?")?;
    let data = load(&path)?;
    let mut report = format!("{}\n\n", benches::machine()?.split("; `").next().unwrap_or_default());
    adding(&data, &mut report)?;
    let index = built(&data)?;
    rescoring(&data, &index, &mut report)?;
    filters(&data, &index, &mut report)?;
    bandwidth(&mut report)?;
    println!("{report}");
    if let Some(out) = args.next() {
        fs::write(out, report)?;
    }
    Ok(())
}

fn load(path: &str) -> Result<Data> {
    let (dimension, values) = read_npy(path)?;
    let (mut base, mut queries) = (Vec::new(), Vec::new());
    for (row, vector) in values.chunks_exact(dimension).enumerate() {
        let part = if row % QUERIES_EVERY == 0 { &mut queries } else { &mut base };
        part.extend_from_slice(vector);
    }
    queries.truncate(QUERIES * dimension);
    Ok(Data { dimension, base, queries })
}

fn adding(data: &Data, report: &mut String) -> Result<()> {
    let count = data.base.len() / data.dimension;
    let begun = Instant::now();
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, data.dimension)?);
    for (row, vector) in (0..).zip(data.base.chunks_exact(data.dimension)) {
        codes.push(row, vector)?;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    writeln!(report, "Quantizing {count} vectors of {}, one thread: {rate:.0} a second.\n", data.dimension)?;
    Ok(())
}

fn built(data: &Data) -> Result<Index<AlignedBytes>> {
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, data.dimension)?);
    codes.push_all(0, &data.base)?;
    Ok(Index::open(Builder::new(BuildOptions::new()).build(codes)?.to_bytes()?)?)
}

/// Median time of a search, and the rows found.
fn timed(
    index: &Index<AlignedBytes>,
    queries: &[f32],
    options: &SearchOptions<'_>,
) -> Result<(Duration, Vec<Vec<u32>>, usize)> {
    let mut scratch = Scratch::new();
    let (mut times, mut found, mut scans) = (Vec::new(), Vec::new(), 0);
    for query in queries.chunks_exact(index.quantizer().dimension()) {
        index.search(query, options, &mut scratch)?;
        let begun = Instant::now();
        let hits = index.search(query, options, &mut scratch)?;
        times.push(begun.elapsed());
        found.push(hits.iter().map(|hit| hit.row).collect());
        scans += usize::from(scratch.statistics().path != SearchPath::Graph);
    }
    Ok((median(&times), found, scans))
}

fn share_found(truth: &[Vec<u32>], found: &[Vec<u32>]) -> f64 {
    let hit = |(truth, found): (&Vec<u32>, &Vec<u32>)| truth.iter().filter(|row| found.contains(row)).count();
    let all: usize = truth.iter().map(Vec::len).sum();
    truth.iter().zip(found).map(hit).sum::<usize>() as f64 / all.max(1) as f64
}

fn rescoring(data: &Data, index: &Index<AlignedBytes>, report: &mut String) -> Result<()> {
    let halves: Vec<F16> = data.base.iter().map(|&value| F16::from_f32(value)).collect();
    let truth: Vec<Vec<u32>> =
        data.queries.chunks_exact(data.dimension).map(|query| nearest(data, query)).collect();
    let exact = SearchOptions::new(K).exact(true);
    let plain = share_found(&truth, &timed(index, &data.queries, &exact)?.1);
    let rescored =
        share_found(&truth, &timed(index, &data.queries, &exact.rescore(Originals::F16(&halves), 3 * K))?.1);
    writeln!(
        report,
        "Recall@{K} of an exact scan of int8 codes: {plain:.4}; with {} rescored from f16: {rescored:.4}.\n",
        3 * K
    )?;
    Ok(())
}

fn nearest(data: &Data, query: &[f32]) -> Vec<u32> {
    let distance = |vector| Metric::Cosine.distance(query, vector);
    let mut all: Vec<(f32, u32)> = data.base.chunks_exact(data.dimension).map(distance).zip(0..).collect();
    all.select_nth_unstable_by(K, |a, b| a.0.total_cmp(&b.0));
    all[..K].iter().map(|&(_, row)| row).collect()
}

fn filters(data: &Data, index: &Index<AlignedBytes>, report: &mut String) -> Result<()> {
    writeln!(
        report,
        "| filter | matches | search p50 us | exact scan of the matches p50 us | ratio | recall | by a scan |"
    )?;
    writeln!(report, "|---|---|---|---|---|---|---|")?;
    let count = data.base.len() / data.dimension;
    for share in [0.001, 0.01, 0.1, 0.5] {
        let matches = (count as f64 * share) as usize;
        let random = (0..count as u32)
            .filter(|&row| f64::from(row.wrapping_mul(2_654_435_761) >> 8) < share * f64::from(1 << 24));
        let centre = &data.base[..data.dimension];
        let by_distance = nearest_rows(data, centre, count);
        let clustered = by_distance.into_iter().take(matches);
        for (name, filter) in [("random", random.collect::<RowSet>()), ("clustered", clustered.collect())] {
            let options = SearchOptions::new(K).filter(&filter);
            let (scan, truth, _) = timed(index, &data.queries, &options.exact(true))?;
            let (search, found, scans) = timed(index, &data.queries, &options)?;
            let [search, scan] = [search, scan].map(|time| time.as_secs_f64() * 1e6);
            let (ratio, recall) = (search / scan, share_found(&truth, &found));
            let name = format!("{name} {} %", share * 100.0);
            let scans = scans * 100 / QUERIES;
            writeln!(
                report,
                "| {name} | {} | {search:.1} | {scan:.1} | {ratio:.2} | {recall:.4} | {scans} % |",
                filter.len()
            )?;
        }
    }
    report.push('\n');
    Ok(())
}

fn nearest_rows(data: &Data, query: &[f32], count: usize) -> Vec<u32> {
    let distance = |vector| Metric::Cosine.distance(query, vector);
    let mut all: Vec<(f32, u32)> = data.base.chunks_exact(data.dimension).map(distance).zip(0..).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().take(count).map(|(_, row)| row).collect()
}

/// An exact scan of more codes than any cache holds, beside reading as many bytes.
fn bandwidth(report: &mut String) -> Result<()> {
    const ROWS: u32 = 4_000_000;
    const DIMENSION: usize = 384;
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Dot, DIMENSION)?);
    let noise: Vec<i8> = (0..100_003u64)
        .map(|i| i8::try_from(((i * i).wrapping_mul(2_654_435_761) >> 20) % 255).unwrap_or(-90))
        .collect();
    for row in 0..ROWS {
        let at = row as usize * 7_919 % (noise.len() - DIMENSION);
        codes.push_codes(row, &noise[at..at + DIMENSION], 1.0)?;
    }
    let settings = BuildOptions::new().graph_from(usize::MAX);
    let stored = Builder::new(settings).build(codes)?.to_bytes()?;
    let index = Index::open(stored.as_ref())?;
    let query = vec![0.5; DIMENSION];
    let bytes = ROWS as usize * DIMENSION;
    let words: Vec<u64> = (0..bytes as u64 / 8).collect();
    let mut scratch = Scratch::new();
    let (mut scans, mut reads, mut opens) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..7 {
        let begun = Instant::now();
        black_box(index.search(&query, &SearchOptions::new(K).exact(true), &mut scratch)?);
        scans.push(begun.elapsed());
        let begun = Instant::now();
        black_box(sum(&words));
        reads.push(begun.elapsed());
        let begun = Instant::now();
        black_box(Index::open(stored.as_ref())?.len());
        opens.push(begun.elapsed());
    }
    let [scan, read] = [&scans, &reads].map(|times| bytes as f64 / median(times).as_secs_f64() / 1e9);
    writeln!(
        report,
        "Exact scan of {ROWS} x {DIMENSION} codes: {scan:.1} GB/s; reading as many bytes and adding them up: {read:.1} GB/s; share {:.2}. \
         Opening that index: {:.1} us.",
        scan / read,
        median(&opens).as_secs_f64() * 1e6
    )?;
    Ok(())
}

/// Eight sums, which a compiler turns into vector instructions.
fn sum(words: &[u64]) -> u64 {
    let mut sums = [0u64; 32];
    for chunk in words.as_chunks::<32>().0 {
        for (sum, word) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().fold(0, |all, &sum| all.wrapping_add(sum))
}
