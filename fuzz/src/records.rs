//! Records as the facade encodes them, of any numbers, put into the log of an artifact by the store.

use std::sync::Arc;

use arbitrary::Arbitrary;
use block_format::{Options, Store};

use crate::Files;
use crate::ROOT;
use crate::hostile::Number;
use crate::sound::{disk, files};

/// What the store is given as a record.
#[derive(Debug, Arbitrary)]
pub enum Raw {
    Bytes(Vec<u8>),
    /// Kind, key, metadata, content; lengths of key and metadata if they are wrong.
    Entry {
        kind: u8,
        key: String,
        metadata: String,
        content: Vec<u8>,
        lens: Option<(u16, u32)>,
    },
    /// Metadata that are JSON: some values in an object.
    Metadata(Vec<(u8, Value)>),
    /// Embeddings of a space with 4, 3 or 5 dimensions.
    Embeddings {
        space: u8,
        count: Option<Number>,
        of: Vec<(Number, u32, [u8; 17])>,
    },
    /// The record with this number is deleted.
    Delete(Number),
    /// Other metadata of a record; bytes behind its id that do not belong there.
    Changed {
        id: Number,
        metadata: Vec<(u8, Value)>,
        tail: Vec<u8>,
    },
    /// Records that have no embedding in a space any more.
    Removed {
        space: u8,
        count: Option<Number>,
        ids: Vec<Number>,
    },
}

#[derive(Debug, Arbitrary)]
pub enum Value {
    Integer(i64),
    Float(f64),
    String(String),
    /// `2026-01-01T00:00:00Z`, changed.
    Date(u8, u8),
    /// So deep.
    Nested(u8),
}

impl Value {
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Integer(integer) => (*integer).into(),
            Self::Float(float) => (*float).into(),
            Self::String(string) => string.as_str().into(),
            Self::Date(at, byte) => {
                let mut date = *b"2026-01-01T00:00:00Z";
                date[usize::from(*at) % 20] = byte & 127;
                String::from_utf8_lossy(&date).into()
            }
            Self::Nested(depth) => (0..*depth).fold(1.into(), |inner, step| {
                if step % 2 == 0 { [inner].into_iter().collect() } else { serde_json::json!({"x": inner}) }
            }),
        }
    }
}

/// Some values, as JSON.
fn metadata(values: &[(u8, Value)]) -> String {
    let name = |name: &u8| ["i", "name", "tags", "at", "deep", "", "until"][usize::from(*name) % 7];
    let map = values.iter().take(20).map(|(key, value)| (name(key).to_owned(), value.json()));
    serde_json::Value::Object(map.collect()).to_string()
}

impl Raw {
    fn encode(&self) -> Vec<u8> {
        let entry = |kind: u8, key: &str, metadata: &str, content: &[u8], lens: Option<(u16, u32)>| {
            let (key_len, metadata_len) = lens.unwrap_or((key.len() as u16, metadata.len() as u32));
            let mut bytes = vec![kind];
            bytes.extend(key_len.to_le_bytes());
            bytes.extend(metadata_len.to_le_bytes());
            bytes.extend([key.as_bytes(), metadata.as_bytes(), content].concat());
            bytes
        };
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Entry { kind, key, metadata, content, lens } => {
                let kind = if *kind < 250 { kind % 3 + 1 } else { *kind };
                entry(kind, key, metadata, content, *lens)
            }
            Self::Metadata(values) => entry(1, "", &metadata(values), b"odd text", None),
            Self::Changed { id, metadata: values, tail } => {
                let content = [&id.get().to_le_bytes()[..], tail].concat();
                entry(6, "", &metadata(values), &content, None)
            }
            Self::Removed { space, count, ids } => {
                let count = count.map_or(ids.len() as u64, Number::get) as u32;
                let mut content = u32::from(space % 5).to_le_bytes().to_vec();
                content.extend(count.to_le_bytes());
                content.extend(ids.iter().flat_map(|id| id.get().to_le_bytes()));
                entry(7, "", "", &content, None)
            }
            Self::Embeddings { space, count, of } => {
                let space = if *space < 250 { space % 3 } else { *space };
                let each = [4 + 8, 3 + 12, 5].get(usize::from(space)).copied().unwrap_or(0);
                let count = count.map_or(of.len() as u64, Number::get) as u32;
                let mut content = u32::from(space).to_le_bytes().to_vec();
                content.extend(count.to_le_bytes());
                for (id, scale, rest) in of {
                    content.extend(id.get().to_le_bytes());
                    content.extend(scale.to_le_bytes());
                    content.extend(&rest[..each]);
                }
                entry(3, "", "", &content, None)
            }
            Self::Delete(_) => Vec::new(),
        }
    }
}

/// These files with these records in the log; `sealed`: in a segment that no shard covers.
pub fn with_records(files_before: &Files, raws: &[Raw], sealed: bool) -> Files {
    let vfs = disk(files_before);
    let options = Options::new().auto_seal(false).threads(1).seed(3);
    let (store, _) = Store::open_in(Arc::new(vfs.clone()), ROOT, options).expect("it is sound");
    for raw in raws.iter().take(8) {
        match raw {
            Raw::Delete(id) => drop(store.delete(block_format::RecordId(id.get()))),
            raw => drop(store.put(&raw.encode()).expect("in memory")),
        }
    }
    if sealed {
        store.seal().expect("in memory");
    }
    drop(store);
    files(&vfs)
}
