//! A pack of a store → memory or a file, compared with its hash on the way.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use compact_artifact::{CompactArtifact, Options};
use datafusion::common::Result;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Exchanged, about};
use crate::external;

/// The BLAKE3 hash of everything before it ends a pack.
pub(crate) const HASH_LEN: usize = 32;

/// A pack that is on its way.
pub(crate) struct Fetch {
    place: Place,
    hash: blake3::Hasher,
    /// How many bytes there were, and where the hash begins.
    at: u64,
    hashed: u64,
    tail: Vec<u8>,
}

enum Place {
    Memory(Vec<u8>),
    File(tempfile::NamedTempFile),
}

/// A pack that was fetched.
pub(crate) struct Fetched(Place);

impl Fetch {
    /// Of so many bytes, into a folder or, without one, into memory.
    pub(crate) fn new(folder: Option<&Path>, bytes: u64) -> io::Result<Self> {
        let place = match folder {
            Some(folder) => Place::File(tempfile::Builder::new().suffix(".cart").tempfile_in(folder)?),
            None => Place::Memory(Vec::with_capacity(usize::try_from(bytes).unwrap_or_default())),
        };
        let hashed = bytes.saturating_sub(HASH_LEN as u64);
        Ok(Self { place, hash: blake3::Hasher::new(), at: 0, hashed, tail: Vec::new() })
    }

    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        let left = usize::try_from(self.hashed.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let (hashed, tail) = piece.split_at(left.min(piece.len()));
        self.hash.update(hashed);
        self.tail.extend_from_slice(tail);
        self.at += piece.len() as u64;
        match &mut self.place {
            Place::Memory(bytes) => bytes.extend_from_slice(piece),
            Place::File(file) => file.write_all(piece)?,
        }
        Ok(())
    }

    /// The hash, and the pack, if they are what was expected.
    pub(crate) fn finish(self, name: &str, expected: Option<&str>) -> Result<(String, Fetched)> {
        let (found, said) = (self.hash.finalize().to_hex().to_string(), hex(&self.tail));
        check_hash(name, expected, &said)?;
        if found != said {
            return Err(external(Exchanged(format!(
                "{name}: what was fetched has the hash {found} and ends with {said}; it is damaged, or no pack"
            ))));
        }
        Ok((found, Fetched(self.place)))
    }
}

impl Fetched {
    /// Opens it. A file is removed, and stays as long as it is mapped.
    pub(crate) fn open(self, options: Options) -> compact_artifact::Result<CompactArtifact> {
        match self.0 {
            Place::Memory(bytes) => options.open_packed_bytes(bytes),
            Place::File(file) => options.open_packed_at(file.path(), 0),
        }
    }
}

/// The length of a pack, and the hash that it ends with.
pub(crate) async fn tail(store: &dyn ObjectStore, path: &ObjectPath, name: &str) -> Result<(u64, String)> {
    let about = |e| about(name, e);
    let len = store.head(path).await.map_err(about)?.size;
    let tail = store.get_range(path, hash_range(name, len)?).await.map_err(about)?;
    Ok((len, hex(&tail)))
}

/// Where the hash of a pack of so many bytes is.
pub(crate) fn hash_range(name: &str, len: u64) -> Result<Range<u64>> {
    match len.checked_sub(HASH_LEN as u64) {
        Some(begin) => Ok(begin..len),
        None => Err(external(Exchanged(format!("{name}: {len} bytes; it is damaged, or no pack")))),
    }
}

pub(crate) fn check_hash(name: &str, expected: Option<&str>, found: &str) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(external(Exchanged(format!(
            "{name}: expected a pack with the hash {expected}, found one that ends with {found}; it was exchanged or damaged"
        )))),
        _ => Ok(()),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
