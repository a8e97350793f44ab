//! An artifact as a whole: who may write, what is visible.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use block_format::{Callers, PartKind, Store};
use parking_lot::{Mutex, RwLock};

use crate::cache::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::maintenance::Worker;
use crate::open::{Opening, SETTINGS_COPIES};
use crate::options::{Maintenance, Options};
use crate::protocol::{Step, Steps};
use crate::read_path::Snapshot;
use crate::settings::{Settings, Space, SpaceOptions};
use crate::state::State;
use crate::trace::event;
use crate::write_path::{Committer, Queue};

/// The settings of the artifact: JSON. Two parts with the same content; their tags are 0 and 1.
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
    /// Who may write.
    pub(crate) callers: Callers,
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

    /// Creates an artifact in the directory `path`, whose parent exists, with the default [`Options`]. A directory that is there already must
    /// be empty. What fails leaves nothing behind.
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
        Self::load(store, report, options, false, false)
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
        Self::load(store, report, options, true, false)
    }

    fn begin(store: Store, options: Options, settings: Settings) -> Result<Self> {
        if let Err(e) = write_settings(&store, &settings, options.steps) {
            let _ = store.destroy(); // the error that is returned says why
            return Err(e);
        }
        let state = State {
            records: store.snapshot(),
            settings: Arc::new(settings),
            views: Vec::new(),
            version: 0,
            steps: options.steps,
        };
        Self::start(Inner::new(store, options, false, RecoveryReport::default(), state))
    }

    pub(crate) fn open_with(options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open(path, options.store.clone())?;
        Self::load(store, report, options, false, false)
    }

    pub(crate) fn open_read_only_with(options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let (store, report) = if path.is_file() {
            Store::open_packed(path, options.store.clone())?
        } else {
            Store::open_read_only(path, options.store.clone())?
        };
        Self::load(store, report, options, true, false)
    }

    /// Opens a packed artifact that begins at `offset` in a larger file.
    pub fn open_packed_at(path: impl AsRef<Path>, offset: u64, options: Options) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open_packed_at(path, offset, options.store.clone())?;
        Self::load(store, report, options, true, false)
    }

    /// Opens a packed artifact in memory, for instance one that is embedded in the program: see
    /// [`include_artifact!`](crate::include_artifact).
    pub fn open_packed_bytes(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open_packed_bytes(bytes, options.store.clone())?;
        Self::load(store, report, options, true, false)
    }

    /// Opens what [`salvage`](crate::salvage) copied: indexes are compared with the records that were kept.
    pub(crate) fn open_salvaged(options: Options, path: &Path) -> Result<Self> {
        options.check()?;
        let (store, report) = Store::open(path, options.store.clone())?;
        Self::load(store, report, options, false, true)
    }

    /// `thorough`: compares the indexes with all records, also when they look sound.
    fn load(
        store: Store,
        report: block_format::RecoveryReport,
        options: Options,
        read_only: bool,
        thorough: bool,
    ) -> Result<Self> {
        let recovery = RecoveryReport {
            commits_recovered: report.commits_recovered,
            records_recovered: report.records_recovered,
            dropped_len: report.dropped_len,
            removed_files: report.removed_files.len(),
            damage: report.damage.iter().map(ToString::to_string).collect(),
            ..RecoveryReport::default()
        };
        let stored = crate::open::settings(&store.snapshot(), &options)?;
        options.check_against(&stored, store.artifact())?;
        let settings = if read_only {
            options.spaces.iter().try_for_each(|(name, _)| stored.space(name).map(drop))?;
            stored.clone().with_spaces(&options.spaces)?
        } else {
            let settings = stored.clone().with_spaces(&options.spaces)?;
            let is_new = settings.spaces.len() > stored.spaces.len();
            if is_new || crate::open::settings_need_repair(&store.snapshot()) {
                write_settings(&store, &settings, options.steps)?;
            }
            settings
        };
        let opening =
            Opening::new((store.snapshot(), Arc::new(settings)), options.steps, &[], thorough, recovery)?;
        let inner = if read_only {
            let (state, recovery) = opening.index_within(options.reader_tail_limit())?;
            Inner::new(store, options, true, recovery, state)
        } else {
            Inner::recovered(store, options, opening)?
        };
        event!(INFO, records = inner.state().len(), recovery = ?inner.recovery, "opened");
        Self::start(inner)
    }

    fn start(inner: Inner) -> Result<Self> {
        let background = inner.options.maintenance == Maintenance::Background && !inner.read_only;
        let inner = Arc::new(inner);
        let worker = background.then(|| Worker::start(&inner)).transpose()?;
        Ok(Self { inner, worker })
    }

    /// What opening found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.inner.recovery
    }

    /// From now on this process counts as one that was forked from the one that opened the artifact, for tests.
    #[cfg(feature = "testing")]
    pub fn fork(&self) {
        self.inner.callers.fork();
        self.inner.store.callers().fork();
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
        write_settings(&self.inner.store, &settings, self.inner.options.steps)?;
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
        let limit = inner.options.reader_tail_limit();
        let state = crate::open::refreshed(inner.store.snapshot(), settings, &inner.state(), limit)?;
        inner.publish(state);
        Ok(true)
    }

    /// Removes the artifact: the files that the format gives names to, and no others. The directory goes as well if [`create`](Self::create)
    /// of this very value made it, and nothing else is in it.
    ///
    /// For undoing a creation after which something else failed. There may be no batch writer. A reader that has the artifact open can
    /// go on reading.
    pub fn destroy(mut self) -> Result<()> {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
        self.inner.check_writable()?;
        let in_use = |_| Error::invalid("a batch writer of this artifact is still there; drop it first");
        Ok(Arc::try_unwrap(self.inner).map_err(in_use)?.store.destroy()?)
    }

    /// Makes everything durable, seals what was added if there is much of it, and records that the artifact was closed: opening it again
    /// is quick then.
    ///
    /// Dropping the artifact instead loses nothing that was acknowledged; the next open then recovers. So does what is left after an error
    /// of kind [`InUse`](ErrorKind::InUse): a [`BatchWriter`](crate::BatchWriter) was not finished before.
    pub fn close(mut self) -> Result<()> {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
        if self.inner.read_only {
            return Ok(());
        }
        self.inner.callers.check()?;
        if self.inner.options.maintenance != Maintenance::Manual && self.inner.has_tail_to_seal_at_close() {
            self.inner.seal()?;
        }
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => Ok(inner.store.close()?),
            Err(inner) => {
                inner.store.sync()?;
                let message = "a batch writer of the artifact is still there; call `finish` on it, or drop it, before `close`. What was acknowledged is on disk";
                Err(Error::new(ErrorKind::InUse, message))
            }
        }
    }
}

