//! The bytes of a shard: sections, a table of them, a trailer.
//!
//! ```text
//! sections, each from a multiple of 64 on | table | trailer
//! ```

use std::io::{self, Write};

use wire::{ALIGN, F16, crc32, put, u32_at, u64_at};

use crate::api::error::{Error, ErrorKind, Result};

pub(crate) const MAGIC: [u8; 8] = *b"\x89CASH\r\n\x1a";
pub(crate) const VERSION: u32 = 1;

/// A section in the table.
pub(crate) mod entry {
    wire::layout!(24, KIND: 4, SPACE: 4, OFFSET: 8, SECTION_LEN: 8);
}

/// What stands at the end.
pub(crate) mod trailer {
    wire::layout! {
        64,
        MAGIC: 8,
        VERSION: 4,
        SECTIONS: 4,
        START: 8,
        END: 8,
        ROWS: 4,
        TABLE_CRC: 4,
        RESERVED: 20,
        CRC: 4,
    }
}

/// What the neighbours of a shard, a part of their own, begin with.
pub(crate) mod neighbours {
    wire::layout!(16, VERSION: 4, ROWS: 4, TABLES: 4, RESERVED: 4);
}

/// What is said of each of their tables.
pub(crate) mod neighbour_table {
    wire::layout!(8, SPACE: 4, PER_ROW: 4);
}

pub(crate) const NEIGHBOURS_VERSION: u32 = 1;
/// Stands where a row has no more neighbours.
const NO_ROW: u32 = u32::MAX;

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
    /// Rows whose metadata are in a record of the store of their own, since they were changed.
    MetadataRecords = 6,
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
    fn encode(&self) -> [u8; entry::LEN] {
        let mut bytes = [0; entry::LEN];
        put(&mut bytes, entry::KIND, self.kind.to_le_bytes());
        put(&mut bytes, entry::SPACE, self.space.to_le_bytes());
        put(&mut bytes, entry::OFFSET, self.offset.to_le_bytes());
        put(&mut bytes, entry::SECTION_LEN, self.len.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; entry::LEN]) -> Self {
        Self {
            kind: u32_at(bytes, entry::KIND),
            space: u32_at(bytes, entry::SPACE),
            offset: u64_at(bytes, entry::OFFSET),
            len: u64_at(bytes, entry::SECTION_LEN),
        }
    }
}

impl Trailer {
    fn encode(&self) -> [u8; trailer::LEN] {
        let mut bytes = [0; trailer::LEN];
        put(&mut bytes, trailer::MAGIC, MAGIC);
        put(&mut bytes, trailer::VERSION, VERSION.to_le_bytes());
        put(&mut bytes, trailer::SECTIONS, self.sections.to_le_bytes());
        put(&mut bytes, trailer::START, self.start.to_le_bytes());
        put(&mut bytes, trailer::END, self.end.to_le_bytes());
        put(&mut bytes, trailer::ROWS, self.rows.to_le_bytes());
        put(&mut bytes, trailer::TABLE_CRC, self.table_crc.to_le_bytes());
        let crc = crc32(&[&bytes[..trailer::CRC]]);
        put(&mut bytes, trailer::CRC, crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; trailer::LEN]) -> Result<Self> {
        let fault = |message: &str| Error::damaged(format!("shard: {message}"));
        if !bytes.starts_with(&MAGIC) {
            return Err(fault("expected its magic"));
        }
        if crc32(&[&bytes[..trailer::CRC]]) != u32_at(bytes, trailer::CRC) {
            return Err(fault("the checksum of its trailer does not hold"));
        }
        let version = u32_at(bytes, trailer::VERSION);
        if version > VERSION {
            let message = format!("a shard of version {version}; this library reads up to {VERSION}");
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        Ok(Self {
            sections: u32_at(bytes, trailer::SECTIONS),
            start: u64_at(bytes, trailer::START),
            end: u64_at(bytes, trailer::END),
            rows: u32_at(bytes, trailer::ROWS),
            table_crc: u32_at(bytes, trailer::TABLE_CRC),
        })
    }
}

/// Reads trailer and table, and checks that every section lies where it can.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Trailer, Vec<SectionEntry>)> {
    let fault = |message: &str| Error::damaged(format!("shard: {message}"));
    let (body, trailer) =
        bytes.split_last_chunk::<{ trailer::LEN }>().ok_or_else(|| fault("shorter than its trailer"))?;
    let trailer = Trailer::decode(trailer)?;
    let table_at =
        (trailer.sections as usize).checked_mul(entry::LEN).and_then(|len| body.len().checked_sub(len));
    let (sections, table) = body.split_at(table_at.ok_or_else(|| fault("shorter than its table"))?);
    if crc32(&[table]) != trailer.table_crc {
        return Err(fault("the checksum of its table does not hold"));
    }
    let entries: Vec<SectionEntry> =
        table.as_chunks::<{ entry::LEN }>().0.iter().map(SectionEntry::decode).collect();
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

/// How long a shard with sections of these lengths is.
pub(crate) fn len_of(sections: impl Iterator<Item = usize>) -> usize {
    let add =
        |(len, table): (usize, usize), section| (len.next_multiple_of(ALIGN) + section, table + entry::LEN);
    let (len, table) = sections.fold((0, 0), add);
    len + table + trailer::LEN
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
        let trailer = Trailer { sections, rows, start, end, table_crc: crc32(&[&table]) };
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

/// Writes which rows, in ascending order, have their metadata in which record of the store.
///
/// ```text
/// number of rows u64 | the id of the record of each u64 | the rows u32
/// ```
pub(super) fn write_metadata_records(records: &[(u32, u64)], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&(records.len() as u64).to_le_bytes())?;
    records.iter().try_for_each(|(_, id)| out.write_all(&id.to_le_bytes()))?;
    records.iter().try_for_each(|(row, _)| out.write_all(&row.to_le_bytes()))
}

/// The rows whose metadata are in records of their own, and the ids of those, or what is wrong with the bytes.
pub(super) fn read_metadata_records(bytes: &[u8]) -> Result<(&[u32], &[u64]), &'static str> {
    let (count, rest) = bytes.split_first_chunk().ok_or("too short")?;
    let count = usize::try_from(u64::from_le_bytes(*count)).unwrap_or(usize::MAX);
    if count.checked_mul(12) != Some(rest.len()) {
        return Err("not as long as their number says");
    }
    let (ids, rows) = rest.split_at(8 * count);
    let unaligned = |_| "not aligned in memory";
    let ids = bytemuck::try_cast_slice(ids).map_err(unaligned)?;
    Ok((bytemuck::try_cast_slice(rows).map_err(unaligned)?, ids))
}

