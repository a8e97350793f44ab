//! Records as lines of JSON, in both directions.

use std::io::{BufRead, Read};
use std::marker::PhantomData;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use compact_artifact::json::Object;
use compact_artifact::{Entry, json};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::settings::{self, Settings};
use super::shape::Shape;
use super::{Content, Document, TITLE};
use crate::failure::{Failure, Result};
use crate::output::json_len;

/// The longest line in bytes, with its end.
const MAX_LINE: usize = 256 << 20;
/// A record that holds less is no longer as a line than that: a byte of a text becomes six at the most, and a number of a vector fewer than 32.
const SHORT: u64 = MAX_LINE as u64 / 8;

/// A record as a line of JSON. `text` and `blob`, which is base64, exclude each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty", deserialize_with = "json::object")]
    metadata: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    fields: Fields,
    #[serde(default, skip_serializing_if = "Vectors::is_empty")]
    vectors: Vectors,
}

/// Values by name, in the order in which they stand.
#[derive(Debug)]
struct Named<T>(Vec<(String, T)>);

type Vectors = Named<Vec<f32>>;
type Fields = Named<String>;

/// What errors say of values by name.
trait ByName {
    const EXPECTED: &'static str;
    const TWO: &'static str;
}

impl ByName for Vec<f32> {
    const EXPECTED: &'static str = "an object of vectors by space, as in {\"text\": [0.1, 0.2]}";
    const TWO: &'static str = "two vectors in the space";
}

impl ByName for String {
    const EXPECTED: &'static str = "an object of texts by field, as in {\"abstract\": \"...\"}";
    const TWO: &'static str = "two texts in the field";
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Named<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, T: Deserialize<'de> + ByName> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + ByName> Visitor<'de> for Names<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut values: Vec<(String, T)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if values.iter().any(|(known, _)| *known == name) {
                        return Err(de::Error::custom(format_args!("{} {name:?}", T::TWO)));
                    }
                    values.push((name, value));
                }
                Ok(Named(values))
            }
        }
        deserializer.deserialize_map(Names(PhantomData))
    }
}

/// The record of one line.
pub(crate) fn parse(line: &[u8]) -> Result<Document, String> {
    if line.trim_ascii_start().first() == Some(&b'[') {
        return Err("expected an object such as {\"text\": \"...\"}, found an array".to_owned());
    }
    let Object(line) = json::read::<Object<Line>>(line).map_err(|e| {
        let message =
            e.to_string().replace("expected an object (", "expected an object such as {\"text\": \"...\"} (");
        let hint = "; --text-field and --key-field read lines of any shape";
        if message.contains("unknown field") { message + hint } else { message }
    })?;
    let content = match (line.text, line.blob) {
        (Some(text), None) => Content::Text(text),
        (None, Some(blob)) => {
            let decoded = BASE64_STANDARD.decode(blob);
            Content::Blob(decoded.map_err(|e| format!("`blob` is not base64: {e}"))?)
        }
        (None, None) => return Err("neither `text` nor `blob`; expected one of them".to_owned()),
        (Some(_), Some(_)) => return Err("both `text` and `blob`; expected one of them".to_owned()),
    };
    let mut fields: Vec<(String, String)> =
        line.title.map(|title| (TITLE.to_owned(), title)).into_iter().collect();
    if !fields.is_empty() && line.fields.0.iter().any(|(name, _)| name == TITLE) {
        return Err("both `title` and a field of that name; expected one of them".to_owned());
    }
    fields.extend(line.fields.0);
    let (metadata, vectors) = (line.metadata, line.vectors.0);
    let document = Document { key: line.key, content, metadata, vectors, fields };
    document.check()?;
    Ok(document)
}

/// The record of a line of any shape.
pub(crate) fn parse_shaped(line: &[u8], shape: &Shape) -> Result<Document, String> {
    match json::from_slice(line).map_err(|e| e.to_string())? {
        Value::Object(row) => shape.document(row),
        _ => Err("expected an object such as {\"text\": \"...\"}".to_owned()),
    }
}

