//! What is only so at a terminal: colours, bars, questions.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::Place;

/// What Ctrl-C types.
pub(crate) const CTRL_C: char = '\u{3}';
/// What a shell writes when it waits.
const PROMPT: &str = "> ";

/// Runs a command at a terminal, types, and returns its exit code and what was to be seen.
pub(crate) fn at_terminal(place: &Place, args: &str, typed: &str, no_color: bool) -> (i32, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
    let mut command = place.command(args);
    if args.starts_with("shell") {
        // With the terminal as the one that Ctrl-C at it interrupts.
        let program = command.get_program().to_owned();
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        // Whoever runs the tests in the background has it ignored, which programs inherit.
        command = Command::new("env");
        command
            .args(["--default-signal=INT,QUIT", "setsid", "--ctty"])
            .arg(program)
            .args(args)
            .current_dir(place.path("."))
            .env_remove("NO_COLOR");
    }
    command
        .env("TERM", "xterm")
        .env("XDG_STATE_HOME", place.path("state"))
        .stdin(theirs())
        .stdout(theirs())
        .stderr(theirs());
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut ours = File::from(ours);
    let mut to = ours.try_clone().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let theirs = seen.clone();
    let reading = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The other side is closed when the command has ended.
        while let Ok(read @ 1..) = ours.read(&mut buffer) {
            theirs.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
    });
    let text = || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    for line in typed.split_inclusive(['\n', CTRL_C]) {
        let pause = if line.ends_with(CTRL_C) { 1_500 } else { 400 };
        std::thread::sleep(Duration::from_millis(pause));
        to.write_all(line.as_bytes()).unwrap();
        // One that comes while a command begins may be a letter for it; then there is no prompt, and it takes another.
        let prompts = text().matches(PROMPT).count();
        for _ in 0..if line.ends_with(CTRL_C) { 20 } else { 0 } {
            std::thread::sleep(Duration::from_millis(500));
            if text().matches(PROMPT).count() > prompts {
                break;
            }
            to.write_all(CTRL_C.to_string().as_bytes()).unwrap();
        }
    }
    let end = Instant::now() + Duration::from_mins(2);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            None => {
                drop(child.kill());
                panic!("{args} does not end: {:?}", text());
            }
        }
    };
    let code = status.code().unwrap();
    drop(to);
    reading.join().unwrap();
    (code, text())
}

fn place() -> Place {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"key\":\"a\",\"text\":\"the moon\"}\n{\"key\":\"b\",\"text\":\"red \\u001b[31m moon\"}\n",
    );
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

#[test]
fn what_was_looked_for_has_a_colour_at_a_terminal_and_no_text_has() {
    let place = place();
    let (code, seen) = at_terminal(&place, "search a moon", "", false);
    assert_eq!(code, 0, "{seen}");
    assert_eq!(seen.matches("\u{1b}[1m\u{1b}[33mmoon\u{1b}[0m").count(), 2, "{seen:?}");
    assert!(!seen.contains("\u{1b}[31m"), "{seen:?}");
    let (_, table) = at_terminal(&place, "search a moon --format table", "", false);
    assert!(table.contains("\u{1b}[33mmoon"), "{table:?}");
    let (_, plain) = at_terminal(&place, "search a moon", "", true);
    assert!(plain.contains("the moon") && !plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn before_every_record_is_deleted_it_is_asked() {
    let place = place();
    let all = "delete a --filter '{}'";
    for answer in ["n\n", "\n"] {
        let (code, seen) = at_terminal(&place, all, answer, true);
        assert_eq!(code, 1, "{seen}");
        assert!(seen.contains("Delete every record of a, 2 records? [y/N]"), "{seen}");
        assert!(seen.contains("a: nothing was deleted"), "{seen}");
        assert_eq!(place.records("a"), 2);
    }
    // Not before some are.
    assert_eq!(at_terminal(&place, "delete a a", "", true).0, 0);
    assert_eq!(at_terminal(&place, all, "y\n", true).0, 0);
    assert_eq!(place.records("a"), 0);
    place.cart("add a x.jsonl --no-meaning --upsert").fails(2, &["--no-meaning"]);
    place.cart("add a x.jsonl").succeeds();
    let (code, seen) = at_terminal(&place, &format!("{all} --yes"), "", true);
    assert!(code == 0 && !seen.contains("[y/N]"), "{seen}");
}

#[test]
fn what_takes_long_shows_that_it_goes_on() {
    let place = Place::new();
    let line = |i: u32| {
        format!(
            "{{\"key\":\"k{i}\",\"text\":\"record {i} says {}\",\"metadata\":{{\"n\":{i}}}}}\n",
            i.wrapping_mul(2_654_435_761)
        )
    };
    place.write("x.jsonl", (0..20_000).map(line).collect::<String>());
    let (code, seen) = at_terminal(&place, "add a x.jsonl --no-meaning", "", true);
    assert!(code == 0 && seen.contains("reading") && seen.contains("indexing"), "{seen:?}");
    assert!(seen.contains(" % "), "sealing says how far it is: {seen:?}");
    let ended = place.cart("verify a").succeeds();
    assert_eq!(ended.stderr, "", "no bar outside of a terminal");
}
