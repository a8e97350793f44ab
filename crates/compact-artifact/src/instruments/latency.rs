//! Where the time of real calls goes, and what to do about it.

use std::fmt;
use std::time::{Duration, Instant};

use block_format::RecordId;
use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use super::page_faults::{ThreadCounts, time_of_a_fault};
use crate::api::error::{Error, Result};
use crate::trace::{Account, in_thread};

/// Finds what makes calls slow: traces calls of any artifact in the thread that makes them, and adds up where their time went.
///
/// Searches divided by [`search_batch`](crate::CompactArtifact::search_batch) among threads, and sealing in the background, are other threads and not seen.
///
/// ```
/// use compact_artifact::{BottleneckKind, CacheOptions, CompactArtifact, LatencyAnalyzer, Query, Record};
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// let artifact = CompactArtifact::options().caches(CacheOptions::none()).create(temp.path().join("a"))?;
/// let analyzer = LatencyAnalyzer::new();
/// analyzer.trace(|| artifact.add(Record::text("a cat")))?;
/// for _ in 0..10 {
///     analyzer.trace(|| artifact.search(&Query::words("cat").snippet(80)))?;
/// }
/// let report = analyzer.report();
/// assert_eq!(report.calls, 11);
/// // Nothing is cached, so every search decoded the block of its hit.
/// let miss = report.find(BottleneckKind::CacheMiss).unwrap();
/// assert_eq!((miss.times, miss.ids.len()), (10, 1));
/// for bottleneck in analyzer.identify_bottlenecks() {
///     println!("{bottleneck}"); // "fsync: 81.2 % of the time …"
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LatencyAnalyzer {
    totals: Mutex<Totals>,
    time_of_a_fault: Duration,
    min_fraction: f64,
}

#[derive(Debug, Default)]
struct Totals {
    calls: u64,
    time: Duration,
    account: Account,
    minor_faults: u64,
    major_faults: u64,
    fault_time: Duration,
}

/// What time is lost to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BottleneckKind {
    /// Blocks of records that were not in the cache: reading, verifying and decoding them, which includes their decompression.
    CacheMiss,
    /// Pages of memory or of mapped files that were touched for the first time. The time is estimated: that of a fault on this machine, measured, times their number;
    /// and where pages came from a disk, the time that the thread neither ran nor waited for a sync or a lock.
    PageFault,
    /// Decompressing payloads of blocks.
    Decompression,
    /// Filters that let through half of all records or more: finding the rows that they let through.
    LowSelectivity,
    /// Records that are not sealed: their vectors are compared one by one. Of words, which are looked up in all indexes together, as much of the time as of the records.
    UnindexedTail,
    /// Waiting for files to be on disk.
    Fsync,
    /// Waiting for other threads of the process that commit, seal or compact.
    LockWait,
}

/// What a part of the time went to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Bottleneck {
    /// What it is.
    pub kind: BottleneckKind,
    /// How long it took in all calls.
    pub time: Duration,
    /// `time` to that of all calls, 0 to 1. The fractions of several kinds may have time in common.
    pub fraction: f64,
    /// How often it happened.
    pub times: u64,
    /// Of [`CacheMiss`](BottleneckKind::CacheMiss): the records whose blocks were not there, ascending, of the first 1,000 misses.
    #[serde(serialize_with = "ids")]
    pub ids: Vec<RecordId>,
}

fn ids<S: Serializer>(ids: &[RecordId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(|id| id.0))
}

/// Where the time of calls went: see [`LatencyAnalyzer::report`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LatencyReport {
    /// Calls that were traced.
    pub calls: u64,
    /// Their time.
    pub time: Duration,
    /// Everything that took any, the most first.
    pub bottlenecks: Vec<Bottleneck>,
}

impl LatencyReport {
    /// What was lost to one kind, if anything was.
    pub fn find(&self, kind: BottleneckKind) -> Option<&Bottleneck> {
        self.bottlenecks.iter().find(|bottleneck| bottleneck.kind == kind)
    }
}

impl Default for LatencyAnalyzer {
    fn default() -> Self {
        Self { totals: Mutex::default(), time_of_a_fault: time_of_a_fault(), min_fraction: 0.05 }
    }
}

