//! An index as bytes: written once, searched where it lies.

pub(crate) mod checks;
mod filtered;
pub(crate) mod layout;
mod options;
mod quick_scan;
mod reader;
mod refined;
mod rescore;
mod scan;
mod search;
mod slack;
mod writer;

pub use options::{Originals, SearchOptions};
pub use reader::Index;
pub(crate) use reader::View;
pub use search::{Hit, Scratch, SearchPath, SearchStatistics};
