//! Filters as JSON, with the names that `MongoDB` gave to them. `operators` has the names.

use std::str::FromStr;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::filter::{Filter, Node};
use crate::json;
use crate::operators;

impl Filter {
    /// Reads a filter from JSON: an object of fields, each with a value or an object of operators, and of `$and`, `$or`, `$not`.
    ///
    /// | JSON | records that match |
    /// |---|---|
    /// | `{"pos": "noun"}`, `{"pos": {"$eq": "noun"}}`, `{"pos": {"$ne": "noun"}}` | the value equals, or not |
    /// | `{"year": {"$gte": 2020, "$lt": 2024}}`, `$gt`, `$lte` | greater, less |
    /// | `{"topic": {"$in": [1, 2]}}`, `$nin` | one of these values, or none of them |
    /// | `{"at": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}}` | dates, as points in time |
    /// | `{"name": {"$prefix": "Mc"}}` | a string with this prefix |
    /// | `{"tags": {"$contains": "new"}}` | an array with this element |
    /// | `{"key": {"$exists": true}}`, `{"key": null}` | the field exists, or not |
    /// | `{"year": {"$not": {"$gt": 2020}}}`, `{"$not": {…}}` | the opposite |
    /// | `{"$and": [{…}, {…}]}`, `{"$or": […]}` | all, any |
    ///
    /// [`str::parse`] reads the same from text, and serde reads and writes it.
    ///
    /// Several fields of an object, and several operators of a field, must all match.
    ///
    /// Anything else is an error of kind [`InvalidFilter`](crate::ErrorKind::InvalidFilter) that names the field and the operator.
    ///
    /// ```
    /// use metadata_index::Filter;
    /// use serde_json::json;
    ///
    /// # fn main() -> metadata_index::Result<()> {
    /// let filter = Filter::from_json(&json!({"year": {"$gte": 2020}, "pos": "noun"}))?;
    /// assert_eq!(filter, Filter::from_json(&filter.to_json()?)?);
    /// let e = Filter::from_json(&json!({"year": {"$regex": "20.*"}})).unwrap_err();
    /// assert!(e.to_string().contains("$regex is not an operator"));
    /// # Ok(()) }
    /// ```
    pub fn from_json(json: &Json) -> Result<Self> {
        let filter = operators::read_filter(json, 0)?;
        filter.check()?;
        Ok(filter)
    }

    /// The filter as JSON that [`from_json`](Self::from_json) reads.
    ///
    /// Errors: as for [`check`](Self::check), and for a field whose name begins with `$`, which JSON would take for an operator.
    pub fn to_json(&self) -> Result<Json> {
        self.check()?;
        match first_operator(self) {
            Some(field) => {
                Err(Error::invalid_filter(format_args!("the field {field:?} would be an operator in JSON")))
            }
            None => Ok(operators::write_filter(self)),
        }
    }
}

/// A field whose name JSON would take for an operator.
fn first_operator(filter: &Filter) -> Option<&str> {
    match &filter.0 {
        Node::And(filters) | Node::Or(filters) => filters.iter().find_map(first_operator),
        Node::Not(filter) | Node::Strict(filter) => first_operator(filter),
        Node::Field(field, _) => field.starts_with('$').then_some(field),
    }
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
