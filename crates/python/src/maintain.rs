//! Calls that look after an artifact, and those that need none that is open.

use std::path::PathBuf;

use compact_artifact::{CompactArtifact, Damage, VerifyLevel};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::artifact::Artifact;
use crate::errors::{Failure, invalid};
use crate::json::report;
use crate::number::Number;
use crate::options;
use crate::text::Text;

/// How thoroughly `verify` reads, by its name.
fn level(name: &str) -> PyResult<VerifyLevel> {
    match name {
        "headers" => Ok(VerifyLevel::Headers),
        "checksums" => Ok(VerifyLevel::Checksums),
        "decode" => Ok(VerifyLevel::Decode),
        _ => Err(invalid(format!("level: expected headers, checksums or decode, found {name:?}"))),
    }
}

/// What verifying found, and whether it is sound.
fn verified<'py>(py: Python<'py>, found: &compact_artifact::VerifyReport) -> PyResult<Bound<'py, PyAny>> {
    let dict = report(py, found)?;
    dict.set_item("is_sound", found.is_sound())?;
    Ok(dict)
}

/// Maintain.
#[pymethods]
impl Artifact {
    /// Brings everything committed so far into its final, indexed form. This happens by itself when there is much of it, and when the artifact is closed.
    fn seal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let done = self.call(py, |artifact| Ok(artifact.seal()?))?;
        report(py, &done)
    }

    /// Returns the space of deleted records, with at most `budget` bytes of memory: 64 MiB, unless it is given, and 4 MiB or more.
    #[pyo3(signature = (budget = Number(64 << 20)), text_signature = "($self, budget=67108864)")]
    fn compact<'py>(&self, py: Python<'py>, budget: Number<usize>) -> PyResult<Bound<'py, PyAny>> {
        let done = self.call(py, |artifact| Ok(artifact.compact(budget.0)?))?;
        report(py, &done)
    }

    /// Writes the newest commit to one immutable file, which must not exist yet: for `open_read_only` and `open_packed`.
    fn pack<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let done = self.call(py, |artifact| Ok(artifact.pack(path)?))?;
        report(py, &done)
    }

    /// Makes a directory, which `open` can write to, of this packed artifact.
    fn unpack<'py>(&self, py: Python<'py>, to: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let done = self.call(py, |artifact| Ok(artifact.unpack(to)?))?;
        report(py, &done)
    }

    /// Reads the artifact and compares every checksum. `level` is `"headers"`, `"checksums"` or `"decode"`.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> artifact.verify()["is_sound"]
    /// True
    #[pyo3(signature = (level = Text::from("decode")), text_signature = "($self, level='decode')")]
    fn verify<'py>(&self, py: Python<'py>, level: Text) -> PyResult<Bound<'py, PyAny>> {
        let level = self::level(&level)?;
        let found = self.call(py, |artifact| Ok(artifact.verify(level)?))?;
        verified(py, &found)
    }

    /// What the artifact holds: records, files, bytes, spaces.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = self.call(py, |artifact| Ok(artifact.stats()))?;
        report(py, &stats)
    }

    /// Memory that the artifact takes, in bytes, and what its searches did so far.
    fn memory_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = self.call(py, |artifact| Ok(artifact.memory_stats()))?;
        report(py, &stats)
    }

    /// What each cache did since the artifact was opened, and what it holds.
    fn cache_stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stats = self.call(py, |artifact| Ok(artifact.cache_stats()))?;
        report(py, &stats)
    }

    /// Empties the caches.
    fn clear_caches(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |artifact| {
            artifact.clear_caches();
            Ok(())
        })
    }

    /// Lets go of caches, and of room that searches keep.
    fn release_memory(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |artifact| {
            artifact.release_memory();
            Ok(())
        })
    }

    /// What opening found, beyond what a closed artifact has.
    #[getter]
    fn recovery<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (found, is_clean) = self.ask(|artifact: &CompactArtifact| {
            (artifact.recovery().clone(), artifact.recovery().is_clean())
        })?;
        let dict = report(py, &found)?;
        dict.set_item("is_clean", is_clean)?;
        Ok(dict)
    }
}

/// Reads the artifact at `path`, which need not be open, and compares every checksum.
///
/// >>> import tempfile, pathlib, compact_artifact
/// >>> path = pathlib.Path(tempfile.mkdtemp()) / "a"
/// >>> CompactArtifact.create(path).close()
/// >>> compact_artifact.verify(path)["damage"]
/// []
#[pyfunction]
#[pyo3(signature = (path, level = Text::from("decode")), text_signature = "(path, level='decode')")]
pub(crate) fn verify(py: Python<'_>, path: PathBuf, level: Text) -> PyResult<Bound<'_, PyAny>> {
    let level = self::level(&level)?;
    let found = py.detach(|| compact_artifact::verify(path, level)).map_err(Failure::from)?;
    verified(py, &found)
}

/// Copies what is sound of a damaged artifact to a new one at `to`, and says what was lost.
#[pyfunction]
#[pyo3(signature = (path, to, **options))]
pub(crate) fn salvage<'py>(
    py: Python<'py>,
    path: PathBuf,
    to: PathBuf,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = options::from_arguments(options)?;
    let done = py.detach(|| compact_artifact::salvage(path, to, options)).map_err(Failure::from)?;
    let dict = report(py, &done)?;
    let losses: Vec<String> = done.losses.iter().map(Damage::to_string).collect();
    dict.set_item("messages", losses)?;
    Ok(dict)
}

/// Makes a directory, which `open` can write to, of the packed artifact at `path`.
#[pyfunction]
pub(crate) fn unpack(py: Python<'_>, path: PathBuf, to: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let done = py.detach(|| compact_artifact::unpack(path, to)).map_err(Failure::from)?;
    report(py, &done)
}
