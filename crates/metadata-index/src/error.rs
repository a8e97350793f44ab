//! What can go wrong, as a sentence: what, where, expected, found.

use std::fmt;
use std::io;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its [`kind`](Error::kind) and a sentence that says what was expected and what was found.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    /// Why the writer or the reader failed.
    source: Option<io::Error>,
}

/// What sort of thing went wrong: match on this, show the [`Error`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Text that is not JSON as [`json`](crate::json) reads it.
    InvalidJson,
    /// A filter that no metadata can be tested with: an unknown operator, or one that its value does not allow.
    InvalidFilter,
    /// A filter that compares a field with a type that none of the field's values has.
    TypeMismatch,
    /// Something larger than its limit: the depth of metadata, the path of a field, an index, a [`Column`](crate::Column).
    TooLarge,
    /// An argument outside its limits: a number in metadata that has no 64-bit form.
    InvalidArgument,
    /// The index was written by a newer version of the format than this library reads.
    NewerFormat,
    /// Stored bytes are not the bytes that were written.
    Damaged,
    /// There is not enough memory for the index.
    OutOfMemory,
    /// The writer that was handed in failed, or bytes could not be read; see [`std::error::Error::source`].
    Io,
}

impl Error {
    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    pub(crate) fn invalid_filter(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidFilter, format!("filter: {message}"))
    }

    pub(crate) fn damaged(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Damaged, format!("index of metadata: {message}"))
    }

    /// Bytes that could not be verified.
    pub(crate) fn not_verified(why: wire::NotVerified) -> Self {
        let Some(failed) = wire::failed_read(&why) else { return Self::damaged(why) };
        let mut error = Self::new(ErrorKind::Io, format!("index of metadata: {why}"));
        error.0.source = Some(failed);
        error
    }

    /// Says before the message what it is about.
    pub(crate) fn about(mut self, subject: &str) -> Self {
        self.0.message = format!("{subject}: {}", self.0.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        let mut error = Self::new(ErrorKind::Io, format!("writing an index of metadata failed: {source}"));
        error.0.source = Some(source);
        error
    }
}
