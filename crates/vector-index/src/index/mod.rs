//! An index as bytes: written once, searched where it lies.

pub(crate) mod checks;
pub(crate) mod layout;
mod reader;
mod search;
mod writer;

pub use reader::Index;
pub(crate) use reader::View;
pub(crate) use search::search_view;
pub use search::{Hit, Originals, Scratch, SearchOptions, SearchPath, SearchStatistics};
