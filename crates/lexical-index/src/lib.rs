//! Words, ranked.
#![forbid(unsafe_code)]

mod analyzer;
mod error;

pub use analyzer::{Analyzer, Language, Token};
pub use error::{Error, ErrorKind, Result};