impl LatencyAnalyzer {
    /// An analyzer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The part of the time that something takes to be a [bottleneck](Self::identify_bottlenecks), 0 to 1. Default: 0.05.
    ///
    /// Its error has the kind [`InvalidArgument`](crate::ErrorKind::InvalidArgument).
    pub fn min_fraction(mut self, fraction: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::invalid(format!("min_fraction: expected 0 to 1, found {fraction}")));
        }
        self.min_fraction = fraction;
        Ok(self)
    }

    /// Makes a call, and adds where its time went to what is known. One inside of another counts for itself alone.
    pub fn trace<T>(&self, call: impl FnOnce() -> T) -> T {
        let before = ThreadCounts::now();
        let begun = Instant::now();
        let (done, account) = in_thread(call);
        let time = begun.elapsed();
        let counts = ThreadCounts::now().since(before);
        let mut totals = self.totals.lock();
        totals.calls += 1;
        totals.time += time;
        totals.minor_faults += counts.minor;
        totals.major_faults += counts.major;
        totals.fault_time += self.fault_time(counts, time, &account).min(time);
        totals.account.merge(account);
        done
    }

    fn fault_time(&self, counts: ThreadCounts, time: Duration, account: &Account) -> Duration {
        let minor = self.time_of_a_fault.saturating_mul(u32::try_from(counts.minor).unwrap_or(u32::MAX));
        let waited = account.syncs.time + account.locks.time;
        let off_cpu =
            counts.on_cpu.map_or(Duration::ZERO, |on| time.saturating_sub(on).saturating_sub(waited));
        if counts.major > 0 { minor + off_cpu } else { minor }
    }

    /// Where the time of all calls so far went.
    pub fn report(&self) -> LatencyReport {
        let totals = self.totals.lock();
        let account = &totals.account;
        let mut ids = account.missed.clone();
        ids.sort_unstable();
        ids.dedup();
        let bottleneck = |kind, time: Duration, times| {
            let fraction = time.as_secs_f64() / totals.time.as_secs_f64().max(f64::MIN_POSITIVE);
            let ids = if kind == BottleneckKind::CacheMiss { ids.clone() } else { Vec::new() };
            Bottleneck { kind, time, fraction: fraction.min(1.0), times, ids }
        };
        let spent = [
            (BottleneckKind::CacheMiss, account.misses),
            (BottleneckKind::Decompression, account.decompression),
            (BottleneckKind::LowSelectivity, account.wide_filters),
            (BottleneckKind::UnindexedTail, account.tail),
            (BottleneckKind::Fsync, account.syncs),
            (BottleneckKind::LockWait, account.locks),
        ];
        let faults = totals.minor_faults + totals.major_faults;
        let mut bottlenecks: Vec<Bottleneck> = spent
            .into_iter()
            .map(|(kind, spent)| bottleneck(kind, spent.time, spent.times))
            .chain([bottleneck(BottleneckKind::PageFault, totals.fault_time, faults)])
            .filter(|bottleneck| bottleneck.times > 0)
            .collect();
        bottlenecks.sort_by_key(|bottleneck| std::cmp::Reverse(bottleneck.time));
        LatencyReport { calls: totals.calls, time: totals.time, bottlenecks }
    }

    /// What takes [a part](Self::min_fraction) of the time that is worth a change, the most first. What each prints says what to do.
    pub fn identify_bottlenecks(&self) -> Vec<Bottleneck> {
        let mut bottlenecks = self.report().bottlenecks;
        bottlenecks.retain(|bottleneck| bottleneck.fraction >= self.min_fraction);
        bottlenecks
    }

    /// Forgets all calls.
    pub fn reset(&self) {
        *self.totals.lock() = Totals::default();
    }
}

impl BottleneckKind {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::CacheMiss => {
                "give the cache of blocks more bytes, warm it with the records that are asked for most, or ask for fewer hits with their records"
            }
            Self::PageFault => {
                "first touches of mapped files end by themselves; if they do not, there is too little memory for the files that are searched: give the process more, or keep fewer vectors with originals"
            }
            Self::Decompression => {
                "give the cache of blocks more bytes, seal with a dictionary, or make blocks shorter or their compression lighter"
            }
            Self::LowSelectivity => {
                "the filter lets most records through: leave it out where it excludes nothing, or keep results in the cache so that its rows are found once"
            }
            Self::UnindexedTail => {
                "seal, or let maintenance seal in the background, so that these records are in a graph"
            }
            Self::Fsync => {
                "add more records in one batch, let commits of several threads share a sync with group durability, or use buffered durability where the last commits may be lost with the power"
            }
            Self::LockWait => {
                "commit from fewer threads or in larger batches, and let maintenance work in the background"
            }
        }
    }
}

impl fmt::Display for BottleneckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CacheMiss => "cache_miss",
            Self::PageFault => "page_fault",
            Self::Decompression => "decompression",
            Self::LowSelectivity => "low_selectivity",
            Self::UnindexedTail => "unindexed_tail",
            Self::Fsync => "fsync",
            Self::LockWait => "lock_wait",
        })
    }
}

impl fmt::Display for Bottleneck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, time, fraction, times, .. } = self;
        let (percent, millis) = (fraction * 100.0, time.as_secs_f64() * 1e3);
        let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
        write!(f, "{kind}: {percent:.1} % of the time ({millis:.3} ms, {times}); {}", kind.advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_time_a_single_time_did_so_once() {
        let time = Duration::from_millis(2);
        let sync = Bottleneck { kind: BottleneckKind::Fsync, time, fraction: 0.5, times: 1, ids: Vec::new() };
        assert!(sync.to_string().starts_with("fsync: 50.0 % of the time (2.000 ms, once); "), "{sync}");
    }
}
