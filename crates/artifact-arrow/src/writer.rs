//! Records → rows.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeListBuilder, Float32Builder, Float64Builder, Int64Builder,
    StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array};
use arrow_schema::{DataType, Field};
use compact_artifact::{Entry, ErrorKind, Snapshot};
use serde_json::{Map, Value};

use crate::columns::{Columns, Content, ValueType};
use crate::error::{Result, column};
use crate::values::first_value;

/// The longest blob that a column holds, in bytes.
pub const MAX_BLOB: u64 = 256 << 20;

/// Records of a snapshot as rows. `pack` is what the column of that name says. A vector that cannot be read is an error.
pub fn write_batch(
    columns: &Columns,
    snapshot: &Snapshot,
    pack: &str,
    entries: &[Entry],
) -> Result<RecordBatch> {
    rows(columns, snapshot, pack, entries, &mut Err)
}

/// [`write_batch`] that goes on where a vector is damaged or may have been lost: it is null, and the errors, which name the record and the space, are returned.
pub fn write_batch_without_damaged(
    columns: &Columns,
    snapshot: &Snapshot,
    pack: &str,
    entries: &[Entry],
) -> Result<(RecordBatch, Vec<compact_artifact::Error>)> {
    let mut damaged = Vec::new();
    let mut leave_out = |error| {
        damaged.push(error);
        Ok(())
    };
    let batch = rows(columns, snapshot, pack, entries, &mut leave_out)?;
    Ok((batch, damaged))
}

/// What becomes of the error of a damaged vector: the error of all, or null.
type OnDamaged<'a> = &'a mut dyn FnMut(compact_artifact::Error) -> Result<(), compact_artifact::Error>;

fn rows(
    columns: &Columns,
    snapshot: &Snapshot,
    pack: &str,
    entries: &[Entry],
    on_damaged: OnDamaged<'_>,
) -> Result<RecordBatch> {
    let needs_metadata =
        columns.contents.iter().any(|content| matches!(content, Content::Metadata | Content::Value(_)));
    let metadata = if needs_metadata {
        entries.iter().map(Entry::metadata).collect::<compact_artifact::Result<Vec<_>>>()?
    } else {
        Vec::new()
    };
    let arrays = columns.contents.iter().zip(columns.schema.fields()).map(|(content, field)| match content {
        Content::Id => {
            Ok(Arc::new(UInt64Array::from_iter_values(entries.iter().map(|entry| entry.id().0))) as ArrayRef)
        }
        Content::Key => texts(entries, Entry::key),
        Content::Text => texts(entries, |entry| {
            entry.is_text().then(|| entry.text().map(std::borrow::Cow::into_owned)).transpose()
        }),
        Content::Field(name) => texts(entries, |entry| entry.field(name)),
        Content::Blob => blobs(field.name(), entries),
        Content::Metadata => {
            Ok(text_column(metadata.iter().map(|metadata| Some(Value::Object(metadata.clone()).to_string()))))
        }
        Content::Pack => Ok(text_column(entries.iter().map(|_| Some(pack)))),
        Content::Vector(space) => {
            vectors(field, entries, |entry| snapshot.embedding(entry.id(), space), on_damaged)
        }
        Content::GivenVector(space) => {
            vectors(field, entries, |entry| snapshot.given_embedding(entry, space), on_damaged)
        }
        Content::Value(value_type) => Ok(values(field.name(), *value_type, &metadata)),
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(entries.len()));
    Ok(RecordBatch::try_new_with_options(columns.schema.clone(), arrays, &options)?)
}

/// A column of `Utf8`.
pub fn text_column(values: impl Iterator<Item = Option<impl AsRef<str>>>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn texts(
    entries: &[Entry],
    text: impl Fn(&Entry) -> compact_artifact::Result<Option<String>>,
) -> Result<ArrayRef> {
    let texts = entries.iter().map(text).collect::<compact_artifact::Result<Vec<_>>>()?;
    Ok(text_column(texts.into_iter()))
}

fn blobs(name: &str, entries: &[Entry]) -> Result<ArrayRef> {
    let mut builder = BinaryBuilder::new();
    for entry in entries {
        if entry.is_text() {
            builder.append_null();
            continue;
        }
        if entry.len() > MAX_BLOB {
            let (id, len) = (entry.id(), entry.len());
            return Err(column(
                name,
                format!(
                    "record {id} is a blob of {len} bytes; a column holds {MAX_BLOB} at most, so leave it out and read it by its id"
                ),
            ));
        }
        builder.append_value(entry.bytes()?);
    }
    Ok(Arc::new(builder.finish()))
}

fn vectors(
    field: &Field,
    entries: &[Entry],
    embedding: impl Fn(&Entry) -> compact_artifact::Result<Option<Vec<f32>>>,
    on_damaged: OnDamaged<'_>,
) -> Result<ArrayRef> {
    let DataType::FixedSizeList(item, dimension) = field.data_type() else {
        return Ok(new_null_array(field.data_type(), entries.len()));
    };
    let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), *dimension).with_field(item.clone());
    for entry in entries {
        let vector = match embedding(entry) {
            Err(e) if e.kind() == ErrorKind::NoSuchSpace => None,
            Err(e) if e.kind() == ErrorKind::Damaged => {
                on_damaged(e)?;
                None
            }
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

/// A number as an integer: also one that is written with a point or an exponent, as the index takes it.
fn whole(value: &Value) -> Option<i64> {
    let integer = |float: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "what does not fit 128 bits does not fit 64")]
        (float.fract() == 0.0).then(|| i64::try_from(float as i128).ok()).flatten()
    };
    value.as_i64().or_else(|| value.as_f64().and_then(integer))
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
            values().for_each(|value| builder.append_option(value.and_then(whole)));
            Arc::new(builder.finish())
        }
        ValueType::Float => {
            let mut builder = Float64Builder::new();
            values().for_each(|value| builder.append_option(value.and_then(Value::as_f64)));
            Arc::new(builder.finish())
        }
        ValueType::String | ValueType::Date => {
            text_column(values().map(|value| value.and_then(Value::as_str)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_whole_numbers_of_64_bits_in_any_form() {
        let whole = |text: &str| whole(&serde_json::from_str(text).unwrap());
        assert_eq!(
            ["3", "3.0", "-0.0", "1e2", "-9223372036854775808.0"].map(whole),
            [3, 3, 0, 100, i64::MIN].map(Some)
        );
        assert_eq!(["0.5", "9223372036854775808.0", "1e300", "\"3\"", "true"].map(whole), [None; 5]);
    }
}
