//! Whatever is called in whatever order: an artifact holds and finds what a plain map would.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compact_artifact::{
    Batch, CompactArtifact, Durability, Filter, Maintenance, Metric, Options, Originals, Query, Record,
    RecordId, SpaceOptions,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;

const WORDS: [&str; 6] = ["cat", "dog", "house", "tree", "river", "stone"];
const DIMENSION: usize = 5;

/// What the model knows of a record.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    key: Option<String>,
    words: Vec<usize>,
    year: i64,
    vector: Option<Vec<f32>>,
    is_text: bool,
}

#[derive(Debug, Clone)]
enum Call {
    Add(Vec<Known>),
    Upsert(Known),
    Delete(usize),
    DeleteKey(u8),
    DeleteWhere(i64),
    Embed(usize, Vec<f32>),
    /// One record again and again, each time in a commit of its own.
    EmbedAgain(usize, Vec<Vec<f32>>),
    /// So many records from one on, in one commit.
    EmbedMany(usize, usize, Vec<f32>),
    Update(usize, i64),
    UpdateKey(u8, i64),
    /// Of all of one year, another one.
    UpdateWhere(i64, i64),
    Unembed(usize),
    Sync,
    Seal,
    Compact,
    Close,
    Drop,
    /// To a packed file and back to a directory, which takes the place of the old one.
    PackAndUnpack,
}

/// How an artifact is opened, whatever is called.
#[derive(Debug, Clone, Copy)]
struct Setup {
    originals: Originals,
    maintenance: Maintenance,
    memory_limit: Option<usize>,
    similar: usize,
}

impl Setup {
    const PLAIN: Self =
        Self { originals: Originals::None, maintenance: Maintenance::Manual, memory_limit: None, similar: 3 };

    fn options(self) -> Options {
        let options = match self.memory_limit {
            Some(limit) => Options::new().memory_limit(limit),
            None => Options::new(),
        };
        options
            .segment_len(64 << 10)
            .block_len(1024)
            .maintenance(self.maintenance)
            .precompute_similar(self.similar)
            .space("v", SpaceOptions::new(DIMENSION, Metric::Cosine).originals(self.originals))
    }
}

fn setup() -> impl Strategy<Value = Setup> {
    let all = [Originals::None, Originals::Residual, Originals::F16, Originals::F32];
    let originals = prop::sample::select(all.to_vec());
    let maintenance =
        prop_oneof![Just(Maintenance::Manual), Just(Maintenance::Background), Just(Maintenance::Inline)];
    let limit = prop::option::of(Just(8 << 20));
    (originals, maintenance, limit, 0..6usize).prop_map(|(originals, maintenance, memory_limit, similar)| {
        Setup { originals, maintenance, memory_limit, similar }
    })
}

/// What a commit promises, in turn.
const DURABILITIES: [Durability; 4] = [
    Durability::Buffered,
    Durability::Buffered,
    Durability::Sync,
    Durability::Group(Duration::from_micros(10)),
];

fn vector() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..1.0, DIMENSION)
        .prop_filter("no direction", |vector| vector.iter().any(|value| value.abs() > 0.1))
}

fn known(key: impl Strategy<Value = Option<String>>) -> impl Strategy<Value = Known> {
    let words = prop::collection::vec(0..WORDS.len(), 0..4);
    (key, words, 2020..2026i64, prop::option::of(vector()), prop::bool::weighted(0.8))
        .prop_map(|(key, words, year, vector, is_text)| Known { key, words, year, vector, is_text })
}

fn call() -> impl Strategy<Value = Call> {
    let key = || (0..6u8).prop_map(|key| Some(format!("key-{key}")));
    prop_oneof![
        6 => prop::collection::vec(known(Just(None)), 1..20).prop_map(Call::Add),
        6 => known(key()).prop_map(Call::Upsert),
        4 => any::<usize>().prop_map(Call::Delete),
        2 => (0..6u8).prop_map(Call::DeleteKey),
        1 => (2020..2026i64).prop_map(Call::DeleteWhere),
        3 => (any::<usize>(), vector()).prop_map(|(id, vector)| Call::Embed(id, vector)),
        2 => (any::<usize>(), prop::collection::vec(vector(), 2..6))
            .prop_map(|(id, vectors)| Call::EmbedAgain(id, vectors)),
        2 => (any::<usize>(), 1..20usize, vector()).prop_map(|(id, count, vector)| Call::EmbedMany(id, count, vector)),
        3 => (any::<usize>(), 2020..2026i64).prop_map(|(id, year)| Call::Update(id, year)),
        1 => (0..6u8, 2020..2026i64).prop_map(|(key, year)| Call::UpdateKey(key, year)),
        1 => (2020..2026i64, 2020..2026i64).prop_map(|(from, to)| Call::UpdateWhere(from, to)),
        1 => any::<usize>().prop_map(Call::Unembed),
        1 => Just(Call::Sync),
        3 => Just(Call::Seal),
        1 => Just(Call::Compact),
        1 => Just(Call::Close),
        2 => Just(Call::Drop),
        1 => Just(Call::PackAndUnpack),
    ]
}

