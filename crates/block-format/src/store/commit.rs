//! A batch → compressed blocks → the end of the log → a sync → visible.

use std::io::Read;
use std::time::Duration;

use parking_lot::MappedMutexGuard;

use super::frames::{read_head, stream_frames};
use super::state::{Store, Writer};
use crate::block::writer::{EncodedBlock, Packer, RawBlocks};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{CommitSeq, RecordId};
use crate::log::writer::CommitMark;
use crate::options::Durability;

/// Records and deletes to be committed together: all of them, or none. Holds its records in memory; it takes no lock
/// and can be filled by any thread.
#[derive(Debug)]
#[must_use = "a batch does nothing until it is handed to `Store::commit`"]
pub struct Batch {
    packer: Packer,
    records: u64,
    deletes: Vec<u64>,
}

impl Batch {
    /// Adds a record and returns its place in the batch: its id is that much more than [`Receipt::first_id`].
    pub fn put(&mut self, content: &[u8]) -> Result<u64> {
        self.packer.push(self.records, content)?;
        self.records += 1;
        Ok(self.records - 1)
    }

    /// [`put`](Self::put), for content of which compression would save hardly anything: from 4 KiB on it is stored as it is.
    pub fn put_dense(&mut self, content: &[u8]) -> Result<u64> {
        self.packer.push_dense(self.records, content)?;
        self.records += 1;
        Ok(self.records - 1)
    }

    /// Deletes a record of an earlier commit. That it was deleted before is no error.
    pub fn delete(&mut self, id: RecordId) {
        self.deletes.push(id.0);
    }

    /// Records added so far.
    pub fn record_count(&self) -> u64 {
        self.records
    }

    fn compressed_by(
        self,
        encode: impl FnOnce(&RawBlocks) -> Result<Vec<EncodedBlock>>,
    ) -> Result<CompressedBatch> {
        let Self { mut packer, records, mut deletes } = self;
        packer.end_block()?;
        deletes.sort_unstable();
        deletes.dedup();
        let mut blocks = packer.take();
        blocks.push_deletes(&deletes);
        Ok(CompressedBatch { blocks: encode(&blocks)?, records, deletes })
    }

    /// Raw bytes that the batch holds in memory.
    pub fn held_len(&self) -> usize {
        self.packer.held_len() + self.deletes.len() * 8
    }
}

/// A batch whose blocks are compressed: all that is left of a commit is to write them.
#[derive(Debug)]
#[must_use = "a batch does nothing until it is handed to `Store::commit_compressed`"]
pub struct CompressedBatch {
    blocks: Vec<EncodedBlock>,
    records: u64,
    /// Ascending.
    deletes: Vec<u64>,
}

/// The number of a commit, and the ids that it gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The commit.
    pub seq: CommitSeq,
    /// The id of its first record; the others follow in order.
    pub first_id: RecordId,
    /// How many records it added.
    pub records: u64,
}

impl Store {
    /// An empty batch.
    pub fn batch(&self) -> Batch {
        Batch { packer: Packer::new(self.directory.limits()), records: 0, deletes: Vec::new() }
    }

    /// Compresses a batch, divided among the [`Workers`](crate::Workers) if there is enough of it. Takes no lock.
    pub fn compress(&self, batch: Batch) -> Result<CompressedBatch> {
        batch.compressed_by(|blocks| self.directory.encode(blocks))
    }

    /// [`compress`](Self::compress) for a caller who [runs](crate::Workers::run) in the workers' pool: it is divided there.
    pub fn compress_in_pool(&self, batch: Batch) -> Result<CompressedBatch> {
        batch.compressed_by(|blocks| self.directory.encode_in_pool(blocks))
    }

    /// Commits a batch: [`compress`](Self::compress) and [`commit_compressed`](Self::commit_compressed) in one.
    pub fn commit(&self, batch: Batch, durability: Durability) -> Result<Receipt> {
        self.commit_compressed(self.compress(batch)?, durability)
    }

