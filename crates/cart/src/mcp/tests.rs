//! Whatever a client sends, the server answers as the protocol says, and goes on.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::artifacts::{Access, Artifacts};
use super::outbox::{Event, Outbox};
use super::queue::Next;
use super::session::Session;
use super::{Server, message};

/// A server of an artifact with two records, and of one that is not there yet.
fn server() -> (tempfile::TempDir, std::sync::Arc<Server>) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("notes");
    let artifact = compact_artifact::CompactArtifact::create(&path).unwrap();
    let record =
        |text: &str| compact_artifact::Record::text(text).key(text).metadata(json!({ "n": text.len() }));
    artifact.add_batch(["cat", "dög\u{202e}"].map(record)).unwrap();
    artifact.close().unwrap();
    let access = Access {
        write: true,
        delete: true,
        wait: Duration::ZERO,
        expires_field: "expires_at".to_owned(),
        model: None,
    };
    let named = vec![("notes".to_owned(), path), ("new".to_owned(), temp.path().join("new"))];
    (temp, Server::new(Artifacts::open(named, access).unwrap(), 4 << 10))
}

/// What the server says to a line.
fn said(server: &Server, session: &mut Session<'_>, from: &Receiver<Event>, line: &[u8]) -> Vec<Value> {
    session.receive(message::read(line), line.len());
    while let Next::Call(call) = server.queue.take(Duration::ZERO) {
        server.carry_out(*call);
    }
    let lines = from.try_iter().filter_map(|event| match event {
        Event::Line(line) => Some(line),
        Event::Ended => None,
    });
    lines.map(|line| one_line(&line)).collect()
}

/// A message on a line of its own.
fn one_line(line: &[u8]) -> Value {
    assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
    assert!(line.len() < 64 << 10, "{}", line.len());
    serde_json::from_slice(line).unwrap()
}

fn check_message(message: &Value) {
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    let is_answer = message.get("result").is_some() != message.get("error").is_some();
    assert!(is_answer || message.get("method").is_some(), "{message}");
    if let Some(error) = message.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{message}");
    }
}

/// What the protocol says of the number of answers to a line: at least, at most.
fn expected_answers(line: &[u8]) -> (usize, usize) {
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        let is_blank = line.trim_ascii().is_empty();
        return if is_blank { (0, 0) } else { (1, 1) };
    };
    let Value::Object(object) = value else { return (1, 1) };
    let has_method = object.get("method").is_some_and(Value::is_string);
    let id = object.get("id");
    let is_id =
        id.is_some_and(|id| id.is_i64() || id.is_u64() || id.as_str().is_some_and(|id| id.len() <= 256));
    match (object.get("jsonrpc") == Some(&json!("2.0")), has_method, id) {
        (true, true, None) => (0, 0),
        (true, true, Some(_)) if is_id => (1, 1),
        _ => (0, 1), // refused, or an answer to nothing
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..20).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any_text(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "cat",
        "dög\u{202e}",
        "notes",
        "new",
        "n",
        "n:desc",
        "$gte",
        "$and",
        "$in",
        "text",
        "key",
        "*",
        "+cat -x",
        "i0",
        "kY2F0",
        "notes:0",
        "artifact://notes/cat",
        "artifact://notes/?id=1",
        "2026-07-28",
        "2025-03-26",
        "io.modelcontextprotocol/protocolVersion",
        "2020-01-01",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}", 1 => any::<String>()]
}

