//! What an artifact is set up to, and keeps: vector spaces, and how texts are cut into words.

use std::sync::Arc;

use lexical_index::Analyzer;
use serde::{Deserialize, Serialize};
use vector_index::{Int8Quantizer, Metric};

use crate::error::{Error, ErrorKind, Result};
use crate::json;

/// What is kept of the vectors of a space beside their codes, to order the best results by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Originals {
    /// Nothing: a byte a dimension in all.
    #[default]
    None,
    /// 16-bit floating point: two bytes a dimension more. Each value is kept to within 2^-11 of itself, or of 2^-14 if it is smaller. A vector whose
    /// largest value is not in 2^-14 to 65,504 is refused; under cosine, where only its direction counts, it is kept multiplied by a power of two.
    F16,
    /// The vectors as they were: four bytes a dimension more.
    F32,
}

/// How vectors are compared in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Quantization {
    /// By codes of a byte a dimension, scaled by the largest value of each vector.
    #[default]
    Int8,
}

/// What a vector space is: one dimension, one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SpaceOptions {
    pub(crate) dimension: usize,
    pub(crate) metric: Metric,
    pub(crate) quantization: Quantization,
    pub(crate) originals: Originals,
}

impl SpaceOptions {
    /// Vectors of 1 to 65,536 dimensions.
    pub fn new(dimension: usize, metric: Metric) -> Self {
        Self { dimension, metric, quantization: Quantization::Int8, originals: Originals::None }
    }

    /// How vectors are compared in the index. Default, and for now the only one: `Int8`.
    pub fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = quantization;
        self
    }

    /// What is kept beside the codes. Default: nothing.
    pub fn originals(mut self, originals: Originals) -> Self {
        self.originals = originals;
        self
    }

    pub(crate) fn check(&self, name: &str) -> Result<()> {
        if name.is_empty() || name.len() > MAX_NAME {
            let message =
                format!("the name of a vector space: expected 1 to {MAX_NAME} bytes, found {}", name.len());
            return Err(Error::invalid(message));
        }
        Int8Quantizer::new(self.metric, self.dimension)
            .map(drop)
            .map_err(|e| Error::from(e).about(format_args!("vector space {name:?}")))
    }
}

/// A vector space of an artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    pub(crate) name: String,
    pub(crate) options: SpaceOptions,
    pub(crate) quantizer: Int8Quantizer,
}

impl Space {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of dimensions of its vectors.
    pub fn dimension(&self) -> usize {
        self.options.dimension
    }

    /// How its vectors are compared.
    pub fn metric(&self) -> Metric {
        self.options.metric
    }

    /// What is kept beside the codes.
    pub fn originals(&self) -> Originals {
        self.options.originals
    }

    pub(crate) fn new(name: &str, options: SpaceOptions) -> Result<Self> {
        options.check(name)?;
        let quantizer = Int8Quantizer::new(options.metric, options.dimension)?;
        Ok(Self { name: name.to_owned(), options, quantizer })
    }
}

/// The longest name of a vector space in bytes.
const MAX_NAME: usize = 255;
/// The most vector spaces of an artifact.
pub(crate) const MAX_SPACES: usize = 1024;

/// Everything that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) spaces: Vec<Space>,
    pub(crate) analyzer: Arc<Analyzer>,
}

/// As JSON, so that a later version can add to it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    analyzer: [u8; 8],
    spaces: Vec<StoredSpace>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSpace {
    name: String,
    dimension: usize,
    metric: String,
    quantization: Quantization,
    originals: Originals,
}

const VERSION: u32 = 1;

const METRICS: [(Metric, &str); 3] = [(Metric::Cosine, "cosine"), (Metric::Dot, "dot"), (Metric::L2, "l2")];

/// The name of a metric, as it is written in settings and on command lines.
pub fn metric_name(metric: Metric) -> &'static str {
    METRICS.iter().find(|(known, _)| *known == metric).map_or("cosine", |(_, name)| name)
}

/// The metric of a name: `cosine`, `dot` or `l2`.
pub fn metric_of_name(name: &str) -> Option<Metric> {
    METRICS.iter().find(|(_, known)| *known == name).map(|(metric, _)| *metric)
}