    /// Commits a batch; an empty one is no commit, but waits for the earlier ones.
    ///
    /// After an error of kind [`Io`](ErrorKind::Io) or [`DiskFull`](ErrorKind::DiskFull) the batch may or may not be
    /// found when the artifact is opened again; nothing that was acknowledged is lost.
    pub fn commit_compressed(&self, batch: CompressedBatch, durability: Durability) -> Result<Receipt> {
        durability.check()?;
        let CompressedBatch { blocks: encoded, records, deletes } = batch;
        let mut writer = self.writer()?;
        let before = writer.log.committed();
        if let Some(id) = deletes.last().filter(|&&id| id >= before.next_id) {
            let message =
                format!("cannot delete record {id}: ids below {} have been given out", before.next_id);
            return Err(Error::new(ErrorKind::NoSuchRecord, message));
        }
        if encoded.is_empty() {
            drop(writer);
            if durability != Durability::Buffered {
                self.make_durable(before.seq, Duration::ZERO)?;
            }
            let (seq, first_id) = (CommitSeq(before.seq), RecordId(before.next_id));
            return Ok(Receipt { seq, first_id, records: 0 });
        }
        if writer.log.has_uncommitted() {
            self.rotate(&mut writer)?;
        }
        self.append_commit(writer, &encoded, records, &deletes, durability)
    }

    /// Commits one record and waits until it is on disk.
    pub fn put(&self, content: &[u8]) -> Result<RecordId> {
        let mut batch = self.batch();
        batch.put(content)?;
        Ok(self.commit(batch, Durability::Sync)?.first_id)
    }

    /// Commits one delete and waits until it is on disk.
    pub fn delete(&self, id: RecordId) -> Result<()> {
        let mut batch = self.batch();
        batch.delete(id);
        self.commit(batch, Durability::Sync).map(drop)
    }

    /// Commits one record of any length from a reader, in bounded memory: 16 frames. Other writers wait meanwhile.
    ///
    /// An error of the reader is passed on, and nothing is added. A reader that writes to the store itself gets an error of kind
    /// [`Reentrant`](ErrorKind::Reentrant).
    pub fn put_reader(&self, mut reader: impl Read, durability: Durability) -> Result<Receipt> {
        durability.check()?;
        let mut packer = Packer::new(self.directory.limits());
        let head = read_head(&mut reader, packer.limits().inline_max)?;
        if head.len() <= packer.limits().inline_max {
            let mut batch = self.batch();
            batch.put(&head)?;
            return self.commit(batch, durability);
        }
        let mut writer = self.writer()?;
        if writer.log.has_uncommitted() {
            self.rotate(&mut writer)?;
        }
        let base = writer.log.committed().next_id;
        let inside = self.callers.enter();
        let streamed = stream_frames(head, reader, &mut packer, 0, |blocks| {
            let encoded = self.directory.encode(&blocks)?;
            let result = writer.log.append(&encoded, base);
            result.map(|()| blocks).map_err(|e| self.fail(&mut writer, e))
        });
        drop(inside);
        if let Err(e) = streamed {
            writer.log.abandon_uncommitted();
            return Err(e);
        }
        packer.end_block()?;
        let encoded = self.directory.encode(&packer.take())?;
        self.append_commit(writer, &encoded, 1, &[], durability)
    }

    fn append_commit(
        &self,
        mut writer: MappedMutexGuard<'_, Writer>,
        encoded: &[EncodedBlock],
        records: u64,
        deletes: &[u64],
        durability: Durability,
    ) -> Result<Receipt> {
        self.directory.check_lock()?;
        let before = writer.log.committed();
        let (seq, next_id) = before.after(records)?;
        let sync_floor = self.sync_gate.lock().synced;
        let mark = CommitMark { seq, sync_floor, next_id };
        let result = writer.log.commit(encoded, before.next_id, mark);
        result.map_err(|e| self.fail(&mut writer, e))?;
        writer.log.index().delete(deletes.iter().copied(), mark.seq);
        self.history.lock().push(mark.seq, mark.next_id, deletes);
        let written = writer.written();
        drop(writer);
        match durability {
            Durability::Buffered => self.publish(&written),
            Durability::Sync => self.make_durable(mark.seq, Duration::ZERO)?,
            Durability::Group(delay) => self.make_durable(mark.seq, delay)?,
        }
        self.seal_if_due();
        Ok(Receipt { seq: CommitSeq(mark.seq), first_id: RecordId(before.next_id), records })
    }
}
