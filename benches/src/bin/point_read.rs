//! A point read beside the mere decoding of a block like the one it reads. `point_read [SOURCE_TEXT]`

#![expect(clippy::print_stdout, reason = "a program that prints its measurements")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use benches::{Random, Result, build, machine, micros, percentile, point_reads, source_records, texts};
use block_format::{Options, Store};

const BLOCK_LEN: usize = 48 << 10;

fn main() -> Result<()> {
    println!("{}\n", machine()?);
    let source = std::env::args().nth(1).map(PathBuf::from).ok_or("which source text?")?;
    println!("| data | get p50 us | decode p50 us | ratio | get p99 us | decode p99 us |");
    println!("|---|---|---|---|---|---|");
    compare("WordNet texts", &texts()?)?;
    compare("Linux sources, up to 256 MiB", &source_records(&source, 256 << 20, 4096)?)
}

fn compare(name: &str, records: &[String]) -> Result<()> {
    let temp = tempfile::tempdir()?;
    let path = temp.path().join("artifact");
    build(&path, Options::new(), records)?;
    let (store, _) = Store::open(&path, Options::new())?;
    let snapshot = store.snapshot();
    let blocks = blocks(records)?;
    let (mut gets, mut decodes) = (Vec::new(), Vec::new());
    for round in 0..20 {
        gets.extend(point_reads(&snapshot, 2_000, round)?);
        decodes.extend(decode(&blocks, 2_000, round)?);
    }
    let (get, only) = (percentile(&mut gets, 50), percentile(&mut decodes, 50));
    println!(
        "| {name} | {} | {} | {:.2} | {} | {} |",
        micros(get),
        micros(only),
        get.as_secs_f64() / only.as_secs_f64(),
        micros(percentile(&mut gets, 99)),
        micros(percentile(&mut decodes, 99)),
    );
    Ok(())
}

/// The same records packed into blocks of the same length and compressed alike, with nothing around them.
fn blocks(records: &[String]) -> Result<Vec<(usize, Vec<u8>)>> {
    let mut compressor = zstd::bulk::Compressor::new(3)?;
    let mut blocks = Vec::new();
    let mut raw = Vec::new();
    for record in records {
        if !raw.is_empty() && raw.len() + record.len() > BLOCK_LEN {
            blocks.push((raw.len(), compressor.compress(&raw)?));
            raw.clear();
        }
        raw.extend_from_slice(record.as_bytes());
    }
    blocks.push((raw.len(), compressor.compress(&raw)?));
    Ok(blocks)
}

fn decode(blocks: &[(usize, Vec<u8>)], count: usize, seed: u64) -> Result<Vec<Duration>> {
    let mut decompressor = zstd::bulk::Decompressor::new()?;
    let mut random = Random(seed);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let (len, stored) = &blocks[usize::try_from(random.below(blocks.len() as u64))?];
        let begun = Instant::now();
        black_box(decompressor.decompress(stored, *len)?);
        times.push(begun.elapsed());
    }
    Ok(times)
}
