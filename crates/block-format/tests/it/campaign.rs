//! The machinery of the campaigns: sequences of operations on a recorded file system, and what may be left of them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use block_format::vfs::{CrashVariant, MemoryVfs, Vfs};
use block_format::{
    Compression, Durability, ErrorKind, Options, PartKind, RecordId, Result, Step, Store, VerifyLevel,
    VerifyReport, verify_in,
};

use crate::dictionaries::text;

pub(crate) const ROOT: &str = "/a";

/// What a sequence is made of. `Put`, `LargePut` and `Delete` are commits that nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Put,
    LargePut,
    Delete,
    /// A commit on disk when it returns, with everything before it.
    Commit,
    Seal,
    /// Closed, then opened.
    Reopen,
    /// Dropped like a killed process, then opened.
    Kill,
    Bulk,
    /// All segments rewritten into as few as possible, beside a new part.
    Rewrite,
    /// The log ended, a commit in between that deletes from it, then it is sealed, one more record deleted, and a part replaced: at once.
    Edit,
}

pub(crate) const OPS: [Op; 10] = [
    Op::Put,
    Op::LargePut,
    Op::Delete,
    Op::Commit,
    Op::Seal,
    Op::Reopen,
    Op::Kill,
    Op::Bulk,
    Op::Rewrite,
    Op::Edit,
];

/// The part that `Op::Edit` replaces.
const REPLACED: PartKind = PartKind(301);

/// All sequences of 1 to `len` operations.
pub(crate) fn sequences(len: usize) -> Vec<Vec<Op>> {
    let mut all: Vec<Vec<Op>> = Vec::new();
    let mut longest = vec![Vec::new()];
    for _ in 0..len {
        let longer = |sequence: &Vec<Op>| {
            let sequence = sequence.clone();
            OPS.into_iter().map(move |op| sequence.iter().copied().chain([op]).collect::<Vec<_>>())
        };
        longest = longest.iter().flat_map(longer).collect();
        all.extend(longest.iter().cloned());
    }
    all
}

/// Small blocks, so that a few kilobytes have all kinds; nothing compressed, since that is not what is tested.
pub(crate) fn options(left_out: Option<Step>) -> Options {
    let options = Options::new()
        .compression(Compression::None)
        .block_len(512)
        .inline_max(700)
        .frame_len(512)
        .segment_len(64 << 10)
        .seed(1);
    match left_out {
        Some(step) => options.leave_out(step),
        None => options,
    }
}

/// The records of one commit: content by id, and the next id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Model {
    pub(crate) records: BTreeMap<u64, Vec<u8>>,
    pub(crate) next_id: u64,
    /// Tags of the parts that `Op::Edit` replaces.
    pub(crate) parts: Vec<u64>,
}

impl Model {
    fn put(&mut self, content: Vec<u8>) {
        self.records.insert(self.next_id, content);
        self.next_id += 1;
    }

    /// What a store holds, looked at in every way.
    pub(crate) fn of(store: &Store) -> std::result::Result<Self, String> {
        let snapshot = store.snapshot();
        let mut records = BTreeMap::new();
        for record in snapshot.records() {
            let record = record.map_err(|e| format!("iteration: {e}"))?;
            let content =
                record.bytes().map_err(|e| format!("content of {}: {e}", record.id()))?.into_owned();
            records.insert(record.id().0, content);
        }
        for id in 0..=snapshot.next_id().0 {
            let found = snapshot.get(RecordId(id)).map_err(|e| format!("get {id}: {e}"))?;
            let found = found.map(|record| record.bytes().map(std::borrow::Cow::into_owned));
            let found = found.transpose().map_err(|e| format!("content of {id}: {e}"))?;
            if found.as_ref() != records.get(&id) {
                return Err(format!("record {id} is found one way and not the other"));
            }
        }
        let mut parts = Vec::new();
        for part in snapshot.parts().iter().filter(|part| part.kind().0 >= 256) {
            part.verify().map_err(|e| format!("part {}: {e}", part.id().0))?;
            if part.content().map_err(|e| e.to_string())?[..] != content(300, part.tag()) {
                return Err(format!("part {} has other content", part.id().0));
            }
            if part.kind() == REPLACED {
                parts.push(part.tag());
            }
        }
        Ok(Self { records, next_id: snapshot.next_id().0, parts })
    }
}

