//! An artifact in one immutable file.

use std::path::Path;

use serde::Serialize;

use crate::artifact::CompactArtifact;
use crate::error::{Error, Result};

/// What packing wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PackReport {
    /// Length of the file.
    pub bytes: u64,
    /// Files that it holds.
    pub files: u64,
    /// The BLAKE3 hash of its content, in hexadecimal.
    pub hash: String,
}

impl CompactArtifact {
    /// Writes the newest commit to one immutable file, which must not exist yet, and syncs it. An artifact that is opened for writing is sealed
    /// first. The file opens with [`open_read_only`](Self::open_read_only), with [`open_packed_at`](Self::open_packed_at) inside a larger
    /// file, or with [`open_packed_bytes`](Self::open_packed_bytes) from memory. The same artifact gives the same file.
    pub fn pack(&self, path: impl AsRef<Path>) -> Result<PackReport> {
        let records = self.sealed_records()?;
        let report = self.inner.store.pack_to(&records, path)?;
        let hash = report.hash.iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
        Ok(PackReport { bytes: report.len, files: report.files.into(), hash })
    }

    /// The newest commit, with everything sealed.
    fn sealed_records(&self) -> Result<block_format::Snapshot> {
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            if !self.inner.read_only {
                self.inner.seal()?;
            }
            let state = self.inner.state();
            if state.tail().next().is_none() {
                return Ok(state.records.clone());
            }
        }
        Err(Error::invalid(
            "records were added faster than they could be sealed, or by another process; pack when nobody writes",
        ))
    }
}

/// The bytes of a packed artifact, embedded in the program and aligned as searching them in place likes it.
///
/// ```ignore
/// let artifact = CompactArtifact::open_packed_bytes(include_artifact!("../data/words.pack"), Options::new())?;
/// ```
#[macro_export]
macro_rules! include_artifact {
    ($path:expr) => {{
        #[repr(C, align(64))]
        struct Aligned<Bytes: ?Sized>(Bytes);
        static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &ALIGNED.0
    }};
}
