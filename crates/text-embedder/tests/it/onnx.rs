//! Folders of sentence-transformers, with a model that looks up the row (t, 1, t * t / 16) of token t: see `tests/make_onnx.py`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use text_embedder::*;

use crate::models::{VOCABULARY, small};

const MODEL: &[u8] = include_bytes!("../data/tiny.onnx");
/// The tokens that are put around each text.
const BEFORE: u32 = 14;
const AFTER: u32 = 15;

/// A folder whose texts get a token before and one behind them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut tokenizer = small().tokenizer;
    tokenizer["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
        "special_tokens": {"[CLS]": {"ids": [BEFORE]}, "[SEP]": {"ids": [AFTER]}},
    });
    let module = |name: &str, path: &str| json!({"type": format!("sentence_transformers.models.{name}"), "path": path});
    write(folder.path(), "tokenizer.json", &tokenizer);
    write(folder.path(), "modules.json", &json!([module("Transformer", ""), module("Pooling", "1_Pooling")]));
    fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    set_pooling(folder.path(), "pooling_mode_mean_tokens");
    fs::write(folder.path().join("model.onnx"), MODEL).unwrap();
    folder
}

fn write(folder: &Path, name: &str, json: &Value) {
    fs::write(folder.join(name), json.to_string()).unwrap();
}

fn set_pooling(folder: &Path, mode: &str) {
    let mut config = json!({"word_embedding_dimension": 3, "pooling_mode_cls_token": false, "pooling_mode_max_tokens": false});
    config[mode] = true.into();
    write(folder, "1_Pooling/config.json", &config);
}

fn query(folder: &Path, text: &str) -> Option<Vec<f32>> {
    OnnxEmbedder::open(folder).unwrap().embed_query(text).unwrap()
}

/// The mean of the rows of some tokens and of those around them.
fn mean(tokens: &[u32]) -> Vec<f32> {
    let tokens: Vec<f32> = [&[BEFORE], tokens, &[AFTER]].concat().iter().map(|&token| token as f32).collect();
    let count = tokens.len() as f32;
    let squares = tokens.iter().map(|token| token * token / 16.0).sum::<f32>();
    vec![tokens.iter().sum::<f32>() / count, 1.0, squares / count]
}

fn expect_near(found: Option<Vec<f32>>, expected: &[f32]) {
    let found = found.unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-4), "{found:?} {expected:?}");
}

#[test]
fn a_vector_is_the_mean_or_the_first_of_those_of_the_tokens() {
    let folder = folder();
    expect_near(query(folder.path(), "cats dog"), &mean(&[4, 5, 10]));
    let embedder = OnnxEmbedder::open(folder.path()).unwrap();
    assert_eq!(embedder.dimension(), 3);
    assert_eq!(embedder.id(), folder.path().file_name().unwrap().to_string_lossy());
    let embeddings = embedder.embed_documents(&["cats dog", "", "unknown", "cat unknown"]).unwrap();
    expect_near(embeddings.get(0).map(<[f32]>::to_vec), &mean(&[4, 5, 10]));
    assert_eq!((embeddings.get(1), embeddings.get(2)), (None, None), "nothing is known in them");
    expect_near(embeddings.get(3).map(<[f32]>::to_vec), &mean(&[4, 1]));
    let hash = embedder.hash();
    set_pooling(folder.path(), "pooling_mode_cls_token");
    expect_near(query(folder.path(), "cats dog"), &[14.0, 1.0, 12.25]);
    assert_ne!(OnnxEmbedder::open(folder.path()).unwrap().hash(), hash);
}

#[test]
fn long_texts_are_windows_that_are_averaged_and_the_first_64_count() {
    let folder = folder();
    write(folder.path(), "sentence_bert_config.json", &json!({"max_seq_length": 5}));
    let [whole, last] = [mean(&[4, 4, 4]), mean(&[10, 13])];
    let expected: Vec<f32> = whole.iter().zip(&last).map(|(x, y)| x * 3.0 / 5.0 + y * 2.0 / 5.0).collect();
    expect_near(query(folder.path(), "cat cat cat dog e"), &expected);
    write(folder.path(), "config.json", &json!({"max_position_embeddings": 4}));
    let expected: Vec<f32> =
        mean(&[4, 4]).iter().zip(&mean(&[10])).map(|(x, y)| x * 2.0 / 3.0 + y / 3.0).collect();
    expect_near(query(folder.path(), "cat cat dog"), &expected);
    let long = format!("{}{}", "cat ".repeat(2 * 64), "dog ".repeat(1 << 20));
    expect_near(query(folder.path(), &long), &mean(&[4, 4]));
}

