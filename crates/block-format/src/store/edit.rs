//! One generation → the next: logs sealed, segments rewritten, parts added and dropped, all at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use roaring::RoaringTreemap;

use super::write_path::Written;
use super::{Sealed, Snapshot, State, Store, Writer};
use crate::block::writer::{EncodedBlock, Packer};
use crate::block::{Block, BlockKind, Body, Header};
use crate::error::{Error, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileKind, FileName};
use crate::id::{FileId, RecordId};
use crate::log::{LogView, LogWriter};
use crate::manifest::{Checkpoint, LogEntry, Manifest, SegmentEntry};
use crate::part::{Part, PartKind, PartWriter, SealedPart};
use crate::protocol::Step;
use crate::run::Run;
use crate::segment::{SealedFile, Segment, SegmentsWriter};
use crate::source::Source;

/// What a sealed segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The number of its file.
    pub file: FileId,
    /// Length of its file in bytes.
    pub len: u64,
    /// Raw bytes of its blocks.
    pub raw_len: u64,
    /// The smallest and the largest id in it.
    pub ids: (RecordId, RecordId),
    /// How many records it holds, deleted ones included.
    pub records: u64,
}

impl From<&SegmentEntry> for SegmentInfo {
    fn from(entry: &SegmentEntry) -> Self {
        let SegmentEntry { file, len, raw_len, records, first_id, last_id, .. } = *entry;
        Self { file, len, raw_len, records, ids: (RecordId(first_id), RecordId(last_id)) }
    }
}

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

/// Files that come and go with a generation.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) segments: Vec<SealedFile>,
    pub(super) parts: Vec<SealedPart>,
    pub(super) dropped: Vec<FileName>,
    pub(super) deletes: Option<RoaringTreemap>,
    /// The state of the artifact behind segments that did not come from the log.
    pub(super) state: Option<Checkpoint>,
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
const MAX_FROZEN: usize = 8;

