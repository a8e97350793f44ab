//! Written commits become durable and visible. Threads that wait at the same time share one sync.

use std::sync::Arc;
use std::time::Duration;

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
        let mut gate = self.sync_gate.lock();
        loop {
            if gate.synced >= seq {
                return Ok(());
            }
            if let Some(cause) = &gate.failed {
                return Err(self.poisoned(cause));
            }
            if !gate.has_leader {
                break;
            }
            gate.urgent |= delay.is_zero();
            self.sync_gate_changed.notify_all();
            self.sync_gate_changed.wait(&mut gate);
        }
        gate.has_leader = true;
        let mut left = delay;
        while !gate.urgent && !left.is_zero() {
            // Anything that changes ends this wait; only an urgent commit ends the delay early.
            let begun = std::time::Instant::now();
            self.sync_gate_changed.wait_for(&mut gate, left);
            left = left.saturating_sub(begun.elapsed());
        }
        drop(gate);
        let result = self.lead_sync();
        let mut gate = self.sync_gate.lock();
        (gate.has_leader, gate.urgent) = (false, false);
        drop(gate);
        self.sync_gate_changed.notify_all();
        result
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
