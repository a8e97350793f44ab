//! Which neighbours become one, by their sizes.
//!
//! Sizes have classes, powers of four from a smallest one on. A file, and those before it that are of no greater class, become one when there are [`FAN_IN`]. So, for any
//! sequence of sizes:
//!
//! - a search visits a logarithmic number of files: where nothing is left to merge, each has a larger one at most three places before it, and there are as many
//!   steps up as there are classes;
//! - each byte is rewritten a logarithmic number of times: what is of a smaller class than the last comes into a greater one; so does, after three merges at the most, what is of the
//!   same, since each adds as much as a file of this class has at least; and the last file alone among smaller ones has none of these before it any more.

use std::cmp::Reverse;
use std::ops::Range;

use super::policy::FAN_IN;

/// Neighbours that become one, those of the smallest class first; all of them together `fit`.
pub(super) fn alike(sizes: &[u64], smallest: u64, fit: impl Fn(u64) -> bool) -> Vec<Range<usize>> {
    let class = |size: u64| size.max(smallest).max(1).ilog2() / 2;
    let up_to = |last: usize| {
        let mut sum = 0u64;
        let is_taken = |&at: &usize| {
            sum = sum.saturating_add(sizes[at]);
            class(sizes[at]) <= class(sizes[last]) && fit(sum)
        };
        let count = (0..=last).rev().take_while(is_taken).count();
        last + 1 - count..last + 1
    };
    let mut runs: Vec<Range<usize>> = (0..sizes.len()).map(up_to).filter(|run| run.len() >= FAN_IN).collect();
    // The longest of those that end in the same class.
    runs.sort_by_key(|run| (class(sizes[run.end - 1]), Reverse(run.len())));
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALLEST: u64 = 1024;

    /// Adds files, merges what is alike after each, and returns how many there are at the most, and how often each byte was rewritten in the mean.
    fn grow(sizes: impl IntoIterator<Item = u64>, fit: impl Fn(u64) -> bool + Copy) -> (usize, f64) {
        let (mut files, mut most, mut added, mut rewritten) = (Vec::new(), 0, 0, 0);
        for size in sizes {
            files.push(size);
            added += size;
            while let Some(run) = alike(&files, SMALLEST, fit).into_iter().next() {
                let merged: u64 = files[run.clone()].iter().sum();
                rewritten += merged;
                files.splice(run, [merged]);
            }
            most = most.max(files.len());
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let times = rewritten as f64 / added as f64;
        (most, times)
    }

    /// Classes above the smallest that so many bytes can be in.
    fn classes(sum: u64) -> usize {
        (sum.max(SMALLEST).ilog2() / 2 - SMALLEST.ilog2() / 2 + 1) as usize
    }

    fn check(sizes: &[u64]) {
        let classes = classes(sizes.iter().sum());
        let (most, times) = grow(sizes.iter().copied(), |_| true);
        assert!(most <= 3 * classes, "{most} files of {classes} classes");
        // Within the smallest class nothing is promised but that there is little of it.
        if sizes.iter().all(|&size| size >= SMALLEST) {
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let limit = 4.0 * classes as f64;
            assert!(times <= limit, "rewritten {times} times, {classes} classes");
        }
    }

    proptest! {
        #[test]
        fn however_large_they_are_files_stay_few_and_are_rewritten_seldom(
            sizes in prop::collection::vec((0u32..24, 0u64..1 << 24), 1..300)
        ) {
            let sizes: Vec<u64> = sizes.iter().map(|&(bits, size)| 1 + size % (1 << bits).max(1)).collect();
            check(&sizes);
            check(&sizes.iter().map(|size| size + SMALLEST).collect::<Vec<_>>());
        }
    }

    #[test]
    fn sizes_that_change_by_turns_rise_fall_or_nest_make_no_more_files_than_any_others() {
        let by_turns = |a: u64, b: u64| (0..1_000).map(|i| if i % 2 == 0 { a } else { b }).collect();
        // 1 1 1 4 1 1 1 4 1 1 1 16 …
        let nested = (1..1_000u64).map(|i| 1024 << (2 * (i.trailing_zeros() / 2))).collect();
        let falls = |by: u64| (0..300).map(|i| 3_000_000 - by * i).collect();
        let rises = (0..1_000).map(|i| i * i).collect();
        for sizes in
            [by_turns(1, 4_200), by_turns(300, 5_000), by_turns(70_000, 1_100), nested, falls(9_999), rises]
        {
            let sizes: Vec<u64> = sizes;
            check(&sizes);
        }
    }

    #[test]
    fn a_large_file_is_not_rewritten_for_three_small_ones_behind_it() {
        let (_, times) = grow(std::iter::once(1 << 24).chain(std::iter::repeat_n(1, 3_000)), |_| true);
        assert!(times < 1.0, "{times}");
    }

    #[test]
    fn what_does_not_fit_into_one_stays_and_what_lies_between_becomes_one() {
        let first = |sizes: &[u64], limit: u64| alike(sizes, SMALLEST, |sum| sum < limit).into_iter().next();
        assert_eq!(first(&[9_000, 9_000, 9_000, 9_000, 1, 1, 1, 1], 20_000), Some(4..8));
        assert_eq!(first(&[9_000, 9_000, 9_000, 9_000], 20_000), None);
        assert_eq!(first(&[9_000, 1, 2, 3, 9_000], 10_000), Some(1..5));
        assert_eq!(first(&[9_000; 9], 40_000), Some(0..4));
    }
}
