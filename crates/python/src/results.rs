//! What a search found.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use compact_artifact::{Hit as FoundRecord, SearchResults as Found, Snippet};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PySlice};

use crate::arrow_out;
use crate::entry::Entry;
use crate::errors::Failure;
use crate::json::{object_to_python, report};
use crate::number::number;

/// What a search found: a sequence of hits, the best first. Anything that reads Arrow (pyarrow, polars, duckdb) takes it as a table.
///
/// >>> import tempfile, pathlib
/// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
/// >>> _ = artifact.add_batch(["a cat", "a dog"])
/// >>> found = artifact.search("cat")
/// >>> len(found), found[0].id, found[0].text, found.is_complete
/// (1, 0, 'a cat', True)
/// >>> found.ids, found.scores == [hit.score for hit in found]
/// ([0], True)
/// >>> found.to_dict()["hits"][0]["text"]
/// 'a cat'
#[pyclass(module = "compact_artifact", frozen, sequence)]
pub(crate) struct SearchResults(Arc<Found>);

impl From<Found> for SearchResults {
    fn from(found: Found) -> Self {
        Self(Arc::new(found))
    }
}

#[pymethods]
impl SearchResults {
    fn __len__(&self) -> usize {
        self.0.hits.len()
    }

    fn __bool__(&self) -> bool {
        !self.0.hits.is_empty()
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if index.is_instance_of::<PySlice>() {
            return PyList::new(index.py(), self.hits())?.as_any().get_item(index);
        }
        let (py, index, len) = (index.py(), number::<isize>(index)?, self.0.hits.len());
        let at = if index < 0 { len.checked_add_signed(index) } else { usize::try_from(index).ok() };
        match at {
            Some(at) if at < len => Ok(Bound::new(py, Hit { found: self.0.clone(), at })?.into_any()),
            _ => Err(PyIndexError::new_err(format!("hit {index} of {len}"))),
        }
    }

    fn __iter__(&self) -> Hits {
        Hits { found: self.0.clone(), next: 0 }
    }

    /// The hits as a list.
    #[getter]
    fn hits(&self) -> Vec<Hit> {
        (0..self.0.hits.len()).map(|at| Hit { found: self.0.clone(), at }).collect()
    }

    /// The ids of the hits, the best first.
    #[getter]
    fn ids(&self) -> Vec<u64> {
        self.0.hits.iter().map(|hit| hit.id.0).collect()
    }

    /// Their scores.
    #[getter]
    fn scores(&self) -> Vec<f32> {
        self.0.hits.iter().map(|hit| hit.score).collect()
    }

    /// Whether everything was looked at. Otherwise the deadline passed, or a word with `*` or `~` stood for more terms than are looked for.
    #[getter]
    fn is_complete(&self) -> bool {
        self.0.is_complete
    }

    /// What could not be read because it is damaged.
    #[getter]
    fn losses<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.0.losses)
    }

    /// How many records match, if `total=True` asked for it.
    #[getter]
    fn total<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.0.total)
    }

    /// What was counted, in the order of `facets`.
    #[getter]
    fn facets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.0.facets)
    }

    /// How the search went, if `explain=True` asked for it.
    #[getter]
    fn explain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.0.explain.as_deref())
    }

    /// Everything as dicts and lists.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let hits = PyList::empty(py);
        for hit in self.hits() {
            hits.append(hit.to_dict(py)?)?;
        }
        dict.set_item("hits", hits)?;
        dict.set_item("is_complete", self.is_complete())?;
        dict.set_item("losses", self.losses(py)?)?;
        dict.set_item("total", self.total(py)?)?;
        dict.set_item("facets", self.facets(py)?)?;
        dict.set_item("explain", self.explain(py)?)?;
        Ok(dict)
    }

    /// A table of pyarrow, which has to be installed: `id`, `score`, `key`, `text`, and `metadata` as JSON.
    fn to_arrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// The hits as a stream of Arrow.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Another schema is a wish, which whoever gives a stream may leave unfulfilled.
        let _ = requested_schema;
        arrow_out::stream(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let hits = self.0.hits.len();
        format!("<SearchResults: {hits} {}>", if hits == 1 { "hit" } else { "hits" })
    }
}

