//! A stored record, as a caller gets it back.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use block_format::RecordId;
use metadata_index::check_metadata;
use serde_json::{Map, Value};

use crate::api::error::{Error, ErrorKind, Result};
use crate::format::layout::decode_fields;
use metadata_index::json;

/// A stored record: what [`get`](crate::CompactArtifact::get) and searches with [`fetch`](crate::Query::fetch) return. Its block stays in memory as long as
/// the value lives, and it stays readable whatever is deleted or compacted meanwhile.
///
/// Reading a piece fails with [`Damaged`](ErrorKind::Damaged) if its bytes are not what was written.
///
/// ```
/// # use compact_artifact::{CompactArtifact, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let id = artifact.add(Record::text("a cat").key("cat").metadata(serde_json::json!({"legs": 4})))?;
/// let entry = artifact.get(id)?.expect("it was just added");
/// assert_eq!(entry.text()?, "a cat");
/// assert_eq!(entry.key()?.as_deref(), Some("cat"));
/// assert_eq!(entry.metadata()?["legs"], 4);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Entry {
    record: block_format::Record,
    places: Places,
    changed: Option<Box<ChangedMetadata>>,
}

/// Metadata that a record got later: in a record of the store of their own.
#[derive(Debug, Clone)]
struct ChangedMetadata {
    id: RecordId,
    /// `None`: they cannot be read.
    found: Option<(block_format::Record, Range<u64>)>,
}

/// Where the key, the metadata and the content of a record are among its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) is_text: bool,
    pub(crate) key: Range<u64>,
    pub(crate) metadata: Range<u64>,
    /// Its fields, without their length; empty if there are none.
    pub(crate) fields: Range<u64>,
    /// Where the content begins; it reaches to the end.
    pub(crate) content: u64,
}

impl Entry {
    pub(crate) fn new(record: block_format::Record, places: Places) -> Self {
        Self { record, places, changed: None }
    }

    /// The same record with the metadata that it got in the record `id`, if that could be read.
    pub(crate) fn with_metadata(self, id: RecordId, found: Option<Self>) -> Self {
        let found = found.map(|found| (found.record, found.places.metadata));
        Self { changed: Some(Box::new(ChangedMetadata { id, found })), ..self }
    }

    /// The record of the store that has its metadata, if that is not its own.
    pub(crate) fn metadata_record(&self) -> Option<RecordId> {
        self.changed.as_ref().map(|changed| changed.id)
    }

