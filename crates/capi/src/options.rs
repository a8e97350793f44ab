//! Options for creating and opening an artifact, as a JSON object.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use compact_artifact::json::Object;
use compact_artifact::{
    CompactionPolicy, Compression, Durability, Metric, Options, Schema, SpaceOptions, TextOptions, json,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::code::{Failure, Result, ca_code};

/// Every field is an option of the library of the same name; one that is not there has its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    edge: bool,
    embedder: Option<String>,
    spaces: BTreeMap<String, Object<GivenSpace>>,
    fields: BTreeMap<String, u32>,
    language: Option<String>,
    stop_words: Option<bool>,
    fold_diacritics: Option<bool>,
    bm25: Option<(f64, f64)>,
    durability: Option<GivenDurability>,
    maintenance: Option<String>,
    auto_compact: Option<serde_json::Value>,
    busy_timeout_ms: Option<u64>,
    idle_release_ms: Option<u64>,
    compression: Option<String>,
    block_len: Option<u32>,
    segment_len: Option<u64>,
    memory_mapping: Option<bool>,
    memory_limit: Option<usize>,
    cache_bytes: Option<usize>,
    result_cache_bytes: Option<usize>,
    embedding_cache_bytes: Option<usize>,
    keep_embedding_cache: Option<bool>,
    precompute_similar: Option<usize>,
    expires_at: Option<String>,
    schema: Option<serde_json::Value>,
    graph_from: Option<usize>,
    threads: Option<usize>,
    seed: Option<u64>,
}

/// `{"dimension": 384, "metric": "cosine", "quantization": "int8", "originals": "f16"}`; all but the dimension may be left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenSpace {
    dimension: usize,
    metric: Option<String>,
    quantization: Option<String>,
    originals: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GivenDurability {
    Sync,
    Buffered,
    GroupMs(u64),
}

/// When the space of deleted records is returned.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenPolicy {
    dead_percent: Option<u32>,
    budget: Option<u64>,
    quiet_ms: Option<u64>,
}

/// What `ca_set_text_options` is given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GivenTextOptions {
    language: Option<String>,
    fold_diacritics: Option<bool>,
}

/// Reads how texts become words.
pub(crate) fn text_options(text: &str) -> Result<TextOptions> {
    let given: GivenTextOptions = read_object("options", text)?;
    let mut options = match given.language.as_deref() {
        None => TextOptions::new(),
        Some("none") => TextOptions::new().no_language(),
        Some(name) => TextOptions::new().language(parse("language", name)?),
    };
    if let Some(fold) = given.fold_diacritics {
        options = options.fold_diacritics(fold);
    }
    Ok(options)
}

/// Reads options; none are the defaults.
pub(crate) fn read(text: Option<&str>) -> Result<Options> {
    given(text)?.into_options()
}

/// [`read`] for an artifact that is only read: what says how to write is refused.
pub(crate) fn read_for_reading(text: Option<&str>) -> Result<Options> {
    let given = given(text)?;
    let Some(name) = given.of_writers() else { return given.into_options() };
    let why = "would have no effect on an artifact that is only read; leave it out";
    Err(Failure::invalid(format!("option {name} {why}")))
}

fn given(text: Option<&str>) -> Result<Given> {
    text.map_or_else(|| Ok(Given::default()), |text| read_object("options", text))
}

impl Given {
    fn into_options(self) -> Result<Options> {
        let options = if self.edge { Options::edge() } else { Options::new() };
        let options = self.kept_in_artifact(options)?;
        let options = self.who_works_when(options)?;
        self.sizes(options)
    }

