//! The tail → sealed shards; shards and segments → fewer, without what was deleted.

use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use block_format::{Edit, FileId, SegmentInfo};
use roaring::{RoaringBitmap, RoaringTreemap};

use crate::artifact::{CompactArtifact, DEAD, Inner, SHARD};
use crate::error::{Error, ErrorKind, Result};
use crate::open::{belongs_to_shard, mark_dead};
use crate::shard::{Shard, Source, build_bytes_of, merge};
use crate::state::{State, View};
use crate::tail;
use crate::trace::event;
use crate::write_path::held;

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
    /// Bytes on disk before.
    pub bytes_before: u64,
    /// Bytes on disk now.
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
/// What is rewritten has at least this share of deleted records, in percent.
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
            let cut = self.cut(edit)?;
            self.write_tail(edit, &cut, build_bytes)
        });
        let result = sealed.map_err(Error::from).and_then(|(report, replacements)| {
            self.show(&replacements)?;
            Ok(report)
        });
        self.committer.lock().sealing = 0;
        event!(INFO, ?result, "sealed");
        result
    }

    /// Ends the log, and returns what was committed up to there.
    fn cut(&self, edit: &mut Edit<'_>) -> block_format::Result<Arc<State>> {
        let mut committer = self.committer.lock();
        edit.end_log()?;
        let state = self.state();
        committer.sealing = state.tail().map(|view| view.shard.covers.end).max().unwrap_or(0);
        Ok(state)
    }

    fn write_tail(
        &self,
        edit: &mut Edit<'_>,
        cut: &State,
        build_bytes: usize,
    ) -> block_format::Result<(SealReport, Vec<Replacement>)> {
        let mut report = SealReport::default();
        let mut replacements = Vec::new();
        for group in cut.views.chunk_by(|a, b| a.shard.is_sealed() == b.shard.is_sealed()) {
            if group.first().is_none_or(|view| view.shard.is_sealed()) {
                continue;
            }
            let mut replacement = Replacement { old: shards(group), new: Vec::new() };
            for output in outputs(cut, group, build_bytes) {
                report.records += output.rows();
                report.shards += 1;
                replacement.new.push(self.write_shard(edit, cut, &output)?);
            }
            let carriers = tail::carriers(group);
            edit.delete(carriers.iter().map(block_format::RecordId));
            replacements.push(replacement);
        }
        // Shards that could not be opened were made anew.
        let known = |number: u64| cut.views.iter().any(|view| view.shard.number == number);
        for part in cut.records.parts() {
            if belongs_to_shard(part.kind()) && !known(part.tag()) {
                edit.drop_part(part.id())?;
            }
        }
        edit.seal_logs()?;
        Ok((report, replacements))
    }

    fn write_shard(&self, edit: &mut Edit<'_>, state: &State, output: &Output) -> block_format::Result<u64> {
        let number = {
            let mut committer = self.committer.lock();
            committer.next_shard += 1;
            committer.next_shard - 1
        };
        edit.write_part(SHARD, number, |out| {
            merge(&state.settings, output.covers.clone(), &output.sources, true, out)
                .map(drop)
                .map_err(Into::into)
        })?;
        Ok(number)
    }

    /// Makes visible what an edit did: new shards in the place of old ones.
    fn show(&self, replacements: &[Replacement]) -> Result<()> {
        self.try_show(replacements).inspect_err(|_| self.fall_behind())
    }

    fn try_show(&self, replacements: &[Replacement]) -> Result<()> {
        let mut committer = self.committer.lock();
        let now = self.state();
        let records = self.store.snapshot();
        let mut views: Vec<View> = Vec::with_capacity(now.views.len());
        let replaces = |view: &View, replacement: &Replacement| {
            replacement.old.iter().any(|old| Arc::ptr_eq(old, &view.shard))
        };
        for view in &now.views {
            let Some(replacement) = replacements.iter().find(|replacement| replaces(view, replacement))
            else {
                views.push(view.clone());
                continue;
            };
            if !Arc::ptr_eq(&view.shard, &replacement.old[0]) {
                continue;
            }
            for part in records.parts().iter().filter(|part| part.kind() == SHARD) {
                if replacement.new.contains(&part.tag()) {
                    let shard = Arc::new(Shard::open_part(part, &now.settings)?);
                    views.push(View { shard, dead: Arc::default() });
                }
            }
        }
        views.sort_by_key(|view| view.shard.covers.start);
        let mut next = State { records, views, ..(*now).clone() };
        mark_dead(&mut next)?;
        committer.held = held(&next);
        committer.logged = committer.held;
        self.publish(next);
        Ok(())
    }

    /// Merges neighbours while there are [`FAN_IN`] of about one size: shards, and segments that fit into one.
    fn merge_alike(&self) -> Result<()> {
        while let Some(group) = self.alike_shards() {
            self.rewrite_shards(&group, self.options.build_bytes())?;
        }
        while let Some(group) = self.alike_segments() {
            self.rewrite_segments(&group)?;
        }
        Ok(())
    }

    fn alike_shards(&self) -> Option<Vec<View>> {
        let state = self.state();
        let class = |view: &View| view.live().max(1024).ilog2() / 2;
        let fits = |views: &[View]| {
            let rows = views.iter().map(View::live).sum();
            rows <= MAX_ROWS && build_bytes_of(&state.settings, rows) <= self.options.build_bytes()
        };
        let all_sealed = |views: &[View]| views.iter().all(|view| view.shard.is_sealed());
        let alike =
            |views: &[View]| views.windows(2).all(|pair| class(&pair[0]).abs_diff(class(&pair[1])) == 0);
        state
            .views
            .windows(FAN_IN)
            .find(|views| all_sealed(views) && alike(views) && fits(views))
            .map(<[View]>::to_vec)
    }

    fn alike_segments(&self) -> Option<Vec<FileId>> {
        let segments = self.store.snapshot().segments();
        let fits = |segments: &&[SegmentInfo]| {
            segments.iter().map(|segment| segment.len).sum::<u64>() <= self.options.segment_len
        };
        let group = segments.windows(FAN_IN).find(fits)?;
        Some(group.iter().map(|segment| segment.file).collect())
    }

    /// Writes neighbouring sealed shards anew, as few as the budget allows.
    fn rewrite_shards(&self, group: &[View], build_bytes: usize) -> Result<u64> {
        let state = self.state();
        let replacement = self.store.edit(|edit| {
            let mut replacement = Replacement { old: shards(group), new: Vec::new() };
            for output in outputs(&state, group, build_bytes) {
                replacement.new.push(self.write_shard(edit, &state, &output)?);
            }
            let gone = |number: u64| group.iter().any(|view| view.shard.number == number);
            for part in self.store.snapshot().parts() {
                if belongs_to_shard(part.kind()) && gone(part.tag()) {
                    edit.drop_part(part.id())?;
                }
            }
            Ok(replacement)
        })?;
        self.show(&[replacement])?;
        Ok(group.len() as u64)
    }

    /// Writes neighbouring segments anew. The store then no longer knows which records are gone, so each shard is told.
    fn rewrite_segments(&self, files: &[FileId]) -> Result<()> {
        let state = self.state();
        self.store.edit(|edit| {
            edit.rewrite(files)?;
            for part in self.store.snapshot().parts().iter().filter(|part| part.kind() == DEAD) {
                edit.drop_part(part.id())?;
            }
            for view in state.views.iter().filter(|view| view.shard.is_sealed() && view.dead.len() > 0) {
                edit.write_part(DEAD, view.shard.number, |out| view.dead.bitmap().serialize_into(out))?;
            }
            Ok(())
        })?;
        self.show(&[])
    }

    /// Marks as dead the rows of records that the store does not have: what it lost, its indexes may still know.
    pub(crate) fn forget_missing(&self) -> Result<()> {
        let _one_at_a_time = self.maintenance.lock();
        let state = self.state();
        let mut there = RoaringTreemap::new();
        for record in state.records.records() {
            there.insert(record?.id().0);
        }
        let missing = |view: &View| -> RoaringBitmap {
            let rows = (0..).zip(view.shard.ids().iter()).filter(|(_, id)| !there.contains(id.0));
            rows.map(|(row, _)| row).collect()
        };
        self.store.edit(|edit| {
            for part in state.records.parts().iter().filter(|part| part.kind() == DEAD) {
                edit.drop_part(part.id())?;
            }
            for view in state.views.iter().filter(|view| view.shard.is_sealed()) {
                let rows = missing(view) | view.dead.bitmap();
                if !rows.is_empty() {
                    edit.write_part(DEAD, view.shard.number, |out| rows.serialize_into(out))?;
                }
            }
            Ok(())
        })?;
        self.show(&[])
    }

    fn compact(&self, budget: usize) -> Result<CompactReport> {
        let _one_at_a_time = self.maintenance.lock();
        self.check_current()?;
        let build_bytes = budget / 10 * 9;
        let before = self.state();
        let mut report = CompactReport { bytes_before: disk_bytes(&before), ..CompactReport::default() };
        self.seal_tail(build_bytes.min(self.options.build_bytes()))?;
        let deleted = self.store.snapshot().deleted_ids().count() as u64;
        for group in self.segments_worth_it() {
            report.segments_rewritten += group.len() as u64;
            self.rewrite_segments(&group)?;
        }
        report.records_dropped = deleted - self.store.snapshot().deleted_ids().count() as u64;
        let worth_it = |view: &&View| {
            view.shard.is_sealed()
                && view.dead.len() * 100 >= u64::from(view.shard.rows) * WORTH_IT
                && view.dead.len() > 0
        };
        for view in self.state().views.iter().filter(worth_it) {
            report.shards_rewritten += self.rewrite_shards(std::slice::from_ref(view), build_bytes)?;
        }
        report.bytes_after = disk_bytes(&self.state());
        event!(
            INFO,
            before = report.bytes_before,
            after = report.bytes_after,
            dropped = report.records_dropped,
            "compacted"
        );
        Ok(report)
    }

    /// Neighbouring segments with enough deleted records, that fit into one together.
    fn segments_worth_it(&self) -> Vec<Vec<FileId>> {
        let records = self.store.snapshot();
        let deleted: Vec<u64> = records.deleted_ids().map(|id| id.0).collect();
        let mut groups: Vec<(u64, Vec<FileId>)> = Vec::new();
        let mut last_was_taken = false;
        for segment in records.segments() {
            let (first, last) = (segment.ids.0.0, segment.ids.1.0);
            let dead = deleted.partition_point(|&id| id <= last) - deleted.partition_point(|&id| id < first);
            let dead = dead as u64;
            let is_taken = dead > 0 && dead * 100 >= segment.records * WORTH_IT;
            let live = segment.len - (segment.len / segment.records.max(1) * dead).min(segment.len);
            if is_taken {
                match groups.last_mut() {
                    Some((bytes, files)) if last_was_taken && *bytes + live <= self.options.segment_len => {
                        *bytes += live;
                        files.push(segment.file);
                    }
                    _ => groups.push((live, vec![segment.file])),
                }
            }
            last_was_taken = is_taken;
        }
        groups.into_iter().map(|(_, files)| files).collect()
    }
}

