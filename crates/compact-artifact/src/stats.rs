//! What an artifact holds, on disk and in memory.

use serde::Serialize;
use std::sync::atomic::Ordering;

use crate::artifact::CompactArtifact;
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
    /// Bytes of all files: of a packed artifact, its length.
    pub disk_bytes: u64,
    /// Bytes of segments.
    pub segment_bytes: u64,
    /// Bytes of logs: records that are not sealed yet.
    pub log_bytes: u64,
    /// Bytes of files with sealed indexes, settings and lists of deleted records.
    pub index_bytes: u64,
    /// Bytes of records in segments before compression.
    pub raw_bytes: u64,
    /// `raw_bytes` to `segment_bytes`.
    pub compression_ratio: f64,
    /// Bytes of indexes of words, sealed or in memory.
    pub words_bytes: u64,
    /// Bytes of indexes of metadata and keys, sealed or in memory.
    pub filters_bytes: u64,
    /// The vector spaces.
    pub spaces: Vec<SpaceStats>,
    /// `disk_bytes` without `dead_bytes`.
    pub live_bytes: u64,
    /// Bytes of deleted and replaced records, in files of records and in indexes; of long files, estimated from a sample of their
    /// blocks. [`compact`](CompactArtifact::compact) returns them where they are enough of a file to be worth it.
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
    /// Bytes of codes, links and originals, sealed or in memory.
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
    /// Heap of sealed indexes that were read into memory, because they could not be mapped or were not to be.
    pub unmapped_bytes: u64,
    /// Heap of what finds blocks of records in logs and in files that are not mapped, and of the numbers of deleted records.
    pub tables_bytes: u64,
    /// Decoded blocks that are kept.
    pub block_cache_bytes: u64,
    /// Rankings that are kept.
    pub result_cache_bytes: u64,
    /// Length of the files that are mapped: the operating system keeps what is used of them in memory, for all processes together.
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
    /// What the artifact holds: read from tables. Of files with deleted records beside others some blocks are decoded.
    pub fn stats(&self) -> Stats {
        let mut stats = of(&self.inner.state());
        if let Some(pack) = self.inner.store.as_pack() {
            stats.disk_bytes = pack.pack_len();
            stats.live_bytes = stats.disk_bytes.saturating_sub(stats.dead_bytes);
        }
        stats
    }

    /// Memory that the artifact takes, and what its searches did so far.
    pub fn memory_stats(&self) -> MemoryStats {
        let state = self.inner.state();
        let blocks = self.inner.store.cache_stats();
        let counters = &self.inner.shared.counters;
        let dead_rows = state.views.iter().map(|view| view.dead.heap_bytes());
        let unmapped = state.views.iter().filter(|view| view.shard.is_sealed() && !view.shard.is_mapped());
        MemoryStats {
            tail_bytes: state.tail().map(|view| view.shard.byte_len).sum(),
            unmapped_bytes: unmapped.map(|view| view.shard.byte_len).sum(),
            tables_bytes: state.records.heap_bytes() + dead_rows.sum::<u64>(),
            block_cache_bytes: blocks.bytes,
            result_cache_bytes: self.inner.shared.ranking_bytes(),
            mapped_bytes: match self.inner.store.as_pack() {
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

fn of(state: &State) -> Stats {
    let segments = state.records.segments();
    let usage = state.records.disk_usage();
    let raw_bytes = segments.iter().fold(0u64, |sum, segment| sum.saturating_add(segment.raw_len));
    let sealed = || state.views.iter().filter(|view| view.shard.is_sealed());
    let dead_bytes = dead_bytes(state);
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
        deleted: state.records.deleted_ids().count() as u64,
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
        live_bytes: usage.total().saturating_sub(dead_bytes),
        dead_bytes,
    }
}

/// Bytes of deleted records, and the share of dead rows of each sealed index.
fn dead_bytes(state: &State) -> u64 {
    let files = state.records.segment_usage().into_iter().chain(state.records.log_usage());
    let records = files.fold(0u64, |sum, usage| sum.saturating_add(usage.dead_len));
    let of_shard = |view: &crate::state::View| {
        let rows = u128::from(view.shard.rows.max(1));
        let dead = u128::from(view.shard.byte_len) * u128::from(view.dead.len()).min(rows) / rows;
        u64::try_from(dead).unwrap_or(view.shard.byte_len)
    };
    state.views.iter().filter(|view| view.shard.is_sealed()).map(of_shard).fold(records, u64::saturating_add)
}
