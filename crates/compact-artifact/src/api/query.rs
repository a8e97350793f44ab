//! What is looked for, and how.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use block_format::RecordId;
use lexical_index::Occur;
use metadata_index::Filter;

use crate::api::error::Result;
use crate::api::facet::{Facet, Order};
use crate::api::federated::QueryStatistics;

/// How many of the best near a vector are sorted by a field, unless the query says otherwise.
pub(crate) const SORTED: usize = 100;

/// How lists of hits, of words and of vector spaces, become one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Fusion {
    /// By ranks: the sum over the lists of `weight / (k + rank)`, ranks from 1 on. Reciprocal rank fusion (Cormack, Clarke and
    /// Büttcher, 2009), where `k` is 60.
    ReciprocalRank {
        /// How little the first ranks stand out.
        k: f32,
    },
    /// By scores: the sum over the lists of `weight` times how many standard deviations a score is above the mean of its list, at most 5; a
    /// record that a list does not have counts as the list's lowest. Of words, a list shorter than the others may be is filled up with scores of
    /// 0 first, which is what texts without the words have.
    #[default]
    Normalized,
}

/// A search: by words, by vectors, by likeness to a record, or by several of them at once; among the records that a filter lets
/// through. With a filter alone it lists those, in the order of their ids.
///
/// ```
/// use compact_artifact::{Filter, Query};
///
/// let query = Query::words("small domestic animal").filter(Filter::field("pos").eq("noun")).k(5).snippet(120);
/// # let _ = query;
/// ```
#[derive(Debug, Clone)]
#[must_use = "a query finds nothing until it is handed to `search`"]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Query {
    /// What makes a list each: words, at most once, and vectors.
    pub(crate) clauses: Vec<Clause>,
    pub(crate) filter: Option<Filter>,
    pub(crate) k: usize,
    pub(crate) offset: usize,
    pub(crate) min_score: Option<f32>,
    pub(crate) exact: bool,
    pub(crate) ef_search: Option<usize>,
    pub(crate) recall: Option<f64>,
    pub(crate) candidates: Option<usize>,
    /// `None`: by default.
    pub(crate) fusion: Option<Fusion>,
    /// `None`: as snippets need it.
    pub(crate) fetch: Option<bool>,
    pub(crate) snippet: Option<usize>,
    pub(crate) explain: bool,
    pub(crate) order: Vec<(String, Order)>,
    pub(crate) total: bool,
    pub(crate) facets: Vec<Facet>,
    /// The field whose values have at most so many hits each.
    pub(crate) group: Option<(String, usize)>,
    /// Fields of the metadata that hits come with.
    pub(crate) fields: Vec<String>,
    pub(crate) strict_fields: bool,
    pub(crate) deadline: Option<Duration>,
    /// In the place of the snapshot's own.
    pub(crate) statistics: Option<Arc<QueryStatistics>>,
    /// What the query was told that cannot be.
    pub(crate) fault: Option<&'static str>,
}

/// What makes one list of hits, words or a vector, and how much that list counts beside others.
///
/// ```
/// use compact_artifact::{Clause, Query};
///
/// let query = Query::from(Clause::words("small domestic animal").weight(2.0)).and(Clause::vector("meaning", [0.8, 0.3, 0.0]));
/// # let _ = query;
/// ```
#[derive(Debug, Clone)]
#[must_use = "a clause is a part of a query"]
pub struct Clause {
    pub(crate) wanted: Wanted,
    /// `None`: by default.
    pub(crate) weight: Option<f32>,
}

impl Clause {
    /// Texts with any of the words of a plain text: see [`Query::words`].
    pub fn words(text: &str) -> Self {
        Self::word_query(lexical_index::Query::any(text))
    }

    /// Texts that match a query of words.
    ///
    /// ```
    /// use compact_artifact::{Clause, Occur, WordQuery};
    ///
    /// # fn main() -> compact_artifact::Result<()> {
    /// let clause = Clause::word_query(WordQuery::parse("\"domestic animal\" OR pet*", Occur::Should)?);
    /// # let _ = clause;
    /// # Ok(()) }
    /// ```
    pub fn word_query(words: lexical_index::Query) -> Self {
        Self { wanted: Wanted::Words(words.with_default_field(TEXT_FIELD)), weight: None }
    }

    /// Records with embeddings near a vector: see [`Query::vector`].
    pub fn vector(space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        Self::nearest(space.into(), Target::Vector(vector.into()))
    }

