//! What goes in: formats, and what is said of files that are not of them.

use std::fs;

use crate::support::Place;
use serde_json::{Value, json};

const FACTS: &str = concat!(
    r#"{"key":"moon","text":"men walk on the moon","metadata":{"year":1969,"tags":["space"]},"vectors":{"v":[1,0,0]}}"#,
    "\n",
    r#"{"key":"web","text":"the web is invented","metadata":{"year":1989},"vectors":{"v":[0,1,0]}}"#,
    "\n\n",
    r#"{"key":"rover","text":"a rover drives on mars","metadata":{"year":2004,"tags":["space","mars"]},"vectors":{"v":[0.9,0.1,0]}}"#,
    "\n",
    r#"{"text":"a record without a key"}"#,
    "\n",
    r#"{"key":"bytes","blob":"AAH/"}"#,
    "\n",
);

pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

pub(crate) fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn exported_records_are_the_same_when_they_are_read_back() {
    let place = Place::new();
    place.write("facts.jsonl", FACTS);
    let added = place.json("add a facts.jsonl");
    assert_eq!(added["records"], 5);
    assert_eq!(added["created"], true);
    let first = place.cart("export a --vectors").succeeds();
    assert_eq!(first.records().len(), 5);
    let given: Vec<Value> =
        FACTS.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect();
    for (given, exported) in given.iter().zip(first.records()) {
        for field in ["key", "text", "blob", "metadata"] {
            assert_eq!(given[field], exported[field]);
        }
        assert_eq!(given["vectors"].is_null(), exported["vectors"].is_null());
    }
    place.cart_with("add b --jsonl -", &first.stdout).succeeds();
    let second = place.cart("export b --vectors").succeeds();
    assert_eq!(first.text(), second.text());
    assert!(!place.text("export a").contains("vectors"));
}

