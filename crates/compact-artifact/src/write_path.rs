//! A batch → checked and quantized → one commit with all that wait → a shard of the tail → visible.
//!
//! Callers prepare their batches side by side. Then whoever gets the committer commits for all in the queue: one write, one sync.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use block_format::{CommitSeq, Durability, RecordId};
use parking_lot::Mutex;
use roaring::RoaringTreemap;

use crate::artifact::{CompactArtifact, Inner};
use crate::embeddings::{self, Embedding};
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filter;
use crate::open::{OwnedDoc, belongs_to_shard};
use crate::options::Maintenance;
use crate::protocol::Step;
use crate::record::{Content, Record};
use crate::settings::Settings;
use crate::shard::{Doc, Shard, build, build_divided};
use crate::state::{State, View};
use crate::trace::event;

/// Changes that are made together: all of them, or none.
///
/// ```
/// # use compact_artifact::{Batch, CompactArtifact, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let receipt = artifact.write(Batch::new().upsert(Record::text("new").key("doc-1")).delete_key("doc-2"))?;
/// assert_eq!(receipt.ids.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a batch does nothing until it is handed to `write`"]
pub struct Batch {
    ops: Vec<Op>,
    durability: Option<Durability>,
}

#[derive(Debug, Clone)]
enum Op {
    Put { record: Record, replace: bool },
    Delete(RecordId),
    DeleteKey(String),
    DeleteWhere(Filter),
    Embed { id: RecordId, space: String, vector: Vec<f32> },
}

impl Batch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. Its key, if it has one, must be new.
    #[expect(clippy::should_implement_trait, reason = "what everything else here is called")]
    pub fn add(self, record: Record) -> Self {
        self.with(Op::Put { record, replace: false })
    }

    /// Adds a record in the place of the one with its key, if there is one; it gets a new id.
    pub fn upsert(self, record: Record) -> Self {
        self.with(Op::Put { record, replace: true })
    }

    /// Deletes a record; that there is none is no error.
    pub fn delete(self, id: RecordId) -> Self {
        self.with(Op::Delete(id))
    }

    /// Deletes the record with this key; that there is none is no error.
    pub fn delete_key(self, key: impl Into<String>) -> Self {
        self.with(Op::DeleteKey(key.into()))
    }

    /// Deletes all records that the filter lets through when the batch is committed, those of the batch itself not included.
    pub fn delete_where(self, filter: Filter) -> Self {
        self.with(Op::DeleteWhere(filter))
    }

    /// Gives a record that is there already an embedding, in the place of the one that it has in this space.
    pub fn add_embedding(self, id: RecordId, space: impl Into<String>, vector: impl Into<Vec<f32>>) -> Self {
        self.with(Op::Embed { id, space: space.into(), vector: vector.into() })
    }

    /// What has happened when the commit returns. Default: as the artifact was opened.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    fn with(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }
}

impl FromIterator<Record> for Batch {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let ops = records.into_iter().map(|record| Op::Put { record, replace: false }).collect();
        Self { ops, durability: None }
    }
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The commit; other batches may share it.
    pub seq: CommitSeq,
    /// The ids of the records that were added or upserted, in the order of the batch.
    pub ids: Vec<RecordId>,
    /// How many records were deleted; one that an upsert replaced does not count.
    pub deleted: u64,
}

/// State guarded by the commit lock.
#[derive(Debug)]
pub(crate) struct Committer {
    /// Bytes of the indexes in memory.
    pub(crate) held: u64,
    /// Bytes of records and embeddings since the last seal, before compression.
    pub(crate) logged: u64,
    /// The number of the next shard.
    next_shard: u64,
    /// Shards that cover ids below this are being sealed, and are to stay as they are.
    pub(crate) sealing: u64,
}

impl Committer {
    pub(crate) fn new(state: &State) -> Self {
        let held = state.tail_bytes();
        // Also behind those that could not be opened: a number is used once.
        let shards = state.records.parts().iter().filter(|part| belongs_to_shard(part.kind()));
        let numbers: Vec<u64> = if state.steps.take(Step::NumberOnce) {
            shards.map(|part| part.tag()).filter(|number| Shard::NUMBERS.contains(number)).collect()
        } else {
            state.views.iter().map(|view| view.shard.number).collect()
        };
        let next_shard = numbers.iter().max().unwrap_or(&0).saturating_add(1);
        Self { held, logged: held, next_shard, sealing: 0 }
    }

