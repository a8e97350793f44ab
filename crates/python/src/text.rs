//! Texts of Python → texts of Rust, which are UTF-8.

use std::fmt;
use std::ops::Deref;

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::invalid;

/// A `str` that is an argument. Every one is read as this or by [`text_of`], so that one with a lone surrogate is an error of this package.
#[derive(Default)]
pub(crate) struct Text(String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        text_of(&*value.cast::<PyString>()?).map(Self)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Text> for String {
    fn from(Text(text): Text) -> Self {
        text
    }
}

/// The text of a `str`; an `InvalidArgumentError` where it has a lone surrogate, for which UTF-8 has no bytes.
pub(crate) fn text_of(text: &Bound<'_, PyString>) -> PyResult<String> {
    let py = text.py();
    text.to_cow().map(Into::into).map_err(|e| {
        if !e.is_instance_of::<PyUnicodeEncodeError>(py) {
            return e;
        }
        let at = e.value(py).getattr("start").and_then(|start| start.extract::<usize>());
        at.and_then(|at| {
            let found = text.get_item(at)?.repr()?;
            Ok(invalid(format!(
                "expected a str that UTF-8 has bytes for, found the lone surrogate {found} at character {at}"
            )))
        })
        .unwrap_or(e)
    })
}
