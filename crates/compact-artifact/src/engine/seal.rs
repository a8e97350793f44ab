//! The tail → sealed shards, the log → segments, in one edit of the store.

use std::sync::Arc;

use block_format::host::Instant;
use block_format::{CommitSeq, Edit, Part, RecordId};

use super::commit::CommitState;
use super::core::Engine;
use super::lost_embeddings;
use super::merge::{Output, Replacement, outputs, shards};
use super::meter::Meter;
use super::policy::{self, Build};
use super::tombstones::{drop_unknown_shards, write_tombstones};
use crate::api::damage::Damage;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::reports::SealReport;
use crate::format::parts::{SHARD, read_tombstones};
use crate::protocol::Step;
use crate::shard::{Shard, Source};
use crate::state::{State, View, covered, sort_views, superseded};
use crate::trace::{event, figures, span};

impl Engine {
    pub(crate) fn seal(&self) -> Result<SealReport> {
        self.seal_metered(&mut Meter::silent())
    }

    /// [`seal`](Self::seal) for a caller who wants to know how far it is.
    pub(crate) fn seal_metered(&self, meter: &mut Meter<'_>) -> Result<SealReport> {
        let _permit = self.permit()?;
        self.delete_expired()?;
        let _one_at_a_time = self.lock_maintenance()?;
        self.check_current()?;
        let build = Build::from_options(&self.options);
        // What comes behind shards without graphs is linked together with them.
        let sealed = self.state().views.iter().rfind(|view| view.shard.is_sealed()).cloned();
        let is_behind = sealed.is_some_and(|view| self.lacks_graph(&view));
        let report = self.seal_tail(if is_behind { build.without_graphs() } else { build }, meter)?;
        let mut damage = self.merge_alike(build, meter)?;
        self.link_shards(build, &mut damage, meter)?;
        meter.reach(policy::PERCENT_MERGED);
        self.precompute_similar(&mut damage)?;
        match policy::compact_at(&self.options).map_or(Ok(false), |percent| self.compact_if_due(percent)) {
            // What was sealed is sealed.
            Err(e) if e.kind() == ErrorKind::Damaged => damage.push(Damage::new(e.to_string())),
            compacted => drop(compacted?),
        }
        #[cfg(feature = "embedder")]
        self.write_kept_embeddings()?;
        meter.reach(100);
        Ok(SealReport { damage, ..report })
    }

    /// Seals, compacts and deletes what expired if that is due, by itself: an error is kept for `stats` and told to the callback, and the next commit tries again.
    pub(crate) fn maintain(&self) {
        self.tell(self.maintain_if_due());
    }

    /// Deletes what expired, and compacts if that is due, when nothing was committed for a while: looked at once, and as long as there is something to rewrite. Errors as of
    /// [`maintain`](Self::maintain).
    pub(super) fn maintain_when_quiet(&self, looked_at: &mut Option<CommitSeq>) {
        let maintain = || {
            let Some(_permit) = self.permit_if_held() else { return Ok(false) };
            self.delete_expired()?;
            if *looked_at == Some(self.state().records.seq()) {
                return Ok(false);
            }
            let Some(_one_at_a_time) = self.maintenance_lock.try_lock() else { return Ok(true) };
            self.check_current()?;
            self.compact_if_due(self.options.auto_compact.map_or(0, |policy| policy.dead_percent))
        };
        let result = maintain();
        let is_over = !matches!(result, Ok(true));
        *looked_at = is_over.then(|| self.state().records.seq());
        if let Err(e) = result {
            self.tell(Err(e));
        }
    }

    pub(super) fn tell(&self, result: Result<()>) {
        let failed = result.err();
        if let (Some(e), Some(call)) = (&failed, &self.options.on_maintenance_error) {
            call.0(e);
        }
        *self.maintenance_error.lock() = failed;
    }

    /// Whether a thread that committed has something to do afterwards, or to have done.
    pub(super) fn is_maintenance_due(&self, commits: &CommitState) -> bool {
        commits.is_sealing_due(&self.options)
            || commits.is_compaction_due(&self.options)
            || self.hides_many_expired()
    }

