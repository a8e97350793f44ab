//! Adding records, and writing them as a part.

use std::collections::TryReserveError;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::chain::ChainReader;
use super::places::PlaceTable;
use super::term::{List, Occurrences, Term};
use crate::analyzer::{Analyzer, Scratch};
use crate::bm25::LONG;
use crate::error::{Error, ErrorKind, Result};
use crate::part::layout::MAX_TEXT;
use crate::part::{self, Fields};
use crate::postings::Encoder;
use crate::query::MAX_SLOP;

/// A pool longer than this takes no more records. One record can make it grow by twice its length, for chunks that follow full
/// ones, and by 16 bytes for each byte of text; so a `u32` is always a place in it.
const MAX_POOL: usize = 1 << 30;
/// Counting a token makes its chains longer by less: by a chunk each.
const MAX_GROWN: usize = 8 << 10;
/// With more heap than this an index is written in passes.
const IN_PASSES: usize = 64 << 20;

/// An index in memory: records are added, and [`write`](Self::write) makes a part of them, which can be searched.
///
/// Its rows count from 0 in the order of adding. Above 1 GiB it is full ([`ErrorKind::Full`]); a record has at most
/// 64 MiB of text.
///
/// A term takes about 40 bytes of heap and its own length, one that occurs again 52 more and its postings, and [`write`](Self::write)
/// 16: of texts in which no word of eight letters occurs twice, seven times their length.
#[derive(Debug)]
pub struct MemoryIndex {
    analyzer: Arc<Analyzer>,
    fields: Fields,
    columns: Vec<Column>,
    rows: u32,
    /// So that nobody can choose words of one hash.
    hash_seed: u64,
    /// Places in `terms`.
    table: PlaceTable,
    terms: Vec<Term>,
    /// Those of terms that occur more than once.
    lists: Vec<List>,
    /// The bytes of all terms.
    keys: Vec<u8>,
    /// The chains of all terms.
    pool: Vec<u8>,
    scratch: Scratch,
}

/// The lengths of one field.
#[derive(Debug, Default)]
struct Column {
    bytes: Vec<u8>,
    long: Vec<(u32, u32)>,
    tokens: u64,
}

impl MemoryIndex {
    /// An empty index of texts in these fields, which are numbered in this order. With `positions`, phrases can be
    /// searched; that about doubles the size.
    pub fn new(analyzer: Arc<Analyzer>, fields: &[&str], positions: bool) -> Result<Self> {
        let fields = Fields::new(fields, positions)?;
        let columns = fields.names().map(|_| Column::default()).collect();
        let scratch = analyzer.scratch();
        Ok(Self {
            analyzer,
            fields,
            columns,
            rows: 0,
            hash_seed: RandomState::new().hash_one(0),
            table: PlaceTable::default(),
            terms: Vec::new(),
            lists: Vec::new(),
            keys: Vec::new(),
            pool: Vec::new(),
            scratch,
        })
    }

    /// Adds a record and returns its row. A field may come several times, or not at all; no phrase spans two texts,
    /// and no words of two are near each other.
    ///
    /// After an error of kind [`ErrorKind::OutOfMemory`] a part of its words may be counted, and the index is of no more use.
    pub fn add(&mut self, texts: &[(usize, &str)]) -> Result<u32> {
        self.check_room(texts)?;
        let row = self.rows;
        let mut counted = Ok(());
        for column in &mut self.columns {
            column.bytes.push(0);
        }
        let (analyzer, mut scratch) = (Arc::clone(&self.analyzer), std::mem::take(&mut self.scratch));
        for (i, &(field, text)) in texts.iter().enumerate() {
            let earlier = texts[..i].iter().filter(|&&(other, _)| other == field);
            // As far apart as no words of a query may be.
            let start = earlier.map(|(_, text)| text.len() + 1 + MAX_SLOP as usize).sum::<usize>();
            let start = u32::try_from(start).unwrap_or(u32::MAX);
            let (mut tokens, mut last) = (0, None);
            analyzer.each_token_in(text, &mut scratch, |term, _, position| {
                tokens += u32::from(last.replace(position) != Some(position));
                if counted.is_ok() {
                    counted = self.count(field, term.as_bytes(), row, start.saturating_add(position));
                }
            });
            self.columns[field].add(row, tokens);
        }
        self.scratch = scratch;
        counted.map_err(|_| Error::out_of_memory("the words of more records; write the index in pieces"))?;
        self.rows += 1;
        Ok(row)
    }

