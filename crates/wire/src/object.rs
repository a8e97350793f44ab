//! Structs that are read from objects alone.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A struct that is read from an object alone: what serde derives takes an array of the fields in their order as well. It is written as the struct is.
///
/// It is for text such as JSON, not for formats in which a struct is a row of values.
///
/// ```
/// use wire::Object;
///
/// #[derive(serde::Deserialize)]
/// struct Point {
///     x: u32,
/// }
/// let Object(point) = serde_json::from_str::<Object<Point>>(r#"{"x": 1}"#)?;
/// assert_eq!(point.x, 1);
/// assert_eq!(serde_json::from_str::<Point>("[1]")?.x, 1);
/// assert!(serde_json::from_str::<Object<Point>>("[1]").is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}
