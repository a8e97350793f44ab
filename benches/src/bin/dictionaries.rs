//! Segments with and without dictionaries: bytes, point reads, reading in order, sealing. `dictionaries SOURCE_TEXT [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a program that prints its measurements")]

use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use benches::{
    Result, disk_len, machine, median, micros, percentile, point_reads, rate, source_records, texts,
};
use block_format::{Durability, Options, Store};

/// Records in one commit.
const BATCH: usize = 1000;

fn main() -> Result<()> {
    println!("{}\n", machine()?);
    let source = std::env::args().nth(1).map(PathBuf::from).ok_or("which source text?")?;
    let rounds = std::env::args().nth(2).map_or(Ok(5), |arg| arg.parse())?;
    println!("| data | dictionary | bytes | seal, MB/s | get p50 us | get p99 us | in order, MB/s |");
    println!("|---|---|---|---|---|---|---|");
    compare("WordNet texts", &texts()?, rounds)?;
    for record_len in [1024, 4096] {
        let name = format!("source text, 256 MiB in records of {} KiB", record_len >> 10);
        compare(&name, &source_records(&source, 256 << 20, record_len)?, rounds)?;
    }
    whole(&source, rounds)
}

fn options(dictionaries: bool) -> Options {
    let options = Options::new().auto_seal(false);
    if dictionaries { options } else { options.sealed_level(0) }
}

/// Records in commits of [`BATCH`], then sealed. Returns how long sealing took.
fn build(path: &Path, options: Options, records: &[String]) -> Result<Duration> {
    let store = Store::create(path, options)?;
    for records in records.chunks(BATCH) {
        let mut batch = store.batch();
        records.iter().try_for_each(|record| batch.put(record.as_bytes()).map(drop))?;
        store.commit(batch, Durability::Buffered)?;
    }
    let begun = Instant::now();
    store.seal()?;
    let elapsed = begun.elapsed();
    store.close()?;
    Ok(elapsed)
}

/// Rounds alternate between the two, so that a busy machine is the same for both.
fn compare(name: &str, records: &[String], rounds: u64) -> Result<()> {
    let temp = tempfile::tempdir()?;
    let raw: u64 = records.iter().map(|record| record.len() as u64).sum();
    let mut rows = Vec::new();
    for dictionaries in [false, true] {
        let path = temp.path().join(dictionaries.to_string());
        let sealed = build(&path, options(dictionaries), records)?;
        let bytes = disk_len(&path)?;
        let (store, _) = Store::open(&path, Options::new())?;
        rows.push((dictionaries, sealed, bytes, store.snapshot(), Vec::new(), Vec::new()));
    }
    for round in 0..rounds {
        for (.., snapshot, gets, orders) in &mut rows {
            point_reads(snapshot, 500, round)?;
            gets.extend(point_reads(snapshot, 5_000, round)?);
            orders.push(in_order(snapshot, raw)?);
        }
    }
    for (dictionaries, sealed, bytes, _, mut gets, orders) in rows {
        println!(
            "| {name} | {} | {bytes} | {:.0} | {} | {} | {:.0} |",
            if dictionaries { "yes" } else { "no" },
            rate(raw, sealed),
            micros(percentile(&mut gets, 50)),
            micros(percentile(&mut gets, 99)),
            rate(raw, median(&orders)),
        );
    }
    Ok(())
}

fn in_order(snapshot: &block_format::Snapshot, raw: u64) -> Result<Duration> {
    let begun = Instant::now();
    let mut read = 0;
    for record in snapshot.records() {
        read += black_box(record?.bytes()?).len() as u64;
    }
    assert_eq!(read, raw);
    Ok(begun.elapsed())
}

/// All of the source text in records of 4 KiB, sealed with dictionaries, beside `zstd -3`.
fn whole(source: &Path, rounds: u64) -> Result<()> {
    let temp = tempfile::tempdir_in(source.parent().unwrap_or(Path::new(".")))?;
    let path = temp.path().join("artifact");
    let len = fs::metadata(source)?.len();
    let records = source_records(source, len, 4096)?;
    let raw: u64 = records.iter().map(|record| record.len() as u64).sum();
    let sealed = build(&path, options(true), &records)?;
    drop(records);
    let packed = zstd::encode_all(fs::File::open(source)?, 3)?;
    let (store, _) = Store::open(&path, Options::new())?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(in_order(&store.snapshot(), raw)?);
        theirs.push(decode(&packed)?);
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    println!(
        "\nsource text of {len} bytes in records of 4 KiB: {} bytes, `zstd -3` {}",
        disk_len(&path)?,
        packed.len()
    );
    println!(
        "sealed at {:.0} MB/s, heap of the dictionaries {} bytes",
        rate(raw, sealed),
        store.snapshot().heap_bytes()
    );
    println!("in order, one thread: {:.0} MB/s, `zstd -d` {:.0} MB/s", rate(raw, ours), rate(len, theirs));
    println!("ratio: {:.2}", theirs.as_secs_f64() / ours.as_secs_f64());
    Ok(())
}

fn decode(packed: &[u8]) -> Result<Duration> {
    let begun = Instant::now();
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    let mut buf = vec![0; 1 << 20];
    while decoder.read(&mut buf)? > 0 {}
    Ok(begun.elapsed())
}