impl Store {
    /// Makes changes to the set of files, atomically: when `change` returns they are written and synced, then one new
    /// manifest names them, then what they replace is removed. An error changes nothing. Commits go on meanwhile;
    /// another edit waits.
    pub fn edit<T>(&self, change: impl FnOnce(&mut Edit<'_>) -> Result<T>) -> Result<T> {
        self.callers.check()?;
        let _one_at_a_time = self.maintenance.lock();
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
        if !options.auto_seal || (logs_len < due_at && frozen < MAX_FROZEN) {
            return;
        }
        let next = if self.seal().is_ok() { options.segment_len } else { logs_len + options.segment_len };
        self.seal_due_at.store(next, Ordering::Relaxed);
    }

    /// Seals the logs that interrupted seals have left, if they are many: each kill in the middle of one leaves another.
    pub(super) fn seal_interrupted(&self) -> Result<()> {
        if self.published.read().sealed.frozen.len() <= MAX_FROZEN {
            return Ok(());
        }
        self.edit(|edit| {
            edit.has_ended_log = true; // the one that is open stays open
            edit.seal_logs().map(drop)
        })
    }

    /// Ends the active log and begins a new one.
    pub(super) fn rotate(&self, writer: &mut Writer) -> Result<()> {
        let synced = self.directory.sync_data(Step::SyncCheckpoint, &**writer.log.file(), writer.log.path());
        synced.map_err(|e| self.fail(writer, e))?;
        let written = Written::of(writer);
        self.publish(&written);
        self.synced(written.committed.seq);
        if written.is_empty() && !writer.log.has_uncommitted() {
            return Ok(());
        }
        let old = FileName::Log(writer.log.index().id);
        let (log, entry) = self.directory.create_log(written.committed.seq, written.committed.next_id)?;
        self.directory.sync_names(Step::SyncNewNames)?;
        let mut catalog = self.catalog.lock();
        let mut manifest = catalog.clone();
        if let Some(last) = manifest.logs.last_mut() {
            last.checkpoint = written.committed;
        }
        if written.is_empty() {
            manifest.logs.pop();
        }
        manifest.logs.push(entry);
        self.directory.write_generation(&mut catalog, manifest).map_err(|e| self.fail(writer, e))?;
        drop(catalog);
        writer.log = log;
        let tail = Written::of(writer).tail;
        let mut published = self.published.write();
        let State { seq, next_id, ref sealed, .. } = **published;
        let mut frozen = sealed.frozen.clone();
        if !written.is_empty() {
            frozen.push(written.tail);
        }
        let sealed = Sealed {
            segments: sealed.segments.clone(),
            frozen,
            parts: sealed.parts.clone(),
            deletes: sealed.deletes.clone(),
        };
        *published = Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail });
        drop(published);
        if manifest_forgets(&self.catalog.lock(), old) {
            self.directory.remove(old);
        }
        Ok(())
    }

    /// Writes a generation with `changes`, makes it visible, and removes what it replaces. With the writer's lock held,
    /// `writer` is it; then the changes may bring a new state of the artifact.
    pub(super) fn publish_changes(&self, changes: Changes, writer: Option<&mut Writer>) -> Result<()> {
        self.directory.sync_names(Step::SyncNewNames)?;
        let opened = self.open_changes(&changes)?;
        let mut catalog = self.catalog.lock();
        let mut manifest = catalog.clone();
        manifest.segments.retain(|entry| !changes.dropped.contains(&FileName::Segment(entry.file)));
        manifest.segments.extend(changes.segments.iter().map(|sealed| sealed.entry));
        manifest.segments.sort_by_key(|entry| entry.first_id);
        manifest.parts.retain(|entry| !changes.dropped.contains(&FileName::Part(entry.file)));
        manifest.parts.extend(changes.parts.iter().map(|sealed| sealed.entry));
        manifest.logs.retain(|entry| !changes.dropped.contains(&FileName::Log(entry.file)));
        if let (Some(state), Some(last)) = (changes.state, manifest.logs.last_mut()) {
            last.checkpoint = Checkpoint { len: last.checkpoint.len, chain: last.checkpoint.chain, ..state };
        }
        let active = manifest.logs.last().map(|entry| entry.checkpoint);
        if let Err(e) = self.directory.write_generation(&mut catalog, manifest) {
            drop(catalog);
            return Err(match writer {
                Some(writer) => self.fail(writer, e),
                None => match self.writer.lock().as_mut() {
                    Some(writer) => self.fail(writer, e),
                    None => e,
                },
            });
        }
        if let (Some(writer), Some(_), Some(checkpoint)) = (writer, changes.state, active) {
            writer.log.restart_at(checkpoint);
            self.synced(checkpoint.seq);
        }
        self.show_changes(&changes, opened);
        drop(catalog);
        changes.dropped.iter().for_each(|&name| self.directory.remove(name));
        Ok(())
    }

    fn open_changes(&self, changes: &Changes) -> Result<(Vec<Arc<Segment>>, Vec<Arc<Part>>)> {
        let directory = &self.directory;
        let map = directory.options.memory_mapping;
        let segments = changes.segments.iter().map(|SealedFile { entry, file }| {
            let source =
                Source::sealed(&directory.path(FileName::Segment(entry.file)), entry.len, file.clone(), map);
            Segment::open(directory.block_file(entry.file, source), directory.artifact, *entry).map(Arc::new)
        });
        let segments = segments.collect::<Result<_>>()?;
        let parts = changes.parts.iter().map(|SealedPart { entry, file }| {
            let source =
                Source::sealed(&directory.path(FileName::Part(entry.file)), entry.len, file.clone(), map);
            Part::open(source, directory.binding(entry.file), *entry, directory.options.steps).map(Arc::new)
        });
        Ok((segments, parts.collect::<Result<_>>()?))
    }

    fn show_changes(
        &self,
        changes: &Changes,
        (new_segments, new_parts): (Vec<Arc<Segment>>, Vec<Arc<Part>>),
    ) {
        let mut published = self.published.write();
        let old = &published.sealed;
        let kept = |name: FileName| !changes.dropped.contains(&name);
        let segments = old.segments.iter().filter(|segment| kept(FileName::Segment(segment.entry.file)));
        let mut segments: Vec<_> = segments.cloned().chain(new_segments).collect();
        segments.sort_by_key(|segment| segment.entry.first_id);
        let parts = old.parts.iter().filter(|part| kept(FileName::Part(part.entry.file)));
        let sealed = Sealed {
            segments,
            frozen: old.frozen.iter().filter(|log| kept(FileName::Log(log.index.id))).cloned().collect(),
            parts: parts.cloned().chain(new_parts).collect(),
            deletes: changes.deletes.clone().map_or_else(|| old.deletes.clone(), Arc::new),
        };
        let State { seq, next_id, ref tail, .. } = **published;
        let (seq, next_id) = changes.state.map_or((seq, next_id), |state| (state.seq, state.next_id));
        let tail = tail.clone();
        *published = Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail });
    }
}

