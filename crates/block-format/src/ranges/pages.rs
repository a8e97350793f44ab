//! Pages that were fetched last, and those that are on their way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Bytes of a page: those of a chunk of a part.
pub(crate) const PAGE_LEN: u64 = 4 << 10;
/// The same, in memory.
pub(super) const PAGE_SIZE: usize = 4 << 10;

pub(crate) type Page = Arc<[u8]>;

/// Pages by their number, the oldest of which go first.
#[derive(Debug, Default)]
pub(super) struct Pages {
    kept: HashMap<u64, Page>,
    /// The numbers of those kept, the oldest first.
    order: VecDeque<u64>,
    /// Asked for by some thread, and not here yet.
    on_the_way: HashSet<u64>,
}

impl Pages {
    pub(super) fn get(&self, number: u64) -> Option<&Page> {
        self.kept.get(&number)
    }

    /// Whether the caller is the one who fetches a page that is not here; otherwise it is on its way.
    pub(super) fn claim(&mut self, number: u64) -> bool {
        self.on_the_way.insert(number)
    }

    /// Pages, ascending, that are not on their way any more.
    pub(super) fn release(&mut self, numbers: &[u64]) {
        self.on_the_way.retain(|number| numbers.binary_search(number).is_err());
    }

    /// Keeps a page, and up to `limit` pages in all.
    pub(super) fn insert(&mut self, number: u64, page: Page, limit: usize) {
        if self.kept.insert(number, page).is_none() {
            self.order.push_back(number);
        }
        while self.order.len() > limit.max(1) {
            self.order.pop_front().and_then(|oldest| self.kept.remove(&oldest));
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.order.clear();
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
