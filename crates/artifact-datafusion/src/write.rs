//! `COPY (…) TO '…/' STORED AS CART`: a pack for each partition, then the manifest.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use compact_artifact::{Batch, CompactArtifact, Durability, Maintenance, Options};
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
use futures::StreamExt;
use futures::TryStreamExt;
use futures::future::try_join_all;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;

use crate::error::about;
use crate::manifest::{Manifest, PackEntry, under};
use crate::records::{Mapping, Rows};
use crate::{external, on_a_thread};

/// Where packs are put.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: datafusion::execution::object_store::ObjectStoreUrl,
    pub(crate) prefix: Path,
    /// Where that is in the local file system.
    pub(crate) folder: Option<PathBuf>,
}

/// Writes all partitions of its input, and returns one row: how many records there are.
///
/// Each partition becomes an artifact in a temporary folder, then a pack, whose bytes follow from its rows and the options alone. Nothing is put before all of them are there, and the manifest
/// comes last: it takes the place of the one before in one step, unless it would be the same, and then the packs of that one are removed. A reader that has read it and not yet its packs gets
/// an error that names one of them, and finds the new ones when it asks again.
///
/// Of two writers to one folder the last one wins, as a whole: a manifest takes the place of the one that its writer has read, or the writer reads again; a pack that is not in
/// that one gets a name that no other writer has; and local folders, where versions of a file cannot be compared, are locked.
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

/// A pack that was made.
struct Made {
    folder: tempfile::TempDir,
    /// Where it was put, below the folder.
    path: Option<String>,
    records: u64,
    bytes: u64,
    hash: String,
}

const PACK: &str = "pack.cart";
/// Rows of a commit, at most.
const COMMIT_ROWS: usize = 8192;
/// Bytes of a commit, unless one row has more.
const COMMIT_BYTES: u64 = 16 << 20;
/// How often a writer that finds that another one was there in between tries again.
const TRIES: usize = 20;

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
        let folder = self.target.folder.clone();
        let (options, mapping) = (self.options.0.clone(), self.mapping.clone());
        let written = async move {
            let made = inputs.into_iter().map(|input| {
                let made = make(input, options.clone(), mapping.clone());
                // Partitions are made side by side.
                async move { tokio::spawn(made).await.map_err(external)? }
            });
            let made = try_join_all(made).await?;
            let lock = lock(folder).await?;
            let count = put_all(&store, &prefix, made).await?;
            drop(lock);
            Ok(RecordBatch::try_new(schema, vec![Arc::new(UInt64Array::from(vec![count]))])?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::once(written))))
    }
}

