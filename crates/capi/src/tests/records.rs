//! Records: stored, changed, read back, by one thread or many.

use super::*;

#[test]
fn what_is_stored_is_found_and_read_back() {
    let temp = Temp::new(lend(r#"{"spaces": {"image": {"dimension": 2, "originals": "f32"}}}"#));
    let (values, title) = ([0.6_f32, 0.8], ca_field { name: lend("title"), text: lend("Pets") });
    let image = ca_vector { space: lend("image"), values: values.as_ptr(), len: 2 };
    let cat = temp.add(&ca_new_record {
        key: lend("cat"),
        metadata: lend(r#"{"year": 2024}"#),
        fields: &title,
        field_count: 1,
        embeddings: &image,
        embedding_count: 1,
        ..record("a cat sat on the mat")
    });
    let blob =
        temp.add(&ca_new_record { blob: ca_bytes { data: [1_u8, 0, 2].as_ptr(), len: 3 }, ..nothing() });
    assert!(cat < blob);
    assert_eq!(temp.count(), 2);

    let words = ca_query { words: lend("cat"), snippet: 80, ..query() };
    assert_eq!(temp.search(&words), [(cat, "cat".into(), "a cat sat on the mat".into(), String::new())]);
    let near = ca_query { vectors: &image, vector_count: 1, fetch: 1, ..query() };
    assert_eq!(temp.search(&near), [(cat, "cat".into(), String::new(), "a cat sat on the mat".into())]);
    for syntax in ["title:pets", "+mat", "ma*"] {
        assert_eq!(temp.search(&ca_query { syntax: lend(syntax), ..query() })[0].0, cat);
    }
    let filter = ca_query { filter: lend(r#"{"year": {"$gte": 2024}}"#), ..query() };
    assert_eq!(temp.search(&filter).len(), 1);
    assert_eq!(temp.search(&ca_query { offset: 1, k: 1, ..query() })[0].0, blob);

    let mut record = ptr::null_mut();
    assert_eq!(ca_get_by_key(temp.artifact, lend("cat"), &mut record), CA_OK);
    let (mut found, mut len, mut id, mut is_text) = (NONE, 0, 9, false);
    for (call, expected) in [
        (ca_record_key as extern "C" fn(_, _) -> _, "cat"),
        (ca_record_text, "a cat sat on the mat"),
        (ca_record_metadata, r#"{"year":2024}"#),
    ] {
        assert_eq!(call(record.cast_const(), &mut found), CA_OK);
        assert_eq!(text(found), expected);
    }
    assert_eq!(ca_record_field(record, lend("title"), &mut found), CA_OK);
    assert_eq!(text(found), "Pets");
    assert_eq!(ca_record_field(record, lend("body"), &mut found), CA_OK);
    assert!(found.data.is_null());
    assert_eq!(ca_record_len(record, &mut len), CA_OK);
    assert_eq!(ca_record_id(record, &mut id), CA_OK);
    assert_eq!(ca_record_is_text(record, &mut is_text), CA_OK);
    assert_eq!((len, id, is_text, ca_record_free(record)), (20, cat, true, CA_OK));

    let (mut back, mut dimensions) = ([0.0_f32; 2], 0);
    let space = lend("image");
    assert_eq!(ca_get_embedding(temp.artifact, cat, space, back.as_mut_ptr(), 2, &mut dimensions), CA_OK);
    assert_eq!((back, dimensions), (values, 2));
    assert_eq!(ca_get_embedding(temp.artifact, blob, space, ptr::null_mut(), 0, &mut dimensions), CA_OK);
    assert_eq!(dimensions, 0);
    assert_eq!(ca_add_embedding(temp.artifact, blob, space, values.as_ptr(), 2), CA_OK);
    assert_eq!(
        ca_get_embedding(temp.artifact, blob, space, back.as_mut_ptr(), 1, &mut dimensions),
        CA_BUFFER_TOO_SMALL
    );
    assert_eq!(dimensions, 2);
}

#[test]
fn a_blob_is_read_whole_and_in_pieces_and_is_no_text() {
    let temp = Temp::new(NONE);
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    temp.add(&ca_new_record { blob: ca_bytes { data: content.as_ptr(), len: content.len() }, ..nothing() });
    let (mut record, mut found) = (ptr::null_mut(), NO_BYTES);
    assert_eq!(ca_get(temp.artifact, 0, &mut record), CA_OK);
    for _ in 0..2 {
        assert_eq!(ca_record_bytes(record, &mut found), CA_OK);
        assert_eq!(bytes(found), content);
    }
    let (mut piece, mut len) = ([0; 1000], 0);
    assert_eq!(ca_record_read(record, 999_990, piece.as_mut_ptr(), 1000, &mut len), CA_OK);
    assert_eq!((len, &piece[..]), (1000, &content[999_990..1_000_990]));
    assert_eq!(ca_record_read(record, 2_999_999, piece.as_mut_ptr(), 1000, &mut len), CA_OK);
    assert_eq!(len, 1);
    assert_eq!(ca_record_read(record, u64::MAX, piece.as_mut_ptr(), 1000, &mut len), CA_OK);
    assert_eq!(len, 0);
    let mut text = NONE;
    assert_eq!(ca_record_text(record, &mut text), CA_NOT_TEXT);
    ca_record_free(record);
}

#[test]
fn changes_of_a_batch_are_made_together_or_not_at_all() {
    let temp = Temp::new(lend(r#"{"spaces": {"image": {"dimension": 2}}}"#));
    let mut batch = ptr::null_mut();
    assert_eq!(ca_batch_new(&mut batch), CA_OK);
    let one = ca_new_record { key: lend("one"), metadata: lend(r#"{"n": 1}"#), ..record("one") };
    let two = ca_new_record { key: lend("two"), ..record("two") };
    for record in [&one, &two] {
        assert_eq!(ca_batch_add(batch, record), CA_OK);
    }
    let (mut ids, mut receipt) = ([9; 2], ca_receipt { commit: 0, added: 0, deleted: 0, updated: 0 });
    let (artifact, places) = (temp.artifact, ids.as_mut_ptr());
    assert_eq!(ca_write(artifact, batch, places, 1, ptr::null_mut()), CA_BUFFER_TOO_SMALL);
    assert_eq!(ca_write(ptr::null(), batch, places, 2, ptr::null_mut()), CA_BAD_POINTER);
    assert_eq!(ca_write(artifact, batch, places, 2, &mut receipt), CA_OK, "the batch was kept");
    assert_eq!((ids, receipt.added, receipt.commit), ([0, 1], 2, 1));

    // The second of these cannot be: there is a record with this key.
    assert_eq!((ca_batch_delete(batch, 0), ca_batch_add(batch, &two)), (CA_OK, CA_OK));
    assert_eq!(ca_write(artifact, batch, ptr::null_mut(), 0, ptr::null_mut()), CA_ALREADY_EXISTS);
    assert_eq!(temp.count(), 2);
    assert_eq!(ca_write(artifact, batch, ptr::null_mut(), 0, &mut receipt), CA_OK);
    assert_eq!(receipt.added, 0, "a batch that could not be committed is empty");

    let values = [1.0_f32, 2.0];
    for code in [
        ca_batch_upsert(batch, &two),
        ca_batch_update(batch, 0, lend(r#"{"n": 2}"#)),
        ca_batch_add_embedding(batch, 0, lend("image"), values.as_ptr(), 2),
        ca_batch_delete_key(batch, lend("three")),
    ] {
        assert_eq!(code, CA_OK, "{}", message());
    }
    assert_eq!(ca_write(artifact, batch, places, 2, &mut receipt), CA_OK, "{}", message());
    assert_eq!((ids[0], receipt.added, receipt.updated, receipt.deleted), (2, 1, 1, 0));
    for code in [
        ca_batch_update_where(batch, lend(r#"{"n": 2}"#), lend(r#"{"n": 3}"#)),
        ca_batch_update_key(batch, lend("two"), lend(r#"{"n": 3}"#)),
        ca_batch_remove_embedding(batch, 0, lend("image")),
    ] {
        assert_eq!(code, CA_OK, "{}", message());
    }
    assert_eq!(ca_write(artifact, batch, ptr::null_mut(), 0, &mut receipt), CA_OK, "{}", message());
    assert_eq!(receipt.updated, 2);
    assert_eq!(ca_batch_delete_where(batch, lend(r#"{"n": 3}"#)), CA_OK);
    assert_eq!(ca_write(artifact, batch, ptr::null_mut(), 0, &mut receipt), CA_OK);
    assert_eq!((receipt.deleted, temp.count()), (2, 0));
    assert_eq!(ca_batch_free(batch), CA_OK);
    assert_eq!(ca_batch_add(batch, &one), CA_BAD_HANDLE);
}

#[test]
fn single_changes_say_how_many_records_they_met() {
    let temp = Temp::new(NONE);
    let named = ca_new_record { key: lend("k"), metadata: lend(r#"{"n": 1}"#), ..record("a") };
    let (mut id, mut count) = (9, 9);
    let place = &raw mut count;
    assert_eq!(ca_upsert(temp.artifact, &named, &mut id), CA_OK);
    assert_eq!(ca_upsert(temp.artifact, &named, ptr::null_mut()), CA_OK);
    assert_eq!((id, temp.count()), (0, 1));
    let update = |id, count| ca_update(temp.artifact, id, lend(r#"{"n": 2}"#), count);
    assert_eq!((update(0, place), count), (CA_OK, 0));
    assert_eq!((update(1, place), count), (CA_OK, 1));
    assert_eq!((ca_update_key(temp.artifact, lend("k"), lend("{}"), place), count), (CA_OK, 1));
    let (mut ids, mut len) = ([9; 4], 9);
    let two = lend(r#"{"n": 2}"#);
    assert_eq!(ca_ids_where(temp.artifact, two, ids.as_mut_ptr(), 4, &mut len), CA_OK);
    assert_eq!((ids[0], len), (1, 1));
    assert_eq!(ca_ids_where(temp.artifact, two, ptr::null_mut(), 0, &mut len), CA_BUFFER_TOO_SMALL);
    assert_eq!((ca_delete_key(temp.artifact, lend("x"), place), count), (CA_OK, 0));
    assert_eq!((ca_delete_key(temp.artifact, lend("k"), place), count), (CA_OK, 1));
    assert_eq!((ca_delete(temp.artifact, 7, place), count), (CA_OK, 0));
    assert_eq!((ca_delete(temp.artifact, temp.add(&record("b")), place), count), (CA_OK, 1));
    temp.add(&named);
    assert_eq!((ca_delete_where(temp.artifact, lend(r#"{"n": 1}"#), place), count), (CA_OK, 1));
    assert_eq!(ca_delete(temp.artifact, 7, ptr::null_mut()), CA_OK);
}

#[test]
fn records_hits_and_readers_outlive_their_artifact() {
    let temp = Temp::new(NONE);
    temp.add(&record("a cat"));
    temp.add(&record("a dog"));
    let (mut found, mut reader, mut next) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    assert_eq!(ca_get(temp.artifact, 0, &mut found), CA_OK);
    assert_eq!(ca_reader_new(temp.artifact, NONE, &mut reader), CA_OK);
    temp.add(&record("too late for the reader"));
    assert_eq!(ca_close(temp.artifact), CA_OK);
    let mut words = NONE;
    assert_eq!(ca_record_text(found, &mut words), CA_OK);
    assert_eq!(text(words), "a cat");
    for expected in ["a cat", "a dog"] {
        assert_eq!(ca_reader_next(reader, &mut next), CA_OK);
        assert_eq!(ca_record_text(next, &mut words), CA_OK);
        assert_eq!(text(words), expected);
        ca_record_free(next);
    }
    assert_eq!(ca_reader_next(reader, &mut next), CA_OK);
    assert!(next.is_null());
    ca_reader_free(reader);
    ca_record_free(found);
}

#[test]
fn many_threads_share_an_artifact_and_a_batch() {
    let temp = Temp::new(lend(r#"{"durability": "buffered"}"#));
    let mut batch = ptr::null_mut();
    assert_eq!(ca_batch_new(&mut batch), CA_OK);
    let (artifact, shared) = (temp.artifact.addr(), batch.addr());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let (artifact, batch) =
                    (ptr::without_provenance_mut(artifact), ptr::without_provenance_mut(shared));
                for number in 0..25 {
                    let words = format!("cat {thread} {number}");
                    assert_eq!(ca_add(artifact, &record(&words), ptr::null_mut()), CA_OK);
                    assert_eq!(ca_batch_add(batch, &record(&words)), CA_OK);
                    let mut hits = ptr::null_mut();
                    let wanted = ca_query { words: lend("cat"), ..query() };
                    assert_eq!(ca_search(artifact, &wanted, &mut hits), CA_OK);
                    assert_eq!(ca_hits_free(hits), CA_OK);
                }
            });
        }
    });
    let mut receipt = ca_receipt { commit: 0, added: 0, deleted: 0, updated: 0 };
    assert_eq!(ca_write(temp.artifact, batch, ptr::null_mut(), 0, &mut receipt), CA_OK);
    assert_eq!((receipt.added, temp.count(), ca_batch_free(batch)), (100, 200, CA_OK));
}

#[test]
fn a_record_is_there_until_it_expires() {
    let temp = Temp::new(lend(r#"{"expires_at": "until"}"#));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() * 1000;
    temp.add(&ca_new_record { expires_at_ms: now + 3_600_000, ..record("soon") });
    temp.add(&ca_new_record { expires_at_ms: now - 3_600_000, ..record("gone") });
    assert_eq!(temp.count(), 1);
    let endless = ca_new_record { expires_at_ms: u64::MAX, ..record("far") };
    assert_eq!(ca_add(temp.artifact, &endless, ptr::null_mut()), CA_INVALID_ARGUMENT, "{}", message());
    let plain = Temp::new(NONE);
    let soon = ca_new_record { expires_at_ms: now, ..record("soon") };
    assert_eq!(ca_add(plain.artifact, &soon, ptr::null_mut()), CA_INVALID_ARGUMENT);
    assert!(message().contains("expires_at"), "{}", message());
}

extern "C" fn nothing_more(_: *mut std::ffi::c_void, _: *mut u8, _: usize) -> usize {
    0
}

extern "C" fn too_much(_: *mut std::ffi::c_void, _: *mut u8, capacity: usize) -> usize {
    capacity + 1
}

#[test]
fn a_stream_that_is_wrong_adds_nothing() {
    let temp = Temp::new(NONE);
    let (none, id) = (ptr::null_mut(), ptr::null_mut());
    assert_eq!(ca_add_stream(temp.artifact, &nothing(), None, none, id), CA_BAD_POINTER);
    assert_eq!(
        ca_add_stream(temp.artifact, &record("a cat"), Some(nothing_more), none, id),
        CA_INVALID_ARGUMENT
    );
    assert_eq!(ca_add_stream(temp.artifact, &nothing(), Some(too_much), none, id), CA_IO);
    assert!(message().contains("more than"), "{}", message());
    assert_eq!(temp.count(), 0);
    assert_eq!(
        ca_add_stream(temp.artifact, &nothing(), Some(nothing_more), none, id),
        CA_OK,
        "an empty blob"
    );
    assert_eq!(temp.count(), 1);
}
