//! Several words in one field of one segment: a phrase, words near each other, or just all of them.

use super::plan::{Order, Slot};
use super::stop::Stop;
use crate::postings::{Cursor, NONE, Weigh};

#[derive(Debug)]
pub(super) struct Phrase<'a> {
    /// In the order of their places. All have the weight of the phrase: so each alone is a bound.
    words: Vec<Word<'a>>,
    /// The number of the rarest.
    rarest: usize,
    /// Of each word the one before it, if any, that the same places could be of.
    repeats: Vec<Option<usize>>,
    /// Of each word the first with the same terms: its positions are those of both.
    readers: Vec<usize>,
    /// Different terms of the part have no more positions together.
    most_positions: u64,
    is_damaged: bool,
    stop: &'a Stop<'a>,
    weigh: Weigh<'a>,
    order: Order,
}

/// A word of a phrase: any of its terms.
#[derive(Debug)]
pub(super) struct Word<'a> {
    cursors: Vec<Cursor<'a>>,
    place: i64,
    /// Where it stands in the record at hand, ascending.
    positions: Vec<i64>,
    /// Which of them was chosen last.
    chosen: i64,
    /// How many are before all that is still looked for in the record at hand, and how many are not behind it.
    begun: usize,
    within: usize,
}

impl<'a> Word<'a> {
    /// `cursors` are not empty.
    pub(super) fn new(cursors: Vec<Cursor<'a>>, place: u32) -> Self {
        Self { cursors, place: i64::from(place), positions: Vec::new(), chosen: 0, begun: 0, within: 0 }
    }

    fn cost(&self) -> u64 {
        self.cursors.iter().map(|cursor| u64::from(cursor.df())).sum()
    }

    /// A bound from those of the terms: frequencies add up, but what they give does not grow faster. Each is rounded down by less than 1.
    fn bound(&self, weight: u32, maxima: impl Iterator<Item = u32>) -> u32 {
        let sum = maxima.fold(0, u32::saturating_add);
        match (sum, self.cursors.len()) {
            (0, _) | (_, 1) => sum,
            (_, count) => sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)).min(weight),
        }
    }

    fn next_row(&mut self, row: u32) -> u32 {
        self.cursors.iter_mut().map(|cursor| cursor.next_row(row)).min().unwrap_or(NONE)
    }

    /// Whether a record has it; it may say no where all give at most `least`.
    fn is_in(&mut self, row: u32, least: u32) -> bool {
        match self.cursors.as_mut_slice() {
            [only] => only.units_at(row, least) > 0,
            several => {
                let mut found = false;
                for cursor in several {
                    found |= cursor.units_at(row, 0) > 0; // each has to come to this row
                }
                found
            }
        }
    }

    /// Ends it: no further record has it.
    fn end(&mut self) {
        self.cursors.clear();
        self.positions.clear();
    }

    /// Reads where it stands in a record that has it.
    fn read_positions(&mut self, row: u32) {
        self.positions.clear();
        for cursor in &mut self.cursors {
            if cursor.seek(row) {
                let mut places = cursor.positions();
                self.positions.extend(std::iter::from_fn(|| places.next()).map(i64::from));
            }
        }
        if self.cursors.len() > 1 {
            self.positions.sort_unstable();
            self.positions.dedup();
        }
    }
}

impl<'a> Phrase<'a> {
    /// `words` are not empty; they are those of `slots`.
    pub(super) fn new(
        words: Vec<Word<'a>>,
        slots: &[Slot],
        (most_positions, stop): (u64, &'a Stop<'a>),
        weigh: Weigh<'a>,
        order: Order,
    ) -> Self {
        let rarest = (0..words.len()).min_by_key(|&word| words[word].cost()).unwrap_or(0);
        let shares = |a: &Slot, b: &Slot| a.terms.iter().any(|term| b.terms.contains(term));
        let before = |at: usize| (0..at).rev().find(|&before| shares(&slots[before], &slots[at]));
        let repeats: Vec<Option<usize>> = (0..slots.len()).map(before).collect();
        let mut readers = Vec::with_capacity(slots.len());
        for (at, before) in repeats.iter().enumerate() {
            let same = before.filter(|&before| slots[before].terms == slots[at].terms);
            readers.push(same.map_or(at, |before| readers[before]));
        }
        Self { words, rarest, repeats, readers, most_positions, is_damaged: false, stop, weigh, order }
    }

    pub(super) fn cost(&self) -> u64 {
        self.words[self.rarest].cost()
    }

    pub(super) fn max(&self) -> u32 {
        let max = |word: &Word<'_>| word.bound(self.weigh.weight, word.cursors.iter().map(Cursor::max));
        self.words.iter().map(max).min().unwrap_or(0)
    }

    pub(super) fn max_within(&mut self, low: u32, high: u32) -> u32 {
        let mut least = u32::MAX;
        for word in &mut self.words {
            let sum = word
                .cursors
                .iter_mut()
                .map(|cursor| cursor.max_within(low, high))
                .fold(0, u32::saturating_add);
            least = least.min(word.bound(self.weigh.weight, std::iter::once(sum)));
        }
        least
    }

    pub(super) fn next_row(&mut self, row: u32) -> u32 {
        self.words.iter_mut().map(|word| word.next_row(row)).max().unwrap_or(NONE)
    }

    pub(super) fn units_at(&mut self, row: u32, least: u32) -> u32 {
        let rarest = self.rarest;
        let has_all = self.words[rarest].is_in(row, least)
            && self.words.iter_mut().enumerate().all(|(i, word)| i == rarest || word.is_in(row, least));
        match if has_all { self.count(row) } else { 0 } {
            0 => 0,
            freq => self.weigh.units(row, freq),
        }
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.is_damaged || self.words.iter().flat_map(|word| &word.cursors).any(Cursor::is_damaged)
    }

