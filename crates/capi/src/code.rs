//! What calls return: a number for each kind of failure, and a sentence.
#![expect(non_camel_case_types, reason = "the names of C")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::{Error, ErrorKind};

/// What a call returns. The numbers stay: later versions of the library may have more of them.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ca_code {
    /// It did what it was asked to.
    CA_OK = 0,
    /// There is no artifact at this path.
    CA_NOT_FOUND = 1,
    /// There is something where an artifact was to be created, or a record with this key.
    CA_ALREADY_EXISTS = 2,
    /// The bytes are not those of an artifact.
    CA_NOT_AN_ARTIFACT = 3,
    /// The artifact was written by a newer version of the format than this library reads.
    CA_NEWER_FORMAT = 4,
    /// A file belongs to another artifact, or to another place in this one.
    CA_FOREIGN = 5,
    /// Another writer, in this process or another one, has the artifact open.
    CA_LOCKED = 6,
    /// The artifact was opened, or lies on a medium, that cannot be written to.
    CA_READ_ONLY = 7,
    /// Stored bytes are not the bytes that were written.
    CA_DAMAGED = 8,
    /// The disk, or a quota, is full.
    CA_DISK_FULL = 9,
    /// An earlier write or sync failed: this handle takes no more. Open the artifact anew to go on.
    CA_POISONED = 10,
    /// An upsert of other content, or a move to another model, would lose an embedding that a record has.
    CA_WOULD_LOSE_EMBEDDING = 11,
    /// A record that does not exist, or was deleted.
    CA_NO_SUCH_RECORD = 12,
    /// A vector space that the artifact does not have.
    CA_NO_SUCH_SPACE = 13,
    /// A field of texts that the artifact does not have; or one of the metadata that no record has, where the query has `strict_fields` or the filter `$strict`.
    CA_NO_SUCH_FIELD = 14,
    /// A vector space that was set up otherwise.
    CA_SPACE_MISMATCH = 15,
    /// An option of an artifact that was created with another.
    CA_SETTINGS_MISMATCH = 16,
    /// A vector whose number of dimensions is not that of its space.
    CA_WRONG_DIMENSION = 17,
    /// A vector with a NaN, an infinite value, or values that are too large or too small to be kept.
    CA_NOT_FINITE = 18,
    /// A vector of zeros under the cosine metric.
    CA_ZERO_VECTOR = 19,
    /// Texts are to be embedded or searched by meaning, and there is no model for it.
    CA_NO_MODEL = 20,
    /// The model that was given is not the one that the texts of the artifact are embedded by.
    CA_MODEL_MISMATCH = 21,
    /// A model cannot be opened, or failed.
    CA_EMBEDDER = 22,
    /// A blob was asked for as a text.
    CA_NOT_TEXT = 23,
    /// Something larger than its limit: a key, metadata, a query.
    CA_TOO_LARGE = 24,
    /// Text that is not JSON.
    CA_INVALID_JSON = 25,
    /// A filter that cannot be.
    CA_INVALID_FILTER = 26,
    /// A filter that compares a field with a type that none of its values has.
    CA_TYPE_MISMATCH = 27,
    /// A text query that cannot be read.
    CA_INVALID_QUERY = 28,
    /// An argument or option outside its limits.
    CA_INVALID_ARGUMENT = 29,
    /// The artifact, or the call, uses what this build of the library leaves out, or a newer version of it has.
    CA_UNSUPPORTED = 30,
    /// The call comes from a process that was forked from the one that opened the artifact.
    CA_OTHER_PROCESS = 31,
    /// The call comes from inside of another one that it would wait for.
    CA_REENTRANT = 32,
    /// Another thread is in a call with the artifact that was to be closed.
    CA_IN_USE = 33,
    /// There is not enough memory for what was asked for as a whole.
    CA_OUT_OF_MEMORY = 34,
    /// Any other failure of the operating system.
    CA_IO = 35,
    /// Metadata that break the schema of the artifact.
    CA_SCHEMA_VIOLATION = 36,

    /// A pointer that must not be NULL is NULL, or does not have the alignment of its type.
    CA_BAD_POINTER = 100,
    /// A handle that was freed, or is of another kind.
    CA_BAD_HANDLE = 101,
    /// A text that is not UTF-8.
    CA_INVALID_UTF8 = 102,
    /// The place for the answer is too small; how large it must be was written.
    CA_BUFFER_TOO_SMALL = 103,
    /// A mistake of the library. Free the handle, and open the artifact anew.
    CA_PANIC = 104,
    /// A failure that this version has no number for.
    CA_OTHER = 105,
}

