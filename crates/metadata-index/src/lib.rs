//! JSON metadata in, the rows that a filter matches out, over bytes that are searched in place.
//!
//! It writes indexes through any [`Write`](std::io::Write) and reads any `&[u8]`; it knows no file and no network, and it is *not* a
//! database: what a row stands for, where indexes lie and which rows are deleted is its caller's.
//!
//! ```
//! use metadata_index::{Builder, Filter, Index, ResolvedFilter, check_metadata};
//! use serde_json::{Map, Value, json};
//!
//! # fn main() -> metadata_index::Result<()> {
//! let metadata = [json!({"pos": "noun", "year": 1851}), json!({"pos": "verb", "tags": ["old", "rare"]})];
//! let metadata: Vec<&Map<String, Value>> = metadata.iter().filter_map(Value::as_object).collect();
//!
//! let mut builder = Builder::new();
//! for (row, metadata) in (0..).zip(&metadata) {
//!     check_metadata(metadata)?;
//!     builder.add(row, None, metadata);
//! }
//! let mut bytes = Vec::new();
//! builder.write(&mut bytes)?; // immutable, and searched as it lies
//!
//! let index = Index::open(&bytes, 2)?;
//! let filter: Filter = r#"{"year": {"$gte": 1800}, "tags": {"$exists": false}}"#.parse()?;
//! let filter = ResolvedFilter::new(&filter, |field| index.types(field, |_| true))?;
//! let metadata_of = |row: u32| -> metadata_index::Result<_> { Ok(metadata[row as usize].clone()) };
//! let rows = index.search(&filter, metadata_of)?;
//! assert_eq!(rows.iter().collect::<Vec<_>>(), [0]);
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - A **field** is a path into a JSON object, `author.name`; it has values of four [`Type`]s: bool, number, string, date.
//! - An **index** is one sorted table from (field, type, value) to rows. Equality is one key, ranges and prefixes are runs of keys, and
//!   `exists` is a key of its own. Values are bytes in the order of the values.
//! - A [`Builder`] collects metadata row by row and writes the index; [`merge`] makes one index of several, with memory for a block of 32 keys.
//! - An [`Index`] opens without reading its keys. Of a long string it holds the first 256 bytes and a hash; the few comparisons that these
//!   do not decide read the metadata, through a function of the caller's.
//! - A [`Filter`] is built by calls, or read from JSON; [`ResolvedFilter`] is checked against the types that its fields have, so that a
//!   slip is an error and not an empty answer. [`Index::search`] gives the rows.
//! - A [`Column`] has of each row the places of its values among all values of a field: to sort by, and to count.
//! - [`Index::rows_until`] gives the rows whose date has come.
//! - [`json`] reads JSON strictly: metadata and filters are what was written, or an error.
//! - The index also finds records by a key, which no metadata can pose as: [`Index::row_of_key`].
//!
//! # Limits
//!
//! 2^32 - 1 rows and 4 GiB in an index; metadata nested 100 deep, paths of 1,024 bytes, numbers of 64 bits; 48 levels and 10,000
//! comparisons in a filter. Dates are those of the years 0000 to 9999. Arrays in arrays are not indexed.
#![forbid(unsafe_code)]

mod block;
mod builder;
mod column;
mod date;
mod error;
mod field_value;
mod fields;
mod filter;
mod filter_json;
mod index;
mod instants;
pub mod json;
mod layout;
mod long_strings;
mod merge;
mod operators;
mod reader;
mod resolve;
mod search;
mod shapes;
mod until;
mod value;
mod values;
mod writer;

pub use builder::Builder;
pub use column::Column;
pub use date::{DateUnit, Period};
pub use error::{Error, ErrorKind, Result};
pub use field_value::FieldValue;
pub use fields::check_metadata;
pub use filter::{Field, Filter};
pub use index::Index;
pub use merge::{RowMap, merge};
pub use resolve::ResolvedFilter;
pub use row_set::RowSet;
pub use shapes::{FieldShape, shapes_in};
pub use until::{Moment, has_come};
pub use value::{FilterValue, Type, Types};
pub use wire::Bytes;

#[cfg(test)]
mod compared_dates;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions;
