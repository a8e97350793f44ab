//! Metadata → an index of it, and the rows that a filter lets through.
//!
//! A key of the table is a field and a value: the length of the path `u16`, the path, a tag, the value in bytes that are in order. The tag says
//! what the value is, and whether it is an element of an array. The keys of records have a tag of their own, which no metadata gets.

use std::collections::BTreeMap;
use std::io::Write;

use roaring::RoaringBitmap;
use serde_json::{Map, Value as Json};
use vector_index::Bytes;

use super::date;
use super::strings::Comparison;
use super::table::{Layout, Rows, Table, TableWriter};
use super::value::{Type, Types, Value};
use super::{Bound, Filter, Node, Test};
use crate::api::error::{Error, ErrorKind, Result};
use crate::json;

/// The longest path of a field in bytes.
const MAX_PATH: usize = 1024;

/// The field has a value.
const EXISTS: u8 = 0;
/// A string that is a date, as text; as a point in time it has the tag [`Type::Date`].
const DATE_TEXT: u8 = 5;
/// The key of a record, which has no path.
const RECORD_KEY: u8 = 6;
/// Added to the tag of an element of an array.
const ELEMENT: u8 = 0x10;

/// The tags that strings have.
const STRINGS: [u8; 2] = [Type::Text as u8, DATE_TEXT];

/// Collects the metadata of rows.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    keys: BTreeMap<Vec<u8>, RoaringBitmap>,
}

impl FilterBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a row, which is not less than those before: the key of its record, and its metadata, for which [`check_metadata`] found nothing.
    pub(crate) fn add(&mut self, row: u32, key: Option<&str>, metadata: &Map<String, Json>) {
        let mut insert = |key: Vec<u8>| {
            self.keys.entry(key).or_default().insert(row);
        };
        if let Some(key) = key {
            insert(record_key(key));
        }
        each_value(metadata, &mut |path, found| match found {
            Found::Field => insert(table_key(path, EXISTS, &[])),
            Found::Value(value, element) => each_key(path, value, element, &mut insert),
        });
    }

    pub(crate) fn write(self, out: impl Write) -> Result<()> {
        let mut table = TableWriter::new(out);
        self.keys.iter().try_for_each(|(key, rows)| table.push(key, rows))?;
        table.finish()
    }
}

/// Checks what [`Record::metadata`](crate::Record::metadata) takes, but for its length: how deep it is nested, how long the paths of its fields are, and
/// that numbers have 64 bits. The writer asks before it stores, the reader after it has read.
pub fn check_metadata(metadata: &Map<String, Json>) -> Result<()> {
    let about = |e: Error| e.about("metadata");
    metadata.values().try_for_each(|value| json::check_depth(value, 1)).map_err(about)?;
    let mut checked = Ok(());
    each_value(metadata, &mut |path, found| {
        if path.len() > MAX_PATH && checked.is_ok() {
            let len = path.len();
            let message =
                format!("metadata: the path of a field of {len} bytes; expected at most {MAX_PATH}");
            checked = Err(Error::new(ErrorKind::TooLarge, message));
        }
        if let Found::Value(number @ Json::Number(_), _) = found
            && Value::of_json(number).is_none()
        {
            checked = Err(Error::invalid(format!(
                "metadata: the number {number} in {path:?}; expected one of 64 bits"
            )));
        }
    });
    checked
}

/// What [`each_value`] finds at a path.
#[derive(Debug, Clone, Copy)]
enum Found<'a> {
    /// Something that is not null.
    Field,
    /// A bool, a number, a string; and [`ELEMENT`] if it is one of an array, otherwise 0. Arrays in arrays are not looked into.
    Value(&'a Json, u8),
}

fn each_value<'a>(metadata: &'a Map<String, Json>, found: &mut dyn FnMut(&str, Found<'a>)) {
    metadata.iter().for_each(|(name, value)| walk(&mut name.clone(), value, found));
}

fn walk<'a>(path: &mut String, value: &'a Json, found: &mut dyn FnMut(&str, Found<'a>)) {
    if value.is_null() {
        return;
    }
    found(path, Found::Field);
    match value {
        Json::Object(map) => walk_fields(path, map, found),
        Json::Array(elements) => {
            for element in elements {
                match element {
                    Json::Object(map) => walk_fields(path, map, found),
                    Json::Array(_) | Json::Null => {}
                    scalar => found(path, Found::Value(scalar, ELEMENT)),
                }
            }
        }
        scalar => found(path, Found::Value(scalar, 0)),
    }
}

fn walk_fields<'a>(path: &mut String, map: &'a Map<String, Json>, found: &mut dyn FnMut(&str, Found<'a>)) {
    let before = path.len();
    for (name, value) in map {
        path.push('.');
        path.push_str(name);
        walk(path, value, found);
        path.truncate(before);
    }
}

