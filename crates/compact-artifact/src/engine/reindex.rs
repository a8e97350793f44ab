//! Other words for the texts that are there: those of all shards are indexed anew, and take the place of the old ones in one edit of the store.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use block_format::{Edit, Record, RecordId};
use lexical_index::MemoryIndex;
use parking_lot::MutexGuard;
use vector_index::AlignedBytes;

use super::commit::CommitState;
use super::core::Engine;
use super::merge::Replacement;
use super::meter::Meter;
use super::policy::{self, Build};
use super::settings::{changed_analyzer, put_settings};
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::reports::ReindexReport;
use crate::api::text_options::TextOptions;
use crate::format::parts::{SHARD, belongs_to_shard};
use crate::format::record;
use crate::format::settings::Settings;
use crate::shard::{Shard, Source, add_words, merge_reindexed};
use crate::state::{State, View};
use crate::trace::{event, span};

/// A caller who is told how far it is, and may end it.
type Progress<'a> = &'a mut dyn FnMut(&ReindexReport) -> ControlFlow<()>;

impl Engine {
    /// See [`CompactArtifact::set_text_options_with`](crate::CompactArtifact::set_text_options_with).
    pub(crate) fn reindex(&self, options: TextOptions, progress: Progress<'_>) -> Result<ReindexReport> {
        let _permit = self.permit()?;
        span!(INFO, "reindex");
        self.delete_expired()?;
        let _one_at_a_time = self.lock_maintenance()?;
        self.check_current()?;
        let before = self.state().settings.clone();
        let analyzer = changed_analyzer(&before.analyzer, options)?;
        if analyzer.identity() == before.analyzer.identity() {
            return Ok(ReindexReport::default());
        }
        self.write_words_anew((*before).clone().with_analyzer(analyzer), progress)
    }

    /// Indexes the words of all texts by the settings as they are: those that sealed shards were made with are not known any more.
    pub(super) fn reindex_anyway(&self) -> Result<()> {
        let _one_at_a_time = self.lock_maintenance()?;
        let settings = (*self.state().settings).clone();
        self.write_words_anew(settings, &mut |_| ControlFlow::Continue(())).map(drop)
    }

    /// Who calls holds the lock of maintenance.
    fn write_words_anew(&self, settings: Settings, progress: Progress<'_>) -> Result<ReindexReport> {
        // What is committed from here on is indexed anew at the end, while no commit can be made: that should be little.
        self.seal_tail(Build::from_options(&self.options), &mut Meter::silent())?;
        let state = self.durable_state()?;
        let sealed = state.views.iter().filter(|view| view.shard.is_sealed());
        let report = ReindexReport { left: sealed.map(View::live).sum(), ..ReindexReport::default() };
        let settings = Arc::new(settings);
        let mut reindexing =
            Reindexing { engine: self, settings, report, is_stopped: false, commits: None, progress };
        match reindexing.tell().and_then(|()| reindexing.run(&state)) {
            Err(_) if reindexing.is_stopped => return Ok(reindexing.report),
            ended => ended?,
        }
        let report = reindexing.report;
        drop(reindexing); // and with it the commit lock
        event!(INFO, ?report, "reindexed");
        // That shards are merged, or neighbours found, can fail without taking the new words away.
        self.tell(
            self.merge_alike(Build::from_options(&self.options), &mut Meter::silent())
                .and_then(|mut damage| self.precompute_similar(&mut damage)),
        );
        Ok(report)
    }
}

/// All words of an artifact on their way into other indexes.
struct Reindexing<'a> {
    engine: &'a Engine,
    /// By which they are indexed.
    settings: Arc<Settings>,
    report: ReindexReport,
    /// The caller has ended it.
    is_stopped: bool,
    /// The commit lock, from when nobody may commit until all is published.
    commits: Option<MutexGuard<'a, CommitState>>,
    progress: Progress<'a>,
}

impl<'a> Reindexing<'a> {
    /// Writes all sealed shards of a durable state anew, and publishes them together with the settings and the newest tail. An error changes nothing.
    fn run(&mut self, state: &State) -> Result<()> {
        let engine: &'a Engine = self.engine;
        let deleted = state.deleted();
        let (next, replacements) = engine.store.edit(|edit| {
            let mut replacements = Vec::new();
            for view in state.views.iter().filter(|view| view.shard.is_sealed()) {
                let source = Source::new(&view.shard, view.droppable(&deleted, state.steps));
                replacements.push(self.write_shard(edit, state, source)?);
                // Where there is as much in memory as is sealed otherwise, nobody commits from here on.
                let held = self.commits.take().unwrap_or_else(|| engine.commit_lock.lock());
                self.commits = held.is_sealing_due(&engine.options).then_some(held);
            }
            self.commits.get_or_insert_with(|| engine.commit_lock.lock());
            let next = self.with_tail(&engine.state()).map_err(|e| edit.failed(e.into()))?;
            put_settings(edit, &state.records, &self.settings, state.steps)?;
            Ok((next, replacements))
        })?;
        let commits = self.commits.get_or_insert_with(|| engine.commit_lock.lock());
        engine.publish_edit(commits, &next, &replacements)
    }

