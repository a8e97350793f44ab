//! What can go wrong, as a sentence: what, where, expected, found.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its [`kind`](Error::kind) and a sentence that says what was expected and what was found.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What sort of thing went wrong: match on this, show the [`Error`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is nothing at this path, or a folder has none of the files of a model.
    NotFound,
    /// The file, or the bytes, are not those of a model.
    NotAModel,
    /// Some of the files or tensors of a model are missing.
    Incomplete,
    /// A file of the model breaks the rules of its format, or its values contradict each other.
    InvalidModel,
    /// The model is sound, but works in a way that this library does not know.
    Unsupported,
    /// The model was written by a newer version of the format than this library reads.
    NewerFormat,
    /// The bytes end before the model does.
    Truncated,
    /// Stored bytes are not those that were written.
    Damaged,
    /// A file, a text or a count is larger than a documented limit.
    TooLarge,
    /// An argument outside its limits.
    InvalidArgument,
    /// The operating system refused to read a file; see [`std::error::Error::source`].
    Io,
    /// An embedder of another crate failed; see [`std::error::Error::source`].
    Other,
}

impl Error {
    /// An error of an embedder that another crate implements.
    pub fn other(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source: Box<dyn std::error::Error + Send + Sync> = source.into();
        let message = format!("the embedder failed: {source}");
        Self { source: Some(source.into()), ..Self::new(ErrorKind::Other, message) }
    }

    /// The sort of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidModel, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    pub(crate) fn io(source: std::io::Error, path: &Path) -> Self {
        let kind = if is_absence(&source) { ErrorKind::NotFound } else { ErrorKind::Io };
        let message = format!("reading {} failed: {source}", path.display());
        Self { source: Some(Arc::new(source)), ..Self::new(kind, message) }
    }

    /// An error with its cause, whose sentence ends with that of the cause.
    #[cfg(feature = "onnx")]
    pub(crate) fn caused(
        kind: ErrorKind,
        what: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        let message = format!("{what}: {source}");
        Self { source: Some(Arc::new(source)), ..Self::new(kind, message) }
    }

    /// The same error, whose sentence begins with the file that it is about.
    pub(crate) fn in_file(self, name: &str) -> Self {
        Self { message: format!("{name}: {}", self.message), ..self }
    }
}

/// Whether a call failed because there is nothing at a path.
pub(crate) fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
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
