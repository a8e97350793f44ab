//! What programs measure with.

use std::path::PathBuf;
use std::time::Duration;

use performance::{Operation, PerformanceBenchmark, QueryKind};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::artifact::Artifact;
use crate::errors::Failure;
use crate::json::report;
use crate::options::seconds;
use crate::text::Text;

/// Finds what makes calls slow: traces calls in the thread that makes them, and adds up where their time went.
///
/// >>> import tempfile, pathlib
/// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
/// >>> analyzer = LatencyAnalyzer()
/// >>> analyzer.trace(artifact.add_text, "a cat", key="cat")
/// 0
/// >>> report = analyzer.report()
/// >>> report["calls"], "fsync" in {bottleneck["kind"] for bottleneck in report["bottlenecks"]}
/// (1, True)
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct LatencyAnalyzer(compact_artifact::LatencyAnalyzer);

#[pymethods]
impl LatencyAnalyzer {
    /// `min_fraction`: the part of the time that something takes to be a bottleneck.
    #[new]
    #[pyo3(signature = (*, min_fraction = 0.05))]
    fn new(min_fraction: f64) -> PyResult<Self> {
        let analyzer = compact_artifact::LatencyAnalyzer::new().min_fraction(min_fraction);
        Ok(Self(analyzer.map_err(Failure::from)?))
    }

    /// Calls `call` with the other arguments, returns what it returns, and adds where its time went to what is known.
    #[pyo3(signature = (call, /, *arguments, **by_name))]
    fn trace<'py>(
        &self,
        call: &Bound<'py, PyAny>,
        arguments: &Bound<'py, PyTuple>,
        by_name: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.0.trace(|| call.call(arguments, by_name))
    }

    /// Where the time of all calls so far went.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.0.report())
    }

    /// What takes a part of the time that is worth a change, the most first, each with a `message` that says what to do.
    fn identify_bottlenecks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        with_messages(py, &self.0.identify_bottlenecks())
    }

    /// Forgets all calls.
    fn reset(&self) {
        self.0.reset();
    }
}

/// Says who holds the memory of an artifact, and finds what holds more or longer than it should.
///
/// >>> import tempfile, pathlib
/// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
/// >>> forgotten = artifact.snapshot()
/// >>> analyzer = MemoryAnalyzer(artifact, max_age=0)
/// >>> [leak["kind"] for leak in analyzer.detect_leaks()]
/// ['pinned_snapshot']
/// >>> del forgotten
/// >>> analyzer.detect_leaks()
/// []
#[pyclass(module = "compact_artifact", frozen)]
pub(crate) struct MemoryAnalyzer {
    artifact: Py<Artifact>,
    max_age: Option<Duration>,
    cache_budget: Option<u64>,
}

impl MemoryAnalyzer {
    fn with<T>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(compact_artifact::MemoryAnalyzer<'_>) -> T + Send,
    ) -> PyResult<T>
    where
        T: Send,
    {
        self.artifact.get().call(py, |artifact| {
            let mut analyzer = compact_artifact::MemoryAnalyzer::new(artifact);
            if let Some(age) = self.max_age {
                analyzer = analyzer.max_age(age);
            }
            if let Some(bytes) = self.cache_budget {
                analyzer = analyzer.cache_budget(bytes);
            }
            Ok(ask(analyzer))
        })
    }
}

#[pymethods]
impl MemoryAnalyzer {
    /// `max_age`: the seconds that a snapshot may be held, and a record wait in a batch writer. `cache_budget`: bytes that all caches may take together.
    #[new]
    #[pyo3(signature = (artifact, *, max_age = None, cache_budget = None))]
    fn new(
        artifact: Py<Artifact>,
        max_age: Option<&Bound<'_, PyAny>>,
        cache_budget: Option<u64>,
    ) -> PyResult<Self> {
        Ok(Self { artifact, max_age: max_age.map(seconds).transpose()?, cache_budget })
    }

    /// Who holds how much.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.with(py, |analyzer| analyzer.report())?)
    }

    /// What holds more or longer than it should, each with a `message`.
    fn detect_leaks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        with_messages(py, &self.with(py, |analyzer| analyzer.detect_leaks())?)
    }

    /// Lets go of what can be had again.
    fn release_memory<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        report(py, &self.with(py, |analyzer| analyzer.release_memory())?)
    }
}

/// Reports as dicts, each with its sentence.
fn with_messages<'py, T: serde::Serialize + std::fmt::Display>(
    py: Python<'py>,
    reports: &[T],
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for one in reports {
        let dict = report(py, one)?;
        dict.set_item("message", one.to_string())?;
        list.append(dict)?;
    }
    Ok(list)
}

/// Values by the names that reports have for them.
fn named<T: serde::de::DeserializeOwned>(what: &str, names: Vec<Text>) -> PyResult<Vec<T>> {
    let value = |name: Text| {
        serde_json::from_value(String::from(name).into())
            .map_err(|e| crate::errors::invalid(format!("{what}: {}", compact_artifact::json::reason(&e))))
    };
    names.into_iter().map(value).collect()
}

/// Measures the artifact at `path`, which is only read, with its own records. Returns the report as a dict, as text and as an HTML page.
///
/// `operations` are some of `"search"`, `"get"`, `"add"`; `kinds` of queries some of `"simple"`, `"complex"`, `"multi_modal"`.
#[pyfunction]
#[pyo3(signature = (path, *, duration = 2.0, warm_up = 0.5, operations = None, kinds = None, clients = None, batch_sizes = None, rates = None, queries = 500, recall_queries = 100, seed = 1))]
#[expect(clippy::too_many_arguments, reason = "each has a name in Python")]
pub(crate) fn benchmark(
    py: Python<'_>,
    path: PathBuf,
    duration: f64,
    warm_up: f64,
    operations: Option<Vec<Text>>,
    kinds: Option<Vec<Text>>,
    clients: Option<Vec<usize>>,
    batch_sizes: Option<Vec<usize>>,
    rates: Option<Vec<f64>>,
    queries: usize,
    recall_queries: usize,
    seed: u64,
) -> PyResult<(Bound<'_, PyAny>, String, String)> {
    let time = |seconds: f64| {
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| crate::errors::invalid(format!("expected seconds, 0 or more, found {seconds}")))
    };
    let (duration, warm_up) = (time(duration)?, time(warm_up)?);
    let operations = operations.map(|names| named::<Operation>("operations", names)).transpose()?;
    let kinds = kinds.map(|names| named::<QueryKind>("kinds", names)).transpose()?;
    let done = py.detach(|| {
        let mut benchmark = PerformanceBenchmark::new(path)
            .duration(duration)
            .warm_up(warm_up)
            .queries(queries)
            .recall_queries(recall_queries)
            .seed(seed);
        if let Some(operations) = operations {
            benchmark = benchmark.operations(operations);
        }
        if let Some(kinds) = kinds {
            benchmark = benchmark.kinds(kinds);
        }
        if let Some(clients) = clients {
            benchmark = benchmark.clients(clients);
        }
        if let Some(sizes) = batch_sizes {
            benchmark = benchmark.batch_sizes(sizes);
        }
        if let Some(rates) = rates {
            benchmark = benchmark.rates(rates);
        }
        benchmark.run()
    });
    let done = done.map_err(|e| match e {
        performance::Error::Artifact(e) => Failure::Library(e).into(),
        performance::Error::Invalid(message) => crate::errors::invalid(message),
        other => PyRuntimeError::new_err(other.to_string()),
    })?;
    Ok((report(py, &done)?, done.to_string(), done.to_html()))
}
