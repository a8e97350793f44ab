//! `cart stats`: what is in an artifact, and what it takes.

use compact_artifact::{MemoryStats, Stats};
use serde_json::json;

use super::At;
use crate::failure::Result;
use crate::output::{Output, bytes, count, several};

/// Show what is in an artifact, and what it takes on disk and in memory
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let artifact = args.at.read()?;
    let (stats, memory) = (artifact.stats(), artifact.memory_stats());
    if output.is_json() {
        return output.json(&json!({ "stats": stats, "memory": memory, "recovery": artifact.recovery() }));
    }
    print(&stats, &memory, output)
}

/// A line for each component.
pub(crate) fn print(stats: &Stats, memory: &MemoryStats, output: &mut Output) -> Result<()> {
    let mut row = |name: &str, value: String| output.line(format_args!("{name:<10} {value}"));
    let tail = match stats.tail_records {
        0 => String::new(),
        n => format!(", {} of them in the tail, not sealed yet", count(n)),
    };
    row("records", format!("{}{tail}", count(stats.records)))?;
    row("disk", format!("{}, {} of it alive", bytes(stats.disk_bytes), bytes(stats.live_bytes)))?;
    if stats.other_bytes > 0 {
        row("  other", format!("{} left by a crash, or of a writer at work", bytes(stats.other_bytes)))?;
    }
    row(
        "  records",
        format!(
            "{} in {}, {} before compression ({:.1} : 1)",
            bytes(stats.segment_bytes),
            several(stats.segments as u64, "segment"),
            bytes(stats.raw_bytes),
            stats.compression_ratio
        ),
    )?;
    row("  log", bytes(stats.log_bytes))?;
    row(
        "  words",
        format!(
            "{} in {}",
            bytes(stats.words_bytes),
            several((stats.shards + stats.tail_shards) as u64, "index")
        ),
    )?;
    row("  metadata", bytes(stats.filters_bytes))?;
    for space in &stats.spaces {
        let (name, metric) = (crate::output::shortened(&space.name, 40), &space.metric);
        let dimensions = several(space.dimension as u64, "dimension");
        let (vectors, len, links) = (count(space.vectors), bytes(space.bytes), bytes(space.graph_bytes));
        row(
            "  vectors",
            format!("{len} for {vectors} in {name:?} ({dimensions}, {metric}), {links} of it links"),
        )?;
    }
    if stats.deleted > 0 {
        row(
            "deleted",
            format!(
                "{}, {}; `cart compact` gives back what is worth it",
                several(stats.deleted, "record"),
                bytes(stats.dead_bytes)
            ),
        )?;
    }
    let indexes = memory.tail_bytes + memory.unmapped_bytes + memory.tables_bytes;
    let heap = indexes + memory.block_cache_bytes + memory.result_cache_bytes;
    row("heap", format!("{} of indexes and caches, {} mapped", bytes(heap), bytes(memory.mapped_bytes)))
}
