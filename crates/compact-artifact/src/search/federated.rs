//! Several snapshots searched as if they were one: statistics first, then the lists of each, then the ranking of merged lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use block_format::RecordId;
use block_format::host::Instant;

use super::breadth;
use super::lists::{List, ListHit, Ranked};
use super::ranking::{Rounds, Search, fused, single};
use super::resources::{SearchResources, WordOptions};
use crate::api::error::{Error, Result};
use crate::api::federated::{
    FederatedHit, FilterField, QueryStatistics, SearchList, SearchListHit, SearchLists,
};
use crate::api::query::{Clause, Query, TEXT_FIELD, Target, Wanted};
use crate::state::State;

/// What the scores of a query and the meaning of its filter depend on.
pub(crate) fn statistics(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
) -> Result<QueryStatistics> {
    check(query)?;
    if query.statistics.is_some() {
        return Err(Error::invalid(
            "statistics were given where they are gathered; expected a search for lists in one snapshot",
        ));
    }
    let mut statistics =
        QueryStatistics { alike: alike(state, resources, query)?, ..QueryStatistics::default() };
    let filtered = || query.filter.as_ref().map(metadata_index::Filter::fields).unwrap_or_default();
    for name in if query.strict_fields { query.metadata_fields() } else { filtered() } {
        let is_known = state.unknown_fields([name])?.is_empty();
        statistics.fields.insert(name.to_owned(), FilterField { types: state.types(name)?, is_known });
    }
    if let Some(words) = query.words_wanted() {
        let mut search = Search::new(state, resources, query, None, Instant::now());
        statistics.words = search.word_statistics(words)?;
    }
    for clause in &query.clauses {
        let Some(number) = space_of(state, clause)? else { continue };
        let vectors = state.views.iter().filter_map(|view| view.shard.vectors(number));
        let vectors = vectors.map(|vectors| vectors.index.len()).sum();
        statistics.vectors.insert(state.settings.spaces[number].name().to_owned(), vectors);
    }
    Ok(statistics)
}

/// The space that a clause asks, if it asks one.
fn space_of(state: &State, clause: &Clause) -> Result<Option<usize>> {
    Ok(match &clause.wanted {
        Wanted::Words(_) => None,
        Wanted::Nearest { space, .. } => Some(state.settings.space(space)?.0),
        Wanted::Meaning(_) => state.settings.meaning().map(|(number, _)| number),
    })
}

/// What scores depend on that is one for all records.
fn alike(state: &State, resources: &SearchResources, query: &Query) -> Result<BTreeMap<String, String>> {
    let settings = &state.settings;
    let mut alike = BTreeMap::new();
    if query.words_wanted().is_some() {
        let WordOptions { leaves_out_stop_words, bm25: (k1, b) } = resources.words;
        let language = settings
            .analyzer
            .language()
            .map_or_else(|| "none".to_owned(), |language| format!("{language:?}"));
        alike.insert("the language".to_owned(), language);
        let folds_diacritics = settings.analyzer.folds_diacritics();
        alike.insert("folding diacritics".to_owned(), folds_diacritics.to_string());
        alike.insert("leaving out stop words".to_owned(), leaves_out_stop_words.to_string());
        alike.insert("BM25 (k1, b)".to_owned(), format!("({k1}, {b})"));
        for field in &settings.fields {
            alike.insert(format!("the weight of the field {:?}", field.name), field.weight.to_string());
        }
    }
    for clause in &query.clauses {
        let Some(number) = space_of(state, clause)? else { continue };
        let space = &settings.spaces[number];
        let model = space.model.as_ref().map_or_else(String::new, |model| format!(", of texts by {model}"));
        let kind = format!("{} of {} dimensions{model}", space.metric(), space.dimension());
        alike.insert(format!("the vector space {:?}", space.name()), kind);
    }
    Ok(alike)
}

/// The lists of a query, long enough for its ranking; those of vectors as wide as if there were no other snapshots, or as their part of all lets expect.
pub(crate) fn lists(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
    is_alone: bool,
) -> Result<SearchLists> {
    check(query)?;
    let mut fields = state.settings.word_fields();
    if let Some(statistics) = &query.statistics {
        let elsewhere = statistics
            .words
            .fields()
            .filter(|name| state.settings.field(name).is_err() && *name != TEXT_FIELD);
        fields.extend(elsewhere.collect::<Vec<_>>());
        let is_known = |field: &str| statistics.fields.get(field).is_some_and(|field| field.is_known);
        if query.strict_fields
            && let Some(field) = query.metadata_fields().into_iter().find(|field| !is_known(field))
        {
            state.unknown_fields([field])?.first().map_or(Ok(()), |field| Err(Error::from(field)))?;
        }
    }
    query.words_wanted().map_or(Ok(()), |words| words.check_fields(&fields))?;
    let filter = match (&query.filter, &query.statistics) {
        (Some(filter), Some(known)) => Some(Arc::new(state.matches_among(filter, &known.fields)?)),
        (Some(filter), None) => Some(resources.filter_rows(state, filter)?),
        (None, _) => None,
    };
    let mut search = Search::new(state, resources, query, filter, Instant::now());
    search.among = query.statistics.as_deref().filter(|_| !is_alone);
    let mut lists: Vec<List> = query.clauses.iter().map(List::new).collect();
    let len = list_len(query);
    for (list, clause) in lists.iter_mut().zip(&query.clauses) {
        search.extend(list, clause, len, len)?;
    }
    let is_complete = search.is_complete && !lists.iter().any(|list| list.is_cut);
    let (losses, lists) = (search.losses, lists.into_iter().map(|list| list_from(list, len)).collect());
    Ok(SearchLists { lists, is_complete, losses })
}

