//! Lists of hits, and the ranking that they become.

use std::collections::HashSet;

use block_format::RecordId;

use crate::api::damage::Damage;
use crate::api::facet::{FacetCounts, Total};
use crate::api::federated::Candidates;
use crate::api::query::{Clause, Wanted};
use crate::api::results::{Explain, Hit, ListExplain, ListPlace};
use crate::api::space::MEANING;
use crate::format::settings::WORDS;
use crate::state::View;

/// The hits of a query, without their records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranking {
    pub(crate) hits: Vec<Ranked>,
    pub(crate) is_complete: bool,
    pub(crate) losses: Vec<Damage>,
    pub(crate) explain: Explain,
    pub(crate) total: Option<Total>,
    pub(crate) facets: Vec<FacetCounts>,
}

/// A hit.
#[derive(Debug, Clone)]
pub(crate) struct Ranked {
    pub(crate) id: RecordId,
    pub(crate) score: f32,
    pub(crate) places: Vec<ListPlace>,
}

impl Ranked {
    /// A hit of a search that scores none.
    pub(crate) fn unscored(id: RecordId) -> Self {
        Self { id, score: 0.0, places: Vec::new() }
    }

    pub(crate) fn hit(&self) -> Hit {
        let (record, snippet, fields) = Default::default();
        Hit { id: self.id, score: self.score, record, fields, snippet, places: self.places.clone() }
    }
}

impl Ranking {
    /// Heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let places: usize = self.hits.iter().map(|hit| hit.places.len() * size_of::<ListPlace>()).sum();
        let facets: usize = self.facets.iter().map(|facet| facet.counts.len() * 64).sum();
        size_of::<Self>() + facets + self.hits.len() * size_of::<Ranked>() + places
    }
}

/// The hits of one list, the best first. Asked for more, it begins as it did before.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) name: String,
    pub(crate) weight: f32,
    pub(crate) hits: Vec<ListHit>,
    pub(crate) is_cut: bool,
    /// The score of a record that is not in the list, where that is known: words are worth nothing where none is.
    pub(crate) absent: Option<f32>,
    pub(crate) explain: ListExplain,
    /// There is no more to be found than `hits` and `rest`.
    pub(super) is_whole: bool,
    /// Of a list of the nearest: to what.
    pub(super) near: Option<NearTo>,
    /// Shards were searched for nearest vectors, if only for the first few.
    pub(super) is_begun: bool,
    /// How many rounds of searching shards for nearest vectors are complete.
    pub(super) rounds: u32,
    /// What the last round found beside `hits`, the best last.
    pub(super) rest: Vec<Found>,
    /// What was kept of graphs, where others are searched beside them.
    pub(super) candidates: Candidates,
    /// The ids of `hits`, once there was more than one round.
    pub(super) seen: HashSet<RecordId>,
}

/// What records are to be near to.
#[derive(Debug)]
pub(super) struct NearTo {
    /// The number of the space.
    pub(super) number: usize,
    pub(super) vector: Vec<f32>,
    /// A record that is not among the hits.
    pub(super) excluded: Option<RecordId>,
}

/// A row of a shard that is near a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) score: f32,
    pub(super) view: usize,
    pub(super) row: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ListHit {
    pub(crate) id: RecordId,
    pub(crate) score: f32,
    pub(crate) in_tail: bool,
}

impl List {
    pub(super) fn new(clause: &Clause) -> Self {
        let name = match &clause.wanted {
            Wanted::Words(_) => WORDS,
            Wanted::Nearest { space, .. } => space,
            Wanted::Meaning(_) => MEANING,
        };
        let absent = matches!(clause.wanted, Wanted::Words(_)).then_some(0.0);
        let weight = clause.list_weight();
        let mut list = Self { name: name.to_owned(), weight, absent, ..Self::default() };
        list.explain.list.clone_from(&list.name);
        list
    }

    /// Keeps what a round found, the best first.
    pub(super) fn keep(&mut self, mut found: Vec<Found>) {
        found.reverse();
        self.rest = found;
    }

    /// The same, without those as near as the last one, which may be more than were found.
    pub(super) fn keep_without_equals_of_last(&mut self, mut found: Vec<Found>) {
        let last = found.last().copied();
        found.retain(|found| last.is_some_and(|last| found.score.total_cmp(&last.score).is_ne()));
        self.keep(found);
    }

    /// Moves what the last round found to the hits, until there are `len`; those of one score by their ids.
    pub(super) fn take(&mut self, views: &[View], excluded: Option<RecordId>, len: usize) {
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