    /// How often it stands in a record that has all words: never more often than any of them.
    fn count(&mut self, row: u32) -> u32 {
        if self.order == Order::Anywhere {
            return 1;
        }
        self.read_positions(row);
        let count = match self.order {
            Order::Near(slop @ 1..) => self.count_near(i64::from(slop)),
            _ => self.count_phrases(),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Reads where all words stand in a record. Where terms share their positions, that is damage, and the phrase ends.
    fn read_positions(&mut self, row: u32) {
        let mut of_different = 0;
        for at in 0..self.words.len() {
            (self.words[at].begun, self.words[at].within) = (0, 0);
            if self.readers[at] != at {
                continue;
            }
            self.words[at].read_positions(row);
            if self.stop.after(self.words[at].positions.len()) {
                return;
            }
            if self.repeats[at].is_none() {
                of_different += self.words[at].positions.len() as u64;
            }
            if of_different > self.most_positions {
                self.is_damaged = true;
                self.words.iter_mut().for_each(Word::end);
            }
        }
    }

    /// Where a word stands in the record at hand, ascending.
    fn positions(&self, word: usize) -> &[i64] {
        &self.words[self.readers[word]].positions
    }

    fn count_phrases(&mut self) -> usize {
        let (rarest, words) = (self.rarest, self.words.len());
        let starts = self.positions(rarest).len();
        let stands = |&start: &usize| {
            let base = self.positions(rarest)[start] - self.words[rarest].place;
            !self.stop.after(words)
                && (0..words).all(|at| {
                    let place = base + self.words[at].place;
                    let begun = first_from(self.positions(at), self.words[at].begun, place);
                    self.words[at].begun = begun;
                    self.positions(at).get(begun) == Some(&place)
                })
        };
        (0..starts).filter(stands).count()
    }

    /// The places of the first word that have all others near, but at most as many as any word has.
    fn count_near(&mut self, slop: i64) -> usize {
        let starts = self.positions(0).len();
        let count = (0..starts).filter(|&at| self.is_near(self.positions(0)[at], slop)).count();
        (0..self.words.len()).map(|word| self.positions(word).len()).fold(count, usize::min)
    }

    /// Whether the others stand near a place of the first word: none of them more than some shift before where it stands in the phrase, nor more than what is left
    /// of `slop` behind. Only shifts are tried that may do.
    fn is_near(&mut self, start: i64, slop: i64) -> bool {
        let Some((mut shift, last)) = self.shifts(start, slop) else { return false };
        while shift <= last && !self.stop.after(self.words.len()) {
            match self.fits(start, shift, slop) {
                Ok(()) => return true,
                Err(next) => shift = next,
            }
        }
        false
    }

    /// The least and the greatest shift at which each of the others alone, behind those that are the same word, could stand near enough; the least of 0 to `slop` that any
    /// place of it allows, and the greatest that the first place of it allows that any shift lets it have.
    fn shifts(&mut self, start: i64, slop: i64) -> Option<(i64, i64)> {
        if self.stop.after(self.words.len()) {
            return None;
        }
        let base = start - self.words[0].place;
        let (mut least, mut greatest) = (0, slop);
        self.words[0].chosen = start;
        for at in 1..self.words.len() {
            let stands_at = base + self.words[at].place;
            let low = self.low(at, stands_at - slop);
            let (positions, word) = (self.positions(at), &self.words[at]);
            // What is looked for lies the farther back the farther back the first word does.
            let begun = first_from(positions, word.begun, low);
            let within = first_from(positions, word.within, stands_at + slop + 1);
            let first = *positions.get(begun)?;
            let last = within.checked_sub(1).map_or(first, |last| positions[last]);
            greatest = greatest.min(stands_at + slop - first);
            least = least.max(stands_at - last);
            if least > greatest {
                return None;
            }
            let word = &mut self.words[at];
            (word.chosen, word.begun, word.within) = (first, begun, within);
        }
        Some((least, greatest))
    }

    /// Where a word stands at the earliest: not before `low`, and behind the one before it that the same places could be of.
    fn low(&self, at: usize, low: i64) -> i64 {
        self.repeats[at].map_or(low, |before| low.max(self.words[before].chosen + 1))
    }

    /// Whether the others stand near a place of the first word with this shift; if not, the next one that may do.
    fn fits(&mut self, start: i64, shift: i64, slop: i64) -> std::result::Result<(), i64> {
        let base = start - self.words[0].place - shift;
        self.words[0].chosen = start;
        for at in 1..self.words.len() {
            let free = base + self.words[at].place;
            let low = self.low(at, free);
            let positions = self.positions(at);
            let first = first_from(positions, self.words[at].begun, low);
            match positions.get(first).copied().filter(|&position| position <= free + slop) {
                Some(position) => self.words[at].chosen = position,
                None if low > free => return Err(shift + 1),
                // It has to go back as far as where it stands before.
                None => {
                    return Err(first
                        .checked_sub(1)
                        .map_or(slop + 1, |before| shift + free - positions[before]));
                }
            }
        }
        Ok(())
    }
}

/// The first place that is at least `least`, which is not before `from`: looked for in steps that grow.
fn first_from(positions: &[i64], from: usize, least: i64) -> usize {
    let (mut low, mut step) = (from, 1);
    while positions.get(low + step - 1).is_some_and(|&position| position < least) {
        low += step;
        step *= 2;
    }
    let high = positions.len().min(low + step - 1);
    low + positions[low..high].partition_point(|&position| position < least)
}
