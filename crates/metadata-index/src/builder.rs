//! Metadata of rows → keys with their rows, in memory, and from there into bytes.

use std::collections::BTreeMap;
use std::io::Write;

use roaring::RoaringBitmap;
use serde_json::{Map, Value as Json};

use crate::date;
use crate::error::Result;
use crate::fields::{self, Found};
use crate::layout::{self, Tag, field_key, record_key};
use crate::value::FilterValue;
use crate::writer::Writer;

/// Collects the metadata of rows, and writes an index of them.
///
/// It keeps every different value once, with a bitmap of its rows. The bytes that it writes depend on what was added, and on nothing else.
///
/// ```
/// use metadata_index::{Builder, Index};
/// use serde_json::json;
///
/// # fn main() -> metadata_index::Result<()> {
/// let mut builder = Builder::new();
/// builder.add(0, Some("cat"), json!({"legs": 4}).as_object().unwrap());
/// let mut bytes = Vec::new();
/// builder.write(&mut bytes)?;
/// assert_eq!(Index::open(bytes)?.row_of_key("cat", |_| true)?, Some(0));
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    rows_of: BTreeMap<Vec<u8>, RoaringBitmap>,
}

impl Builder {
    /// A builder without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row, not less than those before: the key of its record if it has one, and its metadata, which
    /// [`check_metadata`](crate::check_metadata) has accepted.
    pub fn add(&mut self, row: u32, key: Option<&str>, metadata: &Map<String, Json>) {
        let mut insert = |key: Vec<u8>| {
            self.rows_of.entry(key).or_default().insert(row);
        };
        if let Some(key) = key {
            insert(record_key(key));
        }
        fields::visit(metadata, &mut |path, found| match found {
            Found::Field => insert(field_key(path, Tag::Exists, false, &[])),
            Found::Scalar { value, in_array } => each_key(path, value, in_array, &mut insert),
        });
    }

    /// Writes the index.
    ///
    /// Errors: [`TooLarge`](crate::ErrorKind::TooLarge) above 4 GiB, and [`Io`](crate::ErrorKind::Io) if `out` fails.
    pub fn write(self, out: impl Write) -> Result<()> {
        let mut writer = Writer::new(out);
        self.rows_of.into_iter().try_for_each(|(key, rows)| writer.push(&key, rows))?;
        writer.finish()
    }
}

/// The keys of a value: one, but a string that is a date has two.
fn each_key(path: &str, value: &Json, in_array: bool, found: &mut dyn FnMut(Vec<u8>)) {
    if let Json::String(string) = value {
        let point = date::point(string);
        let tag = if point.is_some() { Tag::DateText } else { Tag::String };
        found(field_key(path, tag, in_array, &layout::encode_string(string)));
        if let Some(point) = point {
            found(field_key(path, Tag::Date, in_array, &layout::encode_point(&point)));
        }
    } else if let Some(value) = FilterValue::from_json(value) {
        found(field_key(path, Tag::from(value.type_of()), in_array, &layout::encode_value(&value)));
    }
}
