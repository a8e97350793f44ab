//! Power loss and failing calls at every event of short sequences of calls, sealing and compacting included: what was acknowledged is
//! there, batches are whole, and what is there is found by key, by words and by vector; also after compacting and opening once more.
//!
//! `CAMPAIGN=full cargo test --release -p compact-artifact --test it crash -- --nocapture` runs all states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use compact_artifact::vfs::{CrashVariant, Fault, FaultVfs, MemoryVfs, Vfs};
use compact_artifact::{
    Batch, CompactArtifact, Compression, Durability, ErrorKind, Filter, Maintenance, Metric, Options, Query,
    Record, RecordId, SpaceOptions,
};
use serde_json::json;

use crate::between::Between;

const ROOT: &str = "/a";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    /// A batch of three records, two with embeddings.
    Batch,
    Upsert,
    Delete,
    /// An embedding for the oldest record.
    Embed,
    /// Other metadata for the oldest record.
    Update,
    Seal,
    Compact,
    /// While an index is written, an upsert, and an embedding and metadata for the oldest record, none of them synced.
    SealBeside,
    CompactBeside,
    Close,
    Kill,
}

const OPS: [Op; 11] = [
    Op::Batch,
    Op::Upsert,
    Op::Delete,
    Op::Embed,
    Op::Update,
    Op::Seal,
    Op::Compact,
    Op::SealBeside,
    Op::CompactBeside,
    Op::Close,
    Op::Kill,
];

fn sequences(len: usize) -> Vec<Vec<Op>> {
    let mut all: Vec<Vec<Op>> = vec![vec![]];
    let mut from = 0;
    for _ in 0..len {
        let longer: Vec<Vec<Op>> = all[from..]
            .iter()
            .flat_map(|sequence| {
                OPS.into_iter().map(move |op| sequence.iter().copied().chain([op]).collect())
            })
            .collect();
        from = all.len();
        all.extend(longer);
    }
    // Nothing can be lost where nothing was added.
    all.retain(|sequence| sequence.iter().any(|op| matches!(op, Op::Batch | Op::Upsert)));
    all
}

fn options() -> Options {
    Options::new()
        .compression(Compression::None)
        .block_len(512)
        .segment_len(64 << 10)
        .maintenance(Maintenance::Manual)
        .cache_bytes(0)
        .seed(1)
        .space("v", SpaceOptions::new(3, Metric::Cosine))
}

/// Text, key, the first value of the embedding, and what the metadata say.
type Model = BTreeMap<u64, (String, Option<String>, Option<i32>, i64)>;

/// What the artifact holds, looked at in every way; or what is not right about it.
fn state_of(artifact: &CompactArtifact) -> Result<Model, String> {
    let snapshot = artifact.snapshot();
    let mut model = Model::new();
    for entry in snapshot.records() {
        let entry = entry.map_err(|e| format!("iteration: {e}"))?;
        let text = entry.text().map_err(|e| format!("text: {e}"))?.into_owned();
        let key = entry.key().map_err(|e| format!("key: {e}"))?;
        let vector = snapshot.embedding(entry.id(), "v").map_err(|e| format!("embedding: {e}"))?;
        let angle = vector.map(|vector| (vector[0] / vector[1] * 10.0).round() as i32);
        if let Some(key) = &key
            && snapshot.id_of_key(key).map_err(|e| e.to_string())? != Some(entry.id())
        {
            return Err(format!("key {key} does not lead to record {}", entry.id()));
        }
        let metadata = entry.metadata().map_err(|e| format!("metadata: {e}"))?;
        let mark = metadata.get("mark").and_then(serde_json::Value::as_i64).unwrap_or(0);
        model.insert(entry.id().0, (text, key, angle, mark));
    }
    let found = |query: Query| -> Result<Vec<u64>, String> {
        let results = snapshot.search(&query.k(1000)).map_err(|e| format!("search: {e}"))?;
        let mut ids: Vec<u64> = results.hits.iter().map(|hit| hit.id.0).collect();
        ids.sort_unstable();
        Ok(ids)
    };
    let marks: BTreeSet<i64> = model.values().map(|(.., mark)| *mark).filter(|mark| *mark > 0).collect();
    for mark in marks {
        let ids = snapshot.ids_where(&Filter::field("mark").eq(mark)).map_err(|e| format!("filter: {e}"))?;
        let marked: Vec<u64> =
            model.iter().filter(|(_, (.., other))| *other == mark).map(|(id, _)| *id).collect();
        if ids.iter().map(|id| id.0).ne(marked.iter().copied()) {
            return Err(format!("the filter finds {ids:?} for {mark}, there are {marked:?}"));
        }
    }
    let all: Vec<u64> = model.keys().copied().collect();
    let words = found(Query::words("record"))?;
    if words != all {
        return Err(format!("words find {words:?}, there are {all:?}"));
    }
    let with_vectors: Vec<u64> =
        model.iter().filter(|(_, (_, _, angle, _))| angle.is_some()).map(|(id, _)| *id).collect();
    let near = found(Query::vector("v", [1.0, 1.0, 1.0]))?;
    if near != with_vectors {
        return Err(format!("vectors find {near:?}, there are {with_vectors:?}"));
    }
    if snapshot.len() != all.len() as u64 {
        return Err(format!("{} records are counted, there are {}", snapshot.len(), all.len()));
    }
    Ok(model)
}

