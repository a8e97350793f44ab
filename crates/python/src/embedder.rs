//! Embedders: the model that is built in, the model of a file, or an object of Python.

use std::path::PathBuf;
use std::sync::Arc;

use compact_artifact::{Embedder, EmbedderError, Embeddings, ModelHash, StaticEmbedder};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::errors::{Failure, invalid, wrong_type};
use crate::number::number;
use crate::text::Text;
use crate::vectors::{matrix, vector};

/// The name of the model that is a part of the library.
const BUILT_IN: &str = "built-in";

/// An embedder from `"built-in"`, the path of a model, or an object with `name`, `dimension` and `embed`.
pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Arc<dyn Embedder>> {
    if value.is_instance_of::<PyString>() || value.hasattr("__fspath__")? {
        let path: PathBuf = value.extract()?;
        let model = value.py().detach(|| {
            if path.as_os_str() == BUILT_IN {
                StaticEmbedder::built_in()
            } else {
                StaticEmbedder::open(&path)
            }
        });
        return Ok(Arc::new(model.map_err(|e| Failure::Library(e.into()))?));
    }
    let part = |name: &str| {
        value.getattr_opt(name)?.ok_or_else(|| {
            wrong_type(
                "option embedder",
                "\"built-in\", the path of a model, or an object with `name`, `dimension` and `embed`",
                value,
            )
        })
    };
    let (name, dimension): (Text, usize) = (part("name")?.extract()?, number(&part("dimension")?)?);
    part("embed")?;
    if dimension == 0 {
        return Err(invalid("option embedder: expected a dimension above 0"));
    }
    let weight = value.getattr_opt("weight")?.map_or(Ok(0.8), |weight| number(&weight))?;
    Ok(Arc::new(PythonEmbedder { name: name.into(), dimension, weight, object: value.clone().unbind() }))
}

/// An object of Python that embeds texts.
#[derive(Debug)]
struct PythonEmbedder {
    name: String,
    dimension: usize,
    weight: f32,
    object: Py<PyAny>,
}

impl PythonEmbedder {
    /// Calls the object. What it raises is the source of the error, for the exception that comes of it.
    fn call<T>(&self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T, EmbedderError> {
        Python::attach(|py| call(self.object.bind(py)).map_err(EmbedderError::other))
    }
}

impl Embedder for PythonEmbedder {
    fn id(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> ModelHash {
        ModelHash::from_content(format!("{}, {} values", self.name, self.dimension).as_bytes())
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn weight(&self) -> f32 {
        self.weight
    }

    fn embed_documents(&self, texts: &[&str]) -> Result<Embeddings, EmbedderError> {
        let rows = self.call(|object| {
            let texts = PyList::new(object.py(), texts)?;
            matrix(&object.call_method1("embed", (texts,))?, "what `embed` returned")
        })?;
        if rows.rows() != texts.len() {
            let message =
                format!("`embed` was given {} texts and returned {} vectors", texts.len(), rows.rows());
            return Err(EmbedderError::other(message));
        }
        let mut embeddings = Embeddings::with_capacity(self.dimension, texts.len())?;
        for row in 0..rows.rows() {
            let row = rows.row(row);
            // A text in which the model knows nothing.
            let is_known = row.iter().any(|&value| value != 0.0);
            embeddings.push(is_known.then_some(&row[..]))?;
        }
        Ok(embeddings)
    }

    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>, EmbedderError> {
        let other = self.call(|object| {
            if !object.hasattr("embed_query")? {
                return Ok(None);
            }
            vector(&object.call_method1("embed_query", (text,))?, "what `embed_query` returned").map(Some)
        })?;
        match other {
            Some(row) => Ok(row.iter().any(|&value| value != 0.0).then_some(row)),
            None => Ok(self.embed_documents(&[text])?.get(0).map(<[f32]>::to_vec)),
        }
    }
}
