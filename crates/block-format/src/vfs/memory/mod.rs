//! A file system in memory that knows what was made durable, and what may be left of the rest when the power goes.
//!
//! The model is a union of those of CrashMonkey, littlefs, FoundationDB and Pebble: of the writes to a file since its
//! last completed sync any part may survive; size, content and name of a file persist independently; a failed sync
//! loses what it was for, though the page cache goes on showing it.

mod crash;
mod disk;
#[cfg(test)]
mod tests;
mod variant;
mod vfs;

pub use disk::Event;
pub use variant::{CrashVariant, Persist, PersistNames, PersistSize};
pub(super) use vfs::MemoryFile;
pub use vfs::MemoryVfs;
