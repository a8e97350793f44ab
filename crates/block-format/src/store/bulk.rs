//! Many records, or long ones, straight into sealed segments.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::mpsc::{Receiver, sync_channel};

use parking_lot::MappedMutexGuard;

use super::commit::Receipt;
use super::frames::{read_head, stream_frames};
use super::publish::Changes;
use super::state::{Store, Writer};
use crate::block::writer::{EncodedBlock, Packer, RawBlocks};
use crate::callers::Inside;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::id::{CommitSeq, RecordId};
use crate::manifest::Checkpoint;
use crate::segment::SegmentsWriter;

/// Raw bytes that are compressed at a time: enough for every core, little enough for a device.
const AT_ONCE: usize = 4 << 20;

/// Lots of that length that are being compressed while the caller fills the next one. With none, the caller's own work
/// (cutting text into records, say) and the pool's take turns: a third slower.
const IN_FLIGHT: usize = 2;

/// Blocks that the pool is compressing. They come back with the result, for the sake of their memory.
type Compressing = Receiver<(RawBlocks, Result<Vec<EncodedBlock>>)>;

/// A commit of any size in bounded memory: blocks are compressed by the [`Workers`](crate::Workers) of the store and written to
/// sealed segments as they come, once. Nothing is visible before [`Bulk::finish`], and dropping the value undoes all.
///
/// It holds the writer's lock: commits of other threads wait until it is finished or dropped, and those of the same thread are an error of kind
/// [`Reentrant`](crate::ErrorKind::Reentrant).
#[derive(Debug)]
#[must_use = "records become visible with `finish`"]
pub struct Bulk<'a> {
    store: &'a Store,
    writer: MappedMutexGuard<'a, Writer>,
    inside: Inside<'a>,
    segments: SegmentsWriter<'a>,
    packer: Packer,
    /// Being compressed, in order.
    in_flight: VecDeque<Compressing>,
    first_id: u64,
    next_id: u64,
    /// An earlier call failed: there is a gap, and nothing may be finished.
    failed: bool,
}

impl Store {
    /// Begins a bulk commit.
    pub fn bulk(&self) -> Result<Bulk<'_>> {
        let writer = self.writer()?;
        let next_id = writer.log.committed().next_id;
        Ok(Bulk {
            store: self,
            writer,
            inside: self.callers.enter(),
            segments: SegmentsWriter::new(&self.directory, self.directory.options.segment_len),
            packer: Packer::new(self.directory.limits()),
            in_flight: VecDeque::new(),
            first_id: next_id,
            next_id,
            failed: false,
        })
    }
}

