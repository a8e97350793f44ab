//! The tail → sealed shards; shards and segments → fewer, without what was deleted.

use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use block_format::{Edit, FileId, Part, RecordId, SegmentInfo};
use roaring::RoaringBitmap;

use crate::artifact::{CompactArtifact, DEAD, Inner, SHARD};
use crate::error::{Error, ErrorKind, Result};
use crate::open::{belongs_to_shard, tombstones};
use crate::protocol::Step;
use crate::settings::Settings;
use crate::shard::{Shard, Source, build_bytes_of, merge_linked};
use crate::state::{State, View, sort_views};
use crate::tail;
use crate::trace::event;

/// What sealing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SealReport {
    /// Records that are in sealed indexes now and were not before.
    pub records: u64,
    /// Indexes that were written.
    pub shards: u64,
}

/// What compacting did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of all files on disk before, the log included.
    pub bytes_before: u64,
    /// Bytes of all files on disk now.
    pub bytes_after: u64,
    /// Deleted records whose space was returned.
    pub records_dropped: u64,
    /// Segments that were rewritten.
    pub segments_rewritten: u64,
    /// Indexes that were rewritten.
    pub shards_rewritten: u64,
}

/// Neighbours of about one size become one when there are so many.
const FAN_IN: usize = 4;
/// What is rewritten has at least this share of what is deleted, in percent of its bytes.
const WORTH_IT: u64 = 8;
/// More rows than this are not put into one shard.
const MAX_ROWS: u64 = 4 << 20;
/// A smaller tail is left in the log when the artifact is closed.
const SEAL_AT_CLOSE_ROWS: u32 = 256;
const SEAL_AT_CLOSE_BYTES: u64 = 256 << 10;

impl CompactArtifact {
    /// Brings everything committed so far into its final form: records in segments, indexes with graphs. Commits go on meanwhile. With the
    /// default [`Maintenance`](crate::Maintenance) this happens by itself when there is much of it, and when the artifact is closed.
    pub fn seal(&self) -> Result<SealReport> {
        self.inner.check_writable()?;
        self.inner.seal()
    }

