//! What C can get wrong, and how it is told.

use super::*;

#[test]
fn null_is_told_wherever_it_may_not_be() {
    let temp = Temp::new(NONE);
    let (artifact, id) = (temp.artifact, ptr::null_mut());
    let cat = record("a cat");
    let (all, mut handle) = (query(), ptr::null_mut());
    let path = temp.path("a");
    for (what, code) in [
        ("place for the artifact", ca_open(lend(&path), NONE, ptr::null_mut())),
        ("path", ca_open(NONE, NONE, &mut handle)),
        ("path with a length", ca_open(ca_str { data: ptr::null(), len: 3 }, NONE, &mut handle)),
        ("artifact", ca_add(ptr::null(), &cat, id)),
        ("record", ca_add(artifact, ptr::null(), id)),
        ("query", ca_search(artifact, ptr::null(), &mut ptr::null_mut())),
        ("place for hits", ca_search(artifact, &all, ptr::null_mut())),
        ("hits", ca_hits_get(ptr::null(), &mut ptr::null(), &mut 0)),
        ("place of a count", ca_count(artifact, NONE, ptr::null_mut())),
        ("key", ca_delete_key(artifact, NONE, id)),
        ("filter", ca_delete_where(artifact, NONE, id)),
        ("patch", ca_update(artifact, 0, NONE, id)),
        ("place for statistics", ca_stats(artifact, ptr::null_mut())),
        ("values", ca_add_embedding(artifact, 0, lend("image"), ptr::null(), 2)),
        ("batch", ca_batch_add(ptr::null_mut(), &cat)),
        ("place for a batch", ca_batch_new(ptr::null_mut())),
        ("record to read", ca_record_key(ptr::null(), &mut NONE.clone())),
        ("reader", ca_reader_next(ptr::null_mut(), &mut ptr::null_mut())),
        ("buffer", ca_buffer_get(ptr::null(), &mut NONE.clone())),
        ("artifact to close", ca_close(ptr::null_mut())),
    ] {
        assert_eq!(code, CA_BAD_POINTER, "{what}");
        assert!(message().contains("NULL"), "{what}: {}", message());
    }
    for code in [
        ca_artifact_free(ptr::null_mut()),
        ca_batch_free(ptr::null_mut()),
        ca_hits_free(ptr::null_mut()),
        ca_record_free(ptr::null_mut()),
        ca_reader_free(ptr::null_mut()),
        ca_buffer_free(ptr::null_mut()),
    ] {
        assert_eq!(code, CA_OK);
    }
}

#[test]
fn handles_that_were_freed_or_are_of_another_kind_are_told() {
    let temp = Temp::new(NONE);
    temp.add(&record("a cat"));
    let (mut hits, mut found, mut reader, mut report) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    assert_eq!(ca_search(temp.artifact, &query(), &mut hits), CA_OK);
    assert_eq!(ca_get(temp.artifact, 0, &mut found), CA_OK);
    assert_eq!(ca_reader_new(temp.artifact, NONE, &mut reader), CA_OK);
    assert_eq!(ca_stats(temp.artifact, &mut report), CA_OK);
    let mut count = 0;
    assert_eq!(ca_count(hits.cast(), NONE, &mut count), CA_BAD_HANDLE, "hits are no artifact");
    assert_eq!(ca_record_free(reader.cast()), CA_BAD_HANDLE, "a reader is no record");
    let free = [ca_hits_free(hits), ca_record_free(found), ca_reader_free(reader), ca_buffer_free(report)];
    assert_eq!(free, [CA_OK; 4]);
    let twice = [ca_hits_free(hits), ca_record_free(found), ca_reader_free(reader), ca_buffer_free(report)];
    assert_eq!(twice, [CA_BAD_HANDLE; 4]);
    assert!(message().contains("ca_buffer") && message().contains("freed"), "{}", message());
    assert_eq!(ca_record_text(found, &mut NONE.clone()), CA_BAD_HANDLE);
    assert_eq!(ca_count(ptr::without_provenance(usize::MAX), NONE, &mut count), CA_BAD_HANDLE);
    assert_eq!(ca_close(temp.artifact), CA_OK);
    assert_eq!(ca_close(temp.artifact), CA_BAD_HANDLE);
    assert_eq!(ca_artifact_free(temp.artifact), CA_BAD_HANDLE);
    assert_eq!(ca_count(temp.artifact, NONE, &mut count), CA_BAD_HANDLE);
}

