//! What goes wrong → an exception of `compact_artifact.errors`.

use std::error::Error as _;

use compact_artifact::Error;
use pyo3::exceptions::{PyException, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Why a call failed, while the interpreter is let go of.
pub(crate) enum Failure {
    /// The library says so.
    Library(Error),
    /// The same of a query, with its text.
    Query(Error, String),
    /// The handle was closed: `what` names it.
    Closed(&'static str),
    /// A callback calls what waits for its end: the name of the call, and of what it is a call of.
    Reentrant(&'static str, &'static str),
    /// The process was forked from the one that opened the artifact.
    OtherProcess,
    /// A callback raised this.
    Raised(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Library(error) => of_library(&error, None),
            Failure::Query(error, text) => of_library(&error, Some(&text)),
            Failure::Closed(what) => {
                named("ClosedError", format!("the {what} was closed; open another one"), "Closed")
            }
            Failure::Reentrant(call, what) => {
                let message = format!(
                    "`{call}` is called from inside of a call of the {what}, which it would wait for"
                );
                named("ReentrantError", message, "Reentrant")
            }
            Failure::OtherProcess => named(
                "OtherProcessError",
                "the artifact was opened by the process that this one was forked from; open it anew here"
                    .to_owned(),
                "OtherProcess",
            ),
            Failure::Raised(error) => error,
        }
    }
}

/// What the library says to those who call it from Rust, and what is said in its place. Names in messages are names here as well, but for these.
const PHRASES: &[(&str, &str)] =
    &[("read it as bytes", "read it with `content` or `read`"), ("read it in pieces", "read it with `read`")];

/// The exception of an error. What an embedder of Python raised is its cause; Ctrl-C and the end of the program, which are no `Exception`, come out as they are.
fn of_library(error: &Error, query: Option<&str>) -> PyErr {
    Python::attach(|py| {
        let cause = error.source().and_then(|source| source.downcast_ref::<PyErr>());
        let cause = cause.map(|cause| cause.clone_ref(py));
        if let Some(cause) = cause.as_ref().filter(|cause| is_no_exception(py, cause)) {
            return cause.clone_ref(py);
        }
        let kind = format!("{:?}", error.kind());
        let message = PHRASES.iter().fold(error.to_string(), |said, (from, to)| said.replace(from, to));
        let message = query.and_then(|query| in_characters(&message, query)).unwrap_or(message);
        let raised = named(&format!("{kind}Error"), message, &kind);
        if cause.is_some() {
            raised.set_cause(py, cause);
        }
        raised
    })
}

/// Whether it is Ctrl-C, the end of the program or the like, which nobody may take for a failure of theirs.
pub(crate) fn is_no_exception(py: Python<'_>, raised: &PyErr) -> bool {
    !raised.is_instance_of::<PyException>(py)
}

/// What a value that is of no use raised as it was read: another error, unless it is no [`Exception`](is_no_exception).
pub(crate) fn instead(py: Python<'_>, raised: PyErr, error: impl FnOnce() -> PyErr) -> PyErr {
    if is_no_exception(py, &raised) { raised } else { error() }
}

/// What is wrong with a query, at a character of its `str` and not at a byte of UTF-8.
fn in_characters(message: &str, query: &str) -> Option<String> {
    let (byte, said) = message.strip_prefix("at byte ")?.split_once(": ")?;
    let before = query.get(..byte.parse().ok()?)?;
    Some(format!("at character {}: {said}", before.chars().count()))
}

/// An exception of the class `name`; of a kind that this package does not know, the class `Error`.
fn named(name: &str, message: String, kind: &str) -> PyErr {
    Python::attach(|py| {
        let raise = || -> PyResult<PyErr> {
            let module = py.import("compact_artifact.errors")?;
            let class = module.getattr(name).or_else(|_| module.getattr("Error"))?;
            let value = class.call1((&message,))?;
            value.setattr("kind", kind)?;
            Ok(PyErr::from_value(value))
        };
        raise().unwrap_or_else(|_| PyRuntimeError::new_err(message.clone()))
    })
}

/// An argument that is of no use: `ValueError` of this package.
pub(crate) fn invalid(message: impl Into<String>) -> PyErr {
    named("InvalidArgumentError", message.into(), "InvalidArgument")
}

/// A vector with another number of dimensions than is expected.
pub(crate) fn wrong_dimension(what: &str, found: usize, expected: usize) -> PyErr {
    let message = format!("{what}: a vector of {found} dimensions; expected {expected}");
    named("WrongDimensionError", message, "WrongDimension")
}

/// An argument of another type. `what` is empty where the caller names it.
pub(crate) fn wrong_type(what: &str, expected: &str, found: &Bound<'_, PyAny>) -> PyErr {
    let name = found.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    let place = if what.is_empty() { String::new() } else { format!("{what}: ") };
    PyTypeError::new_err(format!("{place}expected {expected}, found {name}"))
}

/// Says before the message what it is about, for errors of values and types. Those of the library say it themselves.
pub(crate) fn about(py: Python<'_>, error: PyErr, what: &str) -> PyErr {
    let value = error.value(py);
    let kind = value.getattr("kind").and_then(|kind| kind.extract::<String>()).ok();
    let said = value.to_string();
    let message = if said.starts_with(what) { said } else { format!("{what}: {said}") };
    let is_value = error.is_instance_of::<PyValueError>(py) || error.is_instance_of::<PyOverflowError>(py);
    match kind.as_deref() {
        Some("InvalidArgument") => invalid(message),
        None if error.is_instance_of::<PyTypeError>(py) => PyTypeError::new_err(message),
        None if is_value => invalid(message),
        _ => error,
    }
}

/// Says how many records earlier commits of the same call added, which stay: at the end of the message of an error of this package, and in a note of any other exception.
pub(crate) fn after_commits(py: Python<'_>, raised: PyErr, records: usize) -> PyErr {
    let kept = match records {
        0 => return raised,
        1 => "1 record was added before it and is kept".to_owned(),
        records => format!("{records} records were added before it and are kept"),
    };
    let value = raised.value(py);
    let say = || -> PyResult<()> {
        if value.is_instance(&py.import("compact_artifact.errors")?.getattr("Error")?)? {
            return value.setattr("args", (format!("{value}; {kept}"),));
        }
        value.call_method1("add_note", (kept.as_str(),)).map(drop)
    };
    drop(say()); // an exception that takes no notes is raised as it is
    raised
}

/// Something still uses what was to be closed.
pub(crate) fn in_use(message: &str) -> PyErr {
    named("InUseError", message.to_owned(), "InUse")
}
