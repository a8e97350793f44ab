//! Which records match a query, and how well.

use std::collections::HashSet;
use std::time::Instant;

use block_format::RecordId;
use lexical_index::{Searcher, Segment};
use roaring::RoaringBitmap;
use vector_index::{Metric, Originals as Stored, SearchOptions, SearchPath, SearchStatistics};

use super::fusion;
use super::results::{Explain, Hit, ListExplain, ListPlace};
use super::{Clause, MAX_DEPTH, Query, Target, Wanted};
use crate::cache::Counters;
use crate::error::{Error, ErrorKind, Result};
use crate::read_path::Snapshot;
use crate::settings::{Originals, Space};
use crate::shard::{Vectors, row_set};
use crate::state::{State, View};

/// The hits of a query, without their records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranking {
    pub(crate) hits: Vec<Ranked>,
    pub(crate) is_complete: bool,
    pub(crate) losses: Vec<String>,
    pub(crate) explain: Explain,
}

/// A hit.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    pub(crate) id: RecordId,
    pub(crate) score: f32,
    pub(crate) places: Vec<ListPlace>,
}

impl Ranked {
    pub(crate) fn hit(&self) -> Hit {
        Hit { id: self.id, score: self.score, record: None, snippet: None, explain: self.places.clone() }
    }
}

impl Ranking {
    /// Heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let places: usize = self.hits.iter().map(|hit| hit.places.len() * size_of::<ListPlace>()).sum();
        size_of::<Self>() + self.hits.len() * size_of::<Ranked>() + places
    }
}

/// The hits of one list, the best first. Asked for more, it begins as it did before.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) weight: f32,
    pub(crate) hits: Vec<ListHit>,
    pub(crate) is_cut: bool,
    pub(crate) explain: ListExplain,
    /// There is no more to be found than `hits` and `rest`.
    pub(super) is_whole: bool,
    /// Shards were searched for nearest vectors, if only for the first few.
    pub(super) is_begun: bool,
    /// How many rounds of searching shards for nearest vectors are complete.
    pub(super) rounds: u32,
    /// What the last round found beside `hits`, the best last.
    pub(super) rest: Vec<Found>,
    /// The ids of `hits`, once there was more than one round.
    pub(super) seen: HashSet<RecordId>,
}

/// A row of a shard that is near a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    score: f32,
    view: usize,
    row: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ListHit {
    pub(crate) id: RecordId,
    pub(crate) score: f32,
    pub(crate) in_tail: bool,
}

/// A search under way.
struct Search<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query,
    /// Of each shard, if there is a filter.
    filter: Option<Vec<RoaringBitmap>>,
    begun: Instant,
    is_complete: bool,
    losses: Vec<String>,
    /// Shards whose words are damaged.
    left_out: Vec<usize>,
}

pub(crate) fn rank(snapshot: &Snapshot, query: &Query, begun: Instant) -> Result<Ranking> {
    let state = &*snapshot.state;
    let filter = query.filter.as_ref().map(|filter| state.matches(filter)).transpose()?;
    let filter_time = begun.elapsed();
    let filter_matches = filter.as_ref().map(|rows| rows.iter().map(RoaringBitmap::len).sum());
    let (losses, left_out) = (Vec::new(), Vec::new());
    let mut search = Search { snapshot, query, filter, begun, is_complete: true, losses, left_out };
    let mut lists: Vec<List> = query.clauses.iter().map(List::of).collect();
    let ranked = match lists.as_mut_slice() {
        [] => search.listing(),
        [list] => search.single(list)?,
        lists => search.fused(lists)?,
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
    let is_complete = search.is_complete && !lists.iter().any(|list| list.is_cut);
    Ok(Ranking { hits, is_complete, losses: search.losses, explain })
}

/// How long lists are in the first round of fusion.
const CANDIDATES: usize = 30;
/// Candidates that a search through a graph keeps in its first round.
const EF_SEARCH: usize = 64;

/// The lengths of lists in the rounds of fusion. They do not depend on which page is asked for.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    len: usize,
    /// How many times as long as the ranking after a round its lists are.
    spare: usize,
}

