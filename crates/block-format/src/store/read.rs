//! An id → its run → its block → the record.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::record::Record;
use super::state::{State, Store};
use crate::block::{Block, Body};
use crate::bounded_cache::CacheStats;
use crate::error::{Error, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::id::{CommitSeq, RecordId};
use crate::log::LogView;
use crate::part::Part;
use crate::ranges::{RangeReader, RangeStatistics};
use crate::run::{self, Place, Run};
use crate::segment::{Segment, SegmentInfo};

impl Store {
    /// An immutable view of the newest commit. Takes no lock that a writer holds while it works.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.published.read().clone())
    }
}

/// An immutable view of one commit: cheap to clone, never in the writer's way. Files that a later generation no longer
/// needs stay readable through it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<State>,
    runs: Arc<[Arc<dyn Run>]>,
}

impl Snapshot {
    pub(super) fn new(state: Arc<State>) -> Self {
        let mut runs = state.sealed.runs();
        if state.tail.ids.is_some() {
            runs.push(Arc::new(state.tail.clone()));
        }
        Self { state, runs: runs.into() }
    }

    /// The commit that this is a view of.
    pub fn seq(&self) -> CommitSeq {
        CommitSeq(self.state.seq)
    }

    /// The id that the next record will have: all ids are below it.
    pub fn next_id(&self) -> RecordId {
        RecordId(self.state.next_id)
    }

    /// Whether record `id` was deleted. Ids that never were, and records whose space was reclaimed, are not told apart
    /// from each other by this.
    pub fn is_deleted(&self, id: RecordId) -> bool {
        let State { seq, sealed, tail, .. } = &*self.state;
        sealed.deletes.contains(id.0)
            || tail.index.is_deleted(id.0, *seq)
            || sealed.frozen.iter().any(|log| log.index.is_deleted(id.0, *seq))
    }

    /// The ids that [`is_deleted`](Self::is_deleted) says yes to, ascending.
    pub fn deleted_ids(&self) -> impl Iterator<Item = RecordId> + use<> {
        self.deleted().into_iter().map(RecordId)
    }

    /// How many ids [`is_deleted`](Self::is_deleted) says yes to.
    pub fn deleted_len(&self) -> u64 {
        self.deleted().len()
    }

    pub(super) fn deleted(&self) -> RoaringTreemap {
        let State { seq, sealed, tail, .. } = &*self.state;
        let mut deleted = (*sealed.deletes).clone();
        let logs = sealed.frozen.iter().chain([tail]);
        logs.for_each(|log| deleted.extend(log.index.deleted(*seq)));
        deleted
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Record `id`. `None`: it was deleted, or never was. An error: it is damaged, or may have been in a damaged block.
    pub fn get(&self, id: RecordId) -> Result<Option<Record>> {
        if self.is_deleted(id) { Ok(None) } else { self.get_stored(id) }
    }

    /// [`get`](Self::get), for a caller who goes through records in order: one of the block that `last` is in is found there, and no block is decoded twice in a row, whatever is kept of them.
    pub fn get_near(&self, id: RecordId, last: Option<&Record>) -> Result<Option<Record>> {
        match last.and_then(|record| record.neighbour(id)) {
            Some(_) if self.is_deleted(id) => Ok(None),
            Some(record) => Ok(Some(record)),
            None => self.get(id),
        }
    }

    /// Record `id` as it is stored, also when it was deleted, as long as its bytes are there.
    pub fn get_stored(&self, id: RecordId) -> Result<Option<Record>> {
        let Some(run) = self.run_of(id) else { return Ok(None) };
        let found = run::get(&**run, id.0)?;
        Ok(found.map(|(block, index, body)| Record::new(id, run, &block, index, body)))
    }

    /// Several records, in the order asked for: see [`get`](Self::get). Each block is decoded once, however many of them it has.
    pub fn get_many(&self, ids: &[RecordId]) -> Vec<Result<Option<Record>>> {
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_unstable_by_key(|&at| ids[at]);
        self.will_need(ids);
        let mut found: Vec<Result<Option<Record>>> = ids.iter().map(|_| Ok(None)).collect();
        let mut last: Option<Record> = None;
        for at in order {
            found[at] = self.get_near(ids[at], last.as_ref());
            if let Ok(Some(record)) = &found[at] {
                last = Some(record.clone());
            }
        }
        found
    }

    /// Where blocks are read by ranges: fetches those of some records that are not in the cache, all at once. What fails is told when they are read.
    fn will_need(&self, ids: &[RecordId]) {
        let Some(reader) = self.ranges() else { return };
        let place = |id: &RecordId| {
            let run = self.run_of(*id)?;
            let (_, start) = run.file().source.by_ranges()?;
            let place = run.place(run.find(id.0).ok()??).ok()?;
            let is_kept = run.file().cache.has(run.file().id, place.offset);
            (!is_kept).then(|| start + place.offset..(start + place.offset).saturating_add(place.len))
        };
        let places: Vec<_> = ids.iter().filter_map(place).collect();
        drop(reader.load(&places));
    }

    /// The run that has a record, if any has.
    fn run_of(&self, id: RecordId) -> Option<&Arc<dyn Run>> {
        let after = self.runs.partition_point(|run| run.ids().is_some_and(|(first, _)| first <= id.0));
        let run = &self.runs[after.checked_sub(1)?];
        run.ids().filter(|&(_, last)| id.0 <= last).map(|_| run)
    }

    /// Whether it is read by ranges.
    pub fn is_far(&self) -> bool {
        self.ranges().is_some()
    }

    /// What was read by ranges since the artifact was opened, if that is how it is read.
    pub fn range_statistics(&self) -> Option<RangeStatistics> {
        self.ranges().map(RangeReader::statistics)
    }

    fn ranges(&self) -> Option<&RangeReader> {
        let (reader, _) = self.state.tail.index.file.source.by_ranges()?;
        Some(reader)
    }

    /// Size and hits of the cache of decoded blocks.
    pub fn cache_stats(&self) -> CacheStats {
        self.runs.first().map(|run| run.file().cache.stats()).unwrap_or_default()
    }

    /// All records that are not deleted, in the order of their ids. An error stands for the records of one damaged
    /// block; the iteration goes on behind it.
    pub fn records(&self) -> Records {
        self.records_from(RecordId(0))
    }

    /// Like [`Snapshot::records`], beginning with the first record at or behind `id`.
    pub fn records_from(&self, id: RecordId) -> Records {
        let skipped = self.runs.partition_point(|run| run.ids().is_some_and(|(_, last)| last < id.0));
        Records {
            snapshot: self.clone(),
            run: skipped,
            next_block: None,
            lost_named: 0,
            block: None,
            from: id.0,
        }
    }

    /// The parts of this generation.
    pub fn parts(&self) -> &[Arc<Part>] {
        &self.state.sealed.parts
    }

    /// Segments and parts of a snapshot in which there is nothing else.
    pub(crate) fn sealed_files(&self) -> Result<(&[Arc<Segment>], &[Arc<Part>])> {
        let State { sealed, tail, .. } = &*self.state;
        let is_empty = |log: &LogView| log.len <= FILE_HEADER_LEN as u64;
        if !sealed.frozen.iter().all(is_empty) || !is_empty(tail) {
            return Err(Error::invalid(
                "expected a snapshot with everything sealed; the writer's `seal` does that",
            ));
        }
        Ok((&sealed.segments, &sealed.parts))
    }

    /// The sealed segments of this generation, in the order of their ids.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.state.sealed.segments.iter().map(|segment| (&segment.entry).into()).collect()
    }
}

