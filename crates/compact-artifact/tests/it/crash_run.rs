//! Short sequences of calls on an artifact beside a plain model of it, and what is allowed to be there after a crash in the middle of one.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use compact_artifact::vfs::{MemoryVfs, Vfs};
use compact_artifact::{Batch, CompactArtifact, Durability, Filter, Metric, Record, RecordId, SpaceOptions};
use serde_json::json;

use crate::between::Between;
use crate::crash_model::{Clock, Follower, Known, Model, ROOT, blob_name, state_of};

/// So long is a blob that a commit of it makes sealing due.
const BIG: usize = 66_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// A batch of three records, two with embeddings, one of which expires some day.
    Batch,
    Upsert,
    /// A blob with a key, after which sealing is due, and compacting if it takes the place of another.
    Big,
    Delete,
    /// An embedding for the oldest record.
    Embed,
    /// Other metadata for the oldest record.
    Update,
    /// The same for all that have some.
    UpdateWhere,
    /// What expires some day has expired.
    Wait,
    /// Another name for the vector space.
    Rename,
    /// The vector space is dropped, and added anew.
    DropSpace,
    Seal,
    Compact,
    /// While an index is written, an upsert, and an embedding and metadata for the oldest record, none of them synced.
    SealBeside,
    CompactBeside,
    Close,
    Kill,
}

const OPS: [Op; 16] = [
    Op::Batch,
    Op::Upsert,
    Op::Big,
    Op::Delete,
    Op::Embed,
    Op::Update,
    Op::UpdateWhere,
    Op::Wait,
    Op::Rename,
    Op::DropSpace,
    Op::Seal,
    Op::Compact,
    Op::SealBeside,
    Op::CompactBeside,
    Op::Close,
    Op::Kill,
];

/// All sequences of up to so many calls in which something is added.
pub(crate) fn sequences(len: usize) -> Vec<Vec<Op>> {
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
    all.retain(|sequence| sequence.iter().any(|op| matches!(op, Op::Batch | Op::Upsert | Op::Big)));
    all
}

/// A sequence that was run, and where it was when so many events had happened.
pub(crate) struct Run {
    pub(crate) disk: MemoryVfs,
    pub(crate) clock: Clock,
    models: Vec<Model>,
    /// Events, then the newest model acknowledged and the newest begun.
    marks: Vec<(usize, usize, usize)>,
    pub(crate) exists_from: usize,
    /// The id of the next record of the store. Ids follow from the calls alone: a batch with embeddings takes one more.
    next: u64,
}

/// The number of a call in its sequence, of which what it writes is made.
#[derive(Clone, Copy)]
struct Step(i16);

impl Step {
    fn angle(self, n: i16) -> f32 {
        f32::from(self.0 * 3 + n) / 10.0 + 1.0
    }

    fn rounded(self, n: i16) -> i32 {
        (self.angle(n) * 10.0).round() as i32
    }

    fn mark(self) -> i64 {
        i64::from(self.0) + 1
    }

    /// A record, with an embedding if there is a space.
    fn record(self, known: &Known, space: Option<&String>, n: i16) -> Record {
        let mut metadata = serde_json::Map::new();
        metadata.extend(known.mark.map(|mark| ("mark".to_owned(), json!(mark))));
        let date = |until| format!("2000-01-01T00:00:{until:02}Z");
        metadata.extend(known.until.map(|until| ("until".to_owned(), json!(date(until)))));
        let mut record = Record::text(&known.text).metadata(serde_json::Value::Object(metadata));
        if let Some(key) = &known.key {
            record = record.key(key);
        }
        match space.filter(|_| known.angle.is_some()) {
            Some(space) => record.embedding(space, [self.angle(n), 1.0, 0.0]),
            None => record,
        }
    }
}

impl Run {
    pub(crate) fn new(disk: MemoryVfs) -> Self {
        let (clock, models, marks) = (Clock::default(), vec![Model::new()], vec![(0, 0, 0)]);
        Self { disk, clock, models, marks, exists_from: usize::MAX, next: 0 }
    }

    /// What may be found after so many events.
    pub(crate) fn allowed(&self, events: usize) -> Vec<Model> {
        let (_, acknowledged, begun) = *self.marks.iter().rev().find(|(at, ..)| *at <= events).unwrap();
        self.models[acknowledged..=begun].iter().map(|model| model.at(&self.clock)).collect()
    }

    fn mark(&mut self, acknowledged: usize, begun: usize) {
        self.marks.push((self.disk.event_count(), acknowledged, begun));
    }

