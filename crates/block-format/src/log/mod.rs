//! A log: the active segment, which takes commits of any size.
//!
//! ```text
//! file header 4096 bytes | block … block commit | block … block commit | …
//! ```
//!
//! A commit record ends each commit and carries a hash chained over everything before it. What lies behind the last
//! commit that holds was never acknowledged, or is damage to what was: [`scan`](reader::scan) tells which.

pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod orphans;
pub(crate) mod reader;
mod resume;
pub(crate) mod scan;
mod witness;
pub(crate) mod writer;

pub(crate) use index::{LogIndex, LogView};
pub(crate) use writer::LogWriter;
