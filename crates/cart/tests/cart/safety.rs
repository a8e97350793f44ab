//! What a failure leaves: files of others, records that were committed, and one honest line.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use compact_artifact::{CompactArtifact, Maintenance, Record};

use crate::support::{Ended, Place};

const TWICE: &str = "{\"key\":\"a\",\"text\":\"one\"}\n\n{\"key\":\"a\",\"text\":\"two\"}\n";
const GOOD: &str = "{\"key\":\"a\",\"text\":\"one\"}\n{\"key\":\"b\",\"text\":\"two\"}\n";
/// Characters that command a terminal, or hide from a person: C0, C1, bidi, zero width.
const HOSTILE: [char; 6] = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}'];

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

/// Runs `cart` where no file can become longer than so many bytes.
fn with_file_limit(place: &Place, args: &str, kib: u64) -> Ended {
    let script = format!("ulimit -f {}; exec \"$0\" {args}", kib * 2);
    let mut command = Command::new("sh");
    command.current_dir(place.path(".")).arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_cart"));
    Ended::of(command.output().unwrap())
}

/// The memory of a process is counted so by Linux alone.
#[cfg(target_os = "linux")]
#[test]
fn where_memory_ends_another_language_is_refused_and_the_process_is_not_ended() {
    let place = Place::new();
    let word = |n: u32| format!("{:05x}", n.wrapping_mul(2_654_435_761) >> 12);
    let line = |n: u32| {
        let words: Vec<String> = (n * 40..n * 40 + 40).map(word).collect();
        format!("{{\"text\":\"{}\"}}\n", words.join(" "))
    };
    place.write("texts.jsonl", (0..7_500).map(line).collect::<String>());
    place.cart("add a texts.jsonl --no-meaning").succeeds();
    let mut refused = 0;
    for mib in (64..160).step_by(8) {
        let script = format!("ulimit -v {}; exec \"$0\" reindex a --language none", mib << 10);
        let mut command = Command::new("sh");
        command.current_dir(place.path(".")).arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_cart"));
        let ended = Ended::of(command.output().unwrap());
        if ended.code == 0 {
            break;
        }
        assert!(ended.code == 1 && ended.stderr.contains("memory"), "{mib} MiB: {ended:?}");
        refused += 1;
    }
    assert!(refused > 1);
    assert_eq!(place.cart("verify a").code, 0);
}

#[test]
fn an_add_that_fails_leaves_the_files_of_others_alone() {
    for content in [TWICE, GOOD] {
        let place = Place::new();
        place.write("precious/thesis.txt", "thesis");
        place.write("hidden/.thesis", "thesis");
        place.write("x.jsonl", content);
        let reason = if content == TWICE {
            "x.jsonl:3: the key \"a\" is that of x.jsonl:1 as well"
        } else {
            "other files"
        };
        let mut artifacts = vec!["precious", "hidden", "."];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(place.path("precious"), place.path("link")).unwrap();
            artifacts.push("link");
        }
        for artifact in artifacts {
            let before = names(&place.path(artifact));
            place.cart(&format!("add {artifact} x.jsonl")).fails(1, &[reason, "nothing was added"]);
            assert_eq!(names(&place.path(artifact)), before);
        }
        assert_eq!(fs::read_to_string(place.path("precious/thesis.txt")).unwrap(), "thesis");
    }
}

