//! Words, vectors and a filter in one query, and an account of why each hit was found.
//!
//! `cargo run --release -p compact-artifact --example hybrid_search`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use compact_artifact::{CompactArtifact, Filter, Fusion, Metric, Query, Record, Result, SpaceOptions};
use serde_json::json;

/// Vectors without a model, so that the example runs anywhere. A real model goes in its place.
mod embedder;

use embedder::{DIMENSION, embed};

const RECIPES: [(&str, &str, u32); 8] = [
    ("tomato-soup", "Tomato soup with basil: roast the tomatoes, blend them, serve it hot with bread.", 30),
    ("gazpacho", "Gazpacho: a cold soup of raw tomatoes, cucumber and peppers from Andalusia.", 20),
    ("ratatouille", "Ratatouille: stewed aubergines, courgettes, peppers and tomatoes.", 70),
    ("minestrone", "Minestrone, a thick soup of vegetables, beans and pasta.", 60),
    ("pesto", "Pesto: pound basil, pine nuts, garlic and hard cheese with olive oil.", 10),
    ("apple-pie", "Apple pie with cinnamon under a lattice of pastry.", 90),
    ("tomato-tart", "A tart of tomatoes on puff pastry, baked with thyme.", 45),
    ("porridge", "Porridge: oats simmered in milk, with honey.", 10),
];

fn main() -> Result<()> {
    let temp = tempfile::tempdir()?;
    run(temp.path()).map(drop)
}

/// Looks for recipes in a new artifact in `folder`; returns the keys of what words, vectors and both found.
pub(crate) fn run(folder: &Path) -> Result<[Vec<String>; 3]> {
    let artifact = CompactArtifact::options()
        .space("meaning", SpaceOptions::new(DIMENSION, Metric::Cosine))
        .create(folder.join("recipes.artifact"))?;
    artifact.add_batch(RECIPES.map(|(key, text, minutes)| {
        Record::text(text).key(key).metadata(json!({"minutes": minutes})).embedding("meaning", embed(text))
    }))?;

    let question = "cold tomato soup";
    let quick = Filter::field("minutes").lte(45);
    println!("{question:?}, in 45 minutes at the most");

    let words = show(&artifact, "by words", Query::words(question).filter(quick.clone()))?;
    let meaning = Query::vector("meaning", embed(question)).filter(quick.clone());
    let meaning = show(&artifact, "by vectors", meaning)?;

    // Both lists become one. Each can be weighed, and the lists be fused by rank or by score.
    let both = Query::words(question)
        .and_vector("meaning", embed(question))
        .weight(0.5) // of the vector named last
        .fusion(Fusion::Normalized)
        .filter(quick)
        .explain(true);
    let both = show(&artifact, "by both", both)?;

    artifact.close()?;
    Ok([words, meaning, both])
}

/// Prints what a query finds, and how; returns the keys.
fn show(artifact: &CompactArtifact, title: &str, query: Query) -> Result<Vec<String>> {
    let found = artifact.search(&query.k(3).fetch(true))?;
    println!("\n{title}:");
    let mut keys = Vec::new();
    for hit in &found.hits {
        let Some(recipe) = &hit.record else { continue };
        let key = recipe.key()?.unwrap_or_default();
        println!("  {:6.3}  {key}: {}", hit.score, recipe.text()?);
        for place in &hit.places {
            println!("            number {} of {} with {:.3}", place.rank, place.list, place.score);
        }
        keys.push(key);
    }
    if let Some(explain) = &found.explain {
        let allowed = explain.filter_matches.unwrap_or(explain.records);
        println!("  the filter lets {allowed} of {} records through", explain.records);
        for list in &explain.lists {
            println!("  {}: {} hits, {} distances, {:?}", list.list, list.hits, list.distances, list.time);
        }
    }
    Ok(keys)
}
