//! Caches, filled and emptied by hand, and what they did.
//!
//! Which caches there are, and who else keeps what, is in `docs/CACHES.md`.

use block_format::RecordId;

use crate::api::caches::{CacheStats, CacheUse};
use crate::api::error::Result;
use crate::artifact::CompactArtifact;

impl CompactArtifact {
    /// What each cache did since the artifact was opened, and what it holds: see [`CacheOptions`](crate::CacheOptions).
    pub fn cache_stats(&self) -> CacheStats {
        let engine = &self.engine;
        let options = &engine.options;
        CacheStats {
            blocks: CacheUse::new(options.block_cache_bytes, engine.store.cache_stats()),
            results: CacheUse::new(options.result_cache_bytes, engine.resources.result_stats()),
            embeddings: CacheUse::new(options.embedding_cache_bytes, engine.resources.meaning.cache_stats()),
        }
    }

    /// Reads the blocks of the records with these keys, so that the cache has them as far as there is room, and returns how many of the keys there are.
    pub fn warm_keys(&self, keys: &[&str]) -> Result<usize> {
        let snapshot = self.snapshot();
        let found = keys.iter().filter_map(|key| snapshot.id_of_key(key).transpose());
        let ids: Vec<RecordId> = found.collect::<Result<_>>()?;
        snapshot.warm(&ids);
        Ok(ids.len())
    }

    /// Lets go of all decoded blocks, results and embeddings that are kept; what they did so far is counted on. Room that searches work in and
    /// columns of fields stay: for these there is [`release_memory`](Self::release_memory).
    pub fn clear_caches(&self) {
        self.engine.clear_caches();
    }
}