    fn maintain_if_due(&self) -> Result<()> {
        let Some(_permit) = self.permit_if_held() else { return Ok(()) };
        let is_sealing_due = || self.commit_lock.lock().is_sealing_due(&self.options);
        if is_sealing_due() || self.hides_many_expired() {
            self.delete_expired()?;
        }
        // Whoever is at it already does it for this one too.
        let Some(_one_at_a_time) = self.maintenance_lock.try_lock() else { return Ok(()) };
        self.check_current()?;
        if is_sealing_due() {
            self.seal_and_link()?;
        } else if !self.commit_lock.lock().is_compaction_due(&self.options) {
            return Ok(());
        }
        policy::compact_at(&self.options).map_or(Ok(()), |percent| self.compact_if_due(percent).map(drop))
    }

    /// Seals, and makes graphs unless more is about to come.
    fn seal_and_link(&self) -> Result<()> {
        let build = Build::from_options(&self.options);
        let is_fast = self.fills_fast();
        self.seal_tail(if is_fast { build.without_graphs() } else { build }, &mut Meter::silent())?;
        let mut damage = self.merge_alike(build, &mut Meter::silent())?;
        let unlinked = self.state().views.iter().filter(|view| self.lacks_graph(view)).count();
        if !is_fast || unlinked >= policy::FAN_IN {
            self.link_shards(build, &mut damage, &mut Meter::silent())?;
        }
        self.commit_lock.lock().tail_begun = Instant::now();
        self.precompute_similar(&mut damage)
    }

    pub(crate) fn has_tail_to_seal_at_close(&self) -> bool {
        let state = self.state();
        let rows: u32 = state.tail().map(|view| view.shard.rows).sum();
        let commits = self.commit_lock.lock();
        let len = commits.log_bytes.max(commits.log_len);
        drop(commits);
        rows > policy::SEAL_AT_CLOSE_ROWS || len > policy::SEAL_AT_CLOSE_BYTES || self.has_unlinked()
    }

    /// Seals the shards in memory, and the log.
    pub(super) fn seal_tail(&self, build: Build, meter: &mut Meter<'_>) -> Result<SealReport> {
        span!(INFO, "seal");
        let sealed = self.store.edit(|edit| {
            let state = self.end_log(edit)?;
            meter.begin(state.tail_bytes(), 0..policy::PERCENT_INDEXED);
            tail_groups(&state).for_each(|group| edit.delete(superseded(group).iter().map(RecordId)));
            let logs = edit.logs_to_seal()?;
            let mut write_tail = || {
                let sealed = self.write_tail(edit, &state, build, meter)?;
                drop_unknown_shards(edit, &state)?;
                meter.reach(policy::PERCENT_INDEXED);
                Ok(sealed)
            };
            // With little memory, one comes after the other.
            let (sealed, logs) = if build.is_limited() {
                (write_tail()?, logs.write()?)
            } else {
                let (sealed, logs) = self.store.workers().beside(write_tail, || logs.write());
                (sealed?, logs?)
            };
            edit.add_sealed(logs);
            meter.reach(policy::PERCENT_SEALED);
            Ok(sealed)
        });
        let result = sealed.map_err(Error::from).and_then(|(report, replacements)| {
            self.publish_shards(&replacements)?;
            Ok(report)
        });
        let mut commits = self.commit_lock.lock();
        commits.sealed_below = 0;
        if result.is_ok() {
            commits.log_bytes = commits.tail_bytes;
        }
        drop(commits);
        event!(INFO, ?result, "sealed");
        figures::sizes(self.path(), &self.state());
        result
    }

    /// Seals the shards in memory, and leaves the log as it is: for opening, when the tail gets too large on the way.
    pub(crate) fn seal_piece(&self) -> Result<()> {
        let _one_at_a_time = self.lock_maintenance()?;
        let state = self.state();
        let sealed = self.store.edit(|edit| {
            tail_groups(&state).for_each(|group| edit.delete(superseded(group).iter().map(RecordId)));
            self.write_tail(edit, &state, Build::from_options(&self.options), &mut Meter::silent())
        });
        self.publish_shards(&sealed?.1)
    }

    /// Ends the log, and returns what was committed up to there, all of which is durable now.
    fn end_log(&self, edit: &mut Edit<'_>) -> block_format::Result<Arc<State>> {
        let mut commits = self.commit_lock.lock();
        edit.end_log()?;
        let state = self.state();
        commits.sealed_below = state.tail().map(|view| view.shard.covers.end).max().unwrap_or(0);
        Ok(state)
    }

