//! The first minute: keep a few notes, find them by words and by metadata, replace one, delete one, open them again.
//!
//! `cargo run --release -p compact-artifact --example quickstart`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use compact_artifact::{CompactArtifact, Filter, Query, Record, Result};
use serde_json::json;

fn main() -> Result<()> {
    let temp = tempfile::tempdir()?;
    run(temp.path()).map(drop)
}

/// Keeps notes in a new artifact in `folder`, and returns what is left of them.
pub(crate) fn run(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("notes.artifact");
    let artifact = CompactArtifact::create(&path)?;

    // One commit: all three, or none. They are on disk when the call returns.
    artifact.add_batch([
        Record::text("The boiler makes a knocking noise in the morning.")
            .key("boiler")
            .metadata(json!({"room": "cellar", "year": 2025})),
        Record::text("The window in the kitchen does not close.")
            .key("window")
            .metadata(json!({"room": "kitchen", "year": 2026})),
        Record::text("New noise: the fridge hums at night.")
            .key("fridge")
            .metadata(json!({"room": "kitchen", "year": 2026})),
    ])?;
    println!("kept {} notes in {}", artifact.len(), path.display());

    // By words, the best first. A snippet is the place of the text that shows why.
    println!("\nabout a noise:");
    for hit in artifact.search(&Query::words("noise").snippet(60))?.hits {
        println!("  {:.2}  {}", hit.score, hit.snippet.map(|snippet| snippet.text).unwrap_or_default());
    }

    // By words, among the records that a filter lets through.
    println!("\nabout a noise in the kitchen:");
    let query = Query::words("noise").filter(Filter::field("room").eq("kitchen")).fetch(true);
    for note in artifact.search(&query)?.hits.iter().filter_map(|hit| hit.record.as_ref()) {
        println!("  {}", note.text()?);
    }

    // A key names one record: the new one takes the place of the old one.
    artifact
        .upsert(Record::text("The boiler was repaired.").key("boiler").metadata(json!({"year": 2026})))?;
    artifact.delete_key("window")?;
    artifact.close()?;

    // Any number of programs may read, also while one writes.
    let artifact = CompactArtifact::open_read_only(&path)?;
    println!("\nopened again:");
    let mut left = Vec::new();
    for note in artifact.records() {
        let note = note?;
        println!("  {}: {}", note.key()?.unwrap_or_default(), note.text()?);
        left.push(note.text()?.into_owned());
    }
    Ok(left)
}
