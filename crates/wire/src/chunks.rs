//! Content under checksums: a CRC-32 for every 64 KiB, in a table behind it, and one of the table itself.

use std::fmt;
use std::io::{self, Write};

use crate::aligned::ALIGN;
use crate::fields::try_u32_at;

/// Bytes of content under one checksum.
pub const CHUNK_LEN: usize = 64 << 10;
/// Bytes of a checksum.
const CRC_LEN: usize = 4;

/// The CRC-32 (IEEE) of some pieces, one after the other.
#[must_use]
pub fn crc32(pieces: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize()
}

/// Length of the table behind so many bytes of content: a checksum for each chunk, and that of the table.
#[must_use]
pub const fn chunk_table_len(content_len: usize) -> usize {
    (content_len.div_ceil(CHUNK_LEN) + 1) * CRC_LEN
}

/// Writes content, and the table of its checksums behind it.
#[derive(Debug)]
pub struct ChunkWriter<W> {
    out: W,
    written: u64,
    chunk: crc32fast::Hasher,
    /// Room left in the chunk.
    room: usize,
    table: Vec<u8>,
}

impl<W: Write> ChunkWriter<W> {
    /// Nothing written yet.
    pub fn new(out: W) -> Self {
        Self { out, written: 0, chunk: crc32fast::Hasher::new(), room: CHUNK_LEN, table: Vec::new() }
    }

    /// Bytes of content so far.
    pub fn position(&self) -> u64 {
        self.written
    }

    /// Writes zeros up to the next multiple of [`ALIGN`].
    pub fn pad(&mut self) -> io::Result<()> {
        let align = ALIGN as u64;
        let missing = self.written.next_multiple_of(align) - self.written;
        self.write_all(&[0; ALIGN][..usize::try_from(missing).unwrap_or(0)])
    }

    /// Writes the table, flushes, and returns what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        if self.room < CHUNK_LEN {
            self.end_chunk();
        }
        let crc = crc32(&[&self.table]);
        self.out.write_all(&self.table)?;
        self.out.write_all(&crc.to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end_chunk(&mut self) {
        let crc = std::mem::take(&mut self.chunk).finalize();
        self.table.extend_from_slice(&crc.to_le_bytes());
        self.room = CHUNK_LEN;
    }
}

impl<W: Write> Write for ChunkWriter<W> {
    /// Takes all bytes: some callers count what was not taken a second time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.room));
            self.chunk.update(now);
            self.room -= now.len();
            if self.room == 0 {
                self.end_chunk();
            }
            rest = later;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The first checksum that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkMismatch {
    /// That of the table.
    Table,
    /// That of the chunk at this offset, in bytes.
    Chunk {
        /// Where the chunk begins in the content.
        offset: usize,
        /// Its length.
        len: usize,
    },
}

impl fmt::Display for ChunkMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("the checksums do not match their own"),
            Self::Chunk { offset, len } => {
                write!(f, "the {len} bytes from {offset} on do not match their checksum")
            }
        }
    }
}

impl std::error::Error for ChunkMismatch {}

/// Compares content with the table that a [`ChunkWriter`] wrote behind it.
pub fn check_chunks(content: &[u8], table: &[u8]) -> Result<(), ChunkMismatch> {
    let (checksums, own) = table.split_last_chunk::<CRC_LEN>().ok_or(ChunkMismatch::Table)?;
    if table.len() != chunk_table_len(content.len()) || u32::from_le_bytes(*own) != crc32(&[checksums]) {
        return Err(ChunkMismatch::Table);
    }
    for (number, chunk) in content.chunks(CHUNK_LEN).enumerate() {
        if try_u32_at(checksums, number * CRC_LEN) != Some(crc32(&[chunk])) {
            return Err(ChunkMismatch::Chunk { offset: number * CHUNK_LEN, len: chunk.len() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content of some length, written in pieces of another, and its table.
    fn written(len: usize, piece: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect();
        let mut out = ChunkWriter::new(Vec::new());
        content.chunks(piece).try_for_each(|piece| out.write_all(piece)).unwrap();
        assert_eq!(out.position(), len as u64);
        out.finish().unwrap()
    }

    #[test]
    fn content_holds_until_a_bit_of_it_or_of_its_table_is_flipped() {
        for len in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN] {
            let mut file = written(len, 1_000);
            assert_eq!(file, written(len, 70_000));
            assert_eq!(file.len(), len + chunk_table_len(len));
            assert_eq!(check_chunks(&file[..len], &file[len..]), Ok(()));
            assert_eq!(check_chunks(&file[..len], &file[len..file.len() - 1]), Err(ChunkMismatch::Table));
            for at in [0, len / 2, len.saturating_sub(1)].into_iter().filter(|&at| at < len) {
                file[at] ^= 1;
                let offset = at / CHUNK_LEN * CHUNK_LEN;
                let len_of_chunk = CHUNK_LEN.min(len - offset);
                let expected = ChunkMismatch::Chunk { offset, len: len_of_chunk };
                assert_eq!(check_chunks(&file[..len], &file[len..]), Err(expected));
                file[at] ^= 1;
            }
            for at in len..file.len() {
                file[at] ^= 1;
                assert_eq!(check_chunks(&file[..len], &file[len..]), Err(ChunkMismatch::Table));
                file[at] ^= 1;
            }
        }
    }

    #[test]
    fn padding_goes_to_the_next_boundary_and_no_further() {
        let mut out = ChunkWriter::new(Vec::new());
        for (more, expected) in [(0, 0), (1, 64), (63, 128), (64, 192), (65, 320)] {
            out.write_all(&vec![1; more]).unwrap();
            out.pad().unwrap();
            assert_eq!(out.position(), expected);
        }
    }

    #[test]
    fn pieces_have_the_checksum_of_the_whole() {
        assert_eq!(crc32(&[b"123456789"]), 0xCBF4_3926);
        assert_eq!(crc32(&[b"1234", b"", b"56789"]), 0xCBF4_3926);
    }
}
