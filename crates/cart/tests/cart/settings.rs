//! What an artifact keeps about its records, and changes: language, schema, expiry; and fields that no record has.

use crate::input::{f32s, npy};
use crate::support::Place;

#[test]
fn a_title_that_is_named_as_a_field_counts_as_often_as_by_default() {
    let place = Place::new();
    place.write("x.jsonl", "{\"title\":\"moon\",\"text\":\"sun\"}\n");
    place.cart("add a x.jsonl --no-meaning --field title --field abstract").succeeds();
    assert!(place.text("export a").contains("{\"abstract\":1,\"title\":2}"));
    place.cart("add a x.jsonl --field title").succeeds();
    place.cart("add b x.jsonl --no-meaning --field title=1").succeeds();
    assert!(place.text("export b").contains("{\"title\":1}"));
}

#[test]
fn how_a_new_space_is_set_up_is_not_asked_of_the_space_of_the_texts() {
    let place = Place::new();
    let meaning: Vec<f32> = (0..256u16).map(|n| f32::from(n % 7)).collect();
    let line =
        |vectors: &str| format!("{{\"text\":\"x\",\"vectors\":{{\"meaning\":{meaning:?}{vectors}}}}}\n");
    place.write("both.jsonl", line(",\"v\":[3,4]"));
    place.write("one.jsonl", line(""));
    for artifact in ["new", "there"] {
        if artifact == "there" {
            place.cart("add there one.jsonl").succeeds();
        }
        let set_up = "--metric l2 --originals f32 --quantization int8";
        place
            .cart(&format!("add {artifact} one.jsonl {set_up}"))
            .fails(2, &["--metric", "no record has a vector"]);
        place.cart(&format!("add {artifact} both.jsonl {set_up}")).succeeds();
        let settings = place.text(&format!("export {artifact}"));
        assert!(settings.contains("\"v\":{\"dimension\":2,\"metric\":\"l2\""), "{settings}");
        place.cart(&format!("add {artifact} both.jsonl --metric dot")).fails(2, &["--metric", "\"v\""]);
    }
}

#[test]
fn another_language_finds_texts_by_its_stems() {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"key\":\"a\",\"text\":\"die alten Häuser im Café\"}\n{\"key\":\"b\",\"text\":\"connected wires\"}\n",
    );
    place.cart("add a x.jsonl --no-meaning").succeeds();
    assert_eq!(place.found("a Haus --words"), [""; 0]);
    let told = place.text("reindex a --language de");
    assert!(told.starts_with("indexed 2 records anew") && told.contains("by the stems of german"), "{told}");
    assert_eq!(place.found("a Haus --words"), ["a"]);
    assert_eq!(place.found("a connection --words"), [""; 0]);
    assert_eq!(place.json("reindex a --language german")["records"], 0);
    assert_eq!(place.found("a cafe --words"), ["a"]);
    assert_eq!(place.json("reindex a --fold-diacritics false")["language"], "german");
    assert_eq!(place.found("a cafe --words"), [""; 0]);
    let report = place.json("reindex a --language none --fold-diacritics true");
    assert_eq!((report["language"].clone(), report["records"].clone()), (serde_json::Value::Null, 2.into()));
    place.cart("reindex a").fails(2, &["--language"]);
    place.cart("reindex a --language klingon").fails(2, &["german"]);
    place.cart("reindex nowhere --language de").fails(3, &["nowhere"]);
    place.cart("add a x.jsonl --upsert --language fr").fails(2, &["`cart reindex` changes it"]);
    place.cart("pack a a.pack").succeeds();
    place.cart("reindex a.pack --language de").fails(1, &["cart restore"]);
}

