//! Several runs of blocks → their records in the order of ids. At most one block of each is decoded.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use super::is_no_damage;
use crate::block::{Block, BlockKind, Body};
use crate::error::{Error, Result};
use crate::id::RecordId;
use crate::room::make_room;
use crate::run::{Place, Run, end_of_block};
use crate::store::Record;

/// What comes next in a run.
pub(super) enum Entry {
    Record(Record),
    /// A block that does not hold, and ids some of which it may have had.
    Damaged {
        bytes: Range<u64>,
        ids: Range<u64>,
        error: Error,
    },
}

impl Entry {
    /// Its id, or where the ids in it begin: what comes from a merge ascends by this.
    pub(super) fn first_id(&self) -> u64 {
        match self {
            Self::Record(record) => record.id().0,
            Self::Damaged { ids, .. } => ids.start,
        }
    }
}

/// Ranges of ids with the number of a run each, asked for ids that ascend.
pub(super) struct SpokenFor {
    pending: std::iter::Peekable<std::vec::IntoIter<(Range<u64>, usize)>>,
    /// Number and end of those that began.
    begun: BinaryHeap<Reverse<(usize, u64)>>,
}

impl SpokenFor {
    /// Of ranges in the order of their first ids.
    pub(super) fn from_ranges(ranges: Vec<(Range<u64>, usize)>) -> Self {
        Self { pending: ranges.into_iter().peekable(), begun: BinaryHeap::new() }
    }

    /// The lowest number of a range with `id`; `usize::MAX` without one.
    pub(super) fn first_behind(&mut self, id: u64) -> usize {
        while let Some((ids, number)) = self.pending.next_if(|(ids, _)| ids.start <= id) {
            self.begun.push(Reverse((number, ids.end)));
        }
        while let Some(&Reverse((number, end))) = self.begun.peek() {
            if id < end {
                return number;
            }
            self.begun.pop();
        }
        usize::MAX
    }
}

/// The records of several runs in the order of their ids. Those with one id come in the order of the runs.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// The smallest id that can come next in a run, and the number of the run.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
}

/// A place in a run.
struct Cursor {
    run: Arc<dyn Run>,
    /// The block that comes next, or that is open.
    index: usize,
    open: Option<(Arc<Block>, std::vec::IntoIter<(u64, Body)>)>,
}

impl Merge {
    pub(super) fn from_runs(runs: Vec<Arc<dyn Run>>) -> Result<Self> {
        let cursors = runs.into_iter().map(|run| Cursor { run, index: 0, open: None }).collect();
        let mut merge = Self { cursors, heap: BinaryHeap::new() };
        for number in 0..merge.cursors.len() {
            merge.queue(number)?;
        }
        Ok(merge)
    }

    /// The next record or block that does not hold, with the number of its run.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Entry)>> {
        while let Some(Reverse((_, number))) = self.heap.pop() {
            let entry = self.cursors[number].next()?;
            self.queue(number)?;
            if let Some(entry) = entry {
                return Ok(Some((number, entry)));
            }
        }
        Ok(None)
    }

    fn queue(&mut self, number: usize) -> Result<()> {
        if let Some(id) = self.cursors[number].next_id()? {
            self.heap.push(Reverse((id, number)));
        }
        Ok(())
    }
}

impl Cursor {
    /// The id of the next record, or where the next block begins.
    fn next_id(&mut self) -> Result<Option<u64>> {
        if let Some((_, bodies)) = &self.open {
            if let Some((id, _)) = bodies.as_slice().first() {
                return Ok(Some(*id));
            }
            self.open = None;
            self.index += 1;
        }
        let is_there = self.index < self.run.block_count()?;
        is_there.then(|| self.run.place(self.index).map(|place| place.first_id)).transpose()
    }

    /// A step: `None` where a block was opened, or has no records.
    fn next(&mut self) -> Result<Option<Entry>> {
        if let Some((block, bodies)) = &mut self.open {
            let record = bodies.next().map(|(id, body)| {
                Entry::Record(Record::new(RecordId(id), &self.run, block, self.index, body))
            });
            return Ok(record);
        }
        let place = self.run.place(self.index)?;
        match self.read(place) {
            Ok(Some(block)) => {
                let mut bodies = Vec::new();
                make_room(&mut bodies, block.count() as usize, "bytes of places of records")?;
                bodies.extend(block.records());
                self.open = Some((Arc::new(block), bodies.into_iter()));
                Ok(None)
            }
            Ok(None) => {
                self.index += 1;
                Ok(None)
            }
            Err(e) if is_no_damage(&e) => Err(e),
            Err(error) => {
                let end = end_of_block(&*self.run, self.index)?;
                let ids = place.first_id..end.max(place.first_id.saturating_add(1));
                self.index += 1;
                Ok(Some(Entry::Damaged { bytes: place.offset..place.offset + place.len, ids, error }))
            }
        }
    }

    /// The block at `place`, if it is one of records.
    fn read(&self, place: Place) -> Result<Option<Block>> {
        let (header, raw) = self.run.file().read(place)?;
        let is_records = header.kind == BlockKind::Records;
        is_records.then(|| Block::new(&header, raw)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_for_an_id_is_who_a_search_of_all_ranges_finds() {
        let ranges = [(0, 5, 7), (2, 4, 3), (2, 9, 4), (3, 4, 1), (8, 8, 0), (12, 20, 5), (13, u64::MAX, 9)];
        let ranges = ranges.map(|(start, end, number)| (start..end, number));
        let mut asked = SpokenFor::from_ranges(ranges.to_vec());
        for id in [0, 0, 1, 2, 3, 3, 4, 8, 9, 11, 12, 13, 19, 20, 1 << 40] {
            let with_id = ranges.iter().filter(|(ids, _)| ids.contains(&id));
            let lowest = with_id.map(|&(_, number)| number).min();
            assert_eq!(asked.first_behind(id), lowest.unwrap_or(usize::MAX), "{id}");
        }
    }
}
