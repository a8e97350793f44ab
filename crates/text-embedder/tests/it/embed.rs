//! Texts to vectors.

use std::sync::Arc;

use text_embedder::*;

use crate::models::{Files, VOCABULARY, f32_bytes, small, values};
use crate::oracle;

const TEXTS: [&str; 6] =
    ["cats", "a cat, a dog!", "doggy doggy b", "unknown", "", "cat dog cat dog 中 unknown"];

fn rows(dimension: usize) -> Vec<Vec<f32>> {
    values(VOCABULARY.len() * dimension).chunks(dimension).map(<[f32]>::to_vec).collect()
}

/// Weights of the tokens of `small`: special ones do not count, whatever the model says.
fn weights() -> Vec<f32> {
    let weight = |token: usize| if token < 2 { 0.0 } else { 1.0 / (token as f32) };
    (0..VOCABULARY.len()).map(weight).collect()
}

fn expect_near(found: Option<&[f32]>, expected: Option<Vec<f64>>, most: f64) {
    assert_eq!(found.is_some(), expected.is_some());
    let (Some(found), Some(expected)) = (found, expected) else { return };
    let cosine: f64 = found.iter().zip(&expected).map(|(&x, y)| f64::from(x) * y).sum();
    assert!((1.0 - cosine).abs() < most, "{cosine}: {found:?} {expected:?}");
    let length: f64 = found.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    assert!((length - 1.0).abs() < 1e-5);
}

#[test]
fn a_vector_is_the_mean_of_the_rows_of_known_tokens_with_length_1() {
    for dimension in [1, 6, 64, 100, 256] {
        let embedder = Files::new(&VOCABULARY, dimension).embedder();
        let mut weights = vec![1.0; VOCABULARY.len()];
        weights[..2].fill(0.0);
        let embeddings = embedder.embed_documents(&TEXTS).unwrap();
        assert_eq!(
            (embeddings.len(), embeddings.dimension(), embedder.dimension()),
            (TEXTS.len(), dimension, dimension)
        );
        for (text, found) in TEXTS.iter().zip(embeddings.iter()) {
            let tokens = oracle::tokens(&VOCABULARY, text);
            expect_near(found, oracle::vector(&tokens, &rows(dimension), &weights, None), 1e-3);
        }
    }
}

#[test]
fn weights_a_mapping_and_a_last_step_are_applied() {
    let mut all = weights();
    all[1] = 5.0;
    let parameters =
        [2.0, 0.1, 1.5, 0.2].map(|base: f32| (0..6).map(|i| base + i as f32 / 10.0).collect::<Vec<f32>>());
    let mut files = small().tensor("weights", "F32", &[VOCABULARY.len()], f32_bytes(&all));
    for (name, values) in ["post.alpha", "post.beta", "post.gamma", "post.bias"].iter().zip(&parameters) {
        files = files.tensor(name, "F32", &[6], f32_bytes(values));
    }
    // Tokens share rows: 0, 1, 2, 3, 0, 1, 2, 3, and so on.
    let row_of = |token: usize| token % 4;
    let mapping: Vec<u8> =
        (0..VOCABULARY.len()).flat_map(|token| (row_of(token) as i64).to_le_bytes()).collect();
    files = files.tensor("mapping", "I64", &[VOCABULARY.len()], mapping);
    files = files.tensor("embeddings", "F32", &[4, 6], f32_bytes(&values(4 * 6)));
    let rows: Vec<Vec<f32>> = (0..VOCABULARY.len()).map(|token| rows(6)[row_of(token)].clone()).collect();
    let embedder = files.embedder();
    for text in TEXTS {
        let expected =
            oracle::vector(&oracle::tokens(&VOCABULARY, text), &rows, &weights(), Some(&parameters));
        expect_near(embedder.embed_query(text).unwrap().as_deref(), expected, 1e-3);
    }
}

