//! Batches that become one commit: which records are put, replaced, deleted, or indexed again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use block_format::{Durability, RecordId};
use roaring::RoaringTreemap;

use super::changed::Changed;
use super::prepare::{Prepared, PreparedChange, PreparedRecord};
use super::queue::ReceiptSlot;
use crate::api::batch::Target;
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::patch::MetadataPatch;
use crate::engine::policy;
use crate::format::embeddings::Embedding;
use crate::state::State;

/// What becomes one commit.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) puts: Vec<PreparedRecord>,
    pub(super) deletes: RoaringTreemap,
    changed: BTreeMap<RecordId, Changed>,
    keys: HashSet<String>,
    /// Bytes of the puts.
    bytes: usize,
    pub(super) batches: Vec<PlannedBatch>,
    pub(super) durability: Option<Durability>,
}

/// A batch of the plan.
#[derive(Debug)]
pub(super) struct PlannedBatch {
    pub(super) slot: Arc<ReceiptSlot>,
    /// The places of its records among the puts.
    pub(super) places: Vec<usize>,
    pub(super) deleted: u64,
    pub(super) updated: u64,
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
    pub(super) fn add(
        &mut self,
        prepared: Prepared,
        slot: &Arc<ReceiptSlot>,
        states: States<'_>,
    ) -> Result<()> {
        let bytes = prepared.bytes();
        let mut draft = Draft::new(states, self);
        for (number, change) in prepared.changes.into_iter().enumerate() {
            draft.add(change).map_err(|e| e.in_change(number))?;
        }
        draft.check()?;
        let Draft { puts, places, keys, deletes, replaced, changed, mut updated, .. } = draft;
        updated -= &deletes | &replaced;
        // What is left is moved behind what other batches put.
        let mut moved = vec![0; puts.len()];
        for (place, put) in puts.into_iter().enumerate() {
            let Some(put) = put else { continue };
            moved[place] = self.puts.len();
            self.puts.push(put);
        }
        let mut places = places;
        // Those that replace others come later, and know their own by then.
        for place in (0..places.len()).rev() {
            places[place] = places[places[place]];
        }
        let places = places.into_iter().map(|place| moved[place]).collect();
        let deleted = (&deletes - &self.deletes).len();
        self.deletes |= deletes;
        self.deletes |= replaced;
        self.bytes += bytes + changed.values().map(Changed::bytes).sum::<usize>();
        self.changed.extend(changed);
        self.keys.extend(keys.into_keys());
        self.durability = Some(stronger(self.durability, prepared.durability));
        self.batches.push(PlannedBatch { slot: slot.clone(), places, deleted, updated: updated.len() });
        Ok(())
    }

    /// The earlier records that change, in the order of their ids.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&RecordId, &Changed)> {
        self.changed.iter().filter(|(id, _)| !self.deletes.contains(id.0))
    }
}

/// The newest commit: as readers see it, and with what they do not see because it expired.
#[derive(Debug, Clone, Copy)]
pub(super) struct States<'a> {
    pub(super) visible: &'a State,
    pub(super) whole: &'a State,
}

/// A batch on its way into a plan, which changes only when all of the batch can be added.
#[derive(Debug)]
struct Draft<'a> {
    state: &'a State,
    whole: &'a State,
    /// What earlier batches do.
    plan: &'a Plan,
    /// `None` where a later record of the batch takes the place.
    puts: Vec<Option<PreparedRecord>>,
    /// Of each record of the batch: its place among `puts`, or that of the next one which replaces it.
    places: Vec<usize>,
    /// The places of keys that the batch puts; those that it deletes have none.
    keys: HashMap<String, Option<usize>>,
    deletes: RoaringTreemap,
    replaced: RoaringTreemap,
    changed: BTreeMap<RecordId, Changed>,
    updated: RoaringTreemap,
}

