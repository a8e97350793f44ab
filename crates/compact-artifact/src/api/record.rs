//! A record as a caller has it, and how long what it holds may be.

use std::borrow::Cow;
use std::time::SystemTime;

use metadata_index::{FilterValue, json};
use serde_json::{Map, Value};

use crate::api::error::{Error, ErrorKind, Result};

/// The longest key in bytes.
pub const MAX_KEY_LEN: usize = 1024;
/// The longest metadata of a record in bytes, as JSON.
pub const MAX_METADATA_LEN: usize = 1 << 20;
/// The longest text of a record in bytes; a longer one is a blob. What is indexed of a record, its fields as often as they count included, is no longer.
pub const MAX_TEXT_LEN: usize = 64 << 20;
/// The most bytes of all fields of a record, with their names.
pub const MAX_FIELDS_LEN: usize = 1 << 20;

/// A record to be stored: content, and what it is found by.
///
/// ```
/// use compact_artifact::Record;
/// use serde_json::json;
///
/// let record = Record::text("a cat on a mat").key("doc-1").metadata(json!({"year": 2026})).embedding("text", vec![0.1, 0.9]);
/// # let _ = record;
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a record is stored by `add`"]
pub struct Record {
    pub(crate) content: Content,
    pub(crate) key: Option<String>,
    pub(crate) metadata: Value,
    pub(crate) embeddings: Vec<(String, Vec<f32>)>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) expires_at: Option<SystemTime>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Blob(Vec<u8>),
}

impl Record {
    /// A text, which is found by its words. Of a word of more than 255 bytes the first 255 count, in texts and in queries.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// Any bytes.
    pub fn blob(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Content::Blob(bytes.into()))
    }

    fn new(content: Content) -> Self {
        let (embeddings, fields) = Default::default();
        Self { content, key: None, metadata: Value::Null, embeddings, fields, expires_at: None }
    }

    /// A name that no other record of the artifact has, up to [`MAX_KEY_LEN`] bytes.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A JSON object that filters ask about, up to [`MAX_METADATA_LEN`] bytes, with arrays and objects nested at most
    /// [`MAX_DEPTH`](crate::json::MAX_DEPTH) deep and paths of fields up to 1,024 bytes.
    pub fn metadata(mut self, metadata: impl Into<Value>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// Metadata from any value that serializes to a JSON object: see [`metadata`](Self::metadata). Numbers that JSON does not have, NaN and infinities, become
    /// `null`. [`Entry::metadata_as`](crate::Entry::metadata_as) is the way back.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Note {
    ///     author: String,
    ///     year: u16,
    /// }
    /// let note = Note { author: "Melville".to_owned(), year: 1851 };
    /// let id = artifact.add(Record::text("Call me Ishmael.").metadata_of(&note)?)?;
    /// let note: Note = artifact.get(id)?.expect("it is there").metadata_as()?;
    /// assert_eq!((note.author.as_str(), note.year), ("Melville", 1851));
    /// # Ok(()) }
    /// ```
    pub fn metadata_of(self, metadata: &impl serde::Serialize) -> Result<Self> {
        let value = serde_json::to_value(metadata);
        let value = value.map_err(|e| Error::invalid(format!("metadata: {e}")))?;
        if !value.is_object() {
            return Err(Error::invalid(format!(
                "metadata: expected what becomes a JSON object, found {value}"
            )));
        }
        Ok(self.metadata(value))
    }

    /// When the record is not there any more: puts the time into the field of the metadata by which records of the artifact expire, in the place of what is there. An artifact without
    /// such a field, see [`Options::expires_at`](crate::Options::expires_at), does not take the record, and neither does any with a time outside of the years 0000 to 9999.
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::options().expires_at("until").create(temp.path().join("a"))?;
    /// let hour = Duration::from_secs(3600);
    /// artifact.add(Record::text("still here").expires_at(SystemTime::now() + hour))?;
    /// artifact.add(Record::text("gone").expires_at(SystemTime::now() - hour))?;
    /// assert_eq!(artifact.len(), 1);
    /// # Ok(()) }
    /// ```
    pub fn expires_at(mut self, time: impl Into<SystemTime>) -> Self {
        self.expires_at = Some(time.into());
        self
    }

    /// Puts the time at which it expires into its metadata, in the field for that.
    pub(crate) fn resolve_expiry(&mut self, field: Option<&str>) -> Result<()> {
        let Some(time) = self.expires_at.take() else { return Ok(()) };
        let field = field.ok_or_else(|| {
            Error::invalid("a record that expires, in an artifact without a field for that; open it with the option expires_at, or leave the time out")
        })?;
        let date = FilterValue::try_from(time).map_err(|_| {
            Error::invalid("when a record expires: expected a point in time in the years 0000 to 9999")
        })?;
        let mut place = &mut self.metadata;
        for name in field.split('.') {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(map) = place else {
                return Err(Error::invalid(format!(
                    "records expire by the field {field:?}, of which {name:?} would be in {place}"
                )));
            };
            place = map.entry(name).or_insert(Value::Null);
        }
        *place = serde_json::to_value(date).map_err(|e| Error::invalid(e.to_string()))?;
        Ok(())
    }

    /// The embedding of the record in a vector space; one for each space at the most.
    pub fn embedding(mut self, space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        self.embeddings.push((space.into(), vector.into()));
        self
    }

    /// A text beside the content, in a field of the artifact: `title`, which new artifacts have, or one that [`Options::field`](crate::Options::field)
    /// names. Its words are found together with those of the content, and count as often as the field says; and alone, by `title:word`. At most one text a
    /// field, of at most [`MAX_FIELDS_LEN`] bytes in all.
    pub fn field(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.fields.push((name.into(), text.into()));
        self
    }

    /// What is embedded of a text: its fields in their order and the content, as sentences.
    pub(crate) fn meant(&self) -> Option<Cow<'_, str>> {
        self.as_text().map(|text| meant(&self.fields, text))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Blob(_) => None,
        }
    }

    pub(crate) fn content(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Blob(bytes) => bytes,
        }
    }

    /// Bytes that it holds, about.
    pub(crate) fn held_bytes(&self) -> usize {
        let embeddings: usize = self.embeddings.iter().map(|(_, vector)| 4 * vector.len()).sum();
        let fields: usize = self.fields.iter().map(|(name, text)| name.len() + text.len()).sum();
        let key = self.key.as_ref().map_or(0, String::len);
        fields + self.content().len() + key + json::held_bytes(&self.metadata) + embeddings + 256
    }

    pub(crate) fn metadata_map(&self) -> Option<&Map<String, Value>> {
        self.metadata.as_object()
    }
}

/// What is embedded of a text with fields.
pub(crate) fn meant<'t>(fields: &[(String, String)], text: &'t str) -> Cow<'t, str> {
    if fields.is_empty() {
        return Cow::Borrowed(text);
    }
    let sentences: Vec<&str> = fields.iter().map(|(_, text)| text.as_str()).chain([text]).collect();
    Cow::Owned(sentences.join(". "))
}

/// Whether a record may be so long. The writer asks before it stores, the reader when it has read the lengths.
pub(crate) fn check_lengths(is_text: bool, key: u64, metadata: u64, content: u64) -> Result<()> {
    let content_limit = if is_text { MAX_TEXT_LEN as u64 } else { u64::MAX };

    for (what, len, limit) in [
        ("a key", key, MAX_KEY_LEN as u64),
        ("metadata", metadata, MAX_METADATA_LEN as u64),
        ("a text", content, content_limit),
    ] {
        if len > limit {
            let message = format!("{what} of {len} bytes; expected at most {limit}");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
    }
    Ok(())
}
