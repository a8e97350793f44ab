//! An artifact as a handle: clones of it, what closes it, and what its values are as JSON.

use std::sync::Barrier;

use compact_artifact::{
    BatchOptions, CompactArtifact, ErrorKind, Filter, FilterValue, Maintenance, Options, Query, Record,
    RecordId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[test]
fn clones_are_the_same_artifact_and_the_last_one_closes() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    for maintenance in [Maintenance::Inline, Maintenance::Background] {
        let artifact = Options::new().maintenance(maintenance).open_or_create(&path).unwrap();
        let clone = artifact.clone();
        let before = artifact.len();
        clone.add_text("a note").unwrap();
        assert_eq!(artifact.len(), before + 1);
        let e = artifact.close().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InUse, "{e}");
        clone.add_text("the other handle goes on").unwrap();
        assert_eq!(CompactArtifact::open(&path).unwrap_err().kind(), ErrorKind::Locked);
        clone.close().unwrap();
        let opened = CompactArtifact::open(&path).unwrap();
        assert!(opened.recovery().is_clean(), "{:?}", opened.recovery());
        assert_eq!(opened.len(), before + 2);
        // Dropping all of them lets go without closing.
        let clones = [opened.clone(), opened];
        clones[0].add_text("dropped").unwrap();
        drop(clones);
        let opened = CompactArtifact::open(&path).unwrap();
        assert_eq!((opened.len(), opened.recovery().commits_recovered), (before + 3, 1));
        opened.close().unwrap();
    }
}

#[test]
fn of_handles_that_are_closed_at_once_exactly_one_closes() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    for _ in 0..100 {
        let artifact = Options::new().maintenance(Maintenance::Background).open_or_create(&path).unwrap();
        artifact.add_text("a note").unwrap();
        let handles: Vec<CompactArtifact> = (0..4).map(|_| artifact.clone()).collect();
        drop(artifact);
        let together = Barrier::new(handles.len());
        let close = |handle: CompactArtifact| {
            together.wait();
            handle.close()
        };
        let closed = std::thread::scope(|threads| {
            let threads: Vec<_> = handles.into_iter().map(|handle| threads.spawn(|| close(handle))).collect();
            let results = threads.into_iter().map(|thread| thread.join().unwrap());
            results
                .filter(|result| match result {
                    Ok(()) => true,
                    Err(e) => {
                        assert_eq!(e.kind(), ErrorKind::InUse);
                        false
                    }
                })
                .count()
        });
        assert_eq!(closed, 1);
        let opened = CompactArtifact::open(&path).unwrap();
        assert!(opened.recovery().is_clean());
    }
}

#[test]
fn what_is_in_use_is_neither_closed_nor_destroyed() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a");
    let artifact = CompactArtifact::create(&path).unwrap();
    let writer = artifact.batch_writer(BatchOptions::new()).unwrap();
    writer.add(Record::text("a note")).unwrap();
    let clone = artifact.clone();
    assert_eq!(artifact.destroy().unwrap_err().kind(), ErrorKind::InUse, "another handle");
    assert!(path.exists());
    writer.finish().unwrap();
    assert_eq!(clone.len(), 1);
    let reader = CompactArtifact::open_read_only(&path).unwrap();
    let theirs = reader.clone();
    assert_eq!(reader.check_destroy().unwrap_err().kind(), ErrorKind::ReadOnly);
    reader.close().unwrap();
    assert_eq!(theirs.len(), 1, "a reader has nothing to close");
    clone.check_destroy().unwrap();
    clone.destroy().unwrap();
    assert!(!path.exists());
}

#[test]
fn many_records_are_read_in_the_order_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let ids = artifact.add_batch((0..50).map(|n| Record::text(format!("text {n}")))).unwrap();
    artifact.delete(ids[7]).unwrap();
    let asked = [ids[30], ids[7], RecordId(999), ids[2], ids[30]];
    let texts: Vec<Option<String>> = artifact
        .get_many(&asked)
        .unwrap()
        .into_iter()
        .map(|entry| entry.map(|entry| entry.text().unwrap().into_owned()))
        .collect();
    let text = |n: u32| Some(format!("text {n}"));
    assert_eq!(texts, [text(30), None, None, text(2), text(30)]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    author: String,
    year: i32,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<(f64, f64)>,
}

#[test]
fn typed_metadata_come_back_as_they_were() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let note =
        Note { author: "Ada".to_owned(), year: -44, tags: vec!["a".to_owned()], place: Some((0.1, -7.25)) };
    let id = artifact.add(Record::text("text").metadata_of(&note).unwrap()).unwrap();
    let entry = artifact.get(id).unwrap().unwrap();
    assert_eq!(entry.metadata_as::<Note>().unwrap(), note);
    assert_eq!(artifact.ids_where(&Filter::field("year").lt(0)).unwrap(), [id]);
    let e = entry.metadata_as::<std::collections::BTreeMap<String, u8>>().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::TypeMismatch);
    assert!(e.to_string().contains("record 0"), "{e}");
    for no_object in [json!([1]), json!("text"), json!(null)] {
        let e = Record::text("x").metadata_of(&no_object).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn points_in_time_are_metadata_and_filters() {
    use std::time::{Duration, SystemTime};
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let now = SystemTime::now();
    let at = |time: SystemTime| FilterValue::try_from(time).unwrap();
    let old =
        artifact.add(Record::text("old").metadata(json!({"at": at(now - Duration::from_mins(1))}))).unwrap();
    let new = artifact.add(Record::text("new").metadata(json!({"at": at(now)}))).unwrap();
    assert_eq!(artifact.ids_where(&Filter::field("at").lt(at(now))).unwrap(), [old]);
    assert_eq!(artifact.ids_where(&Filter::field("at").gte(at(now))).unwrap(), [new]);
}

#[test]
fn ids_hits_results_and_reports_serialize() {
    let temp = tempfile::tempdir().unwrap();
    let artifact = CompactArtifact::create(temp.path().join("a")).unwrap();
    let id = artifact
        .add(Record::text("a cat").key("cat").metadata(json!({"legs": 4})).field("title", "Cat"))
        .unwrap();
    assert_eq!(serde_json::to_value(id).unwrap(), json!(0));
    assert_eq!(serde_json::from_value::<RecordId>(json!(7)).unwrap(), RecordId(7));
    let found = artifact.search(&Query::words("cat").fetch(true).explain(true)).unwrap();
    let found = serde_json::to_value(&found).unwrap();
    assert_eq!(found["is_complete"], true);
    assert_eq!(found["hits"][0]["id"], 0);
    let record =
        json!({"id": 0, "key": "cat", "metadata": {"legs": 4}, "fields": {"title": "Cat"}, "text": "a cat"});
    assert_eq!(found["hits"][0]["record"], record);
    assert_eq!(found["explain"]["records"], 1);
    let blob = artifact.add_blob(b"bytes").unwrap();
    let blob = serde_json::to_value(artifact.get(blob).unwrap().unwrap()).unwrap();
    assert_eq!(blob["len"], 5);
    let receipt = artifact.write(compact_artifact::Batch::new().delete(id)).unwrap();
    assert_eq!(
        serde_json::to_value(&receipt).unwrap(),
        json!({"seq": 3, "ids": [], "deleted": 1, "updated": 0})
    );
    for report in [serde_json::to_value(artifact.seal().unwrap()), serde_json::to_value(artifact.stats())] {
        assert!(report.unwrap().is_object());
    }
}
