//! One commit, as readers see it.

use compact_artifact::{RecordId, Snapshot as View};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::artifact::Artifact;
use crate::entry::{Entries, Entry, IdOrKey, optional};
use crate::errors::Failure;
use crate::query::{filter as read_filter, from_arguments};
use crate::results::SearchResults;

/// An immutable view of one commit. All calls answer from it, however much is written meanwhile. As long as there is a name for it, the files of the commit stay.
///
/// >>> import tempfile, pathlib
/// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
/// >>> _ = artifact.add_text("a cat", key="cat")
/// >>> snapshot = artifact.snapshot()
/// >>> _ = artifact.delete("cat")
/// >>> len(artifact), len(snapshot), snapshot["cat"].text
/// (0, 1, 'a cat')
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct Snapshot {
    /// Knows the spaces and the model.
    pub(crate) artifact: Py<Artifact>,
    pub(crate) view: View,
}

impl Snapshot {
    fn find(&self, py: Python<'_>, record: &IdOrKey) -> PyResult<Option<Entry>> {
        let found = py.detach(|| match record {
            IdOrKey::Id(id) => self.view.get(RecordId(*id)),
            IdOrKey::Key(key) => self.view.get_by_key(key),
        });
        Ok(optional(found.map_err(Failure::from)?))
    }
}

#[pymethods]
impl Snapshot {
    /// The number of the commit.
    #[getter]
    fn commit(&self) -> u64 {
        self.view.seq().0
    }

    /// A record, by its id or its key; `None` if there is none.
    fn get(&self, py: Python<'_>, record: IdOrKey) -> PyResult<Option<Entry>> {
        self.find(py, &record)
    }

    fn __getitem__(&self, py: Python<'_>, record: IdOrKey) -> PyResult<Entry> {
        self.find(py, &record)?.ok_or_else(|| record.missing())
    }

    fn __contains__(&self, py: Python<'_>, record: IdOrKey) -> PyResult<bool> {
        Ok(self.find(py, &record)?.is_some())
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.view.len()).unwrap_or(usize::MAX)
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__(&self) -> Entries {
        Entries::new(self.view.records())
    }

    /// Looks for records: see `CompactArtifact.search`.
    #[pyo3(signature = (text = None, **arguments))]
    fn search(
        &self,
        py: Python<'_>,
        text: Option<&Bound<'_, PyAny>>,
        arguments: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SearchResults> {
        let query = self.artifact.get().ask(|artifact| from_arguments(artifact, text, arguments))??;
        Ok(py.detach(|| self.view.search(&query)).map_err(Failure::from)?.into())
    }

    /// How many records a filter lets through.
    fn count(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<u64> {
        let filter = read_filter(filter)?;
        Ok(py.detach(|| self.view.count(&filter)).map_err(Failure::from)?)
    }

    /// The keys that begin with `prefix`, in their order, with the ids of their records.
    #[pyo3(signature = (prefix = ""))]
    fn keys<'py>(&self, py: Python<'py>, prefix: &str) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (key, id) in py.detach(|| self.view.keys(prefix)).map_err(Failure::from)? {
            dict.set_item(key, id.0)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<Snapshot of commit {}: {} records>", self.commit(), self.view.len())
    }
}