    fn metadata_bytes(&self) -> Result<Cow<'_, [u8]>> {
        let (record, place) = match self.changed.as_deref() {
            None => (&self.record, &self.places.metadata),
            Some(ChangedMetadata { found: Some((record, place)), .. }) => (record, place),
            Some(ChangedMetadata { found: None, id }) => {
                let message = format!(
                    "its metadata were changed, and what changed them, record {id} of the store, cannot be read"
                );
                return Err(self.fault(&message));
            }
        };
        Ok(record.range(place.clone())?)
    }

    /// The id of the record.
    pub fn id(&self) -> RecordId {
        self.record.id()
    }

    /// Its key; `None` if it has none.
    pub fn key(&self) -> Result<Option<String>> {
        let bytes = self.record.range(self.places.key.clone())?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let key = std::str::from_utf8(&bytes).map_err(|_| self.fault("its key is not UTF-8"))?;
        Ok(Some(key.to_owned()))
    }

    /// Its metadata; empty if it has none.
    pub fn metadata(&self) -> Result<Map<String, Value>> {
        let bytes = self.metadata_bytes()?;
        if bytes.is_empty() {
            return Ok(Map::new());
        }
        let not_stored =
            |e: metadata_index::Error| self.fault(&format!("its metadata cannot have been stored: {e}"));
        let Value::Object(metadata) = json::from_slice(&bytes).map_err(not_stored)? else {
            return Err(self.fault("its metadata is not a JSON object"));
        };
        check_metadata(&metadata).map_err(not_stored)?;
        Ok(metadata)
    }

    /// Its metadata as a value that deserializes from them: see [`Record::metadata_of`](crate::Record::metadata_of). Fails with
    /// [`TypeMismatch`](ErrorKind::TypeMismatch) where they are something else.
    pub fn metadata_as<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let message =
            |e: serde_json::Error| format!("record {}: metadata that are something else: {e}", self.id());
        serde_json::from_value(Value::Object(self.metadata()?))
            .map_err(|e| Error::new(ErrorKind::TypeMismatch, message(e)))
    }

    /// Its fields, each with its text, in the order in which they were given.
    pub fn fields(&self) -> Result<Vec<(String, String)>> {
        let bytes = self.record.range(self.places.fields.clone())?;
        decode_fields(&bytes).ok_or_else(|| self.fault("its fields cannot have been stored"))
    }

    /// The text of a field; `None` if it has none.
    pub fn field(&self, name: &str) -> Result<Option<String>> {
        Ok(self.fields()?.into_iter().find(|(known, _)| known == name).map(|(_, text)| text))
    }

    /// Whether it was stored as a text.
    pub fn is_text(&self) -> bool {
        self.places.is_text
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> u64 {
        self.record.len() - self.places.content
    }

    /// Length of all that it has in bytes: key, metadata, fields and content.
    pub fn stored_len(&self) -> u64 {
        let changed = self.changed.as_deref().and_then(|changed| changed.found.as_ref());
        self.record.len() + changed.map_or(0, |(_, metadata)| metadata.end - metadata.start)
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content of a text, borrowed from its block where it lies in one piece. Fails with [`NotText`](ErrorKind::NotText) for a blob.
    pub fn text(&self) -> Result<Cow<'_, str>> {
        if !self.is_text() {
            let message = format!("record {} is a blob; read it as bytes", self.id());
            return Err(Error::new(ErrorKind::NotText, message));
        }
        let not_utf8 = || self.fault("its text is not UTF-8");
        match self.bytes()? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_utf8()),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8()),
        }
    }

    /// The whole content. For one that may not fit in memory there is [`Entry::reader`].
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        Ok(self.record.range(self.places.content..self.record.len())?)
    }

    /// Some bytes of the content; what lies behind its end is left out.
    pub fn range(&self, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let shifted = |at: u64| at.saturating_add(self.places.content);
        Ok(self.record.range(shifted(range.start)..shifted(range.end))?)
    }

    /// Reads the content from front to back, or from anywhere, with one frame of 256 KiB in memory.
    pub fn reader(&self) -> EntryReader {
        EntryReader { inner: self.record.reader(), start: self.places.content, begun: false }
    }

    fn fault(&self, message: &str) -> Error {
        Error::damaged(format!("record {}: {message}", self.id()))
    }
}

/// As an object of `id`, `key`, `metadata`, `fields`, and `text`; in the place of that, of a blob, `len` alone.
///
/// ```
/// # use compact_artifact::{CompactArtifact, Record};
/// # use serde_json::json;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let id = artifact.add(Record::text("a cat").metadata(json!({"legs": 4})))?;
/// let expected = json!({"id": 0, "key": null, "metadata": {"legs": 4}, "fields": {}, "text": "a cat"});
/// assert_eq!(serde_json::to_value(artifact.get(id)?)?, expected);
/// # Ok(()) }
/// ```
impl serde::Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error, SerializeStruct};
        let mut object = serializer.serialize_struct("Entry", 5)?;
        object.serialize_field("id", &self.id())?;
        object.serialize_field("key", &self.key().map_err(Error::custom)?)?;
        object.serialize_field("metadata", &self.metadata().map_err(Error::custom)?)?;
        let fields: Map<String, Value> = self
            .fields()
            .map_err(Error::custom)?
            .into_iter()
            .map(|(name, text)| (name, text.into()))
            .collect();
        object.serialize_field("fields", &fields)?;
        if self.is_text() {
            object.serialize_field("text", &self.text().map_err(Error::custom)?)?;
        } else {
            object.serialize_field("len", &self.len())?;
        }
        object.end()
    }
}

/// The content of a record as [`Read`] and [`Seek`].
#[derive(Debug)]
pub struct EntryReader {
    inner: block_format::ContentReader,
    start: u64,
    begun: bool,
}

impl Read for EntryReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.begun {
            self.inner.seek(SeekFrom::Start(self.start))?;
            self.begun = true;
        }
        self.inner.read(buf)
    }
}

impl Seek for EntryReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(at.saturating_add(self.start)),
            SeekFrom::Current(by) if !self.begun => {
                let at = self.start.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
                SeekFrom::Start(at)
            }
            other => other,
        };
        let before = self.inner.stream_position()?;
        let at = self.inner.seek(to)?;
        if at < self.start {
            self.inner.seek(SeekFrom::Start(before))?;
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.begun = true;
        Ok(at - self.start)
    }
}