    /// Records with embeddings near that of a record: see [`Query::similar_to`].
    pub fn similar_to(space: impl Into<String>, id: RecordId) -> Self {
        Self::nearest(space.into(), Target::Record(id))
    }

    /// Records whose texts mean what a text does: see [`Query::meaning`].
    pub fn meaning(text: impl Into<String>) -> Self {
        Self { wanted: Wanted::Meaning(text.into()), weight: None }
    }

    fn nearest(space: String, target: Target) -> Self {
        Self { wanted: Wanted::Nearest { space, target }, weight: None }
    }

    /// How much the list counts beside the others of the query, 0 or more, up to 1e9. An error where there is no other. Default: 1 for words, 0.8 for vectors; for the
    /// meaning of a text what its embedder says: 0.4 for `StaticEmbedder`, 0.8 for others.
    pub fn weight(mut self, weight: f32) -> Self {
        self.weight = Some(weight);
        self
    }
}

impl Clause {
    /// Its weight, by default that of its kind.
    pub(crate) fn list_weight(&self) -> f32 {
        match (self.weight, &self.wanted) {
            (Some(weight), _) => weight,
            (None, Wanted::Words(_)) => 1.0,
            // Of a text by meaning: unless its embedder says otherwise.
            (None, Wanted::Nearest { .. } | Wanted::Meaning(_)) => 0.8,
        }
    }
}