    /// The number of a new shard.
    pub(crate) fn next_shard(&mut self) -> u64 {
        self.next_shard += 1;
        self.next_shard - 1
    }

    /// Counts anew what is held: nothing but the tail of `state`.
    pub(crate) fn restart(&mut self, state: &State) {
        self.held = state.tail_bytes();
        self.logged = self.held;
    }

    /// Whether there is so much that it is to be sealed. What is logged is about halved by compression.
    pub(crate) fn is_due(&self, seal_at: u64) -> bool {
        self.held >= seal_at || self.logged / 2 >= seal_at
    }
}

/// Batches that wait for somebody to commit them.
pub(crate) type Queue = Vec<(Prepared, Arc<Slot>)>;

/// Where the answer to a batch is put.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Option<Result<Receipt>>>);

impl Slot {
    fn fill(&self, result: Result<Receipt>) {
        *self.0.lock() = Some(result);
    }

    fn take(&self) -> Option<Result<Receipt>> {
        self.0.lock().take()
    }
}

/// A batch that was checked as far as it can be without knowing what else is there.
#[derive(Debug)]
pub(crate) struct Prepared {
    ops: Vec<PreparedOp>,
    durability: Durability,
}

#[derive(Debug)]
enum PreparedOp {
    Put(Put),
    Delete(RecordId),
    DeleteKey(String),
    DeleteWhere(Filter),
    Embed { id: RecordId, number: usize, embedding: Embedding },
}

/// Embeddings of a record, each with the number of its space.
type Embeddings = Vec<(usize, Embedding)>;

/// A record with its first bytes and its codes.
#[derive(Debug)]
struct Put {
    record: Record,
    head: Vec<u8>,
    embeddings: Vec<(usize, Embedding)>,
    replace: bool,
}

impl Put {
    fn new(record: Record, replace: bool, settings: &Settings) -> Result<Self> {
        let (head, embeddings) = prepare(&record, replace, settings)?;
        Ok(Self { record, head, embeddings, replace })
    }

    fn bytes(&self) -> usize {
        let embeddings =
            self.embeddings.iter().map(|(_, embedding)| embedding.codes.len() + embedding.original.len());
        self.head.len() + self.record.content().len() + embeddings.sum::<usize>()
    }
}

/// The first bytes of a record and its codes, by the number of the space. Fails for whatever is wrong with the record by itself.
pub(crate) fn prepare(record: &Record, replace: bool, settings: &Settings) -> Result<(Vec<u8>, Embeddings)> {
    let head = record.head()?;
    if replace && record.key.is_none() {
        return Err(Error::invalid("an upsert of a record without a key; use `add`"));
    }
    let mut embeddings: Vec<(usize, Embedding)> = Vec::with_capacity(record.embeddings.len());
    for (name, vector) in &record.embeddings {
        let (number, space) = settings.space(name)?;
        if embeddings.iter().any(|(of, _)| *of == number) {
            return Err(Error::invalid(format!("two embeddings of one record in vector space {name:?}")));
        }
        embeddings.push((number, Embedding::new(space, vector)?));
    }
    Ok((head, embeddings))
}

impl Prepared {
    fn new(batch: Batch, settings: &Settings, durability: Durability) -> Result<Self> {
        let prepare = |op: Op| {
            Ok(match op {
                Op::Put { record, replace } => PreparedOp::Put(Put::new(record, replace, settings)?),
                Op::Delete(id) => PreparedOp::Delete(id),
                Op::DeleteKey(key) => PreparedOp::DeleteKey(key),
                Op::DeleteWhere(filter) => PreparedOp::DeleteWhere(filter),
                Op::Embed { id, space, vector } => {
                    let (number, space) = settings.space(&space)?;
                    PreparedOp::Embed { id, number, embedding: Embedding::new(space, &vector)? }
                }
            })
        };
        let at = |(number, op)| {
            prepare(op).map_err(|e: Error| {
                if number == 0 { e } else { e.about(format_args!("change {} of the batch", number + 1)) }
            })
        };
        let ops = batch.ops.into_iter().enumerate().map(at).collect::<Result<_>>()?;
        Ok(Self { ops, durability: batch.durability.unwrap_or(durability) })
    }

