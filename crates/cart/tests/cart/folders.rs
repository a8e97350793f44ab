//! Folders as they are on a disk: what of them is added, and how an artifact follows them.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::support::Place;
use serde_json::{Value, json};

/// Keys of all records that came from files, sorted.
fn keys(place: &Place, artifact: &str) -> Vec<String> {
    let lines = place.cart(&format!("export {artifact}")).succeeds().records();
    let keys = lines.iter().map(|line| line["key"].as_str().unwrap().to_owned());
    let mut keys: Vec<String> = keys.filter(|key| !key.starts_with("cart-sync:")).collect();
    keys.sort();
    keys
}

/// Makes the time of a file one at which it has settled, so many seconds ago.
fn age(place: &Place, name: &str, seconds: u64) {
    let file = fs::File::options().write(true).open(place.path(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

fn write_old(place: &Place, name: &str, content: impl AsRef<[u8]>) {
    place.write(name, content);
    age(place, name, 1000);
}

/// `new, replaced, removed, as before`, and records that were added.
fn sync(place: &Place, args: &str) -> ([u64; 4], u64) {
    let report = place.json(&format!("add {args} --sync"));
    let count = |name: &str| report["files"][name].as_u64().unwrap();
    (["added", "replaced", "removed", "unchanged"].map(count), report["records"].as_u64().unwrap())
}

#[test]
fn a_real_folder_is_added_and_what_is_no_text_is_skipped_and_counted() {
    let place = Place::new();
    place.write("docs/a.md", "# Cats\n\nThey purr.\n");
    place.write("docs/b.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0");
    place.write("docs/main.rs", "fn main() {}\n");
    place.write("docs/page.html", "<title>Dogs</title><p>They <b>bark</b>.<p>At night.");
    place.write("docs/latin.txt", b"Die Stra\xdfe und die \xc4pfel, die M\xe4dchen und die K\xf6nige.");
    place.write("docs/.gitignore", "target/\n");
    place.write("docs/target/out.txt", "built");
    let report = place.json("add a docs");
    assert_eq!(report["skipped"], json!([{"file": "docs/b.gz", "reason": "binary"}]));
    let expected = [
        "docs/a.md#1",
        "docs/a.md#2",
        "docs/latin.txt#1",
        "docs/main.rs#1",
        "docs/page.html#1",
        "docs/page.html#2",
    ];
    assert_eq!(keys(&place, "a"), expected);
    assert_eq!(place.found("a \u{e4}pfel --words"), ["docs/latin.txt#1"]);
    assert_eq!(place.found("a --syntax title:dogs").len(), 2, "the title is that of each paragraph");
    let bark = place.json("get a docs/page.html#1");
    assert_eq!((&bark["text"], &bark["metadata"]["line"]), (&json!("They bark."), &json!(1)));
    let told = place.text("add b docs");
    assert!(told.contains("\nskipped 1 file: docs/b.gz (binary)\n"), "{told}");
    place.cart("add c docs --split whole").succeeds();
    assert_eq!(place.json("get c docs/page.html")["text"], "They bark.\n\nAt night.");
    // Stdin is UTF-8: nothing is guessed of what can be read only once.
    place.cart_with("add d -", b"Stra\xdfe\n").fails(1, &["stdin", "0xdf, which is not UTF-8"]);
    place.write("only/x.bin", b"\0\x01");
    place.cart("add d only").fails(3, &["no file has a record"]);
    assert!(!place.path("d").exists());
}

#[test]
fn rows_of_a_folder_are_added_if_they_are_records_and_skipped_otherwise() {
    let place = Place::new();
    place.write("d/a.csv", "text,n\nfrom a table,1\n");
    place.write("d/b.csv", "body,n\nanother shape,1\n");
    place.write("d/c.jsonl", "{\"text\":\"from a line\"}\n");
    place.write("d/d.jsonl", "{\"body\":\"another shape\"}\n");
    place.write("d/e.csv", b"\0\x01\x02");
    let report = place.json("add a d");
    let skipped: Vec<&Value> =
        report["skipped"].as_array().unwrap().iter().map(|file| &file["file"]).collect();
    assert_eq!(
        (&report["records"], skipped),
        (&json!(2), vec![&json!("d/b.csv"), &json!("d/d.jsonl"), &json!("d/e.csv")])
    );
    assert!(report["skipped"][0]["reason"].as_str().unwrap().contains("--text-field"));
    assert_eq!(place.json("add b d --text-field body --ext csv,jsonl --glob '[bd]*'")["records"], 2);
    let told = place.text("add e d");
    assert!(
        told.contains("skipped 3 files: d/b.csv") && told.contains("and 2 others, which --json names"),
        "{told}"
    );
    // What is a record at its beginning is to be one to its end.
    place.write("d/c.jsonl", "{\"text\":\"x\"}\n{\"txet\":1}\n");
    place.cart("add c d").fails(1, &["d/c.jsonl:2", "nothing was added"]);
}

#[test]
fn files_of_a_folder_are_chosen_by_pattern_ending_and_gitignore() {
    let place = Place::new();
    for file in ["n/a.md", "n/b.txt", "n/drafts/c.md", "n/d.rs"] {
        place.write(file, "text");
    }
    place.write("n/.gitignore", "*.rs\n");
    for (option, expected) in [
        ("--ext md,txt", &["n/a.md#1", "n/b.txt#1", "n/drafts/c.md#1"][..]),
        ("--ext .md", &["n/a.md#1", "n/drafts/c.md#1"]),
        ("--glob '*.md' --glob '!drafts/'", &["n/a.md#1"]),
        ("--no-ignore --ext rs", &["n/d.rs#1"]),
        ("", &["n/a.md#1", "n/b.txt#1", "n/drafts/c.md#1"]),
    ] {
        place.cart(&format!("add a n {option} --upsert")).succeeds();
        assert_eq!(keys(&place, "a"), expected, "{option}");
        fs::remove_dir_all(place.path("a")).unwrap();
    }
    place.cart("add a n --ext py").fails(1, &["n: a folder without such files"]);
    place.cart("add a n --glob '['").fails(2, &["--glob"]);
    for option in ["--ext md", "--glob x", "--no-ignore"] {
        place.cart(&format!("add a n/b.txt {option}")).fails(2, &["is for folders, and none is named"]);
    }
    #[cfg(unix)]
    {
        place.write("elsewhere/e.md", "text");
        let link =
            |to: &str, name: &str| std::os::unix::fs::symlink(place.path(to), place.path(name)).unwrap();
        link("elsewhere", "n/folder");
        link("elsewhere/e.md", "n/file.md");
        link("nowhere", "n/broken.md");
        let report = place.json("add a n --ext md");
        assert_eq!(report["skipped"], json!([{"file": "n/broken.md", "reason": "a link to nothing"}]));
        assert_eq!(keys(&place, "a"), ["n/a.md#1", "n/drafts/c.md#1", "n/file.md#1"]);
        fs::remove_file(place.path("n/broken.md")).unwrap();
    }
    // The artifact may lie in the folder: it is none of its files.
    place.cart("add n/notes.artifact n").succeeds();
    assert_eq!(place.json("add n/notes.artifact n --upsert")["skipped"], json!([]));
}

#[test]
fn a_folder_is_brought_up_to_date() {
    let place = Place::new();
    write_old(&place, "n/a.md", "one\n\ntwo\n");
    write_old(&place, "n/b.md", "three\n");
    write_old(&place, "n/c.md", "four\n");
    assert_eq!(sync(&place, "a n"), ([3, 0, 0, 0], 4));
    assert_eq!(sync(&place, "a n"), ([0, 0, 0, 3], 0));
    let commits = |place: &Place| place.json("stats a")["stats"]["commit"].clone();
    let before = commits(&place);
    assert_eq!(sync(&place, "a ./n/"), ([0, 0, 0, 3], 0), "the folder by another spelling");
    assert_eq!(commits(&place), before, "what has not changed is not written");

    write_old(&place, "n/a.md", "ONE\n");
    age(&place, "n/a.md", 900);
    fs::remove_file(place.path("n/b.md")).unwrap();
    write_old(&place, "n/new/d.md", "five\n");
    assert_eq!(sync(&place, "a n"), ([1, 1, 1, 1], 2));
    assert_eq!(keys(&place, "a"), ["n/a.md#1", "n/c.md#1", "n/new/d.md#1"]);
    assert_eq!(place.json("get a n/a.md#1")["text"], "ONE");

    // Another time, and the same content.
    age(&place, "n/c.md", 500);
    assert_eq!(sync(&place, "a n"), ([0, 0, 0, 3], 0));
    // The same time and size, and another content: only a file that has just been written is read again.
    write_old(&place, "n/c.md", "FOUR\n");
    age(&place, "n/c.md", 0);
    assert_eq!(sync(&place, "a n"), ([0, 1, 0, 2], 1));
    place.write("n/c.md", "Four\n");
    assert_eq!(sync(&place, "a n"), ([0, 1, 0, 2], 1));
    assert_eq!(place.json("get a n/c.md#1")["text"], "Four");
    // What is no text any more is not kept as one.
    place.write("n/c.md", b"\0\0");
    assert_eq!(sync(&place, "a n"), ([0, 0, 1, 2], 0));
    assert_eq!(keys(&place, "a"), ["n/a.md#1", "n/new/d.md#1"]);
    // Whole texts in the place of paragraphs.
    assert_eq!(sync(&place, "a n --split whole"), ([0, 2, 0, 0], 2));
    assert_eq!(keys(&place, "a"), ["n/a.md", "n/new/d.md"]);
    assert_eq!(sync(&place, "a n --blob"), ([1, 2, 0, 0], 3));
    assert_eq!(keys(&place, "a"), ["n/a.md", "n/c.md", "n/new/d.md"]);
    let told = place.text("add a n --blob --sync");
    assert!(told.contains("\n0 files new, 0 replaced, 0 removed, 3 as before\n"), "{told}");
    place.cart("verify a").succeeds();
}

#[test]
fn a_file_whose_records_were_deleted_by_hand_is_read_again() {
    let place = Place::new();
    write_old(&place, "n/a.md", "one\n\ntwo\n");
    write_old(&place, "n/b.md", "three\n");
    assert_eq!(sync(&place, "a n").0, [2, 0, 0, 0]);
    place.cart("delete a n/a.md#2").succeeds();
    assert_eq!(sync(&place, "a n").0, [0, 1, 0, 1]);
    assert_eq!(keys(&place, "a"), ["n/a.md#1", "n/a.md#2", "n/b.md#1"]);
    assert_eq!(sync(&place, "a n"), ([0, 0, 0, 2], 0));
    for split in ["--split whole", "--blob"] {
        assert_eq!(sync(&place, &format!("a n {split}")).0, [0, 2, 0, 0]);
        place.cart("delete a n/b.md").succeeds();
        assert_eq!(sync(&place, &format!("a n {split}")).0, [0, 1, 0, 1]);
        assert_eq!(keys(&place, "a"), ["n/a.md", "n/b.md"]);
    }
    // Also where the time tells nothing, and the content is the same.
    place.cart("delete a n/b.md").succeeds();
    age(&place, "n/b.md", 0);
    assert_eq!(sync(&place, "a n --blob").0, [0, 1, 0, 1]);
}

#[test]
fn a_file_whose_place_something_else_has_taken_is_gone() {
    let place = Place::new();
    for file in ["n/a.md", "n/b.md", "n/sub/c.md", "n/d.md"] {
        write_old(&place, file, "a text\n");
    }
    assert_eq!(sync(&place, "a n").0, [4, 0, 0, 0]);
    fs::remove_file(place.path("n/a.md")).unwrap();
    write_old(&place, "n/a.md/e.md", "inside of a folder\n");
    assert_eq!(sync(&place, "a n").0, [1, 0, 1, 3]);
    assert_eq!(keys(&place, "a"), ["n/a.md/e.md#1", "n/b.md#1", "n/d.md#1", "n/sub/c.md#1"]);
    #[cfg(unix)]
    {
        let link =
            |to: &str, name: &str| std::os::unix::fs::symlink(place.path(to), place.path(name)).unwrap();
        fs::remove_file(place.path("n/b.md")).unwrap();
        link("nowhere", "n/b.md");
        fs::rename(place.path("n/sub"), place.path("elsewhere")).unwrap();
        link("elsewhere", "n/sub");
        assert_eq!(sync(&place, "a n").0, [0, 0, 2, 2]);
        assert_eq!(keys(&place, "a"), ["n/a.md/e.md#1", "n/d.md#1"]);
        // A link to a file is that file.
        fs::remove_file(place.path("n/b.md")).unwrap();
        link("elsewhere/c.md", "n/b.md");
        assert_eq!(sync(&place, "a n").0, [1, 0, 0, 2]);
        assert_eq!(sync(&place, "a n").0, [0, 0, 0, 3]);
    }
}

#[test]
fn what_of_a_file_is_a_record_is_known_of_each_file() {
    let place = Place::new();
    write_old(&place, "n/a.txt", "a1\n\na2\n");
    write_old(&place, "n/c.md", "m1\n\nm2\n");
    assert_eq!(sync(&place, "a n"), ([2, 0, 0, 0], 4));
    assert_eq!(sync(&place, "a n --split whole --glob '*.md'"), ([0, 1, 0, 0], 1));
    assert_eq!(keys(&place, "a"), ["n/a.txt#1", "n/a.txt#2", "n/c.md"]);
    assert_eq!(sync(&place, "a n --split whole"), ([0, 1, 0, 1], 1));
    assert_eq!(keys(&place, "a"), ["n/a.txt", "n/c.md"]);
    assert_eq!(sync(&place, "a n --blob --ext txt"), ([0, 1, 0, 0], 1));
    assert_eq!(sync(&place, "a n --split whole"), ([0, 1, 0, 1], 1));
    assert_eq!(place.json("get a n/a.txt")["text"], "a1\n\na2\n");
    assert_eq!(sync(&place, "a n --split whole"), ([0, 0, 0, 2], 0));
}

#[test]
fn bringing_a_folder_up_to_date_touches_nothing_else() {
    let place = Place::new();
    write_old(&place, "n/a.md", "one\n");
    write_old(&place, "m/x.md", "elsewhere\n");
    write_old(&place, "n/rows.jsonl", "{\"key\":\"row\",\"text\":\"row\"}\n");
    place.write(
        "own.jsonl",
        "{\"key\":\"mine\",\"text\":\"x\",\"metadata\":{\"path\":\"n/gone.md\",\"paragraph\":1}}\n\
         {\"text\":\"no key\",\"metadata\":{\"path\":\"n/a.md\",\"paragraph\":1}}\n\
         {\"key\":\"n/b.md#1\",\"text\":\"not from a file\"}\n",
    );
    place.cart("add a own.jsonl").succeeds();
    let report = place.json("add a n m --sync");
    assert_eq!(report["files"]["added"], 2);
    assert_eq!(report["skipped"][0]["file"], "n/rows.jsonl");
    fs::remove_file(place.path("m/x.md")).unwrap();
    fs::write(place.path("m/y.md"), "new").unwrap();
    // Only the folder that is named is looked at.
    assert_eq!(sync(&place, "a n"), ([0, 0, 0, 1], 0));
    assert_eq!(place.records("a"), 3 + 2 + 2, "with what is known of each folder");
    assert_eq!(sync(&place, "a m"), ([1, 0, 1, 0], 1));
    // A file that options leave out now is still there, and so are its records.
    write_old(&place, "n/c.txt", "c\n");
    assert_eq!(sync(&place, "a n --ext txt"), ([1, 0, 0, 0], 1));
    assert_eq!(sync(&place, "a n --ext md"), ([0, 0, 0, 1], 0));
    // A record that has the key of a paragraph, and did not come from its file.
    write_old(&place, "n/b.md", "b\n");
    place.cart("add a n --sync").fails(1, &["n/b.md", "did not come from this file", "nothing was added"]);
    assert_eq!(place.json("get a n/b.md#1")["text"], "not from a file");
    assert_eq!(sync(&place, "a n --upsert").0, [1, 0, 0, 2]);
    // A folder without files may be one that is not mounted.
    for file in ["n/a.md", "n/b.md", "n/c.txt", "n/rows.jsonl"] {
        fs::remove_file(place.path(file)).unwrap();
    }
    let before = place.text("export a");
    place.cart("add a n --sync").fails(1, &["n: a folder without files"]);
    assert_eq!(place.text("export a"), before);
    place.cart("add a own.jsonl --sync").fails(2, &["--sync: expected folders"]);
    let known = format!("{}", json!({"key": "cart-sync:m", "blob": "AAH/"}));
    place.cart_with("add a --jsonl - --upsert", known.as_bytes()).succeeds();
    place.cart("add a m --sync").fails(1, &["cart-sync:m", "delete it"]);
    place.cart("delete a cart-sync:m").succeeds();
    assert_eq!(sync(&place, "a m").0, [1, 0, 0, 0]);
    let lines: Vec<Value> = place.cart("export a").succeeds().records();
    assert!(lines.iter().any(|line| line["key"] == "mine") && lines.iter().any(|line| line["key"].is_null()));
}