/// A record as [`parse`] reads it back, but for blobs, which may be large: those it is given as base64.
pub(crate) fn line(entry: &Entry, vectors: Vec<(String, Vec<f32>)>) -> Result<impl Serialize + use<>> {
    let (mut text, mut blob) = (None, None);
    if entry.is_text() {
        text = Some(entry.text()?.into_owned());
    } else {
        blob = Some(BASE64_STANDARD.encode(entry.bytes()?));
    }
    let (key, mut fields, metadata) = (entry.key()?, entry.fields()?, entry.metadata()?);
    // Elsewhere than in front it stays among the others, which keep their order.
    let has_title = fields.first().is_some_and(|(name, _)| name == TITLE);
    let title = has_title.then(|| fields.remove(0).1);
    Ok(Line { key, title, text, blob, metadata, fields: Named(fields), vectors: Named(vectors) })
}

/// The same as a line that is read back; `None` where that is longer than lines may be.
pub(crate) fn readable_line(
    entry: &Entry,
    vectors: Vec<(String, Vec<f32>)>,
) -> Result<Option<impl Serialize + use<>>> {
    // Of a blob, base64 alone: it is not read to see that it is too long.
    if !entry.is_text() && entry.len() / 3 * 4 > MAX_LINE as u64 {
        return Ok(None);
    }
    let numbers: usize = vectors.iter().map(|(_, vector)| vector.len()).sum();
    let is_short = entry.len() + 4 * numbers as u64 <= SHORT;
    let line = line(entry, vectors)?;
    Ok((is_short || json_len(&line)? < MAX_LINE).then_some(line))
}