#[test]
fn wrong_sizes_lengths_alignments_and_texts_are_told() {
    let temp = Temp::new(NONE);
    let (artifact, id) = (temp.artifact, ptr::null_mut());
    let cat = record("a cat");
    let first = std::mem::offset_of!(ca_new_record, expires_at_ms);
    for size in [0, 8, first - 1, 5000, usize::MAX] {
        let wrong = ca_new_record { size, ..cat };
        assert_eq!(ca_add(artifact, &wrong, id), CA_INVALID_ARGUMENT);
    }
    let shorter = ca_new_record { size: first, expires_at_ms: 1, ..cat };
    assert_eq!(
        ca_add(artifact, &shorter, id),
        CA_OK,
        "a program of version 1, behind whose struct is something else"
    );
    let mut longer = [cat, nothing()];
    longer[0].size = size_of::<ca_new_record>() + size_of::<usize>();
    assert_eq!(ca_add(artifact, longer.as_ptr(), id), CA_UNSUPPORTED, "a field that is set, and unknown");
    longer[1].size = 0;
    assert_eq!(ca_add(artifact, longer.as_ptr(), id), CA_OK, "a field that is unknown, and not set");

    let not_utf8 = [b'a', 0xff];
    let broken = ca_str { data: not_utf8.as_ptr().cast(), len: 2 };
    assert_eq!(ca_add(artifact, &ca_new_record { text: broken, ..cat }, id), CA_INVALID_UTF8);
    assert!(message().contains("record: text") && message().contains("byte 1"), "{}", message());
    let endless = ca_str { data: not_utf8.as_ptr().cast(), len: usize::MAX };
    assert_eq!(ca_add(artifact, &ca_new_record { key: endless, ..cat }, id), CA_INVALID_ARGUMENT);
    let values = [1.0_f32; 3];
    let odd = values.as_ptr().cast::<u8>().wrapping_add(1).cast();
    assert_eq!(ca_add_embedding(artifact, 0, lend("image"), odd, 2), CA_BAD_POINTER);
    assert!(message().contains("aligned"), "{}", message());
    assert_eq!(
        ca_add_embedding(artifact, 0, lend("image"), values.as_ptr(), usize::MAX / 2),
        CA_INVALID_ARGUMENT
    );

    let both = ca_new_record { blob: ca_bytes { data: not_utf8.as_ptr(), len: 2 }, ..cat };
    assert_eq!(ca_add(artifact, &both, id), CA_INVALID_ARGUMENT);
    assert_eq!(ca_add(artifact, &nothing(), id), CA_INVALID_ARGUMENT);
    assert_eq!(ca_add(artifact, &ca_new_record { metadata: lend("{"), ..cat }, id), CA_INVALID_JSON);
    assert_eq!(ca_add(artifact, &ca_new_record { key: lend(&"k".repeat(2000)), ..cat }, id), CA_TOO_LARGE);
    let mut sound = false;
    assert_eq!(ca_verify(artifact, 3, &mut sound, ptr::null_mut()), CA_INVALID_ARGUMENT);
    assert_eq!(ca_create(lend("a"), lend("{\"x\": 1}"), &mut ptr::null_mut()), CA_INVALID_JSON);
    assert_eq!(temp.count(), 2);
}

