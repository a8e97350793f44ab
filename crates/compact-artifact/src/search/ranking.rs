//! Which records match a query, and how well.

use std::time::Instant;

use block_format::RecordId;
use lexical_index::{Searcher, Segment};
use roaring::RoaringBitmap;
use vector_index::{Metric, Originals as Stored, SearchOptions, SearchPath};

use super::fusion;
use super::results::{Explain, Hit, ListExplain, ListPlace};
use super::{Query, Target, VectorClause};
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

/// The hits of one list, the best first.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) weight: f32,
    pub(crate) hits: Vec<ListHit>,
    pub(crate) is_cut: bool,
    pub(crate) explain: ListExplain,
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
}

pub(crate) fn rank(snapshot: &Snapshot, query: &Query, begun: Instant) -> Result<Ranking> {
    let state = &*snapshot.state;
    let filter = query.filter.as_ref().map(|filter| state.matches(filter)).transpose()?;
    let filter_time = begun.elapsed();
    let filter_matches = filter.as_ref().map(|rows| rows.iter().map(RoaringBitmap::len).sum());
    let mut search = Search { snapshot, query, filter, begun, is_complete: true, losses: Vec::new() };
    let mut lists: Vec<List> = Vec::new();
    if query.words.is_some() {
        lists.push(search.words()?);
    }
    for clause in &query.vectors {
        if search.is_late() {
            break;
        }
        lists.push(search.nearest(clause)?);
    }
    let Search { is_complete, losses, .. } = &search;
    let is_complete = *is_complete && !lists.iter().any(|list| list.is_cut);
    let losses = losses.clone();
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
    let ranked = match lists.as_slice() {
        [] if query.vectors.is_empty() && query.words.is_none() => search.listing(),
        [list] => {
            list.hits.iter().map(|hit| Ranked { id: hit.id, score: hit.score, places: Vec::new() }).collect()
        }
        lists => fusion::fuse(query.fusion, lists),
    };
    let kept = ranked.into_iter().filter(|hit| query.min_score.is_none_or(|least| hit.score >= least));
    let mut hits: Vec<Ranked> = kept.skip(query.offset).take(query.k).collect();
    if query.explain {
        for hit in &mut hits {
            hit.places = fusion::places(hit.id, &lists);
        }
    }
    Ok(Ranking { hits, is_complete, losses, explain })
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

    fn words(&mut self) -> Result<List> {
        let begun = Instant::now();
        let snapshot = self.snapshot;
        let state = &*snapshot.state;
        let mut list = List { name: "words".to_owned(), weight: self.query.words_weight, ..List::default() };
        let Some(query) = &self.query.words else { return Ok(list) };
        let mut left_out: Vec<usize> = Vec::new();
        let found = loop {
            let views: Vec<(usize, &View)> =
                state.views.iter().enumerate().filter(|(at, _)| !left_out.contains(at)).collect();
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
                .and_then(|searcher| searcher.search(query, self.query.list_len(), &filters));
            match searched {
                Ok(found) => {
                    for hit in found.hits {
                        let (_, view) = views[hit.segment];
                        let Some(id) = view.shard.ids().id_of(hit.row) else { continue };
                        list.hits.push(ListHit { id, score: hit.score, in_tail: !view.shard.is_sealed() });
                    }
                    break found.is_cut;
                }
                // A damaged index is left out, and the search goes on without.
                Err(e) if e.kind() == lexical_index::ErrorKind::Damaged => {
                    let damaged = views.iter().find(|(_, view)| view.shard.words.verify().is_err());
                    let Some((at, view)) = damaged else { return Err(e.into()) };
                    self.losses.push(format!("the words of shard {}: {e}", view.shard.number));
                    left_out.push(*at);
                }
                Err(e) => return Err(e.into()),
            }
        };
        list.hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        list.is_cut = found;
        list.explain =
            ListExplain { list: list.name.clone(), time: begun.elapsed(), ..ListExplain::default() };
        Ok(list)
    }

    fn nearest(&mut self, clause: &VectorClause) -> Result<List> {
        let begun = Instant::now();
        let snapshot = self.snapshot;
        let state = &*snapshot.state;
        let (number, space) = state.settings.space(&clause.space)?;
        let about =
            |e: vector_index::Error| Error::from(e).about(format_args!("vector space {:?}", space.name()));
        let mut list = List { name: clause.space.clone(), weight: clause.weight, ..List::default() };
        list.explain.list.clone_from(&list.name);
        let (vector, excluded) = match &clause.target {
            Target::Vector(vector) => (vector.clone(), None),
            Target::Record(id) => (target(state, *id, number, space)?, Some(*id)),
        };
        // Also where no shard has vectors of this space yet.
        space.quantizer.quantize(&vector).map_err(about)?;
        let k = self.query.list_len() + usize::from(excluded.is_some());
        for (at, view) in state.views.iter().enumerate() {
            let Some(vectors) = view.shard.vectors(number) else { continue };
            if self.is_late() {
                break;
            }
            let filter = self.filter.as_ref().map(|filter| row_set(&filter[at]));
            let mut options = SearchOptions::new(k).exact(self.query.exact).deleted(view.dead.set());
            if let Some(filter) = &filter {
                options = options.filter(filter);
            }
            if let Some(ef_search) = self.query.ef_search {
                options = options.ef_search(ef_search);
            }
            let originals = stored_originals(vectors, space);
            if let Some(originals) = originals {
                options = options.rescore(originals, 2 * k);
            }
            let table = view.shard.ids();
            let in_tail = !view.shard.is_sealed();
            let found = snapshot.shared.with_scratch(|scratch| {
                let found = vectors.index.search(&vector, &options, scratch).map(|hits| {
                    let hits = hits.iter().filter_map(|hit| Some((table.id_of(hit.row)?, hit.distance)));
                    hits.filter(|(id, _)| Some(*id) != excluded).collect::<Vec<_>>()
                });
                found.map(|hits| (hits, scratch.statistics()))
            });
            match found {
                Ok((hits, statistics)) => {
                    list.explain.hops += statistics.hops;
                    list.explain.distances += statistics.distances;
                    match statistics.path {
                        SearchPath::Graph => list.explain.graphs += 1,
                        SearchPath::Nothing => {}
                        _ => list.explain.scans += 1,
                    }
                    list.hits.extend(hits.into_iter().map(|(id, distance)| ListHit {
                        id,
                        score: score(space.metric(), distance),
                        in_tail,
                    }));
                }
                Err(e) if e.kind() == vector_index::ErrorKind::Damaged => {
                    self.losses.push(format!(
                        "the vectors of space {:?} in shard {}: {e}",
                        space.name(),
                        view.shard.number
                    ));
                }
                Err(e) => return Err(about(e)),
            }
        }
        list.hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        list.hits.truncate(self.query.list_len());
        list.explain.time = begun.elapsed();
        let counters = &snapshot.shared.counters;
        Counters::add(&counters.hops, list.explain.hops);
        Counters::add(&counters.distances, list.explain.distances);
        Ok(list)
    }
}

/// The embedding of the record that others are to be like.
fn target(state: &State, id: RecordId, number: usize, space: &Space) -> Result<Vec<f32>> {
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
