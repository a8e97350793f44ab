//! Ctrl-C while one thing is made: it is there and that is said, or it is not and that is said.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use compact_artifact::{CompactArtifact, Record};

use crate::support::{Ended, Place, damage};

/// Starts a command for which Ctrl-C is not ignored, even where the tests run in the background of a shell.
fn start(place: &Place, args: &str) -> Child {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_cart")]).args(args.split_whitespace());
    command.current_dir(place.path(".")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
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
    let begun = Instant::now();
    while files(&place.path(to)) < seen && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1));
    }
    // None, if it has ended.
    let _ = Command::new("kill").arg("-INT").arg(child.id().to_string()).stderr(Stdio::null()).status();
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
