//! What is done to each pack: an operator above the list of their names.

use std::fmt;
use std::sync::Arc;

use compact_artifact::{Filter, Query};
use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, exec_datafusion_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::StreamExt;

use crate::batches;
use crate::columns::Columns;
use crate::lists;
use crate::packs::{Source, Sources};
use crate::{external, on_a_thread};

/// What is done to a pack.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Its records are read.
    Scan { columns: Arc<Columns>, filter: Option<Filter>, limit: Option<usize> },
    /// The lists of a query are made, with the statistics of all packs.
    Lists { query: Arc<Query> },
}

/// Does it to each pack whose name its input gives, partition by partition.
///
/// It is no leaf on purpose. Engines that spread a plan over several machines cut the leaves that they know to the partitions of a task, and run any other leaf as a
/// whole in each of them, so that rows come twice. The leaf here is the engine's own, rows in memory, and has the names alone.
#[derive(Debug)]
pub(crate) struct PackExec {
    input: Arc<dyn ExecutionPlan>,
    sources: Arc<Sources>,
    work: Work,
    properties: Arc<PlanProperties>,
}

impl PackExec {
    /// A partition for each pack; without any, one of no rows.
    pub(crate) fn over(sources: &[Source], work: Work) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(Schema::new(vec![Field::new("pack", DataType::Utf8, false)]));
        let partition = |source: &Source| {
            let names = Arc::new(StringArray::from_iter_values([&source.name]));
            Ok(vec![RecordBatch::try_new(schema.clone(), vec![names])?])
        };
        let mut partitions = sources.iter().map(partition).collect::<Result<Vec<_>>>()?;
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        let input = MemorySourceConfig::try_new_exec(&partitions, schema.clone(), None)?;
        let sources = sources.iter().map(|source| (source.name.clone(), source.clone())).collect();
        Ok(Arc::new(Self::new(input, Arc::new(sources), work)))
    }

    fn new(input: Arc<dyn ExecutionPlan>, sources: Arc<Sources>, work: Work) -> Self {
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
        Self { input, sources, work, properties }
    }

    /// How many records there are, if all are read.
    fn rows(&self, partition: Option<usize>) -> Option<usize> {
        let Work::Scan { filter: None, limit, .. } = &self.work else { return None };
        let limit = limit.map_or(u64::MAX, |limit| limit as u64);
        let rows = |source: &Source| source.snapshot.len().min(limit);
        // Of one partition the name is not known before it is read.
        let whole =
            partition.is_none() && self.sources.len() == self.input.output_partitioning().partition_count();
        whole.then(|| usize::try_from(self.sources.values().map(rows).sum::<u64>()).ok()).flatten()
    }
}

impl Work {
    fn run(&self, source: &Source, found: &mut dyn FnMut(RecordBatch) -> bool) -> Result<()> {
        match self {
            Self::Scan { columns, filter, limit } => {
                batches::scan(source, columns, filter.as_ref(), limit.unwrap_or(usize::MAX), found)
            }
            Self::Lists { query } => {
                found(lists::make(source, query)?);
                Ok(())
            }
        }
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
        Ok(Arc::new(Self::new(input, self.sources.clone(), self.work.clone())))
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
        let mut names = self.input.execute(partition, context)?;
        let (sources, work) = (self.sources.clone(), self.work.clone());
        let mut stream = RecordBatchReceiverStream::builder(self.schema(), 2);
        let found = stream.tx();
        stream.spawn(async move {
            while let Some(batch) = names.next().await {
                for source in named(&batch?, &sources)? {
                    let (found, work) = (found.clone(), work.clone());
                    on_a_thread(move || {
                        work.run(&source, &mut |batch| found.blocking_send(Ok(batch)).is_ok())
                    })
                    .await??;
                }
            }
            Ok(())
        });
        Ok(stream.build())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(rows) = self.rows(args.partition()) {
            statistics.num_rows = Precision::Exact(rows);
        }
        Ok(Arc::new(statistics))
    }
}

/// The packs that a batch of names names.
fn named(batch: &RecordBatch, sources: &Sources) -> Result<Vec<Source>> {
    let names = batch.column(0).as_any().downcast_ref::<StringArray>();
    let names = names.ok_or_else(|| external("PackExec: expected names of packs"))?;
    let source = |name: Option<&str>| {
        let name = name.unwrap_or_default();
        sources.get(name).cloned().ok_or_else(|| exec_datafusion_err!("{name}: a pack that was not opened"))
    };
    names.iter().map(source).collect()
}

pub(crate) fn scan(
    sources: &[Source],
    columns: &Columns,
    filter: Option<Filter>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    PackExec::over(sources, Work::Scan { columns: Arc::new(columns.clone()), filter, limit })
}

pub(crate) fn lists_of(sources: &[Source], query: Arc<Query>) -> Result<Arc<dyn ExecutionPlan>> {
    PackExec::over(sources, Work::Lists { query })
}