impl From<Clause> for Query {
    fn from(clause: Clause) -> Self {
        Self::new().and(clause)
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Words(lexical_index::Query),
    Nearest {
        space: String,
        target: Target,
    },
    /// Records near the embedding of a text.
    Meaning(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Vector(Vec<f32>),
    /// The embedding of this record, which is not among the hits.
    Record(RecordId),
}

/// The field of words that contents are in, together with the texts of all fields.
pub(crate) const TEXT_FIELD: &str = "text";

/// The deepest page ends here.
pub(crate) const MAX_DEPTH: usize = lexical_index::MAX_HITS;
/// How much a list may count: sums of scores stay finite.
pub(crate) const WEIGHTS: std::ops::RangeInclusive<f32> = 0.0..=1e9;

impl Default for Query {
    fn default() -> Self {
        Self {
            clauses: Vec::new(),
            filter: None,
            k: 10,
            offset: 0,
            min_score: None,
            exact: false,
            ef_search: None,
            recall: None,
            candidates: None,
            fusion: None,
            fetch: None,
            snippet: None,
            explain: false,
            order: Vec::new(),
            total: false,
            facets: Vec::new(),
            group: None,
            fields: Vec::new(),
            strict_fields: false,
            deadline: None,
            statistics: None,
            fault: None,
        }
    }
}

impl Query {
    /// A query for everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Texts that are about what a text says, by its words and by its meaning: [`Query::words`] and [`Query::meaning`] at once. An error of kind
    /// [`NoModel`](crate::ErrorKind::NoModel) where texts are not embedded, or their model is not at hand.
    pub fn text(text: &str) -> Self {
        Self::words(text).and_meaning(text)
    }

    /// Texts that mean what a text does, the nearest first, whether or not they share a word with it: by the embeddings that the
    /// `embedder` of the artifact gives. A text in which the model knows nothing is near to none.
    pub fn meaning(text: impl Into<String>) -> Self {
        Self::new().and_meaning(text)
    }

    /// Texts with any of the words of a plain text, in which nothing has a special meaning, the best first. Of a word of more than 255 bytes the first 255
    /// count: longer words with the same beginning find each other.
    ///
    /// Records that were deleted, replaced or changed, or that expired, are never found. Until sealing or compaction leaves them out of the index that has them, they still
    /// count in how rare a word is and in how long texts usually are.
    pub fn words(text: &str) -> Self {
        Self::new().and_words(text)
    }

    /// Texts that match a query as people write it: `word "a phrase" begin* roughly~ +must -not (this OR that) AND more^2`. The
    /// syntax is that of [`WordQuery::parse`](lexical_index::Query::parse), with any of what stands side by side. `title:word` is looked for in
    /// that [field](crate::Record::field) only, any other word in the content and all fields, as is `text:word`. What cannot be read is an error that names the
    /// place.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self::new().and_words_query(lexical_index::Query::parse(text, Occur::Should)?))
    }

    /// Records with embeddings near a vector.
    pub fn vector(space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        Self::new().and_vector(space, vector)
    }

    /// Records with embeddings near that of a record, which is not among the hits itself.
    pub fn similar_to(space: impl Into<String>, id: RecordId) -> Self {
        Self::new().and_similar_to(space, id)
    }

    /// Looks for the words of a plain text as well.
    pub fn and_words(self, text: &str) -> Self {
        self.and_words_query(lexical_index::Query::any(text))
    }

    /// Looks for words as well, in all the ways that `lexical-index` knows. A query has words once: all of them go into one call.
    pub fn and_words_query(self, words: lexical_index::Query) -> Self {
        self.and(Clause::word_query(words))
    }

    /// Looks for what is near a vector as well.
    pub fn and_vector(self, space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        self.and(Clause::vector(space, vector))
    }

    /// Looks for what is near a record as well.
    pub fn and_similar_to(self, space: impl Into<String>, id: RecordId) -> Self {
        self.and(Clause::similar_to(space, id))
    }

    /// Looks for what means the same as a text as well.
    pub fn and_meaning(self, text: impl Into<String>) -> Self {
        self.and(Clause::meaning(text))
    }

    /// Looks for what a clause asks for as well. A query has words once.
    pub fn and(mut self, clause: Clause) -> Self {
        if self.words_wanted().is_some() && matches!(clause.wanted, Wanted::Words(_)) {
            self.fault = Some("words are asked for twice; expected them once");
        }
        self.clauses.push(clause);
        self
    }

    /// Only records that the filter lets through; given several times, only those that all of them let through.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(other) => other.and(filter),
            None => filter,
        });
        self
    }

    /// Whether a field of the metadata that no record has is an error of kind [`NoSuchField`](crate::ErrorKind::NoSuchField), which says what is spelt like it: in the filter, or what hits are
    /// sorted, counted or grouped by or come with. For a filter alone there is [`Filter::strict`]. Without it, [`explain`](Self::explain) names
    /// such fields. Default: no.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, ErrorKind, Filter, Query, Record};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add(Record::text("a whale").metadata(json!({"year": 1851})))?;
    /// let slip = Filter::field("yaer").gte(1800);
    /// let query = Query::words("whale").filter(slip.clone());
    /// let found = artifact.search(&query.clone().explain(true))?;
    /// assert!(found.hits.is_empty());
    /// let unknown = &found.explain.as_ref().expect("it was asked for").unknown_fields[0];
    /// assert_eq!(unknown.to_string(), r#"no record has the field "yaer"; near it is "year""#);
    /// assert_eq!(artifact.search(&query.strict_fields(true)).unwrap_err().kind(), ErrorKind::NoSuchField);
    /// assert_eq!(artifact.delete_where(&slip.strict()).unwrap_err().kind(), ErrorKind::NoSuchField);
    /// # Ok(()) }
    /// ```
    pub fn strict_fields(mut self, strict: bool) -> Self {
        self.strict_fields = strict;
        self
    }

    /// How many hits, 1 to 65,536. Default: 10.
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// How many of the best are left out first: pages of one query are pieces of one ranking, whatever `k` and `offset` are. The two together are
    /// at most 65,536. Default: 0.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Only hits with at least this [`score`](crate::Hit::score): the ranking ends at the first one below it. An error where hits have no scores: without words or a vector.
    pub fn min_score(mut self, score: f32) -> Self {
        self.min_score = Some(score);
        self
    }

    /// Compares a vector with all others: the nearest by all that is kept of them, without fail, which are their codes and their [`originals`](crate::SpaceOptions::originals). An error without a vector.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// How many candidates a search through a graph keeps for the first as many hits: more finds more of the true neighbours in more time. For
    /// hits behind those it keeps twice as many, and so on. An error without a vector, or beside [`exact`](Query::exact) or [`recall`](Query::recall). Default: what
    /// finds 0.99 of the nearest by the codes, as measured when the graph was built, 64 to 512; for several lists that become one, at least as many as [`candidates`](Query::candidates).
    pub fn ef_search(mut self, ef_search: usize) -> Self {
        self.ef_search = Some(ef_search);
        self
    }

    /// How much of the nearest a search through graphs finds on average, by the codes: each is searched as widely as that takes, which was measured when it was built, with 192 of
    /// its vectors taken for new ones. What is measured is the ten nearest, for 0.90, 0.95, 0.97, 0.98, 0.99 and 0.995; a number between those counts as the next, and where none is
    /// known to be enough the search is exact. At least 64 candidates are kept, so that to ask for less than these find saves nothing. Above 0, at most 1. An error without a vector, or beside [`exact`](Query::exact) or [`ef_search`](Query::ef_search).
    pub fn recall(mut self, recall: f64) -> Self {
        self.recall = Some(recall);
        self
    }

    /// How long each list is before several become one, for the first as many hits; for hits behind those it is twice as long, and so on. At
    /// least [`k`](Query::k). Default: 100 for the first 50 hits, 200 for the first 100, and so on. With a vector, or by meaning, and `order_by`: of how many of the best the
    /// order is made; default: 100. Otherwise an error with fewer than two lists.
    pub fn candidates(mut self, candidates: usize) -> Self {
        self.candidates = Some(candidates);
        self
    }

    /// How several lists become one. An error with fewer than two. Default: [`Fusion::Normalized`].
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = Some(fusion);
        self
    }

    /// [`Clause::weight`] of the words or the vector named last; an error before any is named.
    pub fn weight(mut self, weight: f32) -> Self {
        match self.clauses.last_mut() {
            Some(last) => last.weight = Some(weight),
            None => {
                self.fault = Some("a weight of nothing; expected words or a vector before it");
            }
        }
        self
    }

    /// Whether hits come with their records. Default: only with their ids, unless [`snippet`](Query::snippet) needs them.
    pub fn fetch(mut self, fetch: bool) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// With the place of each text, up to so many bytes (1 to 65,536), that shows best why it was found: of the content, or, where it has nothing that the query asks for there, of the first field that has.
    /// Hits then come with their records.
    pub fn snippet(mut self, bytes: usize) -> Self {
        self.snippet = Some(bytes);
        self
    }

    /// With an account of how the search went, and why each hit is one.
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// After this time the search returns what it has, and says so. Looked at between steps, and where a phrase or words near each other are looked for in a long text: otherwise
    /// indexes of one list are not left in the middle.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.deadline = Some(time);
        self
    }

    /// Scores words, and reads the filter, by these statistics instead of the snapshot's own, in [`Snapshot::search_lists`](crate::Snapshot::search_lists): an error elsewhere.
    pub fn statistics(mut self, statistics: Arc<QueryStatistics>) -> Self {
        self.statistics = Some(statistics);
        self
    }

    /// How many lists become one ranking: one for its words, and one for each vector and meaning.
    pub fn lists(&self) -> usize {
        self.clauses.len()
    }

    /// The words that are looked for.
    pub(crate) fn words_wanted(&self) -> Option<&lexical_index::Query> {
        self.clauses.iter().find_map(|clause| match &clause.wanted {
            Wanted::Words(words) => Some(words),
            Wanted::Nearest { .. } | Wanted::Meaning(_) => None,
        })
    }

    /// The fields of the metadata that it names.
    pub(crate) fn metadata_fields(&self) -> BTreeSet<&str> {
        let mut fields = self.filter.as_ref().map(Filter::fields).unwrap_or_default();
        fields.extend(self.order.iter().map(|(field, _)| field.as_str()));
        fields.extend(self.facets.iter().map(|facet| facet.field.as_str()));
        fields.extend(self.group.iter().map(|(field, _)| field.as_str()));
        fields.extend(self.fields.iter().map(String::as_str));
        fields
    }

    /// How many hits are needed in all.
    pub(crate) fn depth(&self) -> usize {
        self.k + self.offset
    }

    pub(crate) fn fetches(&self) -> bool {
        self.fetch.unwrap_or(self.snippet.is_some())
    }

    /// Whether all records that match are looked at, and not the best alone.
    pub(crate) fn needs_all(&self) -> bool {
        cfg!(feature = "facets") && (self.total || !self.facets.is_empty() || self.sorts_all())
    }

    /// Whether all records that match are sorted by a field.
    pub(crate) fn sorts_all(&self) -> bool {
        self.sorts() && !self.has_vector()
    }

    /// Whether hits are sorted by a field.
    pub(crate) fn sorts(&self) -> bool {
        cfg!(feature = "facets") && !self.order.is_empty()
    }

    pub(crate) fn has_vector(&self) -> bool {
        self.clauses.iter().any(|clause| !matches!(clause.wanted, Wanted::Words(_)))
    }
}
