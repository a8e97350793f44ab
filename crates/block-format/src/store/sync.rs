//! Written commits become durable and visible. Threads that wait at the same time share one sync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{State, Store, Written};
use crate::error::Result;
use crate::protocol::Step;

impl Store {
    /// Makes every commit so far durable.
    pub fn sync(&self) -> Result<()> {
        let seq = self.writer()?.log.committed().seq;
        self.make_durable(seq, Duration::ZERO)
    }

    /// Waits until commit `seq` is durable: the first to come syncs for all who wait, after `delay` for more to come.
    pub(super) fn make_durable(&self, seq: u64, delay: Duration) -> Result<()> {
        let due = Instant::now() + delay;
        let mut gate = self.sync_gate.lock();
        loop {
            if gate.synced >= seq {
                return Ok(());
            }
            if let Some(cause) = &gate.failed {
                return Err(self.poisoned(cause));
            }
            let is_earlier = gate.hasten(due);
            if !gate.has_leader {
                break;
            }
            if is_earlier {
                self.sync_gate_changed.notify_all();
            }
            self.sync_gate_changed.wait(&mut gate);
        }
        gate.has_leader = true;
        // Anything that changes ends a wait.
        while let Some(due) = gate.due.filter(|&due| gate.is_waited_for(seq) && Instant::now() < due) {
            self.sync_gate_changed.wait_until(&mut gate, due);
        }
        let is_done = gate.synced >= seq;
        drop(gate);
        let result = if is_done { Ok(()) } else { self.lead_sync() };
        let mut gate = self.sync_gate.lock();
        (gate.has_leader, gate.due) = (false, None);
        let is_done = gate.synced >= seq; // by somebody else, who may have given the lock away then
        drop(gate);
        self.sync_gate_changed.notify_all();
        if is_done { Ok(()) } else { result }
    }

    /// Syncs all that is written so far, and makes it visible.
    fn lead_sync(&self) -> Result<()> {
        let (written, file, path) = {
            let writer = self.writer()?;
            (writer.written(), writer.log.file().clone(), writer.log.path().to_owned())
        };
        match self.directory.sync_data(Step::SyncCommit, &*file, &path) {
            Ok(()) => {
                self.publish(&written);
                self.synced(written.committed.seq);
                Ok(())
            }
            Err(e) => {
                let mut writer = self.writer.lock();
                Err(match writer.as_mut() {
                    Some(writer) => self.fail(writer, e),
                    None => e,
                })
            }
        }
    }

    pub(super) fn synced(&self, seq: u64) {
        let mut gate = self.sync_gate.lock();
        gate.synced = gate.synced.max(seq);
        drop(gate);
        self.sync_gate_changed.notify_all();
    }

    /// Makes a written commit visible, unless a later one is already.
    pub(super) fn publish(&self, written: &Written) {
        let mut published = self.published.write();
        if published.seq < written.committed.seq {
            *published = Arc::new(State {
                seq: written.committed.seq,
                next_id: written.committed.next_id,
                sealed: published.sealed.clone(),
                tail: written.tail.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state::SyncGate;

    #[test]
    fn a_commit_that_may_wait_for_less_hastens_the_sync_of_those_that_may_wait_for_more() {
        let (now, mut gate) = (Instant::now(), SyncGate::default());
        let [soon, late] = [1, 9].map(|seconds| now + Duration::from_secs(seconds));
        assert!(gate.hasten(late) && gate.hasten(soon) && !gate.hasten(soon) && !gate.hasten(late));
        assert_eq!(gate.due, Some(soon));
        assert!(gate.hasten(now) && gate.due == Some(now));
    }
}
