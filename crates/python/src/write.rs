//! Calls that change an artifact.

use compact_artifact::{Batch as Changes, CompactArtifact, Receipt, Record, RecordId};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrow_in;
use crate::artifact::Artifact;
use crate::batch::{Batch, receipt};
use crate::batch_writer::BatchWriter;
use crate::embedder;
use crate::entry::IdOrKey;
use crate::errors::{Failure, invalid, wrong_type};
use crate::json::{report, to_object};
use crate::options::{seconds, space_options};
use crate::records::{from_arguments, nth_record, string};
use crate::vectors::{Matrix, matrix};

/// How many records of a batch are committed at a time, and who is told after each commit.
struct Pace<'a, 'py> {
    batch_size: Option<usize>,
    progress: Option<&'a Bound<'py, PyAny>>,
    upsert: bool,
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

    /// Commits records, and returns their ids.
    fn commit(&self, py: Python<'_>, artifact: &Artifact, records: Vec<Record>) -> PyResult<Vec<u64>> {
        let upsert = self.upsert;
        let receipt = artifact.call(py, move |artifact| {
            let mut changes = Changes::new();
            for record in records {
                changes = if upsert { changes.upsert(record) } else { changes.add(record) };
            }
            Ok(artifact.write(changes)?)
        })?;
        Ok(receipt.ids.into_iter().map(|id| id.0).collect())
    }

    /// Commits what `next` makes of the numbers below `len`, and tells after each commit how much is done.
    fn commit_all(
        &self,
        py: Python<'_>,
        artifact: &Artifact,
        len: usize,
        mut next: impl FnMut(usize) -> PyResult<Record>,
    ) -> PyResult<Vec<u64>> {
        self.check()?;
        let mut ids = Vec::with_capacity(len);
        for start in (0..len).step_by(self.batch_size.unwrap_or(len).max(1)) {
            let end = start.saturating_add(self.batch_size.unwrap_or(len)).min(len);
            let records = (start..end).map(&mut next).collect::<PyResult<Vec<_>>>()?;
            ids.extend(self.commit(py, artifact, records)?);
            self.tell(py, ids.len(), Some(len))?;
        }
        Ok(ids)
    }

    /// Tells how much is done, of how much if that is known, and looks whether Ctrl-C was pressed.
    fn tell(&self, py: Python<'_>, done: usize, all: Option<usize>) -> PyResult<()> {
        if let Some(progress) = self.progress {
            progress.call1((done, all))?;
        }
        if self.batch_size.is_some() { py.check_signals() } else { Ok(()) }
    }
}

/// Records as columns: all of the same length.
struct Columns<'py> {
    len: usize,
    texts: Option<Vec<Bound<'py, PyAny>>>,
    keys: Option<Vec<Bound<'py, PyAny>>>,
    metadata: Option<Vec<Bound<'py, PyAny>>>,
    embeddings: Vec<(String, Matrix)>,
}

