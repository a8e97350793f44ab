//! What would have no effect is refused, and messages say where and what.

use std::fs;

use crate::support::Place;

fn place() -> Place {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"key\":\"k\",\"text\":\"one\",\"metadata\":{\"year\":1,\"g\":\"x\",\"at\":\"0000-01-01T00:00:00+02:00\"}}\n",
    );
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

#[test]
fn an_option_that_would_have_no_effect_is_refused() {
    let place = place();
    place.cart("search a --sort year --sort year:desc").fails(2, &["--sort", "\"year\" is named twice"]);
    place.cart("search a one --words --strict").fails(2, &["--strict: no field is named"]);
    place.cart("search a --facet g:10").fails(2, &["--facet", "\"g\" are no numbers; --facet g"]);
    place.cart("search a --facet year:month").fails(2, &["--facet", "\"year\" are no dates"]);
    for counted in ["g", "year:10", "at:month", "nobody:10"] {
        place.cart(&format!("search a --facet {counted}")).succeeds();
    }
    // Among these records no value is a number, but among others some are.
    place.write("n.jsonl", "{\"text\":\"two\",\"metadata\":{\"g\":7}}\n");
    place.cart("add a n.jsonl").succeeds();
    place.cart("search a one --words --facet g:10").succeeds();
    place.write("rows.jsonl", "{\"id\":1,\"text\":\"one\"}\n{\"id\":2,\"text\":\"two\"}\n");
    place
        .cart("add b rows.jsonl --key-field nope")
        .fails(2, &["rows.jsonl: no line has \"nope\", which --key-field names"]);
    place.cart("add b rows.jsonl --field x=1 --field x=2").fails(2, &["--field: \"x\" is named twice"]);
    assert!(!place.path("b").exists());
    place.cart("add b rows.jsonl --key-field id --no-meaning").succeeds();
    place.write("words.jsonl", "{\"text\":\"one\",\"vectors\":{\"words\":[1,2]}}\n");
    place.cart("add c words.jsonl").fails(2, &["the name of the list of words"]);
    assert!(!place.path("c").exists());
}

#[test]
fn clauses_of_a_search_that_make_each_other_void_are_refused() {
    let place = place();
    let line = |key| format!("{{\"key\":\"{key}\",\"text\":\"one\",\"vectors\":{{\"v\":[1,0]}}}}\n");
    place.write("m.jsonl", line("m") + &line("n"));
    place.cart("add m m.jsonl").succeeds();
    place.write("q.json", "[1,0]");
    let model =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../text-embedder/model/english-256.model");
    let model = format!("--model {}", model.display());
    for other in ["one --words", "one --syntax", "one --vector-file q.json", "--like m", "--filter '{}'"] {
        place
            .cart(&format!("search m {other} {model}"))
            .fails(2, &["--model: nothing is searched by meaning"]);
        place.cart(&format!("search m {other}")).succeeds();
    }
    for other in ["one", "one --meaning", "one --meaning --vector-file q.json"] {
        place.cart(&format!("search m {other} {model}")).succeeds();
    }
    for blank in ["' '", "' ' --words", "' ' --syntax", "' ' --meaning", "' ' --like m"] {
        place.cart(&format!("search m {blank} --filter '{{}}'")).fails(2, &["the text is blank"]);
    }
    place.cart("search m --filter '{}' --min-score 0.5").fails(2, &["--min-score would have no effect"]);
}

#[test]
fn messages_say_where_and_what() {
    let place = place();
    let name = "n".repeat(300);
    place.write(
        "f.jsonl",
        format!("{{\"text\":\"one\"}}\n{{\"text\":\"one\",\"fields\":{{\"{name}\":\"x\"}}}}\n"),
    );
    place.cart("add b f.jsonl --no-meaning").fails(2, &["f.jsonl:2: ", "nothing was added"]);
    place.cart("similar a k").fails(2, &["\"meaning\"; the artifact has none"]);
    place.cart("shell nope").fails(3, &["nope: there is no artifact here; `add` creates one"]);
    place.cart("shell a").succeeds();
    for command in ["pack a x.jsonl", "salvage a a", "restore p a"] {
        if command.starts_with("restore") {
            place.cart("pack a p").succeeds();
        }
        place.cart(command).fails(1, &["or remove it, if it was left by a command that was killed"]);
    }
    assert!(fs::metadata(place.path("x.jsonl")).is_ok());
}

#[test]
fn dates_that_are_shown_can_be_asked_for() {
    let place = place();
    let found = place.json("search a --facet at:year --facet at");
    assert_eq!(found["facets"][0]["counts"][0]["value"], "0000");
    let least = found["facets"][0]["min"].as_str().unwrap().to_owned();
    let filter = format!("--filter '{{\"at\": {{\"$lte\": {{\"$date\": \"{least}\"}}}}}}'");
    assert_eq!(place.found(&format!("a {filter}")), ["k"]);
}

#[test]
fn every_command_that_takes_a_limit_of_memory_obeys_it() {
    let place = place();
    let help = place.text("--help");
    let names = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let with_limit = names.filter(|name| name.chars().all(char::is_alphabetic) && *name != "help");
    let with_limit: Vec<&str> = with_limit
        .filter(|name| place.cart(&format!("{name} --help")).text().contains("--memory-limit"))
        .collect();
    assert!(with_limit.len() > 10, "{with_limit:?}");
    for name in with_limit {
        let more = match name {
            "add" => "x.jsonl",
            "search" => "one",
            "get" | "similar" | "delete" => "k",
            "pack" | "salvage" => "new",
            "reindex" => "--language de",
            _ => "",
        };
        place
            .cart(&format!("{name} a {more} --memory-limit 1"))
            .fails(2, &["--memory-limit: expected at least"]);
    }
}

#[test]
fn what_would_be_passed_over_is_refused() {
    let place = place();
    place.write("t.txt", "a text");
    place.cart_with("add b - t.txt - --no-meaning", b"another").fails(2, &["- is named twice"]);
    assert!(!place.path("b").exists());
    place.cart("doctor a --query ' '").fails(2, &["--query", "the text is blank"]);
    place.cart("pack a p").succeeds();
    for how in ["", "--dry-run"] {
        place.cart(&format!("delete p k {how}")).fails(1, &["p: a packed artifact cannot be written to"]);
    }
}
