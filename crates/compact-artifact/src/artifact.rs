//! An artifact as a whole: who may write, what is visible.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use block_format::{PartKind, Store};
use parking_lot::{Mutex, RwLock};

use crate::cache::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::Worker;
use crate::options::{Maintenance, Options};
use crate::read_path::Snapshot;
use crate::settings::{Settings, Space, SpaceOptions};
use crate::state::State;
use crate::trace::event;
use crate::write_path::{Committer, Queue};

/// The settings of the artifact: JSON.
pub(crate) const SETTINGS: PartKind = PartKind(256);
/// A shard; its tag is its number.
pub(crate) const SHARD: PartKind = PartKind(257);
/// Rows of the shard with this tag whose records are gone from the store: a serialized `RoaringBitmap`.
pub(crate) const DEAD: PartKind = PartKind(258);

/// An artifact, opened by its one writer or by any number of readers. See the [crate page](crate).
///
/// All calls take `&self` and may come from many threads at once. Calls that read see the newest commit; to see one commit for several
/// calls, take a [`Snapshot`].
#[derive(Debug)]
pub struct CompactArtifact {
    pub(crate) inner: Arc<Inner>,
    worker: Option<Worker>,
}

/// What is shared with threads of its own. Locks are taken in this order: `maintenance`, `committer`, `queue`, `published`. Readers take the
/// last one only, which is held for the exchange of one pointer.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) read_only: bool,
    pub(crate) recovery: RecoveryReport,
    pub(crate) shared: Arc<Shared>,
    /// One change of the set of shards at a time.
    pub(crate) maintenance: Mutex<()>,
    /// One commit at a time; who holds it commits for all in the queue.
    pub(crate) committer: Mutex<Committer>,
    pub(crate) queue: Mutex<Queue>,
    published: RwLock<Arc<State>>,
    versions: AtomicU64,
    /// The set of shards on disk is newer than the one in memory, because showing it failed: nothing may be built on the old one.
    is_behind: AtomicBool,
}

/// What opening found, beyond what a closed artifact has.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Commits that were not closed in: found in the log, and kept.
    pub commits_recovered: u64,
    /// Records in them.
    pub records_recovered: u64,
    /// Bytes of a commit that was never acknowledged, and was dropped.
    pub dropped_len: u64,
    /// Files of changes that never finished, and were removed.
    pub removed_files: usize,
    /// Records that no sealed index covers, and that were indexed in memory.
    pub records_indexed: u64,
    /// Indexes that were damaged or missing, and were made anew from records.
    pub shards_rebuilt: u64,
    /// Damage that was met, a sentence each. `verify` looks everywhere.
    pub damage: Vec<String>,
}

impl RecoveryReport {
    /// Whether the artifact was found as it was closed.
    pub fn is_clean(&self) -> bool {
        *self == Self { records_indexed: self.records_indexed, ..Self::default() }
    }
}

impl CompactArtifact {
    /// How to create or open an artifact otherwise than by default.
    pub fn options() -> Options {
        Options::new()
    }