    /// Writes everything as a part. A large one is not gathered in memory before, but made in several passes.
    pub fn write(&self, out: impl Write) -> Result<()> {
        Self::write_together(std::slice::from_ref(self), out)
    }

    /// Writes several indexes as the part that one of all their records would be: the rows of each come behind those of the one before. So threads can divide among themselves
    /// what it costs to find the words of many texts.
    ///
    /// Fails unless there is one, all have the same fields and analyzers that make the same of a text, and a part can have so many rows.
    pub fn write_together(indexes: &[Self], out: impl Write) -> Result<()> {
        let together = Together(indexes);
        let (first, identity) = together.check()?;
        let orders: Result<Vec<_>, TryReserveError> = indexes.iter().map(Self::order).collect();
        let orders = orders.map_err(|_| Error::out_of_memory("the order of all words"))?;
        let sorted = || Sorted::new(indexes, &orders);
        if indexes.iter().map(Self::memory_bytes).sum::<usize>() > IN_PASSES {
            return part::write_in_passes(out, identity, &first.fields, &together, || Ok(sorted()));
        }
        part::write_buffered(out, identity, &first.fields, &together, &mut sorted())
    }

    /// How many records there are.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Heap in bytes.
    pub fn memory_bytes(&self) -> usize {
        let columns = |c: &Column| c.bytes.capacity() + c.long.capacity() * size_of::<(u32, u32)>();
        self.table.memory_bytes()
            + self.terms.capacity() * size_of::<Term>()
            + self.lists.capacity() * size_of::<List>()
            + self.keys.capacity()
            + self.pool.capacity()
            + self.scratch.memory_bytes()
            + self.columns.iter().map(columns).sum::<usize>()
    }