pub(crate) fn content(len: usize, salt: u64) -> Vec<u8> {
    (0..len).map(|i| (i as u64).wrapping_mul(salt * 2 + 1).wrapping_add(salt).to_le_bytes()[0]).collect()
}

/// Where a run was when so many events had happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    events: usize,
    exists: bool,
    /// The newest commit on disk for certain, the newest handed to the operating system, the newest begun.
    acknowledged: usize,
    written: usize,
    begun: usize,
}

/// A sequence that was run, with everything to judge what is left of it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) vfs: MemoryVfs,
    pub(crate) models: Vec<Model>,
    marks: Vec<Mark>,
    now: Mark,
    /// Texts that `Op::Put` commits beside its two records: enough of them for a dictionary, or none.
    pub(crate) texts: u64,
}

impl Run {
    pub(crate) fn new(vfs: MemoryVfs) -> Self {
        let now = Mark { events: 0, exists: false, acknowledged: 0, written: 0, begun: 0 };
        Self { vfs, models: vec![Model::default()], marks: vec![now], now, texts: 0 }
    }

    fn mark(&mut self) {
        self.now.events = self.vfs.event_count();
        self.marks.push(self.now);
    }

    fn begin(&mut self, change: impl FnOnce(&mut Model)) {
        let mut model = self.models[self.now.begun].clone();
        change(&mut model);
        self.models.truncate(self.now.begun + 1);
        self.models.push(model);
        self.now.begun += 1;
        self.mark();
    }

    fn wrote(&mut self) {
        self.now.written = self.now.begun;
        self.mark();
    }

    /// Everything written so far is on disk.
    fn synced(&mut self) {
        self.now.acknowledged = self.now.written;
        self.mark();
    }

    /// Runs `sequence` on `vfs`, which may be a wrapper of the recorded one. The first error ends the run; the store,
    /// if it is still open, is left in `store`.
    pub(crate) fn run(
        &mut self,
        vfs: &Arc<dyn Vfs>,
        options: &Options,
        sequence: &[Op],
        store: &mut Option<Store>,
    ) -> Result<()> {
        *store = Some(Store::create_in(vfs.clone(), ROOT, options.clone())?);
        self.now.exists = true;
        self.mark();
        for &op in sequence {
            match (op, store.as_ref()) {
                (Op::Reopen | Op::Kill, _) => self.reopen(vfs, options, store, op)?,
                (_, Some(store)) => self.step(store, op)?,
                (_, None) => unreachable!("a run ends with the first error"),
            }
        }
        Ok(())
    }

    fn reopen(
        &mut self,
        vfs: &Arc<dyn Vfs>,
        options: &Options,
        store: &mut Option<Store>,
        op: Op,
    ) -> Result<()> {
        if let Some(store) = store.take()
            && op == Op::Reopen
        {
            store.close()?;
            self.synced();
        }
        let (opened, report) = Store::open_in(vfs.clone(), ROOT, options.clone())?;
        // A file that could not be removed is removed now; everything else is as it was closed.
        let as_closed = report.commits_recovered == 0 && report.dropped_len == 0;
        assert!(op == Op::Kill || as_closed, "closed, and yet {report:?}");
        self.synced(); // what recovery serves, it has made durable
        *store = Some(opened);
        Ok(())
    }

    /// One more commit after an error: acknowledged, or refused because the writer is poisoned.
    pub(crate) fn one_more(&mut self, store: &Store) -> Result<()> {
        let content = content(77, 99);
        // A commit that failed without poisoning the writer did not happen.
        let failed_at = self.now.begun;
        let id = store.put(&content)?;
        self.now.begun = self.now.written;
        self.begin(|model| model.put(content));
        assert_eq!(id.0 + 1, self.models[self.now.begun].next_id, "after the failure of commit {failed_at}");
        self.wrote();
        self.synced();
        Ok(())
    }