    fn newest(&self) -> &Model {
        self.models.last().unwrap()
    }

    /// The oldest record that is seen.
    fn oldest(&self) -> Option<u64> {
        self.newest().at(&self.clock).records.keys().next().copied()
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

    /// Runs a sequence. With `asks`, the artifact and a reader that follows are asked everything after each call.
    pub(crate) fn run(
        &mut self,
        vfs: &Arc<dyn Vfs>,
        sequence: &[Op],
        asks: bool,
    ) -> compact_artifact::Result<()> {
        let between = Between::new(vfs.clone());
        let disk: Arc<dyn Vfs> = between.clone();
        let mut artifact = Arc::new(self.clock.create(&disk)?);
        self.exists_from = self.disk.event_count();
        self.mark(0, 0);
        let mut follower = if asks { Some(Follower::new(vfs, &self.clock)?) } else { None };
        for (step, op) in (0i16..).zip(sequence) {
            artifact = self.step(&between, artifact, *op, Step(step))?;
            let Some(follower) = &mut follower else { continue };
            let expected = self.newest().at(&self.clock);
            let found = state_of(&artifact).unwrap_or_else(|e| panic!("{sequence:?}, step {step}: {e}"));
            assert_eq!(found, expected, "{sequence:?}, step {step}");
            let followed = follower.follow(&expected, self.newest());
            followed.unwrap_or_else(|e| panic!("{sequence:?}, step {step}: {e}"));
        }
        Ok(())
    }

    fn step(
        &mut self,
        between: &Arc<Between>,
        artifact: Arc<CompactArtifact>,
        op: Op,
        step: Step,
    ) -> compact_artifact::Result<Arc<CompactArtifact>> {
        let options = self.clock.options();
        let open = || CompactArtifact::open_in(between.clone(), options, Path::new(ROOT)).map(Arc::new);
        match op {
            Op::Batch | Op::Upsert | Op::Big | Op::Delete => self.put_or_delete(&artifact, op, step)?,
            Op::Embed | Op::Update | Op::UpdateWhere => self.change_in_part(&artifact, op, step)?,
            Op::Wait => self.clock.wait(10),
            Op::Rename | Op::DropSpace => self.change_space(&artifact, op)?,
            Op::Seal => drop(artifact.seal()?),
            Op::Compact => {
                artifact.compact(8 << 20)?;
            }
            Op::SealBeside | Op::CompactBeside => self.beside(between, &artifact, op, step)?,
            Op::Close => {
                Arc::into_inner(artifact).unwrap().close()?;
                return open();
            }
            Op::Kill => {
                drop(artifact);
                return open();
            }
        }
        Ok(artifact)
    }

    fn put_or_delete(
        &mut self,
        artifact: &CompactArtifact,
        op: Op,
        step: Step,
    ) -> compact_artifact::Result<()> {
        let space = self.newest().space.clone();
        let angle = |n: i16| space.is_some().then(|| step.rounded(n));
        let first = self.next + u64::from(space.is_some());
        match op {
            Op::Batch => {
                let text = |n: i16| format!("record {n} of step {}", step.0);
                let until = Some(self.clock.now() + 5);
                let known = [
                    Known { text: text(0), angle: angle(0), ..Known::default() },
                    Known { text: text(1), mark: Some(0), ..Known::default() },
                    Known { text: text(2), angle: angle(2), mark: Some(0), until, ..Known::default() },
                ];
                let records = (0..).zip(&known).map(|(n, known)| step.record(known, space.as_ref(), n));
                let batch: Batch = records.collect();
                self.change(
                    |model| model.records.extend((first..).zip(known)),
                    || artifact.write(batch).map(drop),
                )?;
                self.next = first + 3;
            }
            Op::Upsert => {
                let text = format!("record of step {}", step.0);
                let known = Known { text, key: Some("key".to_owned()), angle: angle(0), ..Known::default() };
                let record = step.record(&known, space.as_ref(), 0);
                self.change(|model| model.replace(first, known), || artifact.upsert(record).map(drop))?;
                self.next = first + 1;
            }
            Op::Big => {
                let bytes = vec![u8::try_from(step.0).unwrap(); BIG];
                // An embedding is not lost by writing the key again: another one takes its place.
                let held = self
                    .newest()
                    .records
                    .values()
                    .any(|known| known.key.as_deref() == Some("big") && known.angle.is_some());
                let space = space.filter(|_| held);
                let id = self.next + u64::from(space.is_some());
                let key = Some("big".to_owned());
                let known = Known {
                    text: blob_name(&bytes),
                    key,
                    angle: space.is_some().then(|| step.rounded(0)),
                    ..Known::default()
                };
                let record = Record::blob(bytes).key("big");
                let record = match space {
                    Some(space) => record.embedding(space, [step.angle(0), 1.0, 0.0]),
                    None => record,
                };
                self.change(|model| model.replace(id, known), || artifact.upsert(record).map(drop))?;
                self.next = id + 1;
            }
            _ => {
                let Some(id) = self.oldest() else { return Ok(()) };
                let delete = || artifact.delete(RecordId(id)).map(drop);
                self.change(|model| drop(model.records.remove(&id)), delete)?;
            }
        }
        Ok(())
    }

    fn change_in_part(
        &mut self,
        artifact: &CompactArtifact,
        op: Op,
        step: Step,
    ) -> compact_artifact::Result<()> {
        let (Some(id), mark) = (self.oldest(), step.mark()) else { return Ok(()) };
        match op {
            Op::Embed => {
                let Some(space) = self.newest().space.clone() else { return Ok(()) };
                let embed = |model: &mut Model| model.known(id).angle = Some(step.rounded(1));
                let vector = [step.angle(1), 1.0, 0.0];
                self.change(embed, || artifact.add_embedding(RecordId(id), &space, &vector))?;
                self.next += 1;
            }
            Op::Update => {
                let update = |model: &mut Model| model.known(id).mark = Some(mark);
                self.change(update, || artifact.update(RecordId(id), json!({"mark": mark})).map(drop))?;
                self.next += 1;
            }
            _ => {
                let ids = self.newest().at(&self.clock).ids_of(|known| known.mark.is_some());
                if ids.is_empty() {
                    return Ok(());
                }
                let filter = Filter::field("mark").exists();
                let update = |model: &mut Model| ids.iter().for_each(|id| model.known(*id).mark = Some(mark));
                self.change(update, || artifact.update_where(&filter, json!({"mark": mark})).map(drop))?;
                self.next += ids.len() as u64;
            }
        }
        Ok(())
    }

    fn change_space(&mut self, artifact: &CompactArtifact, op: Op) -> compact_artifact::Result<()> {
        let Some(name) = self.newest().space.clone() else { return Ok(()) };
        if op == Op::Rename {
            let new = if name == "v" { "u" } else { "v" };
            let rename = |model: &mut Model| model.space = Some(new.to_owned());
            return self.change(rename, || artifact.rename_space(&name, new));
        }
        let forget = |model: &mut Model| {
            model.space = None;
            model.records.values_mut().for_each(|known| known.angle = None);
        };
        self.change(forget, || artifact.drop_space(&name))?;
        let add = |model: &mut Model| model.space = Some("v".to_owned());
        self.change(add, || artifact.add_space("v", SpaceOptions::new(3, Metric::Cosine)))
    }

    /// Seals or compacts, and commits something without a sync when the first index is written.
    fn beside(
        &mut self,
        between: &Between,
        artifact: &Arc<CompactArtifact>,
        op: Op,
        step: Step,
    ) -> compact_artifact::Result<()> {
        let (_, acknowledged, begun) = *self.marks.last().unwrap();
        let mut model = self.models[begun].clone();
        let space = model.space.clone();
        let text = format!("record beside step {}", step.0);
        let angle = space.is_some().then(|| step.rounded(2));
        let known = Known { text, key: Some("key".to_owned()), angle, ..Known::default() };
        let record = step.record(&known, space.as_ref(), 2);
        let mut batch = Batch::new().durability(Durability::Buffered).upsert(record);
        let seen = model.at(&self.clock);
        let late = seen.records.iter().find(|(_, known)| known.key.is_none()).map(|(id, _)| *id);
        if let Some(id) = late {
            let mark = 100 + i64::from(step.0);
            batch = batch.update(RecordId(id), json!({"mark": mark}));
            model.known(id).mark = Some(mark);
            if let Some(space) = &space {
                batch = batch.add_embedding(RecordId(id), space, [step.angle(7), 1.0, 0.0]);
                model.known(id).angle = Some(step.rounded(7));
            }
        }
        let with_space = u64::from(space.is_some());
        model.replace(self.next + with_space, known);
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
            return result; // no index was written
        };
        self.models.truncate(begun + 1);
        self.models.push(model);
        self.marks.push((events, acknowledged, begun + 1));
        self.mark(acknowledged, begun + 1);
        committed.and(result)?;
        self.next += 1 + with_space + u64::from(late.is_some()) * (1 + with_space);
        Ok(())
    }
}