/// A sequence that was run, and where it was when so many events had happened.
struct Run {
    disk: MemoryVfs,
    models: Vec<Model>,
    /// Events, then the newest model acknowledged and the newest begun.
    marks: Vec<(usize, usize, usize)>,
    exists_from: usize,
}

impl Run {
    fn new(disk: MemoryVfs) -> Self {
        Self { disk, models: vec![Model::new()], marks: vec![(0, 0, 0)], exists_from: usize::MAX }
    }

    fn mark(&mut self, acknowledged: usize, begun: usize) {
        self.marks.push((self.disk.event_count(), acknowledged, begun));
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut Model),
        call: impl FnOnce() -> compact_artifact::Result<()>,
    ) -> compact_artifact::Result<()> {
        let (_, acknowledged, begun) = *self.marks.last().unwrap();
        let mut model = self.models[begun].clone();
        change(&mut model);
        self.models.truncate(begun + 1);
        self.models.push(model);
        self.mark(acknowledged, begun + 1);
        call()?;
        self.mark(begun + 1, begun + 1);
        Ok(())
    }

    fn run(&mut self, vfs: &Arc<dyn Vfs>, sequence: &[Op]) -> compact_artifact::Result<()> {
        let between = Between::new(vfs.clone());
        let open = || CompactArtifact::open_in(between.clone(), options(), Path::new(ROOT)).map(Arc::new);
        let mut artifact = Arc::new(CompactArtifact::create_in(between.clone(), options(), Path::new(ROOT))?);
        self.exists_from = self.disk.event_count();
        self.mark(0, 0);
        // Ids follow from the calls alone: a batch with embeddings takes one more for each space.
        let mut next = 0u64;
        for (step, op) in (0i16..).zip(sequence) {
            let angle = |n: i16| f32::from(step * 3 + n) / 10.0 + 1.0;
            let rounded = |n: i16| Some((angle(n) * 10.0).round() as i32);
            match op {
                Op::Batch => {
                    let text = |n: i16| format!("record {n} of step {step}");
                    let batch = Batch::new()
                        .add(Record::text(text(0)).embedding("v", [angle(0), 1.0, 0.0]))
                        .add(Record::text(text(1)))
                        .add(Record::text(text(2)).embedding("v", [angle(2), 1.0, 0.0]));
                    let first = next + 1;
                    let add = |model: &mut Model| {
                        model.insert(first, (text(0), None, rounded(0), 0));
                        model.insert(first + 1, (text(1), None, None, 0));
                        model.insert(first + 2, (text(2), None, rounded(2), 0));
                    };
                    self.change(add, || artifact.write(batch).map(drop))?;
                    next = first + 3;
                }
                Op::Upsert => {
                    let text = format!("record of step {step}");
                    let record = Record::text(text.clone()).key("key").embedding("v", [angle(0), 1.0, 0.0]);
                    let id = next + 1;
                    let put = |model: &mut Model| {
                        model.retain(|_, (_, key, ..)| key.is_none());
                        model.insert(id, (text.clone(), Some("key".to_owned()), rounded(0), 0));
                    };
                    self.change(put, || artifact.upsert(record).map(drop))?;
                    next = id + 1;
                }
                Op::Delete => {
                    let Some(id) = self.models.last().unwrap().keys().next().copied() else { continue };
                    self.change(|model| drop(model.remove(&id)), || artifact.delete(RecordId(id)).map(drop))?;
                }
                Op::Embed => {
                    let Some(id) = self.models.last().unwrap().keys().next().copied() else { continue };
                    let embed = |model: &mut Model| model.get_mut(&id).unwrap().2 = rounded(1);
                    self.change(embed, || artifact.add_embedding(RecordId(id), "v", &[angle(1), 1.0, 0.0]))?;
                    next += 1;
                }
                Op::Update => {
                    let Some(id) = self.models.last().unwrap().keys().next().copied() else { continue };
                    let mark = i64::from(step) + 1;
                    let update = |model: &mut Model| model.get_mut(&id).unwrap().3 = mark;
                    self.change(update, || artifact.update(RecordId(id), json!({"mark": mark})).map(drop))?;
                    next += 1;
                }
                Op::Seal => {
                    artifact.seal()?;
                }
                Op::Compact => {
                    artifact.compact(8 << 20)?;
                }
                Op::SealBeside | Op::CompactBeside => {
                    next += self.beside(&between, &artifact, *op, (step, angle(2)), next)?;
                }
                Op::Close => {
                    Arc::into_inner(artifact).unwrap().close()?;
                    artifact = open()?;
                }
                Op::Kill => {
                    drop(artifact);
                    artifact = open()?;
                }
            }
        }
        Ok(())
    }

    /// Seals or compacts, and commits something without a sync when the first index is written. Returns how many ids that took.
    fn beside(
        &mut self,
        between: &Between,
        artifact: &Arc<CompactArtifact>,
        op: Op,
        (step, angle): (i16, f32),
        next: u64,
    ) -> compact_artifact::Result<u64> {
        let text = format!("record beside step {step}");
        let record = Record::text(text.clone()).key("key").embedding("v", [angle, 1.0, 0.0]);
        let mut batch = Batch::new().durability(Durability::Buffered).upsert(record);
        let (_, acknowledged, begun) = *self.marks.last().unwrap();
        let mut model = self.models[begun].clone();
        let late = model.iter().find(|(_, (_, key, ..))| key.is_none()).map(|(id, _)| *id);
        if let Some(id) = late {
            let mark = 100 + i64::from(step);
            batch = batch.add_embedding(RecordId(id), "v", [angle + 0.5, 1.0, 0.0]);
            batch = batch.update(RecordId(id), json!({"mark": mark}));
            let known = model.get_mut(&id).unwrap();
            (known.2, known.3) = (Some(((angle + 0.5) * 10.0).round() as i32), mark);
        }
        model.retain(|_, (_, key, ..)| key.is_none());
        model.insert(next + 1, (text, Some("key".to_owned()), Some((angle * 10.0).round() as i32), 0));
        let called: Arc<OnceLock<(usize, compact_artifact::Result<()>)>> = Arc::default();
        let (for_call, theirs, disk) = (called.clone(), artifact.clone(), self.disk.clone());
        between.before_the_next_part(move || {
            let events = disk.event_count();
            for_call.set((events, theirs.write(batch).map(drop))).unwrap();
        });
        let result = if op == Op::SealBeside {
            artifact.seal().map(drop)
        } else {
            artifact.compact(8 << 20).map(drop)
        };
        between.forget();
        let Some((events, committed)) = Arc::into_inner(called).and_then(OnceLock::into_inner) else {
            return result.map(|()| 0); // no index was written
        };
        self.models.truncate(begun + 1);
        self.models.push(model);
        self.marks.push((events, acknowledged, begun + 1));
        self.mark(acknowledged, begun + 1);
        committed.and(result)?;
        Ok(2 + 2 * u64::from(late.is_some()))
    }

    /// Opens what a crash left, and judges it.
    fn check(&self, events: usize, variant: CrashVariant) -> Result<(), String> {
        let disk = self.disk.crash(events, variant);
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let open = || CompactArtifact::open_in(vfs.clone(), options(), Path::new(ROOT));
        let artifact = match open() {
            Ok(artifact) => artifact,
            Err(e) if events < self.exists_from && e.kind() == ErrorKind::NotFound => return Ok(()),
            // A creation that failed, on a disk on which undoing it failed as well: nothing was there to lose.
            Err(e) if self.exists_from == usize::MAX && e.kind() == ErrorKind::Damaged => return Ok(()),
            Err(e) => return Err(format!("open: {e}")),
        };
        let (_, acknowledged, begun) = *self.marks.iter().rev().find(|(at, ..)| *at <= events).unwrap();
        let found = state_of(&artifact)?;
        if !self.models[acknowledged..=begun].contains(&found) {
            return Err(format!("found {found:?}, expected one of {:?}", &self.models[acknowledged..=begun]));
        }
        if !artifact.recovery().damage.is_empty() {
            return Err(format!("damage is reported: {:?}", artifact.recovery().damage));
        }
        artifact.compact(8 << 20).map_err(|e| format!("compact: {e}"))?;
        let compacted = state_of(&artifact).map_err(|e| format!("compacted: {e}"))?;
        drop(artifact);
        let again =
            state_of(&open().map_err(|e| format!("open again: {e}"))?).map_err(|e| format!("again: {e}"))?;
        if compacted != found || again != found {
            return Err(format!("found {found:?}, compacted {compacted:?}, opened again {again:?}"));
        }
        Ok(())
    }
}