    fn step(&mut self, store: &Store, op: Op) -> Result<()> {
        let salt = self.models.len() as u64;
        match op {
            Op::Put => {
                let texts = (0..self.texts).map(|i| text(salt * 1000 + i));
                let records: Vec<_> =
                    [content(100, salt), content(600, salt + 1)].into_iter().chain(texts).collect();
                let mut batch = store.batch();
                records.iter().try_for_each(|record| batch.put(record).map(drop))?;
                self.begin(|model| records.into_iter().for_each(|record| model.put(record)));
                store.commit(batch, Durability::Buffered)?;
                self.wrote();
            }
            Op::LargePut => {
                let large = content(1800, salt);
                self.begin(|model| model.put(large.clone()));
                store.put_reader(&large[..], Durability::Buffered)?;
                self.wrote();
            }
            Op::Delete => {
                let Some((&id, _)) = self.models[self.now.begun].records.first_key_value() else {
                    return Ok(());
                };
                let mut batch = store.batch();
                batch.delete(RecordId(id));
                self.begin(|model| drop(model.records.remove(&id)));
                store.commit(batch, Durability::Buffered)?;
                self.wrote();
            }
            Op::Commit => {
                let one = content(50, salt);
                self.begin(|model| model.put(one.clone()));
                store.put(&one)?;
                self.wrote();
                self.synced();
            }
            Op::Seal => {
                store.seal()?;
                self.synced();
            }
            Op::Reopen | Op::Kill => unreachable!("not on an open store"),
            Op::Bulk => {
                let (one, two) = (content(900, salt), content(40, salt + 1));
                let mut bulk = store.bulk()?;
                bulk.put(&one)?;
                bulk.put(&two)?;
                self.begin(|model| {
                    model.put(one);
                    model.put(two);
                });
                bulk.finish()?;
                self.wrote();
                self.synced();
            }
            Op::Rewrite => {
                let segments: Vec<_> =
                    store.snapshot().segments().iter().map(|segment| segment.file).collect();
                store.edit(|edit| {
                    if !segments.is_empty() {
                        edit.rewrite(&segments)?;
                    }
                    edit.write_part(PartKind(300), salt, |part| part.write_all(&content(300, salt)))
                })?;
            }
            Op::Edit => self.edit(store, salt)?,
        }
        Ok(())
    }

    fn edit(&mut self, store: &Store, salt: u64) -> Result<()> {
        store.edit(|edit| {
            edit.end_log()?;
            self.synced();
            let first = self.models[self.now.begun].records.keys().next().copied();
            let one = content(60, salt);
            let mut batch = store.batch();
            batch.put(&one)?;
            if let Some(id) = first {
                batch.delete(RecordId(id));
            }
            self.begin(|model| {
                model.put(one);
                first.map(|id| model.records.remove(&id));
            });
            store.commit(batch, Durability::Sync)?;
            self.wrote();
            self.synced();
            let first = self.models[self.now.begun].records.keys().next().copied();
            edit.delete(first.map(RecordId));
            edit.seal_logs()?;
            for part in edit.snapshot().parts().iter().filter(|part| part.kind() == REPLACED) {
                edit.drop_part(part.id())?;
            }
            edit.write_part(REPLACED, salt, |part| part.write_all(&content(300, salt)))?;
            self.begin(|model| {
                first.map(|id| model.records.remove(&id));
                model.parts = vec![salt];
            });
            Ok(())
        })?;
        self.wrote();
        self.synced();
        Ok(())
    }

    fn at(&self, events: usize) -> Mark {
        let after = self.marks.partition_point(|mark| mark.events <= events);
        self.marks[after - 1]
    }

