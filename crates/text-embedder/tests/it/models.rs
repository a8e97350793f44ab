//! Models that are made for tests: the three files of model2vec, in memory.

use serde_json::{Map, Value, json};
use text_embedder::*;

/// The three files of a model2vec model, which a test may spoil before it packs them.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) config: Value,
    pub(crate) tokenizer: Value,
    /// Name, type, shape and bytes of each tensor.
    pub(crate) tensors: Vec<(String, &'static str, Vec<usize>, Vec<u8>)>,
}

impl Files {
    /// A model with a row for each token, in 32-bit floating point.
    pub(crate) fn new(vocabulary: &[&str], dimension: usize) -> Self {
        let vocab: Map<String, Value> = vocabulary
            .iter()
            .zip(0..)
            .map(|(token, id): (_, u32)| ((*token).to_owned(), id.into()))
            .collect();
        let tokenizer = json!({
            "added_tokens": [{"id": 0, "content": "[PAD]", "special": true}],
            "normalizer": {"type": "BertNormalizer", "strip_accents": null},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 100, "vocab": vocab},
        });
        let values = values(vocabulary.len() * dimension);
        let tensors =
            vec![("embeddings".to_owned(), "F32", vec![vocabulary.len(), dimension], f32_bytes(&values))];
        Self { config: json!({"model_id": "test"}), tokenizer, tensors }
    }

    pub(crate) fn tensor(mut self, name: &str, dtype: &'static str, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.tensors.retain(|tensor| tensor.0 != name);
        self.tensors.push((name.to_owned(), dtype, shape.to_vec(), bytes));
        self
    }

    pub(crate) fn safetensors(&self) -> Vec<u8> {
        let mut header = Map::new();
        let mut data = Vec::new();
        for (name, dtype, shape, bytes) in &self.tensors {
            let start = data.len();
            data.extend_from_slice(bytes);
            let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]});
            header.insert(name.clone(), entry);
        }
        with_header(&Value::Object(header).to_string(), &data)
    }

    pub(crate) fn pack(&self) -> Result<Vec<u8>> {
        pack(&Model2Vec {
            name: "unnamed",
            config: self.config.to_string().as_bytes(),
            tokenizer: self.tokenizer.to_string().as_bytes(),
            tensors: &self.safetensors(),
        })
    }

    pub(crate) fn embedder(&self) -> StaticEmbedder {
        let embedder = StaticEmbedder::from_bytes(self.pack().unwrap()).unwrap();
        embedder.verify().unwrap();
        embedder
    }

    pub(crate) fn write(&self, folder: &std::path::Path) {
        std::fs::write(folder.join("config.json"), self.config.to_string()).unwrap();
        std::fs::write(folder.join("tokenizer.json"), self.tokenizer.to_string()).unwrap();
        std::fs::write(folder.join("model.safetensors"), self.safetensors()).unwrap();
    }
}

/// The bytes of a safetensors file with some header.
pub(crate) fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// Values between -1 and 1 that look random.
pub(crate) fn values(count: usize) -> Vec<f32> {
    let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    (1..=count).map(value).collect()
}

pub(crate) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) const VOCABULARY: [&str; 16] =
    ["[PAD]", "[UNK]", "a", "b", "cat", "##s", "##at", "c", ",", "中", "dog", "##gy", "##é", "e", "##e", "!"];

pub(crate) fn small() -> Files {
    Files::new(&VOCABULARY, 6)
}
