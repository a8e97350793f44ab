//! One part from several, without what was deleted: the bytes are those of an index built from the records that are left.

use std::io::Write;

use row_set::RowSet;
use wire::Bytes;

use crate::bm25::{Constants, Saturation};
use crate::dictionary::Keys;
use crate::error::{Error, ErrorKind, Result};
use crate::part::{Columns, Entry, Part, PartRef, Terms, write_buffered, write_in_passes};
use crate::postings::{Cursor, Encoder, NONE, Positions, Weigh};

/// Longer parts together are written in passes, unless more is allowed.
const IN_PASSES: usize = 4 << 20;

/// Writes a part of all records of `parts` that are not deleted, in their order: rows are counted on from part to part.
///
/// Of more than 4 MiB of parts only the postings of one term at a time are in memory, with a piece of their positions, and a bit for each row:
/// they are read once for each section of the new part. Of fewer, the whole new part is.
///
/// The parts must have the same analyzer and positions, and the same fields, or some only the first of those that others have. All their bytes are verified by [`Bytes::check`] before any is used.
pub fn merge<B: Bytes>(parts: &[(&Part<B>, Option<&RowSet>)], out: impl Write) -> Result<()> {
    merge_within(parts, IN_PASSES, out)
}

/// [`merge`] with as many bytes of parts as `in_memory` in the place of 4 MiB: of fewer the whole new part is in memory, and they are read once.
pub fn merge_within<B: Bytes>(
    parts: &[(&Part<B>, Option<&RowSet>)],
    in_memory: usize,
    out: impl Write,
) -> Result<()> {
    let header = |part: &Part<B>| part.as_part_ref().header().clone();
    let most_fields = parts.iter().map(|(part, _)| header(part)).max_by_key(|header| header.fields.len());
    let Some(first) = most_fields else { return Err(Error::invalid("a merge of no parts")) };
    let mut inputs = Vec::with_capacity(parts.len());
    let mut base = 0u32;
    for (part, deleted) in parts {
        let part = part.as_part_ref();
        part.verify_all()?;
        if !part.header().fields.begin(&first.fields) || part.header().analyzer != first.analyzer {
            let message = "parts to be merged differ in their fields, their analyzer or their positions";
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        let live = Live::new(part.header().rows, *deleted);
        let next = base.checked_add(live.count);
        inputs.push(Input { part, live, base });
        base =
            next.ok_or_else(|| Error::invalid("parts of more than 2^32 records in all cannot be merged"))?;
    }
    let columns = MergedColumns::new(&inputs, base, first.fields.len())?;
    if parts.iter().map(|(part, _)| part.len_bytes()).sum::<usize>() <= in_memory {
        return write_buffered(out, first.analyzer, &first.fields, &columns, &mut MergedTerms::new(&inputs)?);
    }
    write_in_passes(out, first.analyzer, &first.fields, &columns, || MergedTerms::new(&inputs))
}

struct Input<'a> {
    part: PartRef<'a>,
    live: Live,
    /// The new row of its first record that is left.
    base: u32,
}

/// Which rows are left, and how many of them lie before each.
struct Live {
    words: Vec<u64>,
    before: Vec<u32>,
    count: u32,
}

impl Live {
    fn new(rows: u32, deleted: Option<&RowSet>) -> Self {
        let mut words = vec![u64::MAX; (rows as usize).div_ceil(64)];
        if let Some(last) = words.last_mut().filter(|_| !rows.is_multiple_of(64)) {
            *last = (1 << (rows % 64)) - 1;
        }
        for row in deleted.into_iter().flatten().take_while(|&row| row < rows) {
            words[row as usize / 64] &= !(1 << (row % 64));
        }
        let mut count = 0;
        let mut before = Vec::with_capacity(words.len());
        for word in &words {
            before.push(count);
            count += word.count_ones();
        }
        Self { words, before, count }
    }

    /// The number of a row among those that are left.
    fn rank(&self, row: u32) -> Option<u32> {
        let word = *self.words.get(row as usize / 64)?;
        let below = word & ((1 << (row % 64)) - 1);
        (word >> (row % 64) & 1 == 1).then(|| self.before[row as usize / 64] + below.count_ones())
    }
}

struct MergedColumns<'a> {
    inputs: &'a [Input<'a>],
    rows: u32,
    tokens: Vec<u64>,
}

impl<'a> MergedColumns<'a> {
    fn new(inputs: &'a [Input<'a>], rows: u32, fields: usize) -> Result<Self> {
        let mut columns = Self { inputs, rows, tokens: Vec::with_capacity(fields) };
        for field in 0..fields {
            let mut tokens = 0;
            columns.each_length(field, &mut |len| tokens += u64::from(len))?;
            columns.tokens.push(tokens);
        }
        Ok(columns)
    }
}

impl Columns for MergedColumns<'_> {
    fn rows(&self) -> u32 {
        self.rows
    }

    fn tokens(&self, field: usize) -> u64 {
        self.tokens[field]
    }

    fn each_length(&self, field: usize, found: &mut dyn FnMut(u32)) -> Result<()> {
        for input in self.inputs {
            if field >= input.part.header().fields.len() {
                (0..input.live.count).for_each(|_| found(0));
                continue;
            }
            let lengths = input.part.lengths(field);
            let rows = 0..input.part.header().rows;
            rows.filter(|&row| input.live.rank(row).is_some()).for_each(|row| found(lengths.get(row)));
        }
        Ok(())
    }
}