/// A snippet whose highlights are in characters, as Python counts in a `str`, and not in bytes of UTF-8.
fn in_characters(mut snippet: Snippet) -> Snippet {
    let (mut at, mut characters) = (0, 0);
    let mut character = |byte: usize| {
        characters += snippet.text[at..byte].chars().count();
        at = byte;
        characters
    };
    for range in &mut snippet.highlights {
        *range = character(range.start)..character(range.end);
    }
    snippet
}

/// The hits of a search, one after the other.
#[pyclass(module = "compact_artifact")]
pub(crate) struct Hits {
    found: Arc<Found>,
    next: usize,
}

#[pymethods]
impl Hits {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<Hit> {
        let at = self.next;
        (at < self.found.hits.len()).then(|| {
            self.next += 1;
            Hit { found: self.found.clone(), at }
        })
    }
}

/// A record that was found.
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct Hit {
    found: Arc<Found>,
    at: usize,
}

impl Hit {
    fn hit(&self) -> &FoundRecord {
        &self.found.hits[self.at]
    }

    fn entry(&self) -> Option<Entry> {
        self.hit().record.clone().map(Entry)
    }
}

#[pymethods]
impl Hit {
    /// The number of the record.
    #[getter]
    fn id(&self) -> u64 {
        self.hit().id.0
    }

    /// Larger is better. Of words alone: BM25. Of one vector alone: the cosine, the dot product, or the squared distance negated.
    #[getter]
    fn score(&self) -> f32 {
        self.hit().score
    }

    /// The record; `None` with `fetch=False`, or if it is damaged.
    #[getter]
    fn record(&self) -> Option<Entry> {
        self.entry()
    }

    /// The text of the record; `None` without the record, or for a blob.
    #[getter]
    fn text(&self, py: Python<'_>) -> PyResult<Option<String>> {
        match self.entry().filter(Entry::is_text) {
            Some(entry) => entry.text(py).map(Some),
            None => Ok(None),
        }
    }

    /// The key of the record; `None` without the record, or if it has none.
    #[getter]
    fn key(&self) -> PyResult<Option<String>> {
        match &self.hit().record {
            Some(record) => Ok(record.key().map_err(Failure::from)?),
            None => Ok(None),
        }
    }

    /// The metadata of the record; `None` without the record.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.entry().map(|entry| entry.metadata(py)).transpose()
    }

    /// The values of the metadata that `fields` named.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        object_to_python(py, &self.hit().fields)
    }

    /// The piece of the text that says best why it was found, if `snippet` asked for it, as a dict. `highlights` are what the query asked for, in characters of the piece:
    /// `[snippet["text"][mark["start"]:mark["end"]] for mark in snippet["highlights"]]`.
    #[getter]
    fn snippet<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.hit().snippet.clone().map(in_characters))
    }

    /// Its place in each list that has it, if `explain=True` asked for it.
    #[getter]
    fn places<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.hit().places)
    }

    /// The hit, with the parts of its record, as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = match self.entry() {
            Some(entry) => entry.to_dict(py)?,
            None => PyDict::new(py),
        };
        dict.set_item("id", self.id())?;
        dict.set_item("score", self.score())?;
        if !self.hit().fields.is_empty() {
            dict.set_item("values", self.fields(py)?)?;
        }
        if self.hit().snippet.is_some() {
            dict.set_item("snippet", self.snippet(py)?)?;
        }
        if !self.hit().places.is_empty() {
            dict.set_item("places", self.places(py)?)?;
        }
        Ok(dict)
    }

    /// Whether both are the same hit of the same search.
    fn __eq__(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.found, &other.found) && self.at == other.at
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (Arc::as_ptr(&self.found), self.at).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> PyResult<String> {
        let key = self.key()?.map_or(String::new(), |key| format!(" {key:?}"));
        Ok(format!("<Hit {}{key}: {}>", self.id(), self.score()))
    }
}
