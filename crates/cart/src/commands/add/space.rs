//! A vector space as far as vectors are checked against it.

use compact_artifact::{MAX_DIMENSION, Metric, Originals, Quantization, SpaceOptions};

use super::args::Args;
use crate::failure::{Failure, Result};
use crate::input::vector::wrong_dimension;

/// One that is there, or will be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    pub(super) dimension: usize,
    pub(super) metric: Metric,
    /// `None`: by default.
    pub(super) quantization: Option<Quantization>,
    pub(super) originals: Originals,
    pub(super) is_new: bool,
    pub(super) is_used: bool,
    /// Of the vectors of texts: set up as their model is, whatever is asked for new spaces.
    pub(super) is_of_model: bool,
}

impl Space {
    /// One that will be, with its codes as by default.
    pub(super) fn new(dimension: usize, metric: Metric, originals: Originals) -> Self {
        let (quantization, is_new, is_used, is_of_model) = (None, true, false, false);
        Self { dimension, metric, quantization, originals, is_new, is_used, is_of_model }
    }

    /// The one in which the texts of a new artifact are embedded.
    pub(super) fn of_texts(dimension: usize) -> Self {
        let new = Self::new(dimension, Metric::Cosine, Originals::None);
        Self { is_new: false, is_of_model: true, ..new }
    }

    /// One of an artifact.
    pub(super) fn there(space: &compact_artifact::Space) -> Self {
        let new = Self::new(space.dimension(), space.metric(), space.originals());
        let quantization = Some(space.quantization());
        Self { quantization, is_new: false, is_of_model: space.model().is_some(), ..new }
    }

    pub(super) fn options(self) -> SpaceOptions {
        let options = SpaceOptions::new(self.dimension, self.metric).originals(self.originals);
        self.quantization.map_or(options, |quantization| options.quantization(quantization))
    }

    /// Whether it takes the vector, and is set up as asked.
    pub(super) fn check_vector(
        self,
        name: &str,
        vector: &[f32],
        args: &Args,
        is_model_given: bool,
    ) -> Result<()> {
        let Self { dimension, metric, quantization, originals, is_new, is_of_model, .. } = self;
        if vector.len() != dimension {
            let failure = Failure::failed(wrong_dimension(vector.len(), name, dimension));
            if is_model_given && name == compact_artifact::MEANING {
                return Err(failure.and(
                    "`cart add` takes it with --model, which names the model that it is from, or with --no-meaning",
                ));
            }
            return Err(failure);
        }
        if dimension > MAX_DIMENSION {
            return Err(Failure::failed(format_args!(
                "a vector of {dimension} numbers in the space {name:?}; expected at most {MAX_DIMENSION}"
            )));
        }
        if dimension == 0 {
            return Err(Failure::failed(format_args!("a vector of no numbers in the space {name:?}")));
        }
        if metric == Metric::Cosine && vector.iter().all(|&value| value == 0.0) {
            let hint = "which has no direction; leave it out, or use another --metric";
            return Err(Failure::failed(format_args!("a vector of zeros in the space {name:?}, {hint}")));
        }
        if !is_new && !is_of_model && args.metric.is_some_and(|asked| asked != metric) {
            return Err(Failure::usage(format_args!(
                "--metric: the space {name:?} is there already, with {metric}"
            )));
        }
        let keeps_others = [
            ("--originals", args.originals.is_some_and(|asked| asked != originals)),
            ("--quantization", args.quantization.is_some() && args.quantization != quantization),
        ];
        if !is_new
            && !is_of_model
            && let Some((option, _)) = keeps_others.iter().find(|(_, is_other)| *is_other)
        {
            return Err(Failure::usage(format_args!(
                "{option}: the space {name:?} is there already, and was set up otherwise"
            )));
        }
        Ok(self.options().check_vector(name, vector)?)
    }
}
