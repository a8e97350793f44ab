//! Filters as JSON, with the names that `MongoDB` gave to them.

use std::str::FromStr;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::filter::{Bound, Condition, Filter, MAX_DEPTH, Node};
use crate::json;
use crate::value::{FilterValue, Scalar};

impl Filter {
    /// Reads a filter from JSON: an object of fields, each with a value or an object of operators, and of `$and`, `$or`, `$not`.
    ///
    /// | | |
    /// |---|---|
    /// | `{"pos": "noun"}`, `{"pos": {"$eq": "noun"}}`, `$ne` | equal, or not |
    /// | `{"year": {"$gte": 2020, "$lt": 2024}}`, `$gt`, `$lte` | more, less |
    /// | `{"topic": {"$in": [1, 2]}}`, `$nin` | one of these, or none |
    /// | `{"at": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}}` | dates, as points in time |
    /// | `{"name": {"$prefix": "Mc"}}` | begins so |
    /// | `{"tags": {"$contains": "new"}}` | an array with this element |
    /// | `{"key": {"$exists": true}}`, `{"key": null}` | there, not there |
    /// | `{"year": {"$not": {"$gt": 2020}}}`, `{"$not": {…}}` | not |
    /// | `{"$and": [{…}, {…}]}`, `{"$or": […]}` | all, any |
    pub fn from_json(json: &Json) -> Result<Self> {
        let filter = object_filter(json, 0)?;
        filter.check()?;
        Ok(filter)
    }

    /// The filter as JSON that [`from_json`](Self::from_json) reads. JSON has no filters of fields whose names begin with `$`.
    pub fn to_json(&self) -> Result<Json> {
        self.check()?;
        match self.first_operator() {
            Some(field) => {
                Err(Error::invalid_filter(format_args!("the field {field:?} would be an operator in JSON")))
            }
            None => Ok(self.to_json_unchecked()),
        }
    }

    /// A field whose name JSON would take for an operator.
    fn first_operator(&self) -> Option<&str> {
        match &self.0 {
            Node::And(filters) | Node::Or(filters) => filters.iter().find_map(Self::first_operator),
            Node::Not(filter) => filter.first_operator(),
            Node::Field(field, _) => field.starts_with('$').then_some(field),
        }
    }

    fn to_json_unchecked(&self) -> Json {
        match &self.0 {
            Node::And(filters) => {
                json!({"$and": filters.iter().map(Self::to_json_unchecked).collect::<Vec<_>>()})
            }
            Node::Or(filters) => {
                json!({"$or": filters.iter().map(Self::to_json_unchecked).collect::<Vec<_>>()})
            }
            Node::Not(filter) => json!({"$not": filter.to_json_unchecked()}),
            Node::Field(field, condition) => {
                let (operator, operand) = match condition {
                    Condition::Exists => ("$exists", Json::Bool(true)),
                    Condition::Eq(value) => ("$eq", value.to_json()),
                    Condition::In(values) => ("$in", values.iter().map(FilterValue::to_json).collect()),
                    Condition::Contains(value) => ("$contains", value.to_json()),
                    Condition::Range(bound, value) => (bound_name(*bound), value.to_json()),
                    Condition::Prefix(prefix) => ("$prefix", Json::String(prefix.clone())),
                };
                let operators = Map::from_iter([(operator.to_owned(), operand)]);
                Map::from_iter([(field.clone(), Json::Object(operators))]).into()
            }
        }
    }
}

const BOUNDS: [(Bound, &str); 4] =
    [(Bound::Lt, "$lt"), (Bound::Lte, "$lte"), (Bound::Gt, "$gt"), (Bound::Gte, "$gte")];

fn bound_name(bound: Bound) -> &'static str {
    BOUNDS.iter().find(|(known, _)| *known == bound).map_or("$gte", |(_, name)| name)
}

impl FilterValue {
    fn to_json(&self) -> Json {
        match &self.0 {
            Scalar::Bool(value) => (*value).into(),
            Scalar::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => Json::Null, // no JSON number that was read is larger
            },
            Scalar::Float(value) => (*value).into(),
            Scalar::String(value) => value.clone().into(),
            Scalar::DateTime(value) => json!({"$date": value.to_string()}),
        }
    }
}

