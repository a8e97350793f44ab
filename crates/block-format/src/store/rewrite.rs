//! Blocks of logs and segments → blocks of new segments, without the records that were deleted.

use roaring::RoaringTreemap;

use crate::block::writer::{EncodedBlock, Packer};
use crate::block::{Block, BlockKind, Body, Header};
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::run::Run;
use crate::segment::{SealedFile, SegmentsWriter};

/// Copies live records from runs into new segments: well-filled blocks as they are, the others packed anew.
pub(super) struct Rewriter<'a> {
    directory: &'a Directory,
    out: SegmentsWriter<'a>,
    packer: Packer,
    deletes: &'a RoaringTreemap,
    /// Deleted ids that are in no file any more.
    reclaimed: RoaringTreemap,
    /// One more than the last id that was read: ids ascend, or somebody made this file.
    next_id: u64,
}

/// Raw bytes that are packed before they are compressed together.
const REWRITE_AT_ONCE: usize = 2 << 20;

impl<'a> Rewriter<'a> {
    pub(super) fn new(directory: &'a Directory, deletes: &'a RoaringTreemap) -> Self {
        Self {
            directory,
            out: SegmentsWriter::new(directory, directory.options.segment_len),
            packer: Packer::new(directory.limits()),
            deletes,
            reclaimed: RoaringTreemap::new(),
            next_id: 0,
        }
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
            (0..run.block_count()?).try_for_each(|index| self.copy_block(*run, index))?;
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
                self.copy_records(&header, &stored, &block)
            }
            BlockKind::Frame => {
                let checked = header.check_payload(&stored, &file.binding, place.offset, file.steps);
                checked.map_err(|e| e.at(file.path()))?;
                self.next_id = header.first_id;
                if self.deletes.contains(header.first_id) {
                    return Ok(());
                }
                self.flush()?;
                self.out.append(&verbatim(&header, &stored, header.first_id))
            }
            BlockKind::Deletes | BlockKind::Commit => {
                let message = format!("expected records or a frame, found {:?}", header.kind);
                Err(Error::damaged(message).at(file.path()).at_offset(place.offset))
            }
        }
    }

    fn copy_records(&mut self, header: &Header, stored: &[u8], block: &Block) -> Result<()> {
        let mut last = header.first_id;
        let mut keep = header.raw_len as usize >= self.packer.limits().block_len / 2;
        for (id, _) in block.records() {
            last = id;
            keep &= !self.deletes.contains(id);
        }
        self.next_id = last.saturating_add(1);
        if keep {
            self.flush()?;
            return self.out.append(&verbatim(header, stored, last));
        }
        for (id, body) in block.records() {
            if self.deletes.contains(id) {
                self.reclaimed.insert(id);
                continue;
            }
            match body {
                Body::Inline(range) => self.packer.push_inline(id, &block.raw()[range]),
                Body::Large(large) => self.packer.push_large_as(id, large),
            }
        }
        if self.packer.done_len() >= REWRITE_AT_ONCE {
            self.write_packed()?;
        }
        Ok(())
    }

    /// Writes what is packed, and the block under construction.
    fn flush(&mut self) -> Result<()> {
        self.packer.end_block();
        self.write_packed()
    }

    fn write_packed(&mut self) -> Result<()> {
        let blocks = self.packer.take();
        let encoded = self.directory.encode(&blocks)?;
        self.packer.recycle(blocks);
        encoded.iter().try_for_each(|block| self.out.append(block))
    }
}

/// A block as it is, for another place.
pub(super) fn verbatim(header: &Header, stored: &[u8], last: u64) -> EncodedBlock {
    EncodedBlock {
        kind: header.kind,
        codec: header.codec,
        first: header.first_id,
        last,
        count: header.count,
        raw_len: header.raw_len,
        stored: stored.to_vec(),
    }
}
