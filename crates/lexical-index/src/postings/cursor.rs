//! Going forward through the postings of one term.

use super::BLOCK_LEN;
use super::layout::{BYTES_PER_BIT, List, WIDTHS_LEN, take_posting, unpack, widths};
use super::positions::Positions;
use super::weigh::Weigh;
use crate::bm25::units;
use crate::bytes::Guarded;
use crate::part::Entry;

/// No row: behind the last one.
pub(crate) const NONE: u32 = u32::MAX;

/// A place in a list: in its current block, which holds the first posting that has not been passed.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    weigh: Weigh<'a>,
    source: Source<'a>,
    df: u32,
    /// Number of the current block.
    block: usize,
    /// No posting of the current block, or of one behind it, is in a row before this.
    first: u32,
    /// The last row of the current block; [`NONE`] behind the last block.
    last: u32,
    /// No posting of the list adds more.
    max: u32,
    /// No posting of the current block adds more.
    block_max: u32,
    loaded: bool,
    freqs_loaded: bool,
    /// Of the current block, if it is loaded: so many postings, those before `at` passed.
    count: usize,
    at: usize,
    rows: [u32; BLOCK_LEN],
    freqs: [u32; BLOCK_LEN],
    /// The positions of the current block from those of one of its postings on, as far as they were asked for.
    read: Option<(usize, Positions<'a>)>,
    damaged: bool,
}

#[derive(Debug)]
enum Source<'a> {
    /// Fewer postings than a block has: all loaded.
    Short {
        places: Positions<'a>,
    },
    Blocks {
        list: List<'a>,
        places: Guarded<'a>,
        row_count: u32,
    },
}

impl<'a> Cursor<'a> {
    /// At the beginning of a list of a part with so many rows.
    pub(crate) fn new(entry: Entry<'a>, row_count: u32, weigh: Weigh<'a>) -> Self {
        match entry {
            Entry::Single(row) => {
                let mut cursor = Self::with_source(Source::Short { places: Positions::none() }, 1, weigh);
                (cursor.rows[0], cursor.freqs[0], cursor.count) = (row, 1, 1);
                cursor.set_short();
                cursor
            }
            Entry::List(list, places) if list.is_short() => {
                let mut cursor =
                    Self::with_source(Source::Short { places: Positions::none() }, list.df, weigh);
                cursor.count = list.count(0);
                let end = cursor.load_varints(list.postings(), NONE, row_count.saturating_sub(1));
                match list.short_positions(end, cursor.occurrences(), places) {
                    Some(places) if !cursor.damaged => cursor.source = Source::Short { places },
                    _ => cursor.end_damaged(),
                }
                cursor.set_short();
                cursor
            }
            Entry::List(list, places) => {
                list.verify_skips();
                weigh.lengths.verify_all();
                let mut cursor =
                    Self::with_source(Source::Blocks { list, places, row_count }, list.df, weigh);
                cursor.enter_block(0, 0);
                match list.bound(weigh.saturation) {
                    Some(bound) => cursor.max = units(weigh.weight, bound),
                    None => cursor.end_damaged(),
                }
                cursor
            }
        }
    }

    fn with_source(source: Source<'a>, df: u32, weigh: Weigh<'a>) -> Self {
        Self {
            weigh,
            source,
            df,
            block: 0,
            first: 0,
            last: NONE,
            max: 0,
            block_max: 0,
            loaded: false,
            freqs_loaded: false,
            count: 0,
            at: 0,
            rows: [0; BLOCK_LEN],
            freqs: [0; BLOCK_LEN],
            read: None,
            damaged: false,
        }
    }

    /// All postings are loaded: the bound is what they have.
    fn set_short(&mut self) {
        (self.loaded, self.freqs_loaded) = (true, true);
        self.weigh.lengths.verify(&self.rows[..self.count]);
        self.last = if self.count == 0 { NONE } else { self.rows[self.count - 1] };
        let of_each =
            self.rows[..self.count].iter().zip(&self.freqs).map(|(&row, &freq)| self.weigh.units(row, freq));
        self.max = of_each.max().unwrap_or(0);
        self.block_max = self.max;
    }

    /// How many postings the list has.
    pub(crate) fn df(&self) -> u32 {
        self.df
    }

