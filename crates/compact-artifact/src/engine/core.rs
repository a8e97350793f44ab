//! What all of the engine shares: the store, the locks, the newest state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use block_format::{Callers, CommitSeq, Inside, Store};
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::commit::{CommitState, Queue};
use super::gone::DeletedRecords;
use super::pending::PendingAccounts;
use super::signal::Signal;
use super::tenure::Tenure;
use super::visible::Visible;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::options::Options;
use crate::api::reports::RecoveryReport;
use crate::format::settings::Settings;
#[cfg(feature = "async")]
use crate::requests::Requests;
use crate::search::SearchResources;
use crate::state::State;
use crate::trace::{Work, timed};

/// What is shared with threads of its own. Locks are taken in this order: `tenure`, `maintenance_lock`, `commit_lock`, `queue`, `published`. Readers take the
/// last one only, which is held for the exchange of one pointer.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) read_only: bool,
    pub(crate) recovery: RecoveryReport,
    /// Of before it was opened for writing, and the newest commit of then.
    pub(super) settings_before: Option<(Settings, CommitSeq)>,
    /// Another process changed the settings since.
    pub(super) others_changed_settings: AtomicBool,
    pub(crate) resources: Arc<SearchResources>,
    /// Wakes and stops the thread for maintenance.
    pub(super) signal: Signal,
    /// Who may write.
    pub(crate) callers: Callers,
    /// Whether this process is the one that writes.
    pub(super) tenure: Tenure,
    /// The threads for calls that are awaited.
    #[cfg(feature = "async")]
    pub(crate) requests: Requests,
    /// One change of the set of shards at a time; see [`lock_maintenance`](Engine::lock_maintenance).
    pub(super) maintenance_lock: Mutex<()>,
    /// Who has that lock.
    maintainers: Callers,
    /// One move to another model at a time; taken before all others.
    #[cfg(feature = "embedder")]
    pub(super) reembed_lock: Mutex<()>,
    /// Who has that lock.
    #[cfg(feature = "embedder")]
    pub(super) reembedders: Callers,
    /// One commit at a time; the thread that has the lock commits for all in the queue.
    pub(super) commit_lock: Mutex<CommitState>,
    pub(super) queue: Mutex<Queue>,
    /// What batch writers hold.
    pub(crate) pending: PendingAccounts,
    /// Of the newest sealing that happened by itself.
    pub(super) maintenance_error: Mutex<Option<Error>>,
    /// Of an artifact that somebody follows: see `watch` and `changes_since`.
    pub(super) deleted_records: Mutex<Option<DeletedRecords>>,
    /// Of an artifact whose records expire: what readers see of the published state.
    pub(super) visible: Mutex<Option<Visible>>,
    published: RwLock<Arc<State>>,
    versions: AtomicU64,
    /// The set of shards on disk is newer than the one in memory, because publishing it failed: nothing may be built on the old one.
    must_reopen: AtomicBool,
    /// Of a reader: the store has seen a commit that is not published, because indexing it failed.
    pub(super) is_behind: AtomicBool,
}

/// The maintenance lock, and which thread has it.
#[derive(Debug)]
#[must_use = "dropped, the lock is free"]
pub(super) struct Maintaining<'a> {
    _inside: Inside<'a>,
    _lock: MutexGuard<'a, ()>,
}

impl Engine {
    pub(super) fn new(
        store: Store,
        options: Options,
        read_only: bool,
        recovery: RecoveryReport,
        state: State,
    ) -> Self {
        Self {
            resources: Arc::new(SearchResources::new(&options, store.workers().clone())),
            #[cfg(feature = "async")]
            requests: Requests::new(options.max_concurrent_requests),
            signal: Signal::default(),
            store,
            options,
            read_only,
            recovery,
            settings_before: None,
            others_changed_settings: AtomicBool::new(false),
            callers: Callers::default(),
            tenure: Tenure::new(!read_only),
            maintenance_lock: Mutex::new(()),
            maintainers: Callers::default(),
            #[cfg(feature = "embedder")]
            reembed_lock: Mutex::new(()),
            #[cfg(feature = "embedder")]
            reembedders: Callers::default(),
            commit_lock: Mutex::new(CommitState::new(&state)),
            queue: Mutex::default(),
            pending: PendingAccounts::default(),
            maintenance_error: Mutex::default(),
            deleted_records: Mutex::default(),
            visible: Mutex::default(),
            published: RwLock::new(Arc::new(state)),
            versions: AtomicU64::new(1),
            must_reopen: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
        }
    }

    /// The newest commit.
    pub(crate) fn state(&self) -> Arc<State> {
        self.published.read().clone()
    }

    /// Makes a state visible. The caller has the commit lock, or is the only one who could.
    pub(crate) fn publish(&self, state: State) {
        let version = self.next_version();
        *self.published.write() = Arc::new(State { version, ..state });
    }

    /// A number that no state has.
    pub(super) fn next_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether shards may be changed.
    pub(crate) fn check_current(&self) -> Result<()> {
        self.callers.check()?;
        if self.must_reopen.load(Ordering::Relaxed) {
            let message = "an index that was just written could not be opened; reopen the artifact to go on. Nothing is lost";
            return Err(Error::new(ErrorKind::Poisoned, message));
        }
        Ok(())
    }

    /// Waits for the maintenance lock. An error of kind [`Reentrant`](ErrorKind::Reentrant) for a thread that has it and runs code of its caller, such as `progress`.
    pub(super) fn lock_maintenance(&self) -> Result<Maintaining<'_>> {
        self.maintainers.check()?;
        let lock = timed(Work::Lock, || self.maintenance_lock.lock());
        Ok(Maintaining { _inside: self.maintainers.enter(), _lock: lock })
    }

    /// Refuses to let a thread wait for others that has a lock which these may need, and runs code of its caller.
    pub(super) fn check_may_wait(&self) -> Result<()> {
        self.callers.check()?;
        Ok(self.maintainers.check()?)
    }

    /// From now on [`check_current`](Self::check_current) fails.
    pub(crate) fn require_reopening(&self) {
        self.must_reopen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            let message = format!("{}: the artifact was opened for reading", self.store.path().display());
            return Err(Error::new(ErrorKind::ReadOnly, message));
        }
        Ok(self.callers.check()?)
    }

    /// Lets go of decoded blocks, results and embeddings that are kept.
    pub(crate) fn clear_caches(&self) {
        self.resources.clear_caches();
        self.store.clear_cache();
    }

    /// Lets go of caches, of columns and of room that searches keep.
    pub(crate) fn release_memory(&self) {
        self.clear_caches();
        self.resources.clear_scratches();
        self.state().views.iter().for_each(|view| view.shard.clear_columns());
    }
}
