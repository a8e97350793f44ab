//! The handle: how it is opened, closed, and called.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use compact_artifact::CompactArtifact;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::errors::{Failure, invalid};
use crate::gate::{Gate, Shut};
use crate::number::Number;
use crate::options;

/// How an artifact was opened, so that another process can do the same.
enum Origin {
    Writer,
    Reader { path: PathBuf, offset: Option<u64>, options: Option<Py<PyDict>> },
    Memory,
}

/// An artifact: texts, blobs, metadata and embeddings, compressed, safe from crashes, and found again.
///
/// `create`, `open`, `open_or_create`, `open_read_only` and `open_packed` open one; `with` closes it. All calls may come from many threads at once, and
/// let go of the interpreter while they work.
///
/// >>> import tempfile, pathlib
/// >>> from compact_artifact import CompactArtifact
/// >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.artifact"
/// >>> with CompactArtifact.create(path, embedder="built-in") as notes:
/// ...     _ = notes.add_text("a cat sat on the mat", key="cat", metadata={"year": 2024})
/// ...     _ = notes.add_text("dogs chase cats", key="dog", metadata={"year": 2026})
/// ...     [hit.text for hit in notes.search("pets and animals", filter={"year": {"$gte": 2025}})]
/// ['dogs chase cats']
#[pyclass(module = "compact_artifact", name = "CompactArtifact", frozen, weakref)]
pub(crate) struct Artifact {
    inner: Gate<CompactArtifact>,
    origin: Origin,
    path: PathBuf,
    is_read_only: bool,
    /// Batch writers that were not finished.
    pub(crate) writers: Arc<AtomicUsize>,
}

impl Artifact {
    fn new(artifact: CompactArtifact, origin: Origin) -> Self {
        let path = std::path::absolute(artifact.path()).unwrap_or_else(|_| artifact.path().to_owned());
        let is_read_only = artifact.is_read_only();
        Self { inner: Gate::new(artifact), origin, path, is_read_only, writers: Arc::default() }
    }

    fn opened(
        py: Python<'_>,
        open: impl FnOnce() -> compact_artifact::Result<CompactArtifact> + Send,
        origin: Origin,
    ) -> PyResult<Self> {
        let artifact = py.detach(open).map_err(Failure::from)?;
        Ok(Self::new(artifact, origin))
    }

    /// Calls the library without the interpreter.
    pub(crate) fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&CompactArtifact) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| {
            let pass = self.inner.enter().map_err(shut)?;
            pass.with(call).unwrap_or(Err(Failure::Closed("artifact")))
        });
        Ok(done?)
    }

    /// The same with what is made of the artifact before, with the interpreter.
    pub(crate) fn call_with<A: Send, T: Send>(
        &self,
        py: Python<'_>,
        prepare: impl FnOnce(&CompactArtifact) -> PyResult<A>,
        call: impl FnOnce(&CompactArtifact, A) -> Result<T, Failure> + Send,
    ) -> PyResult<T> {
        let closed = Failure::Closed("artifact");
        let pass = self.inner.enter().map_err(shut)?;
        let Some(argument) = pass.with(prepare) else { return Err(closed.into()) };
        let argument = argument?;
        let done = py.detach(|| pass.with(|artifact| call(artifact, argument)).unwrap_or(Err(closed)));
        Ok(done?)
    }

    /// Calls what returns at once, with the interpreter.
    pub(crate) fn ask<T>(&self, call: impl FnOnce(&CompactArtifact) -> T) -> PyResult<T> {
        let pass = self.inner.enter().map_err(shut)?;
        Ok(pass.with(call).ok_or(Failure::Closed("artifact"))?)
    }

    /// Whether it may be used: not in a process that was forked from the one that opened it.
    pub(crate) fn check_process(&self) -> PyResult<()> {
        Ok(self.inner.check_process().map_err(shut)?)
    }

    /// Takes the handle, when no call is under way any more.
    fn take(&self, py: Python<'_>, call: &'static str) -> PyResult<Option<CompactArtifact>> {
        self.inner.check_process().map_err(shut)?;
        if self.writers.load(Ordering::Acquire) > 0 {
            return Err(crate::errors::in_use(
                "a batch writer is still in use; call `finish` on it, or leave its `with`, before `close`",
            ));
        }
        Ok(py.detach(|| self.inner.take()).map_err(|e| match e {
            Shut::Inside => Failure::Reentrant(call, "artifact"),
            e => shut(e),
        })?)
    }
}

fn shut(shut: Shut) -> Failure {
    match shut {
        Shut::Closed => Failure::Closed("artifact"),
        Shut::OtherProcess => Failure::OtherProcess,
        Shut::Inside => Failure::Reentrant("close", "artifact"),
    }
}

/// Does what may wait for other threads, which may wait for the interpreter.
pub(crate) fn without_interpreter(work: impl FnOnce() + Send) {
    let mut work = Some(work);
    Python::try_attach(|py| {
        let work = work.take();
        py.detach(|| work.map(|work| work()));
    });
    // The interpreter has ended.
    if let Some(work) = work {
        work();
    }
}

/// What is left without `close` is let go of; nothing that was acknowledged is lost.
impl Drop for Artifact {
    fn drop(&mut self) {
        if let Some(artifact) = self.inner.take_mut() {
            without_interpreter(|| drop(artifact));
        }
    }
}