/// A request, of which now and then something is left out or is something else.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec![
        "initialize",
        "ping",
        "tools/list",
        "tools/call",
        "tools/call",
        "tools/call",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "subscriptions/listen",
        "notifications/cancelled",
        "x",
    ]);
    let tool = prop::sample::select(vec!["search", "get", "list", "stats", "add", "delete", "x"]);
    let name = prop::sample::select(vec![
        "artifact",
        "text",
        "words",
        "filter",
        "k",
        "offset",
        "order_by",
        "group_by",
        "fields",
        "key",
        "id",
        "max_bytes",
        "prefix",
        "limit",
        "after",
        "keys",
        "ids",
        "metadata",
        "title",
        "replace",
        "expires_at",
        "expires_in_seconds",
        "cursor",
        "uri",
        "protocolVersion",
        "_meta",
        "requestId",
    ]);
    let arguments = vec((name, any_json()), 0..6);
    let id = prop_oneof![3 => (0_u64..5).prop_map(Value::from), 1 => any_json()];
    (method, tool, arguments, id, any::<[u8; 3]>(), any_json()).prop_map(
        |(method, tool, arguments, id, odd, other)| {
            let mut arguments: Map<String, Value> =
                arguments.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            if odd[0] < 200 {
                arguments.insert("artifact".to_owned(), "notes".into());
            }
            let params = match method {
                "tools/call" => json!({ "name": tool, "arguments": arguments }),
                _ => Value::Object(arguments),
            };
            let mut request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            match odd[1] {
                0..10 => request["params"] = other,
                10..20 => request["jsonrpc"] = other,
                20..40 => drop(request.as_object_mut().unwrap().remove("id")),
                40..50 => request = Value::Array(vec![request, other]),
                50..60 => drop(request.as_object_mut().unwrap().remove("method")),
                _ => {}
            }
            let mut line = request.to_string().into_bytes();
            if odd[2] < 20 {
                let at = usize::from(odd[0]) % line.len();
                line[at] = odd[1];
            }
            line.retain(|&byte| byte != b'\n');
            line
        },
    )
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let bytes = vec(any::<u8>().prop_filter("a line", |&byte| byte != b'\n'), 0..40);
    let json = any_json().prop_map(|value| value.to_string().into_bytes());
    prop_oneof![8 => request(), 1 => bytes, 1 => json]
}

#[test]
fn changes_are_not_announced_and_nothing_says_that_they_are() {
    let (_temp, server) = server();
    let (to, from) = sync_channel(100);
    let mut session = Session::new(&server, Outbox::new(to));
    let mut ask = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        said(&server, &mut session, &from, request.to_string().as_bytes())
    };
    let initialized = ask("initialize", json!({ "protocolVersion": "2025-11-25" }));
    assert_eq!(initialized[0]["result"]["capabilities"], json!({ "tools": {}, "resources": {} }));
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let refused = ask(method, json!({ "uri": "artifact://notes/cat" }));
        assert_eq!(refused[0]["error"]["code"], -32601);
    }
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let listened = ask(
        "subscriptions/listen",
        json!({ "_meta": meta, "notifications": { "resourcesListChanged": true } }),
    );
    assert_eq!(listened[0]["params"]["notifications"], json!({}));
}

#[test]
fn a_line_that_is_not_utf_8_is_no_notification() {
    for line in [&b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":\"\xff\"}}"[..], b"\xff"] {
        let message::Received::One(message::Message::Refused { id: None, .. }) = message::read(line) else {
            panic!("{}", String::from_utf8_lossy(line));
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_line_is_answered_as_the_protocol_says_and_never_ends_the_server(lines in vec(line(), 1..12), first in 0..3_usize) {
        let (_temp, server) = server();
        let (to, from) = sync_channel(1000);
        let mut session = Session::new(&server, Outbox::new(to));
        let revision = ["2024-11-05", "2025-03-26", "2025-11-25"][first];
        let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": revision } });
        said(&server, &mut session, &from, initialize.to_string().as_bytes());
        for line in &lines {
            let messages = said(&server, &mut session, &from, line);
            for message in messages.iter().flat_map(|message| message.as_array().map_or(std::slice::from_ref(message), Vec::as_slice)) {
                check_message(message);
            }
            let answers = messages.iter().filter(|message| message.get("method").is_none()).count();
            let (least, most) = expected_answers(line);
            let is_held = messages.iter().any(|message| message.get("method").is_some());
            let least = if is_held { 0 } else { least };
            prop_assert!((least..=most).contains(&answers), "{answers} answers to {}", String::from_utf8_lossy(line));
        }
        let ping = said(&server, &mut session, &from, br#"{"jsonrpc":"2.0","id":"last","method":"ping"}"#);
        prop_assert_eq!(&ping, &[json!({ "jsonrpc": "2.0", "id": "last", "result": {} })]);
        server.artifacts.close();
    }
}
