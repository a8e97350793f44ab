//! The bytes of a block header, of a record directory and of a large record's description, both directions face to face.

use wire::{put, u16_at, u32_at, u64_at};

use crate::checksum::Binding;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Step, Steps};

/// Block header.
pub(crate) mod header {
    wire::layout!(32,
        MAGIC: 2, KIND: 1, CODEC: 1, STORED_LEN: 4, RAW_LEN: 4, COUNT: 4, FIRST_ID: 8, PAYLOAD_CRC: 4, HEADER_CRC: 4,
    );
}

/// Description of a large record: the body of its entry in a block of records.
pub(crate) mod large {
    wire::layout!(16, CONTENT_LEN: 8, FRAME_LEN: 4, RESERVED: 4);
}

pub(crate) const HEADER_LEN: usize = header::LEN;
pub(crate) const MAGIC: u16 = 0xB10C;
/// The first bytes of a block.
pub(crate) const MAGIC_BYTES: [u8; 2] = MAGIC.to_le_bytes();

/// No block holds more raw bytes: 1 MiB of content and its directory fit well.
pub(crate) const MAX_RAW_LEN: u32 = 2 << 20;

/// No dictionary is longer.
pub(crate) const MAX_DICTIONARY_LEN: u32 = 128 << 10;

/// The content of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// A directory and the bodies of `count` records, the first of which is `first_id`.
    Records = 1,
    /// Frame number `count` of the large record `first_id`.
    Frame = 2,
    /// The ids of `count` deleted records, in a log only. `first_id` is the smallest.
    Deletes = 3,
    /// The end of a commit, in a log only.
    Commit = 4,
    /// A zstd dictionary: the first block of a segment, if there is one. `count` and `first_id` are 0.
    Dictionary = 5,
}

impl BlockKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Records, Self::Frame, Self::Deletes, Self::Commit, Self::Dictionary]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

/// How the payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodecId {
    Raw = 0,
    Zstd = 1,
    /// With the dictionary of the segment; of blocks of records only.
    ZstdDictionary = 2,
    Lz4 = 3,
}

impl CodecId {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Raw, Self::Zstd, Self::ZstdDictionary, Self::Lz4]
            .into_iter()
            .find(|&codec| codec as u8 == byte)
    }
}

/// A block header whose checksum held, if it was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: BlockKind,
    pub(crate) codec: CodecId,
    pub(crate) stored_len: u32,
    pub(crate) raw_len: u32,
    pub(crate) count: u32,
    /// Below 2^64 - 1.
    pub(crate) first_id: u64,
    pub(crate) payload_crc: u32,
}

