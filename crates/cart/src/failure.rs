//! How a command fails: one sentence on stderr, and an exit code.

use std::fmt::Display;
use std::process::ExitCode;

use compact_artifact::ErrorKind;

use crate::output::one_line;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The codes other than 0 that `cart` exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Failed = 1,
    Usage = 2,
    NotThere = 3,
    Damage = 4,
}

/// The end of a command that did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Option<Code>,
    message: String,
}

impl Failure {
    fn new(code: Code, message: impl Display) -> Self {
        Self { code: Some(code), message: message.to_string() }
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
        let Some(code) = self.code else { return ExitCode::SUCCESS };
        crate::output::warn(&one_line(&self.message));
        ExitCode::from(code as u8)
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl From<compact_artifact::Error> for Failure {
    fn from(error: compact_artifact::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NoSuchRecord => Code::NotThere,
            ErrorKind::InvalidFilter | ErrorKind::InvalidQuery => Code::Usage,
            _ => Code::Failed,
        };
        Self::new(code, error)
    }
}

/// A failure of stdout; other files are named where they fail. Who reads from us may stop when it has enough.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { code: None, message: String::new() };
        }
        Self::failed(format_args!("writing the output: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        std::io::Error::from(error).into()
    }
}
