//! An index where it lies: opened, verified, asked for types, for rows and for the keys of records.

use row_set::RowSet;
use serde_json::{Map, Value as Json};
use wire::Bytes;

use crate::column::Column;
use crate::error::{Error, Result};
use crate::field_value::FieldValue;
use crate::fields::MAX_PATH_LEN;
use crate::layout::{Tag, Trailer, behind_field, field_key, path_of_key, record_key};
use crate::reader::Table;
use crate::resolve::ResolvedFilter;
use crate::search::Search;
use crate::value::{Type, Types};
use crate::values::Dates;

/// An index of metadata, searched in the bytes that it lies in.
///
/// Opening it reads the trailer; everything else reads the blocks that it needs, and has them verified first: see [`Bytes`]. A field that no
/// record has is found out by one look-up.
#[derive(Debug)]
pub struct Index<B> {
    bytes: B,
    trailer: Trailer,
    rows: u32,
}

impl<B: Bytes> Index<B> {
    /// Opens the bytes that a [`Builder`](crate::Builder) or a [`merge`](crate::merge()) wrote, of so many rows. A row that is not below
    /// `rows` is damage, which is found by the call that reads it.
    ///
    /// Errors: [`Damaged`](crate::ErrorKind::Damaged), or [`NewerFormat`](crate::ErrorKind::NewerFormat).
    pub fn open(bytes: B, rows: u32) -> Result<Self> {
        let trailer = Trailer::decode(bytes.as_ref())?;
        Ok(Self { bytes, trailer, rows })
    }

    /// Length of the index in bytes.
    pub fn len_bytes(&self) -> usize {
        self.bytes.as_ref().len()
    }