#[test]
fn tokens_of_weight_0_count_in_the_mean_and_unknown_ones_do_not() {
    let mut weights = [1.0; VOCABULARY.len()];
    weights[4] = 0.0;
    let mut files = small().tensor("weights", "F32", &[VOCABULARY.len()], f32_bytes(&weights));
    for (name, value) in [("post.alpha", 2.0), ("post.beta", 0.1), ("post.gamma", 1.0), ("post.bias", 0.3)] {
        files = files.tensor(name, "F32", &[6], f32_bytes(&[value; 6]));
    }
    let embedder = files.embedder();
    let halves: Vec<Vec<f32>> =
        rows(6).iter().map(|row| row.iter().map(|value| value / 2.0).collect()).collect();
    let parameters = [2.0, 0.1, 1.0, 0.3].map(|value: f32| vec![value; 6]);
    let expected = oracle::vector(&[10], &halves, &[1.0; VOCABULARY.len()], Some(&parameters));
    expect_near(embedder.embed_query("cat dog").unwrap().as_deref(), expected.clone(), 1e-3);
    expect_near(embedder.embed_query("cat zzz dog zzz").unwrap().as_deref(), expected, 1e-3);
    assert_eq!(embedder.embed_query("cat").unwrap(), None, "nothing else is in it");
}

#[test]
fn codes_of_8_bits_stay_as_they_are_and_other_types_give_the_same_rows() {
    let codes: Vec<i8> = (0..VOCABULARY.len() * 6).map(|i| ((i * 37) % 255) as i8).collect();
    let bytes: Vec<u8> = codes.iter().map(|&code| code as u8).collect();
    let shape = [VOCABULARY.len(), 6];
    let int8 = small().tensor("embeddings", "I8", &shape, bytes).embedder();
    let exact: Vec<Vec<f32>> =
        codes.chunks(6).map(|row| row.iter().map(|&code| code.into()).collect()).collect();
    let mut weights = vec![1.0; VOCABULARY.len()];
    weights[..2].fill(0.0);
    for text in TEXTS {
        let expected = oracle::vector(&oracle::tokens(&VOCABULARY, text), &exact, &weights, None);
        expect_near(int8.embed_query(text).unwrap().as_deref(), expected, 1e-6);
    }
    let halves: Vec<half::f16> = values(VOCABULARY.len() * 6).into_iter().map(half::f16::from_f32).collect();
    let as_f16 = halves.iter().flat_map(|value| value.to_le_bytes()).collect();
    let as_f32 = f32_bytes(&halves.iter().map(|value| value.to_f32()).collect::<Vec<_>>());
    let [f16, f32] = [("F16", as_f16), ("F32", as_f32)]
        .map(|(dtype, bytes)| small().tensor("embeddings", dtype, &shape, bytes).pack().unwrap());
    assert_eq!(f16, f32);
    let doubles = weights.iter().flat_map(|&weight| f64::from(weight).to_le_bytes()).collect();
    let [f64, f32] = [("F64", doubles), ("F32", f32_bytes(&weights))]
        .map(|(dtype, bytes)| small().tensor("weights", dtype, &[VOCABULARY.len()], bytes).pack().unwrap());
    assert_eq!(f64, f32);
}

#[test]
fn queries_may_have_weights_of_their_own() {
    let own: Vec<f32> = (0..VOCABULARY.len()).map(|token| (token % 3) as f32).collect();
    let both = small()
        .tensor("weights", "F32", &[VOCABULARY.len()], f32_bytes(&weights()))
        .tensor("query_weights", "F32", &[VOCABULARY.len()], f32_bytes(&own))
        .embedder();
    let documents = small().tensor("weights", "F32", &[VOCABULARY.len()], f32_bytes(&weights())).embedder();
    let queries = small().tensor("weights", "F32", &[VOCABULARY.len()], f32_bytes(&own)).embedder();
    assert_eq!(both.embed_documents(&TEXTS).unwrap(), documents.embed_documents(&TEXTS).unwrap());
    for text in TEXTS {
        assert_eq!(both.embed_query(text).unwrap(), queries.embed_query(text).unwrap());
    }
}

#[test]
fn a_text_in_which_nothing_counts_has_no_vector() {
    let embedder = small().embedder();
    let texts = ["", " ", "unknown words", "кириллица", "\0", "[PAD] zzz"];
    assert!(embedder.embed_documents(&texts).unwrap().iter().take(5).all(|row| row.is_none()));
    assert_eq!(embedder.embed_query("unknown").unwrap(), None);
    assert_eq!(embedder.embed_documents(&[]).unwrap().len(), 0);
    let zeros = small().tensor("embeddings", "F32", &[VOCABULARY.len(), 6], vec![0; VOCABULARY.len() * 24]);
    assert_eq!(zeros.embedder().embed_query("cat").unwrap(), None, "a row of zeros has no direction");
}

