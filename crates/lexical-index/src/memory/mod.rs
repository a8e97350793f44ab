//! Collects records in memory, until they are written as a part.

mod chain;
mod index;
mod places;
mod term;

pub use self::index::MemoryIndex;
