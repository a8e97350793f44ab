//! Words, ranked.
#![forbid(unsafe_code)]

mod analyzer;
mod bm25;
mod dictionary;
mod error;
mod lengths;
mod memory;
mod merge;
mod part;
mod postings;
mod query;
mod search;
mod wire;

pub use analyzer::{Analyzer, Language, Token};
pub use bm25::{B, K1};
pub use error::{Error, ErrorKind, Result};
pub use memory::MemoryIndex;
pub use merge::merge;
pub use part::Part;
pub use query::{Match, Occur, Query};
pub use search::{Hit, Hits, MAX_EXPANSIONS, MAX_HITS, MAX_WORDS, Searcher, Segment};

#[cfg(test)]
mod tests;
