//! Where the blocks of a log are: in memory, shared by the writer that appends and the readers that look up.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::directory::Directory;
use crate::error::Result;
use crate::file::FileName;
use crate::id::FileId;
use crate::manifest::Checkpoint;
use crate::run::{BlockFile, Place, Run};
use crate::source::Source;
use crate::vfs::VfsFile;

/// The places of all blocks written to a log. A reader sees as many of them as its commit covers: see [`LogView`].
#[derive(Debug)]
pub(crate) struct LogIndex {
    pub(crate) id: FileId,
    pub(crate) file: BlockFile,
    places: RwLock<Vec<Place>>,
    /// Deleted record → the commit that deleted it.
    deletes: RwLock<HashMap<u64, u64>>,
    has_deletes: AtomicBool,
    lost: Vec<Range<u64>>,
}

impl LogIndex {
    fn new(id: FileId, file: BlockFile, lost: Vec<Range<u64>>) -> Self {
        let (places, deletes) = (RwLock::default(), RwLock::default());
        Self { id, file, places, deletes, has_deletes: AtomicBool::new(false), lost }
    }

    /// The index of a log that was just created or found, which is read by position as it grows.
    pub(crate) fn open(
        directory: &Directory,
        id: FileId,
        file: Arc<dyn VfsFile>,
        lost: Vec<Range<u64>>,
    ) -> Arc<Self> {
        let source = Source::file(&directory.path(FileName::Log(id)), u64::MAX, file);
        Arc::new(Self::new(id, directory.block_file(id, source), lost))
    }

    /// Adds blocks that a commit, not yet visible, covers.
    pub(crate) fn extend(&self, places: impl IntoIterator<Item = Place>) {
        self.places.write().extend(places);
    }

    /// Forgets blocks behind the first `len`: those of a commit that never came.
    pub(crate) fn forget_from(&self, len: usize) {
        self.places.write().truncate(len);
    }

    pub(crate) fn delete(&self, ids: impl IntoIterator<Item = u64>, seq: u64) {
        let mut deletes = self.deletes.write();
        for id in ids {
            deletes.entry(id).or_insert(seq);
        }
        self.has_deletes.store(!deletes.is_empty(), Ordering::Release);
    }

    /// Heap of the places and of the deleted ids.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let deletes = self.deletes.read().capacity() * (size_of::<(u64, u64)>() + 1);
        (self.places.read().capacity() * size_of::<Place>() + deletes) as u64
    }

    /// Ranges of ids whose blocks are damaged beyond recognition.
    pub(crate) fn lost(&self) -> &[Range<u64>] {
        &self.lost
    }

    pub(crate) fn len(&self) -> usize {
        self.places.read().len()
    }

    /// Whether record `id` was deleted by a commit of this log up to `seq`.
    pub(crate) fn is_deleted(&self, id: u64, seq: u64) -> bool {
        self.has_deletes.load(Ordering::Acquire) && self.deletes.read().get(&id).is_some_and(|&at| at <= seq)
    }

    /// The records that commits of this log up to `seq` deleted, in any order.
    pub(crate) fn deleted(&self, seq: u64) -> Vec<u64> {
        self.deletes.read().iter().filter(|&(_, &at)| at <= seq).map(|(&id, _)| id).collect()
    }
}

/// A log as of one commit.
#[derive(Debug, Clone)]
pub(crate) struct LogView {
    pub(crate) index: Arc<LogIndex>,
    /// How many blocks the commit covers.
    pub(crate) blocks: usize,
    /// The smallest id of a record in them, and an upper bound of the largest.
    pub(crate) ids: Option<(u64, u64)>,
    /// Length of the log up to the commit in bytes.
    pub(crate) len: u64,
}

impl LogView {
    /// The first `blocks` blocks of a log that ends at `len`, when the next record would be `next_id`.
    pub(crate) fn new(index: Arc<LogIndex>, blocks: usize, len: u64, next_id: u64) -> Self {
        let first = index.places.read().first().filter(|_| blocks > 0).map(|place| place.first_id);
        let lost = index.lost.first().map(|range| range.start);
        let first = first.into_iter().chain(lost).min();
        let ids = first.map(|first| (first, next_id.saturating_sub(1)));
        Self { index, blocks, ids, len }
    }
}

impl LogView {
    /// The view of a whole log that ends at `checkpoint`.
    pub(crate) fn whole(index: Arc<LogIndex>, checkpoint: Checkpoint) -> Self {
        let blocks = index.len();
        Self::new(index, blocks, checkpoint.len, checkpoint.next_id)
    }
}

impl Run for LogView {
    fn file(&self) -> &BlockFile {
        &self.index.file
    }

    fn block_count(&self) -> Result<usize> {
        Ok(self.blocks)
    }

    fn place(&self, index: usize) -> Result<Place> {
        Ok(self.index.places.read()[index])
    }

    fn lost(&self) -> &[Range<u64>] {
        &self.index.lost
    }

    fn ids(&self) -> Option<(u64, u64)> {
        self.ids
    }

    fn find(&self, id: u64) -> Result<Option<usize>> {
        let places = self.index.places.read();
        Ok(places[..self.blocks].partition_point(|place| place.first_id <= id).checked_sub(1))
    }
}
