//! A part: a file whose content is not ours to understand, written once, synced, listed in the manifest, mapped.
//!
//! ```text
//! content, from offset 0 | a CRC-32 for each 4 KiB of it | footer 64 bytes
//! ```
//!
//! The content begins at offset 0, so that it is aligned like the map itself.

mod fetched;
pub(crate) mod layout;
mod reader;
mod writer;

pub use reader::Part;
pub use writer::PartWriter;
pub(crate) use writer::SealedPart;

/// The kind of a part, by which its owner knows it. Kinds below 256 belong to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartKind(pub u32);

impl PartKind {
    /// Whether the content is its owner's, who can make it again: kinds from 256 on.
    pub(crate) fn is_derived(self) -> bool {
        self.0 >= 256
    }

    /// The ids of deleted records whose segments still hold them: a serialized `RoaringTreemap`.
    pub const DELETES: Self = Self(1);
}
