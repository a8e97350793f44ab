//! One commit, as readers see it: by id, by key, in order, by search.

use std::panic::Location;
use std::sync::Arc;

use block_format::{CommitSeq, RecordId};
use metadata_index::Filter;
use rayon::prelude::*;
use vector_index::{Sample, SearchOptions};

use crate::api::damage::Damage;
use crate::api::entry::Entry;
use crate::api::error::{Error, Result};
use crate::api::facet::FacetCount;
use crate::api::federated::{QueryStatistics, SearchLists};
use crate::api::query::Query;
use crate::api::record::meant;
use crate::api::results::{Hit, MetadataField, SearchResults};
use crate::format::record;
use crate::pins::Pin;
use crate::search::{self, SearchResources};
use crate::state::State;

/// Has a closure keep the pin as long as itself, which it does not do with what it never names.
fn held(_: &Pin) {}

/// An immutable view of one commit: cheap to clone, `Send` and `Sync`, never in the writer's way. All calls answer from the same commit, however much
/// is written meanwhile; those of [`CompactArtifact`](crate::CompactArtifact) take the newest one each.
///
/// ```
/// # use compact_artifact::{CompactArtifact, Query, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let id = artifact.add(Record::text("a cat").key("cat"))?;
/// let snapshot = artifact.snapshot();
/// artifact.delete(id)?;
/// assert_eq!(artifact.len(), 0);
/// assert_eq!(snapshot.search(&Query::words("cat"))?.hits[0].id, id);
/// # Ok(()) }
/// ```
/// What it shows stays readable through it
/// whatever is deleted or compacted meanwhile; so it also keeps files from being given back to the disk.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<State>,
    resources: Arc<SearchResources>,
    /// Says that it is held.
    pin: Pin,
}

impl Snapshot {
    /// One that does not outlive the call that makes it, and is not counted.
    pub(crate) fn for_call(state: Arc<State>, resources: Arc<SearchResources>) -> Self {
        Self { state, resources, pin: Pin::default() }
    }

    /// One that is counted as held from `place`.
    pub(crate) fn held(
        state: Arc<State>,
        resources: Arc<SearchResources>,
        place: &'static Location<'static>,
    ) -> Self {
        let pin = resources.pins.pin(&state, place);
        Self { state, resources, pin }
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

    /// The record with this key; `None` if there is none. An error of kind [`Damaged`](crate::ErrorKind::Damaged): the index of keys, or the record, is.
    pub fn get_by_key(&self, key: &str) -> Result<Option<Entry>> {
        self.state.entry_of_key(key)
    }

    /// The id of the record with this key.
    pub fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        self.state.id_of_key(key)
    }

    /// Records, in the order asked for, `None` for those that were deleted or never were; each block of them is decoded once. An error: one of them is
    /// damaged; [`get`](Self::get) says of each whether it is that one.
    pub fn get_many(&self, ids: &[RecordId]) -> Result<Vec<Option<Entry>>> {
        self.state.entries(ids).into_iter().collect()
    }

    /// All records, in the order of their ids. An error stands for the records of one damaged block; the iteration goes on behind it.
    pub fn records(&self) -> impl Iterator<Item = Result<Entry>> + use<> {
        self.records_from(RecordId(0))
    }

    /// Like [`records`](Self::records), beginning with the first record at or behind `id`.
    pub fn records_from(&self, id: RecordId) -> impl Iterator<Item = Result<Entry>> + use<> {
        let (state, pin, mut last) = (self.state.clone(), self.pin.clone(), None);
        self.state.records.records_from(id).filter_map(move |record| {
            held(&pin);
            match record.map_err(Error::from) {
                Ok(record) if state.hidden > 0 && state.locate(record.id()).is_none() => None,
                Ok(record) => match record::decode(record) {
                    Ok((kind, _)) if !kind.is_record() => None,
                    decoded => {
                        Some(decoded.and_then(|(_, entry)| state.with_newest_metadata(entry, &mut last)))
                    }
                },
                Err(e) => Some(Err(e)),
            }
        })
    }

