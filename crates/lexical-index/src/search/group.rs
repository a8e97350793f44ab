//! A query inside a query, as something that adds to scores.

use super::leaf::Leaf;
use crate::postings::NONE;

/// Adds the sum of what it finds to a record that has one of each required group, or one of the optional ones where there is no such group,
/// and none of the excluded ones.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) optional: Vec<Leaf<'a>>,
    pub(super) required: Vec<Vec<Leaf<'a>>>,
    pub(super) excluded: Vec<Leaf<'a>>,
}

impl Group<'_> {
    pub(super) fn cost(&self) -> u64 {
        let of = |leaves: &[Leaf<'_>]| leaves.iter().map(Leaf::cost).sum::<u64>();
        self.required.iter().map(|group| of(group)).min().unwrap_or_else(|| of(&self.optional))
    }

    pub(super) fn max(&self) -> u32 {
        let all = self.optional.iter().chain(self.required.iter().flatten());
        all.fold(0, |sum, leaf| sum.saturating_add(leaf.max()))
    }

    pub(super) fn max_within(&mut self, low: u32, high: u32) -> u32 {
        let of = |leaves: &mut Vec<Leaf<'_>>| {
            leaves.iter_mut().fold(0u32, |sum, leaf| sum.saturating_add(leaf.max_within(low, high)))
        };
        let mut sum = of(&mut self.optional);
        for group in &mut self.required {
            match of(group) {
                0 => return 0,
                max => sum = sum.saturating_add(max),
            }
        }
        sum
    }

    pub(super) fn next_row(&mut self, row: u32) -> u32 {
        let of = |leaves: &mut Vec<Leaf<'_>>| {
            leaves.iter_mut().map(|leaf| leaf.next_row(row)).min().unwrap_or(NONE)
        };
        self.required.iter_mut().map(of).max().unwrap_or_else(|| of(&mut self.optional))
    }

    pub(super) fn units_at(&mut self, row: u32, least: u32) -> u32 {
        let of = |leaves: &mut Vec<Leaf<'_>>| {
            leaves.iter_mut().fold(0u32, |sum, leaf| sum.saturating_add(leaf.units_at(row, 0)))
        };
        let mut sum = 0u32;
        for group in &mut self.required {
            match of(group) {
                0 => return 0,
                units => sum = sum.saturating_add(units),
            }
        }
        sum = sum.saturating_add(of(&mut self.optional));
        let is_enough = sum > least && self.excluded.iter_mut().all(|leaf| leaf.units_at(row, 0) == 0);
        if is_enough { sum } else { 0 }
    }

    pub(super) fn is_damaged(&self) -> bool {
        let all = self.optional.iter().chain(self.required.iter().flatten()).chain(&self.excluded);
        all.into_iter().any(Leaf::is_damaged)
    }
}
