//! What is new together: changes in part, expiry, followers, groups, pages, snapshots, packs and salvage, beside a plain map.
//! One file because the map, what is done to it, and what is asked of it are read together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use compact_artifact::{
    Batch, CommitSeq, CompactArtifact, ErrorKind, Facet, Filter, Maintenance, Metric, Options, Order,
    Originals, Query, Record, RecordId, Snapshot, SpaceOptions, VerifyLevel,
};
use serde_json::{Map, Value, json};

const Y2000: u64 = 946_684_800;
const WORDS: [&str; 5] = ["cat", "dog", "river", "stone", "tree"];

/// A clock in seconds since 2000, which tests put forward.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    fn options(&self) -> Options {
        let clock = self.0.clone();
        Options::new()
            .segment_len(64 << 10)
            .block_len(1024)
            .expires_at("until")
            .precompute_similar(3)
            .space("v", SpaceOptions::new(3, Metric::Cosine).originals(Originals::F32))
            .clock(move || UNIX_EPOCH + Duration::from_secs(Y2000 + clock.load(Ordering::Relaxed)))
    }
}

fn date(seconds: u64) -> String {
    format!("2000-01-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn digit(&mut self) -> i64 {
        i64::try_from(self.below(9)).unwrap()
    }

    fn vector(&mut self) -> [f32; 3] {
        [(); 3].map(|()| self.below(2_000) as f32 / 1_000.0 - 0.9993)
    }
}

/// What the map knows of a record.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    key: Option<String>,
    words: Vec<usize>,
    n: i64,
    group: Option<String>,
    until: Option<u64>,
    vector: Option<[f32; 3]>,
}

impl Known {
    fn new(key: Option<String>, now: u64, random: &mut Random) -> Self {
        Self {
            key,
            words: (0..random.below(4)).map(|_| random.below(WORDS.len() as u64) as usize).collect(),
            n: random.digit(),
            group: some_group(random),
            until: (random.below(3) == 0).then(|| now + random.below(30)),
            vector: (random.below(2) == 0).then(|| random.vector()),
        }
    }

    fn text(&self) -> String {
        self.words.iter().map(|&word| WORDS[word]).collect::<Vec<_>>().join(" ")
    }

    fn metadata(&self) -> Map<String, Value> {
        let mut map = Map::from_iter([("n".to_owned(), json!(self.n))]);
        map.extend(self.group.as_ref().map(|group| ("g".to_owned(), json!(group))));
        map.extend(self.until.map(|until| ("until".to_owned(), json!(date(until)))));
        map
    }

    fn record(&self) -> Record {
        let mut record = Record::text(self.text()).metadata(Value::Object(self.metadata()));
        if let Some(key) = &self.key {
            record = record.key(key);
        }
        match self.vector {
            Some(vector) => record.embedding("v", vector),
            None => record,
        }
    }

