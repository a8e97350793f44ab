//! An artifact that this version of the format wrote opens forever.

use std::path::{Path, PathBuf};

use compact_artifact::{
    CompactArtifact, Filter, Maintenance, Metric, Options, Originals, Quantization, Query, Record,
    ReindexReport, SpaceOptions, TextOptions,
};
use serde_json::json;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.pack")
}

fn vector(i: u16) -> Vec<f32> {
    (0..6u16).map(|d| f32::from((i * 31 + d * 17) % 61) - 30.0).collect()
}

/// `cargo test -p compact-artifact --test it golden::make -- --ignored` in a tree whose format has a new version; the old file stays.
#[test]
#[ignore = "makes the file, once for each version of the format"]
fn make() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::options()
        .seed(1)
        .space("a", SpaceOptions::new(6, Metric::Cosine).originals(Originals::F16))
        .space("b", SpaceOptions::new(6, Metric::L2))
        .create(temp.path().join("a"))
        .unwrap();
    for i in 0..60u16 {
        let record = Record::text(format!("golden text {i}, déjà vu")).key(format!("key {i}")).metadata(json!({
            "i": i, "even": i % 2 == 0, "tags": ["x", format!("t{}", i % 7)], "at": format!("2026-01-{:02}T00:00:00Z", i % 28 + 1)
        }));
        artifact.add(record.embedding("a", vector(i)).embedding("b", vector(i + 1))).unwrap();
        if i % 20 == 19 {
            artifact.seal().unwrap();
        }
    }
    artifact
        .add_reader(Record::blob([]).key("large"), std::io::Read::take(std::io::repeat(9), 2 << 20))
        .unwrap();
    artifact.delete_key("key 7").unwrap();
    artifact.upsert(Record::text("golden text replaced").key("key 8")).unwrap();
    artifact.pack(golden()).unwrap();
}

const QUANTIZATIONS: [(Quantization, &str); 2] =
    [(Quantization::Int8, "v1-residuals.pack"), (Quantization::RotatedInt8, "v1-rotated.pack")];

/// Vectors that codes alone stand for badly: a value of a hundred and others of less than one.
fn uneven(i: u16, dimension: u16) -> Vec<f32> {
    let value = |d: u16| f32::from((i * 37 + d * 101) % 509) / 256.0 - 1.0;
    (0..dimension).map(|d| if d == i % dimension { 100.0 } else { value(d) }).collect()
}

const RESIDUALS: [(&str, u16, Metric); 4] = [
    ("cosine", 6, Metric::Cosine),
    ("dot", 7, Metric::Dot),
    ("l2", 9, Metric::L2),
    ("outlines", 130, Metric::L2),
];

fn with_residuals(path: &Path, quantization: Quantization) -> CompactArtifact {
    let options = CompactArtifact::options().seed(1).graph_from(8).maintenance(Maintenance::Manual);
    let options = RESIDUALS.into_iter().fold(options, |options, (name, dimension, metric)| {
        let space = SpaceOptions::new(dimension.into(), metric).originals(Originals::Residual);
        options.space(name, space.quantization(quantization))
    });
    let artifact = options.create(path).unwrap();
    for i in 0..40u16 {
        let record = Record::text(format!("text {i}")).key(format!("key {i}"));
        let record = RESIDUALS
            .into_iter()
            .fold(record, |record, (name, dimension, _)| record.embedding(name, uneven(i, dimension)));
        artifact.add(record).unwrap();
    }
    artifact.seal().unwrap();
    artifact
}

#[test]
#[ignore = "makes the file, once for each version of the format"]
fn make_residuals() {
    for (quantization, name) in QUANTIZATIONS {
        let temp = tempfile::tempdir().unwrap();
        let path = golden().with_file_name(name);
        if !path.exists() {
            with_residuals(&temp.path().join("a"), quantization).pack(path).unwrap();
        }
    }
}

#[test]
fn residuals_of_format_1_are_read_as_they_were_written_and_written_as_they_were() {
    for (quantization, name) in QUANTIZATIONS {
        let temp = tempfile::tempdir().unwrap();
        let today = with_residuals(&temp.path().join("a"), quantization);
        for options in [Options::new(), Options::new().memory_mapping(false)] {
            let artifact = options.open_read_only(golden().with_file_name(name)).unwrap();
            are_as_they_were(&artifact, &today, quantization);
        }
    }
}

