//! What the newest commits did: how far ids went, and what they deleted. In memory, of the commits that this store wrote or read.

use std::collections::VecDeque;

use crate::id::RecordId;
use crate::log::scan::Scan;

/// What happened between a commit and a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Since {
    /// Records from this id on came later than the commit. Some of them may be deleted again.
    pub first_new: RecordId,
    /// Records of the commit, or from before it, that were deleted since, ascending.
    pub deleted: Vec<RecordId>,
}

/// The newest commits, without a gap.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Numbers of commits, each one more than the one before, with the next id behind them.
    commits: VecDeque<(u64, u64)>,
    /// Commits with the ids that they deleted, in the order of commits.
    deletes: VecDeque<(u64, u64)>,
}

/// So many commits, and deleted ids, are remembered at the most: 2 MiB together.
const MAX: usize = 64 << 10;

impl History {
    /// The history of an artifact as of one commit.
    pub(super) fn at(seq: u64, next_id: u64) -> Self {
        Self { commits: [(seq, next_id)].into(), deletes: VecDeque::new() }
    }

    pub(super) fn from_scan(scan: &Scan) -> Self {
        let mut history = Self { commits: scan.commits.iter().copied().collect(), deletes: VecDeque::new() };
        history.deletes.extend(scan.deletes.iter().map(|&(id, seq)| (seq, id)));
        history.shrink();
        history
    }

    fn last(&self) -> Option<u64> {
        self.commits.back().map(|&(seq, _)| seq)
    }

    /// Goes on with a later piece, which may overlap. Where a commit is missing in between, only the later piece is left.
    pub(super) fn join(&mut self, later: Self) {
        let Some(first) = later.commits.front().map(|&(seq, _)| seq) else { return };
        let Some(last) = self.last().filter(|&last| last >= first) else {
            *self = later;
            return;
        };
        self.commits.extend(later.commits.into_iter().filter(|&(seq, _)| seq > last));
        self.deletes.extend(later.deletes.into_iter().filter(|&(seq, _)| seq > last));
        self.shrink();
    }

    /// Takes over what is known of the commits before, and of the one that this is of.
    pub(super) fn begin_with(&mut self, earlier: Self) {
        if earlier.last().is_some() && earlier.last() == self.last() {
            *self = earlier;
        }
    }

    pub(super) fn push(&mut self, seq: u64, next_id: u64, deletes: &[u64]) {
        self.commits.push_back((seq, next_id));
        self.deletes.extend(deletes.iter().map(|&id| (seq, id)));
        self.shrink();
    }

    /// Forgets the oldest commits where there are too many, and what they deleted.
    fn shrink(&mut self) {
        if self.commits.len() > MAX {
            self.commits.drain(..self.commits.len() - MAX / 2);
        }
        while self.deletes.len() > MAX {
            // As of this commit nobody asks what it deleted.
            let Some(&(seq, _)) = self.deletes.get(self.deletes.len() - MAX / 2) else { break };
            self.commits.retain(|&(commit, _)| commit >= seq);
            self.forget_deletes_up_to(seq);
        }
        let Some(&(first, _)) = self.commits.front() else { return };
        self.forget_deletes_up_to(first);
    }

    fn forget_deletes_up_to(&mut self, seq: u64) {
        while self.deletes.front().is_some_and(|&(deleted_by, _)| deleted_by <= seq) {
            self.deletes.pop_front();
        }
    }

    pub(super) fn since(&self, seq: u64, until: u64) -> Option<Since> {
        let (first, _) = self.commits.front()?;
        let at = usize::try_from(seq.checked_sub(*first)?).ok()?;
        let &(_, first_new) = self.commits.get(at).filter(|&&(found, _)| found == seq && seq <= until)?;
        let deleted_since = self.deletes.partition_point(|&(deleted_by, _)| deleted_by <= seq);
        let deleted = self.deletes.iter().skip(deleted_since);
        let deleted = deleted.take_while(|&&(deleted_by, _)| deleted_by <= until);
        let mut deleted: Vec<RecordId> =
            deleted.filter(|&&(_, id)| id < first_new).map(|&(_, id)| RecordId(id)).collect();
        deleted.sort_unstable();
        deleted.dedup();
        Some(Since { first_new: RecordId(first_new), deleted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn since(history: &History, seq: u64) -> Option<(u64, Vec<u64>)> {
        let since = history.since(seq, history.last()?)?;
        Some((since.first_new.0, since.deleted.iter().map(|id| id.0).collect()))
    }

    #[test]
    fn pieces_are_joined_and_a_gap_begins_anew() {
        let mut history = History::at(3, 10);
        history.push(4, 12, &[1]);
        history.push(5, 12, &[11, 2]);
        assert_eq!(since(&history, 3), Some((10, vec![1, 2])));
        assert_eq!(since(&history, 4), Some((12, vec![2, 11])));
        assert_eq!(since(&history, 5), Some((12, vec![])));
        assert_eq!(since(&history, 2), None);
        assert_eq!(since(&history, 6), None);
        let mut later = History::at(4, 12);
        later.push(5, 12, &[11, 2]);
        later.push(6, 13, &[3]);
        history.join(later);
        assert_eq!(since(&history, 3), Some((10, vec![1, 2, 3])));
        history.join(History::at(8, 20));
        assert_eq!((since(&history, 3), since(&history, 8)), (None, Some((20, vec![]))));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_forgotten_is_not_answered() {
        let mut history = History::at(0, 0);
        for seq in 1..=3 * MAX as u64 {
            history.push(seq, seq, &[seq - 1, seq - 1]);
            assert!(history.commits.len() <= MAX && history.deletes.len() <= MAX);
        }
        let last = 3 * MAX as u64;
        let first = history.commits[0].0;
        assert!(last - first > MAX as u64 / 8);
        assert_eq!(history.since(first - 1, last), None);
        let deleted = history.since(first, last).unwrap().deleted;
        assert!(deleted.is_empty() || deleted == [RecordId(first)], "{deleted:?}");
    }
}
