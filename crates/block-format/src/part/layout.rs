//! The bytes of a part: the checksums of its chunks, its footer, and the content of the parts of kind [`DELETES`](super::PartKind::DELETES).

use std::io;

use roaring::RoaringTreemap;
use wire::{array_at, put, u32_at, u64_at, u128_at};

use crate::checksum::Binding;
use crate::error::{Error, Result};

/// Part footer: the last bytes of the file, behind the checksums of the chunks (4 bytes each).
pub(crate) mod footer {
    wire::layout!(64,
        MAGIC: 8, CONTENT_LEN: 8, KIND: 4, TABLE_CRC: 4, TAG: 8, RESERVED: 12, HASH: 16, CRC: 4,
    );
}

pub(crate) const FOOTER_LEN: usize = footer::LEN;
pub(crate) const MAGIC: [u8; 8] = *b"\x89CARP\r\n\x1a";
/// Content under one checksum: a page of memory, so that whoever reads a little of a map has little to verify.
pub(crate) const CHUNK_LEN: usize = 4 << 10;

/// The CRC-32 of one chunk in the table before the footer.
pub(crate) const CHUNK_CRC_LEN: usize = 4;

/// Appends the checksum of the next chunk to the table.
pub(crate) fn put_chunk_crc(table: &mut Vec<u8>, crc: u32) {
    table.extend(crc.to_le_bytes());
}

/// The checksum of chunk `number`; `None`: the table does not have it.
pub(crate) fn chunk_crc(table: &[u8], number: usize) -> Option<u32> {
    table.as_chunks().0.get(number).map(|&bytes| u32::from_le_bytes(bytes))
}

/// Writes a set of deleted ids: the portable form of a 64-bit Roaring bitmap.
pub(crate) fn encode_deletes(ids: &RoaringTreemap, out: impl io::Write) -> io::Result<()> {
    ids.serialize_into(out)
}

/// Length in bytes of what [`encode_deletes`] writes.
pub(crate) fn encoded_deletes_len(ids: &RoaringTreemap) -> u64 {
    ids.serialized_size() as u64
}

/// The set in `content`, all of whose ids must be below `next_id`: a record that comes later would be deleted from the start.
pub(crate) fn decode_deletes(content: &[u8], next_id: u64) -> Result<RoaringTreemap> {
    let fault = |why: &dyn std::fmt::Display| Error::damaged(format!("set of deleted ids: {why}"));
    let ids = RoaringTreemap::deserialize_from(content).map_err(|e| fault(&e))?;
    match ids.max().filter(|&last| last >= next_id) {
        Some(last) => Err(fault(&format!("it has {last}, ids below {next_id} have been given out"))),
        None => Ok(ids),
    }
}

/// The footer of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) content_len: u64,
    pub(crate) kind: u32,
    pub(crate) table_crc: u32,
    pub(crate) tag: u64,
    /// Over all bytes before the footer.
    pub(crate) hash: u128,
}

impl Footer {
    pub(crate) fn encode(&self, binding: &Binding, offset: u64) -> [u8; FOOTER_LEN] {
        let mut bytes = [0; FOOTER_LEN];
        put(&mut bytes, footer::MAGIC, MAGIC);
        put(&mut bytes, footer::CONTENT_LEN, self.content_len.to_le_bytes());
        put(&mut bytes, footer::KIND, self.kind.to_le_bytes());
        put(&mut bytes, footer::TABLE_CRC, self.table_crc.to_le_bytes());
        put(&mut bytes, footer::TAG, self.tag.to_le_bytes());
        put(&mut bytes, footer::HASH, self.hash.to_le_bytes());
        let crc = binding.crc(offset, &bytes[..footer::CRC]);
        put(&mut bytes, footer::CRC, crc.to_le_bytes());
        bytes
    }

    /// The footer at `offset`, if its checksum holds and the checksums of the chunks lie right before it.
    pub(crate) fn decode(bytes: &[u8; FOOTER_LEN], binding: &Binding, offset: u64) -> Result<Self> {
        let fault = |message: &str| Error::damaged(format!("part footer: {message}")).at_offset(offset);
        if array_at(bytes, footer::MAGIC) != MAGIC {
            return Err(fault("expected its magic"));
        }
        if binding.crc(offset, &bytes[..footer::CRC]) != u32_at(bytes, footer::CRC) {
            return Err(fault("its checksum does not hold"));
        }
        let footer = Self {
            content_len: u64_at(bytes, footer::CONTENT_LEN),
            kind: u32_at(bytes, footer::KIND),
            table_crc: u32_at(bytes, footer::TABLE_CRC),
            tag: u64_at(bytes, footer::TAG),
            hash: u128_at(bytes, footer::HASH),
        };
        if footer.content_len.checked_add(footer.table_len()) != Some(offset) {
            return Err(fault("the checksums of the chunks do not end where the footer begins"));
        }
        Ok(footer)
    }

    pub(crate) fn table_len(&self) -> u64 {
        table_len(self.content_len)
    }
}

/// Where the chunk with a number begins in the content.
pub(crate) fn chunk_offset(number: usize) -> u64 {
    number as u64 * CHUNK_LEN as u64
}

/// Length in bytes of the checksums of the chunks of so much content.
pub(crate) fn table_len(content_len: u64) -> u64 {
    content_len.div_ceil(CHUNK_LEN as u64) * CHUNK_CRC_LEN as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ArtifactId, FileId};

    #[test]
    fn the_golden_bytes_of_a_part_footer_stay() {
        let binding = Binding::new(ArtifactId([1; 16]), FileId(2));
        let footer = Footer { content_len: 100, kind: 300, table_crc: 5, tag: 6, hash: 7 };
        let bytes = footer.encode(&binding, 104);
        let expected: Vec<u8> = [u64::from_le_bytes(MAGIC), 100, 0x5_0000_012C, 6, 0]
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .collect();
        assert_eq!(bytes[..40], expected);
        assert_eq!(bytes[44..60], 7u128.to_le_bytes());
        assert_eq!(Footer::decode(&bytes, &binding, 104).unwrap(), footer);
        assert!(Footer::decode(&bytes, &binding, 105).is_err(), "another offset");
    }

    #[test]
    fn a_set_of_deleted_ids_names_no_record_that_is_still_to_come() {
        let ids: RoaringTreemap = [3, 9].into_iter().collect();
        let mut bytes = Vec::new();
        ids.serialize_into(&mut bytes).unwrap();
        assert_eq!(decode_deletes(&bytes, 10).unwrap(), ids);
        let refused = decode_deletes(&bytes, 9).unwrap_err();
        assert!(refused.to_string().contains("ids below 9"), "{refused}");
    }
}
