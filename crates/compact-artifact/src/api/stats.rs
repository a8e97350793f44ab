//! What an artifact holds, on disk and in memory.

use serde::Serialize;

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
    /// The newest error of sealing that happened by itself, unless it succeeded since. Nothing is lost by it; what was added stays in the log.
    pub maintenance_error: Option<String>,
    /// `disk_bytes` without `dead_bytes` and `other_bytes`.
    pub live_bytes: u64,
    /// Bytes of deleted and replaced records, in files of records and in indexes; of long files, estimated from a sample of their
    /// blocks. Metadata and embeddings that later ones took the place of count when the log that has them is sealed. [`compact`](crate::CompactArtifact::compact) returns them where they are enough of a file to be worth it.
    pub dead_bytes: u64,
    /// Bytes of files of the artifact that are no part of this state: what a crash left, which the next who opens it for writing removes; what is being written, or was committed since, by
    /// a writer at work; and what was not removed yet of earlier states. 0 where the directory cannot be read.
    pub other_bytes: u64,
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
    pub metric: String,
    /// Vectors, those of deleted records included.
    pub vectors: u64,
    /// Bytes of codes, links and originals, sealed or in memory.
    pub bytes: u64,
    /// Bytes of links.
    pub graph_bytes: u64,
    /// Bytes that say which records are near each other: see [`Options::precompute_similar`](crate::Options::precompute_similar).
    pub similar_bytes: u64,
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
    /// Heap of what finds blocks of records in logs and in files that are not mapped, of the numbers of deleted records, and of stems of words that are
    /// remembered.
    pub tables_bytes: u64,
    /// Decoded blocks that are kept.
    pub block_cache_bytes: u64,
    /// Rankings of queries, and rows that filters let through, that are kept.
    pub result_cache_bytes: u64,
    /// Embeddings of texts that are kept.
    pub embedding_cache_bytes: u64,
    /// Columns of fields that were sorted by or counted, of each index those that were asked for last, 16 MiB of them, or 8 that take more, and 256 at most: 4 bytes a record, and 8 for each different number or date.
    pub column_bytes: u64,
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
