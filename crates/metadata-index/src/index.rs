//! An index where it lies: opened, verified, asked for types and for the keys of records. `search` asks it for the rows of a filter.

use crate::bytes::Bytes;
use crate::error::Result;
use crate::fields::MAX_PATH_LEN;
use crate::layout::{Tag, Trailer, field_key, record_key};
use crate::reader::Table;
use crate::value::{Type, Types};

/// An index of metadata, searched in the bytes that it lies in.
///
/// Opening it reads the trailer; everything else reads what it needs.
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

    /// The first row whose record has this key and that `is_live` accepts.
    pub fn row_of_key(&self, key: &str, is_live: impl Fn(u32) -> bool) -> Result<Option<u32>> {
        let rows = self.table().rows_of(&record_key(key))?;
        Ok(rows.into_iter().find(|&row| is_live(row)))
    }
}
