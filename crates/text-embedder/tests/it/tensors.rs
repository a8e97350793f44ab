//! Hostile `model.safetensors` and tensors that do not fit.

use text_embedder::*;

use crate::models::{Files, VOCABULARY, f32_bytes, small, with_header};

const N: usize = VOCABULARY.len();

fn kind(files: &Files) -> ErrorKind {
    files.pack().unwrap_err().kind()
}

/// The error that a file of tensors gives in an otherwise sound model.
fn kind_of(tensors: &[u8]) -> ErrorKind {
    let tokenizer = small().tokenizer.to_string();
    let model = Model2Vec { name: "unnamed", config: b"{}", tokenizer: tokenizer.as_bytes(), tensors };
    let error = pack(&model).unwrap_err();
    assert!(error.to_string().starts_with("model.safetensors: "), "{error}");
    error.kind()
}

fn entry(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
}

#[test]
fn headers_that_lie_are_refused() {
    let len = N * 24;
    let data = vec![0; len];
    let good = entry("F32", "[16,6]", "[0,384]");
    let header = |header: String| kind_of(&with_header(&header, &data));
    let cases = [
        (format!(r#"{{"embeddings":{good}"#), ErrorKind::InvalidModel),
        (r#"{"embeddings":7}"#.to_owned(), ErrorKind::InvalidModel),
        ("[]".to_owned(), ErrorKind::InvalidModel),
        (String::new(), ErrorKind::InvalidModel),
        (
            format!(r#"{{"embeddings":{good},"embeddings":{}}}"#, entry("F32", "[0]", "[384,384]")),
            ErrorKind::InvalidModel,
        ),
        (
            format!(r#"{{"embeddings":{good},"weights":{}}}"#, entry("F32", "[16]", "[320,384]")),
            ErrorKind::InvalidModel,
        ),
        (
            format!(r#"{{"embeddings":{good},"weights":{}}}"#, entry("F32", "[16]", "[384,448]")),
            ErrorKind::Truncated,
        ),
        (format!(r#"{{"embeddings":{}}}"#, entry("F32", "[15,6]", "[0,360]")), ErrorKind::InvalidModel),
        (format!(r#"{{"embeddings":{}}}"#, entry("F32", "[15,6]", "[24,384]")), ErrorKind::InvalidModel),
        (format!(r#"{{"embeddings":{}}}"#, entry("F32", "[16,6]", "[384,0]")), ErrorKind::InvalidModel),
        (format!(r#"{{"embeddings":{}}}"#, entry("F32", "[16,6]", "[0,-1]")), ErrorKind::InvalidModel),
        (format!(r#"{{"embeddings":{}}}"#, entry("F32", "[17,6]", "[0,384]")), ErrorKind::InvalidModel),
        (
            format!(r#"{{"embeddings":{}}}"#, entry("F32", "[4611686018427387904,4]", "[0,384]")),
            ErrorKind::InvalidModel,
        ),
        (
            format!(
                r#"{{"embeddings":{}}}"#,
                entry("F32", "[18446744073709551615,18446744073709551615]", "[0,384]")
            ),
            ErrorKind::InvalidModel,
        ),
        (format!(r#"{{"embeddings":{}}}"#, entry("F32", "[1e3,6]", "[0,384]")), ErrorKind::InvalidModel),
        (format!(r#"{{"embeddings":{}}}"#, entry("F31", "[16,6]", "[0,384]")), ErrorKind::InvalidModel),
        (
            format!(r#"{{"embeddings":{}}}"#, entry("F32", "[16,6]", "[0,18446744073709551615]")),
            ErrorKind::Truncated,
        ),
        (format!(r#"{{"other":{good}}}"#), ErrorKind::Incomplete),
    ];
    for (json, expected) in cases {
        assert_eq!(header(json.clone()), expected, "{json}");
    }
    let sound = format!(r#"{{"__metadata__":{{"format":"pt"}},"embeddings":{good}}}"#);
    let tensors = with_header(&sound, &f32_bytes(&[0.5; 96]));
    let files = small();
    let (config, tokenizer) = (files.config.to_string(), files.tokenizer.to_string());
    pack(&Model2Vec {
        name: "x",
        config: config.as_bytes(),
        tokenizer: tokenizer.as_bytes(),
        tensors: &tensors,
    })
    .unwrap();
}

#[test]
fn files_that_end_early_or_have_a_huge_header_are_refused() {
    let whole = small().safetensors();
    for len in 0..whole.len() {
        let kind = kind_of(&whole[..len]);
        assert!([ErrorKind::Truncated, ErrorKind::InvalidModel].contains(&kind), "{len} bytes: {kind:?}");
    }
    assert_eq!(kind_of(&[&whole[..], &[0]].concat()), ErrorKind::InvalidModel, "one byte more");
    for len in [17 << 20, u64::MAX] {
        assert_eq!(kind_of(&[&len.to_le_bytes()[..], b"{}"].concat()), ErrorKind::TooLarge);
    }
    assert_eq!(kind_of(&with_header(&"[".repeat(100_000), &[])), ErrorKind::InvalidModel, "deeply nested");
}

#[test]
fn tensors_of_another_type_or_shape_are_refused() {
    let bytes = |len| vec![0u8; len];
    let cases = [
        (small().tensor("embeddings", "F64", &[N, 6], bytes(N * 48)), ErrorKind::Unsupported),
        (small().tensor("embeddings", "BF16", &[N, 6], bytes(N * 12)), ErrorKind::Unsupported),
        (small().tensor("embeddings", "BOOL", &[N, 6], bytes(N * 6)), ErrorKind::Unsupported),
        (small().tensor("embeddings", "F32", &[N * 6], bytes(N * 24)), ErrorKind::InvalidModel),
        (small().tensor("embeddings", "F32", &[N, 2, 3], bytes(N * 24)), ErrorKind::InvalidModel),
        (small().tensor("embeddings", "F32", &[N, 0], bytes(0)), ErrorKind::InvalidModel),
        (small().tensor("embeddings", "F32", &[0, 6], bytes(0)), ErrorKind::InvalidModel),
        (small().tensor("embeddings", "F32", &[N - 1, 6], bytes((N - 1) * 24)), ErrorKind::InvalidModel),
        (
            small().tensor("embeddings", "F32", &[N, 6], f32_bytes(&[f32::NAN; N * 6])),
            ErrorKind::InvalidModel,
        ),
        (small().tensor("embeddings", "I8", &[N, 70_000], bytes(N * 70_000)), ErrorKind::TooLarge),
        (small().tensor("weights", "F32", &[N - 1], bytes((N - 1) * 4)), ErrorKind::InvalidModel),
        (small().tensor("weights", "I32", &[N], bytes(N * 4)), ErrorKind::Unsupported),
        (small().tensor("weights", "F32", &[N], f32_bytes(&[f32::INFINITY; N])), ErrorKind::InvalidModel),
        (
            small().tensor(
                "weights",
                "F64",
                &[N],
                [f64::MAX; N].iter().flat_map(|w| w.to_le_bytes()).collect(),
            ),
            ErrorKind::InvalidModel,
        ),
        (small().tensor("query_weights", "F32", &[N, 1], bytes(N * 4)), ErrorKind::InvalidModel),
        (small().tensor("mapping", "F32", &[N], bytes(N * 4)), ErrorKind::Unsupported),
        (
            small().tensor(
                "mapping",
                "I32",
                &[N],
                [N as i32; N].iter().flat_map(|row| row.to_le_bytes()).collect(),
            ),
            ErrorKind::InvalidModel,
        ),
        (
            small().tensor(
                "mapping",
                "I64",
                &[N],
                [-1i64; N].iter().flat_map(|row| row.to_le_bytes()).collect(),
            ),
            ErrorKind::InvalidModel,
        ),
        (small().tensor("mapping", "I32", &[N - 1], bytes((N - 1) * 4)), ErrorKind::InvalidModel),
        (small().tensor("mapping", "I32", &[2, N / 2], bytes(N * 4)), ErrorKind::InvalidModel),
        (small().tensor("post.alpha", "F32", &[6], bytes(24)), ErrorKind::Incomplete),
    ];
    for (files, expected) in cases {
        assert_eq!(kind(&files), expected, "{}", files.pack().unwrap_err());
    }
    let mut step = small();
    for name in ["post.alpha", "post.beta", "post.gamma"] {
        step = step.tensor(name, "F32", &[6], bytes(24));
    }
    assert_eq!(kind(&step.clone().tensor("post.bias", "F32", &[5], bytes(20))), ErrorKind::InvalidModel);
    assert_eq!(kind(&step.clone().tensor("post.bias", "F16", &[6], bytes(12))), ErrorKind::Unsupported);
    assert_eq!(
        kind(&step.tensor("post.bias", "F32", &[6], f32_bytes(&[f32::NAN; 6]))),
        ErrorKind::InvalidModel
    );
}
