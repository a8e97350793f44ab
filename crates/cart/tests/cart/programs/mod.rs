//! Random programs of commands: after each, the artifact holds and finds what a plain list of records would.
//!
//! `PROGRAMS=300 cargo test -p cart --test cart programs` runs so many of them, also of `mcp::programs`, from the seed `FIRST` on.

mod folder;
mod tables;

use std::fmt::Write as _;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::support::{Ended, Place};

pub(crate) const WORDS: [&str; 5] = ["red", "green", "kite", "rose", "sea"];
pub(crate) const KEYS: [&str; 9] =
    ["a", "b/c d", "#1", "##", "-k", "\u{202e}é", "nul\0", "\"q\"\\", "line\nend%2F?#"];

/// Numbers that look random, the same for each seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % below as u64).unwrap()
    }

    pub(crate) fn choice<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// The seeds of the programs to run.
pub(crate) fn seeds(few: u64) -> std::ops::Range<u64> {
    let number = |name: &str, or: u64| std::env::var(name).map_or(or, |number| number.parse().unwrap());
    let first = number("FIRST", 0);
    first..first + number("PROGRAMS", few)
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) key: Option<String>,
    pub(crate) title: Option<String>,
    /// Otherwise it is a blob.
    pub(crate) text: Option<String>,
    pub(crate) blob: Vec<u8>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) vector: Option<[f32; 2]>,
}

impl Known {
    pub(crate) fn random(random: &mut Random) -> Self {
        let is_text = !random.one_in(6);
        Self {
            key: (!random.one_in(3)).then(|| random.choice(&KEYS).to_owned()),
            title: random.one_in(3).then(|| text(random)),
            text: is_text.then(|| text(random)),
            blob: if is_text { Vec::new() } else { random.choice(&[&b""[..], b"\0\xff", b"red"]).to_vec() },
            metadata: metadata(random),
            vector: random
                .one_in(3)
                .then(|| random.choice(&[[1.0, 0.0], [0.3, -0.7], [1e-30, 3e-30], [-0.0, 2e20]])),
        }
    }

    pub(crate) fn line(&self) -> Value {
        let mut line = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            line.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("key", self.key.clone().map(Value::from));
        set("title", self.title.clone().map(Value::from));
        set("text", self.text.clone().map(Value::from));
        set("blob", self.text.is_none().then(|| BASE64_STANDARD.encode(&self.blob).into()));
        set("metadata", (!self.metadata.is_empty()).then(|| self.metadata.clone().into()));
        // As text the numbers have the digits of an f32.
        let number =
            |value: f32| serde_json::from_str::<Value>(&serde_json::to_string(&value).unwrap()).unwrap();
        set("vectors", self.vector.map(|vector| json!({"v": vector.map(number)})));
        line.into()
    }

    pub(crate) fn has_word(&self, word: &str) -> bool {
        let texts = [&self.text, &self.title];
        texts.into_iter().flatten().any(|text| text.split(' ').any(|one| one == word))
    }

    fn is_same_content(&self, other: &Self) -> bool {
        (&self.text, &self.blob, &self.title) == (&other.text, &other.blob, &other.title)
    }

    /// The number of its metadata that filters and orders ask for.
    pub(crate) fn n(&self) -> Option<i64> {
        self.metadata.get("n").and_then(Value::as_i64)
    }
}

fn text(random: &mut Random) -> String {
    let words: Vec<&str> = (0..random.below(4)).map(|_| random.choice(&WORDS)).collect();
    words.join(" ")
        + random.choice(&[
            "",
            "",
            " \u{1f600}",
            " \r\n",
            " \0\u{7f}",
            " \u{2028}",
            " \u{202e}",
            " {\"settings\":{}}",
        ])
}

fn metadata(random: &mut Random) -> Map<String, Value> {
    let mut metadata = Map::new();
    if !random.one_in(4) {
        metadata.insert("n".to_owned(), random.choice(&[-2, 0, 1, 7, i64::MAX, i64::MIN]).into());
    }
    if random.one_in(2) {
        let values = [
            json!(0.1),
            json!(1.0),
            json!(-0.0),
            json!(1e300),
            json!(5e-324),
            json!(u64::MAX),
            json!(null),
            json!([]),
            json!({}),
            json!({"a.b": {"c": [1, "1", null, true]}}),
            json!(""),
            json!("\u{0}\u{202e}"),
            json!("2026-01-01"),
            json!("x".repeat(700)),
        ];
        metadata
            .insert(random.choice(&["x", "", "$in", "a.b", "\u{202d}"]).to_owned(), random.choice(&values));
    }
    metadata
}

