//! A folder that changes, and an artifact that is kept in step with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Random, WORDS, seeds};
use crate::support::Place;

const NAMES: [&str; 5] = ["a.md", "b c.txt", "sub/d.rst", "-e", "f#1.md"];
/// Records that did not come from the folder, one by a key as its files have.
const OWN: [&str; 2] = ["mine", "n/a.md#77"];

/// An artifact, `a`, in step with the folder `n`.
struct Synced {
    place: Place,
    random: Random,
    files: BTreeMap<String, Vec<u8>>,
    /// The files that are texts as they were when they were read last, and what of each is a record.
    read: BTreeMap<String, Vec<u8>>,
    read_split: &'static str,
    split: &'static str,
    /// Text and metadata by key.
    records: BTreeMap<String, (String, Value)>,
    /// No two files have the same time.
    time: u64,
}

impl Synced {
    fn new(seed: u64) -> Self {
        let place = Place::new();
        place.write(
            "own.jsonl",
            OWN.map(|key| json!({"key": key, "text": "own"}).to_string() + "\n").concat(),
        );
        place.cart("add a own.jsonl --no-meaning").succeeds();
        fs::create_dir(place.path("n")).unwrap();
        let records = OWN.map(|key| (key.to_owned(), ("own".to_owned(), Value::Null)));
        let (split, time) = ("paragraph", 0);
        Self {
            place,
            random: Random::new(seed),
            files: BTreeMap::new(),
            read: BTreeMap::new(),
            read_split: split,
            split,
            records: records.into(),
            time,
        }
    }

    fn change(&mut self) {
        let name = format!("n/{}", self.random.choice(&NAMES));
        match self.random.below(8) {
            0..4 => {
                let content = content(&mut self.random);
                self.place.write(&name, &content);
                self.files.insert(name.clone(), content);
                self.age(&name);
            }
            4 => {
                if self.files.remove(&name).is_some() {
                    fs::remove_file(self.place.path(&name)).unwrap();
                }
            }
            5 => self.age(&name),
            6 => self.split = self.random.choice(&["paragraph", "whole"]),
            _ => {
                let keys: Vec<String> = self.records.keys().cloned().collect();
                let key = self.random.choice(&keys);
                if !OWN.contains(&key.as_str()) {
                    self.place.cart(&format!("delete a --json -- '{key}'")).succeeds();
                    self.records.remove(&key);
                }
            }
        }
    }

    /// Now and then a file is so old that its time and size are believed.
    fn age(&mut self, name: &str) {
        if self.files.contains_key(name) && self.random.one_in(2) {
            self.time += 10;
            let file = File::options().write(true).open(self.place.path(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(100_000 - self.time)).unwrap();
        }
    }

    fn sync(&mut self) {
        let ended = self.place.cart(&format!("add a n --sync --split {} --json", self.split));
        if self.files.is_empty() {
            ended.fails(1, &["n: a folder without files"]);
            return;
        }
        let report = ended.succeeds().json();
        let [mut added, mut replaced, mut removed, mut unchanged, mut records] = [0; 5];
        for (name, content) in self.files.clone() {
            let before = self.read.get(&name).cloned();
            let is_read = before.as_ref() == Some(&content) && self.read_split == self.split;
            if is_read && self.has_all_of(&name, &content) {
                unchanged += 1;
            } else if content.contains(&0) {
                removed += u64::from(before.is_some());
                self.forget(&name);
            } else {
                *(if before.is_some() { &mut replaced } else { &mut added }) += 1;
                self.forget(&name);
                let new = self.records_of(&name, std::str::from_utf8(&content).unwrap());
                records += new.len() as u64;
                self.records.extend(new);
                self.read.insert(name, content);
            }
        }
        for name in self.read.keys().cloned().collect::<Vec<_>>() {
            if !self.files.contains_key(&name) {
                removed += 1;
                self.forget(&name);
            }
        }
        self.read_split = self.split;
        let expected =
            json!({"added": added, "replaced": replaced, "removed": removed, "unchanged": unchanged});
        assert_eq!((&report["files"], &report["records"]), (&expected, &records.into()));
        let skipped = self.files.values().filter(|content| content.contains(&0)).count();
        assert_eq!(report["skipped"].as_array().unwrap().len(), skipped);
    }

    /// A file and its records are gone.
    fn forget(&mut self, name: &str) {
        self.read.remove(name);
        self.records.retain(|_, (_, metadata)| metadata["path"] != name);
    }

    /// Whether none of the records of a text was deleted.
    fn has_all_of(&self, name: &str, content: &[u8]) -> bool {
        let records = self.records_of(name, std::str::from_utf8(content).unwrap());
        records.iter().all(|(key, _)| self.records.contains_key(key))
    }

    fn records_of(&self, name: &str, text: &str) -> Vec<(String, (String, Value))> {
        if self.split == "whole" {
            return vec![(name.to_owned(), (text.to_owned(), json!({"path": name})))];
        }
        let lines: Vec<&str> = text.split('\n').map(str::trim_end).collect();
        let numbered: Vec<(usize, &str)> = (1..).zip(lines).collect();
        let paragraphs = numbered.split(|(_, line)| line.is_empty()).filter(|lines| !lines.is_empty());
        let record = |(number, lines): (usize, &[(usize, &str)])| {
            let text: Vec<&str> = lines.iter().map(|(_, line)| *line).collect();
            let metadata = json!({"path": name, "paragraph": number, "line": lines[0].0});
            (format!("{name}#{number}"), (text.join("\n"), metadata))
        };
        (1..).zip(paragraphs).map(record).collect()
    }

    fn check(&self) {
        let lines = self.place.cart("export a").succeeds().records();
        let is_known = |line: &&Value| !line["key"].as_str().unwrap().starts_with("cart-sync:");
        let record = |line: &Value| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("key"), (text("text"), line["metadata"].clone()))
        };
        let found: Vec<(String, (String, Value))> = lines.iter().filter(is_known).map(record).collect();
        let count = found.len();
        let found: BTreeMap<String, (String, Value)> = found.into_iter().collect();
        assert_eq!((count, &found), (self.records.len(), &self.records));
    }
}

/// Paragraphs, or what is no text.
fn content(random: &mut Random) -> Vec<u8> {
    if random.one_in(6) {
        return b"red\0".to_vec();
    }
    let mut content = String::new();
    for _ in 0..random.below(6) {
        for _ in 0..random.below(3) {
            content += random.choice(&["", " ", "\t"]);
            content += random.choice(&WORDS);
            content += random.choice(&["\n", "\r\n", " \n"]);
        }
        content += random.choice(&["", "\n", " \r\n\n"]);
    }
    content += random.choice(&["", "", "kite"]);
    content.into_bytes()
}

#[test]
fn an_artifact_keeps_in_step_with_a_folder() {
    for seed in seeds(2) {
        let mut synced = Synced::new(seed);
        for _ in 0..10 {
            for _ in 0..=synced.random.below(3) {
                synced.change();
            }
            synced.sync();
            if synced.random.one_in(2) {
                synced.check();
            }
        }
        synced.check();
        synced.place.cart("verify a").succeeds();
    }
}
