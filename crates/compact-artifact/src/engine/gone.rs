//! The keys of records that were deleted, of an artifact that somebody follows: their bytes may be gone when somebody asks.

use std::collections::{HashMap, VecDeque};

use block_format::{RecordId, Snapshot as Records};

use crate::api::error::Result;
use crate::format::changes;
use crate::format::record::{self, Kind};

/// What a deleted record was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gone {
    /// It was about embeddings of others: callers do not know it.
    Embeddings,
    /// It said which metadata another one has: callers know that one.
    Metadata {
        target: RecordId,
    },
    Record {
        key: Option<String>,
    },
}

impl Gone {
    /// What a record is, deleted or not, if its bytes are still there.
    pub(super) fn read(records: &Records, id: RecordId) -> Result<Option<Self>> {
        let Some(stored) = records.get_stored(id)? else { return Ok(None) };
        let (kind, entry) = record::decode(stored)?;
        Ok(Some(match kind {
            Kind::Embeddings | Kind::RemovedEmbeddings => Self::Embeddings,
            Kind::Metadata => Self::Metadata { target: changes::decode_target(&entry)? },
            _ => Self::Record { key: entry.key()? },
        }))
    }
}

/// Deleted records, those that were deleted last.
#[derive(Debug, Default)]
pub(super) struct DeletedRecords {
    known: HashMap<RecordId, Gone>,
    order: VecDeque<RecordId>,
    key_bytes: usize,
    /// The newest of those about metadata that is remembered no longer.
    forgotten: Option<RecordId>,
}

/// So many are remembered, and so many bytes of their keys.
const MAX_RECORDS: usize = 32 << 10;
const MAX_KEY_BYTES: usize = 4 << 20;

impl DeletedRecords {
    pub(super) fn get(&self, id: RecordId) -> Option<Gone> {
        self.known.get(&id).cloned()
    }

    /// The records that got other metadata by those that came at `first` or later. `None`: not all of these are remembered.
    pub(super) fn updated_since(&self, first: RecordId) -> Option<Vec<RecordId>> {
        if self.forgotten >= Some(first) {
            return None;
        }
        let updated = self.known.iter().filter(|(id, _)| **id >= first).filter_map(|(_, gone)| match gone {
            Gone::Metadata { target } => Some(*target),
            _ => None,
        });
        Some(updated.collect())
    }

    /// Remembers what records were that are deleted now. What cannot be read is not remembered.
    pub(super) fn remember(&mut self, records: &Records, ids: impl Iterator<Item = RecordId>) {
        for id in ids {
            let Ok(Some(gone)) = Gone::read(records, id) else { continue };
            self.key_bytes += gone.key_len();
            self.order.push_back(id);
            self.known.insert(id, gone);
            while self.order.len() > MAX_RECORDS || self.key_bytes > MAX_KEY_BYTES {
                let Some(oldest) = self.order.pop_front() else { break };
                let Some(gone) = self.known.remove(&oldest) else { continue };
                self.key_bytes = self.key_bytes.saturating_sub(gone.key_len());
                if matches!(gone, Gone::Metadata { .. }) {
                    self.forgotten = self.forgotten.max(Some(oldest));
                }
            }
        }
    }
}

impl Gone {
    fn key_len(&self) -> usize {
        match self {
            Self::Record { key: Some(key) } => key.len(),
            _ => 0,
        }
    }
}
