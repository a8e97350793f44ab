//! What lies in the store → a state: shards opened, what none of them has indexed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use block_format::{Part, PartKind, RecordId, Snapshot as Records};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde_json::{Map, Value};

use crate::artifact::{DEAD, RecoveryReport, SETTINGS, SHARD};
use crate::embeddings::{self, Embedding};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::protocol::{Step, Steps};
use crate::record::{Entry, Kind};
use crate::settings::Settings;
use crate::shard::{Dead, Doc, Rescued, Shard, build};
use crate::state::{State, View, sort_views, stored_embedding};

/// The settings in the store; those of the options if it has none, because its creation was interrupted. There are two copies, either of
/// which will do.
pub(crate) fn settings(records: &Records, options: &Options) -> Result<Settings> {
    let mut damage = None;
    for part in records.parts().iter().rev().filter(|part| part.kind() == SETTINGS) {
        match read_settings(part) {
            Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
            read => return read,
        }
    }
    damage.map_or_else(|| options.settings(), Err)
}

fn read_settings(part: &Part) -> Result<Settings> {
    part.verify()?;
    Settings::decode(&part.content()?)
}

/// Whether a copy of the settings is missing or damaged, so that they should be written anew.
pub(crate) fn settings_need_repair(records: &Records) -> bool {
    let copies = records.parts().iter().filter(|part| part.kind() == SETTINGS);
    copies.filter(|part| read_settings(part).is_ok()).count() != SETTINGS_COPIES
}

/// How often the settings are written: one damaged file must not take the vector spaces with it.
pub(crate) const SETTINGS_COPIES: usize = 2;

/// The sealed shards of a store as they are found, and what has to be indexed because none of them has it.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) state: State,
    pub(crate) recovery: RecoveryReport,
    /// Of shards that cannot be opened: the vectors.
    rescued: Vec<Rescued>,
    /// Records that the sealed shards should have and that none of them has.
    missing: RoaringTreemap,
    /// Records from here on are not indexed yet.
    next: u64,
    /// Of those, the ones below this are indexed.
    next_missing: u64,
}

impl Opening {
    /// Opens the sealed shards of a store. With `thorough`, or when one of them is damaged, all of them are compared with the records: each
    /// record that is alive is found by one row.
    pub(crate) fn new(
        (records, settings): (Records, Arc<Settings>),
        steps: Steps,
        known: &[View],
        thorough: bool,
        recovery: RecoveryReport,
    ) -> Result<Self> {
        let state = State { records, settings, views: Vec::new(), version: 0, steps };
        let (rescued, missing) = Default::default();
        let mut opening = Self { state, recovery, rescued, missing, next: 0, next_missing: 0 };
        let is_sound = opening.open_shards(known)?;
        sort_views(&mut opening.state.views);
        opening.next = opening.state.views.iter().map(|view| view.shard.covers.end).max().unwrap_or(0);
        opening.state.mark_all_dead();
        if (thorough || !is_sound) && steps.take(Step::CompareWithRecords) {
            opening.compare_with_records()?;
        }
        Ok(opening)
    }

    /// Opens every sealed shard; `known` ones are taken as they are. Returns whether nothing is missing.
    fn open_shards(&mut self, known: &[View]) -> Result<bool> {
        let mut is_sound = true;
        let records = self.state.records.clone();
        for part in records.parts().iter().filter(|part| part.kind() == SHARD) {
            let tombstones = match tombstones(&records, part.tag()) {
                Err(e) if e.kind() == ErrorKind::Damaged => {
                    self.recovery.damage.push(format!("tombstones of shard {}: {e}", part.tag()));
                    None
                }
                read => Some(read?),
            };
            is_sound &= tombstones.is_some();
            let known = known.iter().find(|view| view.shard.number == part.tag());
            let opened = match known {
                Some(view) => Ok(view.shard.clone()),
                None => Shard::open_part(part, &self.state.settings).map(Arc::new),
            };
            match opened {
                Ok(shard) => {
                    if known.is_none() {
                        self.recovery.damage.extend(shard.losses.iter().cloned());
                    }
                    let tombstones = Arc::new(tombstones.unwrap_or_default());
                    self.state.views.push(View { tombstones, ..View::new(shard) });
                }
                Err(e) if e.kind() != ErrorKind::Damaged => return Err(e),
                Err(e) => {
                    is_sound = false;
                    let message = format!("shard {} is made anew from the records: {e}", part.tag());
                    self.recovery.damage.push(message);
                    self.recovery.shards_rebuilt += 1;
                    // Without tombstones nobody knows which of its vectors are old.
                    self.rescued
                        .extend(tombstones.and_then(|dead| Rescued::open(part, dead, &self.state.settings)));
                }
            }
        }
        Ok(is_sound)
    }

