//! Hits as a table of Arrow.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, LargeStringBuilder, UInt64Builder};
use arrow_array::{RecordBatch, RecordBatchIterator};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use compact_artifact::SearchResults;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::capsule;
use crate::errors::{Failure, invalid};

/// A stream of one batch, in a capsule.
pub(crate) fn stream<'py>(py: Python<'py>, found: &SearchResults) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = py.detach(|| table(found))?;
    let schema = batch.schema();
    capsule::export(py, Box::new(RecordBatchIterator::new([Ok::<_, ArrowError>(batch)], schema)))
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::UInt64, false),
        Field::new("score", DataType::Float32, false),
        Field::new("key", DataType::LargeUtf8, true),
        Field::new("text", DataType::LargeUtf8, true),
        Field::new("metadata", DataType::LargeUtf8, true),
    ]))
}

fn table(found: &SearchResults) -> Result<RecordBatch, Failure> {
    let (mut ids, mut scores) = (UInt64Builder::new(), Float32Builder::new());
    let strings = LargeStringBuilder::new;
    let (mut keys, mut texts, mut metadata) = (strings(), strings(), strings());
    for hit in &found.hits {
        ids.append_value(hit.id.0);
        scores.append_value(hit.score);
        let Some(record) = &hit.record else {
            keys.append_null();
            texts.append_null();
            metadata.append_null();
            continue;
        };
        keys.append_option(record.key()?);
        texts.append_option(record.is_text().then(|| record.text()).transpose()?);
        let json = serde_json::to_string(&record.metadata()?);
        metadata.append_value(json.map_err(|e| Failure::Raised(invalid(e.to_string())))?);
    }
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(scores.finish()),
        Arc::new(keys.finish()),
        Arc::new(texts.finish()),
        Arc::new(metadata.finish()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|e| Failure::Raised(invalid(e.to_string())))
}
