//! The best records of one segment.
//!
//! `MaxScore` (Turtle and Flood, "Query evaluation: strategies and optimizations", 1995) in windows of rows, with the block maxima
//! of Ding and Suel ("Faster top-k document retrieval using block-max indexes", 2011): in a window, terms that together
//! cannot lift a record over the threshold are only looked up for records that the other terms bring. Those are
//! added up term by term in an array.

use std::ops::Range;

use row_set::RowSet;

use super::leaf::Leaf;
use super::stop::Stop;
use super::top::Top;
use crate::postings::NONE;

/// A window is so long that it holds about so many postings that bring candidates, within these limits in rows. The upper one keeps
/// the array in the first-level cache; one term alone needs no array.
const WINDOW_POSTINGS: u64 = 512;
const MIN_WINDOW: u64 = 2048;
const MAX_WINDOW: u64 = 8192;
const MAX_WINDOW_OF_ONE: u64 = 65_536;
/// Terms that are asked what to expect.
const EXPECTED: usize = 2;
/// With fewer rows allowed than one in so many, those are looked up one by one.
const SELECTIVE: u64 = 32;

/// What is looked for in one segment, and what is allowed.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) segment: u32,
    rows: u32,
    /// Each adds what it finds.
    pub(super) optional: Vec<Leaf<'a>>,
    /// Of each group at least one must be found.
    pub(super) required: Vec<Vec<Leaf<'a>>>,
    /// None may be found.
    pub(super) excluded: Vec<Leaf<'a>>,
    pub(super) filter: Option<&'a RowSet>,
    deleted: Option<&'a RowSet>,
    stop: &'a Stop<'a>,
    scratch: Scratch,
}

/// Of one window.
#[derive(Debug, Default)]
struct Scratch {
    /// Of each optional leaf: its number and its maximum, ascending by that.
    maxima: Vec<(usize, u32)>,
    /// Sums of these maxima.
    sums: Vec<u64>,
    /// Leaves that bring candidates; of each, units that are not enough.
    chosen: Vec<(usize, u32)>,
    /// Rows and units.
    candidates: Vec<(u32, u32)>,
    units: Vec<u32>,
    touched: Vec<u64>,
}

/// Which leaves bring candidates.
#[derive(Debug, Clone, Copy)]
enum Lead<'a> {
    Essential,
    Group(usize),
    Rows(&'a RowSet),
}

impl<'a> Walk<'a> {
    pub(super) fn new(rows: u32, deleted: Option<&'a RowSet>, stop: &'a Stop<'a>) -> Self {
        let (optional, required, excluded) = Default::default();
        let (segment, filter, scratch) = (0, None, Scratch::default());
        Self { segment, rows, optional, required, excluded, filter, deleted, stop, scratch }
    }

    /// Before the first rows are looked at.
    pub(super) fn begin(&mut self, top: &mut Top<'_>) {
        self.optional.sort_by_key(Leaf::max);
        self.expect(self.lead(), top);
    }

    /// Offers every record of these rows that could be among the best to `top`; none of them lies before those of the last time. `false`: damaged bytes were met.
    pub(super) fn run(&mut self, rows: Range<u32>, top: &mut Top<'_>) -> bool {
        let lead = self.lead();
        let Range { start: mut low, end } = rows;
        loop {
            top.learn();
            let (first, len) = self.next_window(lead, low, top.threshold());
            low = first;
            if low >= end || self.stop.has_stopped() {
                break;
            }
            let high = low.saturating_add(len).min(end);
            self.window(lead, low, high, top);
            low = high;
        }
        let all = self.optional.iter().chain(self.required.iter().flatten()).chain(&self.excluded);
        !all.into_iter().any(Leaf::is_damaged)
    }

    fn lead(&self) -> Lead<'a> {
        let cost = |group: &[Leaf<'_>]| group.iter().map(Leaf::cost).sum::<u64>();
        match (0..self.required.len()).min_by_key(|&group| cost(&self.required[group])) {
            Some(group) => Lead::Group(group),
            None => match self.filter {
                Some(rows) if rows.len() as u64 * SELECTIVE < u64::from(self.rows) => Lead::Rows(rows),
                _ => Lead::Essential,
            },
        }
    }