#[test]
fn a_schema_is_kept_and_what_breaks_it_is_refused_with_its_place() {
    let place = Place::new();
    place.write("schema.json", r#"{"year": {"type": "number", "required": true}, "tag": "string"}"#);
    place.write("good.jsonl", "{\"key\":\"a\",\"text\":\"x\",\"metadata\":{\"year\":1969}}\n");
    place.write(
        "bad.jsonl",
        "{\"text\":\"x\",\"metadata\":{\"year\":1}}\n{\"text\":\"x\",\"metadata\":{\"year\":\"1970\"}}\n",
    );
    place
        .cart("add a bad.jsonl --schema schema.json")
        .fails(1, &["bad.jsonl:2", "\"year\"", "found string", "nothing was added"]);
    place.cart("add a good.jsonl --schema schema.json").succeeds();
    place.cart("add a bad.jsonl").fails(1, &["bad.jsonl:2", "\"year\""]);
    let kept = place.json("schema a");
    assert_eq!(kept, serde_json::json!({"year": {"type": "number", "required": true}, "tag": "string"}));
    place.write("other.json", r#"{"tag": {"type": "string", "required": true}}"#);
    place.cart("schema a --set other.json").fails(1, &["with the key \"a\"", "\"tag\" is missing"]);
    place.cart("add a good.jsonl --upsert --schema other.json").fails(2, &["`cart schema` changes it"]);
    place.cart("schema a --drop").succeeds();
    assert_eq!(place.text("schema a"), "the metadata of records may be anything\n");
    place.cart("add a bad.jsonl").succeeds();
    place.cart("schema a --set schema.json").fails(1, &["record ", "found string"]);
    // A copy by export and add, and a copy by pack and restore.
    place.cart("delete a --filter '{\"year\": \"1970\"}'").succeeds();
    place.cart("schema a --set schema.json").succeeds();
    place.cart("pack a a.pack").succeeds();
    place.cart("restore a.pack b").succeeds();
    assert_eq!(place.json("schema b"), kept);
    place.write("wrong.json", r#"{"year": "text"}"#);
    place.cart("schema a --set wrong.json").fails(2, &["wrong.json", "bool, number, string and date"]);
    place.cart("schema a --set none.json").fails(3, &["none.json"]);
}

#[test]
fn records_expire_by_the_field_that_is_named() {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"key\":\"old\",\"text\":\"x\",\"metadata\":{\"until\":\"2001-01-01\"}}\n{\"key\":\"new\",\"text\":\"x\",\"metadata\":{\"until\":\"2999-01-01\"}}\n",
    );
    place.cart("add a x.jsonl --expires-field until").succeeds();
    assert_eq!(place.found("a x --words"), ["new"]);
    place.cart("add a x.jsonl --upsert --expires-field other").fails(2, &["\"until\"", "\"other\""]);
    place.write("y.jsonl", "{\"text\":\"x\",\"metadata\":{\"until\":\"soon\"}}\n");
    place.cart("add a y.jsonl").fails(2, &["\"until\"", "not a date"]);
}

#[test]
fn a_field_that_no_record_has_is_an_error_where_that_is_asked_for() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"x\",\"metadata\":{\"year\":1969}}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let near = "no record has the field \"yaer\"; near it is \"year\"";
    for args in ["--filter '{\"yaer\": 1969}'", "--sort yaer", "--facet yaer", "--group yaer"] {
        place.cart(&format!("search a x {args} --strict")).fails(2, &[near]);
    }
    place.cart("search a x --filter '{\"yaer\": 1969}'").fails(3, &["nothing found", near]);
    place.cart("search a x --filter '{\"$strict\": {\"yaer\": 1969}}'").fails(2, &[near]);
    place.cart("delete a --filter '{\"$strict\": {\"yaer\": 1969}}'").fails(2, &[near]);
    assert!(place.text("search a x --sort yaer --explain").contains(near));
    place.cart("search a x --filter '{\"year\": 1969}' --strict").succeeds();
}

#[test]
fn an_add_that_adds_nothing_leaves_no_vector_space() {
    let place = Place::new();
    place.write("good.jsonl", "{\"text\":\"one\",\"vectors\":{\"v\":[1, 2]}}\n");
    place.write(
        "bad.jsonl",
        "{\"text\":\"x\",\"vectors\":{\"w\":[1, 2]}}\n{\"text\":\"y\",\"vectors\":{\"w\":[1, 1e30]}}\n",
    );
    place.write(
        "until.jsonl",
        "{\"text\":\"x\",\"metadata\":{\"until\":\"soon\"},\"vectors\":{\"w\":[1, 2, 3]}}\n",
    );
    place.cart("add a good.jsonl --no-meaning --expires-field until").succeeds();
    place
        .cart("add a bad.jsonl --metric l2")
        .fails(2, &["bad.jsonl:2: vector space \"w\"", "nothing was added"]);
    place.cart("add a until.jsonl --metric l2").fails(2, &["until.jsonl:1", "nothing was added"]);
    let spaces = place.json("stats a")["stats"]["spaces"].clone();
    assert_eq!(spaces.as_array().unwrap().len(), 1, "{spaces}");
    place.cart("add a bad.jsonl").succeeds();
}

#[test]
fn what_a_commit_that_fails_set_up_is_not_left_behind() {
    let place = Place::new();
    let line = |text: &str, rest: &str| format!("{{\"text\":\"{text}\"{rest}}}\n");
    place.write("good.jsonl", line("one", ""));
    let extra = r#","fields":{"abstract":"x","x":"y"},"vectors":{"w":[1,2]},"metadata":{"until":"soon"}"#;
    place.write("bad.jsonl", line("two", extra));
    place.write("part.jsonl", line("three", "") + &line("four", extra));
    place.cart("add a good.jsonl --no-meaning --expires-field until").succeeds();
    place.cart("add a bad.jsonl --field abstract=3").fails(2, &["bad.jsonl:1: ", "nothing was added"]);
    let ended = place.cart("add a part.jsonl --batch 1 --metric l2");
    ended.fails(2, &["part.jsonl:2: ", "1 record was added before it and is kept"]);
    let stats = place.json("stats a")["stats"].clone();
    assert_eq!(stats["records"], 2);
    assert!(stats["spaces"].as_array().unwrap().is_empty(), "{stats}");
    place.write("last.jsonl", line("two", r#","fields":{"abstract":"x"},"vectors":{"w":[1,2,3]}"#));
    place.cart("add a last.jsonl --field abstract=5 --metric dot").succeeds();
}

#[test]
fn an_add_that_fails_leaves_the_settings_of_an_artifact_as_they_were() {
    let place = Place::new();
    place.write("schema.json", r#"{"until": "date"}"#);
    place.write("good.jsonl", "{\"text\":\"one\"}\n");
    place.write("bad.jsonl", "{\"text\":\"two\",\"metadata\":{\"until\":\"soon\"}}\n{}\n");
    place.write("late.jsonl", "{\"text\":\"two\",\"metadata\":{\"until\":\"soon\"}}\n");
    place.cart("add a good.jsonl --no-meaning").succeeds();
    let before = place.text("export a");
    let set_up = ["--schema schema.json", "--expires-field until", "--precompute-similar 3"];
    for set_up in set_up {
        place.cart(&format!("add a bad.jsonl {set_up}")).fails(1, &["bad.jsonl:", "nothing was added"]);
        place.cart(&format!("add a good.jsonl --no-meaning {set_up}")).fails(2, &["--no-meaning"]);
        assert_eq!(place.text("export a"), before, "{set_up}");
    }
    place.cart("add a late.jsonl --expires-field until").fails(2, &["late.jsonl:1", "nothing was added"]);
    assert_eq!(place.text("export a"), before);
    let kept = "add a late.jsonl good.jsonl bad.jsonl --batch 2 --precompute-similar 3";
    place.cart(kept).fails(1, &["2 records were added before it and are kept"]);
    assert!(place.text("export a").contains("\"precompute_similar\":3"));
}

#[test]
fn vectors_of_a_file_are_all_checked_before_anything_is_added() {
    let place = Place::new();
    place.write("v.npy", npy("<f4", "(3, 2)", &f32s(&[1.0, 2.0, 3.0, 4.0, 5.0, 1e30])));
    place.write("x.jsonl", "{\"text\":\"x\"}\n".repeat(3));
    place
        .cart("add a x.jsonl --vectors v.npy --space w --metric l2 --batch 1")
        .fails(2, &["v.npy: row 2", "too long", "nothing was added"]);
    assert!(!place.path("a").exists());
    place.cart("add a x.jsonl --vectors v.npy --space w --batch 1").succeeds();
}
