//! Who holds the memory of an artifact, and what holds more or longer than it should.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::artifact::CompactArtifact;
use crate::pins::PinnedState;
use crate::state::{State, View};

/// Says who holds the memory of an artifact, and finds what holds more or longer than it should.
///
/// ```
/// use std::time::Duration;
/// use compact_artifact::{CompactArtifact, MemoryAnalyzer, Record};
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let forgotten = artifact.snapshot();
/// artifact.add(Record::text("a cat"))?;
///
/// let analyzer = MemoryAnalyzer::new(&artifact).max_age(Duration::ZERO);
/// for holder in analyzer.report().holders {
///     println!("{holder}");
/// }
/// let leaks = analyzer.detect_leaks();
/// assert!(leaks[0].to_string().starts_with("a snapshot of commit"), "with its age, and the line that took it");
/// drop(forgotten);
/// assert!(analyzer.detect_leaks().is_empty());
///
/// let released = analyzer.release_memory();
/// assert!(released.bytes_after <= released.bytes_before);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct MemoryAnalyzer<'a> {
    artifact: &'a CompactArtifact,
    max_age: Duration,
    budget: Option<u64>,
}

/// What holds memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HolderKind {
    /// Indexes of records that are not sealed yet.
    TailIndexes,
    /// Sealed indexes that were read into memory, because they could not be mapped or were not to be.
    UnmappedIndexes,
    /// What finds blocks of records, and the numbers of deleted records.
    Tables,
    /// Decoded blocks of records.
    BlockCache,
    /// Rankings of queries, and rows that filters let through.
    ResultCache,
    /// Embeddings of texts.
    EmbeddingCache,
    /// Columns of fields that were sorted by or counted.
    Columns,
    /// Buffers that blocks are compressed into.
    WriteBuffers,
    /// Room that searches work in, and keep for the next ones.
    SearchRoom,
    /// Records in batch writers that are not committed yet.
    BatchWriters,
    /// Indexes that only snapshots of earlier commits hold.
    Snapshots,
}

/// Something that holds memory, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// What it is.
    pub kind: HolderKind,
    /// Bytes of heap.
    pub bytes: u64,
}

/// Who holds memory: see [`MemoryAnalyzer::report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryReport {
    /// All that hold any, the largest first.
    pub holders: Vec<Holder>,
    /// Their sum: heap of the artifact.
    pub heap_bytes: u64,
    /// Length of the files that are mapped, which is no heap.
    pub mapped_bytes: u64,
    /// Length of files that were replaced, and whose space is not returned to the disk because something in this process holds them.
    pub kept_file_bytes: u64,
}

/// What holds more, or longer, than it should: see [`MemoryAnalyzer::detect_leaks`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Leak {
    /// A snapshot, its clones, or an iterator over records that is as old as that.
    PinnedSnapshot {
        /// The commit that it is of.
        commit: u64,
        /// How long it has been held.
        age: Duration,
        /// Where it was taken: file, line and column.
        place: String,
        /// Heap that nothing else holds but such snapshots.
        bytes: u64,
    },
    /// The caches, columns included, take more than they may together.
    CachesOverBudget {
        /// Bytes that they take.
        bytes: u64,
        /// Bytes that they may take.
        budget: u64,
    },
    /// Records that were added to a batch writer, and not committed for long.
    UnflushedRecords {
        /// How many.
        records: u64,
        /// Their bytes, with those that are being committed.
        bytes: u64,
        /// How long the oldest one has waited.
        age: Duration,
    },
    /// Files that were replaced and that snapshots, records or iterators hold.
    KeptFiles {
        /// How many.
        files: usize,
        /// Their length.
        bytes: u64,
    },
}

/// What was let go of: see [`MemoryAnalyzer::release_memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReleasedMemory {
    /// Heap of the artifact before.
    pub bytes_before: u64,
    /// Heap of the artifact now.
    pub bytes_after: u64,
}

impl<'a> MemoryAnalyzer<'a> {
    /// An analyzer of an open artifact. Nothing happens until it is asked.
    pub fn new(artifact: &'a CompactArtifact) -> Self {
        Self { artifact, max_age: Duration::from_mins(1), budget: None }
    }

    /// How long a snapshot may be held, and a record wait in a batch writer, before it counts as a leak. Default: a minute.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Bytes that all caches may take together, columns of fields included, before that counts as a leak. Default: none.
    pub fn cache_budget(mut self, bytes: u64) -> Self {
        self.budget = Some(bytes);
        self
    }

