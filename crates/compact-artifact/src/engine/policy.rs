//! Every threshold of the engine: when something is sealed, merged or rewritten, and how much of it at once.

use std::time::Duration;

use crate::api::options::{Maintenance, Options};
use crate::shard::WORDS_HEAP;

/// Neighbouring shards, or segments, of about one size become one when there are so many: see [`alike`](super::alike). 4: each record is rewritten a logarithmic number of times, and a
/// search visits a logarithmic number of shards.
pub(super) const FAN_IN: usize = 4;
/// Shards of fewer rows, and segments of fewer bytes, count as equally long: to rewrite them takes some milliseconds.
pub(super) const ROWS_OF_EQUAL_SHARDS: u64 = 1024;
pub(super) const BYTES_OF_EQUAL_SEGMENTS: u64 = 256 << 10;
/// What is rewritten by compacting has at least this share of deleted bytes, in percent: the files are then at most 1.15 times what is alive, the
/// partly filled last blocks included.
pub(super) const MIN_DEAD_PERCENT: u32 = 8;
/// More rows than this are not put into one shard: building its graph takes minutes, and it is rewritten as a whole.
pub(super) const MAX_SHARD_ROWS: u64 = 4 << 20;
/// A smaller tail is left in the log when the artifact is closed: to index so much again takes milliseconds.
pub(super) const SEAL_AT_CLOSE_ROWS: u32 = 256;
/// So are logs of fewer bytes, on the disk and before compression.
pub(super) const SEAL_AT_CLOSE_BYTES: u64 = 256 << 10;
/// The smallest budget of compacting: a segment is rewritten block by block, and a shard of the fewest rows fits.
pub(super) const MIN_COMPACT_BUDGET: usize = 4 << 20;
/// The fewest rows of a shard that a small budget leads to.
pub(super) const MIN_SHARD_ROWS: usize = 4096;
/// Batches of more bytes together are not made one commit: an index in memory takes so much, and one caller's texts must not be what another's do
/// not fit beside.
pub(super) const MAX_COMMIT_BYTES: usize = 128 << 20;
/// Records that are written behind their embeddings together.
pub(super) const RECORDS_PER_EMBEDDINGS: usize = 512;
/// Records that recovery indexes together, at the most.
pub(super) const RECOVERED_RECORDS_AT_ONCE: usize = 4096;
/// The bytes of their content.
pub(super) const RECOVERED_BYTES_AT_ONCE: usize = 4 << 20;
/// Deleted ids that recovery looks at one by one, at the most: a set of a few bytes may name billions.
pub(super) const MAX_DELETED_LOOKED_AT: u64 = 1 << 24;

/// How often a reader that waits for a commit looks for one.
pub(super) const WATCH_INTERVAL: Duration = Duration::from_millis(10);

/// Records that expired and are deleted in one commit.
pub(super) const EXPIRED_AT_ONCE: usize = 10_000;

/// Rows of a shard whose neighbours are found before they are written.
pub(super) const ROWS_OF_NEIGHBOURS: usize = 1024;

/// Percent of dead bytes from which on a thread in the background does not wait for a quiet time.
pub(super) const URGENT_DEAD_PERCENT: u32 = 50;

/// Percent of dead sealed bytes from which on files are rewritten by themselves while there are commits; `None`: never.
pub(super) fn compact_at(options: &Options) -> Option<u32> {
    let percent = options.auto_compact?.dead_percent;
    match options.maintenance {
        Maintenance::Inline => Some(percent),
        Maintenance::Background => Some(percent.max(URGENT_DEAD_PERCENT)),
        Maintenance::Manual => None,
    }
}

/// Fewer dead bytes than these are no reason to look at the files after a delete: a small artifact would be rewritten for a few of them.
const MIN_RECLAIMED: u64 = 256 << 10;

/// The same of any artifact: a sixteenth of a segment, but not less than [`MIN_RECLAIMED`], or than a whole one that is shorter.
pub(super) fn reclaim_from(options: &Options) -> u64 {
    (options.segment_len / 16).max(MIN_RECLAIMED).min(options.segment_len)
}

/// Whether `dead` is so many percent of `whole`, in bytes.
pub(super) fn is_share(dead: u64, whole: u64, percent: u32) -> bool {
    dead > 0 && u128::from(dead) * 100 >= u128::from(whole) * u128::from(percent)
}

/// How long nothing was committed before a thread in the background deletes what expired and compacts; `None`: it does not.
pub(super) fn quiet(options: &Options) -> Option<Duration> {
    let quiet = options.auto_compact.map(|policy| policy.quiet);
    quiet.filter(|_| options.maintenance == Maintenance::Background)
}

