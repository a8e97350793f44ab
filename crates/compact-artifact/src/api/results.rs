//! What a search found, and how it went.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use block_format::RecordId;
use metadata_index::Type as FieldType;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::damage::Damage;
use crate::api::entry::Entry;
use crate::api::facet::{FacetCounts, Total};

/// What a search found.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct SearchResults {
    /// The best first; equals in the order of their ids. Two things to know:
    ///
    /// - By a vector alone, what comes behind the first 30 hits, 64 in a space that keeps no [`originals`](crate::SpaceOptions::originals), or [`ef_search`](crate::Query::ef_search) where that is said, is found by a wider search, and follows what was
    ///   found before even where it is nearer, so that pages fit together. With `ef_search` at least as large as `k` and `offset` together, or [`exact`](crate::Query::exact), all are in order.
    /// - A record whose embedding or metadata changed after it was added may stand behind its equals.
    pub hits: Vec<Hit>,
    /// Whether everything was looked at. Otherwise the deadline passed, a word with `*` or `~` stood for more terms than are looked for, fewer groups than were asked for were found in
    /// the best 65,536 hits (`group_by`), or [`losses`](Self::losses) name an index or embeddings.
    pub is_complete: bool,
    /// What could not be read because it is damaged: a hit without its record, an index that was left out, embeddings that were lost with one.
    pub losses: Vec<Damage>,
    /// How many records match, if that was asked for: see `Query::total`.
    pub total: Option<Total>,
    /// What was counted, in the order of `Query::facet`.
    pub facets: Vec<FacetCounts>,
    /// How it went, if that was asked for.
    #[serde(serialize_with = "explain")]
    pub explain: Option<Arc<Explain>>,
}

#[expect(clippy::ref_option, reason = "what serde calls it with")]
fn explain<S: serde::Serializer>(explain: &Option<Arc<Explain>>, serializer: S) -> Result<S::Ok, S::Error> {
    explain.as_deref().serialize(serializer)
}

/// A record that was found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// Its id.
    pub id: RecordId,
    /// Larger is better. Of words alone: BM25. Of one vector alone: the cosine, the dot product, or the squared distance negated. Of several
    /// lists: what [`Fusion`](crate::Fusion) says, and never more than the hit before has. Of a filter alone: 0.
    pub score: f32,
    /// The record, if it was asked for and can be read.
    pub record: Option<Entry>,
    /// Values of its metadata, if they were asked for: see [`field`](Self::field).
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// The place in its text that shows best why it was found, if that was asked for.
    pub snippet: Option<Snippet>,
    /// Why it was found, if that was asked for: its place in each list that has it.
    pub places: Vec<ListPlace>,
}

impl Hit {
    /// The value of a field of its metadata that `Query::fields` named; `None`: it has none. Several values, of an array, come as an array in the order
    /// of values, each once; a single one as itself, also where it stands in an array.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }
}

/// A piece of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Snippet {
    /// The field that it is of; `None`: the content.
    pub field: Option<String>,
    /// The piece.
    pub text: String,
    /// What of it the query asked for, in bytes of the piece.
    pub highlights: Vec<Range<usize>>,
    /// Whether there is more of the text before the piece.
    pub is_cut_before: bool,
    /// Whether there is more of the text behind the piece.
    pub is_cut_after: bool,
}

/// Where a hit stands in one list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ListPlace {
    /// `words`, or the name of a vector space.
    pub list: String,
    /// From 1 on.
    pub rank: usize,
    /// Of that list alone.
    pub score: f32,
    /// Whether it came from the tail: records that are not sealed yet.
    pub in_tail: bool,
}

/// A field of the metadata that a query names, and that no record has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnknownField {
    /// Its path, as the query has it.
    pub field: String,
    /// A field that records have, and whose path differs in one or two characters.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no record has the field {:?}", self.field)?;
        self.nearest.as_ref().map_or(Ok(()), |nearest| write!(f, "; near it is {nearest:?}"))
    }
}

/// What the records that have a field of metadata have in common: see [`Snapshot::metadata_fields`](crate::Snapshot::metadata_fields).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataField {
    /// Its path.
    pub name: String,
    /// The types of its values: none if it has only objects, empty arrays.
    pub types: Vec<FieldType>,
    /// Whether no record has several values in it.
    pub is_single: bool,
    /// Whether all values are integers of 64 bits.
    pub are_i64: bool,
    /// Whether all values are numbers that floats of 64 bits stand for without loss.
    pub are_f64: bool,
}

/// How a search went.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explain {
    /// Records that a search could find, and of those how many are in the tail.
    pub records: u64,
    /// See `records`.
    pub tail_records: u64,
    /// Indexes that were searched: sealed shards, and those of the tail.
    pub shards: usize,
    /// Records that the filter lets through, if there is one.
    pub filter_matches: Option<u64>,
    /// Fields of the metadata that the query names, in its filter or elsewhere, and that no record has.
    pub unknown_fields: Vec<UnknownField>,
    /// What was done for each list.
    pub lists: Vec<ListExplain>,
    /// Time for the filter.
    pub filter_time: Duration,
    /// Time for records and snippets.
    pub fetch_time: Duration,
    /// Time in all.
    pub time: Duration,
    /// Decoded blocks that were found in the cache, and that were not.
    pub blocks_cached: u64,
    /// See `blocks_cached`.
    pub blocks_decoded: u64,
    /// Of a pack that is [read by ranges](crate::CompactArtifact::open_packed_ranges): ranges that were asked for meanwhile, by this search and any other.
    pub range_requests: u64,
    /// How often ranges were asked for together, side by side.
    pub range_rounds: u64,
    /// Bytes that came.
    pub range_bytes: u64,
}

/// How one list came about.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ListExplain {
    /// `words`, or the name of a vector space.
    pub list: String,
    /// How many it has.
    pub hits: usize,
    /// Nodes of graphs whose neighbours were looked at.
    pub hops: u64,
    /// Distances that were computed from codes.
    pub distances: u64,
    /// How many shards were searched through their graph, and how many were scanned.
    pub graphs: usize,
    /// See `graphs`.
    pub scans: usize,
    /// In how many shards the neighbours of a record were stored: see `Options::precompute_similar`.
    pub stored: usize,
    /// Time it took.
    pub time: Duration,
}
