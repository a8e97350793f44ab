//! Searches beyond words and vectors.

use super::*;

#[cfg(feature = "facets")]
#[test]
fn what_a_query_asks_for_beside_hits_comes_as_json() {
    let temp = Temp::new(NONE);
    for (words, metadata) in [("a cat", r#"{"n": 1, "at": "2026-01-02"}"#), ("a cat again", r#"{"n": 2}"#)] {
        temp.add(&ca_new_record { metadata: lend(metadata), ..record(words) });
    }
    let options = r#"{"total": true, "order_by": [["n", "descending"]], "facets": [{"field": "n"}, {"field": "n", "histogram": 10},
        {"field": "at", "dates": "month", "limit": 1}], "group_by": ["n", 1], "fields": ["n"], "explain": true, "deadline_ms": 60000}"#;
    let (mut hits, mut report) = (ptr::null_mut(), ptr::null_mut());
    let wanted = ca_query { words: lend("cat"), options: lend(options), ..query() };
    assert_eq!(ca_search(temp.artifact, &wanted, &mut hits), CA_OK, "{}", message());
    assert_eq!(ca_hits_json(hits, &mut report), CA_OK);
    let found = json(report);
    assert_eq!((&found["total"]["records"], &found["hits"][0]["fields"]["n"]), (&2.into(), &2.into()));
    assert_eq!(found["facets"][1]["counts"][0]["count"], 2);
    assert_eq!(found["facets"][2]["counts"][0]["value"], "2026-01");
    let (mut is_complete, mut losses) = (false, 9);
    assert_eq!(ca_hits_complete(hits, &mut is_complete, &mut losses), CA_OK);
    assert_eq!((is_complete, losses, ca_hits_free(hits)), (true, 0, CA_OK));
    let both = lend(r#"{"facets": [{"field": "n", "histogram": 1, "dates": "day"}]}"#);
    assert_eq!(temp.refused(&ca_query { options: both, ..query() }), CA_INVALID_ARGUMENT);
    let array = lend(r#"{"facets": [["n", 5, null, null]]}"#);
    assert_eq!(temp.refused(&ca_query { options: array, ..query() }), CA_INVALID_JSON);
    assert_eq!(message(), "query: options: facets: invalid type: array, expected an object");
}

#[test]
fn a_slip_in_a_field_is_explained_or_refused() {
    let temp = Temp::new(NONE);
    temp.add(&ca_new_record { metadata: lend(r#"{"year": 1851}"#), ..record("a whale") });
    let slip = ca_query { words: lend("whale"), filter: lend(r#"{"yaer": {"$gte": 1800}}"#), ..query() };
    let (mut hits, mut report) = (ptr::null_mut(), ptr::null_mut());
    let explained = ca_query { options: lend(r#"{"explain": true}"#), ..slip };
    assert_eq!(ca_search(temp.artifact, &explained, &mut hits), CA_OK, "{}", message());
    assert_eq!((ca_hits_json(hits, &mut report), ca_hits_free(hits)), (CA_OK, CA_OK));
    let unknown = &json(report)["explain"]["unknown_fields"][0];
    assert_eq!((&unknown["field"], &unknown["nearest"]), (&"yaer".into(), &"year".into()));
    let strict = ca_query { options: lend(r#"{"strict_fields": true}"#), ..slip };
    assert_eq!(temp.refused(&strict), CA_NO_SUCH_FIELD);
}

#[test]
fn a_recall_is_asked_for_of_graphs() {
    let temp = Temp::new(lend(r#"{"spaces": {"v": {"dimension": 2}}, "graph_from": 100}"#));
    let mut first = None;
    for number in 0..300_u16 {
        let angle = f32::from(number) / 50.0;
        let values = [angle.cos(), angle.sin()];
        let embedding = ca_vector { space: lend("v"), values: values.as_ptr(), len: 2 };
        let id = temp.add(&ca_new_record { embeddings: &embedding, embedding_count: 1, ..record("a point") });
        first.get_or_insert(id);
    }
    assert_eq!(ca_seal(temp.artifact, ptr::null_mut()), CA_OK);
    let values = [1.0_f32, 0.0];
    let vector = ca_vector { space: lend("v"), values: values.as_ptr(), len: 2 };
    let near = |options| ca_query { vectors: &vector, vector_count: 1, k: 3, options, ..query() };
    assert_eq!(Some(temp.search(&near(lend(r#"{"recall": 0.99}"#)))[0].0), first);
    for options in
        [r#"{"recall": 1.5}"#, r#"{"recall": 0.9, "exact": true}"#, r#"{"recall": 0.9, "ef_search": 64}"#]
    {
        assert_eq!(temp.refused(&near(lend(options))), CA_INVALID_ARGUMENT, "{options}");
    }
}

#[test]
fn searches_of_a_batch_are_answered_in_their_order_or_none_is() {
    let temp = Temp::new(NONE);
    let [cat, dog] = ["a cat", "a dog"].map(|words| temp.add(&record(words)));
    let queries = [
        ca_query { words: lend("dog"), ..query() },
        ca_query { words: lend("cat"), fetch: 1, ..query() },
        ca_query { words: lend("cow"), ..query() },
    ];
    let wanted = [0, 1, 2].map(|number| &raw const queries[number]);
    let mut hits = [ptr::null_mut(); 3];
    assert_eq!(ca_search_batch(temp.artifact, wanted.as_ptr(), 3, hits.as_mut_ptr()), CA_OK, "{}", message());
    let ids = hits.map(|hits| hits_of(hits).iter().map(|hit| hit.id).collect::<Vec<_>>());
    assert_eq!(ids, [vec![dog], vec![cat], vec![]]);
    assert_eq!(text(hits_of(hits[1])[0].text), "a cat");
    assert_eq!(hits.map(|hits| ca_hits_free(hits)), [CA_OK; 3]);
    assert_eq!(ca_search_batch(temp.artifact, ptr::null(), 0, ptr::null_mut()), CA_OK);
    let wrong = ca_query { filter: lend("{"), ..query() };
    for (last, code) in [(&raw const wrong, CA_INVALID_JSON), (ptr::null(), CA_BAD_POINTER)] {
        let wanted = [wanted[0], wanted[1], last];
        assert_eq!(ca_search_batch(temp.artifact, wanted.as_ptr(), 3, hits.as_mut_ptr()), code);
        assert!(message().starts_with("search 2 of the batch: ") && hits.iter().all(|hits| hits.is_null()));
    }
    // Also where the queries are nowhere, or are too many.
    let mut hits = [ptr::without_provenance_mut(1); 3];
    assert_eq!(ca_search_batch(temp.artifact, ptr::null(), 3, hits.as_mut_ptr()), CA_BAD_POINTER);
    assert!(hits.iter().all(|hits| hits.is_null()));
    assert_eq!(ca_search_batch(temp.artifact, ptr::null(), usize::MAX, hits.as_mut_ptr()), CA_BAD_POINTER);
    assert_eq!(
        ca_search_batch(temp.artifact, wanted.as_ptr(), usize::MAX, hits.as_mut_ptr()),
        CA_INVALID_ARGUMENT
    );
}

#[cfg(feature = "built-in-model")]
#[test]
fn texts_are_found_by_what_they_mean() {
    let temp = Temp::new(lend(r#"{"embedder": "built-in"}"#));
    let [dogs, shares] = ["dogs chase cats", "the stock market fell"].map(|words| temp.add(&record(words)));
    assert_eq!(temp.search(&ca_query { text: lend("pets and animals"), k: 1, ..query() })[0].0, dogs);
    let options = lend(r#"{"meaning_weight": 2.0}"#);
    assert_eq!(
        temp.search(&ca_query { text: lend("shares lose value"), k: 1, options, ..query() })[0].0,
        shares
    );
    let mut report = ptr::null_mut();
    assert_eq!(ca_reembed(temp.artifact, lend("built-in"), &mut report), CA_OK, "{}", message());
    assert_eq!(json(report)["left"], 0);
    let lose = lend(r#"{"lose_given": true}"#);
    assert_eq!(ca_reembed_with(temp.artifact, lend("built-in"), lose, &mut report), CA_OK, "{}", message());
    assert_eq!(json(report)["given"], 0);
    let wrong = lend(r#"{"lose_given": 1}"#);
    assert_eq!(ca_reembed_with(temp.artifact, lend("built-in"), wrong, &mut report), CA_INVALID_JSON);
}

#[test]
fn a_hit_whose_record_is_damaged_says_so_and_the_others_are_there() {
    let temp = Temp::new(lend(r#"{"block_len": 512, "compression": "none", "cache_bytes": 0}"#));
    for number in 0..40 {
        temp.add(&record(&format!("cat number {number} {}", "x".repeat(200))));
    }
    assert_eq!((ca_seal(temp.artifact, ptr::null_mut()), ca_close(temp.artifact)), (CA_OK, CA_OK));
    let folder = std::path::PathBuf::from(temp.path("a"));
    let mut damaged = 0;
    for file in std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
        let mut bytes = std::fs::read(&file).unwrap();
        let needle = b"cat number 7 xxx";
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            bytes[at + 14] ^= 1;
            std::fs::write(&file, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let mut opened = ptr::null_mut();
    let path = temp.path("a");
    assert_eq!(ca_open_read_only(lend(&path), lend(r#"{"cache_bytes": 0}"#), &mut opened), CA_OK);
    let mut hits = ptr::null_mut();
    let wanted = ca_query { words: lend("cat"), k: 100, fetch: 1, ..query() };
    assert_eq!(ca_search(opened, &wanted, &mut hits), CA_OK, "{}", message());
    let (mut losses, mut is_complete) = (0, false);
    let codes: Vec<_> = hits_of(hits).iter().map(|hit| (hit.id, hit.code)).collect();
    assert_eq!(codes.len(), 40);
    let bad: Vec<_> = codes.iter().filter(|(_, code)| *code != CA_OK).collect();
    assert!(bad.contains(&&(7, CA_DAMAGED)) && bad.len() < 5, "{bad:?}");
    assert_eq!(ca_hits_complete(hits, &mut is_complete, &mut losses), CA_OK);
    assert!(losses > 0);
    ca_hits_free(hits);
    let mut found = ptr::null_mut();
    assert_eq!(ca_get(opened, 7, &mut found), CA_DAMAGED);
    let mut sound = true;
    assert_eq!(ca_verify(opened, CA_VERIFY_CHECKSUMS, &mut sound, ptr::null_mut()), CA_OK);
    assert!(!sound);
    ca_artifact_free(opened);
}