fn shards(views: &[View]) -> Vec<Arc<Shard>> {
    views.iter().map(|view| view.shard.clone()).collect()
}

/// Bytes of segments and parts.
pub(crate) fn disk_bytes(state: &State) -> u64 {
    let segments = state.records.segments().iter().map(|segment| segment.len).sum::<u64>();
    segments + state.records.parts().iter().map(|part| part.len()).sum::<u64>()
}

impl Output {
    fn rows(&self) -> u64 {
        self.sources.iter().map(|source| u64::from(source.shard.rows) - source.without.len()).sum()
    }
}

/// As few shards as `build_bytes` of heap allow, of neighbours. Where there is nothing left, none.
fn outputs(state: &State, group: &[View], build_bytes: usize) -> Vec<Output> {
    let per_row = build_bytes_of(&state.settings, 1).max(1);
    let max_rows = (build_bytes / per_row).max(4096) as u64;
    let max_rows = max_rows.min(MAX_ROWS);
    let covers = tail::covered(group);
    let sources = tail::sources(group);
    let total: u64 = group.iter().map(View::live).sum();
    if total <= max_rows {
        return vec![Output { sources, covers }];
    }
    // Equal pieces, cut between records; of each piece, the rows of all others are left out.
    let pieces = total.div_ceil(max_rows);
    let per_piece = total.div_ceil(pieces);
    let mut outputs: Vec<Output> = Vec::new();
    let (mut piece, mut taken, mut start) = (Vec::new(), 0, covers.start);
    for source in &sources {
        let ids = source.shard.ids();
        let mut rest = source.without.clone();
        let mut begun = 0;
        for (row, id) in (0..).zip(ids.iter()) {
            if taken >= per_piece && id.0 >= start {
                let mut without = rest.clone();
                without.insert_range(row..source.shard.rows);
                piece.push(Source { shard: source.shard.clone(), without });
                outputs.push(Output { sources: std::mem::take(&mut piece), covers: start..id.0 });
                rest.insert_range(begun..row);
                (taken, start, begun) = (0, id.0, row);
            }
            taken += u64::from(!source.without.contains(row));
        }
        piece.push(Source { shard: source.shard.clone(), without: rest });
    }
    outputs.push(Output { sources: piece, covers: start..covers.end });
    outputs
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
        let thread = std::thread::Builder::new().name("compact-artifact".to_owned()).spawn(work)?;
        Ok(Self { inner: inner.clone(), thread: Some(thread) })
    }

    /// Waits until the thread has ended.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    fn join(&mut self) {
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
