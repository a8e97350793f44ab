//! What comes out: every command, its JSON, its exit code, and its one line when it fails.

use std::io::{BufRead, BufReader, Read};

use crate::support::{Place, damage};
use serde_json::{Value, json};

/// Three records with metadata and vectors.
fn place() -> Place {
    let place = Place::new();
    let lines = [
        json!({"key": "moon", "text": "Men walk\non the moon.", "metadata": {"year": 1969, "lang": "en"}, "vectors": {"v": [1, 0, 0]}}),
        json!({"key": "web", "text": "The web is invented.", "metadata": {"year": 1989, "lang": "en"}, "vectors": {"v": [0, 1, 0]}}),
        json!({"key": "mond", "text": "Der Mond ist aufgegangen.", "metadata": {"year": 1779, "lang": "de"}, "vectors": {"v": [0.9, 0.1, 0]}}),
    ];
    place.write("x.jsonl", lines.map(|line| format!("{line}\n")).concat());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

/// The number of the record with this key.
fn id(place: &Place, key: &str) -> u64 {
    place.json(&format!("get a {key}"))["id"].as_u64().unwrap()
}

/// Two thousand records, which are sealed.
fn large_place() -> Place {
    let place = Place::new();
    let line = |i: u32| {
        let noise = i.wrapping_mul(2_654_435_761);
        format!(
            "{{\"key\":\"k{i}\",\"text\":\"record {i} says {noise} and {:x}\",\"metadata\":{{\"n\":{i}}}}}\n",
            noise ^ 0xdead_beef
        )
    };
    place.write("x.jsonl", (0..2000).map(line).collect::<String>());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

#[test]
fn searches_by_words_meaning_and_metadata_find_the_same_as_by_hand() {
    let place = place();
    assert_eq!(place.found("a moon web"), ["web", "moon"]);
    assert_eq!(place.found("a --syntax '+moon -web'"), ["moon"]);
    assert_eq!(place.found("a --syntax '\"on the moon\"'"), ["moon"]);
    assert_eq!(place.found("a --syntax 'inv*'"), ["web"]);
    assert_eq!(place.found("a --filter '{\"year\":{\"$gte\":1900}}'"), ["moon", "web"]);
    assert_eq!(place.found("a --filter '{\"lang\":\"de\"}'"), ["mond"]);
    assert_eq!(place.found("a the --filter '{\"year\":1989}'"), ["web"]);
    assert_eq!(place.found("a --like moon"), ["mond", "web"]);
    let like = format!("a --like '#{}'", id(&place, "moon"));
    assert_eq!(place.found(&format!("{like} --filter '{{\"lang\":\"en\"}}'")), ["web"]);
    assert_eq!(place.found("a web --like moon -k 2").len(), 2);
    assert_eq!(place.found("a --like moon --offset 1"), ["web"]);
    assert_eq!(place.found("a --like moon --min-score 0.5"), ["mond"]);
    assert_eq!(place.found("a moon --deadline 60000"), ["moon"]);
}

#[test]
fn hits_are_shown_with_rank_score_key_snippet_metadata_and_time() {
    let place = place();
    let shown = place.text("search a moon");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].starts_with("  1  ")
            && lines[0].ends_with(&format!("moon #{} lang=en year=1969", id(&place, "moon"))),
        "{shown}"
    );
    assert_eq!(lines[1], "     Men walk on the moon.");
    assert!(lines[2].starts_with("1 hit in "), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colours outside of a terminal");
    let document = place.json("search a moon --explain");
    let hit = &document["hits"][0];
    assert_eq!(
        (&hit["rank"], &hit["id"], &hit["key"]),
        (&json!(1), &json!(id(&place, "moon")), &json!("moon"))
    );
    assert_eq!(hit["metadata"], json!({"year": 1969, "lang": "en"}));
    let (snippet, range) = (hit["snippet"]["text"].as_str().unwrap(), &hit["snippet"]["highlights"][0]);
    let at = |end: &str| usize::try_from(range[end].as_u64().unwrap()).unwrap();
    assert_eq!(&snippet[at("start")..at("end")], "moon");
    assert_eq!(hit["lists"][0]["list"], "words");
    assert_eq!(document["explain"]["records"], 3);
    assert_eq!(document["is_complete"], true);
    let shown = place.text("search a moon --explain");
    assert!(shown.contains("words: rank 1") && shown.contains("searched   3 records in 1 index"), "{shown}");
}

#[test]
fn the_width_of_a_walk_and_the_way_around_it_reach_the_index() {
    let place = Place::new();
    let number = |i: u32, at: u32| {
        let mixed = (i * 16 + at).wrapping_mul(2_654_435_761);
        f64::from((mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) >> 16) / 65_536.0 - 0.5
    };
    let line = |i| {
        let vector: Vec<f64> = (0..16).map(|at| number(i, at)).collect();
        format!("{}\n", json!({"key": format!("k{i}"), "text": "x", "vectors": {"v": vector}}))
    };
    place.write("x.jsonl", (0..11_000).map(line).collect::<Vec<_>>().concat());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let list = |option: &str| {
        place.json(&format!("search a --like k7 --explain {option}"))["explain"]["lists"][0].clone()
    };
    let (walk, wide, exact) = (list(""), list("--ef 100"), list("--exact"));
    assert_eq!((&walk["graphs"], &walk["scans"]), (&json!(1), &json!(0)), "{walk}");
    assert!(wide["hops"].as_u64() > walk["hops"].as_u64(), "{wide} {walk}");
    assert_eq!((&exact["graphs"], &exact["scans"]), (&json!(0), &json!(1)), "{exact}");
}

#[test]
fn what_is_found_is_sorted_and_counted_by_fields() {
    let place = place();
    assert_eq!(place.found("a --sort year"), ["mond", "moon", "web"]);
    assert_eq!(place.found("a --sort lang:desc --sort year:desc -k 2"), ["web", "moon"]);
    assert_eq!(place.found("a moon web --words --sort year"), ["moon", "web"]);
    let found = place.json("search a --facet lang --facet year:100 --total -k 1");
    assert_eq!(found["total"], json!({"records": 3, "is_exact": true}));
    assert_eq!(
        found["facets"][0]["counts"],
        json!([{"value": "en", "count": 2}, {"value": "de", "count": 1}])
    );
    assert_eq!(
        found["facets"][1]["counts"],
        json!([{"value": 1700, "count": 1}, {"value": 1900, "count": 2}])
    );
    let text = place.text("search a --facet lang --total -k 1");
    assert!(text.contains("lang (in 3 records)") && text.contains("1 of 3 hits"), "{text}");
    place.cart("search a --facet year:0").fails(2, &["expected a number above 0"]);
    place.cart("search a --sort year:up").fails(2, &["expected :asc or :desc"]);
    place.cart("search a --sort year --min-score 1").fails(2, &["--min-score"]);
}

#[test]
fn searches_that_cannot_be_say_so() {
    let place = place();
    place.cart("search a nonsense").fails(3, &["a: nothing found"]);
    assert_eq!(place.cart("search a nonsense --json").json()["hits"], json!([]));
    place.cart("search a --filter '{\"year\":{\"$near\":1}}'").fails(2, &["--filter", "$near"]);
    place.cart("search a --filter '{\"year\":'").fails(2, &["--filter"]);
    place
        .cart("search a --filter '{\"at\":{\"$gt\":{\"$date\":\"tomorrow\"}}}'")
        .fails(2, &["tomorrow", "2026-01-31"]);
    assert!(place.text("search --help").contains("$date"));
    place.cart("search a --filter '{\"year\":{\"$gt\":\"x\"}}'").fails(2, &["year"]);
    place.cart("search a").fails(2, &["nothing to search for"]);
    place.cart("search a moon --exact").fails(2, &["--exact", "--vector-file or --like"]);
    place.cart("search a --syntax '\"open'").fails(2, &[]);
    place.cart("search a --like nobody").fails(3, &["there is no record \"nobody\""]);
    place.cart("search a moon -k 0").fails(2, &["k"]);
    place.cart("search missing moon").fails(3, &["missing"]);
    place.cart("search x.jsonl moon").fails(1, &["x.jsonl"]);
    assert_eq!(place.cart("search").code, 2);
    assert_eq!(place.cart("search a moon --vector").code, 2);
}

#[test]
fn records_are_shown_by_key_and_number() {
    let place = place();
    let id = |key| id(&place, key);
    let shown = format!("moon #{}\nlang=en year=1969\nMen walk\non the moon.\n\n", id("moon"));
    assert_eq!(place.text("get a moon"), shown);
    assert_eq!(place.text(&format!("get a '#{}' --raw", id("web"))), "The web is invented.");
    let record = place.json(&format!("get a '#{}'", id("mond")));
    assert_eq!(
        record,
        json!({"id": id("mond"), "key": "mond", "text": "Der Mond ist aufgegangen.", "metadata": {"year": 1779, "lang": "de"}})
    );
    let ended =
        place.cart("get a nobody web '#99' --json").fails(3, &["a: there is no record \"nobody\", #99"]);
    assert_eq!(ended.json_lines().len(), 1);
    assert_eq!(place.cart("get a '#x'").code, 2);
    for line in ["get a moon --raw --json", "--json get a moon --raw"] {
        place.cart(line).fails(2, &["--json: ", "--raw"]);
    }
}

#[test]
fn deleting_is_all_or_nothing() {
    let place = place();
    place.cart("delete a moon nobody").fails(3, &["there is no record \"nobody\"; nothing was deleted"]);
    assert_eq!(place.records("a"), 3);
    assert_eq!(
        place.json(&format!("delete a moon '#{}'", id(&place, "web"))),
        json!({"deleted": 2, "warning": null})
    );
    assert_eq!(place.found("a moon web"), Vec::<String>::new());
    place.cart("delete a --filter '{\"lang\":\"fr\"}'").fails(3, &["no record matches"]);
    let twice = "delete a --filter '{\"lang\":\"de\",\"lang\":{\"$exists\":true}}'";
    place.cart(twice).fails(2, &["--filter", "\"lang\" stands twice"]);
    assert_eq!(place.records("a"), 1, "a condition that is given twice deletes nothing");
    assert_eq!(place.json("delete a --filter '{\"lang\":\"de\"}'")["deleted"], 1);
    assert_eq!(place.records("a"), 0);
    assert_eq!(place.cart("delete a").code, 2);
    assert_eq!(place.cart("delete a moon --filter {}").code, 2);
}

#[test]
fn compacting_gives_space_back_and_keeps_what_is_alive() {
    let place = large_place();
    place.cart("delete a --filter '{\"n\":{\"$lt\":1500}}'").succeeds();
    let kept = place.text("export a");
    let report = place.json("compact a --budget 16MiB");
    assert_eq!(report["records_dropped"], 1500);
    assert!(report["bytes_after"].as_u64().unwrap() < report["bytes_before"].as_u64().unwrap());
    assert_eq!(place.text("export a"), kept);
    assert_eq!(place.found("a --syntax '\"record 1999\"'"), ["k1999"]);
    place.cart("verify a").succeeds();
    assert_eq!(place.cart("compact a --budget lots").code, 2);
}

#[test]
fn damage_is_found_named_and_salvaged() {
    let place = large_place();
    assert_eq!(place.json("verify a")["sound"], true);
    place.cart("verify a --level quick").succeeds();
    let file = damage(&place.path("a"));
    let name = file.file_name().unwrap().to_str().unwrap();
    let ended = place.cart("verify a --json").fails(4, &["a: ", "damaged place", "cart salvage a NEW"]);
    let report = ended.json();
    assert_eq!(report["sound"], false);
    assert!(
        report["damage"].as_array().unwrap().iter().any(|place| place.as_str().unwrap().contains(name)),
        "{report}"
    );
    let ended = place.cart("salvage a b --json");
    assert!(ended.code == 0 || ended.code == 4, "{ended:?}");
    let kept = ended.json()["records"].as_u64().unwrap();
    assert!(kept > 0 && kept <= 2000);
    assert_eq!(place.records("b"), kept);
    place.cart("verify b").succeeds();
    place.cart("salvage a b").fails(1, &["b"]);
    place.cart("salvage a little --memory-limit 1KiB").fails(2, &["memory"]);
    assert_eq!(place.cart("salvage a limited --memory-limit 8MiB --json").json()["records"], kept);
    place.cart("verify missing").fails(3, &["missing"]);
}

#[test]
fn what_cannot_be_read_is_not_said_to_be_not_there() {
    let place = Place::new();
    let line = |i: usize| format!("{{\"text\":\"note {i}\",\"vectors\":{{\"v\":[{i},1,{}]}}}}\n", i % 7);
    place.write("a.jsonl", (0..200).map(line).collect::<String>());
    place.write("q.json", "[1,2,3]");
    place.cart("add a a.jsonl --no-meaning").succeeds();
    place.cart("pack a p").succeeds();
    let sound = std::fs::read(place.path("p")).unwrap();
    let mut codes = std::collections::BTreeSet::new();
    for at in (0..sound.len()).step_by(1024) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        place.write("flipped", bytes);
        codes.insert(place.cart("search flipped --vector-file q.json").code);
    }
    assert!(codes.contains(&4) && !codes.contains(&3), "{codes:?}");
}

