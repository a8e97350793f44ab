//! The handle of an artifact: every call, in the order in which a reader needs them. What they do is in [`crate::engine`].
//! One file because it is the list of all calls, one line each, read from top to bottom.

use std::io::Read;
#[cfg(feature = "embedder")]
use std::ops::ControlFlow;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use block_format::{
    RangeReader, RangeSource, RangeStatistics, RecordId, RecoveryReport as StoreReport, Store, VerifyLevel,
};
use metadata_index::Filter;

use crate::api::batch::{Batch, Receipt};
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::facet::FacetCount;
use crate::api::options::Options;
use crate::api::query::Query;
use crate::api::record::Record;
#[cfg(feature = "embedder")]
use crate::api::reports::ReembedReport;
use crate::api::reports::{
    CompactReport, PackReport, RecoveryReport, SealReport, UnpackReport, VerifyReport,
};
use crate::api::results::SearchResults;
use crate::api::space::{Space, SpaceOptions};
use crate::api::stats::{MemoryStats, Stats};
use crate::engine::{BatchOptions, BatchWriter, Engine, Meter, Mode, Worker, open_store_for_reading};
use crate::snapshot::Snapshot;

/// An artifact, opened by its one writer or by any number of readers. See the [crate page](crate).
///
/// All calls take `&self` and may come from many threads at once. Calls that read see the newest commit; to see one commit for several
/// calls, take a [`Snapshot`].
///
/// It is a handle: clones are the same artifact, cheap to make and to hand to other threads. The last one that is dropped lets go of it.
///
/// ```
/// # use compact_artifact::{CompactArtifact, ErrorKind};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let theirs = artifact.clone();
/// std::thread::spawn(move || theirs.add_text("a note")).join().expect("no panic")?;
/// assert_eq!(artifact.len(), 1);
/// artifact.close()?; // the clone is gone, so that this is the last handle
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct CompactArtifact {
    pub(crate) engine: Arc<Engine>,
    worker: Arc<Worker>,
}

impl CompactArtifact {
    // Create and open.

    /// How to create or open an artifact otherwise than by default.
    pub fn options() -> Options {
        Options::new()
    }

