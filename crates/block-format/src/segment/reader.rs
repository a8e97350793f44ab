//! The bytes of a sealed segment → records by id.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::layout::{ENTRY_LEN, FOOTER_LEN, Footer, decode_entry};
use crate::block::BlockKind;
use crate::block::layout::HEADER_LEN;
use crate::damage::merged_ranges;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::file::layout::FILE_HEADER_LEN;
use crate::id::ArtifactId;
use crate::manifest::SegmentEntry;
use crate::protocol::Step;
use crate::room::make_room;
use crate::run::{BlockFile, DICTIONARY_OFFSET, Place, Run};
use crate::source::Window;
use crate::walk::next_sound;

/// A sealed segment that a manifest vouches for.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) entry: SegmentEntry,
    file: BlockFile,
    table: OnceLock<Table>,
}

#[derive(Debug)]
enum Table {
    /// As stored; in memory only where the file is not mapped, and not if it is long.
    Stored { offset: u64, blocks: usize, bytes: Option<Vec<u8>> },
    /// Built again by walking the blocks.
    Walked { places: Vec<Place>, gaps: Vec<Gap>, lost: Vec<Range<u64>>, error: Error },
}

/// Bytes in which no block was recognised, and the ids some of which may have been there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) bytes: Range<u64>,
    pub(crate) ids: Range<u64>,
}

/// Table that is read at a time, whole entries, to be checked.
const TABLE_AT_ONCE: u64 = (64 << 10) / ENTRY_LEN as u64 * ENTRY_LEN as u64;

/// The longest table that is kept in memory: that of 700,000 blocks.
const TABLE_IN_MEMORY: u64 = 8 << 20;

impl Segment {
    pub(crate) fn source(&self) -> &crate::source::Source {
        &self.file.source
    }

