//! An index where it lies: opened, verified, asked for types, for rows and for the keys of records.

use std::ops::ControlFlow;

use row_set::RowSet;
use serde_json::{Map, Value as Json};
use wire::Bytes;

use crate::column::Column;
use crate::error::{Error, Result};
use crate::field_value::FieldValue;
use crate::fields::MAX_PATH_LEN;
use crate::layout::{Tag, Trailer, field_key, record_key};
use crate::reader::{Rows, Table};
use crate::resolve::ResolvedFilter;
use crate::search::Search;
use crate::value::{Type, Types};
use crate::values::{self, Dates};

/// An index of metadata, searched in the bytes that it lies in.
///
/// Opening it reads the trailer; everything else reads the blocks that it needs, and has them verified first: see [`Bytes`]. A field that no
/// record has is found out by one look-up.
#[derive(Debug)]
pub struct Index<B> {
    bytes: B,
    trailer: Trailer,
}

impl<B: Bytes> Index<B> {
    /// Opens the bytes that a [`Builder`](crate::Builder) or a [`merge`](crate::merge()) wrote.
    ///
    /// Errors: [`Damaged`](crate::ErrorKind::Damaged), or [`NewerFormat`](crate::ErrorKind::NewerFormat).
    pub fn open(bytes: B) -> Result<Self> {
        let trailer = Trailer::decode(bytes.as_ref())?;
        Ok(Self { bytes, trailer })
    }

    /// Length of the index in bytes.
    pub fn len_bytes(&self) -> usize {
        self.bytes.as_ref().len()
    }

    pub(crate) fn table(&self) -> Table<'_> {
        Table::new(&self.bytes, self.trailer)
    }

    /// Reads everything and compares the checksum, the order of the keys, and the rows, which are below `rows`.
    ///
    /// Its error has the kind [`Damaged`](crate::ErrorKind::Damaged).
    pub fn verify(&self, rows: u32) -> Result<()> {
        self.table().verify(rows)
    }

    /// The types of the values of a field: two look-ups for each type.
    pub fn types(&self, field: &str) -> Result<Types> {
        let mut types = Types::default();
        if field.len() > MAX_PATH_LEN {
            return Ok(types);
        }
        for ty in Type::ALL {
            for in_array in [false, true] {
                let prefix = field_key(field, Tag::from(ty), in_array, &[]);
                if let Some(next) = self.table().entries_from(&prefix)?.peek_key()
                    && next?.starts_with(&prefix)
                {
                    types = types | ty.into();
                }
            }
        }
        Ok(types)
    }

    /// Every value of a field, and how many rows of a set have it, in the order of values; those that no row has are left out. Dates are told apart as
    /// texts, and with `as_points` as points in time.
    ///
    /// ```
    /// use metadata_index::{Builder, Index, RowSet};
    /// use serde_json::json;
    ///
    /// # fn main() -> metadata_index::Result<()> {
    /// let mut builder = Builder::new();
    /// for (row, tags) in [json!({"tags": ["old", "rare"]}), json!({"tags": "old"})].iter().enumerate() {
    ///     builder.add(row as u32, None, tags.as_object().unwrap());
    /// }
    /// let mut bytes = Vec::new();
    /// builder.write(&mut bytes)?;
    /// let mut counts = Vec::new();
    /// Index::open(&bytes)?.count_values("tags", &RowSet::all_below(2), false, &mut |value, count| counts.push((value.to_json(), count)))?;
    /// assert_eq!(counts, [(json!("old"), 2), (json!("rare"), 1)]);
    /// # Ok(()) }
    /// ```
    pub fn count_values(
        &self,
        field: &str,
        set: &RowSet,
        as_points: bool,
        found: &mut dyn FnMut(FieldValue, u64),
    ) -> Result<()> {
        let dates = if as_points { Dates::Points } else { Dates::Texts };
        values::visit(self.table(), field, dates, None, &mut |value| {
            match value.count_in(set)? {
                0 => {}
                count => found(value.to_value(), count),
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The first row of a set that has a value in a field.
    pub fn first_row(&self, field: &str, value: &FieldValue, set: &RowSet) -> Result<Option<u32>> {
        let mut first = None;
        for in_array in [false, true] {
            if let Some(rows) = self.table().rows_of(&field_key(field, value.tag, in_array, &value.bytes))? {
                rows.each(&mut |row| first = first.or(Some(row).filter(|&row| set.contains(row))))?;
            }
        }
        Ok(first)
    }

    /// How many rows of a set have a field.
    pub fn count_field(&self, field: &str, set: &RowSet) -> Result<u64> {
        if field.len() > MAX_PATH_LEN {
            return Ok(0);
        }
        let mut count = 0;
        if let Some(rows) = self.table().rows_of(&field_key(field, Tag::Exists, false, &[]))? {
            rows.each(&mut |row| count += u64::from(set.contains(row)))?;
        }
        Ok(count)
    }

    /// A field as a column over the rows below `rows`; of several values of a row the greatest counts, or the least.
    pub fn column(&self, field: &str, rows: u32, greatest: bool) -> Result<Column> {
        Column::read(self.table(), field, rows, greatest)
    }

    /// The value at a [place](Column::place) of a column of this index.
    pub fn value_at(&self, column: &Column, field: &str, place: u32) -> Result<Option<FieldValue>> {
        column.value(self.table(), field, place)
    }

    /// Calls `found` with the keys of records that begin with a prefix and their first row that `is_live` accepts, in the order of keys, until it
    /// returns `false`.
    pub fn each_key(
        &self,
        prefix: &str,
        is_live: impl Fn(u32) -> bool,
        found: &mut dyn FnMut(&str, u32) -> bool,
    ) -> Result<()> {
        let start = record_key(prefix);
        let before = record_key("").len();
        let mut entries = self.table().entries_from(&start)?;
        while let Some(entry) = entries.next_entry() {
            let (key, rows) = entry?;
            if !key.starts_with(&start) {
                break;
            }
            let mut live = None;
            rows.each(&mut |row| live = live.or(Some(row).filter(|&row| is_live(row))))?;
            let key =
                std::str::from_utf8(&key[before..]).map_err(|_| Error::damaged("a key is not UTF-8"))?;
            if live.is_some_and(|row| !found(key, row)) {
                break;
            }
        }
        Ok(())
    }

    /// The first row whose record has this key and that `is_live` accepts.
    pub fn row_of_key(&self, key: &str, is_live: impl Fn(u32) -> bool) -> Result<Option<u32>> {
        match self.table().rows_of(&record_key(key))? {
            Some(Rows::One(row)) => Ok(Some(row).filter(|&row| is_live(row))),
            Some(many) => Ok(many.decode()?.into_iter().find(|&row| is_live(row))),
            None => Ok(None),
        }
    }

    /// The rows below `rows` that match a filter.
    ///
    /// `metadata_of` reads the metadata of a row. It is called where long strings are told apart only by what is not in the index: where both
    /// the string that is asked for and that of the row have more than 256 bytes, and the first 256 are the same.
    ///
    /// Errors: [`Damaged`](crate::ErrorKind::Damaged), and those of `metadata_of`, whose type is the caller's.
    pub fn search<E: From<Error>>(
        &self,
        filter: &ResolvedFilter,
        rows: u32,
        metadata_of: impl Fn(u32) -> Result<Map<String, Json>, E>,
    ) -> Result<RowSet, E> {
        Search { table: self.table(), rows, metadata_of: &metadata_of }.matches(filter.filter())
    }
}
