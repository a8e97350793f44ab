//! What a build without embedders does instead.

use block_format::{CacheStats, Workers};

use crate::api::error::{Error, ErrorKind, Result};
use crate::api::options::Options;
use crate::api::space::Space;
use crate::format::embeddings::Embedding;

/// No embedders.
#[derive(Debug)]
pub(crate) struct Meaning;

#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same signatures as with embedders")]
impl Meaning {
    pub(crate) fn new(_options: &Options) -> Self {
        Self
    }

    pub(crate) fn embed_documents(
        &self,
        _space: &Space,
        _texts: &[&str],
        _workers: &Workers,
    ) -> Result<Option<Vec<Option<Embedding>>>> {
        Ok(None)
    }

    pub(crate) fn embed_query(&self, _space: &Space, _text: &str) -> Result<Option<Vec<f32>>> {
        let message = "texts cannot be searched by meaning: this build leaves out the feature `embedder`";
        Err(Error::new(ErrorKind::NoModel, message))
    }

    pub(crate) fn weight(&self, _space: &Space) -> Result<f32> {
        Ok(0.8)
    }

    pub(crate) fn is_at_hand(&self, _space: &Space) -> bool {
        false
    }

    pub(crate) fn cache_stats(&self) -> CacheStats {
        CacheStats::default()
    }

    #[cfg(feature = "analyzers")]
    pub(crate) fn cache_table_bytes(&self) -> u64 {
        0
    }

    pub(crate) fn clear(&self) {}
}