/// The terms of all inputs in one order.
struct MergedTerms<'a> {
    inputs: &'a [Input<'a>],
    /// Of each input.
    heads: Vec<Head<'a>>,
    /// How many keys are left at most: a damaged dictionary may go on for ever.
    budget: u64,
    saturation: Saturation,
}

/// How far the terms of an input have been read.
struct Head<'a> {
    keys: Keys<'a>,
    /// The number of the key that `keys` are at; `None` at the end.
    number: Option<u64>,
    /// The postings and positions of the terms before end here, from the beginning of the part on.
    postings_end: usize,
    positions_end: usize,
}

impl<'a> MergedTerms<'a> {
    fn new(inputs: &'a [Input<'a>]) -> Result<Self> {
        let mut heads = Vec::with_capacity(inputs.len());
        let mut budget = 0u64;
        for input in inputs {
            let keys = input.part.keys();
            let mut keys =
                keys.ok_or_else(|| Error::damaged("the dictionary of a lexical part has no root"))?;
            let number = keys.next();
            heads.push(Head { keys, number, postings_end: 0, positions_end: 0 });
            budget = budget.saturating_add(input.part.header().terms);
        }
        Ok(Self { inputs, heads, budget, saturation: Saturation::new(Constants::default(), 0, 0) })
    }

    /// Adds what one input has of the key it is at, and moves it on.
    fn take<L: Write, P: Write>(
        &mut self,
        i: usize,
        number: u64,
        field: usize,
        postings: &mut Encoder<L, P>,
    ) -> Result<()> {
        let (input, head) = (&self.inputs[i], &mut self.heads[i]);
        let header = input.part.header();
        if field >= header.fields.len() {
            return Err(Error::damaged("a term of a lexical part is in a field that it does not have"));
        }
        let lengths = input.part.lengths(field);
        let weigh = Weigh { weight: 1, saturation: &self.saturation, lengths };
        let entry = input.part.entry(number)?;
        let mut cursor = Cursor::new(entry, header.rows, weigh);
        if let Entry::List(list, _) = entry {
            let postings = list.postings_range();
            if postings.start < head.postings_end {
                return Err(of_another());
            }
            head.postings_end = postings.end;
        }
        // Of a short list they may lie behind its postings.
        let elsewhere = input.part.postings_end();
        let mut positions = Positions::none();
        let mut row = 0;
        loop {
            row = cursor.next_row(row);
            if row == NONE {
                break;
            }
            if cursor.seek(row) {
                if cursor.begins_block() {
                    positions = cursor.block_positions();
                    if (elsewhere..head.positions_end).contains(&positions.place()) {
                        return Err(of_another());
                    }
                }
                let freq = cursor.freq();
                match input.live.rank(row) {
                    Some(rank) => {
                        postings.put(input.base + rank, freq, lengths.byte(row))?;
                        if header.fields.has_positions() {
                            copy_positions(&mut positions, freq, postings)?;
                        }
                    }
                    None => positions.pass_over(freq.into()),
                }
            }
            row += 1;
        }
        match positions.place() {
            end if end > elsewhere => head.positions_end = end,
            end => head.postings_end = head.postings_end.max(end),
        }
        if cursor.is_damaged() {
            return Err(Error::damaged(
                "the postings of a lexical part do not hold; rebuild it instead of merging",
            ));
        }
        head.number = head.keys.next();
        self.budget = self.budget.checked_sub(1).ok_or_else(|| {
            Error::damaged("the dictionary of a lexical part has more terms than its header says")
        })?;
        Ok(())
    }
}

impl Terms for MergedTerms<'_> {
    fn next<L: Write, P: Write>(&mut self, key: &mut Vec<u8>, postings: &mut Encoder<L, P>) -> Result<bool> {
        while postings.is_empty() {
            let at_key = self.heads.iter().filter(|head| head.number.is_some()).map(|head| &head.keys.key);
            let Some(least) = at_key.min() else {
                // A dictionary that is given up has said less than it should.
                let is_all = self.budget == 0;
                return if is_all { Ok(false) } else { Err(fewer_terms()) };
            };
            key.clone_from(least);
            let field = usize::from(key.first().copied().unwrap_or(u8::MAX));
            for i in 0..self.inputs.len() {
                let head = &self.heads[i];
                if let Some(number) = head.number.filter(|_| head.keys.key == *key) {
                    self.take(i, number, field, postings)?;
                }
            }
        }
        Ok(true)
    }
}

/// Copies the positions of one text. They follow those of the text before.
fn copy_positions<L: Write, P: Write>(
    positions: &mut Positions<'_>,
    freq: u32,
    postings: &mut Encoder<L, P>,
) -> Result<()> {
    *positions = positions.begin(freq);
    for _ in 0..freq {
        let position = positions.next();
        let position = position.ok_or_else(|| Error::damaged("the positions of a lexical part end early"))?;
        postings.put_position(position)?;
    }
    Ok(())
}

fn of_another() -> Error {
    Error::damaged("the postings of a term of a lexical part are those of another")
}

fn fewer_terms() -> Error {
    Error::damaged("the dictionary of a lexical part has fewer terms than its header says")
}
