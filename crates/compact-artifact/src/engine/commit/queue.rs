//! What waits for the next commit, and the state guarded by the commit lock.

use std::sync::Arc;

use block_format::host::Instant;
use parking_lot::Mutex;

use super::prepare::Prepared;
use super::reclaim::Reclaimable;
use crate::api::batch::Receipt;
use crate::api::error::Result;
use crate::api::options::Options;
use crate::engine::policy;
use crate::format::parts::belongs_to_shard;
use crate::protocol::Step;
use crate::shard::Shard;
use crate::state::State;

/// State guarded by the commit lock.
#[derive(Debug)]
pub(crate) struct CommitState {
    /// Bytes of the indexes in memory.
    pub(crate) tail_bytes: u64,
    /// Bytes of records and embeddings since the last seal, or since it was opened, before compression.
    pub(crate) log_bytes: u64,
    /// Length of the logs on the disk, whatever is in them: updates, late embeddings and deletes as well.
    pub(crate) log_len: u64,
    /// Length of the sealed files.
    sealed_len: u64,
    pub(crate) reclaimable: Reclaimable,
    /// The number of the next shard.
    next_shard: u64,
    /// Shards that cover ids below this are being sealed, and are to stay as they are.
    pub(crate) sealed_below: u64,
    /// When the last was sealed and merged, or the artifact was opened.
    pub(crate) tail_begun: Instant,
}

impl CommitState {
    pub(crate) fn new(state: &State) -> Self {
        let tail_bytes = state.tail_bytes();
        // Also behind those that could not be opened: a number is used once.
        let shards = state.records.parts().iter().filter(|part| belongs_to_shard(part.kind()));
        let numbers: Vec<u64> = if state.steps.take(Step::NumberOnce) {
            shards.map(|part| part.tag()).filter(|number| Shard::NUMBERS.contains(number)).collect()
        } else {
            state.views.iter().map(|view| view.shard.number).collect()
        };
        let next_shard = numbers.iter().max().unwrap_or(&0).saturating_add(1);
        let mut commits = Self {
            tail_bytes,
            log_bytes: tail_bytes,
            log_len: 0,
            sealed_len: 0,
            reclaimable: Reclaimable::default(),
            next_shard,
            sealed_below: 0,
            tail_begun: Instant::now(),
        };
        commits.measure(state);
        commits
    }

    /// Takes the lengths of what `state` has.
    pub(crate) fn measure(&mut self, state: &State) {
        let usage = state.records.disk_usage();
        self.tail_bytes = state.tail_bytes();
        (self.log_len, self.sealed_len) = (usage.logs, usage.segments.saturating_add(usage.parts));
    }

    /// The number of a new shard.
    pub(crate) fn next_shard(&mut self) -> u64 {
        self.next_shard += 1;
        self.next_shard - 1
    }

    /// Counts anew what is held: nothing but the tail of `state`.
    pub(crate) fn restart(&mut self, state: &State) {
        self.measure(state);
        self.log_bytes = self.tail_bytes;
        self.reclaimable = Reclaimable::default();
    }

    /// Whether there is so much that it is to be sealed.
    pub(crate) fn is_sealing_due(&self, options: &Options) -> bool {
        self.tail_bytes >= policy::seal_at(options)
            || self.log_bytes.max(self.log_len) >= policy::seal_logs_at(options)
    }

    /// Whether so much of what is sealed was deleted that files are to be rewritten.
    pub(crate) fn is_compaction_due(&self, options: &Options) -> bool {
        let is_due =
            |percent| self.reclaimable.is_due(self.sealed_len, percent, policy::reclaim_from(options));
        policy::compact_at(options).is_some_and(is_due)
    }
}

/// Batches that wait for somebody to commit them.
pub(crate) type Queue = Vec<(Prepared, Arc<ReceiptSlot>)>;

/// Where the answer to a batch is put.
#[derive(Debug, Default)]
pub(crate) struct ReceiptSlot(Mutex<Option<Result<Receipt>>>);

impl ReceiptSlot {
    pub(super) fn fill(&self, result: Result<Receipt>) {
        *self.0.lock() = Some(result);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_none()
    }

    pub(super) fn take(&self) -> Option<Result<Receipt>> {
        self.0.lock().take()
    }
}
