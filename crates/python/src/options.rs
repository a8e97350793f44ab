//! Arguments by name → options of the library.

use std::time::Duration;

use compact_artifact::{
    CacheOptions, CompactionPolicy, Compression, Durability, Language, Maintenance, Metric, Options, Schema,
    SpaceOptions,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::embedder;
use crate::errors::{Failure, about, invalid, wrong_type};
use crate::json::{Dates, to_json};
use crate::number::{Number, number};
use crate::text::Text;

/// All names, in the order in which they are documented.
pub(crate) const NAMES: [&str; 31] = [
    "spaces",
    "embedder",
    "fields",
    "language",
    "fold_diacritics",
    "stop_words",
    "bm25",
    "expires_at",
    "schema",
    "compression",
    "block_len",
    "segment_len",
    "memory_mapping",
    "memory_limit",
    "durability",
    "maintenance",
    "auto_compact",
    "busy_timeout",
    "idle_release",
    "threads",
    "graph_from",
    "precompute_similar",
    "cache_bytes",
    "result_cache_bytes",
    "result_ttl",
    "embedding_cache_bytes",
    "keep_embedding_cache",
    "seed",
    "edge",
    "quantization",
    "on_maintenance_error",
];

/// Options from arguments by name.
pub(crate) fn from_arguments(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    let Some(arguments) = arguments else { return Ok(Options::new()) };
    let is_edge = arguments.get_item("edge")?.is_some_and(|value| value.is_truthy().unwrap_or(false));
    let mut options = if is_edge { Options::edge() } else { Options::new() };
    let mut caches = Caches::default();
    for (name, value) in arguments {
        let name: Text = name.extract()?;
        let set = if caches.set(&name, &value)? { Ok(options) } else { one(options, &name, &value) };
        options = set.map_err(|e| {
            if NAMES.contains(&&*name) { about(value.py(), e, &format!("option {name}")) } else { e }
        })?;
    }
    Ok(caches.apply(options, is_edge))
}

/// What says how to write, and has nothing to act on where an artifact is only read.
const OF_WRITERS: [&str; 11] = [
    "compression",
    "block_len",
    "segment_len",
    "durability",
    "maintenance",
    "auto_compact",
    "busy_timeout",
    "idle_release",
    "graph_from",
    "keep_embedding_cache",
    "on_maintenance_error",
];

/// [`from_arguments`] for an artifact that is only read.
pub(crate) fn for_reading(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    for (name, value) in arguments.into_iter().flatten() {
        let name: Text = name.extract()?;
        // `None` is the default of these two.
        let is_default = value.is_none() && ["idle_release", "on_maintenance_error"].contains(&&*name);
        if OF_WRITERS.contains(&&*name) && !is_default {
            return Err(invalid(format!(
                "option {name} would have no effect on an artifact that is only read; leave it out"
            )));
        }
    }
    from_arguments(arguments)
}

/// Sets one option.
fn one(options: Options, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Options> {
    if let Some(of_spaces) = of_spaces(options.clone(), name, value)? {
        return Ok(of_spaces);
    }
    Ok(match name {
        "compression" => options.compression(compression(value)?),
        "block_len" => options.block_len(number(value)?),
        "segment_len" => options.segment_len(number(value)?),
        "memory_mapping" => options.memory_mapping(value.extract()?),
        "memory_limit" => match value.extract::<Option<Number<usize>>>()? {
            Some(Number(bytes)) => options.memory_limit(bytes),
            None => options,
        },
        "durability" => options.durability(durability(value)?),
        "maintenance" => options.maintenance(parsed::<Maintenance, _>(value)?),
        "auto_compact" => options.auto_compact(compaction(value)?),
        "busy_timeout" => options.busy_timeout(seconds(value)?),
        "idle_release" => match optional_seconds(value)? {
            Some(idle) => options.idle_release(idle),
            None => options,
        },
        "threads" => options.threads(number(value)?),
        "graph_from" => options.graph_from(number(value)?),
        "precompute_similar" => options.precompute_similar(number(value)?),
        "keep_embedding_cache" => options.keep_embedding_cache(value.extract()?),
        "seed" => options.seed(number(value)?),
        "edge" => {
            value.extract::<bool>()?;
            options
        }
        "quantization" => {
            let name: Text = value.extract()?;
            if &*name != "int8" {
                return Err(invalid(format!("expected int8, found {name:?}")));
            }
            options
        }
        "on_maintenance_error" if value.is_none() => options,
        "on_maintenance_error" if !value.is_callable() => return Err(wrong_type("", "a function", value)),
        "on_maintenance_error" => {
            let call = value.clone().unbind();
            options.on_maintenance_error(move |e| {
                let said = e.to_string();
                // What it raises has nowhere to go but where Python writes such things.
                Python::attach(|py| {
                    if let Err(raised) = call.call1(py, (said,)) {
                        raised.write_unraisable(py, Some(call.bind(py)));
                    }
                });
            })
        }
        _ => {
            return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "no option {name:?}; expected {}",
                NAMES.join(", ")
            )));
        }
    })
}

