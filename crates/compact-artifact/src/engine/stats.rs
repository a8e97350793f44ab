//! What an artifact holds, counted.

use std::sync::atomic::Ordering;

use super::core::Engine;
use crate::api::stats::{MemoryStats, SpaceStats, Stats};
use crate::state::{State, View};
use crate::trace::figures;

#[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
fn ratio(part: u64, to: u64) -> f64 {
    if to == 0 { 0.0 } else { part as f64 / to as f64 }
}

impl Engine {
    /// What the artifact holds: read from tables, and of other files their lengths. Of files with deleted records beside others some blocks are decoded.
    pub(crate) fn stats(&self) -> Stats {
        let state = self.visible();
        let mut stats = stats_of(&state);
        stats.maintenance_error = self.maintenance_error.lock().as_ref().map(ToString::to_string);
        if let Some(pack) = self.store.as_pack() {
            stats.disk_bytes = pack.pack_len();
            stats.live_bytes = stats.disk_bytes.saturating_sub(stats.dead_bytes);
        }
        // Where the directory cannot be read, nothing is known of them.
        stats.other_bytes = self.store.other_len(&state.records).unwrap_or(0);
        stats.disk_bytes = stats.disk_bytes.saturating_add(stats.other_bytes);
        figures::counted(self.path(), &stats);
        stats
    }

    /// Memory that the artifact takes, and what its searches did so far.
    pub(crate) fn memory_stats(&self) -> MemoryStats {
        let state = self.state();
        let blocks = self.store.cache_stats();
        let counters = &self.resources.counters;
        let dead_rows = state.views.iter().map(|view| view.dead.heap_bytes());
        let unmapped = state.views.iter().filter(|view| view.shard.is_sealed() && !view.shard.is_mapped());
        let neighbours = state.views.iter().filter_map(|view| Some(view.neighbours.as_ref()?.heap_bytes()));
        MemoryStats {
            tail_bytes: state.tail().map(|view| view.shard.memory_bytes()).sum(),
            unmapped_bytes: unmapped.map(|view| view.shard.byte_len).sum::<u64>() + neighbours.sum::<u64>(),
            tables_bytes: state.records.heap_bytes()
                + dead_rows.sum::<u64>()
                + state.settings.analyzer.memory_bytes() as u64,
            block_cache_bytes: blocks.bytes,
            result_cache_bytes: self.resources.result_stats().bytes,
            column_bytes: state.views.iter().map(|view| view.shard.column_bytes()).sum(),
            embedding_cache_bytes: self.resources.meaning.cache_stats().bytes,
            mapped_bytes: match self.store.as_pack() {
                Some(pack) => pack.mapped_bytes(),
                None => state.records.mapped_bytes(),
            },
            searches: counters.searches.load(Ordering::Relaxed),
            searches_from_cache: counters.rankings_from_cache.load(Ordering::Relaxed),
            block_cache_hits: blocks.hits,
            block_cache_misses: blocks.misses,
            hops: counters.hops.load(Ordering::Relaxed),
            distances: counters.distances.load(Ordering::Relaxed),
        }
    }
}

fn stats_of(state: &State) -> Stats {
    let segments = state.records.segments();
    let usage = state.records.disk_usage();
    let raw_bytes = segments.iter().fold(0u64, |sum, segment| sum.saturating_add(segment.raw_len));
    let sealed = || state.views.iter().filter(|view| view.shard.is_sealed());
    let dead_bytes = dead_bytes(state);
    let spaces = state.settings.current_spaces().map(|(number, space)| {
        let vectors: Vec<_> = state.views.iter().filter_map(|view| view.shard.vectors(number)).collect();
        let count: u64 = vectors.iter().map(|v| v.index.len() as u64).sum();
        let bytes: u64 = vectors.iter().map(|v| v.byte_len()).sum();
        let similar = state.views.iter().filter_map(|view| view.neighbours.as_ref());
        SpaceStats {
            name: space.name().to_owned(),
            dimension: space.dimension(),
            metric: space.metric().to_string(),
            vectors: count,
            bytes,
            graph_bytes: vectors.iter().map(|v| v.index.graph_byte_len() as u64).sum(),
            similar_bytes: similar.map(|neighbours| neighbours.space_len(number)).sum(),
            quantization_ratio: ratio(count * 4 * space.dimension() as u64, bytes),
        }
    });
    Stats {
        records: state.len(),
        tail_records: state.tail().map(View::live).sum(),
        deleted: state.records.deleted_len(),
        commit: state.records.seq().0,
        segments: segments.len(),
        shards: sealed().count(),
        tail_shards: state.tail().count(),
        disk_bytes: usage.total(),
        segment_bytes: usage.segments,
        log_bytes: usage.logs,
        index_bytes: usage.parts,
        raw_bytes,
        compression_ratio: ratio(raw_bytes, usage.segments),
        words_bytes: state.views.iter().map(|view| view.shard.words.len_bytes() as u64).sum(),
        filters_bytes: state.views.iter().map(|view| view.shard.filters.len_bytes() as u64).sum(),
        spaces: spaces.collect(),
        maintenance_error: None,
        live_bytes: usage.total().saturating_sub(dead_bytes),
        dead_bytes,
        other_bytes: 0,
    }
}

/// Bytes of deleted records, and the share of dead rows of each sealed index.
fn dead_bytes(state: &State) -> u64 {
    let logs = state.records.log_usage();
    logs.into_iter().fold(sealed_dead_bytes(state), |sum, usage| sum.saturating_add(usage.dead_len))
}

/// The same, of what is sealed.
pub(super) fn sealed_dead_bytes(state: &State) -> u64 {
    let segments = state.records.segment_usage();
    let records = segments.into_iter().fold(0u64, |sum, usage| sum.saturating_add(usage.dead_len));
    records.saturating_add(state.dead_rows_len())
}
