//! A part: the index of immutable records in bytes that are searched in place.

pub(crate) mod layout;
mod reader;
mod writer;

pub(crate) use self::layout::Fields;
pub use self::reader::Part;
pub(crate) use self::reader::{Entry, PartRef};
pub(crate) use self::writer::{Columns, Terms, write_buffered, write_in_passes};
