//! What readers see: one commit, and the shards that find its records.
//!
//! # Which rows are alive
//!
//! A record is found by exactly one row of one shard. The other rows that it may have are dead, for one of these reasons, each of which is
//! written down somewhere instead of being guessed from the order of shards:
//!
//! - its record was deleted: the store has its id among the deleted ones;
//! - a shard of the tail indexed it again, because an embedding came late: the shard lists it in [`Shard::reindexed`];
//! - either of these, and the edit that made it final wrote the row into the tombstones of its sealed shard.
//!
//! Only tombstones and durable deletes allow a row to be dropped from the disk; see [`View::droppable`]. The tail may still be lost.

use std::sync::Arc;

use block_format::{RecordId, Snapshot as Records};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde_json::{Map, Value};

use crate::embeddings::Embedding;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{Filter, Types};
use crate::protocol::{Step, Steps};
use crate::record::Entry;
use crate::settings::{Settings, Space};
use crate::shard::{Dead, Shard, Vectors};
use crate::tail;

/// A shard, and which of its rows are no longer there.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) shard: Arc<Shard>,
    /// Rows that readers do not see, for whatever reason.
    pub(crate) dead: Arc<Dead>,
    /// Of a sealed shard: the rows that are known to be dead on disk. A subset of `dead`.
    pub(crate) tombstones: Arc<RoaringBitmap>,
}

impl View {
    pub(crate) fn new(shard: Arc<Shard>) -> Self {
        Self { shard, dead: Arc::default(), tombstones: Arc::default() }
    }

    pub(crate) fn live(&self) -> u64 {
        u64::from(self.shard.rows).saturating_sub(self.dead.len())
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
    pub(crate) fn droppable(&self, deleted: &[RecordId], steps: Steps) -> RoaringBitmap {
        if !steps.take(Step::KeepForTheTail) {
            return self.dead.bitmap().clone();
        }
        self.dead_for_good(deleted)
    }

    /// The rows with tombstones, and those of `deleted`.
    pub(crate) fn dead_for_good(&self, deleted: &[RecordId]) -> RoaringBitmap {
        let table = self.shard.ids();
        let mut rows = (*self.tombstones).clone();
        rows.extend(deleted.iter().filter_map(|&id| table.row_of(id)));
        rows
    }
}

/// One commit. Immutable.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) records: Records,
    pub(crate) settings: Arc<Settings>,
    /// Sealed shards, then those of the tail in the order in which they came.
    pub(crate) views: Vec<View>,
    /// Different for every state that this process has had.
    pub(crate) version: u64,
    pub(crate) steps: Steps,
}

impl State {
    /// Adds a shard to the tail: records that it has indexed again are dead in all others from now on. `settled` as in [`tail::compact`].
    /// That a merge of the tail fails is no reason to do without the shard: the tail then has more shards than it would.
    pub(crate) fn push_tail(&mut self, view: View, settled: u64) {
        if self.steps.take(Step::MarkBeforeMerging) {
            self.mark_dead(&view.shard.reindexed);
        }
        self.views.push(view);
        drop(tail::compact(&self.settings, &mut self.views, settled));
    }

    /// Marks the rows of records as dead, in every shard that has any.
    pub(crate) fn mark_dead(&mut self, ids: &RoaringTreemap) {
        if !ids.is_empty() {
            for view in &mut self.views {
                view.mark_dead(ids);
            }
        }
    }

    /// Works out anew which rows are dead: those with tombstones, of deleted records, and of records that the tail indexed again.
    pub(crate) fn mark_all_dead(&mut self) {
        let deleted: Vec<RecordId> = self.records.deleted_ids().collect();
        for view in &mut self.views {
            let mut rows = view.dead_for_good(&deleted);
            rows.remove_range(view.shard.rows..);
            view.dead = Arc::new(Dead::new(rows));
        }
        for at in 0..self.views.len() {
            let (older, rest) = self.views.split_at_mut(at);
            let reindexed = &rest[0].shard.reindexed;
            if !reindexed.is_empty() {
                for view in older {
                    view.mark_dead(reindexed);
                }
            }
        }
    }

    /// Where a record is, unless it was deleted.
    pub(crate) fn locate(&self, id: RecordId) -> Option<(&View, u32)> {
        let row = |view: &View| view.shard.row_of(id).filter(|row| !view.dead.contains(*row));
        self.views.iter().rev().find_map(|view| Some((view, row(view)?)))
    }

    /// The id that the index of keys leads to, and the number of its shard.
    fn indexed_key(&self, key: &str) -> Result<Option<(RecordId, u64)>> {
        for view in self.views.iter().rev() {
            let is_live = |row| !view.dead.contains(row);
            let Some(row) = view.shard.filters.row_of_key(key, is_live)? else { continue };
            let number = view.shard.number;
            let id = view.shard.ids().id_of(row).ok_or_else(|| misled(number, key))?;
            return Ok(Some((id, number)));
        }
        Ok(None)
    }