    /// Judges one crash: what is found must be the state of a commit between the last acknowledged and the last begun;
    /// what is served once must survive the next loss of power; and writing must go on.
    pub(crate) fn check(
        &self,
        options: &Options,
        events: usize,
        variant: CrashVariant,
    ) -> std::result::Result<(), String> {
        let kill = variant == CrashVariant::KILL;
        // After a kill the page cache still has what a failed sync lost.
        let at_end = events == self.vfs.event_count();
        let disk = if kill && at_end { self.vfs.fork() } else { self.vfs.crash(events, variant) };
        self.verify_crash(&disk, options, events)?;
        let store = self.recover(&disk, options, events, kill)?;
        let cleared = verified(&disk, options).map_err(|e| format!("verify after recovery: {e}"))?;
        if !cleared.is_sound() || !cleared.left_by_crash.is_empty() {
            return Err(format!("verify after recovery: {:?}, {:?}", cleared.damage, cleared.left_by_crash));
        }
        let served = Model::of(&store)?;
        let worst = CrashVariant::standard(0)[0];
        let again = disk.crash(disk.event_count(), worst);
        let (second, _) = open(&again, options).map_err(|e| format!("opening again: {e}"))?;
        if Model::of(&second)? != served {
            return Err("what recovery served was lost with the next loss of power".to_owned());
        }
        let id = store.put(b"goes on").map_err(|e| format!("writing after recovery: {e}"))?;
        let (third, _) =
            open(&disk.crash(disk.event_count(), worst), options).map_err(|e| format!("third: {e}"))?;
        let mut expected = served;
        if id.0 != expected.next_id {
            return Err(format!("expected id {}, found {id}", expected.next_id));
        }
        expected.put(b"goes on".to_vec());
        if Model::of(&third)? != expected {
            return Err("what was acknowledged after recovery was lost".to_owned());
        }
        Ok(())
    }

    /// What a crash leaves is no damage.
    fn verify_crash(
        &self,
        disk: &MemoryVfs,
        options: &Options,
        events: usize,
    ) -> std::result::Result<(), String> {
        match verified(disk, options) {
            Ok(report) if report.is_sound() => Ok(()),
            Ok(report) => Err(format!("verify takes what a crash left for damage: {:?}", report.damage)),
            Err(e) if e.kind() == ErrorKind::NotFound && !self.at(events).exists => Ok(()),
            Err(e) => Err(format!("verify: {e}")),
        }
    }

    /// Opens what is left and checks that it is the state of an allowed commit. After a mere kill, nothing written is lost.
    pub(crate) fn recover(
        &self,
        disk: &MemoryVfs,
        options: &Options,
        events: usize,
        kill: bool,
    ) -> std::result::Result<Store, String> {
        let mark = self.at(events);
        let store = match open(disk, options) {
            Ok((store, _)) => store,
            Err(e) if e.kind() == ErrorKind::NotFound && !mark.exists => {
                Store::create_in(Arc::new(disk.clone()), ROOT, options.clone())
                    .map_err(|e| format!("creating over an interrupted creation: {e}"))?
            }
            Err(e) => return Err(format!("opening: {e}")),
        };
        let found = Model::of(&store)?;
        let low = if kill { mark.written } else { mark.acknowledged };
        if self.models[low..=mark.begun].contains(&found) {
            return Ok(store);
        }
        Err(format!(
            "found {:?}, expected the state of a commit from {low} to {}: {:?}",
            found.records.keys(),
            mark.begun,
            self.models[low..=mark.begun].iter().map(|model| model.records.keys()).collect::<Vec<_>>()
        ))
    }
}

pub(crate) fn open(disk: &MemoryVfs, options: &Options) -> Result<(Store, block_format::RecoveryReport)> {
    Store::open_in(Arc::new(disk.clone()), Path::new(ROOT), options.clone())
}

fn verified(disk: &MemoryVfs, options: &Options) -> Result<VerifyReport> {
    verify_in(Arc::new(disk.clone()), ROOT, VerifyLevel::Checksums, options)
}

/// How large a dose: `CAMPAIGN=full` for all of it.
pub(crate) fn full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

/// A small generator for sampling.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Spreads work over two threads, and returns the sum or the first violation.
pub(crate) fn on_all_cores<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> std::result::Result<u64, String> + Sync + Send,
) -> std::result::Result<u64, String> {
    use rayon::prelude::*;
    items.par_iter().map(work).try_reduce(|| 0, |a, b| Ok(a + b))
}
