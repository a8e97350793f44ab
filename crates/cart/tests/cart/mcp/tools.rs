//! What the tools and the resources of `cart mcp` answer.

use serde_json::{Map, Value, json};

use super::{Server, place};
use crate::support::Place;

fn keys(hits: &Value) -> Vec<&str> {
    hits.as_array().unwrap().iter().map(|hit| hit["key"].as_str().unwrap_or("-")).collect()
}

#[test]
fn delete_names_what_is_not_there_as_far_as_it_fits_into_an_answer() {
    let place = place();
    let mut server = Server::initialized(&place, "--write --delete notes.artifact --max-answer 4KiB");
    server.call("add", json!({"key": "cat", "text": "a cat"})).unwrap();
    let answer = server.call("delete", json!({"keys": ["cat", "zz"], "ids": [1_u64 << 40]})).unwrap();
    let missing = json!({"missing_keys": ["zz"], "missing_ids": [1_u64 << 40]});
    let told = json!({"artifact": "notes", "deleted": 1, "missing": 2});
    assert_eq!(
        answer,
        [told, missing].iter().flat_map(|part| part.as_object().unwrap().clone()).collect::<Value>()
    );
    let keys: Vec<String> = (0..100).map(|n| format!("{n:0100}")).collect();
    let ids: Vec<u64> = (0..100).map(|n| u64::MAX - 1 - n).collect();
    let answer = server.call("delete", json!({"keys": keys, "ids": ids})).unwrap();
    assert_eq!((&answer["missing"], &answer["missing_ids"]), (&json!(200), &json!(ids)));
    assert!(answer["missing_keys"].as_array().is_some_and(|some| !some.is_empty() && some.len() < 100));
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_field_of_expiry_that_no_artifact_can_have_is_refused_when_the_server_starts() {
    let place = place();
    place
        .cart("mcp --write --expires-field= notes.artifact")
        .fails(2, &["--expires-field", "1 to 1,024 bytes"]);
    let long = "x".repeat(1025);
    place.cart(&format!("mcp --write --expires-field {long} notes.artifact")).fails(2, &["found 1025"]);
}

#[test]
fn each_tool_answers_as_its_schema_says() {
    let place = place();
    let mut server = Server::initialized(&place, "--write --delete notes.artifact");
    let tools = server.ask("tools/list", json!({}))["result"]["tools"].clone();
    let calls = [
        ("search", json!({"text": "moon", "k": 1})),
        ("search", json!({"filter": {"year": {"$gte": 1900}}, "fields": ["year"]})),
        ("get", json!({"key": "moon"})),
        ("list", json!({"limit": 1})),
        ("list", json!({"prefix": "mo", "limit": 1})),
        ("stats", json!({})),
        ("add", json!({"key": "new", "text": "\u{202e}something new", "title": "New"})),
        ("get", json!({"key": "new"})),
        ("delete", json!({"keys": ["new", "nothing"]})),
    ];
    for (name, arguments) in calls {
        let answer =
            server.call(name, arguments.clone()).unwrap_or_else(|e| panic!("{name} {arguments}: {e}"));
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        assert_fits(&tool["outputSchema"], &answer, name);
        assert_fits(&tool["inputSchema"], &arguments, name);
    }
    assert_eq!(server.end().0, 0);
}

/// Whether a value has the types and fields of a schema, as far as ours say anything.
fn assert_fits(schema: &Value, value: &Value, place: &str) {
    let fits = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("{other}"),
    };
    assert!(fits, "{place}: {value} is no {}", schema["type"]);
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{place}: {name} is not in {value}");
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => assert_fits(schema, value, &format!("{place}.{name}")),
            None => assert_ne!(schema["additionalProperties"], false, "{place}: {name}"),
        }
    }
    for value in value.as_array().into_iter().flatten() {
        assert_fits(&schema["items"], value, &format!("{place}[]"));
    }
}

#[test]
fn a_hit_without_a_text_says_how_long_it_is() {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"blob\":\"AA==\",\"metadata\":{\"n\":1}}\n{\"blob\":\"AAA=\",\"metadata\":{\"n\":2}}\n",
    );
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let mut server = Server::initialized(&place, "a");
    let answer = server.call("search", json!({"order_by": "n"})).unwrap();
    let snippets: Vec<&Value> =
        answer["hits"].as_array().unwrap().iter().map(|hit| &hit["snippet"]).collect();
    assert_eq!(snippets, ["(1 byte that is not text)", "(2 bytes that are not text)"]);
    server.end();
}

