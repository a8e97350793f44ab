//! Vector spaces: one dimension, one metric, and what is kept of each vector.

use std::fmt;

use serde::{Deserialize, Serialize};
use vector_index::{Int8Quantizer, Metric};

use crate::api::error::{Error, Result};
use crate::api::names::names;

/// What is kept of the vectors of a space beside their codes, to order the best results by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Originals {
    /// Nothing: a byte a dimension in all.
    None,
    /// What the codes leave out, in two bits: 16 bytes more for every 64 dimensions, of which the last may be fewer. Each value is kept to within a 1,016th of the largest of its vector, where
    /// codes alone keep it to within a 254th; where vectors are rotated, that is so of the values of the rotated one. Under cosine only the direction is kept, as it is without originals: what is read back has length 1, and the bounds are
    /// those of some multiple of it. Of the vector at length 1, a value is kept to within 1 + √dimension such parts.
    #[default]
    Residual,
    /// 16-bit floating point: two bytes a dimension more. Each value is kept to within 2^-11 of itself, or of 2^-14 if it is smaller. A vector whose
    /// largest value is not in 2^-14 to 65,504 is refused; under cosine, where only its direction counts, it is kept multiplied by a power of two.
    F16,
    /// The vectors as they were: four bytes a dimension more.
    F32,
}

/// How vectors are compared in the index. What a space has that is not said follows from its dimension: see [`SpaceOptions::quantization`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Quantization {
    /// By codes of a byte a dimension, scaled by the largest value of each vector.
    #[default]
    Int8,
    /// The same of vectors that were rotated, always in the same way, so that a few large dimensions come to lie in all and leave more steps to the others. What is
    /// read back and has no original in floating point was rotated back, which rounds even what is exact in codes, by less than 1e-5 of the length of the vector.
    #[serde(rename = "rotated-int8")]
    RotatedInt8,
}

/// Beyond so many dimensions vectors are rotated by default: below, a rotation has little to even out.
const ROTATED_BEYOND: usize = 64;

names!(Originals, "originals", None => "none", Residual => "residual", F16 => "f16", F32 => "f32");
names!(Quantization, "quantization", Int8 => "int8", RotatedInt8 => "rotated-int8");

/// What a vector space is: one dimension, one metric.
///
/// ```
/// use compact_artifact::{Metric, Originals, SpaceOptions};
///
/// let space = SpaceOptions::new(384, Metric::Cosine).originals(Originals::F16);
/// # let _ = space;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SpaceOptions {
    pub(crate) dimension: usize,
    pub(crate) metric: Metric,
    /// `None`: nothing was said.
    pub(crate) quantization: Option<Quantization>,
    /// `None`: nothing was said.
    pub(crate) originals: Option<Originals>,
}

impl SpaceOptions {
    /// Vectors of 1 to 65,536 dimensions. Under cosine they have any length but 0. Other metrics square values in 32 bits: under them a vector is at
    /// most 1e17 long, and its largest value is 0, or at least 1e-17.
    pub fn new(dimension: usize, metric: Metric) -> Self {
        Self { dimension, metric, quantization: None, originals: None }
    }

    /// How vectors are compared in the index. Unless this is said, vectors of more than 64 dimensions are rotated (`RotatedInt8`) and others are not (`Int8`); a space that is there already stays
    /// as it is.
    pub fn quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = Some(quantization);
        self
    }

    /// The quantization, by default where nothing was said.
    pub(crate) fn chosen_quantization(&self) -> Quantization {
        let by_default =
            if self.dimension > ROTATED_BEYOND { Quantization::RotatedInt8 } else { Quantization::Int8 };
        self.quantization.unwrap_or(by_default)
    }

    /// What is kept beside the codes. Default: `Residual`, or what a space keeps that is there already.
    pub fn originals(mut self, originals: Originals) -> Self {
        self.originals = Some(originals);
        self
    }

    /// Of vectors that a model makes of texts: what these mean is not known so exactly that more than codes would find more. Embeddings that are kept for texts that come again have codes alone, too.
    #[cfg(feature = "embedder")]
    pub(crate) fn of_texts(dimension: usize) -> Self {
        Self::new(dimension, Metric::Cosine).originals(Originals::None)
    }

    pub(crate) fn check(&self, name: &str) -> Result<()> {
        if name.is_empty() || name.len() > MAX_SPACE_NAME_LEN {
            let message = format!(
                "the name of a vector space: expected 1 to {MAX_SPACE_NAME_LEN} bytes, found {}",
                name.len()
            );
            return Err(Error::invalid(message));
        }
        Int8Quantizer::new(self.metric, self.dimension)
            .map(drop)
            .map_err(|e| Error::from(e).about(format_args!("vector space {name:?}")))
    }
}

/// The name of the vector space that texts are embedded in: see `Options::embedder`.
pub const MEANING: &str = "meaning";

/// A vector space of an artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    pub(crate) name: String,
    pub(crate) options: SpaceOptions,
    pub(crate) quantizer: Int8Quantizer,
    /// What texts are embedded by, if the artifact does that.
    pub(crate) model: Option<SpaceModel>,
    pub(crate) stage: Stage,
}

/// Where a space is on the way from one model to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// Searched.
    #[default]
    Current,
    /// Its vectors are being made. It takes the place of the current one when it has them.
    Filling,
    /// Its vectors are left out when indexes are written anew.
    Dropped,
}

/// The model that the vectors of a space are made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceModel {
    pub(crate) id: String,
    pub(crate) hash: [u8; 16],
}

impl SpaceModel {
    /// Its name, as the model gives it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A hash of everything that decides what vectors it gives.
    pub fn hash(&self) -> [u8; 16] {
        self.hash
    }

    #[cfg(feature = "embedder")]
    pub(crate) fn from_embedder(embedder: &dyn text_embedder::Embedder) -> Self {
        Self { id: embedder.id().to_owned(), hash: embedder.hash().0 }
    }

    /// Whether it is the model of an embedder.
    #[cfg(feature = "embedder")]
    pub(crate) fn is_of(&self, embedder: &dyn text_embedder::Embedder) -> bool {
        self.hash == embedder.hash().0 && self.id == embedder.id()
    }
}

impl fmt::Display for SpaceModel {
    /// The name, and the beginning of the hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (", self.id)?;
        self.hash[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
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
        self.options.originals.unwrap_or_default()
    }

    /// How its vectors are compared in the index.
    pub fn quantization(&self) -> Quantization {
        self.options.chosen_quantization()
    }

    /// The model that texts are embedded by in it; `None` in a space whose vectors are given.
    pub fn model(&self) -> Option<&SpaceModel> {
        self.model.as_ref()
    }

    pub(crate) fn new(name: &str, options: SpaceOptions) -> Result<Self> {
        options.check(name)?;
        let options = options
            .originals(options.originals.unwrap_or_default())
            .quantization(options.chosen_quantization());
        let plain = Int8Quantizer::new(options.metric, options.dimension)?;
        let quantizer = match options.chosen_quantization() {
            Quantization::Int8 => plain,
            Quantization::RotatedInt8 => plain.rotated()?,
        };
        Ok(Self { name: name.to_owned(), options, quantizer, model: None, stage: Stage::Current })
    }
}

/// The longest name of a vector space in bytes.
pub const MAX_SPACE_NAME_LEN: usize = 255;
