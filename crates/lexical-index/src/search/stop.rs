//! Ends a search early: whoever searches is asked whether to go on while one text is looked at.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Steps from one question to the next. A step takes some nanoseconds.
const STEPS: usize = 1 << 16;

/// Whether a search is to end.
#[derive(Default)]
pub(super) struct Stop<'a> {
    is_over: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Since the last question.
    steps: AtomicUsize,
    has_stopped: AtomicBool,
}

impl<'a> Stop<'a> {
    pub(super) fn new(is_over: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { is_over: Some(is_over), ..Self::default() }
    }

    /// Counts so many steps; whether the search is to end.
    pub(super) fn after(&self, steps: usize) -> bool {
        if self.has_stopped() {
            return true;
        }
        let steps = self.steps.load(Ordering::Relaxed).saturating_add(steps);
        let asks = steps >= STEPS;
        self.steps.store(if asks { 0 } else { steps }, Ordering::Relaxed);
        let is_over = asks && self.is_over.is_some_and(|is_over| is_over());
        // Other threads count as well: what one was told stays.
        if is_over {
            self.has_stopped.store(true, Ordering::Relaxed);
        }
        is_over
    }

    /// Whether it ended: what is found of the row at hand does not count.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("has_stopped", &self.has_stopped()).finish_non_exhaustive()
    }
}
