//! The list of the nearest by vectors.

use block_format::host::Instant;
use block_format::{Offered, RecordId};
use vector_index::RowSet;

use super::breadth::Part;
use super::in_shard::{Gathered, InShard, Scan, Width, about};
use super::lists::{Found, List, NearTo};
use super::ranking::{OFFERED_FROM, Rounds, Search};
use super::resources::Counters;
use crate::api::damage::Damage;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::query::{Clause, MAX_DEPTH, Target, Wanted};
use crate::api::space::{Originals, Space};
use crate::state::{State, View};

/// Candidates that a search through a graph keeps in its first round.
const EF_SEARCH: usize = 64;
/// Hits of the first round of a search for vectors alone that are compared by their originals.
pub(super) const RESCORED: usize = 30;

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
            list.weight = self.resources.meaning.weight(&self.state.settings.spaces[near.number])?;
        }
        self.name_lost_embeddings(near.number);
        let views = &self.state.views;
        if !list.is_begun {
            self.stored_round(list, &near)?;
        }
        list.take(views, near.excluded, len);
        while list.hits.len() < len && !list.is_whole && !self.is_late() {
            self.nearest_round(list, &near, len.max(at_least))?;
            list.take(views, near.excluded, len);
        }
        list.near = Some(near);
        list.explain.time += begun.elapsed();
        Ok(())
    }

    /// What a clause asks to be near to; `None`: nothing is.
    pub(super) fn near_to(&self, wanted: &Wanted) -> Result<Option<NearTo>> {
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
                    let message = "texts of this artifact are not embedded, and cannot be searched by meaning; `reembed` does that with a model, or search by words";
                    Error::new(ErrorKind::NoModel, message)
                })?;
                let Some(vector) = self.resources.meaning.embed_query(space, text)? else { return Ok(None) };
                (number, space, vector, None)
            }
        };
        // Also where no shard has vectors of this space yet.
        space.quantizer.check(&vector).map_err(|e| about(e, space))?;
        Ok(Some(NearTo { number, vector, excluded }))
    }

    /// That vectors of a space cannot be read, or that records may have lost their embeddings with a damaged index, is a loss of each search in it: they are not found.
    pub(super) fn name_lost_embeddings(&mut self, number: usize) {
        let state = self.state;
        let name = state.settings.spaces[number].name();
        let unread = state.views.iter().flat_map(|view| &view.shard.losses);
        unread.filter(|loss| loss.space.as_deref() == Some(name)).for_each(|loss| self.lose(loss.clone()));
        if let Some(first) = state.still_lost_in(number).next() {
            let message = format!(
                "record {first} and perhaps others have no embedding in space {name:?}: it may have been lost with an index that was damaged"
            );
            let records = Some(RecordId(first)..RecordId(first.saturating_add(1)));
            self.lose(Damage { records, ..Damage::new(message).in_space(name) });
        }
    }

    /// Something that is not found because of damage.
    pub(super) fn lose(&mut self, loss: Damage) {
        self.is_complete = false;
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    /// Begins a list of what is near a record with the neighbours that are stored of it, if any are; all other shards are searched. Rounds of searching put
    /// behind them what they find, so that a list begins the same however long it is to be.
    fn stored_round(&mut self, list: &mut List, near: &NearTo) -> Result<()> {
        if !cfg!(feature = "similar") {
            return Ok(());
        }
        let query = self.query;
        let is_plain =
            query.clauses.len() == 1 && self.filter.is_none() && !query.exact && query.recall.is_none();
        let Some(id) = near.excluded.filter(|_| is_plain && query.ef_search.is_none()) else { return Ok(()) };
        let Some((at, rows)) = self.stored_neighbours(id, near.number)? else { return Ok(()) };
        let mut gathered = Gathered::default();
        let scan = Scan { exact: true, filter: Some(&rows) };
        let whole =
            |k: usize| Width { k, ef: EF_SEARCH.max(k), times: 1, rescored: 2 * k, part: Part::WHOLE };
        self.nearest_in_shard(list, (near.number, at), &near.vector, whole(rows.len()), scan, &mut gathered)?;
        let k = gathered.found.len();
        if k == 0 {
            return Ok(());
        }
        list.explain.stored += 1;
        for other in (0..self.state.views.len()).filter(|&other| other != at) {
            if self.is_late() {
                return Ok(());
            }
            let asked = (near.number, other);
            self.nearest_in_shard(list, asked, &near.vector, whole(k), Scan::ALL, &mut gathered)?;
        }
        let Gathered { mut found, .. } = gathered;
        sort(&mut found);
        found.truncate(k);
        list.is_begun = true;
        list.keep_without_equals_of_last(found);
        Ok(())
    }

    /// The shard in which a record is, and the rows near it that are stored and alive. Damage is a loss, and the graph serves instead.
    fn stored_neighbours(&mut self, id: RecordId, space: usize) -> Result<Option<(usize, RowSet)>> {
        let state = self.state;
        let live_row = |view: &View| view.shard.row_of(id).filter(|&row| !view.dead.contains(row));
        let found = state.views.iter().enumerate().find_map(|(at, view)| Some((at, live_row(view)?)));
        let Some((at, row)) = found else { return Ok(None) };
        let view = &state.views[at];
        let Some(neighbours) = &view.neighbours else { return Ok(None) };
        match neighbours.near(space, row) {
            Ok(rows) => {
                let live: RowSet = rows.into_iter().filter(|&row| !view.dead.contains(row)).collect();
                Ok((!live.is_empty()).then_some((at, live)))
            }
            Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::OutOfMemory) => Err(e),
            Err(e) => {
                let number = view.shard.number;
                let message = format!("neighbours of shard {number}, which are searched for instead: {e}");
                let name = state.settings.spaces[space].name();
                self.losses.push(Damage::new(message).in_shard(number).in_space(name));
                Ok(None)
            }
        }
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
        if self.among.is_some() {
            // There is one round: what it lacks is known when what others found is.
            first = first.max(len);
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
        // Not less than the round returns: otherwise a search for few would be narrower than one for all of it.
        let rescored = 2 * whole;
        // As many as originals are read of, unless that was said.
        let least = if has_originals && self.query.ef_search.is_none() { rescored } else { whole };
        let ef = doubled(first).max(least);
        let width = Width { k, ef, times: 1 << list.rounds, rescored, part: Part::WHOLE };
        let mut found = self.nearest_in_all(list, number, vector, width)?;
        list.is_whole = found.len() < k || (k == whole && hits == MAX_DEPTH);
        sort(&mut found);
        found.truncate(k);
        if k == whole {
            list.rounds += 1;
        }
        if k == whole || list.is_whole {
            list.keep(found);
        } else {
            list.keep_without_equals_of_last(found);
        }
        let counters = &self.resources.counters;
        Counters::add(&counters.hops, list.explain.hops - before.0);
        Counters::add(&counters.distances, list.explain.distances - before.1);
        Ok(())
    }

    /// The nearest in all shards: of each as many as its part of the vectors lets expect, and where those are too near to be all that are, as many as of one alone.
    fn nearest_in_all(
        &mut self,
        list: &mut List,
        number: usize,
        vector: &[f32],
        width: Width,
    ) -> Result<Vec<Found>> {
        let scan = Scan { exact: self.query.exact, ..Scan::ALL };
        let mut gathered = Gathered::default();
        let parts = self.parts(number);
        let mut offered = self.offer_shards((number, vector), &parts, width);
        let mut in_shards: Vec<InShard> = Vec::new();
        for (at, part) in parts.into_iter().enumerate() {
            if self.is_late() {
                break;
            }
            if offered.iter().all(|(shard, _)| *shard != at) {
                in_shards.push(self.found_in((number, at), vector, Width { part, ..width }, scan)?);
            }
        }
        // Threads take the first first, and this one the last.
        while !self.is_late()
            && let Some((_, in_shard)) = offered.pop()
        {
            in_shards.push(in_shard.take()?);
        }
        for in_shard in in_shards {
            self.gather(list, in_shard, &mut gathered);
        }
        let Gathered { found, mut breadth } = gathered;
        if self.among.is_some() {
            list.candidates = breadth.candidates();
            return Ok(found);
        }
        let mut gathered = Gathered { found, ..Gathered::default() };
        for at in breadth.too_narrow() {
            if self.is_late() {
                break;
            }
            gathered.found.retain(|found| found.view != at);
            self.nearest_in_shard(list, (number, at), vector, width, scan, &mut gathered)?;
        }
        Ok(gathered.found)
    }

    /// Offers graphs, but for the first, to threads that have nothing to do; with the number of the view of each.
    fn offer_shards(
        &self,
        (number, vector): (usize, &[f32]),
        parts: &[Part],
        width: Width,
    ) -> Vec<(usize, Offered<Result<InShard>>)> {
        let is_large = |view: &View| {
            view.shard.is_sealed()
                && view.shard.vectors(number).is_some_and(|vectors| vectors.index.has_graph())
        };
        let views = self.state.views.iter().enumerate();
        let mut large = views.filter(|(_, view)| is_large(view)).map(|(at, _)| at).skip(1).peekable();
        if large.peek().is_none() || self.among.is_some() || self.state.len() < OFFERED_FROM {
            return Vec::new();
        }
        let idle = self.resources.workers.threads().saturating_sub(1 + self.offered);
        let offer = |at: usize| {
            let (state, resources) = (self.state.clone(), self.resources.clone());
            let (query, filter, begun) = (self.query.clone(), self.filter.clone(), self.begun);
            let (vector, width) = (vector.to_vec(), Width { part: parts[at], ..width });
            let search = move || {
                let search = Search::new(&state, &resources, &query, filter, begun);
                search.found_in((number, at), &vector, width, Scan { exact: query.exact, ..Scan::ALL })
            };
            Some((at, self.resources.workers.offer(search)?))
        };
        large.take(idle).filter_map(offer).collect()
    }

    /// The part of all vectors of a space that is in each shard; where there is a filter, of those that it lets through.
    fn parts(&self, number: usize) -> Vec<Part> {
        let name = self.state.settings.spaces[number].name();
        let everywhere = self.among.and_then(|among| among.vectors.get(name).copied());
        let filter = self.filter.as_ref().filter(|_| everywhere.is_none());
        let vectors = |(at, view): (usize, &View)| {
            let vectors = view.shard.vectors(number).map_or(0, |vectors| vectors.index.len());
            filter.map_or(vectors, |filter| filter[at].len().min(vectors))
        };
        let each: Vec<usize> = self.state.views.iter().enumerate().map(vectors).collect();
        let all = everywhere.unwrap_or_else(|| each.iter().sum());
        each.into_iter().map(|vectors| Part { vectors, all }).collect()
    }

    /// Adds the nearest vectors of one space in one shard.
    fn nearest_in_shard(
        &mut self,
        list: &mut List,
        place: (usize, usize),
        vector: &[f32],
        width: Width,
        scan: Scan<'_>,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let found = self.found_in(place, vector, width, scan)?;
        self.gather(list, found, gathered);
        Ok(())
    }
}

/// The best first.
fn sort(found: &mut [Found]) {
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then((a.view, a.row).cmp(&(b.view, b.row))));
}

/// The embedding of the record that others are to be like.
fn embedding_of(state: &State, id: RecordId, number: usize, space: &Space) -> Result<Vec<f32>> {
    let embedding = state.embedding(id, number)?.ok_or_else(|| {
        let space = space.name();
        if state.has_lost(id, number) {
            let message = format!(
                "record {id} has no embedding in vector space {space:?}: it may have been lost with an index that was damaged"
            );
            return Error::damaged(message);
        }
        let message = format!("record {id} is not there, or has no embedding in vector space {space:?}");
        Error::new(ErrorKind::NoSuchRecord, message)
    })?;
    Ok(embedding.decode_direction(space))
}