impl<'py> Columns<'py> {
    fn read(columns: &Bound<'py, PyDict>) -> PyResult<Self> {
        let column = |name: &str| -> PyResult<Option<Vec<Bound<'py, PyAny>>>> {
            let column = columns.get_item(name)?.filter(|column| !column.is_none());
            column.map(|column| column.try_iter()?.collect()).transpose()
        };
        for name in columns.keys() {
            if !["texts", "keys", "metadata", "embeddings"].contains(&name.extract::<&str>()?) {
                return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                    "no column {}; expected texts, keys, metadata, embeddings",
                    name.repr()?
                )));
            }
        }
        let (texts, keys, metadata) = (column("texts")?, column("keys")?, column("metadata")?);
        let mut embeddings = Vec::new();
        if let Some(spaces) = columns.get_item("embeddings")?.filter(|spaces| !spaces.is_none()) {
            let spaces = spaces
                .cast::<PyDict>()
                .map_err(|_| wrong_type("embeddings", "a dict of arrays by their spaces", &spaces))?;
            for (space, values) in spaces {
                let space = string(&space, "the name of a space")?;
                let rows = matrix(&values, &format!("embeddings of {space:?}"))?;
                embeddings.push((space, rows));
            }
        }
        let lists = [("texts", &texts), ("keys", &keys), ("metadata", &metadata)];
        let lens = lists.iter().filter_map(|(name, list)| Some(((*name).to_owned(), list.as_ref()?.len())));
        let lens: Vec<(String, usize)> = lens
            .chain(embeddings.iter().map(|(space, rows)| (format!("embeddings of {space:?}"), rows.rows())))
            .collect();
        let Some((first, len)) = lens.first() else {
            return Err(invalid(
                "a batch of nothing; expected records, an Arrow table, or columns: texts, embeddings",
            ));
        };
        if let Some((other, found)) = lens.iter().find(|(_, other)| other != len) {
            return Err(invalid(format!(
                "columns of one length are expected: {first} have {len} values, {other} have {found}"
            )));
        }
        Ok(Self { len: *len, texts, keys, metadata, embeddings })
    }

    /// A record; one without a text is an empty blob.
    fn record(&self, row: usize) -> PyResult<Record> {
        let value =
            |column: &Option<Vec<Bound<'py, PyAny>>>| column.as_ref().map(|column| column[row].clone());
        let value = |column| value(column).filter(|value| !value.is_none());
        let mut record = match value(&self.texts) {
            Some(text) => Record::text(string(&text, &format!("text {row} of the batch"))?),
            None => Record::blob([]),
        };
        if let Some(key) = value(&self.keys) {
            record = record.key(string(&key, &format!("key {row} of the batch"))?);
        }
        if let Some(metadata) = value(&self.metadata) {
            record = record.metadata(to_object(&metadata, &format!("metadata {row} of the batch"))?);
        }
        for (space, rows) in &self.embeddings {
            record = record.embedding(space.as_str(), rows.row(row));
        }
        Ok(record)
    }
}

/// Adds what the arguments of a batch are.
fn add_batch(
    py: Python<'_>,
    artifact: &Artifact,
    records: Option<&Bound<'_, PyAny>>,
    columns: Option<&Bound<'_, PyDict>>,
    pace: &Pace<'_, '_>,
) -> PyResult<Vec<u64>> {
    match (records, columns) {
        (None, columns) => {
            let columns = columns.map_or_else(|| Columns::read(&PyDict::new(py)), Columns::read)?;
            pace.commit_all(py, artifact, columns.len, |row| columns.record(row))
        }
        (Some(_), Some(_)) => Err(invalid("records and columns are given; expected one of them")),
        (Some(records), None) if records.hasattr("__arrow_c_stream__")? => {
            let (spaces, fields) = artifact.ask(|artifact| (artifact.spaces(), artifact.fields()))?;
            let table = arrow_in::Table::read(records, &spaces, &fields)?;
            pace.commit_all(py, artifact, table.len(), |row| table.record(row))
        }
        (Some(records), None) => match records.cast::<PyList>() {
            Ok(list) => {
                pace.commit_all(py, artifact, list.len(), |row| nth_record(&list.get_item(row)?, row))
            }
            Err(_)
                if records.is_instance_of::<PyDict>()
                    || records.is_instance_of::<pyo3::types::PyString>() =>
            {
                Err(wrong_type("a batch", "an iterable of records", records))
            }
            Err(_) => from_iterable(py, artifact, records, pace),
        },
    }
}

/// Adds what an iterable gives, without having all of it in memory at once.
fn from_iterable(
    py: Python<'_>,
    artifact: &Artifact,
    records: &Bound<'_, PyAny>,
    pace: &Pace<'_, '_>,
) -> PyResult<Vec<u64>> {
    pace.check()?;
    let (mut ids, mut batch) = (Vec::new(), Vec::new());
    for (row, value) in records.try_iter()?.enumerate() {
        batch.push(nth_record(&value?, row)?);
        if Some(batch.len()) == pace.batch_size {
            ids.extend(pace.commit(py, artifact, std::mem::take(&mut batch))?);
            pace.tell(py, ids.len(), None)?;
        }
    }
    if !batch.is_empty() {
        ids.extend(pace.commit(py, artifact, batch)?);
        pace.tell(py, ids.len(), None)?;
    }
    Ok(ids)
}