    /// An option that was given, and says how to write.
    fn of_writers(&self) -> Option<&'static str> {
        let given = [
            ("durability", self.durability.is_some()),
            ("maintenance", self.maintenance.is_some()),
            ("auto_compact", self.auto_compact.is_some()),
            ("busy_timeout_ms", self.busy_timeout_ms.is_some()),
            ("idle_release_ms", self.idle_release_ms.is_some()),
            ("compression", self.compression.is_some()),
            ("block_len", self.block_len.is_some()),
            ("segment_len", self.segment_len.is_some()),
            ("graph_from", self.graph_from.is_some()),
            ("keep_embedding_cache", self.keep_embedding_cache.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    fn kept_in_artifact(&self, mut options: Options) -> Result<Options> {
        for (name, Object(space)) in &self.spaces {
            options = options.space(name, space.read()?);
        }
        for (name, weight) in &self.fields {
            options = options.field(name, *weight);
        }
        options = match self.language.as_deref() {
            None => options,
            Some("none") => options.no_language(),
            Some(name) => options.language(parse("language", name)?),
        };
        if let Some(name) = &self.embedder {
            options = with_embedder(options, name)?;
        }
        if let Some(keep) = self.keep_embedding_cache {
            options = keep_embedding_cache(options, keep)?;
        }
        if let Some(schema) = &self.schema {
            options = options.schema(Schema::from_json(schema)?);
        }
        options = apply(options, self.fold_diacritics, Options::fold_diacritics);
        options = apply(options, self.precompute_similar, Options::precompute_similar);
        options = apply(options, self.expires_at.clone(), Options::expires_at);
        Ok(apply(options, self.seed, Options::seed))
    }

    fn who_works_when(&self, mut options: Options) -> Result<Options> {
        if let Some(name) = &self.maintenance {
            options = options.maintenance(parse("maintenance", name)?);
        }
        if let Some(given) = &self.auto_compact {
            options = options.auto_compact(compaction(given)?);
        }
        options = apply(options, self.durability.as_ref(), |options, durability| {
            options.durability(match durability {
                GivenDurability::Sync => Durability::Sync,
                GivenDurability::Buffered => Durability::Buffered,
                GivenDurability::GroupMs(time) => Durability::Group(Duration::from_millis(*time)),
            })
        });
        let milliseconds = |time: Option<u64>| time.map(Duration::from_millis);
        options = apply(options, milliseconds(self.busy_timeout_ms), Options::busy_timeout);
        options = apply(options, milliseconds(self.idle_release_ms), Options::idle_release);
        Ok(apply(options, self.threads, Options::threads))
    }

    fn sizes(&self, mut options: Options) -> Result<Options> {
        if let Some(name) = &self.compression {
            options = options.compression(compression(name)?);
        }
        options = apply(options, self.block_len, Options::block_len);
        options = apply(options, self.segment_len, Options::segment_len);
        options = apply(options, self.memory_mapping, Options::memory_mapping);
        options = apply(options, self.memory_limit, Options::memory_limit);
        options = apply(options, self.cache_bytes, Options::cache_bytes);
        options = apply(options, self.result_cache_bytes, Options::result_cache_bytes);
        options = apply(options, self.embedding_cache_bytes, Options::embedding_cache_bytes);
        options = apply(options, self.graph_from, Options::graph_from);
        options = apply(options, self.stop_words, Options::stop_words);
        Ok(apply(options, self.bm25, |options, (k1, b)| options.bm25(k1, b)))
    }
}

/// `true`, `false`, or an object.
fn compaction(given: &serde_json::Value) -> Result<Option<CompactionPolicy>> {
    if let Some(on) = given.as_bool() {
        return Ok(on.then(CompactionPolicy::new));
    }
    let invalid = |e| {
        let message = format!("options: auto_compact: {}", json::reason(&e));
        Failure::new(ca_code::CA_INVALID_JSON, message)
    };
    let given = Object::<GivenPolicy>::deserialize(given).map_err(invalid)?.0;
    let mut policy = CompactionPolicy::new();
    if let Some(percent) = given.dead_percent {
        policy = policy.dead_percent(percent);
    }
    if let Some(bytes) = given.budget {
        policy = policy.budget(bytes);
    }
    if let Some(time) = given.quiet_ms {
        policy = policy.quiet(Duration::from_millis(time));
    }
    Ok(Some(policy))
}

impl GivenSpace {
    fn read(&self) -> Result<SpaceOptions> {
        let [metric, quantization, originals] = [&self.metric, &self.quantization, &self.originals];
        space(self.dimension, metric.as_deref(), quantization.as_deref(), originals.as_deref())
    }
}

/// A vector space by the names of its metric, of how vectors become codes, and of what it keeps beside them.
pub(crate) fn space(
    dimension: usize,
    metric: Option<&str>,
    quantization: Option<&str>,
    originals: Option<&str>,
) -> Result<SpaceOptions> {
    let metric = metric.map_or(Ok(Metric::Cosine), |name| parse("metric", name))?;
    let mut options = SpaceOptions::new(dimension, metric);
    if let Some(name) = quantization {
        options = options.quantization(parse("quantization", name)?);
    }
    if let Some(name) = originals {
        options = options.originals(parse("originals", name)?);
    }
    Ok(options)
}

fn apply<T>(options: Options, value: Option<T>, set: impl FnOnce(Options, T) -> Options) -> Options {
    match value {
        Some(value) => set(options, value),
        None => options,
    }
}

/// A value by its name.
pub(crate) fn parse<T: FromStr>(what: &str, name: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    name.parse().map_err(|e| Failure::invalid(format!("{what}: {e}")))
}

fn compression(name: &str) -> Result<Compression> {
    let level = |level: &str| Some(Compression::Zstd(level.parse().ok()?));
    let known = match name {
        "none" => Some(Compression::None),
        #[cfg(feature = "lz4")]
        "lz4" => Some(Compression::Lz4),
        _ => name.strip_prefix("zstd:").and_then(level),
    };
    known.ok_or_else(|| {
        let lz4 = if cfg!(feature = "lz4") { ", lz4" } else { "" };
        Failure::invalid(format!("compression: expected one of none{lz4}, zstd:1 to zstd:22, found {name:?}"))
    })
}

#[cfg(feature = "embedder")]
fn with_embedder(options: Options, name: &str) -> Result<Options> {
    Ok(options.embedder(embedder(name)?))
}

/// A model: `built-in`, or a path.
#[cfg(feature = "embedder")]
pub(crate) fn embedder(name: &str) -> Result<std::sync::Arc<dyn compact_artifact::Embedder>> {
    use compact_artifact::{Error, StaticEmbedder};
    let opened = match name {
        "built-in" => {
            #[cfg(feature = "built-in-model")]
            let model = StaticEmbedder::built_in();
            #[cfg(not(feature = "built-in-model"))]
            return Err(without("built-in-model", "the model that is a part of the library"));
            #[cfg(feature = "built-in-model")]
            model
        }
        path => StaticEmbedder::open(path),
    };
    Ok(std::sync::Arc::new(opened.map_err(|e| about("embedder", Error::from(e).into()))?))
}

#[cfg(not(feature = "embedder"))]
fn with_embedder(_: Options, _: &str) -> Result<Options> {
    Err(without("embedder", "models"))
}

#[cfg(feature = "embedder")]
#[expect(clippy::unnecessary_wraps, reason = "a build without models fails")]
fn keep_embedding_cache(options: Options, keep: bool) -> Result<Options> {
    Ok(options.keep_embedding_cache(keep))
}

#[cfg(not(feature = "embedder"))]
fn keep_embedding_cache(_: Options, _: bool) -> Result<Options> {
    Err(without("embedder", "models"))
}

/// What a build leaves out.
#[cfg(not(all(feature = "embedder", feature = "built-in-model", feature = "facets")))]
pub(crate) fn without(feature: &str, what: &str) -> Failure {
    let message = format!("{what}: this library was built without {feature}");
    Failure::new(ca_code::CA_UNSUPPORTED, message)
}

/// Reads a JSON object as a struct.
pub(crate) fn read_object<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let invalid = |message: String| Failure::new(ca_code::CA_INVALID_JSON, format!("{what}: {message}"));
    let value = json::from_str(text).map_err(|e| about(what, e.into()))?;
    if !value.is_object() {
        return Err(invalid(format!("expected a JSON object, found {value}")));
    }
    T::deserialize(&value).map_err(|e| {
        let reason = json::reason(&e);
        let wrong = wrong_field::<T>(&value, &reason).filter(|_| !reason.starts_with("unknown field"));
        invalid(wrong.map_or(reason.clone(), |name| format!("{name}: {reason}")))
    })
}

/// The field that is refused for this reason also where it stands alone.
fn wrong_field<'v, T: DeserializeOwned>(value: &'v serde_json::Value, reason: &str) -> Option<&'v String> {
    let is_wrong = |(name, value): &(&String, &serde_json::Value)| {
        let alone = serde_json::json!({ name.as_str(): value });
        T::deserialize(alone).is_err_and(|e| json::reason(&e) == reason)
    };
    value.as_object()?.iter().find(is_wrong).map(|(name, _)| name)
}