impl<'a> Draft<'a> {
    fn new(states: States<'a>, plan: &'a Plan) -> Self {
        let (puts, places, keys) = Default::default();
        let (deletes, replaced, changed, updated) = Default::default();
        let States { visible: state, whole } = states;
        Self { state, whole, plan, puts, places, keys, deletes, replaced, changed, updated }
    }

    fn add(&mut self, change: PreparedChange) -> Result<()> {
        match change {
            PreparedChange::Put(put) => self.put(put),
            PreparedChange::Delete(id) => {
                if self.state.locate(id).is_some() {
                    self.deletes.insert(id.0);
                } else if self.whole.locate(id).is_some() {
                    self.replaced.insert(id.0); // it expired
                }
                Ok(())
            }
            PreparedChange::DeleteKey(key) => self.delete_key(key),
            PreparedChange::DeleteWhere(filter) => {
                self.deletes.extend(self.state.ids_where_leniently(&filter)?.iter().map(|id| id.0));
                Ok(())
            }
            PreparedChange::Update { target, patch } => self.update(&target, &patch),
            PreparedChange::Embed { id, number, embedding, must_exist } => {
                if must_exist {
                    return self.embed(id, number, embedding);
                }
                if !self.lacks_embedding(id, number)? {
                    return Ok(());
                }
                // A record that cannot be read gets none.
                match self.embed_text(id, number, embedding) {
                    Err(e) if e.kind() == ErrorKind::Damaged => {
                        self.changed.remove(&id);
                        Ok(())
                    }
                    embedded => embedded,
                }
            }
        }
    }

    /// Whether a record is there, and has no embedding in this space.
    fn lacks_embedding(&self, id: RecordId, number: usize) -> Result<bool> {
        Ok(!self.is_deleted(id)
            && self.state.locate(id).is_some()
            && match self.embedding_of(id, number) {
                Err(e) if e.kind() == ErrorKind::Damaged => true,
                embedding => embedding?.is_none(),
            })
    }

    /// The embedding of an earlier record, with what this batch and those before it in the plan change of it.
    fn embedding_of(&self, id: RecordId, number: usize) -> Result<Option<Embedding>> {
        match self.changed.get(&id).or_else(|| self.plan.changed.get(&id)) {
            Some(changed) => Ok(changed.document.embedding(number).cloned()),
            None => self.state.embedding(id, number),
        }
    }

