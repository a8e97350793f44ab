//! What lies in the store → a state: shards opened, what none of them covers indexed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use block_format::{PartKind, RecordId, Snapshot as Records, Store};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde_json::{Map, Value};

use crate::artifact::{DEAD, RecoveryReport, SETTINGS, SHARD};
use crate::embeddings::{self, Embedding};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::record::{Entry, Kind};
use crate::settings::Settings;
use crate::shard::{Dead, Doc, Rescued, Shard, build};
use crate::state::{State, View, stored_embedding};

/// The settings in the store; those of the options if it has none, because its creation was interrupted.
pub(crate) fn settings(records: &Records, options: &Options) -> Result<Settings> {
    match records.parts().iter().rfind(|part| part.kind() == SETTINGS) {
        Some(part) => {
            part.verify()?;
            Settings::decode(&part.content()?)
        }
        None => options.settings(),
    }
}

/// Everything that the store has.
pub(crate) fn state(store: &Store, settings: Arc<Settings>, recovery: &mut RecoveryReport) -> Result<State> {
    let records = store.snapshot();
    let mut shards = Vec::new();
    let mut rescued = Vec::new();
    for part in records.parts().iter().filter(|part| part.kind() == SHARD) {
        match Shard::open_part(part, &settings) {
            Ok(shard) => {
                recovery.damage.extend(shard.losses.iter().cloned());
                shards.push(Arc::new(shard));
            }
            Err(e) if e.kind() != ErrorKind::Damaged => return Err(e),
            Err(e) => {
                recovery.damage.push(format!("shard {} is made anew from the records: {e}", part.tag()));
                recovery.shards_rebuilt += 1;
                rescued.extend(Rescued::open(part, &settings));
            }
        }
    }
    cover(records, settings, shards, &rescued, recovery)
}

/// What a reader sees that had `old` before: the shards that it has are kept, also those in memory that still fit.
pub(crate) fn refreshed(store: &Store, settings: Arc<Settings>, old: &State) -> Result<State> {
    let records = store.snapshot();
    let mut shards = Vec::new();
    for part in records.parts().iter().filter(|part| part.kind() == SHARD) {
        let known = old.views.iter().find(|view| view.shard.number == part.tag());
        match known {
            Some(view) if settings.spaces.len() == old.settings.spaces.len() => {
                shards.push(view.shard.clone());
            }
            _ => match Shard::open_part(part, &settings) {
                Ok(shard) => shards.push(Arc::new(shard)),
                Err(e) if e.kind() == ErrorKind::Damaged => {} // made anew below
                Err(e) => return Err(e),
            },
        }
    }
    let sealed_to = shards.iter().map(|shard: &Arc<Shard>| shard.covers.end).max().unwrap_or(0);
    if settings.spaces.len() == old.settings.spaces.len() {
        shards.extend(
            old.tail().filter(|view| view.shard.covers.start >= sealed_to).map(|view| view.shard.clone()),
        );
    }
    cover(records, settings, shards, &[], &mut RecoveryReport::default())
}

/// Indexes the records that no shard covers.
fn cover(
    records: Records,
    settings: Arc<Settings>,
    mut shards: Vec<Arc<Shard>>,
    rescued: &[Rescued],
    recovery: &mut RecoveryReport,
) -> Result<State> {
    // Salvage may bring back shards that others have taken the place of: what is covered already is left out.
    shards.sort_by_key(|shard| (shard.covers.start, Reverse(shard.covers.end), Reverse(shard.number)));
    let mut state = State { records, settings, views: Vec::new(), version: 0 };
    let mut next = 0;
    for shard in shards {
        if shard.covers.end <= next && shard.covers.start < next {
            continue;
        }
        if shard.covers.start > next {
            index(&mut state, next..shard.covers.start, rescued, recovery)?;
        }
        next = next.max(shard.covers.end);
        state.views.push(View { shard, dead: Arc::default() });
    }
    let end = state.records.next_id().0;
    if next < end {
        index(&mut state, next..end, rescued, recovery)?;
    }
    mark_dead(&mut state)?;
    Ok(state)
}

