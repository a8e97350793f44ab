//! The state of an open store in memory, and the lock that guards each piece of it.
//!
//! Locks are taken in this order: `maintenance` (one edit at a time), `writer` (the end of the log), `catalog` (the
//! manifest), `sync_gate` (the commits that wait for a sync), `published` (held for the swap of one pointer). Readers take the last
//! one only.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use parking_lot::{Condvar, MappedMutexGuard, Mutex, MutexGuard, RwLock};
use roaring::RoaringTreemap;

use super::history::History;
use super::retired::{Held, KeptFile, RetiredFiles};
use crate::bounded_cache::CacheStats;
use crate::callers::Callers;
use crate::directory::Directory;
use crate::directory::creation::Creation;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::id::{ArtifactId, CommitSeq};
use crate::log::{LogView, LogWriter};
use crate::manifest::writer::NoGeneration;
use crate::manifest::{Checkpoint, Manifest};
use crate::part::Part;
use crate::protocol::{Step, Steps};
use crate::run::Run;
use crate::segment::Segment;
use crate::workers::Workers;

/// An artifact, opened by its one writer or by any number of readers. See the [crate page](crate).
#[derive(Debug)]
pub struct Store {
    pub(crate) directory: Directory,
    /// The directory and lock that `create` made; `None` in a store that was opened.
    pub(super) creation: Option<Creation>,
    /// Refuses a thread that calls from inside of a call that holds `writer`.
    pub(super) callers: Callers,
    /// Refuses a thread that begins an edit from inside of another one.
    pub(super) editors: Callers,
    pub(super) maintenance: Mutex<()>,
    /// `None` in a store opened for reading.
    pub(super) writer: Mutex<Option<Writer>>,
    pub(super) catalog: Mutex<Manifest>,
    pub(super) sync_gate: Mutex<SyncGate>,
    pub(super) sync_gate_changed: Condvar,
    pub(super) published: RwLock<Arc<State>>,
    /// What the newest commits did.
    pub(super) history: Mutex<History>,
    /// Of a reader: where the log ended when it was last read.
    pub(super) position: Mutex<Checkpoint>,
    /// Length of the logs at which the next automatic seal is due.
    pub(super) seal_due_at: AtomicU64,
    /// Files of earlier generations.
    pub(super) retired: RetiredFiles,
}

/// The end of the log.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) log: LogWriter,
    /// Why nothing more may be written.
    pub(super) failed: Option<String>,
}

/// Commits that wait for a sync: one of the waiting threads, the leader, syncs for all.
#[derive(Debug, Default)]
pub(super) struct SyncGate {
    /// The newest commit known to be durable.
    pub(super) synced: u64,
    /// A thread is about to sync for all that wait.
    pub(super) has_leader: bool,
    /// When it does so at the latest.
    pub(super) due: Option<Instant>,
    pub(super) failed: Option<String>,
}

impl SyncGate {
    /// Whether a sync can still make commit `seq` durable, and has to.
    pub(super) fn is_waited_for(&self, seq: u64) -> bool {
        self.synced < seq && self.failed.is_none()
    }

    /// Has the sync that is to come begin at `due` at the latest. Whether it would have begun later.
    pub(super) fn hasten(&mut self, due: Instant) -> bool {
        let is_earlier = self.due.is_none_or(|other| due < other);
        if is_earlier {
            self.due = Some(due);
        }
        is_earlier
    }
}

/// One commit, as readers see it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) seq: u64,
    pub(super) next_id: u64,
    pub(super) sealed: Arc<Sealed>,
    pub(super) tail: LogView,
}

/// All but the active log.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) segments: Vec<Arc<Segment>>,
    /// Logs that were ended and are not sealed yet.
    pub(super) frozen: Vec<LogView>,
    pub(super) parts: Vec<Arc<Part>>,
    /// Deleted ids whose records are in segments.
    pub(super) deletes: Arc<RoaringTreemap>,
}

impl Sealed {
    /// Segments and frozen logs that have records, in the order of their ids.
    pub(super) fn runs(&self) -> Vec<Arc<dyn Run>> {
        let segments = self.segments.iter().map(|segment| Arc::clone(segment) as Arc<dyn Run>);
        let frozen = self.frozen.iter().map(|log| -> Arc<dyn Run> { Arc::new(log.clone()) });
        let mut runs: Vec<_> = segments.chain(frozen).filter(|run| run.ids().is_some()).collect();
        runs.sort_by_key(|run| run.ids());
        runs
    }

    pub(super) fn files(&self) -> Vec<Held> {
        let segments =
            self.segments.iter().map(|segment| Held::new(segment.entry.file, segment.entry.len, segment));
        let parts = self.parts.iter().map(|part| Held::new(part.entry.file, part.entry.len, part));
        let logs = self.frozen.iter().map(|log| Held::new(log.index.id, log.len, &log.index));
        segments.chain(parts).chain(logs).collect()
    }
}

/// A state of the log that is written, and perhaps not yet synced or visible.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) committed: Checkpoint,
    pub(super) tail: LogView,
}