/// Words that do not compress.
#[cfg(unix)]
fn noise(seed: u32, words: u32) -> String {
    let word = |n: u32| format!("{:x} ", (seed * words + n).wrapping_mul(2_654_435_761));
    (0..words).fold(String::new(), |text, n| text + &word(n))
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_no_file_of_others_and_leaves_no_half_artifact() {
    let place = Place::new();
    place.write("x.txt", (0..20).map(|i| noise(i, 1500) + "\n\n").collect::<String>());
    fs::create_dir(place.path("empty")).unwrap();
    fs::create_dir(place.path("linked")).unwrap();
    std::os::unix::fs::symlink(place.path("linked"), place.path("link")).unwrap();
    for artifact in ["new", "empty", "link"] {
        let before = place.path(artifact).exists();
        with_file_limit(&place, &format!("add {artifact} x.txt"), 16).fails(1, &["nothing was added"]);
        assert_eq!(place.path(artifact).exists(), before, "{artifact}");
        assert!(!before || names(&place.path(artifact)).is_empty(), "{artifact}");
    }
}

#[cfg(unix)]
#[test]
fn an_add_says_it_failed_only_when_nothing_was_added() {
    let place = Place::new();
    let line = |i: u32| {
        let words = noise(i, 40);
        format!("{{\"key\":\"k{i}\",\"text\":\"{words}\"}}\n")
    };
    place.write("x.jsonl", (0..1500).map(line).collect::<String>());
    let (mut failed, mut done) = (0, 0);
    for kib in [8, 64, 128, 160, 192, 224, 256, 288, 320, 384, 448, 512, 1024, 4096] {
        let ended = with_file_limit(&place, "add a x.jsonl --json", kib);
        match ended.code {
            0 => {
                assert_eq!(ended.json()["records"], 1500);
                assert_eq!(ended.json()["warning"].is_null(), ended.stderr.is_empty(), "{ended:?}");
                assert!(ended.stderr.is_empty() || ended.stderr.contains("kept"), "{ended:?}");
                let stats = place.cart("stats a --json");
                assert_eq!(stats.json()["stats"]["records"], 1500, "at {kib} KiB");
                fs::remove_dir_all(place.path("a")).unwrap();
                done += 1;
            }
            code => {
                assert_eq!(code, 1, "{ended:?}");
                assert!(ended.stderr.contains("nothing was added") && !place.path("a").exists(), "{ended:?}");
                failed += 1;
            }
        }
    }
    assert!(failed > 0 && done > 0, "{failed} {done}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_undoes_nothing_and_is_no_failure() {
    let place = Place::new();
    place.write("x.jsonl", GOOD);
    for (args, json) in [
        ("add a x.jsonl", ""),
        ("delete a b", " --json"),
        ("compact a", ""),
        ("pack a a.pack", " --json"),
        ("restore a.pack r", ""),
    ] {
        let mut command = place.command(&format!("{args}{json}"));
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let ended = Ended::of(command.output().unwrap());
        assert_eq!(ended.code, 0, "{args}: {ended:?}");
        assert!(ended.stderr.contains("it was done all the same"), "{args}: {ended:?}");
    }
    assert_eq!((place.records("a"), place.records("r")), (1, 1));
    let mut command = place.command("stats a");
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    Ended::of(command.output().unwrap()).fails(1, &["writing the output"]);
}

#[test]
fn a_packed_file_becomes_a_folder_that_can_be_written_to() {
    let place = Place::new();
    place.write("x.jsonl", GOOD);
    place.write("more.jsonl", "{\"key\":\"c\",\"text\":\"three\"}\n");
    place.cart("add a x.jsonl").succeeds();
    place.cart("pack a a.pack").succeeds();
    assert!(place.json("restore a.pack r")["files"].as_u64().unwrap() > 2);
    assert_eq!(place.text("export r"), place.text("export a"));
    place.cart("add r more.jsonl").succeeds();
    place.cart("verify r").succeeds();
    assert_eq!(place.records("r"), 3);
    place.cart("restore a.pack r").fails(1, &["r: "]);
    place.write("mine/file", "precious");
    place.cart("restore a.pack mine").fails(1, &["mine: ", "file"]);
    place.cart("restore a r2").fails(1, &["a: expected a packed file"]);
    place.cart("restore missing r2").fails(3, &["missing"]);
    place.write("none.pack", GOOD);
    place.cart("restore none.pack r2").fails(1, &["none.pack"]);
    let mut bytes = fs::read(place.path("a.pack")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write("flipped.pack", bytes);
    place.cart("restore flipped.pack r2").fails(4, &["flipped.pack"]);
    place.cart("verify flipped.pack").fails(4, &["flipped.pack"]);
    assert!(!place.path("r2").exists());
    assert_eq!(names(&place.path("mine")), [place.path("mine/file")]);
}

#[test]
fn nothing_that_is_printed_commands_the_terminal() {
    let place = Place::new();
    for c in HOSTILE {
        let name = format!("x{c}y");
        let json = serde_json::json!({"key": name, "text": format!("alarm {name}"), "metadata": {&name: name}, "vectors": {&name: [1.0, 0.5]}});
        place.write("x.jsonl", format!("{json}\n"));
        place.cart("add a x.jsonl --upsert").succeeds();
    }
    place.write("bad.jsonl", format!("{{\"te{}xt\":1}}", HOSTILE[2]));
    let space = format!("x{}y", HOSTILE[1]);
    let outputs = [
        place.cart("search a alarm --explain"),
        place.cart("search a alarm --json --explain"),
        place.cart("export a --vectors"),
        place.cart("stats a"),
        place.cart("stats a --json"),
        place.cart(&format!("get a x{}y", HOSTILE[2])),
        place.cart(&format!("get a x{}y --json", HOSTILE[1])),
        place.cart(&format!("get a nobody{}", HOSTILE[2])),
        place.cart(&format!("delete a nobody{}", HOSTILE[1])),
        place.cart(&format!("search a --like nobody{} --space {space}", HOSTILE[2])),
        place.cart(&format!("search a{} alarm", HOSTILE[2])),
        place.cart(&format!("add a no{}file", HOSTILE[1])),
        place.cart(&format!("frobnicate{}", HOSTILE[2])),
        place.cart(&format!("search a --filter {{\"x{}\":{{\"$y\":1}}}}", HOSTILE[2])),
        place.cart("add a bad.jsonl"),
    ];
    for ended in outputs {
        let (stdout, stderr) = (ended.text(), &ended.stderr);
        assert!(!stdout.is_empty() || !stderr.is_empty());
        for c in HOSTILE {
            assert!(!stdout.contains(c) && !stderr.contains(c), "{c:?}: {ended:?}");
        }
    }
}

#[test]
fn errors_are_one_line_with_the_promised_code_and_without_calls_of_the_library() {
    let place = Place::new();
    place.write("x.jsonl", GOOD);
    place.write("v.json", "[1, 2]");
    place.write("bad.json", "{}");
    place.write("empty", "");
    place.cart("add a x.jsonl").succeeds();
    place.cart("pack a a.pack").succeeds();
    fs::create_dir(place.path("folder")).unwrap();
    let writer = CompactArtifact::open(place.path("a")).unwrap();
    for locked in ["add a x.jsonl --upsert", "delete a b", "compact a"] {
        place.cart(locked).fails(1, &["a: ", "another writer"]);
    }
    writer.close().unwrap();
    let failing: [(i32, &[&str]); 4] = [
        (
            2,
            &[
                "",
                "frobnicate",
                "search",
                "search a",
                "search a x --frob",
                "search a x -k 0",
                "search a x -k many",
                "search a --syntax '\"open'",
                "search a --filter '{'",
                "search a --filter '{\"x\":{\"$y\":1}}'",
                "search a --vector-file v.json",
                "search a --vector-file bad.json",
                "search a --vector-file v.json --space w",
                "search a --vector-file empty",
                "search a --like a --space none",
                "search a x --words --exact",
                "get a",
                "get a '#x'",
                "get a '#99999999999999999999'",
                "get a a --raw --json",
                "delete a",
                "delete a --filter '[]'",
                "export a --filter 7",
                "compact a --budget lots",
                "compact a --budget 1",
                "add a",
                "add a x.jsonl --level 99",
                "add b x.jsonl --memory-limit 1",
                "add a x.jsonl --language english",
                "completions tcsh",
                "bench --queries 0",
                "verify a --level x",
            ],
        ),
        (
            3,
            &[
                "get a nobody",
                "delete a nobody",
                "search a zebra --words",
                "verify none",
                "stats none",
                "add a none.txt",
                "salvage none b",
                "compact none",
                "restore none b",
                "pack none p",
                "export none",
                "search none x",
            ],
        ),
        (
            1,
            &[
                "add a x.jsonl",
                "add a.pack x.jsonl",
                "delete a.pack a",
                "compact a.pack",
                "pack a a.pack",
                "salvage a folder/none/b",
                "restore a b",
                "add x.jsonl x.jsonl",
                "stats x.jsonl",
                "stats empty",
                "verify x.jsonl",
                "add folder/none/a x.jsonl",
                "pack a folder/none/p",
            ],
        ),
        (0, &[]),
    ];
    for (code, commands) in failing {
        for command in commands {
            let ended = place.cart(command);
            assert_eq!(ended.code, code, "cart {command}: {ended:?}");
            let ended = ended.fails(code, &[]);
            for call in ended.stderr.split('`').skip(1).step_by(2) {
                assert!(call.starts_with("cart "), "cart {command}: {ended:?}");
            }
        }
    }
}

#[test]
fn odd_files_are_errors_or_records_and_never_a_panic() {
    let place = Place::new();
    place.write("empty.jsonl", "");
    place.write("empty.npy", "");
    place.write("x.jsonl", GOOD);
    place.write("nul.jsonl", "\0\0\0\n");
    place.write("array.jsonl", "[\"k\",\"hello\"]\n");
    place.write("scalar.jsonl", "7\n");
    fs::create_dir(place.path("folder")).unwrap();
    place.cart("add a empty.jsonl").fails(3, &["no file has a record"]);
    place.cart("add a /dev/null").fails(3, &["no file has a record"]);
    place.cart("add a array.jsonl").fails(1, &["array.jsonl:1: expected an object"]);
    place.cart("add a scalar.jsonl").fails(1, &["scalar.jsonl:1: "]);
    place.cart("add a nul.jsonl").fails(1, &["nul.jsonl:1: "]);
    place.cart("add a x.jsonl --vectors empty.npy --space v").fails(1, &["empty.npy: not a .npy file"]);
    place.cart("add a x.jsonl --vectors folder --space v").fails(1, &["folder"]);
    assert!(!place.path("a").exists());
    place.cart("add a x.jsonl").succeeds();
    for most in ["search a one -k", "search a one --offset", "search a one --deadline", "get a '#"] {
        let ended = place
            .cart(&format!("{most}{}18446744073709551615'", if most.ends_with('#') { "" } else { " '" }));
        assert!([0, 2, 3].contains(&ended.code), "{most}: {ended:?}");
    }
    for folder in ["folder", "/dev/null", "/dev/full"] {
        let ended = place.cart(&format!("search {folder} x"));
        assert!(ended.code == 1 || ended.code == 3, "{ended:?}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_text_are_refused_or_shown_and_never_a_panic() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff\x1b[31m");
    fs::write(place.path(".").join(odd), "text\n").unwrap();
    let run = |args: &[&std::ffi::OsStr]| {
        let mut command = place.command("");
        Ended::of(command.args(args).stdin(Stdio::null()).output().unwrap())
    };
    let ended = run(&["add".as_ref(), "a".as_ref(), odd]).fails(1, &["not UTF-8"]);
    assert!(!ended.stderr.contains('\u{1b}'));
    run(&["stats".as_ref(), odd]).fails(1, &[]);
    place.write("x.txt", "text\n");
    let artifact = std::ffi::OsStr::from_bytes(b"artifact\xff");
    assert_eq!(run(&["add".as_ref(), artifact, "x.txt".as_ref()]).code, 0);
    assert_eq!(run(&["get".as_ref(), artifact, "x.txt#1".as_ref()]).code, 0);
    assert_eq!(run(&["get".as_ref(), artifact, odd]).code, 2);
}

#[test]
fn where_no_thread_can_be_started_a_measurement_says_so() {
    let place = Place::new();
    place.write("a.jsonl", r#"{"text":"one"}"#);
    place.cart("add a a.jsonl").succeeds();
    let mut command = place.command("bench a --duration 0.01 --warm-up 0");
    // No thread gets a stack of so many bytes.
    command.env("RUST_MIN_STACK", "4611686018427387904");
    let ended = Ended::of(command.output().unwrap());
    ended.fails(1, &["a thread for a client cannot be started"]);
}

#[test]
fn what_a_reader_cannot_seal_is_not_packed_and_why_is_said() {
    let place = Place::new();
    let writer = CompactArtifact::create(place.path("a")).unwrap();
    writer.add_text("not sealed").unwrap();
    place.cart("pack a p").fails(1, &["the newest records are not sealed"]);
    assert!(!place.path("p").exists());
    writer.seal().unwrap();
    place.cart("pack a p").succeeds();
}

#[test]
fn what_opening_indexes_keeps_to_a_limit_of_memory() {
    let place = Place::new();
    let options = CompactArtifact::options().maintenance(Maintenance::Manual);
    let writer = options.create(place.path("a")).unwrap();
    let word =
        |n: u64| format!("{:032x} ", u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let text = |n: u64| (n * 15..n * 15 + 15).map(word).collect::<String>();
    writer.add_batch((1..=9_000).map(|n| Record::text(text(n)).key(n.to_string()))).unwrap();
    drop(writer);
    place.cart("get a 7").succeeds();
    place.cart("get a 7 --memory-limit 1MiB").fails(2, &["--memory-limit: expected at least 8 MiB"]);
    place.cart("get a 7 --memory-limit 8MiB").fails(1, &["take more than 4194304 bytes", "cart compact"]);
    place.cart("compact a --memory-limit 8MiB").succeeds();
    place.cart("get a 7 --memory-limit 8MiB").succeeds();
}