/// Works out anew which rows of each shard are dead.
pub(crate) fn mark_dead(state: &mut State) -> Result<()> {
    let deleted: Vec<RecordId> = state.records.deleted_ids().collect();
    let mut newer = RoaringTreemap::new();
    for at in (0..state.views.len()).rev() {
        let shard = state.views[at].shard.clone();
        let ids = shard.ids();
        let mut rows = RoaringBitmap::new();
        let reclaimed =
            state.records.parts().iter().filter(|part| part.kind() == DEAD && part.tag() == shard.number);
        for part in reclaimed {
            part.verify()?;
            let fault = |e| Error::damaged(format!("rows of shard {} that are gone: {e}", shard.number));
            rows |= RoaringBitmap::deserialize_from(&part.content()?[..]).map_err(fault)?;
        }
        rows.extend(deleted.iter().filter_map(|&id| ids.row_of(id)));
        rows.extend(newer.iter().filter_map(|id| ids.row_of(RecordId(id))));
        rows.remove_range(shard.rows..);
        newer.extend(ids.before(shard.covers.start).map(|id| id.0));
        state.views[at].dead = Arc::new(Dead::new(rows));
    }
    Ok(())
}

/// Records that are indexed together, at the most, and the bytes of their content.
const RECORDS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 4 << 20;

/// Indexes the records with ids in `range` into shards in memory.
fn index(
    state: &mut State,
    range: Range<u64>,
    rescued: &[Rescued],
    recovery: &mut RecoveryReport,
) -> Result<()> {
    let mut group = Group::default();
    let mut begun = range.start;
    for record in state.records.records_from(RecordId(range.start)) {
        let record = match record.map_err(Error::from) {
            Ok(record) if record.id().0 >= range.end => break,
            Ok(record) => record,
            Err(e) => {
                note(recovery, e)?;
                continue;
            }
        };
        let id = record.id().0;
        if let Err(e) = Entry::new(record).and_then(|entry| group.add(&entry, state, rescued)) {
            note(recovery, e)?;
        }
        if group.is_full() {
            recovery.records_indexed += group.docs.len() as u64;
            std::mem::take(&mut group).flush(state, begun..id + 1)?;
            begun = id + 1;
        }
    }
    recovery.records_indexed += group.docs.len() as u64;
    group.flush(state, begun..range.end)
}

/// Damage is noted and costs what is damaged; any other failure may be over the next time, and is no reason to leave anything out.
fn note(recovery: &mut RecoveryReport, e: Error) -> Result<()> {
    if e.kind() != ErrorKind::Damaged {
        return Err(e);
    }
    recovery.damage.push(e.to_string());
    Ok(())
}

/// What an index has to know of a record that was read.
#[derive(Debug)]
pub(crate) struct OwnedDoc {
    pub(crate) id: RecordId,
    pub(crate) key: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) text: Option<String>,
    pub(crate) embeddings: Vec<(usize, Embedding)>,
}

impl OwnedDoc {
    /// Without embeddings.
    pub(crate) fn read(entry: &Entry) -> Result<Self> {
        let text = if entry.is_text() { Some(entry.text()?.into_owned()) } else { None };
        let (key, metadata) = (entry.key()?, entry.metadata()?);
        Ok(Self { id: entry.id(), key, metadata, text, embeddings: Vec::new() })
    }