impl Store {
    /// A store that can be written to: `log` is its active log.
    pub(super) fn for_writing(
        directory: Directory,
        log: LogWriter,
        catalog: Manifest,
        sealed: Sealed,
    ) -> Self {
        let writer = Writer { log, failed: None };
        let written = writer.written();
        Self::new(directory, Some(writer), catalog, sealed, written)
    }

    /// A store that is only read, up to `written`.
    pub(super) fn for_reading(
        directory: Directory,
        catalog: Manifest,
        sealed: Sealed,
        written: Written,
    ) -> Self {
        Self::new(directory, None, catalog, sealed, written)
    }

    fn new(
        directory: Directory,
        writer: Option<Writer>,
        catalog: Manifest,
        sealed: Sealed,
        written: Written,
    ) -> Self {
        let Written { committed, tail } = written;
        let Checkpoint { seq, next_id, .. } = committed;
        let segment_len = directory.options.segment_len;
        Self {
            directory,
            creation: None,
            callers: Callers::default(),
            editors: Callers::default(),
            maintenance: Mutex::default(),
            writer: Mutex::new(writer),
            catalog: Mutex::new(catalog),
            sync_gate: Mutex::new(SyncGate { synced: seq, ..SyncGate::default() }),
            sync_gate_changed: Condvar::new(),
            published: RwLock::new(Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail })),
            history: Mutex::new(History::at(seq, next_id)),
            position: Mutex::new(committed),
            seal_due_at: AtomicU64::new(segment_len),
            retired: RetiredFiles::default(),
        }
    }

    /// Size and hits of the cache of decoded blocks.
    pub fn cache_stats(&self) -> CacheStats {
        self.directory.cache.stats()
    }

    /// Heap of the tables of the cache of decoded blocks.
    pub fn cache_table_bytes(&self) -> u64 {
        self.directory.cache.table_bytes()
    }

    /// Heap of the buffers that blocks are compressed into.
    pub fn buffer_bytes(&self) -> u64 {
        self.directory.codec.buffer_bytes()
    }

    /// Lets go of all decoded blocks.
    pub fn clear_cache(&self) {
        self.directory.cache.clear();
    }

    /// Files that a later generation replaced, and that snapshots, records or iterators of this process still hold: on most systems their space is
    /// returned to the disk only when these are dropped.
    pub fn kept_files(&self) -> Vec<KeptFile> {
        self.retired.kept()
    }

    /// The check of who may call this store.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// The threads that work for this store.
    pub fn workers(&self) -> &Arc<Workers> {
        &self.directory.workers
    }

    /// The identity of the artifact.
    pub fn artifact(&self) -> ArtifactId {
        self.directory.artifact
    }

    pub(crate) fn steps(&self) -> Steps {
        self.directory.options.steps
    }

    /// Where the artifact is.
    pub fn path(&self) -> &Path {
        &self.directory.root
    }

    /// The newest visible commit.
    pub fn last_commit(&self) -> CommitSeq {
        CommitSeq(self.published.read().seq)
    }
}

impl Store {
    /// The end of the log, if it may be written to.
    pub(super) fn writer(&self) -> Result<MappedMutexGuard<'_, Writer>> {
        let read_only = || {
            let message = "opened for reading; `open` it to write";
            Error::new(ErrorKind::ReadOnly, message).at(&self.directory.root)
        };
        self.callers.check().map_err(|e| e.at(&self.directory.root))?;
        let writer = MutexGuard::try_map(self.writer.lock(), Option::as_mut).map_err(|_| read_only())?;
        match &writer.failed {
            None => Ok(writer),
            Some(cause) => Err(self.poisoned(cause)),
        }
    }

    pub(super) fn poisoned(&self, cause: &str) -> Error {
        let message = format!(
            "nothing more is written since this failed: {cause}. Reading goes on; open the artifact again to write"
        );
        Error::new(ErrorKind::Poisoned, message).at(&self.directory.root)
    }

    /// [`fail`](Self::fail), unless nothing was written of a generation.
    pub(super) fn fail_unless_unwritten(&self, writer: &mut Writer, failed: NoGeneration) -> Error {
        if failed.left_nothing { failed.error } else { self.fail(writer, failed.error) }
    }

    /// Ends the life of the writer: after a failed write or sync nobody knows what is on disk, and a second sync would
    /// claim a success that says nothing about the first.
    pub(super) fn fail(&self, writer: &mut Writer, error: Error) -> Error {
        if self.directory.options.steps.take(Step::Poison) {
            let cause = error.to_string();
            self.sync_gate.lock().failed.get_or_insert_with(|| cause.clone());
            writer.failed.get_or_insert(cause);
            self.sync_gate_changed.notify_all();
        }
        error
    }
}

impl Writer {
    /// All that is written to the log and committed.
    pub(super) fn written(&self) -> Written {
        let committed = self.log.committed();
        let blocks = self.log.committed_blocks();
        let tail = LogView::new(self.log.index().clone(), blocks, committed.len, committed.next_id);
        Written { committed, tail }
    }
}

impl Written {
    /// Whether the log has commits of its own.
    pub(super) fn is_empty(&self) -> bool {
        self.committed.len == FILE_HEADER_LEN as u64
    }
}
