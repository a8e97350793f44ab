//! What readers see: one commit, and the shards that find its records.

use std::sync::Arc;

use block_format::{RecordId, Snapshot as Records};
use roaring::RoaringBitmap;

use crate::embeddings::Embedding;
use crate::error::Result;
use crate::filter::{Filter, Types};
use crate::record::Entry;
use crate::settings::{Settings, Space};
use crate::shard::{Dead, KEY_FIELD, Shard, Vectors};

/// A shard, and which of its rows are no longer there.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) shard: Arc<Shard>,
    pub(crate) dead: Arc<Dead>,
}

impl View {
    pub(crate) fn live(&self) -> u64 {
        u64::from(self.shard.rows).saturating_sub(self.dead.len())
    }
}

/// One commit. Immutable.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) records: Records,
    pub(crate) settings: Arc<Settings>,
    /// In the order of the ids that they cover. Where two have the same record, the later one counts.
    pub(crate) views: Vec<View>,
    /// Different for every state that this process has had.
    pub(crate) version: u64,
}

impl State {
    /// Where a record is, unless it was deleted.
    pub(crate) fn locate(&self, id: RecordId) -> Option<(&View, u32)> {
        let found = self.views.iter().rev().find_map(|view| Some((view, view.shard.row_of(id)?)));
        found.filter(|(view, row)| !view.dead.contains(*row))
    }

    pub(crate) fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        for view in self.views.iter().rev() {
            if let Some(row) = view.shard.filters.first_row(KEY_FIELD, key, |row| !view.dead.contains(row))? {
                return Ok(view.shard.ids().id_of(row));
            }
        }
        Ok(None)
    }

    /// The rows of each shard that a filter lets through and that are still there.
    pub(crate) fn matches(&self, filter: &Filter) -> Result<Vec<RoaringBitmap>> {
        filter.check_types(|field| {
            let types = self.views.iter().map(|view| view.shard.filters.types(field));
            types.into_iter().try_fold(Types::default(), |all, types| Ok(all | types?))
        })?;
        self.views
            .iter()
            .map(|view| Ok(view.shard.filters.evaluate(filter, view.shard.rows)? - view.dead.bitmap()))
            .collect()
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

    pub(crate) fn tail(&self) -> impl Iterator<Item = &View> {
        self.views.iter().filter(|view| !view.shard.is_sealed())
    }
}

/// The embedding of a row, if it has one.
pub(crate) fn stored_embedding(vectors: &Vectors, row: u32, space: &Space) -> Result<Option<Embedding>> {
    let Some((codes, scale)) = vectors.index.codes(row)? else { return Ok(None) };
    let each = crate::embeddings::original_len(space);
    let original = vectors.originals.as_ref().map_or(&[][..], |section| section.as_ref());
    let at = row as usize * each;
    let original = original.get(at..at + each).unwrap_or_default().to_vec();
    Ok(Some(Embedding { codes, scale, original }))
}
