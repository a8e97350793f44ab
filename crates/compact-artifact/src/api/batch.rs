//! Changes that are made together.

use block_format::{CommitSeq, Durability, RecordId};
use metadata_index::Filter;

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
    Embed { id: RecordId, space: String, vector: Vec<f32> },
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

    /// Adds a record in the place of the one with its key, if there is one; it gets a new id.
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

    /// Deletes all records that the filter lets through when the batch is committed, those of the batch itself not included.
    pub fn delete_where(self, filter: Filter) -> Self {
        self.with(Op::DeleteWhere(filter))
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
    #[serde(serialize_with = "seq")]
    pub seq: CommitSeq,
    /// The ids of the records that were added or upserted, in the order of the batch.
    #[serde(serialize_with = "ids")]
    pub ids: Vec<RecordId>,
    /// How many records were deleted; one that an upsert replaced does not count.
    pub deleted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn seq<S: serde::Serializer>(seq: &CommitSeq, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(seq.0)
}

fn ids<S: serde::Serializer>(ids: &[RecordId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(|id| id.0))
}
