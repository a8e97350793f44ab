//! How hits are written, and what is said when there are none.

use crate::support::Place;
use serde_json::{Value, json};

fn place() -> Place {
    let place = Place::new();
    let lines = [
        json!({"key": "moon", "title": "Apollo", "text": "Men walk on the moon.", "metadata": {"year": 1969, "at": {"place": "moon"}}}),
        json!({"key": "web", "text": "The web is invented.", "metadata": {"year": 1989}}),
        json!({"key": "moons", "text": "Jupiter has many moons.", "metadata": {"year": 1610}}),
    ];
    place.write("x.jsonl", lines.map(|line| format!("{line}\n")).concat());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

#[test]
fn hits_are_a_table_lines_or_what_a_template_says() {
    let place = place();
    let table = place.text("search a --sort year --format table --fields rank,key,year,at.place");
    assert_eq!(
        table,
        "rank  key    year  at.place\n1     moons  1610\n2     moon   1969  moon\n3     web    1989\n"
    );
    let plain = place.text("search a moon --format plain --fields key,year,title");
    assert_eq!(plain, "moons\t1610\t\nmoon\t1969\tApollo\n");
    let default = place.text("search a web --format plain");
    assert!(default.starts_with("1\t") && default.ends_with("\tweb\tThe web is invented.\n"), "{default}");
    let template =
        place.text("search a --sort year:desc --format '{rank}. {key}\\t({year}) {{{title}}} {metadata}'");
    let first = "1. web\t(1989) {} {\"year\":1989}";
    assert_eq!(template.lines().next(), Some(first), "{template}");
    let lines =
        place.cart("search a --sort year --format jsonl --fields id,key,text").succeeds().json_lines();
    assert_eq!((lines.len(), &lines[0]["text"]), (3, &json!("Jupiter has many moons.")));
    let lines = place.cart("search a moon --format jsonl").succeeds().json_lines();
    assert_eq!((&lines[1]["key"], &lines[1]["metadata"]["year"]), (&json!("moon"), &json!(1969)));
    let hits = &place.json("search a moon --fields key,year")["hits"];
    assert_eq!(hits[1], json!({"key": "moon", "year": 1969}));
    let shown = place.text("search a walk --fields year");
    assert!(shown.lines().next().unwrap().ends_with(" year=1969"), "{shown}");
    place.cart("search a moon --format xml").fails(2, &["expected table, plain, jsonl"]);
    place.cart("search a moon --format '{key'").fails(2, &["without its }"]);
    place.cart("search a moon --format '{key}' --fields key").fails(2, &["--fields: a template names"]);
    for other in ["--json", "--total", "--explain", "--facet year"] {
        assert_eq!(place.cart(&format!("search a moon --format table {other}")).code, 2, "{other}");
    }
    assert_eq!(place.cart("--json search a moon --format table").code, 2);
    // A name with a control character does not command the terminal.
    let shown = place.text("search a moon --format '{key}\u{1b}[31m'");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn pages_follow_each_other() {
    let place = place();
    let page = |n: u32| place.found(&format!("a --sort year -k 2 --page {n}"));
    assert_eq!((page(1), page(2)), (vec!["moons".to_owned(), "moon".to_owned()], vec!["web".to_owned()]));
    assert!(place.text("search a --sort year -k 2").ends_with("--page 2 goes on\n"));
    assert!(!place.text("search a --sort year -k 2 --page 2").contains("goes on"));
    for last in ["-k 3", "-k 1 --page 3"] {
        assert!(!place.text(&format!("search a --sort year {last}")).contains("goes on"), "{last}");
    }
    assert_eq!(place.json("search a --sort year -k 2 --page 2")["hits"][0]["rank"], 3);
    place.cart("search a --sort year --page 7").fails(3, &["nothing found", "fewer than are left out"]);
    assert_eq!(place.cart("search a moon --page 0").code, 2);
    assert_eq!(place.cart("search a moon --page 1 --offset 1").code, 2);
}

#[test]
fn what_is_near_is_said_where_nothing_is_found() {
    let place = place();
    let nothing = |args: &str, parts: &[&str]| {
        let ended = place.cart(&format!("search a {args}")).fails(3, &["a: nothing found; "]);
        for part in parts {
            assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        }
    };
    nothing("jupitre", &["no text has \"jupitre\"; near it is \"jupiter\""]);
    nothing("inv zzzzzz", &["near it is \"invented\"", "no text has \"zzzzzz\" or a word near it"]);
    nothing("--syntax title:zupixer", &["nothing found; no text has \"zupixer\" or a word near it\n"]);
    nothing("--syntax zupixer~1^2", &["nothing found; no text has \"zupixer\" or a word near it\n"]);
    nothing("--syntax '+moon +web'", &["texts have the words, but none as the query wants them"]);
    for no_word in ["...", "👍", "--syntax 👍"] {
        let ended = place.cart(&format!("search a {no_word}")).fails(3, &["a: nothing found"]);
        assert!(!ended.stderr.contains("texts have the words"), "{ended:?}");
    }
    nothing("--filter '{\"yaer\":1969}'", &["no record has the field \"yaer\"; near it is \"year\""]);
    nothing("--filter '{\"colour\":1}'", &["no record has the field \"colour\""]);
    nothing("--filter '{\"at.plase\":\"moon\"}'", &["near it is \"at.place\""]);
    nothing("--filter '{\"year\":7}'", &["no record matches the filter"]);
    nothing(
        "web --filter '{\"year\":1969}'",
        &["the filter lets records through, but none of them has the words"],
    );
    nothing("moon --min-score 1000", &["the best hit has a score of", "below 1000"]);
    let near = place.cart("search a jupitre --json").json()["near"].clone();
    assert_eq!(near, json!(["no text has \"jupitre\"; near it is \"jupiter\""]));
    assert_eq!(place.json("search a moon")["near"], json!([]));
    place.cart("delete a --filter '{}'").succeeds();
    nothing("moon", &["the artifact is empty"]);
}

#[test]
fn what_would_be_deleted_is_said_and_nothing_is() {
    let place = place();
    let told = place.text("delete a --filter '{\"year\":{\"$gt\":1900}}' --dry-run");
    assert_eq!(told, "would delete 2 records\n  moon\n  web\n");
    let report: Value = place.json("delete a web --dry-run");
    assert_eq!(report["would_delete"], 1);
    place.cart("delete a nobody --dry-run").fails(3, &["there is no record"]);
    place.cart("delete a --filter '{\"year\":7}' --dry-run").fails(3, &["no record matches"]);
    assert_eq!(place.records("a"), 3);
    assert_eq!(place.cart("delete a web --yes").code, 2);
    assert_eq!(place.cart("delete a --filter {} --yes --dry-run").code, 2);
    let many: String = (0..12)
        .map(|i| json!({"key": format!("k{i}"), "text": "x", "metadata": {"n": 1}}).to_string() + "\n")
        .collect();
    place.cart_with("add a --jsonl -", many.as_bytes()).succeeds();
    assert!(place.text("delete a --filter '{\"n\":1}' --dry-run").ends_with("  k9\n  and 2 others\n"));
    // Beside a writer.
    let writer = compact_artifact::CompactArtifact::open(place.path("a")).unwrap();
    place.cart("delete a web --dry-run").succeeds();
    drop(writer);
    // Nobody is asked outside of a terminal.
    assert!(place.text("delete --help").contains("{} is every record"));
    assert_eq!(place.json("delete a --filter '{}'")["deleted"], 15);
}

#[test]
fn strings_are_sorted_by_their_first_256_bytes_as_help_says() {
    let place = Place::new();
    let help = place.text("search --help").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(
        "Strings are sorted by their first 256 bytes: longer ones that begin alike come in no order"
    ));
    assert!(help.contains("strings are compared by their first 256 bytes"));
    let at = |len: usize, end: &str| format!("{}{end}", "s".repeat(len));
    let values = [at(255, "b"), at(256, "3"), at(255, "a"), at(256, "1"), at(300, "2"), at(256, "")];
    let line = |(key, value): (usize, &String)| {
        format!("{}\n", json!({ "key": key.to_string(), "text": "x", "metadata": { "s": value } }))
    };
    place.write("s.jsonl", values.iter().enumerate().map(line).collect::<String>());
    place.cart("add s s.jsonl --no-meaning").succeeds();
    let mut found = place.found("s --sort s");
    found[3..].sort_unstable();
    assert_eq!(found, ["2", "0", "5", "1", "3", "4"]);
    let facet = &place.json("search s --facet s")["facets"][0];
    let counted: Vec<&str> =
        facet["counts"].as_array().unwrap().iter().filter_map(|count| count["value"].as_str()).collect();
    assert!(values.iter().all(|value| counted.contains(&value.as_str())), "facets tell them apart");
}

#[test]
fn of_a_word_of_more_than_255_bytes_the_first_255_count_as_help_says() {
    let place = Place::new();
    let help = place.text("search --help").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(
        "Of a word of more than 255 bytes in lower case and without diacritics the first 255 of these count"
    ));
    let word = |len: usize, end: &str| format!("{}{end}", "w".repeat(len));
    place.write("w.jsonl", format!("{{\"key\":\"long\",\"text\":\"a {} b\"}}\n", word(300, "x")));
    place.cart("add w w.jsonl --no-meaning").succeeds();
    for asked in
        [word(300, "x"), word(255, ""), word(400, "y"), word(300, "*"), word(255, "~"), word(254, "~")]
    {
        assert_eq!(place.found(&format!("w --syntax {asked}")), ["long"], "{asked}");
    }
    assert!(place.found(&format!("w {}", word(254, ""))).is_empty());
}

