//! What happened to an artifact between two commits.

use block_format::{CommitSeq, RecordId};
use serde::{Serialize, Serializer};

/// What happened to an artifact since a commit: see [`CompactArtifact::changes_since`](crate::CompactArtifact::changes_since). In the order of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changes {
    /// The commit up to which this goes: what the next call is given.
    #[serde(serialize_with = "commit")]
    pub commit: CommitSeq,
    /// Records that are there now and were not.
    pub added: Vec<Change>,
    /// Records that are there now, with the key of one that was.
    pub replaced: Vec<Change>,
    /// Records that were there and whose metadata were updated since, be it to what they were before. Of embeddings that came late, or went, nothing is said.
    pub updated: Vec<Change>,
    /// Records that were there and are not, and whose key nobody has now. Of a record that had expired when it was added, which nobody ever saw, it may only be said here that it
    /// was deleted: to delete what one does not know is nothing. A record that expires later is here, or in `replaced`, when it is deleted from disk, by maintenance or by what takes its
    /// key, also for whoever opened the artifact when it had expired; so is one that an update made expire, which is not in `updated`.
    pub deleted: Vec<Change>,
}

/// A record that came, or one that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The record.
    #[serde(serialize_with = "id")]
    pub id: RecordId,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// Of a record that took the place of another: the other, which may have expired before.
    #[serde(serialize_with = "optional_id", skip_serializing_if = "Option::is_none")]
    pub replaces: Option<RecordId>,
}

impl Changes {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        [&self.added, &self.replaced, &self.updated, &self.deleted].iter().all(|list| list.is_empty())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn commit<S: Serializer>(seq: &CommitSeq, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(seq.0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn id<S: Serializer>(id: &RecordId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(id.0)
}

#[expect(clippy::ref_option, reason = "what serde calls it with")]
fn optional_id<S: Serializer>(id: &Option<RecordId>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.0).serialize(serializer)
}
