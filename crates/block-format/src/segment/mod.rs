//! A sealed segment: written once from front to back, then immutable.
//!
//! ```text
//! file header 4096 bytes | dictionary, if there is one | block … block | table: 12 bytes a block | footer 96 bytes
//! ```
//!
//! The table is derived from the blocks: damaged, it is built again by walking them.

mod info;
pub(crate) mod layout;
pub(crate) mod reader;
pub(crate) mod writer;

pub use info::SegmentInfo;
pub(crate) use reader::{Segment, footer_at};
pub(crate) use writer::{SealedFile, SegmentsWriter};