    /// Creates an artifact in the directory `path`, whose parent exists, with the default [`Options`]. A directory that is there already must
    /// be empty. What fails leaves nothing behind.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().create(path)
    }

    /// Opens an artifact for writing, with the default [`Options`], and recovers it if it was not closed: see
    /// [`recovery`](Self::recovery). There can be one writer at a time.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(path)
    }

    /// Opens an artifact for reading: a directory, beside its writer or on read-only media, or a file that [`pack`](Self::pack) wrote.
    /// [`refresh`](Self::refresh) sees later commits.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        Options::new().open_read_only(path)
    }

    /// Opens a packed artifact that begins at `offset` in a larger file.
    pub fn open_packed_at(path: impl AsRef<Path>, offset: u64, options: Options) -> Result<Self> {
        options.open_packed_at(path, offset)
    }

    /// Opens a packed artifact in memory, for instance one that is embedded in the program: see
    /// [`include_artifact!`](crate::include_artifact).
    pub fn open_packed_bytes(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        options: Options,
    ) -> Result<Self> {
        options.open_packed_bytes(bytes)
    }

    /// Opens a packed artifact that lies far away, in object storage for instance, and is read by ranges: opening reads the ends of its files, and a
    /// search what it needs, all that it knows of at once. What was read is kept up to [`range_cache_bytes`](Options::range_cache_bytes), once its
    /// checksums hold; [`range_statistics`](Self::range_statistics) and [`Query::explain`] say how much was read.
    ///
    /// A range that fails to come, or does not hold, is an error of kind [`Io`](ErrorKind::Io) of that call; another call asks for it again. An artifact whose records
    /// [expire](Options::expires_at) is refused as [`Unsupported`](ErrorKind::Unsupported).
    pub fn open_packed_ranges(source: Arc<dyn RangeSource>, options: Options) -> Result<Self> {
        options.open_packed_ranges(source)
    }

    /// What was read of an artifact by [ranges](Self::open_packed_ranges) since it was opened; `None` for any other.
    pub fn range_statistics(&self) -> Option<RangeStatistics> {
        self.engine.store.ranges().map(RangeReader::statistics)
    }

    /// What opening found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.engine.recovery
    }

    /// Where the artifact is.
    pub fn path(&self) -> &Path {
        self.engine.path()
    }

    /// Whether it was opened for reading.
    pub fn is_read_only(&self) -> bool {
        self.engine.read_only
    }

    /// The vector spaces of the artifact.
    pub fn spaces(&self) -> Vec<Space> {
        self.engine.state().settings.current_spaces().map(|(_, space)| space.clone()).collect()
    }

    /// Whether texts can be searched by meaning: they are embedded, and the model is at hand that they are embedded by.
    pub fn is_model_at_hand(&self) -> bool {
        let state = self.engine.state();
        state.settings.meaning().is_some_and(|(_, space)| self.engine.resources.meaning.is_at_hand(space))
    }

    /// The vectors of texts as the [`embedder`](Options::embedder) gives them for texts that are stored; `None` for a text in which the model knows
    /// nothing. During a move to another model these are those of the old one. An error of kind [`NoModel`](ErrorKind::NoModel) where texts are not embedded, or
    /// [their model is not at hand](Self::is_model_at_hand).
    #[cfg(feature = "embedder")]
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Option<Vec<f32>>>> {
        let state = self.engine.state();
        self.engine.resources.meaning.embed(state.settings.meaning().map(|(_, space)| space), texts)
    }

    /// Adds a vector space. One that is there already, set up the same, is no error.
    pub fn add_space(&self, name: &str, options: SpaceOptions) -> Result<()> {
        self.engine.add_space(name, options)
    }

    /// The fields of texts beside the content, and how often their words count: see [`Options::field`].
    pub fn fields(&self) -> Vec<(String, u32)> {
        let state = self.engine.state();
        state.settings.fields.iter().map(|field| (field.name.clone(), field.weight)).collect()
    }

    /// Adds a field of texts, whose words count `weight` times: see [`Options::field`]. One that is there already with that weight is no error.
    pub fn add_field(&self, name: &str, weight: u32) -> Result<()> {
        self.engine.add_field(name, weight)
    }

    // Write.

    /// Commits a batch. Returns when what its [`Durability`](crate::Durability) says has happened; then it is also visible.
    pub fn write(&self, batch: Batch) -> Result<Receipt> {
        self.engine.write(batch)
    }

    /// Adds a text.
    pub fn add_text(&self, text: &str) -> Result<RecordId> {
        self.add(Record::text(text))
    }

    /// Adds any bytes.
    pub fn add_blob(&self, bytes: &[u8]) -> Result<RecordId> {
        self.add(Record::blob(bytes))
    }

    /// Adds a record. Its key, if it has one, must be new.
    pub fn add(&self, record: Record) -> Result<RecordId> {
        one_id(self.write(Batch::new().add(record))?)
    }

    /// Adds a record in the place of the one with its key, if there is one.
    pub fn upsert(&self, record: Record) -> Result<RecordId> {
        one_id(self.write(Batch::new().upsert(record))?)
    }

    /// Adds records: all of them, or none. They are in memory until they are committed; for any number of records there is
    /// [`batch_writer`](Self::batch_writer).
    pub fn add_batch(&self, records: impl IntoIterator<Item = Record>) -> Result<Vec<RecordId>> {
        Ok(self.write(records.into_iter().collect())?.ids)
    }

    /// Gives a record that is there already an embedding, in the place of the one that it has in this space.
    pub fn add_embedding(&self, id: RecordId, space: &str, vector: &[f32]) -> Result<()> {
        self.write(Batch::new().add_embedding(id, space, vector)).map(drop)
    }

    /// Deletes a record. Returns whether it was there.
    pub fn delete(&self, id: RecordId) -> Result<bool> {
        Ok(self.write(Batch::new().delete(id))?.deleted > 0)
    }

    /// Deletes the record with this key. Returns whether it was there.
    pub fn delete_key(&self, key: &str) -> Result<bool> {
        Ok(self.write(Batch::new().delete_key(key))?.deleted > 0)
    }

    /// Deletes all records that the filter lets through, at once. Returns how many. What records hold is no reason to fail: where [`count`](Self::count) has an error of kind
    /// [`TypeMismatch`](ErrorKind::TypeMismatch), a comparison with a type that no value of its field has matches nothing, negated or not (`$ne`, `$nin`, `$not`), and a string that is a date is
    /// compared with the dates alone of a field that has dates and other strings, or matches nothing where that is negated.
    pub fn delete_where(&self, filter: &Filter) -> Result<u64> {
        Ok(self.write(Batch::new().delete_where(filter.clone()))?.deleted)
    }

    /// Adds a blob of any length from a reader, in bounded memory, with the key and the metadata of `record`, whose own content must be
    /// empty. Embeddings are given to it afterwards. Other commits wait meanwhile; an error of the reader adds nothing. The reader itself must not
    /// write to the artifact, which is an error of kind [`Reentrant`](ErrorKind::Reentrant).
    pub fn add_reader(&self, record: Record, content: impl Read) -> Result<RecordId> {
        self.engine.add_reader(record, content)
    }

    /// Begins to collect records from any number of threads, which it commits in batches.
    pub fn batch_writer(&self, options: BatchOptions) -> Result<BatchWriter> {
        BatchWriter::start(&self.engine, options)
    }

    /// Adds a record for each point of an index of the crate `hnsw_rs`, with the vector of the point in a vector space: `record` makes it from the
    /// origin id. Returns which record each origin id became, in the order of origin ids. The graph is built anew when the records are sealed.
    ///
    /// In commits of 1,000 records: an error leaves those before it. No thread may insert into the index meanwhile.
    #[cfg(feature = "hnsw_rs")]
    pub fn import_hnsw_rs<T, D>(
        &self,
        hnsw: &hnsw_rs::prelude::Hnsw<'_, T, D>,
        space: &str,
        record: impl FnMut(usize) -> Record,
    ) -> Result<Vec<(usize, RecordId)>>
    where
        T: Copy + Send + Sync + Into<f32>,
        D: hnsw_rs::prelude::Distance<T> + Send + Sync,
    {
        self.engine.import_hnsw_rs(hnsw, space, record)
    }

    /// Moves to another model, and gives texts that have no embedding one: those that were added without a model at hand. All texts are embedded in a
    /// new space in commits of some each, beside readers and writers; when all are, it takes the place of the old one, whose vectors
    /// [`compact`](Self::compact) leaves out. What is added meanwhile is embedded by both.
    ///
    /// A vector that was given for a text goes with the old space: the text has that of the new model, or none if the new model knows nothing in it. Of other records
    /// no model makes vectors again: where any were given for them, this is refused by an error of kind [`WouldLoseEmbedding`](ErrorKind::WouldLoseEmbedding), and
    /// nothing is changed; [`reembed_with`](Self::reembed_with) can let them go.
    ///
    /// After an error or a crash, searches go on with the old model, and calling this again with the same model goes on where it was. To open an
    /// artifact from then on, give the new one in [`Options::embedder`]. If the space of the texts is dropped meanwhile, it stays so, and the error is of kind
    /// [`NoSuchSpace`](crate::ErrorKind::NoSuchSpace).
    #[cfg(feature = "embedder")]
    pub fn reembed(&self, embedder: Arc<dyn text_embedder::Embedder>) -> Result<ReembedReport> {
        self.engine.reembed(embedder, false, &mut |_| ControlFlow::Continue(()))
    }

    /// [`reembed`](Self::reembed), which calls `progress` with what was done so far, first with nothing and then after each commit, until that says to break: then it
    /// returns how much is left, and calling it again with the same model goes on. With `lose_given`, vectors that were given for records that are no texts go with the
    /// old space: [`ReembedReport::given`].
    #[cfg(feature = "embedder")]
    pub fn reembed_with(
        &self,
        embedder: Arc<dyn text_embedder::Embedder>,
        lose_given: bool,
        mut progress: impl FnMut(&ReembedReport) -> ControlFlow<()>,
    ) -> Result<ReembedReport> {
        self.engine.reembed(embedder, lose_given, &mut progress)
    }

    /// Makes every commit so far durable.
    pub fn sync(&self) -> Result<()> {
        self.engine.sync()
    }

    // Read: the calls of [`Snapshot`], on the newest commit.

    /// An immutable view of the newest commit. Takes no lock that a writer holds while it works.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::held(self.engine.visible(), self.engine.resources.clone(), Location::caller())
    }

    /// For one call.
    fn newest(&self) -> Snapshot {
        Snapshot::for_call(self.engine.visible(), self.engine.resources.clone())
    }

    /// Sees what another process committed since this reader opened the artifact or called this; for a writer there is nothing to do.
    /// Returns whether anything changed. Where another directory is at the path, with another artifact or a copy of this one, nothing changes, and the error has the
    /// kind [`Foreign`](ErrorKind::Foreign); where a commit that was read before is not there any more, [`Damaged`](ErrorKind::Damaged). (Where
    /// the system does not tell directories apart, as on Windows, a copy is not refused.)
    pub fn refresh(&self) -> Result<bool> {
        self.engine.refresh()
    }

    /// How many records there are.
    pub fn len(&self) -> u64 {
        self.newest().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.newest().is_empty()
    }

    /// See [`Snapshot::get`].
    pub fn get(&self, id: RecordId) -> Result<Option<Entry>> {
        self.newest().get(id)
    }

    /// See [`Snapshot::get_by_key`].
    pub fn get_by_key(&self, key: &str) -> Result<Option<Entry>> {
        self.newest().get_by_key(key)
    }

    /// See [`Snapshot::id_of_key`].
    pub fn id_of_key(&self, key: &str) -> Result<Option<RecordId>> {
        self.newest().id_of_key(key)
    }

    /// See [`Snapshot::get_many`].
    pub fn get_many(&self, ids: &[RecordId]) -> Result<Vec<Option<Entry>>> {
        self.newest().get_many(ids)
    }

    /// See [`Snapshot::records`].
    #[track_caller]
    pub fn records(&self) -> impl Iterator<Item = Result<Entry>> + use<> {
        self.snapshot().records()
    }

    /// See [`Snapshot::count`].
    pub fn count(&self, filter: &Filter) -> Result<u64> {
        self.newest().count(filter)
    }

    /// See [`Snapshot::ids_where`].
    pub fn ids_where(&self, filter: &Filter) -> Result<Vec<RecordId>> {
        self.newest().ids_where(filter)
    }

    /// See [`Snapshot::records_where`].
    #[track_caller]
    pub fn records_where(&self, filter: &Filter) -> Result<impl Iterator<Item = Result<Entry>> + use<>> {
        self.snapshot().records_where(filter)
    }

    /// See [`Snapshot::keys`].
    pub fn keys(&self, prefix: &str) -> Result<Vec<(String, RecordId)>> {
        self.newest().keys(prefix)
    }

    /// See [`Snapshot::values`].
    pub fn values(&self, field: &str, filter: Option<&Filter>) -> Result<Vec<FacetCount>> {
        self.newest().values(field, filter)
    }

    /// See [`Snapshot::embedding`].
    pub fn embedding(&self, id: RecordId, space: &str) -> Result<Option<Vec<f32>>> {
        self.newest().embedding(id, space)
    }

    /// See [`Snapshot::search`].
    pub fn search(&self, query: &Query) -> Result<SearchResults> {
        self.newest().search(query)
    }

    /// See [`Snapshot::search_batch`].
    pub fn search_batch(&self, queries: &[Query]) -> Vec<Result<SearchResults>> {
        self.newest().search_batch(queries)
    }

    /// See [`Snapshot::warm`].
    pub fn warm(&self, ids: &[RecordId]) {
        self.newest().warm(ids);
    }

    // Maintain.

    /// Brings everything committed so far into its final form: records in segments, indexes with graphs. Commits go on meanwhile. With the
    /// default [`Maintenance`](crate::Maintenance) this happens by itself when there is much of it, and when the artifact is closed. Space of deleted records comes back
    /// as [`auto_compact`](crate::Options::auto_compact) says.
    pub fn seal(&self) -> Result<SealReport> {
        self.engine.seal()
    }

    /// Returns the space of deleted records, with at most `budget` bytes of heap, 4 MiB or more: then the files are no longer than 1.15 times what is alive.
    /// One segment or index is rewritten at a time, verified, and only then are the old ones removed: until then both are on disk. Commits and
    /// searches go on meanwhile. Interrupted, it has done a part of it, and can be called again. What became small is put together with its neighbours.
    ///
    /// Nothing is copied that was not verified. A segment or an index to be rewritten that is damaged stays as it is, and when everything else is compacted,
    /// this fails with [`Damaged`](ErrorKind::Damaged) and the name of its file; [`salvage`](crate::salvage) makes it anew.
    pub fn compact(&self, budget: usize) -> Result<CompactReport> {
        self.engine.compact(budget)
    }

    /// Writes the newest commit to one immutable file, which must not exist yet, and syncs it. An artifact that is opened for writing is sealed
    /// first. The file opens with [`open_read_only`](Self::open_read_only), with [`open_packed_at`](Self::open_packed_at) inside a larger
    /// file, or with [`open_packed_bytes`](Self::open_packed_bytes) from memory. The same artifact gives the same file.
    ///
    /// Fails with [`Damaged`](crate::ErrorKind::Damaged) and the name of the file if any is not what was written: a pack is of an artifact that is
    /// sound.
    pub fn pack(&self, path: impl AsRef<Path>) -> Result<PackReport> {
        self.engine.pack(path)
    }

    /// Makes a directory artifact, which [`open`](Self::open) can write to, of this packed one, wherever it was opened from. `to` must be an
    /// empty directory, or not exist while its parent does. Every byte is verified before and after it is copied, and durable on return.
    ///
    /// Records keep their ids, and the new artifact has the identity of the packed one. What an interruption leaves does not open; an error
    /// leaves no files behind.
    pub fn unpack(&self, to: impl AsRef<Path>) -> Result<UnpackReport> {
        self.engine.unpack(to)
    }

    /// Reads the artifact that is open, wherever it lies, and compares every checksum: of files, as [`verify`](crate::verify) does, and of what indexes hold
    /// against what they may.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        self.engine.verify(level)
    }

    /// What the artifact holds: read from tables. Of files with deleted records beside others some blocks are decoded.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Memory that the artifact takes, and what its searches did so far.
    pub fn memory_stats(&self) -> MemoryStats {
        self.engine.memory_stats()
    }

    /// Lets go of caches and of room that searches keep. Everything is found again as before, only slower at first.
    pub fn release_memory(&self) {
        self.engine.release_memory();
    }

    // End.

    /// Makes everything durable, seals what was added if there is much of it, and records that the artifact was closed: opening it again
    /// is quick then.
    ///
    /// Dropping the artifact instead loses nothing that was acknowledged; the next open then recovers. So does what is left after an error
    /// of kind [`InUse`](ErrorKind::InUse): a [`BatchWriter`](crate::BatchWriter) was not finished before, or there is another handle, a clone. That one then
    /// goes on as before, and the last one closes; what was acknowledged is on disk by then. Requests of the feature `async` that wait for their turn are carried
    /// out before; so requests of two artifacts must not close each other's: they would wait for ever. A reader has nothing to close.
    pub fn close(self) -> Result<()> {
        self.close_metered(&mut Meter::silent())
    }

    pub(crate) fn close_metered(self, meter: &mut Meter<'_>) -> Result<()> {
        let Self { engine, worker } = self;
        let is_reader = engine.read_only;
        if !is_reader && Arc::strong_count(&worker) > 1 {
            engine.sync()?;
        }
        // Before the handle is let go of: of several that are closed at once, the last one is alone with the engine then.
        drop(engine);
        match Arc::into_inner(worker) {
            Some(last) => Engine::close(last.into_engine(), meter),
            None if is_reader => Ok(()),
            None => Err(others_are_there()),
        }
    }

    /// Removes the artifact: the files that the format gives names to, and no others. The directory goes as well if [`create`](Self::create)
    /// of this very value made it, and nothing else is in it.
    ///
    /// For undoing a creation after which something else failed. There may be no batch writer and no other handle: the error is of kind
    /// [`InUse`](crate::ErrorKind::InUse). A reader that has the artifact open can go on reading.
    pub fn destroy(self) -> Result<()> {
        drop(self.worker);
        Engine::destroy(self.engine)
    }

    /// Whether [`destroy`](Self::destroy), which takes the handle whatever happens, would be refused: of a handle that was opened for reading, or of a writer that gave way to another
    /// one that is at work.
    pub fn check_destroy(&self) -> Result<()> {
        self.engine.permit().map(drop)
    }

    /// What a request is carried out by: the threads, and a handle that is none of those that `close` asks about.
    #[cfg(feature = "async")]
    pub(crate) fn for_request(&self) -> Result<(crate::requests::Pool, Self)> {
        self.engine.callers.check_process()?; // a forked process has no such threads
        Ok((self.engine.requests.pool(), Self::without_thread(self.engine.clone())))
    }

    fn created(
        options: Options,
        create: impl FnOnce(block_format::Options) -> block_format::Result<Store>,
    ) -> Result<Self> {
        options.durability.check()?;
        let engine = Arc::new(Engine::create(options, create)?);
        match Worker::start_if_wanted(engine.clone()) {
            Ok(worker) => Ok(Self { engine, worker: Arc::new(worker) }),
            Err(e) => {
                let _ = Engine::destroy(engine); // the error that is returned says why
                Err(e)
            }
        }
    }

    fn opened(
        options: Options,
        mode: Mode,
        open: impl FnOnce(block_format::Options) -> block_format::Result<(Store, StoreReport)>,
    ) -> Result<Self> {
        options.durability.check()?;
        let engine = Arc::new(Engine::open(options, mode, open)?);
        let worker = Arc::new(Worker::start_if_wanted(engine.clone())?);
        Ok(Self { engine, worker })
    }

    /// [`opened`](Self::opened) to read: there is no work for a worker, and a program that only reads does not have what it does.
    fn opened_to_read(
        options: Options,
        open: impl FnOnce(block_format::Options) -> block_format::Result<(Store, StoreReport)>,
    ) -> Result<Self> {
        Ok(Self::without_thread(Arc::new(Engine::open(options, Mode::ReadOnly, open)?)))
    }

    fn without_thread(engine: Arc<Engine>) -> Self {
        let worker = Arc::new(Worker::without_thread(engine.clone()));
        Self { engine, worker }
    }
}