/// Sets an option that is kept in the artifact; `None` if it is none of those.
fn of_spaces(options: Options, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Options>> {
    Ok(Some(match name {
        "spaces" => spaces(options, value)?,
        "embedder" => {
            if value.is_none() {
                options
            } else {
                options.embedder(embedder::from_python(value)?)
            }
        }
        "fields" => fields(options, value)?,
        "language" => match value.extract::<Option<Text>>()? {
            Some(name) => options.language(language(&name)?),
            None => options.no_language(),
        },
        "fold_diacritics" => options.fold_diacritics(value.extract()?),
        "stop_words" => options.stop_words(value.extract()?),
        "bm25" => {
            let (k1, b) = value.extract()?;
            options.bm25(k1, b)
        }
        "expires_at" => match value.extract::<Option<Text>>()? {
            Some(field) => options.expires_at(field),
            None => options,
        },
        "schema" => {
            if value.is_none() {
                options
            } else {
                options.schema(schema(value)?)
            }
        }
        _ => return Ok(None),
    }))
}

/// What is said of caches, which the library takes all at once.
#[derive(Default)]
struct Caches {
    blocks: Option<usize>,
    results: Option<usize>,
    ttl: Option<Duration>,
    embeddings: Option<usize>,
}

impl Caches {
    /// Whether it is an option of caches.
    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let named = |e| about(value.py(), e, &format!("option {name}"));
        match name {
            "cache_bytes" => self.blocks = Some(number(value).map_err(named)?),
            "result_cache_bytes" => self.results = Some(number(value).map_err(named)?),
            "embedding_cache_bytes" => self.embeddings = Some(number(value).map_err(named)?),
            "result_ttl" => self.ttl = optional_seconds(value).map_err(named)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn apply(self, options: Options, is_edge: bool) -> Options {
        let mut options = options;
        if let Some(result_ttl) = self.ttl {
            // Sets all of them, so that the others follow.
            let defaults = CacheOptions::default();
            let by_default = |bytes: usize, on_edge: usize| if is_edge { on_edge } else { bytes };
            options = options.caches(CacheOptions {
                block_bytes: by_default(defaults.block_bytes, 2 << 20),
                result_bytes: by_default(defaults.result_bytes, 64 << 10),
                embedding_bytes: by_default(defaults.embedding_bytes, 64 << 10),
                result_ttl: Some(result_ttl),
            });
        }
        if let Some(bytes) = self.blocks {
            options = options.cache_bytes(bytes);
        }
        if let Some(bytes) = self.results {
            options = options.result_cache_bytes(bytes);
        }
        if let Some(bytes) = self.embeddings {
            options = options.embedding_cache_bytes(bytes);
        }
        options
    }
}

/// `{"name": 384}`, or with a dict of `dimension`, `metric`, `quantization` and `originals` in the place of the dimension.
fn spaces(mut options: Options, value: &Bound<'_, PyAny>) -> PyResult<Options> {
    let spaces = value.cast::<PyDict>().map_err(|_| wrong_type("", "a dict of spaces", value))?;
    for (name, space) in spaces {
        options = options.space(name.extract::<Text>()?, space_options(&space)?);
    }
    Ok(options)
}

/// What a vector space is, from a dimension or a dict.
pub(crate) fn space_options(value: &Bound<'_, PyAny>) -> PyResult<SpaceOptions> {
    if let Ok(dimension) = number(value) {
        return Ok(SpaceOptions::new(dimension, Metric::Cosine));
    }
    let parts = value.cast::<PyDict>().map_err(|_| wrong_type("a space", "a dimension or a dict", value))?;
    for name in parts.keys() {
        let known = ["dimension", "metric", "quantization", "originals"];
        if !known.contains(&name.extract::<&str>().unwrap_or_default()) {
            return Err(invalid(format!(
                "a space: expected dimension, metric, quantization, originals, found {}",
                name.repr()?
            )));
        }
    }
    let Some(dimension) = parts.get_item("dimension")? else {
        return Err(invalid("a space: expected its dimension"));
    };
    let metric = parts.get_item("metric")?.map_or(Ok(Metric::Cosine), |name| metric(&name))?;
    let mut options = SpaceOptions::new(number(&dimension)?, metric);
    if let Some(name) = parts.get_item("quantization")? {
        options = options.quantization(parsed(&name)?);
    }
    Ok(match parts.get_item("originals")? {
        Some(name) => options.originals(parsed(&name)?),
        None => options,
    })
}

/// A schema from a dict.
pub(crate) fn schema(value: &Bound<'_, PyAny>) -> PyResult<Schema> {
    let json = to_json(value, "a schema", Dates::Text)?;
    Ok(Schema::from_json(&json).map_err(Failure::from)?)
}

/// A language by its name.
pub(crate) fn language(name: &str) -> PyResult<Language> {
    name.parse::<Language>().map_err(|e| invalid(e.to_string()))
}

/// A metric by its name.
pub(crate) fn metric(value: &Bound<'_, PyAny>) -> PyResult<Metric> {
    let name: Text = value.extract()?;
    name.parse::<Metric>().map_err(|e| invalid(e.to_string()))
}

/// `{"name": weight}`.
fn fields(mut options: Options, value: &Bound<'_, PyAny>) -> PyResult<Options> {
    let fields = value.cast::<PyDict>().map_err(|_| wrong_type("", "a dict of weights", value))?;
    for (name, weight) in fields {
        options = options.field(name.extract::<Text>()?, number(&weight)?);
    }
    Ok(options)
}

/// `"zstd"`, `"zstd:9"`, `"lz4"`, `"none"` or `None`.
fn compression(value: &Bound<'_, PyAny>) -> PyResult<Compression> {
    let Some(name) = value.extract::<Option<Text>>()? else { return Ok(Compression::None) };
    let refused = || invalid(format!("expected none, lz4, zstd, or zstd:1 to zstd:22, found {name:?}"));
    match &*name {
        "none" => Ok(Compression::None),
        "lz4" => Ok(Compression::Lz4),
        "zstd" => Ok(Compression::Zstd(3)),
        _ => match name.strip_prefix("zstd:").and_then(|level| level.parse().ok()) {
            Some(level @ 1..=22) => Ok(Compression::Zstd(level)),
            _ => Err(refused()),
        },
    }
}

/// `"sync"`, `"buffered"`, or the seconds that a commit may wait so that others have a part in its sync.
pub(crate) fn durability(value: &Bound<'_, PyAny>) -> PyResult<Durability> {
    if !value.is_instance_of::<PyString>() {
        return Ok(Durability::Group(seconds(value)?));
    }
    match &*value.extract::<Text>()? {
        "sync" => Ok(Durability::Sync),
        "buffered" => Ok(Durability::Buffered),
        name => Err(invalid(format!("expected sync, buffered, or seconds, found {name:?}"))),
    }
}

/// `False`, `True`, or a dict of `dead_percent`, `budget` and `quiet`.
fn compaction(value: &Bound<'_, PyAny>) -> PyResult<Option<CompactionPolicy>> {
    if let Ok(on) = value.extract::<bool>() {
        return Ok(on.then(CompactionPolicy::new));
    }
    let parts = value.cast::<PyDict>().map_err(|_| wrong_type("", "a bool or a dict", value))?;
    let mut policy = CompactionPolicy::new();
    for (name, value) in parts {
        policy = match &*name.extract::<Text>()? {
            "dead_percent" => policy.dead_percent(number(&value)?),
            "budget" => policy.budget(number(&value)?),
            "quiet" => policy.quiet(seconds(&value)?),
            name => return Err(invalid(format!("expected dead_percent, budget, quiet, found {name:?}"))),
        };
    }
    Ok(Some(policy))
}

/// A value from its name.
fn parsed<T, E>(value: &Bound<'_, PyAny>) -> PyResult<T>
where
    T: std::str::FromStr<Err = E>,
    Failure: From<E>,
{
    let name: Text = value.extract()?;
    Ok(name.parse::<T>().map_err(Failure::from)?)
}

/// A time in seconds.
pub(crate) fn seconds(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds: f64 = number(value)?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| invalid(format!("expected seconds, 0 or more, found {seconds}")))
}

fn optional_seconds(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    if value.is_none() { Ok(None) } else { seconds(value).map(Some) }
}
