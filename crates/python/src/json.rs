//! JSON ↔ values of Python: metadata, filters, reports.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;
use serde_json::{Map, Number, Value};

use crate::errors::{instead, invalid, wrong_type};
use crate::text::text_of;

/// Deeper than the library takes, so that its own limit is what is met; and an end for what contains itself.
const MAX_DEPTH: usize = 200;

/// How points in time are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dates {
    /// As text, in metadata.
    Text,
    /// As `{"$date": …}`, in filters.
    Operator,
}

/// A value of Python as JSON. `what` names it in errors.
pub(crate) fn to_json(value: &Bound<'_, PyAny>, what: &str, dates: Dates) -> PyResult<Value> {
    Reader { what, dates }.read(value, 0)
}

/// A dict of Python as a JSON object.
pub(crate) fn to_object(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Map<String, Value>> {
    match to_json(value, what, Dates::Text)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong_type(what, "a dict", value)),
    }
}

struct Reader<'a> {
    what: &'a str,
    dates: Dates,
}

impl Reader<'_> {
    fn read(&self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
        self.check_depth(depth)?;
        if value.is_none() {
            return Ok(Value::Null);
        }
        if let Ok(text) = value.cast::<PyString>() {
            return Ok(Value::String(text_of(text)?));
        }
        if let Ok(truth) = value.cast::<PyBool>() {
            return Ok(Value::Bool(truth.is_true()));
        }
        if value.is_instance_of::<PyInt>() {
            return self.integer(value);
        }
        if let Ok(number) = value.cast::<PyFloat>() {
            return self.float(number.value());
        }
        if let Ok(dict) = value.cast::<PyDict>() {
            return self.object(dict, depth);
        }
        if let Ok(list) = value.cast::<PyList>() {
            return list.iter().map(|item| self.read(&item, depth + 1)).collect();
        }
        if let Ok(tuple) = value.cast::<PyTuple>() {
            return tuple.iter().map(|item| self.read(&item, depth + 1)).collect();
        }
        self.other(value, depth)
    }

    fn integer(&self, value: &Bound<'_, PyAny>) -> PyResult<Value> {
        if let Ok(number) = value.extract::<i64>() {
            return Ok(number.into());
        }
        let number = value.extract::<u64>();
        number.map(Value::from).map_err(|_| invalid(format!("{}: an integer beyond 64 bits", self.what)))
    }

    fn float(&self, value: f64) -> PyResult<Value> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| {
            invalid(format!(
                "{}: expected numbers that are finite, as JSON has them, found {value}",
                self.what
            ))
        })
    }

    fn object(&self, dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Value> {
        let mut object = Map::new();
        for (name, value) in dict {
            let Ok(name) = name.cast::<PyString>() else {
                return Err(wrong_type(self.what, "names that are str", &name));
            };
            object.insert(text_of(name)?, self.read(&value, depth + 1)?);
        }
        Ok(Value::Object(object))
    }

    /// Dates, and the numbers and arrays of NumPy.
    fn other(&self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
        if value.hasattr("isoformat")? && value.hasattr("year")? {
            return self.date(value);
        }
        if value.hasattr("dtype")? && value.hasattr("tolist")? {
            return self.of_numpy(value, depth);
        }
        Err(wrong_type(self.what, "a value that JSON has, or a date", value))
    }

    fn of_numpy(&self, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
        let (dtype, plain) = (value.getattr("dtype")?, value.call_method0("tolist")?);
        let kind = dtype.getattr("kind").and_then(|kind| kind.extract::<String>()).unwrap_or_default();
        let has_times = match kind.as_str() {
            "M" | "m" => true,
            // Of fields, each of a type of its own.
            "V" => dtype.str()?.to_cow()?.to_ascii_lowercase().contains("m8["),
            _ => false,
        };
        if has_times {
            return self.times(&plain, &dtype, depth + 1);
        }
        // What Python has no number for stays what it is.
        if plain.hasattr("dtype")? {
            return Err(PyTypeError::new_err(format!(
                "{}: expected a value that JSON has, or a date, found {dtype}; make it a `float`, or text",
                self.what
            )));
        }
        self.read(&plain, depth + 1)
    }

    /// What NumPy gives for points in time: dates, or numbers and `None` where Python has no date.
    fn times(&self, plain: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
        self.check_depth(depth)?;
        if let Ok(list) = plain.cast::<PyList>() {
            return list.iter().map(|item| self.times(&item, dtype, depth + 1)).collect();
        }
        if plain.hasattr("isoformat")? && plain.hasattr("year")? {
            return self.date(plain);
        }
        let name = dtype.str()?.to_string();
        let instead = if plain.is_none() {
            "leave it out, or make it `None`"
        } else if name.starts_with("timedelta64") {
            "make it a number, as of seconds"
        } else {
            "of a time in UTC, `value.astype(\"datetime64[us]\").item().replace(tzinfo=timezone.utc)` is one, in the years 1 to 9999"
        };
        let found = if plain.is_none() { "NaT".to_owned() } else { plain.repr()?.to_string() };
        let expected = "a date, or a datetime with a time zone";
        Err(invalid(format!("{}: expected {expected}, found {found} of {name}; {instead}", self.what)))
    }

    fn date(&self, value: &Bound<'_, PyAny>) -> PyResult<Value> {
        // As pandas says that there is none.
        if value.ne(value)? {
            return Err(invalid(format!("{}: expected a date, found {}", self.what, value.repr()?)));
        }
        let text: String = self.in_whole_minutes(value)?.call_method0("isoformat")?.extract()?;
        Ok(match self.dates {
            Dates::Text => Value::String(text),
            Dates::Operator => Value::Object(Map::from_iter([("$date".to_owned(), Value::String(text))])),
        })
    }

    /// The same point in time with an offset that can be written, which has no seconds: those of zones before they had whole minutes become UTC.
    fn in_whole_minutes<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if !value.hasattr("hour")? {
            return Ok(value.clone());
        }
        let offset = value.call_method0("utcoffset")?;
        if offset.is_none() {
            return Err(invalid(format!(
                "{}: expected a datetime with a time zone, found {}",
                self.what,
                value.str()?
            )));
        }
        let seconds: f64 = offset.call_method0("total_seconds")?.extract()?;
        if seconds % 60.0 == 0.0 {
            return Ok(value.clone());
        }
        let utc = value.py().import("datetime")?.getattr("timezone")?.getattr("utc")?;
        value.call_method1("astimezone", (utc,)).map_err(|e| {
            let message =
                || invalid(format!("{}: {value} is in UTC in none of the years 1 to 9999", self.what));
            instead(value.py(), e, message)
        })
    }

    fn check_depth(&self, depth: usize) -> PyResult<()> {
        if depth > MAX_DEPTH {
            return Err(invalid(format!("{}: nested more than {MAX_DEPTH} deep", self.what)));
        }
        Ok(())
    }
}

