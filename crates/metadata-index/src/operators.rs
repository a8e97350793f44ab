//! The operators of filters in JSON: `$gte` and the others, read and written.

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};
use crate::filter::{Bound, Condition, Filter, MAX_DEPTH, Node};
use crate::value::{FilterValue, Scalar};

/// The operators of ranges.
const BOUNDS: [(Bound, &str); 4] =
    [(Bound::Lt, "$lt"), (Bound::Lte, "$lte"), (Bound::Gt, "$gt"), (Bound::Gte, "$gte")];

fn bound_name(bound: Bound) -> &'static str {
    BOUNDS.iter().find(|(known, _)| *known == bound).map_or("$gte", |(_, name)| name)
}

/// The filter as JSON.
pub(crate) fn write_filter(filter: &Filter) -> Json {
    match &filter.0 {
        Node::And(filters) => {
            json!({"$and": filters.iter().map(write_filter).collect::<Vec<_>>()})
        }
        Node::Or(filters) => {
            json!({"$or": filters.iter().map(write_filter).collect::<Vec<_>>()})
        }
        Node::Not(filter) => json!({"$not": write_filter(filter)}),
        Node::Strict(filter) => json!({"$strict": write_filter(filter)}),
        Node::Field(field, condition) => {
            let (operator, operand) = match condition {
                Condition::Exists => ("$exists", Json::Bool(true)),
                Condition::Eq(value) => ("$eq", write_value(value)),
                Condition::In(values) => ("$in", values.iter().map(write_value).collect()),
                Condition::Contains(value) => ("$contains", write_value(value)),
                Condition::Range(bound, value) => (bound_name(*bound), write_value(value)),
                Condition::Prefix(prefix) => ("$prefix", Json::String(prefix.clone())),
            };
            let operators = Map::from_iter([(operator.to_owned(), operand)]);
            Map::from_iter([(field.clone(), Json::Object(operators))]).into()
        }
    }
}

fn write_value(value: &FilterValue) -> Json {
    match &value.0 {
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

/// Reads a filter: an object of fields, `$and`, `$or` and `$not`, nested in `depth` others.
pub(crate) fn read_filter(json: &Json, depth: usize) -> Result<Filter> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid_filter(format_args!("nested deeper than {MAX_DEPTH}")));
    }
    let Json::Object(map) = json else {
        return Err(Error::invalid_filter(format_args!(
            "expected an object like {{\"field\": value}}, found {json}"
        )));
    };
    let mut filters = map.iter().map(|(name, value)| match name.as_str() {
        "$and" => Ok(Filter::all(read_filters(name, value, depth)?)),
        "$or" => Ok(Filter::any(read_filters(name, value, depth)?)),
        "$not" => Ok(!read_filter(value, depth + 1)?),
        "$strict" => Ok(read_filter(value, depth + 1)?.strict()),
        name if name.starts_with('$') => Err(Error::invalid_filter(format_args!(
            "{name} where a field was expected; known here are $and, $or, $not and $strict"
        ))),
        field => read_field(field, value, depth),
    });
    match (filters.next(), map.len()) {
        (Some(only), 1) => only,
        (first, _) => Ok(Filter::all(first.into_iter().chain(filters).collect::<Result<Vec<_>>>()?)),
    }
}

fn read_filters(name: &str, json: &Json, depth: usize) -> Result<Vec<Filter>> {
    let Json::Array(filters) = json else {
        return Err(Error::invalid_filter(format_args!(
            "{name}: expected an array of filters, found {json}"
        )));
    };
    filters.iter().map(|filter| read_filter(filter, depth + 1)).collect()
}

/// Reads what stands at a field: a value, or an object of operators.
fn read_field(field: &str, json: &Json, depth: usize) -> Result<Filter> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid_filter(format_args!("nested deeper than {MAX_DEPTH}")));
    }
    let operators = match json {
        Json::Object(map) if !map.contains_key("$date") => map,
        Json::Null => return Ok(Filter::field(field).missing()),
        _ => return Ok(Filter::field(field).eq(read_value(field, json)?)),
    };
    if operators.is_empty() {
        return Err(Error::invalid_filter(format_args!(
            "the field {field:?} is asked for nothing: expected an operator such as $eq"
        )));
    }
    let mut conditions = operators.iter().map(|(name, operand)| read_operator(field, name, operand, depth));
    match (conditions.next(), operators.len()) {
        (Some(only), 1) => only,
        (first, _) => Ok(Filter::all(first.into_iter().chain(conditions).collect::<Result<Vec<_>>>()?)),
    }
}

/// Reads one operator of a field.
fn read_operator(field: &str, name: &str, operand: &Json, depth: usize) -> Result<Filter> {
    let subject = || Filter::field(field);
    let wrong = |expected: &str| {
        Error::invalid_filter(format_args!(
            "the field {field:?}, {name}: expected {expected}, found {operand}"
        ))
    };
    let values = || match operand {
        Json::Array(values) => values.iter().map(|json| read_value(field, json)).collect::<Result<Vec<_>>>(),
        _ => Err(wrong("an array of values")),
    };
    if let Some((bound, _)) = BOUNDS.iter().find(|(_, known)| *known == name) {
        return Ok(subject().with(Condition::Range(*bound, read_value(field, operand)?)));
    }
    Ok(match name {
        "$eq" if operand.is_null() => subject().missing(),
        "$ne" if operand.is_null() => subject().exists(),
        "$eq" => subject().eq(read_value(field, operand)?),
        "$ne" => subject().ne(read_value(field, operand)?),
        "$in" => subject().is_in(values()?),
        "$nin" => subject().not_in(values()?),
        "$contains" => subject().contains(read_value(field, operand)?),
        "$prefix" => subject().prefix(operand.as_str().ok_or_else(|| wrong("a string"))?),
        "$exists" => match operand {
            Json::Bool(true) => subject().exists(),
            Json::Bool(false) => subject().missing(),
            _ => return Err(wrong("true or false")),
        },
        "$not" => !read_field(field, operand, depth + 1)?,
        _ => {
            return Err(Error::invalid_filter(format_args!(
                "the field {field:?}: {name} is not an operator; known are $eq, $ne, $lt, $lte, $gt, $gte, $in, $nin, $exists, $prefix, \
                 $contains and $not"
            )));
        }
    })
}

/// Reads what a field is compared with.
fn read_value(field: &str, json: &Json) -> Result<FilterValue> {
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
