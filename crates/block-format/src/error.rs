//! Errors, each as a sentence for the person who gets it: what, where, expected, found, what next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its [`kind`](Error::kind), its place and its cause.
///
/// The text says what was found where, what was expected, and what to do about it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    offset: Option<u64>,
    source: Option<io::Error>,
}

/// The sort of failure: match on this, show the [`Error`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no artifact at this path.
    NotFound,
    /// There is an artifact, or something else, where one was to be created.
    AlreadyExists,
    /// The bytes are not those of an artifact.
    NotAnArtifact,
    /// The artifact was written by a newer version of the format than this library reads.
    NewerFormat,
    /// A file belongs to another artifact, or to another place in this one.
    Foreign,
    /// Another writer, in this process or another one, has the artifact open.
    Locked,
    /// The artifact was opened, or lies on a medium, that cannot be written to.
    ReadOnly,
    /// Stored bytes are not the bytes that were written.
    Damaged,
    /// A file is shorter than what was made durable in it.
    Truncated,
    /// A file that the artifact is made of is gone.
    MissingFile,
    /// The disk, or a quota, is full.
    DiskFull,
    /// An earlier write or sync failed: this writer takes no more. Reopen the artifact to go on.
    Poisoned,
    /// A record id that was never given out.
    NoSuchRecord,
    /// An argument or option outside its limits.
    InvalidArgument,
    /// The artifact uses a codec or feature that this build leaves out.
    Unsupported,
    /// The call comes from a process that was forked from the one that opened the artifact.
    OtherProcess,
    /// The call comes from inside of another one that it would wait for: from a reader whose content is being added, or from the closure of an edit.
    Reentrant,
    /// There is not enough memory for what was asked for as a whole.
    OutOfMemory,
    /// Any other failure of the operating system, or of the [`RangeSource`](crate::RangeSource) of a pack, whose bytes failed to come or do not hold; see
    /// [`std::error::Error::source`].
    Io,
}

impl Error {
    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file or directory that the failure is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The offset in that file in bytes, where there is one.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), path: None, offset: None, source: None }))
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// There is something else than what was open.
    pub(crate) fn another_artifact(root: &Path) -> Self {
        let message = "another artifact, or a copy, is in the place of the one that was opened; open it anew";
        Self::new(ErrorKind::Foreign, message).at(root)
    }

    /// There is no memory for `len` bytes of `what`.
    pub(crate) fn out_of_memory(what: &str, len: u64) -> Self {
        let message = format!("there is no memory for {len} {what}");
        Self::new(ErrorKind::OutOfMemory, message)
    }

    /// A failed call of the operating system while doing `what`, or an error of this crate that went through [`io::Write`].
    pub(crate) fn io(source: io::Error, what: &str, path: &Path) -> Self {
        let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
        let kind = match (inner, source.kind()) {
            (Some(inner), _) => inner.kind(),
            (_, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => ErrorKind::DiskFull,
            (_, io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => ErrorKind::ReadOnly,
            (_, io::ErrorKind::OutOfMemory) => ErrorKind::OutOfMemory,
            _ => ErrorKind::Io,
        };
        let next = match kind {
            ErrorKind::DiskFull => {
                "; free some space, and open the artifact again if it takes no more writes then"
            }
            ErrorKind::ReadOnly if what.starts_with("creating") => {
                "; change the permissions, or choose another place"
            }
            ErrorKind::ReadOnly => "; open it read-only, or change the permissions",
            _ => "",
        };
        let mut error = Self::new(kind, format!("{what} failed: {source}{next}")).at(path);
        error.0.source = Some(source);
        error
    }

    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    pub(crate) fn at_offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// Whether a call of the operating system failed, or there was no memory, rather than that bytes were read and do not hold.
    pub(crate) fn is_io(&self) -> bool {
        self.0.source.is_some() || self.0.kind == ErrorKind::OutOfMemory
    }

    /// The same, of a file that is what it should be no more, whatever is there in its place.
    pub(crate) fn into_damage(mut self) -> Self {
        if matches!(self.0.kind, ErrorKind::NotAnArtifact | ErrorKind::Foreign) {
            self.0.kind = ErrorKind::Damaged;
        }
        self
    }

    /// The same error for the next caller. Only for bytes that do not hold: the error of the operating system is left out.
    pub(crate) fn duplicate(&self) -> Self {
        let Inner { kind, message, path, offset, source: _ } = &*self.0;
        let (kind, message, path, offset) = (*kind, message.clone(), path.clone(), *offset);
        Self(Box::new(Inner { kind, message, path, offset, source: None }))
    }

    /// The same, of bytes that were fetched from far away: a failure to read.
    pub(crate) fn of_fetched_bytes(mut self) -> Self {
        self.0.message = format!("bytes that were fetched do not hold: {}; read them again", self.0.message);
        self.0.source = Some(io::Error::new(io::ErrorKind::InvalidData, self.0.message.clone()));
        self.0.kind = ErrorKind::Io;
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.0.path {
            write!(f, "{}: ", path.display())?;
        }
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

/// So that content readers, which speak [`io::Read`], carry the whole error inside.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound | ErrorKind::MissingFile => io::ErrorKind::NotFound,
            ErrorKind::DiskFull => io::ErrorKind::StorageFull,
            ErrorKind::Damaged | ErrorKind::Truncated => io::ErrorKind::InvalidData,
            ErrorKind::OutOfMemory => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