#[test]
fn searches_find_what_the_command_line_finds() {
    let place = place();
    let mut server = Server::initialized(&place, "notes.artifact");
    let mut found = |arguments: Value| {
        let answer = server.call("search", arguments).unwrap();
        let keys: Vec<String> = keys(&answer["hits"]).into_iter().map(str::to_owned).collect();
        (keys, answer)
    };
    assert_eq!(found(json!({"words": "moon web"})).0, ["web", "moon"]);
    assert_eq!(found(json!({"words": "+moon -web"})).0, ["moon"]);
    assert_eq!(found(json!({"text": "moon", "filter": {"lang": "de"}})).0, ["mond"]);
    assert_eq!(found(json!({"filter": {"lang": "en"}, "order_by": "year:desc"})).0, ["web", "moon"]);
    assert_eq!(found(json!({"order_by": "year"})).0, ["mond", "moon", "web"]);
    assert_eq!(found(json!({"filter": {}, "group_by": "lang"})).0.len(), 2);
    let (keys, first) = found(json!({"order_by": "year", "k": 2, "fields": ["at.place", "title", "none"]}));
    assert_eq!((keys.len(), &first["next_offset"], &first["total"]), (2, &json!(2), &json!(3)));
    assert_eq!(first["hits"][1]["metadata"], json!({"at.place": "moon", "title": "Apollo"}));
    let (keys, last) = found(json!({"order_by": "year", "k": 2, "offset": 2}));
    assert_eq!((keys, last.get("next_offset")), (vec!["web".to_owned()], None));
    let (keys, none) = found(json!({"words": "nothingofthekind"}));
    assert_eq!((keys.len(), none["total"].clone()), (0, json!(0)));
    let (keys, slip) = found(json!({"filter": {"yaer": 1969}, "order_by": "year:up", "group_by": "lang"}));
    let expected =
        json!(["no record has metadata \"yaer\"; there is \"year\"", "no record has metadata \"year:up\""]);
    assert_eq!((keys.len(), &slip["notes"]), (0, &expected), "{slip}");
    let (_, shown) = found(json!({"words": "moon", "fields": ["yaer", "at.place", "title"]}));
    assert_eq!(shown["notes"], json!(["no record has metadata \"yaer\"; there is \"year\""]));
    assert!(found(json!({"words": "moon", "fields": ["year"]})).1.get("notes").is_none());
    assert_eq!(found(json!({"text": "spaceship"})).0.first().map(String::as_str), Some("moon"), "by meaning");
}

