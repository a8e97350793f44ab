//! The second half of a `COPY`: the manifest, when all packs are there.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use serde_json::Value;

use crate::make_exec::{Made, MakeExec};
use crate::manifest::{Manifest, PackEntry, under};
use crate::on_a_thread;
use crate::target::Target;

/// Makes the packs that its input has put the packs of the folder, and returns one row: how many records there are.
///
/// The manifest takes the place of the one before in one step, unless it would be the same, and then the packs of that one are removed. A reader that has read it and not yet its packs gets
/// an error that names one of them, and finds the new ones when it asks again. When its input fails, what was put is removed, and the manifest stays.
///
/// Of two writers to one folder the last one wins, as a whole: a manifest takes the place of the one that its writer has read, or the writer reads again; a pack
/// has a name that no other writer has; and local folders, where versions of a file cannot be compared, are locked.
#[derive(Debug)]
pub(crate) struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    target: Target,
    properties: Arc<PlanProperties>,
}

/// How often a writer that finds that another one was there in between tries again.
const TRIES: usize = 20;

impl WriteExec {
    /// Above the packs of all partitions.
    pub(crate) fn over(packs: MakeExec, target: Target) -> Self {
        Self::new(Arc::new(CoalescePartitionsExec::new(Arc::new(packs))), target)
    }

    fn new(input: Arc<dyn ExecutionPlan>, target: Target) -> Self {
        let schema = Arc::new(Schema::new(vec![Field::new("count", DataType::UInt64, false)]));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { input, target, properties }
    }

    pub(crate) fn to_json(&self) -> Value {
        self.target.to_json()
    }

    pub(crate) fn from_json(value: &Value, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(input, Target::from_json(value)?)))
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

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
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
        Ok(Arc::new(Self::new(input, self.target.clone())))
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
        let store = context.runtime_env().object_store(&self.target.url)?;
        let (input, target, schema) = (self.input.clone(), self.target.clone(), self.schema());
        let written = async move {
            // Before anything is put: it could not be told from what a manifest names that nobody can read.
            Manifest::read(store.as_ref(), &target.prefix).await?;
            let packs = input.execute(0, context)?;
            let published = publish(packs, &store, &target).await;
            let swept = sweep(&store, &target, published.as_ref().map_or(&[], |(_, others)| others)).await;
            let (count, _) = published?;
            swept?;
            Ok(RecordBatch::try_new(schema, vec![Arc::new(UInt64Array::from_iter_values([count]))])?)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), futures::stream::once(written))))
    }
}

/// Waits for all packs, and makes them those of the folder. Returns how many records they have, and the packs whose place they took.
async fn publish(
    mut packs: SendableRecordBatchStream,
    store: &Arc<dyn ObjectStore>,
    target: &Target,
) -> Result<(u64, Vec<PackEntry>)> {
    let mut made = Vec::new();
    while let Some(batch) = packs.try_next().await? {
        made.extend(Made::from_batch(&batch)?);
    }
    drop(packs);
    // The same rows are the same manifest, in whatever order they were ready, and however an engine groups partitions.
    made.sort_unstable();
    let _lock = lock(target.folder.clone()).await?;
    for _ in 0..TRIES {
        if let Some(others) = replace(store, &target.prefix, &made).await? {
            return Ok((made.iter().map(|made| made.records).sum(), others));
        }
    }
    let prefix = &target.prefix;
    Err(exec_datafusion_err!(
        "{prefix}: other writers were there in between {TRIES} times, and nothing was written; write again"
    ))
}

/// Waits until no other writer is at a folder, and keeps them out as long as what is returned lives; `None`: it is none of the local file system.
async fn lock(folder: Option<PathBuf>) -> Result<Option<impl Send>> {
    let Some(folder) = folder else { return Ok(None) };
    tokio::fs::create_dir_all(&folder).await?;
    let file = tokio::fs::File::create(folder.join("packs.lock")).await?.into_std().await;
    Ok(Some(on_a_thread(move || file.lock().map(|()| file)).await??))
}

/// Puts the manifest, and returns packs of the one before that are not in it; `None`: another writer was there in between.
async fn replace(
    store: &Arc<dyn ObjectStore>,
    prefix: &Path,
    made: &[Made],
) -> Result<Option<Vec<PackEntry>>> {
    let (before, version) = match Manifest::read_version(store.as_ref(), prefix).await? {
        Some((before, version)) => (before, Some(version)),
        None => (Manifest::default(), None),
    };
    let mut others = before.packs.clone();
    let entry = |made: &Made| {
        let entry = made.entry();
        // What is there already stays where it is.
        let is_same = |other: &PackEntry| other.hash == entry.hash && other.bytes == entry.bytes;
        let known = others.iter().position(is_same).map(|at| others.remove(at));
        known.map_or(entry, |known| PackEntry { records: made.records, ..known })
    };
    let manifest = Manifest { packs: made.iter().map(entry).collect() };
    let is_there = version.is_some() && before == manifest;
    let is_put = is_there || manifest.replace(store.as_ref(), prefix, version).await?;
    Ok(is_put.then_some(others))
}

/// Removes packs of the manifest before, and what this writer has put and no manifest names: all of it if it failed, else packs that were there already or that an engine has made twice.
async fn sweep(store: &Arc<dyn ObjectStore>, target: &Target, others: &[PackEntry]) -> Result<()> {
    let mark = target.mark();
    let named = Manifest::read(store.as_ref(), &target.prefix).await?.unwrap_or_default().packs;
    let at = |pack: &PackEntry| under(&target.prefix, &pack.path);
    let named: Vec<Path> = named.iter().map(at).collect();
    let is_own = |path: &Path| path.filename().is_some_and(|name| name.contains(&mark));
    let listed = store.list(Some(&under(&target.prefix, "data"))).map_ok(|meta| meta.location);
    let own = listed.try_filter(|path| futures::future::ready(is_own(path) && !named.contains(path)));
    let mut swept: Vec<Path> = own.try_collect().await?;
    swept.extend(others.iter().map(at));
    remove(store, swept).await
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
