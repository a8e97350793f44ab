//! A batch → compressed blocks → the end of the log → a sync → visible.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{MappedMutexGuard, MutexGuard};

use super::{State, Store, Writer};
use crate::block::writer::{EncodedBlock, Packer, RawBlocks, frame_number};
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::id::{CommitSeq, RecordId};
use crate::log::LogView;
use crate::log::writer::CommitMark;
use crate::manifest::Checkpoint;
use crate::options::Durability;
use crate::protocol::Step;

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

    /// Deletes a record of an earlier commit. That it was deleted before is no error.
    pub fn delete(&mut self, id: RecordId) {
        self.deletes.push(id.0);
    }

    /// Records added so far.
    pub fn record_count(&self) -> u64 {
        self.records
    }

    /// Raw bytes that the batch holds in memory.
    pub fn held_len(&self) -> usize {
        self.packer.held_len() + self.deletes.len() * 8
    }
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The commit.
    pub seq: CommitSeq,
    /// The id of its first record; the others follow in order.
    pub first_id: RecordId,
    /// How many records it added.
    pub records: u64,
}

/// A state of the log that is written, and perhaps not yet synced or visible.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) committed: Checkpoint,
    pub(super) tail: LogView,
}

impl Store {
    /// An empty batch.
    pub fn batch(&self) -> Batch {
        Batch { packer: Packer::new(self.directory.cut()), records: 0, deletes: Vec::new() }
    }

    /// Commits a batch; an empty one is no commit, but waits for the earlier ones. Compression happens before any
    /// lock is taken, divided among the [`Workers`](crate::Workers) if there is enough of it.
    ///
    /// After an error of kind [`Io`](ErrorKind::Io) or [`DiskFull`](ErrorKind::DiskFull) the batch may or may not be
    /// found when the artifact is opened again; nothing that was acknowledged is lost.
    pub fn commit(&self, batch: Batch, durability: Durability) -> Result<Receipt> {
        let Batch { mut packer, records, mut deletes } = batch;
        packer.end_block();
        deletes.sort_unstable();
        deletes.dedup();
        let mut blocks = packer.take();
        blocks.push_deletes(&deletes);
        let encoded = self.directory.encode(&blocks)?;
        drop(blocks);
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
        let mut packer = Packer::new(self.directory.cut());
        let head = read_head(&mut reader, packer.cut().inline_max)?;
        if head.len() <= packer.cut().inline_max {
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
        packer.end_block();
        let encoded = self.directory.encode(&packer.take())?;
        self.append_commit(writer, &encoded, 1, &[], durability)
    }

    /// Makes every commit so far durable.
    pub fn sync(&self) -> Result<()> {
        let seq = self.writer()?.log.committed().seq;
        self.make_durable(seq, Duration::ZERO)
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
        let sync_floor = self.gate.lock().synced;
        let mark = CommitMark { seq, sync_floor, next_id };
        let result = writer.log.commit(encoded, before.next_id, mark);
        result.map_err(|e| self.fail(&mut writer, e))?;
        writer.log.index().delete(deletes.iter().copied(), mark.seq);
        let written = Written::of(&writer);
        drop(writer);
        match durability {
            Durability::Buffered => self.publish(&written),
            Durability::Sync => self.make_durable(mark.seq, Duration::ZERO)?,
            Durability::Group(delay) => self.make_durable(mark.seq, delay)?,
        }
        self.seal_if_due();
        Ok(Receipt { seq: CommitSeq(mark.seq), first_id: RecordId(before.next_id), records })
    }

    /// The end of the log, if it may be written to.
    pub(super) fn writer(&self) -> Result<MappedMutexGuard<'_, Writer>> {
        let read_only = || {
            let message = "opened for reading; open the artifact with `Store::open` to write";
            Error::new(ErrorKind::ReadOnly, message).at(&self.directory.root)
        };
        self.callers.check().map_err(|e| e.at(&self.directory.root))?;
        let writer = MutexGuard::try_map(self.writer.lock(), Option::as_mut).map_err(|_| read_only())?;
        match &writer.failed {
            None => Ok(writer),
            Some(cause) => Err(self.poisoned(cause)),
        }
    }

    fn poisoned(&self, cause: &str) -> Error {
        let message = format!(
            "nothing more is written since this failed: {cause}. Reading goes on; open the artifact again to write"
        );
        Error::new(ErrorKind::Poisoned, message).at(&self.directory.root)
    }

