//! A cache bounded in bytes: of decoded blocks, and of whatever crates above this one can have again.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache did so far, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Values that were there when they were asked for.
    pub hits: u64,
    /// Values that were not. A cache that keeps nothing has only these.
    pub misses: u64,
    /// How many values are kept.
    pub entries: u64,
    /// Bytes of the values that are kept.
    pub bytes: u64,
    /// Values that made room for others, and those that were too long to be kept.
    pub evictions: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: Arc<AtomicU64>,
}

impl Counters {
    /// Counts whether a value was there.
    fn looked_up<V>(&self, found: Option<V>) -> Option<V> {
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }
}

/// Room is made for so many values at the most before there are any.
#[cfg(feature = "cache")]
const MAX_EXPECTED: usize = 1 << 16;

#[cfg(feature = "cache")]
type Kept<K, V> = quick_cache::sync::Cache<K, V, ByLen<V>, quick_cache::DefaultHashBuilder, Evictions>;

/// Counts the values that the cache lets go of by itself.
#[cfg(feature = "cache")]
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

#[cfg(feature = "cache")]
impl<K, V> quick_cache::Lifecycle<K, V> for Evictions {
    type RequestState = ();

    fn begin_request(&self) {}

    fn on_evict(&self, (): &mut (), _: K, _: V) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The length of a value in bytes.
#[cfg(feature = "cache")]
struct ByLen<V>(fn(&V) -> usize);

#[cfg(feature = "cache")]
impl<V> Clone for ByLen<V> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

#[cfg(feature = "cache")]
impl<K, V> quick_cache::Weighter<K, V> for ByLen<V> {
    fn weight(&self, _: &K, value: &V) -> u64 {
        (self.0)(value) as u64
    }
}

/// Values that are kept up to a number of bytes, for many threads: those that are used stay longer. Without the feature `cache` it keeps nothing.
pub struct BoundedCache<K, V> {
    counters: Counters,
    #[cfg(feature = "cache")]
    kept: Option<Kept<K, V>>,
    #[cfg(not(feature = "cache"))]
    kept: std::marker::PhantomData<(K, V)>,
}

impl<K, V> fmt::Debug for BoundedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundedCache")
    }
}

#[cfg(feature = "cache")]
impl<K: Eq + Hash, V: Clone> BoundedCache<K, V> {
    /// A cache of so many bytes, 0 for none, of values that are mostly about `expected_len` bytes long; `len` says how long one is.
    pub fn new(bytes: usize, expected_len: usize, len: fn(&V) -> usize) -> Self {
        let counters = Counters::default();
        let room = || {
            let values = (bytes / expected_len.max(1) + 1).min(MAX_EXPECTED);
            let evictions = Evictions(counters.evictions.clone());
            Kept::with(
                values,
                bytes as u64,
                ByLen(len),
                quick_cache::DefaultHashBuilder::default(),
                evictions,
            )
        };
        Self { kept: (bytes > 0).then(room), counters }
    }

    /// Whether it keeps anything.
    pub fn is_on(&self) -> bool {
        self.kept.is_some()
    }

    /// A value that is kept.
    pub fn get(&self, key: &K) -> Option<V> {
        self.counters.looked_up(self.kept.as_ref().and_then(|kept| kept.get(key)))
    }

    /// A value that is kept and still good; one that is not is let go of.
    pub fn get_if(&self, key: &K, is_good: impl Fn(&V) -> bool) -> Option<V> {
        let found = self.kept.as_ref().and_then(|kept| {
            let value = kept.get(key)?;
            if is_good(&value) {
                return Some(value);
            }
            kept.remove(key);
            None
        });
        self.counters.looked_up(found)
    }