/// A partition → a pack; `None`: it has no rows.
///
/// Commits have so many rows, however those come in batches: the same rows in the same order make the same pack.
async fn make(
    mut input: SendableRecordBatchStream,
    options: Options,
    mapping: Arc<Mapping>,
) -> Result<Option<Made>> {
    let mut making = Making::new(options, mapping)?;
    while let Some(batch) = input.try_next().await? {
        making = on_a_thread(move || making.add(&batch).map(|()| making)).await??;
    }
    on_a_thread(move || making.finish()).await?
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
            if self.rows.len() == COMMIT_ROWS || self.rows.bytes() >= COMMIT_BYTES {
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

    fn finish(mut self) -> Result<Option<Made>> {
        self.commit()?;
        let Self { folder, artifact: Some(artifact), .. } = self else { return Ok(None) };
        let records = artifact.len();
        let report = artifact.pack(folder.path().join(PACK)).map_err(external)?;
        artifact.destroy().map_err(external)?;
        Ok(Some(Made { folder, path: None, records, bytes: report.bytes, hash: report.hash }))
    }
}

/// Waits until no other writer is at a folder, and keeps them out as long as what is returned lives; `None`: it is none of the local file system.
async fn lock(folder: Option<PathBuf>) -> Result<Option<impl Send>> {
    let Some(folder) = folder else { return Ok(None) };
    tokio::fs::create_dir_all(&folder).await?;
    let file = tokio::fs::File::create(folder.join("packs.lock")).await?.into_std().await;
    Ok(Some(on_a_thread(move || file.lock().map(|()| file)).await??))
}

async fn put_all(store: &Arc<dyn ObjectStore>, prefix: &Path, made: Vec<Option<Made>>) -> Result<u64> {
    let mut made: Vec<Made> = made.into_iter().flatten().collect();
    for _ in 0..TRIES {
        match put_once(store, prefix, &mut made).await {
            Ok(true) => return Ok(made.iter().map(|made| made.records).sum()),
            Ok(false) => {}
            Err(e) => {
                // What nobody can get to is removed, as far as that can be.
                let paths: Vec<Path> =
                    made.iter().filter_map(|made| Some(under(prefix, made.path.as_ref()?))).collect();
                remove(store, paths).await.ok();
                return Err(e);
            }
        }
    }
    Err(exec_datafusion_err!(
        "{prefix}: other writers were there in between {TRIES} times, and nothing was written; write again"
    ))
}

/// Puts packs and manifest; `false`: another writer was there in between.
async fn put_once(store: &Arc<dyn ObjectStore>, prefix: &Path, made: &mut [Made]) -> Result<bool> {
    let (before, version) = match Manifest::read_version(store.as_ref(), prefix).await? {
        Some((before, version)) => (Some(before), Some(version)),
        None => (None, None),
    };
    let known = before.as_ref().map_or(&[][..], |manifest| &manifest.packs);
    let mut manifest = Manifest::default();
    for made in &mut *made {
        let path = match known.iter().find(|pack| pack.hash == made.hash && pack.bytes == made.bytes) {
            Some(known) => known.path.clone(),
            None => put(store, prefix, made).await?,
        };
        let Made { records, bytes, ref hash, .. } = *made;
        manifest.packs.push(PackEntry { path, hash: hash.clone(), records, bytes });
    }
    let is_same = before.as_ref() == Some(&manifest);
    if !is_same && !manifest.replace(store.as_ref(), prefix, version).await? {
        return Ok(false);
    }
    // Those of the manifest before, and those that were put in an earlier try and are there by another writer as well.
    let others = known.iter().map(|pack| &pack.path).chain(made.iter().filter_map(|made| made.path.as_ref()));
    let others = others.filter(|other| manifest.packs.iter().all(|pack| pack.path != **other));
    remove(store, others.map(|path| under(prefix, path)).collect()).await?;
    Ok(true)
}

async fn remove(store: &Arc<dyn ObjectStore>, paths: Vec<Path>) -> Result<()> {
    let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
    let mut removed = store.delete_stream(paths);
    while let Some(removed) = removed.next().await {
        match removed {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Puts a pack, unless that was done in an earlier try.
async fn put(store: &Arc<dyn ObjectStore>, prefix: &Path, made: &mut Made) -> Result<String> {
    if let Some(path) = &made.path {
        return Ok(path.clone());
    }
    // A name that no other writer has, and so none removes.
    let number = RandomState::new().build_hasher().finish();
    let path = format!("data/{}-{number:016x}.cart", made.hash);
    let mut file = tokio::fs::File::open(made.folder.path().join(PACK)).await?;
    let mut writer = BufWriter::new(store.clone(), under(prefix, &path));
    match tokio::io::copy(&mut file, &mut writer).await {
        Ok(_) => writer.shutdown().await.map_err(|e| about(&path, e))?,
        Err(e) => {
            writer.abort().await.ok();
            return Err(about(&path, e));
        }
    }
    made.path = Some(path.clone());
    Ok(path)
}

/// The target of a `COPY`.
pub(crate) fn target(url: &datafusion::datasource::listing::ListingTableUrl) -> Result<Target> {
    if !url.is_collection() {
        return Err(plan_datafusion_err!(
            "{url}: packs are written to a folder; expected a location that ends with a slash"
        ));
    }
    let folder = (url.scheme() == "file").then(|| url.get_url().to_file_path().ok()).flatten();
    Ok(Target { url: url.object_store(), prefix: url.prefix().clone(), folder })
}