    /// Ends the life of the writer: after a failed write or sync nobody knows what is on disk, and a second sync would
    /// claim a success that says nothing about the first.
    pub(super) fn fail(&self, writer: &mut Writer, error: Error) -> Error {
        if self.directory.options.steps.take(Step::Poison) {
            let cause = error.to_string();
            self.gate.lock().failed.get_or_insert_with(|| cause.clone());
            writer.failed.get_or_insert(cause);
            self.gate_changed.notify_all();
        }
        error
    }

    /// Waits until commit `seq` is durable: the first to come syncs for all who wait, after `delay` for more to come.
    pub(super) fn make_durable(&self, seq: u64, delay: Duration) -> Result<()> {
        let mut gate = self.gate.lock();
        loop {
            if gate.synced >= seq {
                return Ok(());
            }
            if let Some(cause) = &gate.failed {
                return Err(self.poisoned(cause));
            }
            if !gate.has_leader {
                break;
            }
            gate.urgent |= delay.is_zero();
            self.gate_changed.notify_all();
            self.gate_changed.wait(&mut gate);
        }
        gate.has_leader = true;
        let mut left = delay;
        while !gate.urgent && !left.is_zero() {
            // Anything that changes ends this wait; only an urgent commit ends the delay early.
            let begun = std::time::Instant::now();
            self.gate_changed.wait_for(&mut gate, left);
            left = left.saturating_sub(begun.elapsed());
        }
        drop(gate);
        let result = self.lead_sync();
        let mut gate = self.gate.lock();
        (gate.has_leader, gate.urgent) = (false, false);
        drop(gate);
        self.gate_changed.notify_all();
        result
    }

    /// Syncs all that is written so far, and makes it visible.
    fn lead_sync(&self) -> Result<()> {
        let (written, file, path) = {
            let writer = self.writer()?;
            (Written::of(&writer), writer.log.file().clone(), writer.log.path().to_owned())
        };
        match self.directory.sync_data(Step::SyncCommit, &*file, &path) {
            Ok(()) => {
                self.publish(&written);
                self.synced(written.committed.seq);
                Ok(())
            }
            Err(e) => {
                let mut writer = self.writer.lock();
                Err(match writer.as_mut() {
                    Some(writer) => self.fail(writer, e),
                    None => e,
                })
            }
        }
    }

    pub(super) fn synced(&self, seq: u64) {
        let mut gate = self.gate.lock();
        gate.synced = gate.synced.max(seq);
    }

    /// Makes a written commit visible, unless a later one is already.
    pub(super) fn publish(&self, written: &Written) {
        let mut published = self.published.write();
        if published.seq < written.committed.seq {
            *published = Arc::new(State {
                seq: written.committed.seq,
                next_id: written.committed.next_id,
                sealed: published.sealed.clone(),
                tail: written.tail.clone(),
            });
        }
    }
}

impl Written {
    pub(super) fn of(writer: &Writer) -> Self {
        let committed = writer.log.committed();
        let blocks = writer.log.committed_blocks();
        let tail = LogView::new(writer.log.index().clone(), blocks, committed.len, committed.next_id);
        Self { committed, tail }
    }

    /// Whether the log has commits of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.committed.len == FILE_HEADER_LEN as u64
    }
}

/// The first bytes of a content: one more than fit into a block, or all of it.
pub(super) fn read_head(reader: &mut impl Read, inline_max: usize) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(inline_max as u64 + 1).read_to_end(&mut head).map_err(reading_content)?;
    Ok(head)
}

fn reading_content(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("reading the content to store: {cause}"))
}

/// Frames that are compressed at a time.
const FRAMES_AT_ONCE: usize = 16;

/// Cuts `head` and what follows it into frames of the large record `id`, hands them on a few at a time, and leaves the
/// record's entry in the packer. `take` gives back a buffer for more.
pub(super) fn stream_frames(
    head: Vec<u8>,
    mut reader: impl Read,
    packer: &mut Packer,
    id: u64,
    mut take: impl FnMut(RawBlocks) -> Result<RawBlocks>,
) -> Result<()> {
    let frame_len = packer.cut().frame_len;
    let mut content = head.as_slice().chain(&mut reader);
    let (mut number, mut content_len) = (0u64, 0u64);
    let mut frame = Vec::with_capacity(frame_len);
    loop {
        frame.clear();
        (&mut content).take(frame_len as u64).read_to_end(&mut frame).map_err(reading_content)?;
        let len = frame.len();
        if len > 0 {
            content_len += len as u64;
            packer.push_frame(id, frame_number(number)?, &frame);
            number += 1;
        }
        let at_end = len < frame_len;
        if at_end || packer.done_len() >= FRAMES_AT_ONCE * frame_len {
            let spare = take(packer.take())?;
            packer.recycle(spare);
        }
        if at_end {
            packer.push_large(id, content_len);
            return Ok(());
        }
    }
}