    /// The rarest terms alone tell how good the best records are at least: of so many more than are wanted as are deleted, enough
    /// are left.
    fn expect(&self, lead: Lead<'a>, top: &mut Top<'_>) {
        let enough = self.deleted.map_or(0, RowSet::len).saturating_add(top.k());
        if matches!(lead, Lead::Essential) && self.excluded.is_empty() && self.filter.is_none() {
            for leaf in self.optional.iter().rev().take(EXPECTED) {
                top.expect(leaf.reached_by(enough));
            }
        }
    }

    /// No candidate lies before this row; and how many rows to look at together.
    fn next_window(&mut self, lead: Lead<'a>, low: u32, threshold: u32) -> (u32, u32) {
        let (mut next, mut cost, mut count) = (NONE, 0, 0);
        let mut bring = |leaf: &mut Leaf<'_>| {
            next = next.min(leaf.next_row(low));
            cost += leaf.cost();
            count += 1;
        };
        match lead {
            Lead::Group(group) => self.required[group].iter_mut().for_each(bring),
            Lead::Rows(rows) => {
                (next, cost, count) = (rows.range(low..NONE).next().unwrap_or(NONE), rows.len() as u64, 1);
            }
            Lead::Essential => {
                let mut sum = 0;
                for leaf in &mut self.optional {
                    sum += u64::from(leaf.max());
                    if sum > u64::from(threshold) {
                        bring(leaf);
                    }
                }
            }
        }
        let max = if count == 1 { MAX_WINDOW_OF_ONE } else { MAX_WINDOW };
        let len = (u64::from(self.rows) * WINDOW_POSTINGS / cost.max(1)).clamp(MIN_WINDOW, max);
        (next, u32::try_from(len).unwrap_or(u32::MAX))
    }

    fn window(&mut self, lead: Lead<'a>, low: u32, high: u32, top: &mut Top<'_>) {
        let Self { optional, required, scratch, .. } = self;
        scratch.measure(optional, low, high);
        let mut required_sum = 0;
        for group in required.iter_mut() {
            match group.iter_mut().map(|leaf| u64::from(leaf.max_within(low, high))).sum() {
                0 => return,
                max => required_sum += max,
            }
        }
        let threshold = u64::from(top.threshold());
        let total = scratch.sum_to(scratch.sums.len()) + required_sum;
        if total <= threshold {
            return;
        }
        scratch.candidates.clear();
        let mut looked_up = scratch.maxima.len();
        match lead {
            Lead::Group(group) => {
                scratch.chosen.clear();
                scratch.chosen.extend((0..required[group].len()).map(|leaf| (leaf, 0)));
                scratch.gather(&mut required[group], low, high);
            }
            Lead::Rows(rows) => scratch.candidates.extend(rows.range(low..high).map(|row| (row, 0))),
            Lead::Essential => {
                looked_up = scratch.sums.partition_point(|&sum| sum <= threshold);
                scratch.choose_essential(looked_up, total - threshold);
                scratch.gather(optional, low, high);
            }
        }
        self.judge(lead, looked_up, required_sum, top);
    }

    /// Completes the candidates and offers them.
    fn judge(&mut self, lead: Lead<'a>, looked_up: usize, required_sum: u64, top: &mut Top<'_>) {
        let candidates = std::mem::take(&mut self.scratch.candidates);
        let rest =
            self.scratch.sum_to(looked_up) + if matches!(lead, Lead::Essential) { 0 } else { required_sum };
        for &(row, units) in &candidates {
            let threshold = u64::from(top.threshold());
            if u64::from(units) + rest <= threshold || !self.is_allowed(row) {
                continue;
            }
            let Some(units) = self.with_required(lead, row, u64::from(units)) else { continue };
            let units = self.with_optional(looked_up, row, units, threshold);
            let is_excluded = |leaf: &mut Leaf<'_>| leaf.units_at(row, 0) > 0;
            if units <= threshold || self.excluded.iter_mut().any(is_excluded) {
                continue;
            }
            if self.stop.has_stopped() {
                break;
            }
            top.push(self.segment, row, u32::try_from(units).unwrap_or(u32::MAX));
        }
        self.scratch.candidates = candidates;
    }

    fn is_allowed(&self, row: u32) -> bool {
        self.filter.is_none_or(|filter| filter.contains(row))
            && self.deleted.is_none_or(|rows| !rows.contains(row))
    }

    /// Adds what the required groups besides the leading one give; `None` if one of them gives nothing.
    fn with_required(&mut self, lead: Lead<'a>, row: u32, mut units: u64) -> Option<u64> {
        for (i, group) in self.required.iter_mut().enumerate() {
            if !matches!(lead, Lead::Group(group) if group == i) {
                let added: u64 = group.iter_mut().map(|leaf| u64::from(leaf.units_at(row, 0))).sum();
                units += Some(added).filter(|&added| added > 0)?;
            }
        }
        Some(units)
    }

    /// Adds what the first `looked_up` leaves give, as long as that can lift the row over the threshold.
    fn with_optional(&mut self, looked_up: usize, row: u32, mut units: u64, threshold: u64) -> u64 {
        for i in (0..looked_up).rev() {
            if units + self.scratch.sums[i] <= threshold {
                return 0;
            }
            let least = threshold.saturating_sub(units + self.scratch.sum_to(i));
            let least = u32::try_from(least).unwrap_or(u32::MAX);
            units += u64::from(self.optional[self.scratch.maxima[i].0].units_at(row, least));
        }
        units
    }
}

