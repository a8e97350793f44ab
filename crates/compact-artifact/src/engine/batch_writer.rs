//! Records from many threads → batches, committed by count, bytes or age.
//!
//! What they hold meanwhile is written down in `pending`, for those who look for records that were not flushed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::commit::prepare::prepare;
use super::core::Engine;
use super::pending::{Pending, PendingAccount};
use crate::api::batch::Batch;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::record::Record;

/// When a [`BatchWriter`] commits.
#[derive(Debug, Clone)]
#[must_use]
pub struct BatchOptions {
    batch_size: usize,
    flush_interval: Option<Duration>,
    max_memory: usize,
}

impl BatchOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commits when so many records wait, at least 1. Default: 1,000.
    pub fn batch_size(mut self, records: usize) -> Self {
        self.batch_size = records;
        self
    }

    /// Commits when a record has waited so long, which a thread of the writer's own looks after; longer than 0. Without, it waits however long. Default: none.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = Some(interval);
        self
    }

    /// Content, metadata and embeddings of records that wait or are being committed, as they are held in memory, in bytes, at least 1: a thread that adds more waits. Default: 16 MiB.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.max_memory = bytes;
        self
    }
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { batch_size: 1_000, flush_interval: None, max_memory: 16 << 20 }
    }
}

/// What a batch writer did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BatchReport {
    /// Records that were committed.
    pub records: u64,
    /// Commits that it took.
    pub batches: u64,
}

/// Collects records from any number of threads and commits them in batches. A batch is there as a whole or not at all; each record is in the
/// batch that was collecting when it was added. Where an embedder panics, so does the call that commits, and all later ones return an error of kind
/// [`Embedder`](crate::ErrorKind::Embedder).
///
/// ```
/// # use compact_artifact::{BatchOptions, CompactArtifact, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let writer = artifact.batch_writer(BatchOptions::default())?;
/// std::thread::scope(|threads| {
///     for thread in 0..4 {
///         let writer = &writer;
///         threads.spawn(move || (0..100).try_for_each(|i| writer.add(Record::text(format!("note {i} of thread {thread}")))));
///     }
/// });
/// assert_eq!(writer.finish()?.records, 400);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "records that wait are committed by `finish`"]
pub struct BatchWriter {
    shared: Arc<Shared>,
    /// Commits what has waited for `flush_interval`, if there is one.
    timer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// What batches are committed by.
    engine: Arc<Engine>,
    options: BatchOptions,
    /// What the threads that add have in common.
    buffer: Mutex<Buffer>,
    /// Something was committed, or the end has come.
    changed: Condvar,
    /// What is held, for those who ask.
    pending: Arc<PendingAccount>,
}

/// What is shared by the threads that add, and guarded by one lock.
#[derive(Debug, Default)]
struct Buffer {
    /// Records that wait.
    batch: Batch,
    /// Bytes of the batch.
    bytes: usize,
    /// How many batches were taken.
    taken: u64,
    /// The batches that are being committed, by their number.
    committing: BTreeMap<u64, Taken>,
    /// Since when the oldest record waits.
    since: Option<Instant>,
    /// What was committed so far.
    report: BatchReport,
    /// The error of the first batch that failed.
    failed: Option<Error>,
    /// No more records will come.
    ended: bool,
}

/// A batch that is being committed.
#[derive(Debug)]
struct Taken {
    bytes: usize,
    /// Who commits it.
    thread: ThreadId,
    /// It is in the queue of the engine, or has left it. Batches go there in their order: a record that was added later takes the place of one
    /// with the same key that was added before.
    is_queued: bool,
}

impl BatchWriter {
    /// Starts the thread that looks after the interval, if there is one.
    pub(crate) fn start(engine: &Arc<Engine>, options: BatchOptions) -> Result<Self> {
        engine.check_writable()?;
        if options.batch_size == 0
            || options.max_memory == 0
            || options.flush_interval == Some(Duration::ZERO)
        {
            return Err(Error::invalid(
                "batch options: expected a batch size, a memory and an interval above 0",
            ));
        }
        let interval = options.flush_interval;
        let (buffer, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared {
            engine: engine.clone(),
            options,
            buffer,
            changed,
            pending: engine.pending.add(),
        });
        let timer = interval.map(|interval| {
            let theirs = shared.clone();
            thread::Builder::new()
                .name("compact-artifact".to_owned())
                .spawn(move || theirs.flush_by_age(interval))
        });
        let failed = |e| Error::no_thread(e, "leave out the interval, and flush by hand");
        Ok(Self { shared, timer: timer.transpose().map_err(failed)? })
    }