#[test]
fn the_first_so_many_tokens_count_and_64_mib_of_text_take_no_memory() {
    let mut files = small();
    files.config["max_tokens"] = 2.into();
    let embedder = files.embedder();
    assert_eq!(embedder.max_tokens(), 2);
    assert_eq!(embedder.embed_query("cat zzz dog b b b").unwrap(), embedder.embed_query("cat dog").unwrap());
    let embedder = small().embedder();
    assert_eq!(embedder.max_tokens(), 65_536);
    for (piece, same) in
        [("cat dog ", Some("cat dog")), ("e", None), ("\u{301}", None), ("zzz ", None), (" ", None)]
    {
        let text = piece.repeat((64 << 20) / piece.len());
        let same = same.and_then(|text| embedder.embed_query(text).unwrap());
        let found = embedder.embed_query(&text).unwrap();
        assert_eq!(found.is_some(), same.is_some());
        expect_near(found.as_deref(), same.map(|row| row.iter().map(|&value| value.into()).collect()), 1e-6);
    }
}

#[test]
fn a_file_a_folder_and_bytes_are_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let files = small();
    files.write(folder.path());
    let bytes = files.pack().unwrap();
    assert_eq!(pack_folder(folder.path()).unwrap(), bytes);
    let file = folder.path().join("model.bin");
    std::fs::write(&file, &bytes).unwrap();
    // One byte more before it, so that it lies on no boundary.
    let leaked: &'static [u8] = Vec::leak([&[0], &bytes[..]].concat());
    let embedders = [
        StaticEmbedder::open(folder.path()).unwrap(),
        StaticEmbedder::open(&file).unwrap(),
        StaticEmbedder::from_bytes(bytes).unwrap(),
        StaticEmbedder::from_bytes(&leaked[1..]).unwrap(),
    ];
    let embedders = embedders.map(|embedder| Arc::new(embedder) as Arc<dyn Embedder>);
    for embedder in &embedders {
        assert_eq!((embedder.id(), embedder.hash()), ("test", embedders[0].hash()));
        assert_eq!(embedder.embed_documents(&TEXTS).unwrap(), embedders[0].embed_documents(&TEXTS).unwrap());
    }
    let mut renamed = files.clone();
    renamed.config = serde_json::json!({"hidden_dim": 6});
    assert_eq!(renamed.embedder().id(), "unnamed");
    renamed.write(folder.path());
    let name = folder.path().file_name().unwrap().to_string_lossy();
    assert_eq!(StaticEmbedder::open(folder.path()).unwrap().id(), name);
}

#[test]
fn whatever_changes_a_model_changes_its_hash() {
    let hash = |files: &Files| files.embedder().hash();
    let (files, original) = (small(), hash(&small()));
    let mut seen = vec![original];
    let mut expect_new = |files: &Files| {
        let hash = hash(files);
        assert!(!seen.contains(&hash));
        seen.push(hash);
    };
    let mut other = files.clone();
    other.config["model_id"] = "other".into();
    expect_new(&other);
    let mut other = files.clone();
    other.config["max_tokens"] = 7.into();
    expect_new(&other);
    let mut other = files.clone();
    other.tokenizer["normalizer"]["lowercase"] = false.into();
    expect_new(&other);
    let mut other = files.clone();
    other.tensors[0].3[0..4].copy_from_slice(&9f32.to_le_bytes());
    expect_new(&other);
    expect_new(&files.clone().tensor("weights", "F32", &[VOCABULARY.len()], f32_bytes(&weights())));
    let mut same = files.clone();
    same.config["hidden_dim"] = 6.into();
    assert_eq!(hash(&same), original, "what is not read does not count");
}

#[test]
fn threads_share_an_embedder() {
    let embedder: Arc<dyn Embedder> = Arc::new(small().embedder());
    let expected = embedder.embed_documents(&TEXTS).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(embedder.embed_documents(&TEXTS).unwrap(), expected);
                }
            });
        }
    });
}
