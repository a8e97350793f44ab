//! Judged collections, as files in one folder.
//!
//! | file | what |
//! |---|---|
//! | `NAME.docs.jsonl.zst` | a line for each text: `{"id", "title", "text"}`; titles may be empty |
//! | `NAME.queries.jsonl` | a line for each query: `{"id", "text", "relevant": [ids of texts]}`; those without judgements are left out |
//! | `NAME.docs.minilm.f16.npy`, `NAME.queries.minilm.f16.npy` | the embeddings of both, in the order of the lines |

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use benches::{Result, read_npy};
use serde_json::Value;

pub(crate) struct Collection {
    pub(crate) name: String,
    pub(crate) docs: Vec<Doc>,
    pub(crate) queries: Vec<Judged>,
    pub(crate) dimension: usize,
}

pub(crate) struct Doc {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) embedding: Vec<f32>,
}

pub(crate) struct Judged {
    pub(crate) text: String,
    pub(crate) embedding: Vec<f32>,
    /// Numbers of the relevant texts that the collection has.
    pub(crate) relevant: Vec<usize>,
    /// How many texts are relevant, those included that the collection lacks.
    pub(crate) relevant_count: usize,
}

impl Collection {
    /// All collections of a folder, by name.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(name.strip_suffix(".docs.jsonl.zst").map(str::to_owned));
        }
        names.sort();
        if names.is_empty() {
            return Err(format!("there is no NAME.docs.jsonl.zst in {}", folder.display()).into());
        }
        names.into_iter().map(|name| Self::read(folder, name)).collect()
    }

    fn read(folder: &Path, name: String) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let lines = zstd::decode_all(&fs::read(file("docs.jsonl.zst"))?[..])?;
        let (dimension, embeddings) = read_npy(file("docs.minilm.f16.npy"))?;
        let mut numbers = HashMap::new();
        let mut docs = Vec::new();
        for (line, embedding) in String::from_utf8(lines)?.lines().zip(embeddings.chunks_exact(dimension)) {
            let value: Value = serde_json::from_str(line)?;
            numbers.insert(string(&value, "id")?, docs.len());
            let (title, text) = (string(&value, "title")?, string(&value, "text")?);
            docs.push(Doc { title, text, embedding: embedding.to_vec() });
        }
        let (_, embeddings) = read_npy(file("queries.minilm.f16.npy"))?;
        let mut queries = Vec::new();
        let lines = fs::read_to_string(file("queries.jsonl"))?;
        for (line, embedding) in lines.lines().zip(embeddings.chunks_exact(dimension)) {
            let value: Value = serde_json::from_str(line)?;
            let all = value["relevant"].as_array().ok_or("a query without `relevant`")?;
            let relevant = all.iter().filter_map(|id| numbers.get(id.as_str()?).copied()).collect();
            if !all.is_empty() {
                let (text, embedding) = (string(&value, "text")?, embedding.to_vec());
                queries.push(Judged { text, embedding, relevant, relevant_count: all.len() });
            }
        }
        Ok(Self { name, docs, queries, dimension })
    }
}

fn string(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().ok_or_else(|| format!("a line without {name:?}"))?.to_owned())
}
