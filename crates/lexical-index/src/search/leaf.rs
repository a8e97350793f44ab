//! What adds to scores: a term, or a phrase, in one field of one segment.

use crate::postings::{Cursor, NONE, Positions, Weigh};

#[derive(Debug)]
pub(super) enum Leaf<'a> {
    Term(Box<Cursor<'a>>),
    Phrase(Phrase<'a>),
}

impl Leaf<'_> {
    /// About how many postings there are to be read.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Term(cursor) => u64::from(cursor.df()),
            Self::Phrase(phrase) => {
                phrase.terms.iter().map(|(cursor, _)| u64::from(cursor.df())).min().unwrap_or(0)
            }
        }
    }

    /// At least `k` records get so much or more, or it is 0.
    pub(super) fn reached_by(&self, k: usize) -> u32 {
        match self {
            Self::Term(cursor) => cursor.reached_by(k),
            Self::Phrase(_) => 0,
        }
    }

    /// No record gets more.
    pub(super) fn max(&self) -> u32 {
        match self {
            Self::Term(cursor) => cursor.max(),
            Self::Phrase(phrase) => phrase.terms.iter().map(|(cursor, _)| cursor.max()).min().unwrap_or(0),
        }
    }

    /// No record from `low` to before `high` gets more; 0 if none gets anything.
    pub(super) fn max_within(&mut self, low: u32, high: u32) -> u32 {
        match self {
            Self::Term(cursor) => cursor.max_within(low, high),
            Self::Phrase(phrase) => {
                phrase.terms.iter_mut().map(|(cursor, _)| cursor.max_within(low, high)).min().unwrap_or(0)
            }
        }
    }

    /// No record from `row` to before this gets anything.
    pub(super) fn next_row(&mut self, row: u32) -> u32 {
        match self {
            Self::Term(cursor) => cursor.next_row(row),
            Self::Phrase(phrase) => {
                phrase.terms.iter_mut().map(|(cursor, _)| cursor.next_row(row)).max().unwrap_or(NONE)
            }
        }
    }

    /// Calls `found` with every row from `low` to before `high` and what it gets; it may leave out what is at most `least`.
    #[inline]
    pub(super) fn scan(&mut self, low: u32, high: u32, least: u32, found: impl FnMut(u32, u32)) {
        match self {
            Self::Term(cursor) => cursor.scan(low, high, least, found),
            Self::Phrase(phrase) => phrase.scan(low, high, least, found),
        }
    }

    /// What a row gets, or 0 if that is at most `least`.
    #[inline]
    pub(super) fn units_at(&mut self, row: u32, least: u32) -> u32 {
        match self {
            Self::Term(cursor) => cursor.units_at(row, least),
            Self::Phrase(phrase) => phrase.units_at(row, least),
        }
    }

    pub(super) fn is_damaged(&self) -> bool {
        match self {
            Self::Term(cursor) => cursor.is_damaged(),
            Self::Phrase(phrase) => phrase.terms.iter().any(|(cursor, _)| cursor.is_damaged()),
        }
    }
}

/// Several terms in one field.
#[derive(Debug)]
pub(super) struct Phrase<'a> {
    /// The rarest first, each with its place in the phrase. All have the weight of the phrase: so each alone is a bound.
    terms: Vec<(Cursor<'a>, u32)>,
    weigh: Weigh<'a>,
    /// Whether the terms must stand at these places, rather than anywhere.
    in_order: bool,
    /// Positions of each term in the record at hand: the next one, and those behind it.
    places: Vec<(Option<u32>, Positions<'a>)>,
}

impl<'a> Phrase<'a> {
    /// `terms` are not empty and the rarest comes first.
    pub(super) fn new(terms: Vec<(Cursor<'a>, u32)>, weigh: Weigh<'a>, in_order: bool) -> Self {
        let places = Vec::with_capacity(terms.len());
        Self { terms, weigh, in_order, places }
    }

    fn scan(&mut self, low: u32, high: u32, least: u32, mut found: impl FnMut(u32, u32)) {
        let mut row = low;
        loop {
            row = self.terms.iter_mut().map(|(cursor, _)| cursor.next_row(row)).max().unwrap_or(NONE);
            if row >= high {
                return;
            }
            match self.units_at(row, least) {
                0 => {}
                units => found(row, units),
            }
            row += 1;
        }
    }

    fn units_at(&mut self, row: u32, least: u32) -> u32 {
        let has_all = self.terms.iter_mut().all(|(cursor, _)| cursor.units_at(row, least) > 0);
        match if has_all { self.count() } else { 0 } {
            0 => 0,
            freq => self.weigh.units(row, freq),
        }
    }

    /// How often the phrase stands in the record that all cursors are at.
    fn count(&mut self) -> u32 {
        if !self.in_order {
            return 1;
        }
        self.places.clear();
        for (cursor, _) in &mut self.terms {
            let mut places = cursor.positions();
            self.places.push((places.next(), places));
        }
        let Some(((first, first_place), rest)) = self
            .places
            .split_first_mut()
            .zip(self.terms.first())
            .map(|((first, rest), (_, place))| ((first, *place), rest))
        else {
            return 0;
        };
        let mut count = 0;
        let mut start = first.0;
        while let Some(position) = start {
            let mut stands = true;
            for ((next, places), (_, place)) in rest.iter_mut().zip(&self.terms[1..]) {
                let wanted = i64::from(position) - i64::from(first_place) + i64::from(*place);
                while next.is_some_and(|next| i64::from(next) < wanted) {
                    *next = places.next();
                }
                match next {
                    None => return count,
                    Some(next) => stands &= i64::from(*next) == wanted,
                }
            }
            count += u32::from(stands);
            start = first.1.next();
        }
        count
    }
}
