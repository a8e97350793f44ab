//! The state of a scan of a log: commits that hold, blocks since the last one, damage.

use std::cmp::Ordering;
use std::ops::Range;

use super::layout::{COMMIT_LEN, Commit};
use super::witness::Witnesses;
use crate::block::layout::HEADER_LEN;
use crate::checksum::Hash128;
use crate::damage::{Damage, merged_ranges};
use crate::error::Error;
use crate::manifest::Checkpoint;
use crate::run::{BlockFile, Place};
use crate::source::Window;

/// The result of a scan.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The last commit that holds.
    pub(crate) committed: Checkpoint,
    /// The blocks of records and frames that commits cover.
    pub(crate) places: Vec<Place>,
    /// Deleted ids with the commit that deleted them.
    pub(crate) deletes: Vec<(u64, u64)>,
    /// Number and next id of the commits that hold, with what was there before the first of them if that is known.
    pub(crate) commits: Vec<(u64, u64)>,
    /// Stretches that are not what was written there, though a commit that was acknowledged covers them.
    pub(crate) damage: Vec<Damage>,
    /// Length of the log when the scan began.
    pub(crate) file_len: u64,
    /// Some of the damage may have been a list of deleted ids: nobody can say which records are alive.
    pub(crate) deletes_lost: bool,
    /// The commit that recovery copied from an earlier log, if the log begins with one.
    pub(crate) adopted: Option<u64>,
}

impl Scan {
    /// Of a log in which nothing follows `committed`.
    pub(crate) fn nothing_behind(committed: Checkpoint) -> Self {
        Self {
            committed,
            places: Vec::new(),
            deletes: Vec::new(),
            commits: vec![(committed.seq, committed.next_id)],
            damage: Vec::new(),
            file_len: committed.len,
            deletes_lost: false,
            adopted: None,
        }
    }

    /// Bytes behind the last commit that holds: written, but never acknowledged.
    pub(crate) fn torn_len(&self) -> u64 {
        self.file_len.saturating_sub(self.committed.len)
    }

    /// Ranges of ids whose blocks are damaged beyond recognition.
    pub(crate) fn lost(&self) -> Vec<Range<u64>> {
        let ranges = self.damage.iter().map(|damage| damage.lost.start.0..damage.lost.end.0);
        merged_ranges(ranges.collect())
    }
}

/// How a scan for what can be saved differs from others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Salvage {
    /// No record can have this id or a later one.
    pub(super) ids_end: u64,
    /// From here on, nothing vouches for what is there.
    pub(super) is_in_doubt: bool,
}

/// A scan in progress.
pub(super) struct Scanner<'a> {
    pub(super) file: &'a BlockFile,
    pub(super) window: Window<'a>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// Offset of the next block.
    pub(super) at: u64,
    pub(super) hash: Hash128,
    pub(super) pending: Pending,
    /// Whether the next commit is the first of a log that may begin at any commit.
    pub(super) first: bool,
    /// A sound commit record that does not follow from what is before it.
    pub(super) unchained: Option<Commit>,
    /// The commits behind the first bytes that do not hold, once there are such bytes.
    pub(super) witnesses: Option<Witnesses>,
    pub(super) salvage: Option<Salvage>,
    /// The first id in a block that was looked for ahead of a gap, and the offset of that block.
    pub(super) first_id_ahead: Option<(u64, u64)>,
    /// The last id in a block, and the offset of that block: it is decoded once.
    pub(super) last_id_in: Option<(u64, u64)>,
    pub(super) scan: Scan,
}

/// Blocks since the last commit.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) places: Vec<Place>,
    /// The offsets of blocks of deleted ids, and the ids.
    pub(super) deletes: Vec<(u64, Vec<u64>)>,
    /// Stretches in which no block was recognised.
    pub(super) gaps: Vec<Range<u64>>,
}

/// Header and payload of the block of a commit record.
pub(super) const COMMIT_BLOCK_LEN: u64 = (HEADER_LEN + COMMIT_LEN) as u64;

impl Pending {
    /// Whether ids of records ascend within `ids`, and those of deletes are below `deletes_end`.
    pub(super) fn ids_are_within(&self, ids: Range<u64>, deletes_end: u64) -> bool {
        let ascend = self.places.windows(2).all(|pair| pair[0].first_id <= pair[1].first_id);
        let ends = [self.places.first(), self.places.last()];
        let are_within = ends.into_iter().flatten().all(|place| ids.contains(&place.first_id));
        let mut last_deletes = self.deletes.iter().filter_map(|(_, ids)| ids.last());
        ascend && are_within && last_deletes.all(|&id| id < deletes_end)
    }

    /// Whether all deleted ids of the commit that covers the bytes from `start` on, and of those before it whose own
    /// record is damaged, are here: `deletes` of them behind `start`; and before it nothing is damaged but a record.
    pub(super) fn has_all_deletes(&self, start: u64, deletes: u64) -> bool {
        let behind = self.deletes.iter().filter(|(at, _)| *at >= start).map(|(_, ids)| ids.len() as u64);
        let only_commits = |gap: &Range<u64>| {
            gap.start >= start || (gap.end == start && gap.end - gap.start == COMMIT_BLOCK_LEN)
        };
        behind.sum::<u64>() == deletes && self.gaps.iter().all(only_commits)
    }
}

