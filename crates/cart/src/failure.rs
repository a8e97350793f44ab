//! How a command fails: one sentence on stderr, and an exit code.

use std::fmt::Display;
use std::process::ExitCode;
use std::rc::Rc;

use compact_artifact::{ErrorKind, MetadataError};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The codes other than 0 that `cart` exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Failed = 1,
    Usage = 2,
    NotThere = 3,
    Damage = 4,
    Interrupted = 130,
}

/// The end of a command that did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    /// None where nothing is to be said.
    code: Option<Code>,
    /// The exit code where nothing is to be said.
    silent: u8,
    message: String,
    /// Of the library, where the failure is one of it.
    kind: Option<ErrorKind>,
}

impl Failure {
    fn new(code: Code, message: impl Display) -> Self {
        Self { code: Some(code), silent: 0, message: message.to_string(), kind: None }
    }

    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(Code::Failed, message)
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Code::Usage, message)
    }

    pub(crate) fn not_there(message: impl Display) -> Self {
        Self::new(Code::NotThere, message)
    }

    pub(crate) fn damage(message: impl Display) -> Self {
        Self::new(Code::Damage, message)
    }

    /// Of a command that makes something new.
    pub(crate) fn of_making(error: compact_artifact::Error) -> Self {
        match error.kind() {
            ErrorKind::AlreadyExists => {
                Self::from(error).and("or remove it, if it was left by a command that was killed")
            }
            _ => error.into(),
        }
    }

    /// Of what was asked, rather than of what is stored.
    pub(crate) fn of_query(error: compact_artifact::Error) -> Self {
        match error.kind() {
            ErrorKind::TooLarge => Self::usage(Self::from(error).message),
            _ => error.into(),
        }
    }

    /// Of a batch whose changes are of records that were given at these places, where they were given at any.
    pub(crate) fn of_batch(error: compact_artifact::Error, places: &[Option<Rc<str>>]) -> Self {
        let change = error.change();
        let place = change.and_then(|change| places.get(change)?.clone());
        let failure = Self::from(error);
        let Some((number, place)) = change.zip(place) else { return failure };
        // Which change of the batch it is says nothing to whoever wrote the file.
        let prefix = format!("change {} of the batch: ", number.saturating_add(1));
        let message = failure.message.strip_prefix(&prefix).unwrap_or(&failure.message).to_owned();
        Self { message, ..failure }.at(place)
    }

    /// Ends with a code, about which everything was said.
    pub(crate) fn exit_with(code: u8) -> Result<()> {
        if code == 0 { Ok(()) } else { Err(Self::silent(code)) }
    }

    fn silent(code: u8) -> Self {
        Self { code: None, silent: code, message: String::new(), kind: None }
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Code::Interrupted, "interrupted")
    }

    /// Says before the message where it happened.
    pub(crate) fn at(mut self, place: impl Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Says behind the message what else there is to know.
    pub(crate) fn and(mut self, more: impl Display) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// Tells the person, and the shell.
    pub(crate) fn report(self) -> ExitCode {
        let Some(code) = self.code else { return ExitCode::from(self.silent) };
        crate::stderr::warn(&self.message);
        ExitCode::from(code as u8)
    }

    /// Tells the person, and nobody else: the command goes on.
    pub(crate) fn warn(self, but: impl Display) {
        if self.code.is_some() {
            crate::stderr::warn(&self.and(but).message);
        }
    }

    /// The same in other words.
    pub(crate) fn reworded(self, from: &str, to: &str) -> Self {
        Self { message: self.message.replace(from, to), ..self }
    }

    /// How the command would end, unless nothing is to be said.
    pub(crate) fn code(&self) -> Option<Code> {
        self.code
    }

    /// What the library calls it, unless it is a failure of this program.
    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// As a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<compact_artifact::Error> for Failure {
    fn from(error: compact_artifact::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NoSuchRecord => Code::NotThere,
            ErrorKind::InvalidFilter
            | ErrorKind::InvalidQuery
            | ErrorKind::InvalidJson
            | ErrorKind::InvalidArgument
            | ErrorKind::TypeMismatch
            | ErrorKind::NoSuchSpace
            | ErrorKind::NoSuchField
            | ErrorKind::SpaceMismatch
            | ErrorKind::SettingsMismatch
            | ErrorKind::WrongDimension
            | ErrorKind::NotFinite
            | ErrorKind::ZeroVector
            | ErrorKind::NoModel
            | ErrorKind::ModelMismatch => Code::Usage,
            ErrorKind::Damaged => Code::Damage,
            _ => Code::Failed,
        };
        Self { kind: Some(error.kind()), ..Self::new(code, for_people(&error.to_string())) }
    }
}

