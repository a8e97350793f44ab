//! What `config.json` says that matters here.

use serde::Deserialize;
use wire::Object;

use crate::error::{Error, Result};

/// Tokens of a text that count where the model does not say.
const DEFAULT_MAX_TOKENS: usize = 65_536;

pub(super) struct Config {
    pub(super) model_id: Option<String>,
    pub(super) max_tokens: usize,
}

#[derive(Deserialize)]
struct Json {
    model_id: Option<String>,
    max_tokens: Option<u32>,
}

impl Config {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let Object(json) = serde_json::from_slice::<Object<Json>>(bytes)
            .map_err(|error| Error::invalid(error.to_string()))?;
        let max_tokens = json.max_tokens.map_or(DEFAULT_MAX_TOKENS, |max_tokens| max_tokens as usize);
        if max_tokens == 0 {
            return Err(Error::invalid("max_tokens is 0, so that no text would have a vector"));
        }
        Ok(Self { model_id: json.model_id.filter(|id| !id.is_empty()), max_tokens })
    }
}
