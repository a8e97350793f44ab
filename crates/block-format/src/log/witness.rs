//! Commits behind a place that vouch for what lies there: each names an earlier commit as synced.

use super::layout::Commit;

#[derive(Debug, Default)]
pub(super) struct Witnesses {
    /// Ends and sync floors of sound commit records, in the order of the log: those that no later one with as high a floor follows.
    ends: Vec<(u64, u64)>,
    /// The number of the first of them.
    first: Option<u64>,
}

impl Witnesses {
    /// Adds the commit behind those before.
    pub(super) fn push(&mut self, end: u64, commit: &Commit) {
        let floor = commit.sync_floor;
        while self.ends.last().is_some_and(|&(_, before)| before <= floor) {
            self.ends.pop();
        }
        self.ends.push((end, floor));
        self.first.get_or_insert(commit.seq);
    }

    /// The end of the last commit.
    pub(super) fn last(&self) -> Option<u64> {
        self.ends.last().map(|&(end, _)| end)
    }

    /// The number of the commit before the first.
    pub(super) fn seq_before(&self) -> u64 {
        self.first.map_or(0, |seq| seq.saturating_sub(1))
    }

    /// The end of the last commit whose sync floor is above `seq`.
    pub(super) fn last_above(&self, seq: u64) -> Option<u64> {
        let above = self.ends.partition_point(|&(_, floor)| floor > seq);
        self.ends.get(above.checked_sub(1)?).map(|&(end, _)| end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_commit_above_is_that_of_a_search_through_all() {
        let floors = [3, 9, 1, 7, 7, 2, 0, 5, 5, 4];
        let mut witnesses = Witnesses::default();
        for (end, &floor) in (1u64..).zip(&floors) {
            let commit = Commit {
                seq: end,
                covered_len: 0,
                sync_floor: floor,
                next_id: 0,
                records: 0,
                deletes: 0,
                chain: 0,
            };
            witnesses.push(end, &commit);
            assert_eq!((witnesses.last(), witnesses.seq_before()), (Some(end), 0));
            let seen = || (1u64..=end).zip(&floors);
            for seq in 0..10 {
                let last = seen().filter(|&(_, &floor)| floor > seq).last().map(|(end, _)| end);
                assert_eq!(witnesses.last_above(seq), last, "{seq} after {end}");
            }
        }
    }
}
