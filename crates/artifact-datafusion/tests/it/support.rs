//! Artifacts and sessions for tests.

use std::path::Path;
use std::sync::Arc;

use artifact_datafusion::{Packs, register};
use compact_artifact::{
    CompactArtifact, Embedder, EmbedderError, Embeddings, Metric, ModelHash, Options, Record, SpaceOptions,
};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde_json::json;

/// Words by their first letters.
#[derive(Debug)]
pub(crate) struct Letters;

impl Embedder for Letters {
    fn id(&self) -> &'static str {
        "letters"
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(b"letters")
    }

    fn dimension(&self) -> usize {
        26
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let mut embeddings = Embeddings::with_capacity(26, texts.len())?;
        for text in texts {
            let mut vector = vec![0.01; 26];
            for word in text.split_whitespace() {
                vector[usize::from(word.as_bytes()[0].to_ascii_lowercase().wrapping_sub(b'a') % 26)] += 1.0;
            }
            embeddings.push(Some(&vector))?;
        }
        Ok(embeddings)
    }
}

pub(crate) fn options() -> Options {
    Options::new().embedder(Arc::new(Letters)).space("v", SpaceOptions::new(3, Metric::L2))
}

pub(crate) const WORDS: [&str; 8] = ["cat", "dog", "river", "stone", "tree", "small", "old", "king"];
pub(crate) const RECORDS: usize = 350;

/// Some numbers, texts and nothing among the values; arrays in `tags`, an empty one in `maybe`; `mixed` is of two types.
pub(crate) fn record(n: usize) -> Record {
    let words: Vec<&str> =
        (0..3 + n % 5).map(|at| WORDS[(n * 7 + at * at * 3 + n / 9) % WORDS.len()]).collect();
    let mut metadata = json!({"n": n % 20, "even": n.is_multiple_of(2), "author": {"name": format!("author {}", n % 4)}, "tags": ["a", "b"]});
    metadata["mixed"] = if n < 200 { json!(n) } else { json!("text") };
    match n % 5 {
        0 => {}
        1 => metadata["maybe"] = json!([]),
        2 => metadata["maybe"] = json!(null),
        _ => metadata["maybe"] = json!(format!("x{}", n % 7)),
    }
    if !n.is_multiple_of(3) {
        let zero = if n.is_multiple_of(2) { 0.0 } else { -0.0 };
        metadata["ratio"] = json!(if n.is_multiple_of(4) { zero } else { n as f64 / 8.0 });
        metadata["day"] = json!(format!("2026-01-{:02}", n % 28 + 1));
    }
    let record = Record::text(words.join(" ")).key(format!("k{n:03}")).metadata(metadata);
    record.embedding("v", vec![n as f32 * 0.37 % 1.0, n as f32 * 0.11 % 1.0, n as f32 / 350.0])
}

/// A folder of `count` packs of neighbouring records.
pub(crate) fn packs(folder: &Path, count: usize) -> String {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let artifact = options().create(folder.join("artifact")).unwrap();
        let records = (0..RECORDS).filter(|n| n * count / RECORDS == number).map(record);
        artifact.add_batch(records).unwrap();
        artifact.pack(folder.join(format!("{number:03}.cart"))).unwrap();
        artifact.destroy().unwrap();
    }
    format!("{}/", folder.display())
}

/// All records in one artifact.
pub(crate) fn whole(path: &Path) -> CompactArtifact {
    let artifact = options().create(path).unwrap();
    artifact.add_batch((0..RECORDS).map(record)).unwrap();
    artifact.seal().unwrap();
    artifact
}

pub(crate) fn session() -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    register(&context, Packs::new(options())).unwrap();
    context
}

pub(crate) async fn sql(context: &SessionContext, text: &str) -> Vec<RecordBatch> {
    context.sql(text).await.unwrap().collect().await.unwrap()
}

/// The message of an error.
pub(crate) async fn fails(context: &SessionContext, text: &str) -> String {
    match context.sql(text).await {
        Err(e) => e.to_string(),
        Ok(found) => found.collect().await.unwrap_err().to_string(),
    }
}

pub(crate) fn printed(batches: &[RecordBatch]) -> String {
    pretty_format_batches(batches).unwrap().to_string()
}

pub(crate) async fn table(context: &SessionContext, name: &str, location: &str) {
    sql(context, &format!("CREATE EXTERNAL TABLE {name} STORED AS CART LOCATION '{location}'")).await;
}
