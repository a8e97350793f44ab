//! A set of row numbers: the rows that a filter lets through, or the rows that were deleted.
//!
//! `vector-index` and `lexical-index` both take filters and deletions in this form, so that a filter is evaluated once for each shard and
//! query. It is *not* compressed: a set takes one bit for each row up to its highest, plus 1/64 of that.
//!
//! ```
//! use row_set::RowSet;
//!
//! let even: RowSet = (0..1_000).step_by(2).collect();
//! assert_eq!(even.len(), 500);
//! assert!(even.contains(8) && !even.contains(9) && !even.contains(5_000));
//! assert_eq!(even.range(7..13).collect::<Vec<_>>(), [8, 10, 12]);
//! ```
//!
//! Searches ask for single rows by the thousand ([`RowSet::contains`], one load) and visit small sets in order ([`RowSet::iter`], which
//! skips 4,096 absent rows at a time). A Roaring bitmap needs a binary search for the first, in a sparse set, and makes a walk through a
//! graph a third slower.
//!
//! Sets that are stored as Roaring bitmaps are read from their serialized form ([`RowSet::from_roaring`]), and any number of them become one
//! set in a [`RowSetBuilder`]: dense ones are copied word by word, and no row is counted before all are there.

#![forbid(unsafe_code)]

mod bitmap;
mod builder;
mod layout;

pub use bitmap::{Iter, RowSet};
pub use builder::RowSetBuilder;
pub use layout::NotARoaringBitmap;