/// JSON as a value of Python.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (None, Some(number)) => number.into_pyobject(py)?.into_any(),
            (None, None) => PyFloat::new(py, number.as_f64().unwrap_or(f64::NAN)).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(to_python(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(object) => object_to_python(py, object)?.into_any(),
    })
}

/// A JSON object as a dict.
pub(crate) fn object_to_python<'py>(
    py: Python<'py>,
    object: &Map<String, Value>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in object {
        dict.set_item(name, to_python(py, value)?)?;
    }
    Ok(dict)
}

/// A report of the library as a dict, with times as seconds.
pub(crate) fn report<'py>(py: Python<'py>, report: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(report).map_err(|e| invalid(e.to_string()))?;
    to_python(py, &with_seconds(value))
}

/// Durations, as serde writes them, as numbers of seconds.
fn with_seconds(value: Value) -> Value {
    match value {
        Value::Object(object) => match seconds(&object) {
            Some(seconds) => seconds.into(),
            None => {
                Value::Object(object.into_iter().map(|(name, value)| (name, with_seconds(value))).collect())
            }
        },
        Value::Array(values) => values.into_iter().map(with_seconds).collect(),
        other => other,
    }
}

fn seconds(object: &Map<String, Value>) -> Option<f64> {
    if object.len() != 2 {
        return None;
    }
    let (seconds, nanos) = (object.get("secs")?.as_f64()?, object.get("nanos")?.as_f64()?);
    Some(seconds + nanos / 1e9)
}