/// What closing one of several handles fails with, after what was acknowledged was made durable.
fn others_are_there() -> Error {
    let message = "another handle of the artifact is still there; the last one closes it. What was acknowledged is on disk";
    Error::new(ErrorKind::InUse, message)
}

fn one_id(receipt: Receipt) -> Result<RecordId> {
    receipt.ids.first().copied().ok_or_else(|| Error::invalid("a batch of one record that added none"))
}

/// How an artifact is created or opened with options.
impl Options {
    /// Creates an artifact in the directory `path`, whose parent exists.
    pub fn create(self, path: impl AsRef<Path>) -> Result<CompactArtifact> {
        CompactArtifact::created(self, |options| Store::create(path, options))
    }

    /// Opens an artifact for writing, and recovers it if it was not closed.
    pub fn open(self, path: impl AsRef<Path>) -> Result<CompactArtifact> {
        CompactArtifact::opened(self, Mode::Write, |options| Store::open(path, options))
    }

    /// Opens the artifact at `path` for writing, or creates it where there is none.
    pub fn open_or_create(self, path: impl AsRef<Path>) -> Result<CompactArtifact> {
        match self.clone().open(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => self.create(path),
            opened => opened,
        }
    }

    /// Opens an artifact for reading: a directory, beside its writer or on read-only media, or a packed file. Options that say how to write, such as
    /// [`durability`](Self::durability), have nothing to act on here, so that the same options may be those of a program's writers and readers.
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<CompactArtifact> {
        CompactArtifact::opened_to_read(self, |options| open_store_for_reading(path.as_ref(), options))
    }