    /// Whether it may depend on what others in the queue do.
    fn looks_around(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, PreparedOp::DeleteWhere(_)))
    }

    /// Bytes of its puts.
    fn bytes(&self) -> usize {
        let puts = self.ops.iter().filter_map(|op| match op {
            PreparedOp::Put(put) => Some(put.bytes()),
            _ => None,
        });
        puts.sum()
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.ops.iter().filter_map(|op| match op {
            PreparedOp::Put(put) => put.record.key.as_deref(),
            PreparedOp::DeleteKey(key) => Some(key),
            _ => None,
        })
    }
}

/// Records that are written behind their embeddings together.
const RECORDS_PER_CARRIER: usize = 512;

/// What becomes one commit.
#[derive(Debug, Default)]
struct Plan {
    puts: Vec<Put>,
    deletes: RoaringTreemap,
    late: BTreeMap<RecordId, Late>,
    keys: HashSet<String>,
    /// Bytes of the puts.
    bytes: usize,
    waiting: Vec<Waiting>,
    durability: Option<Durability>,
}

/// An earlier record that gets embeddings.
#[derive(Debug)]
struct Late {
    /// The record as it will be.
    doc: OwnedDoc,
    embeddings: Vec<(usize, Embedding)>,
}

/// Batches of more bytes together are not made one commit: an index in memory takes so much, and one caller's texts must not be what another's do
/// not fit beside.
const MAX_PLAN_BYTES: usize = 128 << 20;

/// A batch of the plan.
#[derive(Debug)]
struct Waiting {
    slot: Arc<Slot>,
    /// The places of its records among the puts.
    places: Vec<usize>,
    deleted: u64,
}

impl Plan {
    /// Whether a batch has to wait for the next commit, because its outcome may depend on this one.
    fn conflicts(&self, prepared: &Prepared) -> bool {
        !self.waiting.is_empty()
            && (prepared.looks_around()
                || prepared.keys().any(|key| self.keys.contains(key))
                || self.bytes.saturating_add(prepared.bytes()) > MAX_PLAN_BYTES)
    }

    /// Adds a batch, or says why it cannot be; then nothing was changed.
    fn add(&mut self, prepared: Prepared, slot: &Arc<Slot>, state: &State) -> Result<()> {
        let bytes = prepared.bytes();
        let mut puts: Vec<Option<Put>> = Vec::new();
        let mut places: Vec<usize> = Vec::new();
        let mut own_keys: HashMap<String, usize> = HashMap::new();
        let mut deletes = RoaringTreemap::new();
        let mut replaced = RoaringTreemap::new();
        let mut late: BTreeMap<RecordId, Late> = BTreeMap::new();
        for op in prepared.ops {
            match op {
                PreparedOp::Put(put) => {
                    let place = puts.len();
                    if let Some(key) = put.record.key.clone() {
                        let earlier = own_keys.get(&key).copied();
                        let stored = state.id_of_key(&key)?.filter(|id| !deletes.contains(id.0));
                        if !put.replace
                            && (earlier.is_some() || stored.is_some_and(|id| !replaced.contains(id.0)))
                        {
                            let message =
                                format!("there is a record with the key {key:?}; use `upsert` to replace it");
                            return Err(Error::new(ErrorKind::AlreadyExists, message));
                        }
                        replaced.extend(stored.map(|id| id.0));
                        if let Some(earlier) = earlier {
                            puts[earlier] = None;
                            places.iter_mut().filter(|place| **place == earlier).for_each(|at| *at = place);
                        }
                        own_keys.insert(key, place);
                    }
                    places.push(place);
                    puts.push(Some(put));
                }
                PreparedOp::Delete(id) => {
                    if state.locate(id).is_some() {
                        deletes.insert(id.0);
                    }
                }
                PreparedOp::DeleteKey(key) => {
                    if own_keys.contains_key(&key) {
                        return Err(Error::invalid(format!(
                            "a batch that adds the key {key:?} and deletes it"
                        )));
                    }
                    deletes.extend(state.id_of_key(&key)?.map(|id| id.0));
                    self.keys.insert(key);
                }
                PreparedOp::DeleteWhere(filter) => {
                    deletes.extend(state.ids_where(&filter)?.iter().map(|id| id.0));
                }
                PreparedOp::Embed { id, number, embedding } => {
                    let is_deleted = deletes.contains(id.0) || self.deletes.contains(id.0);
                    // Read here, so that a record that cannot be read fails its own batch only.
                    let known = match late.remove(&id) {
                        None if !is_deleted => Late::of(state, id)?,
                        known => known.filter(|_| !is_deleted),
                    };
                    let mut known = known.ok_or_else(|| {
                        let message =
                            format!("there is no record {id} to give an embedding to, or it was deleted");
                        Error::new(ErrorKind::NoSuchRecord, message)
                    })?;
                    known.add(number, embedding);
                    late.insert(id, known);
                }
            }
        }
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
        for (id, late) in late.into_iter().filter(|(id, _)| !self.deletes.contains(id.0)) {
            self.late.entry(id).and_modify(|other| other.join(&late)).or_insert(late);
        }
        self.keys.extend(own_keys.into_keys());
        self.durability = Some(stronger(self.durability, prepared.durability));
        self.waiting.push(Waiting { slot: slot.clone(), places, deleted });
        Ok(())
    }