#[test]
fn a_key_that_looks_like_a_number_is_shown_as_it_is_typed() {
    let place = Place::new();
    place.write("x.jsonl", "{\"text\":\"a cat\"}\n{\"key\":\"#0\",\"text\":\"a dog\"}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let told = place.text("delete a ##0 --dry-run");
    assert_eq!(told, "would delete 1 record\n  ##0\n");
    assert_eq!(place.text("delete a #0 --dry-run"), "would delete 1 record\n  #0\n");
    let hits = place.text("search a dog");
    assert!(hits.lines().next().unwrap().contains("  ##0 #1"), "{hits}");
    assert_eq!(place.text("search a dog --format table --fields key,id"), "key  id\n##0  1\n");
    assert!(place.text("get a ##0").starts_with("##0 #1\n"));
    // Programs get it as it is.
    assert_eq!(place.text("search a dog --format '{key}'"), "#0\n");
    assert_eq!(place.found("a dog"), ["#0"]);
}

#[test]
fn a_name_of_what_is_shown_is_not_empty() {
    let place = place();
    for fields in ["--fields key,,id", "--fields=", "--format '{key}{}'", "--format '{ }'"] {
        place.cart(&format!("search a moon {fields}")).fails(2, &["the name of a field, found an empty one"]);
    }
}

#[test]
fn a_field_with_a_colon_can_be_named_and_messages_say_how() {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"key\":\"x\",\"text\":\"one\",\"metadata\":{\"a:b\":2}}\n{\"key\":\"y\",\"text\":\"two\",\"metadata\":{\"a:b\":1}}\n",
    );
    place.cart("add a x.jsonl --no-meaning").succeeds();
    assert_eq!(place.found("a --sort a:b:asc"), ["y", "x"]);
    assert_eq!(place.found("a --filter {} --group a:b:1").len(), 2);
    assert_eq!(place.json("search a --facet a:b:")["facets"][0]["distinct"], 2);
    for (option, said) in [("--sort", "a:b:asc"), ("--group", "a:b:1"), ("--facet", "a:b: counts")] {
        let ended = place.cart(&format!("search a {option} a:b"));
        let said = format!("of a field with a colon, {said}");
        assert!(ended.code == 2 && ended.stderr.contains(&said), "{ended:?}");
    }
}
