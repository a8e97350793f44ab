//! What adds to scores: a term or a phrase in one field of one segment, or a group of them.

use super::phrase::Phrase;
use crate::postings::{Cursor, NONE};

#[derive(Debug)]
pub(super) enum Leaf<'a> {
    Term(Box<Cursor<'a>>),
    Phrase(Phrase<'a>),
    Group(Group<'a>),
}

impl Leaf<'_> {
    /// About how many postings there are to be read.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Term(cursor) => u64::from(cursor.df()),
            Self::Phrase(phrase) => phrase.cost(),
            Self::Group(group) => group.cost(),
        }
    }

    /// Lower bound of the `k`-th best score; 0 while unknown.
    pub(super) fn reached_by(&self, k: usize) -> u32 {
        match self {
            Self::Term(cursor) => cursor.reached_by(k),
            Self::Phrase(_) | Self::Group(_) => 0,
        }
    }

    /// Upper bound of the score of every record.
    pub(super) fn max(&self) -> u32 {
        match self {
            Self::Term(cursor) => cursor.max(),
            Self::Phrase(phrase) => phrase.max(),
            Self::Group(group) => group.max(),
        }
    }

    /// Upper bound of the scores in rows from `low` to before `high`; 0 if none has a score.
    pub(super) fn max_within(&mut self, low: u32, high: u32) -> u32 {
        match self {
            Self::Term(cursor) => cursor.max_within(low, high),
            Self::Phrase(phrase) => phrase.max_within(low, high),
            Self::Group(group) => group.max_within(low, high),
        }
    }

    /// Lower bound of the first row from `row` on that has a score.
    pub(super) fn next_row(&mut self, row: u32) -> u32 {
        match self {
            Self::Term(cursor) => cursor.next_row(row),
            Self::Phrase(phrase) => phrase.next_row(row),
            Self::Group(group) => group.next_row(row),
        }
    }

    /// Calls `found` with every row from `low` to before `high` and what it gets; it may leave out what is at most `least`.
    #[inline]
    pub(super) fn scan(&mut self, low: u32, high: u32, least: u32, found: impl FnMut(u32, u32)) {
        match self {
            Self::Term(cursor) => cursor.scan(low, high, least, found),
            Self::Phrase(_) | Self::Group(_) => self.scan_by_rows(low, high, least, found),
        }
    }

    /// What a row gets, or 0 if that is at most `least`.
    #[inline]
    pub(super) fn units_at(&mut self, row: u32, least: u32) -> u32 {
        match self {
            Self::Term(cursor) => cursor.units_at(row, least),
            Self::Phrase(phrase) => phrase.units_at(row, least),
            Self::Group(group) => group.units_at(row, least),
        }
    }

    pub(super) fn is_damaged(&self) -> bool {
        match self {
            Self::Term(cursor) => cursor.is_damaged(),
            Self::Phrase(phrase) => phrase.is_damaged(),
            Self::Group(group) => group.is_damaged(),
        }
    }

    fn scan_by_rows(&mut self, low: u32, high: u32, least: u32, mut found: impl FnMut(u32, u32)) {
        let mut row = self.next_row(low);
        while row < high {
            match self.units_at(row, least) {
                0 => {}
                units => found(row, units),
            }
            row = self.next_row(row + 1);
        }
    }
}

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
        let cost = |leaves: &[Leaf<'_>]| leaves.iter().map(Leaf::cost).sum::<u64>();
        self.required.iter().map(|group| cost(group)).min().unwrap_or_else(|| cost(&self.optional))
    }

    pub(super) fn max(&self) -> u32 {
        let all = self.optional.iter().chain(self.required.iter().flatten());
        all.fold(0, |sum, leaf| sum.saturating_add(leaf.max()))
    }

    pub(super) fn max_within(&mut self, low: u32, high: u32) -> u32 {
        let max_of = |leaves: &mut Vec<Leaf<'_>>| {
            leaves.iter_mut().fold(0u32, |sum, leaf| sum.saturating_add(leaf.max_within(low, high)))
        };
        let mut sum = max_of(&mut self.optional);
        for group in &mut self.required {
            match max_of(group) {
                0 => return 0,
                max => sum = sum.saturating_add(max),
            }
        }
        sum
    }

    pub(super) fn next_row(&mut self, row: u32) -> u32 {
        let next_of = |leaves: &mut Vec<Leaf<'_>>| {
            leaves.iter_mut().map(|leaf| leaf.next_row(row)).min().unwrap_or(NONE)
        };
        self.required.iter_mut().map(next_of).max().unwrap_or_else(|| next_of(&mut self.optional))
    }

    pub(super) fn units_at(&mut self, row: u32, least: u32) -> u32 {
        let units_of = |leaves: &mut Vec<Leaf<'_>>| {
            leaves.iter_mut().fold(0u32, |sum, leaf| sum.saturating_add(leaf.units_at(row, 0)))
        };
        let mut sum = 0u32;
        for group in &mut self.required {
            match units_of(group) {
                0 => return 0,
                units => sum = sum.saturating_add(units),
            }
        }
        sum = sum.saturating_add(units_of(&mut self.optional));
        let is_enough = sum > least && self.excluded.iter_mut().all(|leaf| leaf.units_at(row, 0) == 0);
        if is_enough { sum } else { 0 }
    }

    pub(super) fn is_damaged(&self) -> bool {
        let all = self.optional.iter().chain(self.required.iter().flatten()).chain(&self.excluded);
        all.into_iter().any(Leaf::is_damaged)
    }
}