fn manifest_forgets(manifest: &Manifest, name: FileName) -> bool {
    manifest.logs.iter().all(|entry| FileName::Log(entry.file) != name)
}

impl Edit<'_> {
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

    /// What the store held when the edit began, or at [`end_log`](Self::end_log) if that came since.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// Seals everything committed so far, or up to [`end_log`](Self::end_log), into segments, which are returned.
    pub fn seal_logs(&mut self) -> Result<Vec<SegmentInfo>> {
        if !self.has_ended_log {
            self.end_log()?;
        }
        let state = self.store.published.read().clone();
        let logs = self.sealed.frozen.clone();
        for log in &logs {
            self.deletes.extend(log.index.deleted(state.seq));
            self.changes.dropped.push(FileName::Log(log.index.id));
        }
        let others = self.sealed.segments.iter().map(|segment| segment.entry.first_id).collect::<Vec<_>>();
        let runs = logs.iter().filter(|log| log.ids.is_some()).map(|log| log as &dyn Run).collect::<Vec<_>>();
        self.write_segments(&runs, &others)
    }

    /// Rewrites sealed segments without the records that were deleted: one or several that lie next to each other, in
    /// the order of their ids, become as few as possible.
    pub fn rewrite(&mut self, segments: &[FileId]) -> Result<Vec<SegmentInfo>> {
        let sealed = self.sealed.clone();
        let all: Vec<FileId> = sealed.segments.iter().map(|segment| segment.entry.file).collect();
        let start = all.iter().position(|file| segments.first() == Some(file));
        let neighbours = start.filter(|&start| all[start..].starts_with(segments));
        let Some(start) = neighbours else {
            return Err(Error::invalid("expected segments of this snapshot that lie next to each other"));
        };
        let taken = &sealed.segments[start..start + segments.len()];
        self.changes.dropped.extend(segments.iter().map(|&file| FileName::Segment(file)));
        let others: Vec<u64> = sealed.frozen.iter().filter_map(|log| Some(log.ids?.0)).collect();
        self.write_segments(&taken.iter().map(|segment| &**segment as &dyn Run).collect::<Vec<_>>(), &others)
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

    /// Drops a part of the current generation.
    pub fn drop_part(&mut self, part: FileId) -> Result<()> {
        let known = self.sealed.parts.iter().find(|known| known.entry.file == part);
        if known.is_none_or(|known| !known.kind().is_derived()) {
            return Err(Error::invalid(format!("part {} is not one of this generation", part.0)));
        }
        self.changes.dropped.push(FileName::Part(part));
        Ok(())
    }

    /// Copies live records into new segments: well-filled blocks as they are, the others packed anew. Where one of
    /// `others`, the first ids of runs that stay, lies between two runs, a segment ends: segments do not overlap.
    fn write_segments(&mut self, runs: &[&dyn Run], others: &[u64]) -> Result<Vec<SegmentInfo>> {
        let directory = &self.store.directory;
        let deletes = self.deletes.clone();
        let mut rewriter = Rewriter {
            store: self.store,
            out: SegmentsWriter::new(directory, directory.options.segment_len),
            packer: Packer::new(directory.cut()),
            deletes: &deletes,
            reclaimed: RoaringTreemap::new(),
            next_id: 0,
        };
        let mut last = None;
        for run in runs {
            let Some((first, end)) = run.ids() else { continue };
            if last.is_some_and(|last| others.iter().any(|other| (last..first).contains(other))) {
                rewriter.flush()?;
                rewriter.out.end_segment()?;
            }
            last = Some(end);
            (0..run.block_count()?).try_for_each(|index| rewriter.copy(*run, index))?;
        }
        rewriter.flush()?;
        let Rewriter { out, reclaimed, .. } = rewriter;
        self.deletes -= reclaimed;
        let sealed = out.finish()?;
        let infos = sealed.iter().map(|sealed| (&sealed.entry).into()).collect();
        self.changes.segments.extend(sealed);
        Ok(infos)
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

    /// Writes the set of deleted ids whose records segments still hold.
    fn replace_deletes(&mut self) -> Result<()> {
        let staying = self.sealed.segments.iter().map(|segment| segment.entry);
        let staying = staying.filter(|entry| !self.changes.dropped.contains(&FileName::Segment(entry.file)));
        let segments = staying.chain(self.changes.segments.iter().map(|sealed| sealed.entry));
        // Logs that stay may hold records that the edit itself deletes.
        let state = self.store.published.read().clone();
        let logs = state.sealed.frozen.iter().chain([&state.tail]);
        let logs = logs.filter(|log| !self.changes.dropped.contains(&FileName::Log(log.index.id)));
        let segments = segments.map(|entry| (entry.first_id, entry.last_id));
        let mut spans: Vec<_> = segments.chain(logs.filter_map(|log| log.ids)).collect();
        spans.sort_unstable();
        // What lies between segments is taken away: a set of all ids within them could be of any size.
        let (mut kept, mut behind) = (self.deletes.clone(), 0);
        for (first, last) in spans {
            kept.remove_range(behind..first.max(behind));
            behind = behind.max(last.saturating_add(1));
        }
        kept.remove_range(behind..);
        let old = self.sealed.parts.iter().filter(|part| part.kind() == PartKind::DELETES);
        self.changes.dropped.extend(old.map(|part| FileName::Part(part.entry.file)));
        let copies = match self.store.directory.options.steps.take(Step::WriteDeletesTwice) {
            _ if kept.is_empty() => 0,
            true => DELETES_COPIES,
            false => 1,
        };
        for copy in 0..copies {
            self.write_part_unchecked(PartKind::DELETES, copy, |writer| kept.serialize_into(writer))?;
        }
        self.changes.deletes = Some(kept);
        Ok(())
    }
}

/// Files of an edit that failed are removed at once: after a crash, the next open does it.
impl Drop for Edit<'_> {
    fn drop(&mut self) {
        let segments = self.changes.segments.iter().map(|sealed| FileName::Segment(sealed.entry.file));
        let parts = self.changes.parts.iter().map(|sealed| FileName::Part(sealed.entry.file));
        segments.chain(parts).for_each(|name| self.store.directory.remove(name));
    }
}