fn object_filter(json: &Json, depth: usize) -> Result<Filter> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid_filter(format_args!("nested deeper than {MAX_DEPTH}")));
    }
    let Json::Object(map) = json else {
        return Err(Error::invalid_filter(format_args!(
            "expected an object like {{\"field\": value}}, found {json}"
        )));
    };
    let mut filters = map.iter().map(|(name, value)| match name.as_str() {
        "$and" => Ok(Filter::all(list(name, value, depth)?)),
        "$or" => Ok(Filter::any(list(name, value, depth)?)),
        "$not" => Ok(!object_filter(value, depth + 1)?),
        name if name.starts_with('$') => Err(Error::invalid_filter(format_args!(
            "{name} where a field was expected; known here are $and, $or and $not"
        ))),
        field => field_filter(field, value, depth),
    });
    match (filters.next(), map.len()) {
        (Some(only), 1) => only,
        (first, _) => Ok(Filter::all(first.into_iter().chain(filters).collect::<Result<Vec<_>>>()?)),
    }
}

fn list(name: &str, json: &Json, depth: usize) -> Result<Vec<Filter>> {
    let Json::Array(filters) = json else {
        return Err(Error::invalid_filter(format_args!(
            "{name}: expected an array of filters, found {json}"
        )));
    };
    filters.iter().map(|filter| object_filter(filter, depth + 1)).collect()
}

/// Reads what stands at a field: a value, or an object of operators.
fn field_filter(field: &str, json: &Json, depth: usize) -> Result<Filter> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid_filter(format_args!("nested deeper than {MAX_DEPTH}")));
    }
    let operators = match json {
        Json::Object(map) if !map.contains_key("$date") => map,
        Json::Null => return Ok(Filter::field(field).missing()),
        _ => return Ok(Filter::field(field).eq(value(field, json)?)),
    };
    if operators.is_empty() {
        return Err(Error::invalid_filter(format_args!(
            "the field {field:?} is asked for nothing: expected an operator such as $eq"
        )));
    }
    let mut tests = operators.iter().map(|(name, operand)| operator(field, name, operand, depth));
    match (tests.next(), operators.len()) {
        (Some(only), 1) => only,
        (first, _) => Ok(Filter::all(first.into_iter().chain(tests).collect::<Result<Vec<_>>>()?)),
    }
}

fn operator(field: &str, name: &str, operand: &Json, depth: usize) -> Result<Filter> {
    let subject = || Filter::field(field);
    let wrong = |expected: &str| {
        Error::invalid_filter(format_args!(
            "the field {field:?}, {name}: expected {expected}, found {operand}"
        ))
    };
    let values = || match operand {
        Json::Array(values) => values.iter().map(|json| value(field, json)).collect::<Result<Vec<_>>>(),
        _ => Err(wrong("an array of values")),
    };
    if let Some((bound, _)) = BOUNDS.iter().find(|(_, known)| *known == name) {
        return Ok(subject().with(Condition::Range(*bound, value(field, operand)?)));
    }
    Ok(match name {
        "$eq" if operand.is_null() => subject().missing(),
        "$ne" if operand.is_null() => subject().exists(),
        "$eq" => subject().eq(value(field, operand)?),
        "$ne" => subject().ne(value(field, operand)?),
        "$in" => subject().is_in(values()?),
        "$nin" => subject().not_in(values()?),
        "$contains" => subject().contains(value(field, operand)?),
        "$prefix" => subject().prefix(operand.as_str().ok_or_else(|| wrong("a string"))?),
        "$exists" => match operand {
            Json::Bool(true) => subject().exists(),
            Json::Bool(false) => subject().missing(),
            _ => return Err(wrong("true or false")),
        },
        "$not" => !field_filter(field, operand, depth + 1)?,
        _ => {
            return Err(Error::invalid_filter(format_args!(
                "the field {field:?}: {name} is not an operator; known are $eq, $ne, $lt, $lte, $gt, $gte, $in, $nin, $exists, $prefix, \
                 $contains and $not"
            )));
        }
    })
}

fn value(field: &str, json: &Json) -> Result<FilterValue> {
    if let Json::Object(map) = json
        && let (Some(Json::String(date)), 1) = (map.get("$date"), map.len())
    {
        return FilterValue::datetime(date);
    }
    FilterValue::from_json(json).ok_or_else(|| {
        Error::invalid_filter(format_args!(
            "the field {field:?} is compared with {json}; expected a bool, a number, a string or {{\"$date\": …}}"
        ))
    })
}

impl FromStr for Filter {
    type Err = Error;

    /// Reads JSON as [`json`](crate::json) does: an operator or a field that stands twice in one object is an error.
    fn from_str(text: &str) -> Result<Self> {
        Self::from_json(&json::from_str(text).map_err(Error::invalid_filter)?)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.to_json().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let json = json::value(deserializer)?;
        Self::from_json(&json).map_err(D::Error::custom)
    }
}