/// Begins the neighbours of a shard with so many rows: the number of each space, and how many neighbours a row has in it.
pub(crate) fn write_neighbours_head(
    rows: u32,
    tables: &[(usize, usize)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let small = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    let mut head = [0; neighbours::LEN];
    put(&mut head, neighbours::VERSION, NEIGHBOURS_VERSION.to_le_bytes());
    put(&mut head, neighbours::ROWS, rows.to_le_bytes());
    put(&mut head, neighbours::TABLES, small(tables.len()));
    out.write_all(&head)?;
    tables.iter().try_for_each(|&(space, per_row)| {
        let mut table = [0; neighbour_table::LEN];
        put(&mut table, neighbour_table::SPACE, small(space));
        put(&mut table, neighbour_table::PER_ROW, small(per_row));
        out.write_all(&table)
    })
}

/// The rows that are near one row, the nearest first, filled up to `per_row`.
pub(crate) fn put_neighbours(rows: impl Iterator<Item = u32>, per_row: usize, out: &mut Vec<u8>) {
    let filled = rows.chain(std::iter::repeat(NO_ROW)).take(per_row);
    filled.for_each(|row| out.extend(row.to_le_bytes()));
}

/// The rows in the neighbours of one row.
pub(super) fn read_neighbours(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|&row| u32::from_le_bytes(row)).take_while(|&row| row != NO_ROW)
}

/// The version and the number of rows, and how many tables are described behind.
pub(super) fn read_neighbours_head(head: &[u8; neighbours::LEN]) -> (u32, u32, u32) {
    let at = |field| u32_at(head, field);
    (at(neighbours::VERSION), at(neighbours::ROWS), at(neighbours::TABLES))
}

/// The number of the space of each table, and how many neighbours a row has in it.
pub(super) fn read_neighbour_tables(bytes: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let tables = bytes.as_chunks::<{ neighbour_table::LEN }>().0.iter();
    tables.map(|table| (u32_at(table, neighbour_table::SPACE), u32_at(table, neighbour_table::PER_ROW)))
}

/// Originals in 16-bit floating point, where they lie.
pub(crate) fn f16_originals(bytes: &[u8]) -> Option<&[F16]> {
    bytemuck::try_cast_slice(bytes).ok()
}

/// Originals in 32-bit floating point, where they lie.
pub(crate) fn f32_originals(bytes: &[u8]) -> Option<&[f32]> {
    bytemuck::try_cast_slice(bytes).ok()
}
