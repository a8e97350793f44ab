//! `tokenizer.json` of the `tokenizers` package: a vocabulary of WordPiece, and how texts are normalized.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wire::Object;

use crate::error::{Error, ErrorKind, Result};
use crate::model::layout::MAX_TOKENS;
use crate::wordpiece::NormalizerOptions;

/// A vocabulary, and how texts are normalized.
pub(crate) struct Tokenizer {
    /// The text of each token, without the sign that it continues a word, and whether it does. Numbers without a token have an empty text.
    pub(crate) tokens: Vec<(String, bool)>,
    pub(crate) unknown: u32,
    /// Tokens that stand for no text, and the unknown one.
    pub(crate) special: Vec<u32>,
    pub(crate) normalizer: NormalizerOptions,
    pub(crate) word_chars: usize,
}

#[derive(Deserialize)]
struct Json {
    model: Object<ModelJson>,
    normalizer: Option<Object<NormalizerJson>>,
    pre_tokenizer: Option<Object<Kind>>,
    #[serde(default)]
    added_tokens: Vec<Object<AddedToken>>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ModelJson {
    /// Old files do not say it.
    #[serde(rename = "type")]
    kind: Option<String>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    max_input_chars_per_word: Option<usize>,
    vocab: Option<Entries>,
}

#[derive(Deserialize)]
struct NormalizerJson {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "yes")]
    clean_text: bool,
    #[serde(default = "yes")]
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    #[serde(default = "yes")]
    lowercase: bool,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

fn yes() -> bool {
    true
}

/// The number of each token.
enum Entries {
    Numbers(Vec<(String, u32)>),
    /// What other kinds of models have.
    List,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that has the number of each token")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries::Numbers(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Entries, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Entries::List)
            }
        }
        deserializer.deserialize_any(EntriesVisitor)
    }
}

impl Tokenizer {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let Object(json) = serde_json::from_slice::<Object<Json>>(bytes)
            .map_err(|error| Error::invalid(error.to_string()))?;
        let Object(model) = json.model;
        match &model.kind {
            Some(kind) if kind != "WordPiece" => return Err(unsupported("model", kind, "WordPiece")),
            _ => {}
        }
        match json.pre_tokenizer {
            Some(Object(Kind { kind })) if kind == "BertPreTokenizer" => {}
            Some(Object(Kind { kind })) => {
                return Err(unsupported("pre-tokenizer", &kind, "BertPreTokenizer"));
            }
            None => return Err(unsupported("pre-tokenizer", "none", "BertPreTokenizer")),
        }
        let normalizer = normalizer(json.normalizer.map(|Object(normalizer)| normalizer))?;
        let entries = match model.vocab {
            Some(Entries::Numbers(entries)) => entries,
            Some(Entries::List) => return Err(Error::invalid("the vocabulary is a list, not an object")),
            None => return Err(Error::new(ErrorKind::Incomplete, "the model has no vocabulary")),
        };
        let prefix = model.continuing_subword_prefix.unwrap_or_else(|| "##".to_owned());
        let (tokens, mut special, unknown) =
            vocabulary(entries, &prefix, model.unk_token.as_deref().unwrap_or("[UNK]"))?;
        for Object(AddedToken { id, content, special: is_special }) in json.added_tokens {
            if !is_special {
                return Err(Error::unsupported(format!(
                    "the added token {content:?} is not special, and such tokens are not looked for"
                )));
            }
            if (id as usize) < tokens.len() {
                special.push(id);
            }
        }
        let word_chars = model.max_input_chars_per_word.unwrap_or(100);
        Ok(Self { tokens, unknown, special, normalizer, word_chars })
    }
}

fn unsupported(what: &str, found: &str, expected: &str) -> Error {
    Error::unsupported(format!("the {what} of the tokenizer is {found}; this library knows {expected}"))
}

fn normalizer(json: Option<NormalizerJson>) -> Result<NormalizerOptions> {
    let Some(json) = json else { return Err(unsupported("normalizer", "none", "BertNormalizer")) };
    if json.kind != "BertNormalizer" {
        return Err(unsupported("normalizer", &json.kind, "BertNormalizer"));
    }
    Ok(NormalizerOptions {
        clean_text: json.clean_text,
        split_cjk: json.handle_chinese_chars,
        strip_accents: json.strip_accents.unwrap_or(json.lowercase),
        lowercase: json.lowercase,
    })
}

/// The tokens by number, those that stand for no text, and the unknown one among them.
#[expect(clippy::type_complexity, reason = "three values that one loop finds")]
fn vocabulary(
    entries: Vec<(String, u32)>,
    prefix: &str,
    unknown_text: &str,
) -> Result<(Vec<(String, bool)>, Vec<u32>, u32)> {
    let count = entries.iter().map(|(_, id)| *id as usize + 1).max().unwrap_or(0);
    if count > MAX_TOKENS {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("a token has the number {}; {MAX_TOKENS} tokens are possible", count - 1),
        ));
    }
    let mut tokens = vec![None; count];
    let mut unknown = None;
    for (text, id) in entries {
        if text == unknown_text {
            unknown = Some(id);
        }
        let token = match text.strip_prefix(prefix).filter(|_| !prefix.is_empty()) {
            Some(rest) => (rest.to_owned(), true),
            None => (text, false),
        };
        if let Some((other, _)) = tokens[id as usize].replace(token) {
            return Err(Error::invalid(format!("{other:?} and another token have the number {id}")));
        }
    }
    let tokens: Vec<(String, bool)> = tokens.into_iter().map(Option::unwrap_or_default).collect();
    check_distinct(&tokens)?;
    let Some(unknown) = unknown else {
        return Err(Error::invalid(format!("the vocabulary has no unknown token {unknown_text:?}")));
    };
    Ok((tokens, vec![unknown], unknown))
}

fn check_distinct(tokens: &[(String, bool)]) -> Result<()> {
    let mut sorted: Vec<&(String, bool)> = tokens.iter().filter(|(text, _)| !text.is_empty()).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::invalid(format!("the token {:?} has two numbers", pair[0].0))),
    }
}
