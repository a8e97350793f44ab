//! One commit, as readers see it.

use compact_artifact::{Entry as Stored, RecordId, Result, Snapshot as View};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::artifact::Artifact;
use crate::entry::{Entries, Entry, IdOrKey, optional};
use crate::errors::Failure;
use crate::json::report;
use crate::number::Number;
use crate::query::{
    Asked, Setting, filter as read_filter, from_arguments, from_item, optional_filter, search_batch,
};
use crate::results::SearchResults;
use crate::text::Text;

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
    /// Knows whether this is another process.
    artifact: Py<Artifact>,
    view: View,
    spaces: Vec<String>,
    embeds_texts: bool,
}

impl Setting for Snapshot {
    fn spaces(&self) -> Vec<String> {
        self.spaces.clone()
    }

    fn embeds_texts(&self) -> bool {
        self.embeds_texts
    }
}

impl Snapshot {
    /// The newest commit of an artifact, which may be set up otherwise or closed later.
    pub(crate) fn new(artifact: Bound<'_, Artifact>) -> PyResult<Self> {
        let (view, spaces, embeds_texts) = artifact
            .get()
            .ask(|artifact| (artifact.snapshot(), Setting::spaces(artifact), artifact.embeds_texts()))?;
        Ok(Self { artifact: artifact.unbind(), view, spaces, embeds_texts })
    }

    /// The commit; an error in a process that was forked.
    fn view(&self) -> PyResult<&View> {
        self.artifact.get().check_process()?;
        Ok(&self.view)
    }

    fn find(&self, py: Python<'_>, record: &IdOrKey) -> PyResult<Option<Entry>> {
        let view = self.view()?;
        let found = py.detach(|| match record {
            IdOrKey::Id(id) => view.get(RecordId(*id)),
            IdOrKey::Key(key) => view.get_by_key(key),
        });
        Ok(optional(found.map_err(Failure::from)?))
    }
}

#[pymethods]
impl Snapshot {
    /// The number of the commit.
    #[getter]
    fn commit(&self) -> PyResult<u64> {
        Ok(self.view()?.seq().0)
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

    fn __len__(&self) -> PyResult<usize> {
        Ok(usize::try_from(self.view()?.len()).unwrap_or(usize::MAX))
    }

    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__(&self) -> PyResult<Entries> {
        Ok(Entries::new(self.view()?.records()))
    }

    /// Looks for records: see `CompactArtifact.search`.
    #[pyo3(signature = (text = None, **arguments))]
    fn search(
        &self,
        py: Python<'_>,
        text: Option<&Bound<'_, PyAny>>,
        arguments: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SearchResults> {
        let (view, asked) = (self.view()?, from_arguments(self, text, arguments)?);
        let found = py.detach(|| view.search(&asked.query));
        Ok(asked.found(found)?)
    }

    /// Several searches at once: see `CompactArtifact.search_batch`.
    fn search_batch(&self, py: Python<'_>, queries: &Bound<'_, PyList>) -> PyResult<Vec<SearchResults>> {
        let view = self.view()?;
        let asked = queries.iter().map(|item| from_item(self, &item)).collect::<PyResult<Vec<Asked>>>()?;
        Ok(py.detach(|| search_batch(asked, |queries| view.search_batch(queries)))?)
    }

    /// Records by their ids or keys, in the order asked for, `None` for those that are not there.
    fn get_many(&self, py: Python<'_>, records: Vec<IdOrKey>) -> PyResult<Vec<Option<Entry>>> {
        let view = self.view()?;
        let entries = py.detach(|| get_many(view, &records)).map_err(Failure::from)?;
        Ok(entries.into_iter().map(optional).collect())
    }

    /// The id of the record with a key; `None` if there is none.
    fn id_of_key(&self, py: Python<'_>, key: Text) -> PyResult<Option<u64>> {
        let view = self.view()?;
        Ok(py.detach(|| view.id_of_key(&key)).map_err(Failure::from)?.map(|id| id.0))
    }

    /// The records that a filter lets through, in the order of their ids; all of them without one.
    #[pyo3(signature = (filter = None))]
    fn records(&self, py: Python<'_>, filter: Option<&Bound<'_, PyAny>>) -> PyResult<Entries> {
        match optional_filter(filter)? {
            None => self.__iter__(),
            Some(filter) => {
                let view = self.view()?;
                let found = py.detach(|| view.records_where(&filter)).map_err(Failure::from)?;
                Ok(Entries::new(found))
            }
        }
    }

    /// The ids of the records that a filter lets through, ascending.
    fn ids_where(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
        let (view, filter) = (self.view()?, read_filter(filter)?);
        let ids = py.detach(|| view.ids_where(&filter)).map_err(Failure::from)?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }

    /// The values of a field of the metadata, each with how many records have it, among those that a filter lets through.
    #[pyo3(signature = (field, filter = None))]
    fn values<'py>(
        &self,
        py: Python<'py>,
        field: Text,
        filter: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (view, filter) = (self.view()?, optional_filter(filter)?);
        let values = py.detach(|| view.values(&field, filter.as_ref())).map_err(Failure::from)?;
        report(py, &values)
    }

    /// The embedding of a record in a space, as near as it is stored; `None` if it has none. A `DamagedError` where it may have been lost.
    fn embedding(&self, py: Python<'_>, id: Number<u64>, space: Text) -> PyResult<Option<Vec<f32>>> {
        let view = self.view()?;
        Ok(py.detach(|| view.embedding(RecordId(id.0), &space)).map_err(Failure::from)?)
    }

    /// How many records a filter lets through.
    fn count(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (view, filter) = (self.view()?, read_filter(filter)?);
        Ok(py.detach(|| view.count(&filter)).map_err(Failure::from)?)
    }

    /// The keys that begin with `prefix`, in their order, with the ids of their records.
    #[pyo3(signature = (prefix = Text::default()), text_signature = "($self, prefix='')")]
    fn keys<'py>(&self, py: Python<'py>, prefix: Text) -> PyResult<Bound<'py, PyDict>> {
        let (view, dict) = (self.view()?, PyDict::new(py));
        for (key, id) in py.detach(|| view.keys(&prefix)).map_err(Failure::from)? {
            dict.set_item(key, id.0)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<Snapshot of commit {}: {} records>", self.view.seq().0, self.view.len())
    }
}

/// Records by their ids or keys; each block of them is decoded once.
pub(crate) fn get_many(view: &View, records: &[IdOrKey]) -> Result<Vec<Option<Stored>>> {
    let mut ids = Vec::with_capacity(records.len());
    for record in records {
        ids.push(match record {
            IdOrKey::Id(id) => RecordId(*id),
            // No record has the last number.
            IdOrKey::Key(key) => view.id_of_key(key)?.unwrap_or(RecordId(u64::MAX)),
        });
    }
    view.get_many(&ids)
}
