//! Texts that are found by what they mean.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Ended, Place};

const ANIMALS: &str = r#"{"key":"cat","text":"a small feline that purrs"}
{"key":"ship","text":"a large vessel that crosses the ocean"}
{"key":"doctor","text":"a physician who treats patients in a hospital"}
{"key":"king","text":"the monarch of a country"}
{"key":"snow","text":"frozen water that falls from the sky in winter"}
"#;

/// A model of model2vec with four words, two of which mean the same.
pub(crate) fn write_model(place: &Place, folder: &str, id: &str) {
    let words = ["[UNK]", "cat", "feline", "ship", "vessel"];
    let rows: [[f32; 2]; 5] = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]];
    let vocabulary = words.iter().enumerate().fold(String::new(), |mut json, (at, word)| {
        write!(json, "{}\"{word}\":{at}", if at == 0 { "" } else { "," }).unwrap();
        json
    });
    let tokenizer = format!(
        r###"{{"version":"1.0","added_tokens":[],"normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}},"pre_tokenizer":{{"type":"BertPreTokenizer"}},"model":{{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{{{vocabulary}}}}}}}"###
    );
    place.write(&format!("{folder}/tokenizer.json"), tokenizer);
    place.write(
        &format!("{folder}/config.json"),
        format!(r#"{{"model_id":"{id}","hidden_dim":2,"normalize":true}}"#),
    );
    let header = r#"{"embeddings":{"dtype":"F32","shape":[5,2],"data_offsets":[0,40]}}"#;
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend(header.as_bytes());
    tensors.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    place.write(&format!("{folder}/model.safetensors"), tensors);
}

#[test]
fn a_text_is_found_by_what_it_means_and_by_its_words() {
    let place = Place::new();
    place.write("x.jsonl", ANIMALS);
    place.cart("add a x.jsonl").succeeds();
    for (asked, key) in
        [("a cat", "cat"), ("boat at sea", "ship"), ("medicine", "doctor"), ("royal ruler", "king")]
    {
        assert_eq!(place.found(&format!("a {asked} -k 1")), [key], "{asked}");
        assert_eq!(place.found(&format!("a {asked} --meaning -k 1")), [key], "{asked}");
        assert_eq!(place.found(&format!("a {asked} --words")), Vec::<String>::new(), "{asked}");
    }
    assert_eq!(place.found("a purrs --words"), ["cat"]);
    // What the model does not know is still a word.
    place
        .cart_with("add a --jsonl -", "{\"key\":\"odd\",\"text\":\"\u{10480}\u{10481}\"}".as_bytes())
        .succeeds();
    assert_eq!(place.found("a \u{10480}\u{10481} -k 1"), ["odd"]);
    let similar = place.json("similar a cat -k 2");
    assert_eq!(similar["hits"].as_array().unwrap().len(), 2);
    place.cart("similar a nobody").fails(3, &["there is no record"]);
    let stats = place.json("stats a");
    assert_eq!(stats["stats"]["spaces"][0]["name"], "meaning");

    place.cart("add b x.jsonl --no-meaning").succeeds();
    assert_eq!(place.found("b a cat purrs"), ["cat"], "by words alone");
    place.cart("search b cat --meaning").fails(2, &["not embedded", "--words"]);
    place.cart("add b x.jsonl --upsert --no-meaning").fails(2, &["--no-meaning"]);
    place.cart("search b ' '").fails(2, &["nothing to search for"]);
    place.cart("search b cat --meaning --words").fails(2, &["--meaning"]);
}

#[test]
fn a_model_that_came_with_an_add_that_failed_is_not_kept() {
    let place = Place::new();
    place.write("x.jsonl", ANIMALS);
    place.write("bad.jsonl", ANIMALS.to_owned() + "{}");
    write_model(&place, "tiny", "tiny-1");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let before = place.text("export a");
    place.cart("add a bad.jsonl --upsert --model tiny").fails(1, &["bad.jsonl:", "nothing was added"]);
    assert_eq!(place.text("export a"), before);
    assert!(place.text("stats a --json").contains("\"spaces\":[]"));
}

