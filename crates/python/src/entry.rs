//! Stored records, as Python gets them back.

use compact_artifact::Entry as StoredRecord;
use parking_lot::Mutex;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::errors::{Failure, instead, invalid, wrong_type};
use crate::json::object_to_python;
use crate::number::Number;
use crate::text::text_of;

/// A stored record. Its parts are read when they are asked for; it stays readable whatever is deleted or compacted meanwhile.
///
/// >>> import tempfile, pathlib
/// >>> with CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a") as artifact:
/// ...     id = artifact.add_text("a cat", key="cat", metadata={"legs": 4})
/// ...     entry = artifact.get("cat")
/// >>> entry.id, entry.key, entry.text, entry.metadata
/// (0, 'cat', 'a cat', {'legs': 4})
/// >>> entry.to_dict()
/// {'id': 0, 'key': 'cat', 'metadata': {'legs': 4}, 'fields': {}, 'text': 'a cat'}
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct Entry(pub(crate) StoredRecord);

/// What of a record fails is an exception.
fn read<T: Send>(
    py: Python<'_>,
    entry: &StoredRecord,
    read: impl FnOnce(&StoredRecord) -> compact_artifact::Result<T> + Send,
) -> PyResult<T> {
    Ok(py.detach(|| read(entry)).map_err(Failure::from)?)
}

#[pymethods]
impl Entry {
    /// The number of the record.
    #[getter]
    fn id(&self) -> u64 {
        self.0.id().0
    }

    /// Its key; `None` if it has none.
    #[getter]
    pub(crate) fn key(&self) -> PyResult<Option<String>> {
        Ok(self.0.key().map_err(Failure::from)?)
    }

    /// Its metadata.
    #[getter]
    pub(crate) fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        object_to_python(py, &self.0.metadata().map_err(Failure::from)?)
    }

    /// Its texts in fields.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, text) in self.0.fields().map_err(Failure::from)? {
            dict.set_item(name, text)?;
        }
        Ok(dict)
    }

    /// Whether it was stored as a text.
    #[getter]
    pub(crate) fn is_text(&self) -> bool {
        self.0.is_text()
    }

    /// Its text; of a blob a `NotTextError`.
    #[getter]
    pub(crate) fn text(&self, py: Python<'_>) -> PyResult<String> {
        read(py, &self.0, |entry| entry.text().map(std::borrow::Cow::into_owned))
    }

    /// Its whole content. For one that may not fit in memory there is `read`.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let content = read(py, &self.0, |entry| entry.bytes().map(std::borrow::Cow::into_owned))?;
        Ok(PyBytes::new(py, &content))
    }

    /// Some bytes of its content, from `offset` on; what lies behind its end is left out.
    fn read<'py>(
        &self,
        py: Python<'py>,
        offset: Number<u64>,
        len: Number<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let range = offset.0..offset.0.saturating_add(len.0);
        let piece = read(py, &self.0, |entry| entry.range(range).map(std::borrow::Cow::into_owned))?;
        Ok(PyBytes::new(py, &piece))
    }

    /// The length of its content in bytes.
    fn __len__(&self) -> usize {
        usize::try_from(self.0.len()).unwrap_or(usize::MAX)
    }

    fn __bool__(&self) -> bool {
        true
    }

    /// All of it but the content of a blob, of which its `len` is there.
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("id", self.id())?;
        dict.set_item("key", self.key()?)?;
        dict.set_item("metadata", self.metadata(py)?)?;
        dict.set_item("fields", self.fields(py)?)?;
        if self.is_text() {
            dict.set_item("text", self.text(py)?)?;
        } else {
            dict.set_item("len", self.0.len())?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> PyResult<String> {
        let key = self.key()?.map_or(String::new(), |key| format!(" {key:?}"));
        let kind = if self.is_text() { "text" } else { "blob" };
        Ok(format!("<Entry {}{key}: {kind} of {} bytes>", self.id(), self.0.len()))
    }
}

/// A record that is there or not, as Python has it.
pub(crate) fn optional(entry: Option<StoredRecord>) -> Option<Entry> {
    entry.map(Entry)
}

/// A record by its number or its key.
pub(crate) enum IdOrKey {
    Id(u64),
    Key(String),
}

impl<'py> FromPyObject<'_, 'py> for IdOrKey {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(key) = value.cast::<PyString>() {
            return Ok(Self::Key(text_of(&key)?));
        }
        match value.extract::<Number<u64>>().map(|Number(id)| id) {
            Ok(id) => Ok(Self::Id(id)),
            Err(e) if e.is_instance_of::<PyTypeError>(value.py()) => {
                Err(wrong_type("a record", "its id, an int, or its key, a str", &value))
            }
            Err(e) => {
                let found = value.str()?;
                let expected =
                    || invalid(format!("the id of a record: expected 0 to 2^64 - 1, found {found}"));
                Err(instead(value.py(), e, expected))
            }
        }
    }
}

impl IdOrKey {
    /// What `artifact[…]` raises where nothing is.
    pub(crate) fn missing(&self) -> PyErr {
        match self {
            Self::Id(id) => PyKeyError::new_err(*id),
            Self::Key(key) => PyKeyError::new_err(key.clone()),
        }
    }
}

type Stored = dyn Iterator<Item = compact_artifact::Result<StoredRecord>> + Send;

/// Records one after the other, of the commit at which the iteration began.
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct Entries {
    entries: Mutex<Box<Stored>>,
    /// The process in which the iteration began. In one that is forked, another of its threads may have held the lock.
    process: u32,
}

impl Entries {
    pub(crate) fn new(
        entries: impl Iterator<Item = compact_artifact::Result<StoredRecord>> + Send + 'static,
    ) -> Self {
        Self { entries: Mutex::new(Box::new(entries)), process: std::process::id() }
    }
}

#[pymethods]
impl Entries {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Entry>> {
        if self.process != std::process::id() {
            return Err(Failure::OtherProcess.into());
        }
        let next = py.detach(|| self.entries.lock().next());
        Ok(next.transpose().map_err(Failure::from)?.map(Entry))
    }
}
