//! Exports that become artifacts again: with their settings, however long, or not at all.

use std::fs;

use crate::support::Place;

/// An artifact that nothing of is set up as `cart add` does by itself.
fn place() -> Place {
    let place = Place::new();
    place.write("schema.json", r#"{"year": {"type": "number", "required": true}}"#);
    place.write(
        "x.jsonl",
        "{\"key\":\"a\",\"text\":\"die alten Häuser\",\"metadata\":{\"year\":1},\"vectors\":{\"v\":[3,4]}}\n\
         {\"key\":\"b\",\"text\":\"x\",\"fields\":{\"abstract\":\"y\"},\"metadata\":{\"year\":2,\"till\":\"2100-01-01\"},\"vectors\":{\"v\":[30,40.5]}}\n",
    );
    let set_up = "--no-meaning --language german --schema schema.json --expires-field till --metric l2 --originals f32 --precompute-similar 2";
    place.cart(&format!("add a x.jsonl {set_up} --field abstract=3 --field title=5")).succeeds();
    place
}

#[test]
fn an_export_is_restored_with_its_settings() {
    let place = place();
    place.text("reindex a --fold-diacritics false");
    let exported = place.text("export a --vectors");
    let first = exported.lines().next().unwrap();
    for said in [
        "\"language\":\"german\"",
        "\"fold_diacritics\":false",
        "\"abstract\":3",
        "\"title\":5",
        "\"l2\"",
        "\"till\"",
        "\"required\":true",
        "\"precompute_similar\":2",
    ] {
        assert!(first.contains(said), "{first}");
    }
    place.write("e.jsonl", &exported);
    assert!(place.text("restore e.jsonl b").starts_with("added 2 records"));
    assert_eq!(place.text("export b --vectors"), exported);
    place.write("q.json", "[3, 4]");
    for artifact in ["a", "b"] {
        assert_eq!(place.found(&format!("{artifact} Haus")), ["a"]);
        let hits = place.json(&format!("search {artifact} --vector-file q.json"))["hits"].clone();
        assert_eq!(hits[0]["score"], 0.0, "{hits}");
        assert_eq!(place.json(&format!("stats {artifact}"))["stats"]["spaces"].as_array().unwrap().len(), 1);
    }
    place
        .cart("restore e.jsonl c --model x")
        .fails(2, &["--model: the texts of this export are not embedded"]);
    assert!(!place.path("c").exists());
    place.write("none.jsonl", "{\"text\":\"no year\"}\n");
    place.cart("add b none.jsonl").fails(1, &["\"year\" is missing"]);
}

#[test]
fn an_export_of_no_record_is_restored() {
    let place = place();
    place.cart("delete a a b").succeeds();
    place.write("e.jsonl", place.text("export a"));
    place.cart("restore e.jsonl b").succeeds();
    assert_eq!(place.text("export b"), place.text("export a"));
    place.write("empty.jsonl", "");
    place.cart("restore empty.jsonl c").fails(3, &["no file has a record in it"]);
    assert!(!place.path("c").exists());
}

#[test]
fn an_export_whose_texts_another_model_embedded_needs_that_model() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"a cat\"}\n");
    place.cart("add a x.jsonl").succeeds();
    let exported = place.text("export a");
    place.write("e.jsonl", &exported);
    place.cart("restore e.jsonl b").succeeds();
    assert_eq!(place.found("b kitten --meaning"), ["a"]);
    place.write("other.jsonl", exported.replacen("\"hash\":\"", "\"hash\":\"ff", 1));
    place.cart("restore other.jsonl c").fails(1, &["embedded by another model", "--model names it"]);
    assert!(!place.path("c").exists());
    place.cart("pack a a.pack").succeeds();
    place.cart("restore a.pack c --model x").fails(2, &["--model: is for exports"]);
}

#[test]
fn an_export_of_a_part_has_no_settings_which_restore_says_and_add_passes_over_them() {
    let place = place();
    let part = place.text("export a --filter '{\"year\": 1}'");
    assert!(part.starts_with("{\"key\":\"a\""), "{part}");
    place.write("part.jsonl", part);
    assert!(
        place
            .text("restore part.jsonl b")
            .contains("has no settings: the artifact is set up as by `cart add`")
    );
    place.write("whole.jsonl", place.text("export a"));
    assert_eq!(place.json("restore part.jsonl from-part")["has_settings"], false);
    assert_eq!(place.json("restore whole.jsonl from-whole")["has_settings"], true);
    assert!(place.text("add c whole.jsonl").starts_with("added 2 records"));
    place.write("v.npy", crate::input::npy("<f4", "(2, 2)", &crate::input::f32s(&[1.0, 2.0, 3.0, 4.0])));
    place.cart("add d whole.jsonl --vectors v.npy --space v").succeeds();
    let newer = place.text("export a").replacen("\"language\"", "\"dialect\":1,\"language\"", 1);
    place.write("newer.jsonl", newer);
    place.cart("restore newer.jsonl e").fails(1, &["newer.jsonl:1: ", "unknown field `dialect`"]);
}

#[test]
fn an_export_by_another_name_is_refused_with_the_endings_of_exports() {
    let place = place();
    place.write("s.exp", place.text("export a"));
    place.cart("restore s.exp b").fails(1, &["s.exp: ", "packed artifact", "ends in .jsonl, .jsonl.zst,"]);
    assert!(!place.path("b").exists());
}

