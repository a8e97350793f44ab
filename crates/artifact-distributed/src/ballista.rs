//! Sessions, schedulers and executors of [Ballista](https://datafusion.apache.org/ballista/), which know packs.
//!
//! A session sends its queries to a scheduler, which plans them: it reads the statistics of a search from all packs. Executors ask the scheduler for tasks, and keep what these found in a
//! folder of their own until the query is over. When an executor is lost, its tasks are given to others.

use std::net::SocketAddr;
use std::sync::Arc;

use ::ballista::prelude::{SessionConfigExt, SessionContextExt};
use artifact_datafusion::{KeepCopyOptions, register};
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::serde::{BallistaLogicalExtensionCodec, BallistaPhysicalExtensionCodec};
use ballista_core::utils::default_session_builder;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;
use url::Url;

use crate::codec::{CartLogicalCodec, CartPhysicalCodec};
use crate::node::Node;

/// A session whose queries run on a cluster, by the URL of its scheduler: `http://10.0.0.1:50050`.
pub async fn session(scheduler: &Url, node: &Node) -> Result<SessionContext> {
    let builder = SessionStateBuilder::new().with_default_features().with_config(config(node));
    let state = builder.with_runtime_env(node.runtime.clone()).build();
    let context = SessionContext::remote_with_state(scheduler.as_str(), state).await?;
    register(&context, node.packs.clone())?;
    context.add_analyzer_rule(Arc::new(KeepCopyOptions::default()));
    Ok(context)
}

/// The configuration of a scheduler that knows packs. An executor that was not heard of for 20 seconds is lost: those here are heard of every 5 seconds.
pub fn scheduler_config(node: &Node) -> SchedulerConfig {
    let (logical, physical) = codecs(node);
    let (session_node, config_node) = (node.clone(), node.clone());
    SchedulerConfig {
        scheduling_policy: TaskSchedulingPolicy::PullStaged,
        executor_timeout_seconds: 20,
        expire_dead_executor_interval_seconds: 5,
        override_logical_codec: Some(logical),
        override_physical_codec: Some(physical),
        override_session_builder: Some(Arc::new(move |config| {
            let builder = SessionStateBuilder::new_from_existing(default_session_builder(config)?);
            Ok(builder.with_runtime_env(session_node.runtime.clone()).build())
        })),
        override_config_producer: Some(Arc::new(move || config(&config_node))),
        ..SchedulerConfig::default()
    }
}

/// Runs a scheduler until the future is dropped.
pub async fn serve_scheduler(listener: TcpListener, config: SchedulerConfig) -> Result<()> {
    let config = Arc::new(config);
    let cluster = BallistaCluster::new_from_config(&config).await.map_err(external)?;
    let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config).await;
    start_grpc_service_with_listener(listener, scheduler.map_err(external)?).await.map_err(external)
}

/// The configuration of an executor that knows packs, at an address that others reach it by. It waits for its scheduler for half a minute.
pub fn executor_config(address: SocketAddr, scheduler: &Url, node: &Node) -> ExecutorProcessConfig {
    let (logical, physical) = codecs(node);
    let (config_node, runtime) = (node.clone(), node.runtime.clone());
    ExecutorProcessConfig {
        bind_host: address.ip().to_string(),
        port: address.port(),
        scheduler_host: scheduler.host_str().unwrap_or("localhost").to_owned(),
        scheduler_port: scheduler.port().unwrap_or(50050),
        scheduler_connect_timeout_seconds: 30,
        task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
        // What bounds memory is the runtime of the node.
        memory_pool_size: Some(0),
        override_logical_codec: Some(logical),
        override_physical_codec: Some(physical),
        override_config_producer: Some(Arc::new(move || config(&config_node))),
        override_runtime_producer: Some(Arc::new(move |_| Ok(runtime.clone()))),
        ..ExecutorProcessConfig::default()
    }
}

/// Runs an executor until the process is told to end. One without a `work_dir` has a temporary folder, which is removed.
pub async fn serve_executor(mut config: ExecutorProcessConfig) -> Result<()> {
    let folder = tempfile::tempdir()?;
    config.work_dir.get_or_insert_with(|| folder.path().display().to_string());
    start_executor_process(Arc::new(config)).await.map_err(external)
}

type Codecs = (Arc<CartLogicalCodec>, Arc<CartPhysicalCodec>);

fn codecs(node: &Node) -> Codecs {
    let logical = Arc::new(BallistaLogicalExtensionCodec::default());
    let physical = Arc::new(BallistaPhysicalExtensionCodec::default());
    let packs = || node.packs.clone();
    (Arc::new(CartLogicalCodec::new(packs(), logical)), Arc::new(CartPhysicalCodec::new(packs(), physical)))
}

fn config(node: &Node) -> SessionConfig {
    let (logical, physical) = codecs(node);
    let config = node.config.clone().upgrade_for_ballista();
    config.with_ballista_logical_extension_codec(logical).with_ballista_physical_extension_codec(physical)
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
