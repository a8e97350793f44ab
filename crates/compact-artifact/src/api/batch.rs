//! Changes that are made together.

use block_format::{CommitSeq, Durability, RecordId};
use metadata_index::Filter;

use crate::api::patch::MetadataPatch;
use crate::api::record::Record;

/// Changes that are made together: all of them, or none.
///
/// ```
/// # use compact_artifact::{Batch, CompactArtifact, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let receipt = artifact.write(Batch::new().upsert(Record::text("new").key("doc-1")).delete_key("doc-2"))?;
/// assert_eq!(receipt.ids.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a batch does nothing until it is handed to `write`"]
pub struct Batch {
    pub(crate) ops: Vec<Op>,
    pub(crate) durability: Option<Durability>,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Put { record: Record, replace: bool },
    Delete(RecordId),
    DeleteKey(String),
    DeleteWhere(Filter),
    Update { target: Target, patch: MetadataPatch },
    Embed { id: RecordId, space: String, vector: Vec<f32> },
    RemoveEmbedding { id: RecordId, space: String },
}

/// Which records are updated.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Id(RecordId),
    Key(String),
    Where(Filter),
}

impl Batch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. Its key, if it has one, must be new.
    #[expect(clippy::should_implement_trait, reason = "what everything else here is called")]
    pub fn add(self, record: Record) -> Self {
        self.with(Op::Put { record, replace: false })
    }

    /// Adds a record in the place of the one with its key, if there is one; it gets a new id. Nothing of the old record is kept but this: a record with
    /// the same content and fields keeps its embeddings in spaces in which the new one has none. Where the content differs and the old record
    /// has such an embedding, the upsert is refused by an error of kind [`WouldLoseEmbedding`](crate::ErrorKind::WouldLoseEmbedding): the vector may not
    /// fit what is stored now, and nobody said that it may go. To let it go, delete the key in the same batch, before. What a text has in the space of
    /// a model is not kept: the new text is embedded.
    pub fn upsert(self, record: Record) -> Self {
        self.with(Op::Put { record, replace: true })
    }

    /// Deletes a record; that there is none is no error.
    pub fn delete(self, id: RecordId) -> Self {
        self.with(Op::Delete(id))
    }

    /// Deletes the record with this key; that there is none is no error.
    pub fn delete_key(self, key: impl Into<String>) -> Self {
        self.with(Op::DeleteKey(key.into()))
    }

    /// Deletes all records that the filter lets through when the batch is committed, those of the batch itself not included. A comparison that does not fit its field is no error: see
    /// [`CompactArtifact::delete_where`](crate::CompactArtifact::delete_where).
    pub fn delete_where(self, filter: Filter) -> Self {
        self.with(Op::DeleteWhere(filter))
    }

    /// Changes the metadata of a record, which keeps its id, key, content, fields and embeddings; that there is none is no error. Records of the batch itself
    /// cannot be changed.
    ///
    /// ```
    /// # use compact_artifact::{Batch, CompactArtifact, Filter, Record};
    /// use serde_json::json;
    ///
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// # let id = artifact.add(Record::text("a").metadata(json!({"seen": 1})))?;
    /// # artifact.add(Record::text("b").key("note"))?;
    /// let batch = Batch::new().update(id, json!({"seen": 2})).update_key("note", json!({"seen": 1}));
    /// assert_eq!(artifact.write(batch)?.updated, 2);
    /// assert_eq!(artifact.count(&Filter::field("seen").exists())?, 2);
    /// # Ok(()) }
    /// ```
    pub fn update(self, id: RecordId, patch: impl Into<MetadataPatch>) -> Self {
        self.with(Op::Update { target: Target::Id(id), patch: patch.into() })
    }

    /// Changes the metadata of the record with this key: see [`update`](Self::update).
    pub fn update_key(self, key: impl Into<String>, patch: impl Into<MetadataPatch>) -> Self {
        self.with(Op::Update { target: Target::Key(key.into()), patch: patch.into() })
    }

    /// Changes the metadata of all records that the filter lets through when the batch is committed, whatever else the batch does: see
    /// [`update`](Self::update). They are indexed again, so that at most 128 MiB of texts can be changed at once: an error of kind
    /// [`TooLarge`](crate::ErrorKind::TooLarge) if they have more. Each record takes some 2 kB of memory beside its text until it is committed.
    pub fn update_where(self, filter: Filter, patch: impl Into<MetadataPatch>) -> Self {
        self.with(Op::Update { target: Target::Where(filter), patch: patch.into() })
    }

    /// Takes the embedding away that a record has in a space; that it has none is no error.
    pub fn remove_embedding(self, id: RecordId, space: impl Into<String>) -> Self {
        self.with(Op::RemoveEmbedding { id, space: space.into() })
    }

    /// Gives a record that is there already an embedding, in the place of the one that it has in this space.
    pub fn add_embedding(self, id: RecordId, space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        self.with(Op::Embed { id, space: space.into(), vector: vector.into() })
    }

    /// What has happened when the commit returns. Default: as the artifact was opened.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    fn with(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }
}

impl FromIterator<Record> for Batch {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let ops = records.into_iter().map(|record| Op::Put { record, replace: false }).collect();
        Self { ops, durability: None }
    }
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The commit; other batches may share it.
    pub seq: CommitSeq,
    /// The ids of the records that were added or upserted, in the order of the batch.
    pub ids: Vec<RecordId>,
    /// How many records were deleted; one that an upsert replaced does not count.
    pub deleted: u64,
    /// How many records got other metadata.
    pub updated: u64,
}
