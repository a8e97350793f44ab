//! Searches by a text, end to end: the senses of `WordNet`, embedded by the model of the library, and each query is embedded too.
//!
//! `cargo run --release -p benches --bin text_query`. One thread asks, no result and no embedding is kept, every query has been asked once before.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{Result, machine, micros, percentile, texts};
use compact_artifact::{CompactArtifact, Query, Record, StaticEmbedder};

/// The beginnings of texts whose number is a multiple are queries.
const QUERIES_EVERY: usize = 59;
const ROUNDS: usize = 3;

/// A name, and the query of a text.
type Kind = (&'static str, fn(&str) -> Query);

const KINDS: [Kind; 3] =
    [("words", Query::words), ("meaning", |text| Query::meaning(text)), ("both", Query::text)];

fn main() -> Result<()> {
    let texts = texts()?;
    let folder = tempfile::tempdir()?;
    let options = CompactArtifact::options().result_cache_bytes(0).embedding_cache_bytes(0).threads(1);
    let artifact =
        options.embedder(Arc::new(StaticEmbedder::built_in()?)).create(folder.path().join("senses"))?;
    artifact.add_batch(texts.iter().map(Record::text))?;
    artifact.seal()?;
    println!("{}\n\n{} records, the 10 best of them.\n", machine()?, texts.len());
    println!("| query | asked | queries | p50 µs | p99 µs |\n|---|---|---|---|---|");
    for words in [3, 8, 17] {
        let queries = queries(&texts, words);
        for (name, ask) in KINDS {
            let mut times = asked(&artifact, &queries, ask)?;
            let [p50, p99] = [50, 99].map(|percent| micros(percentile(&mut times, percent)));
            println!("| {words} words | {name} | {} | {p50} | {p99} |", queries.len());
        }
    }
    Ok(())
}

/// So many words of definitions that have as many, without the words that they define.
fn queries(texts: &[String], words: usize) -> Vec<String> {
    let definition = |text: &String| {
        let (_, definition) = text.split_once(": ")?;
        let first: Vec<&str> = definition.split_whitespace().take(words).collect();
        (first.len() == words).then(|| first.join(" "))
    };
    texts.iter().step_by(QUERIES_EVERY).filter_map(definition).collect()
}

/// The time of each query: the median of some rounds over all of them.
fn asked(artifact: &CompactArtifact, queries: &[String], ask: fn(&str) -> Query) -> Result<Vec<Duration>> {
    let mut times = vec![Vec::new(); queries.len()];
    for round in 0..=ROUNDS {
        for (query, times) in queries.iter().zip(&mut times) {
            let begun = Instant::now();
            black_box(artifact.search(&ask(query))?);
            if round > 0 {
                times.push(begun.elapsed());
            }
        }
    }
    Ok(times.iter().map(|times| benches::median(times)).collect())
}
