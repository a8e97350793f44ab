//! Metadata of records that change in part, embeddings that are taken away: calls of the handle.

use block_format::RecordId;
use metadata_index::Filter;

use crate::api::batch::Batch;
use crate::api::error::Result;
use crate::api::patch::MetadataPatch;
use crate::artifact::CompactArtifact;

/// Changes of records that are there.
impl CompactArtifact {
    /// Changes the metadata of a record, which keeps its id, key, content, fields and embeddings. Returns whether it was there.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Filter, Record};
    /// use serde_json::json;
    ///
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// let id = artifact.add(Record::text("call Ada").key("todo").metadata(json!({"done": false, "due": "2026-05-01"})))?;
    /// assert!(artifact.update(id, json!({"done": true, "due": null}))?);
    /// assert_eq!(artifact.ids_where(&Filter::field("done").eq(true))?, [id]);
    /// # Ok(()) }
    /// ```
    pub fn update(&self, id: RecordId, patch: impl Into<MetadataPatch>) -> Result<bool> {
        Ok(self.write(Batch::new().update(id, patch))?.updated > 0)
    }

    /// Changes the metadata of the record with this key: see [`update`](Self::update).
    pub fn update_key(&self, key: &str, patch: impl Into<MetadataPatch>) -> Result<bool> {
        Ok(self.write(Batch::new().update_key(key, patch))?.updated > 0)
    }

    /// Changes the metadata of all records that the filter lets through, at once. Returns how many. See [`Batch::update_where`].
    pub fn update_where(&self, filter: &Filter, patch: impl Into<MetadataPatch>) -> Result<u64> {
        Ok(self.write(Batch::new().update_where(filter.clone(), patch))?.updated)
    }

    /// Takes the embedding away that a record has in a space; that it has none is no error.
    pub fn remove_embedding(&self, id: RecordId, space: &str) -> Result<()> {
        self.write(Batch::new().remove_embedding(id, space)).map(drop)
    }
}
