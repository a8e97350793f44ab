//! The list of the nearest by vectors.

use std::time::Instant;

use block_format::RecordId;
use vector_index::{Metric, Originals as Stored, SearchOptions, SearchPath, SearchStatistics};

use super::lists::{Found, List, NearTo};
use super::ranking::{Rounds, Search};
use super::resources::Counters;
use crate::api::damage::Damage;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::query::{Clause, MAX_DEPTH, Target, Wanted};
use crate::api::results::ListExplain;
use crate::api::space::{Originals, Space};
use crate::shard::{Vectors, layout};
use crate::state::State;

/// Candidates that a search through a graph keeps in its first round.
const EF_SEARCH: usize = 64;
/// Hits of the first round of a search for vectors alone that are compared by their originals.
const RESCORED: usize = 30;

impl Search<'_> {
    /// The nearest vectors, in rounds: each keeps twice as many candidates, and puts what it finds behind what was found before.
    pub(super) fn nearest(
        &mut self,
        list: &mut List,
        clause: &Clause,
        len: usize,
        at_least: usize,
    ) -> Result<()> {
        if list.hits.len() >= len || (list.is_whole && list.rest.is_empty()) {
            return Ok(());
        }
        let begun = Instant::now();
        let near = match list.near.take() {
            Some(near) => Some(near),
            None => self.near_to(&clause.wanted)?,
        };
        let Some(near) = near else {
            list.is_whole = true;
            return Ok(());
        };
        if clause.weight.is_none() && matches!(clause.wanted, Wanted::Meaning(_)) {
            list.weight = self.resources.meaning.weight(&self.state.settings.spaces[near.number]);
        }
        let views = &self.state.views;
        list.take(views, near.excluded, len);
        while list.hits.len() < len && !list.is_whole && !self.is_late() {
            self.nearest_round(list, &near, len.max(at_least))?;
            list.take(views, near.excluded, len);
        }
        list.near = Some(near);
        list.explain.time += begun.elapsed();
        Ok(())
    }

    /// The number of the space that a clause is about.
    pub(super) fn space_of(&self, wanted: &Wanted) -> Result<Option<usize>> {
        let settings = &self.state.settings;
        match wanted {
            Wanted::Words(_) => Ok(None),
            Wanted::Nearest { space, .. } => Ok(Some(settings.space(space)?.0)),
            Wanted::Meaning(_) => Ok(settings.meaning().map(|(number, _)| number)),
        }
    }

    /// What a clause asks to be near to; `None`: nothing is.
    fn near_to(&self, wanted: &Wanted) -> Result<Option<NearTo>> {
        let settings = &self.state.settings;
        let (number, space, vector, excluded) = match wanted {
            Wanted::Words(_) => return Ok(None),
            Wanted::Nearest { space, target } => {
                let (number, space) = settings.space(space)?;
                match target {
                    Target::Vector(vector) => (number, space, vector.clone(), None),
                    Target::Record(id) => {
                        (number, space, embedding_of(self.state, *id, number, space)?, Some(*id))
                    }
                }
            }
            Wanted::Meaning(text) => {
                let (number, space) = settings.meaning().ok_or_else(|| {
                    let message = "texts of this artifact are not embedded, and cannot be searched by meaning; give a model in `options().embedder(…)`, or search by words";
                    Error::new(ErrorKind::NoModel, message)
                })?;
                let Some(vector) = self.resources.meaning.embed_query(space, text)? else { return Ok(None) };
                (number, space, vector, None)
            }
        };
        // Also where no shard has vectors of this space yet.
        space.quantizer.quantize(&vector).map_err(|e| about(e, space))?;
        Ok(Some(NearTo { number, vector, excluded }))
    }

    /// A round; or, to begin with, only the first hits of the first round, if `len` are enough. They are the same hits, and few are had sooner.
    fn nearest_round(&mut self, list: &mut List, near: &NearTo, len: usize) -> Result<()> {
        let state = self.state;
        let NearTo { number, ref vector, excluded } = *near;
        let space = &state.settings.spaces[number];
        let doubled = |first: usize| first.saturating_mul(1 << list.rounds).min(MAX_DEPTH);
        // A list that is to be fused is made in one round.
        let fused = (self.query.clauses.len() > 1).then(|| Rounds::from_query(self.query).len);
        let mut first = self.query.ef_search.unwrap_or(EF_SEARCH);
        if self.query.ef_search.is_none() {
            first = first.max(fused.unwrap_or(0));
        }
        // Originals are read for twice as many as are returned.
        let has_originals = space.originals() != Originals::None;
        let hits = doubled(if has_originals && fused.is_none() { first.min(RESCORED) } else { first });
        let whole = hits + usize::from(excluded.is_some());
        // One more than wanted, to see whether the last one wanted has equals.
        let first_few = len.saturating_add(1 + usize::from(excluded.is_some()));
        let k = if list.is_begun { whole } else { whole.min(first_few) };
        list.is_begun = true;
        list.seen.extend(list.hits.iter().skip(list.seen.len()).map(|hit| hit.id));
        let before = (list.explain.hops, list.explain.distances);
        let mut found: Vec<Found> = Vec::new();
        // Not less than the round returns: otherwise a search for few would be narrower than one for all of it.
        let width = Width { k, ef: doubled(first).max(whole), rescored: 2 * whole };
        for at in 0..self.state.views.len() {
            if self.is_late() {
                break;
            }
            self.nearest_in_shard(list, (number, at), vector, width, &mut found)?;
        }
        list.is_whole = found.len() < k || (k == whole && hits == MAX_DEPTH);
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
        let counters = &self.resources.counters;
        Counters::add(&counters.hops, list.explain.hops - before.0);
        Counters::add(&counters.distances, list.explain.distances - before.1);
        Ok(())
    }

    /// Adds the nearest vectors of one space in one shard to `found`.
    fn nearest_in_shard(
        &mut self,
        list: &mut List,
        (number, at): (usize, usize),
        vector: &[f32],
        width: Width,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        let state = self.state;
        let (space, view) = (&state.settings.spaces[number], &state.views[at]);
        let Some(vectors) = view.shard.vectors(number) else { return Ok(()) };
        let mut options = SearchOptions::new(width.k).exact(self.query.exact).ef_search(width.ef);
        options = options.deleted(view.dead.rows());
        if let Some(filter) = &self.filter {
            options = options.filter(&filter[at]);
        }
        if let Some(originals) = stored_originals(vectors, space) {
            options = options.rescore(originals, width.rescored);
            if let Some(section) = &vectors.originals {
                options = options.originals_in(section);
            }
        }
        let searched = self.resources.with_scratch(|scratch| {
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
                let message = format!("the vectors of space {name:?} in shard {number}: {e}");
                let loss = Damage::new(message).in_shard(number).in_space(name);
                if !self.losses.contains(&loss) {
                    self.losses.push(loss);
                }
            }
            Err(e) => return Err(about(e, space)),
        }
        Ok(())
    }
}

/// How much a search of one shard looks for.
#[derive(Debug, Clone, Copy)]
struct Width {
    k: usize,
    /// Candidates that a walk through a graph keeps.
    ef: usize,
    /// Candidates whose originals are read, where there are originals.
    rescored: usize,
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
        Originals::F16 => layout::f16_originals(bytes).map(Stored::F16),
        Originals::F32 => layout::f32_originals(bytes).map(Stored::F32),
    }
}

/// Larger is nearer.
fn score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - distance,
        _ => -distance,
    }
}
