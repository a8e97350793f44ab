//! The lists of all packs → one ranking, with records and snippets.

use std::fmt;
use std::sync::Arc;

use artifact_arrow::text_column;
use compact_artifact::{FederatedHit, Hit, SearchList, SearchLists, rank_lists, too_narrow};
use datafusion::arrow::array::{ArrayRef, Float32Array, RecordBatch, UInt64Array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, plan_datafusion_err};
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
use serde_json::{Value, json};

use crate::arguments::{Planned, Wanted};
use crate::error::about;
use crate::lanes::Lanes;
use crate::location::Location;
use crate::packs::{Packs, Source, Sources};
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
    ranking: Arc<Ranking>,
    properties: Arc<PlanProperties>,
}

/// What a ranking needs beside the lists.
#[derive(Debug)]
pub(crate) struct Ranking {
    pub(crate) packs: Arc<Packs>,
    /// Of all packs: equals come in this order.
    pub(crate) locations: Vec<Location>,
    /// Those that were opened when this was planned; of others, those with hits are opened.
    pub(crate) sources: Arc<Sources>,
    pub(crate) query: Arc<Planned>,
}

impl RankExec {
    pub(crate) fn over(
        lists: Arc<dyn ExecutionPlan>,
        ranking: Ranking,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = Arc::new(CoalescePartitionsExec::new(lists));
        let ranked: Arc<dyn ExecutionPlan> = Arc::new(Self::new(input, Arc::new(ranking))?);
        let Some(projection) = projection else { return Ok(ranked) };
        let schema = schema();
        let column = |&at: &usize| {
            let name = schema.field(at).name();
            Ok((col(name, &schema)?, name.clone()))
        };
        let columns = projection.iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(columns, ranked)?))
    }

    fn new(input: Arc<dyn ExecutionPlan>, ranking: Arc<Ranking>) -> Result<Self> {
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
        Ok(Self { input, ranking, properties: Arc::new(properties) })
    }

    pub(crate) fn to_json(&self) -> Result<Value> {
        let locations: Value = self.ranking.locations.iter().map(Location::to_json).collect();
        Ok(json!({"locations": locations, "query": self.ranking.query.to_json()?}))
    }

    pub(crate) fn from_json(
        value: &Value,
        packs: Arc<Packs>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if input.schema() != lists::schema() {
            return Err(plan_datafusion_err!("RankExec: expected lists, found {}", input.schema()));
        }
        let locations = value["locations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let locations = locations.iter().map(Location::from_json).collect::<Result<Vec<_>>>()?;
        let query = Planned::from_json(&value["query"])?;
        let ranking = Ranking { packs, locations, sources: Arc::default(), query };
        Ok(Arc::new(Self::new(input, Arc::new(ranking))?))
    }
}

impl DisplayAs for RankExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RankExec: packs={}", self.ranking.locations.len())
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
        Ok(Arc::new(Self::new(input, self.ranking.clone())?))
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
        let lists = self.input.execute(0, context.clone())?;
        let ranking = self.ranking.clone();
        let ranked = async move {
            let batches: Vec<RecordBatch> = lists.try_collect().await?;
            let lists = ranking.widened(ranking.collect(&batches)?, &context).await?;
            let hits = rank_lists(&ranking.query.query, &lists).map_err(external)?;
            let sources = ranking.open_found(&hits, &context).await?;
            on_a_thread(move || ranking.fill(hits, &sources)).await?
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::once(ranked))))
    }
}

impl Ranking {
    /// The lists of each pack.
    fn collect(&self, batches: &[RecordBatch]) -> Result<Vec<SearchLists>> {
        let clauses = self.query.query.lists();
        let mut found = lists::collect(batches, clauses)?;
        let none = || SearchLists {
            lists: vec![SearchList::default(); clauses],
            is_complete: true,
            losses: Vec::new(),
        };
        let names = self.locations.iter().map(|location| &location.name);
        Ok(names.map(|name| found.remove(name).unwrap_or_else(none)).collect())
    }

    /// The lists, where those of packs that have much of what is near a vector are made anew.
    async fn widened(&self, mut lists: Vec<SearchLists>, context: &TaskContext) -> Result<Vec<SearchLists>> {
        let lanes = Lanes::new(self.packs.threads());
        let widely = too_narrow(&self.query.query, &lists).into_iter().map(async |number| {
            let (source, query) = (self.open(number, context).await?, self.query.clone());
            let made = lanes.run(move || lists::search(&source, &query.query, true)).await??;
            Ok::<_, DataFusionError>((number, made))
        });
        for (number, made) in futures::future::try_join_all(widely).await? {
            lists[number] = made;
        }
        Ok(lists)
    }

    /// A pack, by its number.
    async fn open(&self, number: usize, context: &TaskContext) -> Result<Source> {
        let location = &self.locations[number];
        match self.sources.get(&location.name) {
            Some(source) => Ok(source.clone()),
            None => self.packs.open_planned(location.clone(), &context.runtime_env()).await,
        }
    }

    /// The packs with hits, if anything of the records is wanted.
    async fn open_found(&self, hits: &[FederatedHit], context: &TaskContext) -> Result<Sources> {
        let mut opened = Sources::new();
        let Wanted { record, snippet, .. } = self.query.wanted;
        for hit in hits.iter().filter(|_| record || snippet) {
            let name = &self.locations[hit.source].name;
            if !opened.contains_key(name) {
                opened.insert(name.clone(), self.open(hit.source, context).await?);
            }
        }
        Ok(opened)
    }

    fn fill(&self, mut hits: Vec<FederatedHit>, sources: &Sources) -> Result<RecordBatch> {
        for (number, location) in self.locations.iter().enumerate() {
            let Some(source) = sources.get(&location.name) else { continue };
            let from_source = hits.iter_mut().filter(|found| found.source == number);
            let mut hits: Vec<&mut Hit> = from_source.map(|found| &mut found.hit).collect();
            let losses = source
                .snapshot
                .fill_hits(&self.query.query, &mut hits)
                .map_err(|e| about(&location.name, e))?;
            if let Some(loss) = losses.first() {
                return Err(exec_datafusion_err!("{}: {loss}", location.name));
            }
        }
        to_batch(&hits, &self.locations)
    }
}

fn to_batch(hits: &[FederatedHit], locations: &[Location]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&Hit) -> compact_artifact::Result<Option<String>>| -> Result<ArrayRef> {
        let value =
            |found: &FederatedHit| value(&found.hit).map_err(|e| about(&locations[found.source].name, e));
        Ok(text_column(hits.iter().map(value).collect::<Result<Vec<_>>>()?.into_iter()))
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
        text_column(hits.iter().map(|found| Some(&locations[found.source].name))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