#[test]
fn another_model_serves_where_it_is_named_and_only_for_what_it_embedded() {
    let place = Place::new();
    place.write("x.jsonl", ANIMALS);
    write_model(&place, "tiny", "tiny-1");
    write_model(&place, "other", "tiny-2");
    place.cart("add a x.jsonl --model tiny").succeeds();
    assert_eq!(place.found("a cat --model tiny -k 1"), ["cat"]);
    assert_eq!(place.found("a cat --model tiny --meaning -k 1"), ["cat"]);
    let warned = place.cart("search a feline");
    assert!(warned.code == 0 && warned.stderr.contains("by words only"), "{warned:?}");
    place.cart("search a feline --words").succeeds();
    place.cart("search a feline --meaning").fails(2, &["tiny-1", "--model"]);
    place.cart("search a feline --model other").fails(2, &["tiny-1", "tiny-2"]);
    place.cart("search a feline --model none").fails(3, &["--model none"]);
    place.cart("search a feline --model x.jsonl").fails(1, &["--model x.jsonl"]);
    place.cart("add b x.jsonl --model other/config.json").fails(1, &["--model"]);
    assert!(!place.path("b").exists());
}

#[test]
fn texts_that_are_added_without_the_model_are_counted_and_it_is_named() {
    let place = Place::new();
    place.write("x.jsonl", ANIMALS);
    write_model(&place, "tiny", "tiny-1");
    place.cart("add a x.jsonl --model tiny").succeeds();
    let given = "{\"key\":\"given\",\"text\":\"a ship\",\"vectors\":{\"meaning\":[0,1]}}\n{\"key\":\"b\",\"blob\":\"AAH/\"}\n";
    place.write(
        "y.jsonl",
        format!("{given}{{\"key\":\"cat\",\"text\":\"a cat\"}}\n{{\"text\":\"a vessel\"}}\n"),
    );
    for option in ["--upsert", "--upsert --batch 1"] {
        let ended = place.cart(&format!("add a y.jsonl {option} --json"));
        let said = [
            "cart: 2 texts added without an embedding",
            "\"tiny-1\"",
            "--model names it",
            "`cart reembed --model`",
        ];
        assert!(ended.code == 0 && said.iter().all(|said| ended.stderr.contains(said)), "{ended:?}");
        assert_eq!(format!("cart: {}\n", ended.json()["warning"].as_str().unwrap()), ended.stderr);
    }
    assert!(place.json("add a x.jsonl --upsert --model tiny")["warning"].is_null());
    place.write("z.jsonl", given);
    assert!(place.json("add a z.jsonl --upsert")["warning"].is_null());
    place.write("n/a.txt", "a cat");
    assert!(place.cart("add a n --sync").stderr.contains("1 text added without an embedding"));
    assert_eq!(place.json("reembed a --model tiny")["embedded"], 3);
}

