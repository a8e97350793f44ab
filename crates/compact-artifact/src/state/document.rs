//! What an index has to know of a record that was read.

use block_format::RecordId;
use serde_json::{Map, Value};

use crate::api::entry::Entry;
use crate::api::error::Result;
use crate::format::embeddings::Embedding;
use crate::shard::Document;

/// What an index has to know of a record that was read.
#[derive(Debug, Clone)]
pub(crate) struct OwnedDocument {
    pub(crate) id: RecordId,
    pub(crate) key: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    /// The record of the store that has its metadata, if that is not its own.
    pub(crate) metadata_record: Option<RecordId>,
    pub(crate) text: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) embeddings: Vec<(usize, Embedding)>,
}

impl OwnedDocument {
    /// Without embeddings.
    pub(crate) fn read(entry: &Entry) -> Result<Self> {
        let text = if entry.is_text() { Some(entry.text()?.into_owned()) } else { None };
        let (key, metadata, fields) = (entry.key()?, entry.metadata()?, entry.fields()?);
        let (id, metadata_record) = (entry.id(), entry.metadata_record());
        Ok(Self { id, key, metadata, metadata_record, text, fields, embeddings: Vec::new() })
    }

    pub(crate) fn as_document(&self) -> Document<'_> {
        Document {
            id: self.id,
            key: self.key.as_deref(),
            metadata: Some(&self.metadata),
            metadata_record: self.metadata_record,
            text: self.text.as_deref(),
            fields: self.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
            embeddings: self.embeddings.iter().map(|(number, embedding)| (*number, embedding)).collect(),
        }
    }

    /// Puts an embedding in the place of what the space had.
    pub(crate) fn embed(&mut self, number: usize, embedding: Embedding) {
        self.unembed(number);
        self.embeddings.push((number, embedding));
    }

    /// What it has in a space.
    pub(crate) fn embedding(&self, number: usize) -> Option<&Embedding> {
        self.embeddings.iter().find(|(space, _)| *space == number).map(|(_, embedding)| embedding)
    }

    /// Takes away what the space had.
    pub(crate) fn unembed(&mut self, number: usize) {
        self.embeddings.retain(|(space, _)| *space != number);
    }

    /// Bytes of its texts and embeddings.
    pub(crate) fn byte_len(&self) -> usize {
        let len = |(_, embedding): &(usize, Embedding)| embedding.codes.len() + embedding.original.len();
        let embeddings: usize = self.embeddings.iter().map(len).sum();
        let fields: usize = self.fields.iter().map(|(_, text)| text.len()).sum();
        self.text.as_ref().map_or(0, String::len) + fields + embeddings
    }
}
