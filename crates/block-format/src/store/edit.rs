//! One generation → the next: logs sealed, segments rewritten, parts added and dropped, all at once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringTreemap;

use super::publish::Changes;
use super::read::Snapshot;
use super::rewrite::Rewriter;
use super::state::{Sealed, Store};
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::{FileId, RecordId};
use crate::log::LogView;
use crate::part::layout::encode_deletes;
use crate::part::{PartKind, PartWriter};
use crate::protocol::Step;
use crate::run::Run;
use crate::segment::{SealedFile, Segment, SegmentInfo};

/// Changes that become one generation when the closure given to [`Store::edit`] returns.
#[derive(Debug)]
pub struct Edit<'a> {
    store: &'a Store,
    sealed: Arc<Sealed>,
    snapshot: Snapshot,
    deletes: RoaringTreemap,
    changes: Changes,
    /// [`Edit::end_log`] was called: what is to be sealed is known.
    has_ended_log: bool,
}

/// The list of deleted ids is written so many times: nothing else says which records are alive.
const DELETES_COPIES: u64 = 2;

impl Sealed {
    /// Whether a copy of the list of deleted ids is missing or damaged.
    fn lacks_deletes(&self) -> bool {
        let copies =
            self.parts.iter().filter(|part| part.kind() == PartKind::DELETES && part.fault().is_none());
        !self.deletes.is_empty() && (copies.count() as u64) < DELETES_COPIES
    }
}

/// Logs that were ended but not sealed, at the most: each is scanned when the artifact is opened.
const MAX_FROZEN_LOGS: usize = 8;

impl Store {
    /// Makes changes to the set of files, atomically: when `change` returns they are written and synced, then one new
    /// manifest names them, then what they replace is removed. An error changes nothing. Commits go on meanwhile;
    /// another edit waits, and one from inside of `change` is an error of kind [`Reentrant`](crate::ErrorKind::Reentrant).
    pub fn edit<T>(&self, change: impl FnOnce(&mut Edit<'_>) -> Result<T>) -> Result<T> {
        self.callers.check()?;
        self.editors.check()?;
        let _one_at_a_time = self.maintenance.lock();
        let _inside = self.editors.enter();
        drop(self.writer()?);
        let state = self.published.read().clone();
        let mut edit = Edit {
            store: self,
            sealed: state.sealed.clone(),
            deletes: (*state.sealed.deletes).clone(),
            snapshot: Snapshot::new(state),
            changes: Changes::default(),
            has_ended_log: false,
        };
        let value = change(&mut edit)?;
        edit.publish()?;
        Ok(value)
    }

    /// Seals everything committed so far: its live records are written to segments in their final form, and the log
    /// begins anew. Commits go on meanwhile.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method alone does not take any lifetime"
    )]
    pub fn seal(&self) -> Result<Vec<SegmentInfo>> {
        self.edit(|edit| edit.seal_logs())
    }

    /// Seals if the log has grown to the length of a segment. The commit that made it grow is durable whatever comes
    /// of it here: a failure is tried again when the log has grown by as much again, and then by `seal` and `close`.
    pub(super) fn seal_if_due(&self) {
        let options = &self.directory.options;
        let (logs_len, frozen) = {
            let state = self.published.read();
            let frozen = &state.sealed.frozen;
            (state.tail.len + frozen.iter().map(|log| log.len).sum::<u64>(), frozen.len())
        };
        let due_at = self.seal_due_at.load(Ordering::Relaxed);
        if !options.auto_seal || (logs_len < due_at && frozen < MAX_FROZEN_LOGS) {
            return;
        }
        let next = if self.seal().is_ok() { options.segment_len } else { logs_len + options.segment_len };
        self.seal_due_at.store(next, Ordering::Relaxed);
    }

    /// Seals the logs that interrupted seals have left, if they are many: each kill in the middle of one leaves another.
    pub(super) fn seal_interrupted(&self) -> Result<()> {
        if self.published.read().sealed.frozen.len() <= MAX_FROZEN_LOGS {
            return Ok(());
        }
        self.edit(|edit| {
            edit.has_ended_log = true; // the one that is open stays open
            edit.seal_logs().map(drop)
        })
    }
}

