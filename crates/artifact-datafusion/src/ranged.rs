//! A pack that is read by ranges where it lies.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use compact_artifact::RangeSource;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

/// How many ranges of a pack are asked for side by side.
const SIDE_BY_SIDE: usize = 16;

/// What was read of the packs of stores: see [`Packs::traffic`](crate::Packs::traffic).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, also those that failed: one for a pack that is fetched as a whole, and one for each range. Those for the length of a pack are not counted.
    pub requests: u64,
    /// Bytes that came.
    pub bytes: u64,
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn came(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Traffic {
        Traffic { requests: self.requests.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// One version of a pack in a store.
#[derive(Debug)]
pub(crate) struct Ranged {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    counters: Arc<Counters>,
    /// Where requests run that a thread outside of any runtime makes.
    runtime: Mutex<Handle>,
    is_exchanged: AtomicBool,
}

impl Ranged {
    /// Asks for the length of a pack and its version. Called by a task.
    pub(crate) async fn find(
        store: Arc<dyn ObjectStore>,
        path: &ObjectPath,
        counters: Arc<Counters>,
    ) -> object_store::Result<Self> {
        let meta = store.head(path).await?;
        let runtime = Mutex::new(Handle::current());
        Ok(Self { store, meta, counters, runtime, is_exchanged: AtomicBool::new(false) })
    }

    /// Whether another pack was found in its place.
    pub(crate) fn is_exchanged(&self) -> bool {
        self.is_exchanged.load(Ordering::Relaxed)
    }

    /// Goes on in the runtime of the task that calls this: the one before may be gone.
    pub(crate) fn is_used_here(&self) {
        *self.runtime.lock().unwrap_or_else(PoisonError::into_inner) = Handle::current();
    }

    /// The bytes of a range, if the pack is still the same.
    pub(crate) async fn get(&self, range: Range<u64>) -> object_store::Result<Vec<u8>> {
        self.counters.requested();
        let options = GetOptions {
            range: Some(range.into()),
            if_unmodified_since: self.meta.e_tag.is_none().then_some(self.meta.last_modified),
            if_match: self.meta.e_tag.clone(),
            ..GetOptions::default()
        };
        let answer = match self.store.get_opts(&self.meta.location, options).await {
            Ok(answer) => answer,
            Err(e) => {
                use object_store::Error::{NotFound, Precondition};
                if matches!(e, NotFound { .. } | Precondition { .. }) {
                    self.is_exchanged.store(true, Ordering::Relaxed);
                }
                return Err(e);
            }
        };
        let bytes = answer.bytes().await?;
        self.counters.came(bytes.len());
        Ok(bytes.into())
    }
}

impl RangeSource for Ranged {
    fn len(&self) -> u64 {
        self.meta.size
    }

    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>> {
        let runtime = Handle::try_current()
            .unwrap_or_else(|_| self.runtime.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let pieces = ranges.iter().map(|range| self.get(range.clone()));
        let read = futures::stream::iter(pieces).buffered(SIDE_BY_SIDE).try_collect();
        runtime.block_on(read).map_err(io::Error::other)
    }
}
