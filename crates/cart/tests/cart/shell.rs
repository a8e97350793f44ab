//! Many commands in one shell, manual pages, and what a doctor says.

use std::fs;

use crate::support::{Place, damage};

#[cfg(unix)]
use crate::terminal::{CTRL_C, at_terminal};

const LINES: &str = "{\"key\":\"moon\",\"text\":\"the moon\",\"metadata\":{\"n\":1}}\n{\"key\":\"web\",\"text\":\"the web\"}\n";

#[test]
fn a_shell_runs_lines_and_goes_on_after_errors() {
    let place = Place::new();
    place.write("x.jsonl", LINES);
    let script = "# comments and blank lines are nothing\n\nadd x.jsonl --no-meaning\nsearch moon\n\
                  search 'the moon' --filter '{\"n\": 1}'\nfrobnicate\nget nobody\nget 'open\ndelete web\nshell\nstats\nexit\nget moon\n";
    let ended = place.cart_with("shell a", script.as_bytes());
    assert_eq!(ended.code, 2, "that of the last line that failed: {ended:?}");
    let (text, errors) = (ended.text(), &ended.stderr);
    assert!(text.starts_with("added 2 records"), "{text}");
    assert_eq!(text.matches("the moon").count(), 2, "{text}");
    assert!(text.contains("deleted 1 record; ") && text.contains("\nrecords    1, "), "{text}");
    assert_eq!(text.matches("moon #0").count(), 2, "nothing is run behind exit: {text}");
    let errors: Vec<&str> = errors.lines().collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].contains("frobnicate") && errors[1].contains("\"nobody\""), "{errors:?}");
    assert!(
        errors[2].contains("a quote that is not closed") && errors[3].contains("a shell already"),
        "{errors:?}"
    );
    let ended = place.cart_with("shell a --json", b"stats\nget moon\n");
    assert_eq!((ended.code, ended.json_lines().len()), (0, 2), "{ended:?}");
    assert!(place.cart_with("shell a", b"help search\n").succeeds().text().contains("--filter"));
    assert!(place.cart_with("shell a", b"restore none b\n").fails(3, &["none"]).text().is_empty());
}

#[test]
fn a_line_that_is_no_text_or_too_long_does_not_end_a_shell() {
    let place = Place::new();
    place.write("x.jsonl", LINES);
    let long = vec![b'x'; (4 << 20) + 1];
    let script = [b"add x.jsonl --no-meaning\r\n\xff\xfe\n", &long[..], b"\nget moon"].concat();
    let ended = place.cart_with("shell a", &script);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.text().contains("moon #0"), "{ended:?}");
    let errors: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("stdin: a line that is not UTF-8"), "{errors:?}");
    assert!(errors[1].contains("stdin: a line of more than 4194304 bytes"), "{errors:?}");
}

#[cfg(unix)]
#[test]
fn a_shell_at_a_terminal_has_a_prompt_completion_and_a_history() {
    let place = Place::new();
    place.write("x.jsonl", LINES);
    place.cart("add a x.jsonl --no-meaning").succeeds();
    // Tab completes the command and the key.
    let (code, seen) = at_terminal(&place, "shell a", "stat\t\r\nget mo\t\r\nget nobody\r\nexit\r\n", true);
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("cart a> "), "{seen:?}");
    assert!(
        seen.contains("records    2") && seen.contains("the moon") && seen.contains("there is no record"),
        "{seen:?}"
    );
    let history = fs::read_to_string(place.path("state/cart/history")).unwrap();
    assert!(history.contains("get moon") && history.contains("stats"), "{history}");
    // Ctrl-C ends the command that waits for a text, and the line that is typed, but not the shell.
    let typed = format!("add -\r\n{CTRL_C}stat{CTRL_C}stats\r\nexit\r\n");
    let (code, seen) = at_terminal(&place, "shell a", &typed, true);
    assert!(code == 0 && seen.contains("records    2"), "{seen:?}");
    assert!(seen.contains("interrupted; nothing was added"), "{seen:?}");
    // Arrow up: a line of a shell before.
    let (code, seen) =
        at_terminal(&place, "shell a", "\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\r\nquit\r\n", true);
    assert!(code == 0 && seen.contains("the moon"), "{seen:?}");
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let place = Place::new();
    let report = place.json("man man1");
    let pages: Vec<_> = fs::read_dir(place.path("man1")).unwrap().map(|page| page.unwrap().path()).collect();
    assert_eq!(report["pages"], pages.len());
    let search = fs::read_to_string(place.path("man1/cart-search.1")).unwrap();
    assert!(search.contains(".TH cart-search 1") && search.contains("exit code"), "{search}");
    assert!(fs::read_to_string(place.path("man1/cart.1")).unwrap().contains("interrupted"));
    assert!(!place.path("man1/cart-man.1").exists() && !place.text("--help").contains("  man "));
    place.write("file", "");
    place.cart("man file").fails(1, &["file: cannot be written"]);
}

