//! A reader of packed artifacts for WebAssembly: a pack that lies in memory is searched where it lies, by words, by meaning, by vectors and by metadata. It is *not* a
//! writer, and opens no files.
//!
//! Questions and answers are JSON, see [`Reader::ask`]. `js/index.js` wraps what this module exports; `build.sh` makes both.
//!
//! ```
//! use compact_artifact::{CompactArtifact, Record};
//! use wasm::Reader;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temp = tempfile::tempdir()?;
//! let artifact = CompactArtifact::create(temp.path().join("a"))?;
//! artifact.add(Record::text("Men walk on the moon.").key("moon"))?;
//! artifact.pack(temp.path().join("a.pack"))?;
//!
//! let reader = Reader::open(&*std::fs::read(temp.path().join("a.pack"))?, None, 0)?;
//! let answer = reader.ask(r#"{"search": {"words": "moon"}}"#);
//! assert!(answer.contains(r#""key":"moon""#));
//! # Ok(()) }
//! ```
//!
//! Limits: a pack and its indexes are in memory; records that expire do so by the time at which the pack was opened; searches use one thread.

#[cfg(target_family = "wasm")]
pub mod exports;
mod reader;
mod request;

pub use reader::{OpenError, Reader};
