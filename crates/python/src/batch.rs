//! Changes that are committed together.

use compact_artifact::{Batch as Changes, Durability, Receipt, RecordId};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::artifact::Artifact;
use crate::entry::IdOrKey;
use crate::errors::invalid;
use crate::json::to_object;
use crate::number::Number;
use crate::query::filter as read_filter;
use crate::records::from_arguments;
use crate::text::Text;
use crate::vectors::vector;

/// Changes that are committed together when its `with` ends without an exception, or by `commit`: all of them, or none.
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct Batch {
    artifact: Py<Artifact>,
    state: Mutex<State>,
}

struct State {
    /// `None`: they were committed, or given up.
    changes: Option<Changes>,
    receipt: Option<Py<PyDict>>,
}

impl Batch {
    pub(crate) fn new(artifact: Py<Artifact>, durability: Option<Durability>) -> Self {
        let changes = match durability {
            Some(durability) => Changes::new().durability(durability),
            None => Changes::new(),
        };
        Self { artifact, state: Mutex::new(State { changes: Some(changes), receipt: None }) }
    }

    fn change(&self, change: impl FnOnce(Changes) -> Changes) -> PyResult<()> {
        let mut state = self.state.lock();
        let changes = state.changes.take().ok_or_else(done)?;
        state.changes = Some(change(changes));
        Ok(())
    }
}

fn done() -> PyErr {
    invalid("the batch was committed or given up; make another one")
}

#[pymethods]
impl Batch {
    /// Adds a record: see `CompactArtifact.add`.
    #[pyo3(signature = (record = None, /, **parts))]
    fn add(&self, record: Option<&Bound<'_, PyAny>>, parts: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let record = from_arguments(record, parts)?;
        self.change(|changes| changes.add(record))
    }

    /// Adds a record in the place of the one with its key, if there is one.
    #[pyo3(signature = (record = None, /, **parts))]
    fn upsert(&self, record: Option<&Bound<'_, PyAny>>, parts: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let record = from_arguments(record, parts)?;
        self.change(|changes| changes.upsert(record))
    }

    /// Deletes a record, by its id or its key; that there is none is no error.
    fn delete(&self, record: IdOrKey) -> PyResult<()> {
        self.change(|changes| match record {
            IdOrKey::Id(id) => changes.delete(RecordId(id)),
            IdOrKey::Key(key) => changes.delete_key(key),
        })
    }

    /// Deletes all records that a filter lets through when the batch is committed. A comparison with a type that no value of its field has is no
    /// error, and matches nothing, negated or not.
    fn delete_where(&self, filter: &Bound<'_, PyAny>) -> PyResult<()> {
        let filter = read_filter(filter)?;
        self.change(|changes| changes.delete_where(filter))
    }

    /// Changes the metadata of a record in part: see `CompactArtifact.update`.
    fn update(&self, record: IdOrKey, metadata: &Bound<'_, PyAny>) -> PyResult<()> {
        let patch = to_object(metadata, "a change of metadata")?;
        self.change(|changes| match record {
            IdOrKey::Id(id) => changes.update(RecordId(id), patch),
            IdOrKey::Key(key) => changes.update_key(key, patch),
        })
    }

    /// Changes the metadata of all records that a filter lets through when the batch is committed.
    fn update_where(&self, filter: &Bound<'_, PyAny>, metadata: &Bound<'_, PyAny>) -> PyResult<()> {
        let (filter, patch) = (read_filter(filter)?, to_object(metadata, "a change of metadata")?);
        self.change(|changes| changes.update_where(filter, patch))
    }

    /// Gives a record that is there already an embedding.
    #[pyo3(signature = (id, space, vector))]
    fn add_embedding(&self, id: Number<u64>, space: Text, vector: &Bound<'_, PyAny>) -> PyResult<()> {
        let values = self::vector(vector, "a vector")?;
        self.change(|changes| changes.add_embedding(RecordId(id.0), space, values))
    }

    /// Takes the embedding away that a record has in a space; that it has none is no error.
    fn remove_embedding(&self, id: Number<u64>, space: Text) -> PyResult<()> {
        self.change(|changes| changes.remove_embedding(RecordId(id.0), space))
    }

    /// Commits the changes, and returns what that did.
    fn commit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let changes = self.state.lock().changes.take().ok_or_else(done)?;
        let receipt = self.artifact.get().write_changes(py, changes)?;
        self.state.lock().receipt = Some(receipt.clone().unbind());
        Ok(receipt)
    }

    /// What the commit did: `commit`, `ids` in the order of the batch, `deleted`, `updated`; `None` before.
    #[getter]
    fn receipt(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.state.lock().receipt.as_ref().map(|receipt| receipt.clone_ref(py))
    }

    /// How many changes wait.
    fn __len__(&self) -> usize {
        self.state.lock().changes.as_ref().map_or(0, Changes::len)
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (kind = None, _value = None, _traceback = None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyType>>,
        _value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if kind.is_some() {
            self.state.lock().changes = None;
            return Ok(());
        }
        // Whoever called `commit` inside of the `with` is done.
        let is_done = self.state.lock().changes.is_none();
        if is_done { Ok(()) } else { self.commit(py).map(drop) }
    }
}

/// A receipt as a dict.
pub(crate) fn receipt<'py>(py: Python<'py>, receipt: &Receipt) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("commit", receipt.seq.0)?;
    dict.set_item("ids", receipt.ids.iter().map(|id| id.0).collect::<Vec<_>>())?;
    dict.set_item("deleted", receipt.deleted)?;
    dict.set_item("updated", receipt.updated)?;
    Ok(dict)
}
