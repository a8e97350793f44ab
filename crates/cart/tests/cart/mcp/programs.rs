//! Random conversations with `cart mcp`, good requests and bad ones: every answer is what a map of records would give, and what is refused changes nothing.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Server;
use crate::programs::{KEYS, Known, Random, WORDS, seeds};
use crate::support::Place;

/// What stands in an answer for a text of a record.
fn visible(text: &str) -> String {
    let is_hidden =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r') || matches!(c, '\u{202a}'..='\u{202e}');
    text.replace(is_hidden, "\u{fffd}")
}

fn visible_value(value: &Value) -> Value {
    match value {
        Value::String(text) => visible(text).into(),
        Value::Array(values) => values.iter().map(visible_value).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (visible(name), visible_value(value))).collect(),
        other => other.clone(),
    }
}

struct Program {
    server: Server,
    random: Random,
    records: BTreeMap<u64, Known>,
    _place: Place,
}

impl Program {
    fn new(seed: u64) -> Self {
        let (place, mut random) = (Place::new(), Random::new(seed));
        let blobs = [&b""[..], b"\0\xff\x80", &[7; 300]].map(|blob| BASE64_STANDARD.encode(blob));
        place.write("x.jsonl", blobs.map(|blob| json!({"blob": blob}).to_string() + "\n").concat());
        place.cart("add a x.jsonl --no-meaning").succeeds();
        let mut server = Server::initialized(&place, "--write --delete a");
        let listed = server.call("list", json!({})).unwrap()["records"].clone();
        let known = |(number, record): (usize, &Value)| {
            let blob = [Vec::new(), b"\0\xff\x80".to_vec(), vec![7; 300]][number].clone();
            let known = Known {
                text: None,
                key: None,
                title: None,
                metadata: serde_json::Map::new(),
                blob,
                ..Known::random(&mut random)
            };
            (record["id"].as_u64().unwrap(), known)
        };
        let records = listed.as_array().unwrap().iter().enumerate().map(known).collect();
        Self { server, random, records, _place: place }
    }

    fn id_of(&self, key: &str) -> Option<u64> {
        self.records.iter().find(|(_, known)| known.key.as_deref() == Some(key)).map(|(id, _)| *id)
    }

    fn some_id(&mut self) -> u64 {
        let ids: Vec<u64> = self.records.keys().copied().collect();
        if ids.is_empty() || self.random.one_in(8) { 1_000_000 } else { self.random.choice(&ids) }
    }

    fn add(&mut self) {
        let known = loop {
            let known = Known::random(&mut self.random);
            if known.text.is_some() {
                break Known { vector: None, ..known };
            }
        };
        let mut arguments = known.line();
        let replace = self.random.choice(&[None, Some(true), Some(false)]);
        if let Some(replace) = replace {
            arguments["replace"] = replace.into();
        }
        let old = known.key.as_deref().and_then(|key| self.id_of(key));
        let answer = self.server.call("add", arguments);
        if old.is_some() && replace == Some(false) {
            assert!(answer.unwrap_err().contains("there is a record with the key"));
            return;
        }
        let answer = answer.unwrap();
        assert_eq!(
            (&answer["replaced"], &answer["created_artifact"]),
            (&old.is_some().into(), &false.into())
        );
        assert_eq!(answer.get("key").cloned(), known.key.as_deref().map(|key| visible(key).into()));
        old.map(|id| self.records.remove(&id));
        let id = answer["id"].as_u64().unwrap();
        assert!(self.records.last_key_value().is_none_or(|(last, _)| *last < id));
        self.records.insert(id, known);
    }

    fn delete(&mut self) {
        let (one, two) = (self.some_id(), self.some_id());
        let keys: Vec<&str> = (0..self.random.below(3)).map(|_| self.random.choice(&KEYS)).collect();
        let before = self.records.len();
        let is_known = |key: &&&str| self.records.values().any(|known| known.key.as_deref() == Some(**key));
        let missing_keys: Vec<String> =
            keys.iter().filter(|key| !is_known(key)).map(|key| visible(key)).collect();
        let missing_ids: Vec<u64> =
            [one, two].into_iter().filter(|id| !self.records.contains_key(id)).collect();
        self.records.retain(|id, known| {
            *id != one && *id != two && known.key.as_deref().is_none_or(|key| !keys.contains(&key))
        });
        let answer = self.server.call("delete", json!({"ids": [one, two], "keys": keys})).unwrap();
        assert_eq!(answer["deleted"], before - self.records.len());
        assert_eq!(answer["missing"], missing_keys.len() + missing_ids.len());
        let named = |name: &str| answer.get(name).cloned().unwrap_or_else(|| json!([]));
        assert_eq!((named("missing_keys"), named("missing_ids")), (json!(missing_keys), json!(missing_ids)));
    }

