//! Values of options.

use compact_artifact::{
    Durability, Filter, Language, MetadataError, Metric, Originals, Quantization, RecordId,
};
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::{TITLE, TITLE_WEIGHT};
use crate::failure::{Failure, Result};

/// A number of bytes: `64MiB`, `1GB`, `500k`, or a plain number.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a number of bytes such as 64MiB, found {text:?}");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)
}

/// `sync`, `buffered`, or `group` with a delay: `group:5ms`.
pub(crate) fn durability(text: &str) -> Result<Durability, String> {
    let delay =
        |text: &str| text.strip_suffix("ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    match text {
        "sync" => Ok(Durability::Sync),
        "buffered" => Ok(Durability::Buffered),
        _ => match text.strip_prefix("group:").and_then(delay) {
            Some(delay) if delay <= Duration::from_secs(10) => Ok(Durability::Group(delay)),
            _ => Err(format!(
                "expected sync, buffered, or group with a delay such as group:5ms, found {text:?}"
            )),
        },
    }
}

/// A value that is read from its name.
fn named<T: FromStr<Err: Display>>(name: &str) -> Result<T, String> {
    name.parse().map_err(|e: T::Err| e.to_string())
}

pub(crate) fn metric(text: &str) -> Result<Metric, String> {
    named(text)
}

pub(crate) fn originals(text: &str) -> Result<Originals, String> {
    named(text)
}

pub(crate) fn quantization(text: &str) -> Result<Quantization, String> {
    named(text)
}

/// How texts are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextLanguage {
    /// By words as they are.
    None,
    /// By stems.
    Stems(Language),
}

/// The two letters of languages by ISO 639-1.
const CODES: &[(&str, Language)] = &[
    ("ar", Language::Arabic),
    ("da", Language::Danish),
    ("nl", Language::Dutch),
    ("en", Language::English),
    ("fi", Language::Finnish),
    ("fr", Language::French),
    ("de", Language::German),
    ("el", Language::Greek),
    ("hu", Language::Hungarian),
    ("it", Language::Italian),
    ("no", Language::Norwegian),
    ("pt", Language::Portuguese),
    ("ro", Language::Romanian),
    ("ru", Language::Russian),
    ("es", Language::Spanish),
    ("sv", Language::Swedish),
    ("ta", Language::Tamil),
    ("tr", Language::Turkish),
];

/// `none`, or the name of a language, or its two letters.
pub(crate) fn language(text: &str) -> Result<TextLanguage, String> {
    let coded = CODES.iter().find(|(code, _)| *code == text).map(|(_, language)| *language);
    match coded {
        _ if text == "none" => Ok(TextLanguage::None),
        Some(language) => Ok(TextLanguage::Stems(language)),
        None => named(text)
            .map(TextLanguage::Stems)
            .map_err(|e| e.replacen("expected one of", "expected none or one of", 1)),
    }
}

/// The name of a field, and how often its words count: `abstract`, `abstract=3`.
pub(crate) fn field(text: &str) -> Result<(String, u32), String> {
    let Some((name, weight)) = text.rsplit_once('=') else {
        let weight = if text == TITLE { TITLE_WEIGHT } else { 1 };
        return Ok((text.to_owned(), weight));
    };
    let wrong = |_| {
        format!("expected a name, or a name and how often its words count as in abstract=3, found {text:?}")
    };
    Ok((name.to_owned(), weight.parse().map_err(wrong)?))
}

/// A column and its space: `embedding=text`, `embedding`.
#[cfg(feature = "arrow")]
pub(crate) fn vector_field(text: &str) -> Result<(String, String), String> {
    let (column, space) = text.rsplit_once('=').unwrap_or((text, text));
    if column.is_empty() || space.is_empty() {
        return Err(format!("expected a column, or a column and a space as in emb=text, found {text:?}"));
    }
    Ok((column.to_owned(), space.to_owned()))
}

/// A filter in its JSON form.
pub(crate) fn filter(text: &str) -> Result<Filter> {
    text.parse().map_err(|e: MetadataError| Failure::from(e).at("--filter"))
}

/// A record as it is named on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Key(String),
    Id(RecordId),
}

/// `#` and digits are an id, `##` begins a key that begins with `#`, everything else is a key.
pub(crate) fn name(text: &str) -> Result<Name, String> {
    let Some(rest) = text.strip_prefix('#') else { return Ok(Name::Key(text.to_owned())) };
    if rest.starts_with('#') {
        return Ok(Name::Key(rest.to_owned()));
    }
    let id = rest.parse().map(RecordId).map(Name::Id);
    id.map_err(|_| {
        format!("expected the number of a record behind #, found {text:?} (a key with # is written ##…)")
    })
}

/// A key as it is typed, so that [`name`] reads it as this key.
pub(crate) fn typed(key: &str) -> Cow<'_, str> {
    if key.starts_with('#') { format!("#{key}").into() } else { key.into() }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key:?}"),
            Self::Id(id) => write!(f, "#{}", id.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1gb"), Ok(1_000_000_000));
        assert_eq!(size("17"), Ok(17));
        for wrong in ["", "MiB", "1.5G", "-1", "1x", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn records_are_named_by_key_or_number() {
        assert_eq!(name("a#1"), Ok(Name::Key("a#1".to_owned())));
        assert_eq!(name("#17"), Ok(Name::Id(RecordId(17))));
        assert_eq!(name("##17"), Ok(Name::Key("#17".to_owned())));
        assert!(name("#x").is_err());
        for key in ["a", "#17", "##17", "#"] {
            assert_eq!(name(&typed(key)), Ok(Name::Key(key.to_owned())));
        }
    }

    #[test]
    fn a_field_has_a_name_and_counts_once_unless_it_says_otherwise() {
        assert_eq!(field("abstract"), Ok(("abstract".to_owned(), 1)));
        assert_eq!(field("a=b=3"), Ok(("a=b".to_owned(), 3)));
        assert!(field("a=b").is_err() && field("a=-1").is_err());
    }

    #[test]
    fn durabilities_have_names() {
        assert_eq!(durability("group:5ms"), Ok(Durability::Group(Duration::from_millis(5))));
        assert!(durability("group").is_err());
        assert!(durability("group:11000ms").is_err());
    }
}