#[test]
fn a_long_export_is_restored_in_several_commits_or_not_at_all() {
    let place = Place::new();
    let blob = "A".repeat(8 << 20);
    let line = |n: u32| format!("{{\"key\":\"{n}\",\"blob\":\"{blob}\"}}\n");
    let lines: String = (0..12).map(line).collect();
    place.write("x.jsonl", &lines);
    let report = place.json("restore x.jsonl a");
    assert_eq!((report["records"].as_u64(), report["commits"].as_u64()), (Some(12), Some(2)));
    assert_eq!(place.records("a"), 12);
    place.write("bad.jsonl", lines + "{\"key\":\"0\",\"text\":\"twice\"}\n");
    place.cart("restore bad.jsonl b").fails(1, &["bad.jsonl:13", "nothing was added"]);
    assert!(!place.path("b").exists());
    fs::create_dir(place.path("c")).unwrap();
    place.cart("restore bad.jsonl c").fails(1, &["bad.jsonl:13"]);
    assert!(fs::read_dir(place.path("c")).map_or(true, |mut files| files.next().is_none()));
}

#[test]
fn a_record_that_is_too_long_for_a_line_is_named_and_left_out_of_an_export() {
    let place = Place::new();
    fs::File::create(place.path("large")).unwrap().set_len(192 << 20).unwrap();
    place.write("x.jsonl", "{\"key\":\"small\",\"text\":\"a cat\"}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.cart("add a large --blob").succeeds();
    let ended = place.cart("export a");
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let said: Vec<&str> = ended.stderr.lines().collect();
    assert!(
        said[0].contains("the record \"large\", 201,326,592 bytes") && said[0].contains("left out"),
        "{said:?}"
    );
    assert!(
        said[1].ends_with(
            "1 record left out, longer than a line that is read back; `cart pack` keeps everything"
        ),
        "{said:?}"
    );
    place.write("e.jsonl", &ended.stdout);
    assert!(place.text("restore e.jsonl b").starts_with("added 1 record"));
}

#[test]
fn an_artifact_that_got_its_expiry_field_later_is_restored_from_its_export() {
    let place = Place::new();
    let line = |key: &str, until: &str| {
        format!("{{\"key\":\"{key}\",\"text\":\"x\",\"metadata\":{{\"until\":\"{until}\"}}}}\n")
    };
    place.write("old.jsonl", line("old", "soon"));
    place.write("new.jsonl", line("new", "2999-01-01") + &line("gone", "2020-01-01"));
    place.cart("add a old.jsonl --no-meaning").succeeds();
    place.cart("add a new.jsonl --expires-field until").succeeds();
    let exported = place.text("export a");
    place.write("e.jsonl", &exported);
    place.cart("restore e.jsonl b").succeeds();
    assert_eq!(place.text("export b"), exported);
    place.cart("add b old.jsonl --upsert").fails(2, &["\"until\", which is not a date"]);
    // What expired since the export was written is gone.
    place.write("e.jsonl", exported.replace("2999", "2019"));
    place.cart("restore e.jsonl c").succeeds();
    assert_eq!(place.records("c"), 1);
}

#[test]
fn more_than_one_commit_holds_is_refused_with_a_batch_that_fits() {
    let place = Place::new();
    let text = "word ".repeat(160);
    let line = |n: u32| format!("{{\"text\":\"{n} {text}\"}}\n");
    place.write("x.jsonl", (0..12_000).map(line).collect::<String>());
    let add = "add a x.jsonl --no-meaning --memory-limit 16MiB";
    let said = place.cart(add).fails(1, &["more than 8388608 bytes in one commit; --batch "]).stderr;
    let batch: u64 = said.split("--batch ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(batch >= 1_000, "{said}");
    place.cart(&format!("{add} --batch {batch}")).succeeds();
    assert_eq!(place.records("a"), 12_000);
}

#[test]
fn damage_that_keeps_an_artifact_from_being_opened_is_exit_code_4_and_what_is_not_there_is_3() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"a cat\"}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.cart("pack a a.pack").succeeds();
    let pack = fs::read(place.path("a.pack")).unwrap();
    place.write("cut.pack", &pack[..pack.len() / 2]);
    for entry in fs::read_dir(place.path("a")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.file_name().unwrap().to_str().unwrap().starts_with("manifest-") {
            fs::write(entry, "no manifest").unwrap();
        }
    }
    for command in ["verify", "doctor", "export", "stats", "search --words cat", "get a"] {
        let (command, arg) = command.rsplit_once(' ').unwrap_or((command, ""));
        place.cart(&format!("{command} a {arg}")).fails(4, &["no copy of the manifest holds"]);
        place.cart(&format!("{command} cut.pack {arg}")).fails(4, &["expected a pack of"]);
    }
    for command in ["embed x.jsonl --model m", "add b x.jsonl --model m", "bench a.pack --compare m"] {
        place.cart(command).fails(3, &["m: there is no such file"]);
    }
}

#[test]
fn an_export_names_embeddings_that_were_lost_and_writes_their_records_without() {
    let place = Place::new();
    let line = |i: usize| format!("{{\"text\":\"note {i}\",\"vectors\":{{\"v\":[{i},1]}}}}\n");
    place.write("x.jsonl", (0..20).map(line).collect::<String>());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.lose_vectors("a");
    let texts = place.cart("export a");
    assert_eq!((texts.code, texts.text().lines().count()), (0, 21));
    let ended = place.cart("export a --vectors");
    assert_eq!(ended.code, 4);
    assert!(ended.stderr.ends_with("a: some records or embeddings could not be read\n"), "{}", ended.stderr);
    assert!(ended.text().lines().skip(1).all(|line| line.contains("note ") && !line.contains("vectors")));
    assert_eq!(ended.text().lines().count(), 21);
    let named = |line: &&str| line.contains("vector space \"v\"") && line.contains("written without");
    assert_eq!(ended.stderr.lines().filter(named).count(), 20, "{}", ended.stderr);
}
