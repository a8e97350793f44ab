//! Reading a part in place.

use std::ops::Range;

use wire::{Bytes, ChunkMismatch, VerifiedSet, check_chunks};

use super::layout::{Header, Sections};
use crate::bytes::{Guard, Guarded, nothing_verified};
use crate::dictionary::{Dictionary, Keys};
use crate::error::{Error, Result};
use crate::lengths::Lengths;
use crate::postings::layout::{List, Value};

/// A part: the bytes of an index, checked as far as its header goes and otherwise read where they are.
///
/// Opening reads the header and the names of the fields, whatever the number of records and terms. A search touches what it needs, and
/// has it verified by [`Bytes::check`] before. If bytes are damaged or hostile and nobody verified them, a search gives an error or wrong
/// hits, in bounded time, and nothing worse. [`verify`](Self::verify) tells whether the bytes are those that were written.
#[derive(Debug)]
pub struct Part<B> {
    bytes: B,
    header: Header,
    sections: Sections,
    verified: VerifiedSet,
}

/// What a part says of one term.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry<'a> {
    /// It occurs once, in this row.
    Single(u32),
    /// A list, and all positions of the part.
    List(List<'a>, Guarded<'a>),
}

impl Entry<'_> {
    pub(crate) fn df(&self) -> u32 {
        match self {
            Self::Single(_) => 1,
            Self::List(list, _) => list.df,
        }
    }
}

/// The same, borrowed for a search.
#[derive(Debug, Clone)]
pub(crate) struct PartRef<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    sections: &'a Sections,
    /// What verifies the bytes; `None` if they are.
    guard: Option<Guard<'a>>,
}

impl<B: Bytes> Part<B> {
    /// Opens the part that these bytes begin with. They should lie on a boundary of 64 bytes, for speed only.
    pub fn open(bytes: B) -> Result<Self> {
        let all = bytes.as_ref();
        for len in [Header::MIN_LEN, Header::len_of(all)] {
            let checked = bytes.check(0..len.min(all.len()));
            checked.map_err(|e| Error::not_verified(&e))?;
        }
        let header = Header::decode(all)?;
        if header.terms > header.most_terms() {
            return Err(Error::damaged("a lexical part has more terms than its postings have room for"));
        }
        let sections = header.sections().filter(|sections| sections.checksums.end <= all.len());
        let sections = sections.ok_or_else(|| {
            Error::damaged(format!(
                "a lexical part is cut off at byte {}; copy it again, or rebuild it",
                all.len()
            ))
        })?;
        let verified = if bytes.is_verified() { VerifiedSet::default() } else { nothing_verified(all.len()) };
        let part = Self { bytes, header, sections, verified };
        let opened = part.as_part_ref();
        let has_dictionary = opened.dictionary().is_some();
        opened.finish()?;
        drop(opened);
        if !has_dictionary {
            let start = part.sections.dictionary.start;
            return Err(Error::damaged("the dictionary of a lexical part is none").at(start));
        }
        Ok(part)
    }

    /// Compares every byte with the checksums; the error names the first place that does not hold.
    pub fn verify(&self) -> Result<()> {
        let Range { start, end } = self.sections.checksums;
        let (content, table) = self.bytes.as_ref()[..end].split_at(start);
        check_chunks(content, table).map_err(|mismatch| {
            let place = match mismatch {
                ChunkMismatch::Chunk { offset, .. } => offset,
                ChunkMismatch::Table => start,
            };
            Error::damaged(format!("a lexical part: {mismatch}")).at(place)
        })
    }

    /// How many records it has; their rows count from 0.
    pub fn rows(&self) -> u32 {
        self.header.rows
    }

    /// How many different terms there are in all fields.
    pub fn terms(&self) -> u64 {
        self.header.terms
    }

