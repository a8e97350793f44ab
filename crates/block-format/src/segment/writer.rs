//! Blocks in the order of their ids → sealed segments.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::layout::{FOOTER_LEN, Footer, encode_entry};
use crate::block::BlockKind;
use crate::block::writer::EncodedBlock;
use crate::checksum::{Binding, Hash128};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file::{FileHeader, FileKind, FileName};
use crate::id::FileId;
use crate::manifest::SegmentEntry;
use crate::protocol::Step;
use crate::room::{make_room, with_room};
use crate::source::Source;
use crate::vfs::VfsFile;

/// A segment that is written and synced but not yet in a manifest.
#[derive(Debug)]
pub(crate) struct SealedFile {
    pub(crate) entry: SegmentEntry,
    pub(crate) file: Arc<dyn VfsFile>,
}

/// Writes blocks into one segment after the other.
#[derive(Debug)]
pub(crate) struct SegmentsWriter<'a> {
    directory: &'a Directory,
    segment_len: u64,
    open: Option<SegmentWriter>,
    sealed: Vec<SealedFile>,
    /// Files created, for whoever gives up.
    created: Vec<FileName>,
    in_large: bool,
    /// The first block of each segment, if it has one.
    dictionary: Option<EncodedBlock>,
    /// Numbers of files for the first segments.
    files: Range<u64>,
}

impl<'a> SegmentsWriter<'a> {
    pub(crate) fn new(directory: &'a Directory, segment_len: u64) -> Self {
        Self {
            directory,
            segment_len,
            open: None,
            sealed: Vec::new(),
            created: Vec::new(),
            in_large: false,
            dictionary: None,
            files: 0..0,
        }
    }

    /// Gives the first segments these numbers of files, which were [taken](Directory::take_files) for them.
    pub(crate) fn set_files(&mut self, files: Range<u64>) {
        self.files = files;
    }

    /// Segments begun from now on have this dictionary.
    pub(crate) fn set_dictionary(&mut self, dictionary: EncodedBlock) {
        self.dictionary = Some(dictionary);
    }

    /// Writes a block whose ids count from 0.
    pub(crate) fn append(&mut self, block: &EncodedBlock) -> Result<()> {
        // The frames of a large record and its entry stay together, whatever the length of the segment.
        let may_end = !self.in_large;
        self.in_large = block.kind == BlockKind::Frame;
        let full = |open: &SegmentWriter| {
            open.offset() >= self.segment_len
                || block.last.saturating_sub(open.first_id) > u64::from(u32::MAX)
        };
        if may_end && self.open.as_ref().is_some_and(full) {
            self.end_segment()?;
        }
        if self.open.is_none() {
            self.open = Some(self.create(block.first)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.append(block)
    }

    fn create(&mut self, first_id: u64) -> Result<SegmentWriter> {
        let id = self.files.next().map_or_else(|| self.directory.next_file(), |id| Ok(FileId(id)))?;
        let name = FileName::Segment(id);
        let file = self.directory.create(name)?;
        self.created.push(name);
        let header = FileHeader { kind: FileKind::Segment, artifact: self.directory.artifact, file: id };
        let path = self.directory.path(name);
        let mut writer = SegmentWriter {
            path,
            file,
            id,
            binding: self.directory.binding(id),
            buf: with_room(BUF_LEN, "bytes of a segment to be written")?,
            flushed: 0,
            hash: Hash128::new(),
            table: Vec::new(),
            first_id,
            last_id: first_id,
            records: 0,
            raw_len: 0,
        };
        writer.buf.extend(header.encode());
        if let Some(dictionary) = &self.dictionary {
            dictionary.append_to(0, &writer.binding, writer.offset(), &mut writer.buf)?;
        }
        Ok(writer)
    }

    /// Seals the segment under construction: the next block begins another.
    pub(crate) fn end_segment(&mut self) -> Result<()> {
        if let Some(open) = self.open.take() {
            self.sealed.push(open.seal(self.directory)?);
        }
        Ok(())
    }

    /// Seals the last segment and returns all of them.
    pub(crate) fn finish(mut self) -> Result<Vec<SealedFile>> {
        self.end_segment()?;
        self.created.clear();
        Ok(std::mem::take(&mut self.sealed))
    }
}

/// Segments that no manifest will ever name are removed at once: after a crash, the next open does it.
impl Drop for SegmentsWriter<'_> {
    fn drop(&mut self) {
        for &name in &self.created {
            self.directory.remove(name);
        }
    }
}

const BUF_LEN: usize = 1 << 20;

#[derive(Debug)]
struct SegmentWriter {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    id: FileId,
    binding: Binding,
    buf: Vec<u8>,
    flushed: u64,
    hash: Hash128,
    table: Vec<u8>,
    first_id: u64,
    last_id: u64,
    records: u64,
    raw_len: u64,
}

impl SegmentWriter {
    fn offset(&self) -> u64 {
        self.flushed + self.buf.len() as u64
    }

