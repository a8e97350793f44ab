//! The calls of the handle that are awaited.

use block_format::RecordId;
use metadata_index::Filter;

use super::Request;
use crate::api::batch::{Batch, Receipt};
use crate::api::entry::Entry;
use crate::api::error::Result;
use crate::api::patch::MetadataPatch;
use crate::api::query::Query;
use crate::api::record::Record;
use crate::api::reports::{CompactReport, SealReport};
use crate::api::results::SearchResults;
use crate::artifact::CompactArtifact;

/// Calls that are awaited, on any executor: each is what the call without `_async` is, carried out by a thread of the artifact, of which there are at most
/// [`Options::max_concurrent_requests`](crate::Options::max_concurrent_requests). See [`Request`] for what dropping one means. A request holds no handle of the artifact, but the
/// artifact is open until it was carried out; [`close`](CompactArtifact::close) waits for those that wait for their turn, and refuses while others are still to be polled.
///
/// ```
/// # use compact_artifact::{CompactArtifact, Query, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// pollster::block_on(async {
///     let id = artifact.add_async(Record::text("a cat sleeps")).await?;
///     let found = artifact.search_async(Query::words("cat")).await?;
///     assert_eq!(found.hits[0].id, id);
///     artifact.seal_async().await?;
///     Ok(())
/// })
/// # }
/// ```
impl CompactArtifact {
    /// Looks for records: see [`search`](Self::search).
    pub fn search_async(&self, query: Query) -> Request<SearchResults> {
        self.request(move |artifact| artifact.search(&query))
    }

    /// A record: see [`get`](Self::get).
    pub fn get_async(&self, id: RecordId) -> Request<Option<Entry>> {
        self.request(move |artifact| artifact.get(id))
    }

    /// The record with a key: see [`get_by_key`](Self::get_by_key).
    pub fn get_by_key_async(&self, key: impl Into<String>) -> Request<Option<Entry>> {
        let key = key.into();
        self.request(move |artifact| artifact.get_by_key(&key))
    }

    /// Records in the order asked for: see [`get_many`](Self::get_many).
    pub fn get_many_async(&self, ids: impl Into<Vec<RecordId>>) -> Request<Vec<Option<Entry>>> {
        let ids = ids.into();
        self.request(move |artifact| artifact.get_many(&ids))
    }

    /// How many records a filter lets through: see [`count`](Self::count).
    pub fn count_async(&self, filter: Filter) -> Request<u64> {
        self.request(move |artifact| artifact.count(&filter))
    }

    /// Adds a record: see [`add`](Self::add).
    pub fn add_async(&self, record: Record) -> Request<RecordId> {
        self.request(move |artifact| artifact.add(record))
    }

    /// Adds records, all or none: see [`add_batch`](Self::add_batch).
    pub fn add_batch_async(&self, records: impl IntoIterator<Item = Record>) -> Request<Vec<RecordId>> {
        let batch: Batch = records.into_iter().collect();
        self.request(move |artifact| Ok(artifact.write(batch)?.ids))
    }

    /// Adds a record in the place of the one with its key: see [`upsert`](Self::upsert).
    pub fn upsert_async(&self, record: Record) -> Request<RecordId> {
        self.request(move |artifact| artifact.upsert(record))
    }

    /// Changes the metadata of a record: see [`update`](Self::update).
    pub fn update_async(&self, id: RecordId, patch: impl Into<MetadataPatch>) -> Request<bool> {
        let patch = patch.into();
        self.request(move |artifact| artifact.update(id, patch))
    }

    /// Deletes a record: see [`delete`](Self::delete).
    pub fn delete_async(&self, id: RecordId) -> Request<bool> {
        self.request(move |artifact| artifact.delete(id))
    }

    /// Commits a batch: see [`write`](Self::write).
    pub fn write_async(&self, batch: Batch) -> Request<Receipt> {
        self.request(move |artifact| artifact.write(batch))
    }

    /// Makes every commit so far durable: see [`sync`](Self::sync).
    pub fn sync_async(&self) -> Request<()> {
        self.request(Self::sync)
    }

    /// Brings everything committed so far into its final form: see [`seal`](Self::seal).
    pub fn seal_async(&self) -> Request<SealReport> {
        self.request(Self::seal)
    }

    /// Returns the space of deleted records: see [`compact`](Self::compact).
    pub fn compact_async(&self, budget: usize) -> Request<CompactReport> {
        self.request(move |artifact| artifact.compact(budget))
    }

    /// Any calls, one after the other, as one request: for what has no call of its own here.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, VerifyLevel};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// let report = pollster::block_on(artifact.request(|artifact| artifact.verify(VerifyLevel::Decode)))?;
    /// assert!(report.is_sound());
    /// # Ok(()) }
    /// ```
    pub fn request<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Request<T> {
        let (pool, artifact) = match self.for_request() {
            Ok(parts) => parts,
            Err(e) => return Request::refused(e),
        };
        Request::new(pool, move || call(&artifact))
    }
}
