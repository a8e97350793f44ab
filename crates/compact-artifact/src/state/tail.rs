//! The tail: shards in memory, few of them, however small the commits.

use std::sync::Arc;

use roaring::RoaringTreemap;
use vector_index::AlignedBytes;

use super::view::View;
use crate::api::error::Result;
use crate::format::settings::Settings;
use crate::shard::{Shard, Source, merge};

/// So many shards of about one size become one.
const FAN_IN: usize = 4;
/// Shards of more rows together are left alone until they are sealed: a commit is not to wait for long.
const MAX_ROWS: u64 = 16 << 10;

/// So is one of more bytes: what merging takes beside the shards is a few times this, however long the texts are.
const MAX_BYTES: u64 = 8 << 20;

/// The power of four that a number of rows is at least.
fn class(view: &View) -> u32 {
    u64::from(view.shard.rows.max(1)).ilog2() / 2
}

/// Merges the newest shards while there are [`FAN_IN`] of one size: so each record is merged a logarithmic number of times, and a search
/// visits a logarithmic number of shards. Those that begin below the id `settled` stay as they are: they are being sealed.
pub(crate) fn compact(settings: &Settings, views: &mut Vec<View>, settled: u64) -> Result<()> {
    loop {
        let Some(last) = views.last() else { return Ok(()) };
        let size = class(last);
        let is_free = |view: &View| {
            let shard = &view.shard;
            !shard.is_sealed() && shard.covers.start >= settled && shard.byte_len <= MAX_BYTES
        };
        let mut rows = 0;
        let is_alike = |view: &&View| {
            rows += u64::from(view.shard.rows);
            is_free(view) && class(view) <= size && rows <= MAX_ROWS
        };
        let count = views.iter().rev().take_while(is_alike).count();
        if count < FAN_IN {
            return Ok(());
        }
        let merged = merged(settings, &views[views.len() - count..])?;
        views.truncate(views.len() - count);
        views.push(merged);
    }
}

/// One shard in memory of several that are neighbours, without their dead rows.
fn merged(settings: &Settings, views: &[View]) -> Result<View> {
    let sources: Vec<Source> =
        views.iter().map(|view| Source::new(&view.shard, view.dead.to_bitmap())).collect();
    let (bytes, _) = merge(settings, covered(views), &sources, AlignedBytes::default())?;
    let reindexed = views.iter().fold(RoaringTreemap::new(), |all, view| all | &view.shard.reindexed);
    Ok(View::new(Arc::new(Shard::open_memory(bytes, superseded(views), reindexed, settings)?)))
}

/// The ids that neighbours cover together.
pub(crate) fn covered(views: &[View]) -> std::ops::Range<u64> {
    let start = views.iter().map(|view| view.shard.covers.start).min().unwrap_or(0);
    start..views.iter().map(|view| view.shard.covers.end).max().unwrap_or(start)
}

/// Ids of the records of the store that are deleted when these shards are sealed: see [`Shard::superseded`].
pub(crate) fn superseded(views: &[View]) -> RoaringTreemap {
    views.iter().fold(RoaringTreemap::new(), |all, view| all | &view.shard.superseded)
}