/// A line of JSON in one of the ways to write it.
fn spelt(line: &Value, random: &mut Random) -> String {
    let plain = if random.one_in(3) { format!(" \t{line}  ") } else { line.to_string() };
    if !random.one_in(3) {
        return plain;
    }
    let mut escaped = String::new();
    for c in plain.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(escaped, "\\u{unit:04X}").unwrap());
        }
    }
    escaped
}

/// Lines that are no records, or not here.
const BAD: [&str; 24] = [
    "{",
    "[]",
    "1",
    "{}",
    "{\"text\":1}",
    "{\"text\":\"a\",\"text\":\"b\"}",
    "{\"text\":\"\\ud800\"}",
    "{\"blob\":\"?\"}",
    "{\"text\":\"a\",\"blob\":\"\"}",
    "{\"text\":\"a\",\"key\":\"\"}",
    "{\"text\":\"a\",\"key\":1}",
    "{\"text\":\"a\",\"metadata\":[]}",
    "{\"text\":\"a\",\"metadata\":{\"n\":1,\"n\":1}}",
    "{\"text\":\"a\",\"metadata\":{\"n\":1e400}}",
    "{\"text\":\"a\",\"metadata\":{\"n\":18446744073709551616}}",
    "{\"text\":\"a\",\"metadata\":{\"n\":NaN}}",
    "{\"text\":\"a\",\"vectors\":{\"v\":[1]}}",
    "{\"text\":\"a\",\"vectors\":{\"v\":[0,0]}}",
    "{\"text\":\"a\",\"vectors\":{\"v\":[1e39,0]}}",
    "{\"text\":\"a\",\"vectors\":{\"v\":[null,0]}}",
    "{\"text\":\"a\",\"more\":1}",
    "{\"text\":\"a\"}{\"text\":\"b\"}",
    "{\"text\":\"a\"\u{0}}",
    "\u{feff}{\"text\":\"a\"}",
];

/// A folder with an artifact, `a`, whose records are these in this order.
struct Program {
    place: Place,
    random: Random,
    records: Vec<Known>,
    step: usize,
}

impl Program {
    fn new(seed: u64) -> Self {
        let (place, first) = (Place::new(), json!({"text": "red", "vectors": {"v": [1, 0]}}));
        place.write("first.jsonl", first.to_string());
        place.write("q.json", "[0.3, 0.1]");
        place.cart("add a first.jsonl --no-meaning --originals f32").succeeds();
        let mut program = Self { place, random: Random::new(seed), records: Vec::new(), step: 0 };
        program.run("delete a --filter {} --yes --json", &[]).succeeds();
        program
    }

    /// A command with arguments behind it that may have blanks.
    fn run(&mut self, args: &str, more: &[&str]) -> Ended {
        let mut command: Command = self.place.command(args);
        Ended::of(command.args(more).output().unwrap())
    }

    /// What a command that succeeds writes as lines of JSON.
    fn lines(&mut self, args: &str, more: &[&str]) -> Vec<Value> {
        self.run(args, more).succeeds().json_lines()
    }

    fn add(&mut self) {
        let new: Vec<Known> = (0..=self.random.below(5)).map(|_| Known::random(&mut self.random)).collect();
        let upsert = self.random.one_in(2);
        let bad = self.random.one_in(4).then(|| self.random.below(new.len() + 1));
        let end = self.random.choice(&["\n", "\r\n", "\n\n \n"]);
        let mut lines: Vec<String> = new.iter().map(|known| spelt(&known.line(), &mut self.random)).collect();
        let is_bad = bad.is_some();
        if let Some(at) = bad {
            lines.insert(at, self.random.choice(&BAD).to_owned());
            // In front of the first line this is a mark of the encoding.
            if at == 0 && lines[0].starts_with('\u{feff}') {
                "{".clone_into(&mut lines[0]);
            }
        }
        let mark = if self.random.one_in(4) { "\u{feff}" } else { "" };
        let last = if self.random.one_in(2) { end } else { "" };
        self.place.write("new.jsonl", format!("{mark}{}{last}", lines.join(end)));
        self.add_file("new.jsonl", new, is_bad, upsert);
    }

