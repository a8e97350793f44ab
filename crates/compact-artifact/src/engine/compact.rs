//! The space of deleted records, returned: segments and shards are written anew without them.

use block_format::FileId;

use super::commit::Reclaimable;
use super::core::Engine;
use super::meter::Meter;
use super::policy::{self, Build};
use super::stats::sealed_dead_bytes;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::reports::CompactReport;
use crate::protocol::Step;
use crate::state::{State, View};
use crate::trace::{event, figures, span};

/// What is rewritten.
struct Limits {
    /// Files with so many percent of dead bytes.
    percent: u32,
    /// Files until they have so many bytes together.
    bytes: u64,
    build: Build,
}

impl Engine {
    /// See [`CompactArtifact::compact`](crate::CompactArtifact::compact).
    pub(crate) fn compact(&self, budget: usize) -> Result<CompactReport> {
        let _permit = self.permit()?;
        if budget < policy::MIN_COMPACT_BUDGET {
            let message =
                format!("a budget of {budget} bytes; expected at least {}", policy::MIN_COMPACT_BUDGET);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        span!(INFO, "compact");
        self.delete_expired()?;
        let _one_at_a_time = self.lock_maintenance()?;
        self.check_current()?;
        let build = Build { bytes: budget / 10 * 9, ..Build::from_options(&self.options) };
        let before = self.state();
        let mut report =
            CompactReport { bytes_before: before.records.disk_usage().total(), ..CompactReport::default() };
        let of_options = Build::from_options(&self.options);
        self.seal_tail(of_options.within(build.bytes), &mut Meter::silent())?;
        let limits = Limits { percent: policy::MIN_DEAD_PERCENT, bytes: u64::MAX, build };
        let damage = self.rewrite_files(&limits, &mut report)?;
        // What is damaged stays as it is: nothing is to be taken out of it.
        self.merge_alike(of_options.within(build.bytes), &mut Meter::silent())?;
        self.link_shards(of_options.within(build.bytes), &mut Vec::new(), &mut Meter::silent())?;
        self.precompute_similar(&mut Vec::new())?;
        self.commit_lock.lock().reclaimable = Reclaimable::default();
        report.bytes_after = self.state().records.disk_usage().total();
        event!(
            INFO,
            before = report.bytes_before,
            after = report.bytes_after,
            dropped = report.records_dropped,
            "compacted"
        );
        figures::sizes(self.path(), &self.state());
        damage.map_or(Ok(report), Err)
    }

    /// Compacts by itself if so many percent of all sealed bytes are dead. Returns whether anything was rewritten. The caller has the maintenance lock.
    pub(super) fn compact_if_due(&self, at_percent: u32) -> Result<bool> {
        let Some(policy) = self.options.auto_compact else { return Ok(false) };
        let state = self.state();
        // Remembers what it finds, so that the next look comes when more is dead.
        let look = |state: &State| {
            let (dead, usage) = (sealed_dead_bytes(state), state.records.disk_usage());
            let sealed = usage.segments.saturating_add(usage.parts);
            self.commit_lock.lock().reclaimable.found(dead, sealed, self.options.segment_len);
            policy::is_share(dead, sealed, at_percent)
        };
        if !look(&state) || !state.steps.take(Step::CompactWhenDue) {
            return Ok(false);
        }
        let build = Build::from_options(&self.options);
        // What was deleted since the last sealing can be dropped only then.
        self.seal_tail(build, &mut Meter::silent())?;
        let limits = Limits { percent: policy.dead_percent, bytes: policy.budget, build };
        let mut report = CompactReport::default();
        let damage = self.rewrite_files(&limits, &mut report)?;
        self.precompute_similar(&mut Vec::new())?;
        look(&self.state());
        event!(INFO, ?report, "compacted by itself");
        damage.map_or(Ok(report.segments_rewritten + report.shards_rewritten > 0), Err)
    }

    /// Rewrites segments, then shards. What is damaged stays as it is, and is returned when all others are rewritten.
    fn rewrite_files(&self, limits: &Limits, report: &mut CompactReport) -> Result<Option<Error>> {
        let (mut damage, mut left) = (None, limits.bytes);
        for (len, group) in self.segments_to_rewrite(limits.percent) {
            if left == 0 {
                return Ok(damage);
            }
            left = left.saturating_sub(len);
            match self.rewrite_segments(&group) {
                Ok(dropped) => {
                    report.segments_rewritten += group.len() as u64;
                    report.records_dropped = report.records_dropped.saturating_add(dropped);
                }
                Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        for (len, number) in self.shards_to_rewrite(limits.percent) {
            if left == 0 {
                return Ok(damage);
            }
            left = left.saturating_sub(len);
            match self.rewrite_shards(&[number], limits.build, &mut Meter::silent()) {
                Ok(rewritten) => report.shards_rewritten += rewritten,
                Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        Ok(damage)
    }

    /// Sealed shards of which enough can be dropped, with their length.
    fn shards_to_rewrite(&self, percent: u32) -> Vec<(u64, u64)> {
        let state = self.state();
        let deleted = state.deleted();
        let is_worth_it = |view: &&View| {
            let droppable = view.droppable(&deleted, state.steps);
            if droppable.len() == u64::from(view.shard.rows) {
                return view.shard.rows > 0;
            }
            // Of an index that is damaged nothing can be copied.
            let rows = if droppable.is_empty() { 0 } else { view.shard.len_of(&droppable).unwrap_or(0) };
            let is_step = state.steps.take(Step::CompactDropped);
            let dropped = if is_step { view.shard.dropped_len(&state.settings) } else { 0 };
            let len = rows + dropped;
            policy::is_share(len, view.shard.byte_len, percent)
        };
        let sealed = state.views.iter().filter(|view| view.shard.is_sealed());
        sealed.filter(is_worth_it).map(|view| (view.shard.byte_len, view.shard.number)).collect()
    }

    /// Neighbouring segments of which deleted records take enough bytes, that fit into one together, with their length.
    fn segments_to_rewrite(&self, percent: u32) -> Vec<(u64, Vec<FileId>)> {
        let mut groups: Vec<(u64, u64, Vec<FileId>)> = Vec::new();
        let mut last_was_taken = false;
        for usage in self.store.snapshot().segment_usage() {
            let is_taken = policy::is_share(usage.dead_len, usage.len, percent);
            let live = usage.live_len();
            if is_taken {
                match groups.last_mut() {
                    Some((len, bytes, files))
                        if last_was_taken && *bytes + live <= self.options.segment_len =>
                    {
                        *len += usage.len;
                        *bytes += live;
                        files.push(usage.file);
                    }
                    _ => groups.push((usage.len, live, vec![usage.file])),
                }
            }
            last_was_taken = is_taken;
        }
        groups.into_iter().map(|(len, _, files)| (len, files)).collect()
    }
}