    /// Adds a record, and waits where [`max_memory`](BatchOptions::max_memory) says so. A record that could be stored nowhere in the artifact, such as one
    /// with a vector of another dimension, is refused by itself, and the writer goes on. Whether its key is taken shows when its batch is committed: a key that is
    /// there, or twice in the batch, is an error of kind [`AlreadyExists`](crate::ErrorKind::AlreadyExists) that costs all of the batch, and [`upsert`](Self::upsert) is for
    /// records that may be there. Returns the error of an earlier batch that failed; from then on nothing more is taken. An embedder that the writer itself
    /// calls gets an error of kind [`Reentrant`](crate::ErrorKind::Reentrant).
    pub fn add(&self, record: Record) -> Result<()> {
        self.push(record, false)
    }

    /// Adds a record in the place of the one with its key; see [`add`](Self::add). One of other content without the embedding that was given to the former is an error of kind
    /// [`WouldLoseEmbedding`](crate::ErrorKind::WouldLoseEmbedding) when its batch is committed, and costs all of it.
    pub fn upsert(&self, record: Record) -> Result<()> {
        self.push(record, true)
    }

    /// Commits what waits, in the calling thread, and waits for what others are committing. When this returns, all that was added before is as
    /// durable as [`Options::durability`](crate::Options::durability) says. Returns the error of the first batch that failed.
    pub fn flush(&self) -> Result<()> {
        self.shared.engine.check_writable()?;
        let mut buffer = self.shared.buffer.lock();
        buffer.check_outside()?;
        let taken = buffer.take();
        let next = buffer.taken;
        drop(buffer);
        self.shared.commit(taken)?;
        let mut buffer = self.shared.buffer.lock();
        while buffer.committing.range(..next).next().is_some() {
            self.shared.engine.check_may_wait()?;
            self.shared.changed.wait(&mut buffer);
        }
        buffer.failed.as_ref().map_or(Ok(()), |e| Err(e.duplicate()))
    }

    /// Commits what waits, and says what was done; or returns the error of the first batch that failed.
    pub fn finish(mut self) -> Result<BatchReport> {
        let flushed = self.flush();
        self.end();
        flushed?;
        let mut buffer = self.shared.buffer.lock();
        while !buffer.committing.is_empty() {
            self.shared.engine.check_may_wait()?;
            self.shared.changed.wait(&mut buffer);
        }
        match buffer.failed.take() {
            Some(e) => Err(e),
            None => Ok(buffer.report),
        }
    }

    /// Adds a record to the batch, and commits the batch if it is full.
    fn push(&self, record: Record, replace: bool) -> Result<()> {
        let Shared { options, buffer, changed, engine, pending } = &*self.shared;
        engine.callers.check_process()?;
        // A record that cannot be stored does not take its batch with it.
        prepare(&record, replace, &engine.state().settings)?;
        let bytes = record.held_bytes();
        let mut buffer = buffer.lock();
        buffer.check_outside()?;
        // A record that is larger than everything allowed goes alone.
        while !buffer.committing.is_empty() && buffer.held() + bytes > options.max_memory {
            engine.check_may_wait()?;
            changed.wait(&mut buffer);
        }
        if let Some(e) = &buffer.failed {
            return Err(e.duplicate());
        }
        buffer.since.get_or_insert_with(Instant::now);
        let batch = std::mem::take(&mut buffer.batch);
        buffer.batch = if replace { batch.upsert(record) } else { batch.add(record) };
        buffer.bytes += bytes;
        let is_full = buffer.batch.len() >= options.batch_size || buffer.bytes >= options.max_memory / 2;
        let taken = if is_full { buffer.take() } else { None };
        pending.set(buffer.pending());
        drop(buffer);
        self.shared.commit(taken)
    }

