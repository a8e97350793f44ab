//! The bytes of a manifest.

use wire::{array_at, put, u16_at, u32_at, u64_at, u128_at};

use super::{Checkpoint, LogEntry, Manifest, PartEntry, SegmentEntry};
use crate::checksum::Hash128;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::{KNOWN_INCOMPATIBLE, MAJOR, MINOR, check_version};
use crate::id::{ArtifactId, FileId};
use crate::protocol::{Step, Steps};

/// Manifest header; then the entries of segments, parts and logs; then a 128-bit hash over all of it.
pub(crate) mod header {
    wire::layout!(64,
        MAGIC: 8, MAJOR: 2, MINOR: 2, INCOMPATIBLE: 4, ARTIFACT: 16, GENERATION: 8, NEXT_FILE: 8,
        SEGMENTS: 4, PARTS: 4, LOGS: 4, RESERVED: 4,
    );
}

/// Manifest entry of a segment.
pub(crate) mod segment {
    wire::layout!(64, FILE_ID: 8, LEN_BYTES: 8, HASH: 16, FIRST_ID: 8, LAST_ID: 8, RECORDS: 8, RAW_LEN: 8);
}

/// Manifest entry of a part.
pub(crate) mod part {
    wire::layout!(48, FILE_ID: 8, LEN_BYTES: 8, HASH: 16, KIND: 4, RESERVED: 4, TAG: 8);
}

/// Manifest entry of a log.
pub(crate) mod log {
    wire::layout!(48, FILE_ID: 8, CHECKPOINT_LEN: 8, CHAIN: 16, SEQ: 8, NEXT_ID: 8);
}

pub(crate) const MAGIC: [u8; 8] = *b"\x89CARM\r\n\x1a";
pub(crate) const HASH_LEN: usize = 16;

/// No manifest is longer: a quarter of a million files.
pub(crate) const MAX_LEN: u64 = 16 << 20;

impl Manifest {
    /// Length in bytes of a manifest with so many segments, parts and logs.
    pub(crate) fn len_of(segments: usize, parts: usize, logs: usize) -> u64 {
        let counts = [(segments, segment::LEN), (parts, part::LEN), (logs, log::LEN)];
        let entries: u64 = counts.iter().map(|&(count, len)| count as u64 * len as u64).sum();
        entries + (header::LEN + HASH_LEN) as u64
    }

    /// Length of the manifest that begins with `head`, by its counts; `None`: it is none.
    pub(crate) fn len_in(head: &[u8]) -> Option<u64> {
        if head.len() < header::LEN || array_at(head, header::MAGIC) != MAGIC {
            return None;
        }
        let [segments, parts, logs] =
            [header::SEGMENTS, header::PARTS, header::LOGS].map(|at| u32_at(head, at) as usize);
        Some(Self::len_of(segments, parts, logs)).filter(|&len| len <= MAX_LEN)
    }

    /// Length of what [`encode`](Self::encode) gives.
    pub(crate) fn encoded_len(&self) -> u64 {
        Self::len_of(self.segments.len(), self.parts.len(), self.logs.len())
    }

