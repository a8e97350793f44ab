//! Ranges → pages: fetched once for all threads that need them, neighbours together.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::pages::{PAGE_LEN, PAGE_SIZE, Page, Pages};
use super::source::{RangeSource, RangeStatistics};

/// Of the bytes that may be kept, pages that are not verified have one in so many.
const SHARE_OF_PAGES: u64 = 8;

/// Reads an object by ranges.
#[derive(Debug)]
pub struct RangeReader {
    source: Arc<dyn RangeSource>,
    len: u64,
    pages: Mutex<Pages>,
    /// Pages came, or failed to.
    arrived: Condvar,
    limit: u64,
    requests: AtomicU64,
    rounds: AtomicU64,
    bytes: AtomicU64,
    /// Content of parts in memory, in bytes.
    content: AtomicU64,
    /// Content that was kept in this round.
    round: AtomicU64,
}

/// Pages on their way: not any more when this is dropped, whatever came of them.
struct OnTheWay<'a> {
    reader: &'a RangeReader,
    numbers: &'a [u64],
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.reader.pages.lock().release(self.numbers);
        self.reader.arrived.notify_all();
    }
}

impl RangeReader {
    /// Reads a source, of which about `limit` bytes may be kept.
    pub(crate) fn new(source: Arc<dyn RangeSource>, limit: u64) -> Self {
        let (pages, arrived, requests, rounds, bytes, content, round) = Default::default();
        Self { len: source.len(), source, pages, arrived, limit, requests, rounds, bytes, content, round }
    }

    /// Length of the object in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What was read, and what is kept.
    pub fn statistics(&self) -> RangeStatistics {
        let pages = self.pages.lock().len() as u64 * PAGE_LEN;
        RangeStatistics {
            requests: self.requests.load(Ordering::Relaxed),
            rounds: self.rounds.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            kept_bytes: pages + self.content.load(Ordering::Relaxed),
            limit_bytes: self.limit,
            object_bytes: self.len,
        }
    }

    /// Whether so much content was kept that a new round has to begin: half of the limit is for a round, half for the one before.
    pub(crate) fn is_full(&self) -> bool {
        self.round.load(Ordering::Relaxed) > (self.limit - self.limit / SHARE_OF_PAGES) / 2
    }

    /// Begins a round, in which nothing was kept yet.
    pub(crate) fn begin_round(&self) {
        self.round.store(0, Ordering::Relaxed);
    }

    /// Content that is kept in this round.
    pub(crate) fn keep(&self, bytes: u64) {
        self.content.fetch_add(bytes, Ordering::Relaxed);
        self.round.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Content that is not kept any more.
    pub(crate) fn let_go(&self, bytes: u64) {
        self.content.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Forgets all pages: some of them do not hold.
    pub(crate) fn forget(&self) {
        self.pages.lock().clear();
    }

    /// The pages that some ranges lie in, by their numbers, as far as the object goes. What is not here is fetched, all at once; what
    /// another thread is fetching is waited for.
    pub(crate) fn load(&self, ranges: &[Range<u64>]) -> io::Result<BTreeMap<u64, Page>> {
        let numbers = |range: &Range<u64>| range.start / PAGE_LEN..range.end.min(self.len).div_ceil(PAGE_LEN);
        let mut missing: BTreeSet<u64> = ranges.iter().flat_map(numbers).collect();
        let mut found = BTreeMap::new();
        loop {
            let mine = {
                let mut pages = self.pages.lock();
                missing.retain(|&number| match pages.get(number) {
                    Some(page) => {
                        found.insert(number, page.clone());
                        false
                    }
                    None => true,
                });
                if missing.is_empty() {
                    return Ok(found);
                }
                let mine: Vec<u64> = missing.iter().copied().filter(|&number| pages.claim(number)).collect();
                if mine.is_empty() {
                    self.arrived.wait(&mut pages);
                    continue;
                }
                mine
            };
            let _on_the_way = OnTheWay { reader: self, numbers: &mine };
            let came = self.fetch(&mine)?;
            let limit = usize::try_from(self.limit / SHARE_OF_PAGES / PAGE_LEN).unwrap_or(usize::MAX);
            let mut pages = self.pages.lock();
            for (number, page) in came {
                missing.remove(&number);
                pages.insert(number, page.clone(), limit);
                found.insert(number, page);
            }
        }
    }

    /// Reads up to `buf.len()` bytes from `offset`; 0 means the end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(buf.len() as u64).min(self.len);
        if offset >= end {
            return Ok(0);
        }
        let pages = self.load(std::slice::from_ref(&(offset..end)))?;
        let (mut at, mut rest) = (usize::try_from(offset % PAGE_LEN).unwrap_or(0), buf);
        let mut copied = 0;
        for page in pages.values() {
            let bytes = page.get(at..).unwrap_or_default();
            let len = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(&bytes[..len]);
            (rest, at, copied) = (later, 0, copied + len);
        }
        Ok(copied)
    }

    /// Fetches pages, those that lie beside each other in one request.
    fn fetch(&self, numbers: &[u64]) -> io::Result<Vec<(u64, Page)>> {
        let runs = numbers.chunk_by(|before, number| before + 1 == *number);
        let end = |run: &[u64]| run.last().map_or(0, |last| ((last + 1) * PAGE_LEN).min(self.len));
        let ranges: Vec<Range<u64>> = runs.clone().map(|run| run[0] * PAGE_LEN..end(run)).collect();
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(ranges.len() as u64, Ordering::Relaxed);
        let came = self.source.read(&ranges)?;
        let len = came.iter().map(|bytes| bytes.len() as u64).sum();
        self.bytes.fetch_add(len, Ordering::Relaxed);
        if came.len() != ranges.len() {
            let message = format!("expected {} ranges, found {}", ranges.len(), came.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        for (range, bytes) in ranges.iter().zip(&came) {
            let expected = range.end - range.start;
            if bytes.len() as u64 != expected {
                let message =
                    format!("expected {expected} bytes from byte {} on, found {}", range.start, bytes.len());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
        }
        let pages = came.iter().flat_map(|bytes| bytes.chunks(PAGE_SIZE).map(Page::from));
        Ok(numbers.iter().copied().zip(pages).collect())
    }
}
