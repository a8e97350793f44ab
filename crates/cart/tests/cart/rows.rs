//! Rows of tables, and of JSONL of any shape.

use crate::support::Place;
use serde_json::{Value, json};

const BOOKS: &str = "id,title,body,year,isbn,lent\n\
    1,Moby Dick,\"A whale, \"\"white\"\"\nas snow.\",1851,0001,true\n\
    2,Nautilus,A squid.,1870,0002,\n";

#[test]
fn rows_of_a_table_are_records() {
    let place = Place::new();
    place.write("books.csv", BOOKS);
    place.write("books.tsv", "text\tyear\nA tab, and no comma.\t1999\n");
    place.cart("add a books.csv --key-field id --text-field body --field title").succeeds();
    let book = place.json("get a 1");
    assert_eq!(book["text"], "A whale, \"white\"\nas snow.");
    assert_eq!(book["title"], "Moby Dick");
    assert_eq!(book["metadata"], json!({"year": 1851, "isbn": "0001", "lent": true}));
    assert_eq!(place.json("get a 2")["metadata"], json!({"year": 1870, "isbn": "0002"}));
    assert_eq!(place.found("a --syntax title:nautilus"), ["2"]);
    assert_eq!(place.found("a --filter '{\"year\":{\"$lt\":1860}}'"), ["1"]);
    place.cart("add b books.tsv").succeeds();
    let rows = place.cart("export b").succeeds().records();
    assert_eq!(rows, [json!({"text": "A tab, and no comma.", "metadata": {"year": 1999}})]);
    // As Excel writes it.
    place.write("latin.csv", b"key,text\nsi,Stra\xdfe und \xc4pfel\n");
    place.cart("add c latin.csv").succeeds();
    assert_eq!(place.found("c \u{e4}pfel --words"), ["si"]);
}

#[test]
fn tables_that_cannot_be_say_where() {
    let place = Place::new();
    place.write("x.csv", BOOKS);
    place.write("short.csv", "text,n\na,1\nb\n");
    place.write("none.csv", "text,n\na,1\n,2\n");
    place.cart("add a x.csv").fails(2, &["x.csv: no column \"text\"", "--text-field", "id, title, body"]);
    place.cart("add a x.csv --text-field bodi").fails(2, &["no column \"bodi\", which --text-field names"]);
    place.cart("add a x.csv --text-field body --key-field key").fails(2, &["no column \"key\""]);
    place.cart("add a short.csv").fails(1, &["short.csv:3: a row of 1 value; expected 2"]);
    place.cart("add a none.csv").fails(1, &["none.csv:3: no \"text\"", "nothing was added"]);
    place.cart("add a x.csv --text-field body --key-field lent").succeeds();
    place.write("t.txt", "text\n");
    place.cart("add b t.txt --key-field id").fails(2, &["--key-field: no file is JSONL or a table"]);
    assert!(!place.path("b").exists());
}

#[test]
fn lines_of_any_shape_are_records() {
    let place = Place::new();
    let line = json!({"id": 17, "body": "men walk", "title": "Moon", "by": "nasa", "tags": ["x"], "at": {"y": 1969}});
    place.write("x.jsonl", format!("{line}\n"));
    place.cart("add a x.jsonl").fails(1, &["unknown field `at`", "--text-field"]);
    place.cart("add a x.jsonl --key-field id --text-field body --field title --field by=3").succeeds();
    let found = place.json("get a 17");
    assert_eq!((&found["title"], &found["fields"]), (&json!("Moon"), &json!({"by": "nasa"})));
    assert_eq!(place.json("get a 17")["metadata"], json!({"tags": ["x"], "at": {"y": 1969}}));
    assert_eq!(place.found("a --syntax by:nasa"), ["17"]);
    place.write("y.jsonl", "{\"body\":\"x\"}\n[1]\n");
    place.cart("add a y.jsonl --text-field body").fails(1, &["y.jsonl:2: expected an object"]);
    place.cart("add a y.jsonl --text-field text").fails(1, &["y.jsonl:1: no \"text\""]);
}

#[test]
fn rows_without_a_key_are_added_beside_those_that_are_replaced() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"one\"}\n{\"text\":\"none\"}\n");
    place.cart("add a x.jsonl").succeeds();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"two\"}\n{\"text\":\"more\"}\n");
    place.cart("add a x.jsonl --upsert").succeeds();
    let lines = place.cart("export a").succeeds().records();
    let texts: Vec<&Value> = lines.iter().map(|line| &line["text"]).collect();
    assert_eq!(texts, ["none", "two", "more"]);
}
