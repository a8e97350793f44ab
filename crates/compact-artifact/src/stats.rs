//! What an artifact holds, on disk and in memory.

use serde::Serialize;
use std::sync::atomic::Ordering;

use crate::artifact::CompactArtifact;
use crate::maintenance::disk_bytes;
use crate::settings::metric_name;
use crate::state::State;

/// What an artifact holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Records that can be found.
    pub records: u64,
    /// Records that are not sealed yet.
    pub tail_records: u64,
    /// Deleted records whose space was not returned yet.
    pub deleted: u64,
    /// The newest commit.
    pub commit: u64,
    /// Files of records.
    pub segments: usize,
    /// Sealed indexes, and indexes in memory.
    pub shards: usize,
    /// See `shards`.
    pub tail_shards: usize,
    /// Bytes of segments and indexes on disk; the log is not among them.
    pub disk_bytes: u64,
    /// Bytes of segments.
    pub segment_bytes: u64,
    /// Bytes of records in segments before compression.
    pub raw_bytes: u64,
    /// `raw_bytes` to `segment_bytes`.
    pub compression_ratio: f64,
    /// Bytes of indexes of words.
    pub words_bytes: u64,
    /// Bytes of indexes of metadata and keys.
    pub filters_bytes: u64,
    /// The vector spaces.
    pub spaces: Vec<SpaceStats>,
    /// Estimated share of `disk_bytes` that is alive.
    pub live_bytes: u64,
    /// What compacting would return.
    pub dead_bytes: u64,
}

/// What a vector space holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SpaceStats {
    /// Its name.
    pub name: String,
    /// Dimensions.
    pub dimension: usize,
    /// `cosine`, `dot` or `l2`.
    pub metric: &'static str,
    /// Vectors, those of deleted records included.
    pub vectors: u64,
    /// Bytes of codes, links and originals.
    pub bytes: u64,
    /// Bytes of links.
    pub graph_bytes: u64,
    /// Bytes of the vectors in 32-bit floating point to `bytes`.
    pub quantization_ratio: f64,
}

/// Memory of an artifact in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Heap of indexes of the tail.
    pub tail_bytes: u64,
    /// Decoded blocks that are kept.
    pub block_cache_bytes: u64,
    /// Rankings that are kept.
    pub result_cache_bytes: u64,
    /// Files that are mapped: the operating system keeps what is used of them in memory, for all processes together.
    pub mapped_bytes: u64,
    /// Searches so far.
    pub searches: u64,
    /// Searches whose ranking was kept from before.
    pub searches_from_cache: u64,
    /// Blocks that were found decoded.
    pub block_cache_hits: u64,
    /// Blocks that had to be decoded.
    pub block_cache_misses: u64,
    /// Nodes of graphs that searches looked at.
    pub hops: u64,
    /// Distances that searches computed.
    pub distances: u64,
}

#[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
fn ratio(of: u64, to: u64) -> f64 {
    if to == 0 { 0.0 } else { of as f64 / to as f64 }
}

impl CompactArtifact {
    /// What the artifact holds: read from tables, nothing is decoded.
    pub fn stats(&self) -> Stats {
        of(&self.inner.state())
    }

    /// Memory that the artifact takes, and what its searches did so far.
    pub fn memory_stats(&self) -> MemoryStats {
        let state = self.inner.state();
        let blocks = self.inner.store.cache_stats();
        let counters = &self.inner.shared.counters;
        MemoryStats {
            tail_bytes: state.tail().map(|view| view.shard.byte_len).sum(),
            block_cache_bytes: blocks.bytes,
            result_cache_bytes: self.inner.shared.ranking_bytes(),
            mapped_bytes: disk_bytes(&state),
            searches: counters.searches.load(Ordering::Relaxed),
            searches_from_cache: counters.rankings_from_cache.load(Ordering::Relaxed),
            block_cache_hits: blocks.hits,
            block_cache_misses: blocks.misses,
            hops: counters.hops.load(Ordering::Relaxed),
            distances: counters.distances.load(Ordering::Relaxed),
        }
    }
}

fn of(state: &State) -> Stats {
    let segments = state.records.segments();
    let segment_bytes: u64 = segments.iter().map(|segment| segment.len).sum();
    let raw_bytes = segments.iter().map(|segment| segment.raw_len).sum();
    let stored: u64 = segments.iter().map(|segment| segment.records).sum();
    let sealed = || state.views.iter().filter(|view| view.shard.is_sealed());
    let deleted = state.records.deleted_ids().count() as u64;
    let disk_bytes = disk_bytes(state);
    let dead_rows: u64 = sealed().map(|view| view.dead.len()).sum();
    let rows: u64 = sealed().map(|view| u64::from(view.shard.rows)).sum();
    let part = |bytes: u64, dead: u64, of: u64| {
        if of == 0 {
            0
        } else {
            u64::try_from(u128::from(bytes) * u128::from(dead.min(of)) / u128::from(of)).unwrap_or(bytes)
        }
    };
    let dead_bytes = part(segment_bytes, deleted, stored) + part(disk_bytes - segment_bytes, dead_rows, rows);
    let spaces = state.settings.spaces.iter().enumerate().map(|(number, space)| {
        let vectors: Vec<_> = state.views.iter().filter_map(|view| view.shard.vectors(number)).collect();
        let originals =
            |v: &&crate::shard::Vectors| v.originals.as_ref().map_or(0, |section| section.as_ref().len());
        let count: u64 = vectors.iter().map(|v| v.index.len() as u64).sum();
        let bytes: u64 = vectors.iter().map(|v| (v.index.byte_len() + originals(v)) as u64).sum();
        SpaceStats {
            name: space.name().to_owned(),
            dimension: space.dimension(),
            metric: metric_name(space.metric()),
            vectors: count,
            bytes,
            graph_bytes: vectors.iter().map(|v| v.index.graph_byte_len() as u64).sum(),
            quantization_ratio: ratio(count * 4 * space.dimension() as u64, bytes),
        }
    });
    Stats {
        records: state.len(),
        tail_records: state.tail().map(crate::state::View::live).sum(),
        deleted,
        commit: state.records.seq().0,
        segments: segments.len(),
        shards: sealed().count(),
        tail_shards: state.tail().count(),
        disk_bytes,
        segment_bytes,
        raw_bytes,
        compression_ratio: ratio(raw_bytes, segment_bytes),
        words_bytes: state.views.iter().map(|view| view.shard.words.len_bytes() as u64).sum(),
        filters_bytes: state.views.iter().map(|view| view.shard.filters.len_bytes() as u64).sum(),
        spaces: spaces.collect(),
        live_bytes: disk_bytes.saturating_sub(dead_bytes),
        dead_bytes,
    }
}