/// The lines of a file, with their numbers from 1 on; blank ones are left out.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    from: R,
    source: String,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// `source` is what errors name.
    pub(crate) fn new(from: R, source: impl Into<String>) -> Self {
        Self { from, source: source.into(), number: 0, buffer: Vec::new() }
    }

    /// The place of the line that was read last.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.source, self.number)
    }

    /// The next line that is not blank, and has no settings.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>> {
        let mut is_first = self.number == 0;
        while self.read_line()? {
            if !std::mem::take(&mut is_first) || !matches!(settings::parse(self.line()), Some(Ok(_))) {
                return Ok(Some(self.line()));
            }
        }
        Ok(None)
    }

    /// The settings in the first line, if it has some.
    pub(crate) fn settings(mut self) -> Result<Option<Settings>> {
        let parsed = if self.read_line()? { settings::parse(self.line()) } else { None };
        parsed.transpose().map_err(|e| Failure::failed(e).at(self.place()))
    }

    fn line(&self) -> &[u8] {
        self.buffer.trim_ascii()
    }

    /// Reads the next line that is not blank. Whether there was one.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            self.buffer.clear();
            self.number += 1;
            let mut limited = self.from.by_ref().take(MAX_LINE as u64 + 1);
            if let Err(e) = limited.read_until(b'\n', &mut self.buffer) {
                return Err(Failure::failed(format_args!("cannot be read: {e}")).at(self.place()));
            }
            if self.buffer.is_empty() {
                return Ok(false);
            }
            if self.buffer.len() > MAX_LINE {
                let message = format!("a line of more than {MAX_LINE} bytes; expected one record a line");
                return Err(Failure::failed(message).at(self.place()));
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.line().is_empty() {
                return Ok(true);
            }
        }
    }

    /// The next record, of that shape if one is given.
    pub(crate) fn next_document(&mut self, shape: &Shape) -> Result<Option<Document>> {
        let parsed = match self.next_line()? {
            Some(line) if shape.is_given() => parse_shaped(line, shape),
            Some(line) => parse(line),
            None => return Ok(None),
        };
        parsed.map(Some).map_err(|e| Failure::failed(e).at(self.place()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fails(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_line_is_a_record() {
        let line = br#"{"key":"a","text":"cat","metadata":{"n":1},"vectors":{"v":[0.5,-1]}}"#;
        let document = parse(line).unwrap();
        assert_eq!(document.key.as_deref(), Some("a"));
        assert_eq!(document.content, Content::Text("cat".to_owned()));
        assert_eq!(Value::Object(document.metadata), json!({"n": 1}));
        assert_eq!(document.vectors, [("v".to_owned(), vec![0.5, -1.0])]);
        assert_eq!(parse(br#"{"blob":"AAH/"}"#).unwrap().content, Content::Blob(vec![0, 1, 255]));
    }

    #[test]
    fn what_is_not_a_record_is_an_error_that_says_why() {
        assert!(fails(r#"{"text":"a","txet":"b"}"#).contains("unknown field `txet`"));
        assert!(fails(r#"{"text":"a""#).contains("EOF"), "{}", fails(r#"{"text":"a""#));
        assert!(fails(r#"{"key":"a"}"#).contains("neither"));
        assert!(fails(r#"{"text":"a","blob":""}"#).contains("both"));
        assert!(fails(r#"{"text":"a","key":""}"#).contains("empty key"));
        assert!(fails(r#"{"text":"a","metadata":[1]}"#).contains("expected an object, found an array"));
        assert!(fails(r#"{"text":"a","vectors":{"v":[1],"v":[2]}}"#).contains("two vectors"));
        assert!(fails(r#"{"text":"a","vectors":{"v":[1e300]}}"#).contains("out of range"));
        assert!(fails(r#"{"text":"a","fields":{"f":"x","f":"y"}}"#).contains("two texts in the field \"f\""));
        assert!(fails(r#"{"text":"a","fields":{"f":1}}"#).contains("expected a string"));
        assert!(fails(r#"{"text":"a","fields":["f"]}"#).contains("an object of texts by field"));
        assert!(fails(r#"{"text":"a","title":"x","fields":{"title":"y"}}"#).contains("both `title`"));
        assert!(fails(r#"{"text":"a","text":"b"}"#).contains("duplicate field `text`"));
        assert!(fails(r#"{"text":"a","metadata":{"y":1,"y":2}}"#).contains("\"y\" stands twice"));
        assert!(fails(r#"{"text":"a","metadata":{"n":18446744073709551616}}"#).contains("64 bits"));
        let deep = format!(r#"{{"text":"a","metadata":{{"a":{}1{}}}}}"#, "[".repeat(100), "]".repeat(100));
        assert!(fails(&deep).contains("nested too deep"));
        let path = format!(r#"{{"text":"a","metadata":{{"{}":1}}}}"#, "n".repeat(2_000));
        assert!(fails(&path).contains("path of a field of 2000 bytes"));
        assert!(fails(r#"{"blob":"?"}"#).contains("base64"));
        assert!(fails(r#"["k","hello"]"#).contains("expected an object"));
        assert!(fails(r#" ["k",null,"hello"]"#).contains("expected an object"));
        assert!(fails("\"a\u{0}\"").contains("column"));
        let long = format!(r#"{{"text":"a","key":"{}"}}"#, "k".repeat(1 << 20));
        assert!(fails(&long).contains("a key of 1048576 bytes; expected at most 1024"));
    }

    #[test]
    fn vectors_and_metadata_are_the_same_after_an_export() {
        let floats = (0..20_000_u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)));
        let vector: Vec<f32> = floats.filter(|value| value.is_finite()).collect();
        let metadata =
            json!({"v": 0.907_303_832_202_868_9, "least": i64::MIN, "most": u64::MAX, "zero": -0.0});
        let Value::Object(metadata) = metadata else { unreachable!() };
        let vectors = Named(vec![("v".to_owned(), vector.clone())]);
        let line = Line {
            key: None,
            title: None,
            text: Some(String::new()),
            blob: None,
            metadata: metadata.clone(),
            fields: Fields::default(),
            vectors,
        };
        let read = parse(&serde_json::to_vec(&line).unwrap()).unwrap();
        assert_eq!(read.metadata, metadata);
        let bits = |vector: &[f32]| vector.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.vectors[0].1), bits(&vector));
    }

    #[test]
    fn errors_name_the_line_blank_ones_counted() {
        let bytes = b"\xef\xbb\xbf{\"text\":\"a\"}\n\n  \r\n{\"text\":\xff}\n";
        let mut lines = Lines::new(&bytes[..], "x.jsonl");
        assert!(lines.next_document(&Shape::default()).unwrap().is_some());
        let failure = lines.next_document(&Shape::default()).unwrap_err();
        assert!(failure.message().starts_with("x.jsonl:4: "), "{}", failure.message());
    }
}