fn text(known: &Known) -> String {
    known.words.iter().map(|&word| WORDS[word]).collect::<Vec<_>>().join(" ")
}

fn record(known: &Known) -> Record {
    let mut record =
        if known.is_text { Record::text(text(known)) } else { Record::blob(text(known).into_bytes()) };
    record = record.metadata(json!({"year": known.year, "words": known.words}));
    if let Some(key) = &known.key {
        record = record.key(key);
    }
    match &known.vector {
        Some(vector) => record.embedding("v", vector.clone()),
        None => record,
    }
}

/// Runs a call on both.
fn run(
    artifact: CompactArtifact,
    model: &mut BTreeMap<u64, Known>,
    call: &Call,
    path: &mut PathBuf,
    (setup, step): (Setup, usize),
) -> CompactArtifact {
    let batch = || Batch::new().durability(DURABILITIES[step % DURABILITIES.len()]);
    let nth = |model: &BTreeMap<u64, Known>, n: usize| model.keys().nth(n % model.len().max(1)).copied();
    match call {
        Call::Add(records) => {
            let batch = records.iter().map(record).fold(batch(), Batch::add);
            let ids = artifact.write(batch).unwrap().ids;
            model.extend(ids.iter().map(|id| id.0).zip(records.iter().cloned()));
        }
        Call::Upsert(known) => upsert(&artifact, model, known, batch()),
        Call::Delete(n) => {
            if let Some(id) = nth(model, *n) {
                assert!(artifact.delete(RecordId(id)).unwrap());
                assert!(!artifact.delete(RecordId(id)).unwrap(), "only once");
                model.remove(&id);
            }
        }
        Call::DeleteKey(key) => {
            let key = Some(format!("key-{key}"));
            let was_there = model.values().any(|known| known.key == key);
            assert_eq!(artifact.delete_key(key.as_deref().unwrap()).unwrap(), was_there);
            model.retain(|_, known| known.key != key);
        }
        Call::DeleteWhere(year) => {
            let before = model.len();
            model.retain(|_, known| known.year != *year);
            assert_eq!(
                artifact.delete_where(&Filter::field("year").eq(*year)).unwrap(),
                (before - model.len()) as u64
            );
        }
        Call::Embed(n, vector) => {
            if let Some(id) = nth(model, *n) {
                artifact.write(batch().add_embedding(RecordId(id), "v", vector.clone())).unwrap();
                model.get_mut(&id).unwrap().vector = Some(vector.clone());
            }
        }
        Call::EmbedAgain(n, vectors) => {
            let Some(id) = nth(model, *n) else { return artifact };
            for vector in vectors {
                artifact.write(batch().add_embedding(RecordId(id), "v", vector.clone())).unwrap();
            }
            model.get_mut(&id).unwrap().vector = vectors.last().cloned();
        }
        Call::EmbedMany(n, count, vector) => {
            let Some(first) = nth(model, *n) else { return artifact };
            let of = model.range_mut(first..).take(*count);
            let batch = of.fold(batch(), |batch, (id, known)| {
                known.vector = Some(vector.clone());
                batch.add_embedding(RecordId(*id), "v", vector.clone())
            });
            artifact.write(batch).unwrap();
        }
        Call::Update(..) | Call::UpdateKey(..) | Call::UpdateWhere(..) | Call::Unembed(..) => {
            change(&artifact, model, call, batch());
        }
        Call::Sync => artifact.sync().unwrap(),
        Call::Seal => {
            artifact.seal().unwrap();
            assert_eq!(artifact.stats().tail_records, 0);
        }
        Call::Compact => {
            artifact.compact(8 << 20).unwrap();
            assert_eq!(
                artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().damage,
                Vec::<compact_artifact::Damage>::new()
            );
        }
        Call::Close => {
            artifact.close().unwrap();
            let artifact = setup.options().open(path).unwrap();
            assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
            return artifact;
        }
        Call::Drop => {
            drop(artifact);
            let artifact = setup.options().open(path).unwrap();
            assert_eq!(artifact.recovery().damage, Vec::<compact_artifact::Damage>::new());
            return artifact;
        }
        Call::PackAndUnpack => {
            let parent = path.parent().unwrap().to_owned();
            let pack = parent.join(format!("{step}.pack"));
            artifact.pack(&pack).unwrap();
            compare(&setup.options().open_read_only(&pack).unwrap(), model, setup);
            artifact.close().unwrap();
            *path = parent.join(format!("unpacked-{step}"));
            compact_artifact::unpack(&pack, &path).unwrap();
            return setup.options().open(path).unwrap();
        }
    }
    artifact
}

