//! What a command line takes and says, in its own words.

use crate::support::Place;

fn place() -> Place {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"one\"}\n{\"key\":\"b\",\"text\":\"two\"}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

#[test]
fn a_file_in_the_place_of_an_artifact_is_called_what_it_is() {
    let place = place();
    for command in ["add x.jsonl x.jsonl", "compact x.jsonl", "delete x.jsonl a"] {
        place.cart(command).fails(1, &["x.jsonl: this is a file, and no packed artifact"]);
    }
    place.cart("pack a p").succeeds();
    for command in ["add p x.jsonl", "compact p", "delete p a"] {
        place.cart(command).fails(1, &["p: a packed artifact cannot be written to; `cart restore`"]);
    }
}

#[test]
fn a_number_beyond_float32_is_not_called_infinite() {
    let place = place();
    let rows: Vec<u8> = [1.0f64, 1e300, 0.0, 1.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    place.write("v.npy", crate::input::npy("<f8", "(2, 2)", &rows));
    place
        .cart("add b x.jsonl --vectors v.npy --space v --no-meaning")
        .fails(1, &["v.npy", "row 0: number 1 is 1e300, beyond the range of float32"]);
    let rows: Vec<u8> =
        [1.0, f64::INFINITY, 0.0, 1.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    place.write("v.npy", crate::input::npy("<f8", "(2, 2)", &rows));
    place
        .cart("add b x.jsonl --vectors v.npy --space v --no-meaning")
        .fails(1, &["v.npy: row 0: number 1 is not finite"]);
}

#[test]
fn the_help_of_sync_says_what_is_skipped() {
    assert!(
        Place::new()
            .text("add --help")
            .contains("keys of their own are skipped: .jsonl (.jsonl.zst, .ndjson), .csv")
    );
}

#[test]
fn the_help_of_a_command_that_writes_does_not_offer_a_packed_file() {
    let place = Place::new();
    for command in ["compact", "delete", "reembed", "reindex"] {
        let help = place.text(&format!("{command} --help"));
        assert!(help.contains("The artifact, a folder\n") && !help.contains("packed file"), "{help}");
    }
    assert!(place.text("search --help").contains("The artifact: a folder, or a packed file"));
}

#[test]
fn a_space_is_for_vectors_that_are_given() {
    let place = place();
    let said =
        place.cart("search a one --meaning --space v").fails(2, &["--space", "--vector-file or --like"]);
    assert!(!said.stderr.contains("meaning"), "{said:?}");
}

#[test]
fn a_least_score_is_taken_as_scores_are_printed() {
    let place = place();
    for score in ["-1e-5", "-0.5", "1e-9", "-inf"] {
        assert_eq!(place.found(&format!("a one --words --min-score {score}")), ["a"]);
    }
    place.cart("search a one --min-score --words").fails(2, &["--min-score"]);
}

#[test]
fn what_the_library_refuses_is_said_by_the_names_of_the_command_line() {
    let place = place();
    place.cart("search a --filter '{}' --min-score 1").fails(2, &["--min-score would have no effect"]);
    place.cart("search a one --words --min-score NaN").fails(2, &["--min-score: expected a number"]);
    place.cart("search a one --words --recall 2").fails(2, &["--recall"]);
    place.cart("search a one --words --candidates 20").fails(2, &["--candidates"]);
    for command in ["add b x.jsonl --language xx", "reindex a --language xx"] {
        place.cart(command).fails(2, &["expected none or one of", "english"]);
    }
}

#[test]
fn a_record_that_is_upserted_twice_is_added_once() {
    let place = place();
    place.write(
        "twice.jsonl",
        "{\"key\":\"c\",\"text\":\"1\"}\n{\"key\":\"c\",\"text\":\"2\"}\n{\"text\":\"3\"}\n",
    );
    assert!(place.text("add b twice.jsonl --upsert --no-meaning").starts_with("added 2 records"));
    assert_eq!(place.records("b"), 2);
}

#[test]
fn a_count_of_one_has_one_noun() {
    let place = place();
    place.write("one.jsonl", "{\"key\":\"a\",\"text\":\"one\",\"vectors\":{\"v\":[1]}}\n");
    place.cart("add one one.jsonl --no-meaning").succeeds();
    assert!(place.text("stats one").contains(" for 1 in \"v\" (1 dimension, "));
    assert!(place.text("salvage one saved").starts_with("kept 1 record in saved\n"));
    assert!(place.text("reindex one --language german").ends_with("(1 index)\n"));
    place.write("q.json", "[1, 2]");
    place
        .cart("search one --vector-file q.json")
        .fails(2, &["q.json: a vector of 2 numbers; the space \"v\" has 1 dimension\n"]);
    place.write("line.npy", crate::input::npy("<f4", "(2,)", &[0; 8]));
    place.cart("search one --vector-file line.npy").fails(1, &["an array of 1 dimension; expected two"]);
    place.write("row.npy", crate::input::npy("<f4", "(1, 2)", &[0, 0, 0, 63, 0, 0, 0, 63]));
    place
        .cart("add b x.jsonl --vectors row.npy --space v --no-meaning")
        .fails(1, &["row.npy: 1 row of vectors for 2 records in x.jsonl; expected one for each"]);
    place.write("texts", "one\n");
    let said = place.text("embed texts --out e.npy");
    assert!(said.starts_with("wrote 1 vector of ") && said.ends_with(" values to e.npy\n"), "{said}");
}

#[test]
fn json_that_is_nothing_has_no_column() {
    let place = place();
    place.write("empty.json", "");
    let said = place.cart("schema a --set empty.json").fails(2, &["expected a value, found nothing"]).stderr;
    assert!(!said.contains("column"), "{said}");
}
