//! The lists of all packs → one ranking, with records and snippets.

use std::fmt;
use std::sync::Arc;

use compact_artifact::{FederatedHit, Hit, Query, SearchList, SearchLists, rank_lists};
use datafusion::arrow::array::{ArrayRef, Float32Array, RecordBatch, UInt64Array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;

use crate::arguments::Wanted;
use crate::batches::strings;
use crate::error::about;
use crate::packs::Source;
use crate::{external, lists, on_a_thread};

/// The columns of a search.
pub(crate) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("score", DataType::Float32, false),
        Field::new("id", DataType::UInt64, false),
        text("key"),
        text("text"),
        text("metadata"),
        text("snippet"),
        text("places"),
        Field::new("pack", DataType::Utf8, false),
    ]))
}

/// What a projection of [`schema`] needs.
pub(crate) fn wanted(projection: Option<&Vec<usize>>) -> Wanted {
    let has = |at: usize| projection.is_none_or(|projection| projection.contains(&at));
    Wanted { record: has(2) || has(3) || has(4), snippet: has(5), explain: has(6) }
}

/// Makes one ranking of the lists of all packs.
#[derive(Debug)]
pub(crate) struct RankExec {
    input: Arc<dyn ExecutionPlan>,
    sources: Arc<[Source]>,
    query: Arc<Query>,
    clauses: usize,
    properties: Arc<PlanProperties>,
}

impl RankExec {
    pub(crate) fn over(
        lists: Arc<dyn ExecutionPlan>,
        sources: Vec<Source>,
        query: Arc<Query>,
        clauses: usize,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = Arc::new(CoalescePartitionsExec::new(lists));
        let ranked: Arc<dyn ExecutionPlan> = Arc::new(Self::new(input, sources.into(), query, clauses)?);
        let Some(projection) = projection else { return Ok(ranked) };
        let schema = schema();
        let column = |&at: &usize| {
            let name = schema.field(at).name();
            Ok((col(name, &schema)?, name.clone()))
        };
        let columns = projection.iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(columns, ranked)?))
    }

    fn new(
        input: Arc<dyn ExecutionPlan>,
        sources: Arc<[Source]>,
        query: Arc<Query>,
        clauses: usize,
    ) -> Result<Self> {
        let by_score = PhysicalSortExpr::new(
            col("score", &schema())?,
            SortOptions { descending: true, nulls_first: false },
        );
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(schema(), [vec![by_score]]),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self { input, sources, query, clauses, properties: Arc::new(properties) })
    }
}

impl DisplayAs for RankExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RankExec: packs={}", self.sources.len())
    }
}

impl ExecutionPlan for RankExec {
    fn name(&self) -> &'static str {
        "RankExec"
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
        let input = children.pop().ok_or_else(|| exec_datafusion_err!("RankExec: expected an input"))?;
        Ok(Arc::new(Self::new(input, self.sources.clone(), self.query.clone(), self.clauses)?))
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
        let lists = self.input.execute(0, context)?;
        let (sources, query, clauses) = (self.sources.clone(), self.query.clone(), self.clauses);
        let ranked = async move {
            let batches: Vec<RecordBatch> = lists.try_collect().await?;
            on_a_thread(move || ranked(&batches, &sources, &query, clauses)).await?
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::once(ranked))))
    }
}

fn ranked(batches: &[RecordBatch], sources: &[Source], query: &Query, clauses: usize) -> Result<RecordBatch> {
    let mut found = lists::collect(batches, clauses)?;
    let none =
        || SearchLists { lists: vec![SearchList::default(); clauses], is_complete: true, losses: Vec::new() };
    let lists: Vec<SearchLists> =
        sources.iter().map(|source| found.remove(&source.name).unwrap_or_else(none)).collect();
    let mut hits = rank_lists(query, &lists).map_err(external)?;
    for (number, source) in sources.iter().enumerate() {
        let of_source = hits.iter_mut().filter(|found| found.source == number);
        let mut of_source: Vec<&mut Hit> = of_source.map(|found| &mut found.hit).collect();
        let losses = source.snapshot.fill_hits(query, &mut of_source).map_err(|e| about(&source.name, e))?;
        if let Some(loss) = losses.first() {
            return Err(exec_datafusion_err!("{}: {loss}", source.name));
        }
    }
    to_batch(&hits, sources)
}

fn to_batch(hits: &[FederatedHit], sources: &[Source]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&Hit) -> compact_artifact::Result<Option<String>>| -> Result<ArrayRef> {
        let value =
            |found: &FederatedHit| value(&found.hit).map_err(|e| about(&sources[found.source].name, e));
        Ok(strings(hits.iter().map(value).collect::<Result<Vec<_>>>()?.into_iter()))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from_iter_values(hits.iter().map(|found| found.hit.score))),
        Arc::new(UInt64Array::from_iter_values(hits.iter().map(|found| found.hit.id.0))),
        text(&|hit| hit.record.as_ref().map_or(Ok(None), compact_artifact::Entry::key))?,
        text(&|hit| {
            let record = hit.record.as_ref().filter(|record| record.is_text());
            record.map(|record| Ok(record.text()?.into_owned())).transpose()
        })?,
        text(&|hit| {
            let metadata = hit.record.as_ref().map(compact_artifact::Entry::metadata).transpose()?;
            Ok(metadata.map(|metadata| serde_json::Value::Object(metadata).to_string()))
        })?,
        text(&|hit| Ok(hit.snippet.as_ref().map(|snippet| snippet.text.clone())))?,
        text(&|hit| Ok(serde_json::to_string(&hit.places).ok().filter(|_| !hit.places.is_empty())))?,
        strings(hits.iter().map(|found| Some(&sources[found.source].name))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