/// An upsert, which takes over an embedding of the same content, and is refused where it would lose one.
fn upsert(artifact: &CompactArtifact, model: &mut BTreeMap<u64, Known>, known: &Known, batch: Batch) {
    let (given, mut known, mut batch) = (record(known), known.clone(), batch);
    let old = model.values().find(|other| other.key == known.key);
    if let Some(old) = old.filter(|old| old.vector.is_some() && known.vector.is_none()) {
        if (text(old), old.is_text) == (text(&known), known.is_text) {
            known.vector.clone_from(&old.vector); // it is taken over
        } else {
            let e = artifact.upsert(record(&known)).unwrap_err();
            assert_eq!(e.kind(), compact_artifact::ErrorKind::WouldLoseEmbedding);
            batch = batch.delete_key(known.key.clone().unwrap());
        }
    }
    let id = artifact.write(batch.upsert(given)).unwrap().ids[0];
    model.retain(|_, other| other.key != known.key);
    model.insert(id.0, known);
}

/// Changes in part.
fn change(artifact: &CompactArtifact, model: &mut BTreeMap<u64, Known>, call: &Call, batch: Batch) {
    let nth = |model: &BTreeMap<u64, Known>, n: usize| model.keys().nth(n % model.len().max(1)).copied();
    match call {
        Call::Update(n, year) => {
            let Some(id) = nth(model, *n) else { return };
            let batch = batch.update(RecordId(id), json!({"year": year}));
            assert_eq!(artifact.write(batch).unwrap().updated, 1);
            model.get_mut(&id).unwrap().year = *year;
        }
        Call::UpdateKey(key, year) => {
            let key = format!("key-{key}");
            let updated = artifact.update_key(&key, json!({"year": year})).unwrap();
            let known = model.values_mut().find(|known| known.key.as_ref() == Some(&key));
            assert_eq!(updated, known.is_some());
            if let Some(known) = known {
                known.year = *year;
            }
        }
        Call::UpdateWhere(from, to) => {
            let batch = batch.update_where(Filter::field("year").eq(*from), json!({"year": to}));
            let updated = artifact.write(batch).unwrap().updated;
            let matching = model.values_mut().filter(|known| known.year == *from);
            assert_eq!(matching.map(|known| known.year = *to).count() as u64, updated);
        }
        Call::Unembed(n) => {
            let Some(id) = nth(model, *n) else { return };
            artifact.write(batch.remove_embedding(RecordId(id), "v")).unwrap();
            model.get_mut(&id).unwrap().vector = None;
        }
        other => unreachable!("{other:?}"),
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Everything that can be asked has the model's answer.
fn compare(artifact: &CompactArtifact, model: &BTreeMap<u64, Known>, setup: Setup) {
    let snapshot = artifact.snapshot();
    assert_eq!(snapshot.len(), model.len() as u64);
    let entries: Vec<_> = snapshot.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.id().0).collect::<Vec<_>>(),
        model.keys().copied().collect::<Vec<_>>()
    );
    let ids: Vec<RecordId> = model.keys().map(|&id| RecordId(id)).collect();
    let many: Vec<_> = snapshot.get_many(&ids).unwrap().into_iter().map(Option::unwrap).collect();
    for ((entry, again), (id, known)) in entries.iter().zip(&many).zip(model) {
        let one = snapshot.get(RecordId(*id)).unwrap().unwrap();
        for entry in [entry, again, &one] {
            assert_eq!(entry.bytes().unwrap(), text(known).as_bytes());
            assert_eq!(entry.is_text(), known.is_text);
            assert_eq!(entry.key().unwrap(), known.key);
            assert_eq!(entry.metadata().unwrap()["year"], known.year);
        }
        let stored = snapshot.embedding(RecordId(*id), "v").unwrap();
        assert_eq!(stored.is_some(), known.vector.is_some());
        if let (Some(stored), Some(vector)) = (stored, &known.vector) {
            // What codes leave out is far more than this.
            let off = if setup.originals == Originals::None { 1e-3 } else { 5e-6 };
            assert!(cosine(&stored, vector) > 1.0 - off, "{stored:?} {vector:?}");
            if setup.originals == Originals::F32 {
                assert_eq!(&stored, vector);
            }
        }
    }
    for key in 0..6 {
        let key = format!("key-{key}");
        let expected =
            model.iter().find(|(_, known)| known.key.as_ref() == Some(&key)).map(|(id, _)| RecordId(*id));
        assert_eq!(snapshot.id_of_key(&key).unwrap(), expected);
        assert_eq!(snapshot.get_by_key(&key).unwrap().map(|entry| entry.id()), expected);
    }
    let with = |test: &dyn Fn(&Known) -> bool| -> Vec<u64> {
        model.iter().filter(|(_, known)| test(known)).map(|(id, _)| *id).collect()
    };
    let found = |query: &Query| {
        let results = snapshot.search(query).unwrap();
        assert!(results.is_complete && results.losses.is_empty());
        let mut ids: Vec<u64> = results.hits.iter().map(|hit| hit.id.0).collect();
        ids.sort_unstable();
        ids
    };
    let filter = Filter::field("year").gte(2023);
    assert_eq!(
        snapshot.ids_where(&filter).unwrap().iter().map(|id| id.0).collect::<Vec<_>>(),
        with(&|known| known.year >= 2023)
    );
    for (number, word) in WORDS.iter().enumerate() {
        let has = |known: &Known| known.is_text && known.words.contains(&number);
        let query = Query::words(word).k(10_000);
        assert_eq!(found(&query), with(&has), "{word}");
        assert_eq!(found(&query.filter(filter.clone())), with(&|known| has(known) && known.year >= 2023));
    }
    let target = [0.3, -0.2, 0.9, 0.1, -0.5];
    for exact in [true, false] {
        let query = Query::vector("v", target).k(10_000).exact(exact);
        let results = snapshot.search(&query).unwrap();
        for hit in &results.hits {
            let vector = model[&hit.id.0].vector.as_ref().unwrap();
            assert!(
                (hit.score - cosine(vector, &target)).abs() < 0.02,
                "{} {}",
                hit.score,
                cosine(vector, &target)
            );
        }
        assert!(results.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        assert_eq!(found(&query), with(&|known| known.vector.is_some()));
        let filtered = with(&|known| known.vector.is_some() && known.year >= 2023);
        assert_eq!(found(&query.filter(filter.clone())), filtered);
    }
    let hybrid = Query::words("cat river").and_vector("v", target).k(10_000).candidates(10_000);
    let either = |known: &Known| {
        known.vector.is_some() || known.is_text && (known.words.contains(&0) || known.words.contains(&4))
    };
    assert_eq!(found(&hybrid), with(&either));
    compare_more(artifact, model);
}

/// Phrases, neighbours of records, lists and counts by metadata.
fn compare_more(artifact: &CompactArtifact, model: &BTreeMap<u64, Known>) {
    let snapshot = artifact.snapshot();
    let ids_of = |query: &Query| -> Vec<u64> {
        snapshot.search(query).unwrap().hits.iter().map(|hit| hit.id.0).collect()
    };
    let phrase = |known: &Known| known.is_text && known.words.windows(2).any(|pair| pair == [0, 1]);
    let mut found = ids_of(&Query::parse("\"cat dog\"").unwrap().k(10_000));
    found.sort_unstable();
    let expected: Vec<u64> = model.iter().filter(|(_, known)| phrase(known)).map(|(id, _)| *id).collect();
    assert_eq!(found, expected, "a phrase");
    let filter = Filter::field("words").contains(2i64);
    let has: Vec<u64> =
        model.iter().filter(|(_, known)| known.words.contains(&2)).map(|(id, _)| *id).collect();
    if !has.is_empty() {
        assert_eq!(snapshot.count(&filter).unwrap(), has.len() as u64);
        assert_eq!(ids_of(&Query::new().filter(filter).k(10_000)), has, "a list in the order of ids");
    }
    if let Some((&id, _)) = model.iter().find(|(_, known)| known.vector.is_some()) {
        let others: Vec<u64> = model
            .iter()
            .filter(|(other, known)| known.vector.is_some() && **other != id)
            .map(|(id, _)| *id)
            .collect();
        let mut found = ids_of(&Query::similar_to("v", RecordId(id)).k(10_000));
        found.sort_unstable();
        assert_eq!(found, others, "all that are similar to a record");
        let near = |exact: bool| {
            let hits = snapshot.search(&Query::similar_to("v", RecordId(id)).k(4).exact(exact)).unwrap().hits;
            hits.iter().map(|hit| (hit.id, hit.score.to_bits())).collect::<Vec<_>>()
        };
        assert_eq!(near(false), near(true), "the nearest");
    }
}

/// Runs calls on an artifact beside readers that follow at different times, and compares everything after each.
fn check(calls: &[Call], setup: Setup) {
    let temp = tempfile::tempdir().unwrap();
    let mut path = temp.path().join("artifact");
    let mut artifact = setup.options().create(&path).unwrap();
    let mut model = BTreeMap::new();
    let mut before: Option<(compact_artifact::Snapshot, u64)> = None;
    let readers = |path: &Path| [(); 2].map(|()| setup.options().open_read_only(path).unwrap());
    let mut following = readers(&path);
    for (step, call) in calls.iter().enumerate() {
        let old = path.clone();
        artifact = run(artifact, &mut model, call, &mut path, (setup, step));
        compare(&artifact, &model, setup);
        if let Some((snapshot, len)) = &before {
            assert_eq!(snapshot.records().count() as u64, *len, "a snapshot shows what it showed");
            assert_eq!(snapshot.len(), *len);
        }
        let reader = setup.options().open_read_only(&path).unwrap();
        compare(&reader, &model, setup);
        if path != old {
            following = readers(&path);
        }
        for reader in following.iter().take(if step % 3 == 2 { 2 } else { 1 }) {
            reader.refresh().unwrap();
            compare(reader, &model, setup);
        }
        before = Some((artifact.snapshot(), model.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if full() { 4_000 } else { 48 }, ..ProptestConfig::default() })]

    #[test]
    fn an_artifact_holds_and_finds_what_a_map_would(calls in prop::collection::vec(call(), 1..24)) {
        check(&calls, Setup::PLAIN);
    }

    #[test]
    fn however_it_is_set_up(calls in prop::collection::vec(call(), 1..16), setup in setup()) {
        check(&calls, setup);
    }
}

/// `CAMPAIGN=full cargo test --release -p compact-artifact --test it model:: -- --nocapture` runs thousands of sequences.
fn full() -> bool {
    std::env::var("CAMPAIGN").is_ok_and(|value| value == "full")
}

#[test]
fn a_long_sequence_of_calls_is_like_a_map_too() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let calls: Vec<Call> = (0..60).map(|_| call().new_tree(&mut runner).unwrap().current()).collect();
    check(&calls, Setup { maintenance: Maintenance::Background, ..Setup::PLAIN });
}

#[test]
fn a_batch_is_all_or_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = Setup::PLAIN.options().create(temp.path().join("artifact")).unwrap();
    artifact.add(Record::text("cat").key("key-0")).unwrap();
    let batch = Batch::new().add(Record::text("dog")).add(Record::text("again").key("key-0"));
    let e = artifact.write(batch).unwrap_err();
    assert_eq!(e.kind(), compact_artifact::ErrorKind::AlreadyExists);
    assert_eq!(artifact.len(), 1);
    let wrong = Batch::new().add(Record::text("dog")).add(Record::text("x").embedding("v", [1.0, 2.0]));
    let e = artifact.write(wrong).unwrap_err();
    assert_eq!(e.kind(), compact_artifact::ErrorKind::WrongDimension);
    assert!(e.to_string().contains("change 2") && e.to_string().contains("\"v\""), "{e}");
    assert_eq!(artifact.len(), 1);
}