    /// Opens a packed artifact that begins at `offset` in a larger file.
    pub fn open_packed_at(self, path: impl AsRef<Path>, offset: u64) -> Result<CompactArtifact> {
        CompactArtifact::opened_to_read(self, |options| Store::open_packed_at(path, offset, options))
    }

    /// Opens a packed artifact that is read by ranges: see [`CompactArtifact::open_packed_ranges`].
    pub fn open_packed_ranges(self, source: Arc<dyn RangeSource>) -> Result<CompactArtifact> {
        CompactArtifact::opened_to_read(self, |options| Store::open_packed_ranges(source, options))
    }

    /// Opens a packed artifact in memory, for instance one that is embedded in the program: see
    /// [`include_artifact!`](crate::include_artifact).
    pub fn open_packed_bytes(
        self,
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
    ) -> Result<CompactArtifact> {
        CompactArtifact::opened_to_read(self, |options| Store::open_packed_bytes(bytes, options))
    }
}

/// For tests: other file systems, and forks.
#[cfg(feature = "testing")]
impl CompactArtifact {
    /// [`create`](Options::create) in another file system.
    pub fn create_in(vfs: Arc<dyn block_format::vfs::Vfs>, options: Options, path: &Path) -> Result<Self> {
        Self::created(options, |options| Store::create_in(vfs, path, options))
    }

    /// [`open`](Options::open) in another file system.
    pub fn open_in(vfs: Arc<dyn block_format::vfs::Vfs>, options: Options, path: &Path) -> Result<Self> {
        Self::opened(options, Mode::Write, |options| Store::open_in(vfs, path, options))
    }

    /// [`open_read_only`](Options::open_read_only) in another file system.
    pub fn open_read_only_in(
        vfs: Arc<dyn block_format::vfs::Vfs>,
        options: Options,
        path: &Path,
    ) -> Result<Self> {
        Self::opened_to_read(options, |options| Store::open_read_only_in(vfs, path, options))
    }

    /// From now on this process counts as one that was forked from the one that opened the artifact.
    pub fn fork(&self) {
        self.engine.callers.fork();
        self.engine.store.callers().fork();
    }
}

/// The bytes of a packed artifact, embedded in the program and aligned as searching them in place likes it.
///
/// ```ignore
/// let artifact = CompactArtifact::open_packed_bytes(include_artifact!("../data/words.pack"), Options::new())?;
/// ```
#[macro_export]
macro_rules! include_artifact {
    ($path:expr) => {{
        #[repr(C, align(64))]
        struct Aligned<Bytes: ?Sized>(Bytes);
        static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &ALIGNED.0
    }};
}
