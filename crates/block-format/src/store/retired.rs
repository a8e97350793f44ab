//! Files that are no part of the artifact any more, and that readers of this process still hold: their space is returned when these let go.

use std::fmt::Debug;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::id::FileId;

/// A file that was replaced and is still held: see [`Store::kept_files`](crate::Store::kept_files).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptFile {
    /// The number of the file.
    pub file: FileId,
    /// Its length in bytes.
    pub len: u64,
}

/// A file, and whether somebody holds it.
#[derive(Debug)]
pub(super) struct Held {
    file: KeptFile,
    by: Weak<dyn Debug + Send + Sync>,
}

impl Held {
    pub(super) fn new<T: Debug + Send + Sync + 'static>(file: FileId, len: u64, by: &Arc<T>) -> Self {
        let by: Weak<T> = Arc::downgrade(by);
        Self { file: KeptFile { file, len }, by }
    }

    fn is_held(&self) -> bool {
        self.by.strong_count() > 0
    }
}

/// Files of earlier generations.
#[derive(Debug, Default)]
pub(super) struct RetiredFiles(Mutex<Vec<Held>>);

impl RetiredFiles {
    /// Adds the files of a generation that the next one does not have.
    pub(super) fn add(&self, old: Vec<Held>, new: &[Held]) {
        let mut retired = self.0.lock();
        retired.extend(old.into_iter().filter(|old| new.iter().all(|new| new.file.file != old.file.file)));
        retired.retain(Held::is_held);
    }

    /// Those that somebody holds.
    pub(super) fn kept(&self) -> Vec<KeptFile> {
        let mut retired = self.0.lock();
        retired.retain(Held::is_held);
        let mut kept: Vec<KeptFile> = retired.iter().map(|held| held.file).collect();
        drop(retired);
        kept.sort_unstable_by_key(|kept| kept.file);
        kept.dedup_by_key(|kept| kept.file);
        kept
    }
}
