//! A text in, ranked records out: words, ranked by BM25, over bytes that are searched in place.
//!
//! It turns texts into *parts* through any [`Write`](std::io::Write) and reads any `&[u8]`; it knows no file, no network and no model, and
//! it is *not* a database: what a row stands for, where parts lie and what is deleted is its caller's.
//!
//! ```
//! use std::sync::Arc;
//! use lexical_index::{Analyzer, MemoryIndex, Occur, Part, Query, Searcher, Segment};
//!
//! # fn main() -> lexical_index::Result<()> {
//! let analyzer = Arc::new(Analyzer::new().fold_diacritics(true));
//! let mut index = MemoryIndex::new(analyzer.clone(), &["title", "text"], true)?;
//! index.add(&[(0, "Café"), (1, "where people drink coffee")])?;
//! let mut bytes = Vec::new();
//! index.write(&mut bytes)?; // a part: immutable, and searched as it lies
//!
//! let mut index = MemoryIndex::new(analyzer.clone(), &["title", "text"], true)?;
//! index.add(&[(0, "Tea house"), (1, "where people drink tea")])?;
//! let mut newer = Vec::new();
//! index.write(&mut newer)?;
//!
//! // Both together, with statistics over both.
//! let (part, newer) = (Part::open(&bytes)?, Part::open(&newer)?);
//! let searcher = Searcher::new(&analyzer, vec![Segment::new(&part), Segment::new(&newer)])?;
//! let query = Query::parse("cafe \"drink tea\" -title:pub", Occur::Should)?;
//! let found = searcher.search(&query, 10, &[])?;
//! assert_eq!(found.hits.iter().map(|hit| (hit.segment, hit.row)).collect::<Vec<_>>(), [(1, 0), (0, 0)]);
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - An [`Analyzer`] cuts a text into **terms**: words by Unicode's rules in one case and form, on request without diacritics, stems
//!   instead of words, and without stop words. Its identity is in every part, and checked.
//! - A [`MemoryIndex`] takes records, which get **rows** from 0 on. [`MemoryIndex::write`] makes a **part** of it, [`merge`] makes one part of several with memory for the postings of one term.
//! - A [`Part`] opens without work for each term. It has a dictionary (a transducer as the crate `fst` writes it), **postings** in packed blocks of
//!   128 with the best frequency and length of each, exact lengths of all texts, and on request positions.
//! - A [`Query`] is a tree of clauses, built by calls or read as people write it.
//! - A [`Searcher`] ranks over any number of parts as if they were one, with a [`RowSet`] for each of them as a filter and as what was deleted. It leaves out whatever cannot be among the
//!   best (`MaxScore` over block maxima), and finds exactly what scoring everything would find, ties in the order of rows included.
//! - [`snippet`] shows where a text matches.
//!
//! # Limits
//!
//! 2^32 - 1 rows and 255 fields in a part; 64 MiB of text in a record; 255 bytes in a term; 1,024 words and 32 groups inside one another in a query. A prefix or a fuzzy word stands for
//! 128 terms in a field at most, and [`Hits::is_cut`] says when there were more. Deleted records count in the statistics until
//! a merge. Distances are Levenshtein's: a swap of two letters counts two.
//!
//! # Features
//!
//! `stemmers`: stems of words in 18 languages.
#![forbid(unsafe_code)]

mod analyzer;
mod bm25;
mod bytes;
mod dictionary;
mod error;
mod lengths;
mod memory;
mod merge;
mod part;
mod postings;
mod query;
mod search;
mod snippet;

pub use analyzer::{Analyzer, Language, Token};
pub use bm25::{B, K1};
pub use error::{Error, ErrorKind, Result};
pub use memory::MemoryIndex;
pub use merge::{merge, merge_within};
pub use part::Part;
pub use query::{Match, Occur, Query, StopWords};
pub use row_set::RowSet;
pub use search::{
    Hit, Hits, MAX_EXPANSIONS, MAX_HITS, MAX_WORDS, Matching, PartOfHits, Searcher, Segment, SharedSearch,
    Statistics,
};
pub use snippet::{Snippet, snippet};
pub use wire::{Bytes, NotVerified};

#[cfg(test)]
mod tests;
