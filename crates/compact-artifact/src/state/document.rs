//! What an index has to know of a record that was read.

use std::borrow::Cow;

use block_format::RecordId;
use serde_json::{Map, Value};

use crate::api::entry::Entry;
use crate::api::error::{ErrorKind, Result};
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
    /// The spaces in which it has an embedding that cannot be read.
    pub(crate) lost: Vec<usize>,
    /// Why its metadata cannot be read, which then are taken for none: those of the record itself are older.
    pub(crate) metadata_fault: Option<String>,
    /// Why its text cannot be read, which then is taken for none.
    pub(crate) text_fault: Option<String>,
}

impl OwnedDocument {
    /// Without embeddings.
    pub(crate) fn read(entry: &Entry) -> Result<Self> {
        let (text, text_fault) = match entry.is_text().then(|| entry.text()).transpose() {
            Err(e) if e.kind() == ErrorKind::Damaged => (None, Some(e.to_string())),
            text => (text?.map(Cow::into_owned), None),
        };
        let (id, metadata_record) = (entry.id(), entry.metadata_record());
        let (metadata, metadata_fault) = match entry.metadata() {
            Err(e) if e.kind() == ErrorKind::Damaged && metadata_record.is_some() => {
                (Map::new(), Some(e.to_string()))
            }
            metadata => (metadata?, None),
        };
        let (key, fields, embeddings, lost) = (entry.key()?, entry.fields()?, Vec::new(), Vec::new());
        Ok(Self {
            id,
            key,
            metadata,
            metadata_record,
            text,
            fields,
            embeddings,
            lost,
            metadata_fault,
            text_fault,
        })
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
        self.lost.retain(|space| *space != number);
        self.embeddings.retain(|(space, _)| *space != number);
    }

    /// Gives it the metadata in a record of the store. Returns which one had them before.
    pub(crate) fn replace_metadata(
        &mut self,
        metadata: Map<String, Value>,
        record: RecordId,
    ) -> Option<RecordId> {
        self.metadata = metadata;
        self.metadata_fault = None;
        self.metadata_record.replace(record)
    }

    /// Bytes of its texts and embeddings.
    pub(crate) fn byte_len(&self) -> usize {
        let len = |(_, embedding): &(usize, Embedding)| embedding.codes.len() + embedding.original.len();
        let embeddings: usize = self.embeddings.iter().map(len).sum();
        let fields: usize = self.fields.iter().map(|(_, text)| text.len()).sum();
        self.text.as_ref().map_or(0, String::len) + fields + embeddings
    }

    /// Bytes of memory that it takes, together with the keys of its metadata while they are indexed.
    pub(crate) fn heap(&self) -> usize {
        self.byte_len() + self.key.as_ref().map_or(0, String::len) + heap_of(&self.metadata)
    }
}

/// Bytes that metadata take, and the index of them while it is built.
pub(crate) fn heap_of(metadata: &Map<String, Value>) -> usize {
    heap_of_fields(metadata, 0)
}

/// Of a field: its place in a map, and two keys of an index with room for their rows. Of an object or an array: the room in it that is not used.
const FIELD_BYTES: usize = 400;
const MAP_BYTES: usize = 500;

/// Fields whose paths begin with `above` bytes.
fn heap_of_fields(fields: &Map<String, Value>, above: usize) -> usize {
    let heap = |(name, value): (&String, &Value)| name.len() + heap_of_value(value, above + name.len() + 1);
    MAP_BYTES + fields.iter().map(heap).sum::<usize>()
}

fn heap_of_value(value: &Value, path: usize) -> usize {
    let heap = match value {
        Value::Object(fields) => heap_of_fields(fields, path),
        Value::Array(elements) => {
            MAP_BYTES + elements.iter().map(|element| heap_of_value(element, path)).sum::<usize>()
        }
        Value::String(string) => 2 * string.len(),
        _ => 0,
    };
    FIELD_BYTES + 2 * path + heap
}
