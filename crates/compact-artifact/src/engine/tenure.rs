//! Whether this process holds the lock of the writer, and who relies on that.

use std::time::Duration;

use block_format::host::Instant;
use parking_lot::{Condvar, Mutex};

/// Whether this process may write, and since when it did not.
#[derive(Debug)]
pub(super) struct Tenure {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug)]
struct Now {
    phase: Phase,
    /// Calls that rely on the phase: it stays until they are over.
    users: usize,
    last_use: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Held,
    Released,
    /// A thread is giving the lock up or taking it back.
    Changing,
}

impl Tenure {
    pub(super) fn new(is_held: bool) -> Self {
        let phase = if is_held { Phase::Held } else { Phase::Released };
        Self { now: Mutex::new(Now { phase, users: 0, last_use: Instant::now() }), changed: Condvar::new() }
    }

    /// A use of this phase, if it is the one.
    pub(super) fn enter(&self, phase: Phase) -> bool {
        let mut now = self.now.lock();
        while now.phase == Phase::Changing {
            self.changed.wait(&mut now);
        }
        now.users += usize::from(now.phase == phase);
        now.phase == phase
    }

    pub(super) fn leave(&self) {
        let mut now = self.now.lock();
        now.users = now.users.saturating_sub(1);
        now.last_use = Instant::now();
        self.changed.notify_all();
    }

    pub(super) fn set(&self, phase: Phase) {
        self.now.lock().phase = phase;
        self.changed.notify_all();
    }

    /// Begins to give the lock up, if it is held, in nobody's use, and was not used for so long.
    pub(super) fn begin_release(&self, idle: Duration) -> bool {
        let mut now = self.now.lock();
        let is_due = now.is_idle(idle);
        if is_due {
            now.phase = Phase::Changing;
        }
        is_due
    }

    /// Whether it could be given up.
    pub(super) fn is_idle(&self, idle: Duration) -> bool {
        self.now.lock().is_idle(idle)
    }

    /// Begins to take the lock back, unless it is held, when nobody relies on its having been given up.
    pub(super) fn begin_to_take_back(&self) -> bool {
        let mut now = self.now.lock();
        while now.phase == Phase::Changing || now.users > 0 && now.phase == Phase::Released {
            self.changed.wait(&mut now);
        }
        let is_due = now.phase == Phase::Released;
        if is_due {
            now.phase = Phase::Changing;
        }
        is_due
    }
}

impl Now {
    fn is_idle(&self, idle: Duration) -> bool {
        self.phase == Phase::Held && self.users == 0 && self.last_use.elapsed() >= idle
    }
}
