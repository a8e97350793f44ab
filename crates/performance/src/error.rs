//! What goes wrong.

use std::fmt;

/// An error of a measurement: the artifact's own, or one of this crate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The artifact could not be opened, searched or written.
    Artifact(compact_artifact::Error),
    /// The measurement asks for what cannot be.
    Invalid(String),
    /// The artifact has nothing to measure with.
    NothingToMeasure(String),
    /// A scratch folder could not be made, or a report not be read.
    Other(String),
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact(e) => e.fmt(f),
            Self::Invalid(message) | Self::NothingToMeasure(message) | Self::Other(message) => {
                f.write_str(message)
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Artifact(e) => Some(e),
            _ => None,
        }
    }
}

impl From<compact_artifact::Error> for Error {
    fn from(e: compact_artifact::Error) -> Self {
        Self::Artifact(e)
    }
}