impl Settings {
    pub(crate) fn new(analyzer: Analyzer) -> Self {
        Self { spaces: Vec::new(), analyzer: Arc::new(analyzer) }
    }

    /// These settings, and the spaces that they do not have yet.
    pub(crate) fn with_spaces(mut self, spaces: &[(String, SpaceOptions)]) -> Result<Self> {
        for (name, options) in spaces {
            let known = self.spaces.iter().find(|space| space.name == *name);
            match known {
                Some(known) if known.options == *options => {}
                Some(known) => {
                    let message = format!(
                        "vector space {name:?} was set up as {}, and is opened as {}",
                        described(&known.options),
                        described(options)
                    );
                    return Err(Error::new(ErrorKind::SpaceMismatch, message));
                }
                None if self.spaces.len() == MAX_SPACES => {
                    return Err(Error::invalid(format!("expected at most {MAX_SPACES} vector spaces")));
                }
                None => self.spaces.push(Space::new(name, *options)?),
            }
        }
        Ok(self)
    }

    /// The number and the description of a space.
    pub(crate) fn space(&self, name: &str) -> Result<(usize, &Space)> {
        self.spaces.iter().enumerate().find(|(_, space)| space.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.spaces.iter().map(Space::name).collect();
            let message = format!(
                "there is no vector space {name:?}; the artifact has {names:?}. Name it in `options().space(…)`"
            );
            Error::new(ErrorKind::NoSuchSpace, message)
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let spaces = self.spaces.iter().map(|space| StoredSpace {
            name: space.name.clone(),
            dimension: space.options.dimension,
            metric: metric_name(space.options.metric).to_owned(),
            quantization: space.options.quantization,
            originals: space.options.originals,
        });
        let stored =
            Stored { version: VERSION, analyzer: self.analyzer.identity(), spaces: spaces.collect() };
        // Strings and integers of 64 bits: nothing that JSON could refuse.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let fault = |e: Error| Error::damaged(format!("settings of the artifact: {e}"));
        let Version { version } = json::read(bytes).map_err(fault)?;
        if version > VERSION {
            let message = format!("settings of version {version}; this library reads up to {VERSION}");
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let stored: Stored = json::read(bytes).map_err(fault)?;
        let mut spaces: Vec<(String, SpaceOptions)> = Vec::new();
        for space in stored.spaces {
            let metric = metric_of_name(&space.metric).ok_or_else(|| {
                let message = format!("the metric {:?} of a vector space is not known", space.metric);
                Error::new(ErrorKind::Unsupported, message)
            })?;
            let options = SpaceOptions {
                originals: space.originals,
                quantization: space.quantization,
                ..SpaceOptions::new(space.dimension, metric)
            };
            if spaces.iter().any(|(name, _)| *name == space.name) {
                return Err(fault(Error::invalid(format!("the vector space {:?} stands twice", space.name))));
            }
            spaces.push((space.name, options));
        }
        // Checked as when they were set up.
        Self::new(Analyzer::from_identity(stored.analyzer)?).with_spaces(&spaces).map_err(fault)
    }
}

fn described(options: &SpaceOptions) -> String {
    format!(
        "{} dimensions, {}, originals {:?}",
        options.dimension,
        metric_name(options.metric),
        options.originals
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_an_analyzer_of_another_version_are_refused_and_told_what_to_do() {
        let stored =
            |version: u8| format!(r#"{{"version":1,"analyzer":[{version},1,0,0,0,0,0,0],"spaces":[]}}"#);
        let identity = Analyzer::new().fold_diacritics(true).identity();
        assert!(Settings::decode(stored(identity[0]).as_bytes()).is_ok());
        let refused = |version| Settings::decode(stored(version).as_bytes()).err().unwrap();
        let older = refused(identity[0] - 1);
        assert_eq!(older.kind(), ErrorKind::Unsupported);
        assert!(older.to_string().contains("export them with the release that wrote them"), "{older}");
        assert_eq!(refused(identity[0] + 1).kind(), ErrorKind::NewerFormat);
    }
}
