//! Records that expire: hidden from readers from the moment on, deleted by maintenance. What is written is based on the state with them.

use std::sync::Arc;

use metadata_index::Moment;

use super::core::Engine;
use super::policy;
use crate::api::batch::Batch;
use crate::api::error::Result;
use crate::state::State;

/// What readers see of a state until the next record of it expires.
#[derive(Debug)]
pub(super) struct Visible {
    /// The version of the state that it was made of.
    base: u64,
    /// Since when, and up to which second.
    since: Moment,
    next: Option<i64>,
    state: Arc<State>,
}

impl Engine {
    /// The newest commit without what expired.
    pub(crate) fn visible(&self) -> Arc<State> {
        let state = self.state();
        let Some(field) = state.settings.expires_at.as_deref() else { return state };
        let now = self.options.now();
        let mut kept = self.visible.lock();
        if let Some(visible) = &*kept
            && visible.base == state.version
            && visible.since <= now
            && visible.next.is_none_or(|next| now.seconds() < next)
        {
            return visible.state.clone();
        }
        // A disk that fails is told by the calls that read more from it.
        let Ok(unexpired) = state.unexpired(field, now) else { return state };
        let version = || self.next_version();
        let seen = unexpired
            .state
            .map_or_else(|| state.clone(), |without| Arc::new(State { version: version(), ..without }));
        *kept = Some(Visible { base: state.version, since: now, next: unexpired.next, state: seen.clone() });
        seen
    }

    /// Deletes what expired. Returns how many records.
    pub(super) fn delete_expired(&self) -> Result<u64> {
        let state = self.state();
        let Some(field) = state.settings.expires_at.as_deref() else { return Ok(0) };
        let ids = state.expired_ids(field, self.options.now())?;
        for some in ids.chunks(policy::EXPIRED_AT_ONCE) {
            self.write(some.iter().fold(Batch::new(), |batch, &id| batch.delete(id)))?;
        }
        Ok(ids.len() as u64)
    }
}
