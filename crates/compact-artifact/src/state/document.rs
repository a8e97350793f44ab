//! What an index has to know of a record that was read.

use block_format::RecordId;
use serde_json::{Map, Value};

use crate::api::entry::Entry;
use crate::api::error::Result;
use crate::format::embeddings::Embedding;
use crate::shard::Document;

/// What an index has to know of a record that was read.
#[derive(Debug)]
pub(crate) struct OwnedDocument {
    pub(crate) id: RecordId,
    pub(crate) key: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) text: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) embeddings: Vec<(usize, Embedding)>,
}

impl OwnedDocument {
    /// Without embeddings.
    pub(crate) fn read(entry: &Entry) -> Result<Self> {
        let text = if entry.is_text() { Some(entry.text()?.into_owned()) } else { None };
        let (key, metadata, fields) = (entry.key()?, entry.metadata()?, entry.fields()?);
        Ok(Self { id: entry.id(), key, metadata, text, fields, embeddings: Vec::new() })
    }

    pub(crate) fn as_document(&self) -> Document<'_> {
        Document {
            id: self.id,
            key: self.key.as_deref(),
            metadata: Some(&self.metadata),
            text: self.text.as_deref(),
            fields: self.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
            embeddings: self.embeddings.iter().map(|(number, embedding)| (*number, embedding)).collect(),
        }
    }

    /// Puts an embedding in the place of what the space had.
    pub(crate) fn embed(&mut self, number: usize, embedding: Embedding) {
        self.embeddings.retain(|(space, _)| *space != number);
        self.embeddings.push((number, embedding));
    }
}
