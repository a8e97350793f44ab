//! Pages of what was found, and what of a record fits into an answer.

use serde_json::{Value, json};

use super::Server;
use crate::support::Place;

/// As many records with the word `cat` and a number, and a server of them.
fn cats(records: u32, options: &str) -> (Place, Server) {
    let place = Place::new();
    let line = |n: u32| format!("{}\n", json!({"text": format!("cat {n}"), "metadata": {"n": n}}));
    place.write("x.jsonl", (0..records).map(line).collect::<String>());
    place.cart(&format!("add a x.jsonl {options}")).succeeds();
    let server = Server::initialized(&place, "a --max-answer 256KiB");
    (place, server)
}

fn notes(answer: &Value) -> String {
    answer.get("notes").map(ToString::to_string).unwrap_or_default()
}

#[test]
fn each_next_offset_of_what_is_sorted_by_meaning_is_answered_and_a_note_says_where_it_ends() {
    let (_place, mut server) = cats(131, "");
    for k in [100, 30, 7] {
        let (mut offset, mut seen) = (json!(0), 0);
        let last = loop {
            let asked = json!({"text": "cats", "order_by": "n", "k": k, "offset": offset});
            let page = server.call("search", asked).unwrap();
            seen += page["hits"].as_array().unwrap().len();
            match page.get("next_offset") {
                Some(next) => offset = next.clone(),
                None => break page,
            }
        };
        assert_eq!((seen, &last["total"]), (100, &json!(131)), "{k}");
        assert!(notes(&last).contains("only the best 100 are sorted"), "{last}");
    }
    let beyond = json!({"text": "cats", "order_by": "n", "offset": 100});
    let error = server.call("search", beyond).unwrap_err();
    assert!(error.contains("`offset`: expected less than 100 beside `text` and `order_by`"), "{error}");
    assert!(!error.contains("--") && !error.contains("candidates"), "{error}");
    let by_words = server.call("search", json!({"words": "cat", "order_by": "n", "offset": 100})).unwrap();
    assert_eq!((by_words["hits"][0]["metadata"]["n"].clone(), notes(&by_words)), (json!(100), String::new()));
}

#[test]
fn no_next_offset_is_beyond_what_can_be_asked_for() {
    let (_place, mut server) = cats(10_300, "--no-meaning");
    let mut page =
        |offset: u32| server.call("search", json!({"words": "cat", "k": 100, "offset": offset})).unwrap();
    let last = page(9_990);
    assert_eq!((last["hits"].as_array().unwrap().len(), last.get("next_offset")), (100, None));
    assert!(notes(&last).contains("`offset` goes to 10000"), "{}", notes(&last));
    let before = page(9_900);
    assert_eq!((&before["next_offset"], notes(&before)), (&json!(10_000), String::new()));
}

#[test]
fn texts_that_do_not_fit_into_an_answer_are_named_and_those_that_do_are_there() {
    let place = Place::new();
    let texts = json!({"abstract": "a".repeat(5_000), "title": "A cat"});
    let line = json!({"key": "k", "text": "x", "fields": texts, "metadata": {"n": 1}});
    place.write("x.jsonl", line.to_string());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let mut server = Server::initialized(&place, "a");
    let answer = server.call("get", json!({"key": "k"})).unwrap();
    assert_eq!(answer["text_fields"], json!({"title": "A cat"}));
    assert_eq!(answer["omitted_fields"], json!(["abstract"]));
    let named = server.call("get", json!({"key": "k", "fields": ["abstract"]})).unwrap();
    assert_eq!(named["metadata"]["abstract"], texts["abstract"]);
}

#[test]
fn a_slip_in_the_fields_of_get_is_said_in_a_note() {
    let (_place, mut server) = cats(1, "--no-meaning --field note");
    let answer = server.call("get", json!({"id": 0, "fields": ["n", "zz", "note"]})).unwrap();
    assert_eq!(answer["metadata"], json!({"n": 0}));
    assert_eq!(answer["notes"], json!(["no record has metadata \"zz\""]));
    assert!(server.call("get", json!({"id": 0, "fields": ["n"]})).unwrap().get("notes").is_none());
}
