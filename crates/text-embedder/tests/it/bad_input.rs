//! Folders and JSON files that are no model, or half of one.

use serde_json::{Value, json};
use text_embedder::*;

use crate::models::{Files, small};

fn error(files: &Files) -> Error {
    files.pack().unwrap_err()
}

#[test]
fn what_is_no_model_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| StaticEmbedder::open(path).unwrap_err();
    let missing = open(&folder.path().join("missing"));
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(std::error::Error::source(&missing).is_some());
    let empty = open(folder.path());
    assert_eq!(empty.kind(), ErrorKind::NotFound);
    assert!(empty.to_string().contains("no config.json, no tokenizer.json, no model.safetensors"), "{empty}");
    let file = folder.path().join("file");
    for content in ["", "text", "\u{89}CAEM"] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(open(&file).kind(), ErrorKind::NotAModel);
    }
    assert_eq!(StaticEmbedder::from_bytes(Vec::new()).unwrap_err().kind(), ErrorKind::NotAModel);
    assert_eq!(pack_folder(&file).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn half_a_model_is_incomplete() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = tempfile::tempdir().unwrap();
        small().write(folder.path());
        std::fs::remove_file(folder.path().join(name)).unwrap();
        let error = StaticEmbedder::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incomplete);
        assert!(error.to_string().ends_with(&format!("it has no {name}")), "{error}");
        std::fs::create_dir(folder.path().join(name)).unwrap();
        assert_eq!(StaticEmbedder::open(folder.path()).unwrap_err().kind(), ErrorKind::NotAModel);
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (config, expected) in [
        (json!([]), ErrorKind::InvalidModel),
        (json!(["a-model", 512]), ErrorKind::InvalidModel),
        (json!({"model_id": 7}), ErrorKind::InvalidModel),
        (json!({"max_tokens": 0}), ErrorKind::InvalidModel),
        (json!({"max_tokens": -1}), ErrorKind::InvalidModel),
        (json!({"model_id": "x".repeat(129)}), ErrorKind::TooLarge),
    ] {
        let mut files = small();
        files.config = config.clone();
        assert_eq!(error(&files).kind(), expected, "{config}");
    }
    let folder = tempfile::tempdir().unwrap();
    small().write(folder.path());
    std::fs::write(folder.path().join("config.json"), " ".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(StaticEmbedder::open(folder.path()).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn a_tokenizer_that_works_otherwise_is_unsupported_and_one_that_contradicts_itself_invalid() {
    let change = |path: &str, value: Value| {
        let mut files = small();
        *files.tokenizer.pointer_mut(path).unwrap() = value;
        error(&files)
    };
    let added = json!([{"id": 3, "content": "b", "special": false}]);
    for (path, value, expected) in [
        ("/model/type", json!("Unigram"), ErrorKind::Unsupported),
        ("/model/type", json!(7), ErrorKind::InvalidModel),
        ("/normalizer/type", json!("NFC"), ErrorKind::Unsupported),
        ("/normalizer", Value::Null, ErrorKind::Unsupported),
        ("/pre_tokenizer/type", json!("Whitespace"), ErrorKind::Unsupported),
        ("/pre_tokenizer", Value::Null, ErrorKind::Unsupported),
        ("/added_tokens", added, ErrorKind::Unsupported),
        ("/model/unk_token", json!("[unknown]"), ErrorKind::InvalidModel),
        ("/pre_tokenizer", json!(["BertPreTokenizer"]), ErrorKind::InvalidModel),
        ("/normalizer", json!(["BertNormalizer", true, true, null, true]), ErrorKind::InvalidModel),
        ("/added_tokens", json!([[0, "[UNK]", true]]), ErrorKind::InvalidModel),
        ("/model", json!(["WordPiece", null, null, null, {"[UNK]": 0}]), ErrorKind::InvalidModel),
        ("/model/vocab", json!([]), ErrorKind::InvalidModel),
        ("/model/vocab", Value::Null, ErrorKind::Incomplete),
        ("/model/vocab", json!({}), ErrorKind::InvalidModel),
        ("/model/vocab", json!({"[UNK]": 0, "a": 0}), ErrorKind::InvalidModel),
        ("/model/vocab", json!({"[UNK]": 16}), ErrorKind::InvalidModel),
        ("/model/vocab", json!({"[UNK]": 4_294_967_295u32}), ErrorKind::TooLarge),
        ("/model/vocab", json!({"[UNK]": -1}), ErrorKind::InvalidModel),
        ("/model/vocab", json!({"[UNK]": 0, "x".repeat(70_000): 1}), ErrorKind::TooLarge),
        ("/model/max_input_chars_per_word", json!(0), ErrorKind::TooLarge),
        ("/model/max_input_chars_per_word", json!(1_001), ErrorKind::TooLarge),
        ("/model", Value::Null, ErrorKind::InvalidModel),
    ] {
        let error = change(path, value.clone());
        assert_eq!(error.kind(), expected, "{path} {value}: {error}");
    }
}

#[test]
fn a_list_of_tokens_with_scores_is_a_tokenizer_of_another_kind() {
    let mut files = small();
    files.tokenizer["model"] =
        json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -3.5]]});
    let error = error(&files);
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("the model of the tokenizer is Unigram"), "{error}");
}

#[test]
fn hostile_json_is_an_error() {
    let files = small();
    let tensors = files.safetensors();
    for tokenizer in
        ["", "{", "[[[[", &"[".repeat(1 << 20), "\u{0}", "{\"model\":{\"vocab\":{\"[UNK]\":0,\"[UNK]\":1}}}"]
    {
        let model =
            Model2Vec { name: "x", config: b"{}", tokenizer: tokenizer.as_bytes(), tensors: &tensors };
        let error = pack(&model).unwrap_err();
        assert!([ErrorKind::InvalidModel, ErrorKind::Unsupported].contains(&error.kind()), "{error}");
        assert!(error.to_string().starts_with("tokenizer.json: "));
    }
    let twice = files.tokenizer.to_string().replace("\"cat\":4", "\"cat\":4,\"cat\":5,\"x\":4");
    let model = Model2Vec { name: "x", config: b"{}", tokenizer: twice.as_bytes(), tensors: &tensors };
    assert_eq!(pack(&model).unwrap_err().kind(), ErrorKind::InvalidModel);
}

#[test]
fn numbers_without_a_token_are_found_nowhere() {
    let mut files = small();
    files.tokenizer["model"]["vocab"] = json!({"[UNK]": 3, "cat": 9, "##": 10});
    let embedder = files.embedder();
    assert_eq!(embedder.tokens("cat cats ##"), [9, 3, 3, 3]);
    assert_eq!(embedder.vocabulary_len(), 16);
}
