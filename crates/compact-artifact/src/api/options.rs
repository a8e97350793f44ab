//! How an artifact is created and opened.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::api::compaction::CompactionPolicy;
use crate::api::error::Error;
use crate::api::names::names;
use crate::api::schema::Schema;
use crate::api::space::SpaceOptions;
use crate::protocol::Steps;
use block_format::{Compression, Durability};
use lexical_index::Language;
use metadata_index::Moment;

/// Who seals, and when: turns what was added since the last time into its final, indexed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Maintenance {
    /// The thread whose commit makes it due.
    #[default]
    Inline,
    /// A thread of the artifact's own, which ends with it. Commits go on meanwhile.
    Background,
    /// Whoever calls [`CompactArtifact::seal`](crate::CompactArtifact::seal) and [`CompactArtifact::compact`](crate::CompactArtifact::compact). What was added is found before as well, only slower.
    Manual,
}

names!(Maintenance, "maintenance", Inline => "inline", Background => "background", Manual => "manual");

/// A call of the caller's for errors of maintenance.
#[derive(Clone)]
pub(crate) struct OnError(pub(crate) Arc<dyn Fn(&Error) + Send + Sync>);

impl fmt::Debug for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnError")
    }
}

/// What time it is, as the caller says.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What was said of the language of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LanguageOption {
    Unset,
    NoStems,
    Stems(Language),
}

/// How to create or open an artifact. What is not set has the default named with it.
///
/// Kept in the artifact are vector spaces, fields of texts, [`language`](Self::language) and [`fold_diacritics`](Self::fold_diacritics), the model of the
/// [`embedder`](Self#method.embedder), [`schema`](Self::schema), [`expires_at`](Self::expires_at), [`precompute_similar`](Self::precompute_similar), and the identity that a
/// [`seed`](Self::seed) gives. Opened with others, it is an error, but for `precompute_similar`, which a writer changes. A space, a field, a model, a schema or a field of expiry that it does not have
/// yet is added where it is opened for writing; where it is opened for reading, that is an error, too. Everything else is of this process only, `stop_words` and `bm25` for instance; what is
/// about writing has no meaning for one that only reads.
///
/// ```
/// use compact_artifact::{CompactArtifact, Metric, SpaceOptions};
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let path = temp.path().join("notes.artifact");
/// let artifact = CompactArtifact::options()
///     .space("text", SpaceOptions::new(384, Metric::Cosine))
///     .create(&path)?;
/// # artifact.close() }
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until `create` or `open`"]
pub struct Options {
    pub(crate) store: block_format::Options,
    pub(crate) segment_len: u64,
    pub(crate) durability: Durability,
    pub(crate) maintenance: Maintenance,
    pub(crate) on_maintenance_error: Option<OnError>,
    pub(crate) busy_timeout: Duration,
    pub(crate) idle_release: Option<Duration>,
    pub(crate) auto_compact: Option<CompactionPolicy>,
    pub(crate) memory_limit: Option<usize>,
    pub(crate) block_cache_bytes: usize,
    pub(crate) result_cache_bytes: usize,
    pub(crate) result_ttl: Option<Duration>,
    pub(crate) embedding_cache_bytes: usize,
    #[cfg(feature = "embedder")]
    pub(crate) keep_embedding_cache: bool,
    /// `None`: as the artifact has it.
    pub(crate) precompute_similar: Option<usize>,
    #[cfg(feature = "async")]
    pub(crate) max_concurrent_requests: usize,
    #[cfg(feature = "embedder")]
    pub(crate) embedder: Option<Arc<dyn text_embedder::Embedder>>,
    pub(crate) expires_at: Option<String>,
    pub(crate) schema: Option<Schema>,
    pub(crate) clock: Option<Clock>,
    pub(crate) spaces: Vec<(String, SpaceOptions)>,
    /// Names, and how often the words count.
    pub(crate) fields: Vec<(String, u32)>,
    pub(crate) language: LanguageOption,
    pub(crate) stop_words: bool,
    /// `k1` and `b`.
    pub(crate) bm25: (f64, f64),
    pub(crate) fold_diacritics: Option<bool>,
    /// See [`graph_from`](Self::graph_from).
    pub(crate) graph_from: usize,
    pub(crate) steps: Steps,
}

