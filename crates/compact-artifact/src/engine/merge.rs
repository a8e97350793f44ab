//! Shards and segments → fewer.

use std::ops::Range;
use std::sync::Arc;

use block_format::{Edit, FileId, SegmentInfo};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::alike::alike;
use super::core::Engine;
use super::meter::Meter;
use super::policy::{self, Build};
use super::tombstones::write_tombstones;
use crate::api::damage::Damage;
use crate::api::error::{ErrorKind, Result};
use crate::format::parts::{SHARD, belongs_to_shard};
use crate::format::settings::Settings;
use crate::shard::{Shard, Source, build as build_shard, build_bytes_of, merge_linked};
use crate::state::{State, View, covered};

/// What becomes one sealed shard.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) sources: Vec<Source>,
    covers: Range<u64>,
}

/// A shard that was written, and the views that it takes the place of.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) old: Vec<Arc<Shard>>,
    pub(super) new: Vec<u64>,
}

impl Engine {
    /// Merges neighbours that are [`alike`]: shards, and segments that fit into one. Returns what is damaged and was left as it is: what was sealed is sealed, and no
    /// reason to fail.
    pub(super) fn merge_alike(&self, build: Build, meter: &mut Meter<'_>) -> Result<Vec<Damage>> {
        let mut damage = Vec::new();
        while let Some(group) = self.alike_shards(build, &mut damage) {
            self.rewrite_shards(&group, build, meter)?;
        }
        let mut damaged_groups: Vec<Vec<FileId>> = Vec::new();
        while let Some(group) = self.alike_segments(&damaged_groups) {
            match self.rewrite_segments(&group) {
                Err(e) if e.kind() == ErrorKind::Damaged => {
                    damage.push(Damage::new(e.to_string()));
                    damaged_groups.push(group);
                }
                rewritten => drop(rewritten?),
            }
        }
        Ok(damage)
    }

    /// Neighbouring sealed shards that become one. Those that are damaged are told, and their neighbours merge without them.
    fn alike_shards(&self, build: Build, damage: &mut Vec<Damage>) -> Option<Vec<u64>> {
        let state = self.state();
        let sealed: Vec<&View> = state.views.iter().filter(|view| view.shard.is_sealed()).collect();
        loop {
            let is_known = |view: &&View| damage.iter().any(|known| known.shard == Some(view.shard.number));
            let groups = sealed.split(is_known).filter_map(|views| {
                let rows: Vec<u64> = views.iter().map(|view| view.live()).collect();
                let fit = |sum| fits_into_one(&state, sum, build);
                alike(&rows, policy::ROWS_OF_EQUAL_SHARDS, fit).into_iter().next().map(|run| &views[run])
            });
            let group = groups.min_by_key(|views| views.iter().map(|view| view.live()).sum::<u64>())?;
            // Whether they hold is asked last, because it reads all of them.
            if group.iter().all(|view| holds(view, damage)) {
                return Some(group.iter().map(|view| view.shard.number).collect());
            }
        }
    }

    /// Neighbouring segments that fit into one, but for groups in `damaged`.
    fn alike_segments(&self, damaged: &[Vec<FileId>]) -> Option<Vec<FileId>> {
        let segments = self.store.snapshot().segments();
        let lens: Vec<u64> = segments.iter().map(|segment| segment.len).collect();
        let groups = alike(&lens, policy::BYTES_OF_EQUAL_SEGMENTS, |sum| sum <= self.options.segment_len);
        let files = |run: Range<usize>| segments[run].iter().map(|segment| segment.file).collect();
        groups.into_iter().map(files).find(|group| !damaged.contains(group))
    }

    pub(super) fn write_shards(
        &self,
        edit: &mut Edit<'_>,
        state: &State,
        old: Vec<Arc<Shard>>,
        outputs: &[Output],
        build: Build,
        meter: &mut Meter<'_>,
    ) -> block_format::Result<Replacement> {
        let mut new = Vec::with_capacity(outputs.len());
        for output in outputs {
            let number = self.commit_lock.lock().next_shard();
            edit.write_part(SHARD, number, |out| {
                merge_linked(
                    self.store.workers(),
                    &state.settings,
                    build.graph_from,
                    (policy::words_heap(build.bytes), build.is_limited()),
                    output.covers.clone(),
                    &output.sources,
                    meter.counting(out),
                )
                .map(drop)
                .map_err(Into::into)
            })?;
            new.push(number);
        }
        Ok(Replacement { old, new })
    }

