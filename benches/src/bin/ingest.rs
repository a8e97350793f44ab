//! A gigabyte of source text: streaming ingest beside `zstd -T2`, sequential read beside its decoder, and how long
//! opening takes. `ingest SOURCE_TEXT [LEVEL] [ROUNDS]`

#![expect(clippy::print_stdout, reason = "a program that prints its measurements")]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use benches::{Result, disk_len, machine, median, micros, peak_rss_mib, percentile, rate};
use block_format::{Compression, Durability, Options, RecordId, Store};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args.len() < 2 {
        return Err("usage: ingest SOURCE_TEXT [LEVEL] [ROUNDS]".into());
    }
    if args[1] == "--child" {
        return child(Path::new(&args[2]), Path::new(&args[3]), args[4].parse()?);
    }
    println!("{}\n", machine()?);
    let source = PathBuf::from(&args[1]);
    let level = args.get(2).map_or(Ok(3), |arg| arg.parse())?;
    let rounds = args.get(3).map_or(Ok(7), |arg| arg.parse())?;
    let temp = tempfile::tempdir_in(source.parent().unwrap_or(Path::new(".")))?;
    let len = fs::read(&source)?.len() as u64; // and now it is in the page cache
    let (store, packed) = (temp.path().join("artifact"), temp.path().join("packed.zst"));
    ingest(&source, len, level, rounds, &store, &packed)?;
    sequential(&store, &packed, len, rounds)?;
    opening(&store, len, temp.path())
}

fn ingest(source: &Path, len: u64, level: i32, rounds: usize, store: &Path, packed: &Path) -> Result<()> {
    let (mut ours, mut theirs, mut syncs, mut rss) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        drop(fs::remove_dir_all(store));
        let output = Command::new(std::env::current_exe()?)
            .arg("--child")
            .args([source, store])
            .arg(level.to_string())
            .output()?;
        if !output.status.success() {
            return Err(format!("the ingest failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let numbers: Vec<u64> =
            text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
        ours.push(Duration::from_nanos(numbers[0]));
        rss = rss.max(numbers[1]);
        drop(fs::remove_file(packed));
        let begun = Instant::now();
        let status = Command::new("zstd")
            .args(["-q", "-T2", &format!("-{level}")])
            .arg(source)
            .arg("-o")
            .arg(packed)
            .status()?;
        if !status.success() {
            return Err("zstd failed".into());
        }
        theirs.push(begun.elapsed());
        let begun = Instant::now();
        File::open(packed)?.sync_all()?;
        syncs.push(begun.elapsed());
    }
    let (ours, theirs, sync) = (median(&ours), median(&theirs), median(&syncs));
    println!("ingest at level {level}, 2 threads, durable, median of {rounds}: {:.0} MB/s", rate(len, ours));
    println!(
        "`zstd -{level} -T2`, not synced: {:.0} MB/s; then synced in {} us",
        rate(len, theirs),
        micros(sync)
    );
    println!("ratio: {:.2}; peak memory of the ingest: {rss} MiB", theirs.as_secs_f64() / ours.as_secs_f64());
    println!("bytes: {len} raw, {} ours, {} zstd\n", disk_len(store)?, fs::metadata(packed)?.len());
    Ok(())
}

/// The ingest in a process of its own, so that its memory is its own.
fn child(source: &Path, path: &Path, level: i32) -> Result<()> {
    let begun = Instant::now();
    let store = Store::create(path, Options::new().compression(Compression::Zstd(level)))?;
    let mut bulk = store.bulk()?;
    // Records of 4 KiB and what is left of the line, cut from a megabyte at a time.
    let mut file = File::open(source)?;
    let mut buf = Vec::with_capacity(1 << 20);
    while file.by_ref().take((1 << 20) - buf.len() as u64).read_to_end(&mut buf)? > 0 {
        let mut rest = &buf[..];
        while let Some(end) = rest.get(4096..).and_then(|rest| rest.iter().position(|&byte| byte == b'\n')) {
            let (record, behind) = rest.split_at(4096 + end + 1);
            bulk.put(record)?;
            rest = behind;
        }
        let left = rest.len();
        if left == 1 << 20 {
            return Err("a line of a megabyte: not a source text".into());
        }
        buf.drain(..buf.len() - left);
    }
    bulk.put(&buf)?;
    bulk.finish()?;
    let elapsed = begun.elapsed();
    store.close()?;
    println!("{} {}", elapsed.as_nanos(), peak_rss_mib()?);
    Ok(())
}

fn sequential(path: &Path, packed: &Path, len: u64, rounds: usize) -> Result<()> {
    let (store, _) = Store::open(path, Options::new())?;
    let packed = fs::read(packed)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut read = 0;
        for record in store.snapshot().records() {
            read += record?.bytes()?.len() as u64;
        }
        assert_eq!(read, len);
        ours.push(begun.elapsed());
        let begun = Instant::now();
        let mut decoder = zstd::stream::read::Decoder::with_buffer(&packed[..])?;
        let (mut buf, mut read) = (vec![0; 1 << 20], 0);
        loop {
            match decoder.read(&mut buf)? {
                0 => break,
                n => read += n as u64,
            }
        }
        assert_eq!(read, len);
        theirs.push(begun.elapsed());
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    println!("sequential read, one thread, median of {rounds}: {:.0} MB/s", rate(len, ours));
    println!("`zstd -d` of the whole, in memory, one thread: {:.0} MB/s", rate(len, theirs));
    println!("ratio: {:.2}\n", theirs.as_secs_f64() / ours.as_secs_f64());
    Ok(())
}

fn opening(large: &Path, large_len: u64, temp: &Path) -> Result<()> {
    let small = temp.join("small");
    let store = Store::create(&small, Options::new())?;
    for i in 0..1000u64 {
        let mut batch = store.batch();
        batch.put(&i.to_le_bytes())?;
        store.commit(batch, Durability::Buffered)?;
    }
    store.close()?;
    let large_name = format!("{} MiB", large_len >> 20);
    for (what, path) in [(&*large_name, large), ("1,000 records in the log", &small)] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let begun = Instant::now();
            let (store, _) = Store::open(path, Options::new())?;
            let found = store.snapshot().get(RecordId(500))?.is_some();
            times.push(begun.elapsed());
            assert!(found);
        }
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        println!(
            "open to first record of {what}, closed, warm: p50 {} us, p99 {} us",
            micros(p50),
            micros(p99)
        );
    }
    let mut times = Vec::new();
    for round in 0..5 {
        let path = temp.join(format!("killed-{round}"));
        let store = Store::create(&path, Options::new().compression(Compression::None).auto_seal(false))?;
        for _ in 0..60 {
            let mut batch = store.batch();
            (0..1024).try_for_each(|_| batch.put(&[7; 1000]).map(drop))?;
            store.commit(batch, Durability::Sync)?;
        }
        drop(store);
        let begun = Instant::now();
        let (store, report) = Store::open(&path, Options::new())?;
        times.push(begun.elapsed());
        assert_eq!((report.records_recovered, store.snapshot().next_id().0), (60 * 1024, 60 * 1024));
    }
    println!(
        "open after a kill with 60 MiB in the log, copied and synced: median {} us",
        micros(median(&times))
    );
    Ok(())
}
