//! Hits in the order of fields, totals, and values that are counted: over the senses of `WordNet` with metadata that say nothing.
//!
//! `cargo run --release -p benches --bin fields`. One thread asks, no result is kept, every query has been asked once before.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::hint::black_box;
use std::time::Instant;

use benches::{Result, machine, micros, percentile, texts};
use compact_artifact::{
    Batch, CompactArtifact, DateUnit, Durability, Facet, Filter, Order, Query, Record, RecordId,
};
use serde_json::json;

const ROUNDS: usize = 101;
const TAGS: u32 = 762;

fn main() -> Result<()> {
    let texts = texts()?;
    let folder = tempfile::tempdir()?;
    let options = CompactArtifact::options().result_cache_bytes(0).threads(1);
    let artifact = options.create(folder.path().join("senses"))?;
    let record = |(i, text): (u32, &String)| {
        let number = i.wrapping_mul(2_654_435_761) >> 4;
        let day = format!("20{:02}-{:02}-{:02}", number % 40, number / 40 % 12 + 1, number / 480 % 28 + 1);
        let tags = [i % TAGS, number % TAGS].map(|tag| format!("tag{tag}"));
        Record::text(text).metadata(json!({"number": number, "tags": tags, "day": day}))
    };
    artifact.add_batch((0..).zip(&texts).map(record))?;
    artifact.seal()?;
    println!("{}\n\n{} records.\n", machine()?, texts.len());
    println!("| asked | found | p50 µs | p99 µs |\n|---|---|---|---|");
    let few = || Query::new().filter(Filter::field("number").lt((u32::MAX >> 4) / 100));
    let all = Query::new;
    let asked = [
        ("in the order of 117,659 numbers, 10 of all", all().order_by("number", Order::Ascending)),
        ("the greatest first", all().order_by("number", Order::Descending)),
        (
            "by day, then by number",
            all().order_by("day", Order::Ascending).order_by("number", Order::Ascending),
        ),
        ("of those that a filter lets through, 1 %", few().order_by("day", Order::Descending)),
        ("of those with a common word", Query::words("small").order_by("number", Order::Ascending)),
        ("how many have any of three common words", Query::words("small large person").total(true)),
        ("762 tags, counted over all", all().facet(Facet::values("tags"))),
        ("over 1 %", few().facet(Facet::values("tags"))),
        ("over those with a common word", Query::words("small").facet(Facet::values("tags"))),
        ("days by month", all().facet(Facet::dates("day", DateUnit::Month))),
        ("one of each of 762 tags, of all", all().group_by("tags", 1)),
        ("one of each tag, of those with a common word", Query::words("small").group_by("tags", 1)),
        ("hits with two fields", Query::words("small").fields(["day", "tags"])),
        ("117,659 numbers by intervals", all().facet(Facet::histogram("number", 1e7))),
    ];
    for (name, query) in asked {
        let mut times = Vec::new();
        let mut found = 0;
        for round in 0..=ROUNDS {
            let begun = Instant::now();
            let results = black_box(artifact.search(&query)?);
            if round > 0 {
                times.push(begun.elapsed());
            }
            found = results.facets.first().map_or(results.hits.len(), |facet| facet.counts.len());
        }
        let [p50, p99] = [50, 99].map(|percent| micros(percentile(&mut times, percent)));
        println!("| {name} | {found} | {p50} | {p99} |");
    }
    updates(&artifact)
}

/// Metadata that change: of one record at a time, each in a commit that is not synced, and of many in one commit.
fn updates(artifact: &CompactArtifact) -> Result<()> {
    println!("\n| updated | p50 µs | p99 µs |\n|---|---|---|");
    let mut times = Vec::new();
    for n in 0..1_000 {
        let batch =
            Batch::new().durability(Durability::Buffered).update(RecordId(n * 101), json!({"seen": n}));
        let begun = Instant::now();
        artifact.write(batch)?;
        times.push(begun.elapsed());
    }
    let [p50, p99] = [50, 99].map(|percent| micros(percentile(&mut times, percent)));
    println!("| one record | {p50} | {p99} |");
    let begun = Instant::now();
    let filter = Filter::field("number").lt((u32::MAX >> 4) / 100);
    let updated = artifact.update_where(&filter, json!({"seen": true}))?;
    let each = begun.elapsed() / u32::try_from(updated.max(1))?;
    println!("| {updated} records at once, synced: each | {} | |", micros(each));
    Ok(())
}
