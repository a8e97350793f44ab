//! Blocks of deleted ids in the order of a log, as a scan finds them.

/// The ids in blocks of deletes, and how many there are from any offset on.
#[derive(Debug, Default)]
pub(crate) struct DeleteLists {
    /// Offset of a block, and its ids.
    lists: Vec<(u64, Vec<u64>)>,
    /// Number of ids in a block and in all before it.
    totals: Vec<u64>,
}

impl DeleteLists {
    /// Adds the ids of a block that lies behind those before.
    pub(crate) fn push(&mut self, offset: u64, ids: Vec<u64>) {
        self.totals.push(self.count() + ids.len() as u64);
        self.lists.push((offset, ids));
    }

    fn count(&self) -> u64 {
        self.totals.last().copied().unwrap_or(0)
    }

    /// Number of ids in blocks that begin at or behind `start`.
    pub(crate) fn count_from(&self, start: u64) -> u64 {
        let first = self.lists.partition_point(|&(offset, _)| offset < start);
        let before = first.checked_sub(1).and_then(|last| self.totals.get(last));
        self.count() - before.copied().unwrap_or(0)
    }

    /// The ids in blocks that begin before `end`.
    pub(crate) fn into_ids(self, end: u64) -> impl Iterator<Item = u64> {
        self.lists.into_iter().take_while(move |&(offset, _)| offset < end).flat_map(|(_, ids)| ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_ids_from_an_offset_on_is_that_of_a_count() {
        let mut deletes = DeleteLists::default();
        assert_eq!(deletes.count_from(0), 0);
        for (offset, len) in [(10, 3), (20, 0), (35, 5), (36, 1)] {
            deletes.push(offset, vec![7; len]);
        }
        for start in 0..40 {
            let behind = deletes.lists.iter().filter(|&&(offset, _)| offset >= start);
            assert_eq!(deletes.count_from(start), behind.map(|(_, ids)| ids.len() as u64).sum());
        }
        assert_eq!(deletes.into_ids(35).count(), 3);
    }
}
