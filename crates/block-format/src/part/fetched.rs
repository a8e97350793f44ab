//! The content of a part that is read by ranges: the chunks that came, each where it belongs in memory.

use std::io;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use wire::VerifiedSet;

use super::layout::{CHUNK_LEN, chunk_offset};
use crate::error::Result;
use crate::ranges::{Page, RangeReader};
use crate::vfs::Sparse;

/// Chunks that are missing and have no more than so many between them, which are missing too, are fetched in one request with those: it takes longer than
/// 16 KiB do.
const NEAR: usize = 4;
/// Chunks that are fetched at a time: 4 MiB.
const AT_ONCE: usize = 1 << 10;
/// The most chunks that are fetched beyond what is asked for, where that follows what was asked for before: 128 KiB.
const AHEAD: usize = 32;

/// What came of a part, and how the rest comes.
#[derive(Debug)]
pub(super) struct Fetched {
    reader: Arc<RangeReader>,
    /// Where the part begins in the object.
    start: u64,
    kept: Arc<Kept>,
    /// What was kept until the room for it was full.
    before: Mutex<Option<Arc<Kept>>>,
    /// The checksums of the chunks, which hold.
    table: OnceLock<Vec<u8>>,
    /// The chunk behind those that were asked for last, and how many more were fetched then.
    ahead: Mutex<(usize, usize)>,
}

/// Chunks in memory: content that holds.
#[derive(Debug)]
struct Kept {
    content: Sparse,
    reader: Arc<RangeReader>,
    bytes: AtomicU64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.reader.let_go(self.bytes.load(Ordering::Relaxed));
    }
}

impl Fetched {
    /// Nothing yet of a part that begins at `start`.
    pub(super) fn new(reader: Arc<RangeReader>, start: u64, content_len: u64) -> io::Result<Self> {
        let content = Sparse::new(content_len, CHUNK_LEN)?;
        let kept = Arc::new(Kept { content, reader: reader.clone(), bytes: AtomicU64::new(0) });
        let (before, table, ahead) = Default::default();
        Ok(Self { reader, start, kept, before, table, ahead })
    }

    /// Takes over what another one of the same part has, as something that was kept before. That one lets go of what it had from before.
    pub(super) fn follow(self, other: &Self) -> Self {
        *other.before.lock() = None;
        let table = other.table.clone();
        Self { before: Mutex::new(Some(other.kept.clone())), table, ..self }
    }

    /// All of the content. What was not fetched is not there.
    pub(super) fn content(&self) -> &[u8] {
        self.kept.content.as_ref()
    }

    /// The checksums, kept or as `read` gives them.
    pub(super) fn table(&self, read: impl FnOnce() -> Result<Vec<u8>>) -> Result<&[u8]> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let table = read()?;
        Ok(self.table.get_or_init(|| table))
    }

    /// Keeps a chunk that holds.
    pub(super) fn keep(&self, number: usize, chunk: &[u8]) {
        if self.kept.content.put(number, chunk) {
            self.kept.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            self.reader.keep(chunk.len() as u64);
        }
    }

    /// Takes over a chunk that was kept before. Whether there was one.
    pub(super) fn keep_from_before(&self, number: usize) -> bool {
        let before = self.before.lock().clone();
        let Some(chunk) = before.as_ref().and_then(|before| before.content.piece(number)) else {
            return false;
        };
        self.keep(number, chunk);
        true
    }

    /// What of some chunks is not in `verified`, with what lies between and, where chunks are asked for one after the other, some beyond. In batches, each of as many
    /// chunks as are fetched together.
    pub(super) fn batches(
        &self,
        verified: &VerifiedSet,
        chunks: &[RangeInclusive<usize>],
    ) -> Vec<Vec<Range<usize>>> {
        let mut chunks = chunks.to_vec();
        chunks.sort_unstable_by_key(|chunks| *chunks.start());
        if let [chunks] = &mut chunks[..] {
            *chunks = *chunks.start()..=self.end_ahead(verified, chunks);
        }
        let mut batches: Vec<Vec<Range<usize>>> = Vec::new();
        let mut in_batch = AT_ONCE;
        for number in chunks.iter().flat_map(|chunks| verified.missing(chunks.clone())) {
            let last = batches.last_mut().and_then(|batch| batch.last_mut());
            match last {
                Some(last) if number < last.end => {} // asked for twice
                Some(last) if in_batch < AT_ONCE && is_near(verified, last.end, number) => {
                    in_batch += number + 1 - last.end;
                    last.end = number + 1;
                }
                _ => {
                    if in_batch >= AT_ONCE {
                        batches.push(Vec::new());
                        in_batch = 0;
                    }
                    in_batch += 1;
                    batches.last_mut().into_iter().for_each(|batch| batch.push(number..number + 1));
                }
            }
        }
        batches
    }

    /// The last chunk to be fetched where some are asked for.
    fn end_ahead(&self, verified: &VerifiedSet, chunks: &RangeInclusive<usize>) -> usize {
        let last = *chunks.end();
        let Some(first) = verified.missing(chunks.clone()).next() else { return last };
        let mut ahead = self.ahead.lock();
        let follows = (ahead.0..=ahead.0 + 1).contains(&first);
        let more = if follows { (2 * ahead.1).clamp(1, AHEAD) } else { 0 };
        let end = last.saturating_add(more).min(self.kept.content.pieces().saturating_sub(1));
        *ahead = (end + 1, more);
        end
    }

    /// Fetches chunks; their pages by the numbers of the chunks.
    pub(super) fn load(&self, chunks: &[Range<usize>]) -> io::Result<Vec<(usize, Page)>> {
        let place = |number: usize| self.start + chunk_offset(number);
        let ranges: Vec<Range<u64>> =
            chunks.iter().map(|chunks| place(chunks.start)..place(chunks.end)).collect();
        let pages = self.reader.load(&ranges)?;
        let number = |page: u64| usize::try_from(page - self.start / CHUNK_LEN as u64).unwrap_or(usize::MAX);
        Ok(pages.into_iter().map(|(page, bytes)| (number(page), bytes)).collect())
    }
}

/// Whether the chunks from `end` up to `number` are few, and all missing.
fn is_near(verified: &VerifiedSet, end: usize, number: usize) -> bool {
    number <= end + NEAR && (end..number).all(|between| !verified.contains(between))
}