impl Header {
    pub(crate) fn encode(&self, binding: &Binding, offset: u64) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        put(&mut bytes, header::MAGIC, MAGIC.to_le_bytes());
        put(&mut bytes, header::KIND, [self.kind as u8]);
        put(&mut bytes, header::CODEC, [self.codec as u8]);
        put(&mut bytes, header::STORED_LEN, self.stored_len.to_le_bytes());
        put(&mut bytes, header::RAW_LEN, self.raw_len.to_le_bytes());
        put(&mut bytes, header::COUNT, self.count.to_le_bytes());
        put(&mut bytes, header::FIRST_ID, self.first_id.to_le_bytes());
        put(&mut bytes, header::PAYLOAD_CRC, self.payload_crc.to_le_bytes());
        let crc = binding.crc(offset, &bytes[..header::HEADER_CRC]);
        put(&mut bytes, header::HEADER_CRC, crc.to_le_bytes());
        bytes
    }

    /// The header at `offset`, if these bytes are one: its checksum is checked before any field is believed.
    pub(crate) fn decode(
        bytes: &[u8; HEADER_LEN],
        binding: &Binding,
        offset: u64,
        steps: Steps,
    ) -> Result<Self> {
        let fault = |message: String| Error::damaged(format!("block header: {message}")).at_offset(offset);
        let newer = |what: String| {
            let message = format!("block header: {what} is unknown; use a newer version of this library");
            Error::new(ErrorKind::NewerFormat, message).at_offset(offset)
        };
        let magic = u16_at(bytes, header::MAGIC);
        if magic != MAGIC {
            return Err(fault(format!("expected magic {MAGIC:04x}, found {magic:04x}")));
        }
        let expected = binding.crc(offset, &bytes[..header::HEADER_CRC]);
        let found = u32_at(bytes, header::HEADER_CRC);
        if expected != found && steps.take(Step::CheckHeader) {
            return Err(fault(format!("expected checksum {expected:08x}, found {found:08x}")));
        }
        let (kind, codec) = (bytes[header::KIND], bytes[header::CODEC]);
        let header = Self {
            kind: BlockKind::from_byte(kind).ok_or_else(|| newer(format!("kind {kind}")))?,
            codec: CodecId::from_byte(codec).ok_or_else(|| newer(format!("codec {codec}")))?,
            stored_len: u32_at(bytes, header::STORED_LEN),
            raw_len: u32_at(bytes, header::RAW_LEN),
            count: u32_at(bytes, header::COUNT),
            first_id: u64_at(bytes, header::FIRST_ID),
            payload_crc: u32_at(bytes, header::PAYLOAD_CRC),
        };
        if header.raw_len > MAX_RAW_LEN || header.stored_len > header.raw_len {
            return Err(fault(format!(
                "expected stored <= raw <= {MAX_RAW_LEN} bytes, found {} and {}",
                header.stored_len, header.raw_len
            )));
        }
        if header.codec == CodecId::ZstdDictionary && header.kind != BlockKind::Records {
            return Err(fault(format!("expected records with this codec, found {:?}", header.kind)));
        }
        let is_dictionary = header.kind == BlockKind::Dictionary;
        if is_dictionary && (header.raw_len > MAX_DICTIONARY_LEN || header.count > 0 || header.first_id > 0) {
            return Err(fault(format!("expected a dictionary of at most {MAX_DICTIONARY_LEN} bytes")));
        }
        if header.first_id == u64::MAX {
            return Err(fault("no record and no commit has the number 2^64 - 1".into()));
        }
        Ok(header)
    }

    /// Header and payload in bytes.
    pub(crate) fn block_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.stored_len)
    }

    /// Whether `stored` is the payload that was written behind this header at `offset`.
    pub(crate) fn check_payload(
        &self,
        stored: &[u8],
        binding: &Binding,
        offset: u64,
        steps: Steps,
    ) -> Result<()> {
        let found = binding.crc(offset, stored);
        if found != self.payload_crc && steps.take(Step::CheckPayload) {
            let expected = self.payload_crc;
            return Err(Error::damaged(format!(
                "block payload of {} bytes: expected checksum {expected:08x}, found {found:08x}",
                stored.len()
            ))
            .at_offset(offset));
        }
        Ok(())
    }
}

/// Appends an id to an ascending list, as the distance from the smallest that can follow.
pub(crate) fn put_id_gap(out: &mut Vec<u8>, gap: u64) {
    wire::put_varint(out, gap);
}

pub(crate) fn take_id_gap(bytes: &mut &[u8]) -> Option<u64> {
    wire::take_varint(bytes)
}

/// How the content of a record is stored, as the directory of its block has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// The content itself.
    Inline = 0,
    /// A [`Large`]: the content is in the frames before this block.
    Large = 1,
}

/// Appends the directory entry of a body: its length and kind in one integer.
pub(crate) fn put_body_len(out: &mut Vec<u8>, len: usize, kind: BodyKind) {
    wire::put_varint(out, (len as u64) << 1 | kind as u64);
}

pub(crate) fn take_body_len(bytes: &mut &[u8]) -> Option<(usize, BodyKind)> {
    let value = wire::take_varint(bytes)?;
    let kind = if value & 1 == 0 { BodyKind::Inline } else { BodyKind::Large };
    Some((usize::try_from(value >> 1).ok()?, kind))
}

/// Where the content of a large record is: `frame_count()` blocks of frames right before the block with this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Large {
    /// Length of the content in bytes, more than 0.
    pub(crate) content_len: u64,
    /// Raw length of each frame but the last in bytes, at most [`MAX_RAW_LEN`]: so the number of frames that there are bounds the length.
    pub(crate) frame_len: u32,
}

impl Large {
    pub(crate) fn encode(self) -> [u8; large::LEN] {
        let mut bytes = [0; large::LEN];
        put(&mut bytes, large::CONTENT_LEN, self.content_len.to_le_bytes());
        put(&mut bytes, large::FRAME_LEN, self.frame_len.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; large::LEN] = bytes.try_into().ok()?;
        let content_len = u64_at(bytes, large::CONTENT_LEN);
        let frame_len = u32_at(bytes, large::FRAME_LEN);
        let is_frame = (1..=MAX_RAW_LEN).contains(&frame_len);
        let sound = content_len > 0 && is_frame && u32_at(bytes, large::RESERVED) == 0;
        let large = Self { content_len, frame_len };
        (sound && u32::try_from(large.frames()).is_ok()).then_some(large)
    }

    fn frames(self) -> u64 {
        self.content_len.div_ceil(self.frame_len.into())
    }

    pub(crate) fn frame_count(self) -> u32 {
        u32::try_from(self.frames()).unwrap_or(u32::MAX) // checked where the value was made
    }

