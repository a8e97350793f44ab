//! An artifact in one immutable file.
//!
//! ```text
//! header 64 bytes | table: 48 bytes for each file | the files, each from a multiple of 4096 on | BLAKE3 hash 32 bytes
//! ```
//!
//! The files are those of a directory with everything sealed: a manifest, segments, parts, and an empty log.

mod by_ranges;
pub(crate) mod layout;
mod memory;
mod open;
mod reader;
mod unpack;
mod vfs;
mod writer;

pub use unpack::UnpackReport;
pub use vfs::PackVfs;
pub use writer::PackReport;