/// Says before the message what it is about.
pub(crate) fn about(what: &str, failure: Failure) -> Failure {
    Failure { message: format!("{what}: {}", failure.message), ..failure }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn refused(text: &str) -> (ca_code, String) {
        let failure = read(Some(text)).expect_err(text);
        (failure.code, failure.message)
    }

    #[test]
    fn each_option_is_read() {
        let text = r#"{
            "edge": true, "spaces": {"image": {"dimension": 3, "metric": "dot", "originals": "f32"}}, "fields": {"body": 3},
            "stop_words": false, "fold_diacritics": true, "bm25": [1.2, 0.75],
            "durability": {"group_ms": 5}, "maintenance": "background", "auto_compact": false, "busy_timeout_ms": 1000,
            "idle_release_ms": 5, "compression": "zstd:9", "block_len": 4096, "segment_len": 1048576, "memory_mapping": false,
            "memory_limit": 67108864, "cache_bytes": 1, "result_cache_bytes": 2, "embedding_cache_bytes": 3,
            "expires_at": "until", "schema": {"year": "number"}, "keep_embedding_cache": false, "graph_from": 7, "threads": 1, "seed": 4, "language": "none", "precompute_similar": 0
        }"#;
        let text = text.replace("_bytes\": 1", "_bytes\": 0").replace("_bytes\": 2", "_bytes\": 0");
        let set = format!("{:?}", read(Some(&text)).unwrap());
        for part in [
            "image",
            "body",
            "until",
            "Background",
            "Zstd(9)",
            "Group(5ms)",
            "segment_len: 1048576",
            "graph_from: 7",
            "memory_limit: Some(67108864)",
            "(1.2, 0.75)",
            "NoStems",
            "stop_words: false",
            "busy_timeout: 1s",
            "auto_compact: None",
            "year",
        ] {
            assert!(set.contains(part), "{part} in {set}");
        }
    }

    #[test]
    fn when_space_is_returned_is_read() {
        let text = r#"{"auto_compact": {"dead_percent": 50, "budget": 2097152, "quiet_ms": 20}}"#;
        let set = format!("{:?}", read(Some(text)).unwrap());
        assert!(set.contains("dead_percent: 50, budget: 2097152, quiet: 20ms"), "{set}");
        for given in [r#"{"dead": 5}"#, "3", r#"{"budget": "1"}"#] {
            let (code, message) = refused(&format!(r#"{{"auto_compact": {given}}}"#));
            assert_eq!(code, ca_code::CA_INVALID_JSON);
            assert!(message.starts_with("options: auto_compact: "), "{message}");
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        assert_eq!(refused("{").0, ca_code::CA_INVALID_JSON);
        assert_eq!(refused("[]").0, ca_code::CA_INVALID_JSON);
        let (code, message) = refused(r#"{"thread": 1}"#);
        assert_eq!(code, ca_code::CA_INVALID_JSON);
        assert!(message.starts_with("options: ") && message.contains("`threads`"), "{message}");
        for (text, expected) in [
            (
                r#"{"edge": true, "threads": -1}"#,
                "options: threads: invalid value: integer `-1`, expected a whole number from 0 on",
            ),
            (
                r#"{"block_len": 18446744073709551615}"#,
                "options: block_len: invalid value: integer `18446744073709551615`, expected a whole number from 0 to 4294967295",
            ),
            (r#"{"spaces": {"v": 3}}"#, "options: spaces: invalid type: integer `3`, expected an object"),
            (
                r#"{"spaces": {"v": [384, "dot", "f32"]}}"#,
                "options: spaces: invalid type: array, expected an object",
            ),
            (
                r#"{"auto_compact": [50, 2097152, 20]}"#,
                "options: auto_compact: invalid type: array, expected an object",
            ),
            (r#"{"bm25": [1]}"#, "options: bm25: invalid length 1, expected an array of 2"),
            (
                r#"{"auto_compact": 3}"#,
                "options: auto_compact: invalid type: integer `3`, expected an object",
            ),
        ] {
            assert_eq!(refused(text), (ca_code::CA_INVALID_JSON, expected.to_owned()));
        }
        for text in [
            r#"{"language": "klingon"}"#,
            r#"{"maintenance": "never"}"#,
            r#"{"compression": "zstd:x"}"#,
            r#"{"compression": "zip"}"#,
            r#"{"spaces": {"a": {"dimension": 3, "metric": "l3"}}}"#,
            r#"{"spaces": {"a": {"dimension": 3, "originals": "f64"}}}"#,
            r#"{"schema": {"year": "whole"}}"#,
        ] {
            assert_eq!(refused(text).0, ca_code::CA_INVALID_ARGUMENT, "{text}");
        }
    }

    /// The names of a table of the guide: the first cells of the rows under a heading.
    fn documented(heading: &str) -> BTreeSet<String> {
        let page = include_str!("../../../docs/guide/src/c.md");
        let section = page.split_once(&format!("## {heading}\n")).expect("the heading is there").1;
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(ToOwned::to_owned).collect()
    }

    /// The names that serde lists when it meets one that it does not know.
    fn known<T: DeserializeOwned + std::fmt::Debug>() -> BTreeSet<String> {
        let failure = read_object::<T>("", r#"{"no such name": 1}"#).unwrap_err();
        let list = failure.message.split_once("expected one of ").expect("it lists them").1;
        list.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_guide_lists_every_option_and_no_other() {
        assert_eq!(documented("Options of an artifact"), known::<Given>());
        assert_eq!(documented("Options of a query"), known::<crate::query::Given>());
    }

    #[cfg(not(feature = "embedder"))]
    #[test]
    fn a_model_that_the_build_leaves_out_is_refused() {
        assert_eq!(refused(r#"{"embedder": "built-in"}"#).0, ca_code::CA_UNSUPPORTED);
    }

    #[cfg(feature = "embedder")]
    #[test]
    fn a_model_that_is_not_there_is_refused() {
        let (code, message) = refused(r#"{"embedder": "/no/such/model"}"#);
        assert_eq!(code, ca_code::CA_EMBEDDER, "{message}");
    }
}
