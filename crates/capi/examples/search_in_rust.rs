//! Times searches through Rust, beside `bench/search.c`: `search_in_rust ARTIFACT`, which it makes if it is not there. `bench/run.sh` runs both.
#![expect(clippy::print_stdout, reason = "what it measured")]

use std::env::args_os;
use std::time::Instant;

use compact_artifact::{
    Batch, CompactArtifact, ErrorKind, Filter, Metric, Options, Query, Record, Result, SpaceOptions, json,
};

const QUERIES: usize = 3000;
const DIMENSION: usize = 64;
const RECORDS: usize = 20_000;

/// The same numbers as in C.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap_or_default() % below
    }

    fn vector(&mut self) -> Vec<f32> {
        #[expect(clippy::cast_precision_loss, reason = "less than 1,000")]
        let value = |number: u32| number as f32 / 500.0 - 1.0;
        (0..DIMENSION).map(|_| value(self.next(1000))).collect()
    }
}

fn make(path: &std::ffi::OsStr) -> Result<()> {
    let artifact = Options::new().space("v", SpaceOptions::new(DIMENSION, Metric::Cosine)).create(path)?;
    let mut numbers = Numbers(1);
    for first in (0..RECORDS).step_by(2000) {
        let mut batch = Batch::new();
        for number in first..first + 2000 {
            let words: Vec<String> = (0..30).map(|_| format!("w{}", numbers.next(2000))).collect();
            let record = Record::text(words.join(" ")).key(number.to_string());
            batch = batch.add(
                record.metadata(serde_json::json!({"n": number % 100})).embedding("v", numbers.vector()),
            );
        }
        artifact.write(batch)?;
    }
    artifact.seal()?;
    artifact.close()
}

fn main() -> Result<()> {
    let path = args_os().nth(1).unwrap_or_else(|| "search.artifact".into());
    let open = || Options::new().result_cache_bytes(0).open_read_only(&path);
    let artifact: CompactArtifact = match open() {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            make(&path)?;
            open()?
        }
        opened => opened?,
    };
    let mut numbers = Numbers(7);
    for (kind, name) in ["words", "vector", "words with filter, key and snippet"].into_iter().enumerate() {
        let (mut times, mut found) = (Vec::with_capacity(QUERIES), 0);
        for _ in 0..QUERIES {
            let vector = if kind == 1 { numbers.vector() } else { Vec::new() };
            let words = if kind == 1 {
                String::new()
            } else {
                format!("w{} w{}", numbers.next(2000), numbers.next(2000))
            };
            let start = Instant::now();
            let mut query = if kind == 1 { Query::vector("v", vector) } else { Query::words(&words) };
            if kind == 2 {
                // As a program has it that reads its filter from somewhere.
                query =
                    query.filter(Filter::from_json(&json::from_str(r#"{"n": {"$lt": 50}}"#)?)?).snippet(80);
            }
            let results = artifact.search(&query)?;
            for hit in &results.hits {
                found += hit.id.0;
                if let Some(record) = &hit.record {
                    std::hint::black_box(record.key()?);
                }
            }
            drop(results);
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        let (p50, p95) = (times[QUERIES / 2], times[QUERIES * 19 / 20]);
        println!("Rust  {name:<36} p50 {p50:7.2} us, p95 {p95:7.2} us, sum of ids {found}");
    }
    Ok(())
}
