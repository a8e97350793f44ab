//! The settings of an artifact that is open, changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Engine;
use super::settings::write_settings;
use crate::api::error::{Error, Result};
use crate::api::space::{Space, Stage};
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
        let _one_at_a_time = self.lock_maintenance()?;
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

    /// Removes a field of texts that no index has words in, so that no number in one changes its meaning.
    pub(crate) fn drop_field(&self, name: &str) -> Result<()> {
        self.change_settings(|settings| {
            let (settings, number) = settings.without_field(name)?;
            self.check_unused(name, number)?;
            Ok((settings, ()))
        })
    }

    /// See [`CompactArtifact::revert_settings`](crate::CompactArtifact::revert_settings).
    pub(crate) fn revert_settings(&self) -> Result<()> {
        let Some((before, seq)) = &self.settings_before else { return Ok(()) };
        self.change_settings(|settings| {
            if self.state().records.seq() != *seq || self.others_changed_settings.load(Ordering::Relaxed) {
                return Err(Error::invalid(
                    "something was committed or set up since the artifact was opened, maybe by another process; its settings stay as they are",
                ));
            }
            let (kept, new) = settings.spaces.split_at(before.spaces.len());
            let is_dropped = before.spaces.iter().zip(kept).any(|(before, now)| before.stage != now.stage);
            if is_dropped || settings.analyzer.identity() != before.analyzer.identity() {
                return Err(Error::invalid(
                    "a vector space was dropped or texts were reindexed since the artifact was opened, which cannot be taken back; its settings stay as they are",
                ));
            }
            for (number, field) in settings.fields.iter().enumerate() {
                if before.fields.get(number) != Some(field) {
                    self.check_unused(&field.name, number)?;
                }
            }
            // What has the number of a space may be in the queue of a commit: numbers are not given again.
            let new = new.iter().map(|space| Space { stage: Stage::Dropped, ..space.clone() });
            let spaces = before.spaces.iter().cloned().chain(new).collect();
            Ok((Settings { spaces, ..before.clone() }, ()))
        })
    }

    /// Refuses a field that records have, or that has one behind it that they have.
    fn check_unused(&self, name: &str, number: usize) -> Result<()> {
        // The content is the first.
        if self.state().views.iter().any(|view| view.shard.words.fields().count() > number + 1) {
            let message =
                format!("there are records with the field {name:?}, or with one that was added after it");
            return Err(Error::invalid(message));
        }
        Ok(())
    }

    /// What was committed before a change of settings is on disk when that is.
    pub(super) fn sync_before_settings(&self) -> Result<()> {
        if self.options.steps.take(Step::SyncBeforeSettings) {
            self.store.sync()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{CompactArtifact, ErrorKind, Options, Query, Record};

    #[test]
    fn a_field_that_no_query_can_name_is_not_made_and_one_of_an_earlier_release_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = CompactArtifact::create(&path).unwrap();
        for name in ["a b", "a:b", "x(y", "x)", "x\"y", "a\\b", "a*", "a~", "a^2", "-a", "+a", "a\u{a0}b"] {
            let refused = |result: crate::Result<()>| {
                let e = result.unwrap_err();
                assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{name}");
                assert!(e.to_string().contains("that a query can have before a colon"), "{e}");
            };
            refused(artifact.add_field(name, 2));
            let options = || Options::new().field(name, 2);
            refused(options().create(temp.path().join("other")).map(drop));
            assert!(!temp.path().join("other").exists());
        }
        let named = |settings: crate::format::settings::Settings| {
            Ok((settings.with_fields(&[("a b".to_owned(), 2)], false)?, ()))
        };
        artifact.engine.change_settings(named).unwrap();
        artifact.add(Record::text("x").field("a b", "a whale")).unwrap();
        artifact.close().unwrap();
        assert_eq!(
            Options::new().field("x y", 2).open(&path).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        let artifact = Options::new().field("a b", 2).open(&path).unwrap();
        artifact.add_field("a b", 2).unwrap();
        assert_eq!(artifact.search(&Query::words("whale")).unwrap().hits.len(), 1);
        let copy = temp.path().join("copy");
        artifact.close().unwrap();
        assert_eq!(crate::salvage(&path, copy, Options::new()).unwrap().records, 1);
    }
}
