//! Batches that become one commit: which records are put, replaced, deleted, or indexed again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use block_format::{Durability, RecordId};
use roaring::RoaringTreemap;

use super::prepare::{Prepared, PreparedChange, PreparedRecord};
use super::queue::ReceiptSlot;
use crate::api::error::{Error, ErrorKind, Result};
use crate::engine::policy;
use crate::format::embeddings::Embedding;
use crate::state::{OwnedDocument, State};

/// What becomes one commit.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) puts: Vec<PreparedRecord>,
    pub(super) deletes: RoaringTreemap,
    pub(super) added: BTreeMap<RecordId, AddedEmbeddings>,
    keys: HashSet<String>,
    /// Bytes of the puts.
    bytes: usize,
    pub(super) batches: Vec<PlannedBatch>,
    pub(super) durability: Option<Durability>,
}

/// An earlier record that gets embeddings.
#[derive(Debug)]
pub(super) struct AddedEmbeddings {
    /// The record as it will be.
    document: OwnedDocument,
    pub(super) embeddings: Vec<(usize, Embedding)>,
}

/// A batch of the plan.
#[derive(Debug)]
pub(super) struct PlannedBatch {
    pub(super) slot: Arc<ReceiptSlot>,
    /// The places of its records among the puts.
    pub(super) places: Vec<usize>,
    pub(super) deleted: u64,
}

impl Plan {
    /// Whether a batch has to wait for the next commit, because its outcome may depend on this one.
    pub(super) fn conflicts(&self, prepared: &Prepared) -> bool {
        !self.batches.is_empty()
            && (prepared.depends_on_others()
                || prepared.keys().any(|key| self.keys.contains(key))
                || self.bytes.saturating_add(prepared.bytes()) > policy::MAX_COMMIT_BYTES)
    }

    /// Adds a batch, or says why it cannot be; then nothing was changed.
    pub(super) fn add(&mut self, prepared: Prepared, slot: &Arc<ReceiptSlot>, state: &State) -> Result<()> {
        let bytes = prepared.bytes();
        let mut draft = Draft::new(state, &self.deletes);
        prepared.changes.into_iter().try_for_each(|change| draft.add(change))?;
        let Draft { puts, places, keys, deletes, replaced, added, .. } = draft;
        // What is left is moved behind what other batches put.
        let mut moved = vec![0; puts.len()];
        for (place, put) in puts.into_iter().enumerate() {
            let Some(put) = put else { continue };
            moved[place] = self.puts.len();
            self.puts.push(put);
        }
        let places = places.into_iter().map(|place| moved[place]).collect();
        let deleted = (&deletes - &self.deletes).len();
        self.deletes |= deletes;
        self.deletes |= replaced;
        self.bytes += bytes;
        for (id, added) in added.into_iter().filter(|(id, _)| !self.deletes.contains(id.0)) {
            self.added.entry(id).and_modify(|other| other.join(&added)).or_insert(added);
        }
        self.keys.extend(keys.into_keys());
        self.durability = Some(stronger(self.durability, prepared.durability));
        self.batches.push(PlannedBatch { slot: slot.clone(), places, deleted });
        Ok(())
    }

    /// The records that get embeddings later than themselves, as they will be.
    pub(super) fn reindexed_documents(&self) -> impl Iterator<Item = &OwnedDocument> {
        let added = self.added.iter().filter(|(id, _)| !self.deletes.contains(id.0));
        added.map(|(_, added)| &added.document)
    }
}

