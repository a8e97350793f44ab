//! Which records match a query, and how well: the lists of its clauses, fused in rounds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use block_format::RecordId;
use block_format::host::Instant;

use super::groups::Groups;
use super::lists::{List, ListHit, Ranked, Ranking};
use super::resources::{FilterRows, SearchResources};
use super::{facets, fusion, order};
use crate::api::damage::Damage;
use crate::api::error::Result;
use crate::api::facet::Total;
use crate::api::federated::QueryStatistics;
use crate::api::query::{Clause, MAX_DEPTH, Query, SORTED, Wanted};
use crate::api::results::{Explain, ListExplain};
use crate::state::{State, View};

/// A search under way.
pub(super) struct Search<'a> {
    pub(super) state: &'a Arc<State>,
    pub(super) resources: &'a Arc<SearchResources>,
    pub(super) query: &'a Query,
    /// Of each shard, if there is a filter.
    pub(super) filter: Option<Arc<FilterRows>>,
    /// That of several snapshots, of which this is one.
    pub(super) among: Option<&'a QueryStatistics>,
    pub(super) begun: Instant,
    /// How many threads may be at the list of words.
    pub(super) offered: usize,
    pub(super) is_complete: bool,
    pub(super) losses: Vec<Damage>,
    /// Shards whose words are damaged.
    pub(super) left_out: Vec<usize>,
}

pub(crate) fn rank(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
    begun: Instant,
) -> Result<Ranking> {
    if cfg!(feature = "facets")
        && let Some((field, most)) = &query.group
    {
        return grouped(state, resources, query, (field, *most), begun);
    }
    if query.sorts() && query.has_vector() {
        return sorted(state, resources, query, begun);
    }
    let filter = query.filter.as_ref().map(|filter| resources.filter_rows(state, filter)).transpose()?;
    let filter_time = begun.elapsed();
    let filter_matches = filter.as_ref().map(|rows| rows.iter().map(|rows| rows.len() as u64).sum());
    let mut search = Search::new(state, resources, query, filter, begun);
    let mut lists: Vec<List> = query.clauses.iter().map(List::new).collect();
    let all = if query.needs_all() { Some(search.matched(&mut lists)?) } else { None };
    let ranked = match (&all, lists.as_mut_slice()) {
        (Some(all), _) if query.sorts_all() => order::first(state, &all.rows, &query.order, query.depth())?
            .into_iter()
            .map(Ranked::unscored)
            .collect(),
        (_, []) => search.listing(),
        (_, [list]) => search.single(list)?,
        (_, lists) => search.fused(lists)?,
    };
    let explain = Explain {
        records: state.len(),
        tail_records: state.tail().map(View::live).sum(),
        shards: state.views.len(),
        filter_matches,
        lists: lists
            .iter()
            .map(|list| ListExplain { hits: list.hits.len(), ..list.explain.clone() })
            .collect(),
        filter_time,
        ..Explain::default()
    };
    let kept = ranked.into_iter().take_while(|hit| query.min_score.is_none_or(|least| hit.score >= least));
    let hits = kept.skip(query.offset).take(query.k).collect();
    let (mut total, mut facets) = (None, Vec::new());
    let mut is_complete = search.is_complete && !lists.iter().any(|list| list.is_cut);
    if let Some(all) = all {
        is_complete &= all.is_whole || !query.sorts_all();
        facets =
            query.facets.iter().map(|facet| facets::count(state, &all.rows, facet)).collect::<Result<_>>()?;
        let records = all.rows.iter().map(|rows| rows.len() as u64).sum();
        total = query.total.then_some(Total { records, is_exact: all.is_whole });
    }
    Ok(Ranking { hits, is_complete, losses: search.losses, explain, total, facets })
}

/// The best, sorted by fields.
fn sorted(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
    begun: Instant,
) -> Result<Ranking> {
    let best = Query { order: Vec::new(), offset: 0, k: query.candidates.unwrap_or(SORTED), ..query.clone() };
    let best = if query.clauses.len() < 2 { Query { candidates: None, ..best } } else { best };
    let mut ranking = rank(state, resources, &best, begun)?;
    let mut ids: Vec<RecordId> = ranking.hits.iter().map(|hit| hit.id).collect();
    order::sort(state, &mut ids, &query.order)?;
    let mut hits: HashMap<RecordId, Ranked> = ranking.hits.drain(..).map(|hit| (hit.id, hit)).collect();
    let page = ids.iter().skip(query.offset).take(query.k);
    ranking.hits = page.filter_map(|id| hits.remove(id)).collect();
    Ok(ranking)
}