    /// Creates an artifact in the directory `path`, whose parent exists, with the default [`Options`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().create(path)
    }

    /// Opens an artifact for writing, with the default [`Options`], and recovers it if it was not closed: see
    /// [`recovery`](Self::recovery). There can be one writer at a time.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// Opens an artifact for reading: a directory, beside its writer or on read-only media, or a file that [`pack`](Self::pack) wrote.
    /// [`refresh`](Self::refresh) sees later commits.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open_read_only(path)
    }

    pub(crate) fn create_with(options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let settings = options.settings()?;
        let store = Store::create(path, options.store.clone())?;
        Self::begin(store, options, settings)
    }

    /// [`create`](Options::create) in another file system, for tests.
    #[cfg(feature = "testing")]
    pub fn create_in(vfs: Arc<dyn block_format::vfs::Vfs>, options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let settings = options.settings()?;
        let store = Store::create_in(vfs, path, options.store.clone())?;
        Self::begin(store, options, settings)
    }

    /// [`open`](Options::open) in another file system, for tests.
    #[cfg(feature = "testing")]
    pub fn open_in(vfs: Arc<dyn block_format::vfs::Vfs>, options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open_in(vfs, path, options.store.clone())?;
        Self::load(store, report, options, false)
    }

    /// [`open_read_only`](Options::open_read_only) in another file system, for tests.
    #[cfg(feature = "testing")]
    pub fn open_read_only_in(
        vfs: Arc<dyn block_format::vfs::Vfs>,
        options: Options,
        path: &Path,
    ) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open_read_only_in(vfs, path, options.store.clone())?;
        Self::load(store, report, options, true)
    }

    fn begin(store: Store, options: Options, settings: Settings) -> Result<Self> {
        let bytes = settings.encode();
        store.edit(|edit| edit.write_part(SETTINGS, 0, |out| std::io::Write::write_all(out, &bytes)))?;
        let state =
            State { records: store.snapshot(), settings: Arc::new(settings), views: Vec::new(), version: 0 };
        Self::assemble(store, options, false, RecoveryReport::default(), state)
    }

    pub(crate) fn open_with(options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open(path, options.store.clone())?;
        Self::load(store, report, options, false)
    }

    pub(crate) fn open_read_only_with(options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let (store, report) = if path.is_file() {
            Store::open_packed(path, options.store.clone())?
        } else {
            Store::open_read_only(path, options.store.clone())?
        };
        Self::load(store, report, options, true)
    }

    /// Opens a packed artifact that begins at `offset` in a larger file.
    pub fn open_packed_at(path: impl AsRef<Path>, offset: u64, options: Options) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open_packed_at(path, offset, options.store.clone())?;
        Self::load(store, report, options, true)
    }

    /// Opens a packed artifact in memory, for instance one that is embedded in the program: see
    /// [`include_artifact!`](crate::include_artifact).
    pub fn open_packed_bytes(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open_packed_bytes(bytes, options.store.clone())?;
        Self::load(store, report, options, true)
    }

    fn load(
        store: Store,
        report: block_format::RecoveryReport,
        options: Options,
        read_only: bool,
    ) -> Result<Self> {
        let mut recovery = RecoveryReport {
            commits_recovered: report.commits_recovered,
            records_recovered: report.records_recovered,
            dropped_len: report.dropped_len,
            removed_files: report.removed_files.len(),
            damage: report.damage.iter().map(ToString::to_string).collect(),
            ..RecoveryReport::default()
        };
        let stored = crate::open::settings(&store.snapshot(), &options)?;
        let settings = if read_only {
            options.spaces.iter().try_for_each(|(name, _)| stored.space(name).map(drop))?;
            stored.clone().with_spaces(&options.spaces)?
        } else {
            let settings = stored.clone().with_spaces(&options.spaces)?;
            if settings.spaces.len() > stored.spaces.len() {
                write_settings(&store, &settings)?;
            }
            settings
        };
        let state = crate::open::state(&store, Arc::new(settings), &mut recovery)?;
        event!(INFO, records = state.len(), shards = state.views.len(), ?recovery, "opened");
        Self::assemble(store, options, read_only, recovery, state)
    }

    fn assemble(
        store: Store,
        options: Options,
        read_only: bool,
        recovery: RecoveryReport,
        state: State,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(options.result_cache_bytes));
        let background = options.maintenance == Maintenance::Background && !read_only;
        let inner = Arc::new(Inner {
            store,
            options,
            read_only,
            recovery,
            shared,
            maintenance: Mutex::new(()),
            committer: Mutex::new(Committer::new(&state)),
            queue: Mutex::default(),
            published: RwLock::new(Arc::new(state)),
            versions: AtomicU64::new(1),
            is_behind: AtomicBool::new(false),
        });
        let worker = background.then(|| Worker::start(&inner)).transpose()?;
        Ok(Self { inner, worker })
    }

    /// What opening found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.recovery
    }

    /// Where the artifact is.
    pub fn path(&self) -> &Path {
        self.inner.store.path()
    }

    /// Whether it was opened for reading.
    pub fn is_read_only(&self) -> bool {
        self.inner.read_only
    }

    /// The vector spaces of the artifact.
    pub fn spaces(&self) -> Vec<Space> {
        self.inner.state().settings.spaces.clone()
    }

    /// Adds a vector space. One that is there already, set up the same, is no error.
    pub fn add_space(&self, name: &str, options: SpaceOptions) -> Result<()> {
        self.inner.check_writable()?;
        let _one_at_a_time = self.inner.maintenance.lock();
        let state = self.inner.state();
        let settings = (*state.settings).clone().with_spaces(&[(name.to_owned(), options)])?;
        if settings.spaces.len() == state.settings.spaces.len() {
            return Ok(());
        }
        write_settings(&self.inner.store, &settings)?;
        let _no_commit_meanwhile = self.inner.committer.lock();
        let state = (*self.inner.state()).clone();
        self.inner.publish(State {
            records: self.inner.store.snapshot(),
            settings: Arc::new(settings),
            ..state
        });
        Ok(())
    }

    /// An immutable view of the newest commit. Takes no lock that a writer holds while it works.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.state(), self.inner.shared.clone())
    }

    /// Sees what another process committed since this reader opened the artifact or called this; for a writer there is nothing to do.
    /// Returns whether anything changed.
    pub fn refresh(&self) -> Result<bool> {
        if !self.inner.read_only {
            return Ok(false);
        }
        let _one_at_a_time = self.inner.maintenance.lock();
        let inner = &self.inner;
        if !inner.store.refresh()? {
            return Ok(false);
        }
        let settings = Arc::new(crate::open::settings(&inner.store.snapshot(), &inner.options)?);
        let state = crate::open::refreshed(&inner.store, settings, &inner.state())?;
        inner.publish(state);
        Ok(true)
    }

    /// Makes everything durable, seals what was added if there is much of it, and records that the artifact was closed: opening it again
    /// is quick then.
    ///
    /// Dropping the artifact instead loses nothing that was acknowledged; the next open then recovers.
    pub fn close(mut self) -> Result<()> {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
        if self.inner.read_only {
            return Ok(());
        }
        if self.inner.options.maintenance != Maintenance::Manual && self.inner.has_tail_to_seal_at_close() {
            self.inner.seal()?;
        }
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => Ok(inner.store.close()?),
            Err(inner) => Ok(inner.store.sync()?), // a batch writer is still there
        }
    }
}

