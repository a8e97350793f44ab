//! What comes in: files and their formats, and the values of options.

#[cfg(feature = "arrow")]
pub(crate) mod columnar;
pub(crate) mod encoding;
pub(crate) mod html;
#[cfg(feature = "arrow")]
mod int96;
#[cfg(feature = "arrow")]
mod ipc_lengths;
pub(crate) mod jsonl;
pub(crate) mod npy;
pub(crate) mod paragraphs;
#[cfg(feature = "arrow")]
mod parquet_footer;
#[cfg(feature = "arrow")]
mod parquet_pages;
pub(crate) mod settings;
pub(crate) mod shape;
pub(crate) mod sources;
pub(crate) mod table;
pub(crate) mod values;
pub(crate) mod vector;

use std::fs::File;
use std::path::Path;

use compact_artifact::{
    MAX_FIELDS_LEN, MAX_KEY_LEN, MAX_METADATA_LEN, MAX_SPACE_NAME_LEN, MAX_TEXT_LEN, Record,
};
use serde_json::{Map, Value};

use crate::failure::{Failure, Result};

/// The name of the field that a row may have beside its text without being asked for it.
pub(crate) const TITLE: &str = "title";

/// How often the words of a title count, unless somebody says otherwise: as in every artifact.
pub(crate) const TITLE_WEIGHT: u32 = 2;

/// A record on its way in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    pub(crate) key: Option<String>,
    pub(crate) content: Content,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) vectors: Vec<(String, Vec<f32>)>,
    /// Texts beside the content, by the names of their fields.
    pub(crate) fields: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Text(String),
    Blob(Vec<u8>),
}

impl Document {
    /// Says what an artifact would refuse, while the place where it stands is still known.
    pub(crate) fn check(&self) -> Result<(), String> {
        let too_long = |what: &str, len: usize, limit: usize| {
            if len > limit { Err(format!("{what} of {len} bytes; expected at most {limit}")) } else { Ok(()) }
        };
        if let Some(key) = &self.key {
            if key.is_empty() {
                return Err("an empty key; expected at least one byte, or no key".to_owned());
            }
            too_long("a key", key.len(), MAX_KEY_LEN)?;
        }
        if let Content::Text(text) = &self.content {
            too_long("a text", text.len(), MAX_TEXT_LEN)?;
        }
        let fields: usize = self.fields.iter().map(|(name, text)| name.len() + text.len()).sum();
        too_long("title and fields", fields, MAX_FIELDS_LEN)?;
        compact_artifact::check_metadata(&self.metadata).map_err(|e| e.to_string())?;
        // Written out, it is at most six times as long: what is far below the limit is not written out to be measured.
        if self.metadata_len() > MAX_METADATA_LEN / 6 {
            let len = serde_json::to_string(&self.metadata).map_or(usize::MAX, |json| json.len());
            too_long("metadata", len, MAX_METADATA_LEN)?;
        }
        for (at, (space, vector)) in self.vectors.iter().enumerate() {
            if space.is_empty() {
                return Err("a vector in a space without a name".to_owned());
            }
            too_long("the name of a vector space", space.len(), MAX_SPACE_NAME_LEN)?;
            if self.vectors.iter().take(at).any(|(other, _)| other == space) {
                return Err(format!("two vectors in the space {space:?}; expected one"));
            }
            vector::check_finite(vector).map_err(|e| format!("vector in the space {space:?}: {e}"))?;
        }
        Ok(())
    }

    /// Bytes that it holds in memory, about.
    pub(crate) fn held_len(&self) -> u64 {
        let content = match &self.content {
            Content::Text(text) => text.len(),
            Content::Blob(bytes) => bytes.len(),
        };
        let vectors: usize =
            self.vectors.iter().map(|(space, vector)| space.len() + 4 * vector.len() + 48).sum();
        let fields: usize = self.fields.iter().map(|(name, text)| name.len() + text.len() + 48).sum();
        (content + fields + vectors + self.metadata_len() + self.key.as_ref().map_or(0, String::len) + 200)
            as u64
    }

    fn metadata_len(&self) -> usize {
        self.metadata.iter().map(|(name, value)| name.len() + value_len(value)).sum()
    }

    pub(crate) fn content_len(&self) -> u64 {
        match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::Blob(bytes) => bytes.len() as u64,
        }
    }

    pub(crate) fn into_record(self) -> Record {
        let record = match self.content {
            Content::Text(text) => Record::text(text),
            Content::Blob(bytes) => Record::blob(bytes),
        };
        let record = if self.metadata.is_empty() { record } else { record.metadata(self.metadata) };
        let record =
            self.vectors.into_iter().fold(record, |record, (space, vector)| record.embedding(space, vector));
        let record = self.fields.into_iter().fold(record, |record, (name, text)| record.field(name, text));
        match self.key {
            Some(key) => record.key(key),
            None => record,
        }
    }
}

fn value_len(value: &Value) -> usize {
    64 + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(value_len).sum(),
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + value_len(value)).sum(),
        _ => 0,
    }
}

/// Opens a file, or says which one cannot be opened.
pub(crate) fn open(path: &Path) -> Result<File> {
    #[cfg(test)]
    OPENED.with(|opened| opened.set(opened.get() + 1));
    File::open(path).map_err(|e| cannot_read(path, &e))
}

/// A file that cannot be read.
pub(crate) fn cannot_read(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::not_there(format_args!("{path}: there is no such file")),
        _ => Failure::failed(format_args!("{path}: cannot be read: {error}")),
    }
}

#[cfg(test)]
thread_local! {
    static OPENED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many files this thread has opened.
#[cfg(test)]
pub(crate) fn opened() -> usize {
    OPENED.with(std::cell::Cell::get)
}
