//! Reads JSON strictly: what is read is what was written, or an error.
//!
//! Metadata and filters are read by this module, wherever they come from. It refuses what other readers let pass:
//!
//! - an object that names a field twice: others let one of the two win;
//! - arrays and objects that are nested more than [`MAX_DEPTH`] deep;
//! - an integer that does not fit into 64 bits: others round it to a floating-point number.
//!
//! ```
//! use metadata_index::json;
//!
//! let e = json::from_str(r#"{"year": {"$gte": 1960}, "year": {"$lt": 1970}}"#).unwrap_err();
//! assert_eq!(e.to_string(), r#"JSON: the field "year" stands twice in one object (column 31)"#);
//! assert_eq!(json::from_str(r#"{"year": 1960}"#)?["year"], 1960);
//! # Ok::<(), metadata_index::Error>(())
//! ```

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
pub use wire::Object;

use crate::error::{Error, ErrorKind, Result};

/// The most arrays and objects that may be nested in one another, the outermost included.
///
/// It is below the 128 levels at which `serde_json` stops reading, and so what is written is read back.
pub const MAX_DEPTH: usize = 100;

/// Bytes that a value holds in memory, about.
pub fn held_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(held_bytes).sum(),
            Value::Object(map) => {
                map.iter().map(|(name, value)| size_of::<String>() + name.len() + held_bytes(value)).sum()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

/// Reads a value from text.
///
/// Its error has the kind [`InvalidJson`](ErrorKind::InvalidJson) and says the line and the column.
pub fn from_str(text: &str) -> Result<Value> {
    from_slice(text.as_bytes())
}

/// Reads a value from text in UTF-8.
pub fn from_slice(text: &[u8]) -> Result<Value> {
    read::<Strict>(text).map(|Strict(value)| value)
}

/// Reads any type from text in UTF-8. A field that holds JSON of any shape is read by [`object`], to be as strict as [`from_slice`].
///
/// ```
/// use metadata_index::json;
///
/// #[derive(serde::Deserialize)]
/// struct Line {
///     text: String,
///     #[serde(deserialize_with = "json::object")]
///     metadata: serde_json::Map<String, serde_json::Value>,
/// }
/// assert!(json::read::<Line>(br#"{"text": "a", "metadata": {"n": 1}}"#).is_ok());
/// assert!(json::read::<Line>(br#"{"text": "a", "metadata": {"n": 1, "n": 2}}"#).is_err());
/// ```
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let value = serde_json::from_slice(text).map_err(|e| fault(text, e.line(), e.column(), &reason(&e)))?;
    check_integers(text)?;
    Ok(value)
}

/// Reads a struct from an object in UTF-8: an array of its fields is none, and no name stands twice, also where a field holds JSON of any shape, or values by their names.
///
/// The structs within it are as strict if they are [`Object`]s.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use metadata_index::json;
///
/// #[derive(serde::Deserialize)]
/// struct Weights {
///     fields: BTreeMap<String, u32>,
/// }
/// assert_eq!(json::read_object::<Weights>(br#"{"fields": {"title": 2}}"#)?.fields["title"], 2);
/// assert!(json::read_object::<Weights>(br#"{"fields": {"title": 2, "title": 3}}"#).is_err());
/// assert!(json::read_object::<Weights>(br#"[{"title": 2}]"#).is_err());
/// # Ok::<(), metadata_index::Error>(())
/// ```
pub fn read_object<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    let read = Object::deserialize(from_slice(text)?);
    read.map(|Object(read)| read)
        .map_err(|e| Error::new(ErrorKind::InvalidJson, format!("JSON: {}", reason(&e))))
}

/// What `serde_json` found wrong, without the place, and in terms of JSON where it has names of Rust.
///
/// ```
/// let e = serde_json::from_str::<Vec<u32>>("[1, -2]").unwrap_err();
/// assert_eq!(e.to_string(), "invalid value: integer `-2`, expected u32 at line 1 column 6");
/// assert_eq!(metadata_index::json::reason(&e), "invalid value: integer `-2`, expected a whole number from 0 to 4294967295");
/// ```
pub fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    let reason = reason
        .replace("invalid type: map,", "invalid type: object,")
        .replace("invalid type: sequence,", "invalid type: array,");
    let Some((found, expected)) = reason.rsplit_once(", expected ") else { return reason };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        "a tuple of size 2" => "an array of 2",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    };
    format!("{found}, expected {expected}")
}

/// Reads an object as [`from_slice`] does: for `#[serde(deserialize_with = "metadata_index::json::object")]`.
pub fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match value(deserializer)? {
        Value::Object(map) => Ok(map),
        other => Err(D::Error::custom(format_args!("expected an object, found {}", described(&other)))),
    }
}

/// Reads a value as [`from_slice`] does, from any deserializer.
pub(crate) fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Depth(0).deserialize(deserializer)
}

/// Whether a value that stands in `depth` arrays and objects can be read back.
pub(crate) fn check_depth(value: &Value, depth: usize) -> Result<()> {
    match value {
        Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => {
            Err(Error::new(ErrorKind::TooLarge, too_deep()))
        }
        Value::Array(elements) => elements.iter().try_for_each(|element| check_depth(element, depth + 1)),
        Value::Object(map) => map.values().try_for_each(|value| check_depth(value, depth + 1)),
        _ => Ok(()),
    }
}