#[test]
fn a_packed_artifact_is_read_by_every_command_and_written_by_none() {
    let place = place();
    let report = place.json("pack a a.pack");
    assert_eq!(report["bytes"].as_u64().unwrap(), place.path("a.pack").metadata().unwrap().len());
    place.cart("pack a a.pack").fails(1, &["a.pack"]);
    assert_eq!(place.found("a.pack moon"), ["moon"]);
    assert_eq!(place.text("export a.pack --vectors"), place.text("export a --vectors"));
    assert_eq!(place.records("a.pack"), 3);
    place.cart("verify a.pack").succeeds();
    place.cart("verify a.pack --level quick").succeeds();
    let mut bytes = std::fs::read(place.path("a.pack")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write("flipped.pack", bytes);
    place.cart("verify flipped.pack").fails(4, &["flipped.pack"]);
    place.cart("add a.pack x.jsonl").fails(1, &["a.pack: a packed artifact cannot be written to"]);
    place.cart("delete a.pack moon").fails(1, &["a.pack: a packed artifact cannot be written to"]);
    place.cart("compact a.pack").fails(1, &["a.pack: a packed artifact cannot be written to"]);
}

#[test]
fn statistics_tell_records_disk_and_spaces() {
    let place = place();
    let document = place.json("stats a");
    assert_eq!(document["stats"]["records"], 3);
    assert_eq!(document["stats"]["spaces"][0]["name"], "v");
    assert!(document["memory"].is_object());
    let shown = place.text("stats a");
    assert!(shown.starts_with("records    3"), "{shown}");
    assert!(shown.contains("\"v\" (3 dimensions, cosine)"), "{shown}");
}

#[test]
fn export_takes_a_filter() {
    let place = place();
    let lines = place.cart("export a --filter '{\"lang\":\"en\"}'").succeeds().records();
    assert_eq!(lines.iter().map(|line| &line["key"]).collect::<Vec<_>>(), ["moon", "web"]);
    place.cart("export a --filter '{\"lang\":\"fr\"}'").fails(3, &["no record matches"]);
}

#[test]
fn a_reader_that_has_enough_ends_the_export_without_a_word() {
    let place = large_place();
    let mut child = place.command("export a").spawn().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    from.read_line(&mut String::new()).unwrap();
    drop(from);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let place = place();
    let writer = compact_artifact::CompactArtifact::open(place.path("a")).unwrap();
    place.cart("add a x.jsonl --upsert").fails(1, &["a"]);
    place.cart("delete a moon").fails(1, &["a"]);
    assert_eq!(place.found("a moon"), ["moon"]);
    writer.close().unwrap();
    place.cart("add a x.jsonl --upsert").succeeds();
}

#[test]
fn what_a_text_says_is_not_what_the_terminal_does() {
    let place = Place::new();
    place.cart_with("add a -", "red \u{1b}[31m alarm\n".as_bytes()).succeeds();
    for shown in ["search a alarm", "get a stdin#1"] {
        let shown = place.text(shown);
        assert!(shown.contains("alarm") && !shown.contains('\u{1b}'), "{shown:?}");
    }
}

#[test]
fn help_teaches_and_names_the_exit_codes() {
    let place = Place::new();
    for help in ["--help", "-h"] {
        let help = place.text(help);
        for part in ["Exit codes:", "4  damage found", "demo", "NO_COLOR"] {
            assert!(help.contains(part), "{part}: {help}");
        }
    }
    assert!(place.text("--help").contains("cart search notes.artifact fear of small rooms"));
    assert!(place.text("add --help").contains("\"metadata\": {\"year\": 1969}"));
    assert!(place.text("search --help").contains("$gte"));
    assert!(place.text("--version").starts_with("cart 0."));
    assert_eq!(place.cart("").code, 2);
    assert_eq!(place.cart("frobnicate").code, 2);
}

#[test]
fn completions_are_written_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(place.text(&format!("completions {shell}")).contains("salvage"), "{shell}");
    }
    assert_eq!(place.cart("completions tcsh").code, 2);
    place.cart("completions bash --json").fails(2, &["--json"]);
}

