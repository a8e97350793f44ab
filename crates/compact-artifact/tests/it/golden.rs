//! An artifact that this version of the format wrote opens forever.

use std::path::{Path, PathBuf};

use compact_artifact::{CompactArtifact, Filter, Metric, Options, Originals, Query, Record, SpaceOptions};
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
