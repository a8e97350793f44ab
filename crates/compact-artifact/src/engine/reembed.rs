//! An artifact moves to another model: its texts get embeddings in a new space, which takes the place of the old one when all have them.

use std::ops::ControlFlow;
use std::sync::Arc;

use block_format::RecordId;
use roaring::RoaringTreemap;
use text_embedder::Embedder;

use super::commit::{Prepared, embeddings_of_texts};
use super::core::Engine;
use super::policy;
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::record::meant;
use crate::api::reports::ReembedReport;
use crate::api::space::{SpaceModel, Stage};
use crate::format::record;
use crate::format::settings::Settings;
use crate::meaning::weight_of;
use crate::state::State;
use crate::trace::event;

/// Refuses a space that was dropped while it was filled: its number is not given again.
fn check_not_dropped(settings: &Settings, number: usize) -> Result<()> {
    if settings.spaces[number].stage == Stage::Dropped {
        let message = "the vector space of the texts was dropped while they were embedded; call reembed again to have one";
        return Err(Error::new(ErrorKind::NoSuchSpace, message));
    }
    Ok(())
}

impl Engine {
    /// See [`CompactArtifact::reembed_with`](crate::CompactArtifact::reembed_with).
    pub(crate) fn reembed(
        &self,
        embedder: Arc<dyn Embedder>,
        lose_given: bool,
        progress: &mut dyn FnMut(&ReembedReport) -> ControlFlow<()>,
    ) -> Result<ReembedReport> {
        self.check_writable()?;
        self.reembedders.check()?;
        weight_of(embedder.as_ref())?;
        let _one_at_a_time = self.reembed_lock.lock();
        let _inside = self.reembedders.enter();
        // Nobody writes meanwhile who may not have the new model.
        let _permit = self.permit()?;
        let model = SpaceModel::from_embedder(embedder.as_ref());
        let dimension = embedder.dimension();
        let mut given = Given::from_settings(&self.state().settings, &model, lose_given);
        let begun = ReembedReport { given: given.count(&self.visible())?, ..ReembedReport::default() };
        let before = self.resources.meaning.add(embedder);
        let number = self
            .change_settings(|settings| settings.filling(model, dimension))
            .inspect_err(|_| self.resources.meaning.restore(before.clone()))?;
        // What is committed from now on is embedded by both models; what was committed before is in this state.
        let mut report =
            self.embed_what_lacks(number, &self.visible(), begun, progress).inspect_err(|e| {
                // What is added from now on does without it, as after a crash.
                if e.kind() == ErrorKind::Embedder {
                    self.resources.meaning.restore(before);
                }
            })?;
        if report.left == 0 {
            report.given = self.change_settings(|settings| {
                check_not_dropped(&settings, number)?;
                // Vectors may have been given meanwhile.
                Ok((settings.filled(number), given.count(&self.visible())?))
            })?;
        }
        event!(INFO, ?report, "reembedded");
        Ok(report)
    }

    /// Gives the texts of a state that have no embedding in a space one, in commits of some texts each, until `progress` says to break.
    fn embed_what_lacks(
        &self,
        number: usize,
        state: &State,
        mut report: ReembedReport,
        progress: &mut dyn FnMut(&ReembedReport) -> ControlFlow<()>,
    ) -> Result<ReembedReport> {
        let mut lacking = RoaringTreemap::new();
        for stored in state.records.records_from(RecordId(0)) {
            match stored.map_err(Error::from).and_then(|stored| lacks(state, number, stored)) {
                Ok(Some(entry)) => drop(lacking.insert(entry.id().0)),
                Ok(None) => {}
                Err(e) if e.kind() == ErrorKind::Damaged => report.damaged += 1,
                Err(e) => return Err(e),
            }
        }
        report.left = lacking.len();
        if report.left > 0 && progress(&report).is_break() {
            return Ok(report);
        }
        let (mut texts, mut bytes): (Vec<(RecordId, String)>, usize) = (Vec::new(), 0);
        for stored in state.records.records_from(RecordId(0)) {
            let stored = match stored.map_err(Error::from) {
                Ok(stored) => stored,
                // It was counted; or it was sound before, and is among those that are left.
                Err(e) if e.kind() == ErrorKind::Damaged => continue,
                Err(e) => return Err(e),
            };
            let id = stored.id();
            if !lacking.contains(id.0) {
                continue;
            }
            let text = record::entry(stored)
                .and_then(|entry| Ok(meant(&entry.fields()?, &entry.text()?).into_owned()));
            let text = match text {
                Err(e) if e.kind() == ErrorKind::Damaged => {
                    report.damaged += 1;
                    report.left = report.left.saturating_sub(1);
                    continue;
                }
                text => text?,
            };
            bytes += text.len();
            texts.push((id, text));
            if texts.len() >= policy::REEMBED_TEXTS || bytes >= policy::REEMBED_BYTES {
                self.embed_some(number, &std::mem::take(&mut texts), &mut report)?;
                bytes = 0;
                if report.left > 0 && progress(&report).is_break() {
                    return Ok(report);
                }
            }
        }
        self.embed_some(number, &texts, &mut report)?;
        Ok(report)
    }