#[test]
fn prompts_and_normalizing_are_as_the_folder_says() {
    let folder = folder();
    let prompts = json!({"prompts": {"query": "dog ", "passage": "a"}, "default_prompt_name": null});
    write(folder.path(), "config_sentence_transformers.json", &prompts);
    expect_near(query(folder.path(), "cat"), &mean(&[10, 4]));
    assert_eq!(query(folder.path(), "unknown"), None, "a prompt is no text");
    let embedder = OnnxEmbedder::open(folder.path()).unwrap();
    let documents = embedder.embed_documents(&["cat"]).unwrap();
    expect_near(documents.get(0).map(<[f32]>::to_vec), &mean(&[2, 4]));
    let types = ["Transformer", "Pooling", "Normalize"];
    let modules: Vec<Value> =
        types.iter().map(|name| json!({"type": format!("x.{name}"), "path": "1_Pooling"})).collect();
    write(folder.path(), "modules.json", &modules.into());
    let expected = mean(&[10, 4]);
    let length = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
    expect_near(query(folder.path(), "cat"), &expected.iter().map(|x| x / length).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_is_incomplete_or_works_otherwise_is_a_typed_error() {
    let kind = |folder: &Path| OnnxEmbedder::open(folder).unwrap_err().kind();
    for name in ["model.onnx", "tokenizer.json", "modules.json", "1_Pooling/config.json"] {
        let folder = folder();
        fs::remove_file(folder.path().join(name)).unwrap();
        assert_eq!(kind(folder.path()), ErrorKind::Incomplete, "{name}");
        fs::write(folder.path().join(name), "[{").unwrap();
        assert_eq!(kind(folder.path()), ErrorKind::InvalidModel, "{name}");
    }
    let folder = folder();
    assert_eq!(kind(&folder.path().join("none")), ErrorKind::NotFound);
    assert_eq!(kind(&folder.path().join("model.onnx")), ErrorKind::NotAModel);
    for mode in ["pooling_mode_max_tokens", "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"] {
        set_pooling(folder.path(), mode);
        assert_eq!(kind(folder.path()), ErrorKind::Unsupported, "{mode}");
    }
    set_pooling(folder.path(), "pooling_mode_mean_tokens");
    let check = |name: &str, json: Value, expected| {
        let path = folder.path().join(name);
        let before = fs::read(&path).ok();
        write(folder.path(), name, &json);
        assert_eq!(kind(folder.path()), expected, "{name} {json}");
        match before {
            Some(before) => fs::write(path, before).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    };
    check("modules.json", json!([]), ErrorKind::Incomplete);
    check("modules.json", json!([{"type": "x.Dense", "path": ""}]), ErrorKind::Unsupported);
    check("modules.json", json!([{"type": "x.Pooling", "path": "../elsewhere"}]), ErrorKind::InvalidModel);
    check("sentence_bert_config.json", json!({"max_seq_length": 2}), ErrorKind::InvalidModel);
    check(
        "config_sentence_transformers.json",
        json!({"default_prompt_name": "none"}),
        ErrorKind::InvalidModel,
    );
    let mut tokenizer = small().tokenizer;
    tokenizer["post_processor"] = json!({"type": "ByteLevel"});
    check("tokenizer.json", tokenizer.clone(), ErrorKind::Unsupported);
    tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}], "special_tokens": {}});
    check("tokenizer.json", tokenizer.clone(), ErrorKind::InvalidModel);
    tokenizer["post_processor"] =
        json!({"type": "BertProcessing", "cls": ["[CLS]", 4_000_000], "sep": ["[SEP]", 15]});
    check("tokenizer.json", tokenizer, ErrorKind::InvalidModel);
    assert!(VOCABULARY.len() == 16 && OnnxEmbedder::open(folder.path()).is_ok());
}