#[test]
fn an_export_becomes_an_artifact_again() {
    let place = Place::new();
    place.write("x.jsonl", LINES);
    place.cart("add a x.jsonl").succeeds();
    place.write("export.jsonl", place.text("export a --vectors"));
    place.cart("restore export.jsonl b").succeeds();
    assert_eq!(place.text("export b"), place.text("export a"));
    place.cart("import export.jsonl c").succeeds();
    assert_eq!(place.text("export c"), place.text("export a"));
    place.cart("restore export.jsonl a").fails(1, &["a: expected a folder that is not there"]);
    place.cart("restore none.jsonl d").fails(3, &["none.jsonl"]);
    place.write("bad.jsonl", "{\"txet\":1}\n");
    place.cart("restore bad.jsonl d").fails(1, &["bad.jsonl:1", "nothing was added"]);
    assert!(!place.path("d").exists());
}

#[test]
fn a_doctor_says_what_there_is_and_what_to_do() {
    let place = Place::new();
    let line = |i: u32| {
        format!(
            "{{\"key\":\"k{i}\",\"text\":\"record {i} {:x}\",\"metadata\":{{\"n\":{i}}}}}\n",
            i.wrapping_mul(2_654_435_761)
        )
    };
    place.write("x.jsonl", (0..2000).map(line).collect::<String>());
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let told = place.text("doctor a");
    assert!(
        told.contains("2,000 records in ")
            && told.contains("there is nothing to do\n32 searches")
            && told.contains("\nsound: every byte of "),
        "{told}"
    );
    assert_eq!(place.json("doctor a")["findings"], serde_json::json!([]));
    place.cart("delete a --filter '{\"n\":{\"$lt\":1500}}'").succeeds();
    let told = place.text("doctor a");
    assert!(
        told.contains("1,500 deleted records take") && told.contains("`cart compact a` gives them back"),
        "{told}"
    );
    place.cart("compact a").succeeds();
    assert!(place.text("doctor a").contains("there is nothing to do"));
    place.cart("pack a a.pack").succeeds();
    assert!(place.text("doctor a.pack").contains("there is nothing to do"));
    let told = place.text("doctor a --query record --query 'k7 record'");
    assert!(
        told.contains("\n2 searches, and what took their time:\n- ") || told.contains("2 searches: nothing"),
        "{told}"
    );
    let searches = &place.json("doctor a.pack")["searches"];
    assert_eq!(searches["count"], 32, "the beginnings of texts: {searches}");
    assert!(
        searches["bottlenecks"].as_array().unwrap().iter().all(|one| one["fraction"].as_f64() >= Some(0.05))
    );
    let file = damage(&place.path("a"));
    let ended = place.cart("doctor a --json").fails(4, &["a: ", "cart salvage a NEW"]);
    assert_eq!(ended.json()["sound"], false);
    let found = ended.json()["findings"].to_string();
    assert!(
        found.contains(file.file_name().unwrap().to_str().unwrap()) && found.contains("copies what is sound"),
        "{found}"
    );
    place.cart("doctor none").fails(3, &["none"]);
    place.cart("doctor x.jsonl").fails(1, &["x.jsonl"]);
}
