//! Recall and time of `vector-index` on kinds of vectors that are hard in ways of their own: of graphs, and of the scan of signs.
//!
//! `cargo run --release -p benches --bin vector_kinds -- [DATA.npy]`: float16, two dimensions, C order; what near-duplicates are made of,
//! beside synthetic vectors. `ROWS` (60,000) vectors of `DIMENSION` (128) values, built by default or with `EF_CONSTRUCTION`.
//! `QUERIES` (200).

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program that prints a table of small numbers"
)]
#![allow(dead_code, clippy::unwrap_used, clippy::wildcard_imports, reason = "what it shares with the tests")]

#[path = "../../../crates/vector-index/tests/it/data.rs"]
mod data;
#[path = "../../../crates/vector-index/tests/it/kinds.rs"]
mod kinds;

use std::time::Instant;

use benches::{Result, median, micros, read_npy};
use vector_index::{AlignedBytes, BuildOptions, Builder, Index, Metric, Scratch, SearchOptions};

use crate::data::{codes, recall, rows, truth};
use crate::kinds::{KINDS, near_duplicates};

const K: usize = 10;

fn main() -> Result<()> {
    println!("{}\n", benches::machine()?.split("; `").next().unwrap_or_default());
    println!(
        "| vectors | path | build s | exact scan of codes | recall, p50 us, distances by default | at ef 64 | at ef 256 |"
    );
    println!("|---|---|---|---|---|---|---|");
    let (count, dimension) = (number("ROWS", 60_000) + queries(), number("DIMENSION", 128));
    if let Some(path) = std::env::args().nth(1) {
        let (dimension, values) = read_npy(&path)?;
        let all = values.len() / dimension;
        let picked = |part: usize| -> Vec<f32> {
            values
                .chunks_exact(dimension)
                .step_by((all / part).max(1))
                .take(part)
                .flatten()
                .copied()
                .collect()
        };
        measure(&path, &picked(count), dimension)?;
        let near = near_duplicates(&picked(count / 3), 5, count, dimension);
        measure("near-duplicates of them", &near, dimension)?;
    }
    for kind in KINDS {
        measure(&format!("{kind:?}"), &kind.vectors(5, count, dimension), dimension)?;
    }
    Ok(())
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn queries() -> usize {
    number("QUERIES", 200)
}

fn measure(name: &str, all: &[f32], dimension: usize) -> Result<()> {
    let (count, mut base, mut queries) = (queries(), Vec::new(), Vec::new());
    let step = all.len() / dimension / count;
    for (at, vector) in all.chunks_exact(dimension).enumerate() {
        let part = if at % step == 0 && queries.len() < count * dimension { &mut queries } else { &mut base };
        part.extend_from_slice(vector);
    }
    let nearest: Vec<Vec<u32>> = queries
        .chunks_exact(dimension)
        .map(|query| truth(Metric::Cosine, dimension, &base, query, K, |_| true))
        .collect();
    for (path, graph_from) in [("signs", usize::MAX), ("graph", 0)] {
        let mut options = BuildOptions::new().graph_from(graph_from);
        if std::env::var_os("EF_CONSTRUCTION").is_some() {
            options = options.ef_construction(number("EF_CONSTRUCTION", 48));
        }
        let begun = Instant::now();
        let built = Builder::new(options).build(codes(Metric::Cosine, dimension, &base))?;
        let seconds = begun.elapsed().as_secs_f64();
        let index = Index::open(built.to_bytes()?)?;
        let search = SearchOptions::new(K);
        let exact = searched(&index, &queries, &nearest, &search.exact(true))?.0;
        let figures = [search, search.ef_search(64), search.ef_search(256)]
            .map(|options| searched(&index, &queries, &nearest, &options));
        print!("| {name} | {path} | {seconds:.1} | {exact:.4} |");
        for figure in figures {
            let (recall, micros, distances) = figure?;
            print!(" {recall:.4}, {micros}, {distances} |");
        }
        println!();
    }
    Ok(())
}

/// Recall, the median of times, and the mean of distances computed.
fn searched(
    index: &Index<AlignedBytes>,
    queries: &[f32],
    nearest: &[Vec<u32>],
    options: &SearchOptions<'_>,
) -> Result<(f64, String, u64)> {
    let mut scratch = Scratch::new();
    let (mut sum, mut times, mut distances) = (0.0, Vec::new(), 0);
    for (query, nearest) in queries.chunks_exact(index.quantizer().dimension()).zip(nearest) {
        let begun = Instant::now();
        let found = rows(index.search(query, options, &mut scratch)?);
        times.push(begun.elapsed());
        sum += recall(nearest, &found);
        distances += scratch.statistics().distances;
    }
    Ok((sum / nearest.len() as f64, micros(median(&times)), distances / nearest.len() as u64))
}
