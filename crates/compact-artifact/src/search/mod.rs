//! A query → a list for its words and for each of its vectors → one ranking → records and snippets.

mod fusion;
mod key;
mod query;
mod ranking;
mod results;

pub(crate) use query::{Clause, MAX_DEPTH, Target, Wanted};
pub use query::{Fusion, Query};
pub(crate) use ranking::Ranking;
pub use results::{Explain, Hit, ListExplain, ListPlace, SearchResults, Snippet};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::cache::Counters;
use crate::error::Result;
use crate::read_path::Snapshot;
use crate::record::Entry;
use crate::trace::event;

pub(crate) fn search(snapshot: &Snapshot, query: &Query) -> Result<SearchResults> {
    query.check()?;
    let begun = Instant::now();
    let counters = &snapshot.shared.counters;
    Counters::add(&counters.searches, 1);
    let blocks_before = snapshot.state.records.cache_stats();
    let kept_as = (snapshot.shared.keeps_rankings() && query.deadline.is_none() && !query.explain)
        .then(|| key::of(query, snapshot.state.version));
    let ranking = match kept_as.and_then(|key| snapshot.shared.ranking(key)) {
        Some(ranking) => {
            counters.rankings_from_cache.fetch_add(1, Ordering::Relaxed);
            ranking
        }
        None => {
            let ranking = Arc::new(ranking::rank(snapshot, query, begun)?);
            if let Some(key) = kept_as.filter(|_| ranking.is_complete && ranking.losses.is_empty()) {
                snapshot.shared.keep_ranking(key, ranking.clone());
            }
            ranking
        }
    };
    let fetching = Instant::now();
    let mut results = SearchResults {
        hits: ranking.hits.iter().map(ranking::Ranked::hit).collect(),
        is_complete: ranking.is_complete,
        losses: ranking.losses.clone(),
        explain: None,
    };
    if query.fetches() {
        fetch(snapshot, query, &mut results);
    }
    event!(
        DEBUG,
        hits = results.hits.len(),
        is_complete = results.is_complete,
        micros = begun.elapsed().as_micros(),
        "search"
    );
    if query.explain {
        let mut explain = ranking.explain.clone();
        let blocks = snapshot.state.records.cache_stats();
        explain.fetch_time = fetching.elapsed();
        explain.time = begun.elapsed();
        explain.blocks_cached = blocks.hits - blocks_before.hits;
        explain.blocks_decoded = blocks.misses - blocks_before.misses;
        results.explain = Some(Arc::new(explain));
    }
    Ok(results)
}

/// Puts records and snippets to hits. What is damaged is named, and its hit stays.
fn fetch(snapshot: &Snapshot, query: &Query, results: &mut SearchResults) {
    let ids: Vec<_> = results.hits.iter().map(|hit| hit.id).collect();
    let records = snapshot.state.records.get_many(&ids);
    for (hit, record) in results.hits.iter_mut().zip(records) {
        let entry = record.map_err(Into::into).and_then(|record| record.map(Entry::new).transpose());
        let fetched = entry.and_then(|entry| {
            hit.record = entry;
            let Some(len) = query.snippet else { return Ok(()) };
            hit.snippet = hit
                .record
                .as_ref()
                .filter(|entry| entry.is_text())
                .map(|entry| snippet(snapshot, query, entry, len))
                .transpose()?;
            Ok(())
        });
        if let Err(e) = fetched {
            results.losses.push(format!("record {}: {e}", hit.id));
        }
    }
}

fn snippet(snapshot: &Snapshot, query: &Query, entry: &Entry, len: usize) -> Result<Snippet> {
    let text = entry.text()?;
    let nothing = lexical_index::Query::default();
    let words = query.words_wanted().unwrap_or(&nothing);
    let found = lexical_index::snippet(&snapshot.state.settings.analyzer, words, &text, len);
    let start = found.range.start;
    Ok(Snippet {
        is_cut: (start > 0, found.range.end < text.len()),
        text: text[found.range].to_owned(),
        highlights: found
            .highlights
            .into_iter()
            .map(|range| range.start - start..range.end - start)
            .collect(),
    })
}
