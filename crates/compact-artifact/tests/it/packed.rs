//! A pack has what the artifact had, opens from anywhere, and a damaged one is noticed.

use std::fs;

use compact_artifact::{
    CompactArtifact, ErrorKind, Filter, Metric, Options, Query, Record, SpaceOptions, VerifyLevel, unpack,
};
use serde_json::json;

fn built(folder: &std::path::Path) -> CompactArtifact {
    let artifact = CompactArtifact::options()
        .seed(5)
        .space("v", SpaceOptions::new(8, Metric::Cosine))
        .create(folder.join("a"))
        .unwrap();
    let record = |i: u8| {
        let vector: Vec<f32> =
            (0..8).map(|d| f32::from(i.wrapping_mul(37).wrapping_add(d * 11)) - 100.5).collect();
        Record::text(format!("text number {i}"))
            .key(format!("k{i}"))
            .metadata(json!({"i": i}))
            .embedding("v", vector)
    };
    artifact.add_batch((0..200).map(record)).unwrap();
    artifact.delete_key("k7").unwrap();
    artifact
}

fn check(pack: &CompactArtifact, original: &CompactArtifact) {
    assert!(pack.is_read_only() && pack.recovery().is_clean());
    assert_eq!(pack.len(), 199);
    assert!(pack.get_by_key("k7").unwrap().is_none());
    assert_eq!(pack.get_by_key("k8").unwrap().unwrap().text().unwrap(), "text number 8");
    for query in
        [Query::words("number 13"), Query::vector("v", vec![1.0, -3.0, 2.0, 0.5, 1.0, 2.0, -9.0, 4.0])]
    {
        let [a, b] = [pack, original].map(|artifact| artifact.search(&query).unwrap().hits);
        assert_eq!(
            a.iter().map(|hit| hit.id).collect::<Vec<_>>(),
            b.iter().map(|hit| hit.id).collect::<Vec<_>>()
        );
    }
    assert_eq!(pack.add_text("more").unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn a_pack_opens_from_a_path_from_inside_a_file_and_from_memory() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = built(temp.path());
    let path = temp.path().join("a.pack");
    let report = artifact.pack(&path).unwrap();
    assert_eq!(report.bytes, fs::metadata(&path).unwrap().len());
    check(&CompactArtifact::open_read_only(&path).unwrap(), &artifact);
    check(&Options::new().memory_mapping(false).open_read_only(&path).unwrap(), &artifact);
    let bytes = fs::read(&path).unwrap();
    for offset in [0, 1, 64, 4096, 100_001] {
        let inside = temp.path().join(format!("inside-{offset}"));
        fs::write(&inside, [vec![0xAA; offset], bytes.clone(), vec![0xBB; 77]].concat()).unwrap();
        check(&CompactArtifact::open_packed_at(&inside, offset as u64, Options::new()).unwrap(), &artifact);
    }
    check(&CompactArtifact::open_packed_bytes(bytes.clone(), Options::new()).unwrap(), &artifact);
    let shared: std::sync::Arc<[u8]> = bytes.into();
    check(&CompactArtifact::open_packed_bytes(shared, Options::new()).unwrap(), &artifact);
    assert_eq!(artifact.pack(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn the_same_calls_give_the_same_pack() {
    let packs = [(); 2].map(|()| {
        let temp = tempfile::tempdir().unwrap();
        let artifact = built(temp.path());
        let path = temp.path().join("a.pack");
        artifact.pack(&path).unwrap();
        fs::read(&path).unwrap()
    });
    assert_eq!(packs[0], packs[1]);
}

#[test]
fn cut_and_flipped_packs_are_errors_or_answers_without_the_damaged_part() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = built(temp.path());
    let path = temp.path().join("a.pack");
    artifact.pack(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(997) {
        let e = CompactArtifact::open_packed_bytes(bytes[..len].to_vec(), Options::new()).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Damaged | ErrorKind::NotAnArtifact), "{len}: {e}");
    }
    for at in (0..bytes.len()).step_by(211) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        let Ok(pack) = CompactArtifact::open_packed_bytes(flipped, Options::new()) else { continue };
        for query in [Query::words("number 13").fetch(true), Query::vector("v", vec![1.0; 8])] {
            drop(pack.search(&query));
        }
        pack.records().for_each(drop);
    }
}

#[test]
fn a_backup_by_pack_can_be_unpacked_and_written_to_again() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = built(temp.path());
    let path = temp.path().join("a.pack");
    artifact.pack(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let inside = temp.path().join("inside");
    fs::write(&inside, [vec![0xAA; 64], bytes.clone()].concat()).unwrap();
    let from_bytes = CompactArtifact::open_packed_bytes(bytes, Options::new()).unwrap();
    let from_inside = CompactArtifact::open_packed_at(&inside, 64, Options::new()).unwrap();
    let to = [0, 1, 2].map(|number| temp.path().join(format!("to-{number}")));
    let report = unpack(&path, &to[0]).unwrap();
    assert_eq!(from_bytes.unpack(&to[1]).unwrap(), report);
    assert_eq!(from_inside.unpack(&to[2]).unwrap(), report);
    for to in &to {
        let restored = CompactArtifact::open(to).unwrap();
        assert!(restored.recovery().is_clean(), "{:?}", restored.recovery());
        let vector = vec![-1.0, 3.0, 2.0, 0.5, 1.0, -2.0, 9.0, 4.0];
        let more = Record::text("one more, restored").key("more").metadata(json!({"i": 1000}));
        let id = restored.add(more.embedding("v", vector.clone())).unwrap();
        assert!(id > artifact.records().map(|entry| entry.unwrap().id()).max().unwrap(), "ids go on");
        restored.seal().unwrap();
        restored.close().unwrap();
        let restored = CompactArtifact::open(to).unwrap();
        assert_eq!(restored.len(), 200);
        assert!(restored.get_by_key("k7").unwrap().is_none());
        assert_eq!(restored.get_by_key("k8").unwrap().unwrap().text().unwrap(), "text number 8");
        let first = |query: Query| restored.search(&query).unwrap().hits[0].id;
        assert_eq!(first(Query::words("restored")), id);
        assert_eq!(first(Query::vector("v", vector.clone())), id);
        assert_eq!(first(Query::vector("v", vector).exact(true)), id);
        assert_eq!(restored.count(&Filter::from_json(&json!({"i": {"$gte": 199}})).unwrap()).unwrap(), 2);
        assert!(restored.verify(VerifyLevel::Decode).unwrap().is_sound());
    }
    assert_eq!(unpack(&path, &to[0]).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(artifact.unpack(temp.path().join("to-3")).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
