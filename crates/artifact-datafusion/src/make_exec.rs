//! The first half of a `COPY`: each partition becomes a pack, and is put.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use compact_artifact::{Batch, CompactArtifact, Durability, Maintenance, Options};
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::TryStreamExt;
use object_store::buffered::BufWriter;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::error::about;
use crate::manifest::{PackEntry, under};
use crate::packs::Packs;
use crate::records::{Mapping, Names, Rows};
use crate::target::Target;
use crate::{external, on_a_thread};

/// Makes a pack of each partition of its input, and puts it. Its rows say which: one for each pack.
///
/// Partitions are made side by side, and by other processes where an engine divides them. Each becomes an artifact in a temporary folder, then a pack, whose bytes follow from its rows and the
/// options alone. It is put under a name that no other writer has, and so none removes. Nobody reads it before a manifest names it.
pub(crate) struct MakeExec {
    input: Arc<dyn ExecutionPlan>,
    target: Target,
    /// The options of artifacts that are written.
    options: Options,
    names: Names,
    mapping: Arc<Mapping>,
    properties: Arc<PlanProperties>,
}

/// A pack that was put. Packs are in the order of their hashes, which follow from their rows, and not from which process made them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Made {
    pub(crate) hash: String,
    pub(crate) path: String,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// A pack that is to be put.
struct Packed {
    folder: tempfile::TempDir,
    records: u64,
    bytes: u64,
    hash: String,
}

const PACK: &str = "pack.cart";
/// Rows of a commit, at most.
const COMMIT_ROWS: usize = 8192;
/// Bytes of a commit, unless one row has more, or a limit of memory asks for less.
const COMMIT_BYTES: u64 = 16 << 20;
/// Commits that would fill a limit of memory. They are there as rows, as records and as bytes of a log, beside indexes.
const COMMITS_PER_LIMIT: u64 = 16;

fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("hash", DataType::Utf8),
        field("path", DataType::Utf8),
        field("records", DataType::UInt64),
        field("bytes", DataType::UInt64),
    ]))
}

impl Made {
    fn to_batch(&self) -> Result<RecordBatch> {
        let number = |number: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![number])) };
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let columns = vec![text(&self.hash), text(&self.path), number(self.records), number(self.bytes)];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }

    /// The packs that rows say.
    pub(crate) fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>> {
        let expected = || exec_datafusion_err!("WriteExec: expected packs, found {}", batch.schema());
        let column = |at: usize| batch.columns().get(at).ok_or_else(expected);
        let numbers = |at: usize| column(at)?.as_primitive_opt::<UInt64Type>().cloned().ok_or_else(expected);
        let texts = |at: usize| column(at)?.as_string_opt::<i32>().cloned().ok_or_else(expected);
        let (hashes, paths) = (texts(0)?, texts(1)?);
        let (records, bytes) = (numbers(2)?, numbers(3)?);
        let made = |row: usize| Self {
            hash: hashes.value(row).to_owned(),
            path: paths.value(row).to_owned(),
            records: records.value(row),
            bytes: bytes.value(row),
        };
        Ok((0..batch.num_rows()).map(made).collect())
    }

    /// As a manifest has it.
    pub(crate) fn entry(&self) -> PackEntry {
        let Self { hash, path, records, bytes } = self;
        PackEntry { path: path.clone(), hash: hash.clone(), records: *records, bytes: *bytes }
    }
}

impl MakeExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        target: Target,
        options: Options,
        names: Names,
    ) -> Result<Self> {
        let mapping = Arc::new(Mapping::new(&input.schema(), &names)?);
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema()),
            datafusion::physical_expr::Partitioning::UnknownPartitioning(
                input.output_partitioning().partition_count(),
            ),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Ok(Self { input, target, options, names, mapping, properties })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"target": self.target.to_json(), "names": self.names.to_options()})
    }

    pub(crate) fn from_json(
        value: &Value,
        packs: &Packs,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let names = serde_json::from_value(value["names"].clone()).map_err(external)?;
        let (target, names) = (Target::from_json(&value["target"])?, Names::from_options(&names)?);
        Ok(Arc::new(Self::new(input, target, packs.options(), names)?))
    }
}

impl fmt::Debug for MakeExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeExec")
            .field("input", &self.input)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for MakeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MakeExec: a pack for each partition")
    }
}

