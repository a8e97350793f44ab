//! The rows of a key, where they lie.

use std::fmt;
use std::ops::Range;

use roaring::RoaringBitmap;
use row_set::RowSetBuilder;
use wire::Bytes;

use crate::block::layout::{decode_bitmap, each_in_list};
use crate::error::{Error, Result};

/// The bytes of all blocks of an index.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<'a> {
    pub(crate) bytes: &'a [u8],
    /// Rows of the index.
    pub(crate) rows: u32,
    /// Verifies the index, which begins with the blocks, before it is used; `None` if all of it is verified.
    pub(crate) unverified: Option<&'a dyn Bytes>,
}

impl fmt::Debug for Blocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl<'a> Blocks<'a> {
    /// Verifies bytes of the index.
    #[inline]
    pub(crate) fn check(&self, range: Range<usize>) -> Result<()> {
        match self.unverified {
            Some(bytes) => bytes.check(range).map_err(Error::not_verified),
            None => Ok(()),
        }
    }

    /// Verified bytes from `at` on: `len`, or as many as there are.
    #[inline]
    pub(crate) fn verified(&self, at: usize, len: usize) -> Result<&'a [u8]> {
        let end = at.saturating_add(len).min(self.bytes.len());
        let bytes =
            self.bytes.get(at..end).ok_or_else(|| Error::damaged("a block does not lie where it can"))?;
        self.check(at..end)?;
        Ok(bytes)
    }
}

/// The rows of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// A row below those of the index.
    One(u32),
    Many(Many<'a>),
}

pub(crate) fn broken_rows(why: impl fmt::Display) -> Error {
    Error::damaged(format_args!("a list of rows: {why}"))
}

/// Several rows, which are verified when they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Many<'a> {
    pub(crate) blocks: Blocks<'a>,
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// Their distances from each other.
    List { first: u32 },
    /// A Roaring bitmap. The first row is known in version 2.
    Bitmap { first: Option<u32> },
}

impl<'a> Many<'a> {
    fn bytes(self) -> Result<&'a [u8]> {
        self.blocks.verified(self.at, self.len)
    }

    /// Calls `found` with the rows of a list, in order, until it returns `false`.
    fn each_in_list(self, first: u32, found: &mut dyn FnMut(u32) -> bool) -> Result<()> {
        each_in_list(first, self.bytes()?, self.blocks.rows, found)
            .ok_or_else(|| broken_rows("cut off, or with a row beyond those of the index"))
    }

    /// The rows of a bitmap: at least one, and all below those of the index. A forged bitmap of a few bytes may name four billion.
    fn decode_bitmap(self, first: Option<u32>) -> Result<RoaringBitmap> {
        let rows = decode_bitmap(self.bytes()?).map_err(broken_rows)?;
        let limit = self.blocks.rows;
        match rows.max() {
            Some(last) if last < limit => {}
            _ => return Err(broken_rows(format_args!("empty, or with a row beyond {limit}"))),
        }
        if first.is_some() && rows.min() != first {
            return Err(broken_rows("its first row is another than that of its block"));
        }
        Ok(rows)
    }
}

impl Rows<'_> {
    /// Calls `found` with every row, in order.
    pub(crate) fn each(self, found: &mut dyn FnMut(u32)) -> Result<()> {
        match self {
            Self::One(row) => found(row),
            Self::Many(many) => match many.form {
                Form::List { first } => many.each_in_list(first, &mut |row| {
                    found(row);
                    true
                })?,
                Form::Bitmap { first } => many.decode_bitmap(first)?.iter().for_each(found),
            },
        }
        Ok(())
    }

    /// The first row that `is_wanted` accepts.
    #[inline(never)]
    pub(crate) fn find(self, is_wanted: &dyn Fn(u32) -> bool) -> Result<Option<u32>> {
        let many = match self {
            Self::One(row) => return Ok(Some(row).filter(|&row| is_wanted(row))),
            Self::Many(many) => many,
        };
        match many.form {
            // The others need not be read.
            Form::List { first } | Form::Bitmap { first: Some(first) } if is_wanted(first) => Ok(Some(first)),
            Form::Bitmap { first } => Ok(many.decode_bitmap(first)?.iter().find(|&row| is_wanted(row))),
            Form::List { first } => {
                let mut wanted = None;
                many.each_in_list(first, &mut |row| {
                    wanted = Some(row).filter(|&row| is_wanted(row));
                    wanted.is_none()
                })?;
                Ok(wanted)
            }
        }
    }

    /// Adds the rows to a set.
    pub(crate) fn add_to(self, set: &mut RowSetBuilder) -> Result<()> {
        let many = match self {
            Self::One(row) => {
                set.insert(row);
                return Ok(());
            }
            Self::Many(many) => many,
        };
        match many.form {
            Form::Bitmap { .. } => set.insert_roaring(many.bytes()?, many.blocks.rows).map_err(broken_rows),
            Form::List { first } => many.each_in_list(first, &mut |row| {
                set.insert(row);
                true
            }),
        }
    }
}