impl<'a> Edit<'a> {
    /// Ends the log: [`seal_logs`](Self::seal_logs) will seal what was committed up to here, however long it takes to get there. Later commits
    /// go to a new log, and stay in it.
    pub fn end_log(&mut self) -> Result<()> {
        let store = self.store;
        let mut writer = store.writer()?;
        store.rotate(&mut writer)?;
        let state = store.published.read().clone();
        drop(writer);
        self.sealed = state.sealed.clone();
        self.snapshot = Snapshot::new(state);
        self.has_ended_log = true;
        Ok(())
    }

    /// Deletes records as a part of the edit; ids that were not given out yet are passed over. What
    /// [`seal_logs`](Self::seal_logs) and [`rewrite`](Self::rewrite) write afterwards leaves them out; elsewhere they are
    /// in the set of deleted ids.
    pub fn delete(&mut self, ids: impl IntoIterator<Item = RecordId>) {
        let next_id = self.store.published.read().next_id;
        self.deletes.extend(ids.into_iter().map(|id| id.0).filter(|&id| id < next_id));
    }

    /// The commit that the store was at when the edit began, or at [`end_log`](Self::end_log) if that came since.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// Seals everything committed so far, or up to [`end_log`](Self::end_log), into segments, which are returned. Logs that this edit has sealed
    /// already are left out.
    pub fn seal_logs(&mut self) -> Result<Vec<SegmentInfo>> {
        let logs = self.logs_to_seal()?.write()?;
        Ok(self.add_sealed(logs))
    }