fn full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

fn on_all_cores(sequences: &[Vec<Op>], judge: impl Fn(&[Op]) -> Result<u64, String> + Sync) -> u64 {
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            threads.spawn(|| {
                while let Some(sequence) = sequences.get(next.fetch_add(1, Ordering::Relaxed)) {
                    total.fetch_add(
                        judge(sequence).unwrap_or_else(|e| panic!("{sequence:?}: {e}")),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    total.into_inner()
}

#[test]
fn every_crash_leaves_a_commit_that_every_search_agrees_on() {
    let stride = if full() { 1 } else { 61 };
    let counter = AtomicU64::new(0);
    let states = on_all_cores(&sequences(3), |sequence| {
        let disk = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let mut run = Run::new(disk);
        run.run(&vfs, sequence).map_err(|e| format!("without a crash: {e}"))?;
        let mut states = 0;
        for events in 0..=run.disk.event_count() {
            for variant in CrashVariant::standard(events as u64).into_iter().chain([CrashVariant::KILL]) {
                if counter.fetch_add(1, Ordering::Relaxed).is_multiple_of(stride) {
                    run.check(events, variant)
                        .map_err(|e| format!("after {events} events, {variant:?}: {e}"))?;
                    states += 1;
                }
            }
        }
        Ok(states)
    });
    println!("crash states of the facade: {states}, none lost anything");
    assert!(states > 5_000, "{states}");
}

#[test]
fn a_fault_at_any_call_is_an_error_and_loses_nothing_acknowledged() {
    let stride = if full() { 1 } else { 149 };
    let counter = AtomicU64::new(0);
    let faults = [Fault::Io, Fault::NoSpace, Fault::ShortWrite, Fault::SyncLost];
    let runs = on_all_cores(&sequences(3), |sequence| {
        let clean = FaultVfs::new(MemoryVfs::new());
        let vfs: Arc<dyn Vfs> = Arc::new(clean.clone());
        Run::new(MemoryVfs::new()).run(&vfs, sequence).map_err(|e| format!("without a fault: {e}"))?;
        let mut runs = 0;
        for (at, fault) in (0..clean.call_count()).flat_map(|at| faults.map(|fault| (at, fault))) {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            if !number.is_multiple_of(stride) {
                continue;
            }
            let disk = MemoryVfs::new();
            let faulty = FaultVfs::new(disk.clone());
            faulty.inject(at, fault, number.is_multiple_of(2));
            let vfs: Arc<dyn Vfs> = Arc::new(faulty.clone());
            let mut run = Run::new(disk);
            let result = run.run(&vfs, sequence);
            faulty.heal();
            if let Err(e) = result {
                let expected = [ErrorKind::Io, ErrorKind::DiskFull, ErrorKind::Poisoned];
                if !expected.contains(&e.kind()) {
                    return Err(format!("{fault:?} at call {at}: {:?}: {e}", e.kind()));
                }
            }
            let variants = CrashVariant::standard(at);
            for variant in [variants[(number % 16) as usize], CrashVariant::KILL] {
                let events = run.disk.event_count();
                run.check(events, variant)
                    .map_err(|e| format!("{fault:?} at call {at}, then {variant:?}: {e}"))?;
            }
            runs += 1;
        }
        Ok(runs)
    });
    println!("faults injected into the facade: {runs}, none lost anything");
    assert!(runs > 500, "{runs}");
}