    /// Its analyzer.
    pub fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    fn list(&self, place: u32) -> MemoryList<'_> {
        let term = self.terms[place as usize];
        MemoryList { index: self, term, occurrences: term.occurrences(&self.lists) }
    }

    fn check_room(&self, texts: &[(usize, &str)]) -> Result<()> {
        if let Some((field, _)) = texts.iter().find(|&&(field, _)| field >= self.columns.len()) {
            let message = format!("there is no field {field}; this index has {}", self.columns.len());
            return Err(Error::new(ErrorKind::NoSuchField, message));
        }
        let len = texts.iter().fold(0usize, |len, (_, text)| len.saturating_add(text.len()));
        if len > MAX_TEXT {
            return Err(Error::invalid(format!(
                "a record of {len} bytes of text; at most {MAX_TEXT} are indexed"
            )));
        }
        if self.rows == u32::MAX || self.pool.len().max(self.keys.len()) > MAX_POOL {
            return Err(Error::new(
                ErrorKind::Full,
                "the index in memory is full: write it as a part, begin another",
            ));
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self, field: usize, key: &[u8], row: u32, position: u32) -> Result<(), TryReserveError> {
        let Ok(field) = u8::try_from(field) else { return Ok(()) };
        #[expect(clippy::cast_possible_truncation, reason = "32 bits of it are enough")]
        let hash = xxh3_64_with_seed(key, self.hash_seed ^ u64::from(field)) as u32;
        let found = self.table.find(hash, |place| {
            let term = &self.terms[place as usize];
            term.field == field && term.key(&self.keys) == key
        });
        let Some(place) = found else { return self.insert(hash, field, key, (row, position)) };
        let (keep, Self { terms, lists, pool, .. }) = (self.fields.has_positions(), self);
        lists.try_reserve(1)?;
        pool.try_reserve(MAX_GROWN)?;
        terms[place as usize].count(row, position, keep, lists, pool);
        Ok(())
    }

    fn insert(
        &mut self,
        hash: u32,
        field: u8,
        key: &[u8],
        (row, position): (u32, u32),
    ) -> Result<(), TryReserveError> {
        self.keys.try_reserve(key.len())?;
        self.terms.try_reserve(1)?;
        let place = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        let start = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.extend_from_slice(key);
        let len = u8::try_from(key.len()).unwrap_or(u8::MAX);
        self.terms.push(Term::new(start, len, field, row, position));
        self.table.insert(hash, place)
    }

    /// The places of all terms in the order of the dictionary.
    fn order(&self) -> Result<Vec<(u64, u32)>, TryReserveError> {
        let beginning = |place: u32| {
            let term = &self.terms[place as usize];
            let key = term.key(&self.keys);
            let mut bytes = [0; 8];
            let len = key.len().min(7);
            bytes[0] = term.field;
            bytes[1..=len].copy_from_slice(&key[..len]);
            u64::from_le_bytes(bytes).swap_bytes()
        };
        let mut order: Vec<(u64, u32)> = Vec::new();
        order.try_reserve_exact(self.terms.len())?;
        order.extend((0..).take(self.terms.len()).map(|place| (beginning(place), place)));
        order.sort_unstable_by(|a, b| {
            let key = |place: u32| self.terms[place as usize].key(&self.keys);
            a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1)))
        });
        Ok(order)
    }

    #[cfg(test)]
    pub(crate) fn map_lengths(&mut self, map: impl Fn(u32) -> u32) {
        for column in &mut self.columns {
            let all: Vec<u32> = (0..self.rows).map(|row| column.len(row)).collect();
            let tokens = column.tokens;
            (column.bytes, column.long) = (vec![0; all.len()], Vec::new());
            for (row, len) in (0..).zip(all) {
                column.set(row, map(len));
            }
            column.tokens = tokens;
        }
    }
}

impl Drop for MemoryIndex {
    fn drop(&mut self) {
        self.analyzer.give_back(std::mem::take(&mut self.scratch));
    }
}

impl Column {
    /// Adds tokens to the newest row.
    fn add(&mut self, row: u32, tokens: u32) {
        self.tokens += u64::from(tokens);
        self.set(row, self.len(row).saturating_add(tokens));
    }

    /// How many tokens the text of a row has.
    fn len(&self, row: u32) -> u32 {
        match self.bytes[row as usize] {
            LONG => {
                let found = self.long.binary_search_by_key(&row, |&(long, _)| long);
                found.map_or(u32::from(LONG), |at| self.long[at].1)
            }
            byte => u32::from(byte),
        }
    }

    fn set(&mut self, row: u32, len: u32) {
        let byte = u8::try_from(len).unwrap_or(LONG);
        self.bytes[row as usize] = byte;
        if byte == LONG {
            self.long.pop_if(|&mut (long, _)| long == row);
            self.long.push((row, len));
        }
    }
}

/// The list of one term in memory.
#[derive(Debug, Clone, Copy)]
struct MemoryList<'a> {
    index: &'a MemoryIndex,
    term: Term,
    occurrences: Occurrences,
}

impl<'a> MemoryList<'a> {
    fn reader(&self) -> MemoryReader<'a> {
        let (chain, newest) = self.occurrences.postings(&self.index.pool);
        MemoryReader { chain, newest: Some(newest), before: u32::MAX }
    }

    fn positions(&self) -> ChainReader<'a> {
        self.occurrences.positions(&self.index.pool)
    }
}

/// Its postings, in the order of their rows.
#[derive(Debug, Clone)]
struct MemoryReader<'a> {
    chain: ChainReader<'a>,
    newest: Option<(u32, u32)>,
    before: u32,
}

impl Iterator for MemoryReader<'_> {
    type Item = (u32, u32);

    #[inline]
    fn next(&mut self) -> Option<(u32, u32)> {
        let Some(word) = self.chain.varint() else { return self.newest.take() };
        let row = self.before.wrapping_add(1).wrapping_add(u32::try_from(word >> 1).ok()?);
        self.before = row;
        let freq =
            if word & 1 == 0 { 1 } else { u32::try_from(self.chain.varint()?).ok()?.saturating_add(2) };
        Some((row, freq))
    }
}

