//! The library without Python, for `bench.py` to compare with: the same searches and the same batch, timed here.

use std::time::Instant;

use compact_artifact::{Query, Record};
use pyo3::prelude::*;

use crate::artifact::Artifact;
use crate::errors::Failure;
use crate::vectors::matrix;

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(bench_words, module)?)?;
    module.add_function(wrap_pyfunction!(bench_vectors, module)?)?;
    module.add_function(wrap_pyfunction!(bench_add, module)?)
}

/// Nanoseconds of each search for the words of a text.
#[pyfunction]
fn bench_words(
    py: Python<'_>,
    artifact: &Bound<'_, Artifact>,
    texts: Vec<String>,
    k: usize,
) -> PyResult<Vec<u64>> {
    artifact.get().call(py, |artifact| {
        let mut times = Vec::with_capacity(texts.len());
        for text in &texts {
            let begun = Instant::now();
            let found = artifact.search(&Query::words(text).k(k).fetch(true))?;
            times.push(nanos(begun));
            drop(found);
        }
        Ok(times)
    })
}

/// Nanoseconds of each search near a row of an array.
#[pyfunction]
fn bench_vectors(
    py: Python<'_>,
    artifact: &Bound<'_, Artifact>,
    space: &str,
    vectors: &Bound<'_, PyAny>,
    k: usize,
) -> PyResult<Vec<u64>> {
    let rows = matrix(vectors, "vectors")?;
    artifact.get().call(py, |artifact| {
        let mut times = Vec::with_capacity(rows.rows());
        for row in 0..rows.rows() {
            let vector = rows.row(row);
            let begun = Instant::now();
            let found = artifact.search(&Query::vector(space, vector).k(k).fetch(true))?;
            times.push(nanos(begun));
            drop(found);
        }
        Ok(times)
    })
}

/// Nanoseconds, and those of processors, of one commit with the rows of an array, which lie in memory as a program of Rust has them.
#[pyfunction]
fn bench_add(
    py: Python<'_>,
    artifact: &Bound<'_, Artifact>,
    space: &str,
    vectors: &Bound<'_, PyAny>,
) -> PyResult<(u64, u64)> {
    let rows = matrix(vectors, "vectors")?;
    artifact.get().call(py, |artifact| {
        let flat: Vec<f32> = (0..rows.rows()).flat_map(|row| rows.row(row)).collect();
        let (begun, busy) = (Instant::now(), processor_nanos()?);
        artifact.add_batch(
            flat.chunks_exact(rows.dimension()).map(|row| Record::blob([]).embedding(space, row)),
        )?;
        Ok((nanos(begun), processor_nanos()? - busy))
    })
}

/// What this process took of all processors, as Python knows it.
fn processor_nanos() -> Result<u64, Failure> {
    let read = |py: Python<'_>| py.import("time")?.call_method0("process_time_ns")?.extract();
    Ok(Python::attach(read)?)
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