/// Write.
#[pymethods]
impl Artifact {
    /// Adds a text, and returns its id. `key`, `metadata`, `fields` and `embeddings` are those of the record.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a", spaces={"image": 3})
    /// >>> id = artifact.add_text("a cat", key="cat", fields={"title": "Pets"}, embeddings={"image": [0.1, 0.2, 0.3]})
    /// >>> artifact[id].fields
    /// {'title': 'Pets'}
    #[pyo3(signature = (text, **parts))]
    fn add_text(
        &self,
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u64> {
        string(text, "text")?;
        let record = from_arguments(Some(text), parts)?;
        Ok(self.call(py, |artifact| Ok(artifact.add(record)?))?.0)
    }

    /// Adds any bytes, and returns their id.
    #[pyo3(signature = (blob, **parts))]
    fn add_blob(
        &self,
        py: Python<'_>,
        blob: &Bound<'_, PyAny>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u64> {
        if crate::records::bytes(blob).is_none() {
            return Err(wrong_type("blob", "bytes", blob));
        }
        let record = from_arguments(Some(blob), parts)?;
        Ok(self.call(py, |artifact| Ok(artifact.add(record)?))?.0)
    }

    /// Adds a record, and returns its id: a `str`, `bytes`, a dict, or arguments called `text` or `blob`, `key`, `metadata`, `fields`, `embeddings`. Its key, if it
    /// has one, must be new.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> artifact.add({"text": "a cat", "key": "cat"}), artifact.add(b"bytes"), artifact.add(text="a dog", key="dog")
    /// (0, 1, 2)
    #[pyo3(signature = (record = None, /, **parts))]
    fn add(
        &self,
        py: Python<'_>,
        record: Option<&Bound<'_, PyAny>>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u64> {
        let record = from_arguments(record, parts)?;
        Ok(self.call(py, |artifact| Ok(artifact.add(record)?))?.0)
    }

    /// Adds a record in the place of the one with its key, if there is one, and returns its id. Where an embedding of the old one would be lost, that is a
    /// `WouldLoseEmbeddingError`.
    #[pyo3(signature = (record = None, /, **parts))]
    fn upsert(
        &self,
        py: Python<'_>,
        record: Option<&Bound<'_, PyAny>>,
        parts: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u64> {
        let record = from_arguments(record, parts)?;
        Ok(self.call(py, |artifact| Ok(artifact.upsert(record)?))?.0)
    }

    /// Adds records, and returns their ids: an iterable of what `add` takes, an Arrow table, or columns.
    ///
    /// It is one commit, there as a whole or not at all; with `batch_size` it is one for each so many records, and `progress(done, all)` is called after each, with
    /// `None` for `all` where that is not known. With `upsert=True` records take the place of those with their keys.
    ///
    /// Columns are `texts`, `keys`, `metadata`, lists of one length, and `embeddings`, a dict of arrays with a row for each record: of NumPy or anything with the
    /// buffer protocol, of float32, float64, float16, int8 or uint8.
    ///
    /// Of an Arrow table, which anything with `__arrow_c_stream__` is, `text`, `blob` and `key` are that; `metadata` is a struct, or JSON; a column with the name of a
    /// vector space has its vectors, one with the name of a field its texts; any other column is metadata with its name. What is missing in a row is left out of the record.
    ///
    /// >>> import tempfile, pathlib, numpy
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a", spaces={"image": 3})
    /// >>> artifact.add_batch(["a cat", {"text": "a dog", "key": "dog"}])
    /// [0, 1]
    /// >>> ids = artifact.add_batch(keys=["a", "b"], embeddings={"image": numpy.eye(2, 3, dtype="f4")})
    /// >>> artifact.search(vector=[0, 1, 0], k=1)[0].key
    /// 'b'
    #[pyo3(signature = (records = None, /, *, batch_size = None, progress = None, upsert = false, **columns))]
    fn add_batch(
        &self,
        py: Python<'_>,
        records: Option<&Bound<'_, PyAny>>,
        batch_size: Option<usize>,
        progress: Option<&Bound<'_, PyAny>>,
        upsert: bool,
        columns: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Vec<u64>> {
        add_batch(py, self, records, columns, &Pace { batch_size, progress, upsert })
    }

    /// Gives a record that is there already an embedding, in the place of the one that it has in this space.
    fn add_embedding(&self, py: Python<'_>, id: u64, space: &str, vector: &Bound<'_, PyAny>) -> PyResult<()> {
        let values = crate::vectors::vector(vector, "a vector")?;
        self.call(py, |artifact| Ok(artifact.add_embedding(RecordId(id), space, &values)?))
    }

    /// Takes the embedding away that a record has in a space; that it has none is no error.
    fn remove_embedding(&self, py: Python<'_>, id: u64, space: &str) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.remove_embedding(RecordId(id), space)?))
    }

    /// Changes the metadata of a record in part (a JSON merge patch: `None` takes a field away), which keeps everything else. Returns whether it was there.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> _ = artifact.add_text("call Ada", key="call", metadata={"done": False, "due": "2026-05-01"})
    /// >>> artifact.update("call", {"done": True, "due": None})
    /// True
    /// >>> artifact["call"].metadata
    /// {'done': True}
    fn update(&self, py: Python<'_>, record: IdOrKey, metadata: &Bound<'_, PyAny>) -> PyResult<bool> {
        let patch = to_object(metadata, "a change of metadata")?;
        self.call(py, |artifact| {
            Ok(match record {
                IdOrKey::Id(id) => artifact.update(RecordId(id), patch)?,
                IdOrKey::Key(key) => artifact.update_key(&key, patch)?,
            })
        })
    }

    /// Changes the metadata of all records that a filter lets through. Returns how many.
    #[pyo3(signature = (filter, metadata))]
    fn update_where(
        &self,
        py: Python<'_>,
        filter: &Bound<'_, PyAny>,
        metadata: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let (filter, patch) = (crate::query::filter(filter)?, to_object(metadata, "a change of metadata")?);
        self.call(py, |artifact| Ok(artifact.update_where(&filter, patch)?))
    }

    /// Deletes a record, by its id or its key. Returns whether it was there.
    fn delete(&self, py: Python<'_>, record: IdOrKey) -> PyResult<bool> {
        self.call(py, |artifact| delete(artifact, &record))
    }

    /// Deletes all records that a filter lets through, at once. Returns how many.
    #[pyo3(name = "delete_where")]
    fn delete_where(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<u64> {
        let filter = crate::query::filter(filter)?;
        self.call(py, |artifact| Ok(artifact.delete_where(&filter)?))
    }

    fn __delitem__(&self, py: Python<'_>, record: IdOrKey) -> PyResult<()> {
        let was_there = self.call(py, |artifact| delete(artifact, &record))?;
        if was_there { Ok(()) } else { Err(record.missing()) }
    }

    /// Collects changes that are committed together when its `with` ends without an exception.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> with artifact.batch() as batch:
    /// ...     batch.add("a cat", key="cat")
    /// ...     batch.delete("dog")
    /// >>> batch.receipt["ids"]
    /// [0]
    #[pyo3(signature = (*, durability = None))]
    fn batch(slf: Bound<'_, Self>, durability: Option<&Bound<'_, PyAny>>) -> PyResult<Batch> {
        slf.get().ask(|_| ())?;
        let durability = durability.map(crate::options::durability).transpose()?;
        Ok(Batch::new(slf.unbind(), durability))
    }

    /// Collects records from any number of threads, and commits them in batches: when `batch_size` of them wait, or one has for `flush_interval` seconds; a thread
    /// that adds more than `max_memory` bytes waits. Its `with`, or `finish`, commits the rest.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> with artifact.batch_writer(batch_size=100) as writer:
    /// ...     for i in range(250):
    /// ...         writer.add(f"note {i}")
    /// >>> len(artifact)
    /// 250
    #[pyo3(signature = (*, batch_size = None, flush_interval = None, max_memory = None))]
    fn batch_writer(
        &self,
        py: Python<'_>,
        batch_size: Option<usize>,
        flush_interval: Option<&Bound<'_, PyAny>>,
        max_memory: Option<usize>,
    ) -> PyResult<BatchWriter> {
        let mut options = compact_artifact::BatchOptions::new();
        if let Some(records) = batch_size {
            options = options.batch_size(records);
        }
        if let Some(interval) = flush_interval {
            options = options.flush_interval(seconds(interval)?);
        }
        if let Some(bytes) = max_memory {
            options = options.max_memory(bytes);
        }
        let writer = self.call(py, |artifact| Ok(artifact.batch_writer(options)?))?;
        Ok(BatchWriter::new(writer, self.writers.clone()))
    }

    /// Adds a vector space: `options` is its dimension, or a dict of `dimension`, `metric` and `originals`.
    #[pyo3(signature = (name, options))]
    fn add_space(&self, py: Python<'_>, name: &str, options: &Bound<'_, PyAny>) -> PyResult<()> {
        let options = space_options(options)?;
        self.call(py, |artifact| Ok(artifact.add_space(name, options)?))
    }

    /// Removes a vector space: its vectors are not found from now on, and `compact` returns their bytes.
    fn drop_space(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.drop_space(name)?))
    }

    /// Gives a vector space another name.
    fn rename_space(&self, py: Python<'_>, name: &str, to: &str) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.rename_space(name, to)?))
    }

    /// Adds a field of texts, whose words count `weight` times.
    fn add_field(&self, py: Python<'_>, name: &str, weight: u32) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.add_field(name, weight)?))
    }

    /// Moves to another model, and gives texts that have no embedding one. `progress(done, all)` is called after each commit; if it returns `False`, the call ends, and one
    /// with the same model goes on later.
    #[pyo3(signature = (embedder, *, progress = None))]
    fn reembed<'py>(
        &self,
        py: Python<'py>,
        embedder: &Bound<'py, PyAny>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        use std::ops::ControlFlow;
        let embedder = embedder::from_python(embedder)?;
        let progress = progress.map(|progress| progress.clone().unbind());
        let mut raised = None;
        let done = self.call(py, |artifact| {
            let done = artifact.reembed_with(embedder, |done| {
                let answer = Python::attach(|py| -> PyResult<bool> {
                    py.check_signals()?;
                    let Some(progress) = &progress else { return Ok(true) };
                    let so_far = done.embedded + done.without;
                    let goes_on = progress.bind(py).call1((so_far, so_far + done.left))?;
                    Ok(goes_on.is_none() || goes_on.is_truthy()?)
                });
                match answer {
                    Ok(true) => ControlFlow::Continue(()),
                    Ok(false) => ControlFlow::Break(()),
                    Err(e) => {
                        raised = Some(e);
                        ControlFlow::Break(())
                    }
                }
            })?;
            raised.map_or(Ok(done), |e| Err(Failure::Raised(e)))
        })?;
        report(py, &done)
    }

    /// Makes every commit so far durable.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.sync()?))
    }
}

fn delete(artifact: &CompactArtifact, record: &IdOrKey) -> Result<bool, Failure> {
    Ok(match record {
        IdOrKey::Id(id) => artifact.delete(RecordId(*id))?,
        IdOrKey::Key(key) => artifact.delete_key(key)?,
    })
}

impl Artifact {
    /// Commits the changes of a batch.
    pub(crate) fn write_changes<'py>(
        &self,
        py: Python<'py>,
        changes: Changes,
    ) -> PyResult<Bound<'py, PyDict>> {
        let done: Receipt = self.call(py, |artifact| Ok(artifact.write(changes)?))?;
        receipt(py, &done)
    }
}
