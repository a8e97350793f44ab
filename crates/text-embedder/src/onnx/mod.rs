//! Transformers in the folders of sentence-transformers, through `rten`.

mod settings;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

use rten::{Model, NodeId, Value};
use rten_tensor::prelude::*;

use crate::embedder::{Embedder, Embeddings, ModelHash};
use crate::error::{Error, ErrorKind, Result};
use crate::model2vec::TOKENIZER_LIMIT;
use crate::pooling::finish;
use crate::tokenizer_json::Tokenizer;
use crate::vfs;
use crate::wordpiece::layout::{Slots, TokenTexts};
use crate::wordpiece::{Normalizer, PieceBuffer, Vocabulary, VocabularyBytes, WordBuffer};

use settings::{Pooling, Settings, Template};

/// The longest `model.onnx`, in bytes: what a message of protocol buffers may have.
const MODEL_LIMIT: u64 = 1 << 31;
/// Windows of a text that are embedded at most.
const MAX_WINDOWS: usize = 64;

/// A transformer in a folder of sentence-transformers, run on the processor.
///
/// Available with the feature `onnx`. Thousands of times as slow as a [`StaticEmbedder`](crate::StaticEmbedder), and better at what sentences mean.
///
/// - **Files.** `model.onnx`, or `onnx/model.onnx`; `tokenizer.json`, WordPiece as for static models; `modules.json`, which may have a transformer,
///   pooling and normalizing; `1_Pooling/config.json`, by the mean or the first token. If they are there: `sentence_bert_config.json` and `config.json` say
///   how many tokens the model takes, 256 if they do not, and `config_sentence_transformers.json` what
///   documents and queries begin with; a word does not go on from there into the text.
/// - **Long texts** are split into windows of as many tokens as the model takes, whose vectors are averaged, each counting by its tokens. The first 64 windows count.
/// - **Texts** run one by one, so that a text has the same vector alone and among others: codes of 8 bits that depend on the values of a batch would change with it.
///   Texts without a known token have no vector.
/// - **Threads.** `rten` starts one pool of threads for the process, as many as the processor has cores, or as `RTEN_NUM_THREADS` says.
/// - **Trust.** `rten` bounds neither time nor memory that a model takes: open models that you trust.
pub struct OnnxEmbedder {
    id: String,
    hash: ModelHash,
    dimension: usize,
    settings: Settings,
    template: Template,
    normalizer: Normalizer,
    vocabulary: VocabularyBytes,
    tokens: usize,
    unknown: u32,
    model: Model,
    inputs: Vec<(NodeId, Input)>,
    output: NodeId,
}

/// What an input of a model is for.
#[derive(Debug, Clone, Copy)]
enum Input {
    Tokens,
    /// Which tokens there are: all.
    Mask,
    /// Which text a token belongs to: the first.
    Types,
}