    /// Writes what is left of a shard with its words anew, as one shard or, where the memory for those is limited, as several.
    fn write_shard(
        &mut self,
        edit: &mut Edit<'_>,
        state: &State,
        source: Source,
    ) -> block_format::Result<Replacement> {
        let engine = self.engine;
        let Range { start, end } = source.shard.covers.clone();
        let (rows, mut first, mut new) = (source.live(), 0, Vec::new());
        loop {
            let words = self.words(state, &source, first, policy::reindex_bytes(&engine.options));
            let words = words.map_err(|e| edit.failed(e.into()))?;
            let next = first + u64::from(words.rows());
            let is_whole = first == 0 && next == rows;
            let piece = if is_whole { source.clone() } else { source.slice(first..next) };
            // What no piece but all of them together covers is said by the last.
            let covers = start..if next == rows { end } else { start };
            let number = self.next_shard();
            edit.write_part(SHARD, number, |out| {
                let form = (engine.options.graph_from, engine.options.memory_limit.is_some());
                merge_reindexed(engine.store.workers(), &self.settings, form, covers, (&piece, &words), out)
                    .map(drop)
                    .map_err(Into::into)
            })?;
            new.push(number);
            self.report.shards += 1;
            first = next;
            if first == rows {
                break;
            }
        }
        let number = source.shard.number;
        for part in state.records.parts() {
            if belongs_to_shard(part.kind()) && part.tag() == number {
                edit.drop_part(part.id())?;
            }
        }
        Ok(Replacement { old: vec![source.shard], new })
    }

    fn next_shard(&mut self) -> u64 {
        match &mut self.commits {
            Some(commits) => commits.next_shard(),
            None => self.engine.commit_lock.lock().next_shard(),
        }
    }

    /// A state with the shards of its tail indexed anew, and with the settings for that.
    fn with_tail(&mut self, now: &State) -> Result<State> {
        let mut next = State { settings: self.settings.clone(), ..now.clone() };
        for view in next.views.iter_mut().filter(|view| !view.shard.is_sealed()) {
            let old = view.shard.clone();
            let source = Source::new(&old, view.dead.to_bitmap());
            let words = self.words(now, &source, 0, usize::MAX)?;
            let (bytes, _) = merge_reindexed(
                self.engine.store.workers(),
                &self.settings,
                (usize::MAX, self.engine.options.memory_limit.is_some()),
                old.covers.clone(),
                (&source, &words),
                AlignedBytes::default(),
            )?;
            let (superseded, reindexed) = (old.superseded.clone(), old.reindexed.clone());
            let shard = Shard::open_memory(bytes, superseded, reindexed, &self.settings)?;
            *view = View::new(Arc::new(shard));
        }
        Ok(next)
    }

    /// The words of the rows that are left of a source, from the one with the number `first` on, as far as `max_bytes` of heap go.
    fn words(&mut self, state: &State, source: &Source, first: u64, max_bytes: usize) -> Result<MemoryIndex> {
        let (settings, fields) = (self.settings.clone(), source.shard.words.fields().count());
        let analyzer = Arc::clone(&settings.analyzer);
        let mut words = MemoryIndex::new(analyzer, &settings.word_fields()[..fields], true)?;
        let mut ids = source.ids().skip(usize::try_from(first).unwrap_or(usize::MAX));
        let mut at_once = 1;
        loop {
            let some: Vec<RecordId> = ids.by_ref().take(at_once).collect();
            let mut bytes = 0;
            for stored in state.records.get_many(&some) {
                bytes += stored.as_ref().ok().and_then(Option::as_ref).map_or(0, block_format::Record::len);
                self.add_words(&mut words, stored.map_err(Error::from))?;
            }
            self.report.records += some.len() as u64;
            self.report.left = self.report.left.saturating_sub(some.len() as u64);
            self.tell()?;
            if some.len() < at_once || words.memory_bytes() >= max_bytes {
                return Ok(words);
            }
            at_once = if bytes > policy::REINDEXED_BYTES_AT_ONCE {
                (at_once / 2).max(1)
            } else {
                (at_once * 2).min(policy::REINDEXED_AT_ONCE)
            };
        }
    }

    /// Gives the next row to the words of a record; none to one that cannot be read.
    fn add_words(&mut self, words: &mut MemoryIndex, stored: Result<Option<Record>>) -> Result<()> {
        let read = stored.and_then(|stored| {
            let Some(entry) = stored.map(record::entry).transpose()? else { return Ok((Vec::new(), None)) };
            let text = entry.is_text().then(|| entry.text().map(Cow::into_owned));
            Ok((entry.fields()?, text))
        });
        let (fields, text) = match read {
            Err(e) if e.kind() == ErrorKind::Damaged => (Vec::new(), Some(Err(e))),
            read => read?,
        };
        let text = match text.transpose() {
            Err(e) if e.kind() == ErrorKind::Damaged => {
                self.report.damaged += 1;
                None
            }
            text => text?,
        };
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        add_words(words, &self.settings, &fields, text.as_deref())
    }

    /// Says how far it is. An error if the caller wants no more of it.
    fn tell(&mut self) -> Result<()> {
        // While nobody may commit, a commit of the caller's would wait for itself.
        let _inside = self.commits.as_ref().map(|_| self.engine.callers.enter());
        if self.report.left > 0 && (self.progress)(&self.report).is_break() {
            self.is_stopped = true;
            return Err(Error::invalid("ended by the caller"));
        }
        Ok(())
    }
}