#[test]
fn what_a_tool_cannot_do_is_said_to_the_model() {
    let place = place();
    let mut server = Server::initialized(&place, "a=notes.artifact b=notes.artifact");
    for (tool, arguments, said) in [
        ("search", json!({"text": "x"}), "`artifact`: expected one of a, b"),
        ("search", json!({"artifact": "c", "text": "x"}), "expected one of a, b, found \"c\""),
        ("search", json!({"artifact": "a"}), "expected `text`, `words`, `filter` or `order_by`"),
        ("search", json!({"artifact": "a", "text": "x", "words": "y"}), "found both"),
        (
            "search",
            json!({"artifact": "a", "text": "x", "k": 0}),
            "`k`: expected an integer from 1 to 100, found 0",
        ),
        ("search", json!({"artifact": "a", "text": "x", "limit": 3}), "no argument \"limit\""),
        (
            "search",
            json!({"artifact": "a", "filter": {"year": {"$near": 1}}}),
            "filter: the field \"year\": $near",
        ),
        ("search", json!({"artifact": "a", "filter": "{}"}), "`filter`: expected an object"),
        ("search", json!({"artifact": "a", "words": "\"open"}), "quotation mark is not closed"),
        ("get", json!({"artifact": "a", "key": "nothing"}), "there is no record \"nothing\" in a"),
        ("get", json!({"artifact": "a"}), "expected `key` or `id`, found neither"),
        ("get", json!({"artifact": "a", "key": "moon", "offset": 1000}), "`offset`: expected at most 21"),
        ("list", json!({"artifact": "a", "after": "x"}), "expected `next`"),
        ("list", json!({"artifact": "a", "after": "i1", "prefix": "m"}), "with the same `prefix`"),
        ("stats", json!({"artifact": "c"}), "expected one of a, b"),
    ] {
        let error = server.call(tool, arguments.clone()).unwrap_err();
        assert!(error.contains(said), "{tool} {arguments}: {error}");
    }
    for (name, code) in [("add", -32602), ("delete", -32602), ("nothing", -32602)] {
        let answer = server.ask("tools/call", json!({"name": name, "arguments": {"text": "x"}}));
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
}

#[test]
fn an_add_that_fails_changes_no_setting_and_is_told_in_words_of_the_tool() {
    let place = place();
    let before = place.text("export notes.artifact");
    let mut server = Server::initialized(&place, "--write notes.artifact");
    let failed = server.call("add", json!({"text": "x", "key": "moon", "replace": false})).unwrap_err();
    assert!(failed.contains("`replace` replaces it") && !failed.contains("--"), "{failed}");
    assert_eq!(place.text("export notes.artifact"), before);
}

#[test]
fn an_artifact_that_was_made_without_an_expiry_field_gets_none_and_loses_no_record() {
    let place = Place::new();
    let old = json!({"key": "c1", "text": "old contract", "metadata": {"expires_at": "2020-01-01"}});
    place.cart_with("add contracts --jsonl - --no-meaning", old.to_string().as_bytes()).succeeds();
    let before = place.text("export contracts");
    let mut server = Server::initialized(&place, "--write contracts");
    for (argument, value) in [("expires_in_seconds", json!(3600)), ("expires_at", json!("2999-01-01"))] {
        for key in [json!("c2"), json!(null)] {
            let failed =
                server.call("add", json!({"text": "note", argument: value, "key": key})).unwrap_err();
            let says = |part: &str| assert!(failed.contains(part), "{failed}");
            says(&format!("`{argument}`: records of contracts do not expire"));
            says("leave the argument out");
        }
    }
    assert_eq!(server.end().0, 0);
    assert_eq!(place.text("export contracts"), before);
}

#[test]
fn an_add_without_the_model_says_that_the_text_is_not_found_by_what_it_means() {
    let place = Place::new();
    crate::meaning::write_model(&place, "tiny", "tiny-1");
    place.write("x.txt", "a cat");
    place.cart("add a x.txt --model tiny").succeeds();
    for (args, notes) in [("--write a", 1), ("--write a --model tiny", 0)] {
        let mut server = Server::initialized(&place, args);
        let answer = server.call("add", json!({"key": "k", "text": "a vessel"})).unwrap();
        let said = answer["notes"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(said.len(), notes, "{answer}");
        assert!(said.iter().all(|note| note.to_string().contains("tiny-1")), "{answer}");
        assert_eq!(server.end().0, 0);
    }
}

#[test]
fn records_expire_by_the_field_that_their_artifact_has() {
    let place = Place::new();
    place.write("x.txt", "a text that stays");
    place.cart("add a x.txt --no-meaning --expires-field valid.until").succeeds();
    let mut server = Server::initialized(&place, "--write a");
    let mut add = |key: &str, at: &str, metadata: Value| {
        server.call("add", json!({"key": key, "text": "x", "expires_at": at, "metadata": metadata}))
    };
    add("gone", "2020-01-01", json!({})).unwrap();
    add("there", "2999-01-01", json!({"valid": {"from": "2020-01-01"}})).unwrap();
    for metadata in [json!({"valid": {"until": "2999-01-01"}}), json!({"valid": 1})] {
        let failed = add("twice", "2999-01-01", metadata).unwrap_err();
        assert!(failed.contains("\"valid.until\"") && failed.contains("expected it once"), "{failed}");
    }
    let failed = add("soon", "soon", json!({})).unwrap_err();
    assert!(failed.contains("not a date"), "{failed}");
    assert_eq!(server.end().0, 0);
    assert_eq!(place.records("a"), 2);
    let metadata = place.json("get a there")["metadata"].clone();
    assert_eq!(metadata, json!({"valid": {"from": "2020-01-01", "until": "2999-01-01"}}));
}

#[test]
fn an_add_that_creates_an_artifact_and_fails_leaves_none() {
    let place = place();
    for was_there in [false, true] {
        if was_there {
            std::fs::create_dir(place.path("new")).unwrap();
        }
        let mut server = Server::initialized(&place, "--write new");
        let error = server.call("add", json!({"text": "t", "key": "k".repeat(2000)})).unwrap_err();
        assert!(error.contains("key"), "{error}");
        let files = || std::fs::read_dir(place.path("new")).map_or(0, Iterator::count);
        assert_eq!((place.path("new").exists(), files()), (was_there, 0));
        let error = server.call("search", json!({"text": "t"})).unwrap_err();
        assert!(error.contains("nothing was added yet"), "{error}");
        assert_eq!(server.call("add", json!({"text": "t"})).unwrap()["created_artifact"], true);
        assert_eq!(server.call("add", json!({"text": "t"})).unwrap()["created_artifact"], false);
        assert_eq!(server.end().0, 0);
        assert_eq!(place.records("new"), 2);
        std::fs::remove_dir_all(place.path("new")).unwrap();
    }
}

#[test]
fn an_answer_is_no_longer_than_its_limit_and_says_how_to_get_the_rest() {
    let place = Place::new();
    let long = "a \"quoted\" wörd, ".repeat(20_000);
    let mut lines = format!(
        "{}\n",
        json!({"key": "long", "text": long, "metadata": {"big": "x".repeat(20_000), "small": 1}})
    );
    for number in 0..300 {
        let (key, text) = (format!("k{number:03}/{}", "y".repeat(900)), "\u{7}bell ".repeat(100));
        lines += &(json!({"key": key, "text": text, "metadata": {"n": number}}).to_string() + "\n");
    }
    place.write("x.jsonl", lines);
    place.cart("add a x.jsonl --no-meaning").succeeds();
    let mut server = Server::initialized(&place, "a --max-answer 4KiB");

    let (mut read, mut offset) = (String::new(), 0);
    loop {
        let piece = server.call("get", json!({"key": "long", "offset": offset})).unwrap();
        assert!(piece.to_string().len() <= 4 << 10, "{}", piece.to_string().len());
        assert_eq!((&piece["metadata"], &piece["omitted_fields"]), (&json!({"small": 1}), &json!(["big"])));
        read += piece["text"].as_str().unwrap();
        match piece["next_offset"].as_u64() {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert_eq!(read, long);
    let inside = long.find('ö').unwrap() + 1;
    let error = server.call("get", json!({"key": "long", "offset": inside})).unwrap_err();
    assert!(error.contains("inside of a character"), "{error}");

    let (mut seen, mut offset) = (Vec::new(), 0);
    loop {
        let page = server.call("search", json!({"words": "bell", "k": 100, "offset": offset})).unwrap();
        assert!(page.to_string().len() <= 4 << 10, "{}", page.to_string().len());
        assert!(page["hits"][0]["snippet"].as_str().unwrap().contains("\u{fffd}bell"));
        assert!(page["replaced_characters"].as_u64().unwrap() > 0);
        seen.extend(page["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_u64().unwrap()));
        match page["next_offset"].as_u64() {
            Some(next) => offset = next,
            None => break,
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=300).collect::<Vec<u64>>());

    for prefix in [json!("k"), json!(null)] {
        let (mut seen, mut after, expected) =
            (Vec::new(), json!(null), if prefix.is_null() { 301 } else { 300 });
        loop {
            let page = server.call("list", json!({"prefix": prefix, "after": after, "limit": 50})).unwrap();
            assert!(page.to_string().len() <= 4 << 10, "{}", page.to_string().len());
            assert_eq!(page["total"], expected);
            seen.extend(
                page["records"].as_array().unwrap().iter().map(|record| record["id"].as_u64().unwrap()),
            );
            after = page["next"].clone();
            if after.is_null() {
                break;
            }
        }
        assert_eq!(seen.len(), expected);
        seen.dedup();
        assert_eq!(seen.len(), expected);
    }
}

#[test]
fn no_answer_and_no_error_is_longer_than_its_limit_whatever_is_stored_or_asked() {
    let place = Place::new();
    let hidden = "\u{7f}".repeat(1024);
    let many: Map<String, Value> = (0..3000).map(|n| (format!("field{n}"), json!(n))).collect();
    let lines = [
        json!({"key": hidden, "text": "a cat", "title": "\"".repeat(3000), "metadata": {"\u{7f}".repeat(400): "\u{7f}".repeat(400)}}),
        json!({"key": "many", "text": format!("a cat {}", "\u{85}\"\n".repeat(20_000)), "metadata": many}),
        json!({"key": "\"".repeat(1024), "text": "a cat", "metadata": {"a": "\"".repeat(3000), "b": "\u{1b}".repeat(300)}}),
    ];
    let small = (0..100)
        .map(|n| json!({"key": format!("k{n}{}", "K".repeat(1000)), "text": "a cat", "metadata": {"n": n}}));
    let lines: Vec<String> = lines.into_iter().chain(small).map(|line| line.to_string()).collect();
    place.write("x.jsonl", lines.join("\n"));
    place.write("blob", vec![0; 20_000]);
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.cart("add a blob --blob").succeeds();
    let names: Vec<String> = (0..20).map(|n| format!("n{n}=a")).collect();
    let names = format!(" {}", names.join(" "));
    let slips: Map<String, Value> = (0..300).map(|n| (format!("slip{n}"), json!(n))).collect();
    let long = "q".repeat(100_000);
    for (args, most) in [
        ("a --max-answer 4KiB", 4 << 10),
        ("a", 32 << 10),
        (&*format!("a{names} --max-answer 4KiB"), 4 << 10),
    ] {
        let mut server = Server::initialized(&place, args);
        let mut fitting = |tool: &str, mut arguments: Value| {
            if most == 4 << 10 && args.contains("n0=") && tool != "stats" {
                arguments["artifact"] = "a".into();
            }
            let answer = server.call(tool, arguments);
            let len = answer.as_ref().map_or_else(String::len, |answer| answer.to_string().len());
            let said = answer.as_ref().map_or_else(Clone::clone, ToString::to_string);
            assert!(len <= most, "{args}: {tool}: {len} bytes: {said:.300}");
            answer
        };
        for (tool, arguments) in [
            ("get", json!({"key": hidden})),
            ("get", json!({"key": "many"})),
            ("get", json!({"key": "\"".repeat(1024), "max_bytes": 1 << 20})),
            ("get", json!({"id": 103, "max_bytes": 1 << 20})),
            ("search", json!({"words": "cat", "filter": slips})),
            ("search", json!({"words": "cat", "order_by": long})),
        ] {
            fitting(tool, arguments.clone()).unwrap_or_else(|e| panic!("{tool}: {e:.300}"));
        }
        for (tool, arguments) in [
            ("get", json!({"key": long})),
            ("get", json!({long.clone(): 1})),
            ("search", json!({"artifact": long})),
            ("search", json!({"words": "cat", "filter": {"n": {format!("${long}"): 1}}})),
            ("search", json!({"words": format!("{long}:cat")})),
        ] {
            assert!(fitting(tool, arguments).unwrap_err().len() < 3 << 10);
        }
        fitting("stats", json!({})).unwrap();
        fitting("stats", json!({"artifact": "a"})).unwrap();
        for (tool, list, arguments, expected) in [
            ("search", "hits", json!({"words": "cat", "k": 100}), 103),
            ("search", "hits", json!({"filter": {}, "fields": ["a", "b", "n"], "k": 100}), 104),
            ("list", "records", json!({}), 104),
            ("list", "records", json!({"prefix": ""}), 104),
        ] {
            let (mut seen, mut arguments) = (0, arguments);
            loop {
                let page = fitting(tool, arguments.clone()).unwrap();
                seen += page[list].as_array().unwrap().len();
                let (next, of) = if tool == "list" { ("next", "after") } else { ("next_offset", "offset") };
                match page.get(next) {
                    Some(next) => arguments[of] = next.clone(),
                    None => break,
                }
            }
            assert_eq!(seen, expected, "{args}: {tool} {arguments}");
        }
    }
    let mut server = Server::initialized(&place, "a");
    let error = server.ask("tools/call", json!({"name": long}))["error"]["message"].to_string();
    assert!(error.len() < 3 << 10 && error.contains("there is no tool"), "{error:.300}");
    let error = server.ask(&long, json!({}))["error"]["message"].to_string();
    assert!(error.len() < 3 << 10 && error.contains("there is no method"), "{error:.300}");
}

#[test]
fn records_are_resources_too_page_by_page_and_as_they_are() {
    let place = Place::new();
    let line =
        |n: u32| json!({"key": format!("ä/{n}#"), "text": format!("\u{202e}{n}\u{1b}")}).to_string() + "\n";
    let lines = (0..150).map(line).collect::<String>();
    place.write("x.jsonl", lines);
    place.write("blob", [0, 159, 146, 150]);
    place.write("large", vec![b'x'; (1 << 20) + 1]);
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place.cart("add b blob large --blob --no-meaning").succeeds();
    let mut server = Server::initialized(&place, "a b");
    let (mut uris, mut cursor) = (Vec::new(), json!(null));
    loop {
        let page = server.ask("resources/list", json!({"cursor": cursor}))["result"].clone();
        uris.extend(page["resources"].as_array().unwrap().clone());
        match page.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(uris.len(), 152);
    for (number, resource) in uris[..150].iter().enumerate() {
        let read = server.ask("resources/read", json!({"uri": resource["uri"]}));
        let content = &read["result"]["contents"][0];
        assert_eq!(content["text"], format!("\u{202e}{number}\u{1b}"), "{read}");
        assert_eq!((&content["uri"], &content["mimeType"]), (&resource["uri"], &json!("text/plain")));
        assert_eq!(resource["size"], content["text"].as_str().unwrap().len());
    }
    let read = server.ask("resources/read", json!({"uri": uris[150]["uri"]}));
    assert_eq!(read["result"]["contents"][0]["blob"], "AJ+Slg==");
    for (uri, code, said) in [
        (uris[151]["uri"].clone(), -32602, "the tool `get` reads it in pieces"),
        (json!("artifact://a/nothing"), -32002, "no such resource"),
        (json!("artifact://c/x"), -32002, "no such resource"),
        (json!("file:///etc/passwd"), -32002, "no such resource"),
        (json!(7), -32602, "`uri`: expected a string"),
    ] {
        let answer = server.ask("resources/read", json!({"uri": uri}));
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(said), "{answer}");
    }
    for cursor in [json!("x"), json!("a:x"), json!("c:0"), json!(7)] {
        assert_eq!(server.ask("resources/list", json!({"cursor": cursor}))["error"]["code"], -32602);
    }
}

#[test]
fn records_expire_as_they_were_told_to() {
    let place = Place::new();
    let mut server = Server::initialized(&place, "--write new=memory");
    assert!(server.call("search", json!({"text": "x"})).unwrap_err().contains("nothing was added yet"));
    assert_eq!(server.call("stats", json!({})).unwrap()["artifacts"][0]["records"], 0);
    let past = json!({"key": "past", "text": "old news", "expires_at": "2020-01-01"});
    assert_eq!(server.call("add", past).unwrap()["created_artifact"], true);
    server.call("add", json!({"key": "soon", "text": "new news", "expires_in_seconds": 3600})).unwrap();
    let found = server.call("search", json!({"text": "news"})).unwrap();
    assert_eq!(keys(&found["hits"]), ["soon"]);
    let error = server.call("add", json!({"text": "x", "expires_at": "soon"})).unwrap_err();
    assert!(error.contains("not a date"), "{error}");
    let error =
        server.call("add", json!({"text": "x", "expires_at": "2999-01-01", "metadata": {"expires_at": 1}}));
    assert!(error.unwrap_err().contains("expected it once"));
    assert_eq!(server.end(), (0, String::new()));

    let mut server = Server::initialized(&place, "--write new=memory");
    let error = server.call("add", json!({"key": "k", "text": "x", "replace": false})).map(drop);
    assert_eq!(error, Ok(()));
    let error = server.call("add", json!({"key": "k", "text": "x", "replace": false})).unwrap_err();
    assert!(error.contains("\"k\""), "{error}");
}