/// Open and close.
#[pymethods]
impl Artifact {
    #[new]
    #[pyo3(signature = (*_arguments, **_options))]
    fn refused(_arguments: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Err(PyTypeError::new_err(
            "an artifact is created by `CompactArtifact.create(path)`, and opened by `open`, `open_or_create` or `open_read_only`",
        ))
    }

    /// Creates an artifact in the directory `path`, whose parent exists. `help(compact_artifact)` explains the options.
    #[staticmethod]
    #[pyo3(signature = (path, **options))]
    fn create(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = options::from_arguments(options)?;
        Self::opened(py, || options.create(path), Origin::Writer)
    }

    /// Opens an artifact for writing, and recovers it if it was not closed. There can be one writer at a time: with `busy_timeout=SECONDS` it waits for another one.
    #[staticmethod]
    #[pyo3(signature = (path, **options))]
    fn open(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = options::from_arguments(options)?;
        Self::opened(py, || options.open(path), Origin::Writer)
    }

    /// Opens the artifact at `path` for writing, or creates it where there is none.
    #[staticmethod]
    #[pyo3(signature = (path, **options))]
    fn open_or_create(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = options::from_arguments(options)?;
        Self::opened(py, || options.open_or_create(path), Origin::Writer)
    }

    /// Opens an artifact for reading: a directory, beside its writer or on media that cannot be written to, or a packed file. Such a handle can be pickled: it is opened
    /// anew, by its path, in the process that it comes to.
    #[staticmethod]
    #[pyo3(signature = (path, **options))]
    fn open_read_only(py: Python<'_>, path: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let read = options::for_reading(options)?;
        let origin = Self::reader(py, &path, None, options)?;
        Self::opened(py, || read.open_read_only(path), origin)
    }

    /// Opens a packed artifact: a file, one that begins at `offset` in a larger file, or `bytes`.
    ///
    /// >>> import tempfile, pathlib
    /// >>> folder = pathlib.Path(tempfile.mkdtemp())
    /// >>> with CompactArtifact.create(folder / "a") as artifact:
    /// ...     _ = artifact.add_text("a cat", key="cat")
    /// ...     report = artifact.pack(folder / "a.pack")
    /// >>> CompactArtifact.open_packed((folder / "a.pack").read_bytes())["cat"].text
    /// 'a cat'
    #[staticmethod]
    #[pyo3(signature = (path, offset = Number(0), **options), text_signature = "(path, offset=0, **options)")]
    fn open_packed(
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        offset: Number<u64>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (Number(offset), read) = (offset, options::for_reading(options)?);
        if let Ok(bytes) = path.cast::<PyBytes>() {
            if offset != 0 {
                return Err(invalid(
                    "option offset would have no effect; expected a path, or a slice of the bytes",
                ));
            }
            let bytes: pyo3::pybacked::PyBackedBytes = bytes.extract()?;
            return Self::opened(py, || read.open_packed_bytes(bytes), Origin::Memory);
        }
        let path: PathBuf = path.extract()?;
        let origin = Self::reader(py, &path, Some(offset), options)?;
        Self::opened(py, || read.open_packed_at(path, offset), origin)
    }

    /// Makes everything durable, seals what was added if there is much of it, and closes the artifact. Calls under way in other threads are waited for. Closing twice is
    /// no error. What was acknowledged is safe without it too; opening takes longer then.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.take(py, "close")? {
            Some(artifact) => Ok(py.detach(|| artifact.close()).map_err(Failure::from)?),
            None => Ok(()),
        }
    }

    /// Removes the artifact from the disk: the files that the format gives names to, and no others.
    fn destroy(&self, py: Python<'_>) -> PyResult<()> {
        // What is refused leaves the handle open.
        self.call(py, |artifact| Ok(artifact.check_destroy()?))?;
        match self.take(py, "destroy")? {
            Some(artifact) => Ok(py.detach(|| artifact.destroy()).map_err(Failure::from)?),
            None => Err(Failure::Closed("artifact").into()),
        }
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Where the artifact is: an absolute path.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Whether it was opened for reading.
    #[getter]
    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        slf.ask(|_| ())?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let state = match self.ask(CompactArtifact::len) {
            Err(_) => "closed".to_owned(),
            Ok(len) if self.is_read_only => format!("{len} records, read-only"),
            Ok(len) => format!("{len} records"),
        };
        format!("<CompactArtifact {}: {state}>", self.path.display())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        self.ask(|_| ())?;
        let Origin::Reader { path, offset, options } = &self.origin else {
            return Err(PyTypeError::new_err(match self.origin {
                Origin::Memory => "an artifact in memory cannot be pickled; pickle its bytes",
                _ => "an artifact that is open for writing cannot be pickled; pickle one of `open_read_only`",
            }));
        };
        let open = py.import("compact_artifact")?.getattr("_opened_anew")?;
        let options = options.as_ref().map(|options| options.clone_ref(py));
        Ok((open, (path.clone(), *offset, options).into_pyobject(py)?))
    }
}

impl Artifact {
    fn reader(
        py: Python<'_>,
        path: &std::path::Path,
        offset: Option<u64>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Origin> {
        let path = std::path::absolute(path)?;
        let options = options.map(|options| options.copy().map(Bound::unbind)).transpose()?;
        let _ = py;
        Ok(Origin::Reader { path, offset, options })
    }
}