#[test]
fn figures_are_of_real_work_and_come_as_text_json_and_a_page() {
    const BENCH: &str =
        "bench a --queries 20 --duration 0.02 --warm-up 0.01 --clients 1,2 --batch 1,5 --scratch .";
    let place = place();
    let report = place.json(&format!("{BENCH} --html page.html --commit abc123"));
    assert_eq!((&report["setting"]["records"], &report["setting"]["commit"]), (&3.into(), &"abc123".into()));
    let figures: Vec<&str> =
        report["figures"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    for part in ["ingest until all is indexed", "open to first result, new process", "disk, all files"] {
        assert!(figures.iter().any(|name| name.starts_with(part)), "{part}: {figures:?}");
    }
    let runs = report["runs"].as_array().unwrap();
    let has = |what: &dyn Fn(&serde_json::Value) -> bool| runs.iter().any(what);
    for kind in ["simple", "complex", "multi_modal"] {
        assert!(has(&|run| run["kind"] == kind && run["mode"] == "closed" && run["clients"] == 2), "{kind}");
        assert!(
            has(&|run| run["kind"] == kind && run["mode"]["open"]["rate"].is_number()),
            "{kind} at a rate"
        );
    }
    assert!(has(&|run| run["operation"] == "get") && has(&|run| run["batch"] == 5 && run["clients"] == 2));
    for run in runs {
        let latency = |name: &str| run["latency"][name].as_f64().unwrap();
        assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99"), "{run}");
    }
    assert_eq!(report["recall"][0]["space"], "v");
    assert!(report["max_throughput"].as_f64() > Some(0.0) && report["p95_latency"].as_f64() > Some(0.0));
    let page = std::fs::read_to_string(place.path("page.html")).unwrap();
    assert!(page.contains("abc123") && page.ends_with("</html>\n") && !page.contains("http"), "{page}");
    let left: Vec<_> =
        std::fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "scratch files were left behind: {left:?}");

    std::fs::write(place.path("old.json"), report.to_string()).unwrap();
    let text = place.text(&format!("{BENCH} --compare old.json --html beside.html"));
    for part in ["max_throughput", "open loop", "compared with", "search, simple, 2 clients: p95", "gain"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = std::fs::read_to_string(place.path("beside.html")).unwrap();
    assert!(page.contains("Beside the run before") && page.contains("commit abc123"), "{page}");
    let compared = place.json(&format!("{BENCH} --compare old.json"));
    assert!(compared["comparison"]["changes"].as_array().unwrap().len() > 20, "{compared}");
    std::fs::write(place.path("old.json"), compared.to_string()).unwrap();
    place.text(&format!("{BENCH} --compare old.json"));
    place.cart("bench a --compare page.html").fails(1, &["page.html", "cart bench --json"]);
    place.cart("bench a --compare none.json").fails(3, &["none.json"]);
    for wrong in ["--duration 0", "--clients 0", "--batch 0", "--rate -1", "--duration x"] {
        assert_eq!(place.cart(&format!("bench a --queries 1 {wrong}")).code, 2, "{wrong}");
    }
}

#[test]
fn the_demo_builds_what_the_other_commands_go_on_with() {
    let place = Place::new();
    let built = place.json("demo d");
    assert_eq!(built["built"]["records"], 117_659);
    assert_eq!(built["stats"]["records"], 117_660, "the texts and their licence");
    let answers = built["answers"].as_array().unwrap();
    assert!(answers.len() >= 6);
    assert!(answers.iter().all(|answer| !answer["keys"].as_array().unwrap().is_empty()), "{built}");
    // Found by what they mean: of small rooms, or of stars, neither says a word.
    let answers_to = |command: &str| {
        let keys = answers.iter().map(|answer| answer["keys"].to_string());
        assert!(keys.clone().any(|keys| keys.starts_with(&format!("[\"{command}\""))), "{built}");
    };
    answers_to("n14383252"); // claustrophobia
    answers_to("n09818343"); // astronomer
    assert_eq!(place.text("get d wordnet.LICENSE --raw").trim_end(), place.text("demo --licence").trim_end());
    assert_eq!(
        place.json("demo --licence")["licence"].as_str(),
        Some(place.text("get d wordnet.LICENSE --raw").as_str())
    );
    assert!(place.text("search d small domestic animal").contains("a single domestic animal"));
    let again: Value = place.json("demo d");
    assert!(again["built"].is_null(), "it is there already");
    assert_eq!(again["answers"].as_array().unwrap().len(), answers.len());
    let told = place.text("demo d");
    assert!(told.contains("is there already") && told.contains("cart search d \"…\""), "{told}");
    place.cart("demo d --vectors x.npy").fails(2, &["--vectors"]);
    place.cart("delete d n02084071").succeeds();
    place.cart("demo d").fails(0, &["d: has 117,658 of 117,659 texts; --force"]);
    assert_eq!(place.json("demo d --force")["built"]["records"], 117_659);
    place.write("mine/file", "precious");
    place.cart("demo mine --force").fails(1, &["not what an earlier demo built"]);
    assert!(place.path("mine/file").exists());
    place.write("d/notes.txt", "precious");
    place.cart("demo d --force").fails(1, &["notes.txt"]);
    assert_eq!(place.records("d"), 117_660);
    assert!(place.path("d/notes.txt").exists());
}

#[test]
fn a_group_lets_so_many_hits_of_each_value_through() {
    let place = Place::new();
    place.write("a.txt", "red one\n\nred two\n\nred three");
    place.write("b.txt", "red four");
    place.cart("add a a.txt b.txt --no-meaning").succeeds();
    let hits = |option: &str| place.json(&format!("search a red {option}"))["hits"].as_array().unwrap().len();
    assert_eq!([hits(""), hits("--group path"), hits("--group path:2")], [4, 2, 3]);
    for wrong in ["path:0", "path:x", ":1"] {
        assert_eq!(place.cart(&format!("search a red --group {wrong}")).code, 2, "{wrong}");
    }
}
