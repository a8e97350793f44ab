//! A search as C describes it.

use std::time::Duration;

use compact_artifact::json::Object;
use compact_artifact::{Clause, Fusion, Occur, Query, RecordId, WordQuery};
use serde::Deserialize;

use crate::boundary::Call;
use crate::code::{Failure, Result};
use crate::draft::{optional_filter, vector};
use crate::options::read_object;
use crate::types::ca_query;

/// A query, and what of its hits C wants to see.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) query: Query,
    pub(crate) records: bool,
    pub(crate) contents: bool,
}

/// `options` of a query: what it does not have a field for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Given {
    words_weight: Option<f32>,
    meaning_weight: Option<f32>,
    vector_weights: Option<Vec<f32>>,
    min_score: Option<f32>,
    exact: bool,
    ef_search: Option<usize>,
    recall: Option<f64>,
    candidates: Option<usize>,
    fusion: Option<GivenFusion>,
    explain: bool,
    strict_fields: Option<bool>,
    deadline_ms: Option<u64>,
    total: bool,
    order_by: Vec<(String, Direction)>,
    facets: Vec<Object<GivenFacet>>,
    group_by: Option<(String, usize)>,
    fields: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenFusion {
    Normalized,
    ReciprocalRank(f32),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Ascending,
    Descending,
}

/// `{"field": "year", "histogram": 10}`, `{"field": "at", "dates": "month"}`, or values: `{"field": "tags", "limit": 5}`.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(feature = "facets"), expect(dead_code, reason = "read, and refused"))]
#[serde(deny_unknown_fields)]
struct GivenFacet {
    field: String,
    limit: Option<usize>,
    histogram: Option<f64>,
    dates: Option<Unit>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
}

/// Reads a query.
pub(crate) fn read(call: &Call, given: *const ca_query) -> Result<Wanted> {
    let given = call.sized("query", given)?;
    if given.reserved != 0 {
        return Err(Failure::invalid("query: reserved is not 0"));
    }
    let options = match call.text("query: options", given.options)? {
        Some(text) => read_object("query: options", text)?,
        None => Given::default(),
    };
    let mut query = clauses(call, &given, &options)?;
    if let Some(filter) = optional_filter(call, given.filter)? {
        query = query.filter(filter);
    }
    if given.k != 0 {
        query = query.k(given.k);
    }
    if given.snippet != 0 {
        query = query.snippet(given.snippet);
    }
    if given.fetch != 0 {
        query = query.fetch(true);
    }
    let query = options.apply(query.offset(given.offset))?;
    Ok(Wanted { query, records: given.fetch != 0 || given.snippet != 0, contents: given.fetch != 0 })
}

/// What is looked for, each with its weight.
fn clauses(call: &Call, given: &ca_query, options: &Given) -> Result<Query> {
    let text = call.text("query: text", given.text)?;
    let words = call.text("query: words", given.words)?;
    let syntax = call.text("query: syntax", given.syntax)?;
    let meaning = call.text("query: meaning", given.meaning)?;
    let word_clauses = [
        text.map(Clause::words),
        words.map(Clause::words),
        syntax
            .map(|text| {
                Ok::<_, Failure>(Clause::word_query(
                    WordQuery::parse(text, Occur::Should).map_err(compact_artifact::Error::from)?,
                ))
            })
            .transpose()?,
    ];
    let word_clauses: Vec<Clause> = word_clauses.into_iter().flatten().collect();
    let meaning_clauses: Vec<Clause> = [text, meaning].into_iter().flatten().map(Clause::meaning).collect();
    let mut vector_clauses = Vec::new();
    for near in call.values("query: vectors", given.vectors, given.vector_count)? {
        let (space, values) = vector(call, "query: vector", near)?;
        vector_clauses.push(Clause::vector(space, values));
    }
    match call.text("query: similar_space", given.similar_space)? {
        Some(space) => vector_clauses.push(Clause::similar_to(space, RecordId(given.similar_to))),
        None if given.similar_to != 0 => {
            return Err(Failure::invalid("query: similar_to without similar_space"));
        }
        None => {}
    }
    let one = |weight: Option<f32>| weight.map(|weight| vec![weight]);
    let all = [
        weighted("words_weight", word_clauses, one(options.words_weight))?,
        weighted("meaning_weight", meaning_clauses, one(options.meaning_weight))?,
        weighted("vector_weights", vector_clauses, options.vector_weights.clone())?,
    ];
    Ok(all.into_iter().flatten().fold(Query::new(), Query::and))
}