    /// Returns the space of deleted records, with at most `budget` bytes of heap: then the files are no longer than 1.15 times what is alive.
    /// One segment or index is rewritten at a time, verified, and only then are the old ones removed: until then both are on disk. Commits and
    /// searches go on meanwhile. Interrupted, it has done a part of it, and can be called again.
    ///
    /// Nothing is copied that was not verified. A segment or an index to be rewritten that is damaged stays as it is, and when everything else is compacted,
    /// this fails with [`Damaged`](ErrorKind::Damaged) and the name of its file; [`salvage`](crate::salvage) makes it anew.
    pub fn compact(&self, budget: usize) -> Result<CompactReport> {
        self.inner.check_writable()?;
        if budget < MIN_BUDGET {
            let message = format!("a budget of {budget} bytes; expected at least {MIN_BUDGET}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        self.inner.compact(budget)
    }
}

const MIN_BUDGET: usize = 4 << 20;

/// What becomes one sealed shard.
#[derive(Debug)]
struct Output {
    sources: Vec<Source>,
    covers: Range<u64>,
}

/// A shard that was written, and the views that it takes the place of.
#[derive(Debug)]
struct Replacement {
    old: Vec<Arc<Shard>>,
    new: Vec<u64>,
}

impl Inner {
    pub(crate) fn seal(&self) -> Result<SealReport> {
        let _one_at_a_time = self.maintenance.lock();
        self.check_current()?;
        let report = self.seal_tail(self.options.build_bytes())?;
        self.merge_alike()?;
        Ok(report)
    }

    pub(crate) fn seal_if_due(&self) -> Result<()> {
        // Whoever is at it already does it for this one too.
        let Some(_one_at_a_time) = self.maintenance.try_lock() else { return Ok(()) };
        self.check_current()?;
        if !self.committer.lock().is_due(self.options.seal_at()) {
            return Ok(());
        }
        self.seal_tail(self.options.build_bytes())?;
        self.merge_alike()
    }

    pub(crate) fn has_tail_to_seal_at_close(&self) -> bool {
        let state = self.state();
        let rows: u32 = state.tail().map(|view| view.shard.rows).sum();
        rows > SEAL_AT_CLOSE_ROWS || self.committer.lock().logged > SEAL_AT_CLOSE_BYTES
    }

    /// Seals the shards in memory, and the log.
    fn seal_tail(&self, build_bytes: usize) -> Result<SealReport> {
        let sealed = self.store.edit(|edit| {
            let state = self.end_log(edit)?;
            let sealed = self.write_tail(edit, &state, build_bytes)?;
            drop_unknown_shards(edit, &state)?;
            edit.seal_logs()?;
            Ok(sealed)
        });
        let result = sealed.map_err(Error::from).and_then(|(report, replacements)| {
            self.publish_shards(&replacements)?;
            Ok(report)
        });
        let mut committer = self.committer.lock();
        committer.sealing = 0;
        if result.is_ok() {
            committer.logged = committer.held;
        }
        drop(committer);
        event!(INFO, ?result, "sealed");
        result
    }

    /// Seals the shards in memory, and leaves the log as it is: for opening, when the tail gets too large on the way.
    pub(crate) fn seal_piece(&self) -> Result<()> {
        let _one_at_a_time = self.maintenance.lock();
        let state = self.state();
        let sealed = self.store.edit(|edit| self.write_tail(edit, &state, self.options.build_bytes()));
        self.publish_shards(&sealed?.1)
    }

    /// Ends the log, and returns what was committed up to there, all of which is durable now.
    fn end_log(&self, edit: &mut Edit<'_>) -> block_format::Result<Arc<State>> {
        let mut committer = self.committer.lock();
        edit.end_log()?;
        let state = self.state();
        committer.sealing = state.tail().map(|view| view.shard.covers.end).max().unwrap_or(0);
        Ok(state)
    }

    /// The newest state. Everything in it is durable, so that what is dead in it may be dropped from the disk.
    fn durable_state(&self) -> Result<Arc<State>> {
        let state = self.state();
        if state.steps.take(Step::SyncBeforeDropping) {
            self.store.sync()?;
        }
        Ok(state)
    }

    /// Writes the tail of a durable state as sealed shards, and what it makes dead in the shards before it as tombstones of those.
    fn write_tail(
        &self,
        edit: &mut Edit<'_>,
        state: &State,
        build_bytes: usize,
    ) -> block_format::Result<(SealReport, Vec<Replacement>)> {
        let mut report = SealReport::default();
        let mut replacements = Vec::new();
        for group in state.views.chunk_by(|a, b| a.shard.is_sealed() == b.shard.is_sealed()) {
            if group.first().is_none_or(|view| view.shard.is_sealed()) {
                continue;
            }
            let sources = group.iter().map(|view| Source::new(view, view.dead.bitmap().clone())).collect();
            let outputs = outputs(&state.settings, sources, tail::covered(group), build_bytes);
            report.records += outputs.iter().map(Output::rows).sum::<u64>();
            report.shards += outputs.len() as u64;
            replacements.push(self.write_shards(edit, state, shards(group), &outputs)?);
            edit.delete(tail::carriers(group).iter().map(RecordId));
        }
        let deleted: Vec<RecordId> = state.records.deleted_ids().collect();
        for view in state.views.iter().filter(|view| view.shard.is_sealed()) {
            // Deleted records need none as long as the store knows them.
            let reasoned = view.dead_for_good(&deleted);
            let rows = &*view.tombstones | (view.dead.bitmap() - reasoned);
            if state.steps.take(Step::WriteTombstones) {
                write_tombstones(edit, state, view, &rows)?;
            }
        }
        Ok((report, replacements))
    }

    fn write_shards(
        &self,
        edit: &mut Edit<'_>,
        state: &State,
        old: Vec<Arc<Shard>>,
        outputs: &[Output],
    ) -> block_format::Result<Replacement> {
        let mut new = Vec::with_capacity(outputs.len());
        for output in outputs {
            let number = self.committer.lock().next_shard();
            edit.write_part(SHARD, number, |out| {
                merge_linked(
                    self.store.workers(),
                    &state.settings,
                    output.covers.clone(),
                    &output.sources,
                    out,
                )
                .map(drop)
                .map_err(Into::into)
            })?;
            new.push(number);
        }
        Ok(Replacement { old, new })
    }

    /// Makes visible what an edit wrote: new shards in the place of old ones, and tombstones.
    fn publish_shards(&self, replacements: &[Replacement]) -> Result<()> {
        self.try_publish_shards(replacements).inspect_err(|_| self.fall_behind())
    }

    fn try_publish_shards(&self, replacements: &[Replacement]) -> Result<()> {
        let mut committer = self.committer.lock();
        let now = self.state();
        let records = self.store.snapshot();
        let is_replaced = |view: &&View| !replacements.iter().any(|replacement| replacement.replaces(view));
        let mut views: Vec<View> = now.views.iter().filter(is_replaced).cloned().collect();
        let new: Vec<u64> = replacements.iter().flat_map(|replacement| replacement.new.clone()).collect();
        let is_new = |part: &&Arc<Part>| part.kind() == SHARD && new.contains(&part.tag());
        for part in records.parts().iter().filter(is_new) {
            views.push(View::new(Arc::new(Shard::open_part(part, &now.settings)?)));
        }
        for view in views.iter_mut().filter(|view| view.shard.is_sealed()) {
            view.tombstones = Arc::new(tombstones(&records, view.shard.number)?);
        }
        sort_views(&mut views);
        let mut next = State { records, views, ..(*now).clone() };
        next.mark_all_dead();
        committer.held = next.tail_bytes();
        self.publish(next);
        Ok(())
    }

    /// Merges neighbours while there are [`FAN_IN`] of about one size: shards, and segments that fit into one.
    fn merge_alike(&self) -> Result<()> {
        while let Some(group) = self.alike_shards() {
            self.rewrite_shards(&group, self.options.build_bytes())?;
        }
        // Segments with a damaged block stay as they are: what was sealed is sealed, and no reason to fail.
        let mut damaged: Vec<Vec<FileId>> = Vec::new();
        while let Some(group) = self.alike_segments(&damaged) {
            match self.rewrite_segments(&group) {
                Err(e) if e.kind() == ErrorKind::Damaged => damaged.push(group),
                rewritten => drop(rewritten?),
            }
        }
        Ok(())
    }

    fn alike_shards(&self) -> Option<Vec<u64>> {
        let state = self.state();
        let class = |view: &View| view.live().max(1024).ilog2() / 2;
        let fits = |views: &[View]| {
            let rows = views.iter().map(View::live).sum();
            rows <= MAX_ROWS
                && build_bytes_of(&state.settings, rows) <= self.options.build_bytes()
                // Last, because it reads all of them. What is damaged stays as it is; its neighbours merge without it.
                && views.iter().all(|view| view.shard.check_all().is_ok())
        };
        let all_sealed = |views: &[View]| views.iter().all(|view| view.shard.is_sealed());
        let alike =
            |views: &[View]| views.windows(2).all(|pair| class(&pair[0]).abs_diff(class(&pair[1])) == 0);
        state
            .views
            .windows(FAN_IN)
            .find(|views| all_sealed(views) && alike(views) && fits(views))
            .map(|views| views.iter().map(|view| view.shard.number).collect())
    }

    /// Neighbouring segments that fit into one, but for groups in `damaged`.
    fn alike_segments(&self, damaged: &[Vec<FileId>]) -> Option<Vec<FileId>> {
        let segments = self.store.snapshot().segments();
        let fits = |segments: &&[SegmentInfo]| {
            segments.iter().map(|segment| segment.len).sum::<u64>() <= self.options.segment_len
        };
        let files = |segments: &[SegmentInfo]| segments.iter().map(|segment| segment.file).collect();
        segments.windows(FAN_IN).filter(fits).map(files).find(|group| !damaged.contains(group))
    }

    /// Writes neighbouring sealed shards anew, as few as the budget allows, without what is dead for good.
    fn rewrite_shards(&self, numbers: &[u64], build_bytes: usize) -> Result<u64> {
        let state = self.durable_state()?;
        let deleted: Vec<RecordId> = state.records.deleted_ids().collect();
        let is_meant = |view: &&View| numbers.contains(&view.shard.number);
        let group: Vec<View> = state.views.iter().filter(is_meant).cloned().collect();
        group.iter().try_for_each(|view| view.shard.check_all())?;
        let sources =
            group.iter().map(|view| Source::new(view, view.droppable(&deleted, state.steps))).collect();
        let outputs = outputs(&state.settings, sources, tail::covered(&group), build_bytes);
        let replacement = self.store.edit(|edit| {
            let replacement = self.write_shards(edit, &state, shards(&group), &outputs)?;
            for part in self.store.snapshot().parts() {
                if belongs_to_shard(part.kind()) && numbers.contains(&part.tag()) {
                    edit.drop_part(part.id())?;
                }
            }
            Ok(replacement)
        })?;
        self.publish_shards(&[replacement])?;
        Ok(group.len() as u64)
    }

    /// Writes neighbouring segments anew, and returns how many records they have no more. The store then does not know any longer that those
    /// were deleted, so each shard that has them gets tombstones.
    fn rewrite_segments(&self, files: &[FileId]) -> Result<u64> {
        let state = self.durable_state()?;
        let deleted: Vec<RecordId> = state.records.deleted_ids().collect();
        let records = |segments: &[SegmentInfo]| segments.iter().map(|segment| segment.records).sum::<u64>();
        let mut before = self.store.snapshot().segments();
        before.retain(|segment| files.contains(&segment.file));
        let after = self.store.edit(|edit| {
            let after = edit.rewrite(files)?;
            for view in state.views.iter().filter(|view| view.shard.is_sealed()) {
                write_tombstones(edit, &state, view, &view.droppable(&deleted, state.steps))?;
            }
            Ok(after)
        })?;
        self.publish_shards(&[])?;
        Ok(records(&before).saturating_sub(records(&after)))
    }

    fn compact(&self, budget: usize) -> Result<CompactReport> {
        let _one_at_a_time = self.maintenance.lock();
        self.check_current()?;
        let build_bytes = budget / 10 * 9;
        let before = self.state();
        let mut report =
            CompactReport { bytes_before: before.records.disk_usage().total(), ..CompactReport::default() };
        self.seal_tail(build_bytes.min(self.options.build_bytes()))?;
        let mut damage = None;
        for group in self.segments_worth_it() {
            match self.rewrite_segments(&group) {
                Ok(dropped) => {
                    report.segments_rewritten += group.len() as u64;
                    report.records_dropped += dropped;
                }
                Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        for number in self.shards_worth_rewriting() {
            match self.rewrite_shards(&[number], build_bytes) {
                Ok(rewritten) => report.shards_rewritten += rewritten,
                // It stays as it is, and all others are compacted before this is said.
                Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
                Err(e) => return Err(e),
            }
        }
        report.bytes_after = self.state().records.disk_usage().total();
        event!(
            INFO,
            before = report.bytes_before,
            after = report.bytes_after,
            dropped = report.records_dropped,
            "compacted"
        );
        damage.map_or(Ok(report), Err)
    }

    /// Sealed shards of which enough can be dropped.
    fn shards_worth_rewriting(&self) -> Vec<u64> {
        let state = self.state();
        let deleted: Vec<RecordId> = state.records.deleted_ids().collect();
        let is_worth_it = |view: &&View| {
            let droppable = view.droppable(&deleted, state.steps);
            // Of an index that is damaged nothing can be copied.
            let len = if droppable.is_empty() { 0 } else { view.shard.len_of(&droppable).unwrap_or(0) };
            len > 0 && is_share(len, view.shard.byte_len)
        };
        let sealed = state.views.iter().filter(|view| view.shard.is_sealed());
        sealed.filter(is_worth_it).map(|view| view.shard.number).collect()
    }

    /// Neighbouring segments of which deleted records take enough bytes, that fit into one together.
    fn segments_worth_it(&self) -> Vec<Vec<FileId>> {
        let mut groups: Vec<(u64, Vec<FileId>)> = Vec::new();
        let mut last_was_taken = false;
        for usage in self.store.snapshot().segment_usage() {
            let is_taken = usage.dead_len > 0 && is_share(usage.dead_len, usage.len);
            let live = usage.live_len();
            if is_taken {
                match groups.last_mut() {
                    Some((bytes, files)) if last_was_taken && *bytes + live <= self.options.segment_len => {
                        *bytes += live;
                        files.push(usage.file);
                    }
                    _ => groups.push((live, vec![usage.file])),
                }
            }
            last_was_taken = is_taken;
        }
        groups.into_iter().map(|(_, files)| files).collect()
    }
}

/// Whether `part` is enough of `whole` for [`WORTH_IT`].
fn is_share(part: u64, whole: u64) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(WORTH_IT)
}

fn shards(views: &[View]) -> Vec<Arc<Shard>> {
    views.iter().map(|view| view.shard.clone()).collect()
}

impl Output {
    fn rows(&self) -> u64 {
        self.sources.iter().map(Source::live).sum()
    }
}

impl Replacement {
    fn replaces(&self, view: &View) -> bool {
        self.old.iter().any(|old| Arc::ptr_eq(old, &view.shard))
    }
}

/// Drops what belongs to shards that could not be opened: they were made anew.
fn drop_unknown_shards(edit: &mut Edit<'_>, state: &State) -> block_format::Result<()> {
    for part in state.records.parts() {
        let is_shard = |view: &View| view.shard.is_sealed() && view.shard.number == part.tag();
        let is_known = state.views.iter().any(is_shard);
        if belongs_to_shard(part.kind()) && !is_known {
            edit.drop_part(part.id())?;
        }
    }
    Ok(())
}

/// Writes the rows of a sealed shard that are dead for good, in the place of those that were before, unless they are the same.
fn write_tombstones(
    edit: &mut Edit<'_>,
    state: &State,
    view: &View,
    rows: &RoaringBitmap,
) -> block_format::Result<()> {
    let number = view.shard.number;
    let is_old = |part: &&Arc<Part>| part.kind() == DEAD && part.tag() == number;
    let old: Vec<&Arc<Part>> = state.records.parts().iter().filter(is_old).collect();
    if *rows == *view.tombstones && old.iter().all(|part| part.verify().is_ok()) {
        return Ok(());
    }
    old.iter().try_for_each(|part| edit.drop_part(part.id()))?;
    if !rows.is_empty() {
        edit.write_part(DEAD, number, |out| rows.serialize_into(out))?;
    }
    Ok(())
}

/// As few shards as `build_bytes` of heap allow of what is left of `sources`: each takes the next so many rows. What no shard but all
/// of them together covers is said by the last.
fn outputs(settings: &Settings, sources: Vec<Source>, covers: Range<u64>, build_bytes: usize) -> Vec<Output> {
    let per_row = build_bytes_of(settings, 1).max(1);
    let max_rows = ((build_bytes / per_row).max(4096) as u64).min(MAX_ROWS);
    let total: u64 = sources.iter().map(Source::live).sum();
    if total <= max_rows {
        return vec![Output { sources, covers }];
    }
    let per_piece = total.div_ceil(total.div_ceil(max_rows));
    let mut outputs = Vec::new();
    for first in (0..total).step_by(usize::try_from(per_piece).unwrap_or(usize::MAX)) {
        let last = first + per_piece >= total;
        let end = if last { covers.end } else { covers.start };
        outputs
            .push(Output { sources: piece(&sources, first..first + per_piece), covers: covers.start..end });
    }
    outputs
}

/// Of the rows that are left of all sources, counted one after the other, those in `range`.
fn piece(sources: &[Source], range: Range<u64>) -> Vec<Source> {
    let mut begun = 0;
    let mut taken = Vec::new();
    for source in sources {
        let ends = begun + source.live();
        let (first, end) = (range.start.max(begun), range.end.min(ends));
        if first < end {
            taken.push(source.slice(first - begun..end - begun));
        }
        begun = ends;
    }
    taken
}

/// A thread that seals when it is woken.
#[derive(Debug)]
pub(crate) struct Worker {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self> {
        let theirs = inner.clone();
        let work = move || {
            while theirs.shared.wait() {
                drop(theirs.seal_if_due()); // tried again with the next commit
            }
        };
        let thread = std::thread::Builder::new().name("compact-artifact".to_owned()).spawn(work);
        let thread = thread.map_err(|e| Error::no_thread(e, "open with another `Maintenance`"))?;
        Ok(Self { inner: inner.clone(), thread: Some(thread) })
    }

    /// Waits until the thread has ended.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
        if self.inner.callers.check_process().is_err() {
            return; // a forked process has no such thread
        }
        self.inner.shared.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}