fn are_as_they_were(artifact: &CompactArtifact, today: &CompactArtifact, quantization: Quantization) {
    {
        assert!(artifact.recovery().is_clean());
        assert!(artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().is_sound());
        for (name, dimension, metric) in RESIDUALS {
            let space = artifact.spaces().into_iter().find(|space| space.name() == name).unwrap();
            assert_eq!((space.metric(), space.originals()), (metric, Originals::Residual));
            assert_eq!(space.quantization(), quantization);
            for i in 0..40u16 {
                let id = artifact.id_of_key(&format!("key {i}")).unwrap().unwrap();
                let (vector, kept) = (uneven(i, dimension), artifact.embedding(id, name).unwrap().unwrap());
                assert_eq!(today.embedding(id, name).unwrap().unwrap(), kept);
                // An eighth of a 127th of the largest value, where codes alone are off by up to a half of it; of rotated vectors the errors of several dimensions come to lie in one.
                let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
                let scale = if metric == Metric::Cosine { length(&vector) / length(&kept) } else { 1.0 };
                let off = vector.iter().zip(&kept).map(|(a, b)| (a - b * scale).abs()).fold(0.0, f32::max);
                let several = if quantization == Quantization::Int8 { 1.0 } else { 2.5 };
                assert!(off < several * 0.125 * 100.0 / 127.0 + 0.01, "{name} {i}: {off}");
                for query in [Query::vector(name, vector.clone()), Query::vector(name, vector).exact(true)] {
                    let hits = |artifact: &CompactArtifact| {
                        let hits = artifact.search(&query.clone().k(5)).unwrap().hits;
                        hits.into_iter().map(|hit| (hit.id, hit.score.to_bits())).collect::<Vec<_>>()
                    };
                    assert_eq!(hits(artifact), hits(today), "{name} {i}");
                }
            }
        }
    }
}

#[test]
fn an_artifact_of_format_1_opens_and_has_what_it_had() {
    for options in [Options::new(), Options::new().memory_mapping(false)] {
        let artifact = options.open_read_only(golden()).unwrap();
        assert!(artifact.recovery().is_clean());
        assert_eq!(
            artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().damage,
            Vec::<compact_artifact::Damage>::new()
        );
        assert_eq!(artifact.len(), 60);
        let entry = artifact.get_by_key("key 9").unwrap().unwrap();
        assert_eq!(entry.text().unwrap(), "golden text 9, déjà vu");
        assert_eq!(entry.metadata().unwrap()["tags"], json!(["x", "t2"]));
        assert!(artifact.get_by_key("key 7").unwrap().is_none());
        assert_eq!(artifact.get_by_key("key 8").unwrap().unwrap().text().unwrap(), "golden text replaced");
        assert_eq!(artifact.get_by_key("large").unwrap().unwrap().bytes().unwrap().len(), 2 << 20);
        assert_eq!(
            artifact.embedding(entry.id(), "a").unwrap().unwrap(),
            vector(9),
            "small integers are exact in 16 bits"
        );
        assert_eq!(artifact.search(&Query::words("deja").k(100)).unwrap().hits.len(), 58);
        for (space, of) in [("a", 33), ("b", 34)] {
            let hit =
                artifact.search(&Query::vector(space, vector(of)).k(1).fetch(true)).unwrap().hits.remove(0);
            assert_eq!(hit.record.unwrap().key().unwrap().unwrap(), "key 33");
        }
        let filter: Filter =
            r#"{"even": true, "tags": {"$contains": "t3"}, "at": {"$lt": {"$date": "2026-01-20T00:00:00Z"}}}"#.parse().unwrap();
        let expected = (0..60).filter(|i| i % 2 == 0 && i % 7 == 3 && i % 28 + 1 < 20).count() as u64;
        assert_eq!(artifact.count(&filter).unwrap(), expected);
    }
}

/// It was written by version 2 of the rules of words, which knows the digits of fewer scripts.
#[test]
fn an_older_artifact_keeps_its_rules_of_words_until_its_words_are_indexed_anew() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    compact_artifact::unpack(golden(), &path).unwrap();
    let found = |artifact: &CompactArtifact, words: &str| {
        artifact.search(&Query::words(words).k(100)).unwrap().hits.len()
    };
    let artifact = CompactArtifact::open(&path).unwrap();
    artifact.add(Record::text("golden number \u{1e954}\u{1e952}").key("new")).unwrap();
    assert_eq!([found(&artifact, "deja"), found(&artifact, "42"), found(&artifact, "golden")], [58, 1, 60]);
    artifact.close().unwrap();
    let artifact = CompactArtifact::open(&path).unwrap();
    let report = artifact.set_text_options(TextOptions::new()).unwrap();
    assert_eq!((report.records, report.left, report.damaged), (61, 0, 0));
    assert_eq!([found(&artifact, "deja"), found(&artifact, "42"), found(&artifact, "golden")], [58, 2, 60]);
    assert_eq!(artifact.set_text_options(TextOptions::new()).unwrap(), ReindexReport::default());
    artifact.close().unwrap();
    let artifact = CompactArtifact::open_read_only(&path).unwrap();
    assert!(
        artifact.recovery().is_clean()
            && artifact.verify(compact_artifact::VerifyLevel::Decode).unwrap().is_sound()
    );
    assert_eq!([found(&artifact, "deja"), found(&artifact, "42"), found(&artifact, "golden")], [58, 2, 60]);
}
