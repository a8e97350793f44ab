//! How much a client may say at once, and how much it is answered.

use std::time::Duration;

/// The longest line of a client in bytes, without its end.
pub(crate) const MAX_LINE: usize = 4 << 20;
/// The longest id of a request in bytes: it is repeated in the answer.
pub(super) const MAX_ID: usize = 256;
/// The most messages in a batch.
pub(super) const MAX_BATCH: usize = 64;
/// Calls that are queued; then no more lines are read.
pub(super) const MAX_PENDING: usize = 64;
/// Bytes of the lines of queued calls; then no more lines are read.
pub(super) const MAX_PENDING_BYTES: usize = 8 << 20;
/// Lines to the client that are not written yet.
pub(super) const MAX_UNWRITTEN: usize = 16;
/// Subscriptions that are open.
pub(super) const MAX_LISTENING: usize = 16;

/// The longest message of an error in bytes.
pub(super) const MAX_MESSAGE: usize = 2 << 10;
/// Bytes of an answer that can be asked for on the command line.
pub(crate) const ANSWER_RANGE: std::ops::RangeInclusive<u64> = 4 << 10..=1 << 20;
/// The most hits of one search.
pub(super) const MAX_K: u64 = 100;
/// The most hits that are left out.
pub(super) const MAX_OFFSET: u64 = 10_000;
/// Hits that are sorted by a field near a vector, as a query without `candidates` has it.
pub(super) const MAX_SORTED: usize = 100;
/// The longest snippet in bytes.
pub(super) const SNIPPET: usize = 300;
/// The longest value of the metadata that comes with a hit, in bytes of JSON.
pub(super) const MAX_VALUE: usize = 1 << 10;
/// The longest metadata that comes with a hit, in bytes of JSON.
pub(super) const MAX_HIT_METADATA: usize = 2 << 10;
/// The most records of a page of a list.
pub(super) const MAX_PAGE: u64 = 500;
/// The most records that one call deletes.
pub(super) const MAX_DELETED: usize = 100;
/// The longest resource in bytes.
pub(super) const MAX_RESOURCE: u64 = 1 << 20;
/// Resources on a page.
pub(super) const RESOURCES: usize = 100;
/// Records whose metadata is looked at for the names of fields.
pub(super) const SAMPLE: usize = 200;

/// How long a search takes at the most.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// How long a writer waits before it looks whether the client still wants it.
pub(super) const SLICE: Duration = Duration::from_millis(100);
/// How often it is said that a writer waits.
pub(super) const PROGRESS: Duration = Duration::from_secs(1);
/// How long an artifact stays open for writing after it was written to.
pub(super) const KEPT_OPEN: Duration = Duration::from_secs(1);
/// How long a server that is asked to end still takes to finish what it does.
pub(super) const GRACE: Duration = Duration::from_secs(2);