/// A batch on its way into a plan, which changes only when all of the batch can be added.
#[derive(Debug)]
struct Draft<'a> {
    state: &'a State,
    /// What earlier batches of the plan delete.
    planned: &'a RoaringTreemap,
    /// `None` where a later record of the batch takes the place.
    puts: Vec<Option<PreparedRecord>>,
    /// Of each record of the batch: its place among `puts`, or that of the one which replaces it.
    places: Vec<usize>,
    /// The places of keys that the batch puts; those that it deletes have none.
    keys: HashMap<String, Option<usize>>,
    deletes: RoaringTreemap,
    replaced: RoaringTreemap,
    added: BTreeMap<RecordId, AddedEmbeddings>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a State, planned: &'a RoaringTreemap) -> Self {
        let (puts, places, keys) = Default::default();
        let (deletes, replaced, added) = Default::default();
        Self { state, planned, puts, places, keys, deletes, replaced, added }
    }

    fn add(&mut self, change: PreparedChange) -> Result<()> {
        match change {
            PreparedChange::Put(put) => self.put(put),
            PreparedChange::Delete(id) => {
                self.deletes.extend(self.state.locate(id).map(|_| id.0));
                Ok(())
            }
            PreparedChange::DeleteKey(key) => self.delete_key(key),
            PreparedChange::DeleteWhere(filter) => {
                self.deletes.extend(self.state.ids_where(&filter)?.iter().map(|id| id.0));
                Ok(())
            }
            PreparedChange::Embed { id, number, embedding, must_exist } => {
                if must_exist || self.lacks_embedding(id, number)? {
                    self.embed(id, number, embedding)?;
                }
                Ok(())
            }
        }
    }

    /// Whether a record is there, and has no embedding in this space.
    fn lacks_embedding(&self, id: RecordId, number: usize) -> Result<bool> {
        let is_deleted = [&self.deletes, &self.replaced, self.planned].iter().any(|ids| ids.contains(id.0));
        Ok(!is_deleted && self.state.locate(id).is_some() && self.state.embedding(id, number)?.is_none())
    }

    fn put(&mut self, put: PreparedRecord) -> Result<()> {
        let place = self.puts.len();
        if let Some(key) = put.record.key.clone() {
            let earlier = self.keys.get(&key).copied().flatten();
            let stored = self.state.id_of_key(&key)?.filter(|id| !self.deletes.contains(id.0));
            let is_taken = earlier.is_some() || stored.is_some_and(|id| !self.replaced.contains(id.0));
            if !put.replace && is_taken {
                let message = format!("there is a record with the key {key:?}; use `upsert` to replace it");
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
            self.replaced.extend(stored.map(|id| id.0));
            if let Some(earlier) = earlier {
                self.puts[earlier] = None;
                self.places.iter_mut().filter(|place| **place == earlier).for_each(|at| *at = place);
            }
            self.keys.insert(key, Some(place));
        }
        self.places.push(place);
        self.puts.push(Some(put));
        Ok(())
    }

    fn delete_key(&mut self, key: String) -> Result<()> {
        if self.keys.get(&key).is_some_and(Option::is_some) {
            return Err(Error::invalid(format!("a batch that adds the key {key:?} and deletes it")));
        }
        self.deletes.extend(self.state.id_of_key(&key)?.map(|id| id.0));
        self.keys.insert(key, None);
        Ok(())
    }

    fn embed(&mut self, id: RecordId, number: usize, embedding: Embedding) -> Result<()> {
        let is_deleted = [&self.deletes, &self.replaced, self.planned].iter().any(|ids| ids.contains(id.0));
        // Read here, so that a record that cannot be read fails its own batch only.
        let known = match self.added.remove(&id) {
            None if !is_deleted => AddedEmbeddings::stored(self.state, id)?,
            known => known.filter(|_| !is_deleted),
        };
        let mut known = known.ok_or_else(|| {
            let message =
                format!("there is no record {id} to give an embedding to, or it was deleted or replaced");
            Error::new(ErrorKind::NoSuchRecord, message)
        })?;
        known.add(number, embedding);
        self.added.insert(id, known);
        Ok(())
    }
}

impl AddedEmbeddings {
    /// A record that is there, with what it has.
    fn stored(state: &State, id: RecordId) -> Result<Option<Self>> {
        Ok(state.document(id)?.map(|document| Self { document, embeddings: Vec::new() }))
    }

    pub(super) fn add(&mut self, number: usize, embedding: Embedding) {
        self.embeddings.retain(|(space, _)| *space != number);
        self.document.embed(number, embedding.clone());
        self.embeddings.push((number, embedding));
    }

    /// Adds what another batch has for the same record.
    fn join(&mut self, later: &Self) {
        later.embeddings.iter().for_each(|(number, embedding)| self.add(*number, embedding.clone()));
    }
}

fn stronger(one: Option<Durability>, other: Durability) -> Durability {
    match (one, other) {
        (None | Some(Durability::Buffered), other) => other,
        (Some(one), Durability::Buffered) => one,
        (Some(Durability::Group(a)), Durability::Group(b)) => Durability::Group(a.min(b)),
        _ => Durability::Sync,
    }
}
