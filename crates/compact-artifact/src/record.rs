//! What a caller stores, what a caller gets back, and the bytes of it in between.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};

use block_format::RecordId;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::filter::check_metadata;
use crate::json;

/// The longest key in bytes.
pub const MAX_KEY_LEN: usize = 1024;
/// The longest metadata of a record in bytes, as JSON.
pub const MAX_METADATA_LEN: usize = 1 << 20;
/// The longest text of a record in bytes; a longer one is a blob.
pub const MAX_TEXT_LEN: usize = 64 << 20;

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
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Blob(Vec<u8>),
}

impl Record {
    /// A text, which is found by its words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// Any bytes.
    pub fn blob(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Content::Blob(bytes.into()))
    }

    fn new(content: Content) -> Self {
        Self { content, key: None, metadata: Value::Null, embeddings: Vec::new() }
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

    /// The embedding of the record in a vector space; one for each space at the most.
    pub fn embedding(mut self, space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        self.embeddings.push((space.into(), vector.into()));
        self
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

    /// What stands before the content, checked.
    pub(crate) fn head(&self) -> Result<Vec<u8>> {
        let kind = match &self.content {
            Content::Text(_) => Kind::Text,
            Content::Blob(_) => Kind::Blob,
        };
        let metadata = match &self.metadata {
            Value::Null => Vec::new(),
            Value::Object(map) if map.is_empty() => Vec::new(),
            Value::Object(map) => {
                check_metadata(map)?;
                serde_json::to_vec(map).map_err(|e| Error::invalid(format!("metadata: {e}")))?
            }
            other => return Err(Error::invalid(format!("metadata: expected a JSON object, found {other}"))),
        };
        let key = self.key.as_deref().unwrap_or_default();
        check_lengths(kind, key.len() as u64, metadata.len() as u64, self.content().len() as u64)?;
        if self.key.as_deref() == Some("") {
            return Err(Error::invalid("a key: expected at least one byte"));
        }
        Ok(encode_head(kind, key, &metadata))
    }

    /// Bytes that it holds, about.
    pub(crate) fn held_bytes(&self) -> usize {
        let embeddings: usize = self.embeddings.iter().map(|(_, vector)| 4 * vector.len()).sum();
        self.content().len() + self.key.as_ref().map_or(0, String::len) + embeddings + 256
    }

    pub(crate) fn metadata_map(&self) -> Option<&Map<String, Value>> {
        self.metadata.as_object()
    }
}

/// Whether a record may be so long. The writer asks before it stores, the reader when it has read the lengths.
fn check_lengths(kind: Kind, key: u64, metadata: u64, content: u64) -> Result<()> {
    let content_limit = if kind == Kind::Text { MAX_TEXT_LEN as u64 } else { u64::MAX };
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

/// What the bytes of a record in the store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text = 1,
    Blob = 2,
    /// Not a record of the caller's but embeddings of some, on their way to an index: see [`crate::embeddings`].
    Embeddings = 3,
}

/// The fixed bytes at the beginning: the kind, and the lengths of key and metadata.
const FIXED: usize = 7;

fn encode_head(kind: Kind, key: &str, metadata: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(FIXED + key.len() + metadata.len());
    head.push(kind as u8);
    // Both were checked against their limits.
    head.extend(u16::try_from(key.len()).unwrap_or(0).to_le_bytes());
    head.extend(u32::try_from(metadata.len()).unwrap_or(0).to_le_bytes());
    head.extend(key.as_bytes());
    head.extend(metadata);
    head
}

pub(crate) fn encode_embeddings_head() -> Vec<u8> {
    encode_head(Kind::Embeddings, "", &[])
}

/// Where things are in the bytes of a record.
#[derive(Debug, Clone, Copy)]
struct Layout {
    kind: Kind,
    key_end: u64,
    content: u64,
}

impl Layout {
    fn of(record: &block_format::Record) -> Result<Self> {
        let fault = |message: &str| Error::damaged(format!("record {}: {message}", record.id()));
        let fixed = record.range(0..FIXED as u64)?;
        let fixed: &[u8; FIXED] = fixed.first_chunk().ok_or_else(|| fault("too short to be one"))?;
        let [kind, k0, k1, m0, m1, m2, m3] = *fixed;
        let kind = [Kind::Text, Kind::Blob, Kind::Embeddings].into_iter().find(|&known| known as u8 == kind);
        let kind = kind
            .ok_or_else(|| fault("of an unknown kind; written by a newer version, or by another program"))?;
        let key_end = FIXED as u64 + u64::from(u16::from_le_bytes([k0, k1]));
        let content = key_end + u64::from(u32::from_le_bytes([m0, m1, m2, m3]));
        if content > record.len() {
            return Err(fault("its key and metadata are longer than itself"));
        }
        check_lengths(kind, key_end - FIXED as u64, content - key_end, record.len() - content)
            .map_err(|e| fault(&e.to_string()))?;
        Ok(Self { kind, key_end, content })
    }
}

/// A stored record. Its block stays in memory as long as the value lives.
#[derive(Debug, Clone)]
pub struct Entry {
    record: block_format::Record,
    layout: Layout,
}

impl Entry {
    pub(crate) fn new(record: block_format::Record) -> Result<Self> {
        let layout = Layout::of(&record)?;
        Ok(Self { record, layout })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.layout.kind
    }

    /// The id of the record.
    pub fn id(&self) -> RecordId {
        self.record.id()
    }

    /// Its key.
    pub fn key(&self) -> Result<Option<String>> {
        let bytes = self.record.range(FIXED as u64..self.layout.key_end)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let key = std::str::from_utf8(&bytes).map_err(|_| self.fault("its key is not UTF-8"))?;
        Ok(Some(key.to_owned()))
    }

    /// Its metadata; empty if it has none.
    pub fn metadata(&self) -> Result<Map<String, Value>> {
        let bytes = self.record.range(self.layout.key_end..self.layout.content)?;
        if bytes.is_empty() {
            return Ok(Map::new());
        }
        let not_stored = |e: Error| self.fault(&format!("its metadata cannot have been stored: {e}"));
        let Value::Object(metadata) = json::from_slice(&bytes).map_err(not_stored)? else {
            return Err(self.fault("its metadata is not a JSON object"));
        };
        check_metadata(&metadata).map_err(not_stored)?;
        Ok(metadata)
    }

    /// Whether it was stored as a text.
    pub fn is_text(&self) -> bool {
        self.layout.kind == Kind::Text
    }

    /// Length of the content in bytes.
    pub fn len(&self) -> u64 {
        self.record.len() - self.layout.content
    }

    /// Whether the content is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content of a text.
    pub fn text(&self) -> Result<Cow<'_, str>> {
        if !self.is_text() {
            let message = format!("record {} is a blob; read it with `bytes` or `reader`", self.id());
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
        Ok(self.record.range(self.layout.content..self.record.len())?)
    }

    /// Some bytes of the content; what lies behind its end is left out.
    pub fn range(&self, range: std::ops::Range<u64>) -> Result<Cow<'_, [u8]>> {
        let shifted = |at: u64| at.saturating_add(self.layout.content);
        Ok(self.record.range(shifted(range.start)..shifted(range.end))?)
    }

    /// Reads the content from front to back, or from anywhere, with one frame of 256 KiB in memory.
    pub fn reader(&self) -> EntryReader {
        EntryReader { inner: self.record.reader(), start: self.layout.content, begun: false }
    }

    fn fault(&self, message: &str) -> Error {
        Error::damaged(format!("record {}: {message}", self.id()))
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
