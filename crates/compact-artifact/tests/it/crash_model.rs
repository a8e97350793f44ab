//! What the sequences of `crash_run` are compared with: a plain model of an artifact, every question that is asked of both, and a reader that follows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use compact_artifact::vfs::Vfs;
use compact_artifact::{
    CommitSeq, CompactArtifact, CompactionPolicy, Compression, Entry, Filter, Maintenance, Metric, Options,
    Order, Query, RecordId, Snapshot, SpaceOptions,
};

use crate::left_out;

pub(crate) const ROOT: &str = "/a";
const Y2000: u64 = 946_684_800;

/// Seconds since 2000, which a sequence puts forward.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Those of an artifact that is there; its vector space has more than one name.
    pub(crate) fn options(&self) -> Options {
        let clock = self.0.clone();
        left_out::options()
            .compression(Compression::None)
            .block_len(512)
            .segment_len(64 << 10)
            .maintenance(Maintenance::Inline)
            .auto_compact(CompactionPolicy::new().dead_percent(20))
            .cache_bytes(0)
            .seed(1)
            .threads(1) // events in one order; `kill::` has them in any
            .clock(move || UNIX_EPOCH + Duration::from_secs(Y2000 + clock.load(Ordering::Relaxed)))
    }

    /// Put forward by so many seconds.
    pub(crate) fn wait(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn create(&self, vfs: &Arc<dyn Vfs>) -> compact_artifact::Result<CompactArtifact> {
        let options = self.options().expires_at("until").space("v", SpaceOptions::new(3, Metric::Cosine));
        CompactArtifact::create_in(vfs.clone(), options, Path::new(ROOT))
    }
}

/// What is known of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Known {
    pub(crate) text: String,
    pub(crate) key: Option<String>,
    /// The first value of the embedding, times ten.
    pub(crate) angle: Option<i32>,
    /// What the metadata say.
    pub(crate) mark: Option<i64>,
    pub(crate) until: Option<u64>,
}

/// What an artifact holds: the name of the vector space, if there is one, and the records.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    pub(crate) space: Option<String>,
    pub(crate) records: BTreeMap<u64, Known>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { space: Some("v".to_owned()), records: BTreeMap::new() }
    }

    /// Without what has expired.
    pub(crate) fn at(&self, clock: &Clock) -> Self {
        let mut seen = self.clone();
        seen.records.retain(|_, known| known.until.is_none_or(|until| until > clock.now()));
        seen
    }

    pub(crate) fn ids_of(&self, test: impl Fn(&Known) -> bool) -> Vec<u64> {
        self.records.iter().filter(|(_, known)| test(known)).map(|(id, _)| *id).collect()
    }
}

fn is_text(known: &Known) -> bool {
    known.text.starts_with("record")
}

/// What the artifact holds, looked at in every way; or what is not right about it.
pub(crate) fn state_of(artifact: &CompactArtifact) -> Result<Model, String> {
    let snapshot = artifact.snapshot();
    let space = artifact.spaces().first().map(|space| space.name().to_owned());
    let mut model = Model { space: space.clone(), records: BTreeMap::new() };
    let mut keys = Vec::new();
    for entry in snapshot.records() {
        let entry = entry.map_err(|e| format!("iteration: {e}"))?;
        let key = entry.key().map_err(|e| format!("key: {e}"))?;
        keys.extend(key.clone().map(|key| (key, entry.id())));
        let metadata = entry.metadata().map_err(|e| format!("metadata: {e}"))?;
        let until = metadata.get("until").and_then(serde_json::Value::as_str);
        let known = Known {
            text: content_of(&entry)?,
            key,
            angle: angle_of(&snapshot, entry.id(), space.as_deref())?,
            mark: metadata.get("mark").and_then(serde_json::Value::as_i64),
            until: until.map(|date| date[17..19].parse().unwrap()),
        };
        model.records.insert(entry.id().0, known);
    }
    ask_keys_and_metadata(&snapshot, &model, keys)?;
    ask_searches(&snapshot, &model)?;
    if snapshot.len() != model.records.len() as u64 {
        return Err(format!("{} records are counted, there are {}", snapshot.len(), model.records.len()));
    }
    Ok(model)
}

fn content_of(entry: &Entry) -> Result<String, String> {
    if entry.is_text() {
        return Ok(entry.text().map_err(|e| format!("text: {e}"))?.into_owned());
    }
    Ok(blob_name(&entry.bytes().map_err(|e| format!("blob: {e}"))?))
}

fn angle_of(snapshot: &Snapshot, id: RecordId, space: Option<&str>) -> Result<Option<i32>, String> {
    let Some(space) = space else { return Ok(None) };
    let vector = snapshot.embedding(id, space).map_err(|e| format!("embedding: {e}"))?;
    Ok(vector.map(|vector| (vector[0] / vector[1] * 10.0).round() as i32))
}

pub(crate) fn blob_name(bytes: &[u8]) -> String {
    format!("{} bytes of {:?}", bytes.len(), bytes.first())
}

