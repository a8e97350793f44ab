//! Sessions and workers of [datafusion-distributed](https://github.com/datafusion-contrib/datafusion-distributed), which know packs.
//!
//! A session plans a query, which reads the statistics of a search from all packs, and sends the parts of the plan to workers. There is no scheduler. When a worker is lost, its
//! queries fail, and whoever asks again has to name workers that are there.

use std::sync::Arc;

use artifact_datafusion::{pack_partitions, register};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DataFusionError, Result, plan_datafusion_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::SessionContext;
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedExt, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse, SessionStateBuilderExt, Worker, WorkerQueryContext,
    WorkerResolver,
};
use datafusion_proto::physical_plan::DefaultPhysicalExtensionCodec;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use url::Url;

use crate::codec::CartPhysicalCodec;
use crate::node::Node;

/// A session whose queries run on workers: `cart_search`, and tables `STORED AS CART`. Workers make the packs of a `COPY … STORED AS CART`, and this process puts the manifest.
pub fn session(workers: &[Url], node: &Node) -> Result<SessionContext> {
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(node.config.clone())
        .with_runtime_env(node.runtime.clone())
        .with_distributed_planner()
        .with_distributed_worker_resolver(Workers(workers.to_vec()))
        .with_distributed_user_codec(codec(node))
        .with_distributed_desired_task_count_handler(task_count)
        .with_distributed_scale_up_leaf_node_handler(divided)
        .build();
    let context = SessionContext::new_with_state(state);
    register(&context, node.packs.clone())?;
    Ok(context)
}

/// A worker that knows packs: a service of tonic, by `into_worker_server`.
pub fn worker(node: &Node) -> Worker {
    let query_node = node.clone();
    let session = move |query: WorkerQueryContext| {
        let node = query_node.clone();
        async move { Ok(query.builder.with_distributed_user_codec(codec(&node)).build()) }
    };
    Worker::from_session_builder(session).with_runtime_env(node.runtime.clone())
}

/// Runs a worker until the future is dropped.
pub async fn serve_worker(listener: TcpListener, node: &Node) -> Result<()> {
    let server = tonic::transport::Server::builder().add_service(worker(node).into_worker_server());
    let served = server.serve_with_incoming(TcpListenerStream::new(listener)).await;
    served.map_err(|e| DataFusionError::External(Box::new(e)))
}

fn codec(node: &Node) -> CartPhysicalCodec {
    CartPhysicalCodec::new(node.packs.clone(), Arc::new(DefaultPhysicalExtensionCodec {}))
}

struct Workers(Vec<Url>);

impl WorkerResolver for Workers {
    fn get_urls(&self) -> Result<Vec<Url>> {
        Ok(self.0.clone())
    }
}

/// A task for each pack that is read or made, as far as there are workers.
fn task_count(event: DesiredTaskCountEvent<'_>) -> Option<Result<DesiredTaskCountEventResponse>> {
    let partitions = match event.plan.name() {
        // The manifest is put by one process.
        "WriteExec" => return Some(Ok(DesiredTaskCountEventResponse::maximum(1))),
        // The engine would divide a compressed file by its bytes.
        "MakeExec" if event.plan.exists(|plan| Ok(is_compressed(plan))).unwrap_or(true) => {
            return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
        }
        // To make a pack takes long, however small the files are that it is made of.
        "MakeExec" => event.plan.output_partitioning().partition_count(),
        _ => pack_partitions(event.plan)?.len(),
    };
    Some(Ok(DesiredTaskCountEventResponse::desired(partitions.max(1))))
}

/// Whether a leaf reads compressed files, which cannot be read from the middle.
fn is_compressed(leaf: &Arc<dyn ExecutionPlan>) -> bool {
    let source = leaf.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
    let files = source.and_then(|source| source.downcast_ref::<FileScanConfig>());
    files.is_some_and(|files| files.file_compression_type.is_compressed())
}

/// The locations of packs divided among tasks.
fn divided(event: ScaleUpLeafNodeEvent<'_>) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let packs = pack_partitions(event.plan)?;
    let tasks = event.task_count.max(1);
    let of_task = packs.len().div_ceil(tasks).max(1);
    let variant = |task: usize| -> Result<Arc<dyn ExecutionPlan>> {
        let mut partitions: Vec<_> = packs.iter().skip(task).step_by(tasks).cloned().collect();
        // All tasks have the same number of partitions.
        partitions.resize(of_task, Vec::new());
        Ok(MemorySourceConfig::try_new_exec(&partitions, event.plan.schema(), None)?)
    };
    let leaf = || {
        let variants = (0..tasks).map(variant).collect::<Result<Vec<_>>>()?;
        let leaf = DistributedLeafExec::try_new(event.plan.clone(), variants)
            .map_err(|e| plan_datafusion_err!("packs were not divided among {tasks} tasks: {e}"))?;
        Ok(ScaleUpLeafNodeEventResponse::new(Arc::new(leaf)))
    };
    Some(leaf())
}
