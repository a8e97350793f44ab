//! A pack that lies far away, read by ranges: what is needed is fetched, and what was fetched is kept up to a limit.
//!
//! Pages of 4 KiB are what is fetched. The chunks of parts, which have checksums of that length, are kept in place once they hold ([`crate::part`]);
//! everything else is copied out of the pages, and verified by whoever reads it.

mod pages;
mod reader;
mod source;

pub(crate) use pages::{PAGE_LEN, Page};
pub use reader::RangeReader;
pub use source::{RangeSource, RangeStatistics};
