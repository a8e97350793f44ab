//! What goes in and out of searches of several snapshots as one.

use std::collections::BTreeMap;

use block_format::RecordId;
use metadata_index::Types;
use serde::{Deserialize, Serialize};

use crate::api::damage::Damage;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::results::Hit;

/// What the answer to one query depends on beside the records that are found: how often its words occur, how long texts are, of which types the fields of its filter
/// are, and how many vectors there are. [`Snapshot::query_statistics`](crate::Snapshot::query_statistics) gathers it, [`merge`](Self::merge) adds up that of several snapshots, and
/// [`Query::statistics`](crate::Query::statistics) hands it to the search of each, in another process as well: it goes there as JSON, by `serde`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryStatistics {
    pub(crate) words: lexical_index::Statistics,
    pub(crate) fields: BTreeMap<String, FilterField>,
    /// How many vectors there are in each space that the query asks, by its name.
    #[serde(default)]
    pub(crate) vectors: BTreeMap<String, usize>,
    /// What has to be alike in all that is searched together, by what it is called: scores would not compare.
    #[serde(default)]
    pub(crate) alike: BTreeMap<String, String>,
}

/// What is known of a field of the metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FilterField {
    pub(crate) types: Types,
    /// Whether any record has it.
    pub(crate) is_known: bool,
}

impl QueryStatistics {
    /// Adds those of other records for the same query. Fails with [`SettingsMismatch`](ErrorKind::SettingsMismatch) where scores would not compare: words that were made by other
    /// rules, as those of two languages are, or count otherwise; vectors of another metric, number of dimensions or model.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        for (what, one) in other.alike {
            match self.alike.get(&what) {
                Some(another) if *another != one => {
                    let message = format!(
                        "{what} is {another} in one and {one} in another; expected what is searched together to be alike"
                    );
                    return Err(Error::new(ErrorKind::SettingsMismatch, message));
                }
                Some(_) => {}
                None => _ = self.alike.insert(what, one),
            }
        }
        self.words.merge(other.words).map_err(|e| match e.kind() {
            lexical_index::ErrorKind::Mismatch => Error::caused(ErrorKind::SettingsMismatch, e),
            _ => e.into(),
        })?;
        for (name, field) in other.fields {
            let merged = self.fields.entry(name).or_default();
            merged.types = merged.types | field.types;
            merged.is_known |= field.is_known;
        }
        for (name, vectors) in other.vectors {
            let merged = self.vectors.entry(name).or_default();
            *merged = merged.saturating_add(vectors);
        }
        Ok(())
    }
}

/// The lists of a query in one snapshot, before they become one ranking: see [`Snapshot::search_lists`](crate::Snapshot::search_lists).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchLists {
    /// One for each clause of the query, in their order.
    pub lists: Vec<SearchList>,
    /// As in [`SearchResults`](crate::SearchResults).
    pub is_complete: bool,
    /// As in [`SearchResults`](crate::SearchResults).
    pub losses: Vec<Damage>,
}

/// One list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchList {
    /// How much it counts beside the others.
    pub weight: f32,
    /// The best first.
    pub hits: Vec<SearchListHit>,
    /// What walks through graphs of vectors kept.
    pub candidates: Candidates,
}

/// What walks through graphs of vectors kept that were as wide as their part of the vectors of all snapshots lets expect: it tells [`too_narrow`](crate::too_narrow) whether that
/// was enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidates {
    /// How many a walk keeps that is not one of several.
    pub width: usize,
    /// The scores of those that were kept. Larger is nearer.
    pub scores: Vec<f32>,
    /// The score down to which nothing was left out; `None`: nothing was left out at all.
    pub reach: Option<f32>,
}

/// A record in a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchListHit {
    /// Its id.
    pub id: RecordId,
    /// Of this list alone. Larger is better.
    pub score: f32,
    /// Whether it came from the tail: records that are not sealed yet.
    pub in_tail: bool,
}

/// A record that was found among those of several snapshots.
#[derive(Debug, Clone, Serialize)]
pub struct FederatedHit {
    /// The number of its snapshot, in the order in which they were given.
    pub source: usize,
    /// The hit.
    pub hit: Hit,
}

/// What a search of several snapshots found.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct FederatedResults {
    /// The best first; equals in the order of their snapshots and ids.
    pub hits: Vec<FederatedHit>,
    /// As in [`SearchResults`](crate::SearchResults).
    pub is_complete: bool,
    /// What is damaged, with the number of its snapshot.
    pub losses: Vec<(usize, Damage)>,
}
