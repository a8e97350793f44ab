//! The best so far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, Ordering};

/// Units, then segment and row, of which the lower is the better.
type Found = (u32, Reverse<(u32, u32)>);

/// A heap of the `k` best, the worst of them on top. Records must come in the order in which ties are decided.
#[derive(Debug)]
pub(super) struct Top<'a> {
    k: usize,
    heap: BinaryHeap<Reverse<Found>>,
    threshold: u32,
    /// Units that `k` records have at least, wherever these were found.
    floor: Option<&'a AtomicU32>,
}

impl<'a> Top<'a> {
    pub(super) fn new(k: usize, floor: Option<&'a AtomicU32>) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k.min(1024)), threshold: 0, floor }
    }

    /// How many are wanted.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// There are `k` records with at least so many units: fewer are not enough.
    pub(super) fn expect(&mut self, units: u32) {
        self.threshold = self.threshold.max(units.saturating_sub(1));
        self.tell(units);
    }

    /// Learns what others found. Records that have as much may lie before theirs.
    #[inline]
    pub(super) fn learn(&mut self) {
        if let Some(floor) = self.floor {
            self.threshold = self.threshold.max(floor.load(Ordering::Relaxed).saturating_sub(1));
        }
    }

    #[inline]
    fn tell(&self, units: u32) {
        if let Some(floor) = self.floor {
            floor.fetch_max(units, Ordering::Relaxed);
        }
    }

    /// Units that are not enough any more.
    #[inline]
    pub(super) fn threshold(&self) -> u32 {
        self.threshold
    }

    #[inline]
    pub(super) fn push(&mut self, segment: u32, row: u32, units: u32) {
        if units <= self.threshold {
            return;
        }
        if self.heap.len() == self.k {
            self.heap.pop();
        }
        self.heap.push(Reverse((units, Reverse((segment, row)))));
        if self.heap.len() == self.k {
            let worst = self.heap.peek().map_or(0, |worst| worst.0.0);
            self.threshold = self.threshold.max(worst);
            self.tell(worst);
        }
    }

    /// Segment, row and units, in no order.
    pub(super) fn into_unsorted(self) -> impl Iterator<Item = (u32, u32, u32)> {
        self.heap.into_iter().map(|Reverse((units, Reverse((segment, row))))| (segment, row, units))
    }
}

/// Segment, row and units, the best first.
pub(super) fn sorted(found: Vec<(u32, u32, u32)>) -> impl Iterator<Item = (u32, u32, u32)> {
    let all = found.into_iter().map(|(segment, row, units)| Reverse((units, Reverse((segment, row)))));
    let sorted = all.collect::<BinaryHeap<Reverse<Found>>>().into_sorted_vec();
    sorted.into_iter().map(|Reverse((units, Reverse((segment, row))))| (segment, row, units))
}