    /// Whether a value is kept, without counting the question.
    pub fn has(&self, key: &K) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.peek(key).is_some())
    }

    /// Keeps a value, unless it is longer than there is room.
    pub fn insert(&self, key: K, value: V) {
        if let Some(kept) = &self.kept {
            kept.insert(key, value);
        }
    }

    /// All values that are kept, with their keys, in no order.
    pub fn entries(&self) -> Vec<(K, V)>
    where
        K: Clone,
    {
        self.kept.as_ref().map_or_else(Vec::new, |kept| kept.iter().collect())
    }

    /// Lets go of all values.
    pub fn clear(&self) {
        if let Some(kept) = &self.kept {
            kept.clear();
        }
    }

    /// Bytes of the values that are kept.
    pub fn bytes(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::weight)
    }

    /// How many values are kept.
    pub fn len(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.len() as u64)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap of the tables by which values are found, with their keys.
    pub fn table_bytes(&self) -> u64 {
        self.kept.as_ref().map_or(0, |kept| kept.memory_used().total() as u64)
    }
}

#[cfg(not(feature = "cache"))]
impl<K: Eq + Hash, V: Clone> BoundedCache<K, V> {
    /// A cache that keeps nothing.
    pub fn new(_bytes: usize, _expected_len: usize, _len: fn(&V) -> usize) -> Self {
        Self { kept: std::marker::PhantomData, counters: Counters::default() }
    }

    /// Whether it keeps anything: no.
    pub fn is_on(&self) -> bool {
        false
    }

    /// A value that is kept: none is.
    pub fn get(&self, _key: &K) -> Option<V> {
        self.counters.looked_up(None)
    }

    /// Whether a value is kept: none is.
    pub fn has(&self, _key: &K) -> bool {
        false
    }

    /// A value that is kept and still good: none is.
    pub fn get_if(&self, _key: &K, _is_good: impl Fn(&V) -> bool) -> Option<V> {
        self.counters.looked_up(None)
    }

    /// Keeps nothing.
    pub fn insert(&self, _key: K, _value: V) {}

    /// All values that are kept: none.
    pub fn entries(&self) -> Vec<(K, V)> {
        Vec::new()
    }

    /// Has nothing to let go of.
    pub fn clear(&self) {}

    /// Bytes of the values that are kept: none.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// How many values are kept: none.
    pub fn len(&self) -> u64 {
        0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Heap of the tables by which values are found: there are none.
    pub fn table_bytes(&self) -> u64 {
        0
    }
}

impl<K: Eq + Hash, V: Clone> BoundedCache<K, V> {
    /// What it did so far, and what it holds.
    pub fn stats(&self) -> CacheStats {
        let counters = &self.counters;
        CacheStats {
            hits: counters.hits.load(Ordering::Relaxed),
            misses: counters.misses.load(Ordering::Relaxed),
            entries: self.len(),
            bytes: self.bytes(),
            evictions: counters.evictions.load(Ordering::Relaxed),
        }
    }
}

#[cfg(all(test, feature = "cache"))]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_cache_keeps_no_more_bytes_than_it_was_given() {
        let cache: BoundedCache<u32, Vec<u8>> = BoundedCache::new(10_000, 100, Vec::len);
        for key in 0..1000 {
            cache.insert(key, vec![7; 100]);
            assert!(cache.bytes() <= 10_000);
        }
        assert!(cache.len() > 50, "{}", cache.len());
        assert_eq!(cache.stats().evictions, 1000 - cache.len());
        assert_eq!(cache.get(&999).map(|value| value.len()), Some(100));
        let entries = cache.entries();
        assert!(entries.len() as u64 == cache.len() && entries.iter().any(|(key, _)| *key == 999));
        assert_eq!(
            (cache.get_if(&999, |_| false), cache.get(&999)),
            (None, None),
            "what is no longer good is gone"
        );
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.bytes), (1, 2, cache.bytes()));
        assert!(cache.table_bytes() > 8 * cache.len());
        cache.clear();
        assert!(cache.is_empty());
        let none: BoundedCache<u32, Vec<u8>> = BoundedCache::new(0, 100, Vec::len);
        none.insert(1, vec![1]);
        assert!(!none.is_on() && none.get(&1).is_none());
    }
}