    /// Refuses a manifest that nobody would read, when it has got so many more logs.
    pub(crate) fn check_len(&self, more_logs: usize) -> Result<()> {
        let len = Self::len_of(self.segments.len(), self.parts.len(), self.logs.len() + more_logs);
        if len <= MAX_LEN {
            return Ok(());
        }
        let files = self.segments.len() + self.parts.len() + self.logs.len();
        Err(Error::invalid(format!(
            "a manifest has at most {MAX_LEN} bytes, {files} files take {len}; fewer segments and parts, which compaction makes, \
             or longer ones would do"
        )))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; header::LEN];
        put(&mut bytes, header::MAGIC, MAGIC);
        put(&mut bytes, header::MAJOR, MAJOR.to_le_bytes());
        put(&mut bytes, header::MINOR, MINOR.to_le_bytes());
        put(&mut bytes, header::INCOMPATIBLE, KNOWN_INCOMPATIBLE.to_le_bytes());
        put(&mut bytes, header::ARTIFACT, self.artifact.0);
        put(&mut bytes, header::GENERATION, self.generation.to_le_bytes());
        put(&mut bytes, header::NEXT_FILE, self.next_file.0.to_le_bytes());
        put(&mut bytes, header::SEGMENTS, count(self.segments.len()));
        put(&mut bytes, header::PARTS, count(self.parts.len()));
        put(&mut bytes, header::LOGS, count(self.logs.len()));
        self.segments.iter().for_each(|entry| bytes.extend(entry.encode()));
        self.parts.iter().for_each(|entry| bytes.extend(entry.encode()));
        self.logs.iter().for_each(|entry| bytes.extend(entry.encode()));
        let mut hash = Hash128::new();
        hash.update(&bytes);
        bytes.extend(hash.value().to_le_bytes());
        bytes
    }

    /// The manifest in `bytes`, which must be all of the file: its hash is checked before any count is believed.
    pub(crate) fn decode(bytes: &[u8], steps: Steps) -> Result<Self> {
        if bytes.len() < header::LEN + HASH_LEN {
            return Err(Error::damaged(format!("manifest: cut off at byte {}", bytes.len())));
        }
        if array_at(bytes, header::MAGIC) != MAGIC {
            return Err(Error::new(ErrorKind::NotAnArtifact, "expected a manifest").at_offset(0));
        }
        let hashed = bytes.len() - HASH_LEN;
        let mut hash = Hash128::new();
        hash.update(&bytes[..hashed]);
        let (expected, found) = (hash.value(), u128_at(bytes, hashed));
        if expected != found && steps.take(Step::CheckManifest) {
            return Err(Error::damaged(format!(
                "manifest: expected hash {expected:032x}, found {found:032x}"
            )));
        }
        check_version(u16_at(bytes, header::MAJOR), u32_at(bytes, header::INCOMPATIBLE))?;
        let counts = [header::SEGMENTS, header::PARTS, header::LOGS].map(|at| u64::from(u32_at(bytes, at)));
        let sizes = [segment::LEN as u64, part::LEN as u64, log::LEN as u64];
        let expected = counts.iter().zip(sizes).map(|(count, size)| count * size).sum::<u64>();
        let mut entries = &bytes[header::LEN..hashed];
        if expected != entries.len() as u64 {
            let message = format!("manifest: expected {expected} bytes of entries, found {}", entries.len());
            return Err(Error::damaged(message));
        }
        let mut take = |len: usize| {
            let (entry, rest) = entries.split_at(len);
            entries = rest;
            entry
        };
        Ok(Self {
            artifact: ArtifactId(array_at(bytes, header::ARTIFACT)),
            generation: u64_at(bytes, header::GENERATION),
            next_file: FileId(u64_at(bytes, header::NEXT_FILE)),
            segments: (0..counts[0]).map(|_| SegmentEntry::decode(take(segment::LEN))).collect(),
            parts: (0..counts[1]).map(|_| PartEntry::decode(take(part::LEN))).collect(),
            logs: (0..counts[2]).map(|_| LogEntry::decode(take(log::LEN))).collect(),
        })
    }
}

fn count(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes() // a file each: bounded by the file system
}

impl SegmentEntry {
    fn encode(&self) -> [u8; segment::LEN] {
        let mut bytes = [0; segment::LEN];
        put(&mut bytes, segment::FILE_ID, self.file.0.to_le_bytes());
        put(&mut bytes, segment::LEN_BYTES, self.len.to_le_bytes());
        put(&mut bytes, segment::HASH, self.hash.to_le_bytes());
        put(&mut bytes, segment::FIRST_ID, self.first_id.to_le_bytes());
        put(&mut bytes, segment::LAST_ID, self.last_id.to_le_bytes());
        put(&mut bytes, segment::RECORDS, self.records.to_le_bytes());
        put(&mut bytes, segment::RAW_LEN, self.raw_len.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            file: FileId(u64_at(bytes, segment::FILE_ID)),
            len: u64_at(bytes, segment::LEN_BYTES),
            hash: u128_at(bytes, segment::HASH),
            first_id: u64_at(bytes, segment::FIRST_ID),
            last_id: u64_at(bytes, segment::LAST_ID),
            records: u64_at(bytes, segment::RECORDS),
            raw_len: u64_at(bytes, segment::RAW_LEN),
        }
    }
}