    fn is_there(&self, now: u64) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

fn some_group(random: &mut Random) -> Option<String> {
    let group = random.below(5);
    // A long one is cut in the index.
    (group > 0).then(|| if group == 4 { "x".repeat(700) } else { format!("g{group}") })
}

/// A patch, and what it does.
fn patch(known: &mut Known, now: u64, random: &mut Random) -> Value {
    match random.below(5) {
        0 => {
            known.group = some_group(random);
            json!({"g": known.group})
        }
        1 => {
            known.until = (random.below(3) > 0).then(|| now + random.below(12));
            json!({"until": known.until.map(date)})
        }
        _ => {
            known.n = random.digit();
            json!({"n": known.n})
        }
    }
}

type Model = BTreeMap<u64, Known>;

/// Which records a filter lets through.
type Test<'a> = &'a dyn Fn(&Known) -> bool;

fn cosine(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    let dot = |a: &[f32; 3], b: &[f32; 3]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn hits(snapshot: &Snapshot, query: &Query) -> Vec<u64> {
    let found = snapshot.search(query).unwrap();
    assert!(found.is_complete && found.losses.is_empty(), "{query:?} {:?}", found.losses);
    found.hits.iter().map(|hit| hit.id.0).collect()
}

fn sorted(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_unstable();
    ids
}

/// Everything that can be asked has the map's answer.
fn compare(snapshot: &Snapshot, model: &Model, about: &str) {
    let ids_with = |test: &dyn Fn(&Known) -> bool| -> Vec<u64> {
        model.iter().filter(|(_, known)| test(known)).map(|(id, _)| *id).collect()
    };
    let all: Vec<u64> = model.keys().copied().collect();
    assert_eq!(snapshot.len(), model.len() as u64, "{about}");
    let listed: Vec<u64> = snapshot.records().map(|entry| entry.unwrap().id().0).collect();
    assert_eq!(listed, all, "{about}");
    let ids: Vec<RecordId> = all.iter().map(|&id| RecordId(id)).collect();
    for (entry, (id, known)) in snapshot.get_many(&ids).unwrap().into_iter().zip(model) {
        let one = snapshot.get(RecordId(*id)).unwrap().unwrap();
        for entry in [entry.unwrap(), one] {
            assert_eq!(entry.metadata().unwrap(), known.metadata(), "{about}: {id}");
            assert_eq!(entry.key().unwrap(), known.key);
            assert_eq!(entry.text().unwrap(), known.text());
        }
        let vector = snapshot.embedding(RecordId(*id), "v").unwrap();
        assert_eq!(vector, known.vector.map(Vec::from), "{about}: {id}");
    }
    let mut keys: Vec<_> =
        model.iter().filter_map(|(id, known)| Some((known.key.clone()?, RecordId(*id)))).collect();
    keys.sort_unstable();
    assert_eq!(snapshot.keys("").unwrap(), keys, "{about}");
    let mut paged = snapshot.keys_after("", None, 3).unwrap();
    while let Some((last, _)) = paged.last().filter(|_| paged.len() < keys.len()) {
        let page = snapshot.keys_after("", Some(last), 3).unwrap();
        assert!(!page.is_empty(), "{about}: keys behind {last} are missing");
        paged.extend(page);
    }
    assert_eq!((paged, snapshot.count_keys("").unwrap()), (keys.clone(), keys.len() as u64), "{about}");
    for key in (0..8).map(|i| format!("k{i}")) {
        let id = keys.iter().find(|(known, _)| *known == key).map(|(_, id)| *id);
        assert_eq!(snapshot.id_of_key(&key).unwrap(), id, "{about}: {key}");
    }
    let filters: [(Filter, Test<'_>); 4] = [
        (Filter::field("n").gte(4), &|known| known.n >= 4),
        (Filter::field("g").eq("g1"), &|known| known.group.as_deref() == Some("g1")),
        (Filter::field("g").exists(), &|known| known.group.is_some()),
        (Filter::field("until").exists(), &|known| known.until.is_some()),
    ];
    for (filter, test) in &filters {
        // A filter on a field that nobody has is an error.
        if let Ok(found) = snapshot.ids_where(filter) {
            assert_eq!(found.iter().map(|id| id.0).collect::<Vec<_>>(), ids_with(test), "{about}");
            assert_eq!(hits(snapshot, &Query::new().filter(filter.clone()).k(9_999)), ids_with(test));
        }
    }
    for (at, word) in WORDS.iter().enumerate() {
        let found = sorted(hits(snapshot, &Query::words(word).k(9_999)));
        assert_eq!(found, ids_with(&|known| known.words.contains(&at)), "{about}: {word}");
    }
    for (filter, test) in &filters {
        let query =
            Query::words("cat dog").filter(filter.clone()).order_by("n", Order::Ascending).total(true);
        let Ok(found) = snapshot.search(&query.clone().k(2).facet(Facet::values("n"))) else { continue };
        let has = |known: &Known| test(known) && known.words.iter().any(|&word| word < 2);
        let mut expected = ids_with(&has);
        expected.sort_by_key(|id| (model[id].n, *id));
        assert_eq!(found.total.unwrap().records as usize, expected.len(), "{about}");
        assert_eq!(found.facets[0].records as usize, expected.len(), "{about}");
        assert_eq!(hits(snapshot, &query.clone().k(9_999)), expected, "{about}");
        let mut groups = BTreeSet::new();
        expected.retain(|id| model[id].group.as_ref().is_none_or(|group| groups.insert(group)));
        let page = hits(snapshot, &query.group_by("g", 1).k(4).offset(1));
        assert_eq!(page, expected.into_iter().skip(1).take(4).collect::<Vec<_>>(), "{about}");
    }
    let phrase = Query::parse("\"cat dog\"").unwrap().k(9_999);
    let has = |known: &Known| known.words.windows(2).any(|pair| pair == [0, 1]);
    assert_eq!(sorted(hits(snapshot, &phrase)), ids_with(&has), "{about}");
    compare_columns(snapshot, model, about);
    compare_vectors(snapshot, model, about);
}

/// Orders, groups, counts and values of hits.
fn compare_columns(snapshot: &Snapshot, model: &Model, about: &str) {
    let mut by_n: Vec<u64> = model.keys().copied().collect();
    by_n.sort_by_key(|id| (-model[id].n, *id));
    let query = Query::new().order_by("n", Order::Descending).fields(["n", "g"]);
    let found = snapshot.search(&query.clone().k(9_999).total(true).facet(Facet::values("g"))).unwrap();
    assert_eq!(found.hits.iter().map(|hit| hit.id.0).collect::<Vec<_>>(), by_n, "{about}");
    for hit in &found.hits {
        let known = &model[&hit.id.0];
        assert_eq!(hit.field("n"), Some(&json!(known.n)), "{about}");
        assert_eq!(hit.field("g"), known.group.as_ref().map(|group| json!(group)).as_ref(), "{about}");
    }
    assert_eq!(found.total.unwrap().records, model.len() as u64, "{about}");
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for group in model.values().filter_map(|known| known.group.as_deref()) {
        *counts.entry(&group[..group.len().min(2)]).or_default() += 1;
    }
    let facet: u64 = found.facets[0].counts.iter().map(|value| value.count).sum();
    assert_eq!(facet, counts.values().sum::<u64>(), "{about}");
    assert_eq!(found.facets[0].counts.len(), counts.len(), "{about}: {:?}", found.facets);
    for most in [1, 2] {
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let mut expected = by_n.clone();
        expected.retain(|id| {
            let Some(group) = &model[id].group else { return true };
            let count = taken.entry(group).or_default();
            *count += 1;
            *count <= most
        });
        let mut pages = Vec::new();
        let grouped = query.clone().group_by("g", most).k(3);
        loop {
            let page = hits(snapshot, &grouped.clone().offset(pages.len()));
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, expected, "{about}");
    }
}

/// Scores of the nearest, by a scan.
fn compare_vectors(snapshot: &Snapshot, model: &Model, about: &str) {
    let scores = |target: &[f32; 3], but: Option<u64>| {
        let others = model.iter().filter(|(id, _)| Some(**id) != but);
        let mut scores: Vec<f32> =
            others.filter_map(|(_, known)| Some(cosine(&known.vector?, target))).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores
    };
    let same = |query: &Query, expected: &[f32]| {
        let found = snapshot.search(query).unwrap().hits;
        let found: Vec<f32> = found.iter().map(|hit| hit.score).collect();
        assert_eq!(found.len(), expected.len(), "{about}: {query:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.01, "{about}: {query:?} {found} {expected}");
        }
    };
    let target = [0.3, -0.2, 0.9];
    let expected = scores(&target, None);
    for k in [4, 9_999] {
        let expected = &expected[..k.min(expected.len())];
        same(&Query::vector("v", target).k(k).exact(true), expected);
        same(&Query::vector("v", target).k(k), expected);
    }
    for (id, known) in model.iter().filter(|(_, known)| known.vector.is_some()).take(3) {
        let expected = scores(&known.vector.unwrap(), Some(*id));
        for k in [3, 9_999] {
            same(&Query::similar_to("v", RecordId(*id)).k(k), &expected[..k.min(expected.len())]);
        }
    }
}

/// What a follower knows, kept up by changes only.
#[derive(Default)]
struct Mirror {
    records: BTreeMap<u64, Option<String>>,
    metadata: BTreeMap<u64, Map<String, Value>>,
    last: CommitSeq,
    followed: usize,
}

impl Mirror {
    fn follow(&mut self, artifact: &CompactArtifact, model: &Model, gone: &BTreeSet<u64>, about: &str) {
        let changes = artifact.changes_since(self.last).unwrap();
        let snapshot = artifact.snapshot();
        self.last = snapshot.seq();
        let Some(changes) = changes else {
            let entries: Vec<_> = snapshot.records().map(Result::unwrap).collect();
            self.records = entries.iter().map(|entry| (entry.id().0, entry.key().unwrap())).collect();
            self.metadata = entries.iter().map(|entry| (entry.id().0, entry.metadata().unwrap())).collect();
            return;
        };
        self.followed += 1;
        assert_eq!(changes.commit, self.last);
        for change in &changes.deleted {
            let known = self.records.remove(&change.id.0);
            assert!(known.is_some() || gone.contains(&change.id.0), "{about}: {change:?} was not there");
        }
        for change in &changes.replaced {
            let old = change.replaces.unwrap().0;
            let known = self.records.remove(&old);
            assert!(known.is_some() || gone.contains(&old), "{about}: {change:?} was not there");
        }
        for change in changes.added.iter().chain(&changes.replaced) {
            assert!(self.records.insert(change.id.0, change.key.clone()).is_none(), "{about}: {change:?}");
        }
        for change in changes.added.iter().chain(&changes.replaced).chain(&changes.updated) {
            assert_eq!(self.records.get(&change.id.0), Some(&change.key), "{about}: {change:?}");
            let entry = snapshot.get(change.id).unwrap().unwrap();
            self.metadata.insert(change.id.0, entry.metadata().unwrap());
        }
        // What expired is told when it is deleted.
        let there: Vec<u64> = self.records.keys().copied().filter(|id| !gone.contains(id)).collect();
        assert_eq!(there, model.keys().copied().collect::<Vec<_>>(), "{about}: a follower");
        for (id, known) in model {
            assert_eq!(self.metadata[id], known.metadata(), "{about}: a follower, {id}");
        }
    }
}

/// An artifact and a map beside it.
struct Both {
    clock: Clock,
    maintenance: Maintenance,
    path: PathBuf,
    artifact: CompactArtifact,
    model: Model,
    /// What expired, or was so when it came.
    gone: BTreeSet<u64>,
    step: usize,
}

impl Both {
    fn options(&self) -> Options {
        self.clock.options().maintenance(self.maintenance)
    }

    fn reopen(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
        self.artifact = self.options().open(path).unwrap();
        assert!(self.artifact.recovery().damage.is_empty(), "{:?}", self.artifact.recovery());
    }

    /// Another artifact for a moment, so that this one can be closed.
    fn take(&mut self) -> CompactArtifact {
        let place = self.path.parent().unwrap().join(format!("place-{}", self.step));
        std::mem::replace(&mut self.artifact, CompactArtifact::create(place).unwrap())
    }

    fn some_id(&self, random: &mut Random) -> Option<u64> {
        let at = random.below(self.model.len().max(1) as u64) as usize;
        self.model.keys().nth(at).copied()
    }

    fn expire(&mut self) {
        let now = self.clock.now();
        self.gone.extend(self.model.iter().filter(|(_, known)| !known.is_there(now)).map(|(id, _)| *id));
        self.model.retain(|_, known| known.is_there(now));
    }

    fn upsert(&mut self, mut known: Known, batch: Batch) {
        let given = known.record();
        let mut batch = batch;
        let old = self.model.iter().find(|(_, other)| other.key == known.key);
        if let Some((_, old)) = old.filter(|(_, old)| old.vector.is_some() && known.vector.is_none()) {
            if old.text() == known.text() {
                known.vector = old.vector;
            } else {
                let error = self.artifact.upsert(known.record()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldLoseEmbedding);
                batch = batch.delete_key(known.key.clone().unwrap());
            }
        }
        let id = self.artifact.write(batch.upsert(given)).unwrap().ids[0];
        self.model.retain(|_, other| other.key != known.key);
        self.model.insert(id.0, known);
    }

    fn change(&mut self, random: &mut Random) {
        let now = self.clock.now();
        let key = format!("k{}", random.below(8));
        match random.below(14) {
            0 | 1 => {
                let records: Vec<Known> =
                    (0..=random.below(12)).map(|_| Known::new(None, now, random)).collect();
                let ids = self.artifact.add_batch(records.iter().map(Known::record)).unwrap();
                self.model.extend(ids.iter().map(|id| id.0).zip(records));
            }
            2 | 3 => self.upsert(Known::new(Some(key), now, random), Batch::new()),
            4 => {
                let Some(id) = self.some_id(random) else { return };
                assert!(self.artifact.delete(RecordId(id)).unwrap());
                self.model.remove(&id);
            }
            5 => {
                let there = self.model.values().any(|known| known.key.as_ref() == Some(&key));
                assert_eq!(self.artifact.delete_key(&key).unwrap(), there);
                self.model.retain(|_, known| known.key.as_ref() != Some(&key));
            }
            6 | 7 => {
                let Some(id) = self.some_id(random) else { return };
                let patch = patch(self.model.get_mut(&id).unwrap(), now, random);
                assert!(self.artifact.update(RecordId(id), patch).unwrap());
            }
            8 => {
                let found = self.model.values_mut().find(|known| known.key.as_ref() == Some(&key));
                let mut nobody = Known::new(None, now, random);
                let there = found.is_some();
                let patch = patch(found.unwrap_or(&mut nobody), now, random);
                assert_eq!(self.artifact.update_key(&key, patch).unwrap(), there);
            }
            9 => {
                let (from, to) = (random.digit(), random.digit());
                let updated = self.artifact.update_where(&Filter::field("n").eq(from), json!({"n": to}));
                let meant = self.model.values_mut().filter(|known| known.n == from);
                let count = meant.map(|known| known.n = to).count() as u64;
                assert!(updated.as_ref().map_or(count == 0, |updated| *updated == count), "{updated:?}");
            }
            10 => {
                let Some(id) = self.some_id(random) else { return };
                let vector = random.vector();
                self.artifact.add_embedding(RecordId(id), "v", &vector).unwrap();
                self.model.get_mut(&id).unwrap().vector = Some(vector);
            }
            11 => {
                let Some(id) = self.some_id(random) else { return };
                self.artifact.remove_embedding(RecordId(id), "v").unwrap();
                self.model.get_mut(&id).unwrap().vector = None;
            }
            12 => self.change_much(random),
            _ => {
                let n = random.digit();
                let before = self.model.len();
                self.model.retain(|_, known| known.n != n);
                let deleted = self.artifact.delete_where(&Filter::field("n").eq(n)).unwrap();
                assert_eq!(deleted as usize, before - self.model.len());
            }
        }
    }

    /// One batch of everything: deletes by a filter, updates by another, a record that is updated, embedded, and updated again, an upsert.
    fn change_much(&mut self, random: &mut Random) {
        let now = self.clock.now();
        let (gone, from) = (random.digit(), random.digit());
        let Some(id) = self.some_id(random) else { return };
        if !self.model.values().any(|known| known.n == from) || self.model[&id].n == gone {
            return;
        }
        let before = self.model.clone();
        let vector = random.vector();
        let mut batch = Batch::new().update(RecordId(id), json!({"n": 1_000, "x": {"y": 1}}));
        batch = batch.add_embedding(RecordId(id), "v", vector);
        batch = batch.update_where(Filter::field("n").eq(from), json!({"g": "all", "x": {"z": 1}}));
        batch = batch.delete_where(Filter::field("n").eq(gone));
        batch = batch.update(RecordId(id), json!({"n": 5, "x": null}));
        batch = batch.update_where(Filter::field("n").eq(from), json!({"x": null}));
        for known in self.model.values_mut().filter(|known| known.n == from) {
            known.group = Some("all".to_owned());
        }
        let updated: BTreeSet<u64> = before
            .iter()
            .filter(|(other, known)| known.n != gone && (**other == id || known.n == from))
            .map(|(other, _)| *other)
            .collect();
        self.model.get_mut(&id).unwrap().n = 5;
        self.model.get_mut(&id).unwrap().vector = Some(vector);
        let (kept, deleted) = (self.model.len(), before.values().filter(|known| known.n == gone).count());
        self.model.retain(|other, _| before[other].n != gone);
        assert_eq!(kept - deleted, self.model.len());
        let new = Known::new(None, now, random);
        let receipt = self.artifact.write(batch.add(new.record())).unwrap();
        assert_eq!((receipt.updated, receipt.deleted), (updated.len() as u64, deleted as u64));
        self.model.insert(receipt.ids[0].0, new);
    }

    fn maintain(&mut self, random: &mut Random) {
        let parent = self.path.parent().unwrap().to_owned();
        let step = self.step;
        match random.below(9) {
            0..=2 => drop(self.artifact.seal().unwrap()),
            3 => {
                self.artifact.compact(8 << 20).unwrap();
                assert!(self.artifact.verify(VerifyLevel::Decode).unwrap().is_sound());
            }
            4 => {
                self.take().close().unwrap();
                self.reopen(&self.path.clone());
            }
            5 | 6 => {
                drop(self.take());
                self.reopen(&self.path.clone());
            }
            7 => {
                let pack = parent.join(format!("{step}.pack"));
                self.artifact.pack(&pack).unwrap();
                let packed = self.options().open_read_only(&pack).unwrap();
                compare(&packed.snapshot(), &self.model, &format!("step {step}: packed"));
                self.take().close().unwrap();
                let to = parent.join(format!("unpacked-{step}"));
                compact_artifact::unpack(&pack, &to).unwrap();
                self.reopen(&to);
            }
            _ => {
                if random.below(2) == 0 {
                    self.take().close().unwrap();
                } else {
                    drop(self.take());
                }
                let to = parent.join(format!("salvaged-{step}"));
                let report = compact_artifact::salvage(&self.path, &to, self.options()).unwrap();
                assert!(report.losses.is_empty(), "{:?}", report.losses);
                self.reopen(&to);
            }
        }
    }
}

fn run(seed: u64, steps: usize, maintenance: Maintenance) -> usize {
    let temp = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let clock = Clock::default();
    let path = temp.path().join("artifact");
    let artifact = clock.options().maintenance(maintenance).create(&path).unwrap();
    let (model, gone) = Default::default();
    let mut both = Both { clock, maintenance, path, artifact, model, gone, step: 0 };
    let mut reader = both.options().open_read_only(&both.path).unwrap();
    let mut mirror = Mirror::default();
    let mut held: Vec<(Snapshot, Model)> = Vec::new();
    for step in 0..steps {
        both.step = step;
        let about = format!("seed {seed}, step {step}");
        let path = both.path.clone();
        match random.below(10) {
            0..=6 => both.change(&mut random),
            7 | 8 => both.maintain(&mut random),
            _ => both.clock.set(both.clock.now() + random.below(6)),
        }
        both.expire();
        compare(&both.artifact.snapshot(), &both.model, &about);
        if both.path != path {
            reader = both.options().open_read_only(&both.path).unwrap();
            mirror = Mirror { followed: mirror.followed, ..Mirror::default() };
        }
        if random.below(3) > 0 {
            reader.refresh().unwrap();
            compare(&reader.snapshot(), &both.model, &format!("{about}: the reader"));
            mirror.follow(&reader, &both.model, &both.gone, &about);
        }
        if random.below(6) == 0 {
            held.push((both.artifact.snapshot(), both.model.clone()));
            if held.len() > 3 {
                held.remove(0);
            }
        }
        if step % 4 == 0 {
            for (snapshot, model) in &held {
                compare(snapshot, model, &format!("{about}: a snapshot that is held"));
            }
        }
    }
    mirror.followed
}

#[test]
fn any_sequence_of_calls_beside_a_map() {
    let many = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6);
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let ways = [Maintenance::Manual, Maintenance::Inline, Maintenance::Background];
    let followed: usize = (first..first + many).map(|seed| run(seed, 70, ways[seed as usize % 3])).sum();
    println!("{followed} times a follower was told what had changed");
    assert!(followed > 0);
}
