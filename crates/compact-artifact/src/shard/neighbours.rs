//! The nearest other rows of each row of a sealed shard, found when it was sealed.

use std::ops::Range;
use std::sync::Arc;

use block_format::{FileId, Part};

use super::layout::{self, NEIGHBOURS_VERSION, neighbour_table, neighbours};
use super::section::Bytes;
use crate::api::error::{Error, ErrorKind, Result};
use crate::protocol::{Step, Steps};

/// The neighbours of the rows of one shard, in a part of their own.
#[derive(Debug)]
pub(crate) struct Neighbours {
    /// The number of their file.
    pub(crate) part: FileId,
    bytes: Bytes,
    rows: u32,
    tables: Vec<Table>,
    steps: Steps,
}

/// The neighbours in one vector space.
#[derive(Debug)]
struct Table {
    space: usize,
    per_row: usize,
    /// Where it begins.
    offset: usize,
}

impl Neighbours {
    /// Opens the neighbours of a shard with so many rows.
    pub(crate) fn open(part: &Arc<Part>, rows: u32, steps: Steps) -> Result<Self> {
        Self::read(Bytes::of_part(part)?, part.id(), (rows, steps))
            .map_err(|e| e.about(format_args!("neighbours of shard {}", part.tag())))
    }

    fn read(bytes: Bytes, part: FileId, (rows, steps): (u32, Steps)) -> Result<Self> {
        let fault = |message: &str| Error::damaged(message);
        let len = bytes.all().len();
        let too_short = || fault("shorter than their description");
        check(&bytes, 0..neighbours::LEN.min(len), steps)?;
        let (version, stored_rows, tables) =
            layout::read_neighbours_head(bytes.all().first_chunk().ok_or_else(too_short)?);
        if version > NEIGHBOURS_VERSION {
            let message =
                format!("neighbours of version {version}; this library reads up to {NEIGHBOURS_VERSION}");
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let end = (tables as usize)
            .checked_mul(neighbour_table::LEN)
            .and_then(|described| described.checked_add(neighbours::LEN))
            .filter(|&end| end <= len)
            .ok_or_else(too_short)?;
        check(&bytes, 0..end, steps)?;
        let described = bytes.all().get(neighbours::LEN..end).ok_or_else(too_short)?;
        let mut offset = end as u64;
        let mut found = Vec::new();
        for (space, per_row) in layout::read_neighbour_tables(described) {
            let at = usize::try_from(offset).map_err(|_| too_short())?;
            found.push(Table { space: space as usize, per_row: per_row as usize, offset: at });
            let table_len = u64::from(rows).checked_mul(4 * u64::from(per_row));
            offset = table_len.and_then(|len| offset.checked_add(len)).ok_or_else(too_short)?;
        }
        if stored_rows != rows || offset != len as u64 {
            return Err(fault("not as long as the shard has rows"));
        }
        Ok(Self { part, bytes, rows, tables: found, steps })
    }

    fn table(&self, space: usize) -> Option<&Table> {
        self.tables.iter().find(|table| table.space == space)
    }

    /// The spaces that it has neighbours in, and how many of each row.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (usize, usize)> {
        self.tables.iter().map(|table| (table.space, table.per_row))
    }

    /// The rows near a row in a space, the nearest first.
    pub(crate) fn near(&self, space: usize, row: u32) -> Result<Vec<u32>> {
        let Some(table) = self.table(space).filter(|_| row < self.rows) else { return Ok(Vec::new()) };
        let start = table.offset + row as usize * 4 * table.per_row;
        let range = start..start + 4 * table.per_row;
        check(&self.bytes, range.clone(), self.steps)?;
        let near = layout::read_neighbours(self.bytes.all().get(range).unwrap_or_default());
        let near: Vec<u32> = near.collect();
        if near.iter().any(|&near| near >= self.rows) {
            return Err(Error::damaged(format!("neighbours of row {row}: a row that is not there")));
        }
        Ok(near)
    }

    /// Bytes of the neighbours in a space.
    pub(crate) fn space_len(&self, space: usize) -> u64 {
        4 * u64::from(self.rows) * self.table(space).map_or(0, |table| table.per_row as u64)
    }

    /// Bytes on the heap: none where they are a map of a file.
    pub(crate) fn heap_bytes(&self) -> u64 {
        match &self.bytes {
            Bytes::Mapped(_) => 0,
            Bytes::Memory(bytes) => (**bytes).as_ref().len() as u64,
        }
    }

    /// Reads everything, and looks whether all rows are there.
    pub(crate) fn verify(&self) -> Result<()> {
        self.tables
            .iter()
            .try_for_each(|table| (0..self.rows).try_for_each(|row| self.near(table.space, row).map(drop)))
    }
}

/// Verifies some of the bytes, before they are used.
fn check(bytes: &Bytes, range: Range<usize>, steps: Steps) -> Result<()> {
    if !steps.take(Step::CheckNeighbours) {
        return Ok(());
    }
    bytes.check(range.start as u64..range.end as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], rows: u32) -> Result<Neighbours> {
        Neighbours::read(Bytes::Memory(Arc::new(bytes.into())), FileId(1), (rows, Steps::default()))
    }

    fn written(rows: u32, tables: &[(usize, usize)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        layout::write_neighbours_head(rows, tables, &mut bytes).unwrap();
        for &(space, per_row) in tables {
            for row in 0..rows {
                let near = (0..rows).filter(|&other| other != row && other as usize % 2 == space % 2);
                layout::put_neighbours(near, per_row, &mut bytes);
            }
        }
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = written(5, &[(0, 2), (3, 7)]);
        let neighbours = read(&bytes, 5).unwrap();
        assert_eq!(neighbours.tables().collect::<Vec<_>>(), [(0, 2), (3, 7)]);
        let near = |space, row| neighbours.near(space, row).unwrap();
        assert_eq!((near(0, 0), near(0, 3), near(3, 1)), (vec![2, 4], vec![0, 2], vec![3]));
        assert_eq!((near(1, 0), near(0, 9)), (Vec::new(), Vec::new()));
        assert_eq!(neighbours.space_len(3), 5 * 7 * 4);
        neighbours.verify().unwrap();
        for wrong in [read(&bytes, 6), read(&bytes[..bytes.len() - 1], 5), read(&[], 5)] {
            assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Damaged);
        }
    }

    proptest! {
        #[test]
        fn hostile_neighbours_are_errors_or_rows_that_are_there(
            changes in prop::collection::vec((0usize..200, any::<u8>()), 0..6),
            len in 0usize..200,
            rows in prop_oneof![0u32..9, any::<u32>()],
        ) {
            let mut bytes = written(5, &[(0, 2), (3, 7)]);
            bytes.truncate(len.max(16));
            for (at, value) in changes {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            if let Ok(neighbours) = read(&bytes, rows) {
                for row in [0, 1, 4, u32::MAX] {
                    if let Ok(near) = neighbours.near(3, row) {
                        prop_assert!(near.iter().all(|&near| near < rows));
                    }
                }
            }
        }
    }
}