    pub(crate) fn table(&self) -> Table<'_> {
        Table::new(&self.bytes, self.trailer, self.rows)
    }

    /// Reads everything and compares the checksum, the order of the keys, and the rows.
    ///
    /// Its error has the kind [`Damaged`](crate::ErrorKind::Damaged).
    pub fn verify(&self) -> Result<()> {
        self.table().verify()
    }

    /// The types of the values of a field in rows that `is_live` accepts: two look-ups for each type, and a look at values until one is in such a row.
    pub fn types(&self, field: &str, is_live: impl Fn(u32) -> bool) -> Result<Types> {
        let mut types = Types::default();
        if field.len() > MAX_PATH_LEN {
            return Ok(types);
        }
        for ty in Type::ALL {
            for in_array in [false, true] {
                let prefix = field_key(field, Tag::from(ty), in_array, &[]);
                if !types.contains(ty) && self.has_value(&prefix, &is_live)? {
                    types = types | ty.into();
                }
            }
        }
        Ok(types)
    }

    /// Whether a row that `is_live` accepts has a key that begins so.
    #[inline(never)]
    fn has_value(&self, prefix: &[u8], is_live: &dyn Fn(u32) -> bool) -> Result<bool> {
        let mut entries = self.table().entries_from(prefix)?;
        while let Some(entry) = entries.next_entry() {
            let (key, rows) = entry?;
            if !key.starts_with(prefix) {
                break;
            }
            if rows.find(is_live)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a row that `is_live` accepts has the field, with anything but `null`.
    pub fn has_field(&self, field: &str, is_live: impl Fn(u32) -> bool) -> Result<bool> {
        if field.len() > MAX_PATH_LEN {
            return Ok(false);
        }
        let rows = self.table().rows_of(&field_key(field, Tag::Exists, false, &[]))?;
        Ok(rows.map_or(Ok(None), |rows| rows.find(&is_live))?.is_some())
    }

    /// Calls `found` with every field that a row which `is_live` accepts has: one look-up for each.
    ///
    /// ```
    /// use metadata_index::{Builder, Index};
    /// use serde_json::json;
    ///
    /// # fn main() -> metadata_index::Result<()> {
    /// let mut builder = Builder::new();
    /// builder.add(0, Some("key"), json!({"year": 2026, "author": {"name": "Ada"}}).as_object().unwrap());
    /// builder.add(1, None, json!({"old": true}).as_object().unwrap());
    /// let mut bytes = Vec::new();
    /// builder.write(&mut bytes)?;
    /// let mut fields = Vec::new();
    /// Index::open(bytes, 2)?.each_field(|row| row == 0, &mut |field| fields.push(field.to_owned()))?;
    /// assert_eq!(fields, ["year", "author", "author.name"]);
    /// # Ok(()) }
    /// ```
    pub fn each_field(&self, is_live: impl Fn(u32) -> bool, found: &mut dyn FnMut(&str)) -> Result<()> {
        let mut start = Vec::new();
        loop {
            let mut entries = self.table().entries_from(&start)?;
            let Some(entry) = entries.next_entry() else { return Ok(()) };
            let (key, rows) = entry?;
            let path = path_of_key(key).ok_or_else(|| Error::damaged("a key without the path of a field"))?;
            start = behind_field(path);
            if start.as_slice() <= key {
                return Err(Error::damaged("a key with a tag that no value has"));
            }
            if key == field_key(path, Tag::Exists, false, &[]) && rows.find(&is_live)?.is_some() {
                found(path);
            }
        }
    }

    /// The first row of a set that has a value in a field.
    pub fn first_row(&self, field: &str, value: &FieldValue, set: &RowSet) -> Result<Option<u32>> {
        for in_array in [false, true] {
            let rows = self.table().rows_of(&field_key(field, value.tag, in_array, &value.bytes))?;
            if let Some(row) = rows.map_or(Ok(None), |rows| rows.find(&|row| set.contains(row)))? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A field as a column; fails with [`TooLarge`](crate::ErrorKind::TooLarge) beyond the limit of [`Column`]. Dates are told apart as texts, or with `as_points` are points in time.
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
    /// let index = Index::open(&bytes, 2)?;
    /// let column = index.column("tags", false)?;
    /// assert_eq!((column.least(0), column.greatest(0), column.count(&RowSet::all_below(2))), (1, 2, (vec![2, 1], 2)));
    /// assert_eq!(index.value_at(&column, 2)?.unwrap().to_json(), "rare");
    /// # Ok(()) }
    /// ```
    pub fn column(&self, field: &str, as_points: bool) -> Result<Column> {
        Column::read(self.table(), field, if as_points { Dates::Points } else { Dates::Texts })
    }

    /// The value at a place of a column of this index, from 1 on.
    pub fn value_at(&self, column: &Column, place: usize) -> Result<Option<FieldValue>> {
        column.value(self.table(), place)
    }

    /// Calls `found` with every value of a column of this index, in the order of their places.
    pub fn each_value(&self, column: &Column, found: &mut dyn FnMut(FieldValue)) -> Result<()> {
        column.each_value(self.table(), found)
    }

    /// Calls `found` with the keys of records that begin with a prefix, and come after another key if there is one, and their first row that `is_live`
    /// accepts, in the order of keys, until it returns `false`.
    pub fn each_key(
        &self,
        prefix: &str,
        after: Option<&str>,
        is_live: impl Fn(u32) -> bool,
        found: &mut dyn FnMut(&str, u32) -> bool,
    ) -> Result<()> {
        let (prefix, after) = (record_key(prefix), after.map(record_key));
        let before = record_key("").len();
        let mut entries =
            self.table().entries_from(after.as_ref().map_or(&prefix, |after| after.max(&prefix)))?;
        while let Some(entry) = entries.next_entry() {
            let (key, rows) = entry?;
            if !key.starts_with(&prefix) {
                break;
            }
            if after.as_ref().is_some_and(|after| *key == **after) {
                continue;
            }
            let live = rows.find(&is_live)?;
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
        self.table().rows_of(&record_key(key))?.map_or(Ok(None), |rows| rows.find(&is_live))
    }

    /// The rows that match a filter.
    ///
    /// `metadata_of` reads the metadata of a row. It is called where long strings are told apart only by what is not in the index: where both
    /// the string that is asked for and that of the row have more than 256 bytes, and the first 256 are the same.
    ///
    /// Errors: [`Damaged`](crate::ErrorKind::Damaged), and those of `metadata_of`, whose type is the caller's.
    pub fn search<E: From<Error>>(
        &self,
        filter: &ResolvedFilter,
        metadata_of: impl Fn(u32) -> Result<Map<String, Json>, E>,
    ) -> Result<RowSet, E> {
        Search { table: self.table(), metadata_of: &metadata_of }.matches(filter.filter())
    }
}
