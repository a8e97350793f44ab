//! What the metadata of records must be: types of fields, and which of them each record must have.

use std::collections::BTreeMap;
use std::fmt;

use metadata_index::{Type, Types};
use serde_json::{Map, Value, json};

use crate::api::error::{Error, ErrorKind, Result};

/// The most fields of a schema.
const MAX_SCHEMA_FIELDS: usize = 1024;
/// The longest path of a field, as of any field.
const MAX_PATH_LEN: usize = 1 << 10;

/// Types that fields of metadata have where they are there, and fields that every record must have. Fields that are not named may be anything.
///
/// Given in [`Options::schema`](crate::Options::schema), or later by [`set_schema`](crate::CompactArtifact::set_schema), it is kept in the artifact, and what breaks it is not added: an error
/// of kind [`SchemaViolation`](crate::ErrorKind::SchemaViolation).
///
/// A field is named by its path (`author.name`). Of an array, every element counts, and none may be an array or an object; one without elements has no value, as if it were not there. A [`FieldType::String`](metadata_index::Type::String) may also be one that is a
/// date; `null` is no value.
///
/// ```
/// # use compact_artifact::{CompactArtifact, ErrorKind, FieldType, Record, Schema};
/// use serde_json::json;
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// let schema = Schema::new().required("year", FieldType::Number).field("tags", FieldType::String);
/// let artifact = CompactArtifact::options().schema(schema).create(temp.path().join("a"))?;
/// artifact.add(Record::text("fine").metadata(json!({"year": 1969, "tags": ["moon"], "more": true})))?;
/// let error = artifact.add(Record::text("late").metadata(json!({"year": "1969"}))).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::SchemaViolation);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "does nothing until it is given to an artifact"]
pub struct Schema {
    fields: BTreeMap<String, Rule>,
}

/// What is said of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    value: Type,
    is_required: bool,
}

impl Schema {
    /// Nothing is said of any field.
    pub fn new() -> Self {
        Self::default()
    }

    /// A field that a record may have; its values then have this type. Said of one field twice, the last counts.
    pub fn field(self, path: impl Into<String>, value: Type) -> Self {
        self.with(path, Rule { value, is_required: false })
    }

    /// A field that every record must have, with values of this type.
    pub fn required(self, path: impl Into<String>, value: Type) -> Self {
        self.with(path, Rule { value, is_required: true })
    }

    fn with(mut self, path: impl Into<String>, rule: Rule) -> Self {
        self.fields.insert(path.into(), rule);
        self
    }

    /// The fields in the order of their paths: type, and whether it is required.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Type, bool)> {
        self.fields.iter().map(|(path, rule)| (path.as_str(), rule.value, rule.is_required))
    }

    /// A schema as JSON: `{"year": {"type": "number", "required": true}, "tags": "string"}`. Types are `bool`, `number`, `string` and `date`.
    pub fn from_json(json: &Value) -> Result<Self> {
        let expected = "expected {\"year\": \"number\"} or {\"year\": {\"type\": \"number\", \"required\": true}}, with the types bool, number, string and date";
        let fault = |what: fmt::Arguments<'_>| Error::invalid(format!("schema: {what}; {expected}"));
        let Value::Object(fields) = json else { return Err(fault(format_args!("{json}"))) };
        let mut schema = Self::new();
        for (path, rule) in fields {
            let about = || fault(format_args!("the field {path:?} is {rule}"));
            let (name, is_required) = match rule {
                Value::String(name) => (name, false),
                Value::Object(map) if map.keys().all(|key| key == "type" || key == "required") => {
                    let Some(Value::String(name)) = map.get("type") else { return Err(about()) };
                    let required = map.get("required").map_or(Some(false), Value::as_bool);
                    (name, required.ok_or_else(about)?)
                }
                _ => return Err(about()),
            };
            let value = name.parse().map_err(|_| about())?;
            schema.fields.insert(path.clone(), Rule { value, is_required });
        }
        schema.check_limits().map(|()| schema)
    }

    /// The JSON that [`from_json`](Self::from_json) reads.
    pub fn to_json(&self) -> Value {
        let fields = self.fields().map(|(path, value, is_required)| {
            let rule = if is_required {
                json!({"type": value.to_string(), "required": true})
            } else {
                value.to_string().into()
            };
            (path.to_owned(), rule)
        });
        Value::Object(fields.collect())
    }

    /// Whether it can be.
    pub(crate) fn check_limits(&self) -> Result<()> {
        if self.fields.len() > MAX_SCHEMA_FIELDS {
            let found = self.fields.len();
            return Err(Error::invalid(format!(
                "schema: expected at most {MAX_SCHEMA_FIELDS} fields, found {found}"
            )));
        }
        let is_path = |path: &&String| path.is_empty() || path.len() > MAX_PATH_LEN;
        self.fields.keys().find(is_path).map_or(Ok(()), |path| {
            let found = path.len();
            Err(Error::invalid(format!(
                "schema: expected fields of 1 to {MAX_PATH_LEN} bytes, found one of {found}"
            )))
        })
    }

    /// Refuses metadata that break it, with an error of kind [`SchemaViolation`](crate::ErrorKind::SchemaViolation), as the artifact does.
    pub fn check_metadata(&self, metadata: &Map<String, Value>) -> Result<()> {
        let fault = |message: String| Err(Error::new(ErrorKind::SchemaViolation, message));
        let shapes = metadata_index::shapes_in(metadata, self.fields.keys().map(String::as_str));
        for (&Rule { value, is_required }, (path, shape)) in self.fields.values().zip(shapes) {
            if !shape.is_there {
                if is_required {
                    return fault(format!(
                        "metadata: the field {path:?} is missing; the schema requires it, with values of type {value}"
                    ));
                }
                continue;
            }
            if shape.is_nested {
                return fault(format!(
                    "metadata: the schema wants values of type {value} in the field {path:?}, found an object, or an array inside of an array"
                ));
            }
            let found = shape.types;
            if found.is_empty() && !is_required {
                continue;
            }
            if found.is_empty() || found & allowed(value) != found {
                let found = if found.is_empty() { "no value".to_owned() } else { found.to_string() };
                return fault(format!(
                    "metadata: the schema wants values of type {value} in the field {path:?}, found {found}"
                ));
            }
        }
        Ok(())
    }
}

/// The types that values may have where the schema wants one.
fn allowed(value: Type) -> Types {
    match value {
        // A string that is a date is a string.
        Type::String => Types::from(Type::String) | Type::Date.into(),
        other => other.into(),
    }
}
