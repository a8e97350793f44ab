//! What searches share and keep: rankings of earlier queries, room to work in, counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use block_format::Workers;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use vector_index::Scratch;

use super::lists::Ranking;

/// Rankings of queries, each of one state.
type Rankings = Cache<u128, Arc<Ranking>, ByBytes>;

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<u128, Arc<Ranking>> for ByBytes {
    fn weight(&self, _: &u128, ranking: &Arc<Ranking>) -> u64 {
        ranking.heap_bytes() as u64
    }
}

/// Shared by an artifact and its snapshots.
#[derive(Debug)]
pub(crate) struct SearchResources {
    rankings: Option<Rankings>,
    scratches: Mutex<Vec<Scratch>>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) counters: Counters,
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
/// Room is made for so many rankings at the most before there are any.
const MAX_EXPECTED: usize = 1 << 16;

impl SearchResources {
    pub(crate) fn new(result_cache_bytes: usize, workers: Arc<Workers>) -> Self {
        let rankings = (result_cache_bytes > 0).then(|| {
            let items = (result_cache_bytes / RANKING_BYTES).clamp(1, MAX_EXPECTED);
            Cache::with_weighter(items, result_cache_bytes as u64, ByBytes)
        });
        Self { rankings, scratches: Mutex::default(), workers, counters: Counters::default() }
    }

    pub(crate) fn ranking(&self, key: u128) -> Option<Arc<Ranking>> {
        self.rankings.as_ref()?.get(&key)
    }

    pub(crate) fn keep_ranking(&self, key: u128, ranking: Arc<Ranking>) {
        if let Some(rankings) = &self.rankings {
            rankings.insert(key, ranking);
        }
    }

    pub(crate) fn keeps_rankings(&self) -> bool {
        self.rankings.is_some()
    }

    pub(crate) fn ranking_bytes(&self) -> u64 {
        self.rankings.as_ref().map_or(0, Cache::weight)
    }

    /// Lets go of everything that can be had again.
    pub(crate) fn clear(&self) {
        if let Some(rankings) = &self.rankings {
            rankings.clear();
        }
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