    /// What [`seal_logs`](Self::seal_logs) seals, for a thread that does it while the caller writes parts:
    /// [`add_sealed`](Self::add_sealed) makes it part of the edit.
    pub fn logs_to_seal(&mut self) -> Result<LogsToSeal<'a>> {
        if !self.has_ended_log {
            self.end_log()?;
        }
        let state = self.store.published.read().clone();
        let is_left = |log: &&LogView| !self.changes.drops(FileName::Log(log.index.id));
        let logs: Vec<_> = self.sealed.frozen.iter().filter(is_left).cloned().collect();
        self.deletes.extend(logs.iter().flat_map(|log| log.index.deleted(state.seq)));
        let others = self.sealed.segments.iter().map(|segment| segment.entry.first_id).collect();
        // The numbers of files depend on what is written, and not on who is first to write it. There are rarely more segments.
        let len = logs.iter().fold(0u64, |sum, log| sum.saturating_add(log.len));
        let files =
            self.store.directory.take_files(len / self.store.directory.options.segment_len.max(1) + 2)?;
        Ok(LogsToSeal {
            store: self.store,
            logs,
            others,
            files,
            deletes: self.deletes.clone(),
            is_written: AtomicBool::new(false),
        })
    }

    /// Puts segments in the place of the logs that they were written from. Where this edit has sealed one of those already, nothing is done.
    pub fn add_sealed(&mut self, mut sealed: SealedLogs<'_>) -> Vec<SegmentInfo> {
        if sealed.logs.iter().any(|&log| self.changes.drops(log)) {
            return Vec::new();
        }
        self.changes.dropped.append(&mut sealed.logs);
        self.take_segments((std::mem::take(&mut sealed.segments), std::mem::take(&mut sealed.reclaimed)))
    }

    /// Makes segments that were written part of the edit. Some deleted ids are in no file any more.
    fn take_segments(&mut self, (written, reclaimed): (Vec<SealedFile>, RoaringTreemap)) -> Vec<SegmentInfo> {
        self.deletes -= reclaimed;
        let infos = written.iter().map(|sealed| (&sealed.entry).into()).collect();
        self.changes.segments.extend(written);
        infos
    }

    /// Rewrites sealed segments without the records that were deleted: one or several that lie next to each other, in
    /// the order of their ids, become as few as possible. A segment can be rewritten once in an edit.
    pub fn rewrite(&mut self, segments: &[FileId]) -> Result<Vec<SegmentInfo>> {
        let sealed = self.sealed.clone();
        let all: Vec<FileId> = sealed.segments.iter().map(|segment| segment.entry.file).collect();
        let start = all.iter().position(|file| segments.first() == Some(file));
        let neighbours = start.filter(|&start| all[start..].starts_with(segments));
        let Some(start) = neighbours else {
            return Err(Error::invalid("expected segments of this snapshot that lie next to each other"));
        };
        if let Some(file) = segments.iter().find(|&&file| self.changes.drops(FileName::Segment(file))) {
            return Err(Error::invalid(format!("segment {} was rewritten by this edit already", file.0)));
        }
        let taken = &sealed.segments[start..start + segments.len()];
        let others: Vec<u64> = sealed.frozen.iter().filter_map(|log| Some(log.ids?.0)).collect();
        let runs = taken.iter().map(|segment| &**segment as &dyn Run).collect::<Vec<_>>();
        let kept = dictionary_to_keep(taken)?;
        let written = write_segments(self.store, &self.deletes, kept, 0..0, (&runs, &others))?;
        self.changes.dropped.extend(segments.iter().map(|&file| FileName::Segment(file)));
        Ok(self.take_segments(written))
    }

    /// Writes a part through `content`. `kind` is 256 or more; `tag` is for the caller to know it by.
    pub fn write_part(
        &mut self,
        kind: PartKind,
        tag: u64,
        content: impl FnOnce(&mut PartWriter<'_>) -> std::io::Result<()>,
    ) -> Result<FileId> {
        if !kind.is_derived() {
            return Err(Error::invalid(format!("part kind: expected 256 or more, found {}", kind.0)));
        }
        self.write_part_unchecked(kind, tag, content)
    }

    fn write_part_unchecked(
        &mut self,
        kind: PartKind,
        tag: u64,
        content: impl FnOnce(&mut PartWriter<'_>) -> std::io::Result<()>,
    ) -> Result<FileId> {
        let mut writer = PartWriter::create(&self.store.directory)?;
        content(&mut writer).map_err(|e| Error::io(e, "writing a part", &self.store.directory.root))?;
        let sealed = writer.seal(kind, tag)?;
        let file = sealed.entry.file;
        self.changes.parts.push(sealed);
        Ok(file)
    }

    /// A failure of the caller's own, to end the edit with, so that nothing is changed.
    pub fn failed(&self, cause: std::io::Error) -> Error {
        Error::io(cause, "changing the set of files", &self.store.directory.root)
    }

    /// Drops a part of the current generation.
    pub fn drop_part(&mut self, part: FileId) -> Result<()> {
        let known = self.sealed.parts.iter().find(|known| known.entry.file == part);
        if known.is_none_or(|known| !known.kind().is_derived()) {
            return Err(Error::invalid(format!("part {} is not one of this generation", part.0)));
        }
        self.changes.dropped.push(FileName::Part(part));
        Ok(())
    }

    fn publish(mut self) -> Result<()> {
        if self.deletes != *self.sealed.deletes || self.sealed.lacks_deletes() {
            self.replace_deletes()?;
        }
        let changes = std::mem::take(&mut self.changes);
        if changes.segments.is_empty() && changes.parts.is_empty() && changes.dropped.is_empty() {
            return Ok(());
        }
        self.store.publish_changes(changes, None)
    }

    /// Writes the set of deleted ids anew, in the place of its copies. It names no record of a commit that a crash can undo: the id
    /// would be given out once more.
    fn replace_deletes(&mut self) -> Result<()> {
        let kept = self.deletes_in_files();
        let checkpoint = self.store.catalog.lock().next_id();
        if kept.max().is_some_and(|last| last >= checkpoint) {
            self.store.sync()?;
        }
        let old = self.sealed.parts.iter().filter(|part| part.kind() == PartKind::DELETES);
        self.changes.dropped.extend(old.map(|part| FileName::Part(part.entry.file)));
        let copies = match self.store.directory.options.steps.take(Step::WriteDeletesTwice) {
            _ if kept.is_empty() => 0,
            true => DELETES_COPIES,
            false => 1,
        };
        for copy in 0..copies {
            self.write_part_unchecked(PartKind::DELETES, copy, |writer| encode_deletes(&kept, writer))?;
        }
        self.changes.deletes = Some(kept);
        Ok(())
    }

    /// The deleted ids whose records can be in a file of the next generation.
    fn deletes_in_files(&self) -> RoaringTreemap {
        // A bulk commit may have come since the edit began.
        let state = self.store.published.read().clone();
        let staying = state.sealed.segments.iter().map(|segment| segment.entry);
        let staying = staying.filter(|entry| !self.changes.drops(FileName::Segment(entry.file)));
        let segments = staying.chain(self.changes.segments.iter().map(|sealed| sealed.entry));
        // Logs that stay may hold records that the edit itself deletes.
        let logs = state.sealed.frozen.iter().chain([&state.tail]);
        let logs = logs.filter(|log| !self.changes.drops(FileName::Log(log.index.id)));
        let segments = segments.map(|entry| (entry.first_id, entry.last_id));
        let mut spans: Vec<_> = segments.chain(logs.filter_map(|log| log.ids)).collect();
        spans.sort_unstable();
        // Ids between the spans are taken away: a set of all ids within the spans could be of any size.
        let (mut kept, mut next) = (self.deletes.clone(), 0);
        for (first, last) in spans {
            kept.remove_range(next..first.max(next));
            next = next.max(last.saturating_add(1));
        }
        kept.remove_range(next..);
        kept
    }
}

/// Logs that an edit is to seal.
#[derive(Debug)]
#[must_use = "it does nothing until it is written"]
pub struct LogsToSeal<'a> {
    store: &'a Store,
    logs: Vec<LogView>,
    /// The first ids of segments that stay.
    others: Vec<u64>,
    /// Numbers for the files of the segments.
    files: Range<u64>,
    deletes: RoaringTreemap,
    is_written: AtomicBool,
}

