//! Calls that read: by id, by key, in order, by search.

use std::time::{Duration, Instant};

use compact_artifact::{CommitSeq, CompactArtifact, RecordId};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::artifact::Artifact;
use crate::entry::{Entries, Entry, IdOrKey, optional};
use crate::errors::wrong_type;
use crate::json::report;
use crate::number::Number;
use crate::options::seconds;
use crate::query::{Asked, filter as read_filter, from_arguments, from_item, optional_filter, search_batch};
use crate::results::SearchResults;
use crate::snapshot::{Snapshot, get_many};
use crate::text::Text;

/// While it waits, a call looks this often whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(100);

/// Read.
#[pymethods]
impl Artifact {
    /// Looks for records: the best `k` of them, with their records.
    ///
    /// What is looked for, one or several of these, whose rankings become one:
    ///
    /// - `text`: texts that are about what it says: by its words and, where the artifact embeds texts, by its meaning. `words` and `meaning` ask for one of the two.
    ///   Where the model that the texts are embedded by is not at hand, `text` and `meaning` are a `NoModelError`
    /// - `query`: words as people write them: `"a phrase" begin* roughly~ +must -not (this OR that) title:word`
    /// - `vector`: near a vector, in `space` where the artifact has several; or a dict of vectors by their spaces
    /// - `similar_to`: near the embedding of a record
    ///
    /// Of which records: `filter`, a dict with the operators `$eq $ne $gt $gte $lt $lte $in $nin $prefix $contains $exists $not $and $or`; dates of `datetime` are
    /// compared as points in time. A field that no record has is an error in `{"$strict": filter}`, or with `strict_fields=True`, then also one in `order_by`, `facets`, `group_by` or `fields`; `explain` names such fields. How many: `k` (10), `offset` (0), `min_score`; at most so many of each value of a field: `group_by="book"` or `("book", 2)`. In
    /// which order: `order_by="year"`, `("year", "desc")`, or a list of those: of all that match, with scores of 0; near a vector, or by meaning, of the best `candidates` (100), which keep their scores.
    ///
    /// What comes with them: `fetch` (`True`), `snippet` (bytes of text; its `highlights` are in characters), `fields` (of the metadata, without reading records), `total`, `facets`, `explain`.
    ///
    /// How: `exact`, `ef_search`, `recall` (of what is nearest, `0.95`), `candidates`, `fusion` (`"normalized"`, `"reciprocal_rank"`), `weights` (by `"words"`, `"meaning"` or a space), `deadline` (seconds).
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a", spaces={"image": 3})
    /// >>> _ = artifact.add_text("a red kite", metadata={"year": 2026}, embeddings={"image": [1, 0, 0]})
    /// >>> _ = artifact.add_text("a red rose", metadata={"year": 2020}, embeddings={"image": [0, 1, 0]})
    /// >>> [hit.text for hit in artifact.search("red", filter={"year": {"$gt": 2021}})]
    /// ['a red kite']
    /// >>> [hit.text for hit in artifact.search("red", vector=[0, 1, 0.1], k=1)]
    /// ['a red rose']
    /// >>> artifact.search("red", order_by="year", total=True, fetch=False).total["records"]
    /// 2
    #[pyo3(
        signature = (text = None, **arguments),
        text_signature = "(self, text=None, *, words=None, query=None, meaning=None, vector=None, similar_to=None, space=None, filter=None, strict_fields=False, k=10, offset=0, min_score=None, exact=False, ef_search=None, recall=None, candidates=None, fusion=None, weights=None, fetch=True, snippet=None, explain=False, order_by=None, total=False, facets=None, group_by=None, fields=None, deadline=None)"
    )]
    fn search(
        &self,
        py: Python<'_>,
        text: Option<&Bound<'_, PyAny>>,
        arguments: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<SearchResults> {
        let asked = |artifact: &CompactArtifact| from_arguments(artifact, text, arguments);
        self.call_with(py, asked, |artifact, asked| {
            let found = artifact.search(&asked.query);
            asked.found(found)
        })
    }

    /// Several searches at once, divided among the threads of the artifact: each a text, or a dict of the arguments of `search`.
    fn search_batch(&self, py: Python<'_>, queries: &Bound<'_, PyList>) -> PyResult<Vec<SearchResults>> {
        let asked = |artifact: &CompactArtifact| {
            queries.iter().map(|item| from_item(artifact, &item)).collect::<PyResult<Vec<Asked>>>()
        };
        self.call_with(py, asked, |artifact, asked| {
            search_batch(asked, |queries| artifact.search_batch(queries))
        })
    }

    /// A record, by its id or its key; `None` if there is none.
    fn get(&self, py: Python<'_>, record: IdOrKey) -> PyResult<Option<Entry>> {
        self.find(py, &record)
    }

    fn __getitem__(&self, py: Python<'_>, record: IdOrKey) -> PyResult<Entry> {
        self.find(py, &record)?.ok_or_else(|| record.missing())
    }

    fn __contains__(&self, py: Python<'_>, record: IdOrKey) -> PyResult<bool> {
        self.call(py, |artifact| {
            Ok(match &record {
                IdOrKey::Id(id) => artifact.get(RecordId(*id))?.is_some(),
                IdOrKey::Key(key) => artifact.id_of_key(key)?.is_some(),
            })
        })
    }

    /// Records by their ids or keys, in the order asked for, `None` for those that are not there. Each block of them is decoded once.
    fn get_many(&self, py: Python<'_>, records: Vec<IdOrKey>) -> PyResult<Vec<Option<Entry>>> {
        let entries = self.call(py, |artifact| Ok(get_many(&artifact.snapshot(), &records)?))?;
        Ok(entries.into_iter().map(optional).collect())
    }

    /// The id of the record with a key; `None` if there is none.
    fn id_of_key(&self, py: Python<'_>, key: Text) -> PyResult<Option<u64>> {
        Ok(self.call(py, |artifact| Ok(artifact.id_of_key(&key)?))?.map(|id| id.0))
    }

    /// How many records there are.
    fn __len__(&self) -> PyResult<usize> {
        Ok(usize::try_from(self.ask(CompactArtifact::len)?).unwrap_or(usize::MAX))
    }

    fn __bool__(&self) -> bool {
        true
    }

    /// All records, in the order of their ids, of the commit at which the iteration begins.
    fn __iter__(&self) -> PyResult<Entries> {
        self.ask(|artifact| Entries::new(artifact.records()))
    }

    /// How many records a filter lets through.
    fn count(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<u64> {
        let filter = read_filter(filter)?;
        self.call(py, |artifact| Ok(artifact.count(&filter)?))
    }

    /// The ids of the records that a filter lets through, ascending.
    fn ids_where(&self, py: Python<'_>, filter: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
        let filter = read_filter(filter)?;
        let ids = self.call(py, |artifact| Ok(artifact.ids_where(&filter)?))?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }

    /// The records that a filter lets through, in the order of their ids; all of them without one.
    #[pyo3(signature = (filter = None))]
    fn records(&self, py: Python<'_>, filter: Option<&Bound<'_, PyAny>>) -> PyResult<Entries> {
        match optional_filter(filter)? {
            None => self.__iter__(),
            Some(filter) => self.call(py, |artifact| Ok(Entries::new(artifact.records_where(&filter)?))),
        }
    }

    /// The keys that begin with `prefix`, in their order, with the ids of their records.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> _ = artifact.add_batch([{"text": "…", "key": key} for key in ("notes/b", "notes/a", "letters/a")])
    /// >>> artifact.keys("notes/")
    /// {'notes/a': 1, 'notes/b': 0}
    #[pyo3(signature = (prefix = Text::default()), text_signature = "($self, prefix='')")]
    fn keys<'py>(&self, py: Python<'py>, prefix: Text) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (key, id) in self.call(py, |artifact| Ok(artifact.keys(&prefix)?))? {
            dict.set_item(key, id.0)?;
        }
        Ok(dict)
    }

    /// The values of a field of the metadata, each with how many records have it, among those that a filter lets through.
    #[pyo3(signature = (field, filter = None))]
    fn values<'py>(
        &self,
        py: Python<'py>,
        field: Text,
        filter: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let filter = optional_filter(filter)?;
        let values = self.call(py, |artifact| Ok(artifact.values(&field, filter.as_ref())?))?;
        report(py, &values)
    }

    /// The embedding of a record in a space, as near as it is stored; `None` if it has none. A `DamagedError` where it may have been lost.
    fn embedding(&self, py: Python<'_>, id: Number<u64>, space: Text) -> PyResult<Option<Vec<f32>>> {
        self.call(py, |artifact| Ok(artifact.embedding(RecordId(id.0), &space)?))
    }

    /// The vectors of texts, as the embedder gives them; `None` for a text in which the model knows nothing.
    fn embed(&self, py: Python<'_>, texts: &Bound<'_, PyAny>) -> PyResult<Vec<Option<Vec<f32>>>> {
        if texts.is_instance_of::<PyString>() {
            return Err(wrong_type("texts", "a list of str", texts));
        }
        let texts: Vec<Text> = texts.extract()?;
        self.call(py, |artifact| {
            let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
            Ok(artifact.embed(&texts)?)
        })
    }

    /// Whether texts can be searched by meaning.
    #[getter]
    fn is_model_at_hand(&self) -> PyResult<bool> {
        self.ask(CompactArtifact::is_model_at_hand)
    }

    /// The vector spaces: of each `dimension`, `metric`, `quantization`, `originals` and `model`.
    #[getter]
    fn spaces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for space in self.ask(CompactArtifact::spaces)? {
            let parts = PyDict::new(py);
            parts.set_item("dimension", space.dimension())?;
            parts.set_item("metric", space.metric().to_string())?;
            parts.set_item("quantization", space.quantization().to_string())?;
            parts.set_item("originals", space.originals().to_string())?;
            parts.set_item("model", space.model().map(compact_artifact::SpaceModel::id))?;
            dict.set_item(space.name(), parts)?;
        }
        Ok(dict)
    }

    /// The fields of texts beside the content, and how often their words count.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, weight) in self.ask(CompactArtifact::fields)? {
            dict.set_item(name, weight)?;
        }
        Ok(dict)
    }

    /// How much of the true `k` nearest in a space searches find that keep these numbers of candidates: for each the part found, 0 to 1, for the embeddings of `sample` records as
    /// queries.
    ///
    /// >>> import tempfile, pathlib, numpy
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a", spaces={"v": 8}, graph_from=100)
    /// >>> ids = artifact.add_batch(embeddings={"v": numpy.random.default_rng(1).normal(size=(500, 8))})
    /// >>> _ = artifact.seal()
    /// >>> all(0 < part <= 1 for part in artifact.audit_recall("v", ef_search=[64, 512]))
    /// True
    #[pyo3(signature = (space, *, ef_search, sample = Number(100), k = Number(10)), text_signature = "($self, space, *, ef_search, sample=100, k=10)")]
    fn audit_recall(
        &self,
        py: Python<'_>,
        space: Text,
        ef_search: Vec<Number<usize>>,
        sample: Number<usize>,
        k: Number<usize>,
    ) -> PyResult<Vec<f64>> {
        let ef_search: Vec<usize> = ef_search.into_iter().map(|Number(candidates)| candidates).collect();
        self.call(py, |artifact| Ok(artifact.snapshot().audit_recall(&space, sample.0, k.0, &ef_search)?))
    }

    /// An immutable view of the newest commit, for several calls that are to see the same.
    fn snapshot(slf: Bound<'_, Self>) -> PyResult<Snapshot> {
        Snapshot::new(slf)
    }

    /// The number of the newest commit.
    #[getter]
    fn commit(&self) -> PyResult<u64> {
        self.ask(|artifact| artifact.snapshot().seq().0)
    }

    /// Sees what another process committed since. Returns whether anything changed.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        self.call(py, |artifact| Ok(artifact.refresh()?))
    }

    /// Waits until there is a newer commit, sees it, and returns whether there is; not, when `timeout` seconds are over.
    fn watch(&self, py: Python<'_>, timeout: &Bound<'_, PyAny>) -> PyResult<bool> {
        let end = Instant::now().checked_add(seconds(timeout)?);
        loop {
            let left = end.map_or(LOOK, |end| end.saturating_duration_since(Instant::now()));
            if self.call(py, |artifact| Ok(artifact.watch(left.min(LOOK))?))? {
                return Ok(true);
            }
            if left <= LOOK && end.is_some() {
                return Ok(false);
            }
            py.check_signals()?;
        }
    }

    /// What happened since a commit: `added`, `replaced`, `updated` and `deleted` records, up to `commit`; `None` if that is too long ago to tell.
    ///
    /// >>> import tempfile, pathlib
    /// >>> artifact = CompactArtifact.create(pathlib.Path(tempfile.mkdtemp()) / "a")
    /// >>> seen = artifact.commit
    /// >>> _ = artifact.add_text("news", key="today")
    /// >>> artifact.changes_since(seen)["added"]
    /// [{'id': 0, 'key': 'today'}]
    fn changes_since<'py>(
        &self,
        py: Python<'py>,
        commit: Number<u64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let changes = self.call(py, |artifact| Ok(artifact.changes_since(CommitSeq(commit.0))?))?;
        changes.map(|changes| report(py, &changes)).transpose()
    }

    /// Reads the blocks of records, by their ids or keys, so that the cache has them.
    fn warm(&self, py: Python<'_>, records: Vec<IdOrKey>) -> PyResult<()> {
        self.call(py, |artifact| {
            let snapshot = artifact.snapshot();
            let mut ids = Vec::new();
            for record in &records {
                match record {
                    IdOrKey::Id(id) => ids.push(RecordId(*id)),
                    IdOrKey::Key(key) => ids.extend(snapshot.id_of_key(key)?),
                }
            }
            artifact.warm(&ids);
            Ok(())
        })
    }
}

impl Artifact {
    fn find(&self, py: Python<'_>, record: &IdOrKey) -> PyResult<Option<Entry>> {
        let entry = self.call(py, |artifact| {
            Ok(match record {
                IdOrKey::Id(id) => artifact.get(RecordId(*id))?,
                IdOrKey::Key(key) => artifact.get_by_key(key)?,
            })
        })?;
        Ok(optional(entry))
    }
}