fn ask_keys_and_metadata(
    snapshot: &Snapshot,
    model: &Model,
    mut keys: Vec<(String, RecordId)>,
) -> Result<(), String> {
    for (key, id) in &keys {
        if snapshot.id_of_key(key).map_err(|e| e.to_string())? != Some(*id) {
            return Err(format!("key {key} does not lead to record {id}"));
        }
    }
    keys.sort_unstable();
    let listed = snapshot.keys("").map_err(|e| format!("keys: {e}"))?;
    if listed != keys {
        return Err(format!("the keys are {listed:?}, there are {keys:?}"));
    }
    let marks: BTreeSet<i64> = model.records.values().filter_map(|known| known.mark).collect();
    for mark in marks {
        let ids = snapshot.ids_where(&Filter::field("mark").eq(mark)).map_err(|e| format!("filter: {e}"))?;
        let marked = model.ids_of(|known| known.mark == Some(mark));
        if ids.iter().map(|id| id.0).ne(marked.iter().copied()) {
            return Err(format!("the filter finds {ids:?} for {mark}, there are {marked:?}"));
        }
    }
    Ok(())
}

fn ask_searches(snapshot: &Snapshot, model: &Model) -> Result<(), String> {
    let found = |query: Query| -> Result<Vec<u64>, String> {
        let results = snapshot.search(&query.k(1000)).map_err(|e| format!("search: {e}"))?;
        Ok(results.hits.iter().map(|hit| hit.id.0).collect())
    };
    let same = |what: &str, mut ids: Vec<u64>, expected: Vec<u64>| {
        ids.sort_unstable();
        let message = || format!("{what} find {ids:?}, there are {expected:?}");
        if ids == expected { Ok(()) } else { Err(message()) }
    };
    same("words", found(Query::words("record"))?, model.ids_of(is_text))?;
    let mut by_mark = model.ids_of(|_| true);
    if model.records.values().any(|known| known.mark.is_some()) {
        // Without a mark comes last; of one mark the older first.
        by_mark.sort_by_key(|id| (std::cmp::Reverse(model.records[id].mark), *id));
        let ordered = found(Query::new().order_by("mark", Order::Descending))?;
        if ordered != by_mark {
            return Err(format!("ordered {ordered:?}, expected {by_mark:?}"));
        }
    }
    let Some(space) = &model.space else { return Ok(()) };
    let with_vectors = model.ids_of(|known| known.angle.is_some());
    same("vectors", found(Query::vector(space, [1.0, 1.0, 1.0]))?, with_vectors.clone())?;
    same("exact vectors", found(Query::vector(space, [1.0, 1.0, 1.0]).exact(true))?, with_vectors.clone())?;
    if let Some((&first, others)) = with_vectors.split_first() {
        same("similar", found(Query::similar_to(space, RecordId(first)))?, others.to_vec())?;
    }
    Ok(())
}

/// A reader that follows, and the ids that it knows of by changes alone.
pub(crate) struct Follower {
    reader: CompactArtifact,
    last: CommitSeq,
    ids: BTreeSet<u64>,
}

impl Follower {
    pub(crate) fn new(vfs: &Arc<dyn Vfs>, clock: &Clock) -> compact_artifact::Result<Self> {
        let reader = CompactArtifact::open_read_only_in(vfs.clone(), clock.options(), Path::new(ROOT))?;
        Ok(Self { reader, last: CommitSeq(0), ids: BTreeSet::new() })
    }

    /// Sees the newest commit, and compares it with what is there.
    pub(crate) fn follow(&mut self, expected: &Model, all: &Model) -> Result<(), String> {
        self.reader.refresh().map_err(|e| format!("refresh: {e}"))?;
        let found = state_of(&self.reader).map_err(|e| format!("a reader: {e}"))?;
        if found != *expected {
            return Err(format!("a reader finds {found:?}, there is {expected:?}"));
        }
        let changes = self.reader.changes_since(self.last).map_err(|e| format!("changes: {e}"))?;
        match changes {
            None => self.ids = found.records.keys().copied().collect(),
            Some(changes) => {
                for gone in &changes.deleted {
                    self.ids.remove(&gone.id.0);
                }
                for replaced in &changes.replaced {
                    self.ids.remove(&replaced.replaces.unwrap().0);
                }
                self.ids.extend(changes.added.iter().chain(&changes.replaced).map(|change| change.id.0));
            }
        }
        self.last = self.reader.snapshot().seq();
        // What expired is told when it is deleted.
        let expired = |id: &u64| all.records.contains_key(id) && !expected.records.contains_key(id);
        let known: Vec<u64> = self.ids.iter().copied().filter(|id| !expired(id)).collect();
        if known.iter().ne(expected.records.keys()) {
            return Err(format!("a follower knows {known:?}, there are {:?}", expected.records.keys()));
        }
        Ok(())
    }
}

impl Model {
    pub(crate) fn known(&mut self, id: u64) -> &mut Known {
        self.records.get_mut(&id).unwrap()
    }

    /// Puts a record in the place of the one with its key.
    pub(crate) fn replace(&mut self, id: u64, known: Known) {
        self.records.retain(|_, other| other.key != known.key);
        self.records.insert(id, known);
    }
}
