//! A shard of a state, and which of its rows are dead.

use std::sync::Arc;

use block_format::{RecordId, Snapshot as Records};
use lexical_index::RowSet;
use roaring::{RoaringBitmap, RoaringTreemap};

use super::dead::Dead;
use crate::api::error::Result;
use crate::format::parts::NEIGHBOURS;
use crate::protocol::{Step, Steps};
use crate::shard::{Neighbours, Shard};

/// A shard, and which of its rows are no longer there.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) shard: Arc<Shard>,
    /// Rows that readers do not see, for whatever reason.
    pub(crate) dead: Arc<Dead>,
    /// Of a sealed shard: the rows that are known to be dead on disk. A subset of `dead`.
    pub(crate) tombstones: Arc<RoaringBitmap>,
    /// Of a sealed shard: what is stored of which rows are near each other.
    pub(crate) neighbours: Option<Arc<Neighbours>>,
}

impl View {
    pub(crate) fn new(shard: Arc<Shard>) -> Self {
        Self { shard, dead: Arc::default(), tombstones: Arc::default(), neighbours: None }
    }

    /// Opens the neighbours that are stored of its rows, unless it has them.
    pub(crate) fn open_neighbours(&mut self, records: &Records, steps: Steps) -> Result<()> {
        if !cfg!(feature = "similar") {
            return Ok(());
        }
        let number = self.shard.number;
        let mut parts = records.parts().iter();
        let part = parts.find(|part| part.kind() == NEIGHBOURS && part.tag() == number);
        let before = self.neighbours.take();
        let Some(part) = part else { return Ok(()) };
        self.neighbours = Some(match before.filter(|before| before.part == part.id()) {
            Some(same) => same,
            None => Arc::new(Neighbours::open(part, self.shard.rows, steps)?),
        });
        Ok(())
    }

    pub(crate) fn live(&self) -> u64 {
        u64::from(self.shard.rows).saturating_sub(self.dead.len())
    }

    /// Bytes of the index of which so many rows take an equal share.
    pub(crate) fn len_of_rows(&self, count: u64) -> u64 {
        let rows = u128::from(self.shard.rows.max(1));
        let len = u128::from(self.shard.byte_len) * u128::from(count).min(rows) / rows;
        u64::try_from(len).unwrap_or(self.shard.byte_len)
    }

    /// The rows that are still there.
    pub(crate) fn live_rows(&self) -> RowSet {
        let mut rows = RowSet::all_below(self.shard.rows);
        rows -= self.dead.rows();
        rows
    }

    /// Marks the rows of some records as dead.
    pub(crate) fn mark_dead(&mut self, ids: &RoaringTreemap) {
        let table = self.shard.ids();
        let rows = ids.iter().filter_map(|id| table.row_of(RecordId(id)));
        let rows: Vec<u32> = rows.filter(|row| !self.dead.contains(*row)).collect();
        if !rows.is_empty() {
            self.dead = Arc::new(Dead::with(&self.dead, rows));
        }
    }

    /// The rows of a sealed shard that a shard on disk in its place may leave out: those with tombstones, and those of `deleted`, which are
    /// ids whose deletes are durable. Rows that only the tail has taken the place of are not among them: the tail is in memory, and to
    /// recover it from the log takes what the older row says.
    pub(crate) fn droppable(&self, deleted: &Deleted, steps: Steps) -> RoaringBitmap {
        if !steps.take(Step::KeepForTheTail) {
            return self.dead.to_bitmap();
        }
        self.dead_for_good(deleted)
    }

    /// The rows with tombstones, and those of `deleted`.
    pub(crate) fn dead_for_good(&self, deleted: &Deleted) -> RoaringBitmap {
        let table = self.shard.ids();
        let mut rows = (*self.tombstones).clone();
        rows.remove_range(self.shard.rows..);
        match deleted {
            Deleted::Ids(ids) => rows.extend(ids.iter().filter_map(|&id| table.row_of(id))),
            Deleted::In(records) => {
                let is_deleted = |row: &u32| table.id_of(*row).is_some_and(|id| records.is_deleted(id));
                rows.extend((0..self.shard.rows).filter(is_deleted));
            }
        }
        rows
    }
}

/// The ids of deleted records.
pub(crate) enum Deleted {
    Ids(Vec<RecordId>),
    /// More than there are rows: a set of a few bytes may name billions, of which none was ever there.
    In(Records),
}

impl Deleted {
    /// Those of a store whose shards have so many rows.
    pub(crate) fn among(records: &Records, rows: u64) -> Self {
        let is_few = records.deleted_len() <= rows;
        if is_few { Self::Ids(records.deleted_ids().collect()) } else { Self::In(records.clone()) }
    }
}

/// Puts sealed shards in the order of the ids that they cover, so that neighbours can be merged, and the tail behind them as it is. Pieces of one shard, all of which begin where that
/// did, are in the order of their first rows, also where some of them became one again.
pub(crate) fn sort_views(views: &mut [View]) {
    views.sort_by_cached_key(|view| {
        let shard = &view.shard;
        let first = shard.is_sealed().then(|| (shard.covers.start, shard.ids().id_of(0), shard.number));
        (first.is_none(), first)
    });
}
