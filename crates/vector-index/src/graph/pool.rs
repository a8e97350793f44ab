//! The nearest nodes found so far, in order, and how far they have been expanded.

use std::borrow::Cow;
use std::collections::BinaryHeap;

/// A node and its distance in one integer that sorts by distance, then by node. Distances that are not numbers come last, so
/// that damaged bytes cannot confuse the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

/// A distance as bits that ascend with it: negative numbers have all bits flipped, others the sign.
#[inline]
fn ordered(distance: f32) -> u32 {
    let bits = if distance.is_nan() { f32::INFINITY } else { distance }.to_bits();
    bits ^ if bits >> 31 == 1 { u32::MAX } else { 1 << 31 }
}

#[inline]
fn distance_of(ordered: u32) -> f32 {
    f32::from_bits(ordered ^ if ordered >> 31 == 1 { 1 << 31 } else { u32::MAX })
}

impl Key {
    const EXPANDED: u64 = 1;

    #[inline]
    pub(crate) fn new(distance: f32, node: u32) -> Self {
        Self(u64::from(ordered(distance)) << 32 | u64::from(node) << 1)
    }

    #[inline]
    pub(crate) fn node(self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let low = self.0 as u32;
        low >> 1
    }

    #[inline]
    pub(crate) fn distance(self) -> f32 {
        distance_of((self.0 >> 32) as u32)
    }

    /// Without the mark that a pool has put on it.
    #[inline]
    pub(crate) fn unexpanded(self) -> Self {
        Self(self.0 & !Self::EXPANDED)
    }

    fn is_expanded(self) -> bool {
        self.0 & Self::EXPANDED != 0
    }
}

/// The best `capacity` nodes in ascending order of distance, with a cursor at the first that is not yet expanded.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    keys: Vec<Key>,
    capacity: usize,
    cursor: usize,
}