    /// A record, piece by piece.
    fn get(&mut self) {
        let id = self.some_id();
        let key = self.records.get(&id).and_then(|known| known.key.clone()).filter(|_| self.random.one_in(2));
        let name = key.map_or(json!({"id": id}), |key| json!({"key": key}));
        let Some(known) = self.records.get(&id).cloned() else {
            assert!(self.server.call("get", name).unwrap_err().contains("there is no record"));
            return;
        };
        let (mut text, mut blob, mut offset) = (String::new(), Vec::new(), Some(0));
        while let Some(from) = offset {
            let mut arguments = name.clone();
            (arguments["offset"], arguments["max_bytes"]) = (from.into(), 16.into());
            let answer = self.server.call("get", arguments).unwrap();
            text += answer["text"].as_str().unwrap_or_default();
            blob.extend(BASE64_STANDARD.decode(answer["blob"].as_str().unwrap_or_default()).unwrap());
            assert_eq!((&answer["id"], &answer["offset"]), (&id.into(), &from.into()));
            assert_eq!(answer.get("key").cloned(), known.key.as_deref().map(|key| visible(key).into()));
            assert_eq!(answer["metadata"], visible_value(&known.metadata.clone().into()));
            let title = known.title.as_ref().map(|title| json!({"title": visible(title)}));
            assert_eq!(answer.get("text_fields").cloned(), title);
            let len = known.text.as_ref().map_or(known.blob.len(), String::len);
            assert_eq!((&answer["bytes"], answer.get("text").is_some()), (&len.into(), known.text.is_some()));
            offset = answer.get("next_offset").map(|next| next.as_u64().unwrap());
            assert!(offset.is_none_or(|next| next > from));
        }
        assert_eq!((text, blob), (visible(known.text.as_deref().unwrap_or_default()), known.blob));
    }

    /// All pages of a call: what is in `items` of each, and the total of the last.
    fn pages(
        &mut self,
        tool: &str,
        mut arguments: Value,
        items: &str,
        (next, goes_on): (&str, &str),
    ) -> (Vec<Value>, Value) {
        let mut found = Vec::new();
        loop {
            let answer =
                self.server.call(tool, arguments.clone()).unwrap_or_else(|e| panic!("{arguments}: {e}"));
            found.extend(answer[items].as_array().unwrap().iter().cloned());
            match answer.get(next) {
                Some(next) => arguments[goes_on] = next.clone(),
                None => return (found, answer["total"].clone()),
            }
        }
    }

    fn list(&mut self) {
        let limit = self.random.choice(&[1, 2, 9]);
        let (found, total) = self.pages("list", json!({"limit": limit}), "records", ("next", "after"));
        let expected: Vec<Value> = self
            .records
            .iter()
            .map(|(id, known)| {
                let bytes = known.text.as_ref().map_or(known.blob.len(), String::len);
                let mut record = json!({"id": id, "bytes": bytes, "is_text": known.text.is_some()});
                if let Some(key) = &known.key {
                    record["key"] = visible(key).into();
                }
                record
            })
            .collect();
        assert_eq!((total, found), (expected.len().into(), expected));
        let prefix = self.random.choice(&["", "", "#", "b/", "\u{202e}", "x"]);
        let (found, total) =
            self.pages("list", json!({"limit": limit, "prefix": prefix}), "records", ("next", "after"));
        let keys: BTreeMap<&str, u64> =
            self.records.iter().filter_map(|(id, known)| Some((known.key.as_deref()?, *id))).collect();
        let with = keys.iter().filter(|(key, _)| key.starts_with(prefix));
        let expected: Vec<Value> = with.map(|(key, id)| json!({"id": id, "key": visible(key)})).collect();
        assert_eq!((total, found), (expected.len().into(), expected), "{prefix:?}");
    }

    fn search(&mut self) {
        let (word, k) = (self.random.choice(&WORDS), 1 + self.random.below(7));
        let least = self.random.choice(&[i64::MIN, 0, 1, 8]);
        let filter = (self.random.one_in(2) && self.records.values().any(|known| known.n().is_some()))
            .then_some(least);
        let passes = |known: &Known| filter.is_none_or(|least| known.n().is_some_and(|n| n >= least));
        let mut all: Vec<(u64, Known)> =
            self.records.clone().into_iter().filter(|(_, known)| passes(known)).collect();
        let mut arguments = json!({"k": k});
        if let Some(least) = filter {
            arguments["filter"] = json!({"n": {"$gte": least}});
        }
        let is_sorted = self.random.one_in(2);
        if is_sorted {
            arguments["order_by"] = "n:desc".into();
            all.sort_by_key(|(_, known)| (known.n().is_none(), known.n().map(|n| !n)));
        } else {
            arguments[self.random.choice(&["text", "words"])] = word.into();
            all.retain(|(_, known)| known.has_word(word));
        }
        let (mut hits, total) = self.pages("search", arguments.clone(), "hits", ("next_offset", "offset"));
        if !is_sorted {
            assert!(hits.windows(2).all(|pair| pair[0]["score"].as_f64() >= pair[1]["score"].as_f64()));
            hits.sort_by_key(|hit| hit["id"].as_u64());
        }
        let ids: Vec<Value> = all.iter().map(|(id, _)| (*id).into()).collect();
        assert_eq!(hits.iter().map(|hit| hit["id"].clone()).collect::<Vec<_>>(), ids, "{arguments}");
        assert_eq!(total, all.len());
        for (hit, (_, known)) in hits.iter().zip(&all) {
            assert_eq!(hit["metadata"], visible_value(&known.metadata.clone().into()));
            assert_eq!(hit.get("key").cloned(), known.key.as_deref().map(|key| visible(key).into()));
        }
    }

