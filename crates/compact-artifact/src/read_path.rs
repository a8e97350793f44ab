//! One commit, as readers see it: by id, by key, in order, by search.

use std::sync::Arc;

use block_format::{CommitSeq, RecordId};
use rayon::prelude::*;
use vector_index::{Sample, SearchOptions};

use crate::artifact::CompactArtifact;
use crate::cache::Shared;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::record::{Entry, Kind};
use crate::search::{Query, SearchResults};
use crate::state::State;

/// An immutable view of one commit: cheap to clone, `Send` and `Sync`, never in the writer's way. What it shows stays readable through it
/// whatever is deleted or compacted meanwhile; so it also keeps files from being given back to the disk.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
    pub(crate) shared: Arc<Shared>,
}

impl Snapshot {
    pub(crate) fn new(state: Arc<State>, shared: Arc<Shared>) -> Self {
        Self { state, shared }
    }

    /// The commit that this is a view of.
    pub fn seq(&self) -> CommitSeq {
        self.state.records.seq()
    }

    /// How many records there are.
    pub fn len(&self) -> u64 {
        self.state.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A record. `None`: it was deleted, or never was. An error: it is damaged.
    pub fn get(&self, id: RecordId) -> Result<Option<Entry>> {
        self.state.entry(id)
    }

    /// The record with this key.
    pub fn get_by_key(&self, key: &str) -> Result<Option<Entry>> {
        self.state.entry_of_key(key)
    }

    /// The id of the record with this key.
    pub fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        self.state.id_of_key(key)
    }

    /// Records, in the order asked for; each block of them is decoded once.
    pub fn get_many(&self, ids: &[RecordId]) -> Vec<Result<Option<Entry>>> {
        let known = |id: RecordId| self.state.locate(id).is_some();
        let found = self.state.records.get_many(ids);
        ids.iter()
            .zip(found)
            .map(|(&id, record)| match record? {
                Some(record) if known(id) => Entry::new(record).map(Some),
                _ => Ok(None),
            })
            .collect()
    }

    /// All records, in the order of their ids. An error stands for the records of one damaged block; the iteration goes on behind it.
    pub fn records(&self) -> impl Iterator<Item = Result<Entry>> + use<> {
        self.records_from(RecordId(0))
    }

    /// Like [`records`](Self::records), beginning with the first record at or behind `id`.
    pub fn records_from(&self, id: RecordId) -> impl Iterator<Item = Result<Entry>> + use<> {
        let entries = self.state.records.records_from(id).map(|record| Entry::new(record?));
        entries.filter(|entry| !matches!(entry, Ok(entry) if entry.kind() == Kind::Embeddings))
    }

