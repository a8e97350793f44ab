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
    ///
    /// Fails with [`Damaged`](crate::ErrorKind::Damaged) and the name of the file if any is not what was written: a pack is of an artifact that is
    /// sound.
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

/// What unpacking wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnpackReport {
    /// Files of the new directory.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

/// Makes a directory artifact, which can be written to, of the packed one in the file `from`: see [`CompactArtifact::unpack`].
pub fn unpack(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<UnpackReport> {
    let options = block_format::Options::default();
    unpack_from(&block_format::PackVfs::open(from, 0, &options)?, to)
}

fn unpack_from(pack: &block_format::PackVfs, to: impl AsRef<Path>) -> Result<UnpackReport> {
    let report = pack.unpack(to, &block_format::Options::default())?;
    Ok(UnpackReport { files: report.files, bytes: report.bytes })
}

impl CompactArtifact {
    /// Makes a directory artifact, which [`open`](Self::open) can write to, of this packed one, wherever it was opened from. `to` must be an
    /// empty directory, or not exist while its parent does. Every byte is verified before and after it is copied, and durable on return.
    ///
    /// Records keep their ids, and the new artifact has the identity of the packed one. What an interruption leaves does not open; an error
    /// leaves no files behind.
    pub fn unpack(&self, to: impl AsRef<Path>) -> Result<UnpackReport> {
        let not_packed =
            || Error::invalid("expected a packed artifact, found a directory, which can be copied as it is");
        unpack_from(self.inner.store.as_pack().ok_or_else(not_packed)?, to)
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
