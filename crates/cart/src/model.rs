//! The model that texts are embedded by: the one that is a part of this program, or the one that `--model` names.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use compact_artifact::{
    CompactArtifact, Embedder, EmbedderError, Embeddings, ModelHash, Space, StaticEmbedder,
};

use crate::failure::{Failure, Result};

/// The model of a file or a folder.
pub(crate) fn open(path: &Path) -> Result<Arc<dyn Embedder>> {
    let at = |failure: Failure| failure.at(format_args!("--model {}", path.display()));
    if !path.exists() {
        return Err(at(Failure::not_there("there is no such file or folder")));
    }
    let model = StaticEmbedder::open(path).map_err(|e| at(Failure::failed(e)))?;
    Ok(Arc::new(model))
}

/// The model that is named, or the one of this program.
pub(crate) fn open_or_built_in(path: Option<&Path>) -> Result<Arc<dyn Embedder>> {
    match path {
        Some(path) => open(path),
        None => built_in().map_err(Failure::failed),
    }
}

/// The model that is a part of this program.
pub(crate) fn built_in() -> Result<Arc<dyn Embedder>, EmbedderError> {
    Ok(Arc::new(StaticEmbedder::built_in()?))
}

/// The model that the texts of an artifact are embedded by, where it is not at hand: texts are added without an embedding.
pub(crate) fn missing(artifact: &CompactArtifact) -> Option<String> {
    let spaces = if artifact.is_model_at_hand() { Vec::new() } else { artifact.spaces() };
    spaces.iter().find_map(Space::model).map(|model| model.id().to_owned())
}

/// An embedder that counts how long texts take it, on all threads together.
#[derive(Debug)]
pub(crate) struct Timed {
    inner: Arc<dyn Embedder>,
    nanos: AtomicU64,
}

impl Timed {
    pub(crate) fn new(inner: Arc<dyn Embedder>) -> Self {
        Self { inner, nanos: AtomicU64::new(0) }
    }

    pub(crate) fn took(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl Embedder for Timed {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn hash(&self) -> ModelHash {
        self.inner.hash()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn weight(&self) -> f32 {
        self.inner.weight()
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let begun = Instant::now();
        let embeddings = self.inner.embed_documents(texts);
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        embeddings
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>, EmbedderError> {
        self.inner.embed_query(text)
    }
}
