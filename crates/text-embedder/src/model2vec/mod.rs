//! A model in the files of model2vec, `config.json`, `tokenizer.json` and `model.safetensors`, to our own single file.

mod config;
mod layout;
mod safetensors;

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Parts, Rows, write};
use crate::tokenizer_json::Tokenizer;
use crate::vfs;

use config::Config;
use safetensors::{Dtype, Tensor, Tensors};

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const TENSORS: &str = "model.safetensors";

/// The longest `config.json`, in bytes.
pub(crate) const CONFIG_LIMIT: u64 = 1 << 20;
/// The longest `tokenizer.json`, in bytes.
pub(crate) const TOKENIZER_LIMIT: u64 = 64 << 20;

/// The contents of the three files of a model2vec model.
#[derive(Debug, Clone, Copy)]
pub struct Model2Vec<'a> {
    /// The name of the model where `config.json` has no `model_id`, such as that of its folder.
    pub name: &'a str,
    /// `config.json`.
    pub config: &'a [u8],
    /// `tokenizer.json`.
    pub tokenizer: &'a [u8],
    /// `model.safetensors`.
    pub tensors: &'a [u8],
}

/// Packs a model of model2vec into the bytes of our own single file, which [`StaticEmbedder::from_bytes`](crate::StaticEmbedder::from_bytes)
/// reads. The same model gives the same bytes.
///
/// - `config.json` may have `model_id`, the model's name of at most 128 bytes, and `max_tokens`, the most known tokens of a text that are
///   added up, 65,536 if it does not say. Nothing else of it is read: vectors always have length 1.
/// - `tokenizer.json` has a `WordPiece` model, a `BertNormalizer` and a `BertPreTokenizer`. What it says about templates, truncation and
///   padding is not applied, since no special tokens are added and no text is cut for a transformer.
/// - `model.safetensors` has `embeddings`, `[rows, dimension]`, as `F32`, `F16` or `I8`; and may have `weights`, one for each token, as `F32`
///   or `F64`; `query_weights`, the same for queries; `mapping`, the row of each token, as `I32` or `I64`; `post.alpha`, `post.beta`,
///   `post.gamma` and `post.bias`, `[dimension]`, as `F32`. Floating point rows become codes of 8 bits and a scale for each row, by the
///   largest of their values; codes of 8 bits stay as they are. Other tensors are passed over.
///
/// A model that breaks these rules is an error of a [kind](ErrorKind) that says how: [`Incomplete`](ErrorKind::Incomplete),
/// [`InvalidModel`](ErrorKind::InvalidModel), [`Unsupported`](ErrorKind::Unsupported) or [`TooLarge`](ErrorKind::TooLarge).
pub fn pack(model: &Model2Vec<'_>) -> Result<Vec<u8>> {
    let config = Config::parse(model.config).map_err(|error| error.in_file(CONFIG))?;
    let tokenizer = Tokenizer::parse(model.tokenizer).map_err(|error| error.in_file(TOKENIZER))?;
    let tensors = Tensors::parse(model.tensors).map_err(|error| error.in_file(TENSORS))?;
    let id = config.model_id.unwrap_or_else(|| model.name.to_owned());
    write(&parts(id, config.max_tokens, tokenizer, &tensors).map_err(|error| error.in_file(TENSORS))?)
}

/// Packs the three files of a folder as [`pack`] does.
pub fn pack_folder(folder: impl AsRef<Path>) -> Result<Vec<u8>> {
    let folder = folder.as_ref();
    let missing: Vec<&str> =
        [CONFIG, TOKENIZER, TENSORS].into_iter().filter(|name| vfs::is_missing(&folder.join(name))).collect();
    if !missing.is_empty() {
        let kind = if missing.len() == 3 { ErrorKind::NotFound } else { ErrorKind::Incomplete };
        let message = format!(
            "{} is no folder of a model2vec model: it has no {}",
            folder.display(),
            missing.join(", no ")
        );
        return Err(Error::new(kind, message));
    }
    let config = vfs::read(&folder.join(CONFIG), CONFIG_LIMIT)?;
    let tokenizer = vfs::read(&folder.join(TOKENIZER), TOKENIZER_LIMIT)?;
    let tensors = vfs::map(&folder.join(TENSORS))?;
    let name = folder.file_name().map_or_else(|| "model2vec".into(), |name| name.to_string_lossy());
    pack(&Model2Vec { name: &name, config: &config, tokenizer: &tokenizer, tensors: tensors.as_ref() })
}

