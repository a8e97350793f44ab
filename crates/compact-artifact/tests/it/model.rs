//! Whatever is called in whatever order: an artifact holds and finds what a plain map would.

use std::collections::BTreeMap;
use std::path::Path;

use compact_artifact::{
    Batch, CompactArtifact, Filter, Maintenance, Metric, Options, Originals, Query, Record, RecordId,
    SpaceOptions,
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
    Seal,
    Compact,
    Close,
    Drop,
}

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
        3 => Just(Call::Seal),
        1 => Just(Call::Compact),
        1 => Just(Call::Close),
        1 => Just(Call::Drop),
    ]
}

fn options(originals: Originals) -> Options {
    Options::new()
        .segment_len(64 << 10)
        .block_len(1024)
        .maintenance(Maintenance::Manual)
        .durability(compact_artifact::Durability::Buffered)
        .space("v", SpaceOptions::new(DIMENSION, Metric::Cosine).originals(originals))
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
    path: &Path,
    originals: Originals,
) -> CompactArtifact {
    let nth = |model: &BTreeMap<u64, Known>, n: usize| model.keys().nth(n % model.len().max(1)).copied();
    match call {
        Call::Add(records) => {
            let ids = artifact.add_batch(records.iter().map(record)).unwrap();
            model.extend(ids.iter().map(|id| id.0).zip(records.iter().cloned()));
        }
        Call::Upsert(known) => {
            let id = artifact.upsert(record(known)).unwrap();
            model.retain(|_, other| other.key != known.key);
            model.insert(id.0, known.clone());
        }
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
                artifact.add_embedding(RecordId(id), "v", vector).unwrap();
                model.get_mut(&id).unwrap().vector = Some(vector.clone());
            }
        }
        Call::Seal => {
            artifact.seal().unwrap();
            assert_eq!(artifact.stats().tail_records, 0);
        }
        Call::Compact => {
            artifact.compact(8 << 20).unwrap();
            assert_eq!(
                artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().damage,
                Vec::<String>::new()
            );
        }
        Call::Close => {
            artifact.close().unwrap();
            let artifact = options(originals).open(path).unwrap();
            assert!(artifact.recovery().is_clean(), "{:?}", artifact.recovery());
            return artifact;
        }
        Call::Drop => {
            drop(artifact);
            let artifact = options(originals).open(path).unwrap();
            assert_eq!(artifact.recovery().damage, Vec::<String>::new());
            return artifact;
        }
    }
    artifact
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Everything that can be asked has the model's answer.
fn compare(artifact: &CompactArtifact, model: &BTreeMap<u64, Known>, originals: Originals) {
    let snapshot = artifact.snapshot();
    assert_eq!(snapshot.len(), model.len() as u64);
    let entries: Vec<_> = snapshot.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(
        entries.iter().map(|entry| entry.id().0).collect::<Vec<_>>(),
        model.keys().copied().collect::<Vec<_>>()
    );
    let ids: Vec<RecordId> = model.keys().map(|&id| RecordId(id)).collect();
    let many: Vec<_> = snapshot.get_many(&ids).into_iter().map(|entry| entry.unwrap().unwrap()).collect();
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
            assert!(cosine(&stored, vector) > 0.999, "{stored:?} {vector:?}");
            if originals == Originals::F32 {
                assert_eq!(&stored, vector);
            }
        }
    }
    for key in 0..6 {
        let key = format!("key-{key}");
        let expected =
            model.iter().find(|(_, known)| known.key.as_ref() == Some(&key)).map(|(id, _)| RecordId(*id));
        assert_eq!(snapshot.id_of_key(&key).unwrap(), expected);
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
}

fn check(calls: &[Call], originals: Originals) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let mut artifact = options(originals).create(&path).unwrap();
    let mut model = BTreeMap::new();
    let mut before: Option<(compact_artifact::Snapshot, u64)> = None;
    for call in calls {
        artifact = run(artifact, &mut model, call, &path, originals);
        compare(&artifact, &model, originals);
        if let Some((snapshot, len)) = &before {
            assert_eq!(snapshot.records().count() as u64, *len, "a snapshot shows what it showed");
            assert_eq!(snapshot.len(), *len);
        }
        let reader = options(originals).open_read_only(&path).unwrap();
        compare(&reader, &model, originals);
        before = Some((artifact.snapshot(), model.len() as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_artifact_holds_and_finds_what_a_map_would(calls in prop::collection::vec(call(), 1..24)) {
        check(&calls, Originals::None);
    }

    #[test]
    fn with_originals_too(calls in prop::collection::vec(call(), 1..16), wide in any::<bool>()) {
        check(&calls, if wide { Originals::F32 } else { Originals::F16 });
    }
}

#[test]
fn a_reader_follows_a_writer_whatever_the_writer_does() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("artifact");
    let mut artifact = options(Originals::None).create(&path).unwrap();
    let reader = options(Originals::None).open_read_only(&path).unwrap();
    let mut model = BTreeMap::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..60 {
        let call = call().new_tree(&mut runner).unwrap().current();
        artifact = run(artifact, &mut model, &call, &path, Originals::None);
        reader.refresh().unwrap();
        compare(&reader, &model, Originals::None);
    }
}

#[test]
fn a_batch_is_all_or_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = options(Originals::None).create(temp.path().join("artifact")).unwrap();
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
