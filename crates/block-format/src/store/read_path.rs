//! An id → its run → its block → the record.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::State;
use crate::block::layout::Large;
use crate::block::{Block, Body};
use crate::error::{Error, Result};
use crate::id::{CommitSeq, RecordId};
use crate::part::Part;
use crate::run::{self, Run};

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
        let after = self.runs.partition_point(|run| run.ids().is_some_and(|(first, _)| first <= id.0));
        let Some(run) = after.checked_sub(1).map(|index| &self.runs[index]) else { return Ok(None) };
        if run.ids().is_none_or(|(_, last)| id.0 > last) || self.is_deleted(id) {
            return Ok(None);
        }
        let found = run::get(&**run, id.0)?;
        Ok(found.map(|(block, index, body)| Record::new(id, run, &block, index, body)))
    }

    /// Several records, in the order asked for: see [`get`](Self::get). Each block is decoded once, however many of them it has.
    pub fn get_many(&self, ids: &[RecordId]) -> Vec<Result<Option<Record>>> {
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_unstable_by_key(|&at| ids[at]);
        let mut found: Vec<Result<Option<Record>>> = ids.iter().map(|_| Ok(None)).collect();
        let mut last: Option<Record> = None;
        for at in order {
            let near = last.as_ref().and_then(|record| record.neighbour(ids[at]));
            found[at] = match near {
                Some(_) if self.is_deleted(ids[at]) => Ok(None),
                Some(record) => Ok(Some(record)),
                None => self.get(ids[at]),
            };
            if let Ok(Some(record)) = &found[at] {
                last = Some(record.clone());
            }
        }
        found
    }

    /// What the cache of decoded blocks holds, and how often it helped.
    pub fn cache_stats(&self) -> crate::CacheStats {
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
        Records { snapshot: self.clone(), run: skipped, next_block: None, block: None, from: id.0 }
    }

    /// The parts of this generation.
    pub fn parts(&self) -> &[Arc<Part>] {
        &self.state.sealed.parts
    }

    /// Segments and parts of a snapshot in which there is nothing else.
    pub(crate) fn sealed_files(&self) -> Result<(&[Arc<crate::segment::Segment>], &[Arc<Part>])> {
        let State { sealed, tail, .. } = &*self.state;
        let is_empty = |log: &crate::log::LogView| log.len <= crate::file::layout::FILE_HEADER_LEN as u64;
        if !sealed.frozen.iter().all(is_empty) || !is_empty(tail) {
            return Err(Error::invalid(
                "expected a snapshot with everything sealed; the writer's `seal` does that",
            ));
        }
        Ok((&sealed.segments, &sealed.parts))
    }

    /// The sealed segments of this generation, in the order of their ids.
    pub fn segments(&self) -> Vec<super::SegmentInfo> {
        self.state.sealed.segments.iter().map(|segment| (&segment.entry).into()).collect()
    }
}

/// A record. Its block stays in memory as long as the value lives.
#[derive(Debug, Clone)]
pub struct Record {
    id: RecordId,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Inline(Arc<Block>, Range<usize>),
    Large(Frames),
}

/// The frames of a large record: the `large.frame_count()` blocks of `run` before block `end`.
#[derive(Debug, Clone)]
struct Frames {
    run: Arc<dyn Run>,
    id: u64,
    end: usize,
    large: Large,
}

impl Frames {
    /// The block of the first frame: there are as many blocks as the entry says, so its length can be believed.
    fn check_count(&self) -> Result<usize> {
        let count = self.large.frame_count();
        self.end.checked_sub(count as usize).ok_or_else(|| {
            let message = format!("record {}: expected {count} frames before its entry", self.id);
            Error::damaged(message).at(self.run.file().path())
        })
    }

    fn read(&self, number: u32) -> Result<Vec<u8>> {
        let index = self.check_count()? + number as usize;
        let place = self.run.place(index)?;
        self.run.file().frame(place, self.id, number, self.large.frame_raw_len(number))
    }
}

impl Record {
    pub(crate) fn new(
        id: RecordId,
        run: &Arc<dyn Run>,
        block: &Arc<Block>,
        index: usize,
        body: Body,
    ) -> Self {
        let content = match body {
            Body::Inline(range) => Content::Inline(block.clone(), range),
            Body::Large(large) => Content::Large(Frames { run: run.clone(), id: id.0, end: index, large }),
        };
        Self { id, content }
    }

    /// Another record of the same block.
    fn neighbour(&self, id: RecordId) -> Option<Self> {
        let Content::Inline(block, _) = &self.content else { return None };
        match block.find(id.0)? {
            Body::Inline(range) => Some(Self { id, content: Content::Inline(block.clone(), range) }),
            Body::Large(_) => None,
        }
    }

