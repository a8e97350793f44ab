//! A field guide inside the program: a packed artifact is a part of the executable and is searched where it lies, without any file.
//!
//! `cargo run --release -p compact-artifact --example embedded_artifact`
//!
//! `cargo run --release -p compact-artifact --example embedded_artifact -- make FILE` makes the pack anew, from the texts in the folder
//! `crates/cart/data` of the repository. They are from `WordNet` 3.0, whose licence is beside the pack, in `data/words.LICENSE`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;

use compact_artifact::{
    CompactArtifact, Filter, Metric, Options, Query, Record, SpaceOptions, include_artifact,
};

/// Vectors without a model, so that the example runs anywhere. A real model goes in its place.
mod embedder;

use embedder::{DIMENSION, embed};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The birds of `WordNet`. The path is from this file, as for `include_bytes!`.
static WORDS: &[u8] = include_artifact!("data/words.pack");

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run().map(drop),
        ["make", file] => make(Path::new(file)),
        _ => Err("expected no arguments, or `make` and the file to write".into()),
    }
}

/// Looks for birds in the program itself; returns what was found.
pub(crate) fn run() -> Result<Vec<String>> {
    let birds = CompactArtifact::open_packed_bytes(WORDS, Options::edge())?;
    println!("{} birds in {} KB of the program", birds.len(), WORDS.len() / 1000);
    let mut found = Vec::new();

    // Words as people write them, among the birds that have several names.
    let words = "+\"bird of\" black* -extinct";
    let by_words = Query::parse(words)?.filter(Filter::field("senses").gte(2));
    let description = "long-legged birds that wade in marshes";
    let by_meaning = Query::vector("meaning", embed(description));
    for (title, query) in [(words, by_words), (description, by_meaning)] {
        println!("\n{title}:");
        for hit in birds.search(&query.k(3).fetch(true))?.hits {
            let Some(bird) = &hit.record else { continue };
            println!("  {:.2}  {}", hit.score, bird.text()?);
            found.push(bird.text()?.into_owned());
        }
    }
    Ok(found)
}

/// Packs the birds among the repository's texts into a new file. The same texts give the same bytes.
pub(crate) fn make(file: &Path) -> Result<()> {
    const TOPIC_ANIMALS: u64 = 5;
    let texts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cart/data/wordnet.jsonl.zst");
    let texts = zstd::decode_all(std::fs::File::open(texts)?)?;
    let mut records = Vec::new();
    for line in texts.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let line: serde_json::Value = serde_json::from_slice(line)?;
        let (Some(key), Some(text)) = (line["key"].as_str(), line["text"].as_str()) else {
            return Err("expected a key and a text in each line".into());
        };
        let is_bird = line["metadata"]["topic"] == TOPIC_ANIMALS && text.contains(" bird");
        if is_bird && !text.contains("genus ") && !text.contains("family ") {
            let record = Record::text(text).key(key).metadata(line["metadata"].clone());
            records.push(record.embedding("meaning", embed(text)));
        }
    }
    let temp = tempfile::tempdir()?;
    let artifact = CompactArtifact::options()
        .seed(1)
        .space("meaning", SpaceOptions::new(DIMENSION, Metric::Cosine))
        .create(temp.path().join("words.artifact"))?;
    artifact.add_batch(records)?;
    let report = artifact.pack(file)?;
    println!("{} records in {} KB", artifact.len(), report.bytes / 1000);
    Ok(())
}