    /// Writes neighbouring sealed shards anew, as few as the budget allows, without what is dead for good.
    pub(super) fn rewrite_shards(&self, numbers: &[u64], build: Build, meter: &mut Meter<'_>) -> Result<u64> {
        let state = self.durable_state()?;
        let deleted = state.deleted();
        let is_meant = |view: &&View| numbers.contains(&view.shard.number);
        let group: Vec<View> = state.views.iter().filter(is_meant).cloned().collect();
        // Of what is dropped as a whole nothing is read, be it damaged.
        let mut sources: Vec<Source> = group
            .iter()
            .map(|view| Source::new(&view.shard, view.droppable(&deleted, state.steps)))
            .filter(|source| source.live() > 0)
            .collect();
        if sources.is_empty() {
            let empty = build_shard(&state.settings, covered(&group), &[], RoaringTreemap::new())?;
            sources.push(Source::new(&Arc::new(empty), RoaringBitmap::new()));
        }
        sources.iter().try_for_each(|source| source.shard.check_all())?;
        let outputs = outputs(&state.settings, sources, covered(&group), build.bytes);
        let bytes = group.iter().map(|view| view.shard.byte_len).sum();
        meter.begin(bytes, policy::PERCENT_SEALED..policy::PERCENT_MERGED);
        let replacement = self.store.edit(|edit| {
            let replacement = self.write_shards(edit, &state, shards(&group), &outputs, build, meter)?;
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
    pub(super) fn rewrite_segments(&self, files: &[FileId]) -> Result<u64> {
        let state = self.durable_state()?;
        let deleted = state.deleted();
        let records = |segments: &[SegmentInfo]| {
            segments.iter().fold(0u64, |sum, segment| sum.saturating_add(segment.records))
        };
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
}

/// Whether so many rows may be in one shard.
pub(super) fn fits_into_one(state: &State, rows: u64, build: Build) -> bool {
    rows <= policy::MAX_SHARD_ROWS && build_bytes_of(&state.settings, rows) <= build.bytes
}

/// Whether the bytes of a shard hold. If not, that is told once.
pub(super) fn holds(view: &View, damage: &mut Vec<Damage>) -> bool {
    let number = view.shard.number;
    let Err(e) = view.shard.check_all() else { return true };
    if damage.iter().all(|known| known.shard != Some(number)) {
        damage.push(Damage::new(format!("shard {number}: {e}")).in_shard(number));
    }
    false
}

pub(super) fn shards(views: &[View]) -> Vec<Arc<Shard>> {
    views.iter().map(|view| view.shard.clone()).collect()
}

impl Output {
    pub(super) fn rows(&self) -> u64 {
        self.sources.iter().map(Source::live).sum()
    }
}

impl Replacement {
    pub(super) fn replaces(&self, view: &View) -> bool {
        self.old.iter().any(|old| Arc::ptr_eq(old, &view.shard))
    }
}

/// As few shards as `build_bytes` of heap allow of what is left of `sources`: each takes the next so many rows. What no shard but all
/// of them together covers is said by the last.
pub(super) fn outputs(
    settings: &Settings,
    sources: Vec<Source>,
    covers: Range<u64>,
    build_bytes: usize,
) -> Vec<Output> {
    let per_row = build_bytes_of(settings, 1).max(1);
    let max_rows = ((build_bytes / per_row).max(policy::MIN_SHARD_ROWS) as u64).min(policy::MAX_SHARD_ROWS);
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

#[cfg(test)]
mod tests {
    use crate::{Batch, CompactArtifact, Maintenance, Query, Record, RecordId};

    #[test]
    fn shards_stay_few_where_small_and_large_sealings_come_by_turns() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = CompactArtifact::create(&path).unwrap();
        let mut count = 0;
        for turn in 0..14u64 {
            let some = if turn % 2 == 0 { 1 } else { 4_200 };
            let record = |i: u64| Record::text(format!("word{turn} text")).key(format!("{turn}/{i}"));
            artifact.add_batch((0..some).map(record)).unwrap();
            artifact.seal().unwrap();
            count += some;
            let stats = artifact.stats();
            assert!(stats.shards <= 6 && stats.segments <= 6, "turn {turn}: {stats:?}");
        }
        assert_eq!(artifact.len(), count);
        for turn in 0..14 {
            let found = artifact.search(&Query::words(&format!("word{turn}")).k(5_000)).unwrap();
            assert_eq!(found.hits.len(), if turn % 2 == 0 { 1 } else { 4_200 });
            assert!(artifact.id_of_key(&format!("{turn}/0")).unwrap().is_some());
        }
    }

    #[test]
    fn shards_that_became_small_are_one_after_compacting() {
        let temp = tempfile::tempdir().unwrap();
        let options = CompactArtifact::options().maintenance(Maintenance::Manual);
        let artifact = options.create(temp.path().join("a")).unwrap();
        let mut kept = Vec::new();
        for count in [17_000, 4_200, 1_100, 5] {
            let ids = artifact.add_batch((0..count).map(|i| Record::text(format!("text {i}")))).unwrap();
            kept.extend_from_slice(&ids[..5]);
            artifact.seal().unwrap();
        }
        assert_eq!(artifact.stats().shards, 4);
        let all: Vec<RecordId> = artifact.records().map(|entry| entry.unwrap().id()).collect();
        let is_dropped = |id: &RecordId| !kept.contains(id);
        artifact.write(all.into_iter().filter(is_dropped).fold(Batch::new(), Batch::delete)).unwrap();
        artifact.compact(64 << 20).unwrap();
        assert_eq!(artifact.stats().shards, 1);
        let found = artifact.search(&Query::words("text").k(100)).unwrap().hits;
        assert!(found.iter().map(|hit| hit.id).eq(kept));
    }
}
