//! Metadata of rows → keys with their rows, in memory, and from there into bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use roaring::RoaringBitmap;
use serde_json::{Map, Value as Json};

use crate::date;
use crate::error::{Error, ErrorKind, Result};
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
/// assert_eq!(Index::open(bytes, 1)?.row_of_key("cat", |_| true)?, Some(0));
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    rows_of: HashMap<Vec<u8>, RowsOfKey>,
    /// Keys were left out, since there was no memory for more: nothing is written.
    lacks_memory: bool,
}

/// The rows of a key. Most keys have one: of records, of numbers, of times.
#[derive(Debug)]
enum RowsOfKey {
    One(u32),
    Many(RoaringBitmap),
}

impl RowsOfKey {
    fn insert(&mut self, row: u32) {
        match self {
            Self::One(first) if *first == row => {}
            Self::One(first) => *self = Self::Many(RoaringBitmap::from_iter([*first, row])),
            Self::Many(rows) => drop(rows.insert(row)),
        }
    }
}

impl Builder {
    /// A builder without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row, not less than those before: the key of its record if it has one, and its metadata, which
    /// [`check_metadata`](crate::check_metadata) has accepted.
    pub fn add(&mut self, row: u32, key: Option<&str>, metadata: &Map<String, Json>) {
        let Self { rows_of, lacks_memory } = self;
        let mut insert = |key: Vec<u8>| {
            if rows_of.try_reserve(1).is_err() {
                *lacks_memory = true;
                return;
            }
            match rows_of.entry(key) {
                Entry::Occupied(mut rows) => rows.get_mut().insert(row),
                Entry::Vacant(none) => drop(none.insert(RowsOfKey::One(row))),
            }
        };
        if let Some(key) = key {
            insert(record_key(key));
        }
        fields::visit(metadata, &mut |path, found| match found {
            Found::Field => insert(field_key(path, Tag::Exists, false, &[])),
            Found::Scalar { value, in_array } => each_key(path, value, in_array, &mut insert),
            Found::Nested => {}
        });
    }

    /// Writes the index.
    ///
    /// Errors: [`TooLarge`](crate::ErrorKind::TooLarge) above 4 GiB, [`OutOfMemory`](crate::ErrorKind::OutOfMemory) also where there was too little while
    /// rows were added, and [`Io`](crate::ErrorKind::Io) if `out` fails.
    pub fn write(self, out: impl Write) -> Result<()> {
        let mut writer = Writer::new(out);
        let mut rows_of: Vec<(Vec<u8>, RowsOfKey)> = Vec::new();
        if self.lacks_memory || rows_of.try_reserve_exact(self.rows_of.len()).is_err() {
            return Err(Error::new(ErrorKind::OutOfMemory, "there is no memory for an index of metadata"));
        }
        rows_of.extend(self.rows_of);
        rows_of.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        rows_of.into_iter().try_for_each(|(key, rows)| match rows {
            RowsOfKey::One(row) => writer.push_one(&key, row),
            RowsOfKey::Many(rows) => writer.push(&key, rows),
        })?;
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
