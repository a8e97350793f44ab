//! The reader answers what the library answers; with the feature `ruzstd`, what it decodes in Rust.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use compact_artifact::{
    CompactArtifact, Durability, Embedder, EmbedderError, Embeddings, Filter, Metric, ModelHash, Query,
    Record, SpaceOptions, StaticEmbedder,
};
use serde_json::{Value, json};
use wasm::Reader;

/// A sealed artifact and the reader of its pack.
fn both() -> (tempfile::TempDir, CompactArtifact, Reader) {
    let temp = tempfile::tempdir().unwrap();
    let space = SpaceOptions::new(3, Metric::L2);
    let artifact = CompactArtifact::options().space("v", space).create(temp.path().join("a")).unwrap();
    let words = ["heron", "river", "moon", "castle", "bread", "violin", "storm"];
    let record = |n: usize| {
        let text: Vec<&str> = [1, 3, 5, 11].iter().map(|step| words[n * step % words.len()]).collect();
        let angle = f32::from(u16::try_from(n).unwrap());
        let record = Record::text(format!("Record {n}: {}.", text.join(" "))).key(format!("k/{n}"));
        record
            .metadata(json!({ "n": n, "even": n.is_multiple_of(2) }))
            .embedding("v", [angle.sin(), angle.cos(), 1.0])
    };
    artifact.add_batch((0..2000).map(record)).unwrap();
    artifact.add_blob(&vec![7; 300_000]).unwrap();
    artifact.pack(temp.path().join("a.pack")).unwrap();
    let pack = std::fs::read(temp.path().join("a.pack")).unwrap();
    let reader = Reader::open(&*pack, None, 0).unwrap();
    (temp, artifact, reader)
}

fn ask(reader: &Reader, request: &Value) -> Value {
    serde_json::from_str(&reader.ask(&request.to_string())).unwrap()
}