impl OnnxEmbedder {
    /// Opens a folder, whose name becomes the [`id`](Embedder::id). Its model is read into memory, and runs once.
    ///
    /// A folder that lacks a file is an error of the kind [`Incomplete`](ErrorKind::Incomplete); another pooling, module or tokenizer is
    /// [`Unsupported`](ErrorKind::Unsupported).
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if !vfs::is_folder(folder)? {
            let message = format!("{} is no folder of sentence-transformers", folder.display());
            return Err(Error::new(ErrorKind::NotAModel, message));
        }
        let settings = Settings::read(folder)?;
        let tokenizer_json = vfs::read(&require(folder, &["tokenizer.json"])?, TOKENIZER_LIMIT)?;
        let in_tokenizer = |error: Error| error.in_file("tokenizer.json");
        let tokenizer = Tokenizer::parse(&tokenizer_json).map_err(in_tokenizer)?;
        let template = Template::parse(&tokenizer_json).map_err(in_tokenizer)?;
        if template.before.len() + template.after.len() >= settings.max_tokens {
            let message = format!(
                "the model takes {} tokens, special ones included, and has no room for a text",
                settings.max_tokens
            );
            return Err(Error::invalid(message));
        }
        let onnx = vfs::read(&require(folder, &["model.onnx", "onnx/model.onnx"])?, MODEL_LIMIT)?;
        let hash = ModelHash::from_pieces(&[&onnx, &tokenizer_json, format!("{settings:?}").as_bytes()]);
        let model =
            Model::load(onnx).map_err(|error| Error::caused(ErrorKind::InvalidModel, "model.onnx", error))?;
        let mut embedder = Self {
            id: folder.file_name().map_or_else(|| "onnx".into(), |name| name.to_string_lossy()).into_owned(),
            hash,
            dimension: 0,
            normalizer: Normalizer::new(tokenizer.normalizer, tokenizer.word_chars),
            vocabulary: VocabularyBytes::new(&tokenizer.tokens)?,
            tokens: tokenizer.tokens.len(),
            unknown: tokenizer.unknown,
            inputs: inputs(&model)?,
            output: output(&model)?,
            settings,
            template,
            model,
        };
        embedder.dimension = embedder.window(&[embedder.unknown])?.len();
        Ok(embedder)
    }

    /// The tokens that a text gives to the model, as many as are looked at, without special ones; and whether one of them is known.
    fn tokens(&self, texts: [&str; 2]) -> (Vec<u32>, bool) {
        let vocabulary = Vocabulary {
            slots: Slots::new(&self.vocabulary.slots, self.vocabulary.probes),
            texts: TokenTexts { offsets: &self.vocabulary.offsets, text: &self.vocabulary.text },
            tokens: self.tokens,
            unknown: self.unknown,
            piece_len: self.vocabulary.piece_len,
        };
        let most = self.window_len() * MAX_WINDOWS;
        let (mut tokens, mut word, mut pieces) = (Vec::new(), WordBuffer::default(), PieceBuffer::new());
        let mut is_known = false;
        for text in texts {
            is_known = false;
            self.normalizer.each_word(text, &mut word, |word| {
                vocabulary.each_token(word, &mut pieces, |token| {
                    tokens.push(token);
                    is_known |= token != self.unknown;
                    if tokens.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
            });
        }
        tokens.truncate(most);
        (tokens, is_known)
    }

    /// Tokens of a text that fit into a window beside the special ones.
    fn window_len(&self) -> usize {
        self.settings.max_tokens - self.template.before.len() - self.template.after.len()
    }

    /// Adds the vectors of the windows of a text to zeros. False: the text has no vector.
    fn embed(&self, prompt: &str, text: &str, sum: &mut [f32]) -> Result<bool> {
        let (tokens, is_known) = self.tokens([prompt, text]);
        if !is_known {
            return Ok(false);
        }
        for window in tokens.chunks(self.window_len()) {
            let vector = self.window(window)?;
            if vector.len() != sum.len() {
                return Err(unexpected_output(&[vector.len()]));
            }
            #[expect(clippy::cast_precision_loss, reason = "a portion of a mean, which is no exact number")]
            let portion = window.len() as f32 / tokens.len() as f32;
            sum.iter_mut().zip(&vector).for_each(|(sum, value)| *sum += portion * value);
        }
        if self.settings.normalize {
            return finish(sum, 1, None);
        }
        if sum.iter().any(|value| !value.is_finite()) {
            return Err(Error::damaged("the model gives a vector that is not finite"));
        }
        Ok(true)
    }

    /// The vector of some tokens that fit into a window.
    fn window(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let ids = self.template.before.iter().chain(tokens).chain(&self.template.after);
        let ids: Vec<i32> = ids.map(|&id| i32::try_from(id).unwrap_or(i32::MAX)).collect();
        let len = ids.len();
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for &(node, input) in &self.inputs {
            let values = match input {
                Input::Tokens => ids.clone(),
                Input::Mask => vec![1; len],
                Input::Types => vec![0; len],
            };
            let value = Value::from_shape([1, len], values).map_err(Error::other)?;
            inputs.push((node, value.into()));
        }
        let [output] = self
            .model
            .run_n(inputs, [self.output], None)
            .map_err(|error| Error::caused(ErrorKind::InvalidModel, "running model.onnx", error))?;
        let Some(output) = output.into_tensor::<f32>() else { return Err(unexpected_output(&[])) };
        let &[1, rows, dimension] = output.shape() else { return Err(unexpected_output(output.shape())) };
        if rows != len || dimension == 0 {
            return Err(unexpected_output(output.shape()));
        }
        let rows = output.to_vec();
        Ok(match self.settings.pooling {
            Pooling::First => rows[..dimension].to_vec(),
            Pooling::Mean => mean(&rows, dimension),
        })
    }
}

/// The mean of rows.
fn mean(rows: &[f32], dimension: usize) -> Vec<f32> {
    let mut sum = vec![0f32; dimension];
    for row in rows.chunks_exact(dimension) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    #[expect(clippy::cast_precision_loss, reason = "a window has few rows")]
    let count = (rows.len() / dimension) as f32;
    for value in &mut sum {
        *value /= count;
    }
    sum
}

fn unexpected_output(shape: &[usize]) -> Error {
    Error::unsupported(format!(
        "model.onnx gives an output of the shape {shape:?}; 32-bit floating point numbers of [1, tokens, dimension] are expected"
    ))
}

/// The first of some files that is there.
fn require(folder: &Path, names: &[&str]) -> Result<std::path::PathBuf> {
    let found = names.iter().map(|name| folder.join(name)).find(|path| !vfs::is_missing(path));
    found.ok_or_else(|| {
        let message = format!("{} has no {}", folder.display(), names.join(" and no "));
        Error::new(ErrorKind::Incomplete, message)
    })
}

fn inputs(model: &Model) -> Result<Vec<(NodeId, Input)>> {
    let input = |&node: &NodeId| {
        let info = model.node_info(node);
        let name = info.as_ref().and_then(rten::NodeInfo::name).unwrap_or_default();
        let input = match name {
            "input_ids" => Input::Tokens,
            "attention_mask" => Input::Mask,
            "token_type_ids" => Input::Types,
            other => {
                let message = format!(
                    "model.onnx has the input {other:?}; this library knows input_ids, attention_mask and token_type_ids"
                );
                return Err(Error::unsupported(message));
            }
        };
        Ok((node, input))
    };
    model.input_ids().iter().map(input).collect()
}

/// The vectors of the tokens: the output of that name, or the first.
fn output(model: &Model) -> Result<NodeId> {
    let named = ["last_hidden_state", "token_embeddings"].iter().find_map(|name| model.find_node(name));
    let outputs = model.output_ids();
    let output = named.filter(|node| outputs.contains(node)).or_else(|| outputs.first().copied());
    output.ok_or_else(|| Error::unsupported("model.onnx has no output"))
}

impl Embedder for OnnxEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn hash(&self) -> ModelHash {
        self.hash
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut embeddings = Embeddings::with_capacity(self.dimension, texts.len())?;
        for text in texts {
            embeddings.push_with(|row| self.embed(&self.settings.document_prompt, text, row))?;
        }
        Ok(embeddings)
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>> {
        let mut vector = vec![0.0; self.dimension];
        Ok(self.embed(&self.settings.query_prompt, text, &mut vector)?.then_some(vector))
    }
}

impl fmt::Debug for OnnxEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("OnnxEmbedder");
        debug.field("id", &self.id).field("settings", &self.settings).finish_non_exhaustive()
    }
}