#[test]
fn queries_that_cannot_be_are_told() {
    let temp = Temp::new(lend(r#"{"spaces": {"image": {"dimension": 2}}}"#));
    temp.add(&ca_new_record { metadata: lend(r#"{"year": 2024}"#), ..record("a cat") });
    let three = [1.0_f32; 3];
    let vector = |space, len| ca_vector { space: lend(space), values: three.as_ptr(), len };
    let (wrong, unknown, right) = (vector("image", 3), vector("sound", 2), vector("image", 2));
    for (expected, query) in [
        (CA_WRONG_DIMENSION, ca_query { vectors: &wrong, vector_count: 1, ..query() }),
        (CA_NO_SUCH_SPACE, ca_query { vectors: &unknown, vector_count: 1, ..query() }),
        (CA_NO_SUCH_SPACE, ca_query { similar_space: lend("sound"), ..query() }),
        (CA_INVALID_ARGUMENT, ca_query { similar_to: 1, ..query() }),
        (CA_INVALID_ARGUMENT, ca_query { reserved: 1, ..query() }),
        (CA_INVALID_ARGUMENT, ca_query { k: 1 << 40, ..query() }),
        (CA_INVALID_ARGUMENT, ca_query { words: lend("a"), text: lend("b"), ..query() }),
        (CA_NO_MODEL, ca_query { text: lend("pets"), ..query() }),
        (CA_NO_MODEL, ca_query { meaning: lend("pets"), ..query() }),
        (CA_INVALID_QUERY, ca_query { syntax: lend("(cat"), ..query() }),
        (CA_INVALID_FILTER, ca_query { filter: lend(r#"{"year": {"$about": 1}}"#), ..query() }),
        (CA_INVALID_JSON, ca_query { filter: lend("year"), ..query() }),
        (CA_TYPE_MISMATCH, ca_query { filter: lend(r#"{"year": "2024"}"#), ..query() }),
        (CA_INVALID_JSON, ca_query { options: lend(r#"{"k": 1}"#), ..query() }),
        (CA_INVALID_ARGUMENT, ca_query { options: lend(r#"{"exact": true}"#), ..query() }),
        (
            CA_INVALID_ARGUMENT,
            ca_query { words: lend("a"), options: lend(r#"{"vector_weights": [1]}"#), ..query() },
        ),
        (CA_INVALID_ARGUMENT, ca_query { size: 1, ..query() }),
    ] {
        assert_eq!(temp.refused(&query), expected, "{}", message());
    }
    let options = lend(
        r#"{"exact": true, "words_weight": 1, "vector_weights": [0.5], "fusion": {"reciprocal_rank": 60}, "candidates": 100, "min_score": 0}"#,
    );
    let all = ca_query { words: lend("cat"), vectors: &right, vector_count: 1, options, ..query() };
    assert_eq!(temp.search(&all).len(), 1);
}

#[cfg(not(feature = "embedder"))]
#[test]
fn models_that_the_build_leaves_out_are_told() {
    let temp = Temp::new(NONE);
    assert_eq!(ca_reembed(temp.artifact, lend("built-in"), ptr::null_mut()), CA_UNSUPPORTED);
}

#[test]
fn closing_waits_for_nobody_and_ends_nobodys_call() {
    let temp = Temp::new(NONE);
    let other = crate::handles::get(temp.artifact).unwrap(); // as a thread has it that is in a call
    assert_eq!(ca_close(temp.artifact), CA_IN_USE);
    assert!(message().contains("ca_artifact"), "{}", message());
    assert_eq!(temp.count(), 0, "it is still open");
    drop(other);
    assert_eq!(ca_close(temp.artifact), CA_OK);
}

#[test]
fn a_panic_becomes_a_code() {
    let numbers: Vec<i32> = Vec::new();
    for (panic, text) in [
        (&(|| assert!(numbers.len() > 7, "with {}", "arguments")) as &dyn Fn(), "with arguments"),
        (&|| assert!(numbers.len() > 7, "plain"), "plain"),
        (
            &|| {
                if numbers.is_empty() {
                    std::panic::panic_any(7)
                }
            },
            "no message",
        ),
        (&|| assert_eq!(numbers[1..][0], 0), "out of range"),
    ] {
        let code = guard(|_| {
            panic();
            Ok(())
        });
        assert_eq!(code, CA_PANIC);
        assert!(message().contains("mistake of the library") && message().contains(text), "{}", message());
    }
}

#[test]
fn each_thread_has_its_own_last_error() {
    assert_eq!(ca_close(ptr::null_mut()), CA_BAD_POINTER);
    let mine = message();
    let theirs = std::thread::spawn(|| (message(), ca_close(ptr::without_provenance_mut(5)), message()));
    let (before, code, after) = theirs.join().unwrap();
    assert_eq!((before.as_str(), code), ("", CA_BAD_HANDLE));
    assert_ne!(after, mine);
    assert_eq!(ca_release_memory(Temp::new(NONE).artifact), CA_OK);
    assert_eq!(message(), mine, "what succeeds changes nothing");
}

#[test]
fn versions_are_said() {
    assert_eq!(ca_abi_version(), CA_ABI_VERSION);
    let (major, manifest) = (format!("version = \"{CA_ABI_VERSION}."), include_str!("../../Cargo.toml"));
    assert!(manifest.contains(&major), "the version of the shared library");
    assert_eq!(text(ca_version()), env!("CARGO_PKG_VERSION"));
}
