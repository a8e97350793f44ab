//! One commit, and the shards that find its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use block_format::{RecordId, Snapshot as Records};
use metadata_index::{Filter, ResolvedFilter, RowSet, Types};
use roaring::RoaringTreemap;
use serde_json::{Map, Value};

use super::dead::Dead;
use super::document::OwnedDocument;
use super::tail;
use super::view::{Deleted, View};
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::federated::FilterField;
use crate::api::results::UnknownField;
use crate::format::changes;
use crate::format::embeddings::Embedding;
use crate::format::parts::LostEmbeddings;
use crate::format::record::{self, Kind};
use crate::format::settings::Settings;
use crate::protocol::{Step, Steps};
use crate::shard::{KeyHash, Shard};

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
    /// How many rows readers do not see because their records expired: the views have them as dead.
    pub(crate) hidden: u64,
    /// What was lost with damaged shards, as far as it was when they were found.
    pub(crate) lost_embeddings: Arc<LostEmbeddings>,
    /// Whether every record has a row that can have one. `false` while an artifact is recovered.
    pub(crate) is_indexed: bool,
}

/// So many marks of lost embeddings are looked at one by one at least.
const MARKS_LOOKED_AT: u64 = 1 << 20;

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

    /// The ids of deleted records.
    pub(crate) fn deleted(&self) -> Deleted {
        Deleted::among(&self.records, self.rows())
    }

    /// Rows of all shards, dead or not.
    pub(crate) fn rows(&self) -> u64 {
        self.views.iter().map(|view| u64::from(view.shard.rows)).sum()
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
        let deleted = self.deleted();
        for view in &mut self.views {
            view.dead = Arc::new(Dead::new(&view.dead_for_good(&deleted)));
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
        let hash = KeyHash::new(key);
        for view in self.views.iter().rev() {
            let is_live = |row| !view.dead.contains(row);
            let Some(row) = view.shard.row_of_key(key, hash, is_live)? else { continue };
            let number = view.shard.number;
            let id = view.shard.ids().id_of(row).ok_or_else(|| misled(number, key))?;
            return Ok(Some((id, number)));
        }
        Ok(None)
    }

    /// The record with a key. What the index says is compared with the record itself.
    pub(crate) fn entry_of_key(&self, key: &str) -> Result<Option<Entry>> {
        let Some((id, number)) = self.indexed_key(key)? else { return Ok(None) };
        match self.entry(id)? {
            Some(entry) if entry.key()?.as_deref() == Some(key) => Ok(Some(entry)),
            _ => Err(misled(number, key)),
        }
    }

    /// The id of the record with a key. Where damage makes it impossible to compare the record, the index is believed, so that what is
    /// damaged can be deleted or replaced.
    pub(crate) fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        let Some((id, number)) = self.indexed_key(key)? else { return Ok(None) };
        let stored = self.records.get(id).map_err(Error::from).and_then(|record| match record {
            Some(record) => record::entry(record)?.key(),
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
    pub(crate) fn matches(&self, filter: &Filter) -> Result<Vec<RowSet>> {
        self.check_strict(filter)?;
        let resolved = match ResolvedFilter::new(filter, |field| self.types_for_filter(field)) {
            // What dead rows have is no reason to refuse it.
            Err(e) if e.kind() == metadata_index::ErrorKind::TypeMismatch => {
                ResolvedFilter::new(filter, |field| self.types(field))
            }
            resolved => resolved,
        };
        self.matches_resolved(&resolved?)
    }

    /// [`matches`](Self::matches), where the filter is checked against the fields of more records than these.
    pub(crate) fn matches_among(
        &self,
        filter: &Filter,
        fields: &BTreeMap<String, FilterField>,
    ) -> Result<Vec<RowSet>> {
        let known = |field: &str| fields.get(field).copied().unwrap_or_default();
        if let Some(field) = filter.strict_fields().into_iter().find(|field| !known(field).is_known) {
            return Err((&UnknownField { field: field.to_owned(), nearest: None }).into());
        }
        self.matches_resolved(&ResolvedFilter::new(filter, |field| Ok(known(field).types))?)
    }

    /// The types of the values of a field in records that are still there.
    pub(crate) fn types(&self, field: &str) -> metadata_index::Result<Types> {
        self.types_of(field, false)
    }

    /// [`types`](Self::types), or the only type in rows that are dead or not: a filter that compares with that one finds the same either way,
    /// without a look at the rows of each value.
    fn types_for_filter(&self, field: &str) -> metadata_index::Result<Types> {
        let types = self.types_of(field, true)?;
        if types.len() > 1 { self.types(field) } else { Ok(types) }
    }

    #[inline(never)]
    fn types_of(&self, field: &str, with_dead: bool) -> metadata_index::Result<Types> {
        let types_in =
            |view: &View| view.shard.filters.types(field, |row| with_dead || !view.dead.contains(row));
        self.views.iter().try_fold(Types::default(), |all, view| Ok(all | types_in(view)?))
    }

    fn matches_resolved(&self, filter: &ResolvedFilter) -> Result<Vec<RowSet>> {
        let matches = |view: &View| {
            // What a row that is dead had may be gone, and decides nothing.
            let metadata_of = |row: u32| {
                if view.dead.contains(row) { Ok(Map::new()) } else { self.metadata_of(&view.shard, row) }
            };
            let mut rows = view.shard.filters.search(filter, metadata_of)?;
            rows -= view.dead.rows();
            Ok(rows)
        };
        self.views.iter().map(matches).collect()
    }

    /// The metadata of a row; none if its record is gone.
    pub(crate) fn metadata_of(&self, shard: &Shard, row: u32) -> Result<Map<String, Value>> {
        let Some(id) = shard.ids().id_of(row) else { return Ok(Map::new()) };
        let Some(record) = self.records.get(id)? else { return Ok(Map::new()) };
        self.with_metadata(record::entry(record)?, shard, row)?.metadata()
    }

    /// The records that a filter lets through, in the order of their ids.
    pub(crate) fn ids_where(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        Ok(self.ids(self.matches(filter)?))
    }

    /// [`ids_where`](Self::ids_where), where a comparison with a type that no value of its field has is no error, and matches nothing.
    pub(crate) fn ids_where_leniently(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        match self.ids_where(filter) {
            Err(e) if e.kind() == ErrorKind::TypeMismatch => {
                let filter = ResolvedFilter::lenient(filter, |field| self.types(field))?;
                Ok(self.ids(self.matches_resolved(&filter)?))
            }
            ids => ids,
        }
    }

    fn ids(&self, rows: Vec<RowSet>) -> Vec<RecordId> {
        let mut ids = Vec::new();
        for (view, rows) in self.views.iter().zip(rows) {
            let table = view.shard.ids();
            ids.extend(rows.iter().filter_map(|row| table.id_of(row)));
        }
        ids.sort_unstable();
        ids
    }

    pub(crate) fn entry(&self, id: RecordId) -> Result<Option<Entry>> {
        let Some((view, row)) = self.locate(id) else { return Ok(None) };
        let Some(record) = self.records.get(id)? else { return Ok(None) };
        self.with_metadata(record::entry(record)?, &view.shard, row).map(Some)
    }

    /// Records, in the order asked for; each block of them is decoded once.
    pub(crate) fn entries(&self, ids: &[RecordId]) -> Vec<Result<Option<Entry>>> {
        let located: Vec<_> = ids.iter().map(|&id| self.locate(id)).collect();
        let changed = |(view, row): (&View, u32)| view.shard.metadata_records.get(row);
        let changed: Vec<_> = located.iter().map(|located| located.and_then(changed)).collect();
        let metadata_ids: Vec<_> = changed.iter().flatten().copied().collect();
        let mut metadata = self.records.get_many(&metadata_ids).into_iter();
        let entry = |((record, located), changed): ((_, &Option<_>), Option<RecordId>)| {
            let found = changed.and_then(|_| metadata.next());
            let record: Option<block_format::Record> = Result::map_err(record, Error::from)?;
            let Some(record) = record.filter(|_| located.is_some()) else { return Ok(None) };
            let entry = record::entry(record)?;
            Ok(Some(match changed.zip(found) {
                Some((at, found)) => with_changed_metadata(entry, at, found)?,
                None => entry,
            }))
        };
        self.records.get_many(ids).into_iter().zip(&located).zip(changed).map(entry).collect()
    }

    /// A record that was read, with the metadata that a row says it has.
    fn with_metadata(&self, entry: Entry, shard: &Shard, row: u32) -> Result<Entry> {
        match shard.metadata_records.get(row) {
            Some(at) => with_changed_metadata(entry, at, self.records.get(at)),
            None => Ok(entry),
        }
    }

    /// An entry with the metadata that its record has now. `last` is the record that had those of the one before, for whoever goes through them in order.
    pub(crate) fn with_newest_metadata(
        &self,
        entry: Entry,
        last: &mut Option<block_format::Record>,
    ) -> Result<Entry> {
        let changed = self.locate(entry.id()).and_then(|(view, row)| view.shard.metadata_records.get(row));
        let Some(at) = changed else { return Ok(entry) };
        let found = self.records.get_near(at, last.as_ref());
        if let Ok(Some(record)) = &found {
            *last = Some(record.clone());
        }
        with_changed_metadata(entry, at, found)
    }

    /// The records of the store with metadata that a record got, those of its dead rows included.
    pub(crate) fn metadata_records_of(&self, id: RecordId) -> impl Iterator<Item = RecordId> {
        self.views.iter().filter_map(move |view| view.shard.metadata_records.get(view.shard.row_of(id)?))
    }

    /// The share of dead rows of each sealed index, in bytes.
    pub(crate) fn dead_rows_len(&self) -> u64 {
        let sealed = self.views.iter().filter(|view| view.shard.is_sealed());
        sealed.fold(0, |sum, view| sum.saturating_add(view.len_of_rows(view.dead.len())))
    }

    /// About how many sealed bytes are dead: told from tables.
    pub(crate) fn sealed_dead_len(&self) -> u64 {
        self.records.sealed_dead_len().saturating_add(self.dead_rows_len())
    }

    /// About how many sealed bytes are of no use when a record is deleted: its own, those of its metadata and of its row.
    pub(crate) fn sealed_len_of(&self, id: RecordId) -> u64 {
        self.records.sealed_len_of(id).saturating_add(self.sealed_len_of_changes(id))
    }

    /// The same when it is indexed again.
    pub(crate) fn sealed_len_of_changes(&self, id: RecordId) -> u64 {
        let Some((view, _)) = self.locate(id).filter(|(view, _)| view.shard.is_sealed()) else { return 0 };
        let metadata = self.metadata_records_of(id).map(|metadata| self.records.sealed_len_of(metadata));
        metadata.fold(view.len_of_rows(1), u64::saturating_add)
    }

    /// The embedding of a record in a space, as it is stored.
    pub(crate) fn embedding(&self, id: RecordId, number: usize) -> Result<Option<Embedding>> {
        let Some((view, row)) = self.locate(id) else { return Ok(None) };
        let Some(vectors) = view.shard.readable_vectors(number)? else { return Ok(None) };
        vectors.embedding(row, &self.settings.spaces[number])
    }

    /// [`embedding`](Self::embedding), and an error of kind [`Damaged`](ErrorKind::Damaged) that names the space where there may have been one that was lost.
    pub(crate) fn embedding_unless_lost(&self, id: RecordId, number: usize) -> Result<Option<Embedding>> {
        let lost = |why: String| {
            let space = self.settings.spaces[number].name();
            Error::damaged(format!("the embedding of record {id} in vector space {space:?}: {why}"))
        };
        match self.embedding(id, number) {
            Ok(None) if self.may_have_lost(id, number) => {
                Err(lost("it may have been lost with what was damaged".to_owned()))
            }
            Err(e) if e.kind() == ErrorKind::Damaged => Err(lost(e.to_string())),
            found => found,
        }
    }

    /// The records that lost embeddings, are still there, readable or not, and have got no others. Until everything is indexed, all that are remembered: a record that has no
    /// row yet is not taken for deleted.
    pub(crate) fn still_lost(&self) -> LostEmbeddings {
        if !self.is_indexed {
            let lost = self.lost_embeddings.iter().filter(|(_, ids)| !ids.is_empty());
            return lost.map(|(number, ids)| (*number, ids.clone())).collect();
        }
        let spaces = self.settings.kept_spaces().map(|(number, _)| number);
        let lost = spaces.map(|number| (number, self.still_lost_in(number).collect::<RoaringTreemap>()));
        lost.filter(|(_, ids)| !ids.is_empty()).collect()
    }

    /// Those of the space with this number, in the order of ids.
    pub(crate) fn still_lost_in(&self, number: usize) -> impl Iterator<Item = u64> + '_ {
        self.lost_ids(number).filter(move |&id| {
            let id = RecordId(id);
            match self.locate(id) {
                Some(_) => !matches!(self.embedding(id, number), Ok(Some(_))),
                // Neither deleted nor to be indexed: it cannot be read.
                None => self.records.get(id).is_err(),
            }
        })
    }

    /// Embeddings that were taken away, by the numbers of their spaces: whoever did so does not miss them.
    pub(crate) fn forget_lost(&mut self, removed: impl IntoIterator<Item = (usize, RecordId)>) {
        for (number, id) in removed {
            if self.lost_embeddings.get(&number).is_some_and(|ids| ids.contains(id.0)) {
                Arc::make_mut(&mut self.lost_embeddings).entry(number).or_default().remove(id.0);
            }
        }
    }

    /// Whether a record is among those that lost their embedding in a space. Some of them may be deleted since.
    pub(crate) fn has_lost(&self, id: RecordId, number: usize) -> bool {
        self.lost_embeddings.get(&number).is_some_and(|ids| ids.contains(id.0))
    }

    /// Whether a record that has no embedding in a space may have lost it: one that is there, or cannot be read.
    fn may_have_lost(&self, id: RecordId, number: usize) -> bool {
        match self.locate(id) {
            Some(_) => self.has_lost(id, number),
            None => self.records.get(id).is_err(),
        }
    }

    /// The records that may have lost their embeddings in a space, in the order of ids.
    fn lost_ids(&self, number: usize) -> Box<dyn Iterator<Item = u64> + '_> {
        let Some(ids) = self.lost_embeddings.get(&number) else { return Box::new(std::iter::empty()) };
        // Some may have no row, since they cannot be read.
        if ids.len() <= MARKS_LOOKED_AT.max(2 * self.rows()) {
            return Box::new(ids.iter());
        }
        // A set of a few bytes may name billions: those are asked for that there are.
        let of_view = |view: &View| {
            let table = view.shard.ids();
            (0..view.shard.rows).filter_map(|row| Some(table.id_of(row)?.0)).collect::<Vec<_>>()
        };
        let there: RoaringTreemap =
            self.views.iter().flat_map(of_view).filter(|&id| ids.contains(id)).collect();
        Box::new(there.into_iter())
    }

    /// A record with the embeddings that it has, as an index has to know it. What of those cannot be read is named in it.
    pub(crate) fn document(&self, id: RecordId) -> Result<Option<OwnedDocument>> {
        self.entry(id)?.map(|entry| self.document_of(&entry)).transpose()
    }

    /// [`document`](Self::document) of a record that was read.
    pub(crate) fn document_of(&self, entry: &Entry) -> Result<OwnedDocument> {
        let mut document = OwnedDocument::read(entry)?;
        for (number, _) in self.settings.kept_spaces() {
            match self.embedding(entry.id(), number) {
                Ok(embedding) => {
                    document.embeddings.extend(embedding.map(|embedding| (number, embedding)));
                }
                Err(e) if e.kind() == ErrorKind::Damaged => document.lost.push(number),
                Err(e) => return Err(e),
            }
        }
        Ok(document)
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

/// A record with the metadata that it got in the record `at` of the store. Without that the rest of it is still there.
pub(crate) fn with_changed_metadata(
    entry: Entry,
    at: RecordId,
    found: block_format::Result<Option<block_format::Record>>,
) -> Result<Entry> {
    let found = match found.map_err(Error::from).and_then(|found| found.map(record::decode).transpose()) {
        Ok(found) => found,
        Err(e) if e.kind() == ErrorKind::Damaged => None,
        Err(e) => return Err(e),
    };
    let is_its_own = |(kind, change): &(Kind, Entry)| {
        *kind == Kind::Metadata && changes::decode_target(change).is_ok_and(|id| id == entry.id())
    };
    let found = found.filter(is_its_own).map(|(_, change)| change);
    Ok(entry.with_metadata(at, found))
}

fn misled(number: u64, key: &str) -> Error {
    Error::damaged(format!("shard {number}: its index of keys leads from {key:?} to another record"))
}
