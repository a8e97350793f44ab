//! What a task of `COPY` takes, beside its limit. It counts all that this process allocates, so it is alone here.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::sync::Arc;

use artifact_datafusion::{Packs, register};
use compact_artifact::Options;
use datafusion::arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const LIMIT: usize = 24 << 20;
const DIMENSION: u16 = 256;
const ROWS: usize = 2048;
const BATCHES: usize = 24;

fn field() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float32, false))
}

/// Batches of some rows, each made when it is asked for.
#[derive(Debug)]
struct Source(SchemaRef, fn(&SchemaRef, usize) -> RecordBatch);

impl Source {
    /// Long values of the metadata.
    fn of_metadata() -> Self {
        let field = |name: &str| Field::new(name, DataType::Utf8, false);
        Self(Arc::new(Schema::new(vec![field("text"), field("metadata")])), |schema, number| {
            let rows = number * 16..(number + 1) * 16;
            let metadata =
                rows.clone().map(|row| format!(r#"{{"note": "{}"}}"#, format!("{row} ").repeat(20_000)));
            let texts = StringArray::from_iter_values(rows.map(|row| format!("row {row}")));
            let columns: Vec<ArrayRef> =
                vec![Arc::new(texts), Arc::new(StringArray::from_iter_values(metadata))];
            RecordBatch::try_new(schema.clone(), columns).unwrap()
        })
    }

    /// Texts and vectors.
    fn of_vectors() -> Self {
        let vector = DataType::FixedSizeList(field(), DIMENSION.into());
        let fields = vec![Field::new("text", DataType::Utf8, false), Field::new("vector_v", vector, false)];
        Self(Arc::new(Schema::new(fields)), Self::batch)
    }

    fn batch(schema: &SchemaRef, number: usize) -> RecordBatch {
        let rows = number * ROWS..(number + 1) * ROWS;
        let mixed = |at: usize| u16::try_from(at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).unwrap();
        let texts = StringArray::from_iter_values(
            rows.clone().map(|row| format!("row {row} has word{} and word{}", mixed(row), mixed(row + 7))),
        );
        let dimension = usize::from(DIMENSION);
        let values = (rows.start * dimension..rows.end * dimension).map(|at| f32::from(mixed(at)) - 32_768.0);
        let values = Arc::new(Float32Array::from_iter_values(values));
        let vectors = FixedSizeListArray::new(field(), DIMENSION.into(), values, None);
        RecordBatch::try_new(schema.clone(), vec![Arc::new(texts), Arc::new(vectors)]).unwrap()
    }
}

impl PartitionStream for Source {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, batch) = (self.0.clone(), self.1);
        let batches = (0..BATCHES).map(move |number| Ok(batch(&schema, number)));
        Box::pin(RecordBatchStreamAdapter::new(self.0.clone(), futures::stream::iter(batches)))
    }
}

/// 50 MB of vectors, or 30 MB of metadata, by a task that may take 24, together with the 2 MB of the batch that comes.
#[tokio::test]
async fn a_task_of_copy_takes_no_more_than_its_limit_of_memory() {
    for source in [Source::of_vectors(), Source::of_metadata()] {
        let temp = tempfile::tempdir().unwrap();
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        register(&context, Packs::new(Options::new().memory_limit(LIMIT))).unwrap();
        let table = StreamingTable::try_new(source.0.clone(), vec![Arc::new(source)]).unwrap();
        context.register_table("t", Arc::new(table)).unwrap();
        let copy = format!("COPY (SELECT * FROM t) TO '{}/' STORED AS CART", temp.path().display());
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        context.sql(&copy).await.unwrap().collect().await.unwrap();
        let taken = HEAP.peak_usage() - before;
        assert!(taken <= LIMIT, "{taken} bytes of {LIMIT}");
    }
}
