//! Decoded blocks that are kept, up to a number of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::block::Block;
use crate::id::FileId;

/// Size and hits of a cache of decoded blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Blocks that were there.
    pub hits: u64,
    /// Blocks that had to be decoded.
    pub misses: u64,
    /// Raw bytes of the blocks that are kept.
    pub bytes: u64,
    /// How many blocks are kept.
    pub entries: u64,
}

/// A block by its file and offset: both are never used again for anything else.
type Key = (FileId, u64);

/// Room is made for so many blocks at the most before there are any.
#[cfg(feature = "cache")]
const MAX_EXPECTED: usize = 1 << 16;

#[cfg(feature = "cache")]
type Blocks = quick_cache::sync::Cache<Key, Arc<Block>, ByLen>;

#[cfg(feature = "cache")]
#[derive(Debug, Clone)]
struct ByLen;

#[cfg(feature = "cache")]
impl quick_cache::Weighter<Key, Arc<Block>> for ByLen {
    fn weight(&self, _: &Key, block: &Arc<Block>) -> u64 {
        block.raw().len() as u64
    }
}

/// A cache, or only its counters.
#[derive(Debug)]
pub(crate) struct BlockCache {
    #[cfg(feature = "cache")]
    blocks: Option<Blocks>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl BlockCache {
    pub(crate) fn new(bytes: usize, block_len: u32) -> Self {
        #[cfg(not(feature = "cache"))]
        let _ = (bytes, block_len); // `Options::check` has refused all but 0
        Self {
            #[cfg(feature = "cache")]
            blocks: (bytes > 0).then(|| {
                let items = (bytes / block_len.max(1) as usize + 1).min(MAX_EXPECTED);
                Blocks::with_weighter(items, bytes as u64, ByLen)
            }),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The block that is kept, or the one that `decode` makes.
    pub(crate) fn get_or<E>(
        &self,
        file: FileId,
        offset: u64,
        decode: impl FnOnce() -> Result<Block, E>,
    ) -> Result<Arc<Block>, E> {
        #[cfg(feature = "cache")]
        if let Some(block) = self.blocks.as_ref().and_then(|blocks| blocks.get(&(file, offset))) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(block);
        }
        #[cfg(not(feature = "cache"))]
        let _: Key = (file, offset);
        self.misses.fetch_add(1, Ordering::Relaxed);
        let block = Arc::new(decode()?);
        #[cfg(feature = "cache")]
        if let Some(blocks) = &self.blocks {
            blocks.insert((file, offset), block.clone());
        }
        Ok(block)
    }

    #[cfg_attr(
        not(feature = "cache"),
        expect(clippy::unused_self, reason = "without the feature nothing is kept")
    )]
    pub(crate) fn clear(&self) {
        #[cfg(feature = "cache")]
        if let Some(blocks) = &self.blocks {
            blocks.clear();
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        #[cfg(feature = "cache")]
        let (bytes, entries) =
            self.blocks.as_ref().map_or((0, 0), |blocks| (blocks.weight(), blocks.len() as u64));
        #[cfg(not(feature = "cache"))]
        let (bytes, entries) = (0, 0);
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes,
            entries,
        }
    }
}