impl Rounds {
    fn of(query: &Query) -> Self {
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
    fn len_for(mut self, depth: usize) -> usize {
        while self.decided() < depth && !self.is_last() {
            self = self.next();
        }
        self.len
    }
}

impl List {
    fn of(clause: &Clause) -> Self {
        let name = match &clause.wanted {
            Wanted::Words(_) => "words",
            Wanted::Nearest { space, .. } => space,
        };
        let mut list =
            Self { name: name.to_owned(), weight: clause.weight.unwrap_or(1.0), ..Self::default() };
        list.explain.list.clone_from(&list.name);
        list
    }

    /// Moves what the last round found to the hits, until there are `len`; those of one score by their ids.
    fn take(&mut self, views: &[View], excluded: Option<RecordId>, len: usize) {
        while self.hits.len() < len
            && let Some(best) = self.rest.last().copied()
        {
            let begin = self.hits.len();
            while let Some(found) = self.rest.pop_if(|found| found.score.total_cmp(&best.score).is_eq()) {
                let shard = &views[found.view].shard;
                let Some(id) = shard.ids().id_of(found.row) else { continue };
                if Some(id) != excluded && !self.seen.contains(&id) {
                    self.hits.push(ListHit { id, score: found.score, in_tail: !shard.is_sealed() });
                }
            }
            self.hits[begin..].sort_by_key(|hit| hit.id);
        }
    }
}

impl Search<'_> {
    fn state(&self) -> &State {
        &self.snapshot.state
    }

    /// Whether the deadline passed.
    fn is_late(&mut self) -> bool {
        let late = self.query.deadline.is_some_and(|deadline| self.begun.elapsed() >= deadline);
        self.is_complete &= !late;
        late
    }

    /// What a filter alone lets through, or everything, in the order of ids.
    fn listing(&self) -> Vec<Ranked> {
        let mut ids = Vec::new();
        for (at, view) in self.state().views.iter().enumerate() {
            let table = view.shard.ids();
            match &self.filter {
                Some(filter) => ids.extend(filter[at].iter().filter_map(|row| table.id_of(row))),
                None => {
                    let live = (0..).zip(table.iter()).filter(|(row, _)| !view.dead.contains(*row));
                    ids.extend(live.map(|(_, id)| id));
                }
            }
        }
        ids.sort_unstable();
        ids.into_iter().map(|id| Ranked { id, score: 0.0, places: Vec::new() }).collect()
    }

    /// One list, which is the ranking.
    fn single(&mut self, list: &mut List) -> Result<Vec<Ranked>> {
        let depth = self.query.depth();
        let clause = &self.query.clauses[0];
        self.extend(list, clause, depth, depth)?;
        let lists = std::slice::from_ref(list);
        let place = |(at, hit): (usize, &ListHit)| {
            let places = if self.query.explain { fusion::places(hit.id, lists, at + 1) } else { Vec::new() };
            Ranked { id: hit.id, score: hit.score, places }
        };
        Ok(list.hits.iter().take(depth).enumerate().map(place).collect())
    }

    /// Several lists → one, in rounds: each makes the lists twice as long, and puts what they then say behind what was decided before. So a
    /// ranking begins as every longer one does.
    fn fused(&mut self, lists: &mut [List]) -> Result<Vec<Ranked>> {
        let depth = self.query.depth();
        let mut round = Rounds::of(self.query);
        let at_least = round.len_for(depth);
        let mut ranked: Vec<Ranked> = Vec::new();
        let mut taken: HashSet<RecordId> = HashSet::new();
        loop {
            for (list, clause) in lists.iter_mut().zip(&self.query.clauses) {
                self.extend(list, clause, round.len, at_least)?;
            }
            let is_last =
                self.is_late() || round.is_last() || lists.iter().all(|list| list.hits.len() < round.len);
            let until = if is_last { depth } else { round.decided().min(depth) };
            let ceiling = ranked.last().map_or(f32::INFINITY, |hit| hit.score);
            for mut hit in fusion::fuse(self.query.fusion.unwrap_or_default(), lists, round.len) {
                if ranked.len() >= until {
                    break;
                }
                if taken.insert(hit.id) {
                    hit.score = hit.score.min(ceiling);
                    if self.query.explain {
                        hit.places = fusion::places(hit.id, lists, round.len);
                    }
                    ranked.push(hit);
                }
            }
            let is_below = |hit: &Ranked| self.query.min_score.is_some_and(|least| hit.score < least);
            if is_last || ranked.len() >= depth || ranked.last().is_some_and(is_below) {
                return Ok(ranked);
            }
            round = round.next();
        }
    }