    fn embed_some(
        &self,
        number: usize,
        texts: &[(RecordId, String)],
        report: &mut ReembedReport,
    ) -> Result<()> {
        let settings = self.state().settings.clone();
        check_not_dropped(&settings, number)?;
        let embeddings = embeddings_of_texts(
            &settings.spaces[number],
            texts,
            &self.resources.meaning,
            self.store.workers(),
        )?;
        let ids: Vec<RecordId> = embeddings.iter().map(|(id, _)| *id).collect();
        report.embedded += embeddings.len() as u64;
        report.without += (texts.len() - embeddings.len()) as u64;
        report.left = report.left.saturating_sub(texts.len() as u64);
        if embeddings.is_empty() {
            return Ok(());
        }
        let prepared = Prepared::late_embeddings(number, embeddings, settings, self.options.durability);
        self.commit_queued(&self.enqueue(prepared))?;
        let state = self.visible();
        for id in ids.into_iter().filter(|&id| state.locate(id).is_some()) {
            match state.embedding(id, number) {
                Ok(Some(_)) => {}
                Err(e) if e.kind() != ErrorKind::Damaged => return Err(e),
                // Something else of it cannot be read.
                _ => {
                    report.embedded -= 1;
                    report.damaged += 1;
                }
            }
        }
        Ok(())
    }
}

/// Vectors in the space of the old model that no model makes again.
struct Given {
    /// The space of the old model; `None`: it is that of the new one, or there is none.
    number: Option<usize>,
    may_go: bool,
    /// Records that are no texts, of those below `next`.
    others: RoaringTreemap,
    next: RecordId,
}

impl Given {
    fn from_settings(settings: &Settings, new: &SpaceModel, may_go: bool) -> Self {
        let old = settings.meaning().filter(|(_, space)| space.model.as_ref() != Some(new));
        let number = old.map(|(number, _)| number);
        Self { number, may_go, others: RoaringTreemap::new(), next: RecordId(0) }
    }

    /// How many there are in a state, which is not older than that of the last call; an error if they may not go. What is damaged is passed over.
    fn count(&mut self, state: &State) -> Result<u64> {
        let Some(number) = self.number else { return Ok(0) };
        for stored in state.records.records_from(self.next) {
            match stored.map_err(Error::from).and_then(record::decode) {
                Ok((kind, entry)) if kind.is_record() && !entry.is_text() => {
                    self.others.insert(entry.id().0);
                }
                Err(e) if e.kind() != ErrorKind::Damaged => return Err(e),
                _ => {}
            }
        }
        self.next = state.records.next_id();
        let mut given = Vec::new();
        for id in self.others.iter().map(RecordId) {
            match state.embedding(id, number) {
                Ok(Some(_)) => given.push(id),
                Err(e) if e.kind() != ErrorKind::Damaged => return Err(e),
                _ => {}
            }
        }
        match given.first() {
            Some(first) if !self.may_go => Err(Error::new(
                ErrorKind::WouldLoseEmbedding,
                format!(
                    "vectors were given in the space of the model for {} records that are no texts, record {first} the first, and another model makes none of them; remove them first, or say by lose_given that they may go",
                    given.len()
                ),
            )),
            _ => Ok(given.len() as u64),
        }
    }
}

/// A text of a state that has no embedding in a space.
fn lacks(state: &State, number: usize, stored: block_format::Record) -> Result<Option<Entry>> {
    let (kind, entry) = record::decode(stored)?;
    if !kind.is_record() || !entry.is_text() || state.locate(entry.id()).is_none() {
        return Ok(None);
    }
    let is_lacking = match state.embedding(entry.id(), number) {
        Err(e) if e.kind() == ErrorKind::Damaged => true,
        embedding => embedding?.is_none(),
    };
    Ok(is_lacking.then_some(entry))
}
