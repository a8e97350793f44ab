use std::net::{SocketAddr, TcpListener};

use artifact_datafusion::Packs;
use artifact_distributed::Node;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Runtime;

/// How many processes a cluster would have, were they not threads here.
pub(crate) const EXECUTORS: usize = 3;

/// What runs queries on several machines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    #[cfg(feature = "datafusion-distributed")]
    DatafusionDistributed,
    #[cfg(feature = "ballista")]
    Ballista,
}

/// A session, and the executors of its cluster, each with a runtime of its own.
pub(crate) struct Cluster {
    pub(crate) context: SessionContext,
    pub(crate) executors: Vec<Runtime>,
    /// What there is beside them: the scheduler of Ballista.
    others: Vec<Runtime>,
}

impl Engine {
    /// Starts a cluster of processes that are made by `node`.
    pub(crate) async fn start(self, node: impl Fn() -> Node) -> Cluster {
        self.start_for(&node(), node).await
    }

    /// The same, for another process that asks.
    pub(crate) async fn start_for(self, asker: &Node, node: impl Fn() -> Node) -> Cluster {
        match self {
            #[cfg(feature = "datafusion-distributed")]
            Self::DatafusionDistributed => {
                let (executors, urls) = workers(&node);
                let context = artifact_distributed::datafusion_distributed::session(&urls, asker).unwrap();
                Cluster::new(context, executors)
            }
            #[cfg(feature = "ballista")]
            Self::Ballista => ballista(asker, &node).await,
        }
    }
}

impl Cluster {
    pub(crate) fn new(context: SessionContext, executors: Vec<Runtime>) -> Self {
        Self { context, executors, others: Vec::new() }
    }

    /// An executor dies.
    pub(crate) fn kill(&mut self) {
        self.executors.remove(0).shutdown_background();
    }

    /// Runs a query, and kills an executor while it runs.
    pub(crate) async fn killed_during(&mut self, query: &str) -> datafusion::common::Result<String> {
        let query = self.context.sql(query).await.unwrap();
        let running = tokio::spawn(query.collect());
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        assert!(!running.is_finished());
        self.kill();
        running.await.unwrap().map(|found| crate::support::printed(&found))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.executors.drain(..).chain(self.others.drain(..)).for_each(Runtime::shutdown_background);
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A listener on a port that nobody has.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn url(address: SocketAddr) -> url::Url {
    format!("http://{address}").parse().unwrap()
}

/// What a process of a cluster has: packs that are its own, and so many partitions.
pub(crate) fn node(partitions: usize) -> Node {
    let config = SessionConfig::new().with_target_partitions(partitions);
    Node::new(Packs::new(crate::support::options())).config(config)
}

/// Workers, and where they are.
#[cfg(feature = "datafusion-distributed")]
pub(crate) fn workers(node: &impl Fn() -> Node) -> (Vec<Runtime>, Vec<url::Url>) {
    let worker = |_| {
        let (executor, (listener, address), node) = (runtime(), listener(), node());
        executor.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            artifact_distributed::datafusion_distributed::serve_worker(listener, &node).await.unwrap();
        });
        (executor, url(address))
    };
    (0..EXECUTORS).map(worker).unzip()
}

#[cfg(feature = "ballista")]
async fn ballista(asker: &Node, node: &impl Fn() -> Node) -> Cluster {
    use artifact_distributed::ballista::{
        executor_config, scheduler_config, serve_executor, serve_scheduler, session,
    };

    let (scheduler, (at, address)) = (runtime(), listener());
    let mut config = scheduler_config(&node());
    // Executors here are heard of every 50 milliseconds, unless they are busy.
    (config.executor_timeout_seconds, config.expire_dead_executor_interval_seconds) = (6, 1);
    scheduler.spawn(async move {
        serve_scheduler(tokio::net::TcpListener::from_std(at).unwrap(), config).await.unwrap();
    });
    let url = url(address);
    let executor = |_| {
        let (executor, (port, address)) = (runtime(), listener());
        drop(port);
        let mut config = executor_config(address, &url, &node());
        config.vcores = 2;
        executor.spawn(async move { serve_executor(config).await.unwrap() });
        executor
    };
    let executors = (0..EXECUTORS).map(executor).collect();
    Cluster { context: session(&url, asker).await.unwrap(), executors, others: vec![scheduler] }
}