#[test]
fn an_artifact_moves_to_another_model() {
    let place = Place::new();
    place.write("x.jsonl", ANIMALS);
    write_model(&place, "tiny", "tiny-1");
    place.cart("add a x.jsonl --model tiny").succeeds();
    let report = place.json("reembed a");
    assert_eq!((&report["embedded"], &report["without"]), (&5.into(), &0.into()));
    assert!(report["warning"].is_null());
    assert_eq!(place.found("a medicine --meaning -k 1"), ["doctor"]);
    place.cart("search a cat --model tiny").fails(2, &["tiny-1"]);
    assert_eq!(place.json("reembed a")["embedded"], 0);
    let shown = place.text("reembed a --model tiny");
    assert!(shown.starts_with("embedded 2 texts by tiny-1 in ") && shown.contains("3 in which"), "{shown}");
    assert_eq!(place.found("a vessel --meaning --model tiny -k 1"), ["ship"]);

    // What was given for a blob, no model makes again.
    place.write("y.jsonl", "{\"key\":\"blob\",\"blob\":\"AAH/\",\"vectors\":{\"meaning\":[0,1]}}\n");
    place.cart("add a y.jsonl --model tiny").succeeds();
    let refused = place.cart("reembed a");
    assert!(refused.code == 1 && !refused.stderr.contains("goes on from there"), "{refused:?}");
    assert!(
        refused.stderr.contains("for 1 records that are no texts")
            && refused.stderr.contains("--lose-given lets them go")
    );
    assert_eq!(place.found("a vessel --meaning --model tiny -k 1"), ["ship"]);
    assert_eq!(place.json("reembed a --lose-given")["given"], 1);
    assert_eq!(place.json("reembed a")["given"], 0);

    // Texts that were added without any model.
    place.cart("add b x.jsonl --no-meaning").succeeds();
    assert_eq!(place.json("reembed b")["embedded"], 5);
    assert_eq!(place.found("b medicine --meaning -k 1"), ["doctor"]);
    place.cart("reembed b --model none").fails(3, &["--model none"]);
    place.cart("reembed none").fails(3, &["none"]);
    place.cart("pack b b.pack").succeeds();
    place.cart("reembed b.pack").fails(1, &["cart restore"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_move_says_how_many_texts_are_left_and_goes_on() {
    const TEXTS: u64 = 30_000;
    let place = Place::new();
    let lines = (0..TEXTS).fold(String::new(), |lines, i| lines + &format!("{{\"text\":\"ship {i}\"}}\n"));
    place.write("x.jsonl", lines);
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let mut command = Command::new("env");
    command
        .args(["--default-signal", env!("CARGO_BIN_EXE_cart"), "reembed", "a"])
        .current_dir(place.path("."));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let is_watching = |child: &Child| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() & 2 != 0
    };
    while !is_watching(&child) && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(30));
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
    let ended = Ended::of(child.wait_with_output().unwrap());
    ended.fails(130, &["texts are left", "goes on from there"]);
    let rest = place.json("reembed a")["embedded"].as_u64().unwrap();
    assert!(rest > 0 && rest <= TEXTS, "{rest}");
    let found = place.json("search a vessel --meaning -k 2");
    assert_eq!(found["hits"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_similar_can_be_stored() {
    let place = Place::new();
    let words = ["cat", "feline", "ship", "vessel", "king", "doctor"];
    let line =
        |i: usize| format!("{{\"key\":\"k{i}\",\"text\":\"{} {} {i}\"}}\n", words[i % 6], words[i / 6 % 6]);
    place.write("x.jsonl", (0..300).map(line).collect::<String>());
    place.cart("add a x.jsonl --precompute-similar 8").succeeds();
    place.cart("add b x.jsonl").succeeds();
    let keys = |artifact: &str| {
        let found = place.json(&format!("similar {artifact} k7 -k 3"));
        found["hits"].as_array().unwrap().iter().map(|hit| hit["key"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys("a"), keys("b"));
    let stored = |artifact: &str| {
        let found = place.json(&format!("search {artifact} --like k1 --space meaning --explain"));
        found["explain"]["lists"][0]["stored"].clone()
    };
    assert_eq!((stored("a"), stored("b")), (1.into(), 0.into()));
    let explained = place.text("search a --like k1 -k 5 --explain");
    assert!(explained.contains("from stored neighbours"), "{explained}");
    let bytes = &place.json("stats a")["stats"]["spaces"][0]["similar_bytes"];
    assert!(bytes.as_u64().unwrap() > 300 * 8 * 4);
    place.cart("add c x.jsonl --precompute-similar 5000").fails(2, &["--precompute-similar", "1000"]);
}

#[test]
fn lines_become_vectors_that_can_be_added() {
    let place = Place::new();
    write_model(&place, "tiny", "tiny-1");
    place.write("lines.txt", "a cat\n\nnothing known\nvessel\r\n");
    let rows = place.cart("embed lines.txt --model tiny").succeeds().json_lines();
    assert_eq!(rows[0], serde_json::json!([1.0, 0.0]));
    assert!(rows[1].is_null() && rows[2].is_null() && rows[3][1].as_f64().unwrap() > 0.99, "{rows:?}");
    assert_eq!(rows.len(), 4);
    let built_in = place.cart_with("embed", b"cat\nfeline\n").succeeds().json_lines();
    assert_eq!(built_in[0].as_array().unwrap().len(), 256);

    place.write("two.txt", "cat\nship\n");
    place.cart("embed two.txt --model tiny --out two.npy").succeeds();
    place.write("two.jsonl", "{\"key\":\"cat\",\"text\":\"x\"}\n{\"key\":\"ship\",\"text\":\"y\"}\n");
    place.cart("add c two.jsonl --vectors two.npy --space v --no-meaning").succeeds();
    assert_eq!(place.found("c --like cat"), ["ship"]);
    place.write("q.json", "[1, 0]");
    assert_eq!(place.found("c --vector-file q.json -k 1"), ["cat"]);
    place.cart("embed none.txt").fails(3, &["none.txt"]);
    place.cart_with("embed", b"\xff\n").fails(1, &["stdin:1"]);
}

#[test]
fn a_blob_keeps_the_vector_that_it_was_given_in_the_space_of_texts() {
    let place = Place::new();
    let vector: Vec<f32> = (0..256u16).map(|n| f32::from(n % 7)).collect();
    place.write(
        "x.jsonl",
        format!("{{\"key\":\"b\",\"blob\":\"AAH/\",\"vectors\":{{\"meaning\":{vector:?}}}}}\n{{\"key\":\"t\",\"text\":\"a cat\"}}\n"),
    );
    place.cart("add a x.jsonl").succeeds();
    let exported = place.cart("export a --vectors").succeeds();
    assert!(exported.records()[1].get("vectors").is_none(), "it is made of the text");
    place.write("y.jsonl", &exported.stdout);
    place.cart("restore y.jsonl b").succeeds();
    for artifact in ["a", "b"] {
        assert_eq!(place.found(&format!("{artifact} --like t --space meaning")), ["b"]);
    }
    if cfg!(feature = "arrow") {
        place.cart("export a --vectors --parquet z.parquet").succeeds();
        place.cart("restore z.parquet c").succeeds();
        assert_eq!(place.text("export c --vectors"), exported.text());
    }
}

#[test]
fn an_export_has_every_vector_of_a_text_that_the_model_at_hand_does_not_make_again() {
    let place = Place::new();
    let vector: Vec<f32> = (0..256u16).map(|n| f32::from(n % 7)).collect();
    let line = |key: &str, more: &str| {
        format!("{{\"key\":\"{key}\",\"title\":\"Cats\",\"text\":\"a cat\"{more}}}\n")
    };
    let given = format!(",\"vectors\":{{\"meaning\":{vector:?}}}");
    place.write("x.jsonl", line("made", "") + &line("given", &given));
    place.cart("add a x.jsonl").succeeds();
    for compacted in [false, true] {
        if compacted {
            place.cart("compact a").succeeds();
        }
        let exported = place.cart("export a --vectors").succeeds();
        let has_vectors: Vec<bool> =
            exported.records().iter().map(|record| record.get("vectors").is_some()).collect();
        assert_eq!(has_vectors, [false, true], "{compacted}");
        place.write("y.jsonl", &exported.stdout);
        place.cart(&format!("restore y.jsonl b{compacted}")).succeeds();
        assert_eq!(place.text(&format!("export b{compacted} --vectors")), exported.text());
    }
    if cfg!(feature = "arrow") {
        place.cart("export a --vectors --parquet z.parquet").succeeds();
        place.cart("restore z.parquet c").succeeds();
        assert_eq!(place.text("export c --vectors"), place.text("export a --vectors"));
    }
    // Without the model, nobody knows what it makes.
    write_model(&place, "tiny", "tiny-1");
    place.write("x.jsonl", line("made", "") + &line("given", ",\"vectors\":{\"meaning\":[0,1]}"));
    place.cart("add m x.jsonl --model tiny").succeeds();
    let exported = place.cart("export m --vectors").succeeds();
    assert!(exported.records().iter().all(|record| record.get("vectors").is_some()), "{exported:?}");
    place.write("y.jsonl", &exported.stdout);
    place.cart("restore y.jsonl n --model tiny").succeeds();
    assert_eq!(place.text("export n --vectors"), exported.text());
}

#[test]
fn a_vector_from_a_model_with_other_dimensions_is_refused_with_what_takes_it() {
    let place = Place::new();
    write_model(&place, "tiny", "tiny-1");
    place.write("x.jsonl", r#"{"key":"b","blob":"AAH/","vectors":{"meaning":[1,0]}}"#);
    place.cart("add a x.jsonl --model tiny").succeeds();
    let exported = place.text("export a --vectors");
    place.write("y.jsonl", &exported);
    place.cart("restore y.jsonl b").fails(1, &["embedded by another model", "--model names it"]);
    // The line of settings left out, it is for the model of who restores it.
    let (_, records) = exported.split_once('\n').unwrap();
    place.write("z.jsonl", records);
    place
        .cart("restore z.jsonl b")
        .fails(1, &["z.jsonl:1: ", "has 256 dimensions", "--model", "--no-meaning"]);
    assert!(!place.path("b").exists());
    place.cart("restore y.jsonl b --model tiny").succeeds();
    place.cart("add c z.jsonl --model tiny").succeeds();
    place.cart("add d z.jsonl --no-meaning").succeeds();
    for artifact in ["b", "c", "d"] {
        let found = place.text(&format!("export {artifact} --vectors"));
        assert_eq!(found.split_once('\n').unwrap().1, records, "{artifact}");
    }
}