    /// Heap of the dictionary and of the table, if they are in memory.
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.file.heap_bytes() + self.table_heap_bytes()
    }

    fn table_heap_bytes(&self) -> u64 {
        match self.table.get() {
            Some(Table::Stored { bytes: Some(bytes), .. }) => bytes.capacity() as u64,
            Some(Table::Walked { places, .. }) => (places.capacity() * size_of::<Place>()) as u64,
            _ => 0,
        }
    }

    /// Opens a segment in time that does not depend on its length: the header must be that of this very segment. The
    /// table is looked at when it is first needed.
    pub(crate) fn open(file: BlockFile, artifact: ArtifactId, entry: SegmentEntry) -> Result<Self> {
        if file.source.len() < (FILE_HEADER_LEN + FOOTER_LEN) as u64 {
            let message = format!(
                "a segment has at least a header and a footer, the file ends at byte {}",
                file.source.len()
            );
            return Err(Error::new(ErrorKind::Truncated, message).at(file.path()));
        }
        let segment = Self::without_header(file, entry);
        match segment.check_header(artifact) {
            // Damage in the header costs nothing, since the manifest has the same: `verify` names it.
            Err(e) if matches!(e.kind(), ErrorKind::Damaged | ErrorKind::NotAnArtifact) => Ok(segment),
            other => other.map(|()| segment),
        }
    }

    /// A segment whose header nobody needs: its blocks are bound to the same identity.
    pub(crate) fn without_header(file: BlockFile, entry: SegmentEntry) -> Self {
        Self { entry, file, table: OnceLock::new() }
    }

    pub(crate) fn check_header(&self, artifact: ArtifactId) -> Result<()> {
        self.file.check_header(FileKind::Segment, artifact)
    }

    pub(crate) fn footer(&self) -> Result<Footer> {
        footer_at(&self.file, self.blocks_end())
    }

    /// Where the footer is to begin.
    fn blocks_end(&self) -> u64 {
        self.entry.len.saturating_sub(FOOTER_LEN as u64)
    }

    /// Stretches of the file in which no block was recognised; where the stored table holds, it was not looked for any.
    pub(crate) fn gaps(&self) -> Result<&[Gap]> {
        Ok(match self.table()? {
            Table::Stored { .. } => &[],
            Table::Walked { gaps, .. } => gaps,
        })
    }

    /// One more than the last id in the last block of records that holds.
    pub(crate) fn ids_end(&self) -> Result<u64> {
        for index in (0..self.block_count()?).rev() {
            match self.file.records(self.place(index)?) {
                Ok(block) => return Ok(block.records().last().map_or(0, |(id, _)| id.saturating_add(1))),
                Err(e) if e.is_io() => return Err(e),
                Err(_) => {}
            }
        }
        Ok(0)
    }

    /// Whether there are bytes before the first block that the table has: a dictionary.
    pub(crate) fn has_dictionary(&self) -> Result<bool> {
        Ok(self.block_count()? > 0 && self.place(0)?.offset > DICTIONARY_OFFSET)
    }

    /// Why the stored table cannot be used, if it cannot.
    pub(crate) fn table_error(&self) -> Result<Option<&Error>> {
        Ok(match self.table()? {
            Table::Stored { .. } => None,
            Table::Walked { error, .. } => Some(error),
        })
    }

    fn table(&self) -> Result<&Table> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let table = match self.stored_table() {
            Ok(table) => table,
            Err(e) if e.is_io() => return Err(e),
            // All blocks would have to be fetched.
            Err(e) if self.file.source.by_ranges().is_some() => return Err(self.file.source.not_held(e)),
            Err(e) => self.walk(e)?,
        };
        Ok(self.table.get_or_init(|| table))
    }

    /// The stored table: its checksum holds, and its entries ascend within the file.
    fn stored_table(&self) -> Result<Table> {
        let footer = self.footer()?;
        let fault = |message: &str| {
            Error::damaged(format!("segment table: {message}"))
                .at(self.file.path())
                .at_offset(footer.table_offset)
        };
        if self.file.steps.take(Step::CheckTable) {
            let mut crc = self.file.binding.begin(footer.table_offset);
            let mut before = (FILE_HEADER_LEN as u64 - 1, 0);
            let mut at = footer.table_offset;
            let end = at + footer.table_len();
            while at < end {
                let piece = self.file.source.read(at, (end - at).min(TABLE_AT_ONCE))?;
                crc.update(&piece);
                for entry in piece.chunks_exact(ENTRY_LEN).map(decode_entry) {
                    if entry.0 <= before.0 || entry.1 < before.1 || entry.0 >= footer.table_offset {
                        return Err(fault("its entries do not ascend"));
                    }
                    if u64::from(entry.1) > self.entry.last_id - self.entry.first_id {
                        return Err(fault("it has an id that the segment has not"));
                    }
                    before = entry;
                }
                at += piece.len() as u64;
            }
            if crc.finalize() != footer.table_crc {
                return Err(fault("its checksum does not hold"));
            }
        }
        let in_memory = self.file.source.mapped().is_none() && footer.table_len() <= TABLE_IN_MEMORY;
        let bytes = if in_memory {
            Some(self.file.source.read(footer.table_offset, footer.table_len())?.into_owned())
        } else {
            None
        };
        Ok(Table::Stored { offset: footer.table_offset, blocks: footer.blocks as usize, bytes })
    }

    /// The table as the blocks themselves tell it: sound headers, one behind the other.
    fn walk(&self, error: Error) -> Result<Table> {
        let end = self.file.source.len().min(self.blocks_end());
        let mut window = Window::new(&self.file.source);
        let (mut places, mut gaps): (Vec<Place>, Vec<Gap>) = (Vec::new(), Vec::new());
        let mut at = FILE_HEADER_LEN as u64;
        while let Some((offset, header)) = next_sound(&self.file, &mut window, at, end)? {
            if header.kind == BlockKind::Dictionary && offset == DICTIONARY_OFFSET {
                at = offset + header.block_len();
                continue;
            }
            let ids = places.last().map_or(self.entry.first_id, |last| last.first_id)..=self.entry.last_id;
            let in_order = ids.contains(&header.first_id);
            if !in_order || !matches!(header.kind, BlockKind::Records | BlockKind::Frame) {
                at = offset + HEADER_LEN as u64;
                continue;
            }
            if offset != at {
                let low = self.id_behind(places.last())?;
                gaps.push(Gap { bytes: at..offset, ids: low..header.first_id.max(low) });
            }
            make_room(&mut places, 1, "bytes of places of blocks")?;
            places.push(Place { first_id: header.first_id, offset, len: header.block_len() });
            at = offset + header.block_len();
        }
        // Behind the last block comes the table, which does not look like blocks.
        let low = self.id_behind(places.last())?;
        let table = match self.footer() {
            Ok(footer) => footer.table_offset,
            Err(e) if e.is_io() => return Err(e),
            Err(_) => end,
        };
        let ids = low..self.entry.last_id.saturating_add(1).max(low);
        if at < table || !ids.is_empty() {
            gaps.push(Gap { bytes: at..table.max(at), ids });
        }
        let lost = merged_ranges(gaps.iter().map(|gap| gap.ids.clone()).collect());
        Ok(Table::Walked { places, gaps, lost, error })
    }

    /// The smallest id that can come behind a block.
    fn id_behind(&self, place: Option<&Place>) -> Result<u64> {
        let Some(&place) = place else { return Ok(self.entry.first_id) };
        let last = match self.file.records(place) {
            Ok(block) => block.records().last().map(|(id, ..)| id + 1),
            Err(e) if e.is_io() => return Err(e),
            Err(_) => None,
        };
        Ok(last.unwrap_or(place.first_id))
    }

    fn stored_place(&self, offset: u64, blocks: usize, bytes: Option<&[u8]>, index: usize) -> Result<Place> {
        let at = index as u64 * ENTRY_LEN as u64;
        // This entry and the next one, which says where the block ends.
        let len = if index + 1 < blocks { 2 * ENTRY_LEN } else { ENTRY_LEN };
        let entries = match bytes {
            Some(bytes) => Cow::Borrowed(&bytes[index * ENTRY_LEN..][..len]),
            None => self.file.source.read(offset + at, len as u64)?,
        };
        let (start, id) = decode_entry(&entries);
        let end = if len > ENTRY_LEN { decode_entry(&entries[ENTRY_LEN..]).0 } else { offset };
        let first_id = self.entry.first_id.saturating_add(id.into());
        Ok(Place { first_id, offset: start, len: end.saturating_sub(start) })
    }
}