fn list_from(list: List, len: usize) -> SearchList {
    let hit = |hit: &ListHit| SearchListHit { id: hit.id, score: hit.score, in_tail: hit.in_tail };
    let hits = list.hits.iter().take(len).map(hit).collect();
    SearchList { weight: list.weight, hits, candidates: list.candidates }
}

/// How long lists have to be for the ranking that a query asks for.
fn list_len(query: &Query) -> usize {
    match query.clauses.len() {
        1 => query.depth(),
        _ => Rounds::from_query(query).len_for(query.depth()),
    }
}

/// The lists of several sources → one ranking.
pub(crate) fn rank(query: &Query, sources: &[SearchLists]) -> Result<Vec<FederatedHit>> {
    check(query)?;
    for (number, source) in sources.iter().enumerate() {
        if source.lists.len() != query.clauses.len() {
            let (found, expected) = (source.lists.len(), query.clauses.len());
            return Err(Error::invalid(format!(
                "lists of source {number}: expected {expected}, one for each clause of the query, found {found}"
            )));
        }
    }
    let merged: Vec<Merged<'_>> =
        (0..query.clauses.len()).map(|at| merge(sources, at, list_len(query))).collect();
    let mut ids: Vec<(usize, RecordId)> =
        merged.iter().flat_map(|list| list.hits.iter().map(|&(source, hit)| (source, hit.id))).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut merged: Vec<List> = merged
        .into_iter()
        .zip(&query.clauses)
        .map(|(merged, clause)| List {
            weight: merged.weight.unwrap_or_else(|| clause.list_weight()),
            hits: merged.hits.into_iter().map(|hit| numbered(hit, &ids)).collect(),
            ..List::new(clause)
        })
        .collect();
    let ranked = match merged.as_mut_slice() {
        [list] => single(query, list),
        lists => fused(query, lists, |_, _, _| Ok(false))?,
    };
    let kept = ranked.into_iter().take_while(|hit| query.min_score.is_none_or(|least| hit.score >= least));
    let found = |mut ranked: Ranked| {
        let (source, id) = ids[usize::try_from(ranked.id.0).unwrap_or(usize::MAX)];
        ranked.id = id;
        FederatedHit { source, hit: ranked.hit() }
    };
    Ok(kept.skip(query.offset).take(query.k).map(found).collect())
}

/// The sources whose graphs have to be searched more widely.
pub(crate) fn too_narrow(query: &Query, sources: &[SearchLists]) -> Vec<usize> {
    let clauses = 0..query.clauses.len();
    let candidates = |at: usize| {
        sources.iter().filter_map(move |source| source.lists.get(at)).map(|list| &list.candidates)
    };
    let mut narrow: Vec<usize> = clauses.flat_map(|at| breadth::too_narrow(candidates(at))).collect();
    narrow.sort_unstable();
    narrow.dedup();
    narrow
}

/// One list of all sources.
struct Merged<'a> {
    weight: Option<f32>,
    /// The best first, each with the number of its source.
    hits: Vec<(usize, &'a SearchListHit)>,
}

/// The best of one list of all sources, at most so many; equals in the order of sources and ids.
fn merge(sources: &[SearchLists], at: usize, len: usize) -> Merged<'_> {
    let lists = || sources.iter().map(|source| &source.lists[at]).enumerate();
    let weight = lists().rev().find(|(_, list)| !list.hits.is_empty()).map(|(_, list)| list.weight);
    let mut hits: Vec<(usize, &SearchListHit)> =
        lists().flat_map(|(number, list)| list.hits.iter().map(move |hit| (number, hit))).collect();
    let order = |a: &(usize, &SearchListHit), b: &(usize, &SearchListHit)| {
        b.1.score.total_cmp(&a.1.score).then((a.0, a.1.id).cmp(&(b.0, b.1.id)))
    };
    if len < hits.len() {
        hits.select_nth_unstable_by(len, order);
        hits.truncate(len);
    }
    hits.sort_unstable_by(order);
    Merged { weight, hits }
}

/// A hit with its place among all ids in the place of its own, which other sources may have as well.
fn numbered((source, hit): (usize, &SearchListHit), ids: &[(usize, RecordId)]) -> ListHit {
    let place = ids.partition_point(|&id| id < (source, hit.id));
    ListHit { id: RecordId(place as u64), score: hit.score, in_tail: hit.in_tail }
}

/// Refuses what has no meaning for several snapshots, or is not merged.
fn check(query: &Query) -> Result<()> {
    query.check()?;
    let has_record = query
        .clauses
        .iter()
        .any(|clause| matches!(&clause.wanted, Wanted::Nearest { target: Target::Record(_), .. }));
    let refused = [
        ("a query without words, meaning or a vector", query.clauses.is_empty()),
        ("likeness to a record, whose id has a meaning in one snapshot only", has_record),
        ("hits in the order of fields", query.sorts()),
        ("totals or facets", query.total || !query.facets.is_empty()),
        ("hits in groups", query.group.is_some()),
    ];
    match refused.iter().find(|(_, is_so)| *is_so) {
        Some((what, _)) => Err(Error::invalid(format!(
            "several snapshots were to be searched as one for {what}; expected words, meaning or vectors, with or without a filter"
        ))),
        None => Ok(()),
    }
}
