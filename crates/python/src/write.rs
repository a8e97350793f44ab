//! Calls that change an artifact.

use compact_artifact::{Batch as Changes, CompactArtifact, Receipt, Record, RecordId};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::add_batch::{Pace, add_batch};
use crate::artifact::Artifact;
use crate::batch::{Batch, receipt};
use crate::batch_writer::BatchWriter;
use crate::entry::IdOrKey;
use crate::errors::{Failure, wrong_type};
use crate::file::File;
use crate::json::to_object;
use crate::number::Number;
use crate::options::seconds;
use crate::records::{from_arguments, string};
use crate::text::Text;

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

    /// Adds a blob of any length, of which a piece at a time is in memory, and returns its id: `file` has `read(size)`, which returns bytes, none at the end. Other
    /// commits wait meanwhile. `key` and `metadata` are those of the record; embeddings are given to it afterwards.
    ///
    /// >>> import tempfile, pathlib, io
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> len(artifact[artifact.add_file(io.BytesIO(b"bytes" * 100), key="film")])
    /// 500
    #[pyo3(signature = (file, *, key = None, metadata = None))]
    fn add_file(
        &self,
        py: Python<'_>,
        file: Py<PyAny>,
        key: Option<Text>,
        metadata: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let mut record = Record::blob([]);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(metadata) = metadata {
            record = record.metadata(to_object(metadata, "`metadata` of a record")?);
        }
        let mut file = File::new(file);
        self.call(py, |artifact| match artifact.add_reader(record, &mut file) {
            Ok(id) => Ok(id.0),
            Err(e) => Err(file.raised().map_or(Failure::Library(e), Failure::Raised)),
        })
    }

    /// Adds a record, and returns its id: a `str`, `bytes`, a dict, or arguments called `text` or `blob`, `key`, `metadata`, `fields`, `embeddings`, `expires_at`. Its key, if it
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
    /// `None` for `all` where that is not known. What earlier commits added stays after an error, which says how many records that are; any other exception, such as one of the iterable, has
    /// a note of it. With `upsert=True` records take the place of those with their keys.
    ///
    /// Columns are `texts`, `keys`, `metadata`, lists of one length, and `embeddings`, a dict of arrays with a row for each record: of NumPy or anything with the
    /// buffer protocol, of float32, float64, float16, int8 or uint8. A record with an embedding needs no text: it is a blob of no bytes.
    ///
    /// Of an Arrow table, which anything with `__arrow_c_stream__` is, `text`, `blob` and `key` are that; `metadata` is a struct, or JSON; a column with the name of a
    /// vector space has its vectors, one with the name of a field its texts; any other column is metadata with its name. What is missing in a row is left out of the
    /// record, but a null text or blob is an error. In a table with neither column each row needs an embedding, and is a blob of no bytes.
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
        batch_size: Option<Number<usize>>,
        progress: Option<&Bound<'_, PyAny>>,
        upsert: bool,
        columns: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Vec<u64>> {
        let batch_size = batch_size.map(|Number(records)| records);
        add_batch(py, self, records, columns, &Pace { batch_size, progress, upsert })
    }

    /// Gives a record that is there already an embedding, in the place of the one that it has in this space.
    fn add_embedding(
        &self,
        py: Python<'_>,
        id: Number<u64>,
        space: Text,
        vector: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let values = crate::vectors::vector(vector, "a vector")?;
        self.call(py, |artifact| Ok(artifact.add_embedding(RecordId(id.0), &space, &values)?))
    }

    /// Takes the embedding away that a record has in a space; that it has none is no error.
    fn remove_embedding(&self, py: Python<'_>, id: Number<u64>, space: Text) -> PyResult<()> {
        self.call(py, |artifact| Ok(artifact.remove_embedding(RecordId(id.0), &space)?))
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

    /// Deletes all records that a filter lets through, at once. Returns how many. Where `count` raises TypeMismatchError, a comparison with a
    /// type that no value of its field has matches nothing, negated or not.
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
        batch_size: Option<Number<usize>>,
        flush_interval: Option<&Bound<'_, PyAny>>,
        max_memory: Option<Number<usize>>,
    ) -> PyResult<BatchWriter> {
        let mut options = compact_artifact::BatchOptions::new();
        if let Some(Number(records)) = batch_size {
            options = options.batch_size(records);
        }
        if let Some(interval) = flush_interval {
            options = options.flush_interval(seconds(interval)?);
        }
        if let Some(Number(bytes)) = max_memory {
            options = options.max_memory(bytes);
        }
        let writer = self.call(py, |artifact| Ok(artifact.batch_writer(options)?))?;
        Ok(BatchWriter::new(writer, self.writers.clone()))
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