impl PartEntry {
    fn encode(&self) -> [u8; part::LEN] {
        let mut bytes = [0; part::LEN];
        put(&mut bytes, part::FILE_ID, self.file.0.to_le_bytes());
        put(&mut bytes, part::LEN_BYTES, self.len.to_le_bytes());
        put(&mut bytes, part::HASH, self.hash.to_le_bytes());
        put(&mut bytes, part::KIND, self.kind.to_le_bytes());
        put(&mut bytes, part::TAG, self.tag.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            file: FileId(u64_at(bytes, part::FILE_ID)),
            len: u64_at(bytes, part::LEN_BYTES),
            hash: u128_at(bytes, part::HASH),
            kind: u32_at(bytes, part::KIND),
            tag: u64_at(bytes, part::TAG),
        }
    }
}

impl LogEntry {
    fn encode(&self) -> [u8; log::LEN] {
        let mut bytes = [0; log::LEN];
        put(&mut bytes, log::FILE_ID, self.file.0.to_le_bytes());
        put(&mut bytes, log::CHECKPOINT_LEN, self.checkpoint.len.to_le_bytes());
        put(&mut bytes, log::CHAIN, self.checkpoint.chain.to_le_bytes());
        put(&mut bytes, log::SEQ, self.checkpoint.seq.to_le_bytes());
        put(&mut bytes, log::NEXT_ID, self.checkpoint.next_id.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            file: FileId(u64_at(bytes, log::FILE_ID)),
            checkpoint: Checkpoint {
                len: u64_at(bytes, log::CHECKPOINT_LEN),
                chain: u128_at(bytes, log::CHAIN),
                seq: u64_at(bytes, log::SEQ),
                next_id: u64_at(bytes, log::NEXT_ID),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        Manifest {
            artifact: ArtifactId([5; 16]),
            generation: 3,
            next_file: FileId(9),
            segments: vec![SegmentEntry {
                file: FileId(4),
                len: 5000,
                hash: 77,
                first_id: 10,
                last_id: 20,
                records: 8,
                raw_len: 9000,
            }],
            parts: vec![PartEntry { file: FileId(5), len: 600, hash: 78, kind: 1, tag: 4 }],
            logs: vec![LogEntry {
                file: FileId(8),
                checkpoint: Checkpoint { len: 4096, seq: 6, next_id: 21, chain: 79 },
            }],
        }
    }

    #[test]
    fn a_manifest_that_is_cut_off_says_where() {
        let error = Manifest::decode(&[1], Steps::default()).unwrap_err();
        assert!(error.to_string().contains("cut off at byte 1"), "{error}");
    }

    #[test]
    fn a_manifest_comes_back_and_every_flip_and_cut_is_noticed() {
        let bytes = sample().encode();
        assert_eq!(Manifest::decode(&bytes, Steps::default()).unwrap(), sample());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped, Steps::default()).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len], Steps::default()).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_manifest_that_nobody_would_read_is_refused() {
        let entry = PartEntry { file: FileId(5), len: 600, hash: 78, kind: 256, tag: 4 };
        let mut manifest = sample();
        manifest.parts = vec![entry; 349_000];
        manifest.check_len(1).unwrap();
        manifest.parts = vec![entry; 350_000];
        assert_eq!(manifest.check_len(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn the_golden_bytes_of_a_manifest_stay() {
        use crate::test_hex as hex;
        let bytes = sample().encode();
        assert_eq!(hex(&bytes[..16]), "894341524d0d0a1a0100000000000000");
        assert_eq!(hex(&bytes[32..64]), "0300000000000000090000000000000001000000010000000100000000000000");
        let segment = [4u64, 5000, 77, 0, 10, 20, 8, 9000].map(u64::to_le_bytes).concat();
        let part = [5u64, 600, 78, 0, 1, 4].map(u64::to_le_bytes).concat();
        let log = [8u64, 4096, 79, 0, 6, 21].map(u64::to_le_bytes).concat();
        assert_eq!(bytes[64..224], [segment, part, log].concat());
        assert_eq!(hex(&bytes[224..]), "a50e236588d7b16f4c3a5626411bd559", "XXH3-128 over what is before it");
    }
}