    fn resources(&mut self) {
        let listed = self.server.ask("resources/list", json!({}))["result"]["resources"].clone();
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), self.records.len());
        for (resource, known) in listed.iter().zip(self.records.values()) {
            let read =
                self.server.ask("resources/read", json!({"uri": resource["uri"]}))["result"]["contents"][0]
                    .clone();
            assert_eq!(read.get("text").cloned(), known.text.clone().map(Value::from));
            let blob = known.text.is_none().then(|| BASE64_STANDARD.encode(&known.blob));
            assert_eq!(read.get("blob").cloned(), blob.map(Value::from));
        }
    }

    /// What is wrong in a tool's arguments is said as its result; what is no request, as an error of the protocol.
    fn refused(&mut self) {
        let id = self.some_id();
        for (tool, arguments) in [
            ("add", json!({})),
            ("add", json!({"text": 1})),
            ("add", json!({"text": "a", "key": ""})),
            ("add", json!({"text": "a", "key": "k".repeat(1025)})),
            ("add", json!({"text": "a", "metadata": []})),
            ("add", json!({"text": "a", "more": 1})),
            ("add", json!({"text": "a", "expires_at": "soon"})),
            ("add", json!({"text": "a", "expires_at": "2030-01-01", "expires_in_seconds": 1})),
            ("add", json!({"text": "a", "artifact": "b"})),
            ("add", json!({"text": "a", "metadata": {"k".repeat(1025): 1}})),
            ("add", json!({"text": "a", "replace": "yes"})),
            ("add", json!({"text": "a", "key": 5})),
            ("delete", json!({})),
            ("delete", json!({"ids": [id, -1]})),
            ("delete", json!({"ids": [id, "a"]})),
            ("delete", json!({"ids": [id], "keys": [1]})),
            ("delete", json!({"ids": [id, 1.5]})),
            ("delete", json!({"ids": [id], "filter": {}})),
            ("delete", json!({"ids": vec![id; 101]})),
            ("delete", json!({"keys": "a"})),
            ("get", json!({"id": id, "key": "a"})),
            ("get", json!({"id": id, "offset": 10_000})),
            ("get", json!({"id": -1})),
            ("get", json!({"id": id, "max_bytes": 1})),
            ("list", json!({"after": "k?"})),
            ("list", json!({"limit": 0})),
            ("search", json!({})),
            ("search", json!({"words": "\"red"})),
            ("search", json!({"text": "red", "k": 0})),
            ("search", json!({"filter": {"n": {"$no": 1}}})),
            ("search", json!({"filter": {"n": [1]}})),
            ("search", json!({"text": "red", "words": "red"})),
            ("stats", json!({"artifact": 1})),
        ] {
            assert!(self.server.call(tool, arguments.clone()).is_err(), "{tool} {arguments}");
        }
        for (line, code) in [
            ("{", -32700),
            ("\u{0}", -32700),
            ("{\"id\":1}", -32600),
            ("7", -32600),
            ("[]", -32600),
            ("[{\"id\":1}]", -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"none"}"#, -32601),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32602),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"none"}}"#, -32602),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":[]}}"#,
                -32602,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"text":"a","text":"b"}}}"#,
                -32600,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"text":"a","metadata":{"n":1e999}}}}"#,
                -32600,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"text":"\ud800"}}}"#,
                -32600,
            ),
            (
                r#"{"jsonrpc":"2.0","id":[1],"method":"tools/call","params":{"name":"add","arguments":{"text":"a"}}}"#,
                -32600,
            ),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"text":"a"}}}"#,
                -32600,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"artifact://a/%FF"}}"#,
                -32002,
            ),
        ] {
            self.server.say(line);
            let answer = self.server.hear();
            assert_eq!(answer["error"]["code"], code, "{line} {answer}");
        }
        // What is no request is not answered, and does nothing.
        self.server.say(
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"add","arguments":{"text":"a"}}}"#,
        );
        self.server.say(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        self.list();
    }
}

#[test]
fn a_conversation_is_answered_as_by_a_map_of_records() {
    for seed in seeds(2) {
        let mut program = Program::new(seed);
        for _ in 0..50 {
            match program.random.below(20) {
                0..8 => program.add(),
                8..10 => program.delete(),
                10..13 => program.get(),
                13..15 => program.list(),
                15..18 => program.search(),
                18 => program.resources(),
                _ => program.refused(),
            }
        }
        program.list();
        assert_eq!(program.server.end().0, 0);
    }
}
