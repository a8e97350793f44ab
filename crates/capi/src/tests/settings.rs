//! Language, schema, vector spaces: said at the beginning, asked for, and changed later.

use super::*;

fn settings(artifact: *const ca_artifact) -> serde_json::Value {
    let mut report = ptr::null_mut();
    assert_eq!(ca_settings(artifact, &mut report), CA_OK, "{}", message());
    json(report)
}

#[cfg(feature = "stemmers")]
#[test]
fn another_language_indexes_the_words_of_all_records_anew() {
    let temp = Temp::new(NONE);
    let id = temp.add(&record("die alten Häuser der Stadt"));
    let house = ca_query { words: lend("Haus"), ..query() };
    assert!(temp.search(&house).is_empty());
    let mut report = ptr::null_mut();
    assert_eq!(ca_set_text_options(temp.artifact, lend(r#"{"language": "german"}"#), &mut report), CA_OK);
    assert_eq!(json(report)["records"], 1);
    assert_eq!(temp.search(&house)[0].0, id);
    assert_eq!(settings(temp.artifact)["language"], "german");
    let plain = lend(r#"{"language": "none", "fold_diacritics": true}"#);
    assert_eq!(ca_set_text_options(temp.artifact, plain, ptr::null_mut()), CA_OK);
    assert_eq!(settings(temp.artifact)["language"], "none");
    assert!(temp.search(&house).is_empty());
    assert_eq!(temp.search(&ca_query { words: lend("Hauser"), ..query() })[0].0, id);
    for (options, code) in [
        (lend(r#"{"language": "klingon"}"#), CA_INVALID_ARGUMENT),
        (lend(r#"{"stop_words": true}"#), CA_INVALID_JSON),
        (NONE, CA_BAD_POINTER),
    ] {
        assert_eq!(ca_set_text_options(temp.artifact, options, &mut report), code, "{}", message());
        assert!(report.is_null());
    }
}

#[test]
fn metadata_must_be_what_the_schema_says() {
    let temp = Temp::new(lend(r#"{"schema": {"year": {"type": "number", "required": true}}}"#));
    let with = |metadata| ca_new_record { metadata: lend(metadata), ..record("a cat") };
    temp.add(&with(r#"{"year": 2026}"#));
    for metadata in [r#"{"year": "2026"}"#, "{}"] {
        assert_eq!(ca_add(temp.artifact, &with(metadata), ptr::null_mut()), CA_SCHEMA_VIOLATION);
        assert!(message().contains("year"), "{}", message());
    }
    let year = r#"{"year":{"required":true,"type":"number"}}"#;
    assert_eq!(settings(temp.artifact)["schema"], serde_json::from_str::<serde_json::Value>(year).unwrap());
    assert_eq!(ca_set_schema(temp.artifact, lend(r#"{"year": "string"}"#)), CA_SCHEMA_VIOLATION);
    assert!(message().starts_with("record 0"), "{}", message());
    assert_eq!(ca_set_schema(temp.artifact, lend(r#"{"year": "whole"}"#)), CA_INVALID_ARGUMENT);
    assert_eq!(ca_set_schema(temp.artifact, lend("{")), CA_INVALID_JSON);
    assert_eq!(ca_add(temp.artifact, &with("{}"), ptr::null_mut()), CA_SCHEMA_VIOLATION, "nothing changed");
    assert_eq!(ca_set_schema(temp.artifact, NONE), CA_OK);
    temp.add(&with("{}"));
    assert!(settings(temp.artifact)["schema"].is_null());
}

#[test]
fn vector_spaces_are_listed_renamed_and_dropped() {
    let temp = Temp::new(lend(
        r#"{"spaces": {"old": {"dimension": 2, "quantization": "rotated-int8", "originals": "f16"}}, "fields": {"body": 3}}"#,
    ));
    let values = [1.0_f32, 0.0];
    let near = ca_vector { space: lend("old"), values: values.as_ptr(), len: 2 };
    let id = temp.add(&ca_new_record { embeddings: &near, embedding_count: 1, ..record("a cat") });
    let said = settings(temp.artifact);
    assert_eq!(said["spaces"]["old"]["originals"], "f16");
    assert_eq!(said["spaces"]["old"]["quantization"], "rotated-int8");
    assert_eq!((&said["fields"]["body"], &said["is_read_only"]), (&3.into(), &false.into()));
    assert_eq!(said["path"].as_str(), Some(temp.path("a").as_str()));

    assert_eq!(ca_rename_space(temp.artifact, lend("old"), lend("image")), CA_OK);
    let wanted =
        ca_query { vectors: &ca_vector { space: lend("image"), ..near }, vector_count: 1, ..query() };
    assert_eq!(temp.search(&wanted).len(), 1);
    assert_eq!(ca_remove_embedding(temp.artifact, id, lend("image")), CA_OK);
    assert_eq!(temp.search(&wanted).len(), 0);
    assert_eq!(ca_drop_space(temp.artifact, lend("image")), CA_OK);
    assert_eq!(temp.refused(&wanted), CA_NO_SUCH_SPACE);
    assert_eq!(ca_drop_space(temp.artifact, lend("image")), CA_NO_SUCH_SPACE);
    assert_eq!(ca_rename_space(temp.artifact, lend("image"), NONE), CA_BAD_POINTER);
}

#[test]
fn settings_say_all_that_is_kept_in_the_artifact() {
    let similar = if cfg!(feature = "similar") { 5 } else { 0 };
    let options =
        format!(r#"{{"expires_at": "until", "fold_diacritics": false, "precompute_similar": {similar}}}"#);
    let said = settings(Temp::new(lend(&options)).artifact);
    assert_eq!((&said["expires_at"], &said["fold_diacritics"]), (&"until".into(), &false.into()));
    assert_eq!(said["precompute_similar"], similar);
    let said = settings(Temp::new(NONE).artifact);
    assert!(
        said["expires_at"].is_null() && said["fold_diacritics"] == true && said["precompute_similar"] == 0
    );
}

#[cfg(feature = "built-in-model")]
#[test]
fn a_text_is_embedded_by_the_model_of_the_artifact() {
    let temp = Temp::new(lend(r#"{"embedder": "built-in", "keep_embedding_cache": true}"#));
    let said = settings(temp.artifact);
    let dimension = usize::try_from(said["spaces"]["meaning"]["dimension"].as_u64().unwrap()).unwrap();
    assert!(said["is_model_at_hand"] == true && said["spaces"]["meaning"]["model"].is_string());
    let (mut values, mut len) = (vec![0.0_f32; dimension], 0);
    assert_eq!(ca_embed(temp.artifact, lend("a cat"), values.as_mut_ptr(), 1, &mut len), CA_BUFFER_TOO_SMALL);
    assert_eq!(
        (len, ca_embed(temp.artifact, lend("a cat"), values.as_mut_ptr(), len, &mut len)),
        (dimension, CA_OK)
    );
    assert!(values.iter().any(|&value| value != 0.0));
    assert_eq!(ca_embed(temp.artifact, lend(""), ptr::null_mut(), 0, &mut len), CA_OK);
    assert_eq!(len, 0, "the model knows nothing in it");
    let plain = Temp::new(NONE);
    assert_eq!(ca_embed(plain.artifact, lend("a cat"), ptr::null_mut(), 0, &mut len), CA_NO_MODEL);
}

#[test]
fn what_says_how_to_write_is_refused_where_an_artifact_is_read() {
    let temp = Temp::new(NONE);
    temp.add(&record("a cat"));
    let (path, pack) = (temp.path("a"), temp.path("pack"));
    assert_eq!(ca_pack(temp.artifact, lend(&pack), ptr::null_mut()), CA_OK, "{}", message());
    let packed = std::fs::read(&pack).unwrap();
    let bytes = ca_bytes { data: packed.as_ptr(), len: packed.len() };
    let mut opened = ptr::null_mut();
    let out = &raw mut opened;
    let all = serde_json::json!({
        "durability": "sync", "maintenance": "manual", "auto_compact": false, "busy_timeout_ms": 1, "idle_release_ms": 1,
        "compression": "none", "block_len": 4096, "segment_len": 1 << 20, "graph_from": 7, "keep_embedding_cache": false,
    });
    for (name, value) in all.as_object().unwrap() {
        let text = serde_json::json!({ name.as_str(): value }).to_string();
        for code in [
            ca_open_read_only(lend(&path), lend(&text), out),
            ca_open_packed_at(lend(&pack), 0, lend(&text), out),
            ca_open_packed_copied(bytes, lend(&text), out),
            ca_open_packed_borrowed(bytes, None, ptr::null_mut(), lend(&text), out),
        ] {
            assert_eq!(code, CA_INVALID_ARGUMENT);
            assert!(message().starts_with(&format!("option {name} would have no effect")), "{}", message());
        }
    }
    let text = lend(r#"{"edge": true, "memory_limit": 67108864, "threads": 1}"#);
    assert_eq!(ca_open_read_only(lend(&path), text, out), CA_OK, "{}", message());
    assert_eq!(ca_close(opened), CA_OK);
}
