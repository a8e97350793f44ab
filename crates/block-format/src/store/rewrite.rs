//! Blocks of logs and segments → blocks of new segments, without the records that were deleted.
//!
//! This is the form in which records stay, so it is worth more work than a commit: a dictionary, a higher level of compression, and smaller
//! blocks where records are small.

use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringTreemap;

use crate::block::codec::Codec;
use crate::block::dictionary::Encoder;
use crate::block::layout::CodecId;
use crate::block::writer::{BlockLimits, EncodedBlock, Packer};
use crate::block::{Block, BlockKind, Body, Header};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::id::{FileId, RecordId};
use crate::options::{Compression, MAX_INLINE};
use crate::room::copied;
use crate::run::{self, Run};
use crate::segment::{SealedFile, Segment, SegmentsWriter};

/// Copies live records from runs into new segments: well-filled blocks as they are, the others packed anew.
pub(super) struct Rewriter<'a> {
    directory: &'a Directory,
    out: SegmentsWriter<'a>,
    packer: Packer,
    deletes: &'a RoaringTreemap,
    /// Deleted ids that are in no file any more.
    reclaimed: RoaringTreemap,
    codec: Arc<Codec>,
    dictionary: Option<Encoder>,
    /// The segment whose dictionary it is; `None`: a new one.
    dictionary_of: Option<FileId>,
    /// One more than the last id that was read: ids ascend, or somebody made this file.
    next_id: u64,
}

/// Raw bytes that are packed before they are compressed together.
const REWRITE_AT_ONCE: usize = 2 << 20;

/// Raw bytes of a block of small records that has a dictionary: a read decodes all of it. Measured: see `docs/BENCHMARKS.md`, "Dictionaries".
const SMALL_BLOCK_LEN: usize = 3072;

impl<'a> Rewriter<'a> {
    /// The first new segments get the numbers `files`.
    pub(super) fn new(directory: &'a Directory, deletes: &'a RoaringTreemap, files: Range<u64>) -> Self {
        let mut out = SegmentsWriter::new(directory, directory.options.segment_len);
        out.set_files(files);
        Self {
            directory,
            out,
            packer: Packer::new(directory.limits()),
            deletes,
            reclaimed: RoaringTreemap::new(),
            codec: directory.codec.clone(),
            dictionary: None,
            dictionary_of: None,
            next_id: 0,
        }
    }

    /// Prepares the form in which records stay, for `runs`. The dictionary is that of the segment `kept`, whose blocks are then copied as they
    /// are, or a new one if that pays.
    pub(super) fn use_sealed_form(&mut self, kept: Option<&Segment>, runs: &[&dyn Run]) -> Result<()> {
        let options = &self.directory.options;
        let (Compression::Zstd(level), 1..) = (options.compression, options.sealed_level) else {
            return Ok(());
        };
        let level = level.max(options.sealed_level);
        self.codec = Arc::new(Codec::new(Compression::Zstd(level)));
        let BlockLimits { block_len, .. } = self.directory.limits();
        let sealed_len = (2 * block_len).min(MAX_INLINE as usize);
        let limits = BlockLimits { block_len: sealed_len, ..self.directory.limits() };
        let small = BlockLimits { small_len: block_len.min(SMALL_BLOCK_LEN), ..limits };
        let dictionary = match kept {
            Some(segment) => Some(segment.file().read_dictionary()?),
            None => self.new_dictionary(runs, small, level)?,
        };
        self.packer = Packer::new(if dictionary.is_some() { small } else { limits });
        if let Some(bytes) = dictionary {
            self.dictionary = Some(Encoder::new(&bytes, level)?);
            self.dictionary_of = kept.map(|segment| segment.entry.file);
            self.out.set_dictionary(EncodedBlock::dictionary(&bytes, &self.codec)?);
        }
        Ok(())
    }

    #[cfg(feature = "dictionaries")]
    fn new_dictionary(&self, runs: &[&dyn Run], limits: BlockLimits, level: i32) -> Result<Option<Vec<u8>>> {
        super::train::dictionary_for(runs, self.deletes, self.directory, limits, &self.codec, level)
    }

    /// This build trains none.
    #[cfg(not(feature = "dictionaries"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the signature of the builds that do")]
    fn new_dictionary(&self, _: &[&dyn Run], _: BlockLimits, _: i32) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// Copies `runs`, which are in the order of their ids. Where one of `others`, the first ids of runs that stay, lies between two of
    /// them, a segment ends: segments do not overlap.
    pub(super) fn copy_runs(&mut self, runs: &[&dyn Run], others: &[u64]) -> Result<()> {
        let mut last = None;
        for run in runs {
            let Some((first, end)) = run.ids() else { continue };
            if last.is_some_and(|last| others.iter().any(|other| (last..first).contains(other))) {
                self.flush()?;
                self.out.end_segment()?;
            }
            last = Some(end);
            let blocks = run.block_count()?;
            if let Some(lost) = run.lost().first() {
                let (first, last) = (RecordId(lost.start), RecordId(lost.end.saturating_sub(1)));
                let message = format!(
                    "no block holds where records {first} to {last} may have been: nothing is written without them"
                );
                return Err(Error::damaged(message).at(run.file().path()));
            }
            (0..blocks).try_for_each(|index| self.copy_block(*run, index))?;
        }
        self.flush()
    }