/// The best of each value of a field. The ranking is made longer until it has enough of them.
fn grouped(
    state: &Arc<State>,
    resources: &Arc<SearchResources>,
    query: &Query,
    (field, most): (&str, usize),
    begun: Instant,
) -> Result<Ranking> {
    let mut whole = Query { group: None, offset: 0, k: query.depth(), ..query.clone() };
    let mut ranking = rank(state, resources, &whole, begun)?;
    let (is_complete, total, facets) =
        (ranking.is_complete, ranking.total, std::mem::take(&mut ranking.facets));
    (whole.total, whole.facets) = (false, Vec::new());
    loop {
        let mut groups = Groups::new(state, field, most);
        let mut page = Vec::new();
        for hit in &ranking.hits {
            if groups.take(hit.id)? {
                page.push(hit.clone());
            }
        }
        let is_whole =
            ranking.hits.len() < whole.k || query.deadline.is_some_and(|time| begun.elapsed() >= time);
        let is_enough = page.len() >= query.depth();
        if is_enough || is_whole || whole.k == MAX_DEPTH {
            ranking.hits = page.into_iter().skip(query.offset).take(query.k).collect();
            ranking.is_complete &= is_complete && (is_enough || is_whole);
            return Ok(Ranking { total, facets, ..ranking });
        }
        whole.k = whole.k.saturating_mul(4).min(MAX_DEPTH);
        ranking = rank(state, resources, &whole, begun)?;
    }
}

/// From so many records on, words are looked for by other threads as well, and by so many more for so many more rows: of fewer, that takes no longer than waking one.
pub(super) const OFFERED_FROM: u64 = 50_000;

/// How long lists are in the first round of fusion.
const CANDIDATES: usize = 100;

/// The lengths of lists in the rounds of fusion. They do not depend on which page is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    pub(super) len: usize,
    /// How many times as long as the ranking after a round its lists are.
    spare: usize,
}

impl Rounds {
    pub(super) fn from_query(query: &Query) -> Self {
        match query.candidates {
            Some(candidates) => Self { len: candidates, spare: 1 },
            None => Self { len: CANDIDATES, spare: 2 },
        }
    }

    /// How many hits are decided by this round and those before.
    fn decided(self) -> usize {
        self.len / self.spare
    }

    fn next(self) -> Self {
        Self { len: self.len.saturating_mul(2).min(MAX_DEPTH), ..self }
    }

    fn is_last(self) -> bool {
        self.len == MAX_DEPTH
    }