pub(crate) fn write_settings(store: &Store, settings: &Settings) -> Result<()> {
    let bytes = settings.encode();
    store.edit(|edit| {
        let old: Vec<_> = store
            .snapshot()
            .parts()
            .iter()
            .filter(|part| part.kind() == SETTINGS)
            .map(|part| part.id())
            .collect();
        old.into_iter().try_for_each(|part| edit.drop_part(part))?;
        edit.write_part(SETTINGS, 0, |out| std::io::Write::write_all(out, &bytes))
    })?;
    Ok(())
}

impl Inner {
    /// The newest commit.
    pub(crate) fn state(&self) -> Arc<State> {
        self.published.read().clone()
    }

    /// Makes a state visible. Whoever calls this holds the committer, or is the only one who could.
    pub(crate) fn publish(&self, state: State) {
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        *self.published.write() = Arc::new(State { version, ..state });
    }

    /// Whether shards may be changed.
    pub(crate) fn check_current(&self) -> Result<()> {
        if self.is_behind.load(Ordering::Relaxed) {
            let message = "an index that was just written could not be opened; reopen the artifact to go on. Nothing is lost";
            return Err(Error::new(ErrorKind::Poisoned, message));
        }
        Ok(())
    }

    /// From now on [`check_current`](Self::check_current) fails.
    pub(crate) fn fall_behind(&self) {
        self.is_behind.store(true, Ordering::Relaxed);
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            let message = format!("{}: the artifact was opened for reading", self.store.path().display());
            return Err(Error::new(ErrorKind::ReadOnly, message));
        }
        Ok(())
    }
}
