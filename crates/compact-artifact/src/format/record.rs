//! The bytes of a record in the store: a head, the key, the metadata as JSON, and the content behind them.

use metadata_index::check_metadata;
use serde_json::{Map, Value};

use super::layout::{self, field, fields, head};
use crate::api::entry::{Entry, Places};
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::record::{Content, MAX_FIELDS_LEN, Record, check_lengths};

/// The most bytes of the fields of a record as they are stored: each of at least a byte of name.
const MAX_ENCODED_FIELDS_LEN: u64 = (MAX_FIELDS_LEN * (1 + field::LEN)) as u64;

/// What a record of the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text = 1,
    Blob = 2,
    /// Not a record of the caller's but embeddings of some, on their way to an index: see [`super::embeddings`].
    Embeddings = 3,
    TextWithFields = 4,
    BlobWithFields = 5,
    /// Not a record of the caller's but the metadata that an earlier one has now: see [`super::changes`].
    Metadata = 6,
    /// Not a record of the caller's but the ids of earlier ones that have no embedding in a space any more.
    RemovedEmbeddings = 7,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Text,
        Self::Blob,
        Self::Embeddings,
        Self::TextWithFields,
        Self::BlobWithFields,
        Self::Metadata,
        Self::RemovedEmbeddings,
    ];

    /// Whether it is a record of the caller's.
    pub(crate) fn is_record(self) -> bool {
        matches!(self, Self::Text | Self::Blob | Self::TextWithFields | Self::BlobWithFields)
    }
}

/// What stands before the content of a record, checked.
pub(crate) fn encode_head(record: &Record) -> Result<Vec<u8>> {
    let (kind, is_text) = match (&record.content, record.fields.is_empty()) {
        (Content::Text(_), true) => (Kind::Text, true),
        (Content::Blob(_), true) => (Kind::Blob, false),
        (Content::Text(_), false) => (Kind::TextWithFields, true),
        (Content::Blob(_), false) => (Kind::BlobWithFields, false),
    };
    let metadata = match &record.metadata {
        Value::Null => Vec::new(),
        Value::Object(map) => encode_metadata(map)?,
        other => return Err(Error::invalid(format!("metadata: expected a JSON object, found {other}"))),
    };
    let key = record.key.as_deref().unwrap_or_default();
    check_lengths(is_text, key.len() as u64, metadata.len() as u64, record.content().len() as u64)?;
    if record.key.as_deref() == Some("") {
        return Err(Error::invalid("a key: expected at least one byte"));
    }
    let mut head = head(kind, key, &metadata);
    if !record.fields.is_empty() {
        check_fields(&record.fields)?;
        head.extend(layout::encode_fields(&record.fields));
    }
    Ok(head)
}

/// Metadata as they are stored, checked but for their length.
fn encode_metadata(metadata: &Map<String, Value>) -> Result<Vec<u8>> {
    if metadata.is_empty() {
        return Ok(Vec::new());
    }
    check_metadata(metadata)?;
    serde_json::to_vec(metadata).map_err(|e| Error::invalid(format!("metadata: {e}")))
}

/// The head of a record of metadata, with them, checked.
pub(crate) fn encode_metadata_head(metadata: &Map<String, Value>) -> Result<Vec<u8>> {
    let metadata = encode_metadata(metadata)?;
    check_lengths(false, 0, metadata.len() as u64, 0)?;
    Ok(head(Kind::Metadata, "", &metadata))
}

/// Names that are none, fields that stand twice, and more text than fields may have.
fn check_fields(fields: &[(String, String)]) -> Result<()> {
    for (at, (name, _)) in fields.iter().enumerate() {
        if fields[..at].iter().any(|(other, _)| other == name) {
            return Err(Error::invalid(format!("two texts of one record in the field {name:?}")));
        }
    }
    let len: usize = fields.iter().map(|(name, text)| name.len() + text.len()).sum();
    if len > MAX_FIELDS_LEN {
        let message = format!("fields of {len} bytes; expected at most {MAX_FIELDS_LEN}");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

/// The head of a record without key and metadata.
pub(crate) fn encode_bare_head(kind: Kind) -> Vec<u8> {
    head(kind, "", &[])
}

fn head(kind: Kind, key: &str, metadata: &[u8]) -> Vec<u8> {
    // Both were checked against their limits.
    let (key_len, metadata_len) =
        (u16::try_from(key.len()).unwrap_or(0), u32::try_from(metadata.len()).unwrap_or(0));
    [&layout::encode_head(kind as u8, key_len, metadata_len), key.as_bytes(), metadata].concat()
}

/// What a record of the store is, and where its pieces are.
pub(crate) fn decode(record: block_format::Record) -> Result<(Kind, Entry)> {
    let fault = |message: &str| Error::damaged(format!("record {}: {message}", record.id()));
    let fixed = record.range(0..head::LEN as u64)?;
    let (kind, key_len, metadata_len) =
        layout::decode_head(*fixed.first_chunk().ok_or_else(|| fault("too short to be one"))?);
    let kind = Kind::ALL.into_iter().find(|&known| known as u8 == kind);
    let kind =
        kind.ok_or_else(|| fault("of an unknown kind; written by a newer version, or by another program"))?;
    let key_end = head::LEN as u64 + u64::from(key_len);
    let metadata_end = key_end + u64::from(metadata_len);
    let mut fields = metadata_end..metadata_end;
    if matches!(kind, Kind::TextWithFields | Kind::BlobWithFields) {
        let begin = metadata_end + fields::LEN as u64;
        let len = record.range(metadata_end..begin)?;
        let len = len.first_chunk().ok_or_else(|| fault("it ends before its fields"))?;
        fields = begin..begin + u64::from(layout::decode_fields_len(*len));
        if fields.end - fields.start > MAX_ENCODED_FIELDS_LEN {
            return Err(fault("its fields are longer than fields may be"));
        }
    }
    let content = fields.end;
    if content > record.len() {
        return Err(fault("its key, metadata and fields are longer than itself"));
    }
    let (key, metadata) = (head::LEN as u64..key_end, key_end..metadata_end);
    let is_text = matches!(kind, Kind::Text | Kind::TextWithFields);
    check_lengths(is_text, key.end - key.start, metadata.end - metadata.start, record.len() - content)
        .map_err(|e| fault(&e.to_string()))?;
    let places = Places { is_text, key, metadata, fields, content };
    Ok((kind, Entry::new(record, places)))
}

/// A record of the caller's.
pub(crate) fn entry(record: block_format::Record) -> Result<Entry> {
    decode(record).map(|(_, entry)| entry)
}