/// Copies blocks from runs into segments.
struct Rewriter<'a> {
    store: &'a Store,
    out: SegmentsWriter<'a>,
    packer: Packer,
    deletes: &'a RoaringTreemap,
    reclaimed: RoaringTreemap,
    /// One more than the last id that was read: ids ascend, or somebody made this file.
    next_id: u64,
}

/// Raw bytes that are packed before they are compressed together.
const REWRITE_AT_ONCE: usize = 2 << 20;

impl Rewriter<'_> {
    fn copy(&mut self, run: &dyn Run, index: usize) -> Result<()> {
        let place = run.place(index)?;
        let file = run.file();
        let (header, stored) = file.open(place)?;
        if header.first_id < self.next_id {
            let message = format!("expected ids from {} on, found {}", self.next_id, header.first_id);
            return Err(Error::damaged(message).at(file.path()).at_offset(place.offset));
        }
        match header.kind {
            BlockKind::Records => {
                let raw = file.decode(&header, &stored, place.offset)?;
                let block =
                    Block::new(&header, raw).map_err(|e| e.at(file.path()).at_offset(place.offset))?;
                self.copy_records(&header, &stored, &block)
            }
            BlockKind::Frame => {
                let checked = header.check_payload(&stored, &file.binding, place.offset, file.steps);
                checked.map_err(|e| e.at(file.path()))?;
                self.next_id = header.first_id;
                if self.deletes.contains(header.first_id) {
                    return Ok(());
                }
                self.flush()?;
                self.out.append(&verbatim(&header, &stored, header.first_id))
            }
            BlockKind::Deletes | BlockKind::Commit => {
                let message = format!("expected records or a frame, found {:?}", header.kind);
                Err(Error::damaged(message).at(file.path()).at_offset(place.offset))
            }
        }
    }

    fn copy_records(&mut self, header: &Header, stored: &[u8], block: &Block) -> Result<()> {
        let mut last = header.first_id;
        let mut keep = header.raw_len as usize >= self.packer.cut().block_len / 2;
        for (id, _) in block.records() {
            last = id;
            keep &= !self.deletes.contains(id);
        }
        self.next_id = last.saturating_add(1);
        if keep {
            self.flush()?;
            return self.out.append(&verbatim(header, stored, last));
        }
        for (id, body) in block.records() {
            if self.deletes.contains(id) {
                self.reclaimed.insert(id);
                continue;
            }
            match body {
                Body::Inline(range) => self.packer.push_inline(id, &block.raw()[range]),
                Body::Large(large) => self.packer.push_large_as(id, large),
            }
        }
        if self.packer.done_len() >= REWRITE_AT_ONCE {
            self.write_packed()?;
        }
        Ok(())
    }

    /// Writes what is packed, to its last record.
    fn flush(&mut self) -> Result<()> {
        self.packer.end_block();
        self.write_packed()
    }

    fn write_packed(&mut self) -> Result<()> {
        let blocks = self.packer.take();
        let encoded = self.store.directory.encode(&blocks)?;
        self.packer.recycle(blocks);
        encoded.iter().try_for_each(|block| self.out.append(block))
    }
}

