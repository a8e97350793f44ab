//! The bytes of a segment's table and footer.

use wire::{array_at, put, u32_at, u64_at, u128_at};

use crate::checksum::Binding;
use crate::error::{Error, Result};

/// Table entry: one a block, in order.
pub(crate) mod entry {
    wire::layout!(12, OFFSET: 8, ID: 4);
}

/// Segment footer: the last bytes of the file.
pub(crate) mod footer {
    wire::layout!(96,
        MAGIC: 8, TABLE_OFFSET: 8, BLOCKS: 4, TABLE_CRC: 4, FIRST_ID: 8, LAST_ID: 8, RECORDS: 8, RAW_LEN: 8,
        RESERVED: 20, HASH: 16, CRC: 4,
    );
}

pub(crate) const ENTRY_LEN: usize = entry::LEN;
pub(crate) const FOOTER_LEN: usize = footer::LEN;
pub(crate) const MAGIC: [u8; 8] = *b"\x89CARF\r\n\x1a";

/// The block at `offset` begins with an id that is `id` more than the first of the segment.
pub(crate) fn encode_entry(offset: u64, id: u32) -> [u8; ENTRY_LEN] {
    let mut bytes = [0; ENTRY_LEN];
    put(&mut bytes, entry::OFFSET, offset.to_le_bytes());
    put(&mut bytes, entry::ID, id.to_le_bytes());
    bytes
}

pub(crate) fn decode_entry(bytes: &[u8]) -> (u64, u32) {
    (u64_at(bytes, entry::OFFSET), u32_at(bytes, entry::ID))
}

/// The footer of a segment: its ids, and where its table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) table_offset: u64,
    pub(crate) blocks: u32,
    pub(crate) table_crc: u32,
    pub(crate) first_id: u64,
    pub(crate) last_id: u64,
    pub(crate) records: u64,
    pub(crate) raw_len: u64,
    /// Over all bytes before the footer.
    pub(crate) hash: u128,
}

impl Footer {
    pub(crate) fn encode(&self, binding: &Binding, offset: u64) -> [u8; FOOTER_LEN] {
        let mut bytes = [0; FOOTER_LEN];
        put(&mut bytes, footer::MAGIC, MAGIC);
        put(&mut bytes, footer::TABLE_OFFSET, self.table_offset.to_le_bytes());
        put(&mut bytes, footer::BLOCKS, self.blocks.to_le_bytes());
        put(&mut bytes, footer::TABLE_CRC, self.table_crc.to_le_bytes());
        put(&mut bytes, footer::FIRST_ID, self.first_id.to_le_bytes());
        put(&mut bytes, footer::LAST_ID, self.last_id.to_le_bytes());
        put(&mut bytes, footer::RECORDS, self.records.to_le_bytes());
        put(&mut bytes, footer::RAW_LEN, self.raw_len.to_le_bytes());
        put(&mut bytes, footer::HASH, self.hash.to_le_bytes());
        let crc = binding.crc(offset, &bytes[..footer::CRC]);
        put(&mut bytes, footer::CRC, crc.to_le_bytes());
        bytes
    }

    /// The footer at `offset`, if its checksum holds and the table lies right before it.
    pub(crate) fn decode(bytes: &[u8; FOOTER_LEN], binding: &Binding, offset: u64) -> Result<Self> {
        let fault = |message: &str| Error::damaged(format!("segment footer: {message}")).at_offset(offset);
        if array_at(bytes, footer::MAGIC) != MAGIC {
            return Err(fault("expected its magic"));
        }
        if binding.crc(offset, &bytes[..footer::CRC]) != u32_at(bytes, footer::CRC) {
            return Err(fault("its checksum does not hold"));
        }
        let footer = Self {
            table_offset: u64_at(bytes, footer::TABLE_OFFSET),
            blocks: u32_at(bytes, footer::BLOCKS),
            table_crc: u32_at(bytes, footer::TABLE_CRC),
            first_id: u64_at(bytes, footer::FIRST_ID),
            last_id: u64_at(bytes, footer::LAST_ID),
            records: u64_at(bytes, footer::RECORDS),
            raw_len: u64_at(bytes, footer::RAW_LEN),
            hash: u128_at(bytes, footer::HASH),
        };
        let table_end = footer.table_offset.checked_add(footer.table_len());
        if table_end != Some(offset) {
            return Err(fault("the table does not end where the footer begins"));
        }
        Ok(footer)
    }

    pub(crate) fn table_len(&self) -> u64 {
        u64::from(self.blocks) * ENTRY_LEN as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ArtifactId, FileId};

    #[test]
    fn the_golden_bytes_of_an_entry_and_a_footer_stay() {
        assert_eq!(encode_entry(0x0102, 3), [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
        let binding = Binding::new(ArtifactId([1; 16]), FileId(2));
        let footer = Footer {
            table_offset: 5000,
            blocks: 2,
            table_crc: 3,
            first_id: 4,
            last_id: 5,
            records: 6,
            raw_len: 7,
            hash: 8,
        };
        let bytes = footer.encode(&binding, 5024);
        assert_eq!(Footer::decode(&bytes, &binding, 5024).unwrap(), footer);
        let expected: Vec<u8> = [u64::from_le_bytes(MAGIC), 5000, 3 << 32 | 2, 4, 5, 6, 7, 0, 0]
            .into_iter()
            .flat_map(u64::to_le_bytes)
            .collect();
        assert_eq!(bytes[..72], expected);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&flipped, &binding, 5024).is_err(), "bit {bit}");
        }
        assert!(Footer::decode(&bytes, &binding, 5025).is_err(), "another offset");
    }
}