    /// The id of the record.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Inline(_, range) => range.len() as u64,
            Content::Large(frames) => frames.large.content_len,
        }
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole content: borrowed from the decoded block, or, of a large record, read into memory. For one that may
    /// not fit there is [`Record::reader`].
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.content {
            Content::Inline(block, range) => Ok(Cow::Borrowed(&block.raw()[range.clone()])),
            Content::Large(frames) => self.range(0..frames.large.content_len),
        }
    }

    /// Some bytes of the content: decodes only the frames that hold them. What lies behind the end is left out.
    pub fn range(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        match &self.content {
            Content::Inline(block, whole) => {
                // Both are at most the length of the block.
                let start = whole.start + usize::try_from(start).unwrap_or(0);
                let end = whole.start + usize::try_from(end).unwrap_or(0);
                Ok(Cow::Borrowed(&block.raw()[start..end]))
            }
            Content::Large(frames) => {
                frames.check_count()?;
                let too_long = |_| {
                    let what = format!("bytes of record {}; read it with `reader`", self.id);
                    Error::out_of_memory(&what, end - start)
                };
                let mut bytes = Vec::new();
                bytes
                    .try_reserve_exact(usize::try_from(end - start).unwrap_or(usize::MAX))
                    .map_err(too_long)?;
                let mut at = start;
                while at < end {
                    let (number, within) = position(&frames.large, at);
                    let frame = frames.read(number)?;
                    let rest = frame.len() as u64 - within;
                    let take = rest.min(end - at);
                    let within = usize::try_from(within).unwrap_or(frame.len());
                    bytes.extend_from_slice(&frame[within..within + usize::try_from(take).unwrap_or(0)]);
                    at += take;
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Reads the content from front to back, or from anywhere, with one frame in memory.
    pub fn reader(&self) -> ContentReader {
        ContentReader { record: self.clone(), at: 0, frame: None }
    }
}

fn position(large: &Large, at: u64) -> (u32, u64) {
    let frame_len = u64::from(large.frame_len);
    (u32::try_from(at / frame_len).unwrap_or(u32::MAX), at % frame_len)
}

/// The content of a record as [`Read`] and [`Seek`]. Errors carry an [`Error`](crate::Error) inside.
#[derive(Debug)]
pub struct ContentReader {
    record: Record,
    at: u64,
    frame: Option<(u32, Vec<u8>)>,
}

impl Read for ContentReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.record.len().saturating_sub(self.at);
        let wanted = buf.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let copied = match &self.record.content {
            Content::Inline(block, range) => {
                let start = range.start + usize::try_from(self.at).unwrap_or(range.len());
                buf[..wanted].copy_from_slice(&block.raw()[start..start + wanted]);
                wanted
            }
            Content::Large(frames) => {
                let (number, within) = position(&frames.large, self.at);
                let frame = match self.frame.take().filter(|(held, _)| *held == number) {
                    Some((_, frame)) => frame,
                    None => frames.read(number)?,
                };
                let rest = frame.get(usize::try_from(within).unwrap_or(usize::MAX)..).unwrap_or_default();
                let len = wanted.min(rest.len());
                buf[..len].copy_from_slice(&rest[..len]);
                self.frame = Some((number, frame));
                len
            }
        };
        self.at += copied as u64;
        Ok(copied)
    }
}

impl Seek for ContentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.record.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// An iterator over records: see [`Snapshot::records`].
#[derive(Debug)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct Records {
    snapshot: Snapshot,
    run: usize,
    next_block: Option<usize>,
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
                Ok(None) => {
                    self.run += 1;
                    self.next_block = None;
                }
                Err(e) => return Some(Err(e)),
            }
        }
    }

    fn open_in(&mut self, run: &dyn Run) -> Result<Option<OpenBlock>> {
        let count = run.block_count().inspect_err(|_| self.run += 1)?;
        let mut index = match self.next_block {
            Some(index) => index,
            None => run.find(self.from)?.unwrap_or(0),
        };
        // Frames begin with the same id as the block behind them, which has their record's entry.
        while index + 1 < count && run.place(index)?.first_id == run.place(index + 1)?.first_id {
            index += 1;
        }
        self.next_block = Some(index + 1);
        if index >= count {
            return Ok(None);
        }
        let block = Arc::new(run.file().records(run.place(index)?)?);
        let bodies = block.records().collect::<Vec<_>>().into_iter();
        Ok(Some(OpenBlock { block, index, bodies }))
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
                        self.run = self.snapshot.runs.len(); // a failing medium is reported once
                    }
                    return Some(Err(e));
                }
            }
        }
    }
}
