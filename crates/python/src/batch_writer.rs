//! Records from many threads, committed in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use compact_artifact::{BatchWriter as Writer, Record};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::errors::Failure;
use crate::gate::{Gate, Shut};
use crate::json::report;
use crate::records::from_arguments;

/// Collects records from any number of threads, and commits them in batches: see `CompactArtifact.batch_writer`.
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct BatchWriter {
    inner: Gate<Writer>,
    /// How many writers of the artifact were not finished.
    writers: Arc<AtomicUsize>,
}

impl BatchWriter {
    pub(crate) fn new(writer: Writer, writers: Arc<AtomicUsize>) -> Self {
        writers.fetch_add(1, Ordering::AcqRel);
        Self { inner: Gate::new(writer), writers }
    }

    fn call(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&Writer) -> compact_artifact::Result<()> + Send,
    ) -> PyResult<()> {
        let done = py.detach(|| {
            let pass = self.inner.enter().map_err(shut)?;
            let done = pass.with(call).ok_or(Failure::Closed("batch writer"))?;
            done.map_err(Failure::from)
        });
        Ok(done?)
    }

    fn take(&self, py: Python<'_>) -> PyResult<Option<Writer>> {
        let writer = py.detach(|| self.inner.take()).map_err(shut)?;
        if writer.is_some() {
            self.writers.fetch_sub(1, Ordering::AcqRel);
        }
        Ok(writer)
    }
}

fn shut(shut: Shut) -> Failure {
    match shut {
        Shut::Closed => Failure::Closed("batch writer"),
        Shut::OtherProcess => Failure::OtherProcess,
        Shut::Inside => Failure::Reentrant("finish", "batch writer"),
    }
}

#[pymethods]
impl BatchWriter {
    /// Adds a record: see `CompactArtifact.add`. One that could be stored nowhere in the artifact is refused by itself. A key that is there
    /// already, or twice in a batch, raises AlreadyExistsError when the batch is committed, and costs all of it: `upsert` is for records that may
    /// be there. The error of an earlier batch is raised here too, and from then on nothing more is taken.
    #[pyo3(signature = (record = None, /, **parts))]
    fn add(
        &self,
        py: Python<'_>,
        record: Option<&Bound<'_, PyAny>>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let record: Record = from_arguments(record, parts)?;
        self.call(py, |writer| writer.add(record))
    }

    /// Adds a record in the place of the one with its key, if there is one. One that would lose the embedding given to the former raises
    /// WouldLoseEmbeddingError when its batch is committed, and costs all of it.
    #[pyo3(signature = (record = None, /, **parts))]
    fn upsert(
        &self,
        py: Python<'_>,
        record: Option<&Bound<'_, PyAny>>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let record: Record = from_arguments(record, parts)?;
        self.call(py, |writer| writer.upsert(record))
    }

    /// Commits what waits, and returns when all that was added before is committed.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Writer::flush)
    }

    /// Commits what waits, and returns how many `records` and `batches` were committed; or raises the first error of any batch.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let writer = self.take(py)?.ok_or(Failure::Closed("batch writer"))?;
        let done = py.detach(|| writer.finish()).map_err(Failure::from)?;
        report(py, &done)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// Commits what waits, also after an exception: it was added before that.
    #[pyo3(signature = (_kind = None, _value = None, _traceback = None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyType>>,
        _value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        match self.take(py)? {
            Some(writer) => {
                py.detach(|| writer.finish()).map_err(Failure::from)?;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        if let Some(writer) = self.inner.take_mut() {
            self.writers.fetch_sub(1, Ordering::AcqRel);
            crate::artifact::without_interpreter(|| drop(writer));
        }
    }
}
