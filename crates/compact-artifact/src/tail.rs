//! The tail: shards in memory, few of them, however small the commits.

use std::sync::Arc;

use roaring::RoaringTreemap;
use vector_index::IndexBytes;

use crate::error::Result;
use crate::settings::Settings;
use crate::shard::{Shard, Source, merge};
use crate::state::View;

/// So many shards of about one size become one.
const FAN_IN: usize = 4;
/// A shard of more rows is left alone until it is sealed: a commit is not to wait for long.
const MAX_ROWS: u64 = 16 << 10;

/// The power of four that a number of rows is at least.
fn class(view: &View) -> u32 {
    u64::from(view.shard.rows.max(1)).ilog2() / 2
}

/// Merges the newest shards while there are [`FAN_IN`] of one size: so each record is merged a logarithmic number of times, and a search
/// visits a logarithmic number of shards. Those that cover ids below `from` stay as they are.
pub(crate) fn compact(settings: &Settings, views: &mut Vec<View>, from: u64) -> Result<()> {
    loop {
        let Some(last) = views.last() else { return Ok(()) };
        let size = class(last);
        let is_free = |view: &View| !view.shard.is_sealed() && view.shard.covers.start >= from;
        let alike = views.iter().rev().take_while(|view| is_free(view) && class(view) <= size);
        let (count, rows) =
            alike.fold((0, 0), |(count, rows), view| (count + 1, rows + u64::from(view.shard.rows)));
        if count < FAN_IN || rows > MAX_ROWS {
            return Ok(());
        }
        let merged = merged(settings, &views[views.len() - count..])?;
        views.truncate(views.len() - count);
        views.push(merged);
    }
}

/// One shard in memory of several that are neighbours.
fn merged(settings: &Settings, views: &[View]) -> Result<View> {
    let (sources, covers) = (sources(views), covered(views));
    let (bytes, _) = merge(settings, covers, &sources, false, IndexBytes::default())?;
    let shard = Arc::new(Shard::open_memory(bytes, carriers(views), settings)?);
    Ok(View { shard, dead: Arc::default() })
}

/// What a merge reads: each shard without its dead rows.
pub(crate) fn sources(views: &[View]) -> Vec<Source> {
    views
        .iter()
        .map(|view| Source { shard: view.shard.clone(), without: view.dead.bitmap().clone() })
        .collect()
}

/// The ids that neighbours cover together.
pub(crate) fn covered(views: &[View]) -> std::ops::Range<u64> {
    let start = views.first().map_or(0, |view| view.shard.covers.start);
    start..views.last().map_or(start, |view| view.shard.covers.end)
}

/// The records of embeddings that they hold the content of.
pub(crate) fn carriers(views: &[View]) -> RoaringTreemap {
    views.iter().fold(RoaringTreemap::new(), |all, view| all | &view.shard.carriers)
}