    /// The names of its fields, in the order of their numbers.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.header.fields.names()
    }

    /// Whether phrases can be searched.
    pub fn has_positions(&self) -> bool {
        self.header.fields.has_positions()
    }

    /// The identity of the analyzer that made it: see [`Analyzer::from_identity`](crate::Analyzer::from_identity).
    pub fn analyzer_identity(&self) -> [u8; 8] {
        self.header.analyzer
    }

    /// How many tokens the texts of some rows have together, in all fields. By what share of the tokens of the part that is, one can tell
    /// about how many bytes of it are theirs.
    pub fn tokens_of(&self, rows: impl Iterator<Item = u32> + Clone) -> Result<u64> {
        let part = self.as_part_ref();
        let mut tokens = 0u64;
        for field in 0..self.header.stats.len() {
            let lengths = part.lengths(field);
            for row in rows.clone().filter(|&row| row < self.header.rows) {
                tokens = tokens.saturating_add(lengths.get(row).into());
            }
        }
        part.finish()?;
        Ok(tokens)
    }

    /// How many tokens all texts have, in all fields.
    pub fn tokens(&self) -> u64 {
        self.header.stats.iter().fold(0, |sum, field| sum.saturating_add(field.tokens))
    }

    /// Bytes of the whole part.
    pub fn len_bytes(&self) -> usize {
        self.sections.checksums.end
    }

    pub(crate) fn as_part_ref(&self) -> PartRef<'_> {
        let guard = (!self.bytes.is_verified()).then(|| Guard::new(&self.bytes, &self.verified));
        PartRef { bytes: self.bytes.as_ref(), header: &self.header, sections: &self.sections, guard }
    }
}

impl<'a> PartRef<'a> {
    pub(crate) fn header(&self) -> &'a Header {
        self.header
    }

    /// Verifies all bytes.
    pub(crate) fn verify_all(&self) -> Result<()> {
        self.guarded().verify(0..self.sections.checksums.end);
        self.finish()
    }

    /// Fails if bytes were met that do not hold: nothing that was read may be used then.
    pub(crate) fn finish(&self) -> Result<()> {
        self.guard.as_ref().map_or(Ok(()), Guard::finish)
    }

    /// Where bytes lie far away: has the lists of some terms fetched together, each of a field, and the lengths that a walk along them needs.
    pub(crate) fn fetch_lists<'t>(&self, terms: impl Iterator<Item = (usize, &'t [u8])>) {
        let Some(guard) = self.guard.as_ref().filter(|guard| guard.is_far()) else { return };
        let mut places = Vec::new();
        for (field, term) in terms.filter(|(field, _)| *field < self.header.fields.len()) {
            if let Ok(Some(Entry::List(list, _))) = self.find(field, term) {
                places.push(list.place());
                if !list.is_short() {
                    places.extend(self.lengths(field).places());
                }
            }
        }
        guard.will_need(&places);
    }

    pub(crate) fn lengths(&self, field: usize) -> Lengths<'_> {
        let (bytes, long) = &self.sections.lengths[field];
        Lengths { bytes: self.slice(bytes), long: self.slice(long) }
    }

    pub(crate) fn dictionary(&self) -> Option<Dictionary<'_>> {
        Dictionary::new(self.slice(&self.sections.dictionary))
    }

    pub(crate) fn keys(&self) -> Option<Keys<'_>> {
        Keys::all(self.dictionary()?)
    }

    pub(crate) fn find(&self, field: usize, term: &[u8]) -> Result<Option<Entry<'_>>> {
        let number = self.dictionary().and_then(|d| d.get(u8::try_from(field).ok()?, term));
        number.map(|number| self.entry(number)).transpose()
    }

    /// What a number of the dictionary stands for.
    pub(crate) fn entry(&self, number: u64) -> Result<Entry<'_>> {
        let place = self.sections.postings.start;
        let fault = || Error::damaged("a list of postings of a lexical part does not hold").at(place);
        match Value::decode(number).ok_or_else(fault)? {
            Value::Single(row) if row < self.header.rows && !self.header.fields.has_positions() => {
                Ok(Entry::Single(row))
            }
            Value::Single(_) => Err(fault()),
            Value::List(offset) => {
                let lists = self.slice(&self.sections.postings);
                let bytes = usize::try_from(offset).ok().and_then(|offset| lists.slice_from(offset));
                let bytes = bytes.ok_or_else(fault)?;
                let list = List::new(bytes, self.header.kept(), self.header.rows).ok_or_else(fault)?;
                Ok(Entry::List(list, self.slice(&self.sections.positions)))
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where lists end, from the beginning of the part on.
    pub(crate) fn postings_end(&self) -> usize {
        self.sections.postings.end
    }

    fn guarded(&self) -> Guarded<'_> {
        Guarded::new(self.bytes, self.guard.as_ref())
    }

    /// A section, which is known to lie within the bytes.
    fn slice(&self, range: &Range<usize>) -> Guarded<'_> {
        self.guarded().slice(range.clone()).unwrap_or(Guarded::plain(&[]))
    }
}
