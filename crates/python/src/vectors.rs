//! Vectors of Python → `f32`: lists, and whatever has the buffer protocol or `__array__`, such as arrays of NumPy.
//!
//! They are read through `memoryview`, whose bytes are copied once more than they would have to be. The library makes copies of its own of all that it stores, so that this is little: `bench.py` measures it.
//! A single vector of float32, as of a query, is read as it lies.

use pyo3::buffer::PyBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyList, PyMemoryView, PyTuple};

use crate::errors::{instead, invalid, is_no_exception, wrong_type};

const EXPECTED: &str = "numbers: a list, or an array of float32, float64, float16, int8 or uint8";

/// Numbers as they lie in the memory of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F16,
    F32,
    F64,
    I8,
    U8,
}

impl Kind {
    fn from_format(format: &str) -> Option<Self> {
        // Without a prefix, and with these two, the bytes are in the order of the machine, which is little-endian.
        Some(match format.strip_prefix(['@', '<', '=']).unwrap_or(format) {
            "e" => Self::F16,
            "f" => Self::F32,
            "d" => Self::F64,
            "b" => Self::I8,
            "B" => Self::U8,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        use bytemuck::allocation::pod_collect_to_vec;
        match self {
            Self::F32 => pod_collect_to_vec::<u8, f32>(bytes),
            Self::F16 => {
                bytes.as_chunks::<2>().0.iter().map(|&half| from_f16(bytemuck::cast(half))).collect()
            }
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is too large becomes infinite, and is refused then"
            )]
            Self::F64 => pod_collect_to_vec::<u8, f64>(bytes).into_iter().map(|value| value as f32).collect(),
            Self::I8 => bytes.iter().map(|&byte| f32::from(byte.cast_signed())).collect(),
            Self::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
        }
    }
}

/// Half a float as one, without a branch, so that the compiler converts several at a time: the exponent is moved to its place and made larger by a
/// multiplication, which also does right by the smallest numbers.
fn from_f16(half: u16) -> f32 {
    /// 2^112: what the exponents of the two differ by.
    const SCALE: f32 = f32::from_bits(0x7780_0000);
    let bits = u32::from(half);
    let value = f32::from_bits((bits & 0x7fff) << 13) * SCALE;
    let infinite_or_nan = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(value.to_bits() | infinite_or_nan | (bits & 0x8000) << 16)
}

/// The vectors of one space for some records, one a row.
pub(crate) struct Matrix {
    values: Values,
    rows: usize,
    dimension: usize,
}

enum Values {
    Array { bytes: PyBackedBytes, kind: Kind },
    Rows(Vec<Vec<f32>>),
}

impl Matrix {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    #[cfg(feature = "bench")]
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// A row, which is there.
    pub(crate) fn row(&self, row: usize) -> Vec<f32> {
        match &self.values {
            Values::Array { bytes, kind } => {
                let len = self.dimension * kind.size();
                kind.to_f32(&bytes[row * len..(row + 1) * len])
            }
            Values::Rows(rows) => rows[row].clone(),
        }
    }
}

/// One vector.
pub(crate) fn vector(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<f32>> {
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        return value.extract().map_err(|e| instead(value.py(), e, || wrong_numbers(what)));
    }
    // Whether bytes are in the order of the machine its type does not say.
    if let Ok(buffer) = PyBuffer::<f32>::get(value)
        && buffer.format().to_str().ok().and_then(Kind::from_format) == Some(Kind::F32)
        && buffer.dimensions() == 1
        && !has_mask(value)?
    {
        return buffer.to_vec(value.py());
    }
    let Some(array) = Array::read(value, what)? else { return Err(wrong_type(what, EXPECTED, value)) };
    match array.shape[..] {
        [_] => Ok(array.kind.to_f32(&array.bytes)),
        _ => {
            Err(invalid(format!("{what}: expected a vector, found an array of the shape {:?}", array.shape)))
        }
    }
}

/// Vectors, one a row.
pub(crate) fn matrix(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Matrix> {
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let rows = value.try_iter()?.map(|row| vector(&row?, what)).collect::<PyResult<Vec<_>>>()?;
        let dimension = rows.first().map_or(0, Vec::len);
        return Ok(Matrix { rows: rows.len(), dimension, values: Values::Rows(rows) });
    }
    let Some(array) = Array::read(value, what)? else { return Err(wrong_type(what, EXPECTED, value)) };
    match array.shape[..] {
        // Of rows of no values there may be any number.
        [rows, dimension] if dimension > 0 || rows == 0 => {
            Ok(Matrix { rows, dimension, values: Values::Array { bytes: array.bytes, kind: array.kind } })
        }
        _ => Err(invalid(format!(
            "{what}: expected a row for each record, found an array of the shape {:?}",
            array.shape
        ))),
    }
}

/// An array, row after row.
struct Array {
    bytes: PyBackedBytes,
    kind: Kind,
    shape: Vec<usize>,
}

impl Array {
    /// `None`: it is no array.
    fn read(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Option<Self>> {
        let py = value.py();
        if has_mask(value)? {
            return Err(invalid(format!("{what}: a masked array with values that are missing")));
        }
        let view = match PyMemoryView::from(value) {
            Ok(view) => view,
            Err(e) if !is_no_exception(py, &e) && value.hasattr("__array__")? => {
                PyMemoryView::from(&value.call_method0("__array__")?)?
            }
            Err(e) if is_no_exception(py, &e) => return Err(e),
            Err(_) => return Ok(None),
        };
        let format: String = view.getattr(intern!(py, "format"))?.extract()?;
        let Some(kind) = Kind::from_format(&format) else {
            let found = value.getattr("dtype").and_then(|dtype| dtype.str());
            let found = found.map_or_else(|_| format!("the format {format:?}"), |name| name.to_string());
            return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "{what}: expected {EXPECTED}, found {found}"
            )));
        };
        let shape: Vec<usize> = view.getattr(intern!(py, "shape"))?.extract()?;
        let bytes: PyBackedBytes = view.call_method0(intern!(py, "tobytes"))?.extract()?;
        if bytes.len() != shape.iter().product::<usize>() * kind.size() {
            return Err(invalid(format!("{what}: an array whose bytes do not fit its shape")));
        }
        Ok(Some(Self { bytes, kind, shape }))
    }
}

/// Whether an array has a mask that hides values. Those that are just arrays of NumPy are known by their name: to look for what is not there is slow.
fn has_mask(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.get_type().name()? == "ndarray" || !value.hasattr("mask")? || !value.hasattr("filled")? {
        return Ok(false);
    }
    value.getattr("mask")?.call_method0("any")?.is_truthy()
}

fn wrong_numbers(what: &str) -> PyErr {
    pyo3::exceptions::PyTypeError::new_err(format!("{what}: expected {EXPECTED}"))
}
