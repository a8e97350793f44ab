//! Which record a row is, and which row a record has: runs of rows whose ids follow one another.

use std::io::Write;

use block_format::RecordId;

use super::layout;
use crate::api::error::{Error, Result};

/// Collects the ids of rows 0, 1, 2 and so on.
#[derive(Debug, Default)]
pub(crate) struct IdsBuilder {
    runs: Vec<(u64, u32)>,
    rows: u32,
    last: u64,
}

impl IdsBuilder {
    /// Gives the next row to a record, and returns it.
    pub(crate) fn push(&mut self, id: RecordId) -> u32 {
        if self.runs.is_empty() || self.last.checked_add(1) != Some(id.0) {
            self.runs.push((id.0, self.rows));
        }
        self.last = id.0;
        self.rows += 1;
        self.rows - 1
    }

    pub(crate) fn rows(&self) -> u32 {
        self.rows
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<()> {
        let mut order: Vec<u32> = (0..).take(self.runs.len()).collect();
        order.sort_unstable_by_key(|&run| self.runs[run as usize].0);
        self.check_unique(&order)?;
        Ok(layout::write_ids(&self.runs, &order, out)?)
    }

    /// A shard in which a record had two rows would lose others: runs would overlap.
    fn check_unique(&self, order: &[u32]) -> Result<()> {
        let len = |run: usize| self.runs.get(run + 1).map_or(self.rows, |next| next.1) - self.runs[run].1;
        let overlaps = order.windows(2).any(|pair| {
            let [run, next] = [pair[0] as usize, pair[1] as usize];
            self.runs[run].0.saturating_add(len(run).into()) > self.runs[next].0
        });
        if overlaps {
            return Err(Error::invalid(
                "a shard that would have two rows of one record; nothing was written",
            ));
        }
        Ok(())
    }
}

/// The ids of a shard, where they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids<'a> {
    starts: &'a [u64],
    first_rows: &'a [u32],
    order: &'a [u32],
    row_count: u32,
}

impl<'a> Ids<'a> {
    pub(crate) fn open(bytes: &'a [u8], row_count: u32) -> Result<Self> {
        let ids = Self::opened(bytes, row_count)?;
        let rows = ids.first_rows;
        // So that all runs together have no more rows than there are.
        let ascend = rows.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend
            || rows.first().copied() != (row_count > 0).then_some(0)
            || rows.last().is_some_and(|&row| row >= row_count)
        {
            return Err(fault("rows are not in order"));
        }
        Ok(ids)
    }

    /// [`open`](Self::open) of bytes that it opened before: nothing is done for each run.
    pub(crate) fn opened(bytes: &'a [u8], row_count: u32) -> Result<Self> {
        let (starts, first_rows, order) = layout::read_ids(bytes).map_err(fault)?;
        Ok(Self { starts, first_rows, order, row_count })
    }

    /// No rows.
    pub(crate) fn none() -> Self {
        Self { starts: &[], first_rows: &[], order: &[], row_count: 0 }
    }

    /// The first row behind a run.
    fn end(&self, run: usize) -> u32 {
        self.first_rows.get(run + 1).copied().unwrap_or(self.row_count)
    }

    pub(crate) fn row_of(&self, id: RecordId) -> Option<u32> {
        let first = |run: &u32| self.starts.get(*run as usize).copied().unwrap_or(u64::MAX);
        let place = self.order.partition_point(|run| first(run) <= id.0).checked_sub(1)?;
        let run = self.order[place] as usize;
        let (first_id, first_row) = (*self.starts.get(run)?, *self.first_rows.get(run)?);
        let row = u32::try_from(id.0.checked_sub(first_id)?).ok()?.checked_add(first_row)?;
        (row < self.end(run)).then_some(row)
    }

    pub(crate) fn id_of(&self, row: u32) -> Option<RecordId> {
        let run = self.first_rows.partition_point(|&first| first <= row).checked_sub(1)?;
        let id = self.starts[run].checked_add(row.checked_sub(self.first_rows[run])?.into())?;
        (row < self.end(run)).then_some(RecordId(id))
    }

    /// The greatest id.
    pub(crate) fn last(&self) -> Option<RecordId> {
        let run = *self.order.last()? as usize;
        let rows = self.end(run).checked_sub(*self.first_rows.get(run)?)?;
        Some(RecordId(self.starts.get(run)?.saturating_add(u64::from(rows).saturating_sub(1))))
    }