    /// Finds out which record has which row by looking at all records: of several rows the one in the newest shard counts, a row without a
    /// record is dead, and a record without a row is to be indexed.
    fn compare_with_records(&mut self) -> Result<()> {
        let mut stored = RoaringTreemap::new();
        for record in self.state.records.records() {
            match record.map_err(Error::from).and_then(Entry::new) {
                Ok(entry) if entry.id().0 >= self.next => break,
                Ok(entry) if entry.kind() == Kind::Embeddings => {}
                Ok(entry) => drop(stored.insert(entry.id().0)),
                Err(e) => remember_damage(&mut self.recovery, e)?,
            }
        }
        let mut found = RoaringTreemap::new();
        let mut newest_first: Vec<usize> = (0..self.state.views.len()).collect();
        newest_first.sort_by_key(|&at| std::cmp::Reverse(self.state.views[at].shard.number));
        for at in newest_first {
            let view = &self.state.views[at];
            let mut dead = view.dead.bitmap().clone();
            for (row, id) in (0..).zip(view.shard.ids().iter()).filter(|(row, _)| !view.dead.contains(*row)) {
                let is_alive = stored.contains(id.0) || self.is_unreadable(id)?;
                if !is_alive || !found.insert(id.0) {
                    dead.insert(row);
                }
            }
            self.state.views[at].dead = Arc::new(Dead::new(dead));
        }
        self.missing = stored - found;
        Ok(())
    }

