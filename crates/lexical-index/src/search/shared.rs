//! One search that several threads share.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use row_set::RowSet;

use super::{Hit, Hits, Searcher, top};
use crate::error::Result;
use crate::query::Query;

/// Rows that a thread takes at a time.
const ROWS: u64 = 65_536;

/// What the threads that share a search tell each other: which rows are taken, and how good the best records are at least, so that none looks for what cannot be among these.
#[derive(Debug)]
pub struct SharedSearch {
    step: u64,
    next: AtomicU64,
    pub(super) floor: AtomicU32,
}

impl Default for SharedSearch {
    fn default() -> Self {
        Self::by(ROWS)
    }
}

impl SharedSearch {
    /// Threads take so many rows at a time, at least 1.
    pub(crate) fn by(step: u64) -> Self {
        Self { step, next: AtomicU64::new(0), floor: AtomicU32::new(0) }
    }

    /// Rows that no thread has looked at yet, counted over all segments; each thread is given later ones every time. Beyond the last there are none.
    pub(super) fn take_rows(&self) -> Range<u64> {
        let first = self.next.fetch_add(self.step, Ordering::Relaxed);
        first..first.saturating_add(self.step)
    }

    /// Whether none of so many rows is left.
    pub(super) fn is_taken(&self, rows: u64) -> bool {
        self.next.load(Ordering::Relaxed) >= rows
    }
}

/// What one of the threads that share a search has found, as far as it may be among the best of all.
#[derive(Debug, Default)]
pub struct PartOfHits {
    /// Segment, row and units.
    pub(super) found: Vec<(u32, u32, u32)>,
    /// Scores are units divided by it.
    pub(super) scale: f64,
    pub(super) is_cut: bool,
}

impl PartOfHits {
    /// The `k` best of what all threads have found.
    #[must_use]
    pub fn join(parts: impl IntoIterator<Item = Self>, k: usize) -> Hits {
        let mut all = Self::default();
        for mut part in parts {
            all.found.append(&mut part.found);
            all.scale = all.scale.max(part.scale);
            all.is_cut |= part.is_cut;
        }
        let Self { found, scale, is_cut } = all;
        let found = top::sorted(found).take(k);
        #[expect(clippy::cast_possible_truncation, reason = "a score needs no more digits")]
        let score = |units: u32| (f64::from(units) / scale) as f32;
        let hit = |(segment, row, units)| Hit { segment: segment as usize, row, score: score(units) };
        Hits { hits: found.map(hit).collect(), is_cut }
    }
}

impl Searcher<'_> {
    /// A thread's part of a [`search`](Self::search): it looks at rows that no other has taken, until there are no more. All threads are given the same; when each has come back,
    /// [`join`](PartOfHits::join) gives what the search does. Errors as there.
    pub fn search_shared(
        &self,
        query: &Query,
        k: usize,
        filters: &[Option<&RowSet>],
        shared: &SharedSearch,
    ) -> Result<PartOfHits> {
        if shared.is_taken(self.segment_rows()) {
            return Ok(PartOfHits::default());
        }
        let found = self.find(query, k, filters, Some(shared));
        self.segments.iter().try_for_each(|segment| segment.part.finish())?;
        found
    }
}
