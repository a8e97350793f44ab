//! The types of the values that a field has in one record.

use serde_json::{Map, Value as Json};

use crate::date;
use crate::fields::{self, Found};
use crate::value::{Type, Types};

/// The types of the values at a path in metadata. A string that is a date is one; arrays have the types of their elements.
///
/// ```
/// use metadata_index::{Type, types_in};
///
/// let metadata = serde_json::json!({"a": {"b": [1, "2026-01-31"]}});
/// let types = types_in(metadata.as_object().unwrap(), "a.b");
/// assert!(types.contains(Type::Number) && types.contains(Type::Date) && !types.contains(Type::String));
/// ```
pub fn types_in(metadata: &Map<String, Json>, path: &str) -> Types {
    let mut types = Types::default();
    fields::visit(metadata, &mut |at, found| {
        if let Found::Scalar { value, .. } = found
            && at == path
        {
            let ty = match value {
                Json::Bool(_) => Type::Bool,
                Json::Number(_) => Type::Number,
                Json::String(text) if date::point(text).is_some() => Type::Date,
                _ => Type::String,
            };
            types = types | ty.into();
        }
    });
    types
}

/// Whether metadata have anything but `null` at a path: a value, an array, an object.
pub fn has_field(metadata: &Map<String, Json>, path: &str) -> bool {
    let mut has = false;
    fields::visit(metadata, &mut |at, found| has |= matches!(found, Found::Field) && at == path);
    has
}

/// Whether metadata have an object at a path, or an array inside of an array: neither is a value of the field.
pub fn has_nested(metadata: &Map<String, Json>, path: &str) -> bool {
    let mut has = false;
    fields::visit(metadata, &mut |at, found| has |= matches!(found, Found::Nested) && at == path);
    has
}