/// The default size of a cache: none in a build without caches.
fn kept(bytes: usize) -> usize {
    if cfg!(feature = "cache") { bytes } else { 0 }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            store: block_format::Options::new().auto_seal(false),
            segment_len: 64 << 20,
            durability: Durability::Sync,
            maintenance: Maintenance::Inline,
            on_maintenance_error: None,
            busy_timeout: Duration::ZERO,
            idle_release: None,
            auto_compact: Some(CompactionPolicy::default()),
            memory_limit: None,
            block_cache_bytes: kept(16 << 20),
            result_cache_bytes: kept(1 << 20),
            result_ttl: None,
            embedding_cache_bytes: kept(1 << 20),
            #[cfg(feature = "embedder")]
            keep_embedding_cache: false,
            precompute_similar: None,
            #[cfg(feature = "async")]
            max_concurrent_requests: 4,
            #[cfg(feature = "embedder")]
            embedder: None,
            expires_at: None,
            schema: None,
            clock: None,
            spaces: Vec::new(),
            fields: Vec::new(),
            language: LanguageOption::Unset,
            stop_words: true,
            bm25: (lexical_index::K1, lexical_index::B),
            fold_diacritics: None,
            graph_from: 10_000,
            steps: Steps::default(),
        }
    }
}

impl Options {
    /// The defaults, for a computer.
    pub fn new() -> Self {
        Self::default()
    }

    /// For a device: segments of 8 MiB, 64 MiB of memory, a cache of 2 MiB.
    pub fn edge() -> Self {
        Self::default()
            .segment_len(8 << 20)
            .memory_limit(64 << 20)
            .cache_bytes(kept(2 << 20))
            .result_cache_bytes(kept(64 << 10))
            .embedding_cache_bytes(kept(64 << 10))
    }