/// The keys of a value: one, but a string that is a date has two.
fn each_key(path: &str, value: &Json, element: u8, found: &mut dyn FnMut(Vec<u8>)) {
    let Some(value) = Value::of_json(value) else { return };
    if let Some(point) = value.as_str().and_then(date::point) {
        found(table_key(path, Type::Date as u8 | element, &point));
    }
    found(table_key(path, tag(&value) | element, &value.encode()));
}

/// The tag of the one key that a value equal to this one has.
fn tag(value: &Value) -> u8 {
    match value.as_str() {
        Some(string) if date::point(string).is_some() => DATE_TEXT,
        _ => value.kind() as u8,
    }
}

fn table_key(path: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + path.len() + value.len());
    let len = u16::try_from(path.len()).unwrap_or(u16::MAX);
    key.extend(len.to_le_bytes().iter().rev());
    key.extend(path.as_bytes());
    key.push(tag);
    key.extend(value);
    key
}

fn record_key(key: &str) -> Vec<u8> {
    table_key("", RECORD_KEY, key.as_bytes())
}

/// Reads the metadata of a row.
pub(crate) type MetadataOf<'a> = &'a dyn Fn(u32) -> Result<Map<String, Json>>;

/// An index of metadata, searched where it lies.
#[derive(Debug)]
pub(crate) struct FilterIndex<B> {
    bytes: B,
    layout: Layout,
}

impl<B: Bytes> FilterIndex<B> {
    pub(crate) fn open(bytes: B) -> Result<Self> {
        let layout = Layout::decode(bytes.as_ref())?;
        Ok(Self { bytes, layout })
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.as_ref().len()
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.bytes, self.layout)
    }

    /// Reads everything and compares checksum and order.
    pub(crate) fn verify(&self, rows: u32) -> Result<()> {
        self.table().verify(rows)
    }

    /// The types of the values of a field.
    pub(crate) fn types(&self, field: &str) -> Result<Types> {
        let mut types = Types::default();
        if field.len() > MAX_PATH {
            return Ok(types);
        }
        for of in Type::ALL {
            for element in [0, ELEMENT] {
                let prefix = table_key(field, of as u8 | element, &[]);
                if let Some(next) = self.table().from(&prefix)?.peek_key()
                    && next?.starts_with(&prefix)
                {
                    types = types | of.into();
                }
            }
        }
        Ok(types)
    }

    /// The first row whose record has this key, of those that a test finds good.
    pub(crate) fn row_of_key(&self, key: &str, is_good: impl Fn(u32) -> bool) -> Result<Option<u32>> {
        let rows = self.exactly(&record_key(key))?;
        Ok(rows.into_iter().find(|&row| is_good(row)))
    }

    /// The rows, below `rows`, that a filter lets through. The filter was resolved. Metadata are read where long strings are told apart only
    /// by what is not in the index.
    pub(crate) fn evaluate(
        &self,
        filter: &Filter,
        rows: u32,
        metadata_of: MetadataOf<'_>,
    ) -> Result<RoaringBitmap> {
        let everything = || (0..rows).collect::<RoaringBitmap>();
        let evaluate = |filter: &Filter| self.evaluate(filter, rows, metadata_of);
        let mut found = match &filter.0 {
            Node::And(filters) => {
                let mut all: Option<RoaringBitmap> = None;
                for filter in filters {
                    let these = evaluate(filter)?;
                    all = Some(match all {
                        Some(all) => all & these,
                        None => these,
                    });
                    if all.as_ref().is_some_and(RoaringBitmap::is_empty) {
                        break;
                    }
                }
                all.unwrap_or_else(everything)
            }
            Node::Or(filters) => filters
                .iter()
                .try_fold(RoaringBitmap::new(), |any, filter| Ok::<_, Error>(any | evaluate(filter)?))?,
            Node::Not(filter) => everything() - evaluate(filter)?,
            Node::Leaf(field, _) if field.len() > MAX_PATH => RoaringBitmap::new(),
            Node::Leaf(field, test) => self.test(field, test, rows, metadata_of)?,
        };
        found.remove_range(rows..);
        Ok(found)
    }

    fn test(
        &self,
        field: &str,
        test: &Test,
        rows: u32,
        metadata_of: MetadataOf<'_>,
    ) -> Result<RoaringBitmap> {
        let equal = |value: &Value, element: u8| {
            self.exactly(&table_key(field, tag(value) | element, &value.encode()))
        };
        let either = |value: &Value| Ok(equal(value, 0)? | equal(value, ELEMENT)?);
        let strings = |comparison| self.strings(field, &comparison, rows, metadata_of);
        match test {
            Test::Exists => self.exactly(&table_key(field, EXISTS, &[])),
            Test::Eq(value) => either(value),
            Test::Contains(value) => equal(value, ELEMENT),
            Test::In(values) => {
                values.iter().try_fold(RoaringBitmap::new(), |any, value| Ok(any | either(value)?))
            }
            Test::Prefix(prefix) => strings(Comparison::prefix(prefix)),
            Test::Range(bound, value) => match value.as_str() {
                Some(string) => strings(Comparison::range(*bound, string)),
                None => Ok(self.range(field, *bound, value, 0)? | self.range(field, *bound, value, ELEMENT)?),
            },
        }
    }

    /// The rows with a string in the field that a comparison lets through.
    fn strings(
        &self,
        field: &str,
        comparison: &Comparison<'_>,
        rows: u32,
        metadata_of: MetadataOf<'_>,
    ) -> Result<RoaringBitmap> {
        let (mut found, mut undecided) = (RoaringBitmap::new(), RoaringBitmap::new());
        for tag in STRINGS.into_iter().flat_map(|tag| [tag, tag | ELEMENT]) {
            let all = table_key(field, tag, &[]);
            let mut entries = self.table().from(&table_key(field, tag, comparison.start()))?;
            while let Some(entry) = entries.next_entry() {
                let (key, list) = entry?;
                let Some(string) = key.strip_prefix(all.as_slice()) else { break };
                if comparison.is_undecided(string) {
                    undecided |= list.decode()?;
                } else if comparison.lets_through(string) {
                    match list {
                        Rows::One(row) => drop(found.insert(row)),
                        many @ Rows::Many(_) => found |= many.decode()?,
                    }
                } else if comparison.is_behind(string) {
                    break;
                }
            }
        }
        undecided.remove_range(rows..);
        for row in undecided - &found {
            let metadata = metadata_of(row)?;
            each_value(&metadata, &mut |path, value| {
                if let Found::Value(Json::String(string), _) = value
                    && path == field
                    && comparison.lets_through(string.as_bytes())
                {
                    found.insert(row);
                }
            });
        }
        Ok(found)
    }

    fn exactly(&self, key: &[u8]) -> Result<RoaringBitmap> {
        match self.table().from(key)?.next_entry() {
            Some(entry) => {
                let (found, rows) = entry?;
                if found == key { rows.decode() } else { Ok(RoaringBitmap::new()) }
            }
            None => Ok(RoaringBitmap::new()),
        }
    }

    fn range(&self, field: &str, bound: Bound, value: &Value, element: u8) -> Result<RoaringBitmap> {
        let all = table_key(field, value.kind() as u8 | element, &[]);
        let limit = table_key(field, value.kind() as u8 | element, &value.encode());
        match bound {
            Bound::Lt => self.collect(&all, |key| key < limit.as_slice()),
            Bound::Lte => self.collect(&all, |key| key <= limit.as_slice()),
            Bound::Gte => self.collect(&limit, |key| key.starts_with(&all)),
            Bound::Gt => {
                // The first key that could be greater.
                let behind = [limit.as_slice(), &[0]].concat();
                self.collect(&behind, |key| key.starts_with(&all))
            }
        }
    }

    /// The rows of all keys from one on, as long as they belong.
    fn collect(&self, from: &[u8], belongs: impl Fn(&[u8]) -> bool) -> Result<RoaringBitmap> {
        let mut entries = self.table().from(from)?;
        let (mut single, mut found) = (Vec::new(), RoaringBitmap::new());
        while let Some(entry) = entries.next_entry() {
            let (key, rows) = entry?;
            if !belongs(key) {
                break;
            }
            match rows {
                Rows::One(row) => single.push(row),
                many @ Rows::Many(_) => found |= many.decode()?,
            }
        }
        found.extend(single);
        Ok(found)
    }
}

