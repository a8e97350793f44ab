//! A search from its query to its results: the ranking, kept from before or made, then records and snippets.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use block_format::host::Instant;
use block_format::{CacheStats, RangeStatistics};

use super::cache_key::cache_key;
use super::lists::Ranking;
use super::resources::{Counters, SearchResources};
use super::{hit_fields, ranking};
use crate::api::damage::Damage;
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::query::{Query, TEXT_FIELD};
use crate::api::results::{Explain, Hit, SearchResults, Snippet, UnknownField};
use crate::state::State;
use crate::trace::{self, event, figures, span};

pub(crate) fn search(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
) -> Result<SearchResults> {
    span!(DEBUG, "search", k = query.k, clauses = query.clauses.len());
    let measured = figures::begin();
    query.check()?;
    if query.statistics.is_some() {
        return Err(Error::invalid(
            "a search with the statistics of other records; expected a search for lists, which are ranked together",
        ));
    }
    let fields = state.settings.word_fields();
    query.words_wanted().map_or(Ok(()), |words| words.check_fields(&fields))?;
    let begun = Instant::now();
    let before = query.explain.then(|| ReadSoFar::new(state));
    let unknown_fields = unknown_fields(state, query)?;
    Counters::add(&resources.counters.searches, 1);
    let ranking = ranked(state, resources, query, begun)?;
    let fetching = Instant::now();
    let mut results = SearchResults {
        hits: ranking.hits.iter().map(super::lists::Ranked::hit).collect(),
        is_complete: ranking.is_complete,
        losses: ranking.losses.clone(),
        total: ranking.total,
        facets: ranking.facets.clone(),
        explain: None,
    };
    let mut hits: Vec<&mut Hit> = results.hits.iter_mut().collect();
    results.losses.extend(fill(state, resources, query, &mut hits)?);
    figures::searched(&measured);
    event!(
        DEBUG,
        hits = results.hits.len(),
        is_complete = results.is_complete,
        micros = begun.elapsed().as_micros(),
        "search"
    );
    if let Some(ReadSoFar { blocks: blocks_before, ranges: ranges_before }) = before {
        let ReadSoFar { blocks, ranges } = ReadSoFar::new(state);
        results.explain = Some(Arc::new(Explain {
            unknown_fields,
            fetch_time: fetching.elapsed(),
            time: begun.elapsed(),
            blocks_cached: blocks.hits - blocks_before.hits,
            blocks_decoded: blocks.misses - blocks_before.misses,
            range_requests: ranges.requests - ranges_before.requests,
            range_rounds: ranges.rounds - ranges_before.rounds,
            range_bytes: ranges.bytes - ranges_before.bytes,
            ..ranking.explain.clone()
        }));
    }
    Ok(results)
}

/// What all searches have read of the records.
struct ReadSoFar {
    blocks: CacheStats,
    ranges: RangeStatistics,
}

impl ReadSoFar {
    fn new(state: &State) -> Self {
        let ranges = state.records.range_statistics().unwrap_or_default();
        Self { blocks: state.records.cache_stats(), ranges }
    }
}

/// The ranking, kept from an earlier search of the same state or made.
fn ranked(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
    begun: Instant,
) -> Result<Arc<Ranking>> {
    let kept_as = (resources.keeps_results() && query.deadline.is_none() && !query.explain)
        .then(|| cache_key(query, state.version));
    Ok(match kept_as.and_then(|key| resources.ranking(key)) {
        Some(ranking) => {
            resources.counters.rankings_from_cache.fetch_add(1, Ordering::Relaxed);
            ranking
        }
        None => {
            let ranking = Arc::new(ranking::rank(state, resources, query, begun)?);
            trace::searched(&ranking.explain);
            if let Some(key) = kept_as.filter(|_| ranking.is_complete && ranking.losses.is_empty()) {
                resources.keep_ranking(key, ranking.clone());
            }
            ranking
        }
    })
}

