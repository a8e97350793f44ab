//! The types of the values that a field has in one record.

use std::collections::HashMap;

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
            types = types | type_of(value).into();
        }
    });
    types
}

/// What metadata have at a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldShape {
    /// Anything but `null`: a value, an array, an object.
    pub is_there: bool,
    /// An object, or an array inside of an array: neither is a value of the field.
    pub is_nested: bool,
    /// The types of its values, as [`types_in`] says them.
    pub types: Types,
}

/// What metadata have at each of some paths, in the order of these: all metadata are looked at once, however many paths there are.
pub fn shapes_in<'p>(
    metadata: &Map<String, Json>,
    paths: impl IntoIterator<Item = &'p str>,
) -> Vec<(&'p str, FieldShape)> {
    let mut shapes: Vec<_> = paths.into_iter().map(|path| (path, FieldShape::default())).collect();
    let places: HashMap<&str, usize> = shapes.iter().zip(0..).map(|((path, _), at)| (*path, at)).collect();
    fields::visit(metadata, &mut |at, found| {
        let Some(&place) = places.get(at) else { return };
        let shape = &mut shapes[place].1;
        match found {
            Found::Field => shape.is_there = true,
            Found::Nested => shape.is_nested = true,
            Found::Scalar { value, .. } => shape.types = shape.types | type_of(value).into(),
        }
    });
    shapes
}

fn type_of(scalar: &Json) -> Type {
    match scalar {
        Json::Bool(_) => Type::Bool,
        Json::Number(_) => Type::Number,
        Json::String(text) if date::point(text).is_some() => Type::Date,
        _ => Type::String,
    }
}

/// Whether metadata have an object at a path, or an array inside of an array: neither is a value of the field.
pub fn has_nested(metadata: &Map<String, Json>, path: &str) -> bool {
    let mut has = false;
    fields::visit(metadata, &mut |at, found| has |= matches!(found, Found::Nested) && at == path);
    has
}
