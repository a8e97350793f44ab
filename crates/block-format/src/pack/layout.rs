//! The bytes of a pack around its files.

use wire::{array_at, put, u16_at, u32_at, u64_at};

use crate::error::{Error, ErrorKind, Result};
use crate::file::FileName;
use crate::file::layout::{KNOWN_INCOMPATIBLE, MAJOR, MINOR, check_version};
use crate::id::ArtifactId;
use crate::manifest::Manifest;

/// Pack header; the table of its files follows.
pub(crate) mod header {
    wire::layout!(64,
        MAGIC: 8, MAJOR: 2, MINOR: 2, INCOMPATIBLE: 4, ARTIFACT: 16, PACK_LEN: 8, FILES: 4, TABLE_CRC: 4, RESERVED: 12, CRC: 4,
    );
}

/// Pack table entry.
pub(crate) mod entry {
    wire::layout!(48, NAME: 32, OFFSET: 8, LEN_BYTES: 8);
}

pub(crate) const MAGIC: [u8; 8] = *b"\x89CARK\r\n\x1a";
/// Files begin on multiples of this.
pub(crate) const ALIGN: u64 = 4096;
/// The BLAKE3 hash of everything before it, at the end.
pub(crate) const HASH_LEN: usize = 32;
/// No manifest lists more files.
const MAX_FILES: u32 = 1 << 18;

/// The header of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) artifact: ArtifactId,
    /// Length of all of it, the hash included.
    pub(crate) pack_len: u64,
    pub(crate) files: u32,
    pub(crate) table_crc: u32,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; header::LEN] {
        let mut bytes = [0; header::LEN];
        put(&mut bytes, header::MAGIC, MAGIC);
        put(&mut bytes, header::MAJOR, MAJOR.to_le_bytes());
        put(&mut bytes, header::MINOR, MINOR.to_le_bytes());
        put(&mut bytes, header::INCOMPATIBLE, KNOWN_INCOMPATIBLE.to_le_bytes());
        put(&mut bytes, header::ARTIFACT, self.artifact.0);
        put(&mut bytes, header::PACK_LEN, self.pack_len.to_le_bytes());
        put(&mut bytes, header::FILES, self.files.to_le_bytes());
        put(&mut bytes, header::TABLE_CRC, self.table_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..header::CRC]);
        put(&mut bytes, header::CRC, crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; header::LEN]) -> Result<Self> {
        if array_at(bytes, header::MAGIC) != MAGIC {
            return Err(Error::new(ErrorKind::NotAnArtifact, "expected a packed artifact"));
        }
        check_version(u16_at(bytes, header::MAJOR), u32_at(bytes, header::INCOMPATIBLE))?;
        if crc32fast::hash(&bytes[..header::CRC]) != u32_at(bytes, header::CRC) {
            return Err(Error::damaged("pack header: its checksum does not hold"));
        }
        let header = Self {
            artifact: ArtifactId(array_at(bytes, header::ARTIFACT)),
            pack_len: u64_at(bytes, header::PACK_LEN),
            files: u32_at(bytes, header::FILES),
            table_crc: u32_at(bytes, header::TABLE_CRC),
        };
        if header.files > MAX_FILES || header.pack_len < header.table_end() + HASH_LEN as u64 {
            return Err(Error::damaged("pack header: more files than there is room for"));
        }
        Ok(header)
    }

    /// Where the table ends.
    pub(crate) fn table_end(&self) -> u64 {
        header::LEN as u64 + u64::from(self.files) * entry::LEN as u64
    }
}

impl Entry {
    pub(crate) fn encode(&self) -> [u8; entry::LEN] {
        let mut bytes = [0; entry::LEN];
        let name = self.name.as_bytes();
        let len = name.len().min(entry::OFFSET);
        bytes[..len].copy_from_slice(&name[..len]);
        put(&mut bytes, entry::OFFSET, self.offset.to_le_bytes());
        put(&mut bytes, entry::LEN_BYTES, self.len.to_le_bytes());
        bytes
    }

    /// The entry, of a pack whose files lie between `begin` and `end`.
    pub(crate) fn decode(bytes: &[u8], begin: u64, end: u64) -> Result<Self> {
        let fault = || Error::damaged("pack table: a file does not lie where it can");
        let name: [u8; 32] = array_at(bytes, entry::NAME);
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let entry = Self {
            name: String::from_utf8(name.to_vec()).map_err(|_| fault())?,
            offset: u64_at(bytes, entry::OFFSET),
            len: u64_at(bytes, entry::LEN_BYTES),
        };
        let fits =
            entry.offset.checked_add(entry.len).is_some_and(|last| last <= end) && entry.offset >= begin;
        if fits && entry.offset.is_multiple_of(ALIGN) { Ok(entry) } else { Err(fault()) }
    }
}

/// Names and lengths of the files of a pack, in their order.
pub(crate) fn packed_files(manifest: &Manifest) -> Vec<(FileName, u64)> {
    let Manifest { generation, segments, parts, logs, .. } = manifest;
    let len = manifest.encode().len() as u64;
    let copies = (0..2).map(|copy| (FileName::Manifest { generation: *generation, copy }, len));
    let logs = logs.iter().map(|entry| (FileName::Log(entry.file), entry.checkpoint.len));
    let segments = segments.iter().map(|entry| (FileName::Segment(entry.file), entry.len));
    let parts = parts.iter().map(|entry| (FileName::Part(entry.file), entry.len));
    copies.chain(logs).chain(segments).chain(parts).collect()
}

/// Gives each file its place behind the one before.
pub(crate) fn place_all(files: &[(FileName, u64)]) -> Vec<Entry> {
    let mut at = (header::LEN + files.len() * entry::LEN) as u64;
    let place = |&(name, len): &(FileName, u64)| {
        let offset = at.checked_next_multiple_of(ALIGN)?;
        at = offset.checked_add(len)?;
        Some(Entry { name: name.to_string(), offset, len })
    };
    files.iter().map_while(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_bytes_of_a_pack_header_stay() {
        let header = Header { artifact: ArtifactId([7; 16]), pack_len: 9000, files: 2, table_crc: 5 };
        let bytes = header.encode();
        assert_eq!(bytes[..12], [0x89, b'C', b'A', b'R', b'K', 13, 10, 26, 1, 0, 0, 0]);
        assert_eq!(bytes[32..48], [0x28, 0x23, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(Header::decode(&bytes).unwrap(), header);
        for at in 0..bytes.len() {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            assert!(Header::decode(&flipped).is_err(), "{at}");
        }
    }
}
