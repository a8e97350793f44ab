//! The arguments of `cart_search` → a query.

use std::sync::Arc;

use compact_artifact::{Clause, Filter, Query, QueryStatistics, json as checked};
use datafusion::common::{Result, plan_datafusion_err};
use serde_json::{Value, json};

use crate::external;

/// A query, and what of it `CartSearch` has to know.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    query: Query,
    k: usize,
    snippet: usize,
    /// The text and the options that the query was made of, by which another process makes the same; `None`: it was not made of any.
    arguments: Option<(String, String)>,
}

/// The query of a plan: with the statistics of all packs, for the columns that are wanted.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) query: Query,
    pub(crate) wanted: Wanted,
    search: Search,
    limit: Option<usize>,
    statistics: Arc<QueryStatistics>,
}

/// The length of snippets in bytes, unless the options say otherwise.
const SNIPPET: usize = 160;

impl Search {
    pub(crate) fn new(query: Query, k: usize) -> Self {
        Self { query, k, snippet: SNIPPET, arguments: None }
    }

    /// The query for the columns that are wanted.
    pub(crate) fn query(&self, limit: Option<usize>, wanted: Wanted) -> Query {
        let query = self.query.clone().k(self.k.min(limit.unwrap_or(self.k)).max(1));
        let query = query.fetch(wanted.record || wanted.snippet).explain(wanted.explain);
        if wanted.snippet { query.snippet(self.snippet) } else { query }
    }

    pub(crate) fn planned(
        &self,
        limit: Option<usize>,
        wanted: Wanted,
        statistics: QueryStatistics,
    ) -> Arc<Planned> {
        let statistics = Arc::new(statistics);
        let query = self.query(limit, wanted).statistics(statistics.clone());
        Arc::new(Planned { query, wanted, search: self.clone(), limit, statistics })
    }

    pub(crate) fn to_json(&self) -> Result<Value> {
        let (text, options) = self.arguments.as_ref().ok_or_else(|| {
            plan_datafusion_err!(
                "a query that was not made of text stays in its process; expected `cart_search` in SQL"
            )
        })?;
        Ok(json!({"text": text, "k": self.k, "options": options}))
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let k = value.get("k").and_then(Value::as_u64).and_then(|k| usize::try_from(k).ok());
        let (Some(given), Some(k), Some(options)) = (text("text"), k, text("options")) else {
            return Err(plan_datafusion_err!("{value}: expected the arguments of `cart_search`"));
        };
        search(given, k, options)
    }
}

impl Planned {
    pub(crate) fn to_json(&self) -> Result<Value> {
        let statistics = serde_json::to_value(&*self.statistics).map_err(external)?;
        let Wanted { record, snippet, explain } = self.wanted;
        Ok(json!({
            "search": self.search.to_json()?,
            "limit": self.limit,
            "wanted": [record, snippet, explain],
            "statistics": statistics,
        }))
    }

    pub(crate) fn from_json(value: &Value) -> Result<Arc<Self>> {
        let search = Search::from_json(&value["search"])?;
        let wanted = |at: usize| value["wanted"][at].as_bool().unwrap_or_default();
        let wanted = Wanted { record: wanted(0), snippet: wanted(1), explain: wanted(2) };
        let limit = value["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let statistics = serde_json::from_value(value["statistics"].clone()).map_err(external)?;
        Ok(search.planned(limit, wanted, statistics))
    }
}

/// What the columns that are read need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) record: bool,
    pub(crate) snippet: bool,
    pub(crate) explain: bool,
}

/// The options are described at [`CartSearch`](crate::CartSearch).
pub(crate) fn search(text: &str, k: usize, given: &str) -> Result<Search> {
    let options =
        checked::from_slice(given.as_bytes()).map_err(|e| external(e).context("cart_search: options"))?;
    let Value::Object(options) = options else {
        return Err(plan_datafusion_err!(
            "cart_search: options: expected an object of JSON, found {options}"
        ));
    };
    let known = ["by", "vector", "filter", "exact", "candidates", "snippet"];
    if let Some(name) = options.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(plan_datafusion_err!(
            "cart_search: no option {name:?}; expected one of {}",
            known.join(", ")
        ));
    }
    let vector = options.get("vector").map(vector).transpose()?;
    let by = match options.get("by") {
        Some(Value::String(by)) => Some(by.as_str()),
        Some(other) => {
            return Err(plan_datafusion_err!(
                "cart_search: by = {other}; expected text, words, meaning or query, in quotes"
            ));
        }
        None if vector.is_none() => Some("text"),
        None => (!text.is_empty()).then_some("words"),
    };
    let mut query = match by {
        None => Query::new(),
        Some(by @ ("text" | "words" | "meaning" | "query")) if text.is_empty() && vector.is_some() => {
            return Err(plan_datafusion_err!(
                "cart_search: by = {by:?} says what the text is, and the text beside the vector is empty; leave out by, or give a text"
            ));
        }
        Some("text") => Query::text(text),
        Some("words") => Query::words(text),
        Some("meaning") => Query::meaning(text),
        Some("query") => Query::parse(text).map_err(external)?,
        Some(other) => {
            return Err(plan_datafusion_err!(
                "cart_search: by = {other:?}; expected text, words, meaning or query"
            ));
        }
    };
    if let Some(clause) = vector {
        query = query.and(clause);
    }
    if let Some(filter) = options.get("filter") {
        query = query.filter(filter.to_string().parse::<Filter>().map_err(external)?);
    }
    let number = |name: &str| {
        let found = options.get(name);
        let number = found.map(|value| value.as_u64().and_then(|value| usize::try_from(value).ok()));
        match number {
            Some(None) => Err(plan_datafusion_err!("cart_search: {name}: expected a number")),
            number => Ok(number.flatten()),
        }
    };
    match options.get("exact") {
        None => {}
        Some(Value::Bool(exact)) => query = query.exact(*exact),
        Some(_) => return Err(plan_datafusion_err!("cart_search: exact: expected true or false")),
    }
    if let Some(candidates) = number("candidates")? {
        query = query.candidates(candidates);
    }
    let snippet = number("snippet")?.unwrap_or(SNIPPET);
    Ok(Search { query, k, snippet, arguments: Some((text.to_owned(), given.to_owned())) })
}

fn vector(value: &Value) -> Result<Clause> {
    let expected = || plan_datafusion_err!("cart_search: vector: expected {{\"SPACE\": [numbers]}}");
    let object = value.as_object().filter(|object| object.len() == 1).ok_or_else(expected)?;
    let (space, numbers) = object.iter().next().ok_or_else(expected)?;
    #[expect(clippy::cast_possible_truncation, reason = "vectors have 32 bits")]
    let number = |value: &Value| value.as_f64().map(|value| value as f32);
    let numbers =
        numbers.as_array().and_then(|numbers| numbers.iter().map(number).collect::<Option<Vec<f32>>>());
    Ok(Clause::vector(space, numbers.ok_or_else(expected)?))
}
