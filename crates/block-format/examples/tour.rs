//! A minute with block-format on real data: store 117,659 texts, read them back, kill a writer, flip a bit.
//!
//! `cargo run --release -p block-format --example tour`

#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a program that shows figures")]
#![expect(clippy::disallowed_methods, reason = "it damages a file on purpose")]

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use block_format::{Options, RecordId, Store, VerifyLevel, salvage, verify};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--write-until-killed") {
        return write_until_killed(Path::new(&args[2]));
    }
    let temp = tempfile::tempdir()?;
    let path = temp.path().join("texts.artifact");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cart/data/wordnet.jsonl.zst");
    let bytes = fs::read(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    let texts = zstd::decode_all(&bytes[..])?;
    let lines: Vec<&[u8]> = texts.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();

    let begun = Instant::now();
    let store = Store::create(&path, Options::new())?;
    let mut bulk = store.bulk()?;
    for line in &lines {
        bulk.put(line)?;
    }
    let receipt = bulk.finish()?;
    let elapsed = begun.elapsed();
    store.close()?;
    let disk = disk_len(&path)?;
    println!(
        "stored   {} records, {:.1} MB as {:.1} MB, on disk in {:.0} ms ({:.0} MB/s)",
        receipt.records,
        texts.len() as f64 / 1e6,
        disk as f64 / 1e6,
        elapsed.as_secs_f64() * 1e3,
        texts.len() as f64 / 1e6 / elapsed.as_secs_f64()
    );
    read_back(&path, &lines)?;
    kill(&temp.path().join("killed.artifact"))?;
    damage(&path, temp.path())?;
    println!("done     next: the crate page (`cargo doc --open -p block-format`) and docs/ARCHITECTURE.md");
    Ok(())
}

fn read_back(path: &Path, lines: &[&[u8]]) -> Result<()> {
    let begun = Instant::now();
    let (store, _) = Store::open(path, Options::new())?;
    let snapshot = store.snapshot();
    let first = snapshot.get(RecordId(0))?.ok_or("the first record is missing")?;
    println!("opened   and read record 0 in {:.2} ms: {}", millis(begun), shown(&first.bytes()?));
    let mut times = Vec::new();
    for i in 0..10_000u64 {
        let id = i * 7_919 % lines.len() as u64;
        let begun = Instant::now();
        let record = snapshot.get(RecordId(id))?.ok_or("a record is missing")?;
        let bytes = record.bytes()?;
        times.push(begun.elapsed());
        assert_eq!(bytes, lines[usize::try_from(id)?], "record {id}");
    }
    times.sort_unstable();
    println!(
        "read     10,000 random records, each as it was: p50 {:?}, p99 {:?}",
        times[5_000], times[9_900]
    );
    Ok(())
}

/// A writer in another process is killed in the middle of its work.
fn kill(path: &Path) -> Result<()> {
    let program = std::env::current_exe()?;
    let mut writer =
        Command::new(program).arg("--write-until-killed").arg(path).stdout(Stdio::piped()).spawn()?;
    let output = BufReader::new(writer.stdout.take().ok_or("no output")?);
    let begun = Instant::now();
    let mut acknowledged = 0u64;
    for line in output.lines() {
        let Ok(number) = line?.parse::<u64>() else { continue };
        acknowledged = number + 1;
        if begun.elapsed() > Duration::from_millis(300) {
            writer.kill()?;
        }
    }
    writer.wait()?;
    let (store, report) = Store::open(path, Options::new())?;
    let found = store.snapshot().records().flatten().count() as u64;
    assert!(found >= acknowledged, "{found} of {acknowledged}");
    println!(
        "killed   a writer that had acknowledged {acknowledged} commits: {found} are there, {} bytes of torn tail dropped",
        report.dropped_len
    );
    Ok(())
}

fn write_until_killed(path: &Path) -> Result<()> {
    let store = Store::create(path, Options::new())?;
    let mut out = std::io::stdout().lock();
    loop {
        let id = store.put(b"acknowledged when the number is printed")?;
        writeln!(out, "{id}")?;
        out.flush()?;
    }
}

/// One bit of a sealed segment is flipped.
fn damage(path: &Path, temp: &Path) -> Result<()> {
    let segment = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .find(|file| file.as_ref().is_ok_and(|file| file.to_string_lossy().contains("segment-")))
        .ok_or("no segment")??;
    let mut bytes = fs::read(&segment)?;
    bytes[1_000_000] ^= 1;
    fs::write(&segment, bytes)?;
    let report = verify(path, VerifyLevel::Checksums)?;
    for damage in &report.damage {
        println!("flipped  one bit; verify: {}", damage.to_string().replace(&*path.to_string_lossy(), "…"));
    }
    let saved: PathBuf = temp.join("saved.artifact");
    let salvaged = salvage(path, &saved, Options::new())?;
    println!("salvaged {} of 117659 records; only that block is lost", salvaged.records);
    Ok(())
}

fn disk_len(path: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(path)? {
        total += entry?.metadata()?.len();
    }
    Ok(total)
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    format!("{}…", text.chars().take(60).collect::<String>())
}