#[test]
fn broken_jsonl_adds_nothing_and_says_where_and_why() {
    let place = Place::new();
    let good = r#"{"key":"a","text":"one"}"#;
    for (line, reason) in [
        (r#"{"key":"b","text":"two""#, "EOF"),
        (r#"{"key":"b","txet":"two"}"#, "unknown field `txet`"),
        (r#"{"key":"b"}"#, "neither `text` nor `blob`"),
        (r#"{"key":"b","text":"two","vectors":{"v":[0,0]}}"#, "a vector of zeros"),
        (r#"{"key":"b","text":"two","vectors":{"v":[1],"v":[2]}}"#, "two vectors"),
        (r#"{"key":"b","text":"two","vectors":{"v":[]}}"#, "a vector of no numbers in the space \"v\""),
        (r#"{"key":"b","text":"two","vectors":{"":[1]}}"#, "a vector in a space without a name"),
        ("not json", "expected"),
        ("\"two\"", "expected an object such as {\"text\": \"...\"}"),
        ("null", "expected an object such as {\"text\": \"...\"}"),
    ] {
        place.write("bad.jsonl", format!("{good}\n\n{line}\n"));
        place.cart("add a bad.jsonl").fails(1, &["bad.jsonl:3: ", reason, "nothing was added"]);
        assert!(!place.path("a").exists(), "an artifact was left behind");
    }
    place.write("twice.jsonl", format!("{good}\n{good}\n"));
    place.cart("add a twice.jsonl").fails(1, &["\"a\"", "nothing was added"]);
    assert!(!place.path("a").exists(), "an artifact was left behind");
    place.cart_with("add a --jsonl -", b"{\"text\":\"\xff\"}\n").fails(1, &["stdin:1: "]);
    place.write("key.jsonl", format!(r#"{{"key":"{}","text":"x"}}"#, "k".repeat(1 << 20)));
    place.cart("add a key.jsonl").fails(1, &["key.jsonl:1: a key of 1048576 bytes; expected at most 1024"]);
    assert!(!place.path("a").exists());
}

#[test]
fn an_artifact_that_is_there_is_as_before_after_a_failed_add() {
    let place = Place::new();
    place.write("facts.jsonl", FACTS);
    place.cart("add a facts.jsonl").succeeds();
    let before = place.text("export a --vectors");
    for (line, reason) in [
        (r#"{"key":"web","text":"there already"}"#, "web"),
        (r#"{"text":"x","vectors":{"v":[1,2]}}"#, "the space \"v\" has 3 dimensions"),
    ] {
        place.write("more.jsonl", format!("{{\"key\":\"new\",\"text\":\"new\"}}\n{line}\n"));
        place.cart("add a more.jsonl").fails(1, &[reason, "nothing was added"]);
        assert_eq!(place.text("export a --vectors"), before);
    }
}

#[test]
fn a_record_that_only_the_artifact_refuses_is_named_by_its_file_and_line() {
    let place = Place::new();
    let vector = |numbers: &str| format!(r#"{{"text":"two","vectors":{{"v":{numbers}}}}}"#);
    let long = format!("[{}1]", "1,".repeat(65_536));
    for (options, line, reason) in [
        ("--metric l2", vector("[3e38,3e38]"), "a vector that is too long"),
        ("--originals f16 --metric dot", vector("[1e9,0]"), "16-bit floating point"),
        ("--no-meaning", vector(&long), "65537 numbers in the space \"v\"; expected at most 65536"),
        ("--expires-field until", r#"{"text":"two","metadata":{"until":"soon"}}"#.to_owned(), "not a date"),
    ] {
        place.write("new.jsonl", format!("{{\"text\":\"one\"}}\n\n{line}\n{{\"text\":\"three\"}}\n"));
        let refused = place.cart(&format!("add a new.jsonl {options}"));
        let code = refused.code;
        let refused = refused.fails(code, &["new.jsonl:3: ", reason, "nothing was added"]);
        assert!(code != 0 && !refused.stderr.contains("of the batch"), "{}", refused.stderr);
        assert!(!place.path("a").exists(), "an artifact was left behind");
    }
    place.write("old.jsonl", r#"{"key":"k","text":"one","vectors":{"v":[1,2]}}"#);
    place.cart("add a old.jsonl").succeeds();
    place.write("new.jsonl", "{\"text\":\"one\"}\n{\"key\":\"k\",\"text\":\"two\"}\n");
    let refused = place.cart("add a new.jsonl --upsert");
    refused.fails(1, &["new.jsonl:2: the record with the key \"k\" has an embedding", "`cart delete`"]);
}

#[test]
fn an_error_at_a_commit_of_a_batch_names_the_one_place_that_it_is_about() {
    let place = Place::new();
    place.write("old.jsonl", r#"{"key":"k","text":"one","vectors":{"v":[1,2]}}"#);
    let (refused, other) = ("{\"key\":\"k\",\"text\":\"two\"}\n", "{\"text\":\"one\"}\n");
    for (batch, lines, line) in [(1, [other, refused], 2), (2, [other, refused], 2), (2, [refused, other], 1)]
    {
        place.cart("add a old.jsonl").succeeds();
        place.write("new.jsonl", lines.concat());
        let ended = place.cart(&format!("add a new.jsonl --upsert --batch {batch}"));
        let begins = format!("cart: new.jsonl:{line}: the record with the key \"k\" has an embedding");
        assert!(ended.code == 1 && ended.stderr.starts_with(&begins), "{ended:?}");
        std::fs::remove_dir_all(place.path("a")).unwrap();
    }
    place.write("old.jsonl", r#"{"key":"small.bin","blob":"AAH/","vectors":{"v":[1,2]}}"#);
    place.cart("add a old.jsonl").succeeds();
    place.write("small.bin", "other");
    place.write("streamed.bin", vec![0; 9 << 20]);
    let ended = place.cart("add a small.bin streamed.bin --blob --upsert");
    assert!(ended.stderr.starts_with("cart: small.bin: the record with the key"), "{ended:?}");
}

#[test]
fn with_batches_what_was_committed_before_an_error_is_kept_and_counted() {
    let place = Place::new();
    let line = |i| format!("{{\"key\":\"{i}\",\"text\":\"number {i}\"}}\n");
    let mut lines = (0..25).map(line).collect::<Vec<_>>().concat();
    lines.push_str("{\n");
    place.write("many.jsonl", lines);
    place
        .cart("add a many.jsonl --batch 10")
        .fails(1, &["many.jsonl:26: ", "20 records were added before it and are kept"]);
    assert_eq!(place.records("a"), 20);
}

#[test]
fn vectors_from_a_file_belong_to_the_lines() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"one\"}\n{\"key\":\"b\",\"text\":\"two\"}\n");
    place.write("x.npy", npy("<f4", "(2, 3)", &f32s(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])));
    place.cart("add a x.jsonl --vectors x.npy --space v").succeeds();
    place.write("q.json", "[0, 1, 0.1]");
    assert_eq!(place.found("a --vector-file q.json"), ["b", "a"]);
    let f8 = [0.0f64, 1.0, 0.1].map(f64::to_le_bytes).concat();
    place.write("q.npy", npy("<f8", "(1, 3)", &f8));
    assert_eq!(place.found("a --vector-file q.npy"), ["b", "a"]);
    place.write("q.npy", npy("|i1", "(1, 3)", &[127, 3, 0]));
    assert_eq!(place.found("a --vector-file q.npy --space v --exact"), ["a", "b"]);
    assert_eq!(place.found("a --like b"), ["a"]);
    place.write("short.json", "[0, 1]");
    place
        .cart("search a --vector-file short.json")
        .fails(2, &["short.json: a vector of 2 numbers; the space \"v\" has 3 dimensions"]);
    place.cart("search a --vector-file q.json --space w").fails(2, &["\"w\""]);
}

#[test]
fn vectors_of_the_wrong_shape_add_nothing() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"a\",\"text\":\"one\"}\n{\"key\":\"b\",\"text\":\"two\"}\n");
    let fails = |descr: &str, shape: &str, data: &[u8], parts: &[&str]| {
        place.write("x.npy", npy(descr, shape, data));
        place.cart("add a x.jsonl --vectors x.npy --space v").fails(1, parts);
        assert!(!place.path("a").exists());
    };
    fails("<f4", "(3, 1)", &f32s(&[1.0, 2.0, 3.0]), &["x.npy: 3 rows of vectors for 2 records"]);
    fails("<f4", "(2, 2)", &f32s(&[1.0, 2.0, 3.0]), &["x.npy: expected", "bytes by its header"]);
    fails("<f4", "(2, 2)", &f32s(&[1.0, 2.0, f32::NAN, 0.0]), &["x.npy: row 1: number 0 is not finite"]);
    fails("<f4", "(2, 2)", &f32s(&[1.0, 2.0, 0.0, 0.0]), &["x.npy: row 1: a vector of zeros"]);
    fails("<i4", "(2, 1)", &[0; 8], &["x.npy: numbers of type <i4; expected <f8, <f4, <f2 or |i1"]);
    fails(
        "<f8",
        "(2, 1)",
        &[1e300f64, 1.0].map(f64::to_le_bytes).concat(),
        &["x.npy: row 0: number 0 is 1e300, beyond the range of float32"],
    );
    fails("<f4", "(8,)", &f32s(&[0.0; 8]), &["x.npy: an array of 1 dimension; expected two"]);
    place.write("x.npy", npy("<f4", "(2, 1)", &f32s(&[1.0, 2.0])));
    place.cart_with("add a --jsonl - --vectors x.npy --space v", b"").fails(2, &["expected a JSONL file"]);
    place.cart("add a x.jsonl x.jsonl --vectors x.npy --space v").fails(2, &["expected one JSONL file"]);
}

#[test]
fn a_space_keeps_what_it_was_set_up_with() {
    let place = Place::new();
    let line = r#"{"text":"x","vectors":{"v":[0.25,0.5]}}"#;
    place.cart_with("add a --jsonl --metric l2 --originals f32 -", line.as_bytes()).succeeds();
    place.cart_with("add a --jsonl --metric l2 -", line.as_bytes()).succeeds();
    place.cart_with("add a --jsonl --metric dot -", line.as_bytes()).fails(2, &["--metric", "\"v\"", "l2"]);
    place.cart_with("add a --jsonl --originals f16 -", line.as_bytes()).fails(2, &["--originals", "\"v\""]);
    for (option, other) in [
        ("--metric l2", "--metric l1"),
        ("--quantization int8", "--quantization int4"),
        ("--originals f32", "--originals f8"),
    ] {
        place
            .cart_with(&format!("add a --jsonl {option} -"), br#"{"text":"x"}"#)
            .fails(2, &["no record has a vector"]);
        let unknown = place.cart_with(&format!("add a --jsonl {other} -"), line.as_bytes());
        unknown.fails(2, &["expected", option.rsplit(' ').next().unwrap()]);
    }
    place.cart_with("add a --jsonl --quantization int8 -", line.as_bytes()).succeeds();
    place
        .cart_with("add a --jsonl --quantization rotated-int8 -", line.as_bytes())
        .fails(2, &["--quantization", "\"v\""]);
    assert_eq!(
        place.cart("export a --vectors").succeeds().records()[0]["vectors"],
        json!({"v": [0.25, 0.5]})
    );
    assert_eq!(place.records("a"), 3);
    place.cart_with("add b --jsonl --quantization rotated-int8 -", line.as_bytes()).succeeds();
    place.cart_with("add b --jsonl --quantization int8 -", line.as_bytes()).fails(2, &["--quantization"]);
}

#[test]
fn folders_of_texts_are_read_by_paragraph_or_whole() {
    let place = Place::new();
    place.write("notes/b.txt", "first line\nsecond line\n\n\nlast\n");
    place.write("notes/a/x.md", "# title\n\ntext\n");
    place.write("notes/.hidden", "\0");
    place.cart("add a notes").succeeds();
    let lines = place.cart("export a").succeeds().records();
    let keys: Vec<&str> = lines.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["notes/a/x.md#1", "notes/a/x.md#2", "notes/b.txt#1", "notes/b.txt#2"]);
    assert_eq!(lines[3]["metadata"], json!({"path": "notes/b.txt", "paragraph": 2, "line": 5}));
    assert_eq!(lines[2]["text"], "first line\nsecond line");
    place.cart("add whole notes --split whole").succeeds();
    let lines = place.cart("export whole").succeeds().records();
    assert_eq!(
        lines[1],
        json!({
            "key": "notes/b.txt", "text": "first line\nsecond line\n\n\nlast\n", "metadata": {"path": "notes/b.txt"},
        })
    );
}

#[test]
fn upsert_replaces_all_of_a_text_also_when_it_has_become_shorter() {
    let place = Place::new();
    place.write("n.txt", "one\n\ntwo\n\nthree\n");
    place.cart("add a n.txt").succeeds();
    place.cart("add a n.txt").fails(1, &["n.txt#1"]);
    place.write("n.txt", "uno\n\ndos\n");
    place.cart("add a n.txt --upsert").succeeds();
    let texts: Vec<Value> = place.cart("export a").succeeds().records();
    let texts: Vec<&str> = texts.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["uno", "dos"]);
}

#[test]
fn upsert_of_a_text_deletes_no_record_that_is_not_a_paragraph_of_it() {
    let place = Place::new();
    place.write("n.txt", "one\n\ntwo\n");
    place.cart("add a n.txt").succeeds();
    place.write(
        "own.jsonl",
        "{\"key\":\"mine\",\"text\":\"kept\",\"metadata\":{\"path\":\"n.txt\",\"paragraph\":9}}\n\
         {\"text\":\"kept too\",\"metadata\":{\"path\":\"n.txt\",\"paragraph\":2}}\n",
    );
    place.cart("add a own.jsonl").succeeds();
    place.write("n.txt", "uno\n");
    place.cart("add a n.txt --upsert").succeeds();
    let texts: Vec<Value> = place.cart("export a").succeeds().records();
    let texts: Vec<&str> = texts.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["kept", "kept too", "uno"]);
}

#[test]
fn a_pdf_is_no_text_whatever_its_bytes_are() {
    let place = Place::new();
    let pdf = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n";
    place.write("docs/a.txt", "text");
    place.write("docs/x.pdf", pdf);
    place.write("docs/y", [pdf.as_bytes(), b"\0"].concat());
    let skipped = &place.json("add a docs")["skipped"];
    assert_eq!(
        skipped,
        &json!([{"file": "docs/x.pdf", "reason": "a PDF"}, {"file": "docs/y", "reason": "a PDF"}])
    );
    for file in ["docs/x.pdf", "docs/y"] {
        place.cart(&format!("add b {file}")).fails(1, &[file, "a PDF", "pdftotext", "nothing was added"]);
    }
    place.cart("add b docs/x.pdf --blob").succeeds();
    assert_eq!(place.text("get b docs/x.pdf --raw"), pdf);
}

#[test]
fn lines_of_json_are_read_in_the_encoding_of_their_byte_order_mark() {
    let place = Place::new();
    let lines = "\u{feff}{\"key\":\"a\",\"text\":\"Grüße\"}\n{\"key\":\"b\",\"text\":\"𝄞\"}\n";
    let in_utf16 = |order: fn(u16) -> [u8; 2]| lines.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    place.write("8.jsonl", lines);
    place.write("le.jsonl", in_utf16(u16::to_le_bytes));
    place.write("be/be.jsonl", in_utf16(u16::to_be_bytes));
    for (artifact, from) in [("a", "8.jsonl"), ("b", "le.jsonl"), ("c", "be")] {
        place.cart(&format!("add {artifact} {from} --no-meaning")).succeeds();
        let texts = [place.json(&format!("get {artifact} a")), place.json(&format!("get {artifact} b"))];
        assert_eq!(texts.map(|record| record["text"].clone()), ["Grüße", "𝄞"], "{from}");
    }
    let exported: Vec<u8> =
        format!("\u{feff}{}", place.text("export a")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    place.write("e.jsonl", exported);
    place.cart("restore e.jsonl d").succeeds();
    assert_eq!(place.text("export d"), place.text("export a"));
}

#[test]
fn files_that_are_not_text_are_named_and_stored_only_as_blobs() {
    let place = Place::new();
    let noise: Vec<u8> = (0..(9u32 << 20)).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    place.write("docs/a.txt", "text");
    place.write("docs/large.bin", &noise);
    place.write("docs/pic.png", b"\x89PNG\r\n\x1a\n");
    place
        .cart("add a docs/large.bin")
        .fails(1, &["docs/large.bin: not a text", "--blob", "nothing was added"]);
    assert!(!place.path("a").exists());
    place.cart("add a docs --blob").succeeds();
    assert_eq!(place.cart("get a docs/large.bin --raw").succeeds().stdout, noise);
    assert_eq!(place.cart("get a docs/pic.png --raw").succeeds().stdout, b"\x89PNG\r\n\x1a\n");
    assert_eq!(place.json("get a docs/pic.png")["blob"], "iVBORw0KGgo=");
    place.write("docs/large.bin", "small now");
    place.cart("add a docs --blob --upsert").succeeds();
    assert_eq!(place.text("get a docs/large.bin --raw"), "small now");
    assert_eq!(place.records("a"), 3);
}

#[test]
fn compressed_jsonl_is_read_too() {
    let place = Place::new();
    place.write("facts.jsonl.zst", zstd::encode_all(FACTS.as_bytes(), 3).unwrap());
    place.cart("add a facts.jsonl.zst").succeeds();
    assert_eq!(place.records("a"), 5);
    place.write("torn.jsonl.zst", &zstd::encode_all(FACTS.as_bytes(), 3).unwrap()[..40]);
    place.cart("add b torn.jsonl.zst").fails(1, &["torn.jsonl.zst:", "nothing was added"]);
}

#[test]
fn what_has_nothing_to_add_or_no_effect_is_refused() {
    let place = Place::new();
    place.write("empty.txt", "\n\n");
    place.write("x.jsonl", "{\"text\":\"x\"}\n");
    fs::create_dir(place.path("empty")).unwrap();
    place.cart("add a empty.txt").fails(3, &["no file has a record"]);
    place.cart("add a empty").fails(1, &["a folder without files"]);
    place.cart("add a missing.txt").fails(3, &["missing.txt: there is no such file"]);
    place.cart("add a x.jsonl --split whole").fails(2, &["--split"]);
    place.cart("add a x.jsonl --memory-limit 1MiB").fails(2, &["--memory-limit"]);
    assert!(!place.path("a").exists());
    place.cart("add a x.jsonl --language english").succeeds();
    place.cart("add a x.jsonl --language english").fails(2, &["--language"]);
    for usage in [
        "add a",
        "add a x.jsonl --level 23",
        "add a x.jsonl --vectors x.npy",
        "add a x.jsonl --batch 0",
        "add a x.jsonl --blob --jsonl",
    ] {
        assert_eq!(place.cart(usage).code, 2, "{usage}");
    }
}

#[test]
fn settings_for_adding_are_settings_of_the_artifact_or_of_the_process() {
    let place = Place::new();
    place.write("x.txt", "the cats were running\n");
    let options = "--language english --level 19 --edge --durability buffered --memory-limit 16MiB";
    place.cart(&format!("add a x.txt {options}")).succeeds();
    assert_eq!(place.found("a run --words"), ["x.txt#1"], "stems");
    place.cart("add b x.txt").succeeds();
    assert_eq!(place.found("b run --words"), ["x.txt#1"], "stems are the default");
    place.cart("add c x.txt --language none").succeeds();
    assert_eq!(place.found("c run --words"), Vec::<String>::new());
}

#[test]
fn a_title_is_found_together_and_alone_and_comes_out_as_it_went_in() {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"k\",\"title\":\"A whale\",\"text\":\"of the sea\"}\n");
    place.cart("add a x.jsonl").succeeds();
    assert_eq!(place.found("a whale"), ["k"]);
    assert_eq!(place.found("a --syntax title:whales"), ["k"]);
    assert_eq!(place.found("a --syntax title:sea"), Vec::<String>::new());
    let exported = place.cart("export a").succeeds().text();
    assert!(exported.contains("\"title\":\"A whale\""), "{exported}");
}

#[test]
fn named_texts_come_out_as_they_went_in_and_make_the_same_records() {
    let place = Place::new();
    let lines = concat!(
        r#"{"key":"a","title":"A whale","text":"of the sea","fields":{"abstract":"huge mammals","by":"Melville"}}"#,
        "\n",
        r#"{"key":"b","text":"plain"}"#,
        "\n",
        r#"{"key":"c","text":"last","fields":{"by":"Verne","title":"A squid"}}"#,
        "\n",
        r#"{"key":"d","blob":"AAE=","fields":{"by":"nobody"}}"#,
        "\n"
    );
    place.write("x.jsonl", lines);
    place.cart("add a x.jsonl --field by=3").succeeds();
    assert_eq!(place.found("a --syntax abstract:mammal"), ["a"]);
    assert_eq!(place.found("a --syntax by:verne"), ["c"]);
    assert_eq!(place.found("a --syntax title:squid"), ["c"]);
    let exported = place.cart("export a").succeeds();
    let given: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.records(), given);
    place.write("y.jsonl", exported.text());
    for options in ["", "--batch 1"] {
        let copy = if options.is_empty() { "b" } else { "c" };
        place.cart(&format!("add {copy} y.jsonl {options}")).succeeds();
        assert_eq!(place.cart(&format!("export {copy}")).succeeds().records(), given);
        assert_eq!(place.found(&format!("{copy} --syntax by:verne")), ["c"]);
    }
    // What stands in a field is shown with its name.
    let shown = place.text("search a melville --words");
    assert!(shown.contains("by: Melville"), "{shown}");
    assert_eq!(place.json("search a melville --words")["hits"][0]["snippet"]["field"], "by");

    place.cart("add a x.jsonl --upsert --field by=2").fails(2, &["\"by\"", "3 times", "2 times"]);
    place.cart("add d x.jsonl --field by=x").fails(2, &["--field"]);
    place.cart("add d x.jsonl --field by=11").fails(2, &["expected 1 to 10"]);
    place.cart("add d x.jsonl --field text").fails(2, &["which is the content"]);
    assert!(!place.path("d").exists());
}
