//! Commits behind a place that vouch for what lies there: each names an earlier commit as synced.

/// Ends and sync floors of sound commit records, in the order of the log: those that no later one with as high a floor follows.
#[derive(Debug, Default)]
pub(super) struct Witnesses(Vec<(u64, u64)>);

impl Witnesses {
    /// Adds the commit behind those before.
    pub(super) fn push(&mut self, end: u64, sync_floor: u64) {
        while self.0.last().is_some_and(|&(_, floor)| floor <= sync_floor) {
            self.0.pop();
        }
        self.0.push((end, sync_floor));
    }

    /// The end of the last commit whose sync floor is above `seq`.
    pub(super) fn last_above(&self, seq: u64) -> Option<u64> {
        let above = self.0.partition_point(|&(_, floor)| floor > seq);
        self.0.get(above.checked_sub(1)?).map(|&(end, _)| end)
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
            witnesses.push(end, floor);
            let seen = || (1u64..=end).zip(&floors);
            for seq in 0..10 {
                let last = seen().filter(|&(_, &floor)| floor > seq).last().map(|(end, _)| end);
                assert_eq!(witnesses.last_above(seq), last, "{seq} after {end}");
            }
        }
    }
}