    /// Adds a file with these records, and something that is none if it is bad.
    fn add_file(&mut self, args: &str, new: Vec<Known>, mut is_bad: bool, upsert: bool) {
        let mut records = self.records.clone();
        for mut known in new {
            let old = records.iter().position(|old| old.key.is_some() && old.key == known.key);
            match old {
                Some(_) if !upsert => is_bad = true,
                Some(at) => {
                    let old = records.remove(at);
                    is_bad |= old.vector.is_some() && known.vector.is_none() && !old.is_same_content(&known);
                    known.vector = known.vector.or(old.vector);
                }
                None => {}
            }
            records.push(known);
        }
        let upsert = if upsert { " --upsert" } else { "" };
        let ended = self.run(&format!("add a {args}{upsert} --json"), &[]);
        if is_bad {
            ended.fails(1, &["new.", "nothing was added"]);
        } else {
            assert_eq!(ended.succeeds().json()["created"], false);
            self.records = records;
        }
    }

    /// The numbers of the records, in their order.
    fn ids(&mut self) -> Vec<u64> {
        let found = self.run("search a --filter {} --json -k 1000", &[]);
        assert_eq!(found.code, if self.records.is_empty() { 3 } else { 0 });
        found.json()["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_u64().unwrap()).collect()
    }

    /// A key or a number as an argument.
    fn name(&mut self, at: usize, ids: &[u64]) -> String {
        match &self.records[at].key {
            // No argument has a zero in it.
            Some(key) if !key.contains('\0') && self.random.one_in(2) => argument(key),
            _ => format!("#{}", ids[at]),
        }
    }

    fn delete(&mut self) {
        if self.random.one_in(3) {
            let n = self.random.choice(&[-2, 0, 7]);
            let filter = json!({"n": {"$lt": n}}).to_string();
            let before = self.records.len();
            let kept = |known: &Known| known.n().is_none_or(|value| value >= n);
            let count = before - self.records.iter().filter(|known| kept(known)).count();
            if count > 0 {
                self.run("delete a --json --dry-run --filter", &[&filter]).succeeds();
                let done = self.run("delete a --json --filter", &[&filter]).succeeds();
                assert_eq!(done.json()["deleted"], count);
                self.records.retain(kept);
            } else if self.records.iter().any(|known| known.n().is_some()) {
                self.run("delete a --json --filter", &[&filter]).fails(3, &["no record matches"]);
            }
            return;
        }
        let ids = self.ids();
        if self.records.is_empty() {
            return;
        }
        let (at, is_bad) = (self.random.below(ids.len()), self.random.one_in(3));
        let name = self.name(at, &ids);
        let more = if is_bad { vec!["--", "nothing", &name] } else { vec!["--", &name] };
        let ended = self.run("delete a --json", &more);
        if is_bad {
            ended.fails(3, &["nothing was deleted"]);
        } else {
            assert_eq!(ended.succeeds().json()["deleted"], 1);
            self.records.remove(at);
        }
    }

    /// To a packed file or an export and back, which takes the place of the old one.
    fn restore(&mut self) {
        self.step += 1;
        #[cfg(feature = "arrow")]
        if self.random.one_in(3) && self.records.iter().any(|known| known.vector.is_some()) {
            return self.restore_columns();
        }
        let (old, kind) = (format!("old-{}", self.step), self.random.below(2));
        if kind == 0 {
            self.run("pack a p.pack", &[]);
            self.check("p.pack");
        } else {
            let export = self.run("export a --vectors", &[]).succeeds();
            self.place.write("p.jsonl", export.stdout);
        }
        std::fs::rename(self.place.path("a"), self.place.path(&old)).unwrap();
        let from = ["p.pack", "p.jsonl"][kind];
        self.run("restore --json", &[from, "a"]).succeeds();
        std::fs::remove_file(self.place.path(from)).unwrap();
    }

    fn maintain(&mut self) {
        self.run("compact a", &[]).succeeds();
        self.run("verify a", &[]).succeeds();
        self.run("doctor a", &[]);
    }

    /// What is asked is answered by the list, and what cannot be is refused.
    fn check(&mut self, artifact: &str) {
        let expected: Vec<Value> = self.records.iter().map(Known::line).collect();
        assert_eq!(self.run("export --vectors", &[artifact]).succeeds().records(), expected);
        let ids = self.ids();
        if !self.records.is_empty() {
            let at = self.random.below(ids.len());
            let name = self.name(at, &ids);
            let mut line = self.records[at].line();
            line.as_object_mut().unwrap().remove("vectors");
            line["id"] = ids[at].into();
            assert_eq!(self.lines("get --json", &[artifact, "--", &name]), [line]);
            let content =
                self.records[at].text.clone().map_or(self.records[at].blob.clone(), String::into_bytes);
            assert_eq!(self.run("get --raw", &[artifact, "--", &name]).succeeds().stdout, content);
        }
        self.check_similar(artifact, &ids);
        let (word, filter) = (self.random.choice(&WORDS), json!({"n": {"$gte": 1}}).to_string());
        let is_known = self.records.iter().any(|known| known.n().is_some());
        for filter in [None, is_known.then_some(filter.as_str())] {
            let passes = |known: &Known| filter.is_none() || known.n().is_some_and(|n| n >= 1);
            let more: Vec<&str> = filter.into_iter().flat_map(|filter| ["--filter", filter]).collect();
            let with = |test: &dyn Fn(&Known) -> bool| -> Vec<u64> {
                let all = self.records.iter().zip(&ids);
                all.filter(|(known, _)| passes(known) && test(known)).map(|(_, id)| *id).collect()
            };
            let (words, all, near) =
                (with(&|known| known.has_word(word)), with(&|_| true), with(&|known| known.vector.is_some()));
            let mut sorted: Vec<(bool, i64, u64)> = self
                .records
                .iter()
                .zip(&ids)
                .filter(|(known, _)| passes(known))
                .map(|(known, id)| (known.n().is_none(), known.n().map_or(0, |n| !n), *id))
                .collect();
            sorted.sort_unstable();
            let sorted: Vec<u64> = sorted.into_iter().map(|(.., id)| id).collect();
            for (args, mut expected, is_in_order) in [
                (format!("search {artifact} {word} --words --total"), words, false),
                (format!("search {artifact} --total --sort n:desc"), sorted, true),
                (format!("search {artifact} --total --vector-file q.json"), near, false),
            ] {
                let mut found = self.found(&args, &more);
                assert!(is_in_order || found.len() <= all.len());
                if !is_in_order {
                    found.sort_unstable();
                    expected.sort_unstable();
                }
                assert_eq!(found, expected, "{args} {more:?}");
            }
        }
    }

    /// What is near a record is all that has a vector, the nearest first.
    fn check_similar(&mut self, artifact: &str, ids: &[u64]) {
        if self.records.is_empty() {
            return;
        }
        let at = self.random.below(ids.len());
        let name = self.name(at, ids);
        let ended = self.run("similar --space v --json -k 1000", &[artifact, "--", &name]);
        let Some(own) = self.records[at].vector else {
            ended.fails(3, &["has no embedding"]);
            return;
        };
        let others =
            self.records.iter().zip(ids).filter(|(known, id)| known.vector.is_some() && **id != ids[at]);
        let mut expected: Vec<u64> = others.map(|(_, id)| *id).collect();
        assert_eq!(ended.code, if expected.is_empty() { 3 } else { 0 }, "{ended:?}");
        let answer = ended.json();
        let mut found: Vec<u64> =
            answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_u64().unwrap()).collect();
        let near = |id: &u64| {
            cosine(own, self.records[ids.iter().position(|one| one == id).unwrap()].vector.unwrap())
        };
        assert!(found.iter().map(near).is_sorted_by(|one, next| *one > next - 1e-5), "{found:?} near {name}");
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "near {name}");
    }

    /// The numbers of what is found, page by page.
    fn found(&mut self, args: &str, more: &[&str]) -> Vec<u64> {
        let mut found = Vec::new();
        for page in 1.. {
            let ended = self.run(&format!("{args} --json -k 7 --page {page}"), more);
            assert!(ended.code == 0 || ended.code == 3, "{ended:?}");
            let answer = ended.json();
            let hits = answer["hits"].as_array().unwrap();
            found.extend(hits.iter().map(|hit| hit["id"].as_u64().unwrap()));
            if hits.len() < 7 {
                assert_eq!(answer["total"]["records"], found.len());
                break;
            }
        }
        found
    }
}

fn cosine(one: [f32; 2], other: [f32; 2]) -> f64 {
    let [[a, b], [c, d]] = [one, other].map(|vector| vector.map(f64::from));
    (a * c + b * d) / (a.hypot(b) * c.hypot(d))
}

fn argument(key: &str) -> String {
    if key.starts_with('#') { format!("#{key}") } else { key.to_owned() }
}

#[test]
fn a_program_of_commands_leaves_what_a_list_would() {
    for seed in seeds(2) {
        let mut program = Program::new(seed);
        for step in 0..14 {
            match program.random.below(13) {
                0..4 => program.add(),
                4..6 => program.add_table(),
                6 => program.add_columns(),
                7..11 => program.delete(),
                11 => program.restore(),
                _ => program.maintain(),
            }
            if step % 2 == 1 {
                program.check("a");
            }
        }
    }
}