    /// Compression of new blocks. Default: `Zstd(3)`.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.store = self.store.compression(compression);
        self
    }

    /// Raw bytes of records that are compressed together, 512 to 1 MiB. Default: 48 KiB.
    pub fn block_len(mut self, bytes: u32) -> Self {
        self.store = self.store.block_len(bytes);
        self
    }

    /// Length that files of records do not much exceed, 64 KiB to 1 GiB. What was added is sealed when its indexes take 1.25 times as much memory, or its
    /// records twice as much before compression, or the log of all changes twice as much on the disk. Default: 64 MiB.
    pub fn segment_len(mut self, bytes: u64) -> Self {
        self.store = self.store.segment_len(bytes);
        self.segment_len = bytes;
        self
    }

    /// Whether files are read through memory maps (default). Without, records are read by position, and indexes are read into memory
    /// as a whole when the artifact is opened.
    pub fn memory_mapping(mut self, on: bool) -> Self {
        self.store = self.store.memory_mapping(on);
        self
    }

    /// Plants a bug, for tests: from now on the store leaves this step out.
    #[cfg(feature = "testing")]
    pub fn leave_out_of_store(mut self, step: block_format::Step) -> Self {
        self.store = self.store.leave_out(step);
        self
    }

    /// What has happened when a call that adds or deletes returns. Default: it is on disk.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Who seals, deletes what [expired](Self::expires_at), and [compacts](Self::auto_compact). Default: the thread whose commit makes it due.
    pub fn maintenance(mut self, maintenance: Maintenance) -> Self {
        self.maintenance = maintenance;
        self
    }

    /// Calls `call` with each error of sealing that happens by itself, from the thread that seals: nothing that was committed is lost by it, and the next commit tries
    /// again. Where a sync failed, or a write of which something may be on disk, all that writes is an error of kind [`Poisoned`](crate::ErrorKind::Poisoned) until the artifact is opened again. The
    /// newest one is also in [`Stats::maintenance_error`](crate::Stats::maintenance_error). `call` must not call the artifact. Default: none.
    pub fn on_maintenance_error(mut self, call: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.on_maintenance_error = Some(OnError(Arc::new(call)));
        self
    }

    /// When the space of deleted and replaced records is returned by itself: by whom [`maintenance`](Self::maintenance) says, after a sealing, when a
    /// sixteenth of a [segment](Self::segment_len) was deleted (256 KiB at least, or a whole one that is shorter), or when nothing is committed for a while; never with [`Maintenance::Manual`]. `None`: only by [`compact`](crate::CompactArtifact::compact). Default: as [`CompactionPolicy`] says.
    ///
    /// ```
    /// use compact_artifact::{CompactArtifact, CompactionPolicy, Maintenance};
    ///
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let path = temp.path().join("notes.artifact");
    /// let artifact = CompactArtifact::options()
    ///     .maintenance(Maintenance::Background)
    ///     .auto_compact(CompactionPolicy::new().dead_percent(20).budget(64 << 20))
    ///     .create(&path)?;
    /// # artifact.close() }
    /// ```
    pub fn auto_compact(mut self, policy: impl Into<Option<CompactionPolicy>>) -> Self {
        self.auto_compact = policy.into();
        self
    }

    /// How long opening for writing waits for another writer to let go of the artifact, and how long a call that writes does after an
    /// [`idle_release`](Self::idle_release). Then it is an error of kind [`Locked`](crate::ErrorKind::Locked). One that waits comes before one that does not. Default: 0, not at all.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self.store = self.store.busy_timeout(timeout);
        self
    }

    /// Lets another process write that [waits](Self::busy_timeout) for it, once this one has not written for so long; with 0, after any call that
    /// writes. The next call here that writes takes the artifact back, for which it waits up to the `busy_timeout`, which must be above 0, and begins with what
    /// others committed meanwhile; until then [`refresh`](crate::CompactArtifact::refresh) sees that. So many processes write to one artifact. A thread of the
    /// artifact's own looks after it. Without, an artifact that is open is kept. Default: none.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let path = temp.path().join("memory.artifact");
    /// # CompactArtifact::create(&path)?.close()?;
    /// let options = CompactArtifact::options().busy_timeout(Duration::from_secs(10)).idle_release(Duration::from_millis(5));
    /// let one = options.clone().open(&path)?; // in one process
    /// one.add(Record::text("mine").key("one"))?;
    /// let other = options.open(&path)?; // in another one
    /// other.add(Record::text("yours").key("other"))?;
    /// one.add(Record::text("mine, too").key("third"))?;
    /// assert_eq!(one.len(), 3);
    /// # Ok(()) }
    /// ```
    pub fn idle_release(mut self, idle: Duration) -> Self {
        self.idle_release = Some(idle);
        self
    }

    /// Heap that adding, sealing and compacting may take together, at least 8 MiB; files that are mapped do not count. A small limit makes
    /// more and smaller indexes. One batch is in memory as a whole whatever this says. Without one, opening for writing holds 128 MiB of indexes of what
    /// is not sealed, and seals in pieces what is more. Default: none.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// The [limit of heap](Self::memory_limit) in bytes, if there is one: who makes batches can make them small beside it.
    pub fn get_memory_limit(&self) -> Option<usize> {
        self.memory_limit
    }

    /// Bytes of decoded blocks that are kept. Default: 16 MiB, or 0 without the feature `cache`. 0: none. More is an error without that feature.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.block_cache_bytes = bytes;
        self
    }

    /// Bytes that are kept of an artifact that is [read by ranges](crate::CompactArtifact::open_packed_ranges), at least 1 MiB. A search keeps what it needs until
    /// it is done, and a [`Snapshot`](crate::Snapshot) what was read through it as long as it is there, also beyond. Default: 256 MiB.
    pub fn range_cache_bytes(mut self, bytes: u64) -> Self {
        self.store = self.store.range_cache_bytes(bytes);
        self
    }

    /// Bytes of results of queries, and of the rows that their filters let through, that are kept, each until the next commit. Default: 1 MiB, or 0 without the feature `cache`. 0: none. More is an error
    /// without that feature.
    pub fn result_cache_bytes(mut self, bytes: usize) -> Self {
        self.result_cache_bytes = bytes;
        self
    }

    /// Bytes of embeddings of texts that are kept, so that a text that comes again is not embedded again. Default: 1 MiB, or 0 without the feature `cache`.
    /// 0: none. More is an error without that feature.
    pub fn embedding_cache_bytes(mut self, bytes: usize) -> Self {
        self.embedding_cache_bytes = bytes;
        self
    }

    /// Whether what [`embedding_cache_bytes`](Self::embedding_cache_bytes) keeps of texts that were added is written to the artifact, by
    /// [`seal`](crate::CompactArtifact::seal) and [`close`](crate::CompactArtifact::close), and read when it is opened for writing with this option: the same texts
    /// then need no model. It belongs to one model, and is of no use for another; after a crash that of an earlier close is there, or none. Where it is damaged it is
    /// left out, which [`recovery`](crate::CompactArtifact::recovery) says. An error with an `embedding_cache_bytes` of 0. Default: no.
    #[cfg(feature = "embedder")]
    pub fn keep_embedding_cache(mut self, keep: bool) -> Self {
        self.keep_embedding_cache = keep;
        self
    }

    /// Stores for each record, when it is sealed, which `k` others are nearest to it in each vector space, at most 1,000, so that
    /// [`Query::similar_to`](crate::Query::similar_to) need not search for the first `k` hits, unless it stands beside other clauses, a filter, `exact`,
    /// `ef_search` or `recall`. They take 4 bytes each, and one more for each record; sealing searches once for each record. Kept in the artifact; given for one that is there
    /// already, it counts from the next sealing on, which then finds all neighbours anew, or removes them if it is 0; not given, it stays as it is. An
    /// artifact that is opened for reading must store as many. Needs the feature `similar`. Default: none.
    pub fn precompute_similar(mut self, k: usize) -> Self {
        self.precompute_similar = Some(k);
        self
    }

    /// How many calls that are awaited are carried out at the same time, each by a thread of its own, 1 to 1,024; all others wait. The threads start when they are needed,
    /// and end when they have had nothing to do for a second. Default: 4.
    #[cfg(feature = "async")]
    pub fn max_concurrent_requests(mut self, requests: usize) -> Self {
        self.max_concurrent_requests = requests;
        self
    }

    /// Embeds texts as they are added, in a vector space called `meaning` (cosine, 8-bit codes), and the texts of queries: [`Query::text`](crate::Query::text).
    /// Name and hash of the model are kept in the artifact: with another one it does not open. Not given, the model of this library is at hand by itself for texts that are
    /// embedded by it, with the feature `built-in-model`; for texts of any other model none is: the artifact opens, words and given vectors
    /// work, and texts that are added have no embedding. Fields stand before the text that is embedded, as sentences. Given for an artifact that did not embed its texts, those that are
    /// added from then on are embedded, and [`reembed`](crate::CompactArtifact::reembed) embeds those before; where it is opened for reading alone, the embedder has nothing to do. A text in which the model knows nothing has none either; a record that is given one in that space
    /// keeps it, a text until `reembed` moves to another model. Default: none.
    #[cfg(feature = "embedder")]
    pub fn embedder(mut self, embedder: Arc<dyn text_embedder::Embedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// A vector space, which is created unless the artifact has it. One that it has with another dimension or metric is an error.
    pub fn space(mut self, name: impl Into<String>, options: SpaceOptions) -> Self {
        self.spaces.push((name.into(), options));
        self
    }

    /// A field of the metadata, `author.name` if it is nested, with the date from which on a record is not there any more: no query, count, key or id finds it, also in
    /// readers, and [`seal`](crate::CompactArtifact::seal), [`compact`](crate::CompactArtifact::compact) and [`Maintenance`] delete it. Records without the field stay; one in which
    /// it is no date is an error. A [`Snapshot`](crate::Snapshot) goes on showing what had not expired when it was taken. Kept in the artifact; given for one that is there already, it counts
    /// from then on, and it cannot be changed. Default: none.
    ///
    /// ```
    /// # use std::time::{Duration, UNIX_EPOCH};
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let path = temp.path().join("sessions.artifact");
    /// let artifact = CompactArtifact::options().expires_at("until").create(&path)?;
    /// artifact.add(Record::text("short").key("s").metadata(json!({"until": "2020-01-01T12:00:00Z"})))?;
    /// artifact.add(Record::text("long").key("l").metadata(json!({"until": "2999-01-01"})))?;
    /// assert_eq!((artifact.len(), artifact.get_by_key("s")?.is_some()), (1, false));
    /// # Ok(()) }
    /// ```
    pub fn expires_at(mut self, field: impl Into<String>) -> Self {
        self.expires_at = Some(field.into());
        self
    }

    /// What time it is, for [`expires_at`](Self::expires_at) and [`CacheOptions::result_ttl`](crate::CacheOptions::result_ttl): in tests, or on a device whose own clock is not set. Default: that of the system.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Some(Clock(Arc::new(now)));
        self
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.as_ref().map_or_else(SystemTime::now, |clock| (clock.0)()).into()
    }

    /// What the metadata of records must be. Kept in the artifact; one that has another is an error, and one that has none gets it, if all of its records are so:
    /// otherwise it is an error of kind [`SchemaViolation`](crate::ErrorKind::SchemaViolation) that names the first which is not. To change it, see [`set_schema`](crate::CompactArtifact::set_schema).
    /// Default: none.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = Some(schema);
        self
    }

    /// A field of texts beside the content, for [`Record::field`](crate::Record::field), which is created unless the artifact has it. Where words are looked
    /// for in all of a record, those in the field count `weight` times, 1 to 10. One that the artifact has with another weight is an error; a
    /// new artifact has `title`, which counts twice unless this says otherwise when it is created, until [`drop_field`](crate::CompactArtifact::drop_field) removes it. At most 64 fields, with
    /// names of 1 to 51 bytes that a query can have before a colon: without white space and `: " ( ) \ ^ ~ *`, and not beginning with `+` or `-`; nor `text`, which is the content and all
    /// fields together.
    pub fn field(mut self, name: impl Into<String>, weight: u32) -> Self {
        self.fields.push((name.into(), weight));
        self
    }

    /// Texts of a new artifact are searched by the stems of words in this language (`connection` finds `connected`), and apostrophes and case treated as it
    /// does (`IŞIK` is `ışık` in Turkish). Texts in other languages are found by their own words all the same. Needs the feature `stemmers`.
    /// Default: English; without that feature as [`no_language`](Self::no_language) says.
    pub fn language(mut self, language: Language) -> Self {
        self.language = LanguageOption::Stems(language);
        self
    }

    /// Texts of a new artifact are searched by their words as they are: no stems, no stop words.
    pub fn no_language(mut self) -> Self {
        self.language = LanguageOption::NoStems;
        self
    }

    /// Whether queries leave out the commonest words of the artifact's [`language`](Self::language), `the` and `of` for instance, where they only add to
    /// the score. They are in the index: phrases, words that must or must not match, and queries of nothing else find them. Default: yes.
    pub fn stop_words(mut self, left_out: bool) -> Self {
        self.stop_words = left_out;
        self
    }

    /// The constants of BM25, by which words rank texts: a word that stands in a text often counts up to `k1 + 1` times as much as one that stands
    /// there once, `k1` being 0 to 100; texts longer than others count less, not at all with a `b` of 0, most with 1. Default: 1.4 and 0.6.
    pub fn bm25(mut self, k1: f64, b: f64) -> Self {
        self.bm25 = (k1, b);
        self
    }

    /// Whether words of a new artifact are compared without their diacritics: `é` is `e`, `œ` is `oe`. Default: yes.
    pub fn fold_diacritics(mut self, fold: bool) -> Self {
        self.fold_diacritics = Some(fold);
        self
    }

    /// Derives the identity of a new artifact from `seed`, so that the same calls give the same bytes. Default: random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.store = self.store.seed(seed);
        self
    }

    /// Threads of a pool of the artifact's own, which compress, build indexes and answer [`search_batch`](crate::CompactArtifact::search_batch) side by
    /// side, 1 to 1,024. They are started when there is enough to do for them, and end with the artifact. 1: the calling thread does all of it,
    /// and none is started. Where none can be had, and for a caller that is itself a thread of a rayon pool, it does so too. The global pool of
    /// rayon is never used. Default: as many as there are processors.
    pub fn threads(mut self, threads: usize) -> Self {
        self.store = self.store.threads(threads);
        self
    }

    /// A pool to work in instead of one of the artifact's own.
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.store = self.store.pool(pool);
        self
    }

    /// From how many vectors on an index that is sealed gets a graph. Fewer are all passed over, which misses fewer and needs no links:
    /// more makes smaller indexes that are built faster and searched more slowly. What is sealed while much is added at once gets its graph with what comes
    /// behind it, or when it is sealed by [`seal`](crate::CompactArtifact::seal), compacted or closed, and until then it is passed over. Default: 10,000.
    pub fn graph_from(mut self, vectors: usize) -> Self {
        self.graph_from = vectors;
        self
    }

    /// Plants a bug, for tests: from now on this step is left out.
    #[cfg(feature = "testing")]
    pub fn leave_out(mut self, step: crate::Step) -> Self {
        self.steps.left_out = Some(step);
        self
    }

    /// The options of the store.
    pub(crate) fn for_store(&self) -> block_format::Options {
        self.store.clone().cache_bytes(self.block_cache_bytes)
    }
}