impl Scratch {
    fn measure(&mut self, optional: &mut [Leaf<'_>], low: u32, high: u32) {
        let maxima = optional.iter_mut().map(|leaf| leaf.max_within(low, high)).enumerate();
        self.maxima.clear();
        self.maxima.extend(maxima.filter(|&(_, max)| max > 0));
        self.maxima.sort_unstable_by_key(|&(leaf, max)| (max, leaf));
        self.sums.clear();
        self.sums.extend(self.maxima.iter().scan(0, |sum, &(_, max)| {
            *sum += u64::from(max);
            Some(*sum)
        }));
    }

    /// The sum of the `count` smallest maxima.
    fn sum_to(&self, count: usize) -> u64 {
        count.checked_sub(1).map_or(0, |last| self.sums[last])
    }

    /// Says that the leaves that are not only looked up bring candidates. A posting counts if it can lift a row by `missing` from
    /// all that the leaves could give: `total - max of its leaf + its units > threshold`.
    fn choose_essential(&mut self, looked_up: usize, missing: u64) {
        let least = |max: u32| u32::try_from(u64::from(max).saturating_sub(missing)).unwrap_or(0);
        self.chosen.clear();
        self.chosen.extend(self.maxima[looked_up..].iter().map(|&(leaf, max)| (leaf, least(max))));
    }

    /// Candidates from the chosen ones of these leaves.
    fn gather(&mut self, leaves: &mut [Leaf<'_>], low: u32, high: u32) {
        let Self { chosen, candidates, units: sums, touched, .. } = self;
        if let &[(leaf, least)] = &chosen[..] {
            let found = |row, units| {
                if units > least {
                    candidates.push((row, units));
                }
            };
            return leaves[leaf].scan(low, high, least, found);
        }
        let rows = (high - low) as usize;
        if sums.len() < rows {
            sums.resize(rows, 0);
            touched.resize(rows.div_ceil(64), 0);
        }
        for &(leaf, least) in &*chosen {
            leaves[leaf].scan(low, high, least, |row, units| {
                let at = (row - low) as usize;
                sums[at] += units;
                touched[at / 64] |= 1 << (at % 64);
            });
        }
        self.collect(low);
    }

    /// Turns the array into candidates, and clears it.
    fn collect(&mut self, low: u32) {
        for (word, start) in self.touched.iter_mut().zip((0..).step_by(64)) {
            while *word != 0 {
                let at = start + word.trailing_zeros();
                *word &= *word - 1;
                self.candidates.push((low + at, std::mem::take(&mut self.units[at as usize])));
            }
        }
    }
}