    /// Gives a record the embeddings of the one that it replaces where it has none itself.
    fn keep_embeddings(&self, put: &mut PreparedRecord, replaced: RecordId) -> Result<()> {
        let mut entry = None;
        // A record that cannot be read may be a text.
        let may_be_text =
            || self.state.entry(replaced).map_or(true, |entry| entry.is_none_or(|e| e.is_text()));
        for (number, space) in self.state.settings.kept_spaces() {
            if put.has_embedding(number) {
                continue;
            }
            let embedding = match self.embedding_of(replaced, number) {
                Ok(Some(embedding)) => embedding,
                Ok(None) => continue,
                // The text can be embedded again.
                Err(e) if e.kind() == ErrorKind::Damaged && space.model.is_some() && may_be_text() => {
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::Damaged => {
                    let message =
                        format!("{e}; give the new record one, or delete the key in the same batch before");
                    return Err(Error::new(ErrorKind::WouldLoseEmbedding, message));
                }
                Err(e) => return Err(e),
            };
            if entry.is_none() {
                entry = self.state.entry(replaced)?;
            }
            let is_same = entry.as_ref().map_or(Ok(false), |entry| put.has_content_of(entry))?;
            let was_text = entry.as_ref().is_none_or(Entry::is_text);
            put.keep_embedding(space, (number, embedding), is_same, was_text)?;
        }
        Ok(())
    }

    fn put(&mut self, mut put: PreparedRecord) -> Result<()> {
        let place = self.puts.len();
        if let Some(key) = put.record.key.clone() {
            let earlier = self.keys.get(&key).copied().flatten();
            let stored = self.whole.id_of_key(&key)?.filter(|id| !self.deletes.contains(id.0));
            let is_there = |id: RecordId| !self.replaced.contains(id.0) && self.state.locate(id).is_some();
            let is_taken = earlier.is_some() || stored.is_some_and(is_there);
            if !put.replace && is_taken {
                let message = format!("there is a record with the key {key:?}; use `upsert` to replace it");
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
            match (earlier.and_then(|place| self.puts[place].take()), stored) {
                (Some(earlier), _) => put.keep_embeddings_of(&earlier, &self.state.settings)?,
                (None, Some(id)) => self.keep_embeddings(&mut put, id)?,
                (None, None) => {}
            }
            self.replaced.extend(stored.map(|id| id.0));
            if let Some(earlier) = earlier {
                self.puts[earlier] = None;
                self.places[earlier] = place;
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

    /// Changes the metadata of those that are meant and still there.
    fn update(&mut self, target: &Target, patch: &MetadataPatch) -> Result<()> {
        let ids = match target {
            Target::Id(id) => vec![*id],
            Target::Key(key) if self.keys.get(key).is_some_and(Option::is_some) => {
                return Err(Error::invalid(format!("a batch that adds the key {key:?} and updates it")));
            }
            Target::Key(key) => {
                self.keys.entry(key.clone()).or_insert(None);
                self.state.id_of_key(key)?.into_iter().collect()
            }
            Target::Where(filter) => self.state.ids_where(filter)?,
        };
        let mut bytes = 0;
        for id in ids {
            let Some(mut changed) = self.take_changed(id)? else { continue };
            let settings = &self.state.settings;
            let before = settings.expiry_values(&changed.document.metadata);
            changed.patch(patch)?;
            let checked = settings.check_updated(&changed.document.metadata, &before);
            checked.map_err(|e| e.about(format_args!("record {id}")))?;
            bytes += changed.bytes();
            self.changed.insert(id, changed);
            self.updated.insert(id.0);
            if bytes > policy::MAX_COMMIT_BYTES {
                let message = format!(
                    "an update of records of more than {} bytes together; narrow the filter and update in several steps",
                    policy::MAX_COMMIT_BYTES
                );
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
        }
        Ok(())
    }

    fn embed(&mut self, id: RecordId, number: usize, embedding: Option<Embedding>) -> Result<()> {
        let mut changed = self.take_changed(id)?.ok_or_else(|| {
            let message = format!(
                "there is no record {id} whose embedding could change, or it was deleted or replaced"
            );
            Error::new(ErrorKind::NoSuchRecord, message)
        })?;
        changed.embed(number, embedding);
        self.changed.insert(id, changed);
        Ok(())
    }

    /// [`embed`](Self::embed) of a text, which may do without what cannot be read of embeddings by models: they can be made anew.
    fn embed_text(&mut self, id: RecordId, number: usize, embedding: Option<Embedding>) -> Result<()> {
        self.embed(id, number, embedding)?;
        let Some(changed) = self.changed.get_mut(&id) else { return Ok(()) };
        let spaces = &self.state.settings.spaces;
        changed.document.lost.retain(|&lost| spaces[lost].model.is_none());
        changed.check(self.state)
    }

    /// An earlier record with what this batch and those before it in the plan change of it. Read here, so that a record that cannot be read fails its own
    /// batch only.
    fn take_changed(&mut self, id: RecordId) -> Result<Option<Changed>> {
        if self.is_deleted(id) {
            return Ok(None);
        }
        match self.changed.remove(&id).or_else(|| self.plan.changed.get(&id).cloned()) {
            None => Changed::stored(self.state, id),
            changed => Ok(changed),
        }
    }

    /// Whether all that changes can be indexed again.
    fn check(&self) -> Result<()> {
        let kept = self.changed.iter().filter(|(id, _)| !self.is_deleted(**id));
        kept.map(|(_, changed)| changed).try_for_each(|changed| changed.check(self.state))
    }

    fn is_deleted(&self, id: RecordId) -> bool {
        [&self.deletes, &self.replaced, &self.plan.deletes].iter().any(|ids| ids.contains(id.0))
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