impl Bulk<'_> {
    /// Adds a record and returns the id that it will have.
    pub fn put(&mut self, content: &[u8]) -> Result<RecordId> {
        let id = self.next_id()?;
        let result = self.packer.push(id, content);
        self.void_on_error(result)?;
        if self.packer.done_len() >= AT_ONCE {
            let result = self.write_packed();
            self.void_on_error(result)?;
        }
        Ok(RecordId(id))
    }

    /// Adds a record of any length from a reader. After an error of the reader the whole bulk commit is void.
    pub fn put_reader(&mut self, mut reader: impl Read) -> Result<RecordId> {
        let head = read_head(&mut reader, self.packer.limits().inline_max);
        let head = self.void_on_error(head)?;
        if head.len() <= self.packer.limits().inline_max {
            return self.put(&head);
        }
        let id = self.next_id()?;
        let ended = self.packer.end_block();
        self.void_on_error(ended)?;
        let Self { store, segments, packer, in_flight, .. } = self;
        let before = packer.take();
        let mut pipeline = Pipeline { directory: &store.directory, segments, in_flight };
        let result = pipeline
            .push(before)
            .and_then(|_| stream_frames(head, reader, packer, id, |blocks| pipeline.push(blocks)));
        self.void_on_error(result)?;
        Ok(RecordId(id))
    }

    /// Records added so far.
    pub fn record_count(&self) -> u64 {
        self.next_id - self.first_id
    }

    /// One more than the last id used.
    pub(crate) fn end(&self) -> u64 {
        self.next_id
    }

    /// Leaves out ids up to `id`.
    pub(crate) fn skip_to(&mut self, id: u64) {
        self.next_id = self.next_id.max(id);
    }

    /// Makes all records durable and visible, as one commit.
    pub fn finish(mut self) -> Result<Receipt> {
        self.check()?;
        let (first_id, records) = (RecordId(self.first_id), self.record_count());
        let before = self.writer.log.committed();
        if records == 0 {
            let Self { store, writer, inside, .. } = self;
            drop((inside, writer));
            store.sync()?;
            return Ok(Receipt { seq: CommitSeq(before.seq), first_id, records });
        }
        let (seq, _) = before.after(0)?;
        self.packer.end_block()?;
        self.write_packed()?;
        let Self { store, mut writer, inside, mut segments, mut in_flight, next_id, .. } = self;
        let directory = &store.directory;
        Pipeline { directory, segments: &mut segments, in_flight: &mut in_flight }.drain_to(0)?;
        let segments = segments.finish()?;
        let state = Checkpoint { seq, next_id, ..before };
        let changes = Changes { segments, state: Some(state), ..Changes::default() };
        // The log's records come before these: it ends here, and the next one begins behind them.
        store.rotate(&mut writer).inspect_err(|_| changes.remove_new_files(directory))?;
        store.publish_changes(changes, Some(&mut writer))?;
        drop((inside, writer));
        store.seal_if_due();
        Ok(Receipt { seq: CommitSeq(state.seq), first_id, records })
    }

    fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::invalid(
                "an earlier call of this bulk commit failed: drop it and begin again",
            ));
        }
        Ok(())
    }

    fn next_id(&mut self) -> Result<u64> {
        self.check()?;
        let id = self.next_id;
        self.next_id = id.checked_add(1).ok_or_else(|| Error::invalid("all 2^64 ids are used"))?;
        Ok(id)
    }

    /// After an error the records that were given ids are incomplete: the whole bulk commit is void.
    fn void_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        self.failed |= result.is_err();
        result
    }

    /// Hands what is packed to the pool, and writes what the pool has done.
    fn write_packed(&mut self) -> Result<()> {
        let Self { store, segments, packer, in_flight, .. } = self;
        let blocks = packer.take();
        let spare = Pipeline { directory: &store.directory, segments, in_flight }.push(blocks)?;
        packer.recycle(spare);
        Ok(())
    }
}

/// Packed blocks → the pool → the segments, in order.
struct Pipeline<'a, 'b> {
    directory: &'a Directory,
    segments: &'a mut SegmentsWriter<'b>,
    in_flight: &'a mut VecDeque<Compressing>,
}

impl Pipeline<'_, '_> {
    /// Begins to compress `blocks`; then waits until no more than [`IN_FLIGHT`] lots are under way, and writes what is
    /// done. Returns a buffer for the next ones.
    fn push(&mut self, blocks: RawBlocks) -> Result<RawBlocks> {
        let (send, receive) = sync_channel(1);
        let codec = self.directory.codec.clone();
        let pool = self.directory.workers.pool();
        let divided = pool.is_some();
        let encode = move || {
            let encoded = blocks.encode(&codec, None, divided);
            drop(send.send((blocks, encoded))); // nobody waits for it when the bulk commit was given up
        };
        match pool {
            Some(pool) => pool.spawn(encode),
            None => encode(),
        }
        self.in_flight.push_back(receive);
        self.drain_to(IN_FLIGHT)
    }

    fn drain_to(&mut self, len: usize) -> Result<RawBlocks> {
        let mut spare = RawBlocks::default();
        while self.in_flight.len() > len {
            let Some(receive) = self.in_flight.pop_front() else { break };
            let gone = |_| Error::invalid("the pool of threads gave up compressing");
            let (blocks, encoded) = receive.recv().map_err(gone)?;
            encoded?.iter().try_for_each(|block| self.segments.append(block))?;
            spare = blocks;
        }
        Ok(spare)
    }
}