    /// How many records a filter lets through.
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        Ok(self.state.matches(filter)?.iter().map(roaring::RoaringBitmap::len).sum())
    }

    /// The records that a filter lets through, in the order of their ids.
    pub fn ids_where(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        self.state.ids_where(filter)
    }

    /// The embedding of a record in a space, as near as it is stored: the original, if the space keeps originals, or what its codes stand for.
    pub fn embedding(&self, id: RecordId, space: &str) -> Result<Option<Vec<f32>>> {
        let (number, space) = self.state.settings.space(space)?;
        Ok(self.state.embedding(id, number)?.map(|embedding| embedding.decode(space)))
    }

    /// Looks for records; see [`Query`].
    pub fn search(&self, query: &Query) -> Result<SearchResults> {
        crate::search::search(self, query)
    }

    /// Many searches at once, divided among the [`threads`](crate::Options::threads) of the artifact.
    pub fn search_batch(&self, queries: &[Query]) -> Vec<Result<SearchResults>> {
        self.shared.workers.run(|divided| {
            if divided {
                queries.par_iter().map(|query| self.search(query)).collect()
            } else {
                queries.iter().map(|query| self.search(query)).collect()
            }
        })
    }

    /// How many of the true `k` nearest a search in a space finds, for the embeddings of `sample` records as queries, with these
    /// numbers of candidates: for each the share found, over all sealed shards, weighted by their size.
    pub fn audit_recall(&self, space: &str, sample: usize, k: usize, efs: &[usize]) -> Result<Vec<f64>> {
        let (number, _) = self.state.settings.space(space)?;
        let within = |what: &str, value: usize| match value {
            1..=lexical_index::MAX_HITS => Ok(()),
            _ => {
                let most = lexical_index::MAX_HITS;
                Err(Error::invalid(format!("an audit of recall with {what} = {value}; expected 1 to {most}")))
            }
        };
        within("k", k)?;
        within("sample", sample)?;
        efs.iter().try_for_each(|&ef| within("ef", ef))?;
        let mut sums = vec![0.0; efs.len()];
        let mut weights = 0.0;
        for view in self.state.views.iter().filter(|view| view.shard.is_sealed()) {
            let Some(vectors) = view.shard.vectors(number) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "a weight")]
            let weight = vectors.index.len() as f64;
            let found = self.shared.workers.run(|divided| {
                let options = SearchOptions::new(k).deleted(view.dead.set()).parallel(divided);
                vectors.index.audit_recall(Sample::Stored(sample), &options, efs)
            })?;
            sums.iter_mut().zip(&found).for_each(|(sum, recall)| *sum += weight * recall.mean);
            weights += weight;
        }
        if weights == 0.0 {
            return Err(Error::invalid(format!(
                "vector space {space:?} has no sealed vectors to audit; seal first"
            )));
        }
        Ok(sums.into_iter().map(|sum| sum / weights).collect())
    }

    /// Reads the blocks of records, so that the cache has them.
    pub fn warm(&self, ids: &[RecordId]) {
        self.state.records.get_many(ids).into_iter().for_each(drop);
    }
}

/// The calls of [`Snapshot`], on the newest commit.
impl CompactArtifact {
    /// How many records there are.
    pub fn len(&self) -> u64 {
        self.snapshot().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.snapshot().is_empty()
    }

    /// See [`Snapshot::get`].
    pub fn get(&self, id: RecordId) -> Result<Option<Entry>> {
        self.snapshot().get(id)
    }

    /// See [`Snapshot::get_by_key`].
    pub fn get_by_key(&self, key: &str) -> Result<Option<Entry>> {
        self.snapshot().get_by_key(key)
    }

    /// See [`Snapshot::id_of_key`].
    pub fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        self.snapshot().id_of_key(key)
    }

    /// See [`Snapshot::get_many`].
    pub fn get_many(&self, ids: &[RecordId]) -> Vec<Result<Option<Entry>>> {
        self.snapshot().get_many(ids)
    }

    /// See [`Snapshot::records`].
    pub fn records(&self) -> impl Iterator<Item = Result<Entry>> + use<> {
        self.snapshot().records()
    }

    /// See [`Snapshot::count`].
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        self.snapshot().count(filter)
    }

    /// See [`Snapshot::ids_where`].
    pub fn ids_where(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        self.snapshot().ids_where(filter)
    }

    /// See [`Snapshot::embedding`].
    pub fn embedding(&self, id: RecordId, space: &str) -> Result<Option<Vec<f32>>> {
        self.snapshot().embedding(id, space)
    }

    /// See [`Snapshot::search`].
    pub fn search(&self, query: &Query) -> Result<SearchResults> {
        self.snapshot().search(query)
    }

    /// See [`Snapshot::search_batch`].
    pub fn search_batch(&self, queries: &[Query]) -> Vec<Result<SearchResults>> {
        self.snapshot().search_batch(queries)
    }

    /// See [`Snapshot::warm`].
    pub fn warm(&self, ids: &[RecordId]) {
        self.snapshot().warm(ids);
    }

    /// Lets go of caches and of room that searches keep. Everything is found again as before, only slower at first.
    pub fn release_memory(&self) {
        self.inner.shared.clear();
        self.inner.store.clear_cache();
    }
}