/// How often a writer that gives way when it is idle for so long looks whether another one waits.
pub(super) fn look_for_others_every(idle: Duration) -> Duration {
    (idle / 2).clamp(Duration::from_millis(5), Duration::from_millis(50))
}

/// Bytes of indexes in memory at which they are sealed: a quarter more than a segment, for what vectors have beside their codes.
pub(super) fn seal_at(options: &Options) -> u64 {
    options.segment_len.saturating_add(options.segment_len / 4).min(tail_share(options))
}

/// Bytes of logs at which they are sealed, and of the records in them before compression, which about halves them: two segments.
pub(super) fn seal_logs_at(options: &Options) -> u64 {
    options.segment_len.min(tail_share(options)).saturating_mul(2)
}

/// Of the limit of memory what indexes of the tail may take.
fn tail_share(options: &Options) -> u64 {
    options.memory_limit.map_or(u64::MAX, |limit| limit as u64 / 5)
}

/// Bytes of indexes in memory at which opening for writing seals a piece of what it recovers, without a limit of memory.
const RECOVERED_TAIL_BYTES: u64 = 128 << 20;

/// The same with the options at hand.
pub(super) fn writer_tail_limit(options: &Options) -> u64 {
    options.memory_limit.map_or(RECOVERED_TAIL_BYTES, |_| seal_at(options))
}

/// Bytes of indexes in memory of what is not sealed that a reader takes.
pub(super) fn reader_tail_limit(options: &Options) -> u64 {
    options.memory_limit.map_or(u64::MAX, |limit| limit as u64 / 2)
}

/// How shards are built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Build {
    /// Heap that it may take.
    pub(super) bytes: usize,
    /// From so many vectors on they are linked to a graph.
    pub(super) graph_from: usize,
}

impl Build {
    pub(super) fn from_options(options: &Options) -> Self {
        let bytes = options.memory_limit.map_or(usize::MAX, |limit| limit / 2);
        Self { bytes, graph_from: options.graph_from }
    }

    pub(super) fn within(self, bytes: usize) -> Self {
        Self { bytes: self.bytes.min(bytes), ..self }
    }

    pub(super) fn is_limited(self) -> bool {
        self.bytes < usize::MAX
    }

    pub(super) fn without_graphs(self) -> Self {
        Self { graph_from: usize::MAX, ..self }
    }
}

/// A tail that fills in less time is sealed without a graph: more is about to come, and one graph of [`FAN_IN`] such shards takes as long as the four that it replaces.
pub(super) const FAST_TAIL: Duration = Duration::from_secs(10);
/// How often a thread in the background looks whether the tail still fills so fast, while there are such shards.
pub(super) const LOOK_AT_PACE: Duration = Duration::from_secs(1);

/// Whether a tail that grew by so many bytes in [`LOOK_AT_PACE`] fills in less than [`FAST_TAIL`].
pub(super) fn is_fast(options: &Options, grown: u64) -> bool {
    grown.saturating_mul(FAST_TAIL.as_secs() / LOOK_AT_PACE.as_secs()) >= seal_at(options)
}

/// Bytes of the words of a new shard that may be in memory until they are written, where building it may take `build_bytes`: before there is a graph, so that they add nothing to what that takes.
pub(super) fn words_heap(build_bytes: usize) -> usize {
    (build_bytes / 4).clamp(WORDS_HEAP, 256 << 20)
}

/// Heap that the words of a shard may take while they are indexed anew: of more, several shards become.
pub(super) fn reindex_bytes(options: &Options) -> usize {
    options.memory_limit.map_or(1 << 30, |limit| limit / 4)
}

/// Records that are read together while their words are indexed anew, and bytes of them: of more, half as many are read next.
pub(super) const REINDEXED_AT_ONCE: usize = 256;
pub(super) const REINDEXED_BYTES_AT_ONCE: u64 = 1 << 20;

/// How far sealing is when the tail is indexed, when records are in segments, too, and when neighbours are merged.
pub(super) const PERCENT_INDEXED: u64 = 80;
pub(super) const PERCENT_SEALED: u64 = 85;
pub(super) const PERCENT_MERGED: u64 = 95;

/// Texts, and bytes of texts, that get embeddings in one commit when an artifact moves to another model: enough for a commit to cost little beside
/// them, and few beside the memory of a small device.
#[cfg(feature = "embedder")]
pub(super) const REEMBED_TEXTS: usize = 1_000;
#[cfg(feature = "embedder")]
pub(super) const REEMBED_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_wait_in_memory_are_a_part_of_what_a_build_may_take() {
        for (build_bytes, words) in [(4 << 20, 4 << 20), (32 << 20, 8 << 20), (usize::MAX, 256 << 20)] {
            assert_eq!(words_heap(build_bytes), words);
        }
    }
}