    /// No posting adds more than this.
    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// At least `k` postings of a list that was not begun add so much or more; 0 where that is not known without reading it.
    pub(crate) fn reached_by(&self, k: usize) -> u32 {
        let mut units: Vec<u32> = match &self.source {
            Source::Short { .. } => {
                let postings = self.rows[..self.count].iter().zip(&self.freqs);
                postings.map(|(&row, &freq)| self.weigh.units(row, freq)).collect()
            }
            // The first impact of a block is that of one of its postings.
            Source::Blocks { list, .. } => {
                let impacts = (0..list.blocks()).map(|block| list.impacts(block));
                impacts
                    .map(|impacts| units(self.weigh.weight, impacts.reached(self.weigh.saturation)))
                    .collect()
            }
        };
        match units.len().checked_sub(k) {
            Some(at) => *units.select_nth_unstable(at).1,
            None => 0,
        }
    }

    /// Whether bytes were met that no writer wrote. The list ends there.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Makes the first block current that reaches to `row` or further.
    #[inline]
    pub(crate) fn shallow_seek(&mut self, row: u32) {
        while self.last < row {
            self.skip_blocks(row);
        }
    }

    fn skip_blocks(&mut self, row: u32) {
        let Source::Blocks { list, .. } = &self.source else { return self.next_block() };
        let list = *list;
        // Steps that double, then halves: near blocks are found soon.
        let mut step = 1;
        let mut low = self.block;
        while low + step < list.blocks() && list.last_row(low + step) < row {
            low += step;
            step *= 2;
        }
        let mut high = list.blocks().min(low + step);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if list.last_row(middle) < row {
                low = middle;
            } else {
                high = middle;
            }
        }
        let first = list.last_row(low).saturating_add(1).max(self.first);
        self.enter_block(high, first);
    }

    /// Makes this block current, without loading it.
    fn enter_block(&mut self, block: usize, first: u32) {
        let Source::Blocks { list, .. } = &self.source else { return };
        (self.block, self.first, self.loaded, self.freqs_loaded, self.at) = (block, first, false, false, 0);
        self.read = None;
        if block >= list.blocks() {
            self.last = NONE;
            (self.count, self.loaded) = (0, true);
            return;
        }
        self.last = list.last_row(block);
        self.block_max = units(self.weigh.weight, list.impacts(block).bound(self.weigh.saturation));
    }

    fn next_block(&mut self) {
        match &self.source {
            Source::Short { .. } => {
                (self.first, self.last, self.count, self.at) = (NONE, NONE, 0, 0);
                self.read = None;
            }
            Source::Blocks { .. } => {
                let first = self.last.saturating_add(1).max(self.first);
                self.enter_block(self.block + 1, first);
            }
        }
    }

    fn end_damaged(&mut self) {
        self.damaged = true;
        (self.first, self.last, self.count, self.at, self.loaded, self.freqs_loaded) =
            (NONE, NONE, 0, 0, true, true);
        self.read = None;
        self.source = Source::Short { places: Positions::none() };
    }

    /// Loads the rows of the current block.
    #[inline]
    fn load(&mut self) {
        if !self.loaded {
            self.load_block();
        }
    }

    fn load_block(&mut self) {
        let Source::Blocks { list, row_count, .. } = &self.source else { return };
        let (list, row_count) = (*list, *row_count);
        let before = if self.block == 0 { NONE } else { list.last_row(self.block - 1) };
        self.count = list.count(self.block);
        (self.at, self.loaded) = (0, true);
        let Some(bytes) = list.block(self.block).filter(|_| self.last < row_count) else {
            return self.end_damaged();
        };
        if self.count < BLOCK_LEN {
            self.load_varints(bytes, before, self.last);
        } else if self.load_gaps(bytes, before).is_none() {
            self.end_damaged();
        }
    }

    fn load_gaps(&mut self, bytes: &[u8], before: u32) -> Option<()> {
        let (width, _) = widths(bytes)?;
        unpack(bytes.get(WIDTHS_LEN..)?, width, &mut self.rows)?;
        // The sum in 64 bits being right, none of the sums below wraps, and rows ascend.
        let sum: u64 = self.rows.iter().map(|&gap| u64::from(gap)).sum();
        if sum + BLOCK_LEN as u64 + u64::from(before.wrapping_add(1)) != u64::from(self.last) + 1 {
            return None;
        }
        let mut row = before;
        for gap in &mut self.rows {
            row = row.wrapping_add(*gap).wrapping_add(1);
            *gap = row;
        }
        Some(())
    }

    /// Loads postings that follow `before`; returns where they end.
    fn load_varints(&mut self, bytes: &[u8], mut before: u32, last: u32) -> usize {
        let mut at = 0;
        for i in 0..self.count {
            let Some((row, freq)) = take_posting(bytes, &mut at, before, last) else {
                self.end_damaged();
                break;
            };
            (self.rows[i], self.freqs[i]) = (row, freq);
            before = row;
        }
        self.freqs_loaded = true;
        at
    }

    /// How often the term is in the texts of the current block, all of which is loaded.
    fn occurrences(&self) -> u64 {
        self.freqs[..self.count].iter().map(|&freq| u64::from(freq)).sum()
    }

    /// Loads the frequencies of the current block, whose rows are loaded. `true`: all are 1.
    #[inline]
    fn load_freqs(&mut self) -> bool {
        if self.freqs_loaded {
            return false;
        }
        self.load_block_freqs()
    }

    fn load_block_freqs(&mut self) -> bool {
        let Source::Blocks { list, .. } = &self.source else { return false };
        let packed = list.block(self.block).and_then(|bytes| {
            let (gaps, freqs) = widths(bytes)?;
            Some((freqs, bytes.get(WIDTHS_LEN + usize::from(gaps) * BYTES_PER_BIT..)?))
        });
        match packed {
            Some((0, _)) => return true,
            Some((width, bytes)) if unpack(bytes, width, &mut self.freqs).is_some() => {
                for freq in &mut self.freqs {
                    *freq = freq.saturating_add(1);
                }
                self.freqs_loaded = true;
            }
            _ => self.end_damaged(),
        }
        false
    }

    /// A row not above that of the first posting from `row` on; [`NONE`] if there is no such posting.
    #[inline]
    pub(crate) fn next_row(&mut self, row: u32) -> u32 {
        self.shallow_seek(row);
        if self.last == NONE {
            return NONE;
        }
        if !self.loaded {
            return self.first.max(row);
        }
        self.pass(row);
        self.rows[..self.count].get(self.at).copied().unwrap_or(NONE)
    }

    /// Passes over the postings before `row` in the current block, which is loaded.
    #[inline]
    fn pass(&mut self, row: u32) {
        let rest = &self.rows[self.at..self.count];
        if rest.first().is_some_and(|&first| first < row) {
            self.at += rest.partition_point(|&other| other < row);
        }
    }

    /// No posting in rows from `low` to before `high` adds more than this; 0 if there is none.
    pub(crate) fn max_within(&mut self, low: u32, high: u32) -> u32 {
        if self.next_row(low) >= high {
            return 0;
        }
        let Source::Blocks { list, .. } = &self.source else { return self.max };
        let mut max = self.block_max;
        let (mut block, mut last) = (self.block, self.last);
        while last < high - 1 && block + 1 < list.blocks() && max < self.max {
            block += 1;
            max = max.max(units(self.weigh.weight, list.impacts(block).bound(self.weigh.saturation)));
            last = list.last_row(block);
        }
        max
    }

    /// Calls `found` with row and units of every posting in rows from `low` to before `high`, without those of blocks in which none
    /// adds more than `least`.
    #[inline]
    pub(crate) fn scan(&mut self, low: u32, high: u32, least: u32, mut found: impl FnMut(u32, u32)) {
        self.shallow_seek(low);
        while self.last != NONE && self.first < high {
            if self.block_max > least {
                self.load();
                self.pass(low);
                let once = self.load_freqs();
                let end = self.at + self.rows[self.at..self.count].partition_point(|&row| row < high);
                let rows = &self.rows[self.at..end];
                if once {
                    for &row in rows {
                        found(row, self.weigh.units_once(row));
                    }
                } else {
                    let freqs = &self.freqs[self.at..end];
                    for (&row, &freq) in rows.iter().zip(freqs) {
                        found(row, self.weigh.units(row, freq));
                    }
                }
                self.at = end;
            }
            if self.last >= high - 1 {
                break;
            }
            self.next_block();
        }
    }

    /// What the posting in `row` adds; 0 if there is none, or if all of its block add no more than `least`.
    #[inline]
    pub(crate) fn units_at(&mut self, row: u32, least: u32) -> u32 {
        self.shallow_seek(row);
        if self.first > row || self.block_max <= least || !self.seek(row) {
            return 0;
        }
        match self.freq() {
            0 => 0,
            freq => self.weigh.units(row, freq),
        }
    }

    /// Goes to `row`; whether there is a posting.
    #[inline]
    pub(crate) fn seek(&mut self, row: u32) -> bool {
        self.shallow_seek(row);
        if self.last == NONE || self.first > row {
            return false;
        }
        self.load();
        self.pass(row);
        self.rows[..self.count].get(self.at) == Some(&row)
    }

    /// The frequency of the posting that [`seek`](Self::seek) went to; 0 if it cannot be read.
    #[inline]
    pub(crate) fn freq(&mut self) -> u32 {
        if self.load_freqs() {
            return 1;
        }
        self.freqs[..self.count].get(self.at).copied().unwrap_or(0)
    }

    /// Whether [`seek`](Self::seek) went to the first posting of a block.
    pub(crate) fn begins_block(&self) -> bool {
        self.at == 0
    }

    /// The positions of all postings of the current block, from its beginning on; none where none are kept.
    pub(crate) fn block_positions(&mut self) -> Positions<'a> {
        let once = self.load_freqs();
        match &self.source {
            Source::Short { places } => *places,
            Source::Blocks { list, places, .. } => {
                let count = if once { self.count as u64 } else { self.occurrences() };
                list.block_positions(self.block, count, *places).unwrap_or_else(Positions::none)
            }
        }
    }

    /// The positions of the posting that [`seek`](Self::seek) went to; none where none are kept.
    pub(crate) fn positions(&mut self) -> Positions<'a> {
        let (passed, mut positions) = self.read.unwrap_or_else(|| (0, self.block_positions()));
        let (between, freq) = if self.load_freqs() {
            ((self.at - passed) as u64, 1)
        } else {
            let between = self.freqs[passed..self.at].iter().map(|&freq| u64::from(freq)).sum();
            (between, self.freqs[..self.count].get(self.at).copied().unwrap_or(0))
        };
        positions.pass_over(between);
        self.read = Some((self.at, positions));
        positions.begin(freq)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Impacts, Kept, Skip, pack};
    use super::*;
    use crate::bm25::{Constants, Saturation};
    use crate::lengths::Lengths;
    use wire::put_varint;

    const ROWS: u32 = 300;

    /// The rows of a list of one block with these gaps, said to end in the last row; and whether it was found damaged.
    fn rows_of(gaps: &[u32; BLOCK_LEN]) -> (Vec<u32>, bool) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, BLOCK_LEN as u64);
        let skip = Skip { last_row: ROWS - 1, end: 2 + 512, impacts: Impacts([1, 1, 1, 1]), positions: 0 };
        skip.encode(false, &mut bytes);
        bytes.extend([32, 0]);
        pack(gaps, 32, &mut bytes);
        let saturation = Saturation::new(Constants::default(), 1, 1);
        let lengths = Lengths { bytes: Guarded::plain(&[1; ROWS as usize]), long: Guarded::plain(&[]) };
        let weigh = Weigh { weight: 1 << 20, saturation: &saturation, lengths };
        let list = List::new(Guarded::plain(&bytes), Kept::No, ROWS).unwrap();
        let mut cursor = Cursor::new(Entry::List(list, Guarded::plain(&[])), ROWS, weigh);
        let mut rows = Vec::new();
        cursor.scan(0, ROWS, 0, |row, _| rows.push(row));
        (rows, cursor.is_damaged())
    }

    #[test]
    fn a_block_whose_rows_do_not_end_where_its_skip_entry_says_is_damaged() {
        let mut gaps = [0; BLOCK_LEN];
        gaps[0] = ROWS - 128;
        assert_eq!(rows_of(&gaps), ((ROWS - 128..ROWS).collect(), false));
        gaps[0] -= 1;
        assert_eq!(rows_of(&gaps), (vec![], true), "ends early");
        gaps[0] += 5;
        gaps[1] = u32::MAX - 3;
        assert_eq!(rows_of(&gaps), (vec![], true), "goes back, and wraps into the right end");
    }
}