    /// All ids, in the order of their rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RecordId> + use<'a> {
        let this = *self;
        (0..this.starts.len()).flat_map(move |run| {
            let len = this.end(run).saturating_sub(this.first_rows[run]);
            (0..u64::from(len)).map(move |i| RecordId(this.starts[run].saturating_add(i)))
        })
    }

    /// Whether ids are in order, as every lookup takes for granted.
    pub(crate) fn verify(&self) -> Result<()> {
        let mut seen = vec![false; self.starts.len()];
        for &run in self.order {
            match seen.get_mut(run as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(fault("a run is listed twice, or is not there")),
            }
        }
        let mut next = 0;
        for &run in self.order {
            let run = run as usize;
            let len = u64::from(self.end(run).saturating_sub(self.first_rows[run]));
            if self.starts[run] < next {
                return Err(fault("an id has two rows"));
            }
            next = self.starts[run].saturating_add(len);
        }
        Ok(())
    }
}

fn fault(message: &str) -> Error {
    Error::damaged(format!("ids of a shard: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn aligned(bytes: &[u8]) -> vector_index::AlignedBytes {
        bytes.into()
    }

    proptest! {
        #[test]
        fn every_row_has_its_id_and_every_id_its_row(mut ids in prop::collection::hash_set(0u64..400, 1..200), late in prop::collection::vec(0u64..400, 0..5)) {
            let mut rows: Vec<u64> = Vec::new();
            for id in late { if ids.remove(&id) { rows.push(id); } }
            let mut rest: Vec<u64> = ids.into_iter().collect();
            rest.sort_unstable();
            rows.extend(rest);
            let mut builder = IdsBuilder::default();
            for (row, &id) in (0..).zip(&rows) {
                prop_assert_eq!(builder.push(RecordId(id)), row);
            }
            let mut bytes = Vec::new();
            builder.write(&mut bytes).unwrap();
            let bytes = aligned(&bytes);
            let table = Ids::open(bytes.as_ref(), builder.rows()).unwrap();
            table.verify().unwrap();
            for id in 0..410 {
                let expected = rows.iter().position(|&known| known == id).map(|row| u32::try_from(row).unwrap());
                prop_assert_eq!(table.row_of(RecordId(id)), expected);
            }
            prop_assert_eq!(table.iter().map(|id| id.0).collect::<Vec<_>>(), rows.clone());
            for (row, &id) in (0..).zip(&rows) {
                prop_assert_eq!(table.id_of(row), Some(RecordId(id)));
            }
            prop_assert_eq!(table.id_of(builder.rows()), None);
        }

        #[test]
        fn rows_without_ids_are_an_error(rows in 1..u32::MAX) {
            let mut bytes = Vec::new();
            IdsBuilder::default().write(&mut bytes).unwrap();
            prop_assert!(Ids::open(aligned(&bytes).as_ref(), 0).is_ok());
            prop_assert!(Ids::open(aligned(&bytes).as_ref(), rows).is_err());
        }

        #[test]
        fn hostile_ids_are_errors_or_bounded_answers(mut bytes in prop::collection::vec(any::<u8>(), 0..200), rows in any::<u32>()) {
            if bytes.len() >= 8 {
                let count = (bytes.len() as u64 - 8) / 16;
                bytes[..8].copy_from_slice(&count.to_le_bytes());
                bytes.truncate(8 + 16 * usize::try_from(count).unwrap());
            }
            let bytes = aligned(&bytes);
            let tables = [Ids::open(bytes.as_ref(), rows), Ids::opened(bytes.as_ref(), rows)];
            for table in tables.into_iter().flatten() {
                drop(table.verify());
                for at in [0, 1, 7, u32::MAX] {
                    table.id_of(at);
                    table.row_of(RecordId(at.into()));
                }
                table.iter().take(1000).for_each(drop);
            }
        }
    }

    /// It would take time for each run in every lookup: after half of all records were deleted there are as many runs as records.
    #[test]
    fn what_was_opened_is_not_looked_through_again() {
        let mut builder = IdsBuilder::default();
        for id in (0..100).step_by(2) {
            builder.push(RecordId(id));
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes).unwrap();
        let rows = 8 + 8 * 50;
        bytes[rows + 4 * 20..][..4].copy_from_slice(&7u32.to_le_bytes());
        let bytes = aligned(&bytes);
        assert!(Ids::open(bytes.as_ref(), 50).is_err());
        let opened = Ids::opened(bytes.as_ref(), 50).unwrap();
        assert_eq!(opened.id_of(49), Some(RecordId(98)));
    }
}
