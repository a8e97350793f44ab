//! Which rows have their metadata in a record of the store of their own, because they were changed.

use block_format::RecordId;

use super::layout;
use super::section::Section;
use crate::api::error::{Error, Result};

/// The rows of a shard whose metadata were changed; most shards have none.
#[derive(Debug, Default)]
pub(crate) struct MetadataRecords(Option<Section>);

impl MetadataRecords {
    /// Verifies all of them: they are few, and say what a record is.
    pub(super) fn open(section: Option<Section>, row_count: u32) -> Result<Self> {
        let Some(section) = section else { return Ok(Self::default()) };
        let fault = |what: &str| Error::damaged(format!("changed metadata of a shard: {what}"));
        section.check_all()?;
        let (rows, _) = layout::read_metadata_records(section.as_ref()).map_err(fault)?;
        let ascend = rows.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || rows.last().is_some_and(|&row| row >= row_count) {
            return Err(fault("rows are not in order"));
        }
        Ok(Self(Some(section)))
    }

    fn read(&self) -> (&[u32], &[u64]) {
        let bytes = self.0.as_ref().map(Section::as_ref);
        bytes.and_then(|bytes| layout::read_metadata_records(bytes).ok()).unwrap_or_default() // was opened before
    }

    /// The record of the store that has the metadata of a row, if that is not its own.
    pub(crate) fn get(&self, row: u32) -> Option<RecordId> {
        let (rows, ids) = self.read();
        rows.binary_search(&row).ok().and_then(|at| ids.get(at)).map(|&id| RecordId(id))
    }

    /// The greatest id of these records.
    pub(super) fn last(&self) -> Option<RecordId> {
        self.read().1.iter().max().map(|&id| RecordId(id))
    }

    /// All rows, in ascending order, with their records.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let (rows, ids) = self.read();
        rows.iter().copied().zip(ids.iter().copied())
    }
}