/// An index to merge, and what each of its rows becomes.
pub(crate) type Input<'a, B> = (&'a FilterIndex<B>, &'a dyn Fn(u32) -> Option<u32>);

/// Writes one index of several: `row_of` gives the new number of each row, or `None` for one that is left out. The bytes are those of an index built from
/// what is left.
pub(crate) fn merge<B: Bytes>(parts: &[Input<'_, B>], out: impl Write) -> Result<()> {
    let mut table = TableWriter::new(out);
    let inputs = parts.iter().map(|(part, row_of)| Ok((part.table().entries()?, row_of)));
    let mut inputs = inputs.collect::<Result<Vec<_>>>()?;
    loop {
        let mut least: Option<Vec<u8>> = None;
        for (entries, _) in &mut inputs {
            if let Some(key) = entries.peek_key() {
                let key = key?;
                if least.as_deref().is_none_or(|least| key < least) {
                    least = Some(key.to_vec());
                }
            }
        }
        let Some(least) = least else { return table.finish() };
        let mut rows = RoaringBitmap::new();
        for (entries, row_of) in &mut inputs {
            let is_next = matches!(entries.peek_key(), Some(Ok(key)) if key == least);
            if is_next && let Some(entry) = entries.next_entry() {
                match entry?.1 {
                    Rows::One(row) => rows.extend(row_of(row)),
                    many @ Rows::Many(_) => rows.extend(many.decode()?.iter().filter_map(row_of)),
                }
            }
        }
        if !rows.is_empty() {
            table.push(&least, &rows)?;
        }
    }
}
