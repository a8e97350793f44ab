//! Texts to tokens.

use proptest::prelude::*;
use serde_json::Value;

use crate::models::{Files, VOCABULARY, small};
use crate::oracle;

/// The vocabulary of the fixture, and its texts with the tokens that the PyPI package `tokenizers` gives: see `tests/make_fixture.py`.
fn fixture() -> (Vec<String>, Vec<(String, Vec<u32>)>) {
    let json: Value = serde_json::from_str(include_str!("../data/tokens.json")).unwrap();
    let vocabulary = serde_json::from_value(json["vocabulary"].clone()).unwrap();
    let cases = serde_json::from_value(json["cases"].clone()).unwrap();
    (vocabulary, cases)
}

#[test]
fn tokens_are_those_of_the_tokenizers_package() {
    let (vocabulary, cases) = fixture();
    let vocabulary: Vec<&str> = vocabulary.iter().map(String::as_str).collect();
    let embedder = Files::new(&vocabulary, 1).embedder();
    assert!(cases.len() > 400);
    for (text, expected) in cases {
        assert_eq!(embedder.tokens(&text), expected, "{text:?}");
    }
}

#[test]
fn the_oracle_agrees_with_the_tokenizers_package() {
    let (vocabulary, cases) = fixture();
    let vocabulary: Vec<&str> = vocabulary.iter().map(String::as_str).collect();
    let known = cases.iter().filter(|(text, _)| text.chars().all(oracle::knows));
    let compared =
        known.map(|(text, expected)| assert_eq!(&oracle::tokens(&vocabulary, text), expected, "{text:?}"));
    assert!(compared.count() > 200);
}

#[test]
fn the_longest_token_is_taken_first_and_a_word_that_does_not_work_out_is_unknown() {
    let embedder = small().embedder();
    let tokens = |text: &str| -> Vec<&str> {
        embedder.tokens(text).into_iter().map(|token| VOCABULARY[token as usize]).collect()
    };
    assert_eq!(tokens("CATS, doggy"), ["cat", "##s", ",", "dog", "##gy"]);
    assert_eq!(tokens("cats中cat"), ["cat", "##s", "中", "cat"]);
    assert_eq!(tokens("catx ##s [PAD]"), ["[UNK]", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[UNK]", "[UNK]"]);
    assert_eq!(tokens("ée"), ["e", "##e"], "accents go before tokens are looked up");
    assert_eq!(tokens(&format!("e{}", "e".repeat(99))).len(), 100);
    assert_eq!(tokens(&"e".repeat(101)), ["[UNK]"], "101 characters");
    assert_eq!(tokens(" \t\n\0\u{200B}"), [""; 0]);
}

#[test]
fn texts_are_normalized_as_the_options_say() {
    let mut files = small();
    files.tokenizer["normalizer"]["strip_accents"] = false.into();
    files.tokenizer["normalizer"]["handle_chinese_chars"] = false.into();
    assert_eq!(files.embedder().tokens("eé 中中"), [13, 12, 1]);
    files.tokenizer["normalizer"]["lowercase"] = false.into();
    assert_eq!(files.embedder().tokens("A a"), [1, 2]);
    files.tokenizer["model"]["max_input_chars_per_word"] = 3.into();
    assert_eq!(files.embedder().tokens("cats cat"), [1, 4]);
    files.tokenizer["model"]["continuing_subword_prefix"] = "".into();
    files.tokenizer["model"]["max_input_chars_per_word"] = 9.into();
    assert_eq!(files.embedder().tokens("cats"), [1], "no token continues a word");
}

fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(oracle::ALPHABET.to_vec()).prop_map(String::from),
        prop::sample::select(vec!["cat", "dog", "s", "at", "gy", " ", "CAT", "##"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn tokens_are_those_of_the_oracle(text in texts()) {
        prop_assert_eq!(small().embedder().tokens(&text), oracle::tokens(&VOCABULARY, &text));
    }

    #[test]
    fn every_token_of_any_text_is_in_the_vocabulary(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let embedder = small().embedder();
        for text in [&text, &*String::from_utf8_lossy(&bytes)] {
            prop_assert!(embedder.tokens(text).iter().all(|&token| (token as usize) < embedder.vocabulary_len()));
        }
    }
}
