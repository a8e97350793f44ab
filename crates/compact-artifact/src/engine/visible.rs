//! What readers see of a state whose records expire.

use std::sync::Arc;

use metadata_index::Moment;

use crate::protocol::Step;
use crate::state::State;

/// What readers see of a state until the next record of it expires.
#[derive(Debug)]
pub(super) struct Visible {
    /// The version of the state that it was made of.
    pub(super) base: u64,
    /// Since when, and up to which second.
    pub(super) since: Moment,
    pub(super) next: Option<i64>,
    pub(super) state: Arc<State>,
}

impl Visible {
    /// Whether readers see the same of `state` at another moment.
    pub(super) fn holds(&self, state: &State, now: Moment) -> bool {
        let is_due = self.next.is_some_and(|next| now.seconds() >= next);
        self.base == state.version && self.since <= now && !(is_due && state.steps.take(Step::HideWhenDue))
    }
}