#[test]
fn searches_find_what_the_library_finds() {
    let (_temp, artifact, reader) = both();
    let vector = [0.5, -0.5, 1.0];
    let filter = json!({ "n": { "$lt": 500 }, "even": true });
    let cases = [
        (json!({ "words": "heron" }), Query::parse("heron").unwrap()),
        (
            json!({ "words": "+moon -storm viol*", "k": 50 }),
            Query::parse("+moon -storm viol*").unwrap().k(50),
        ),
        (json!({ "text": "the moon" }), Query::words("the moon")),
        (json!({ "vector": { "space": "v", "values": vector } }), Query::vector("v", vector.to_vec())),
        (json!({ "words": "bread", "filter": filter, "offset": 3 }), {
            Query::parse("bread").unwrap().filter(Filter::from_json(&filter).unwrap()).offset(3)
        }),
        (json!({ "filter": filter, "order_by": "-n" }), {
            let query = Query::new().filter(Filter::from_json(&filter).unwrap());
            query.order_by("n", compact_artifact::Order::Descending)
        }),
    ];
    for (search, query) in cases {
        let expected = artifact.search(&query.fetch(true).snippet(160)).unwrap();
        let answer = ask(&reader, &json!({ "search": search }));
        let found: Vec<&Value> =
            answer["hits"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().collect();
        assert_eq!(found.len(), expected.hits.len(), "{search}");
        for (found, hit) in found.into_iter().zip(&expected.hits) {
            assert_eq!(found["id"], hit.id.0, "{search}");
            assert_eq!(found["snippet"], serde_json::to_value(&hit.snippet).unwrap());
            assert_eq!(found["metadata"], Value::from(hit.record.as_ref().unwrap().metadata().unwrap()));
        }
    }
}

#[test]
fn records_are_read_by_key_and_by_id() {
    let (_temp, artifact, reader) = both();
    for entry in artifact.records() {
        let entry = entry.unwrap();
        let read = ask(&reader, &json!({ "get": { "id": entry.id().0 } }));
        assert_eq!(read, serde_json::to_value(&entry).unwrap());
        if let Some(key) = entry.key().unwrap() {
            assert_eq!(ask(&reader, &json!({ "get": { "key": key } })), read);
        }
    }
    assert_eq!(ask(&reader, &json!({ "get": { "key": "nothing" } })), Value::Null);
    assert_eq!(ask(&reader, &json!({ "keys": { "prefix": "k/199" } })).as_array().unwrap().len(), 11);
    let stats = ask(&reader, &json!({ "stats": {} }));
    assert_eq!(stats, json!({ "records": 2001, "finds_by_meaning": false, "damage": [], "spaces": ["v"] }));
}

#[test]
fn records_that_expired_when_the_pack_was_opened_are_not_there() {
    let temp = tempfile::tempdir().unwrap();
    let options = CompactArtifact::options().expires_at("until").durability(Durability::Buffered);
    let artifact = options.create(temp.path().join("a")).unwrap();
    artifact.add(Record::text("news").key("a").metadata(json!({ "until": "2999-01-01" }))).unwrap();
    artifact.pack(temp.path().join("a.pack")).unwrap();
    let pack = std::fs::read(temp.path().join("a.pack")).unwrap();
    for (now, found) in [(0, 1), (32_472_144_000_000 + 86_400_000, 0)] {
        let reader = Reader::open(&*pack, None, now).unwrap();
        let answer = ask(&reader, &json!({ "search": { "words": "news" } }));
        assert_eq!(answer["hits"].as_array().unwrap().len(), found, "{now}");
    }
}

#[test]
fn damage_that_a_pack_was_opened_with_is_said() {
    let (temp, _artifact, _reader) = both();
    let mut pack = std::fs::read(temp.path().join("a.pack")).unwrap();
    let half = pack.len() / 2;
    pack[half..].iter_mut().for_each(|byte| *byte = !*byte);
    match Reader::open(&*pack, None, 0) {
        Err(e) => assert!(!e.to_string().is_empty()),
        Ok(reader) => {
            let stats = ask(&reader, &json!({ "stats": {} }));
            assert!(!stats["damage"].as_array().unwrap().is_empty(), "{stats}");
        }
    }
}

#[test]
fn what_cannot_be_answered_is_said() {
    let (_temp, _artifact, reader) = both();
    for (request, said) in [
        ("", "JSON"),
        (r#"{"find": {}}"#, "unknown variant `find`"),
        (r#"{"search": {"wrods": "x"}}"#, "unknown field `wrods`"),
        (r#"{"keys": {"prefix": "k", "limit": 1}}"#, "unknown field `limit`"),
        (r#"{"stats": {"of": "x"}}"#, "unknown field `of`"),
        (r#"{"search": {"vector": {"space": "v", "values": [1]}}}"#, "dimension"),
        (r#"{"search": {"filter": {"n": {"$near": 1}}}}"#, "$near"),
        (r#"{"search": {"words": "\"open"}}"#, "not closed"),
        (r#"{"search": {"filter": {"n": {"$gt": 1}, "n": {"$lt": 2}}}}"#, "\"n\" stands twice"),
        (r#"{"search": {"filter": {"n": {"$gt": 1, "$gt": 2}}}}"#, "\"$gt\" stands twice"),
        (r#"{"search": {"words": "a"}, "search": {"words": "b"}}"#, "\"search\" stands twice"),
        (r#"{"search": ["cats", null, null, null, null]}"#, "array, expected an object"),
        (r#"{"search": {"vector": ["v", [1, 0]]}}"#, "array, expected an object"),
        (r#"{"keys": ["k"]}"#, "array, expected an object"),
        (r#"{"stats": []}"#, "array, expected an object"),
        (r#"["stats", {}]"#, "array, expected an object"),
        (r#"{"get": ["key", "k"]}"#, "expected"),
    ] {
        let answer: Value = serde_json::from_str(&reader.ask(request)).unwrap();
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(error.contains(said), "{request}: {error}");
    }
    assert!(Reader::open(&[0; 100][..], None, 0).is_err() && Reader::open(&[][..], None, 0).is_err());
}

/// A model that knows each text, and takes all of them to mean the same.
#[derive(Debug)]
struct Other;

impl Embedder for Other {
    fn id(&self) -> &'static str {
        "other"
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(b"other")
    }

    fn dimension(&self) -> usize {
        2
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let mut embeddings = Embeddings::with_capacity(2, texts.len())?;
        for _ in texts {
            embeddings.push(Some(&[0.6, 0.8]))?;
        }
        Ok(embeddings)
    }
}

#[test]
fn a_pack_of_another_model_or_of_none_is_searched_by_words() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../text-embedder/model/english-256.model");
    let model = Arc::new(StaticEmbedder::from_bytes(std::fs::read(file).unwrap()).unwrap());
    let options = CompactArtifact::options;
    let cases = [
        (options(), false, "are not embedded"),
        (options().embedder(Arc::new(Other)), false, "setModel gives it"),
        (options().embedder(model.clone()), true, ""),
    ];
    for (options, finds_by_meaning, refusal) in cases {
        let temp = tempfile::tempdir().unwrap();
        let artifact = options.create(temp.path().join("a")).unwrap();
        artifact.add(Record::text("Dogs chase cats.").key("dogs")).unwrap();
        artifact.pack(temp.path().join("a.pack")).unwrap();
        let pack = std::fs::read(temp.path().join("a.pack")).unwrap();
        let reader = Reader::open(&*pack, Some(model.clone()), 0).unwrap();
        assert_eq!(ask(&reader, &json!({ "stats": {} }))["finds_by_meaning"], finds_by_meaning);
        assert_eq!(ask(&reader, &json!({ "search": { "text": "cats" } }))["hits"][0]["key"], "dogs");
        let by_meaning = ask(&reader, &json!({ "search": { "meaning": "pets" } }));
        let error = by_meaning["error"].as_str().unwrap_or_default();
        assert_eq!(error.is_empty(), finds_by_meaning, "{by_meaning}");
        assert!(error.contains(refusal), "{error}");
    }
}
