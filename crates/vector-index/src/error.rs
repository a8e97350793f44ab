//! What can go wrong, as a sentence: what, where, expected, found.

use std::fmt;
use std::sync::Arc;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its [`kind`](Error::kind) and a sentence that says what was expected and what was found.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    /// Why the writer or the reader failed.
    source: Option<Arc<std::io::Error>>,
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.message) == (other.kind, &other.message)
    }
}

impl Eq for Error {}

/// What sort of thing went wrong: match on this, show the [`Error`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A vector whose number of dimensions is not that of the index.
    WrongDimension,
    /// A vector with a NaN or an infinite value, or one too large, or too small and not zeros, to be squared in 32-bit floating point.
    NotFinite,
    /// A vector of zeros under [`Metric::Cosine`](crate::Metric::Cosine), where it has no direction.
    ZeroVector,
    /// A row that was given twice.
    DuplicateRow,
    /// A row that has no vector here.
    NoSuchRow,
    /// An argument or option outside its limits.
    InvalidArgument,
    /// The bytes are not those of an index.
    NotAnIndex,
    /// The index was written by a newer version of the format than this library reads.
    NewerFormat,
    /// The bytes end before the index does.
    Truncated,
    /// Stored bytes are not those that were written.
    Damaged,
    /// The bytes do not lie on a multiple of four in memory.
    Unaligned,
    /// The caller's progress callback said stop.
    Cancelled,
    /// There is no memory for an index of so many vectors.
    OutOfMemory,
    /// The writer that was handed in failed, or bytes could not be read; see [`std::error::Error::source`].
    Io,
}

impl Error {
    /// The sort of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Bytes that could not be verified.
    pub(crate) fn not_verified(why: &wire::NotVerified) -> Self {
        match wire::failed_read(why) {
            Some(failed) => {
                Self { source: Some(Arc::new(failed)), ..Self::new(ErrorKind::Io, why.to_string()) }
            }
            None => Self::damaged(why.to_string()),
        }
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let message = format!("writing the index failed: {error}");
        Self { source: Some(Arc::new(error)), ..Self::new(ErrorKind::Io, message) }
    }
}