    /// Whether a record is there, but damaged: its row stays, so that it is not taken for deleted.
    fn is_unreadable(&self, id: RecordId) -> Result<bool> {
        match self.state.records.get(id).map_err(Error::from) {
            Ok(_) => Ok(false),
            Err(e) if e.kind() == ErrorKind::Damaged => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Takes over shards of an earlier tail that still hold.
    pub(crate) fn keep_tail(&mut self, old: &State) -> Result<()> {
        let deleted: RoaringTreemap = self.state.records.deleted_ids().map(|id| id.0).collect();
        for view in old.tail() {
            let covers = view.shard.covers.clone();
            if covers.start < self.next {
                continue;
            }
            if covers.start > self.next {
                self.index_up_to(covers.start, u64::MAX)?;
            }
            let mut kept = View::new(view.shard.clone());
            kept.mark_dead(&deleted);
            self.state.push_tail(kept, 0);
            self.next = covers.end;
        }
        Ok(())
    }

    /// Indexes what is not indexed, until the tail takes `limit` bytes. Returns whether everything is.
    pub(crate) fn index(&mut self, limit: u64) -> Result<bool> {
        Ok(self.index_missing(limit)? && self.index_up_to(self.state.records.next_id().0, limit)?)
    }

    fn index_missing(&mut self, limit: u64) -> Result<bool> {
        if self.missing.is_empty() {
            return Ok(true);
        }
        let mut group = Group::default();
        for record in self.state.records.clone().records_from(RecordId(self.next_missing)) {
            let entry = match record.map_err(Error::from).and_then(Entry::new) {
                Ok(entry) if entry.id().0 >= self.next => break,
                Ok(entry) if self.missing.contains(entry.id().0) => entry,
                _ => continue, // damage was met before
            };
            if let Err(e) = group.add(&entry, &self.state, &self.rescued) {
                remember_damage(&mut self.recovery, e)?;
            }
            if group.is_full() {
                self.next_missing = entry.id().0 + 1;
                // These ids are below those that sealed shards cover, so the range is empty.
                self.flush(std::mem::take(&mut group), 0..0)?;
                if self.state.tail_bytes() >= limit {
                    return Ok(false);
                }
            }
        }
        self.missing.clear();
        self.flush(group, 0..0)?;
        Ok(true)
    }

    /// Indexes the records from `next` up to `end`.
    fn index_up_to(&mut self, end: u64, limit: u64) -> Result<bool> {
        let mut group = Group::default();
        for record in self.state.records.clone().records_from(RecordId(self.next)) {
            let record = match record.map_err(Error::from) {
                Ok(record) if record.id().0 >= end => break,
                Ok(record) => record,
                Err(e) => {
                    remember_damage(&mut self.recovery, e)?;
                    continue;
                }
            };
            let behind = record.id().0 + 1;
            if let Err(e) = Entry::new(record).and_then(|entry| group.add(&entry, &self.state, &self.rescued))
            {
                remember_damage(&mut self.recovery, e)?;
            }
            if group.is_full() {
                self.flush(std::mem::take(&mut group), self.next..behind)?;
                self.next = behind;
                if self.state.tail_bytes() >= limit {
                    return Ok(false);
                }
            }
        }
        self.flush(group, self.next..end)?;
        self.next = end;
        Ok(true)
    }

    fn flush(&mut self, group: Group, covers: Range<u64>) -> Result<()> {
        if group.is_empty() && covers.is_empty() {
            return Ok(());
        }
        self.recovery.records_indexed += group.docs.len() as u64;
        let shard = group.build(&self.state, covers)?;
        self.state.push_tail(View::new(Arc::new(shard)), 0);
        Ok(())
    }
}

/// Rows of a sealed shard that are dead for good.
pub(crate) fn tombstones(records: &Records, number: u64) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    for part in records.parts().iter().filter(|part| part.kind() == DEAD && part.tag() == number) {
        part.verify()?;
        let fault = |e| Error::damaged(format!("rows of shard {number} that are dead: {e}"));
        rows |= RoaringBitmap::deserialize_from(&part.content()?[..]).map_err(fault)?;
    }
    Ok(rows)
}

/// What a reader sees that had `old` before: the shards that it has are kept, also those in memory that still fit.
pub(crate) fn refreshed(records: Records, settings: Arc<Settings>, old: &State, limit: u64) -> Result<State> {
    let same_spaces = settings.spaces.len() == old.settings.spaces.len();
    let known = if same_spaces { &old.views[..] } else { &[] };
    let mut opening = Opening::new((records, settings), old.steps, known, false, RecoveryReport::default())?;
    if same_spaces && opening.missing.is_empty() {
        opening.keep_tail(old)?;
    }
    Ok(opening.index_within(limit)?.0)
}

impl Opening {
    /// Indexes everything, or fails if that takes more memory than it may. For readers, who cannot seal.
    pub(crate) fn index_within(mut self, limit: u64) -> Result<(State, RecoveryReport)> {
        if self.index(limit)? {
            return Ok((self.state, self.recovery));
        }
        let message = format!(
            "records that are not sealed take more than {limit} bytes of memory to index; open the artifact with a larger \
             `memory_limit`, or open it for writing once, which seals them in pieces"
        );
        Err(Error::new(ErrorKind::TooLarge, message))
    }
}

/// Records that are indexed together, at the most, and the bytes of their content.
const RECORDS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: usize = 4 << 20;

/// Damage costs what is damaged. Any other failure may be over the next time, and is no reason to leave anything out.
fn remember_damage(recovery: &mut RecoveryReport, e: Error) -> Result<()> {
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
                    .zip(shard.live_row_of(doc.id))
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

    fn is_empty(&self) -> bool {
        self.docs.is_empty() && self.late.is_empty() && self.carriers.is_empty()
    }

    fn build(self, state: &State, covers: Range<u64>) -> Result<Shard> {
        let docs: Vec<Doc<'_>> = self.late.values().chain(&self.docs).map(OwnedDoc::as_doc).collect();
        build(&state.settings, covers, &docs, self.carriers)
    }
}

/// Kinds of parts that belong to the shard with their tag.
pub(crate) fn belongs_to_shard(kind: PartKind) -> bool {
    kind == SHARD || kind == DEAD
}