impl Scanner<'_> {
    /// Takes a commit whose record ends at `at`, with the blocks since the one before.
    pub(super) fn accept(&mut self, commit: &Commit) {
        let start = (self.at - COMMIT_BLOCK_LEN).saturating_sub(commit.covered_len);
        self.scan.deletes_lost |= !self.pending.has_all_deletes(start, commit.deletes);
        self.take_pending(commit.seq);
        if self.first && commit.sync_floor != commit.seq {
            let before = commit.seq.checked_sub(1).zip(commit.next_id.checked_sub(commit.records));
            self.scan.commits.extend(before);
        }
        self.scan.commits.push((commit.seq, commit.next_id));
        self.scan.committed =
            Checkpoint { len: self.at, seq: commit.seq, next_id: commit.next_id, chain: commit.chain };
        self.hash = Hash128::chain(commit.chain);
        self.first = false;
    }

    /// Whether a commit that ends at `end` and does not chain can be taken at its word: its numbers lie between those of the last commit and
    /// of the checkpoint.
    pub(super) fn is_credible(&self, commit: &Commit, end: u64) -> bool {
        let committed = self.scan.committed;
        let numbers = (commit.seq, commit.next_id);
        let follows = (self.first || commit.seq > committed.seq) && commit.next_id >= committed.next_id;
        let agrees = |checkpoint: Checkpoint| match end.cmp(&checkpoint.len) {
            Ordering::Less => commit.seq <= checkpoint.seq && commit.next_id <= checkpoint.next_id,
            Ordering::Equal => numbers == (checkpoint.seq, checkpoint.next_id),
            Ordering::Greater => commit.seq > checkpoint.seq && commit.next_id >= checkpoint.next_id,
        };
        let is_possible = self.salvage.is_none_or(|salvage| commit.next_id <= salvage.ids_end);
        follows && is_possible && self.checkpoint.is_none_or(agrees)
    }

    /// Records as damage the blocks since the last commit whose ids do not ascend below `next_id`, and leaves them out.
    pub(super) fn leave_out_foreign_ids(&mut self, next_id: u64) {
        let Pending { places, deletes, .. } = &mut self.pending;
        let mut ids = self.scan.committed.next_id..next_id;
        let (path, damage) = (self.file.path(), &mut self.scan.damage);
        places.retain(|place| {
            let is_given_out = ids.contains(&place.first_id);
            if is_given_out {
                ids.start = place.first_id;
            } else {
                let message =
                    format!("expected ids from {} to {next_id}, found {}", ids.start, place.first_id);
                let range = place.offset..place.offset + place.len;
                damage.push(Damage::new(path, range, &Error::damaged(message), 0..0));
            }
            is_given_out
        });
        for (_, ids) in deletes.iter_mut() {
            let kept = ids.partition_point(|&id| id < next_id);
            self.scan.deletes_lost |= kept < ids.len();
            ids.truncate(kept);
        }
    }

    /// Makes the blocks since the last commit part of commit `seq`.
    pub(super) fn take_pending(&mut self, seq: u64) {
        let Pending { places, deletes, .. } = std::mem::take(&mut self.pending);
        self.scan.places.extend(places);
        if self.salvage.is_some_and(|salvage| salvage.is_in_doubt) {
            self.scan.deletes_lost |= !deletes.is_empty();
            return;
        }
        let ids = deletes.into_iter().flat_map(|(_, ids)| ids);
        self.scan.deletes.extend(ids.map(|id| (id, seq)));
    }

    /// Takes blocks behind the last commit that holds, where a commit that does not lies behind them.
    pub(super) fn take_uncovered(&mut self) {
        let end = self.witnesses.as_ref().and_then(Witnesses::last).unwrap_or(0);
        self.pending.places.retain(|place| place.offset < end);
        let covered = self.pending.deletes.partition_point(|&(offset, _)| offset < end);
        self.scan.deletes_lost |= covered > 0;
        self.pending.deletes.clear();
        if let Some(Salvage { ids_end, .. }) = self.salvage {
            self.leave_out_foreign_ids(ids_end);
        }
        self.take_pending(self.scan.committed.seq);
    }

    /// Remembers a stretch in which no block was recognised.
    pub(super) fn record_gap(&mut self, range: Range<u64>, error: &Error, lost: Range<u64>) {
        self.pending.gaps.push(range.clone());
        self.scan.damage.push(Damage::new(self.file.path(), range, error, lost));
    }

    /// One more than the last id that is known to be in a sound block: where lost ids can begin.
    pub(super) fn last_id(&mut self) -> u64 {
        let Some(&place) = self.pending.places.last().or(self.scan.places.last()) else {
            return self.scan.committed.next_id.min(self.checkpoint.map_or(u64::MAX, |at| at.next_id));
        };
        if let Some((_, id)) = self.last_id_in.filter(|&(at, _)| at == place.offset) {
            return id;
        }
        let block = self.file.records(place).ok();
        let last = block.and_then(|block| block.records().last().map(|(id, _)| id + 1));
        let id = last.unwrap_or(place.first_id);
        self.last_id_in = Some((place.offset, id));
        id
    }
}
