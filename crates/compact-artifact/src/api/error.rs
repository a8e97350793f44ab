//! What can go wrong, as a sentence for the person who gets it: what, where, expected, found, what next.

use std::fmt;
use std::sync::Arc;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its [`kind`](Error::kind), a sentence, and its cause.
///
/// ```
/// use compact_artifact::{CompactArtifact, ErrorKind};
///
/// let error = CompactArtifact::open("no/such/artifact").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    /// The number of the change of a batch that it is about.
    change: Option<usize>,
}

/// What sort of thing went wrong: match on this, show the [`Error`] itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no artifact at this path.
    NotFound,
    /// There is an artifact, or something else, where one was to be created; or a record with this key.
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
    /// The disk, or a quota, is full.
    DiskFull,
    /// An earlier write or sync failed: this writer takes no more. Reopen the artifact to go on.
    Poisoned,
    /// An upsert of other content, or a move to another model, would lose an embedding that a record has: see [`Batch::upsert`](crate::Batch::upsert) and `reembed`.
    WouldLoseEmbedding,
    /// A record that does not exist, or was deleted.
    NoSuchRecord,
    /// A vector space that the artifact does not have.
    NoSuchSpace,
    /// A record has a text in a field that the artifact does not have; or a query or a filter that is [strict](crate::Query::strict_fields) names a field of the metadata that no record has: in the filter, or to sort, count or group by, or to come with hits.
    NoSuchField,
    /// Metadata that break the [`Schema`](crate::Schema) of the artifact.
    SchemaViolation,
    /// A vector space that was set up otherwise.
    SpaceMismatch,
    /// An option of the texts or the identity of an artifact that was created with another.
    SettingsMismatch,
    /// A vector whose number of dimensions is not that of its space.
    WrongDimension,
    /// A vector with a NaN or an infinite value, or with values that are too large or too small to be kept as numbers: see [`SpaceOptions::new`](crate::SpaceOptions::new) and [`Originals::F16`](crate::Originals::F16).
    NotFinite,
    /// A vector of zeros under the cosine metric, where it has no direction.
    ZeroVector,
    /// Texts are to be embedded or searched by meaning, and there is no model for it.
    NoModel,
    /// The model that was given is not the one that the texts of the artifact are embedded by.
    ModelMismatch,
    /// An embedder failed, or gave what is no embedding; or a model cannot be opened.
    Embedder,
    /// Content that is not what was asked for: a blob as text.
    NotText,
    /// Something larger than its limit: a key, metadata, a query, all values of a field that is sorted by or counted.
    TooLarge,
    /// Text that is not JSON as [`json`](crate::json) reads it.
    InvalidJson,
    /// A filter that cannot be: an unknown operator, or one that its value does not allow.
    InvalidFilter,
    /// A filter that compares a field with a type that none of its values has; metadata that are not what they are read as.
    TypeMismatch,
    /// A text query that cannot be read.
    InvalidQuery,
    /// An argument or option outside its limits.
    InvalidArgument,
    /// The artifact uses what this build leaves out.
    Unsupported,
    /// The call comes from a process that was forked from the one that opened the artifact.
    OtherProcess,
    /// The call comes from inside of another one that it would wait for: from the reader given to
    /// [`add_reader`](crate::CompactArtifact::add_reader), from an embedder, or from what hears of progress.
    Reentrant,
    /// Something still uses what was to be closed or destroyed: a [`BatchWriter`](crate::BatchWriter), or another handle.
    InUse,
    /// There is not enough memory for what was asked for as a whole.
    OutOfMemory,
    /// Any other failure of the operating system; see [`std::error::Error::source`].
    Io,
}

impl Error {
    /// The sort of failure: what a program decides by. Messages may change from one release to the next, kinds do not.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which change of a [`Batch`](crate::Batch) it is about, counted from 0; `None` where it is about the batch as a whole, or there is no batch. The message of any but the
    /// first begins with it, counted from 1: `change 2 of the batch: `.
    ///
    /// ```
    /// # use compact_artifact::{Batch, CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// let batch = Batch::new().add(Record::text("one")).add(Record::text("another").key(""));
    /// assert_eq!(artifact.write(batch).unwrap_err().change(), Some(1));
    /// # Ok(()) }
    /// ```
    pub fn change(&self) -> Option<usize> {
        self.0.change
    }

