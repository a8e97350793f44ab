//! Metadata → an index of it, and the rows that a filter lets through.
//!
//! A key of the table is a field and a value: the length of the field `u16`, the field, a tag, the value in bytes that are in order. The tag says
//! the type, and whether the value is an element of an array; tag 0 without a value stands for every record that has the field.

use std::collections::BTreeMap;
use std::io::Write;

use roaring::RoaringBitmap;
use serde_json::{Map, Value as Json};

use super::table::{Layout, Rows, Table, TableWriter};
use super::value::{Scalar, Type, moment};
use super::{Bound, Filter, Node, Test, Types, Value};
use crate::error::{Error, ErrorKind, Result};

/// The longest path of a field in bytes.
const MAX_PATH: usize = 1024;
/// How deep metadata may be nested.
const MAX_DEPTH: usize = 32;
/// Marks elements of arrays.
const ELEMENT: u8 = 0x10;

/// Collects the metadata of rows.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    keys: BTreeMap<Vec<u8>, RoaringBitmap>,
}

impl FilterBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds the metadata of a row, which is not less than those before.
    pub(crate) fn add(&mut self, row: u32, metadata: &Map<String, Json>) -> Result<()> {
        each_value(metadata, &mut |key| {
            self.keys.entry(key).or_default().insert(row);
        })
    }

    pub(crate) fn write(self, out: impl Write) -> Result<()> {
        let mut table = TableWriter::new(out);
        self.keys.iter().try_for_each(|(key, rows)| table.push(key, rows))?;
        table.finish()
    }
}

/// Whether metadata can be indexed: neither too deep nor with too long a path.
pub(crate) fn check_metadata(metadata: &Map<String, Json>) -> Result<()> {
    metadata.iter().try_for_each(|(name, value)| check(name.len(), value, 1))
}

fn check(path_len: usize, value: &Json, depth: usize) -> Result<()> {
    check_path(path_len, depth)?;
    let fields = |map: &Map<String, Json>| {
        map.iter().try_for_each(|(name, value)| check(path_len + 1 + name.len(), value, depth + 1))
    };
    match value {
        Json::Object(map) => fields(map),
        Json::Array(elements) => elements.iter().filter_map(Json::as_object).try_for_each(fields),
        _ => Ok(()),
    }
}