    /// The records that get embeddings later than themselves, as they will be.
    fn late_docs(&self) -> impl Iterator<Item = &OwnedDoc> {
        let late = self.late.iter().filter(|(id, _)| !self.deletes.contains(id.0));
        late.map(|(_, late)| &late.doc)
    }
}

impl Late {
    /// A record that is there, with what it has.
    fn of(state: &State, id: RecordId) -> Result<Option<Self>> {
        Ok(OwnedDoc::stored(state, id)?.map(|doc| Self { doc, embeddings: Vec::new() }))
    }

    fn add(&mut self, number: usize, embedding: Embedding) {
        self.embeddings.retain(|(of, _)| *of != number);
        self.doc.embed(number, embedding.clone());
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

impl CompactArtifact {
    /// Commits a batch. Returns when what its [`Durability`] says has happened; then it is also visible.
    pub fn write(&self, batch: Batch) -> Result<Receipt> {
        self.inner.write(batch)
    }

    /// Adds a text.
    pub fn add_text(&self, text: &str) -> Result<RecordId> {
        self.add(Record::text(text))
    }

    /// Adds any bytes.
    pub fn add_blob(&self, bytes: &[u8]) -> Result<RecordId> {
        self.add(Record::blob(bytes))
    }

    /// Adds a record. Its key, if it has one, must be new.
    pub fn add(&self, record: Record) -> Result<RecordId> {
        self.write(Batch::new().add(record)).and_then(one_id)
    }

    /// Adds a record in the place of the one with its key, if there is one.
    pub fn upsert(&self, record: Record) -> Result<RecordId> {
        self.write(Batch::new().upsert(record)).and_then(one_id)
    }

    /// Adds records: all of them, or none. They are in memory until they are committed; for any number of records there is
    /// [`batch_writer`](Self::batch_writer).
    pub fn add_batch(&self, records: impl IntoIterator<Item = Record>) -> Result<Vec<RecordId>> {
        Ok(self.write(records.into_iter().collect())?.ids)
    }

    /// Gives a record that is there already an embedding, in the place of the one that it has in this space.
    pub fn add_embedding(&self, id: RecordId, space: &str, vector: &[f32]) -> Result<()> {
        self.write(Batch::new().add_embedding(id, space, vector)).map(drop)
    }

    /// Deletes a record. Returns whether it was there.
    pub fn delete(&self, id: RecordId) -> Result<bool> {
        Ok(self.write(Batch::new().delete(id))?.deleted > 0)
    }

    /// Deletes the record with this key. Returns whether it was there.
    pub fn delete_key(&self, key: &str) -> Result<bool> {
        Ok(self.write(Batch::new().delete_key(key))?.deleted > 0)
    }

    /// Deletes all records that the filter lets through, at once. Returns how many.
    pub fn delete_where(&self, filter: &Filter) -> Result<u64> {
        Ok(self.write(Batch::new().delete_where(filter.clone()))?.deleted)
    }

    /// Adds a blob of any length from a reader, in bounded memory, with the key and the metadata of `record`, whose own content must be
    /// empty. Embeddings are given to it afterwards. Other commits wait meanwhile; an error of the reader adds nothing. The reader itself must not
    /// write to the artifact, which is an error of kind [`Reentrant`](ErrorKind::Reentrant).
    pub fn add_reader(&self, record: Record, content: impl Read) -> Result<RecordId> {
        self.inner.add_reader(record, content)
    }

    /// Makes every commit so far durable.
    pub fn sync(&self) -> Result<()> {
        self.inner.check_writable()?;
        Ok(self.inner.store.sync()?)
    }
}

fn one_id(receipt: Receipt) -> Result<RecordId> {
    receipt.ids.first().copied().ok_or_else(|| Error::invalid("a batch of one record that added none"))
}

impl Inner {
    pub(crate) fn write(&self, batch: Batch) -> Result<Receipt> {
        self.check_writable()?;
        let prepared = Prepared::new(batch, &self.state().settings, self.options.durability)?;
        let slot = Arc::new(Slot::default());
        self.queue.lock().push((prepared, slot.clone()));
        let mut committer = self.committer.lock();
        if slot.0.lock().is_none() {
            let queue = std::mem::take(&mut *self.queue.lock());
            self.commit_all(&mut committer, queue);
        }
        let is_due = committer.is_due(self.options.seal_at());
        drop(committer);
        let result = slot.take().unwrap_or_else(|| Err(Error::invalid("a batch that nobody committed")));
        if is_due && result.is_ok() {
            self.maintain();
        }
        result
    }

    fn commit_all(&self, committer: &mut Committer, queue: Queue) {
        let mut plan = Plan::default();
        for (prepared, slot) in queue {
            if plan.conflicts(&prepared) {
                self.commit(committer, std::mem::take(&mut plan));
            }
            let looks_around = prepared.looks_around();
            if let Err(e) = plan.add(prepared, &slot, &self.state()) {
                slot.fill(Err(e));
            }
            if looks_around {
                self.commit(committer, std::mem::take(&mut plan));
            }
        }
        self.commit(committer, plan);
    }

    /// Commits a plan, and tells all who wait for it.
    fn commit(&self, committer: &mut Committer, mut plan: Plan) {
        let waiting = std::mem::take(&mut plan.waiting);
        if waiting.is_empty() {
            return;
        }
        match self.try_commit(committer, &plan) {
            Ok((seq, ids)) => {
                for Waiting { slot, places, deleted } in waiting {
                    let ids = places.into_iter().map(|place| ids[place]).collect();
                    slot.fill(Ok(Receipt { seq, ids, deleted }));
                }
            }
            Err(e) => waiting.iter().for_each(|waiting| waiting.slot.fill(Err(e.share()))),
        }
    }

    /// Indexes, commits, publishes. Returns the ids of the puts.
    fn try_commit(&self, committer: &mut Committer, plan: &Plan) -> Result<(CommitSeq, Vec<RecordId>)> {
        let state = self.state();
        let mut batch = self.store.batch();
        plan.deletes.iter().for_each(|id| batch.delete(RecordId(id)));
        let start = state.records.next_id().0;
        let mut ids = Vec::with_capacity(plan.puts.len());
        let mut carriers = RoaringTreemap::new();
        for puts in plan.puts.chunks(RECORDS_PER_CARRIER) {
            let carried = embeddings_of(puts, &state.settings);
            let next = start + batch.record_count();
            let first = next + carried.iter().map(|of| of.record_count() as u64).sum::<u64>();
            carriers.insert_range(next..first);
            for of in &carried {
                of.encode(first).iter().try_for_each(|bytes| batch.put(bytes).map(drop))?;
            }
            for put in puts {
                ids.push(RecordId(start + batch.record_count()));
                batch.put(&[&put.head, put.record.content()].concat())?;
            }
        }
        for number in 0..state.settings.spaces.len() {
            let of_space = plan.late.iter().flat_map(|(id, late)| {
                late.embeddings.iter().map(move |(of, embedding)| (*id, *of, embedding))
            });
            let of_space: Vec<_> = of_space
                .filter(|(_, of, _)| *of == number)
                .map(|(id, _, embedding)| (id, embedding))
                .collect();
            for bytes in embeddings::encode(number, &of_space) {
                carriers.insert(start + batch.record_count());
                batch.put(&bytes)?;
            }
        }
        let end = start + batch.record_count();
        let puts = plan.puts.iter().zip(&ids).map(|(put, &id)| Doc {
            id,
            key: put.record.key.as_deref(),
            metadata: put.record.metadata_map(),
            text: put.record.as_text(),
            embeddings: put.embeddings.iter().map(|(number, embedding)| (*number, embedding)).collect(),
        });
        let docs: Vec<Doc<'_>> = plan.late_docs().map(OwnedDoc::as_doc).chain(puts).collect();
        let shard = if end > start {
            Some(build_divided(self.store.workers(), &state.settings, start..end, &docs, carriers)?)
        } else {
            None
        };

        let receipt = self.store.commit(batch, plan.durability.unwrap_or_default())?;

        let bytes = plan.puts.iter().map(Put::bytes).sum::<usize>() as u64;
        committer.logged += bytes;
        let mut next = State { records: self.store.snapshot(), ..(*state).clone() };
        next.mark_dead(&plan.deletes);
        if let Some(shard) = shard {
            next.push_tail(View::new(Arc::new(shard)), committer.sealing);
        }
        committer.held = next.tail_bytes();
        self.publish(next);
        event!(
            DEBUG,
            seq = receipt.seq.0,
            records = ids.len(),
            deleted = plan.deletes.len(),
            bytes,
            "commit"
        );
        Ok((receipt.seq, ids))
    }

    fn add_reader(&self, record: Record, content: impl Read) -> Result<RecordId> {
        self.check_writable()?;
        if record.content != Content::Blob(Vec::new()) || !record.embeddings.is_empty() {
            let message = "expected a record without content and embeddings, as `Record::blob([])` makes it";
            return Err(Error::invalid(message));
        }
        let head = record.head()?;
        let mut committer = self.committer.lock();
        let state = self.state();
        if let Some(key) = &record.key
            && state.id_of_key(key)?.is_some()
        {
            let message = format!("there is a record with the key {key:?}; delete it first");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let id = state.records.next_id();
        let (key, metadata) = (record.key.as_deref(), record.metadata_map());
        let doc = Doc { id, key, metadata, text: None, embeddings: Vec::new() };
        let shard = build(&state.settings, id.0..id.0 + 1, &[doc], RoaringTreemap::new())?;
        let inside = self.callers.enter();
        self.store.put_reader(head.as_slice().chain(content), self.options.durability)?;
        drop(inside);
        // From here on the record is there, whatever fails.
        let mut next = State { records: self.store.snapshot(), ..(*state).clone() };
        next.push_tail(View::new(Arc::new(shard)), committer.sealing);
        // Its frames stay as they are when it is sealed; their length in the log counts.
        committer.logged += next.records.get(id).ok().flatten().map_or(0, |record| record.len());
        committer.held = next.tail_bytes();
        self.publish(next);
        let is_due = committer.is_due(self.options.seal_at());
        drop(committer);
        if is_due {
            self.maintain();
        }
        Ok(id)
    }

    /// Seals if that is due, or has it done. A failure is tried again with the next commit, and by `seal` and `close`.
    fn maintain(&self) {
        match self.options.maintenance {
            Maintenance::Inline => drop(self.seal_if_due()),
            Maintenance::Background => self.shared.wake(),
            Maintenance::Manual => {}
        }
    }
}

/// Embeddings of neighbouring puts in one space, by the place of the put.
struct Carried<'a> {
    number: usize,
    of: Vec<(u64, &'a Embedding)>,
}

impl Carried<'_> {
    fn record_count(&self) -> usize {
        embeddings::records_of(self.of.len(), self.of.first().map(|(_, embedding)| *embedding))
    }

    fn encode(&self, first: u64) -> Vec<Vec<u8>> {
        let of: Vec<_> =
            self.of.iter().map(|(place, embedding)| (RecordId(first + place), *embedding)).collect();
        embeddings::encode(self.number, &of)
    }
}

fn embeddings_of<'a>(puts: &'a [Put], settings: &Settings) -> Vec<Carried<'a>> {
    let of_space = |number: usize| {
        let of = (0..).zip(puts).flat_map(|(place, put)| {
            put.embeddings.iter().map(move |(of, embedding)| (place, *of, embedding))
        });
        let of =
            of.filter(|(_, of, _)| *of == number).map(|(place, _, embedding)| (place, embedding)).collect();
        Carried { number, of }
    };
    (0..settings.spaces.len()).map(of_space).filter(|carried| !carried.of.is_empty()).collect()
}