impl ExecutionPlan for MakeExec {
    fn name(&self) -> &'static str {
        "MakeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| exec_datafusion_err!("MakeExec: expected an input"))?;
        let (target, options) = (self.target.clone(), self.options.clone());
        Ok(Arc::new(Self::new(input, target, options, self.names.clone())?))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(mode))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context.clone())?;
        let store = context.runtime_env().object_store(&self.target.url)?;
        let (target, options, mapping) = (self.target.clone(), self.options.clone(), self.mapping.clone());
        let made = async move {
            let Some(packed) = make(input, options, mapping).await? else {
                return Ok(RecordBatch::new_empty(schema()));
            };
            let Packed { records, bytes, ref hash, .. } = packed;
            let hash = hash.clone();
            let path = put(store, target, packed).await?;
            Made { hash, path, records, bytes }.to_batch()
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::once(made))))
    }
}

/// A partition → a pack; `None`: it has no rows.
///
/// Commits have so many rows, however those come in batches: the same rows in the same order make the same pack.
async fn make(
    mut input: SendableRecordBatchStream,
    options: Options,
    mapping: Arc<Mapping>,
) -> Result<Option<Packed>> {
    let mut making = Making::new(options, mapping)?;
    while let Some(batch) = input.try_next().await? {
        making = on_a_thread(move || making.add(&batch).map(|()| making)).await??;
    }
    on_a_thread(move || making.finish()).await?
}

/// Bytes of a commit, unless one row has more.
fn commit_bytes(options: &Options) -> u64 {
    options
        .get_memory_limit()
        .map_or(COMMIT_BYTES, |limit| COMMIT_BYTES.min(limit as u64 / COMMITS_PER_LIMIT))
}

/// A pack that is being made.
struct Making {
    folder: tempfile::TempDir,
    options: Options,
    mapping: Arc<Mapping>,
    artifact: Option<CompactArtifact>,
    rows: Rows,
    /// Rows that came.
    before: u64,
}

impl Making {
    fn new(options: Options, mapping: Arc<Mapping>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Ok(Self { folder, options, mapping, artifact: None, rows: Rows::default(), before: 0 })
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            self.rows.push(self.mapping.row(batch, row, self.before)?);
            if self.rows.len() == COMMIT_ROWS || self.rows.bytes() >= commit_bytes(&self.options) {
                self.commit()?;
            }
        }
        self.before += batch.num_rows() as u64;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.len() == 0 {
            return Ok(());
        }
        let artifact = match self.artifact.take() {
            Some(artifact) => artifact,
            None => self.created(rows.seed())?,
        };
        let records = rows.into_records().fold(Batch::new(), Batch::add);
        self.artifact.insert(artifact).write(records).map_err(external)?;
        Ok(())
    }

    /// An artifact whose identity follows from the first rows. It is nothing that has to survive a power loss.
    fn created(&self, seed: u64) -> Result<CompactArtifact> {
        let options = self.mapping.add_spaces(self.options.clone()).seed(seed);
        let options = options.durability(Durability::Buffered).maintenance(Maintenance::Inline);
        let artifact = options.create(self.folder.path().join("artifact")).map_err(external)?;
        self.mapping.add_fields(&artifact).map_err(external)?;
        if self.mapping.has_meaning && !artifact.is_model_at_hand() {
            return Err(plan_datafusion_err!(
                "column vector_meaning: vectors of texts are made by an embedder; give one in the options of `Packs`, or leave out the column"
            ));
        }
        Ok(artifact)
    }

    fn finish(mut self) -> Result<Option<Packed>> {
        self.commit()?;
        let Self { folder, artifact: Some(artifact), .. } = self else { return Ok(None) };
        let records = artifact.len();
        let report = artifact.pack(folder.path().join(PACK)).map_err(external)?;
        artifact.destroy().map_err(external)?;
        Ok(Some(Packed { folder, records, bytes: report.bytes, hash: report.hash }))
    }
}

/// Puts a pack, and returns its path below the folder. It is removed if nobody waits for that any more.
async fn put(store: Arc<dyn ObjectStore>, target: Target, packed: Packed) -> Result<String> {
    let random = RandomState::new().build_hasher().finish();
    let path = format!("data/{}-{}-{random:016x}.cart", packed.hash, target.mark());
    let (sent, received) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let location = under(&target.prefix, &path);
        let mut writer = BufWriter::new(store.clone(), location.clone());
        let done = async {
            let mut file = tokio::fs::File::open(packed.folder.path().join(PACK)).await?;
            tokio::io::copy(&mut file, &mut writer).await
        };
        let done = match done.await {
            Ok(_) => writer.shutdown().await,
            Err(e) => {
                writer.abort().await.ok();
                Err(e)
            }
        };
        let done = done.map(|()| path).map_err(|e| about(location.as_ref(), e));
        if let Err(Ok(_)) = sent.send(done) {
            store.delete(&location).await.ok();
        }
    });
    received.await.map_err(external)?
}
