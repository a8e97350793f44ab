use std::sync::Arc;

use ballista_scheduler::state::task_builder::restrict_plan_to_partitions;
use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, collect,
};

use crate::support::{RECORDS, packs, session, table};

/// A scan that hides what it reads, as it would be if it held the locations of packs itself.
#[derive(Debug)]
struct Leaf(Arc<dyn ExecutionPlan>);

impl DisplayAs for Leaf {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaf")
    }
}

impl ExecutionPlan for Leaf {
    fn name(&self) -> &'static str {
        "Leaf"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

/// How many rows all tasks of a plan return, a task for each partition.
async fn rows(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let mut rows = 0;
    for partition in 0..plan.output_partitioning().partition_count() {
        let task = restrict_plan_to_partitions(plan.clone(), &[partition]).unwrap();
        let found = collect(task, session().task_ctx()).await.unwrap();
        rows += found.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    rows
}

#[tokio::test]
async fn a_task_of_ballista_reads_its_own_packs_which_it_would_not_if_a_scan_were_a_leaf() {
    let temp = tempfile::tempdir().unwrap();
    let context = session();
    table(&context, "t", &packs(temp.path(), 7)).await;
    let plan = context.sql("SELECT key FROM t").await.unwrap().create_physical_plan().await.unwrap();
    assert_eq!(rows(&plan).await, RECORDS);
    let leaf: Arc<dyn ExecutionPlan> = Arc::new(Leaf(plan));
    assert_eq!(rows(&leaf).await, 7 * RECORDS, "every row comes in every task");
}
