//! Decoded blocks that are kept, up to a number of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::block::Block;
use crate::bounded_cache::BoundedCache;
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

/// A cache of decoded blocks, and its counters.
#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: BoundedCache<Key, Arc<Block>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl BlockCache {
    pub(crate) fn new(bytes: usize, block_len: u32) -> Self {
        let blocks = BoundedCache::new(bytes, block_len as usize, |block: &Arc<Block>| block.raw().len());
        Self { blocks, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The block that is kept, or the one that `decode` makes.
    pub(crate) fn get_or<E>(
        &self,
        file: FileId,
        offset: u64,
        decode: impl FnOnce() -> Result<Block, E>,
    ) -> Result<Arc<Block>, E> {
        if let Some(block) = self.blocks.get(&(file, offset)) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(block);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let block = Arc::new(decode()?);
        self.blocks.insert((file, offset), block.clone());
        Ok(block)
    }

    pub(crate) fn clear(&self) {
        self.blocks.clear();
    }

    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.blocks.bytes(),
            entries: self.blocks.len(),
        }
    }
}
