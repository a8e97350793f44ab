//! Questions in JSON, to queries.

use compact_artifact::json::Object;
use compact_artifact::{Filter, Order, Query, RecordId};
use serde::Deserialize;
use serde_json::Value;

/// What can be asked: one of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    Search(Box<Object<Search>>),
    Get(Get),
    Keys(Object<Keys>),
    Stats(Object<Nothing>),
}

/// The keys that begin with something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) prefix: String,
}

/// A question without anything to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A record by its key or its id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Get {
    Key(String),
    Id(u64),
}

/// What is looked for.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Search {
    /// By meaning and words, as far as there is a model.
    pub(crate) text: Option<String>,
    /// By words, in the syntax of queries.
    words: Option<String>,
    /// By meaning alone, for which there must be a model.
    meaning: Option<String>,
    vector: Option<Object<Vector>>,
    filter: Option<Value>,
    k: usize,
    offset: usize,
    /// A field, or `-` and a field for the largest first.
    order_by: Option<String>,
    group_by: Option<String>,
    total: bool,
    /// The longest snippet in bytes.
    snippet: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    space: String,
    values: Vec<f32>,
}

impl Default for Search {
    fn default() -> Self {
        let (text, words, meaning, vector, filter) = Default::default();
        let (order_by, group_by, total) = Default::default();
        Self {
            text,
            words,
            meaning,
            vector,
            filter,
            k: 10,
            offset: 0,
            order_by,
            group_by,
            total,
            snippet: 160,
        }
    }
}

impl Search {
    pub(crate) fn query(&self, has_model: bool) -> compact_artifact::Result<Query> {
        let mut query = match (&self.words, &self.text) {
            (Some(words), None) => Query::parse(words)?,
            (None, Some(text)) if has_model => Query::text(text),
            (None, Some(text)) => Query::words(text),
            (Some(words), Some(text)) => Query::parse(words)?.and_meaning(text),
            (None, None) => Query::new(),
        };
        if let Some(meaning) = &self.meaning {
            query = query.and_meaning(meaning);
        }
        if let Some(Object(Vector { space, values })) = &self.vector {
            query = query.and_vector(space, values.clone());
        }
        if let Some(filter) = &self.filter {
            query = query.filter(Filter::from_json(filter)?);
        }
        if let Some(field) = &self.order_by {
            query = match field.strip_prefix('-') {
                Some(field) => query.order_by(field, Order::Descending),
                None => query.order_by(field, Order::Ascending),
            };
        }
        if let Some(field) = &self.group_by {
            query = query.group_by(field, 1);
        }
        query = query.k(self.k).offset(self.offset).total(self.total).fetch(true);
        Ok(if self.snippet > 0 { query.snippet(self.snippet) } else { query })
    }
}

impl From<&Get> for RecordName {
    fn from(get: &Get) -> Self {
        match get {
            Get::Key(key) => Self::Key(key.clone()),
            Get::Id(id) => Self::Id(RecordId(*id)),
        }
    }
}

/// A record as it is named.
#[derive(Debug)]
pub(crate) enum RecordName {
    Key(String),
    Id(RecordId),
}
