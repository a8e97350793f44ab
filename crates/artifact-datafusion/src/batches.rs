//! Records → record batches.

use std::sync::Arc;

use artifact_arrow::{Columns, Content, write_batch};
use compact_artifact::{Entry, Filter};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::Result;

use crate::error::about;
use crate::packs::Source;

/// Records in a batch, at most.
const BATCH_RECORDS: usize = 1024;
/// Bytes of records and vectors in a batch, contents only where they are columns, unless one record has more.
const BATCH_BYTES: u64 = 4 << 20;

/// Calls `found` with all records of an artifact that a filter lets through, until it says that it has enough.
pub(crate) fn scan(
    source: &Source,
    columns: &Columns,
    filter: Option<&Filter>,
    limit: usize,
    found: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let snapshot = &source.snapshot;
    let about = |e: compact_artifact::Error| about(source.name(), e);
    let entries: Box<dyn Iterator<Item = compact_artifact::Result<Entry>>> = match filter {
        Some(filter) => Box::new(snapshot.records_where(filter).map_err(about)?),
        None => Box::new(snapshot.records()),
    };
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let has_contents =
        columns.contents.iter().any(|content| matches!(content, Content::Text | Content::Blob));
    let vectors = bytes_of_vectors(columns);
    for entry in entries.take(limit) {
        let entry = entry.map_err(about)?;
        bytes += vectors + entry.stored_len() - if has_contents { 0 } else { entry.len() };
        batch.push(entry);
        if batch.len() == BATCH_RECORDS || bytes >= BATCH_BYTES {
            bytes = 0;
            if !found(to_batch(source, columns, &std::mem::take(&mut batch))?) {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        found(to_batch(source, columns, &batch)?);
    }
    Ok(())
}

/// Bytes of the vectors of a row.
fn bytes_of_vectors(columns: &Columns) -> u64 {
    let dimension = |field: &Arc<Field>| match field.data_type() {
        DataType::FixedSizeList(_, dimension) => u64::from(dimension.unsigned_abs()),
        _ => 0,
    };
    columns.schema.fields().iter().map(dimension).sum::<u64>() * size_of::<f32>() as u64
}

fn to_batch(source: &Source, columns: &Columns, entries: &[Entry]) -> Result<RecordBatch> {
    write_batch(columns, &source.snapshot, source.name(), entries).map_err(|e| about(source.name(), e))
}
