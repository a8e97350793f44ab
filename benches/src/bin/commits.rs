//! Commits of 1,000 records of the facade: text, metadata, key and vector. `commits VECTORS.npy [COMMITS]`
//!
//! Nothing is sealed. Run it under `valgrind --tool=callgrind` with two counts of commits: the difference is that of commits.

#![expect(clippy::print_stdout, reason = "a program that prints its measurements")]

use std::fs;
use std::time::Instant;

use benches::{Result, machine, micros, percentile, wordnet};
use compact_artifact::{Batch, Durability, Maintenance, Metric, Options, Record, SpaceOptions};
use vector_index::F16;

const BATCH: usize = 1_000;
const SPACE: &str = "meaning";

fn main() -> Result<()> {
    println!("{}\n", machine()?);
    let vectors = std::env::args().nth(1).ok_or("which .npy file?")?;
    let commits = std::env::args().nth(2).map_or(Ok(50), |arg| arg.parse())?;
    let bytes = fs::read(vectors)?;
    let header_len = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = wordnet()?;
    let lines: Vec<&str> = text.lines().collect();
    let row_len = (bytes.len() - header_len) / lines.len();
    let record = |row: usize| -> Result<Record> {
        let line: serde_json::Value = serde_json::from_str(lines[row])?;
        let values = bytes[header_len + row * row_len..][..row_len].as_chunks().0;
        let vector: Vec<f32> = values.iter().map(|&pair| F16::from_le_bytes(pair).to_f32()).collect();
        Ok(Record::text(line["text"].as_str().unwrap_or_default())
            .key(line["key"].as_str().unwrap_or_default())
            .metadata(line["metadata"].clone())
            .embedding(SPACE, vector))
    };
    println!("| durability | commit of {BATCH}, p50 us | p90 us |");
    println!("|---|---|---|");
    for durability in [Durability::Sync, Durability::Buffered] {
        let temp = tempfile::tempdir()?;
        let options = Options::new().space(SPACE, SpaceOptions::new(row_len / 2, Metric::Cosine));
        let artifact = options.maintenance(Maintenance::Manual).create(temp.path().join("a"))?;
        let mut times = Vec::new();
        for commit in 0..commits {
            let mut batch = Batch::new().durability(durability);
            for row in commit * BATCH..(commit + 1) * BATCH {
                batch = batch.add(record(row % lines.len())?.key(format!("{row}")));
            }
            let begun = Instant::now();
            artifact.write(batch)?;
            times.push(begun.elapsed());
        }
        let (p50, p90) = (percentile(&mut times, 50), percentile(&mut times, 90));
        println!("| {durability:?} | {} | {} |", micros(p50), micros(p90));
    }
    Ok(())
}
