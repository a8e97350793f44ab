//! The model of English beside the reference that it was trained with.

use std::path::Path;

use serde_json::Value;
use text_embedder::*;

#[test]
fn the_model_of_english_gives_the_vectors_of_the_reference_in_python() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let embedder = StaticEmbedder::open(folder.join("model/english-256.model")).unwrap();
    embedder.verify().unwrap();
    assert_eq!((embedder.id(), embedder.dimension()), ("compact-artifact-en-256-v1", 256));

    // Written by `training/fixture.py`: a text and its vector, or `null`, a line.
    let fixture = std::fs::read_to_string(folder.join("tests/data/english-256.jsonl")).unwrap();
    let cases: Vec<Value> = fixture.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 40);
    let texts: Vec<&str> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
    let embeddings = embedder.embed_documents(&texts).unwrap();
    for (case, found) in cases.iter().zip(embeddings.iter()) {
        let text = &case["text"];
        let Some(wanted) = case["vector"].as_array() else {
            assert!(found.is_none(), "{text} has no known token");
            continue;
        };
        let found = found.unwrap_or_else(|| panic!("{text} has known tokens"));
        assert_eq!(wanted.len(), found.len());
        let cosine: f64 = wanted.iter().zip(found).map(|(x, y)| x.as_f64().unwrap() * f64::from(*y)).sum();
        assert!(cosine > 0.99999, "{text}: cosine {cosine}");
    }
}