    /// Ends the thread that looks after the interval.
    fn end(&mut self) {
        if self.shared.engine.callers.check_process().is_err() {
            return; // a forked process has no such thread
        }
        self.shared.buffer.lock().ended = true;
        self.shared.changed.notify_all();
        if let Some(timer) = self.timer.take()
            && self.shared.engine.check_may_wait().is_ok()
        {
            drop(timer.join()); // otherwise it ends by itself
        }
    }
}

/// What waits is not committed: that is for [`BatchWriter::finish`].
impl Drop for BatchWriter {
    fn drop(&mut self) {
        self.end();
    }
}

impl Buffer {
    /// Takes what waits, to be committed.
    fn take(&mut self) -> Option<(u64, Batch)> {
        if self.batch.is_empty() {
            return None;
        }
        let number = self.taken;
        self.taken += 1;
        let (bytes, thread) = (std::mem::take(&mut self.bytes), block_format::calling_thread());
        self.committing.insert(number, Taken { bytes, thread, is_queued: false });
        self.since = None;
        Some((number, std::mem::take(&mut self.batch)))
    }

    /// Refuses a thread that would wait for its own commit: an embedder that is called by it.
    fn check_outside(&self) -> Result<()> {
        let here = block_format::calling_thread();
        if self.committing.values().all(|taken| taken.thread != here) {
            return Ok(());
        }
        let message = "a batch writer is called from inside of its own commit, for which it would wait";
        Err(Error::new(ErrorKind::Reentrant, message))
    }

    /// What those who look for unflushed records are told.
    fn pending(&self) -> Pending {
        Pending { records: self.batch.len() as u64, bytes: self.held() as u64, since: self.since }
    }

    /// Bytes of the records that wait or are being committed.
    fn held(&self) -> usize {
        self.bytes + self.committing.values().map(|taken| taken.bytes).sum::<usize>()
    }
}

impl Shared {
    /// Commits a batch that was taken, and tells those who wait for memory.
    fn commit(&self, taken: Option<(u64, Batch)>) -> Result<()> {
        let Some((number, batch)) = taken else { return Ok(()) };
        let records = batch.len() as u64;
        self.engine.callers.check_process()?; // a forked process has no others to wait for
        let mut ending = Ending { shared: self, number, result: Err(panicked()) };
        let prepared = self.engine.prepare(batch);
        let mut buffer = self.buffer.lock();
        while buffer.committing.range(..number).any(|(_, earlier)| !earlier.is_queued) {
            self.changed.wait(&mut buffer);
        }
        let slot = prepared.map(|prepared| self.engine.enqueue(prepared));
        if let Some(taken) = buffer.committing.get_mut(&number) {
            taken.is_queued = true;
        }
        self.changed.notify_all();
        drop(buffer);
        let result = slot.and_then(|slot| self.engine.commit_queued(&slot)).map(drop);
        ending.result = result.as_ref().map_or_else(|e| Err(e.duplicate()), |()| Ok(records));
        result
    }

    /// Commits what has waited for `interval`, until the writer ends.
    fn flush_by_age(&self, interval: Duration) {
        let mut buffer = self.buffer.lock();
        while !buffer.ended {
            let age = buffer.since.map_or(Duration::ZERO, |since| since.elapsed());
            if age < interval {
                self.changed.wait_for(&mut buffer, interval.saturating_sub(age));
                continue;
            }
            let taken = buffer.take();
            drop(buffer);
            drop(self.commit(taken)); // kept for `finish` if it failed
            buffer = self.buffer.lock();
        }
    }
}

/// The end of a commit, also by a panic of an embedder: dropped, it tells those who wait for it.
struct Ending<'a> {
    shared: &'a Shared,
    number: u64,
    /// How many records were committed.
    result: Result<u64>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut buffer = self.shared.buffer.lock();
        buffer.committing.remove(&self.number);
        match &self.result {
            Ok(records) => {
                buffer.report.records += records;
                buffer.report.batches += 1;
            }
            Err(e) => drop(buffer.failed.get_or_insert_with(|| e.duplicate())),
        }
        self.shared.pending.set(buffer.pending());
        self.shared.changed.notify_all();
    }
}

/// The error of a batch whose thread did not come to the end of its commit.
fn panicked() -> Error {
    let message = "a thread panicked while it committed a batch, which an embedder may have done; the batch may be there or not, and the batch writer takes no more";
    Error::new(ErrorKind::Embedder, message)
}