/// All terms of some indexes with their postings, in the order of the dictionary.
struct Sorted<'a>(Vec<Source<'a>>);

/// What is left of one of them.
struct Source<'a> {
    index: &'a MemoryIndex,
    /// The row of its first record.
    first_row: u32,
    order: &'a [(u64, u32)],
}

impl<'a> Sorted<'a> {
    fn new(indexes: &'a [MemoryIndex], orders: &'a [Vec<(u64, u32)>]) -> Self {
        let mut first_row = 0;
        let sources = indexes.iter().zip(orders).map(|(index, order)| {
            let source = Source { index, first_row, order };
            first_row += index.rows;
            source
        });
        Self(sources.collect())
    }
}

impl<'a> Source<'a> {
    /// Its next term: how the order is made of it, and its bytes.
    fn next(&self) -> Option<(u64, &'a [u8])> {
        let &(beginning, place) = self.order.first()?;
        Some((beginning, self.index.terms[place as usize].key(&self.index.keys)))
    }

    /// Puts the postings of its next term.
    fn put<L: Write, P: Write>(&mut self, postings: &mut Encoder<L, P>) -> Result<()> {
        let Some((&(_, place), rest)) = self.order.split_first() else { return Ok(()) };
        self.order = rest;
        let list = self.index.list(place);
        let column = &self.index.columns[usize::from(list.term.field)];
        let mut positions = list.positions();
        for (row, freq) in list.reader() {
            postings.put(self.first_row + row, freq, column.bytes[row as usize])?;
            if self.index.fields.has_positions() {
                let mut position = 0u32;
                for _ in 0..freq {
                    let distance = positions.varint().and_then(|value| u32::try_from(value).ok());
                    position = position.saturating_add(distance.unwrap_or(0));
                    postings.put_position(position)?;
                }
            }
        }
        Ok(())
    }
}

impl part::Terms for Sorted<'_> {
    fn next<L: Write, P: Write>(&mut self, key: &mut Vec<u8>, postings: &mut Encoder<L, P>) -> Result<bool> {
        let Some(least) = self.0.iter().filter_map(Source::next).min() else { return Ok(false) };
        let [field, ..] = least.0.swap_bytes().to_le_bytes();
        key.clear();
        key.push(field);
        key.extend_from_slice(least.1);
        for source in self.0.iter_mut().filter(|source| source.next() == Some(least)) {
            source.put(postings)?;
        }
        Ok(true)
    }
}

/// Some indexes as one.
struct Together<'a>(&'a [MemoryIndex]);

impl<'a> Together<'a> {
    /// The first of them, and what the analyzer is, if they can be one.
    fn check(&self) -> Result<(&'a MemoryIndex, [u8; 8])> {
        let Some((first, others)) = self.0.split_first() else {
            return Err(Error::invalid("expected an index to write, found none"));
        };
        let identity = first.analyzer.identity();
        if others.iter().any(|other| other.fields != first.fields || other.analyzer.identity() != identity) {
            let message = "expected indexes with the same fields and the same analyzer";
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        let rows = self.0.iter().try_fold(0u32, |rows, index| rows.checked_add(index.rows));
        rows.ok_or_else(|| Error::new(ErrorKind::Full, "these records are too many for one part"))?;
        Ok((first, identity))
    }
}

impl part::Columns for Together<'_> {
    fn rows(&self) -> u32 {
        self.0.iter().map(|index| index.rows).sum()
    }

    fn each_length(&self, field: usize, found: &mut dyn FnMut(u32)) -> Result<()> {
        for index in self.0 {
            (0..index.rows).for_each(|row| found(index.columns[field].len(row)));
        }
        Ok(())
    }

    fn tokens(&self, field: usize) -> u64 {
        self.0.iter().map(|index| index.columns[field].tokens).sum()
    }
}
