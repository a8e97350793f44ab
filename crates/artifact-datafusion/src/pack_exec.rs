//! What is done to each pack: an operator above the list of their names.

use std::fmt;
use std::sync::Arc;

use artifact_arrow::Columns;
use compact_artifact::Filter;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_datafusion_err, plan_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::stream::{self, Stream};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::arguments::Planned;
use crate::batches;
use crate::columns;
use crate::lanes::Lanes;
use crate::lists;
use crate::location::{self, Location};
use crate::packs::{Packs, Source, Sources};
use crate::{external, on_a_thread};

/// What is done to a pack.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Its records are read.
    Scan { columns: Arc<Columns>, filter: Option<Filter>, limit: Option<usize> },
    /// The lists of a query are made, with the statistics of all packs.
    Lists { query: Arc<Planned> },
}

/// Does it to each pack whose location its input gives, partition by partition.
///
/// It is no leaf on purpose. Engines that spread a plan over several machines cut the leaves that they know to the partitions of a task, and run any other leaf as a
/// whole in each of them, so that rows come twice. The leaf here is the engine's own, rows in memory, and has the locations alone.
#[derive(Debug)]
pub(crate) struct PackExec {
    input: Arc<dyn ExecutionPlan>,
    packs: Arc<Packs>,
    /// Those that were opened when this was planned; others are opened when they are needed.
    sources: Arc<Sources>,
    work: Work,
    /// Where the lists of packs are made.
    lanes: Lanes,
    /// How many records all of so many partitions have.
    rows: Option<(usize, u64)>,
    properties: Arc<PlanProperties>,
}

impl PackExec {
    /// A partition for each pack; without any, one of no rows.
    pub(crate) fn over(
        packs: Arc<Packs>,
        locations: &[Location],
        sources: Arc<Sources>,
        work: Work,
        records: Option<u64>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = location::leaf(locations)?;
        let rows = records.map(|records| (locations.len(), records));
        Ok(Arc::new(Self::new(input, packs, sources, work, rows)))
    }

    fn new(
        input: Arc<dyn ExecutionPlan>,
        packs: Arc<Packs>,
        sources: Arc<Sources>,
        work: Work,
        rows: Option<(usize, u64)>,
    ) -> Self {
        let schema = match &work {
            Work::Scan { columns, .. } => columns.schema.clone(),
            Work::Lists { .. } => lists::schema(),
        };
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        let lanes = Lanes::new(packs.threads());
        Self { input, packs, sources, work, lanes, rows, properties }
    }

    /// The records of packs, a few batches ahead of whoever reads them.
    fn scanned(
        &self,
        sources: impl Stream<Item = Result<Source>> + Send + 'static,
        columns: Arc<Columns>,
        filter: Option<Filter>,
        limit: usize,
    ) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(self.schema(), 2);
        let found = stream.tx();
        stream.spawn(async move {
            let mut sources = std::pin::pin!(sources);
            while let Some(source) = sources.try_next().await? {
                let (found, columns, filter) = (found.clone(), columns.clone(), filter.clone());
                let mut send = move |batch| found.blocking_send(Ok(batch)).is_ok();
                on_a_thread(move || batches::scan(&source, &columns, filter.as_ref(), limit, &mut send))
                    .await??;
            }
            Ok(())
        });
        stream.build()
    }

    /// How many rows there are, if all records of all partitions are read.
    fn row_count(&self, partition: Option<usize>) -> Option<usize> {
        let (Work::Scan { filter: None, limit: None, .. }, None) = (&self.work, partition) else {
            return None;
        };
        let (partitions, rows) = self.rows?;
        // A task of an engine for several machines has some of the partitions.
        let is_whole = partitions == self.input.output_partitioning().partition_count();
        usize::try_from(rows).ok().filter(|_| is_whole)
    }

    pub(crate) fn to_json(&self) -> Result<Value> {
        let work = match &self.work {
            Work::Scan { columns, filter, limit } => {
                let filter = filter.as_ref().map(Filter::to_json).transpose().map_err(external)?;
                json!({"columns": columns::to_json(columns), "filter": filter, "limit": limit})
            }
            Work::Lists { query } => json!({"query": query.to_json()?}),
        };
        Ok(json!({"work": work, "rows": self.rows}))
    }

    pub(crate) fn from_json(
        value: &Value,
        packs: Arc<Packs>,
        input: Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if input.schema() != location::schema() {
            return Err(plan_datafusion_err!(
                "PackExec: expected locations of packs, found {}",
                input.schema()
            ));
        }
        let work = &value["work"];
        let work = if work["query"].is_null() {
            let filter = Some(&work["filter"]).filter(|filter| !filter.is_null());
            Work::Scan {
                columns: Arc::new(columns::from_json(&work["columns"])?),
                filter: filter.map(Filter::from_json).transpose().map_err(external)?,
                limit: work["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()),
            }
        } else {
            Work::Lists { query: Planned::from_json(&work["query"])? }
        };
        let rows = serde_json::from_value(value["rows"].clone()).map_err(external)?;
        Ok(Arc::new(Self::new(input, packs, Arc::default(), work, rows)))
    }
}

impl DisplayAs for PackExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Scan { filter, limit, .. } => {
                write!(f, "PackExec: scan")?;
                filter.as_ref().map_or(Ok(()), |filter| write!(f, ", filter={filter:?}"))?;
                limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
            }
            Work::Lists { .. } => write!(f, "PackExec: lists"),
        }
    }
}

impl ExecutionPlan for PackExec {
    fn name(&self) -> &'static str {
        "PackExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| exec_datafusion_err!("PackExec: expected an input"))?;
        let (packs, sources) = (self.packs.clone(), self.sources.clone());
        Ok(Arc::new(Self::new(input, packs, sources, self.work.clone(), self.rows)))
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
        let locations = self.input.execute(partition, context.clone())?;
        let (packs, known, runtime) = (self.packs.clone(), self.sources.clone(), context.runtime_env());
        let located = |batch| location::from_batch(&batch?).map(|located| stream::iter(located).map(Ok));
        let sources = locations.map(located).try_flatten().and_then(move |location: Location| {
            let (packs, runtime) = (packs.clone(), runtime.clone());
            let known = known.get(&location.name).cloned();
            async move {
                match known {
                    Some(source) => Ok(source),
                    None => packs.open_planned(location, &runtime).await,
                }
            }
        });
        match &self.work {
            Work::Scan { columns, filter, limit } => {
                let (columns, filter) = (columns.clone(), filter.clone());
                Ok(self.scanned(sources, columns, filter, limit.unwrap_or(usize::MAX)))
            }
            Work::Lists { query } => {
                let (query, lanes) = (query.clone(), self.lanes.clone());
                let lists = sources.and_then(move |source| {
                    let query = query.clone();
                    let made = lanes.run(move || lists::make(&source, &query.query));
                    async { made.await? }
                });
                Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), lists)))
            }
        }
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(rows) = self.row_count(args.partition()) {
            statistics.num_rows = Precision::Exact(rows);
        }
        Ok(Arc::new(statistics))
    }
}
