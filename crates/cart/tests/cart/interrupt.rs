//! Ctrl-C: what was made is there and that is said, or it is not and that is said.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use compact_artifact::{CompactArtifact, Record};

use crate::support::{Ended, Place, damage};

/// Starts a command for which Ctrl-C is not ignored, even where the tests run in the background of a shell.
fn start(place: &Place, args: &str) -> Child {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_cart")]).args(args.split_whitespace());
    command.current_dir(place.path(".")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Starts a command, which waits for more than what it gets on stdin.
fn start_with(place: &Place, args: &str, stdin: &[u8]) -> (Child, ChildStdin) {
    let mut child = start(place, args);
    let mut to = child.stdin.take().unwrap();
    to.write_all(stdin).unwrap();
    to.flush().unwrap();
    (child, to)
}

/// Ctrl-C, unless the command has ended.
fn press(child: &Child) {
    let _ = Command::new("kill").arg("-INT").arg(child.id().to_string()).stderr(Stdio::null()).status();
}

/// Whether Ctrl-C is caught.
fn is_watching(child: &Child) -> bool {
    catches(child.id())
}

/// Whether a process catches Ctrl-C.
fn catches(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
    u64::from_str_radix(caught, 16).unwrap() & 2 != 0
}

/// Waits until something is so, for as long as the command runs.
fn wait_until(child: &mut Child, is_so: impl Fn() -> bool) {
    while !is_so() {
        assert!(child.try_wait().unwrap().is_none(), "the command has ended");
        std::thread::yield_now();
    }
}

/// The files at a path: those of a folder, or the file.
fn files(path: &Path) -> usize {
    fs::read_dir(path).map_or(usize::from(path.is_file()), Iterator::count)
}

/// An artifact of several segments.
fn artifact(place: &Place) {
    let writer = CompactArtifact::create(place.path("a")).unwrap();
    for part in 0..6 {
        let text = |n: u64| {
            format!("{:x}", u128::from(n + part * 400).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c)).repeat(40)
        };
        writer.add_batch((0..400).map(|n| Record::text(text(n)).key(format!("{part}-{n}")))).unwrap();
        writer.seal().unwrap();
    }
    writer.close().unwrap();
}

/// Interrupts a command that makes something at `to` as soon as so many files are there, and looks at what is left.
fn interrupt(place: &Place, args: &str, to: &str, seen: usize, done: i32) -> bool {
    let mut child = start(place, args);
    while files(&place.path(to)) < seen && child.try_wait().unwrap().is_none() {}
    press(&child);
    let ended = Ended::of(child.wait_with_output().unwrap());
    if ended.code == 130 {
        assert_eq!(ended.text(), "", "{args}, {seen}");
        assert_eq!(ended.stderr, format!("cart: interrupted; nothing was made at {to}\n"), "{args}, {seen}");
        assert!(!place.path(to).exists(), "{args}, {seen}");
        return true;
    }
    assert_eq!(ended.code, done, "{args}, {seen}: {ended:?}");
    assert!(ended.text().contains(to), "{args}, {seen}: {ended:?}");
    place.cart(&format!("verify {to}")).succeeds();
    if place.path(to).is_dir() {
        fs::remove_dir_all(place.path(to)).unwrap();
    } else {
        fs::remove_file(place.path(to)).unwrap();
    }
    false
}

#[test]
fn an_interrupted_restore_salvage_or_pack_is_done_and_there_or_says_that_nothing_was_made() {
    let place = Place::new();
    artifact(&place);
    place.cart("pack a a.pack").succeeds();
    let mut interrupted = 0;
    for seen in (1..=16).chain(1..=16) {
        interrupted += usize::from(interrupt(&place, "restore a.pack r", "r", seen, 0));
    }
    for _ in 0..8 {
        interrupted += usize::from(interrupt(&place, "pack a p.pack", "p.pack", 1, 0));
    }
    damage(&place.path("a"));
    for seen in 1..=12 {
        interrupted += usize::from(interrupt(&place, "salvage a s", "s", seen, 4));
    }
    assert!(interrupted > 0);
}

#[test]
fn an_interrupted_embed_or_bench_leaves_nothing_that_it_wrote_aside() {
    let place = Place::new();
    fs::create_dir(place.path("out")).unwrap();
    let (mut child, stdin) = start_with(&place, "embed - --out out/v.npy", b"a cat\na dog\n");
    let (folder, id) = (place.path("out"), child.id());
    wait_until(&mut child, || files(&folder) == 1 && catches(id));
    press(&child);
    let ended = Ended::of(child.wait_with_output().unwrap());
    drop(stdin);
    ended.fails(130, &["interrupted; nothing was made at out/v.npy"]);
    assert_eq!(files(&folder), 0);

    place.write("x.jsonl", "{\"text\":\"a cat\"}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let mut child = start(&place, "bench a --duration 30 --scratch out");
    let id = child.id();
    wait_until(&mut child, || files(&folder) == 1 && catches(id));
    press(&child);
    Ended::of(child.wait_with_output().unwrap()).fails(130, &["interrupted; nothing was made at"]);
    assert_eq!(files(&folder), 0);
}

#[test]
fn an_interrupted_add_says_how_many_records_are_kept_and_leaves_nothing_without_any() {
    for (option, kept) in [("", 0), ("--batch 2", 4)] {
        let place = Place::new();
        let lines =
            (0..5).fold(String::new(), |lines, i| lines + &format!("{{\"key\":\"k{i}\",\"text\":\"t\"}}\n"));
        let (mut child, to) = start_with(&place, &format!("add a --jsonl - {option}"), lines.as_bytes());
        while !is_watching(&child) {}
        // Until it has come as far as it gets.
        let len = || CompactArtifact::open_read_only(place.path("a")).map_or(0, |reader| reader.len());
        wait_until(&mut child, || len() == kept);
        press(&child);
        let ended = Ended::of(child.wait_with_output().unwrap());
        drop(to);
        assert_eq!(ended.code, 130, "{ended:?}");
        if kept == 0 {
            assert_eq!(ended.stderr, "cart: interrupted; nothing was added\n");
            assert!(!place.path("a").exists());
        } else {
            assert!(
                ended.stderr.ends_with("interrupted; 4 records were added before it and are kept\n"),
                "{ended:?}"
            );
            assert_eq!(place.records("a"), 4);
        }
    }
}

#[test]
fn an_interrupted_add_puts_back_the_settings_that_it_wrote_when_it_opened_the_artifact() {
    let place = Place::new();
    let writer = CompactArtifact::options().no_language().create(place.path("a")).unwrap();
    writer.close().unwrap();
    place.write("s.json", r#"{"year": "number"}"#);
    let read = || CompactArtifact::open_read_only(place.path("a")).unwrap();
    let settings =
        || (read().schema().is_some(), read().expires_field().is_some(), read().precomputed_similar());
    let before = settings();
    let args = "add a --jsonl - --schema s.json --expires-field until --precompute-similar 3";
    let (mut child, to) = start_with(&place, args, b"{\"text\":\"t\"}\n");
    wait_until(&mut child, || settings() == (true, true, 3));
    press(&child);
    let ended = Ended::of(child.wait_with_output().unwrap());
    drop(to);
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.stderr.ends_with("interrupted; nothing was added\n"), "{ended:?}");
    assert_eq!(settings(), before);
    place.cart("add a --jsonl - --expires-field date").fails(3, &["no file has a record"]);
}

#[test]
fn an_add_that_is_interrupted_twice_in_its_first_commit_removes_what_it_created_and_nothing_else() {
    for was_there in [false, true] {
        let place = Place::new();
        if was_there {
            fs::create_dir(place.path("a")).unwrap();
        }
        let large = vec![b'x'; 9 << 20];
        let (mut child, to) = start_with(&place, "add a --blob - --no-meaning", &large);
        wait_until(&mut child, || files(&place.path("a")) > 2);
        press(&child);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert!(line.contains("when interrupted again"), "{line}");
        press(&child);
        let ended = child.wait().unwrap();
        drop(to);
        assert_eq!(ended.code(), Some(130));
        assert_eq!((place.path("a").exists(), files(&place.path("a"))), (was_there, 0));
    }
}

#[test]
fn an_interrupted_demo_says_what_is_kept_and_how_to_build_it_anew() {
    const ALL: u64 = 117_660;
    let place = Place::new();
    let len = || CompactArtifact::open_read_only(place.path("d")).map_or(0, |artifact| artifact.len());
    // It may be through before it is interrupted, and is built anew then.
    loop {
        let mut child = start(&place, "demo d");
        while len() == 0 && child.try_wait().unwrap().is_none() {}
        press(&child);
        let ended = Ended::of(child.wait_with_output().unwrap());
        let kept = len();
        assert!(kept > 0, "{ended:?}");
        if ended.code == 0 {
            assert_eq!(kept, ALL);
        } else {
            assert_eq!(ended.code, 130, "{ended:?}");
            assert!(ended.stderr.contains("interrupted") && ended.stderr.contains("kept"), "{ended:?}");
        }
        if kept < ALL {
            break;
        }
        fs::remove_dir_all(place.path("d")).unwrap();
    }
    place.cart("demo d").fails(0, &["of 117,659 texts; --force"]);
}
