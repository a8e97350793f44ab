//! The checksums: CRC-32 for what is read in pieces, XXH3-128 for what is compared as a whole.

use xxhash_rust::xxh3::Xxh3;

use crate::id::{ArtifactId, FileId};

/// Ties the checksum of a piece to its place: the CRC-32 state after the identity of the file. Two files never share
/// it, so a block that was copied or misdirected from elsewhere does not pass, though its bytes are sound.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    identity: crc32fast::Hasher,
    place: bool,
}

impl Binding {
    pub(crate) fn new(artifact: ArtifactId, file: FileId) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&artifact.0);
        hasher.update(&file.0.to_le_bytes());
        Self { identity: hasher, place: true }
    }

    /// Without `place`, for the test that leaves `Step::CheckPlace` out, every offset counts as 0.
    pub(crate) fn with_place(mut self, place: bool) -> Self {
        self.place = place;
        self
    }

    /// CRC-32 (IEEE) over artifact id, file id, `offset`, `bytes`.
    pub(crate) fn crc(&self, offset: u64, bytes: &[u8]) -> u32 {
        let mut hasher = self.begin(offset);
        hasher.update(bytes);
        hasher.finalize()
    }

    /// A hasher for [`crc`](Self::crc) of bytes that come in pieces.
    pub(crate) fn begin(&self, offset: u64) -> crc32fast::Hasher {
        let mut hasher = self.identity.clone();
        let offset = if self.place { offset } else { 0 };
        hasher.update(&offset.to_le_bytes());
        hasher
    }
}

/// A 128-bit XXH3 hash being computed.
#[derive(Clone)]
pub(crate) struct Hash128(Box<Xxh3>);

impl Hash128 {
    pub(crate) fn new() -> Self {
        Self(Box::new(Xxh3::new()))
    }

    /// The first link of a log's chain: the log's own identity.
    pub(crate) fn chain_start(artifact: ArtifactId, file: FileId) -> u128 {
        let mut hash = Self::new();
        hash.update(&artifact.0);
        hash.update(&file.0.to_le_bytes());
        hash.value()
    }

    /// The next link: over the previous one and all that follows it.
    pub(crate) fn chain(previous: u128) -> Self {
        let mut hash = Self::new();
        hash.update(&previous.to_le_bytes());
        hash
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u128 {
        self.0.digest128()
    }
}

impl std::fmt::Debug for Hash128 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash128({:032x})", self.value())
    }
}
