//! What the measurements share: data, percentiles, and a line on the machine.
//!
//! The texts are those of `wordnet.jsonl.zst` in the folder `CA_DATA` (default `crates/cart/data`). The source text is one
//! file, the first argument of the programs that need it, made from Debian's `linux-source-6.1`:
//!
//! ```text
//! xz -dc /usr/src/linux-source-6.1.tar.xz | tar -xf - --to-stdout --wildcards '*.c' '*.h' '*.S' '*.rst' '*.txt' \
//!   | head -c 1073741824 > linux.txt
//! ```

#![expect(clippy::cast_precision_loss, reason = "a figure for a table")]

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use block_format::{RecordId, Snapshot, Store};
use vector_index::F16;

/// The error of a measurement: there is nobody to handle it.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The JSON lines of the `WordNet` senses.
pub fn wordnet() -> Result<String> {
    let folder = std::env::var("CA_DATA").unwrap_or_else(|_| "crates/cart/data".to_owned());
    let bytes = fs::read(Path::new(&folder).join("wordnet.jsonl.zst"))?;
    Ok(String::from_utf8(zstd::decode_all(&bytes[..])?)?)
}

/// The texts of the `WordNet` senses.
pub fn texts() -> Result<Vec<String>> {
    let lines = wordnet()?;
    let text = |line: &str| -> Result<String> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        Ok(value["text"].as_str().ok_or("a line without a text")?.to_owned())
    };
    lines.lines().map(text).collect()
}

/// The dimension and the values of a file of float16 in two dimensions, C order.
pub fn read_npy(path: impl AsRef<Path>) -> Result<(usize, Vec<f32>)> {
    let bytes = fs::read(path)?;
    let header_len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + header_len]).into_owned();
    let shape = header.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next());
    let dimension = shape.and_then(|shape| shape.split(',').nth(1)).ok_or("expected two dimensions")?;
    let values = bytes[10 + header_len..].chunks_exact(2);
    let values = values.map(|pair| F16::from_le_bytes([pair[0], pair[1]]).to_f32()).collect();
    Ok((dimension.trim().parse()?, values))
}

/// The first `len` bytes of a source text, cut at line ends into records of about `record_len` bytes.
pub fn source_records(path: &Path, len: u64, record_len: usize) -> Result<Vec<String>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(len).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut records = vec![String::new()];
    for line in text.split_inclusive('\n') {
        match records.last_mut() {
            Some(last) if last.len() < record_len => last.push_str(line),
            _ => records.push(line.to_owned()),
        }
    }
    Ok(records)
}

/// Puts all records into a new artifact at `path` in one bulk commit, and closes it.
pub fn build(path: &Path, options: block_format::Options, records: &[String]) -> Result<Duration> {
    let begun = Instant::now();
    let store = Store::create(path, options)?;
    let mut bulk = store.bulk()?;
    for record in records {
        bulk.put(record.as_bytes())?;
    }
    bulk.finish()?;
    let elapsed = begun.elapsed();
    store.close()?;
    Ok(elapsed)
}

/// Times of `count` point reads of random records, content touched.
pub fn point_reads(snapshot: &Snapshot, count: usize, seed: u64) -> Result<Vec<Duration>> {
    let mut random = Random(seed);
    let end = snapshot.next_id().0;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let id = RecordId(random.below(end));
        let begun = Instant::now();
        let record = snapshot.get(id)?.ok_or("a record is missing")?;
        black_box(record.bytes()?.iter().fold(0u8, |a, b| a ^ b));
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// A linear congruential generator: enough to pick records.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The value below which so many of 100 lie.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// The middle value.
pub fn median(times: &[Duration]) -> Duration {
    percentile(&mut times.to_vec(), 50)
}

/// A time in microseconds, for a table.
pub fn micros(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e6)
}

/// Megabytes (10^6) a second.
pub fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// Bytes of all files in a directory.
pub fn disk_len(path: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(path)? {
        total += entry?.metadata()?.len();
    }
    Ok(total)
}

/// The largest resident set of this process so far, in MiB.
pub fn peak_rss_mib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

/// Machine, date and command, in one line.
pub fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
    let cores = std::thread::available_parallelism()?;
    let date = String::from_utf8(Command::new("date").arg("+%Y-%m-%d").output()?.stdout)?;
    let command: Vec<String> = std::env::args().collect();
    let program = PathBuf::from(&command[0]);
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(format!(
        "{} x {}; {}; `{name} {}`",
        cores,
        model.trim_start_matches(['\t', ' ', ':']),
        date.trim(),
        command[1..].join(" ")
    ))
}
