//! Times, their percentiles, and numbers that are the same every time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The upper half of the product is below `end`.
        usize::try_from((u128::from(z) * end as u128) >> 64).unwrap_or(0)
    }
}

/// Times of each call, after a tenth of them that does not count. What the calls return is looked at.
pub(super) fn times<T, R>(items: &[T], mut call: impl FnMut(&T) -> Result<R>) -> Result<Vec<Duration>> {
    for item in items.iter().take(items.len().div_ceil(10)) {
        black_box(call(item)?);
    }
    items
        .iter()
        .map(|item| {
            let begun = Instant::now();
            let result = call(item);
            let took = begun.elapsed();
            black_box(result?);
            Ok(took)
        })
        .collect()
}

/// Time that `calls` take when `threads` threads share them.
pub(super) fn shared<T: Sync>(
    items: &[T],
    threads: usize,
    call: impl Fn(&T) -> Result<()> + Sync,
) -> Result<Duration> {
    let begun = Instant::now();
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let call = &call;
        let each = items.len().div_ceil(threads.max(1)).max(1);
        let running: Vec<_> =
            items.chunks(each).map(|part| scope.spawn(move || part.iter().try_for_each(call))).collect();
        let panicked = |_| Err(Failure::failed("a thread of the measurement panicked"));
        running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    });
    results.into_iter().collect::<Result<()>>()?;
    Ok(begun.elapsed())
}

/// The value that `share` of the others are not above (nearest rank).
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

pub(super) fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&mut times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
        assert_eq!(median(&mut [Duration::from_secs(7)]), Duration::from_secs(7));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_in_range() {
        let numbers = |seed| {
            let mut random = Random(seed);
            (0..1000).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!((0..10).all(|n| numbers(1).contains(&n)));
    }

    #[test]
    fn threads_share_all_items_and_an_error_is_told() {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let count = |n: &usize| {
            seen.fetch_add(*n, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        };
        shared(&[1, 2, 3, 4, 5], 2, count).unwrap();
        assert_eq!(seen.into_inner(), 15);
        assert!(shared(&[1], 1, |_| Err(Failure::failed("x"))).is_err());
    }
}
