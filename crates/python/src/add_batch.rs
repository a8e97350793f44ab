//! `CompactArtifact.add_batch`: records from an iterable, a table or columns → one commit, or several.

use compact_artifact::{Batch as Changes, Record};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyListMethods, PyString};

use crate::arrow_in::Table;
use crate::artifact::Artifact;
use crate::columns::Columns;
use crate::errors::{Failure, after_commits, invalid, wrong_type};
use crate::records::nth_record;

/// How many records of a batch are committed at a time, and who is called after each commit.
pub(crate) struct Pace<'a, 'py> {
    pub(crate) batch_size: Option<usize>,
    pub(crate) progress: Option<&'a Bound<'py, PyAny>>,
    pub(crate) upsert: bool,
}

impl Pace<'_, '_> {
    fn check(&self) -> PyResult<()> {
        match (self.batch_size, self.progress) {
            (Some(0), _) => Err(invalid("batch_size: expected 1 or more, found 0")),
            (None, Some(_)) => Err(invalid(
                "`progress` would have no effect: one commit is there as a whole or not at all; expected `batch_size` beside it",
            )),
            _ => Ok(()),
        }
    }

    /// Commits records, which are made without the interpreter, and returns their ids.
    fn commit(
        &self,
        py: Python<'_>,
        artifact: &Artifact,
        records: impl Iterator<Item = PyResult<Record>> + Send,
    ) -> PyResult<Vec<u64>> {
        let upsert = self.upsert;
        let receipt = artifact.call(py, move |artifact| {
            let mut changes = Changes::new();
            for record in records {
                let record = record.map_err(Failure::Raised)?;
                changes = if upsert { changes.upsert(record) } else { changes.add(record) };
            }
            Ok(artifact.write(changes)?)
        })?;
        Ok(receipt.ids.into_iter().map(|id| id.0).collect())
    }

    /// Commits what `make` makes of the numbers below `len`, and appends its ids.
    fn commit_all(
        &self,
        py: Python<'_>,
        artifact: &Artifact,
        len: usize,
        mut make: impl FnMut(usize) -> PyResult<Record> + Send,
        ids: &mut Vec<u64>,
    ) -> PyResult<()> {
        for start in (0..len).step_by(self.batch_size.unwrap_or(len).max(1)) {
            let end = start.saturating_add(self.batch_size.unwrap_or(len)).min(len);
            ids.extend(self.commit(py, artifact, (start..end).map(&mut make))?);
            self.report(py, ids.len(), Some(len))?;
        }
        Ok(())
    }

    /// Says how much is done, of how much if that is known, and looks whether Ctrl-C was pressed.
    fn report(&self, py: Python<'_>, done: usize, all: Option<usize>) -> PyResult<()> {
        if let Some(progress) = self.progress {
            progress.call1((done, all))?;
        }
        if self.batch_size.is_some() { py.check_signals() } else { Ok(()) }
    }
}

/// Adds what the arguments of a batch are. What is raised says how many records commits before it added.
pub(crate) fn add_batch(
    py: Python<'_>,
    artifact: &Artifact,
    records: Option<&Bound<'_, PyAny>>,
    columns: Option<&Bound<'_, PyDict>>,
    pace: &Pace<'_, '_>,
) -> PyResult<Vec<u64>> {
    pace.check()?;
    let mut ids = Vec::new();
    match add_all(py, artifact, records, columns, pace, &mut ids) {
        Ok(()) => Ok(ids),
        Err(raised) => Err(after_commits(py, raised, ids.len())),
    }
}

/// Adds all records, and appends the ids of those that are committed.
fn add_all(
    py: Python<'_>,
    artifact: &Artifact,
    records: Option<&Bound<'_, PyAny>>,
    columns: Option<&Bound<'_, PyDict>>,
    pace: &Pace<'_, '_>,
    ids: &mut Vec<u64>,
) -> PyResult<()> {
    match (records, columns) {
        (None, columns) => {
            let mut columns = columns.map_or_else(|| Columns::read(&PyDict::new(py)), Columns::read)?;
            pace.commit_all(py, artifact, columns.len(), move |row| Ok(columns.take(row)), ids)
        }
        (Some(_), Some(_)) => Err(invalid("records and columns are given; expected one of them")),
        (Some(records), None) if records.hasattr("__arrow_c_stream__")? => {
            let (spaces, fields) = artifact.ask(|artifact| (artifact.spaces(), artifact.fields()))?;
            let table = Table::read(records, &spaces, &fields)?;
            pace.commit_all(py, artifact, table.len(), move |row| table.record(row), ids)
        }
        (Some(records), None)
            if records.is_instance_of::<PyDict>() || records.is_instance_of::<PyString>() =>
        {
            Err(wrong_type("a batch", "an iterable of records", records))
        }
        (Some(records), None) => from_iterable(py, artifact, records, pace, ids),
    }
}

/// Adds what an iterable gives, without having all of it in memory at once.
fn from_iterable(
    py: Python<'_>,
    artifact: &Artifact,
    records: &Bound<'_, PyAny>,
    pace: &Pace<'_, '_>,
    ids: &mut Vec<u64>,
) -> PyResult<()> {
    let all = records.cast::<PyList>().ok().map(PyListMethods::len);
    let mut batch = Vec::new();
    for (row, value) in records.try_iter()?.enumerate() {
        batch.push(nth_record(&value?, row)?);
        if Some(batch.len()) == pace.batch_size {
            ids.extend(pace.commit(py, artifact, std::mem::take(&mut batch).into_iter().map(Ok))?);
            pace.report(py, ids.len(), all)?;
        }
    }
    if !batch.is_empty() {
        ids.extend(pace.commit(py, artifact, batch.into_iter().map(Ok))?);
        pace.report(py, ids.len(), all)?;
    }
    Ok(())
}