/// Fields of the metadata that a query names and no record has, for one that explains; an error for one that is strict.
fn unknown_fields(state: &State, query: &Query) -> Result<Vec<UnknownField>> {
    if !query.explain && !query.strict_fields {
        return Ok(Vec::new());
    }
    let unknown = state.unknown_fields(query.metadata_fields())?;
    match unknown.first() {
        Some(field) if query.strict_fields => Err(field.into()),
        _ => Ok(unknown),
    }
}

/// Puts to hits what a query wants to know of them. What is damaged is named, and its hit stays.
pub(crate) fn fill(
    state: &State,
    resources: &SearchResources,
    query: &Query,
    hits: &mut [&mut Hit],
) -> Result<Vec<Damage>> {
    let mut losses = Vec::new();
    if cfg!(feature = "facets") {
        add_fields(state, query, hits, &mut losses)?;
    }
    if query.fetches() {
        fetch(state, resources, query, hits, &mut losses)?;
    }
    Ok(losses)
}

/// Puts values of the metadata to hits.
fn add_fields(state: &State, query: &Query, hits: &mut [&mut Hit], losses: &mut Vec<Damage>) -> Result<()> {
    for field in &query.fields {
        match hit_fields::add_field(state, field, hits) {
            Err(e) if e.kind() == ErrorKind::Damaged => losses.push(Damage::new(e.to_string())),
            added => added?,
        }
    }
    Ok(())
}

/// Puts records and snippets to hits.
fn fetch(
    state: &State,
    resources: &SearchResources,
    query: &Query,
    hits: &mut [&mut Hit],
    losses: &mut Vec<Damage>,
) -> Result<()> {
    let words = query.words_wanted();
    let words = words.map(|words| resources.words.asked(&state.settings, words)).unwrap_or_default();
    let ids: Vec<_> = hits.iter().map(|hit| hit.id).collect();
    for (hit, entry) in hits.iter_mut().zip(state.entries(&ids)) {
        let fetched = entry.and_then(|entry| {
            hit.record = entry;
            let Some(len) = query.snippet else { return Ok(()) };
            if let Some(entry) = &hit.record {
                hit.snippet = snippet(state, &words, entry, len)?;
            }
            Ok(())
        });
        match fetched {
            // What did not come this time is no loss.
            Err(e) if e.kind() == ErrorKind::Io && state.records.is_far() => return Err(e),
            Err(e) if e.kind() == ErrorKind::OutOfMemory => return Err(e),
            Err(e) => losses.push(Damage::of_record(hit.id, &e)),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Of the content, or of the first field with something to show where the content has nothing.
fn snippet(
    state: &State,
    words: &lexical_index::Query,
    entry: &Entry,
    len: usize,
) -> Result<Option<Snippet>> {
    let piece = |text: &str, field: Option<String>| piece_of(state, words, text, len, field);
    let of_content = if entry.is_text() { Some(piece(&entry.text()?, None)) } else { None };
    if of_content.as_ref().is_some_and(|snippet| !snippet.highlights.is_empty()) {
        return Ok(of_content);
    }
    for (name, text) in entry.fields()? {
        let of_field = piece(&text, Some(name));
        if !of_field.highlights.is_empty() {
            return Ok(Some(of_field));
        }
    }
    Ok(of_content)
}

fn piece_of(
    state: &State,
    words: &lexical_index::Query,
    text: &str,
    len: usize,
    field: Option<String>,
) -> Snippet {
    // Each field is in that of all texts, and the content in that alone.
    let both = [TEXT_FIELD, field.as_deref().unwrap_or(TEXT_FIELD)];
    let found = lexical_index::snippet(&state.settings.analyzer, words, text, &both, len);
    let start = found.range.start;
    Snippet {
        field,
        is_cut_before: start > 0,
        is_cut_after: found.range.end < text.len(),
        text: text[found.range].to_owned(),
        highlights: found
            .highlights
            .into_iter()
            .map(|range| range.start - start..range.end - start)
            .collect(),
    }
}
