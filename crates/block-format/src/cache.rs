//! Decoded blocks that are kept, up to a number of bytes.

use std::sync::Arc;

use crate::block::Block;
use crate::bounded_cache::{BoundedCache, CacheStats};
use crate::id::FileId;
use crate::observer::Observer;

/// A block by its file and offset: both are never used again for anything else.
type Key = (FileId, u64);

/// A cache of decoded blocks, and who hears of them.
#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: BoundedCache<Key, Arc<Block>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl BlockCache {
    pub(crate) fn new(bytes: usize, block_len: u32, observer: Option<Arc<dyn Observer>>) -> Self {
        let blocks = BoundedCache::new(bytes, block_len as usize, |block: &Arc<Block>| block.raw().len());
        Self { blocks, observer }
    }

    /// The block that is kept, or the one that `decode` makes.
    pub(crate) fn get_or<E>(
        &self,
        file: FileId,
        offset: u64,
        decode: impl FnOnce() -> Result<Block, E>,
    ) -> Result<Arc<Block>, E> {
        if let Some(block) = self.blocks.get(&(file, offset)) {
            if let Some(observer) = &self.observer {
                observer.block_was_cached();
            }
            return Ok(block);
        }
        let block = Arc::new(decode()?);
        self.blocks.insert((file, offset), block.clone());
        Ok(block)
    }

    /// Whether a block is kept.
    pub(crate) fn has(&self, file: FileId, offset: u64) -> bool {
        self.blocks.has(&(file, offset))
    }

    pub(crate) fn clear(&self) {
        self.blocks.clear();
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.blocks.stats()
    }

    /// Heap of the tables of the cache.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.blocks.table_bytes()
    }
}
