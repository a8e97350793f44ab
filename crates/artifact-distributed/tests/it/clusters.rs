use std::net::{SocketAddr, TcpListener};

use artifact_datafusion::Packs;
use artifact_distributed::Node;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Runtime;

/// How many processes a cluster would have, were they not threads here.
pub(crate) const EXECUTORS: usize = 3;

/// A session, and the executors of its cluster, each with a runtime of its own.
pub(crate) struct Cluster {
    pub(crate) context: SessionContext,
    pub(crate) executors: Vec<Runtime>,
}

/// Starts a cluster of processes that are made by `node`.
pub(crate) fn start(node: impl Fn() -> Node) -> Cluster {
    start_for(&node(), node)
}

/// The same, for another process that asks.
pub(crate) fn start_for(asker: &Node, node: impl Fn() -> Node) -> Cluster {
    let (executors, urls) = workers(&node);
    let context = artifact_distributed::datafusion_distributed::session(&urls, asker).unwrap();
    Cluster { context, executors }
}

impl Cluster {
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
        self.executors.drain(..).for_each(Runtime::shutdown_background);
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
