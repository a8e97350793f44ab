//! How much is kept in memory, for how long, and what that was good for.

use std::time::Duration;

use serde::Serialize;

use crate::api::error::{Error, Result};
use crate::api::options::Options;

/// How many bytes each cache may hold: see [`Options::caches`]. The default is that of [`Options`].
///
/// ```
/// use std::time::Duration;
/// use compact_artifact::{CacheOptions, CompactArtifact, Query, Record};
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let path = temp.path().join("notes.artifact");
/// let caches = CacheOptions { block_bytes: 64 << 20, result_ttl: Some(Duration::from_secs(3600)), ..CacheOptions::default() };
/// let artifact = CompactArtifact::options().caches(caches).create(&path)?;
/// artifact.add(Record::text("a cat sat on the mat").key("cat"))?;
///
/// artifact.warm_keys(&["cat"])?; // its block is decoded now, and not when it is asked for first
/// artifact.get_by_key("cat")?;
/// artifact.search(&Query::words("cat"))?;
/// artifact.search(&Query::words("cat"))?; // the ranking was kept
///
/// let stats = artifact.cache_stats();
/// assert_eq!((stats.results.hits, stats.results.misses), (1, 1));
/// assert!(stats.blocks.bytes <= stats.blocks.limit_bytes && stats.blocks.hits > 0);
///
/// artifact.clear_caches();
/// assert_eq!(artifact.cache_stats().blocks.entries, 0);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheOptions {
    /// Decoded blocks of records.
    pub block_bytes: usize,
    /// Rankings of queries, and the rows that filters let through, each until the next commit.
    pub result_bytes: usize,
    /// How long a result is kept at the most. `None`: until the next commit, however long that is. A result of an earlier commit is never returned, whatever this says.
    pub result_ttl: Option<Duration>,
    /// Embeddings of texts.
    pub embedding_bytes: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self::from_options(&Options::default())
    }
}

impl CacheOptions {
    /// Nothing is kept.
    pub fn none() -> Self {
        Self { block_bytes: 0, result_bytes: 0, result_ttl: None, embedding_bytes: 0 }
    }

    /// What options say of caches.
    pub(crate) fn from_options(options: &Options) -> Self {
        Self {
            block_bytes: options.block_cache_bytes,
            result_bytes: options.result_cache_bytes,
            result_ttl: options.result_ttl,
            embedding_bytes: options.embedding_cache_bytes,
        }
    }
}

impl Options {
    /// All caches at once; [`cache_bytes`](Self::cache_bytes), [`result_cache_bytes`](Self::result_cache_bytes) and
    /// [`embedding_cache_bytes`](Self::embedding_cache_bytes) set one each. A time to live of 0, or one of results that are not kept, is an error.
    pub fn caches(mut self, caches: CacheOptions) -> Self {
        self.result_ttl = caches.result_ttl;
        self.cache_bytes(caches.block_bytes)
            .result_cache_bytes(caches.result_bytes)
            .embedding_cache_bytes(caches.embedding_bytes)
    }

    pub(crate) fn check_result_ttl(&self) -> Result<()> {
        match self.result_ttl {
            Some(Duration::ZERO) => Err(Error::invalid("option result_ttl: expected a time above 0")),
            Some(_) if self.result_cache_bytes == 0 => {
                Err(Error::invalid("option result_ttl would have no effect; expected a cache of results"))
            }
            _ => Ok(()),
        }
    }
}

/// What each cache of an artifact did since it was opened, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheStats {
    /// Decoded blocks of records.
    pub blocks: CacheUse,
    /// Rankings of queries, and the rows that filters let through.
    pub results: CacheUse,
    /// Embeddings of texts.
    pub embeddings: CacheUse,
}

/// What one cache did, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheUse {
    /// Bytes that it may hold.
    pub limit_bytes: u64,
    /// Bytes that it holds.
    pub bytes: u64,
    /// How many values these are.
    pub entries: u64,
    /// How often a value was there.
    pub hits: u64,
    /// How often it was not, and was made.
    pub misses: u64,
    /// Values that made room for others.
    pub evictions: u64,
}

impl CacheUse {
    pub(crate) fn new(limit: usize, stats: block_format::CacheStats) -> Self {
        let block_format::CacheStats { hits, misses, entries, bytes, evictions, .. } = stats;
        Self { limit_bytes: limit as u64, bytes, entries, hits, misses, evictions }
    }

    /// The part of the questions that were answered from the cache, 0 to 1; 0 before there was any.
    #[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
    pub fn hit_rate(&self) -> f64 {
        let asked = self.hits.saturating_add(self.misses);
        if asked == 0 { 0.0 } else { self.hits as f64 / asked as f64 }
    }
}