fn too_deep() -> String {
    format!("nested too deep: expected a depth of at most {MAX_DEPTH} arrays and objects")
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn fault(text: &[u8], line: usize, column: usize, reason: &str) -> Error {
    if text.trim_ascii().is_empty() {
        return Error::new(ErrorKind::InvalidJson, "JSON: expected a value, found nothing");
    }
    let one_line = !text.trim_ascii().contains(&b'\n');
    let place = if one_line { format!("column {column}") } else { format!("line {line}, column {column}") };
    Error::new(ErrorKind::InvalidJson, format!("JSON: {reason} ({place})"))
}

/// Finds an integer that has no 64-bit form in text that is JSON.
fn check_integers(text: &[u8]) -> Result<()> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        let len = match byte {
            b'"' => string_len(rest),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let number = &rest[..rest.iter().take_while(|byte| is_part(byte)).count()];
                if !fits(number) {
                    let mut lines = text[..at].split(|&byte| byte == b'\n');
                    let (line, column) = (lines.clone().count(), lines.next_back().map_or(0, <[u8]>::len));
                    let reason = "an integer of more than 64 bits; write it as a string, or with an exponent";
                    return Err(fault(text, line, column + 1, reason));
                }
                number.len()
            }
            _ => 1,
        };
        at += len.max(1);
    }
    Ok(())
}

/// Length of a string with its quotes.
fn string_len(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'"' => return at + 1,
            b'\\' => 2,
            _ => 1,
        };
    }
    text.len()
}

fn fits(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    if digits.len() < 19 || !digits.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let text = std::str::from_utf8(number).unwrap_or_default();
    text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok()
}

/// Any value, read strictly.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        value(deserializer).map(Self)
    }
}

/// Reads a value that stands in so many arrays and objects.
#[derive(Clone, Copy)]
struct Depth(usize);

impl Depth {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.0 < MAX_DEPTH { Ok(Self(self.0 + 1)) } else { Err(E::custom(too_deep())) }
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom(format_args!("{value} is not a number of JSON")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(element) = from.next_element_seed(deeper)? {
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            if name == NUMBER_TOKEN && has_arbitrary_precision() {
                return from.next_value::<String>()?.parse().map(Value::Number).map_err(A::Error::custom);
            }
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the field {name:?} stands twice in one object")));
            }
            let value = from.next_value_seed(deeper)?;
            map.insert(name, value);
        }
        Ok(map.into())
    }
}

/// With the feature `arbitrary_precision`, which another crate of the program may turn on, `serde_json` hands out a number as an object with this field.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

fn has_arbitrary_precision() -> bool {
    Number::from_u128(u128::MAX).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fails(text: &str) -> String {
        from_str(text).unwrap_err().to_string()
    }

    #[test]
    fn a_field_that_stands_twice_is_an_error_at_any_depth() {
        for (text, name) in [
            (r#"{"a": 1, "a": 1}"#, "a"),
            (r#"{"a": {"b": 1, "c": 2, "b": 3}}"#, "b"),
            (r#"[{"x": [{"a": 1, "b": null, "a": 2}]}]"#, "a"),
            (r#"{"a": 1, "\u0061": 1}"#, "a"),
            (r#"{"": 1, "": 2}"#, ""),
        ] {
            assert!(fails(text).contains(&format!("the field {name:?} stands twice")), "{}", fails(text));
        }
        assert_eq!(from_str(r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}"#).unwrap()["b"][1]["a"], 1);
    }

    #[test]
    fn arrays_count_in_how_deep_json_is_nested() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let value = from_str(&nested(MAX_DEPTH)).unwrap();
        assert!(check_depth(&value, 0).is_ok() && check_depth(&json!([value]), 0).is_err());
        for depth in [MAX_DEPTH + 1, 127, 128, 100_000] {
            assert!(!fails(&nested(depth)).is_empty());
        }
        assert!(fails(&nested(MAX_DEPTH + 1)).contains("nested too deep"));
    }

    #[test]
    fn integers_are_exact_or_refused() {
        for exact in ["18446744073709551615", "-9223372036854775808", "0", "-0.0", "1e30", "1.0"] {
            assert_eq!(
                serde_json::to_string(&from_str(exact).unwrap()).unwrap(),
                exact.replace("1e30", "1e+30")
            );
        }
        for text in ["18446744073709551616", "-9223372036854775809", "[1,\n 123456789012345678901234567890]"]
        {
            assert!(fails(text).contains("64 bits"), "{text}");
        }
        assert!(fails("[1,\n 123456789012345678901234567890]").contains("line 2, column 2"));
        assert!(fails("1e400").contains("out of range"));
        assert!(from_str(r#""\"123456789012345678901234567890""#).is_ok(), "in a string");
    }

    #[test]
    fn what_is_not_json_says_where() {
        assert_eq!(fails("{\"a\": }"), "JSON: expected value (column 7)");
        assert!(fails("{} {}").contains("trailing"));
        assert_eq!(from_slice(b"\"\xff\"").unwrap_err().kind(), ErrorKind::InvalidJson);
    }

    proptest! {
        #[test]
        fn numbers_survive_text(bits in any::<u64>(), integer in any::<i64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            let value = json!({"float": float, "integer": integer, "unsigned": bits});
            let read = from_slice(&serde_json::to_vec(&value).unwrap()).unwrap();
            prop_assert_eq!(read["float"].as_f64().map(f64::to_bits), Some(bits));
            prop_assert_eq!(read, value);
        }
    }
}
