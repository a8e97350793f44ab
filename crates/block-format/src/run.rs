//! A run of blocks in the order of record ids: a sealed segment, or a log up to a commit.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::block::codec::Codec;
use crate::block::layout::{CodecId, HEADER_LEN, MAX_RAW_LEN};
use crate::block::{Block, BlockKind, Body, Dictionary, Header};
use crate::cache::BlockCache;
use crate::checksum::Binding;
use crate::error::{Error, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileKind};
use crate::id::{ArtifactId, FileId, RecordId};
use crate::observer::{Observer, observed};
use crate::protocol::Steps;
use crate::source::Source;

/// Where a block is. Blocks of one run lie in the order of `(first_id, offset)`; the frames of a large record come
/// right before the block of records that begins with its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) first_id: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// The means to read the blocks of one file.
#[derive(Debug)]
pub(crate) struct BlockFile {
    pub(crate) id: FileId,
    pub(crate) source: Source,
    pub(crate) binding: Binding,
    pub(crate) codec: Arc<Codec>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) steps: Steps,
    /// Digested when the first block needs it.
    pub(crate) dictionary: OnceLock<Dictionary>,
}

/// A dictionary is the first block of its segment.
pub(crate) const DICTIONARY_OFFSET: u64 = FILE_HEADER_LEN as u64;

impl BlockFile {
    pub(crate) fn path(&self) -> &Path {
        self.source.path()
    }

    /// Whether the file begins with the header of this very file.
    pub(crate) fn check_header(&self, kind: FileKind, artifact: ArtifactId) -> Result<()> {
        let bytes = self.source.read(0, FILE_HEADER_LEN as u64)?;
        let header = FileHeader { kind, artifact, file: self.id };
        let bytes = bytes.first_chunk().ok_or_else(|| Error::damaged("file header: cut off"))?;
        header.check(bytes, self.steps).map_err(|e| e.at(self.path()))
    }

    /// The verified header of the block at `place`, and its stored payload, not verified.
    pub(crate) fn open(&self, place: Place) -> Result<(Header, Cow<'_, [u8]>)> {
        if place.len > HEADER_LEN as u64 + u64::from(MAX_RAW_LEN) {
            let message = format!("the table gives a block {} bytes, more than any has", place.len);
            return Err(Error::damaged(message).at(self.path()).at_offset(place.offset));
        }
        let bytes = self.source.read(place.offset, place.len)?;
        self.parse(&bytes, place.offset)
            .and_then(|header| {
                let stored = match bytes {
                    Cow::Borrowed(bytes) => bytes.get(HEADER_LEN..).map(Cow::Borrowed),
                    Cow::Owned(mut bytes) => {
                        bytes.drain(..HEADER_LEN.min(bytes.len()));
                        Some(Cow::Owned(bytes))
                    }
                };
                let stored = stored.filter(|stored| stored.len() as u64 == u64::from(header.stored_len));
                let fault =
                    || Error::damaged("block: its length is not that in the table").at_offset(place.offset);
                Ok((header, stored.ok_or_else(fault)?))
            })
            .map_err(|e| e.at(self.path()))
    }

    /// The verified header of the block at `offset`.
    pub(crate) fn header(&self, offset: u64) -> Result<Header> {
        let head = self.source.read(offset, HEADER_LEN as u64)?;
        self.parse(&head, offset).map_err(|e| e.at(self.path()))
    }

    fn parse(&self, bytes: &[u8], offset: u64) -> Result<Header> {
        let head = bytes.first_chunk().ok_or_else(|| Error::damaged("block: cut off").at_offset(offset))?;
        Header::decode(head, &self.binding, offset, self.steps)
    }

    /// The raw bytes of the block at `place`: both checksums held.
    pub(crate) fn read(&self, place: Place) -> Result<(Header, Vec<u8>)> {
        let (header, stored) = self.open(place)?;
        let raw = self.decode(&header, &stored, place.offset)?;
        Ok((header, raw))
    }

    /// Verifies and decodes a payload.
    pub(crate) fn decode(&self, header: &Header, stored: &[u8], offset: u64) -> Result<Vec<u8>> {
        let uses_dictionary = header.codec == CodecId::ZstdDictionary;
        let dictionary = if uses_dictionary { Some(self.dictionary()?) } else { None };
        header
            .check_payload(stored, &self.binding, offset, self.steps)
            .and_then(|()| {
                let decompress =
                    || self.codec.decompress(header.codec, stored, header.raw_len as usize, dictionary);
                let hear = |observer: &dyn Observer, took| observer.payload_was_decompressed(took);
                observed(self.cache.observer.as_ref(), hear, decompress)
            })
            .map_err(|e| e.at(self.path()).at_offset(offset))
    }

    /// What blocks of this file were compressed with: kept, or read and digested.
    pub(crate) fn dictionary(&self) -> Result<&Dictionary> {
        if let Some(kept) = self.dictionary.get() {
            return Ok(kept);
        }
        let bytes = self.read_dictionary()?;
        let digested = Dictionary::new(&bytes);
        let digested = digested.map_err(|e| e.at(self.path()).at_offset(DICTIONARY_OFFSET))?;
        Ok(self.dictionary.get_or_init(|| digested))
    }

    /// The bytes of the dictionary: both checksums held.
    pub(crate) fn read_dictionary(&self) -> Result<Vec<u8>> {
        let header = self.dictionary_header()?;
        let place = Place { first_id: 0, offset: DICTIONARY_OFFSET, len: header.block_len() };
        self.read(place).map(|(_, bytes)| bytes)
    }

