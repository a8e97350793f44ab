//! What cannot become a row, or a record.

use std::fmt;

use arrow_schema::ArrowError;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What cannot become a row, or a record.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A column that cannot be what it is taken for, or is missing.
    Column {
        /// Its name.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// A value, or a row as a whole.
    Row {
        /// Its number, from 0.
        row: u64,
        /// The name of its column.
        column: Option<String>,
        /// What is wrong with it.
        message: String,
    },
    /// The artifact that records are read from.
    Artifact(compact_artifact::Error),
    /// Arrow.
    Arrow(ArrowError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column { name, message } => write!(f, "column {name:?}: {message}"),
            Self::Row { row, column: None, message } => write!(f, "row {row}: {message}"),
            Self::Row { row, column: Some(column), message } => {
                write!(f, "row {row}, column {column:?}: {message}")
            }
            Self::Artifact(e) => write!(f, "{e}"),
            Self::Arrow(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Artifact(e) => Some(e),
            Self::Arrow(e) => Some(e),
            Self::Column { .. } | Self::Row { .. } => None,
        }
    }
}

impl From<compact_artifact::Error> for Error {
    fn from(error: compact_artifact::Error) -> Self {
        Self::Artifact(error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

pub(crate) fn column(name: &str, message: impl Into<String>) -> Error {
    Error::Column { name: name.to_owned(), message: message.into() }
}
