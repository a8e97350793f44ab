//! The settings of an artifact that is open, changed.

use std::sync::Arc;

use super::core::Engine;
use super::settings::write_settings;
use crate::api::error::Result;
use crate::format::settings::Settings;
use crate::protocol::Step;
use crate::state::State;

impl Engine {
    /// Writes and publishes changed settings, unless they are as before. No commit is under way meanwhile.
    pub(crate) fn change_settings<T>(
        &self,
        change: impl FnOnce(Settings) -> Result<(Settings, T)>,
    ) -> Result<T> {
        let _permit = self.permit()?;
        let _one_at_a_time = self.maintenance_lock.lock();
        let _no_commit_meanwhile = self.commit_lock.lock();
        let state = self.state();
        let (settings, result) = change((*state.settings).clone())?;
        if settings.encode() != state.settings.encode() {
            self.sync_before_settings()?;
            write_settings(&self.store, &settings, self.options.steps)?;
            let settings = Arc::new(settings);
            self.publish(State { records: self.store.snapshot(), settings, ..(*state).clone() });
        }
        Ok(result)
    }

    /// What was committed before a change of settings is on disk when that is.
    pub(super) fn sync_before_settings(&self) -> Result<()> {
        if self.options.steps.take(Step::SyncBeforeSettings) {
            self.store.sync()?;
        }
        Ok(())
    }
}
