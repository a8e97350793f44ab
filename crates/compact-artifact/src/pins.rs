//! Which snapshots are held, since when, and where they were taken: for [`MemoryAnalyzer`](crate::MemoryAnalyzer). Without the feature `analyzers` nobody counts.

use std::panic::Location;
use std::sync::Arc;

use crate::state::State;

/// The snapshots of an artifact that are held.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pins {
    #[cfg(feature = "analyzers")]
    held: Arc<held::Held>,
}

/// A snapshot that is held, as long as this and all of its clones are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pin {
    #[cfg(feature = "analyzers")]
    _held: Option<Arc<held::Pinned>>,
}

#[cfg(feature = "analyzers")]
pub(crate) use held::PinnedState;

#[cfg(feature = "analyzers")]
impl Pins {
    /// Counts a snapshot of `state` as held.
    pub(crate) fn pin(&self, state: &Arc<State>, place: &'static Location<'static>) -> Pin {
        Pin { _held: Some(self.held.add(state, place)) }
    }

    /// Those that are held, the oldest first.
    pub(crate) fn held(&self) -> Vec<PinnedState> {
        self.held.all()
    }
}

#[cfg(not(feature = "analyzers"))]
impl Pins {
    /// Nobody counts.
    #[expect(clippy::unused_self, reason = "the same signature as with analyzers")]
    pub(crate) fn pin(&self, _state: &Arc<State>, _place: &'static Location<'static>) -> Pin {
        Pin {}
    }
}

#[cfg(feature = "analyzers")]
mod held {
    use std::collections::BTreeMap;
    use std::panic::Location;
    use std::sync::{Arc, Weak};
    use std::time::Instant;

    use parking_lot::Mutex;

    use crate::state::State;

    /// A state that a snapshot holds.
    #[derive(Debug, Clone)]
    pub(crate) struct PinnedState {
        pub(crate) state: Weak<State>,
        pub(crate) since: Instant,
        pub(crate) place: &'static Location<'static>,
    }

    /// By numbers that ascend with time.
    #[derive(Debug, Default)]
    pub(super) struct Held(Mutex<(u64, BTreeMap<u64, PinnedState>)>);

    #[derive(Debug)]
    pub(super) struct Pinned {
        number: u64,
        among: Arc<Held>,
    }

    impl Held {
        pub(super) fn add(
            self: &Arc<Self>,
            state: &Arc<State>,
            place: &'static Location<'static>,
        ) -> Arc<Pinned> {
            let pinned = PinnedState { state: Arc::downgrade(state), since: Instant::now(), place };
            let mut held = self.0.lock();
            let number = held.0;
            held.0 += 1;
            held.1.insert(number, pinned);
            Arc::new(Pinned { number, among: self.clone() })
        }

        pub(super) fn all(&self) -> Vec<PinnedState> {
            self.0.lock().1.values().cloned().collect()
        }
    }

    impl Drop for Pinned {
        fn drop(&mut self) {
            self.among.0.lock().1.remove(&self.number);
        }
    }
}
