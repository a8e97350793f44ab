//! How long this process keeps the lock of the writer: until it has nothing to write for a while and another one waits, see `Options::idle_release`.
//!
//! Whatever writes has a [`Permit`], within which the lock is held. Between permits it may be given up; the next permit waits for it, and
//! begins with what others committed meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::commit::CommitState;
use super::core::Engine;
use super::tenure::Phase;
use crate::api::error::{Error, Result};
use crate::trace::event;

/// As long as this lives, the lock of the writer is held.
#[must_use = "dropped, the lock may be given up"]
pub(crate) struct Permit<'a> {
    engine: &'a Engine,
    is_counted: bool,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        self.engine.tenure.leave();
        // A writer that is never idle gives way between two calls.
        if self.engine.options.idle_release == Some(Duration::ZERO) {
            self.engine.release_if_idle();
        }
    }
}

impl Engine {
    /// Takes the lock of the writer back if it was given up. Taken before every other lock of the engine.
    pub(crate) fn permit(&self) -> Result<Permit<'_>> {
        self.check_writable()?;
        loop {
            if let Some(permit) = self.permit_if_held() {
                return Ok(permit);
            }
            self.take_back()?;
        }
    }

    /// A permit, unless the lock was given up: for what can wait until this process writes again.
    pub(super) fn permit_if_held(&self) -> Option<Permit<'_>> {
        let is_counted = self.options.idle_release.is_some();
        (!is_counted || self.tenure.enter(Phase::Held)).then(|| Permit { engine: self, is_counted })
    }

    /// Gives the lock up if nothing was written for as long as the options say and another process waits.
    pub(super) fn release_if_idle(&self) {
        let Some(idle) = self.options.idle_release else { return };
        if !self.tenure.is_idle(idle) || !self.store.is_waited_for() || !self.tenure.begin_release(idle) {
            return;
        }
        // What fails is said by the next call that writes.
        let is_held = self.store.release().is_err() && self.store.is_locked();
        self.tenure.set(if is_held { Phase::Held } else { Phase::Released });
        event!(INFO, is_held, "gave way to another writer");
    }

    fn take_back(&self) -> Result<()> {
        if !self.tenure.begin_to_take_back() {
            return Ok(());
        }
        let taken = self.store.reacquire().map_err(Error::from).and_then(|_| self.catch_up_as_writer());
        if taken.is_err() {
            // Nothing may be written on top of a state that is not the newest.
            drop(self.store.release());
        }
        self.tenure.set(if taken.is_ok() { Phase::Held } else { Phase::Released });
        taken
    }

    fn catch_up_as_writer(&self) -> Result<()> {
        self.remember_deleted(&self.state());
        let recovery = self.follow(self.store.snapshot())?;
        // Before pieces are sealed: others have given numbers to shards meanwhile.
        *self.commit_lock.lock() = CommitState::new(&recovery.state);
        let (recovery, _) = self.index_in_pieces(recovery)?;
        self.commit_lock.lock().restart(&recovery.state);
        self.is_behind.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Sees what others committed, if the lock was given up; `None` if this process is the one that writes.
    pub(super) fn while_released<T>(&self, see: impl FnOnce() -> Result<T>) -> Option<Result<T>> {
        if self.read_only {
            return Some(see());
        }
        if !self.tenure.enter(Phase::Released) {
            return None;
        }
        let seen = see();
        self.tenure.leave();
        Some(seen)
    }
}
