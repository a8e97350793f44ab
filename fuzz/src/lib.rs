//! Hostile artifacts, and everything that a program could do with one.
//!
//! A fuzzer does not get past a checksum by itself. [`hostile`] takes what a fuzzer chose, puts it where
//! `docs/FORMAT.md` says, and makes every checksum, hash and chain right; [`exercise`] then does what a program could do.
//! The crate's own writer has no part in this: the bytes are made from the document alone.

mod exercise;
pub mod hostile;
mod wire;

pub use exercise::{exercise, open, records};

/// Where every artifact of a target lies.
pub const ROOT: &str = "/a";