    /// The new segments, and the deleted ids that are in no file any more.
    pub(super) fn finish(self) -> Result<(Vec<SealedFile>, RoaringTreemap)> {
        Ok((self.out.finish()?, self.reclaimed))
    }

    fn copy_block(&mut self, run: &dyn Run, index: usize) -> Result<()> {
        let place = run.place(index)?;
        let file = run.file();
        let (header, stored) = file.open(place)?;
        if header.first_id < self.next_id {
            let message = format!("expected ids from {} on, found {}", self.next_id, header.first_id);
            return Err(Error::damaged(message).at(file.path()).at_offset(place.offset));
        }
        match header.kind {
            BlockKind::Records => {
                let raw = file.decode(&header, &stored, place.offset)?;
                let block =
                    Block::new(&header, raw).map_err(|e| e.at(file.path()).at_offset(place.offset))?;
                let may_keep = self.may_keep(&header, file.id);
                self.copy_records(&header, &stored, &block, may_keep)?;
                run::check_last_id(run, index, self.next_id.saturating_sub(1))
            }
            BlockKind::Frame => {
                let checked = header.check_payload(&stored, &file.binding, place.offset, file.steps);
                checked.map_err(|e| e.at(file.path()))?;
                self.next_id = header.first_id;
                if self.deletes.contains(header.first_id) {
                    return Ok(());
                }
                self.flush()?;
                self.out.append(&verbatim(&header, &stored, header.first_id)?)
            }
            BlockKind::Deletes | BlockKind::Commit | BlockKind::Dictionary => {
                let message = format!("expected records or a frame, found {:?}", header.kind);
                Err(Error::damaged(message).at(file.path()).at_offset(place.offset))
            }
        }
    }

    /// Whether a block of records of `file` is well filled, and its compression can stay.
    fn may_keep(&self, header: &Header, file: FileId) -> bool {
        let (limits, committed) = (self.packer.limits(), self.directory.limits().block_len);
        let min_len = match header.codec {
            CodecId::ZstdDictionary if self.dictionary_of != Some(file) => return false,
            CodecId::ZstdDictionary => limits.small_len,
            CodecId::Raw => limits.small_len.min(committed),
            CodecId::Zstd | CodecId::Lz4 if limits.block_len == committed => committed,
            CodecId::Zstd | CodecId::Lz4 => 3 * committed, // longer than what a commit writes
        };
        header.raw_len as usize >= min_len / 2
    }

    fn copy_records(&mut self, header: &Header, stored: &[u8], block: &Block, mut keep: bool) -> Result<()> {
        let mut last = header.first_id;
        for (id, _) in block.records() {
            last = id;
            keep &= !self.deletes.contains(id);
        }
        self.next_id = last.saturating_add(1);
        if keep {
            self.flush()?;
            return self.out.append(&verbatim(header, stored, last)?);
        }
        for (id, body) in block.records() {
            if self.deletes.contains(id) {
                self.reclaimed.insert(id);
                continue;
            }
            match body {
                Body::Inline(range) => self.packer.push_inline(id, &block.raw()[range])?,
                Body::Large(large) => self.packer.push_large_as(id, large)?,
            }
        }
        if self.packer.done_len() >= REWRITE_AT_ONCE {
            self.write_packed()?;
        }
        Ok(())
    }

    /// Writes what is packed, and the block under construction.
    fn flush(&mut self) -> Result<()> {
        self.packer.end_block()?;
        self.write_packed()
    }

    fn write_packed(&mut self) -> Result<()> {
        let blocks = self.packer.take();
        let encoded = self.directory.encode_with(&blocks, &self.codec, self.dictionary.as_ref())?;
        self.packer.recycle(blocks);
        encoded.iter().try_for_each(|block| self.out.append(block))
    }
}

/// A block as it is, for another place.
pub(super) fn verbatim(header: &Header, stored: &[u8], last: u64) -> Result<EncodedBlock> {
    Ok(EncodedBlock {
        kind: header.kind,
        codec: header.codec,
        first: header.first_id,
        last,
        count: header.count,
        raw_len: header.raw_len,
        stored: copied(stored, "bytes of a block")?,
    })
}