    /// The header of the dictionary, which holds.
    pub(crate) fn dictionary_header(&self) -> Result<Header> {
        let header = self.header(DICTIONARY_OFFSET)?;
        if header.kind != BlockKind::Dictionary {
            let message = format!("expected the dictionary of this file, found {:?}", header.kind);
            return Err(Error::damaged(message).at(self.path()).at_offset(DICTIONARY_OFFSET));
        }
        Ok(header)
    }

    /// Heap of the dictionary, if it was needed.
    pub(crate) fn heap_bytes(&self) -> u64 {
        self.dictionary.get().map_or(0, Dictionary::heap_bytes)
    }

    /// The records of the block at `place`.
    pub(crate) fn records(&self, place: Place) -> Result<Block> {
        self.read_records(place).map_err(|e| self.source.not_held(e))
    }

    fn read_records(&self, place: Place) -> Result<Block> {
        let (header, raw) = self.read(place)?;
        if header.kind != BlockKind::Records {
            let message = format!("expected a block of records, found {:?}", header.kind);
            return Err(Error::damaged(message).at(self.path()).at_offset(place.offset));
        }
        Block::new(&header, raw).map_err(|e| e.at(self.path()).at_offset(place.offset))
    }

    /// The records of the block at `place`, which `id` may be among, kept from an earlier read or kept for a later one.
    pub(crate) fn cached_records(&self, place: Place, id: u64) -> Result<Arc<Block>> {
        let hear = |observer: &dyn Observer, took| observer.block_was_decoded(RecordId(id), took);
        let decode = || observed(self.cache.observer.as_ref(), hear, || self.records(place));
        self.cache.get_or(self.id, place.offset, decode)
    }

    /// Frame `number` of the large record `id`.
    pub(crate) fn frame(&self, place: Place, id: u64, number: u32, raw_len: u64) -> Result<Vec<u8>> {
        let (header, raw) = self.read(place).map_err(|e| self.source.not_held(e))?;
        if (header.kind, header.first_id, header.count) == (BlockKind::Frame, id, number)
            && raw.len() as u64 == raw_len
        {
            return Ok(raw);
        }
        let message =
            format!("expected frame {number} of record {id} with {raw_len} bytes, found {header:?}");
        Err(Error::damaged(message).at(self.path()).at_offset(place.offset))
    }
}

/// A run of blocks; see the module.
pub(crate) trait Run: Debug + Send + Sync {
    fn file(&self) -> &BlockFile;

    /// Number of blocks of records and frames.
    fn block_count(&self) -> Result<usize>;

    /// The place of block `index`, below [`Run::block_count`].
    fn place(&self, index: usize) -> Result<Place>;

    /// Ranges of ids some of which may have been in blocks that are damaged beyond recognition: in order, and apart.
    fn lost(&self) -> &[Range<u64>];

    /// The smallest id that can be in this run, and the largest. `None`: no records.
    fn ids(&self) -> Option<(u64, u64)>;

    /// The index of the block that has record `id`, if the run has it: the last one that begins at or before it.
    fn find(&self, id: u64) -> Result<Option<usize>> {
        let (mut low, mut high) = (0, self.block_count()?);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.place(middle)?.first_id <= id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.checked_sub(1))
    }
}

/// The records of a block of a run have ids below those of the next block, and of the end of the run.
pub(crate) fn check_last_id(run: &dyn Run, index: usize, last: u64) -> Result<()> {
    let end = end_of_block(run, index)?;
    if last < end {
        return Ok(());
    }
    let message = format!("block of records: expected ids below {end}, found {last}");
    Err(Error::damaged(message).at(run.file().path()).at_offset(run.place(index)?.offset))
}

/// One more than the largest id that can be in a block.
pub(crate) fn end_of_block(run: &dyn Run, index: usize) -> Result<u64> {
    if index + 1 < run.block_count()? {
        return Ok(run.place(index + 1)?.first_id);
    }
    Ok(run.ids().map_or(0, |(_, last)| last.saturating_add(1)))
}

/// The range of lost ids that `id` is in.
fn lost_range(run: &dyn Run, id: u64) -> Option<&Range<u64>> {
    let lost = run.lost();
    let after = lost.partition_point(|range| range.start <= id);
    lost.get(after.checked_sub(1)?).filter(|range| range.contains(&id))
}

/// A record found in a run: its block, the block's index, and the body within the block.
pub(crate) type Found = (Arc<Block>, usize, Body);

/// Looks record `id` up. `None`: the run does not have it. An error: it may have had it.
pub(crate) fn get(run: &dyn Run, id: u64) -> Result<Option<Found>> {
    if let Some(index) = run.find(id)? {
        let place = run.place(index)?;
        match run.file().cached_records(place, id) {
            Ok(block) => {
                if let Some(body) = block.find(id) {
                    return Ok(Some((block, index, body)));
                }
            }
            // In a lost range a frame may be what is left of the record before this one.
            Err(e) if e.is_io() || lost_range(run, id).is_none() => return Err(e),
            Err(_) => {}
        }
    }
    match lost_range(run, id) {
        None => Ok(None),
        Some(range) => Err(lost_records(run, range)),
    }
}

/// The error of whoever asks for records in a range of lost ids.
pub(crate) fn lost_records(run: &dyn Run, range: &Range<u64>) -> Error {
    let message = format!(
        "the blocks of some records between {} and {} are damaged beyond recognition; `verify` names them, \
         `salvage` keeps the rest",
        range.start,
        range.end.saturating_sub(1)
    );
    Error::damaged(message).at(run.file().path())
}