    /// The record with a key. What the index says is compared with the record itself.
    pub(crate) fn entry_of_key(&self, key: &str) -> Result<Option<Entry>> {
        let Some((id, number)) = self.indexed_key(key)? else { return Ok(None) };
        match self.records.get(id)?.map(Entry::new).transpose()? {
            Some(entry) if entry.key()?.as_deref() == Some(key) => Ok(Some(entry)),
            _ => Err(misled(number, key)),
        }
    }

    /// The id of the record with a key. Where damage makes it impossible to compare the record, the index is believed, so that what is
    /// damaged can be deleted or replaced.
    pub(crate) fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        let Some((id, number)) = self.indexed_key(key)? else { return Ok(None) };
        let stored = self.records.get(id).map_err(Error::from).and_then(|record| match record {
            Some(record) => Entry::new(record)?.key(),
            None => Ok(None),
        });
        match stored {
            Ok(Some(stored)) if stored == key => Ok(Some(id)),
            Ok(_) => Err(misled(number, key)),
            Err(e) if e.kind() == ErrorKind::Damaged => Ok(Some(id)),
            Err(e) => Err(e),
        }
    }

    /// The rows of each shard that a filter lets through and that are still there.
    pub(crate) fn matches(&self, filter: &Filter) -> Result<Vec<RoaringBitmap>> {
        let filter = filter.resolve(|field| {
            let types = self.views.iter().map(|view| view.shard.filters.types(field));
            types.into_iter().try_fold(Types::default(), |all, types| Ok(all | types?))
        })?;
        let matches = |view: &View| {
            let metadata_of = |row: u32| self.metadata_of(&view.shard, row);
            let rows = view.shard.filters.evaluate(&filter, view.shard.rows, &metadata_of)?;
            Ok(rows - view.dead.bitmap())
        };
        self.views.iter().map(matches).collect()
    }

    /// The metadata of a row; none if its record is gone.
    fn metadata_of(&self, shard: &Shard, row: u32) -> Result<Map<String, Value>> {
        let record = shard.ids().id_of(row).map(|id| self.records.get(id)).transpose()?.flatten();
        record.map_or_else(|| Ok(Map::new()), |record| Entry::new(record)?.metadata())
    }

    /// The records that a filter lets through, in the order of their ids.
    pub(crate) fn ids_where(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        let mut ids = Vec::new();
        for (view, rows) in self.views.iter().zip(self.matches(filter)?) {
            let table = view.shard.ids();
            ids.extend(rows.iter().filter_map(|row| table.id_of(row)));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    pub(crate) fn entry(&self, id: RecordId) -> Result<Option<Entry>> {
        if self.locate(id).is_none() {
            return Ok(None);
        }
        self.records.get(id)?.map(Entry::new).transpose()
    }

    /// The embedding of a record in a space, as it is stored.
    pub(crate) fn embedding(&self, id: RecordId, number: usize) -> Result<Option<Embedding>> {
        let Some((view, row)) = self.locate(id) else { return Ok(None) };
        let Some(vectors) = view.shard.vectors(number) else { return Ok(None) };
        stored_embedding(vectors, row, &self.settings.spaces[number])
    }

    pub(crate) fn len(&self) -> u64 {
        self.views.iter().map(View::live).sum()
    }

    /// Bytes of the indexes of the tail, all of them heap.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.tail().map(|view| view.shard.byte_len).sum()
    }

    pub(crate) fn tail(&self) -> impl Iterator<Item = &View> {
        self.views.iter().filter(|view| !view.shard.is_sealed())
    }
}

fn misled(number: u64, key: &str) -> Error {
    Error::damaged(format!("shard {number}: its index of keys leads from {key:?} to another record"))
}

/// Puts sealed shards in the order of the ids that they cover, so that neighbours can be merged, and the tail behind them as it is.
pub(crate) fn sort_views(views: &mut [View]) {
    views.sort_by_key(|view| {
        if view.shard.is_sealed() { (0, view.shard.covers.start, view.shard.number) } else { (1, 0, 0) }
    });
}

/// The embedding of a row, if it has one.
pub(crate) fn stored_embedding(vectors: &Vectors, row: u32, space: &Space) -> Result<Option<Embedding>> {
    let Some((codes, scale)) = vectors.index.codes(row)? else { return Ok(None) };
    let each = crate::embeddings::original_len(space);
    let original = vectors.originals.as_ref().map_or(&[][..], |section| section.as_ref());
    let at = row as usize * each;
    if let Some(section) = vectors.originals.as_ref().filter(|_| each > 0) {
        section.check(at..at + each)?;
    }
    let original = original.get(at..at + each).unwrap_or_default().to_vec();
    Ok(Some(Embedding { codes, scale, original }))
}