/// Clauses with the weights that were given, as many as there are clauses.
fn weighted(what: &str, clauses: Vec<Clause>, weights: Option<Vec<f32>>) -> Result<Vec<Clause>> {
    let Some(weights) = weights else { return Ok(clauses) };
    if weights.len() != clauses.len() {
        let (found, expected) = (weights.len(), clauses.len());
        return Err(Failure::invalid(format!("query: {what}: expected {expected} weights, found {found}")));
    }
    Ok(clauses.into_iter().zip(weights).map(|(clause, weight)| clause.weight(weight)).collect())
}

impl Given {
    fn apply(self, mut query: Query) -> Result<Query> {
        query = query.exact(self.exact).explain(self.explain).strict_fields(self.strict_fields == Some(true));
        if let Some(score) = self.min_score {
            query = query.min_score(score);
        }
        if let Some(ef_search) = self.ef_search {
            query = query.ef_search(ef_search);
        }
        if let Some(recall) = self.recall {
            query = query.recall(recall);
        }
        if let Some(candidates) = self.candidates {
            query = query.candidates(candidates);
        }
        if let Some(fusion) = self.fusion {
            query = query.fusion(match fusion {
                GivenFusion::Normalized => Fusion::Normalized,
                GivenFusion::ReciprocalRank(k) => Fusion::ReciprocalRank { k },
            });
        }
        if let Some(time) = self.deadline_ms {
            query = query.deadline(Duration::from_millis(time));
        }
        self.columns(query)
    }

    /// What is answered from fields of the metadata.
    #[cfg(feature = "facets")]
    fn columns(self, mut query: Query) -> Result<Query> {
        use compact_artifact::Order;
        query = query.total(self.total);
        for (field, direction) in self.order_by {
            let order = match direction {
                Direction::Ascending => Order::Ascending,
                Direction::Descending => Order::Descending,
            };
            query = query.order_by(field, order);
        }
        for facet in self.facets {
            query = query.facet(facet.0.read()?);
        }
        if let Some((field, most)) = self.group_by {
            query = query.group_by(field, most);
        }
        Ok(if self.fields.is_empty() { query } else { query.fields(self.fields) })
    }

    #[cfg(not(feature = "facets"))]
    fn columns(self, query: Query) -> Result<Query> {
        let asked = self.total
            || !self.order_by.is_empty()
            || !self.facets.is_empty()
            || self.group_by.is_some()
            || !self.fields.is_empty();
        let what = "total, order_by, facets, group_by and fields";
        if asked { Err(crate::options::without("facets", what)) } else { Ok(query) }
    }
}

#[cfg(feature = "facets")]
impl GivenFacet {
    fn read(self) -> Result<compact_artifact::Facet> {
        use compact_artifact::{DateUnit, Facet};
        let facet = match (self.histogram, self.dates) {
            (None, None) => Facet::values(self.field),
            (Some(width), None) => Facet::histogram(self.field, width),
            (None, Some(unit)) => {
                let unit = match unit {
                    Unit::Year => DateUnit::Year,
                    Unit::Month => DateUnit::Month,
                    Unit::Day => DateUnit::Day,
                    Unit::Hour => DateUnit::Hour,
                };
                Facet::dates(self.field, unit)
            }
            (Some(_), Some(_)) => {
                return Err(Failure::invalid("query: a facet of numbers and of dates at once"));
            }
        };
        Ok(match self.limit {
            Some(limit) => facet.limit(limit),
            None => facet,
        })
    }
}
