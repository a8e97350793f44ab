//! The best so far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Units, then segment and row, of which the lower is the better.
type Found = (u32, Reverse<(u32, u32)>);

/// A heap of the `k` best, the worst of them on top. Records must come in the order in which ties are decided.
#[derive(Debug)]
pub(super) struct Top {
    k: usize,
    heap: BinaryHeap<Reverse<Found>>,
    threshold: u32,
}

impl Top {
    pub(super) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k.min(1024)), threshold: 0 }
    }

    /// How many are wanted.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// There are `k` records with at least so many units: fewer are not enough.
    pub(super) fn expect(&mut self, units: u32) {
        self.threshold = self.threshold.max(units.saturating_sub(1));
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
        }
    }

    /// Segment, row and units, in no order.
    pub(super) fn into_unsorted(self) -> impl Iterator<Item = (u32, u32, u32)> {
        self.heap.into_iter().map(|Reverse((units, Reverse((segment, row))))| (segment, row, units))
    }

    /// Segment, row and units, the best first.
    pub(super) fn into_sorted(self) -> impl Iterator<Item = (u32, u32, u32)> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|Reverse((units, Reverse((segment, row))))| (segment, row, units))
    }
}
