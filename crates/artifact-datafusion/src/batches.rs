//! Records → record batches.

use std::sync::Arc;

use artifact_arrow::first_value;
use compact_artifact::{Entry, Filter, Snapshot};
use datafusion::arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeListBuilder, Float32Builder, Float64Builder,
    Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_datafusion_err};
use serde_json::{Map, Value};

use crate::columns::{Columns, Content, ValueType};
use crate::error::about;
use crate::packs::Source;

/// Records in a batch, at most.
const BATCH_RECORDS: usize = 1024;
/// Bytes of contents in a batch, unless one record has more.
const BATCH_BYTES: u64 = 4 << 20;
/// The longest blob that a column holds.
const MAX_BLOB: u64 = 256 << 20;

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
    for entry in entries.take(limit) {
        let entry = entry.map_err(about)?;
        bytes += if has_contents { entry.len() } else { 0 };
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

fn to_batch(source: &Source, columns: &Columns, entries: &[Entry]) -> Result<RecordBatch> {
    let needs_metadata =
        columns.contents.iter().any(|content| matches!(content, Content::Metadata | Content::Value(_)));
    let metadata = if needs_metadata {
        entries.iter().map(Entry::metadata).collect::<compact_artifact::Result<Vec<_>>>()
    } else {
        Ok(Vec::new())
    };
    let metadata = metadata.map_err(|e| about(source.name(), e))?;
    let arrays = columns.contents.iter().zip(columns.schema.fields()).map(|(content, field)| match content {
        Content::Value(value_type) => Ok(values(field.name(), *value_type, &metadata)),
        Content::Metadata => {
            Ok(strings(metadata.iter().map(|metadata| Some(Value::Object(metadata.clone()).to_string()))))
        }
        Content::Blob => blobs(source, entries),
        _ => array(source, content, field, entries).map_err(|e| about(source.name(), e)),
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(entries.len()));
    Ok(RecordBatch::try_new_with_options(columns.schema.clone(), arrays, &options)?)
}

fn array(
    source: &Source,
    content: &Content,
    field: &Field,
    entries: &[Entry],
) -> compact_artifact::Result<ArrayRef> {
    Ok(match content {
        Content::Id => Arc::new(UInt64Array::from_iter_values(entries.iter().map(|entry| entry.id().0))),
        Content::Key => {
            let keys = entries.iter().map(Entry::key).collect::<compact_artifact::Result<Vec<_>>>()?;
            strings(keys.into_iter())
        }
        Content::Text => {
            let mut builder = StringBuilder::new();
            for entry in entries {
                builder.append_option(if entry.is_text() { Some(entry.text()?) } else { None });
            }
            Arc::new(builder.finish())
        }
        Content::Vector(space, _) => vectors(&source.snapshot, space, field, entries)?,
        Content::Pack => strings(entries.iter().map(|_| Some(source.name()))),
        Content::Blob | Content::Metadata | Content::Value(_) => unreachable_column(entries.len()),
    })
}

/// Of no value at all: these contents have functions of their own.
fn unreachable_column(rows: usize) -> ArrayRef {
    datafusion::arrow::array::new_null_array(&DataType::Null, rows)
}

pub(crate) fn strings(values: impl Iterator<Item = Option<impl AsRef<str>>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn blobs(source: &Source, entries: &[Entry]) -> Result<ArrayRef> {
    let mut builder = BinaryBuilder::new();
    for entry in entries {
        if entry.is_text() {
            builder.append_null();
            continue;
        }
        if entry.len() > MAX_BLOB {
            return Err(exec_datafusion_err!(
                "{}: record {} is a blob of {} bytes; a column holds {MAX_BLOB} at most, so leave out `blob`, or read it by its id",
                source.name(),
                entry.id(),
                entry.len()
            ));
        }
        builder.append_value(entry.bytes().map_err(|e| about(source.name(), e))?);
    }
    Ok(Arc::new(builder.finish()))
}

fn vectors(
    snapshot: &Snapshot,
    space: &str,
    field: &Field,
    entries: &[Entry],
) -> compact_artifact::Result<ArrayRef> {
    let DataType::FixedSizeList(item, dimension) = field.data_type() else {
        return Ok(unreachable_column(entries.len()));
    };
    let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), *dimension).with_field(item.clone());
    for entry in entries {
        let vector = match snapshot.embedding(entry.id(), space) {
            Err(e) if e.kind() == compact_artifact::ErrorKind::NoSuchSpace => None,
            found => found?,
        };
        match &vector {
            Some(vector) => builder.values().append_slice(vector),
            None => {
                builder.values().append_slice(&vec![0.0; usize::try_from(*dimension).unwrap_or_default()]);
            }
        }
        builder.append(vector.is_some());
    }
    Ok(Arc::new(builder.finish()))
}

fn values(field: &str, value_type: ValueType, metadata: &[Map<String, Value>]) -> ArrayRef {
    let values = || metadata.iter().map(|metadata| first_value(metadata, field));
    match value_type {
        ValueType::Bool => {
            let mut builder = BooleanBuilder::new();
            values().for_each(|value| builder.append_option(value.and_then(Value::as_bool)));
            Arc::new(builder.finish())
        }
        ValueType::Int => {
            let mut builder = Int64Builder::new();
            values().for_each(|value| builder.append_option(value.and_then(Value::as_i64)));
            Arc::new(builder.finish())
        }
        ValueType::Float => {
            let mut builder = Float64Builder::new();
            values().for_each(|value| builder.append_option(value.and_then(Value::as_f64)));
            Arc::new(builder.finish())
        }
        ValueType::String | ValueType::Date => strings(values().map(|value| value.and_then(Value::as_str))),
    }
}
