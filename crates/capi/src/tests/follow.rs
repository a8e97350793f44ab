//! Seeing what others commit, one commit as it was, and what an index has without reading records.

use super::*;

#[test]
fn a_reader_waits_for_commits_and_learns_what_changed() {
    let temp = Temp::new(NONE);
    let (mut reader, mut seen, mut changed, mut report) = (ptr::null_mut(), 0, true, ptr::null_mut());
    assert_eq!(ca_open_read_only(lend(&temp.path("a")), NONE, &mut reader), CA_OK);
    assert_eq!(
        (ca_commit(reader, &mut seen), ca_watch(reader, 1, &mut changed), changed),
        (CA_OK, CA_OK, false)
    );
    temp.add(&ca_new_record { key: lend("cat"), ..record("a cat") });
    assert_eq!((ca_watch(reader, 60_000, &mut changed), changed), (CA_OK, true));
    assert_eq!(ca_changes_since(reader, seen, &mut report), CA_OK);
    let changes = json(report);
    assert_eq!(
        (&changes["added"][0]["key"], changes["deleted"].as_array().unwrap().len()),
        (&"cat".into(), 0)
    );
    let mut now = 0;
    assert_eq!((ca_commit(reader, &mut now), &changes["commit"]), (CA_OK, &now.into()));
    assert_eq!(ca_changes_since(reader, u64::MAX, &mut report), CA_OK);
    assert!(report.is_null(), "none of this artifact");
    assert_eq!(ca_artifact_free(reader), CA_OK);
}

#[test]
fn a_snapshot_stays_as_it_is() {
    let temp = Temp::new(NONE);
    let cat = temp.add(&ca_new_record { key: lend("cat"), metadata: lend(r#"{"n": 1}"#), ..record("a cat") });
    let (mut snapshot, mut commit, mut count) = (ptr::null_mut(), 0, 9);
    assert_eq!(ca_snapshot_new(temp.artifact, &mut snapshot), CA_OK);
    assert_eq!(ca_delete(temp.artifact, cat, ptr::null_mut()), CA_OK);
    temp.add(&record("a dog"));

    assert_eq!(ca_commit(temp.artifact, &mut commit), CA_OK);
    let newest = commit;
    assert_eq!(ca_snapshot_commit(snapshot, &mut commit), CA_OK);
    assert!(commit < newest);
    for (filter, expected) in [(NONE, 1), (lend(r#"{"n": 1}"#), 1), (lend(r#"{"n": 2}"#), 0)] {
        assert_eq!((ca_snapshot_count(snapshot, filter, &mut count), count), (CA_OK, expected));
    }
    let mut hits = ptr::null_mut();
    assert_eq!(ca_snapshot_search(snapshot, &ca_query { words: lend("cat"), ..query() }, &mut hits), CA_OK);
    assert_eq!((hits_of(hits)[0].id, ca_hits_free(hits)), (cat, CA_OK));
    let (mut found, mut reader, mut key) = (ptr::null_mut(), ptr::null_mut(), NONE);
    assert_eq!((ca_snapshot_get(snapshot, cat, &mut found), ca_record_free(found)), (CA_OK, CA_OK));
    assert_eq!(ca_snapshot_get_by_key(snapshot, lend("cat"), &mut found), CA_OK);
    assert_eq!((ca_record_key(found, &mut key), text(key).as_str()), (CA_OK, "cat"));
    assert_eq!(ca_record_free(found), CA_OK);
    assert_eq!(ca_snapshot_reader(snapshot, NONE, &mut reader), CA_OK);
    assert_eq!(ca_snapshot_free(snapshot), CA_OK);
    for is_there in [true, false] {
        assert_eq!((ca_reader_next(reader, &mut found), !found.is_null()), (CA_OK, is_there));
        assert_eq!(ca_record_free(found), CA_OK);
    }
    assert_eq!((ca_reader_free(reader), ca_snapshot_free(ptr::null_mut())), (CA_OK, CA_OK));
    assert_eq!(ca_snapshot_count(snapshot, NONE, &mut count), CA_BAD_HANDLE);
    assert_eq!(ca_snapshot_new(ptr::null(), &mut snapshot), CA_BAD_POINTER);
}

#[test]
fn keys_and_values_come_from_the_index() {
    let temp = Temp::new(NONE);
    for (key, metadata) in [("b/2", r#"{"n": 2}"#), ("b/1", r#"{"n": 1}"#), ("a", r#"{"n": 2}"#)] {
        temp.add(&ca_new_record { key: lend(key), metadata: lend(metadata), ..record("a cat") });
    }
    let (mut report, mut id, mut is_there) = (ptr::null_mut(), 9, false);
    assert_eq!(ca_keys(temp.artifact, lend("b/"), &mut report), CA_OK);
    assert_eq!(json(report).to_string(), r#"[{"id":1,"key":"b/1"},{"id":0,"key":"b/2"}]"#);
    assert_eq!(ca_keys(temp.artifact, NONE, &mut report), CA_OK);
    assert_eq!(json(report).as_array().unwrap().len(), 3);
    assert_eq!(ca_values(temp.artifact, lend("n"), NONE, &mut report), CA_OK);
    assert_eq!(json(report).to_string(), r#"[{"count":1,"value":1},{"count":2,"value":2}]"#);
    assert_eq!(ca_values(temp.artifact, lend("n"), lend(r#"{"n": {"$gt": 1}}"#), &mut report), CA_OK);
    assert_eq!(json(report)[0]["count"], 2);
    assert_eq!(ca_id_of_key(temp.artifact, lend("a"), &mut id, &mut is_there), CA_OK);
    assert_eq!((id, is_there), (2, true));
    assert_eq!(ca_id_of_key(temp.artifact, lend("c"), &mut id, &mut is_there), CA_OK);
    assert_eq!((id, is_there), (2, false));
    let mut updated = 9;
    let (filter, patch) = (lend(r#"{"n": 2}"#), lend(r#"{"seen": true}"#));
    assert_eq!((ca_update_where(temp.artifact, filter, patch, &mut updated), updated), (CA_OK, 2));
    assert_eq!(ca_update_where(temp.artifact, NONE, patch, &mut updated), CA_BAD_POINTER);
}

#[test]
fn caches_and_memory_are_measured_and_an_artifact_is_removed() {
    let temp = Temp::new(NONE);
    temp.add(&record("a cat"));
    let mut report = ptr::null_mut();
    temp.search(&ca_query { words: lend("cat"), fetch: 1, ..query() });
    assert_eq!(ca_memory_stats(temp.artifact, &mut report), CA_OK);
    assert_eq!(json(report)["searches"], 1);
    assert_eq!(ca_clear_caches(temp.artifact), CA_OK);
    assert_eq!(ca_cache_stats(temp.artifact, &mut report), CA_OK);
    assert_eq!(json(report)["results"]["entries"], 0);
    assert_eq!(ca_cache_stats(temp.artifact, ptr::null_mut()), CA_BAD_POINTER);
    assert_eq!(ca_destroy(temp.artifact), CA_OK, "{}", message());
    assert!(!std::path::Path::new(&temp.path("a")).exists());
    assert_eq!(ca_destroy(temp.artifact), CA_BAD_HANDLE);
}
