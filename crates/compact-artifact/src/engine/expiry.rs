//! Records that expire: hidden from readers from the moment on, deleted by maintenance. What is written is based on the state with them.

use std::sync::Arc;

use super::core::Engine;
use super::policy;
use super::visible::Visible;
use crate::api::batch::Batch;
use crate::api::error::Result;
use crate::protocol::Step;
use crate::state::State;

impl Engine {
    /// The newest commit without what expired.
    pub(crate) fn visible(&self) -> Arc<State> {
        self.let_go_of_ranges();
        let state = self.state();
        let Some(field) = state.settings.expires_at.as_deref() else { return state };
        let now = self.options.now();
        let mut kept = self.visible.lock();
        if let Some(visible) = kept.as_ref().filter(|visible| visible.holds(&state, now)) {
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

    /// Whether so much expired, and is hidden from readers alone, that it is to be deleted.
    pub(super) fn hides_many_expired(&self) -> bool {
        let state = self.state();
        state.settings.expires_at.is_some()
            && state.len().saturating_sub(self.visible().len()) >= policy::EXPIRED_AT_ONCE as u64
    }

    /// Deletes what expired. Returns how many records. The caller has a permit, and does what is due afterwards.
    pub(super) fn delete_expired(&self) -> Result<u64> {
        let state = self.state();
        let Some(field) = state.settings.expires_at.as_deref() else { return Ok(0) };
        if !state.steps.take(Step::DeleteExpired) {
            return Ok(0);
        }
        let ids = state.expired_ids(field, self.options.now())?;
        for some in ids.chunks(policy::EXPIRED_AT_ONCE) {
            let batch = some.iter().fold(Batch::new(), |batch, &id| batch.delete(id));
            self.write_for_maintenance(batch)?;
        }
        Ok(ids.len() as u64)
    }
}
