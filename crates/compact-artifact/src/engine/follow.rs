//! What was committed since: waited for, and told apart.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use block_format::{CommitSeq, RecordId};

use super::core::Engine;
use super::gone::Gone;
use super::policy;
use crate::api::changes::{Change, Changes};
use crate::api::error::{Error, Result};
use crate::format::changes;
use crate::format::record::{self, Kind};
use crate::state::State;

impl Engine {
    /// See [`CompactArtifact::watch`](crate::CompactArtifact::watch).
    pub(crate) fn watch(&self, timeout: Duration) -> Result<bool> {
        self.begin_to_follow();
        let begun = Instant::now();
        let before = self.state().records.seq();
        loop {
            self.refresh()?;
            if self.state().records.seq() > before {
                return Ok(true);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            std::thread::sleep(left.min(policy::WATCH_INTERVAL));
        }
    }

    /// See [`CompactArtifact::changes_since`](crate::CompactArtifact::changes_since).
    pub(crate) fn changes_since(&self, commit: CommitSeq) -> Result<Option<Changes>> {
        self.begin_to_follow();
        let state = self.visible();
        let records = &state.records;
        let Some(since) = self.store.since(commit, records) else { return Ok(None) };
        let mut changes = Changes { commit: records.seq(), ..Changes::default() };
        let mut gone: HashMap<String, RecordId> = HashMap::new();
        for id in since.deleted {
            let remembered = self.deleted_records.lock().as_ref().and_then(|deleted| deleted.get(id));
            match remembered.map_or_else(|| Gone::read(records, id), |gone| Ok(Some(gone)))? {
                Some(Gone::Embeddings | Gone::Metadata { .. }) => {}
                Some(Gone::Record { key }) => {
                    gone.extend(key.clone().map(|key| (key, id)));
                    changes.deleted.push(Change { id, key, replaces: None });
                }
                None => return Ok(None),
            }
        }
        let remembered =
            self.deleted_records.lock().as_ref().map(|known| known.updated_since(since.first_new));
        let Some(remembered) = remembered.unwrap_or_default() else { return Ok(None) };
        let mut updated = BTreeSet::from_iter(remembered);
        for stored in records.records_from(since.first_new) {
            let (kind, entry) = stored.map_err(Error::from).and_then(record::decode)?;
            if kind == Kind::Metadata {
                updated.insert(changes::decode_target(&entry)?);
            }
            if !kind.is_record() || state.hidden > 0 && state.locate(entry.id()).is_none() {
                continue;
            }
            let key = entry.key()?;
            let replaces = key.as_ref().and_then(|key| gone.get(key)).copied();
            let list = if replaces.is_some() { &mut changes.replaced } else { &mut changes.added };
            list.push(Change { id: entry.id(), key, replaces });
        }
        let replaced: HashSet<RecordId> =
            changes.replaced.iter().filter_map(|change| change.replaces).collect();
        changes.deleted.retain(|change| !replaced.contains(&change.id));
        for id in updated.range(..since.first_new) {
            if let Some(entry) = state.entry(*id)? {
                changes.updated.push(Change { id: *id, key: entry.key()?, replaces: None });
            }
        }
        Ok(Some(changes))
    }

    /// From now on keys of records that are deleted are remembered.
    fn begin_to_follow(&self) {
        self.deleted_records.lock().get_or_insert_default();
    }

    /// Remembers what was deleted between the commit of `old`, in which it is still there, and the newest one, if anybody follows.
    pub(super) fn remember_deleted(&self, old: &State) {
        let mut deleted = self.deleted_records.lock();
        let Some(deleted) = deleted.as_mut() else { return };
        if let Some(since) = self.store.since(old.records.seq(), &self.store.snapshot()) {
            deleted.remember(&old.records, since.deleted.into_iter());
        }
    }
}