    /// How many records a filter lets through.
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        Ok(self.state.matches(filter)?.iter().map(|rows| rows.len() as u64).sum())
    }

    /// The records that a filter lets through, in the order of their ids.
    pub fn ids_where(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        self.state.ids_where(filter)
    }

    /// The records that a filter lets through, in the order of their ids; some hundred at a time are in memory. An error stands for the records of one
    /// damaged block; the iteration goes on behind it.
    pub fn records_where(&self, filter: &Filter) -> Result<impl Iterator<Item = Result<Entry>> + use<>> {
        const AT_ONCE: usize = 256;
        let ids = self.state.ids_where(filter)?;
        let (this, pieces) = (self.clone(), ids.len().div_ceil(AT_ONCE));
        Ok((0..pieces).flat_map(move |piece| {
            held(&this.pin);
            let ids = ids.chunks(AT_ONCE).nth(piece).unwrap_or_default();
            this.state.entries(ids).into_iter().filter_map(Result::transpose)
        }))
    }

    /// The keys that begin with `prefix`, in their order, with the ids of their records: all keys for an empty one. From the index, without reading records.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// for key in ["notes/b", "notes/a", "letters/a"] {
    ///     artifact.add(Record::text("…").key(key))?;
    /// }
    /// let notes: Vec<String> = artifact.keys("notes/")?.into_iter().map(|(key, _)| key).collect();
    /// assert_eq!(notes, ["notes/a", "notes/b"]);
    /// # Ok(()) }
    /// ```
    pub fn keys(&self, prefix: &str) -> Result<Vec<(String, RecordId)>> {
        self.keys_after(prefix, None, usize::MAX)
    }

    /// At most `limit` of the [`keys`](Self::keys) that begin with `prefix`: the first ones, or those behind the key `after`, which need not be there. What it
    /// costs in time and memory goes with `limit`, not with how many there are; keys of deleted records that lie between are passed over until their space comes back.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// for key in ["notes/a", "notes/b", "notes/c", "other"] {
    ///     artifact.add(Record::text("…").key(key))?;
    /// }
    /// let snapshot = artifact.snapshot();
    /// let first = snapshot.keys_after("notes/", None, 2)?;
    /// let rest = snapshot.keys_after("notes/", Some(&first[1].0), 2)?;
    /// assert_eq!((first.len(), rest.len(), rest[0].0.as_str()), (2, 1, "notes/c"));
    /// # Ok(()) }
    /// ```
    pub fn keys_after(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, RecordId)>> {
        let mut keys = Vec::new();
        if limit == 0 {
            return Ok(keys);
        }
        for view in &self.state.views {
            let (ids, begin) = (view.shard.ids(), keys.len());
            let is_live = |row| !view.dead.contains(row);
            view.shard.filters.each_key(prefix, after, is_live, &mut |key, row| {
                keys.extend(ids.id_of(row).map(|id| (key.to_owned(), id)));
                keys.len() - begin < limit
            })?;
        }
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    /// How many keys begin with `prefix`. It passes over them in the index.
    pub fn count_keys(&self, prefix: &str) -> Result<u64> {
        let mut count = 0;
        for view in &self.state.views {
            view.shard.filters.each_key(prefix, None, |row| !view.dead.contains(row), &mut |_, _| {
                count += 1;
                true
            })?;
        }
        Ok(count)
    }

    /// The values of a field among all records, or those that a filter lets through, in their order, each with how many records have it. From the
    /// index, without reading records. For the most frequent of them there is [`Facet::values`](crate::Facet::values).
    pub fn values(&self, field: &str, filter: Option<&Filter>) -> Result<Vec<FacetCount>> {
        search::values(&self.state, field, filter)
    }

    /// The fields of metadata that records have, in the order of their paths, and what their values have in common. From the index, all of which is read.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, FieldType, Record};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add(Record::text("a").metadata(json!({"year": 1851, "tags": ["old", "rare"]})))?;
    /// artifact.add(Record::text("b").metadata(json!({"year": 0.5})))?;
    /// let fields = artifact.snapshot().metadata_fields()?;
    /// assert_eq!((fields[0].name.as_str(), fields[0].is_single), ("tags", false));
    /// assert_eq!((fields[1].types.as_slice(), fields[1].are_i64, fields[1].are_f64), (&[FieldType::Number][..], false, true));
    /// # Ok(()) }
    /// ```
    pub fn metadata_fields(&self) -> Result<Vec<MetadataField>> {
        search::fields(&self.state)
    }

    /// The embedding of a record in a space, as near as it is stored: the original, if the space keeps originals of floats, or what its codes and residual stand for.
    /// `None`: it has none there, or there is no such record. Fails with [`Damaged`](crate::ErrorKind::Damaged) where it cannot be read, or may have been lost with an index
    /// or a record that was damaged.
    pub fn embedding(&self, id: RecordId, space: &str) -> Result<Option<Vec<f32>>> {
        let (number, space) = self.state.settings.space(space)?;
        Ok(self.state.embedding_unless_lost(id, number)?.map(|embedding| embedding.decode(space)))
    }

    /// The same, but `None` also for a text of which the model of the space, if it is at hand, makes this embedding again: what somebody has to write down who adds the records to
    /// another artifact.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Metric, Record, SpaceOptions};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let space = SpaceOptions::new(2, Metric::Cosine);
    /// let artifact = CompactArtifact::options().space("v", space).create(temp.path().join("a"))?;
    /// let id = artifact.add(Record::text("a cat").embedding("v", [0.6, 0.8]))?;
    /// let snapshot = artifact.snapshot();
    /// let entry = snapshot.get(id)?.expect("it was just added");
    /// assert_eq!(snapshot.given_embedding(&entry, "v")?, snapshot.embedding(id, "v")?);
    /// # Ok(()) }
    /// ```
    pub fn given_embedding(&self, entry: &Entry, space: &str) -> Result<Option<Vec<f32>>> {
        let (number, space) = self.state.settings.space(space)?;
        let Some(stored) = self.state.embedding_unless_lost(entry.id(), number)? else { return Ok(None) };
        if entry.is_text() && space.model().is_some() {
            let text = meant(&entry.fields()?, &entry.text()?).into_owned();
            let SearchResources { meaning, workers, .. } = &*self.resources;
            let made = meaning.embed_documents(space, &[&text], workers)?.into_iter().flatten().flatten();
            if made.into_iter().any(|made| made.is_nearly(&stored)) {
                return Ok(None);
            }
        }
        Ok(Some(stored.decode(space)))
    }

    /// Looks for records; see [`Query`]. Fails with [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a query that cannot be, and with
    /// [`NoSuchSpace`](crate::ErrorKind::NoSuchSpace), [`WrongDimension`](crate::ErrorKind::WrongDimension) or
    /// [`TypeMismatch`](crate::ErrorKind::TypeMismatch) for one that does not fit the artifact. What is damaged is left out and told in the
    /// [`losses`](SearchResults::losses).
    pub fn search(&self, query: &Query) -> Result<SearchResults> {
        search::search(&self.state, &self.resources, query)
    }

    /// What the answer to a query depends on beside the records that are found: the first step of a search of several snapshots as one. See
    /// [`search_snapshots`](crate::search_snapshots), which is all steps together, for snapshots that are in one process.
    pub fn query_statistics(&self, query: &Query) -> Result<QueryStatistics> {
        search::federated::statistics(&self.state, &self.resources, query)
    }

    /// The lists that a query makes here, before they become one ranking: the second step. With the [`statistics`](Query::statistics) of all snapshots, scores do not depend on
    /// how records are spread over them, and graphs of vectors are searched as widely as their part of all vectors lets expect: where [`too_narrow`](crate::too_narrow) says so,
    /// [`search_lists_widely`](Self::search_lists_widely) gives the lists that count.
    pub fn search_lists(&self, query: &Query) -> Result<SearchLists> {
        search::federated::lists(&self.state, &self.resources, query, false)
    }

    /// The same for a snapshot that is [too narrow](crate::too_narrow) otherwise: graphs of vectors are searched as widely as if there were no other snapshots.
    pub fn search_lists_widely(&self, query: &Query) -> Result<SearchLists> {
        search::federated::lists(&self.state, &self.resources, query, true)
    }

    /// Puts to hits of this snapshot what a query wants to know of them, records and snippets for two: the last step, after [`rank_lists`](crate::rank_lists). Returns what is
    /// damaged.
    pub fn fill_hits(&self, query: &Query, hits: &mut [&mut Hit]) -> Result<Vec<Damage>> {
        search::fill(&self.state, &self.resources, query, hits)
    }

    /// Many searches at once, divided among the [`threads`](crate::Options::threads) of the artifact.
    pub fn search_batch(&self, queries: &[Query]) -> Vec<Result<SearchResults>> {
        self.resources.workers.run(|divided| {
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
            let found = self.resources.workers.run(|divided| {
                let options = SearchOptions::new(k).deleted(view.dead.rows()).parallel(divided);
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
