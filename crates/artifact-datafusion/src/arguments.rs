//! The arguments of `cart_search` → a query.

use compact_artifact::{Clause, Filter, Query};
use datafusion::common::{Result, plan_datafusion_err};
use serde_json::{Map, Value};

use crate::external;

/// A query, and what of it `CartSearch` has to know.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    query: Query,
    k: usize,
    snippet: usize,
    pub(crate) clauses: usize,
}

/// The length of snippets in bytes, unless the options say otherwise.
const SNIPPET: usize = 160;

impl Search {
    pub(crate) fn new(query: Query, k: usize) -> Self {
        let clauses = query.lists();
        Self { query, k, snippet: SNIPPET, clauses }
    }

    /// The query for the columns that are wanted.
    pub(crate) fn query(&self, limit: Option<usize>, wanted: Wanted) -> Query {
        let query = self.query.clone().k(self.k.min(limit.unwrap_or(self.k)).max(1));
        let query = query.fetch(wanted.record || wanted.snippet).explain(wanted.explain);
        if wanted.snippet { query.snippet(self.snippet) } else { query }
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
pub(crate) fn search(text: &str, k: usize, options: &str) -> Result<Search> {
    let options: Map<String, Value> =
        serde_json::from_str(options).map_err(|e| external(e).context("cart_search: options"))?;
    let known = ["by", "vector", "filter", "exact", "candidates", "snippet"];
    if let Some(name) = options.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(plan_datafusion_err!(
            "cart_search: no option {name:?}; expected one of {}",
            known.join(", ")
        ));
    }
    let vector = options.get("vector").map(vector).transpose()?;
    let by = match options.get("by").map(|by| by.as_str().unwrap_or_default()) {
        Some(by) => by,
        None if vector.is_some() => "words",
        None => "text",
    };
    let mut query = match by {
        _ if text.is_empty() && vector.is_some() => Query::new(),
        "text" => Query::text(text),
        "words" => Query::words(text),
        "meaning" => Query::meaning(text),
        "query" => Query::parse(text).map_err(external)?,
        other => {
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
    let search = Search::new(query, k);
    Ok(Search { snippet: number("snippet")?.unwrap_or(SNIPPET), ..search })
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