    pub(crate) fn as_doc(&self) -> Doc<'_> {
        Doc {
            id: self.id,
            key: self.key.as_deref(),
            metadata: Some(&self.metadata),
            text: self.text.as_deref(),
            embeddings: self.embeddings.iter().map(|(number, embedding)| (*number, embedding)).collect(),
        }
    }

    /// Puts an embedding in the place of what the space had.
    pub(crate) fn embed(&mut self, number: usize, embedding: Embedding) {
        self.embeddings.retain(|(of, _)| *of != number);
        self.embeddings.push((number, embedding));
    }

    /// A record that is there already, with the embeddings that it has.
    pub(crate) fn stored(state: &State, id: RecordId) -> Result<Option<Self>> {
        let Some(entry) = state.entry(id)? else { return Ok(None) };
        let mut doc = Self::read(&entry)?;
        for number in 0..state.settings.spaces.len() {
            let embedding = state.embedding(id, number)?;
            doc.embeddings.extend(embedding.map(|embedding| (number, embedding)));
        }
        Ok(Some(doc))
    }
}

/// Records on their way into one shard.
#[derive(Debug, Default)]
struct Group {
    docs: Vec<OwnedDoc>,
    /// Earlier records whose embeddings came in this group.
    late: BTreeMap<RecordId, OwnedDoc>,
    /// Embeddings of records that are still to come: they stand before theirs.
    pending: BTreeMap<RecordId, Vec<(usize, Embedding)>>,
    carriers: RoaringTreemap,
    bytes: usize,
}

impl Group {
    fn is_full(&self) -> bool {
        (self.docs.len() >= RECORDS_AT_ONCE || self.bytes >= BYTES_AT_ONCE) && self.pending.is_empty()
    }

    fn add(&mut self, entry: &Entry, state: &State, rescued: &[Rescued]) -> Result<()> {
        if entry.kind() == Kind::Embeddings {
            return self.add_embeddings(entry, state);
        }
        let mut doc = OwnedDoc::read(entry)?;
        for (number, space) in state.settings.spaces.iter().enumerate() {
            for shard in rescued {
                let vectors = shard.vectors.get(number).and_then(Option::as_ref);
                let kept = vectors
                    .zip(shard.row_of(doc.id))
                    .map(|(vectors, row)| stored_embedding(vectors, row, space));
                if let Some(Ok(Some(embedding))) = kept {
                    doc.embed(number, embedding);
                }
            }
        }
        let pending = self.pending.remove(&doc.id).unwrap_or_default();
        for (number, embedding) in pending {
            doc.embed(number, embedding);
        }
        self.bytes += doc.text.as_ref().map_or(0, String::len) + 64;
        self.docs.push(doc);
        Ok(())
    }

    fn add_embeddings(&mut self, entry: &Entry, state: &State) -> Result<()> {
        self.carriers.insert(entry.id().0);
        let (number, found) = embeddings::decode(entry, &state.settings)?;
        for (id, embedding) in found {
            embeddings::check(&state.settings.spaces[number].quantizer, &embedding)?;
            self.bytes += embedding.codes.len() + embedding.original.len();
            if id > entry.id() {
                self.pending.entry(id).or_default().push((number, embedding));
            } else if let Ok(at) = self.docs.binary_search_by_key(&id, |doc| doc.id) {
                self.docs[at].embed(number, embedding);
            } else if let Some(doc) = self.late.get_mut(&id) {
                doc.embed(number, embedding);
            } else if let Some(mut doc) = OwnedDoc::stored(state, id)? {
                doc.embed(number, embedding);
                self.late.insert(id, doc);
            }
        }
        Ok(())
    }

    fn flush(self, state: &mut State, covers: Range<u64>) -> Result<()> {
        let docs: Vec<Doc<'_>> = self.late.values().chain(&self.docs).map(OwnedDoc::as_doc).collect();
        let shard = Arc::new(build(&state.settings, covers, &docs, self.carriers)?);
        state.views.push(View { shard, dead: Arc::default() });
        crate::tail::compact(&state.settings, &mut state.views, 0)
    }
}

/// Kinds of parts that belong to the shard with their tag.
pub(crate) fn belongs_to_shard(kind: PartKind) -> bool {
    kind == SHARD || kind == DEAD
}
