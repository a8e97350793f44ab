//! `COPY (…) TO '…/' STORED AS CART`: a pack for each partition, then the manifest.

use std::fmt;
use std::sync::Arc;

use compact_artifact::{CompactArtifact, Options};
use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::TryStreamExt;
use futures::future::try_join_all;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;

use crate::manifest::{Manifest, PackEntry, under};
use crate::on_a_thread;
use crate::records::Mapping;

/// Where packs are put.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: datafusion::execution::object_store::ObjectStoreUrl,
    pub(crate) prefix: Path,
}

/// Writes all partitions of its input, and returns one row: how many records there are.
///
/// Each partition becomes an artifact in a temporary folder, then a pack. Nothing is put before all of them are there, and the manifest comes last: it takes the place of the one before in one
/// step, and then the packs of that one are removed. A reader that has read it and not yet its packs gets an error that names one of them, and finds the new ones when it asks again.
#[derive(Debug)]
pub(crate) struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    target: Target,
    options: WriteOptions,
    mapping: Arc<Mapping>,
    properties: Arc<PlanProperties>,
}

/// The options of artifacts that are written.
#[derive(Clone)]
pub(crate) struct WriteOptions(pub(crate) Options);

impl fmt::Debug for WriteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOptions").finish_non_exhaustive()
    }
}

/// A pack that was made and not put yet.
struct Made {
    folder: tempfile::TempDir,
    records: u64,
    bytes: u64,
    hash: String,
}

const PACK: &str = "pack.cart";

impl WriteExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        target: Target,
        options: WriteOptions,
        mapping: Arc<Mapping>,
    ) -> Self {
        let schema = Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { input, target, options, mapping, properties }
    }
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: {}{}", self.target.url.as_str(), self.target.prefix)
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &'static str {
        "WriteExec"
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
        let input = children.pop().ok_or_else(|| exec_datafusion_err!("WriteExec: expected an input"))?;
        Ok(Arc::new(Self::new(input, self.target.clone(), self.options.clone(), self.mapping.clone())))
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

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let partitions = self.input.output_partitioning().partition_count();
        let inputs = (0..partitions)
            .map(|partition| self.input.execute(partition, context.clone()))
            .collect::<Result<Vec<_>>>()?;
        let store = context.runtime_env().object_store(&self.target.url)?;
        let (prefix, schema) = (self.target.prefix.clone(), self.schema());
        let (options, mapping) = (self.options.0.clone(), self.mapping.clone());
        let written = async move {
            let made = inputs.into_iter().map(|input| {
                let made = make(input, options.clone(), mapping.clone());
                // Partitions are made side by side.
                async move { tokio::spawn(made).await.map_err(crate::external)? }
            });
            let made = try_join_all(made).await?;
            let count = put_all(store.as_ref(), store.clone(), &prefix, made).await?;
            Ok(RecordBatch::try_new(schema, vec![Arc::new(UInt64Array::from(vec![count]))])?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::once(written))))
    }
}

/// A partition → a pack; `None`: it has no rows.
async fn make(
    mut input: SendableRecordBatchStream,
    options: Options,
    mapping: Arc<Mapping>,
) -> Result<Option<Made>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("artifact");
    let mut artifact: Option<CompactArtifact> = None;
    while let Some(batch) = input.try_next().await? {
        if batch.num_rows() == 0 {
            continue;
        }
        let (options, mapping, path) = (mapping.add_spaces(options.clone()), mapping.clone(), path.clone());
        artifact = Some(
            on_a_thread(move || {
                let artifact = match artifact {
                    Some(artifact) => artifact,
                    None => created(options, &path, &mapping)?,
                };
                artifact.write(mapping.batch(&batch)?).map_err(crate::external)?;
                Ok::<_, datafusion::common::DataFusionError>(artifact)
            })
            .await??,
        );
    }
    let Some(artifact) = artifact else { return Ok(None) };
    on_a_thread(move || {
        let records = artifact.len();
        let report = artifact.pack(folder.path().join(PACK)).map_err(crate::external)?;
        artifact.destroy().map_err(crate::external)?;
        Ok(Some(Made { folder, records, bytes: report.bytes, hash: report.hash }))
    })
    .await?
}

fn created(options: Options, path: &std::path::Path, mapping: &Mapping) -> Result<CompactArtifact> {
    let artifact = options.create(path).map_err(crate::external)?;
    if mapping.has_meaning && !artifact.is_model_at_hand() {
        return Err(plan_datafusion_err!(
            "column vector_meaning: vectors of texts are made by an embedder; give one in the options of `Packs`, or leave out the column"
        ));
    }
    Ok(artifact)
}

async fn put_all(
    store: &dyn ObjectStore,
    shared: Arc<dyn ObjectStore>,
    prefix: &Path,
    made: Vec<Option<Made>>,
) -> Result<u64> {
    let before = Manifest::read(store, prefix).await?.unwrap_or_default();
    let mut manifest = Manifest::default();
    for made in made.into_iter().flatten() {
        let path = format!("data/{}.cart", made.hash);
        put(store, shared.clone(), &under(prefix, &path), &made).await?;
        let Made { records, bytes, hash, .. } = made;
        manifest.packs.push(PackEntry { path, hash, records, bytes });
    }
    manifest.write(store, prefix).await?;
    let is_left = |old: &&PackEntry| !manifest.packs.iter().any(|pack| pack.path == old.path);
    for old in before.packs.iter().filter(is_left) {
        match store.delete(&under(prefix, &old.path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(manifest.packs.iter().map(|pack| pack.records).sum())
}

/// Puts a pack, unless it is there: its name is its hash.
async fn put(store: &dyn ObjectStore, shared: Arc<dyn ObjectStore>, path: &Path, made: &Made) -> Result<()> {
    match store.head(path).await {
        Ok(meta) if meta.size == made.bytes => return Ok(()),
        Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
        Err(e) => return Err(e.into()),
    }
    let mut file = tokio::fs::File::open(made.folder.path().join(PACK)).await?;
    let mut writer = BufWriter::new(shared, path.clone());
    match tokio::io::copy(&mut file, &mut writer).await {
        Ok(_) => Ok(writer.shutdown().await?),
        Err(e) => {
            writer.abort().await?;
            Err(e.into())
        }
    }
}

/// The target of a `COPY`.
pub(crate) fn target(url: &datafusion::datasource::listing::ListingTableUrl) -> Result<Target> {
    if !url.is_collection() {
        return Err(plan_datafusion_err!(
            "{url}: packs are written to a folder; expected a location that ends with a slash"
        ));
    }
    Ok(Target { url: url.object_store(), prefix: url.prefix().clone() })
}