/// An iterator over records: see [`Snapshot::records`].
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Records {
    snapshot: Snapshot,
    run: usize,
    next_block: Option<usize>,
    /// How many ranges of lost ids of the run were told of.
    lost_named: usize,
    block: Option<OpenBlock>,
    from: u64,
}

#[derive(Debug)]
struct OpenBlock {
    block: Arc<Block>,
    index: usize,
    bodies: std::vec::IntoIter<(u64, Body)>,
}

impl Records {
    /// Decodes the next block of records. `None`: there is none.
    fn open_next(&mut self) -> Option<Result<OpenBlock>> {
        loop {
            let run = self.snapshot.runs.get(self.run)?.clone();
            match self.open_in(&*run) {
                Ok(Some(block)) => return Some(Ok(block)),
                Ok(None) => self.go_on_to(self.run + 1),
                Err(e) => return Some(Err(e)),
            }
        }
    }

    fn go_on_to(&mut self, run: usize) {
        (self.run, self.next_block, self.lost_named) = (run, None, 0);
    }

    fn open_in(&mut self, run: &dyn Run) -> Result<Option<OpenBlock>> {
        // Without places there is nothing more to be had of this run.
        let next = self.next_place(run).inspect_err(|_| self.go_on_to(self.run + 1))?;
        // Records that may have been in front of it are told of once.
        while let Some(range) = run.lost().get(self.lost_named) {
            if next.is_some_and(|(_, place)| place.first_id < range.start) {
                break;
            }
            self.lost_named += 1;
            if range.end > self.from {
                return Err(run::lost_records(run, range));
            }
        }
        let Some((index, place)) = next else { return Ok(None) };
        self.next_block = Some(index + 1);
        let block = Arc::new(run.file().records(place)?);
        let bodies: Vec<(u64, Body)> = block.records().collect();
        bodies.last().map_or(Ok(()), |&(last, _)| run::check_last_id(run, index, last))?;
        let bodies = bodies.into_iter();
        Ok(Some(OpenBlock { block, index, bodies }))
    }

    /// The next block of records.
    fn next_place(&mut self, run: &dyn Run) -> Result<Option<(usize, Place)>> {
        let count = run.block_count()?;
        let mut index = match self.next_block {
            Some(index) => index,
            None => run.find(self.from)?.unwrap_or(0),
        };
        // Frames begin with the same id as the block behind them, which has their record's entry.
        while index + 1 < count && run.place(index)?.first_id == run.place(index + 1)?.first_id {
            index += 1;
        }
        self.next_block = Some(index);
        if index < count { run.place(index).map(|place| Some((index, place))) } else { Ok(None) }
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(open) = &mut self.block {
                for (id, body) in open.bodies.by_ref() {
                    let id = RecordId(id);
                    if id.0 < self.from || self.snapshot.is_deleted(id) {
                        continue;
                    }
                    let run = &self.snapshot.runs[self.run];
                    return Some(Ok(Record::new(id, run, &open.block, open.index, body)));
                }
                self.block = None;
            }
            match self.open_next()? {
                Ok(block) => self.block = Some(block),
                Err(e) => {
                    if e.is_io() {
                        self.go_on_to(self.snapshot.runs.len()); // a failing medium is reported once
                    }
                    return Some(Err(e));
                }
            }
        }
    }
}
