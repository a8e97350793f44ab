//! What one record has in some fields: whether they are there, and the types of their values.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use crate::date;
use crate::fields::{self, Found};
use crate::value::{Type, Types};

/// What metadata have at a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldShape {
    /// Anything but `null`: a value, an array, an object.
    pub is_there: bool,
    /// An object, or an array inside of an array: neither is a value of the field.
    pub is_nested: bool,
    /// The types of its values. A string that is a date is one; arrays have the types of their elements.
    pub types: Types,
}

/// What metadata have at each of some paths, in the order of these: all metadata are looked at once, however many paths there are.
///
/// ```
/// use metadata_index::{Type, shapes_in};
///
/// let metadata = serde_json::json!({"a": {"b": [1, "2026-01-31"]}});
/// let shapes = shapes_in(metadata.as_object().unwrap(), ["a.b", "a", "c"]);
/// let [ab, a, c] = [0, 1, 2].map(|i| shapes[i].1);
/// assert!(ab.types.contains(Type::Number) && ab.types.contains(Type::Date) && !ab.types.contains(Type::String));
/// assert!(a.is_nested && a.types.is_empty() && !c.is_there);
/// ```
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
