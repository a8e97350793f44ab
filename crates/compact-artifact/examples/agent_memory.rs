//! The memory of an assistant: facts that are replaced when they change, recalled by likeness, and forgotten when they are old.
//!
//! `cargo run --release -p compact-artifact --example agent_memory`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use compact_artifact::{
    CompactArtifact, Filter, FilterValue, Metric, Query, Record, Result, SpaceOptions, Stats,
};
use serde_json::json;

/// Vectors without a model, so that the example runs anywhere. A real model goes in its place.
mod embedder;

use embedder::{DIMENSION, embed};

/// Heap that compacting may take.
const BUDGET: usize = 16 << 20;

fn main() -> Result<()> {
    let temp = tempfile::tempdir()?;
    run(temp.path()).map(drop)
}

/// Remembers, recalls and forgets in a new artifact in `folder`; returns its stats before and after.
pub(crate) fn run(folder: &Path) -> Result<[Stats; 2]> {
    let memory = CompactArtifact::options()
        .space("likeness", SpaceOptions::new(DIMENSION, Metric::Cosine))
        .create(folder.join("memory.artifact"))?;

    // What was seen, with the moment that it was seen at. Thousands of such lines gather.
    let seen = (1..=12_u32).flat_map(|month| (1..=28_u32).map(move |day| (month, day)));
    memory.add_batch(seen.flat_map(|(month, day)| {
        let at = format!("2026-{month:02}-{day:02}T09:00:00Z");
        ["opened the calendar", "asked about the weather", "played some music", "set an alarm"]
            .map(|what| memory_of("seen", &format!("The user {what} on day {day} of month {month}."), &at))
    }))?;

    // What is known has a key each: what is learned anew takes the place of what was known.
    let known = |key: &str, text: &str, at: &str| memory.upsert(memory_of("known", text, at).key(key));
    known("home", "The user lives in Lisbon.", "2026-01-03T10:00:00Z")?;
    known("pet", "The user has a dog named Rex that likes long walks.", "2026-02-11T18:30:00Z")?;
    let walks =
        known("walks", "The user likes long walks by the river with the dog.", "2026-11-02T08:00:00Z")?;
    known("home", "The user lives in Porto.", "2026-12-01T12:00:00Z")?;
    if let Some(home) = memory.get_by_key("home")? {
        println!("home, by its key:              {}", home.text()?);
    }

    // Recall by a question, and by likeness to a memory.
    let question = "long walks with a dog";
    let query = Query::words(question).and_vector("likeness", embed(question)).k(2).fetch(true);
    show(&memory, "about walks with a dog:", &query)?;
    show(&memory, "like the one of walks:", &Query::similar_to("likeness", walks).k(2).fetch(true))?;

    // Forget what was seen before October; what is known stays.
    memory.seal()?;
    let old = Filter::field("at").lt(FilterValue::datetime("2026-10-01T00:00:00Z")?);
    let forgotten = memory.delete_where(&old.and(Filter::field("kind").eq("seen")))?;
    println!("forgot {forgotten} memories; they are not found from now on");

    // Their space is still taken, until it is asked back.
    let before = memory.stats();
    memory.compact(BUDGET)?;
    let after = memory.stats();
    for (when, stats) in [("before compacting", &before), ("after it", &after)] {
        println!(
            "{when}: {} records, {} deleted ones, {} KB on disk",
            stats.records,
            stats.deleted,
            stats.disk_bytes / 1000
        );
    }
    memory.close()?;
    Ok([before, after])
}

/// A memory of something at a moment.
fn memory_of(kind: &str, text: &str, at: &str) -> Record {
    Record::text(text).metadata(json!({"kind": kind, "at": at})).embedding("likeness", embed(text))
}

fn show(memory: &CompactArtifact, title: &str, query: &Query) -> Result<()> {
    for hit in memory.search(query)?.hits {
        let Some(record) = &hit.record else { continue };
        println!("{title:24} {:.3}  {}", hit.score, record.text()?);
    }
    Ok(())
}
