//! Creating, opening, refreshing, closing an artifact.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use block_format::vfs::DiskVfs;
use block_format::{Snapshot as Records, Store};

use super::commit::CommitState;
use super::core::Engine;
use super::meter::Meter;
use super::policy::{self, Build};
use super::recover::Recovery;
use super::settings::{
    check_against, check_new_fields, extended, extended_for_reading, read_settings_or, settings_of,
    write_settings,
};
use crate::api::damage::Damage;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::options::{Maintenance, Options};
use crate::api::reports::RecoveryReport;
use crate::api::space::SpaceOptions;
use crate::format::settings::{Settings, same_settings, settings_need_repair};
use crate::protocol::Step;
use crate::state::State;
use crate::trace::{event, figures, observed, span};

impl Engine {
    /// Creates an artifact by way of `create`, which makes its store.
    pub(crate) fn create(
        options: Options,
        create: impl FnOnce(block_format::Options) -> block_format::Result<Store>,
    ) -> Result<Self> {
        span!(INFO, "create");
        options.check()?;
        check_new_fields(options.fields.iter().map(|(name, _)| name.as_str()))?;
        let settings = settings_of(&options)?;
        let store = create(observed(options.for_store()))?;
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
            hidden: 0,
            lost_embeddings: Arc::default(),
            is_indexed: true,
        };
        let engine = Self::new(store, options, false, RecoveryReport::default(), state);
        engine.begin_figures();
        Ok(engine)
    }

    /// Opens an artifact by way of `open`, which opens its store.
    pub(crate) fn open(
        options: Options,
        mode: Mode,
        open: impl FnOnce(block_format::Options) -> block_format::Result<(Store, block_format::RecoveryReport)>,
    ) -> Result<Self> {
        span!(INFO, "open");
        options.check()?;
        let (store, report) = open(observed(options.for_store()))?;
        let read_only = mode == Mode::ReadOnly;
        let report = RecoveryReport {
            commits_recovered: report.commits_recovered,
            records_recovered: report.records_recovered,
            dropped_len: report.dropped_len,
            removed_files: report.removed_files.len(),
            damage: report.damage.iter().map(Damage::from).collect(),
            ..RecoveryReport::default()
        };
        let stored = read_settings_or(&store.snapshot(), &options)?;
        check_against(&options, &stored, store.artifact())?;
        #[cfg(feature = "built-in-model")]
        let options = with_built_in_model(options, &stored)?;
        let settings = if read_only {
            extended_for_reading(stored.clone(), &options)?
        } else {
            let settings = extended(stored.clone(), &options)?;
            let is_new = settings.spaces.len() > stored.spaces.len()
                || settings.fields.len() > stored.fields.len()
                || settings.similar != stored.similar
                || settings.expires_at != stored.expires_at;
            if is_new || settings_need_repair(&store.snapshot()) {
                write_settings(&store, &settings, options.steps)?;
            }
            settings
        };
        let thorough = matches!(mode, Mode::Salvaged { .. });
        let mut recovery =
            Recovery::new((store.snapshot(), Arc::new(settings)), options.steps, &[], thorough, report)?;
        if mode == (Mode::Salvaged { lost_shards: true }) {
            recovery = recovery.without_some_shards();
        }
        if store.ranges().is_some() && recovery.state.settings.expires_at.is_some() {
            let message = "the records of this artifact expire, which a pack that is read by ranges cannot tell without fail; open it from a file";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let engine = if read_only {
            let (state, report) = recovery.index_within(policy::reader_tail_limit(&options))?;
            Self::new(store, options, true, report, state)
        } else {
            let mut engine = Self::recovered(store, options, recovery)?;
            let schema = engine.options.schema.clone().filter(|_| stored.schema.is_none());
            engine.settings_before = Some((stored, engine.state().records.seq()));
            if let Some(schema) = schema {
                engine.set_schema(Some(schema)).inspect_err(|_| drop(engine.revert_settings()))?;
            }
            engine
        };
        event!(INFO, records = engine.state().len(), recovery = ?engine.recovery, "opened");
        engine.begin_figures();
        Ok(engine)
    }

    /// Indexes what is not indexed. Where that takes more memory than it may, it is sealed in pieces.
    fn recovered(store: Store, options: Options, recovery: Recovery) -> Result<Self> {
        let report = RecoveryReport::default(); // set below, when all is known
        let mut engine = Self::new(store, options, false, report, recovery.state.clone());
        let (recovery, has_sealed) = engine.index_in_pieces(recovery)?;
        let commits = engine.commit_lock.get_mut();
        if !has_sealed {
            *commits = CommitState::new(&recovery.state);
        }
        commits.restart(&recovery.state);
        engine.recovery = recovery.reported().1;
        #[cfg(feature = "embedder")]
        engine.read_kept_embeddings()?;
        Ok(engine)
    }

    /// Indexes what is not indexed, and publishes it. Returns also whether any of it was sealed: what takes too much memory, and what takes the place
    /// of a shard that must be gone before records get the ids that it has.
    pub(super) fn index_in_pieces(&self, mut recovery: Recovery) -> Result<(Recovery, bool)> {
        let limit = policy::writer_tail_limit(&self.options);
        let mut has_sealed = false;
        while !recovery.index(limit)? {
            has_sealed = true;
            self.publish(recovery.state.clone());
            self.seal_piece()?;
            recovery.state = (*self.state()).clone();
        }
        self.publish(recovery.state.clone());
        if recovery.damaged.has_later_ids {
            has_sealed = true;
            let _one_at_a_time = self.lock_maintenance()?;
            self.seal_tail(Build::from_options(&self.options), &mut Meter::silent())?;
            recovery.state = (*self.state()).clone();
        }
        Ok((recovery, has_sealed))
    }

    /// Sees what another process committed since; for a writer there is nothing to do. Returns whether anything changed.
    pub(crate) fn refresh(&self) -> Result<bool> {
        self.while_released(|| self.see_newest()).unwrap_or(Ok(false))
    }

    fn see_newest(&self) -> Result<bool> {
        span!(DEBUG, "refresh");
        // By whoever has not the lock of the writer: no code of a caller runs under this one. A child process after a fork may follow too.
        let _one_at_a_time = self.maintenance_lock.lock();
        let has_changed = self.store.refresh()?;
        if !self.is_behind.fetch_or(has_changed, Ordering::Relaxed) && !has_changed {
            return Ok(false);
        }
        self.remember_deleted(&self.state());
        let recovery = self.follow(self.store.snapshot())?;
        let (state, _) = recovery.index_within(policy::reader_tail_limit(&self.options))?;
        self.publish(state);
        self.is_behind.store(false, Ordering::Relaxed);
        figures::sizes(self.path(), &self.state());
        Ok(true)
    }

    /// Lets go of what was read by ranges long ago, if too much is kept. What fails leaves everything as it was.
    pub(crate) fn let_go_of_ranges(&self) {
        if self.store.ranges().is_none() {
            return;
        }
        let Some(_one_at_a_time) = self.maintenance_lock.try_lock() else { return };
        if !self.store.let_go_of_ranges() {
            return;
        }
        let old = self.state();
        let (records, settings) = (self.store.snapshot(), old.settings.clone());
        let opened = Recovery::new((records, settings), old.steps, &[], false, RecoveryReport::default())
            .and_then(|recovery| recovery.index_within(policy::reader_tail_limit(&self.options)));
        if let Ok((state, _)) = opened {
            self.publish(state);
        }
    }

    /// What is to be indexed for a newer commit.
    pub(super) fn follow(&self, records: Records) -> Result<Recovery> {
        let old = self.state();
        let is_same = same_settings(&records, &old.records) || !old.steps.take(Step::FollowSettings);
        self.others_changed_settings.fetch_or(!is_same, Ordering::Relaxed);
        let settings =
            if is_same { old.settings.clone() } else { Arc::new(read_settings_or(&records, &self.options)?) };
        Recovery::following(records, settings, &old)
    }

    /// Adds a vector space. One that is there already, set up the same, is no error.
    pub(crate) fn add_space(&self, name: &str, options: SpaceOptions) -> Result<()> {
        self.extend(|settings| settings.with_spaces(&[(name.to_owned(), options)]))
    }

    /// Adds a field of texts. One that is there already with that weight is no error.
    pub(crate) fn add_field(&self, name: &str, weight: u32) -> Result<()> {
        self.extend(|settings| {
            check_new_fields(Some(name).filter(|name| settings.field(name).is_err()).into_iter())?;
            settings.with_fields(&[(name.to_owned(), weight)], false)
        })
    }

    /// Adds to the settings what they do not have yet.
    fn extend(&self, extend: impl FnOnce(Settings) -> Result<Settings>) -> Result<()> {
        let _permit = self.permit()?;
        let _one_at_a_time = self.lock_maintenance()?;
        let state = self.state();
        let settings = extend((*state.settings).clone())?;
        let len = |settings: &Settings| (settings.spaces.len(), settings.fields.len());
        if len(&settings) == len(&state.settings) {
            return Ok(());
        }
        self.sync_before_settings()?;
        write_settings(&self.store, &settings, self.options.steps)?;
        let _no_commit_meanwhile = self.commit_lock.lock();
        let state = (*self.state()).clone();
        self.publish(State { records: self.store.snapshot(), settings: Arc::new(settings), ..state });
        Ok(())
    }

    /// Makes every commit so far durable. Those of a writer that gave way are: it does not wait for the one that has the lock.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check_writable()?;
        let Some(_permit) = self.permit_if_held() else { return Ok(()) };
        Ok(self.store.sync()?)
    }

    /// Seals what is worth it, and closes the store. No thread for maintenance is at work any more.
    pub(crate) fn close(this: Arc<Self>, meter: &mut Meter<'_>) -> Result<()> {
        if this.read_only {
            meter.reach(100);
            return Ok(());
        }
        this.callers.check()?;
        #[cfg(feature = "async")]
        this.requests.wait();
        let permit = this.permit_if_held();
        let is_held = permit.is_some();
        if is_held && this.options.maintenance != Maintenance::Manual && this.has_tail_to_seal_at_close() {
            this.seal_metered(meter)?;
        }
        drop(permit);
        match Arc::try_unwrap(this) {
            Ok(engine) => {
                #[cfg(feature = "embedder")]
                engine.write_kept_embeddings_at_close()?;
                engine.store.close()?;
                meter.reach(100);
                Ok(())
            }
            Err(shared) => {
                if let Some(_permit) = shared.permit_if_held() {
                    shared.store.sync()?;
                }
                let message = "a batch writer of the artifact is still there; finish or drop it before the artifact is closed; or a request that was never awaited. What was acknowledged is on disk";
                Err(Error::new(ErrorKind::InUse, message))
            }
        }
    }

    /// Removes the files of the artifact.
    pub(crate) fn destroy(this: Arc<Self>) -> Result<()> {
        drop(this.permit()?);
        let in_use = |_| {
            let message = "a batch writer or another handle of this artifact is still there; drop it first";
            Error::new(ErrorKind::InUse, message)
        };
        Ok(Arc::try_unwrap(this).map_err(in_use)?.store.destroy()?)
    }

    /// Figures of an artifact that was just opened.
    fn begin_figures(&self) {
        figures::describe();
        figures::sizes(self.path(), &self.state());
    }

    /// Where the artifact is.
    pub(crate) fn path(&self) -> &Path {
        self.store.path()
    }
}

/// Options with the built-in model, if texts are embedded by that and no embedder is given.
#[cfg(feature = "built-in-model")]
fn with_built_in_model(mut options: Options, stored: &Settings) -> Result<Options> {
    if options.embedder.is_none()
        && let Some(model) = stored.meaning().and_then(|(_, space)| space.model.as_ref())
    {
        let built_in = text_embedder::StaticEmbedder::built_in()?;
        options.embedder = model.is_of(&built_in).then(|| Arc::new(built_in) as Arc<_>);
    }
    Ok(options)
}

/// What an artifact is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    ReadOnly,
    Write,
    /// For writing, after salvaging: the indexes are compared with the records that were kept, also when they look sound.
    Salvaged {
        /// Some of them were lost.
        lost_shards: bool,
    },
}

/// Opens a directory for reading, or a packed file.
pub(crate) fn open_store_for_reading(
    path: &Path,
    options: block_format::Options,
) -> block_format::Result<(Store, block_format::RecoveryReport)> {
    if DiskVfs::is_file(path) {
        Store::open_packed(path, options)
    } else {
        Store::open_read_only(path, options)
    }
}
