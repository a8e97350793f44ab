//! A stored record, whose parts are read when they are asked for, and then stay where they are.

use std::borrow::Cow;
use std::sync::OnceLock;

use compact_artifact::Entry;

use crate::buffer::lend;
use crate::code::Result;
use crate::types::{ca_bytes, ca_str};

/// A record that C holds. Pointers into it last as long as itself.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) entry: Entry,
    key: OnceLock<Option<String>>,
    metadata: OnceLock<String>,
    fields: OnceLock<Vec<(String, String)>>,
    /// The content where it does not lie in one piece in its block.
    content: OnceLock<Box<[u8]>>,
}

impl Stored {
    pub(crate) fn new(entry: Entry) -> Self {
        Self {
            entry,
            key: OnceLock::new(),
            metadata: OnceLock::new(),
            fields: OnceLock::new(),
            content: OnceLock::new(),
        }
    }

    pub(crate) fn key(&self) -> Result<ca_str> {
        let key = kept(&self.key, || Ok(self.entry.key()?))?;
        Ok(key.as_deref().map_or(ca_str::NONE, lend))
    }

    pub(crate) fn metadata(&self) -> Result<ca_str> {
        let json = || Ok(serde_json::Value::Object(self.entry.metadata()?).to_string());
        Ok(lend(kept(&self.metadata, json)?))
    }

    pub(crate) fn field(&self, name: &str) -> Result<ca_str> {
        let fields = kept(&self.fields, || Ok(self.entry.fields()?))?;
        Ok(fields.iter().find(|(known, _)| known == name).map_or(ca_str::NONE, |(_, text)| lend(text)))
    }

    pub(crate) fn text(&self) -> Result<ca_str> {
        let text = self.entry.text()?; // refuses a blob, and what is not UTF-8
        if let Cow::Borrowed(text) = text {
            return Ok(lend(text));
        }
        let ca_bytes { data, len } = self.bytes()?;
        Ok(ca_str { data: data.cast(), len })
    }

    pub(crate) fn bytes(&self) -> Result<ca_bytes> {
        if let Some(bytes) = self.content.get() {
            return Ok(ca_bytes { data: bytes.as_ptr(), len: bytes.len() });
        }
        match self.entry.bytes()? {
            // In the block, which the entry keeps in memory.
            Cow::Borrowed(bytes) => Ok(ca_bytes { data: bytes.as_ptr(), len: bytes.len() }),
            Cow::Owned(bytes) => {
                let bytes = self.content.get_or_init(|| bytes.into());
                Ok(ca_bytes { data: bytes.as_ptr(), len: bytes.len() })
            }
        }
    }
}

fn kept<T>(place: &OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = place.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(place.get_or_init(|| value))
}
