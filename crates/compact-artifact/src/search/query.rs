//! What is looked for, and how.

use std::time::Duration;

use block_format::RecordId;
use lexical_index::Occur;

use crate::error::{Error, Result};
use crate::filter::Filter;

/// How lists of hits, of words and of vector spaces, become one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// By ranks: the sum over the lists of `weight / (k + rank)`, ranks from 1 on. Reciprocal rank fusion (Cormack, Clarke and
    /// Büttcher, 2009), where `k` is 60.
    ReciprocalRank {
        /// How little the first ranks stand out.
        k: f32,
    },
    /// By scores: the sum over the lists of `weight` times how many standard deviations a score is above the mean of its list; a
    /// record that a list does not have counts as the list's lowest.
    Normalized,
}

impl Default for Fusion {
    fn default() -> Self {
        Self::ReciprocalRank { k: 60.0 }
    }
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
pub struct Query {
    pub(crate) words: Option<lexical_index::Query>,
    pub(crate) words_weight: f32,
    pub(crate) vectors: Vec<VectorClause>,
    pub(crate) filter: Option<Filter>,
    pub(crate) k: usize,
    pub(crate) offset: usize,
    pub(crate) min_score: Option<f32>,
    pub(crate) exact: bool,
    pub(crate) ef_search: Option<usize>,
    pub(crate) candidates: Option<usize>,
    pub(crate) fusion: Fusion,
    pub(crate) fetch: bool,
    pub(crate) snippet: Option<usize>,
    pub(crate) explain: bool,
    pub(crate) deadline: Option<Duration>,
}

/// One list of nearest vectors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VectorClause {
    pub(crate) space: String,
    pub(crate) target: Target,
    pub(crate) weight: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Vector(Vec<f32>),
    /// The embedding of this record, which is not among the hits.
    Record(RecordId),
}

impl Default for Query {
    fn default() -> Self {
        Self {
            words: None,
            words_weight: 1.0,
            vectors: Vec::new(),
            filter: None,
            k: 10,
            offset: 0,
            min_score: None,
            exact: false,
            ef_search: None,
            candidates: None,
            fusion: Fusion::default(),
            fetch: false,
            snippet: None,
            explain: false,
            deadline: None,
        }
    }
}

impl Query {
    /// A query for everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Texts with any of the words of a plain text, in which nothing has a special meaning, the best first.
    pub fn words(text: &str) -> Self {
        Self::new().and_words(text)
    }

    /// Texts that match a query as people write it: `word "a phrase" begin* roughly~ +must -not`.
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

    /// Looks for words as well, in all the ways that `lexical-index` knows.
    pub fn and_words_query(mut self, words: lexical_index::Query) -> Self {
        self.words = Some(words);
        self
    }

    /// Looks for what is near a vector as well.
    pub fn and_vector(self, space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        self.with_target(space.into(), Target::Vector(vector.into()))
    }

    /// Looks for what is near a record as well.
    pub fn and_similar_to(self, space: impl Into<String>, id: RecordId) -> Self {
        self.with_target(space.into(), Target::Record(id))
    }

    fn with_target(mut self, space: String, target: Target) -> Self {
        self.vectors.push(VectorClause { space, target, weight: 1.0 });
        self
    }

    /// Only records that the filter lets through.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// How many hits, 1 to 65,536. Default: 10.
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// How many of the best are left out first. Default: 0.
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Only hits with at least this [`score`](crate::Hit::score).
    pub fn min_score(mut self, score: f32) -> Self {
        self.min_score = Some(score);
        self
    }

    /// Compares a vector with all others: the nearest by their codes, without fail.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// How many candidates a search through a graph keeps: more finds more of the true neighbours in more time.
    /// Default: 64, or as many as are asked for.
    pub fn ef_search(mut self, ef_search: usize) -> Self {
        self.ef_search = Some(ef_search);
        self
    }

    /// How long each list is before several become one. Default: twice the hits, and 30 at least.
    pub fn candidates(mut self, candidates: usize) -> Self {
        self.candidates = Some(candidates);
        self
    }

    /// How several lists become one. Default: by ranks.
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = fusion;
        self
    }

    /// How much words count beside vectors. Default: 1.
    pub fn words_weight(mut self, weight: f32) -> Self {
        self.words_weight = weight;
        self
    }

    /// How much the vector named last counts beside the others and words. Default: 1.
    pub fn weight(mut self, weight: f32) -> Self {
        if let Some(last) = self.vectors.last_mut() {
            last.weight = weight;
        }
        self
    }

    /// Whether hits come with their records. Default: no, only with their ids.
    pub fn fetch(mut self, fetch: bool) -> Self {
        self.fetch = fetch;
        self
    }

    /// With the place of each text, up to so many bytes, that shows best why it was found. Implies [`fetch`](Query::fetch).
    pub fn snippet(mut self, bytes: usize) -> Self {
        self.snippet = Some(bytes);
        self.fetch = true;
        self
    }

    /// With an account of how the search went, and why each hit is one.
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// After this time the search returns what it has, and says so. Looked at between steps: indexes of one list are not left in the
    /// middle.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.deadline = Some(time);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let within = |what: &str, value: usize, low: usize| {
            if (low..=lexical_index::MAX_HITS).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!(
                "{what}: expected {low} to {}, found {value}",
                lexical_index::MAX_HITS
            )))
        };
        within("k", self.k, 1)?;
        within("k and offset together", self.k.saturating_add(self.offset), 1)?;
        within("candidates", self.candidates.unwrap_or(1), 1)?;
        within("ef_search", self.ef_search.unwrap_or(1), 1)?;
        let weights = self.vectors.iter().map(|clause| clause.weight).chain([self.words_weight]);
        for weight in weights {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::invalid(format!("a weight of {weight}; expected 0 or more")));
            }
        }
        if let Fusion::ReciprocalRank { k } = self.fusion
            && !(k.is_finite() && k >= 0.0)
        {
            return Err(Error::invalid(format!("fusion by ranks with k = {k}; expected 0 or more")));
        }
        if self.min_score.is_some_and(f32::is_nan) {
            return Err(Error::invalid("a smallest score that is not a number"));
        }
        Ok(())
    }

    /// How many hits are needed in all.
    pub(crate) fn wanted(&self) -> usize {
        self.k + self.offset
    }

    /// How long a list has to be.
    pub(crate) fn list_len(&self) -> usize {
        let lists = self.vectors.len() + usize::from(self.words.is_some());
        let fused = if lists > 1 { (2 * self.wanted()).max(30) } else { 0 };
        self.candidates.unwrap_or(fused).max(self.wanted()).min(lexical_index::MAX_HITS)
    }
}