/// A block as it is, for another place.
pub(super) fn verbatim(header: &Header, stored: &[u8], last: u64) -> EncodedBlock {
    EncodedBlock {
        kind: header.kind,
        codec: header.codec,
        first: header.first_id,
        last,
        count: header.count,
        raw_len: header.raw_len,
        stored: stored.to_vec(),
    }
}

impl super::Directory {
    /// Creates an empty log whose first commit will follow commit `seq`, and syncs it.
    pub(super) fn create_log(&self, seq: u64, next_id: u64) -> Result<(LogWriter, LogEntry)> {
        let id = self.next_file()?;
        let name = FileName::Log(id);
        let (path, file) = (self.path(name), self.create(name)?);
        let header = FileHeader { kind: FileKind::Log, artifact: self.artifact, file: id };
        file.write_all_at(&header.encode(), 0)
            .map_err(|e| Error::io(e, "writing the header of a log", &path))?;
        self.sync_data(Step::SyncNewLog, &*file, &path)?;
        let chain = crate::checksum::Hash128::chain_start(self.artifact, id);
        let checkpoint = Checkpoint { len: FILE_HEADER_LEN as u64, seq, next_id, chain };
        let index = self.log_index(id, file.clone(), Vec::new());
        let log = LogWriter::new(&path, file, self.binding(id), index, checkpoint);
        Ok((log, LogEntry { file: id, checkpoint }))
    }

    /// Writes `manifest` as the generation after `catalog`, twice, and removes the copies of the one before.
    pub(crate) fn write_generation(&self, catalog: &mut Manifest, mut manifest: Manifest) -> Result<()> {
        let last = || Error::damaged("the manifest has the last of all 2^64 generations").at(&self.root);
        manifest.generation = catalog.generation.checked_add(1).ok_or_else(last)?;
        manifest.next_file = FileId(self.next_file.load(Ordering::Relaxed));
        let bytes = manifest.encode();
        for copy in 0..2 {
            let name = FileName::Manifest { generation: manifest.generation, copy };
            let (path, file) = (self.path(name), self.create(name)?);
            file.write_all_at(&bytes, 0).map_err(|e| Error::io(e, "writing the manifest", &path))?;
            self.sync_data(Step::SyncManifest, &*file, &path)?;
        }
        self.sync_names(Step::SyncManifestNames)?;
        let old = std::mem::replace(catalog, manifest).generation;
        for copy in 0..2 {
            self.remove(FileName::Manifest { generation: old, copy });
        }
        Ok(())
    }
}

/// The view of a log that takes no more, up to its checkpoint.
pub(super) fn frozen_view(index: Arc<crate::log::LogIndex>, checkpoint: Checkpoint) -> LogView {
    let blocks = index.len();
    LogView::new(index, blocks, checkpoint.len, checkpoint.next_id)
}
