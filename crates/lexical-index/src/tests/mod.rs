//! What the whole crate promises. Each file is one claim.

mod apart;
mod bad_input;
mod boolean;
mod docs;
mod earlier;
mod forged;
mod golden;
mod merged;
mod printed;
mod ranking;
mod stems;
mod stopped;
mod tantivy;
mod verified;
mod words;

use std::sync::Arc;

use crate::{Analyzer, MemoryIndex, Part};

/// The texts of `crates/cart/data/wordnet.jsonl.zst`.
fn texts() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cart/data/wordnet.jsonl.zst");
    let lines = String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap();
    let text = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["text"].as_str().unwrap().to_owned()
    };
    lines.lines().map(text).collect()
}

fn index_of<T: AsRef<str>>(texts: &[T], positions: bool) -> MemoryIndex {
    let mut index = MemoryIndex::new(Arc::new(Analyzer::new()), &["text"], positions).unwrap();
    for text in texts {
        index.add(&[(0, text.as_ref())]).unwrap();
    }
    index
}

fn part_of(index: &MemoryIndex) -> Part<Vec<u8>> {
    let mut bytes = Vec::new();
    index.write(&mut bytes).unwrap();
    Part::open(bytes).unwrap()
}

/// A linear congruential generator: enough to pick things.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end as u64).unwrap()
    }
}
