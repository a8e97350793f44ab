//! Block length × zstd level: ratio, framing, write rate, point-read latency. `block_size [SOURCE_TEXT]`

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that prints a table")]

use std::path::{Path, PathBuf};

use benches::{Result, build, machine, median, micros, percentile, point_reads, rate, source_records, texts};
use block_format::{Compression, Options, Store, VerifyLevel, verify};

fn main() -> Result<()> {
    println!("{}\n", machine()?);
    let source = std::env::args().nth(1).map(PathBuf::from).ok_or("which source text?")?;
    grid("WordNet texts, a record each", &texts()?)?;
    grid("Linux sources, 64 MiB in records of about 1 KiB", &source_records(&source, 64 << 20, 1024)?)
}

fn grid(name: &str, records: &[String]) -> Result<()> {
    let raw: u64 = records.iter().map(|record| record.len() as u64).sum();
    println!("**{name}**: {} records, {:.1} MB\n", records.len(), raw as f64 / 1e6);
    println!("| block | level | ratio | framing % | write MB/s | get p50 us | get p99 us |");
    println!("|---|---|---|---|---|---|---|");
    for block_len in [4, 8, 16, 32, 48, 64] {
        for level in [1, 3, 6, 9] {
            let temp = tempfile::tempdir()?;
            let options = Options::new().block_len(block_len << 10).compression(Compression::Zstd(level));
            let mut times = Vec::new();
            for round in 0..3 {
                let path = temp.path().join(round.to_string());
                times.push(build(&path, options.clone(), records)?);
            }
            row(&temp.path().join("0"), block_len, level, raw, rate(raw, median(&times)))?;
        }
    }
    println!();
    Ok(())
}

fn row(path: &Path, block_len: u32, level: i32, raw: u64, write: f64) -> Result<()> {
    let blocks = verify(path, VerifyLevel::Headers)?.blocks;
    let (store, _) = Store::open(path, Options::new())?;
    let snapshot = store.snapshot();
    let disk: u64 = snapshot.segments().iter().map(|segment| segment.len).sum();
    // Header and table entry of each block; header and footer of each segment.
    let framing = blocks * (32 + 12) + snapshot.segments().len() as u64 * (4096 + 96);
    point_reads(&snapshot, 2_000, 1)?;
    let mut times = point_reads(&snapshot, 20_000, 2)?;
    println!(
        "| {block_len} KiB | {level} | {:.3} | {:.2} | {write:.0} | {} | {} |",
        raw as f64 / disk as f64,
        framing as f64 * 100.0 / disk as f64,
        micros(percentile(&mut times, 50)),
        micros(percentile(&mut times, 99)),
    );
    Ok(())
}
