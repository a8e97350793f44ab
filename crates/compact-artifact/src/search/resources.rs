//! What searches share and keep: rankings of earlier queries, room to work in, counters.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use block_format::host::Instant;
use block_format::{BoundedCache, CacheStats, Workers};
use metadata_index::{Filter, RowSet};
use parking_lot::Mutex;
use vector_index::Scratch;

use super::cache_key::filter_key;
use super::lists::Ranking;
use crate::api::error::Result;
use crate::api::options::{Clock, Options};
use crate::format::settings::Settings;
use crate::meaning::Meaning;
use crate::pins::Pins;
use crate::state::State;

/// What searches of one state came to, for those that ask for the same.
#[derive(Debug, Clone)]
enum Kept {
    Ranking(Arc<Ranking>),
    Rows(Arc<FilterRows>),
}

/// The rows of each shard that a filter lets through.
pub(super) type FilterRows = Vec<RowSet>;

impl Kept {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Ranking(ranking) => ranking.heap_bytes(),
            Self::Rows(rows) => rows.iter().map(|rows| size_of::<RowSet>() + rows.heap_bytes()).sum(),
        }
    }
}

/// A result, and when it was kept: 0 where nobody asks.
#[derive(Debug, Clone)]
struct KeptSince {
    what: Kept,
    since: Duration,
}

/// How long results are kept, and by which clock.
#[derive(Debug)]
struct Time {
    to_live: Option<Duration>,
    begun: Instant,
    clock: Option<Clock>,
}

impl Time {
    fn new(options: &Options) -> Self {
        Self { to_live: options.result_ttl, begun: Instant::now(), clock: options.clock.clone() }
    }

    fn now(&self) -> Duration {
        match &self.clock {
            Some(clock) => (clock.0)().duration_since(UNIX_EPOCH).unwrap_or_default(),
            None => self.begun.elapsed(),
        }
    }
}

/// Shared by an artifact and its snapshots.
#[derive(Debug)]
pub(crate) struct SearchResources {
    kept: BoundedCache<u128, KeptSince>,
    time: Time,
    scratches: Mutex<Vec<Scratch>>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) counters: Counters,
    /// The snapshots that are held.
    pub(crate) pins: Pins,
    /// Turns the texts of queries and of records into vectors.
    pub(crate) meaning: Meaning,
    pub(super) words: WordOptions,
}

/// How words of queries rank texts.
#[derive(Debug)]
pub(super) struct WordOptions {
    /// Whether queries leave out the commonest words.
    pub(super) leaves_out_stop_words: bool,
    /// `k1` and `b`.
    pub(super) bm25: (f64, f64),
}

impl WordOptions {
    /// A query without its stop words.
    pub(super) fn asked<'q>(
        &self,
        settings: &Settings,
        words: &'q lexical_index::Query,
    ) -> Cow<'q, lexical_index::Query> {
        let stop_words = settings.stop_words.as_ref().filter(|_| self.leaves_out_stop_words);
        stop_words.map_or(Cow::Borrowed(words), |stop_words| stop_words.leave_out(words))
    }
}

/// How often things happened since the artifact was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) searches: AtomicU64,
    pub(crate) rankings_from_cache: AtomicU64,
    pub(crate) hops: AtomicU64,
    pub(crate) distances: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// A ranking weighs about this much.
const RANKING_BYTES: usize = 2048;
impl SearchResources {
    pub(crate) fn new(options: &Options, workers: Arc<Workers>) -> Self {
        let kept = BoundedCache::new(options.result_cache_bytes, RANKING_BYTES, |kept: &KeptSince| {
            kept.what.heap_bytes()
        });
        let time = Time::new(options);
        let (scratches, counters, pins) = Default::default();
        let words = WordOptions { leaves_out_stop_words: options.stop_words, bm25: options.bm25 };
        Self { kept, time, scratches, workers, counters, pins, meaning: Meaning::new(options), words }
    }

    pub(crate) fn ranking(&self, key: u128) -> Option<Arc<Ranking>> {
        match self.get(key) {
            Some(Kept::Ranking(ranking)) => Some(ranking),
            _ => None,
        }
    }

    fn get(&self, key: u128) -> Option<Kept> {
        match self.time.to_live {
            None => self.kept.get(&key),
            Some(to_live) => {
                let now = self.time.now();
                self.kept.get_if(&key, |kept| now.saturating_sub(kept.since) < to_live)
            }
        }
        .map(|kept| kept.what)
    }

    fn keep(&self, key: u128, what: Kept) {
        let since = if self.time.to_live.is_some() { self.time.now() } else { Duration::ZERO };
        self.kept.insert(key, KeptSince { what, since });
    }

    pub(crate) fn keep_ranking(&self, key: u128, ranking: Arc<Ranking>) {
        self.keep(key, Kept::Ranking(ranking));
    }

    /// The rows that a filter lets through, kept from an earlier search of the same state or found.
    pub(super) fn filter_rows(&self, state: &State, filter: &Filter) -> Result<Arc<FilterRows>> {
        let key = self.keeps_results().then(|| filter_key(filter, state.version));
        if let Some(Kept::Rows(rows)) = key.and_then(|key| self.get(key)) {
            return Ok(rows);
        }
        let rows = Arc::new(state.matches(filter)?);
        if let Some(key) = key {
            self.keep(key, Kept::Rows(rows.clone()));
        }
        Ok(rows)
    }

    pub(crate) fn keeps_results(&self) -> bool {
        self.kept.is_on()
    }

    /// What the cache of results did, and what it holds.
    pub(crate) fn result_stats(&self) -> CacheStats {
        self.kept.stats()
    }

    /// Heap of the tables of the cache of results.
    #[cfg(feature = "analyzers")]
    pub(crate) fn result_table_bytes(&self) -> u64 {
        self.kept.table_bytes()
    }

    /// Heap of the room that searches work in and keep for the next ones.
    #[cfg(feature = "analyzers")]
    pub(crate) fn scratch_bytes(&self) -> u64 {
        self.scratches.lock().iter().map(|scratch| scratch.heap_bytes() as u64).sum()
    }

    /// Lets go of kept results and embeddings.
    pub(crate) fn clear_caches(&self) {
        self.kept.clear();
        self.meaning.clear();
    }

    /// Lets go of the room that searches work in, but for those that are under way.
    pub(crate) fn clear_scratches(&self) {
        self.scratches.lock().clear();
    }

    /// Lends room to search in.
    pub(crate) fn with_scratch<T>(&self, search: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = self.scratches.lock().pop().unwrap_or_default();
        let found = search(&mut scratch);
        self.scratches.lock().push(scratch);
        found
    }
}