/// Writes the settings in the place of those before, as often as is needed for one damaged file not to matter.
pub(crate) fn write_settings(store: &Store, settings: &Settings, steps: Steps) -> Result<()> {
    let bytes = settings.encode();
    let copies = if steps.take(Step::WriteSettingsTwice) { SETTINGS_COPIES } else { 1 };
    store.edit(|edit| {
        for part in store.snapshot().parts().iter().filter(|part| part.kind() == SETTINGS) {
            edit.drop_part(part.id())?;
        }
        (0..copies as u64).try_for_each(|copy| {
            edit.write_part(SETTINGS, copy, |out| std::io::Write::write_all(out, &bytes)).map(drop)
        })
    })?;
    Ok(())
}

impl Inner {
    fn new(store: Store, options: Options, read_only: bool, recovery: RecoveryReport, state: State) -> Self {
        Self {
            shared: Arc::new(Shared::new(options.result_cache_bytes, store.workers().clone())),
            store,
            options,
            read_only,
            recovery,
            callers: Callers::default(),
            maintenance: Mutex::new(()),
            committer: Mutex::new(Committer::new(&state)),
            queue: Mutex::default(),
            published: RwLock::new(Arc::new(state)),
            versions: AtomicU64::new(1),
            is_behind: AtomicBool::new(false),
        }
    }

    /// Indexes what is not indexed. Where that takes more memory than it may, it is sealed in pieces.
    fn recovered(store: Store, options: Options, mut opening: Opening) -> Result<Self> {
        let limit = options.writer_tail_limit();
        let mut is_done = opening.index(limit)?;
        let recovery = RecoveryReport::default(); // set below, when all is known
        let mut inner = Self::new(store, options, false, recovery, opening.state.clone());
        while !is_done {
            inner.seal_piece()?;
            opening.state = (*inner.state()).clone();
            is_done = opening.index(limit)?;
            inner.publish(opening.state.clone());
        }
        inner.committer.get_mut().restart(&opening.state);
        inner.recovery = opening.recovery;
        Ok(inner)
    }

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
        self.callers.check()?;
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
        Ok(self.callers.check()?)
    }
}