impl<'a> LogsToSeal<'a> {
    /// Writes the records that are not deleted to segments, once.
    pub fn write(&self) -> Result<SealedLogs<'a>> {
        let Self { store, logs, others, files, deletes, is_written } = self;
        if is_written.swap(true, Ordering::Relaxed) {
            return Err(Error::invalid("these logs were written to segments already"));
        }
        let runs = logs.iter().filter(|log| log.ids.is_some()).map(|log| log as &dyn Run).collect::<Vec<_>>();
        let (segments, reclaimed) = write_segments(store, deletes, None, files.clone(), (&runs, others))?;
        let logs = logs.iter().map(|log| FileName::Log(log.index.id)).collect();
        Ok(SealedLogs { store, segments, reclaimed, logs })
    }
}

/// Segments that were written from logs. Dropped, their files are removed.
#[derive(Debug)]
#[must_use = "it is part of no generation until `Edit::add_sealed`"]
pub struct SealedLogs<'a> {
    store: &'a Store,
    segments: Vec<SealedFile>,
    /// Deleted ids that are in no file any more.
    reclaimed: RoaringTreemap,
    logs: Vec<FileName>,
}

impl Drop for SealedLogs<'_> {
    fn drop(&mut self) {
        let names = self.segments.iter().map(|sealed| FileName::Segment(sealed.entry.file));
        names.for_each(|name| self.store.directory.remove(name));
    }
}

/// Copies the records of `runs` that are not in `deletes` into new segments; `others` are the first ids of runs that stay. Returns also the deleted ids that are in
/// no file any more.
fn write_segments(
    store: &Store,
    deletes: &RoaringTreemap,
    kept: Option<&Segment>,
    files: Range<u64>,
    (runs, others): (&[&dyn Run], &[u64]),
) -> Result<(Vec<SealedFile>, RoaringTreemap)> {
    let mut rewriter = Rewriter::new(&store.directory, deletes, files);
    rewriter.use_sealed_form(kept, runs)?;
    rewriter.copy_runs(runs, others)?;
    rewriter.finish()
}

/// The segment with a dictionary that has at least half of the raw bytes: with it, fewer blocks are compressed than with a new one.
fn dictionary_to_keep(segments: &[Arc<Segment>]) -> Result<Option<&Segment>> {
    let all = segments.iter().fold(0u64, |sum, segment| sum.saturating_add(segment.entry.raw_len));
    let half = segments.iter().find(|segment| segment.entry.raw_len >= all.div_ceil(2));
    match half {
        Some(segment) if segment.has_dictionary()? => Ok(Some(segment)),
        _ => Ok(None),
    }
}

/// Files of an edit that failed are removed at once: after a crash, the next open does it.
impl Drop for Edit<'_> {
    fn drop(&mut self) {
        self.changes.remove_new_files(&self.store.directory);
    }
}
