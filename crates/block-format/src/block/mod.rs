//! A block: a run of records, or a slice of a large one, compressed and checksummed as a unit.
//!
//! ```text
//! header 32 bytes | stored payload (raw, lz4, or zstd with or without the dictionary of its segment)
//! ```
//!
//! The header has a checksum of its own, so that lengths are believed only after it held; the other checksum is over
//! the stored payload, so that damage is known before anything is decoded. Both are bound to artifact, file and offset.

pub(crate) mod codec;
pub(crate) mod dictionary;
pub(crate) mod layout;
pub(crate) mod reader;
pub(crate) mod writer;
mod zstandard;

pub(crate) use dictionary::Dictionary;
pub(crate) use layout::{BlockKind, Header};
pub(crate) use reader::{Block, Body};