    /// The length of lists in the round that decides so many hits.
    pub(super) fn len_for(mut self, depth: usize) -> usize {
        while self.decided() < depth && !self.is_last() {
            self = self.next();
        }
        self.len
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(
        state: &'a Arc<State>,
        resources: &'a Arc<SearchResources>,
        query: &'a Query,
        filter: Option<Arc<FilterRows>>,
        begun: Instant,
    ) -> Self {
        let (losses, left_out) = (Vec::new(), Vec::new());
        let (among, offered, is_complete) = (None, 0, true);
        Self { state, resources, query, filter, among, begun, offered, is_complete, losses, left_out }
    }

    /// Whether the deadline passed.
    pub(super) fn is_late(&mut self) -> bool {
        let late = self.query.deadline.is_some_and(|deadline| self.begun.elapsed() >= deadline);
        self.is_complete &= !late;
        late
    }

    /// The first of what a filter alone lets through, or of everything, in the order of ids.
    fn listing(&self) -> Vec<Ranked> {
        let mut ids = Vec::new();
        for (at, view) in self.state.views.iter().enumerate() {
            let table = view.shard.ids();
            match &self.filter {
                Some(filter) => ids.extend(filter[at].iter().filter_map(|row| table.id_of(row))),
                None => {
                    let live = (0..).zip(table.iter()).filter(|(row, _)| !view.dead.contains(*row));
                    ids.extend(live.map(|(_, id)| id));
                }
            }
        }
        let depth = self.query.depth();
        if depth < ids.len() {
            ids.select_nth_unstable(depth);
            ids.truncate(depth);
        }
        ids.sort_unstable();
        ids.into_iter().map(Ranked::unscored).collect()
    }

    /// One list, which is the ranking.
    fn single(&mut self, list: &mut List) -> Result<Vec<Ranked>> {
        let depth = self.query.depth();
        self.extend(list, &self.query.clauses[0], depth, depth)?;
        Ok(single(self.query, list))
    }

    fn fused(&mut self, lists: &mut [List]) -> Result<Vec<Ranked>> {
        let query = self.query;
        fused(query, lists, |lists, len, at_least| {
            let offered =
                self.words_beside(lists).and_then(|at| Some((at, self.offer_words(len.max(at_least))?)));
            self.offered = offered.as_ref().map_or(0, |(_, words)| words.others());
            let words_at = offered.as_ref().map(|(at, _)| *at);
            for (at, (list, clause)) in lists.iter_mut().zip(&query.clauses).enumerate() {
                if Some(at) != words_at {
                    self.extend(list, clause, len, at_least)?;
                }
            }
            if let Some((at, words)) = offered {
                self.take_words(&mut lists[at], words)?;
            }
            Ok(self.is_late())
        })
    }

    /// The list of words, where it is worth to make it beside vectors: in the first round, of many records.
    fn words_beside(&self, lists: &[List]) -> Option<usize> {
        let is_first = lists.iter().all(|list| list.hits.is_empty() && !list.is_whole);
        let is_large = self.state.len() >= OFFERED_FROM && self.left_out.is_empty();
        let clauses = &self.query.clauses;
        let at = clauses.iter().position(|clause| matches!(clause.wanted, Wanted::Words(_)))?;
        (is_first && is_large && self.query.has_vector()).then_some(at)
    }

    /// Makes a list `len` long, if there is so much. Where a search for `at_least` begins like one for less, it is made once.
    pub(super) fn extend(
        &mut self,
        list: &mut List,
        clause: &Clause,
        len: usize,
        at_least: usize,
    ) -> Result<()> {
        match &clause.wanted {
            Wanted::Words(_) if list.is_whole || list.hits.len() >= len => Ok(()),
            Wanted::Words(words) => self.words(list, words, len.max(at_least)),
            _ => self.nearest(list, clause, len, at_least),
        }
    }
}

/// A list that is the ranking.
pub(super) fn single(query: &Query, list: &List) -> Vec<Ranked> {
    let lists = std::slice::from_ref(list);
    let place = |(at, hit): (usize, &ListHit)| {
        let places = if query.explain { fusion::places(hit.id, lists, at + 1) } else { Vec::new() };
        Ranked { id: hit.id, score: hit.score, places }
    };
    list.hits.iter().take(query.depth()).enumerate().map(place).collect()
}

/// Several lists → one, in rounds: each makes the lists twice as long, and puts what they then say behind what was decided before. So a
/// ranking begins as every longer one does. `extend` makes lists so long, if there is so much, and says whether the time is over.
pub(super) fn fused(
    query: &Query,
    lists: &mut [List],
    mut extend: impl FnMut(&mut [List], usize, usize) -> Result<bool>,
) -> Result<Vec<Ranked>> {
    let depth = query.depth();
    let mut round = Rounds::from_query(query);
    let at_least = round.len_for(depth);
    let mut ranked: Vec<Ranked> = Vec::new();
    let mut taken: HashSet<RecordId> = HashSet::new();
    loop {
        let is_late = extend(lists, round.len, at_least)?;
        let is_last = is_late || round.is_last() || lists.iter().all(|list| list.hits.len() < round.len);
        let until = if is_last { depth } else { round.decided().min(depth) };
        let ceiling = ranked.last().map_or(f32::INFINITY, |hit| hit.score);
        for mut hit in fusion::fuse(query.fusion.unwrap_or_default(), lists, round.len) {
            if ranked.len() >= until {
                break;
            }
            if taken.insert(hit.id) {
                hit.score = hit.score.min(ceiling);
                if query.explain {
                    hit.places = fusion::places(hit.id, lists, round.len);
                }
                ranked.push(hit);
            }
        }
        let is_below = |hit: &Ranked| query.min_score.is_some_and(|least| hit.score < least);
        if is_last || ranked.len() >= depth || ranked.last().is_some_and(is_below) {
            return Ok(ranked);
        }
        round = round.next();
    }
}