impl Pool {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Key>()
    }

    /// Empties it. `capacity` is at least 1.
    pub(crate) fn start(&mut self, capacity: usize) {
        self.keys.clear();
        self.keys.reserve(capacity);
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// Adds a node that is not in it, if it is among the best.
    #[inline]
    pub(crate) fn insert(&mut self, distance: f32, node: u32) {
        self.offer(distance, node);
    }

    /// The same; whether the node is among the best.
    #[inline]
    pub(crate) fn offer(&mut self, distance: f32, node: u32) -> bool {
        let key = Key::new(distance, node);
        if self.keys.len() == self.capacity {
            if self.keys.last().is_none_or(|&last| key >= last) {
                return false;
            }
            self.keys.pop();
        }
        let at = self.keys.partition_point(|&other| other < key);
        self.keys.insert(at, key);
        self.cursor = self.cursor.min(at);
        true
    }

    /// Keeps at most so many from now on, which is at least 1.
    pub(crate) fn shrink(&mut self, capacity: usize) {
        self.keys.truncate(capacity);
        self.capacity = self.capacity.min(capacity);
    }

    /// The nearest node that is not expanded, which counts as expanded from now on.
    #[inline]
    pub(crate) fn expand(&mut self) -> Option<u32> {
        let at = self.cursor;
        let key = self.keys.get_mut(at)?;
        key.0 |= Key::EXPANDED;
        let node = key.node();
        self.skip_expanded();
        Some(node)
    }

    /// The nearest node that is not expanded.
    #[inline]
    pub(crate) fn next(&self) -> Option<u32> {
        self.keys.get(self.cursor).map(|key| key.node())
    }

    /// The nearest nodes that are not expanded, at most so many.
    pub(crate) fn soon(&self, most: usize) -> impl Iterator<Item = u32> {
        let unexpanded =
            self.keys[self.cursor.min(self.keys.len())..].iter().filter(|key| !key.is_expanded());
        unexpanded.take(most).map(|key| key.node())
    }

    fn skip_expanded(&mut self) {
        while self.keys.get(self.cursor).is_some_and(|key| key.is_expanded()) {
            self.cursor += 1;
        }
    }

    /// The distance of the last, beyond which no node is taken; infinite as long as there is room.
    #[inline]
    pub(crate) fn limit(&self) -> f32 {
        let last = self.keys.last().filter(|_| self.is_full());
        last.map_or(f32::INFINITY, |last| last.distance())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.keys.len() == self.capacity
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Whether a node is among the best so far, or is the last of them.
    #[inline]
    pub(crate) fn takes(&self, key: Key) -> bool {
        self.keys.len() < self.capacity || self.keys.last().is_some_and(|last| key <= last.unexpanded())
    }
}

/// From so many rows on, [`Nearest`] is a heap: below, moving what comes behind a row costs less.
const LARGE: usize = 1_024;

/// The nearest rows so far, by distance, then row.
#[derive(Debug)]
pub(crate) struct Nearest {
    /// Ordered distances above, rows below: ascending, if there are to be fewer than [`LARGE`].
    keys: Vec<u64>,
    /// Otherwise here, the farthest on top.
    heap: BinaryHeap<u64>,
    capacity: usize,
    /// The farthest of those that are kept, once there are as many as can be; before, more than any.
    last: u64,
}

impl Default for Nearest {
    fn default() -> Self {
        Self { keys: Vec::new(), heap: BinaryHeap::new(), capacity: 0, last: u64::MAX }
    }
}

impl Nearest {
    pub(crate) fn heap_bytes(&self) -> usize {
        (self.keys.capacity() + self.heap.capacity()) * size_of::<u64>()
    }

    /// Empties it. `capacity` is at least 1.
    pub(crate) fn start(&mut self, capacity: usize) {
        self.keys.clear();
        self.heap.clear();
        if capacity < LARGE {
            self.keys.reserve(capacity);
        }
        self.capacity = capacity;
        self.last = u64::MAX;
    }

    /// How many rows it keeps.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Adds a row, if it is among the nearest. If not, no higher row of the same distance is.
    #[inline]
    pub(crate) fn insert(&mut self, distance: f32, row: u32) -> bool {
        let key = u64::from(ordered(distance)) << 32 | u64::from(row);
        if key >= self.last {
            return false;
        }
        if self.capacity >= LARGE {
            self.insert_into_heap(key);
            return true;
        }
        if self.keys.len() == self.capacity {
            self.keys.pop();
        }
        let at = self.keys.partition_point(|&other| other < key);
        self.keys.insert(at, key);
        if self.keys.len() == self.capacity {
            self.last = self.keys[self.capacity - 1];
        }
        true
    }

    #[inline(never)]
    fn insert_into_heap(&mut self, key: u64) {
        if self.heap.len() < self.capacity {
            self.heap.push(key);
        } else if let Some(mut last) = self.heap.peek_mut() {
            *last = key;
        }
        if self.heap.len() == self.capacity {
            self.last = self.heap.peek().copied().unwrap_or(u64::MAX);
        }
    }

    /// Whether no row of this distance is among the nearest.
    #[inline]
    pub(crate) fn excludes(&self, distance: f32) -> bool {
        u64::from(ordered(distance)) > self.last >> 32
    }

    /// The distance of the last, beyond which nothing is among the nearest; infinite as long as there is room.
    #[inline]
    pub(crate) fn limit(&self) -> f32 {
        if self.last == u64::MAX { f32::INFINITY } else { distance_of((self.last >> 32) as u32) }
    }

    /// Distances and rows, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f32, u32)> {
        let keys = if self.capacity < LARGE {
            Cow::Borrowed(&self.keys[..])
        } else {
            Cow::Owned(self.heap.clone().into_sorted_vec())
        };
        #[expect(clippy::cast_possible_truncation, reason = "the upper and the lower half")]
        (0..keys.len()).map(move |at| (distance_of((keys[at] >> 32) as u32), keys[at] as u32))
    }
}

/// The best of many, in no order: cheaper than a [`Pool`] when there are hundreds.
#[derive(Debug, Default)]
pub(crate) struct Shortlist {
    keys: Vec<Key>,
    keep: usize,
    limit: f32,
}