    /// Who holds how much.
    pub fn report(&self) -> MemoryReport {
        let engine = &self.artifact.engine;
        let (memory, state) = (engine.memory_stats(), engine.state());
        let resources = &engine.resources;
        let tables = |bytes: u64, table: u64| bytes.saturating_add(table);
        let held = [
            (HolderKind::TailIndexes, memory.tail_bytes),
            (HolderKind::UnmappedIndexes, memory.unmapped_bytes),
            (HolderKind::Tables, memory.tables_bytes),
            (HolderKind::BlockCache, tables(memory.block_cache_bytes, engine.store.cache_table_bytes())),
            (HolderKind::ResultCache, tables(memory.result_cache_bytes, resources.result_table_bytes())),
            (
                HolderKind::EmbeddingCache,
                tables(memory.embedding_cache_bytes, resources.meaning.cache_table_bytes()),
            ),
            (HolderKind::Columns, memory.column_bytes),
            (HolderKind::WriteBuffers, engine.store.buffer_bytes()),
            (HolderKind::SearchRoom, resources.scratch_bytes()),
            (HolderKind::BatchWriters, engine.pending.all().iter().map(|pending| pending.bytes).sum()),
            (HolderKind::Snapshots, held_by_snapshots(&resources.pins.held(), &state)),
        ];
        let mut holders: Vec<Holder> = held
            .into_iter()
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(kind, bytes)| Holder { kind, bytes })
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.bytes));
        MemoryReport {
            heap_bytes: holders.iter().map(|holder| holder.bytes).sum(),
            holders,
            mapped_bytes: memory.mapped_bytes,
            kept_file_bytes: engine.store.kept_files().iter().map(|kept| kept.len).sum(),
        }
    }

    /// What holds more or longer than it should: snapshots and unflushed records by their age, caches over their budget, files that were replaced
    /// and are still held.
    pub fn detect_leaks(&self) -> Vec<Leak> {
        let engine = &self.artifact.engine;
        let newest = engine.state();
        let mut leaks = Vec::new();
        for pinned in engine.resources.pins.held() {
            let (age, Some(state)) = (pinned.since.elapsed(), pinned.state.upgrade()) else { continue };
            if age >= self.max_age {
                let (commit, place) = (state.records.seq().0, pinned.place.to_string());
                drop(state);
                let bytes = held_by_snapshots(std::slice::from_ref(&pinned), &newest);
                leaks.push(Leak::PinnedSnapshot { commit, age, place, bytes });
            }
        }
        let memory = engine.memory_stats();
        let caches = memory.block_cache_bytes
            + memory.result_cache_bytes
            + memory.embedding_cache_bytes
            + memory.column_bytes;
        if let Some(budget) = self.budget.filter(|&budget| caches > budget) {
            leaks.push(Leak::CachesOverBudget { bytes: caches, budget });
        }
        for pending in engine.pending.all() {
            let age = pending.since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
            if pending.records > 0 && age >= self.max_age {
                leaks.push(Leak::UnflushedRecords { records: pending.records, bytes: pending.bytes, age });
            }
        }
        let kept = engine.store.kept_files();
        if !kept.is_empty() {
            let bytes = kept.iter().map(|kept| kept.len).sum();
            leaks.push(Leak::KeptFiles { files: kept.len(), bytes });
        }
        leaks
    }

    /// Lets go of what can be had again: [`CompactArtifact::release_memory`].
    pub fn release_memory(&self) -> ReleasedMemory {
        let bytes_before = self.report().heap_bytes;
        self.artifact.release_memory();
        ReleasedMemory { bytes_before, bytes_after: self.report().heap_bytes }
    }
}

/// Heap of the shards of earlier states that the newest one does not have. Each counts once.
fn held_by_snapshots(pinned: &[PinnedState], newest: &State) -> u64 {
    let mut counted: HashSet<_> = newest.views.iter().map(|view| Arc::as_ptr(&view.shard)).collect();
    let mut bytes = 0u64;
    for state in pinned.iter().filter_map(|pinned| pinned.state.upgrade()) {
        for View { shard, .. } in &state.views {
            if counted.insert(Arc::as_ptr(shard)) {
                bytes += if shard.is_mapped() { 0 } else { shard.memory_bytes() };
                bytes += shard.column_bytes();
            }
        }
    }
    bytes
}

impl fmt::Display for HolderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TailIndexes => "indexes of records that are not sealed yet",
            Self::UnmappedIndexes => "sealed indexes in memory",
            Self::Tables => "tables of blocks and deleted records",
            Self::BlockCache => "decoded blocks",
            Self::ResultCache => "results of queries",
            Self::EmbeddingCache => "embeddings of texts",
            Self::Columns => "columns of fields",
            Self::WriteBuffers => "buffers that blocks are compressed into",
            Self::SearchRoom => "room that searches work in",
            Self::BatchWriters => "records in batch writers",
            Self::Snapshots => "indexes that only snapshots hold",
        })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.kind, self.bytes)
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PinnedSnapshot { commit, age, place, bytes } => write!(
                f,
                "a snapshot of commit {commit} has been held for {:.1} s, taken at {place}; it alone holds {bytes} bytes of heap: drop it, or take a new one for each piece of work",
                age.as_secs_f64()
            ),
            Self::CachesOverBudget { bytes, budget } => write!(
                f,
                "caches and columns take {bytes} bytes of {budget}: give the caches less, or release memory when there is nothing to search"
            ),
            Self::UnflushedRecords { records, bytes, age } => write!(
                f,
                "records that wait in a batch writer: {records} ({bytes} bytes), the oldest for {:.1} s, which would be lost with the process: flush it, or give it a flush interval",
                age.as_secs_f64()
            ),
            Self::KeptFiles { files, bytes } => write!(
                f,
                "files that were replaced: {files} ({bytes} bytes), which stay on disk as long as snapshots, records or iterators of this process hold them"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_one_stand_behind_what_they_count() {
        let waits = Leak::UnflushedRecords { records: 1, bytes: 10, age: Duration::from_secs(2) };
        assert!(
            waits.to_string().starts_with("records that wait in a batch writer: 1 (10 bytes), "),
            "{waits}"
        );
        let kept = Leak::KeptFiles { files: 1, bytes: 10 };
        assert!(kept.to_string().starts_with("files that were replaced: 1 (10 bytes), "), "{kept}");
    }
}
