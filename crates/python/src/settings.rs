//! What an artifact is set up as, and changes of it: vector spaces, fields, language, schema, model.

use std::ops::ControlFlow;

use compact_artifact::{CompactArtifact, TextOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::artifact::Artifact;
use crate::embedder;
use crate::errors::{Failure, invalid};
use crate::json::{report, to_python};
use crate::number::Number;
use crate::options::{self, space_options};
use crate::text::Text;

/// Set up.
#[pymethods]
impl Artifact {
    /// Adds a vector space: `options` is its dimension, or a dict of `dimension`, `metric`, `quantization` and `originals`.
    #[pyo3(signature = (name, options))]
    fn add_space(&self, py: Python<'_>, name: Text, options: &Bound<'_, PyAny>) -> PyResult<()> {
        let options = space_options(options)?;
        self.call(py, |artifact| Ok(artifact.add_space(&name, options)?))
    }

    /// Removes a vector space: its vectors are not found from now on, and `compact` returns their bytes.
    fn drop_space(&self, py: Python<'_>, name: Text) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.drop_space(&name)?))
    }

    /// Gives a vector space another name.
    fn rename_space(&self, py: Python<'_>, name: Text, to: Text) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.rename_space(&name, &to)?))
    }

    /// Adds a field of texts, whose words count `weight` times.
    fn add_field(&self, py: Python<'_>, name: Text, weight: Number<u32>) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.add_field(&name, weight.0)?))
    }

    /// The language by whose stems texts are searched; `None`: by their words as they are.
    #[getter]
    fn language(&self) -> PyResult<Option<String>> {
        Ok(self.ask(CompactArtifact::language)?.map(|language| language.to_string()))
    }

    /// Whether words are compared without their diacritics.
    #[getter]
    fn fold_diacritics(&self) -> PyResult<bool> {
        self.ask(CompactArtifact::folds_diacritics)
    }

    /// The field of the metadata with the date from which on a record is not there any more; `None`: records do not expire.
    #[getter]
    fn expires_at(&self) -> PyResult<Option<String>> {
        self.ask(CompactArtifact::expires_field)
    }

    /// How many neighbours of each record are stored.
    #[getter]
    fn precompute_similar(&self) -> PyResult<usize> {
        self.ask(CompactArtifact::precomputed_similar)
    }

    /// Changes how texts become words, and indexes the words of all records anew. Searches go on by the old words until that is done, and an error changes nothing. `language=None`:
    /// words as they are; what is not given stays as it is. `progress(done, all)` is called before and between shards; if it returns `False`, the call ends, and
    /// nothing was changed.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> _ = artifact.add_text("die alten Häuser der Stadt")
    /// >>> len(artifact.search("Haus")), artifact.set_text_options(language="german")["records"]
    /// (0, 1)
    /// >>> len(artifact.search("Haus")), artifact.language
    /// (1, 'german')
    #[pyo3(
        signature = (*, progress = None, **options),
        text_signature = "(self, *, language=..., fold_diacritics=None, progress=None)"
    )]
    fn set_text_options<'py>(
        &self,
        py: Python<'py>,
        progress: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = text_options(options)?;
        let mut progress = Progress::new(progress);
        let done = self.call(py, |artifact| {
            let done = artifact.set_text_options_with(options, |done| {
                progress.tell(done.records, done.records + done.left)
            })?;
            progress.end(done)
        })?;
        report(py, &done)
    }

    /// What the metadata of records must be; `None`: anything.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let schema = self.ask(CompactArtifact::schema)?;
        schema.map(|schema| to_python(py, &schema.to_json())).transpose()
    }

    /// Says what the metadata of records must be from now on: types of fields, `bool`, `number`, `string` or `date`, and which of them each record must have; `None`: anything. A
    /// record that is there and breaks it is a `SchemaViolationError`, and changes nothing.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> artifact.set_schema({"year": {"type": "number", "required": True}, "tags": "string"})
    /// >>> artifact.add_text("a cat", metadata={"year": "2026"})
    /// Traceback (most recent call last):
    ///     ...
    /// compact_artifact.errors.SchemaViolationError: ...
    fn set_schema(&self, py: Python<'_>, schema: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let schema = schema.map(options::schema).transpose()?;
        self.call(py, |artifact| Ok(artifact.set_schema(schema)?))
    }

    /// Moves to another model, and gives texts that have no embedding one. `progress(done, all)` is called after each commit; if it returns `False`, the call ends, and one
    /// with the same model goes on later.
    ///
    /// A vector that was given for a text goes with the old space. Of other records no model makes vectors again: where any were given for them, this is refused by
    /// `WouldLoseEmbeddingError`, unless `lose_given=True` says that they may go; the report counts them as `given`.
    #[pyo3(signature = (embedder, *, progress = None, lose_given = false))]
    fn reembed<'py>(
        &self,
        py: Python<'py>,
        embedder: &Bound<'py, PyAny>,
        progress: Option<&Bound<'py, PyAny>>,
        lose_given: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let embedder = embedder::from_python(embedder)?;
        let mut progress = Progress::new(progress);
        let done = self.call(py, |artifact| {
            let done = artifact.reembed_with(embedder, lose_given, |done| {
                let so_far = done.embedded + done.without;
                progress.tell(so_far, so_far + done.left)
            })?;
            progress.end(done)
        })?;
        report(py, &done)
    }
}

fn text_options(given: Option<&Bound<'_, PyDict>>) -> PyResult<TextOptions> {
    let mut options = TextOptions::new();
    for (name, value) in given.into_iter().flatten() {
        options = match &*name.extract::<Text>()? {
            "language" => match value.extract::<Option<Text>>()? {
                Some(name) => options.language(options::language(&name)?),
                None => options.no_language(),
            },
            "fold_diacritics" if value.is_none() => options,
            "fold_diacritics" => options.fold_diacritics(value.extract()?),
            name => {
                return Err(invalid(format!("expected language, fold_diacritics, progress, found {name:?}")));
            }
        };
    }
    Ok(options)
}

/// A function of Python that hears how far a long call is, and may end it.
struct Progress {
    function: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

impl Progress {
    fn new(function: Option<&Bound<'_, PyAny>>) -> Self {
        Self { function: function.map(|function| function.clone().unbind()), raised: None }
    }

    /// Calls it, unless there is none. Ctrl-C ends the call as well.
    fn tell(&mut self, done: u64, all: u64) -> ControlFlow<()> {
        let answer = Python::attach(|py| -> PyResult<bool> {
            py.check_signals()?;
            let Some(function) = &self.function else { return Ok(true) };
            let goes_on = function.bind(py).call1((done, all))?;
            Ok(goes_on.is_none() || goes_on.is_truthy()?)
        });
        match answer {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(e) => {
                self.raised = Some(e);
                ControlFlow::Break(())
            }
        }
    }

    /// What the call returns, or what the function raised.
    fn end<T>(&mut self, done: T) -> Result<T, Failure> {
        self.raised.take().map_or(Ok(done), |e| Err(Failure::Raised(e)))
    }
}
