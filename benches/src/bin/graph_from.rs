//! From how many vectors a graph is worth its build: scans and graphs of growing parts of the same vectors.
//!
//! `cargo run --release -p benches --bin graph_from -- VECTORS.npy [QUERIES.npy]`: float16, two dimensions, C order. Without a file of queries every
//! 59th row is one. A smaller part is rows at even distances, so that it is spread as the whole is.

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that prints small numbers")]

use std::time::{Duration, Instant};

use benches::{Result, machine, median, micros, read_npy};
use vector_index::{
    AlignedBytes, BuildOptions, Builder, Codes, Index, Int8Quantizer, Metric, Scratch, SearchOptions,
};

const QUERIES_EVERY: usize = 59;
const QUERIES: usize = 300;
const ROUNDS: usize = 3;
const SIZES: [usize; 10] = [1_000, 2_000, 3_000, 4_000, 6_000, 8_000, 12_000, 16_000, 24_000, 50_000];
const EFFORTS: [usize; 4] = [64, 128, 256, 512];
/// What a search for the nearest asks for, and what a list for fusion has.
const HITS: [usize; 2] = [10, 100];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (dimension, base) = read_npy(&args.next().ok_or("which .npy file?")?)?;
    let rows: Vec<&[f32]> = base.chunks_exact(dimension).collect();
    let given = args.next().map(read_npy).transpose()?;
    let (base, mut queries): (Vec<&[f32]>, Vec<&[f32]>) = match &given {
        Some((_, given)) => (rows, given.chunks_exact(dimension).collect()),
        None => {
            let (queries, base): (Vec<_>, Vec<_>) =
                rows.iter().enumerate().partition(|(row, _)| row % QUERIES_EVERY == 0);
            (base.iter().map(|(_, row)| **row).collect(), queries.iter().map(|(_, row)| **row).collect())
        }
    };
    queries.truncate(QUERIES);
    println!("{}\n\n{} queries, {dimension} values.\n", machine()?, queries.len());
    println!("| vectors | k | search | recall | p50 µs | distances | build ms | bytes a vector |");
    println!("|---|---|---|---|---|---|---|---|");
    let sizes = SIZES.iter().map(|&size| size.min(base.len()));
    let mut last = 0;
    for size in sizes.filter(|&size| size != std::mem::replace(&mut last, size)) {
        compare(&spread(&base, size), &queries)?;
    }
    Ok(())
}

/// So many rows at even distances.
fn spread<'a>(rows: &[&'a [f32]], count: usize) -> Vec<&'a [f32]> {
    (0..count).map(|at| rows[at * rows.len() / count]).collect()
}

fn compare(base: &[&[f32]], queries: &[&[f32]]) -> Result<()> {
    let (scanned, scan_build) = built(base, usize::MAX)?;
    let (walked, walk_build) = built(base, 0)?;
    for k in HITS {
        let exact = SearchOptions::new(k).exact(true);
        let truth = timed(&scanned, queries, &exact)?;
        let print = |name: &str, found: &Found, index: &Index<AlignedBytes>, build: Duration| {
            println!(
                "| {} | {k} | {name} | {:.4} | {} | {} | {:.0} | {:.0} |",
                base.len(),
                truth.portion_in(found),
                micros(found.time),
                found.distances,
                build.as_secs_f64() * 1e3,
                index.byte_len() as f64 / base.len() as f64,
            );
        };
        print("exact scan", &truth, &scanned, scan_build);
        for effort in EFFORTS {
            let options = SearchOptions::new(k).ef_search(effort);
            print(&format!("scan, ef {effort}"), &timed(&scanned, queries, &options)?, &scanned, scan_build);
            print(&format!("graph, ef {effort}"), &timed(&walked, queries, &options)?, &walked, walk_build);
        }
    }
    Ok(())
}

fn built(base: &[&[f32]], graph_from: usize) -> Result<(Index<AlignedBytes>, Duration)> {
    let begun = Instant::now();
    let mut codes = Codes::new(Int8Quantizer::new(Metric::Cosine, base[0].len())?);
    for (row, vector) in (0..).zip(base) {
        codes.push(row, vector)?;
    }
    let options = BuildOptions::new().graph_from(graph_from).parallel(false);
    let index = Index::open(Builder::new(options).build(codes)?.to_bytes()?)?;
    Ok((index, begun.elapsed()))
}

/// What a kind of search found, its median time, and the median number of distances that it computed.
struct Found {
    rows: Vec<Vec<u32>>,
    time: Duration,
    distances: u64,
}

impl Found {
    /// The portion of these rows that `other` has as well.
    fn portion_in(&self, other: &Self) -> f64 {
        let common = self.rows.iter().zip(&other.rows);
        let common: usize = common.map(|(a, b)| a.iter().filter(|row| b.contains(row)).count()).sum();
        common as f64 / self.rows.iter().map(Vec::len).sum::<usize>() as f64
    }
}

fn timed(index: &Index<AlignedBytes>, queries: &[&[f32]], options: &SearchOptions<'_>) -> Result<Found> {
    let mut scratch = Scratch::new();
    let mut found = Found { rows: Vec::new(), time: Duration::ZERO, distances: 0 };
    let (mut times, mut distances) = (vec![Vec::new(); queries.len()], Vec::new());
    for round in 0..=ROUNDS {
        for (query, times) in queries.iter().zip(&mut times) {
            let begun = Instant::now();
            let hits = index.search(query, options, &mut scratch)?;
            times.push(begun.elapsed());
            if round == 0 {
                times.clear();
                found.rows.push(hits.iter().map(|hit| hit.row).collect());
                distances.push(scratch.statistics().distances);
            }
        }
    }
    distances.sort_unstable();
    found.distances = distances[distances.len() / 2];
    found.time = median(&times.iter().map(|times| median(times)).collect::<Vec<_>>());
    Ok(found)
}