    /// The newest state. Everything in it is durable, so that what is dead in it may be dropped from the disk.
    pub(super) fn durable_state(&self) -> Result<Arc<State>> {
        let state = self.state();
        if state.steps.take(Step::SyncBeforeDropping) {
            self.store.sync()?;
        }
        Ok(state)
    }

    /// Writes the tail of a durable state as sealed shards, and what it makes dead in the shards before it as tombstones of those.
    fn write_tail(
        &self,
        edit: &mut Edit<'_>,
        state: &State,
        build: Build,
        meter: &mut Meter<'_>,
    ) -> block_format::Result<(SealReport, Vec<Replacement>)> {
        let mut report = SealReport::default();
        let mut replacements = Vec::new();
        for group in tail_groups(state) {
            let sources = group.iter().map(|view| Source::new(&view.shard, view.dead.to_bitmap())).collect();
            let outputs = outputs(&state.settings, sources, covered(group), build.bytes);
            report.records += outputs.iter().map(Output::rows).sum::<u64>();
            report.shards += outputs.len() as u64;
            replacements.push(self.write_shards(edit, state, shards(group), &outputs, build, meter)?);
        }
        lost_embeddings::write(edit, state)?;
        let deleted = state.deleted();
        for view in state.views.iter().filter(|view| view.shard.is_sealed()) {
            // Deleted records need none as long as the store knows them.
            let reasoned = view.dead_for_good(&deleted);
            let rows = &*view.tombstones | (view.dead.to_bitmap() - reasoned);
            if state.steps.take(Step::WriteTombstones) {
                write_tombstones(edit, state, view, &rows)?;
            }
        }
        Ok((report, replacements))
    }

    /// Makes visible what an edit wrote: new shards in the place of old ones, and tombstones.
    pub(super) fn publish_shards(&self, replacements: &[Replacement]) -> Result<()> {
        let mut commits = self.commit_lock.lock();
        self.publish_edit(&mut commits, &self.state(), replacements)
    }

    /// [`publish_shards`](Self::publish_shards) on top of a state with what else the edit changed. The caller has the commit lock.
    pub(super) fn publish_edit(
        &self,
        commits: &mut CommitState,
        now: &State,
        replacements: &[Replacement],
    ) -> Result<()> {
        let published = self.edited(now, replacements).map(|next| {
            commits.measure(&next);
            self.publish(next);
        });
        published.inspect_err(|_| self.require_reopening())
    }

    /// A state with what is in the store now: new shards in the place of old ones, and tombstones.
    fn edited(&self, now: &State, replacements: &[Replacement]) -> Result<State> {
        let records = self.store.snapshot();
        let is_replaced = |view: &&View| !replacements.iter().any(|replacement| replacement.replaces(view));
        let mut views: Vec<View> = now.views.iter().filter(is_replaced).cloned().collect();
        let new: Vec<u64> = replacements.iter().flat_map(|replacement| replacement.new.clone()).collect();
        let is_new = |part: &&Arc<Part>| part.kind() == SHARD && new.contains(&part.tag());
        for part in records.parts().iter().filter(is_new) {
            views.push(View::new(Arc::new(Shard::open_part(part, &now.settings, now.steps)?)));
        }
        for view in views.iter_mut().filter(|view| view.shard.is_sealed()) {
            view.tombstones = Arc::new(read_tombstones(&records, view.shard.number)?);
            match view.open_neighbours(&records, now.steps) {
                // Searches do without, and the next sealing writes them anew.
                Err(e) if e.kind() == ErrorKind::Damaged => {}
                opened => opened?,
            }
        }
        sort_views(&mut views);
        let mut next = State { records, views, ..now.clone() };
        next.mark_all_dead();
        if !next.lost_embeddings.is_empty() {
            next.lost_embeddings = Arc::new(next.still_lost());
        }
        Ok(next)
    }
}

/// The shards of the tail that are neighbours.
fn tail_groups(state: &State) -> impl Iterator<Item = &[View]> {
    let groups = state.views.chunk_by(|a, b| a.shard.is_sealed() == b.shard.is_sealed());
    groups.filter(|group| group.first().is_some_and(|view| !view.shard.is_sealed()))
}
