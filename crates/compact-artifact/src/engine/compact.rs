//! The space of deleted records, returned: segments and shards are written anew without them.

use block_format::{FileId, RecordId};

use super::core::Engine;
use super::policy;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::reports::CompactReport;
use crate::state::View;
use crate::trace::{Work, event, figures, span, timed};

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
        let _one_at_a_time = timed(Work::Lock, || self.maintenance_lock.lock());
        self.check_current()?;
        let build_bytes = budget / 10 * 9;
        let before = self.state();
        let mut report =
            CompactReport { bytes_before: before.records.disk_usage().total(), ..CompactReport::default() };
        self.seal_tail(build_bytes.min(policy::build_bytes(&self.options)))?;
        let mut damage = None;
        for group in self.segments_to_rewrite() {
            match self.rewrite_segments(&group) {
                Ok(dropped) => {
                    report.segments_rewritten += group.len() as u64;
                    report.records_dropped += dropped;
                }
                Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        for number in self.shards_to_rewrite() {
            match self.rewrite_shards(&[number], build_bytes) {
                Ok(rewritten) => report.shards_rewritten += rewritten,
                // It stays as it is, and all others are compacted before this is said.
                Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        self.precompute_similar(&mut Vec::new())?;
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

    /// Sealed shards of which enough can be dropped.
    fn shards_to_rewrite(&self) -> Vec<u64> {
        let state = self.state();
        let deleted: Vec<RecordId> = state.records.deleted_ids().collect();
        let is_worth_it = |view: &&View| {
            let droppable = view.droppable(&deleted, state.steps);
            // Of an index that is damaged nothing can be copied.
            let rows = if droppable.is_empty() { 0 } else { view.shard.len_of(&droppable).unwrap_or(0) };
            let len = rows + view.shard.dropped_len(&state.settings);
            len > 0 && policy::is_worth_rewriting(len, view.shard.byte_len)
        };
        let sealed = state.views.iter().filter(|view| view.shard.is_sealed());
        sealed.filter(is_worth_it).map(|view| view.shard.number).collect()
    }

    /// Neighbouring segments of which deleted records take enough bytes, that fit into one together.
    fn segments_to_rewrite(&self) -> Vec<Vec<FileId>> {
        let mut groups: Vec<(u64, Vec<FileId>)> = Vec::new();
        let mut last_was_taken = false;
        for usage in self.store.snapshot().segment_usage() {
            let is_taken = usage.dead_len > 0 && policy::is_worth_rewriting(usage.dead_len, usage.len);
            let live = usage.live_len();
            if is_taken {
                match groups.last_mut() {
                    Some((bytes, files)) if last_was_taken && *bytes + live <= self.options.segment_len => {
                        *bytes += live;
                        files.push(usage.file);
                    }
                    _ => groups.push((live, vec![usage.file])),
                }
            }
            last_was_taken = is_taken;
        }
        groups.into_iter().map(|(_, files)| files).collect()
    }
}
