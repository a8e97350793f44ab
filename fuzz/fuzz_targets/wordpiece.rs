//! Any text, with any vocabulary: its tokens are those that a plain search through the vocabulary finds in its words, and each is in the vocabulary.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use text_embedder::{Embedder, Model2Vec, StaticEmbedder, pack};

#[derive(Debug, Arbitrary)]
struct Input {
    vocabulary: Vec<String>,
    text: String,
    clean: bool,
    chinese: bool,
    accents: Option<bool>,
    lowercase: bool,
    chars: u8,
}

fn embedder(input: &Input) -> Option<(StaticEmbedder, BTreeMap<String, u32>)> {
    let tokens = ["[UNK]", "a", "##a", "b", "##b", "é", "中", ","].into_iter().map(str::to_owned);
    let mut vocabulary = BTreeMap::new();
    for token in tokens.chain(input.vocabulary.iter().cloned()) {
        let next = vocabulary.len() as u32;
        vocabulary.entry(token).or_insert(next);
    }
    let tokenizer = json!({
        "normalizer": {"type": "BertNormalizer", "clean_text": input.clean, "handle_chinese_chars": input.chinese,
            "strip_accents": input.accents, "lowercase": input.lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "max_input_chars_per_word": input.chars, "vocab": vocabulary},
    });
    let len = vocabulary.len();
    let header =
        json!({"embeddings": {"dtype": "I8", "shape": [len, 1], "data_offsets": [0, len]}}).to_string();
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![1; len]].concat();
    let tokenizer = tokenizer.to_string();
    let model = Model2Vec { name: "fuzz", config: b"{}", tokenizer: tokenizer.as_bytes(), tensors: &tensors };
    Some((StaticEmbedder::from_bytes(pack(&model).ok()?).ok()?, vocabulary))
}

/// The greedy longest match over characters.
fn pieces(vocabulary: &BTreeMap<String, u32>, word: &[char], limit: usize) -> Vec<u32> {
    let unknown = vec![vocabulary["[UNK]"]];
    let (mut found, mut start) = (Vec::new(), 0);
    if word.len() > limit {
        return unknown;
    }
    while start < word.len() {
        let piece = |end: usize| {
            let text: String = word[start..end].iter().collect();
            // A first piece that begins with the sign of a continuing one is none.
            if start > 0 { format!("##{text}") } else { text }
        };
        let token =
            |end: usize| vocabulary.get(&piece(end)).filter(|_| start > 0 || !piece(end).starts_with("##"));
        let Some((&token, end)) = (start + 1..=word.len()).rev().find_map(|end| Some((token(end)?, end)))
        else {
            return unknown;
        };
        found.push(token);
        start = end;
    }
    found
}

fuzz_target!(|input: Input| {
    let Some((embedder, vocabulary)) = embedder(&input) else { return };
    let found = embedder.tokens(&input.text);
    assert!(found.iter().all(|&token| (token as usize) < vocabulary.len()));
    embedder.embed_query(&input.text).expect("rows of ones are finite");
    // Of letters and spaces in ASCII, the words are plain to see.
    if input.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ') {
        let text = if input.lowercase { input.text.to_ascii_lowercase() } else { input.text.clone() };
        let words = text.split_whitespace().map(|word| word.chars().collect::<Vec<_>>());
        let expected: Vec<u32> =
            words.flat_map(|word| pieces(&vocabulary, &word, input.chars.into())).collect();
        assert_eq!(found, expected);
    }
});
