//! The bytes of a shard: sections, a table of them, a trailer.
//!
//! ```text
//! sections, each from a multiple of 64 on | table: 24 bytes for each | trailer 64 bytes
//! ```

use std::io::{self, Write};

use half::f16;

use crate::api::error::{Error, ErrorKind, Result};

pub(crate) const MAGIC: [u8; 8] = *b"\x89CASH\r\n\x1a";
pub(crate) const VERSION: u32 = 1;
pub(crate) const ALIGN: usize = 64;
pub(crate) const ENTRY_LEN: usize = 24;
pub(crate) const TRAILER_LEN: usize = 64;

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// Which records the rows are: see [`super::ids`].
    Ids = 1,
    /// A part of `lexical-index`.
    Words = 2,
    /// See [`metadata_index`].
    Filters = 3,
    /// An index of `vector-index`.
    Vectors = 4,
    /// Vectors as they were, of rows 0, 1, 2 and so on; zeros where a row has none.
    Originals = 5,
}

/// Where a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SectionEntry {
    pub(crate) kind: u32,
    /// The number of the vector space, or 0.
    pub(crate) space: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// What stands at the end of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) sections: u32,
    pub(crate) rows: u32,
    /// The shard covers the records from this id on,
    pub(crate) start: u64,
    /// up to but without this one; and records before them whose embeddings came later.
    pub(crate) end: u64,
    pub(crate) table_crc: u32,
}

impl SectionEntry {
    fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[..4].copy_from_slice(&self.kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.space.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; ENTRY_LEN]) -> Self {
        Self {
            kind: u32_at(bytes, 0),
            space: u32_at(bytes, 4),
            offset: u64_at(bytes, 8),
            len: u64_at(bytes, 16),
        }
    }
}

impl Trailer {
    fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.sections.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.start.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.rows.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.table_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// Reads trailer and table, and checks that every section lies where it can.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Trailer, Vec<SectionEntry>)> {
    let fault = |message: &str| Error::damaged(format!("shard: {message}"));
    let (body, trailer) =
        bytes.split_last_chunk::<TRAILER_LEN>().ok_or_else(|| fault("shorter than its trailer"))?;
    if trailer[..8] != MAGIC {
        return Err(fault("expected its magic"));
    }
    if crc32fast::hash(&trailer[..60]) != u32_at(trailer, 60) {
        return Err(fault("the checksum of its trailer does not hold"));
    }
    if u32_at(trailer, 8) > VERSION {
        let message =
            format!("a shard of version {}; this library reads up to {VERSION}", u32_at(trailer, 8));
        return Err(Error::new(ErrorKind::NewerFormat, message));
    }
    let trailer = Trailer {
        sections: u32_at(trailer, 12),
        start: u64_at(trailer, 16),
        end: u64_at(trailer, 24),
        rows: u32_at(trailer, 32),
        table_crc: u32_at(trailer, 36),
    };
    let table_at =
        (trailer.sections as usize).checked_mul(ENTRY_LEN).and_then(|len| body.len().checked_sub(len));
    let (sections, table) = body.split_at(table_at.ok_or_else(|| fault("shorter than its table"))?);
    if crc32fast::hash(table) != trailer.table_crc {
        return Err(fault("the checksum of its table does not hold"));
    }
    let entries: Vec<SectionEntry> =
        table.as_chunks::<ENTRY_LEN>().0.iter().map(SectionEntry::decode).collect();
    for entry in &entries {
        let end = entry.offset.checked_add(entry.len);
        if end.is_none_or(|end| end > sections.len() as u64) || !entry.offset.is_multiple_of(ALIGN as u64) {
            return Err(fault("a section does not lie where it can"));
        }
    }
    if trailer.start > trailer.end {
        return Err(fault("its ids end before they begin"));
    }
    Ok((trailer, entries))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Writes a shard, section after section.
#[derive(Debug)]
pub(crate) struct ShardWriter<W> {
    out: W,
    written: u64,
    entries: Vec<SectionEntry>,
}

impl<W: Write> ShardWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, written: 0, entries: Vec::new() }
    }

    /// Writes a section through `content`.
    pub(crate) fn section(
        &mut self,
        kind: SectionKind,
        space: usize,
        content: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let behind = usize::try_from(self.written % ALIGN as u64).unwrap_or(0);
        self.write_all(&[0; ALIGN][..(ALIGN - behind) % ALIGN])?;
        let offset = self.written;
        content(self)?;
        let space = u32::try_from(space).unwrap_or(u32::MAX);
        self.entries.push(SectionEntry { kind: kind as u32, space, offset, len: self.written - offset });
        Ok(())
    }

    /// Writes table and trailer.
    pub(crate) fn finish(mut self, rows: u32, start: u64, end: u64) -> Result<W> {
        let table: Vec<u8> = self.entries.iter().flat_map(SectionEntry::encode).collect();
        let sections = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let trailer = Trailer { sections, rows, start, end, table_crc: crc32fast::hash(&table) };
        self.write_all(&table)?;
        self.write_all(&trailer.encode())?;
        Ok(self.out)
    }
}

impl<W: Write> Write for ShardWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the section of ids: runs of rows whose ids follow one another, as their first id and first row, and the runs in the order of their ids.
///
/// ```text
/// number of runs u64 | the first id of each u64 | the first row of each u32 | the runs in the order of their ids u32
/// ```
pub(super) fn write_ids(runs: &[(u64, u32)], order: &[u32], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&(runs.len() as u64).to_le_bytes())?;
    runs.iter().try_for_each(|(id, _)| out.write_all(&id.to_le_bytes()))?;
    runs.iter().try_for_each(|(_, row)| out.write_all(&row.to_le_bytes()))?;
    order.iter().try_for_each(|run| out.write_all(&run.to_le_bytes()))
}

/// The first id and the first row of each run, and the order of the runs.
pub(super) type IdRuns<'a> = (&'a [u64], &'a [u32], &'a [u32]);

/// The runs in a section of ids, or what is wrong with its bytes.
pub(super) fn read_ids(bytes: &[u8]) -> Result<IdRuns<'_>, &'static str> {
    let (count, rest) = bytes.split_first_chunk().ok_or("too short")?;
    let count = usize::try_from(u64::from_le_bytes(*count)).unwrap_or(usize::MAX);
    if count.checked_mul(16) != Some(rest.len()) {
        return Err("not as long as their number says");
    }
    let (ids, rest) = rest.split_at(8 * count);
    let (rows, order) = rest.split_at(4 * count);
    let unaligned = |_| "not aligned in memory";
    let ids = bytemuck::try_cast_slice(ids).map_err(unaligned)?;
    let rows = bytemuck::try_cast_slice(rows).map_err(unaligned)?;
    Ok((ids, rows, bytemuck::try_cast_slice(order).map_err(unaligned)?))
}

/// Originals in 16-bit floating point, where they lie.
pub(crate) fn f16_originals(bytes: &[u8]) -> Option<&[f16]> {
    bytemuck::try_cast_slice(bytes).ok()
}

/// Originals in 32-bit floating point, where they lie.
pub(crate) fn f32_originals(bytes: &[u8]) -> Option<&[f32]> {
    bytemuck::try_cast_slice(bytes).ok()
}
