//! Servers beside other programs, and how a server ends.

use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Server, place};
use crate::support::Place;

#[test]
fn servers_write_to_one_artifact_by_turns_and_one_that_is_killed_costs_nothing() {
    const EACH: usize = 25;
    let place = Place::new();
    let killed = std::thread::scope(|scope| {
        let writer = |number: usize| {
            let place = &place;
            move || {
                let mut server = Server::initialized(place, "--write memory=shared --wait 120");
                for n in 0..EACH {
                    let key = format!("{number}/{n}");
                    server
                        .call("add", json!({"key": key, "text": format!("fact {n} of writer {number}")}))
                        .unwrap();
                    let read = server.call("get", json!({"key": key})).unwrap();
                    assert_eq!(read["key"], key);
                    if number == 3 && n == EACH / 2 {
                        server.child.kill().unwrap(); // with the lock of the writer, as likely as not
                        return n + 1;
                    }
                }
                assert_eq!(server.end(), (0, String::new()));
                EACH
            }
        };
        let writers: Vec<_> = (0..4).map(|number| scope.spawn(writer(number))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum::<usize>()
    });
    let mut server = Server::initialized(&place, "shared");
    let stats = server.call("stats", json!({})).unwrap();
    assert_eq!(stats["artifacts"][0]["records"], killed);
    place.cart("verify shared").succeeds();
}

#[test]
fn a_server_that_waits_for_another_writer_says_so_reads_meanwhile_and_can_be_cancelled() {
    let place = place();
    let held = Held::start(&place);
    let mut server = Server::initialized(&place, "--write notes.artifact --wait 1");
    let error = server.call("add", json!({"text": "x"})).unwrap_err();
    assert!(error.contains(&format!("another writer, process {},", held.0.id())), "{error}");
    assert!(error.contains("waited 1 s"), "{error}");
    assert_eq!(server.end(), (0, String::new()));

    let mut server = Server::initialized(&place, "--write notes.artifact --wait 600");
    let params =
        json!({"name": "add", "arguments": {"key": "late", "text": "x"}, "_meta": {"progressToken": "p"}});
    server.say(json!({"jsonrpc": "2.0", "id": "add", "method": "tools/call", "params": params}).to_string());
    server.next_id = 100;
    assert_eq!(server.call("get", json!({"key": "moon"})).unwrap()["key"], "moon"); // passes the one that waits
    let progress = server.hear();
    assert_eq!(
        (&progress["method"], &progress["params"]["progressToken"]),
        (&json!("notifications/progress"), &json!("p"))
    );
    let more = loop {
        let more = server.hear();
        if more["params"]["progress"] != progress["params"]["progress"] {
            break more;
        }
    };
    assert!(more["params"]["progress"].as_f64() > progress["params"]["progress"].as_f64());
    server.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"add","reason":"test"}}"#);
    // No answer to the call that was cancelled; what is said of its progress may still be on its way.
    server.say(r#"{"jsonrpc":"2.0","id":"after","method":"tools/call","params":{"name":"get","arguments":{"key":"late"}}}"#);
    let answer = loop {
        let said = server.hear();
        if said.get("id").is_some() {
            break said;
        }
    };
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("after"), &json!(true)));
    drop(held);
    let added = server.call("add", json!({"key": "late", "text": "x"})).unwrap();
    assert_eq!(added["replaced"], false);
    assert_eq!(server.end(), (0, String::new()));
}

/// Another program that has `notes.artifact` open for writing.
struct Held(Child);

impl Held {
    fn start(place: &Place) -> Self {
        // `cart add` holds the artifact while it waits for its input; it gives up where this test looks whether it does.
        let add = || place.command("add notes.artifact --jsonl -").spawn().unwrap();
        let (mut child, begun) = (add(), Instant::now());
        while place.cart("delete notes.artifact nothing").code == 3 {
            assert!(begun.elapsed() < Duration::from_mins(1));
            if child.try_wait().unwrap().is_some() {
                child = add();
            }
        }
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn other_programs_can_write_when_a_server_has_nothing_to_do() {
    let place = place();
    let mut server = Server::initialized(&place, "--write notes.artifact");
    server.call("add", json!({"text": "from the server"})).unwrap();
    place.write("y.txt", "from the command line");
    let begun = Instant::now();
    // It does not wait for others; the server lets go of the artifact after a second without a call.
    while place.cart("add notes.artifact y.txt").code != 0 {
        assert!(begun.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = server.call("search", json!({"words": "\"command line\""})).unwrap();
    assert_eq!(found["total"], 1);
    server.call("add", json!({"text": "from the server as well"})).unwrap();
    assert_eq!(server.end(), (0, String::new()));
    assert_eq!(place.records("notes.artifact"), 6);
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_end_lets_go_of_its_artifacts() {
    for signal in ["TERM", "INT"] {
        let place = place();
        let mut server = Server::initialized(&place, "--write notes.artifact");
        server.call("add", json!({"text": "kept"})).unwrap();
        let pid = server.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
        assert_eq!(place.records("notes.artifact"), 4);
        place.cart("delete notes.artifact moon").succeeds();
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_end_does_not_wait_for_a_client_that_reads_nothing() {
    let place = place();
    let mut command = place.command("mcp notes.artifact");
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    // Until neither side takes any more.
    let filling = std::thread::spawn(move || {
        while to.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").is_ok() {}
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    // 0 where the machine was so slow that there was room still.
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 130)));
    filling.join().unwrap();
}

#[test]
fn a_server_that_nobody_listens_to_ends_without_a_word() {
    let place = place();
    let mut command = place.command("mcp notes.artifact");
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut to = child.stdin.take().unwrap();
    to.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").unwrap();
    let output = child.wait_with_output().unwrap(); // stdin is open still
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    drop(to);
}

#[test]
fn what_is_queued_when_stdin_ends_is_answered() {
    let place = place();
    let mut lines = String::from(
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}}\n",
    );
    for id in 1..=500 {
        let arguments = json!({"key": "counter", "text": format!("number {id}")});
        let params = json!({"name": if id % 2 == 1 { "add" } else { "get" }, "arguments": if id % 2 == 1 { arguments } else { json!({"key": "counter"}) }});
        lines += &(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
            + "\n");
    }
    let ended = place.cart_with("mcp --write notes.artifact", lines.trim_end().as_bytes()).succeeds();
    let answers = ended.json_lines();
    assert_eq!(answers.len(), 501);
    for (id, answer) in answers.iter().enumerate() {
        assert_eq!(answer["id"], id);
        if id > 0 && id % 2 == 0 {
            let text = format!("number {}", id - 1);
            assert_eq!(answer["result"]["structuredContent"]["text"], text, "reads what it wrote");
        }
    }
}