    /// Makes a list `len` long, if there is so much. Where a search for `at_least` begins like one for less, it is made once.
    fn extend(&mut self, list: &mut List, clause: &Clause, len: usize, at_least: usize) -> Result<()> {
        match &clause.wanted {
            Wanted::Words(_) if list.is_whole || list.hits.len() >= len => Ok(()),
            Wanted::Words(words) => self.words(list, words, len.max(at_least)),
            Wanted::Nearest { space, target } => self.nearest(list, space, target, len, at_least),
        }
    }

    /// The best by words: records of equal score in the order of their ids.
    fn words(&mut self, list: &mut List, words: &lexical_index::Query, len: usize) -> Result<()> {
        let begun = Instant::now();
        let snapshot = self.snapshot;
        let state = &*snapshot.state;
        list.hits.clear();
        loop {
            let views: Vec<(usize, &View)> =
                state.views.iter().enumerate().filter(|(at, _)| !self.left_out.contains(at)).collect();
            let segments = views
                .iter()
                .map(|&(_, view)| Segment::sealed(&view.shard.words).deleted(view.dead.bitmap()))
                .collect();
            let filters: Vec<Option<&RoaringBitmap>> = self
                .filter
                .iter()
                .flat_map(|filter| views.iter().map(|(at, _)| Some(&filter[*at])))
                .collect();
            let searched = Searcher::new(&state.settings.analyzer, segments)
                .and_then(|searcher| searcher.search(words, len, &filters));
            match searched {
                Ok(found) => {
                    list.is_whole = found.hits.len() < len;
                    list.is_cut = found.is_cut;
                    for hit in found.hits {
                        let (_, view) = views[hit.segment];
                        let Some(id) = view.shard.ids().id_of(hit.row) else { continue };
                        list.hits.push(ListHit { id, score: hit.score, in_tail: !view.shard.is_sealed() });
                    }
                    list.explain.time += begun.elapsed();
                    return Ok(());
                }
                // A damaged index is left out, and the search goes on without.
                Err(e) if e.kind() == lexical_index::ErrorKind::Damaged => {
                    let damaged = views.iter().find(|(_, view)| view.shard.words.verify().is_err());
                    let Some((at, view)) = damaged else { return Err(e.into()) };
                    self.is_complete = false;
                    self.losses.push(format!("the words of shard {}: {e}", view.shard.number));
                    self.left_out.push(*at);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The nearest vectors, in rounds: each keeps twice as many candidates, and puts what it finds behind what was found before.
    fn nearest(
        &mut self,
        list: &mut List,
        space: &str,
        target: &Target,
        len: usize,
        at_least: usize,
    ) -> Result<()> {
        if list.hits.len() >= len || (list.is_whole && list.rest.is_empty()) {
            return Ok(());
        }
        let begun = Instant::now();
        let snapshot = self.snapshot;
        let state = &*snapshot.state;
        let (number, space) = state.settings.space(space)?;
        let (vector, excluded) = match target {
            Target::Vector(vector) => (vector.clone(), None),
            Target::Record(id) => (embedding_of(state, *id, number, space)?, Some(*id)),
        };
        // Also where no shard has vectors of this space yet.
        space.quantizer.quantize(&vector).map_err(|e| about(e, space))?;
        list.take(&state.views, excluded, len);
        while list.hits.len() < len && !list.is_whole && !self.is_late() {
            self.nearest_round(list, number, (&vector, excluded), len.max(at_least))?;
            list.take(&state.views, excluded, len);
        }
        list.explain.time += begun.elapsed();
        Ok(())
    }

    /// A round; or, to begin with, only the first hits of the first round, if `len` are enough. They are the same hits, and few are had sooner.
    fn nearest_round(
        &mut self,
        list: &mut List,
        number: usize,
        (vector, excluded): (&[f32], Option<RecordId>),
        len: usize,
    ) -> Result<()> {
        let snapshot = self.snapshot;
        let state = &*snapshot.state;
        let space = &state.settings.spaces[number];
        let doubled = |first: usize| first.saturating_mul(1 << list.rounds).min(MAX_DEPTH);
        let first = self.query.ef_search.unwrap_or(EF_SEARCH);
        // Originals are read for twice as many as are returned.
        let width = doubled(if space.originals() == Originals::None { first } else { first.min(CANDIDATES) });
        let whole = width + usize::from(excluded.is_some());
        // One more than wanted, to see whether the last one wanted has equals.
        let first_few = len.saturating_add(1 + usize::from(excluded.is_some()));
        let k = if list.is_begun { whole } else { whole.min(first_few) };
        list.is_begun = true;
        list.seen.extend(list.hits.iter().skip(list.seen.len()).map(|hit| hit.id));
        let before = (list.explain.hops, list.explain.distances);
        let mut found: Vec<Found> = Vec::new();
        for (at, view) in state.views.iter().enumerate() {
            let Some(vectors) = view.shard.vectors(number) else { continue };
            if self.is_late() {
                break;
            }
            let filter = self.filter.as_ref().map(|filter| row_set(&filter[at]));
            let mut options = SearchOptions::new(k).exact(self.query.exact).ef_search(doubled(first));
            options = options.deleted(view.dead.set());
            if let Some(filter) = &filter {
                options = options.filter(filter);
            }
            if let Some(originals) = stored_originals(vectors, space) {
                options = options.rescore(originals, 2 * whole);
                if let Some(section) = &vectors.originals {
                    options = options.originals_in(section);
                }
            }
            let searched = snapshot.shared.with_scratch(|scratch| {
                let near = |hit: &vector_index::Hit| Found {
                    score: score(space.metric(), hit.distance),
                    view: at,
                    row: hit.row,
                };
                let searched = vectors.index.search(vector, &options, scratch);
                searched.map(|hits| found.extend(hits.iter().map(near))).map(|()| scratch.statistics())
            });
            match searched {
                Ok(statistics) => count(&mut list.explain, statistics),
                Err(e) if e.kind() == vector_index::ErrorKind::Damaged => {
                    self.is_complete = false;
                    let (name, number) = (space.name(), view.shard.number);
                    let loss = format!("the vectors of space {name:?} in shard {number}: {e}");
                    if !self.losses.contains(&loss) {
                        self.losses.push(loss);
                    }
                }
                Err(e) => return Err(about(e, space)),
            }
        }
        list.is_whole = found.len() < k || (k == whole && width == MAX_DEPTH);
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.view, a.row).cmp(&(b.view, b.row))));
        found.truncate(k);
        if k == whole {
            list.rounds += 1;
        } else if !list.is_whole {
            // Those as near as the last one may be more than were found.
            let last = found.last().copied();
            found.retain(|found| last.is_some_and(|last| found.score.total_cmp(&last.score).is_ne()));
        }
        found.reverse();
        list.rest = found;
        let counters = &snapshot.shared.counters;
        Counters::add(&counters.hops, list.explain.hops - before.0);
        Counters::add(&counters.distances, list.explain.distances - before.1);
        Ok(())
    }
}

fn about(error: vector_index::Error, space: &Space) -> Error {
    Error::from(error).about(format_args!("vector space {:?}", space.name()))
}

fn count(explain: &mut ListExplain, statistics: SearchStatistics) {
    explain.hops += statistics.hops;
    explain.distances += statistics.distances;
    match statistics.path {
        SearchPath::Graph => explain.graphs += 1,
        SearchPath::Nothing => {}
        _ => explain.scans += 1,
    }
}

/// The embedding of the record that others are to be like.
fn embedding_of(state: &State, id: RecordId, number: usize, space: &Space) -> Result<Vec<f32>> {
    let embedding = state.embedding(id, number)?.ok_or_else(|| {
        let message =
            format!("record {id} is not there, or has no embedding in vector space {:?}", space.name());
        Error::new(ErrorKind::NoSuchRecord, message)
    })?;
    Ok(embedding.decode(space))
}

fn stored_originals<'a>(vectors: &'a Vectors, space: &Space) -> Option<Stored<'a>> {
    let bytes = vectors.originals.as_ref()?.as_ref();
    match space.originals() {
        Originals::None => None,
        Originals::F16 => bytemuck::try_cast_slice(bytes).ok().map(Stored::F16),
        Originals::F32 => bytemuck::try_cast_slice(bytes).ok().map(Stored::F32),
    }
}

/// Larger is nearer.
fn score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - distance,
        Metric::Dot | Metric::L2 => -distance,
    }
}