    /// An error without a cause.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None, change: None }))
    }

    /// An argument outside its limits.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Stored bytes that are not what was written.
    pub(crate) fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    /// A thread that an option asks for cannot be had.
    pub(crate) fn no_thread(cause: std::io::Error, what_next: &str) -> Self {
        let mut error = Self::from(cause);
        error.0.message = format!("a thread cannot be started: {}; {what_next}", error.0.message);
        error
    }

    /// The same failure, for another one who waits for it.
    pub(crate) fn duplicate(&self) -> Self {
        let Inner { kind, change, .. } = *self.0;
        let (message, source) = (self.0.message.clone(), self.0.source.clone());
        Self(Box::new(Inner { kind, message, source, change }))
    }

    /// Says before the message what it is about.
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Says which change of a batch it is about.
    pub(crate) fn in_change(mut self, number: usize) -> Self {
        if number > 0 {
            self = self.about(format_args!("change {} of the batch", number.saturating_add(1)));
        }
        self.0.change = Some(number);
        self
    }

    /// An error that says what its cause says.
    pub(crate) fn caused(kind: ErrorKind, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(Inner {
            kind,
            message: source.to_string(),
            source: Some(Arc::new(source)),
            change: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The message of the cause is already ours: what lies behind it is what is left to say.
        self.0.source.as_ref().and_then(|source| source.source())
    }
}

#[cfg(feature = "embedder")]
impl From<text_embedder::Error> for Error {
    fn from(error: text_embedder::Error) -> Self {
        Self::caused(ErrorKind::Embedder, error)
    }
}

/// Errors of the store keep their sentence, and their kind by what is at the bottom.
impl From<block_format::Error> for Error {
    fn from(error: block_format::Error) -> Self {
        Self::caused(kind_of_store(&error), error)
    }
}

fn kind_of_store(error: &block_format::Error) -> ErrorKind {
    use block_format::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => ErrorKind::NotFound,
        Kind::AlreadyExists => ErrorKind::AlreadyExists,
        Kind::NotAnArtifact => ErrorKind::NotAnArtifact,
        Kind::NewerFormat => ErrorKind::NewerFormat,
        Kind::Foreign => ErrorKind::Foreign,
        Kind::Locked => ErrorKind::Locked,
        Kind::ReadOnly => ErrorKind::ReadOnly,
        Kind::Damaged | Kind::Truncated | Kind::MissingFile => ErrorKind::Damaged,
        Kind::DiskFull => ErrorKind::DiskFull,
        Kind::Poisoned => ErrorKind::Poisoned,
        Kind::NoSuchRecord => ErrorKind::NoSuchRecord,
        Kind::InvalidArgument => ErrorKind::InvalidArgument,
        Kind::Unsupported => ErrorKind::Unsupported,
        Kind::OutOfMemory => ErrorKind::OutOfMemory,
        Kind::OtherProcess => ErrorKind::OtherProcess,
        Kind::Reentrant => ErrorKind::Reentrant,
        _ => std::error::Error::source(error).map_or(ErrorKind::Io, kind_of_cause),
    }
}

/// The kind of a failure to write or read, by what lies at its bottom: errors of all crates go through each other's writers.
fn kind_of_cause(error: &(dyn std::error::Error + 'static)) -> ErrorKind {
    use std::io::ErrorKind as Kind;
    if let Some(ours) = error.downcast_ref::<Error>() {
        return ours.kind();
    }
    if let Some(lower) = error.downcast_ref::<block_format::Error>() {
        return kind_of_store(lower);
    }
    let Some(io) = error.downcast_ref::<std::io::Error>() else {
        return error.source().map_or(ErrorKind::Io, kind_of_cause);
    };
    match (io.kind(), io.get_ref()) {
        (Kind::StorageFull | Kind::QuotaExceeded, _) => ErrorKind::DiskFull,
        (Kind::OutOfMemory, _) => ErrorKind::OutOfMemory,
        (Kind::ReadOnlyFilesystem, _) => ErrorKind::ReadOnly,
        (_, Some(inner)) => kind_of_cause(inner),
        (_, None) => ErrorKind::Io,
    }
}

/// Errors of vectors: what is wrong with an index is damage, what is wrong with a vector is the caller's.
impl From<vector_index::Error> for Error {
    fn from(error: vector_index::Error) -> Self {
        use vector_index::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::WrongDimension => ErrorKind::WrongDimension,
            Kind::NotFinite => ErrorKind::NotFinite,
            Kind::ZeroVector => ErrorKind::ZeroVector,
            Kind::OutOfMemory => ErrorKind::OutOfMemory,
            Kind::NewerFormat => ErrorKind::NewerFormat,
            Kind::NotAnIndex | Kind::Truncated | Kind::Damaged | Kind::NoSuchRow | Kind::Unaligned => {
                ErrorKind::Damaged
            }
            Kind::Io => kind_of_cause(&error),
            _ => ErrorKind::InvalidArgument,
        };
        Self::caused(kind, error)
    }
}

/// Errors of words: what is wrong with an index is damage, what is wrong with a query is the caller's.
impl From<lexical_index::Error> for Error {
    fn from(error: lexical_index::Error) -> Self {
        use lexical_index::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::NewerFormat => ErrorKind::NewerFormat,
            Kind::NotAPart | Kind::Damaged | Kind::Mismatch => ErrorKind::Damaged,
            Kind::Query | Kind::NoSuchField | Kind::NoPositions => ErrorKind::InvalidQuery,
            Kind::TooManyWords => ErrorKind::TooLarge,
            Kind::OutOfMemory => ErrorKind::OutOfMemory,
            Kind::Unsupported => ErrorKind::Unsupported,
            Kind::Io => kind_of_cause(&error),
            _ => ErrorKind::InvalidArgument,
        };
        Self::caused(kind, error)
    }
}

impl From<metadata_index::Error> for Error {
    fn from(error: metadata_index::Error) -> Self {
        use metadata_index::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::InvalidJson => ErrorKind::InvalidJson,
            Kind::InvalidFilter => ErrorKind::InvalidFilter,
            Kind::TypeMismatch => ErrorKind::TypeMismatch,
            Kind::OutOfMemory => ErrorKind::OutOfMemory,
            Kind::TooLarge => ErrorKind::TooLarge,
            Kind::NewerFormat => ErrorKind::NewerFormat,
            Kind::Damaged => ErrorKind::Damaged,
            Kind::Io => kind_of_cause(&error),
            _ => ErrorKind::InvalidArgument,
        };
        Self::caused(kind, error)
    }
}

/// A failure of what is written to, which may carry one of ours inside.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) => match error.downcast::<block_format::Error>() {
                Ok(lower) => lower.into(),
                Err(error) => Self::caused(kind_of_cause(&error), error),
            },
        }
    }
}

/// So that code which writes through [`std::io::Write`] carries the whole error inside.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::NotFound => std::io::ErrorKind::NotFound,
            ErrorKind::DiskFull => std::io::ErrorKind::StorageFull,
            ErrorKind::Damaged => std::io::ErrorKind::InvalidData,
            ErrorKind::OutOfMemory => std::io::ErrorKind::OutOfMemory,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
