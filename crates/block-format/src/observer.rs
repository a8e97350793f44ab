//! Who hears of what takes time: to measure it, in the thread that does it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::id::RecordId;

/// Hears of what takes time, from the thread that did it, right afterwards: see [`Options::observer`](crate::Options::observer). What it does itself adds to
/// the time of the caller.
pub trait Observer: Debug + Send + Sync {
    /// Whether anybody wants to know how long things take in this thread: otherwise the clock is not read.
    fn is_listening(&self) -> bool {
        true
    }

    /// The block of a record was in the cache.
    fn block_was_cached(&self) {}

    /// The block of a record was not in the cache: it was read, verified and decoded, in so much time.
    fn block_was_decoded(&self, record: RecordId, took: Duration) {
        let _ = (record, took);
    }

    /// The payload of a block was decompressed, in so much time, which is a part of that of [`block_was_decoded`](Self::block_was_decoded).
    fn payload_was_decompressed(&self, took: Duration) {
        let _ = took;
    }

    /// A file was synced to disk.
    fn file_was_synced(&self, took: Duration) {
        let _ = took;
    }
}

/// Does `work`, and lets an observer hear how long it took.
pub(crate) fn observed<T>(
    observer: Option<&Arc<dyn Observer>>,
    hear: impl FnOnce(&dyn Observer, Duration),
    work: impl FnOnce() -> T,
) -> T {
    let Some(observer) = observer.filter(|observer| observer.is_listening()) else { return work() };
    let begun = Instant::now();
    let done = work();
    hear(&**observer, begun.elapsed());
    done
}