/// What the library says to programmers, and what is said to people in its place. Commands and options have names of their own.
const PHRASES: &[(&str, &str)] = &[
    ("`create` makes one", "`cart add` makes one"),
    ("wait for it, or use `open_read_only`", "wait for it; commands that only read work meanwhile"),
    ("`open_read_only` serves", "commands that only read serve"),
    ("opened for reading; `open` it to write", "opened for reading"),
    ("; use `upsert` to replace it", "; --upsert replaces it"),
    ("give one, or delete the key in the same batch before", "give one, or `cart delete` that record before"),
    ("remove them first, or say by lose_given that they may go", "--lose-given lets them go"),
    ("an upsert of a record without a key; use `add`", "--upsert: a record without a key"),
    (". `add_space` adds one", ""),
    ("the option embedder names one", "--model names one"),
    ("the option embedder names it, or search by words", "--model names it, --words searches without"),
    ("`reembed` does that with a model, or search by words", "--words searches without"),
    ("open it for writing with this embedder, and call `reembed`", "leave out --model"),
    ("; open it with the former, or without one", "; --model names the former"),
    ("; the writer's `seal` does that", "; `cart compact` does that"),
    ("read it as bytes", "--raw writes it"),
    ("; rebuild it instead of merging", "; `cart salvage` makes it anew"),
    ("; copy them into `AlignedBytes`", ""),
    (", and this build leaves out the feature `lz4`", ", which this program is built without"),
    ("limit of memory, or open it for writing once", "limit of memory, or run `cart compact` once"),
    ("option memory_limit", "--memory-limit"),
    ("option candidates", "--candidates"),
    ("option ef_search", "--ef"),
    ("ef_search: ", "--ef: "),
    ("option exact", "--exact"),
    ("option language", "--language"),
    ("option min_score", "--min-score"),
    ("a smallest score that is not a number", "--min-score: expected a number, found NaN"),
    ("option recall", "--recall"),
    ("recall = ", "--recall "),
    ("group_by: ", "--group: "),
    ("k and offset together", "-k and --offset together"),
    ("option snippet", "the snippet"),
    ("option precompute_similar", "--precompute-similar"),
    ("or read the records one after the other", "or take all of them with `cart export`"),
    ("leave out the interval, and flush by hand", "end other programs"),
    ("open it with other maintenance, or without idle release", "end other programs"),
    ("read it in pieces", "--raw writes it"),
    ("open the artifact without it and call `set_text_options`", "`cart reindex` changes it"),
    ("open it without one, and change that with `set_schema`", "`cart schema` changes it"),
    ("open it with the option expires_at, or leave the time out", "--expires-field names one"),
    ("option expires_at", "--expires-field"),
    ("`salvage`", "`cart salvage`"),
    ("`verify`", "`cart verify`"),
    ("`compact`", "`cart compact`"),
];

/// A message of the library in the terms of the command line.
fn for_people(message: &str) -> String {
    PHRASES.iter().fold(message.to_owned(), |message, (from, to)| message.replace(from, to))
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        compact_artifact::Error::from(error).into()
    }
}

/// A failure of stdout; other files are named where they fail. Who reads from us may stop when it has enough.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::silent(0);
        }
        Self::failed(format_args!("writing the output: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        std::io::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words in backticks that are no calls: syntax of queries, and features of a build.
    const NO_CALLS: [&str; 7] = ["*", "~", "\\\\:", "stemmers", "cache", "embedder", "similar"];

    /// Every `…` in a line of Rust that is code.
    fn quoted(line: &str) -> Vec<String> {
        let parts: Vec<&str> = line.split('`').collect();
        parts
            .iter()
            .skip(1)
            .step_by(2)
            .take(parts.len().saturating_sub(1) / 2)
            .map(|&p| p.to_owned())
            .collect()
    }

    #[test]
    fn no_message_of_the_library_names_its_calls_to_people() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (mut folders, mut seen, mut named) = (Vec::new(), 0, Vec::new());
        folders.extend(
            ["block-format", "compact-artifact", "lexical-index", "vector-index"]
                .map(|n| crates.join(n).join("src")),
        );
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|extension| extension != "rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                // What stands in backticks in the syntax of queries is that syntax.
                if ["tests.rs", "docs.rs", "query/parse.rs", "query/mod.rs"]
                    .iter()
                    .any(|name| path.ends_with(name))
                {
                    continue;
                }
                for line in code.lines().map(|line| line.split("// ").next().unwrap_or_default().trim()) {
                    let is_said =
                        !line.starts_with("//") && !line.starts_with("#[") && !line.contains("reason = ");
                    let said = if is_said { for_people(line) } else { String::new() };
                    for call in quoted(&said).iter().filter(|call| !NO_CALLS.contains(&call.as_str())) {
                        if !call.starts_with("cart ") {
                            named.push(format!("{}: `{call}`: {line}", path.display()));
                        }
                    }
                    seen += usize::from(is_said && line.contains('`'));
                }
            }
        }
        assert!(named.is_empty(), "{}", named.join("\n"));
        assert!(seen > 10, "{seen}");
    }
}