impl Shortlist {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Key>()
    }

    /// Empties it, to keep so many, which is at least 1.
    pub(crate) fn start(&mut self, keep: usize) {
        self.keys.clear();
        self.keep = keep;
        self.limit = f32::INFINITY;
    }

    #[inline]
    pub(crate) fn add(&mut self, key: Key) {
        self.keys.push(key);
        if self.keys.len() >= self.keep.saturating_mul(2) {
            self.shrink();
        }
    }

    /// A distance that is not among the best, as far as that is known.
    #[inline]
    pub(crate) fn limit(&self) -> f32 {
        self.limit
    }

    fn shrink(&mut self) {
        if self.keys.len() > self.keep {
            let (_, last, _) = self.keys.select_nth_unstable(self.keep - 1);
            self.limit = last.distance();
            self.keys.truncate(self.keep);
        }
    }

    pub(crate) fn best(&mut self) -> &mut [Key] {
        self.shrink();
        &mut self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_by_distance_then_node_and_give_both_back(
            a in any::<f32>(), b in any::<f32>(), x in 0..1u32 << 31, y in 0..1u32 << 31
        ) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            let (p, q) = (Key::new(a, x), Key::new(b, y));
            prop_assert_eq!((p.distance(), p.node()), (a, x));
            prop_assert_eq!(p.cmp(&q), a.total_cmp(&b).then(x.cmp(&y)));
        }

        #[test]
        fn the_nearest_of_few_and_of_many_are_the_first_in_order(
            distances in prop::collection::vec(-900..900i16, 0..4_000), capacity in prop_oneof![1..40usize, LARGE - 2..LARGE + 300]
        ) {
            let mut nearest = Nearest::default();
            // What was there before is gone.
            nearest.start(LARGE + 1);
            nearest.insert(-1e9, 7);
            nearest.start(capacity);
            let mut all: Vec<(i16, u32)> = distances.iter().copied().zip(0..).collect();
            for (at, &(distance, row)) in all.iter().enumerate() {
                let excluded = nearest.excludes(distance.into());
                let limit = nearest.limit();
                prop_assert_eq!(limit.is_infinite(), at < capacity);
                prop_assert_eq!(excluded, f32::from(distance) > limit);
                let is_in = nearest.insert(distance.into(), row);
                prop_assert_eq!(is_in, f32::from(distance) < limit);
            }
            all.sort_unstable();
            all.truncate(capacity);
            let found: Vec<(f32, u32)> = nearest.iter().collect();
            prop_assert_eq!(found, all.into_iter().map(|(distance, row)| (distance.into(), row)).collect::<Vec<_>>());
        }

        #[test]
        fn a_shortlist_holds_the_best(distances in prop::collection::vec(-50..50i16, 0..90), keep in 1..20usize) {
            let mut shortlist = Shortlist::default();
            shortlist.start(keep);
            let mut all: Vec<Key> = (0..).zip(&distances).map(|(node, &distance)| Key::new(distance.into(), node)).collect();
            for &key in &all {
                if key.distance() < shortlist.limit() {
                    shortlist.add(key);
                }
            }
            let mut found = shortlist.best().to_vec();
            found.sort_unstable();
            all.sort_unstable();
            let distance = |key: &Key| key.distance();
            all.truncate(keep);
            prop_assert_eq!(found.iter().map(distance).collect::<Vec<_>>(), all.iter().map(distance).collect::<Vec<_>>());
        }

        #[test]
        fn a_pool_holds_the_best_and_expands_each_once(distances in prop::collection::vec(-50..50i16, 0..60), capacity in 1..20usize) {
            let mut pool = Pool::default();
            pool.start(capacity);
            let mut all = Vec::new();
            let mut expanded = Vec::new();
            for (node, &distance) in (0..).zip(&distances) {
                pool.insert(distance.into(), node);
                all.push((distance, node));
                if node % 3 == 0 {
                    expanded.extend(pool.expand());
                }
            }
            all.sort_unstable();
            all.truncate(capacity);
            let kept: Vec<u32> = pool.keys().iter().map(|key| key.node()).collect();
            prop_assert_eq!(&kept, &all.iter().map(|&(_, node)| node).collect::<Vec<_>>());
            while let Some(node) = pool.expand() {
                expanded.push(node);
            }
            prop_assert!(kept.iter().all(|node| expanded.contains(node)));
            expanded.sort_unstable();
            let times = expanded.len();
            expanded.dedup();
            prop_assert_eq!(times, expanded.len(), "none twice");
        }
    }

    #[test]
    fn a_distance_that_is_not_a_number_comes_last() {
        assert!(Key::new(f32::NAN, 0) > Key::new(f32::MAX, u32::MAX >> 1));
    }
}
