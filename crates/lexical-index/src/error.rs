//! What can go wrong, as a sentence for the person who gets it.

use std::fmt;
use std::io;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its [`kind`](Error::kind) and, where there is one, its place.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    offset: Option<u64>,
    source: Option<io::Error>,
}

/// What sort of thing went wrong: match on this, show the [`Error`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not those of a lexical part.
    NotAPart,
    /// The part was written by a newer version of the format than this library reads.
    NewerFormat,
    /// Stored bytes are not the bytes that were written.
    Damaged,
    /// Parts, or a part and its reader, disagree on the analyzer, the fields or the positions.
    Mismatch,
    /// A query that cannot be understood; [`Error::offset`] points at the place in its text.
    Query,
    /// A field that the index does not have.
    NoSuchField,
    /// A query of more words than a search takes.
    TooManyWords,
    /// A phrase was asked for, or a beginning of several words, and the index keeps no positions.
    NoPositions,
    /// An argument or option outside its limits.
    InvalidArgument,
    /// This build, or this library, lacks what was asked for.
    Unsupported,
    /// The index in memory is full: write it as a part, and begin another one.
    Full,
    /// There is not enough memory for the index.
    OutOfMemory,
    /// The writer that a part was written to failed, or bytes could not be read; see [`std::error::Error::source`].
    Io,
}

impl Error {
    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The byte that the failure is about: of the part, or of the text of the query.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), offset: None, source: None }))
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    /// Bytes that could not be verified.
    pub(crate) fn not_verified(why: &wire::NotVerified) -> Self {
        let Some(failed) = wire::failed_read(why) else { return Self::damaged(why.to_string()) };
        let mut error = Self::new(ErrorKind::Io, why.to_string());
        error.0.source = Some(failed);
        error
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// There is no memory for what was asked for.
    pub(crate) fn out_of_memory(what: &str) -> Self {
        Self::new(ErrorKind::OutOfMemory, format!("there is no memory for {what}"))
    }

    pub(crate) fn query(message: impl Into<String>, offset: usize) -> Self {
        Self::new(ErrorKind::Query, message).at(offset)
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.0.offset = Some(offset as u64);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(offset) = self.0.offset {
            write!(f, "at byte {offset}: ")?;
        }
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
        let kind = match source.kind() {
            io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Io,
        };
        let mut error = Self::new(kind, format!("writing a part failed: {source}"));
        error.0.source = Some(source);
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_gets_no_memory_is_no_failure_of_the_medium() {
        let kind = |kind: io::ErrorKind| Error::from(io::Error::from(kind)).kind();
        assert_eq!(kind(io::ErrorKind::OutOfMemory), ErrorKind::OutOfMemory);
        assert_eq!(kind(io::ErrorKind::StorageFull), ErrorKind::Io);
    }
}
