//! The index of records not yet sealed: postings in memory, searched as they are.

mod chain;
mod index;
mod term;

pub(crate) use self::chain::ChainReader;
pub use self::index::MemoryIndex;
pub(crate) use self::index::{MemoryList, MemoryReader};
