//! What the JSON files of a sentence-transformers folder say: modules, pooling, the longest text, special tokens, prompts.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use wire::Object;

use crate::error::{Error, ErrorKind, Result};
use crate::model2vec::CONFIG_LIMIT;
use crate::vfs;

/// Tokens of a window where the folder does not say.
const DEFAULT_MAX_TOKENS: usize = 256;

/// How the vectors of tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// The mean of all.
    Mean,
    /// That of the first token.
    First,
}

/// How a folder's model is used.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) pooling: Pooling,
    /// Whether vectors are brought to length 1.
    pub(super) normalize: bool,
    /// Tokens that the model takes at once, special ones included.
    pub(super) max_tokens: usize,
    /// What texts that are stored begin with.
    pub(super) document_prompt: String,
    /// What texts by which others are looked for begin with.
    pub(super) query_prompt: String,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    path: String,
}

#[derive(Deserialize, Default)]
struct Prompts {
    #[serde(default)]
    prompts: Map<String, Value>,
    default_prompt_name: Option<String>,
}

#[derive(Deserialize, Default)]
struct Lengths {
    max_seq_length: Option<usize>,
    max_position_embeddings: Option<usize>,
}

impl Settings {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let modules: Vec<Object<Module>> = read_json(folder, "modules.json")?;
        let (mut pooling, mut normalize) = (None, false);
        for Object(Module { kind, path }) in &modules {
            match kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => pooling = Some(read_pooling(folder, path)?),
                "Normalize" => normalize = true,
                other => {
                    let message = format!(
                        "modules.json has a module of the type {other}; this library knows Transformer, Pooling and Normalize"
                    );
                    return Err(Error::unsupported(message));
                }
            }
        }
        let Some(pooling) = pooling else {
            return Err(Error::new(ErrorKind::Incomplete, "modules.json has no module for pooling"));
        };
        let Object(sentence): Object<Lengths> = read_optional(folder, "sentence_bert_config.json")?;
        let Object(model): Object<Lengths> = read_optional(folder, "config.json")?;
        let max_tokens = sentence.max_seq_length.unwrap_or(DEFAULT_MAX_TOKENS);
        let max_tokens = max_tokens.min(model.max_position_embeddings.unwrap_or(usize::MAX));
        let Object(prompts): Object<Prompts> = read_optional(folder, "config_sentence_transformers.json")?;
        Ok(Self {
            pooling,
            normalize,
            max_tokens,
            document_prompt: prompts.first(&["document", "passage", "corpus"])?,
            query_prompt: prompts.first(&["query"])?,
        })
    }
}

impl Prompts {
    /// The first prompt that there is among some, or the default one, or nothing.
    fn first(&self, names: &[&str]) -> Result<String> {
        let default = self.default_prompt_name.as_deref();
        let mut names = names.iter().copied().chain(default);
        match names.find_map(|name| self.prompts.get(name)) {
            None if default.is_some() => {
                Err(Error::invalid("config_sentence_transformers.json: default_prompt_name is no prompt"))
            }
            None => Ok(String::new()),
            Some(Value::String(prompt)) => Ok(prompt.clone()),
            Some(other) => Err(Error::invalid(format!(
                "config_sentence_transformers.json: the prompt {other} is no string"
            ))),
        }
    }
}

fn read_pooling(folder: &Path, path: &str) -> Result<Pooling> {
    let is_plain =
        !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if !is_plain {
        return Err(Error::invalid(format!("modules.json: {path:?} is no name of a folder within it")));
    }
    let config: Map<String, Value> = read_json(folder, &format!("{path}/config.json"))?;
    let modes: Vec<&str> = config
        .iter()
        .filter(|(name, value)| name.starts_with("pooling_mode") && **value != Value::Bool(false))
        .map(|(name, _)| name.as_str())
        .collect();
    match modes[..] {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::First),
        _ => Err(Error::unsupported(format!(
            "{path}/config.json asks for the pooling {modes:?}; this library knows pooling_mode_mean_tokens or pooling_mode_cls_token alone"
        ))),
    }
}

fn read_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T> {
    let bytes = vfs::read(&folder.join(name), CONFIG_LIMIT).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Error::new(ErrorKind::Incomplete, format!("{} has no {name}", folder.display()))
        }
        _ => error,
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("{name}: {error}")))
}

/// The content of a file, or nothing if it is not there.
fn read_optional<T: DeserializeOwned + Default>(folder: &Path, name: &str) -> Result<T> {
    if vfs::is_missing(&folder.join(name)) { Ok(T::default()) } else { read_json(folder, name) }
}

/// The special tokens around a text, of `tokenizer.json`.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

#[derive(Deserialize)]
struct TokenizerJson {
    post_processor: Option<Object<PostProcessor>>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    TemplateProcessing {
        single: Vec<Piece>,
        special_tokens: Map<String, Value>,
    },
    BertProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
enum Piece {
    SpecialToken(Object<Named>),
    Sequence(Object<Named>),
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Template {
    pub(super) fn parse(tokenizer: &[u8]) -> Result<Self> {
        let Object(json) = serde_json::from_slice::<Object<TokenizerJson>>(tokenizer)
            .map_err(|error| Error::invalid(error.to_string()))?;
        let (single, special_tokens) = match json.post_processor.map(|Object(processor)| processor) {
            None => return Ok(Self { before: Vec::new(), after: Vec::new() }),
            Some(PostProcessor::BertProcessing { sep: (_, sep), cls: (_, cls) }) => {
                return Ok(Self { before: vec![cls], after: vec![sep] });
            }
            Some(PostProcessor::TemplateProcessing { single, special_tokens }) => (single, special_tokens),
            Some(PostProcessor::Other) => {
                let message = "the post-processor of the tokenizer is none that this library knows: TemplateProcessing or BertProcessing";
                return Err(Error::unsupported(message));
            }
        };
        let mut template = Self { before: Vec::new(), after: Vec::new() };
        let mut is_behind = false;
        for piece in single {
            match piece {
                Piece::Sequence(Object(Named { id })) if id == "A" && !is_behind => is_behind = true,
                Piece::Sequence(Object(Named { id })) => {
                    return Err(Error::unsupported(format!(
                        "the template for one text has the sequence {id:?}"
                    )));
                }
                Piece::SpecialToken(Object(Named { id })) => {
                    let side = if is_behind { &mut template.after } else { &mut template.before };
                    side.extend(ids(&special_tokens, &id)?);
                }
            }
        }
        Ok(template)
    }
}

/// The tokens that a special token of a template stands for.
fn ids(special_tokens: &Map<String, Value>, name: &str) -> Result<Vec<u32>> {
    let ids = special_tokens.get(name).and_then(|token| token.get("ids")).cloned().unwrap_or_default();
    serde_json::from_value(ids).map_err(|_| {
        Error::invalid(format!("the template has the special token {name:?}, whose ids are not given"))
    })
}