impl From<ErrorKind> for ca_code {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::CA_NOT_FOUND,
            ErrorKind::AlreadyExists => Self::CA_ALREADY_EXISTS,
            ErrorKind::NotAnArtifact => Self::CA_NOT_AN_ARTIFACT,
            ErrorKind::NewerFormat => Self::CA_NEWER_FORMAT,
            ErrorKind::Foreign => Self::CA_FOREIGN,
            ErrorKind::Locked => Self::CA_LOCKED,
            ErrorKind::ReadOnly => Self::CA_READ_ONLY,
            ErrorKind::Damaged => Self::CA_DAMAGED,
            ErrorKind::DiskFull => Self::CA_DISK_FULL,
            ErrorKind::Poisoned => Self::CA_POISONED,
            ErrorKind::WouldLoseEmbedding => Self::CA_WOULD_LOSE_EMBEDDING,
            ErrorKind::NoSuchRecord => Self::CA_NO_SUCH_RECORD,
            ErrorKind::NoSuchSpace => Self::CA_NO_SUCH_SPACE,
            ErrorKind::NoSuchField => Self::CA_NO_SUCH_FIELD,
            ErrorKind::SpaceMismatch => Self::CA_SPACE_MISMATCH,
            ErrorKind::SettingsMismatch => Self::CA_SETTINGS_MISMATCH,
            ErrorKind::WrongDimension => Self::CA_WRONG_DIMENSION,
            ErrorKind::NotFinite => Self::CA_NOT_FINITE,
            ErrorKind::ZeroVector => Self::CA_ZERO_VECTOR,
            ErrorKind::NoModel => Self::CA_NO_MODEL,
            ErrorKind::ModelMismatch => Self::CA_MODEL_MISMATCH,
            ErrorKind::Embedder => Self::CA_EMBEDDER,
            ErrorKind::NotText => Self::CA_NOT_TEXT,
            ErrorKind::TooLarge => Self::CA_TOO_LARGE,
            ErrorKind::InvalidJson => Self::CA_INVALID_JSON,
            ErrorKind::InvalidFilter => Self::CA_INVALID_FILTER,
            ErrorKind::TypeMismatch => Self::CA_TYPE_MISMATCH,
            ErrorKind::InvalidQuery => Self::CA_INVALID_QUERY,
            ErrorKind::InvalidArgument => Self::CA_INVALID_ARGUMENT,
            ErrorKind::Unsupported => Self::CA_UNSUPPORTED,
            ErrorKind::OtherProcess => Self::CA_OTHER_PROCESS,
            ErrorKind::Reentrant => Self::CA_REENTRANT,
            ErrorKind::InUse => Self::CA_IN_USE,
            ErrorKind::OutOfMemory => Self::CA_OUT_OF_MEMORY,
            ErrorKind::Io => Self::CA_IO,
            ErrorKind::SchemaViolation => Self::CA_SCHEMA_VIOLATION,
            _ => Self::CA_OTHER,
        }
    }
}

/// Why a call did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ca_code,
    pub(crate) message: String,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(code: ca_code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// An argument outside its limits.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ca_code::CA_INVALID_ARGUMENT, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.kind().into(), in_c(&error.to_string()))
    }
}

/// A message of the library, whose calls have names of their own here.
fn in_c(message: &str) -> String {
    CALLS
        .iter()
        .fold(message.to_owned(), |said, call| said.replace(&format!("`{call}`"), &format!("`ca_{call}`")))
}

/// Calls that messages name.
const CALLS: &[&str] = &[
    "add",
    "add_space",
    "create",
    "open",
    "open_read_only",
    "reembed",
    "salvage",
    "seal",
    "set_schema",
    "set_text_options",
    "upsert",
    "verify",
];

impl From<compact_artifact::MetadataError> for Failure {
    fn from(error: compact_artifact::MetadataError) -> Self {
        Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NotFound` → `CA_NOT_FOUND`.
    fn name_in_c(kind: &str) -> String {
        let upper_case = kind.chars().flat_map(|letter| {
            let gap = letter.is_ascii_uppercase().then_some('_');
            gap.into_iter().chain([letter.to_ascii_uppercase()])
        });
        format!("CA{}", upper_case.collect::<String>())
    }

    /// The variants of the enum `name`, with their numbers if they have one.
    fn variants<'t>(source: &'t str, name: &str) -> Vec<(&'t str, Option<i32>)> {
        let body = source.split_once(&format!("pub enum {name} {{")).expect("the enum is there").1;
        let body = body.split_once("\n}").expect("it ends").0;
        let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let variant = |line: &'t str| match line.trim_end_matches(',').split_once(" = ") {
            Some((name, number)) => (name, number.parse().ok()),
            None => (line.trim_end_matches(','), None),
        };
        lines.map(variant).collect()
    }

    #[test]
    fn each_kind_of_error_has_a_code_of_its_name() {
        let kinds = variants(include_str!("../../compact-artifact/src/api/error.rs"), "ErrorKind");
        let codes = variants(include_str!("code.rs"), "ca_code");
        for (number, (kind, _)) in (1..).zip(&kinds) {
            let code = codes.iter().find(|(name, _)| *name == name_in_c(kind));
            assert!(code.is_some(), "{kind} has no code: append {} = {number}", name_in_c(kind));
            let arm = format!("ErrorKind::{kind} => Self::{},", name_in_c(kind));
            assert!(include_str!("code.rs").contains(&arm), "{arm}");
        }
        assert_eq!(kinds.len() + 7, codes.len(), "codes that are of no kind");
    }

    #[test]
    fn the_numbers_of_version_1_are_these() {
        let codes = variants(include_str!("code.rs"), "ca_code");
        let numbers: Vec<i32> = codes.iter().filter_map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..37).chain(100..106).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_keeps_its_kind_and_its_sentence() {
        let error = compact_artifact::CompactArtifact::open("no/such/artifact").unwrap_err();
        let message = error.to_string();
        let failure = Failure::from(error);
        assert_eq!((failure.code, failure.message), (ca_code::CA_NOT_FOUND, in_c(&message)));
        assert!(message.contains("`create`") && in_c(&message).contains("`ca_create`"), "{message}");
    }

    #[test]
    fn calls_that_messages_name_are_in_the_header() {
        let header = include_str!("../include/compact_artifact.h");
        for call in CALLS {
            assert!(header.contains(&format!("ca_code ca_{call}(")), "{call}");
        }
    }
}
