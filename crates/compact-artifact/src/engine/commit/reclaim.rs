//! When enough of what is sealed is deleted for a look at the files: estimated from what each commit deletes.

use block_format::RecordId;
use roaring::RoaringTreemap;

use crate::engine::policy;
use crate::state::State;

/// Of one commit so many deleted records are looked at, and stand for the others.
const SAMPLE: usize = 1_000;

/// What is known of deleted bytes in sealed files.
#[derive(Debug, Default)]
pub(crate) struct Reclaimable {
    /// About how many there are; `None`: nobody has looked.
    dead: Option<u64>,
    /// From how many on it is worth a look. When there was one, more than there were then.
    look_from: u64,
}

impl Reclaimable {
    /// What a look found: `dead` of `sealed` bytes. The next one comes when there are clearly more.
    pub(crate) fn found(&mut self, dead: u64, sealed: u64, segment_len: u64) {
        *self = Self { dead: Some(dead), look_from: dead.saturating_add(segment_len.min(sealed / 64)) };
    }

    /// Whether of `sealed` bytes so many percent are dead, and so many.
    pub(super) fn is_due(&self, sealed: u64, percent: u32, from: u64) -> bool {
        let dead = self.dead.unwrap_or(0);
        dead >= from.max(self.look_from) && policy::is_share(dead, sealed, percent)
    }

    /// Counts what a commit on top of `before` deletes, and what it leaves behind of the records that it changes.
    pub(crate) fn count(&mut self, before: &State, deletes: &RoaringTreemap, changed: &[RecordId]) {
        if deletes.is_empty() && changed.is_empty() {
            return;
        }
        let dead = self.dead.get_or_insert_with(|| before.sealed_dead_len());
        let every = |count: usize| count.div_ceil(SAMPLE).max(1);
        let add = |sum: u64, len: u64, every: usize| sum.saturating_add(len.saturating_mul(every as u64));
        let step = every(usize::try_from(deletes.len()).unwrap_or(usize::MAX));
        let deletes = deletes.iter().step_by(step).map(RecordId);
        *dead = deletes.fold(*dead, |sum, id| add(sum, before.sealed_len_of(id), step));
        let step = every(changed.len());
        let changed = changed.iter().step_by(step);
        *dead = changed.fold(*dead, |sum, &id| add(sum, before.sealed_len_of_changes(id), step));
    }
}
