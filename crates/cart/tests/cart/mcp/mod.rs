//! `cart mcp` as clients use it: transcripts, configurations, the official client; a server for the other tests.

mod pages;
mod programs;
mod tools;
mod turns;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command};

use serde_json::{Value, json};

use crate::support::Place;

/// A server, and what it says.
struct Server {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    next_id: u64,
}

impl Server {
    fn start(place: &Place, args: &str) -> Self {
        Self::start_with(place, args, |_| {})
    }

    fn start_with(place: &Place, args: &str, with: impl FnOnce(&mut Command)) -> Self {
        let mut command = place.command(&format!("mcp {args}"));
        with(command.stderr(std::process::Stdio::inherit()));
        let mut child = command.spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from, next_id: 1 }
    }

    /// One that has agreed on a revision.
    fn initialized(place: &Place, args: &str) -> Self {
        let mut server = Self::start(place, args);
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}});
        assert_eq!(server.ask("initialize", params)["result"]["protocolVersion"], "2025-06-18");
        server.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        server
    }

    fn say(&mut self, line: impl AsRef<[u8]>) {
        let to = self.to.as_mut().unwrap();
        to.write_all(line.as_ref()).unwrap();
        to.write_all(b"\n").unwrap();
        to.flush().unwrap();
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        let answer = self.hear();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// What a tool answers, or the error that it says.
    #[track_caller]
    fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, String> {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
        if result["isError"] == true {
            assert!(result.get("structuredContent").is_none());
            return Err(text.to_owned());
        }
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
        Ok(result["structuredContent"].clone())
    }

    /// Ends it as a client does, and returns its exit code and what it said last.
    fn end(mut self) -> (i32, String) {
        drop(self.to.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.from, &mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three records about the moon, the web and a song.
fn place() -> Place {
    let place = Place::new();
    let lines = [
        json!({"key": "moon", "title": "Apollo", "text": "Men walk on the moon.", "metadata": {"year": 1969, "lang": "en", "at": {"place": "moon"}}}),
        json!({"key": "web", "text": "The web is invented.", "metadata": {"year": 1989, "lang": "en"}}),
        json!({"key": "mond", "text": "Der Mond ist aufgegangen.", "metadata": {"year": 1779, "lang": "de"}}),
    ];
    place.write("x.jsonl", lines.map(|line| format!("{line}\n")).concat());
    place.cart("add notes.artifact x.jsonl").succeeds();
    place
}

/// Whether what was said is what was expected, in which a string that is `*` stands for anything, and an object for one with at least these fields.
fn matches(expected: &Value, said: &Value) -> bool {
    match (expected, said) {
        (Value::String(any), _) if any == "*" => true,
        (Value::Object(expected), Value::Object(said)) => {
            expected.iter().all(|(name, value)| said.get(name).is_some_and(|said| matches(value, said)))
        }
        (Value::Array(expected), Value::Array(said)) => {
            expected.len() == said.len() && expected.iter().zip(said).all(|(a, b)| matches(a, b))
        }
        (expected, said) => expected == said,
    }
}

#[test]
fn transcripts_are_what_the_server_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 6);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let args = lines.next().unwrap().strip_prefix("$ cart mcp ").unwrap();
        let place = place();
        let mut server = Server::start(&place, args);
        for (number, line) in lines.enumerate() {
            let place = format!("{}:{}", path.file_name().unwrap().display(), number + 2);
            match line.split_at_checked(2) {
                Some(("> ", line)) => server.say(line),
                Some(("< ", line)) => {
                    let expected: Value =
                        serde_json::from_str(line).unwrap_or_else(|e| panic!("{place}: {e}"));
                    let said = server.hear();
                    assert!(
                        matches(&expected, &said),
                        "{place}: expected {expected}, the server said {said}"
                    );
                }
                _ => assert!(line.is_empty() || line.starts_with('#'), "{place}: {line}"),
            }
        }
        assert_eq!(server.end(), (0, String::new()), "{}", path.display());
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_next_one_is_answered() {
    let place = place();
    let mut server = Server::initialized(&place, "--write notes.artifact");
    let text = "x".repeat(5 << 20);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"text": text}}});
    server.say(call.to_string());
    let answer = server.hear();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!(-32600)));
    server.say(b"\xff\xfe");
    assert_eq!(server.hear()["error"]["code"], -32700);
    let text = "y".repeat(3 << 20);
    let added = server.call("add", json!({"key": "large", "text": text})).unwrap();
    assert_eq!(added["replaced"], false);
    assert_eq!(server.call("get", json!({"key": "large"})).unwrap()["bytes"], 3 << 20);
    assert_eq!(server.end(), (0, String::new()));
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let place = place();
    place.cart("mcp nothing").fails(3, &["nothing", "no artifact"]);
    place.cart("mcp x=notes.artifact x=other").fails(2, &["two artifacts are called \"x\""]);
    place.cart("mcp --delete notes.artifact").fails(2, &["--write"]);
    place.cart("mcp --max-answer 1KiB notes.artifact").fails(2, &["4KiB to 1MiB"]);
    place.cart("mcp").fails(2, &["ARTIFACT"]);
    place.cart("pack notes.artifact notes.pack").succeeds();
    let mut server = Server::initialized(&place, "--write --delete notes.pack");
    assert_eq!(server.call("stats", json!({})).unwrap()["artifacts"][0]["is_writable"], false);
    for (tool, arguments) in [("add", json!({"text": "x"})), ("delete", json!({"keys": ["moon"]}))] {
        assert!(server.call(tool, arguments).unwrap_err().contains("a packed artifact"));
    }
    assert_eq!(server.call("get", json!({"key": "moon"})).unwrap()["text"], "Men walk on the moon.");
}

/// The objects in JSON that have a command with arguments.
fn commands(value: &Value) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    if let (Some(command), Some(args)) = (value["command"].as_str(), value["args"].as_array()) {
        found.push((command.to_owned(), args.iter().map(|arg| arg.as_str().unwrap().to_owned()).collect()));
    }
    for value in value.as_object().into_iter().flat_map(|object| object.values()) {
        found.extend(commands(value));
    }
    found
}

#[test]
fn the_configurations_in_the_guide_are_json_whose_commands_run() {
    let guide = include_str!("../../../../../docs/guide/src/mcp.md");
    let place = place();
    let mut seen = 0;
    for block in guide.split("```json\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for (command, args) in commands(&serde_json::from_str(block).unwrap()) {
            assert_eq!(command, "cart");
            let mut server = Server::start_with(&place, "", |command| {
                command.args(args.iter().skip(1)).env("HOME", place.path("."));
            });
            assert_eq!(args[0], "mcp");
            let params = json!({"protocolVersion": "2025-11-25"});
            assert_eq!(server.ask("initialize", params)["result"]["serverInfo"]["name"], "cart");
            let tools = server.ask("tools/list", json!({}))["result"]["tools"].as_array().unwrap().len();
            assert_eq!(tools, if args.contains(&"--write".to_owned()) { 5 } else { 4 });
            assert_eq!(server.end(), (0, String::new()));
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
    for name in ["search", "get", "list", "stats", "add", "delete"] {
        assert!(guide.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
#[ignore = "needs Python and the package `mcp`, which it installs in `target/mcp-client`"]
fn the_official_client_is_answered() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp_client.py");
    let ended = Command::new("python3").arg(script).arg(env!("CARGO_BIN_EXE_cart")).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
