//! What all processes of a cluster have in common.

use std::sync::Arc;

use artifact_datafusion::Packs;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;

/// How a process of a cluster opens packs, and which stores they are in. Whoever plans, schedules or executes has one, with the same stores and the same embedder.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) packs: Arc<Packs>,
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) config: SessionConfig,
}

impl Node {
    /// Without any store but the local file system.
    pub fn new(packs: impl Into<Arc<Packs>>) -> Self {
        Self { packs: packs.into(), runtime: Arc::default(), config: SessionConfig::new() }
    }

    /// With a store, for all URLs that begin like this one: `s3://bucket`.
    #[must_use]
    pub fn store(self, url: &ObjectStoreUrl, store: Arc<dyn ObjectStore>) -> Self {
        self.runtime.register_object_store(url.as_ref(), store);
        self
    }

    /// In the place of an environment of its own: memory, disk, stores. Comes before [`store`](Self::store).
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<RuntimeEnv>) -> Self {
        self.runtime = runtime;
        self
    }

    /// The configuration of sessions. What the engine needs is added to it.
    #[must_use]
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = config;
        self
    }
}