fn check_path(len: usize, depth: usize) -> Result<()> {
    if len <= MAX_PATH && depth <= MAX_DEPTH {
        return Ok(());
    }
    let message = format!(
        "metadata: a field of {len} bytes at depth {depth}; expected at most {MAX_PATH} bytes and depth {MAX_DEPTH}"
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

fn each_value(metadata: &Map<String, Json>, found: &mut dyn FnMut(Vec<u8>)) -> Result<()> {
    let mut path = String::new();
    metadata.iter().try_for_each(|(name, value)| walk(&mut path, name, value, 1, found))
}

fn walk(
    path: &mut String,
    name: &str,
    value: &Json,
    depth: usize,
    found: &mut dyn FnMut(Vec<u8>),
) -> Result<()> {
    let before = path.len();
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
    check_path(path.len(), depth)?;
    match value {
        Json::Null => {}
        Json::Object(map) => {
            found(key(path, 0, &[]));
            map.iter().try_for_each(|(name, value)| walk(path, name, value, depth + 1, found))?;
        }
        Json::Array(elements) => {
            found(key(path, 0, &[]));
            for element in elements {
                match element {
                    Json::Object(map) => {
                        map.iter().try_for_each(|(name, value)| walk(path, name, value, depth + 1, found))?;
                    }
                    scalar => emit(path, scalar, ELEMENT, found),
                }
            }
        }
        scalar => {
            found(key(path, 0, &[]));
            emit(path, scalar, 0, found);
        }
    }
    path.truncate(before);
    Ok(())
}

/// The keys of a value. Arrays in arrays and nulls have none.
fn emit(path: &str, value: &Json, element: u8, found: &mut dyn FnMut(Vec<u8>)) {
    let Some(value) = Value::of_json(value) else { return };
    found(key(path, value.kind() as u8 | element, &value.encode()));
    if let Scalar::String(string) = &value.0
        && let Some(moment) = moment(string)
    {
        let moment = Value(Scalar::DateTime(moment));
        found(key(path, Type::DateTime as u8 | element, &moment.encode()));
    }
}

fn key(path: &str, tag: u8, value: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(3 + path.len() + value.len());
    let len = u16::try_from(path.len()).unwrap_or(u16::MAX);
    key.extend(len.to_le_bytes().iter().rev());
    key.extend(path.as_bytes());
    key.push(tag);
    key.extend(value);
    key
}

/// An index of metadata, searched where it lies.
#[derive(Debug)]
pub(crate) struct FilterIndex<B> {
    bytes: B,
    layout: Layout,
}

impl<B: AsRef<[u8]>> FilterIndex<B> {
    pub(crate) fn open(bytes: B) -> Result<Self> {
        let layout = Layout::decode(bytes.as_ref())?;
        Ok(Self { bytes, layout })
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.as_ref().len()
    }

    fn table(&self) -> Table<'_> {
        Table::new(self.bytes.as_ref(), self.layout)
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
                let prefix = key(field, of as u8 | element, &[]);
                if let Some(next) = self.table().from(&prefix).peek_key()
                    && next?.starts_with(&prefix)
                {
                    types = types | of.into();
                }
            }
        }
        Ok(types)
    }

    /// The row of the string `value` in `field`, and whether a test finds it good.
    pub(crate) fn first_row(
        &self,
        field: &str,
        value: &str,
        mut is_good: impl FnMut(u32) -> bool,
    ) -> Result<Option<u32>> {
        let rows = self.exactly(&key(field, Type::String as u8, &Value::from(value).encode()))?;
        Ok(rows.into_iter().find(|&row| is_good(row)))
    }

    /// The rows, below `rows`, that a filter lets through. The filter was checked.
    pub(crate) fn evaluate(&self, filter: &Filter, rows: u32) -> Result<RoaringBitmap> {
        let everything = || (0..rows).collect::<RoaringBitmap>();
        let mut found = match &filter.0 {
            Node::And(filters) => {
                let mut all: Option<RoaringBitmap> = None;
                for filter in filters {
                    let these = self.evaluate(filter, rows)?;
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
            Node::Or(filters) => {
                let mut any = RoaringBitmap::new();
                for filter in filters {
                    any |= self.evaluate(filter, rows)?;
                }
                any
            }
            Node::Not(filter) => everything() - self.evaluate(filter, rows)?,
            Node::Leaf(field, _) if field.len() > MAX_PATH => RoaringBitmap::new(),
            Node::Leaf(field, test) => self.test(field, test)?,
        };
        found.remove_range(rows..);
        Ok(found)
    }

    fn test(&self, field: &str, test: &Test) -> Result<RoaringBitmap> {
        let equal = |value: &Value, element: u8| {
            self.exactly(&key(field, value.kind() as u8 | element, &value.encode()))
        };
        let either = |value: &Value| Ok(equal(value, 0)? | equal(value, ELEMENT)?);
        match test {
            Test::Exists => self.exactly(&key(field, 0, &[])),
            Test::Eq(value) => either(value),
            Test::Contains(value) => equal(value, ELEMENT),
            Test::In(values) => {
                values.iter().try_fold(RoaringBitmap::new(), |any, value| Ok(any | either(value)?))
            }
            Test::Range(bound, value) => {
                Ok(self.range(field, *bound, value, 0)? | self.range(field, *bound, value, ELEMENT)?)
            }
            Test::Prefix(prefix) => {
                let of = |element: u8| {
                    let from = key(field, Type::String as u8 | element, prefix.as_bytes());
                    self.collect(&from, |key| key.starts_with(&from))
                };
                Ok(of(0)? | of(ELEMENT)?)
            }
        }
    }

    fn exactly(&self, key: &[u8]) -> Result<RoaringBitmap> {
        match self.table().from(key).next_entry() {
            Some(entry) => {
                let (found, rows) = entry?;
                if found == key { rows.decode() } else { Ok(RoaringBitmap::new()) }
            }
            None => Ok(RoaringBitmap::new()),
        }
    }

    fn range(&self, field: &str, bound: Bound, value: &Value, element: u8) -> Result<RoaringBitmap> {
        let all = key(field, value.kind() as u8 | element, &[]);
        let limit = key(field, value.kind() as u8 | element, &value.encode());
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
        let mut entries = self.table().from(from);
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
pub(crate) fn merge<B: AsRef<[u8]>>(parts: &[Input<'_, B>], out: impl Write) -> Result<()> {
    let mut table = TableWriter::new(out);
    let mut inputs: Vec<_> = parts.iter().map(|(part, row_of)| (part.table().entries(), row_of)).collect();
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