    /// Raw length of frame `number` in bytes.
    pub(crate) fn frame_raw_len(self, number: u32) -> u64 {
        let start = u64::from(number) * u64::from(self.frame_len);
        u64::from(self.frame_len).min(self.content_len.saturating_sub(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ArtifactId, FileId};

    fn binding() -> Binding {
        Binding::new(ArtifactId([7; 16]), FileId(3))
    }

    fn sample() -> Header {
        Header {
            kind: BlockKind::Records,
            codec: CodecId::Zstd,
            stored_len: 100,
            raw_len: 300,
            count: 4,
            first_id: 0x0102_0304,
            payload_crc: 0xDEAD_BEEF,
        }
    }

    #[test]
    fn the_golden_bytes_of_a_block_header_stay() {
        let bytes = sample().encode(&binding(), 4096);
        let hex = crate::test_hex(&bytes);
        assert_eq!(&hex[..56], "0cb10101640000002c010000040000000403020100000000efbeadde");
        assert_eq!(Header::decode(&bytes, &binding(), 4096, Steps::default()).unwrap(), sample());
    }

    #[test]
    fn the_last_number_of_all_is_not_that_of_a_record_or_a_commit() {
        for (first_id, sound) in [(u64::MAX - 1, true), (u64::MAX, false)] {
            let bytes = Header { first_id, ..sample() }.encode(&binding(), 4096);
            assert_eq!(Header::decode(&bytes, &binding(), 4096, Steps::default()).is_ok(), sound);
        }
    }

    #[test]
    fn a_header_passes_only_unchanged_and_in_its_own_place() {
        let bytes = sample().encode(&binding(), 4096);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped, &binding(), 4096, Steps::default()).is_err(), "bit {bit}");
        }
        assert!(Header::decode(&bytes, &binding(), 4097, Steps::default()).is_err(), "another offset");
        let other_file = Binding::new(ArtifactId([7; 16]), FileId(4));
        assert!(Header::decode(&bytes, &other_file, 4096, Steps::default()).is_err(), "another file");
        let other_artifact = Binding::new(ArtifactId([8; 16]), FileId(3));
        assert!(Header::decode(&bytes, &other_artifact, 4096, Steps::default()).is_err(), "another artifact");
    }

    #[test]
    fn hostile_lengths_with_a_good_checksum_are_refused_before_any_allocation() {
        for (stored_len, raw_len) in [(u32::MAX, u32::MAX), (10, 9), (10, MAX_RAW_LEN + 1)] {
            let bytes = Header { stored_len, raw_len, ..sample() }.encode(&binding(), 0);
            assert!(Header::decode(&bytes, &binding(), 0, Steps::default()).is_err());
        }
    }

    #[test]
    fn a_dictionary_is_short_and_used_by_records_only() {
        let is_sound = |header: Header| {
            Header::decode(&header.encode(&binding(), 0), &binding(), 0, Steps::default()).is_ok()
        };
        let dictionary = Header { kind: BlockKind::Dictionary, count: 0, first_id: 0, ..sample() };
        assert!(is_sound(dictionary) && is_sound(Header { codec: CodecId::ZstdDictionary, ..sample() }));
        assert!(is_sound(Header { raw_len: MAX_DICTIONARY_LEN, ..dictionary }));
        for header in [
            Header { raw_len: MAX_DICTIONARY_LEN + 1, ..dictionary },
            Header { count: 1, ..dictionary },
            Header { first_id: 1, ..dictionary },
            Header { codec: CodecId::ZstdDictionary, ..dictionary },
            Header { codec: CodecId::ZstdDictionary, kind: BlockKind::Frame, ..sample() },
        ] {
            assert!(!is_sound(header), "{header:?}");
        }
    }

    #[test]
    fn a_large_record_is_described_in_frames() {
        let large = Large { content_len: 1000, frame_len: 300 };
        assert_eq!(Large::decode(&large.encode()), Some(large));
        assert_eq!(large.frame_count(), 4);
        assert_eq!((0..4).map(|i| large.frame_raw_len(i)).collect::<Vec<_>>(), [300, 300, 300, 100]);
        assert_eq!(Large::decode(&Large { content_len: 0, frame_len: 300 }.encode()), None);
        let longest = Large { content_len: 4 << 30, frame_len: MAX_RAW_LEN };
        assert_eq!(Large::decode(&longest.encode()), Some(longest));
        let longer = Large { frame_len: MAX_RAW_LEN + 1, ..longest };
        assert_eq!(Large::decode(&longer.encode()), None, "one block would stand for any number of bytes");
        assert_eq!(
            Large::decode(&Large { content_len: u64::MAX, frame_len: 1 }.encode()),
            None,
            "frame count"
        );
    }
}
