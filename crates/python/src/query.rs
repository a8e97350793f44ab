//! Arguments of `search` → a query.

use std::time::Duration;

use compact_artifact::{
    Clause, CompactArtifact, DateUnit, Facet, Filter, Fusion, Occur, Order, Query, RecordId,
    SearchResults as Found, WordQuery,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use serde_json::Value;

use crate::errors::{Failure, about, invalid, wrong_type};
use crate::json::{Dates, to_json};
use crate::number::{Number, number};
use crate::records::string;
use crate::results::SearchResults;
use crate::text::{Text, text_of};
use crate::vectors::vector;

/// All names but `text`, in the order in which they are documented.
const NAMES: [&str; 26] = [
    "words",
    "query",
    "meaning",
    "vector",
    "similar_to",
    "space",
    "filter",
    "strict_fields",
    "k",
    "offset",
    "min_score",
    "exact",
    "ef_search",
    "recall",
    "candidates",
    "fusion",
    "weights",
    "fetch",
    "snippet",
    "explain",
    "order_by",
    "total",
    "facets",
    "group_by",
    "fields",
    "deadline",
];

/// A filter, from a dict with the operators of the library.
pub(crate) fn filter(value: &Bound<'_, PyAny>) -> PyResult<Filter> {
    let json = to_json(value, "a filter", Dates::Operator)?;
    Ok(Filter::from_json(&json).map_err(|e| Failure::Library(e.into()))?)
}

/// A filter that may be left out.
pub(crate) fn optional_filter(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Filter>> {
    value.filter(|value| !value.is_none()).map(filter).transpose()
}

/// What a query has to know of what it is asked of.
pub(crate) trait Setting {
    /// The names of the vector spaces.
    fn spaces(&self) -> Vec<String>;
    /// Whether the artifact embeds texts.
    fn embeds_texts(&self) -> bool;
}

impl Setting for CompactArtifact {
    fn spaces(&self) -> Vec<String> {
        self.spaces().iter().map(|space| space.name().to_owned()).collect()
    }

    fn embeds_texts(&self) -> bool {
        self.spaces().iter().any(|space| space.model().is_some())
    }
}

/// A query, and what its argument `query` says: errors point into it.
pub(crate) struct Asked {
    pub(crate) query: Query,
    text: Option<String>,
}

impl Asked {
    /// What was found, or an error of this query.
    pub(crate) fn found(self, found: compact_artifact::Result<Found>) -> Result<SearchResults, Failure> {
        match (found, self.text) {
            (Ok(found), _) => Ok(found.into()),
            (Err(e), Some(text)) => Err(Failure::Query(e, text)),
            (Err(e), None) => Err(Failure::Library(e)),
        }
    }
}

/// Several queries at once, and the first error of one of them.
pub(crate) fn search_batch(
    asked: Vec<Asked>,
    search: impl FnOnce(&[Query]) -> Vec<compact_artifact::Result<Found>>,
) -> Result<Vec<SearchResults>, Failure> {
    let queries: Vec<Query> = asked.iter().map(|asked| asked.query.clone()).collect();
    let found = search(&queries);
    asked.into_iter().zip(found).map(|(asked, found)| asked.found(found)).collect()
}

/// A query from an argument of `search_batch`: a text, or a dict of the arguments of `search`.
pub(crate) fn from_item(setting: &dyn Setting, item: &Bound<'_, PyAny>) -> PyResult<Asked> {
    if item.is_instance_of::<PyString>() {
        return from_arguments(setting, Some(item), None);
    }
    let arguments = item.cast::<PyDict>().map_err(|_| wrong_type("a query", "a str or a dict", item))?;
    let rest = arguments.copy()?;
    let text = rest.get_item("text")?;
    if text.is_some() {
        rest.del_item("text")?;
    }
    from_arguments(setting, text.as_ref(), Some(&rest))
}

/// A query from the arguments of `search`.
pub(crate) fn from_arguments(
    setting: &dyn Setting,
    text: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Asked> {
    let mut clauses = Clauses {
        setting,
        syntax: None,
        space: None,
        is_space_used: false,
        weights: None,
        has_words: false,
        lists: Vec::new(),
    };
    let Some(options) = options else {
        clauses.text(text)?;
        return Ok(Asked { query: clauses.apply(Query::new())?.fetch(true), text: None });
    };
    clauses.space = optional(options, "space")?.map(|space| string(&space, "space")).transpose()?;
    clauses.weights = optional(options, "weights")?;
    clauses.text(text)?;
    let mut query = Query::new();
    let mut fetch = None;
    for (name, value) in options {
        let name = name.cast_into::<PyString>()?;
        let name = &*text_of(&name)?;
        check_name(name)?;
        if value.is_none() {
            continue;
        }
        let named = |e| about(value.py(), e, name);
        if name == "fetch" {
            fetch = Some(value.extract::<bool>().map_err(named)?);
        } else if !clauses.set(name, &value).map_err(named)? {
            query = set(query, name, &value).map_err(named)?;
        }
    }
    let text = clauses.syntax.take();
    Ok(Asked { query: clauses.apply(query)?.fetch(fetch.unwrap_or(true)), text })
}

fn optional<'py>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(options.get_item(name)?.filter(|value| !value.is_none()))
}

fn check_name(name: &str) -> PyResult<()> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    let message = format!("no argument {name:?}; expected text, {}", NAMES.join(", "));
    Err(pyo3::exceptions::PyTypeError::new_err(message))
}

/// What makes the lists of a query.
struct Clauses<'a, 'py> {
    setting: &'a dyn Setting,
    /// Of vectors for which no space is named.
    space: Option<String>,
    is_space_used: bool,
    weights: Option<Bound<'py, PyAny>>,
    has_words: bool,
    /// What the argument `query` says.
    syntax: Option<String>,
    /// Each with the name that `weights` calls it by.
    lists: Vec<(String, Clause)>,
}

impl Clauses<'_, '_> {
    /// The words of a text and, where the artifact embeds texts, its meaning.
    fn text(&mut self, text: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let Some(text) = text.filter(|text| !text.is_none()) else { return Ok(()) };
        let text = text.cast::<PyString>().map_err(|_| wrong_type("text", "a str", text))?;
        let text = &*text_of(text)?;
        self.words(Clause::words(text))?;
        if self.setting.embeds_texts() {
            self.push("meaning", Clause::meaning(text));
        }
        Ok(())
    }

    fn words(&mut self, clause: Clause) -> PyResult<()> {
        if self.has_words {
            return Err(invalid("words are asked for twice; expected one of `text`, `words` and `query`"));
        }
        self.has_words = true;
        self.push("words", clause);
        Ok(())
    }

    fn push(&mut self, list: &str, clause: Clause) {
        self.lists.push((list.to_owned(), clause));
    }

    /// Whether the argument is one of clauses.
    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        match name {
            "words" => self.words(Clause::words(&string(value, "")?))?,
            "query" => {
                let text = string(value, "")?;
                let words = WordQuery::parse(&text, Occur::Should);
                let words = words.map_err(|e| Failure::Query(e.into(), text.clone()))?;
                self.words(Clause::word_query(words))?;
                self.syntax = Some(text);
            }
            "meaning" => self.push("meaning", Clause::meaning(string(value, "")?)),
            "vector" => {
                if let Ok(vectors) = value.cast::<PyDict>() {
                    if vectors.is_empty() {
                        return Err(invalid("expected a space and its vector, or several, found none"));
                    }
                    for (space, values) in vectors {
                        let space = string(&space, "the name of a space")?;
                        let clause = Clause::vector(space.clone(), vector(&values, &space)?);
                        self.push(&space, clause);
                    }
                } else {
                    let space = self.one_space("vector")?;
                    let clause = Clause::vector(space.clone(), vector(value, "a vector")?);
                    self.push(&space, clause);
                }
            }
            "similar_to" => {
                let space = self.one_space("similar_to")?;
                let clause = Clause::similar_to(space.clone(), RecordId(number(value)?));
                self.push(&space, clause);
            }
            "space" | "weights" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The space that is named, or the only one.
    fn one_space(&mut self, argument: &str) -> PyResult<String> {
        self.is_space_used = true;
        if let Some(space) = &self.space {
            return Ok(space.clone());
        }
        let spaces = self.setting.spaces();
        match &spaces[..] {
            [only] => Ok(only.clone()),
            [] => Err(invalid(format!("{argument}: the artifact has no vector space"))),
            _ => Err(invalid(format!(
                "{argument}: expected `space` beside it, one of the {} spaces of the artifact: {}",
                spaces.len(),
                spaces.join(", ")
            ))),
        }
    }

    fn apply(self, mut query: Query) -> PyResult<Query> {
        if self.space.is_some() && !self.is_space_used {
            return Err(invalid(
                "`space` would have no effect; expected `similar_to` or one `vector` beside it: a dict of vectors names their spaces itself",
            ));
        }
        let mut lists = self.lists;
        if let Some(weights) = self.weights {
            let weights = weights.cast::<PyDict>().map_err(|_| wrong_type("weights", "a dict", &weights))?;
            if lists.is_empty() && !weights.is_empty() {
                return Err(invalid(
                    "`weights` would have no effect; expected words, meaning or vectors beside it",
                ));
            }
            for (list, weight) in weights {
                let (list, weight) = (string(&list, "weights")?, number(&weight)?);
                if !lists.iter().any(|(name, _)| *name == list) {
                    let names: Vec<&str> = lists.iter().map(|(name, _)| name.as_str()).collect();
                    return Err(invalid(format!(
                        "weights: expected some of {}, found {list:?}",
                        names.join(", ")
                    )));
                }
                // Several have one name where a text is given beside `meaning`, or a vector beside `similar_to`.
                for (_, clause) in lists.iter_mut().filter(|(name, _)| *name == list) {
                    *clause = clause.clone().weight(weight);
                }
            }
        }
        for (_, clause) in lists {
            query = query.and(clause);
        }
        Ok(query)
    }
}

/// Sets what is no clause.
fn set(query: Query, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Query> {
    Ok(match name {
        "filter" => query.filter(filter(value)?),
        "strict_fields" => query.strict_fields(value.extract()?),
        "k" => query.k(number(value)?),
        "offset" => query.offset(number(value)?),
        "min_score" => query.min_score(number(value)?),
        "exact" => query.exact(value.extract()?),
        "ef_search" => query.ef_search(number(value)?),
        "recall" => query.recall(number(value)?),
        "candidates" => query.candidates(number(value)?),
        "fusion" => query.fusion(fusion(value)?),
        "snippet" => query.snippet(number(value)?),
        "explain" => query.explain(value.extract()?),
        "order_by" => order_by(query, value)?,
        "total" => query.total(value.extract()?),
        "facets" => facets(query, value)?,
        "group_by" => {
            let (field, most) = match value.cast::<PyTuple>() {
                Ok(pair) => {
                    pair.extract::<(Text, Number<usize>)>().map(|(field, most)| (field.into(), most.0))?
                }
                Err(_) => (string(value, "")?, 1),
            };
            query.group_by(field, most)
        }
        "fields" => query.fields(value.extract::<Vec<Text>>()?),
        "deadline" => query.deadline(deadline(value)?),
        _ => query,
    })
}

fn deadline(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    crate::options::seconds(value)
}

/// `"normalized"`, `"reciprocal_rank"`, or the latter with its constant.
fn fusion(value: &Bound<'_, PyAny>) -> PyResult<Fusion> {
    if let Ok((name, k)) = value.extract::<(Text, Number<f32>)>()
        && &*name == "reciprocal_rank"
    {
        return Ok(Fusion::ReciprocalRank { k: k.0 });
    }
    match value.extract::<Text>().as_deref() {
        Ok("normalized") => Ok(Fusion::Normalized),
        Ok("reciprocal_rank") => Ok(Fusion::ReciprocalRank { k: 60.0 }),
        _ => Err(invalid(format!(
            "expected \"normalized\", \"reciprocal_rank\" or (\"reciprocal_rank\", k), found {}",
            value.repr()?
        ))),
    }
}

/// A field, a field with `"asc"` or `"desc"`, or a list of those.
fn order_by(query: Query, value: &Bound<'_, PyAny>) -> PyResult<Query> {
    if let Ok(list) = value.cast::<PyList>() {
        return list.iter().try_fold(query, |query, one| order_by(query, &one));
    }
    if value.is_instance_of::<PyString>() {
        return Ok(query.order_by(string(value, "")?, Order::Ascending));
    }
    let (field, order) = value.extract::<(Text, Text)>()?;
    let order = match &*order {
        "asc" => Order::Ascending,
        "desc" => Order::Descending,
        _ => return Err(invalid(format!("expected \"asc\" or \"desc\", found {order:?}"))),
    };
    Ok(query.order_by(field, order))
}

/// A list of fields, or of dicts: `{"field": "year", "width": 10}`.
fn facets(mut query: Query, value: &Bound<'_, PyAny>) -> PyResult<Query> {
    let list = value.cast::<PyList>().map_err(|_| wrong_type("", "a list", value))?;
    for one in list {
        query = query.facet(facet(&one)?);
    }
    Ok(query)
}

fn facet(value: &Bound<'_, PyAny>) -> PyResult<Facet> {
    if value.is_instance_of::<PyString>() {
        return Ok(Facet::values(string(value, "")?));
    }
    let Value::Object(mut parts) = to_json(value, "a facet", Dates::Text)? else {
        return Err(wrong_type("a facet", "a str or a dict", value));
    };
    parts.retain(|_, part| !part.is_null());
    if let Some(name) =
        parts.keys().find(|name| !["field", "limit", "width", "unit"].contains(&name.as_str()))
    {
        return Err(invalid(format!("a facet: expected field, limit, width, unit, found {name:?}")));
    }
    let Some(field) = parts.get("field").and_then(Value::as_str) else {
        return Err(invalid("a facet: expected its field"));
    };
    let facet = match (parts.get("width"), parts.get("unit")) {
        (None, None) => Facet::values(field),
        (Some(width), None) => {
            let refused = || invalid(format!("a facet: expected a width that is a number, found {width}"));
            Facet::histogram(field, width.as_f64().ok_or_else(refused)?)
        }
        (None, Some(unit)) => Facet::dates(field, date_unit(unit)?),
        (Some(_), Some(_)) => return Err(invalid("a facet: expected `width` or `unit`, found both")),
    };
    match parts.get("limit") {
        None => Ok(facet),
        Some(limit) => match limit.as_u64().and_then(|limit| usize::try_from(limit).ok()) {
            Some(limit) => Ok(facet.limit(limit)),
            None => Err(invalid(format!("a facet: expected a limit of 0 or more, found {limit}"))),
        },
    }
}

fn date_unit(value: &Value) -> PyResult<DateUnit> {
    match value.as_str() {
        Some("year") => Ok(DateUnit::Year),
        Some("month") => Ok(DateUnit::Month),
        Some("day") => Ok(DateUnit::Day),
        Some("hour") => Ok(DateUnit::Hour),
        _ => Err(invalid(format!("a facet: expected year, month, day or hour, found {value}"))),
    }
}