/// The tensors, compared with the vocabulary and with each other.
fn parts(id: String, max_counted: usize, tokenizer: Tokenizer, tensors: &Tensors<'_>) -> Result<Parts> {
    let embeddings = tensors.require("embeddings")?;
    let &[row_count, dimension] = embeddings.shape() else {
        return Err(Error::invalid(format!(
            "embeddings has the shape {:?}, not [rows, dimension]",
            embeddings.shape()
        )));
    };
    if row_count == 0 || dimension == 0 {
        return Err(Error::invalid(format!(
            "embeddings has the shape [{row_count}, {dimension}], which is empty"
        )));
    }
    let mapping = tensors.get("mapping");
    let count = match &mapping {
        None => row_count,
        Some(mapping) => length(mapping, "mapping")?,
    };
    if tokenizer.tokens.len() > count {
        let message = format!(
            "the vocabulary has tokens up to {}, but there are rows for {count} tokens only",
            tokenizer.tokens.len() - 1
        );
        return Err(Error::invalid(message));
    }
    let row_of_token = mapping.map(|mapping| row_of_token(&mapping, row_count)).transpose()?;
    let mut weights = match tensors.get("weights") {
        None => vec![1.0; count],
        Some(weights) => token_weights(&weights, "weights", count)?,
    };
    let query_weights = tensors.get("query_weights");
    let mut query_weights =
        query_weights.map(|weights| token_weights(&weights, "query_weights", count)).transpose()?;
    for &token in &tokenizer.special {
        for weights in [Some(&mut weights), query_weights.as_mut()].into_iter().flatten() {
            weights[token as usize] = 0.0;
        }
    }
    let mut tokens = tokenizer.tokens;
    tokens.resize(count, (String::new(), false));
    Ok(Parts {
        id,
        tokens,
        unknown: tokenizer.unknown,
        normalizer: tokenizer.normalizer,
        word_chars: tokenizer.word_chars,
        max_counted,
        tanh: tanh(tensors, dimension)?,
        rows: rows(&embeddings, dimension)?,
        row_of_token,
        weights,
        query_weights,
    })
}

fn rows(embeddings: &Tensor<'_>, dimension: usize) -> Result<Rows> {
    if embeddings.dtype() == Dtype::I8 {
        let codes = embeddings.bytes().to_vec();
        return Ok(Rows { dimension, scales: vec![1.0; codes.len() / dimension], codes });
    }
    Rows::quantize(embeddings.floats("embeddings", &[Dtype::F32, Dtype::F16])?, dimension)
}

/// The number of values of a tensor with one dimension.
fn length(tensor: &Tensor<'_>, name: &str) -> Result<usize> {
    match tensor.shape() {
        &[len] => Ok(len),
        shape => Err(Error::invalid(format!("{name} has the shape {shape:?}, not one dimension"))),
    }
}

fn row_of_token(mapping: &Tensor<'_>, rows: usize) -> Result<Vec<u32>> {
    let row = |(token, row): (usize, i64)| {
        let row = u32::try_from(row).ok().filter(|&row| (row as usize) < rows);
        row.ok_or_else(|| {
            Error::invalid(format!("mapping gives token {token} a row that is none of the {rows}"))
        })
    };
    mapping.integers("mapping")?.enumerate().map(row).collect()
}

fn token_weights(tensor: &Tensor<'_>, name: &str, tokens: usize) -> Result<Vec<f32>> {
    let len = length(tensor, name)?;
    if len != tokens {
        return Err(Error::invalid(format!(
            "{name} has the length {len}; expected {tokens}, a value for each token"
        )));
    }
    Ok(tensor.floats(name, &[Dtype::F32, Dtype::F64])?.collect())
}

/// The values of the last step, if there is one.
fn tanh(tensors: &Tensors<'_>, dimension: usize) -> Result<Option<Vec<f32>>> {
    let names = ["post.alpha", "post.beta", "post.gamma", "post.bias"];
    if names.iter().all(|name| tensors.get(name).is_none()) {
        return Ok(None);
    }
    let mut values = Vec::with_capacity(4 * dimension);
    for name in names {
        let tensor = tensors.require(name)?;
        let len = length(&tensor, name)?;
        if len != dimension {
            return Err(Error::invalid(format!(
                "{name} has the length {len}; expected {dimension}, as rows of tokens have"
            )));
        }
        values.extend(tensor.floats(name, &[Dtype::F32])?);
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::invalid(
            "post.alpha, post.beta, post.gamma or post.bias has a value that is not finite",
        ));
    }
    Ok(Some(values))
}