/// The footer that begins at `offset`, if it holds.
pub(crate) fn footer_at(file: &BlockFile, offset: u64) -> Result<Footer> {
    let bytes = file.source.read(offset, FOOTER_LEN as u64)?;
    let bytes = bytes.first_chunk().ok_or_else(|| Error::damaged("segment footer: cut off"))?;
    Footer::decode(bytes, &file.binding, offset).map_err(|e| e.at(file.path()))
}

impl Run for Segment {
    fn file(&self) -> &BlockFile {
        &self.file
    }

    fn block_count(&self) -> Result<usize> {
        Ok(match self.table()? {
            Table::Stored { blocks, .. } => *blocks,
            Table::Walked { places, .. } => places.len(),
        })
    }

    fn place(&self, index: usize) -> Result<Place> {
        Ok(match self.table()? {
            Table::Stored { offset, blocks, bytes } => {
                self.stored_place(*offset, *blocks, bytes.as_deref(), index)?
            }
            Table::Walked { places, .. } => places[index],
        })
    }

    fn lost(&self) -> &[Range<u64>] {
        match self.table() {
            Ok(Table::Walked { lost, .. }) => lost,
            _ => &[],
        }
    }

    fn ids(&self) -> Option<(u64, u64)> {
        Some((self.entry.first_id, self.entry.last_id))
    }
}
