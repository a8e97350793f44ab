//! Damage, and what is lost with it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use block_format::RecordId;
use serde::Serialize;

use crate::api::error::Error;

/// Something that is not what was written there. Printed, it is a sentence; its fields are what a program asks.
///
/// Damage costs what is damaged: everything else is read, searched and copied as before. [`verify`](crate::verify) looks for it everywhere,
/// [`salvage`](crate::salvage) copies what is sound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// The file, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The bytes of the file that cannot be trusted, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Range<u64>>,
    /// Ids of records of which some may be lost with it; `None`: none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Range<RecordId>>,
    /// The number of the shard that it is in: a part of the index, which is made anew from records where they hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u64>,
    /// The vector space whose vectors are concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// What does not hold, and where: a sentence for people.
    pub message: String,
}

impl Damage {
    /// Damage of which only a sentence is known.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// A record that cannot be read.
    pub(crate) fn of_record(id: RecordId, e: &Error) -> Self {
        Self { records: Some(id..RecordId(id.0.saturating_add(1))), ..Self::new(format!("record {id}: {e}")) }
    }

    /// The same, of this shard.
    pub(crate) fn in_shard(self, number: u64) -> Self {
        Self { shard: Some(number), ..self }
    }

    /// The same, of this space.
    pub(crate) fn in_space(self, name: &str) -> Self {
        Self { space: Some(name.to_owned()), ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<&block_format::Damage> for Damage {
    fn from(damage: &block_format::Damage) -> Self {
        let records = Some(damage.lost.clone()).filter(|ids| ids.start < ids.end);
        let (file, bytes) = (Some(damage.path.clone()), Some(damage.range.clone()));
        Self { file, bytes, records, ..Self::new(damage.to_string()) }
    }
}
