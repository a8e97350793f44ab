//! Figures for the crate `metrics`: durations as histograms, counts as counters, sizes as gauges. No label comes from a query or a record.

use std::path::Path;
use std::time::{Duration, Instant};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::api::stats::Stats;
use crate::state::State;

/// Says what the figures are, for exporters that show it.
pub(crate) fn describe() {
    describe_histogram!(
        "cart_search_seconds",
        Unit::Seconds,
        "Time of a search, records and snippets included"
    );
    describe_histogram!(
        "cart_commit_seconds",
        Unit::Seconds,
        "Time in which batches were indexed, written and, if asked for, synced"
    );
    describe_histogram!("cart_fsync_seconds", Unit::Seconds, "Time of a sync of a file to disk");
    describe_counter!(
        "cart_block_cache_hits_total",
        Unit::Count,
        "Blocks of records that were found decoded"
    );
    describe_counter!(
        "cart_block_cache_misses_total",
        Unit::Count,
        "Blocks of records that had to be decoded"
    );
    describe_gauge!("cart_block_cache_bytes", Unit::Bytes, "Bytes of decoded blocks that are kept");
    describe_gauge!("cart_segments", Unit::Count, "Files of records");
    describe_gauge!(
        "cart_disk_bytes",
        Unit::Bytes,
        "Bytes of the files of the artifact's state, without what a crash left"
    );
    describe_gauge!(
        "cart_live_bytes",
        Unit::Bytes,
        "Of these, bytes that are not those of deleted or replaced records"
    );
}

/// When a call began.
pub(crate) struct Begun(Instant);

pub(crate) fn begin() -> Begun {
    Begun(Instant::now())
}

pub(crate) fn searched(begun: &Begun) {
    histogram!("cart_search_seconds").record(begun.0.elapsed());
}

pub(crate) fn committed(begun: &Begun) {
    histogram!("cart_commit_seconds").record(begun.0.elapsed());
}

pub(super) fn synced(took: Duration) {
    histogram!("cart_fsync_seconds").record(took);
}

pub(super) fn block_was_cached() {
    counter!("cart_block_cache_hits_total").increment(1);
}

pub(super) fn block_was_decoded() {
    counter!("cart_block_cache_misses_total").increment(1);
}

/// The name of the artifact's folder or file: its gauges are told from those of others by it.
fn label(path: &Path) -> String {
    path.file_name().map_or_else(|| "memory".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What is read from tables.
#[expect(clippy::cast_precision_loss, reason = "gauges are numbers in floating point")]
pub(crate) fn sizes(path: &Path, state: &State) {
    let label = label(path);
    gauge!("cart_block_cache_bytes", "artifact" => label.clone())
        .set(state.records.cache_stats().bytes as f64);
    gauge!("cart_segments", "artifact" => label.clone()).set(state.records.segments().len() as f64);
    gauge!("cart_disk_bytes", "artifact" => label).set(state.records.disk_usage().total() as f64);
}

/// What has to be counted.
#[expect(clippy::cast_precision_loss, reason = "gauges are numbers in floating point")]
pub(crate) fn counted(path: &Path, stats: &Stats) {
    gauge!("cart_live_bytes", "artifact" => label(path)).set(stats.live_bytes as f64);
}
