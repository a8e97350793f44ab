//! Nearest-neighbour engines beside each other on the same vectors, in one run: build, size, and speed by recall.
//!
//! `cargo run --release --bin vectors -- DATA.npy`, and `benches/peers.py` for those of `PyPI`.

#![expect(clippy::cast_precision_loss, reason = "a figure for a table")]
#![expect(clippy::cast_possible_truncation, reason = "numbers of vectors fit 32 bits; codes are clamped")]

mod data;
mod engines;
mod options;
mod report;
mod sweep;
mod truth;

use std::fs;
use std::time::Instant;

use benches::Result;
use clap::Parser;
use serde_json::{Value, json};

use data::{Split, Vectors};
use engines::{BuildOptions, Engine, Index};
use options::Options;
use report::{BuildTime, Row};
use truth::Truth;

fn main() -> Result<()> {
    let options = Options::parse();
    let engines =
        options.engines.iter().map(|text| Engine::parse(text, &options)).collect::<Result<Vec<_>>>()?;
    let split = data::load(&options)?;
    let truth = Truth::load(&options, &split)?;
    let mut report = report_of(&engines, &split, &truth, &options)?;
    for path in &options.peers_json {
        report::append(&mut report, &serde_json::from_slice(&fs::read(path)?)?)?;
    }
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    println!("{}", report::markdown(&report)?);
    Ok(())
}

fn report_of(engines: &[Engine], split: &Split, truth: &Truth, options: &Options) -> Result<Value> {
    let mut rows = Vec::new();
    let mut indexes = Vec::new();
    for engine in engines {
        let (row, index) = build(engine, &split.base, options)?;
        rows.push(row);
        indexes.push(index);
    }
    let curves = sweep::sweep(&mut indexes, &split.queries, truth, options)?;
    rows.iter_mut().zip(curves).for_each(|(row, curve)| row.curve = curve);
    let file = options.data.file_name().unwrap_or_default().to_string_lossy();
    let machine = benches::machine()?; // and the command, which is left out: it has paths
    Ok(json!({
        "machine": machine.split("; `").next(),
        "data": {
            "file": file, "metric": options.metric.name(), "dim": split.base.dim,
            "base": split.base.len(), "queries": split.queries.len(),
        },
        "k": sweep::K,
        "engines": rows.iter().map(|row| row.to_json(split.base.len())).collect::<Vec<_>>(),
    }))
}

/// Builds with each number of threads; the last index is kept.
fn build(engine: &Engine, base: &Vectors, options: &Options) -> Result<(Row, Box<dyn Index>)> {
    let mut builds = Vec::new();
    let mut last = None;
    let mut resident_bytes = 0;
    for &threads in &options.threads {
        drop(last.take());
        let resident = resident_now()?;
        let (time, index) = build_with(engine, base, threads, options)?;
        resident_bytes = resident_bytes.max(resident_now()?.saturating_sub(resident));
        eprintln!("{}: {:.2} s with {threads} threads", engine.name, time.seconds);
        builds.push(time);
        last = Some(index);
    }
    let index = last.ok_or("--threads is empty")?;
    let (name, scan, bytes) = (engine.name.clone(), index.is_scan(), index.bytes()?);
    Ok((Row { name, scan, builds, bytes, resident_bytes, curve: Vec::new() }, index))
}

fn build_with(
    engine: &Engine,
    base: &Vectors,
    threads: usize,
    options: &Options,
) -> Result<(BuildTime, Box<dyn Index>)> {
    let (metric, m, ef_construction) = (options.metric, options.m, engine.ef_construction);
    let settings = BuildOptions { metric, m, ef_construction, threads };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let (begun, cpu) = (Instant::now(), cpu_seconds()?);
    let index = pool.install(|| (engine.build)(base, settings).map_err(|error| error.to_string()))?;
    let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    Ok((BuildTime { threads, seconds, cpu_seconds }, index))
}

/// Bytes resident now.
fn resident_now() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Processor time of all threads so far; the unit of the file is 10 ms everywhere.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(") ").ok_or("no name in stat")?.1;
    let ticks = after_name.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<std::result::Result<u64, _>>()? as f64 / 100.0)
}
