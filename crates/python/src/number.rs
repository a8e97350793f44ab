//! Numbers of Python. A bool is none, though Python takes it for one.

use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::errors::wrong_type;

/// A number that is an argument.
pub(crate) struct Number<T>(pub(crate) T);

impl<'a, 'py, T: FromPyObject<'a, 'py>> FromPyObject<'a, 'py> for Number<T> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyBool>() {
            return Err(wrong_type("", "a number", &value));
        }
        value.extract().map(Self).map_err(Into::into)
    }
}

/// A number.
pub(crate) fn number<'a, 'py, T: FromPyObject<'a, 'py>>(value: &'a Bound<'py, PyAny>) -> PyResult<T> {
    value.extract().map(|Number(number)| number)
}
