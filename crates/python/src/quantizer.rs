//! Vectors as codes of a byte a dimension, by hand.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use vector_index::Int8Quantizer as Quantizer;

use crate::errors::{Failure, invalid, wrong_dimension};
use crate::number::Number;
use crate::options::metric as read_metric;
use crate::vectors::{matrix, vector};

/// Turns vectors into codes of a byte a dimension. In an artifact this happens by itself.
///
/// With `samples` each dimension has a range of its own, taken from them; without, each vector has a scale.
///
/// >>> quantizer = Int8Quantizer(3, metric="l2")
/// >>> codes, scale = quantizer.quantize([1.0, -0.5, 0.0])
/// >>> list(memoryview(codes).cast("b"))
/// [127, -64, 0]
/// >>> [round(value, 2) for value in quantizer.decode(codes, scale)]
/// [1.0, -0.5, 0.0]
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct Int8Quantizer(Quantizer);

fn failed(error: vector_index::Error) -> PyErr {
    Failure::Library(error.into()).into()
}

#[pymethods]
impl Int8Quantizer {
    #[new]
    #[pyo3(signature = (dimension, *, metric = None, samples = None))]
    fn new(
        dimension: Number<usize>,
        metric: Option<&Bound<'_, PyAny>>,
        samples: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let Number(dimension) = dimension;
        let metric = metric.map_or(Ok(vector_index::Metric::Cosine), read_metric)?;
        let quantizer = match samples {
            None => Quantizer::new(metric, dimension),
            Some(samples) => Quantizer::calibrated(metric, dimension, &flat(samples, dimension)?),
        };
        Ok(Self(quantizer.map_err(failed)?))
    }

    /// The number of dimensions.
    #[getter]
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    /// The codes of a vector, as bytes with a sign, and the scale by which they stand for it.
    #[pyo3(signature = (vector))]
    fn quantize<'py>(
        &self,
        py: Python<'py>,
        vector: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyBytes>, f32)> {
        let values = self::vector(vector, "a vector")?;
        let (codes, scale) = self.0.quantize(&values).map_err(failed)?;
        Ok((PyBytes::new(py, &codes.iter().map(|code| code.cast_unsigned()).collect::<Vec<u8>>()), scale))
    }

    /// The vector that codes stand for.
    fn decode(&self, codes: &[u8], scale: Number<f32>) -> PyResult<Vec<f32>> {
        if codes.len() != self.0.dimension() {
            return Err(invalid(format!(
                "codes: expected {} bytes, found {}",
                self.0.dimension(),
                codes.len()
            )));
        }
        Ok(self.0.decode(&codes.iter().map(|code| code.cast_signed()).collect::<Vec<i8>>(), scale.0))
    }

    /// How well codes stand for some vectors: `vectors`, `saturated`, `mean_cosine_error`, `worst_cosine_error`.
    fn statistics<'py>(&self, py: Python<'py>, samples: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let samples = flat(samples, self.0.dimension())?;
        let found = py.detach(|| self.0.statistics(&samples)).map_err(failed)?;
        let dict = PyDict::new(py);
        dict.set_item("vectors", found.vectors)?;
        dict.set_item("saturated", found.saturated)?;
        dict.set_item("mean_cosine_error", found.mean_cosine_error)?;
        dict.set_item("worst_cosine_error", found.worst_cosine_error)?;
        Ok(dict)
    }
}

/// Vectors one after the other.
fn flat(samples: &Bound<'_, PyAny>, dimension: usize) -> PyResult<Vec<f32>> {
    let rows = matrix(samples, "samples")?;
    let mut all = Vec::new();
    for row in 0..rows.rows() {
        let values = rows.row(row);
        if values.len() != dimension {
            return Err(wrong_dimension(&format!("samples: row {row}"), values.len(), dimension));
        }
        all.extend(values);
    }
    Ok(all)
}