    fn append(&mut self, block: &EncodedBlock) -> Result<()> {
        let offset = self.offset();
        let header = block.append_to(0, &self.binding, offset, &mut self.buf)?;
        let id = header.first_id.checked_sub(self.first_id).and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or_else(|| Error::damaged("blocks to seal are not in the order of their ids"))?;
        self.table.extend(encode_entry(offset, id));
        self.last_id = block.last;
        self.raw_len += u64::from(header.raw_len);
        if header.kind == BlockKind::Records {
            self.records += u64::from(header.count);
        }
        if self.buf.len() >= BUF_LEN {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.hash.update(&self.buf);
        self.write_buf()
    }

    fn write_buf(&mut self) -> Result<()> {
        self.file
            .write_all_at(&self.buf, self.flushed)
            .map_err(|e| Error::io(e, "writing", &self.path).at_offset(self.flushed))?;
        self.flushed += self.buf.len() as u64;
        self.buf.clear();
        Ok(())
    }

    /// Table, footer, sync; then the file is read back, since what it replaces is about to be removed.
    fn seal(mut self, directory: &Directory) -> Result<SealedFile> {
        let table_offset = self.offset();
        let table_crc = self.binding.crc(table_offset, &self.table);
        let blocks = u32::try_from(self.table.len() / super::layout::ENTRY_LEN)
            .map_err(|_| Error::invalid("a segment has at most 2^32 - 1 blocks"))?;
        make_room(&mut self.buf, self.table.len(), "bytes of the table of a segment")?;
        self.buf.append(&mut self.table);
        self.flush()?;
        let footer = Footer {
            table_offset,
            blocks,
            table_crc,
            first_id: self.first_id,
            last_id: self.last_id,
            records: self.records,
            raw_len: self.raw_len,
            hash: self.hash.value(),
        };
        self.buf.extend(footer.encode(&self.binding, self.flushed));
        let hashed = self.flushed;
        self.write_buf()?;
        directory.sync_data(Step::SyncSegment, &*self.file, &self.path)?;
        let entry = SegmentEntry {
            file: self.id,
            len: self.flushed,
            hash: footer.hash,
            first_id: footer.first_id,
            last_id: footer.last_id,
            records: footer.records,
            raw_len: footer.raw_len,
        };
        debug_assert_eq!(hashed + FOOTER_LEN as u64, entry.len);
        if directory.options.steps.take(Step::CheckReadBack) {
            // By position: it is read once, and a map of it would count as memory of this process.
            let source = Source::file(&self.path, entry.len, self.file.clone());
            let found = source.hash(hashed)?;
            let footer_holds =
                source.read(hashed, FOOTER_LEN as u64)?[..] == footer.encode(&self.binding, hashed);
            if found != entry.hash || !footer_holds {
                let message = format!(
                    "read back after writing: expected hash {:032x}, found {found:032x}; the medium or the memory \
                     does not keep what is written",
                    entry.hash
                );
                return Err(Error::damaged(message).at(&self.path));
            }
        }
        Ok(SealedFile { entry, file: self.file })
    }
}
