//! Reading a part in place.

use std::ops::Range;

use super::layout::{CHUNK_LEN, Header, Sections};
use crate::dictionary::{Dictionary, Keys};
use crate::error::{Error, Result};
use crate::lengths::{Lengths, LongLengths};
use crate::postings::layout::{List, Value};
use crate::wire::u32_at;

/// A part: the bytes of an index, checked as far as its header goes and otherwise read where they are.
///
/// Opening reads the header and the names of the fields, whatever the number of records and terms. The rest is not
/// trusted: a search over damaged bytes gives an error or wrong hits, and nothing worse. [`verify`](Self::verify) tells
/// whether the bytes are those that were written.
#[derive(Debug)]
pub struct Part<B> {
    bytes: B,
    header: Header,
    sections: Sections,
}

/// What a part says of one term.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry<'a> {
    /// It occurs once, in this row.
    Single(u32),
    /// A list, and all positions of the part.
    List(List<'a>, &'a [u8]),
}

impl Entry<'_> {
    pub(crate) fn df(&self) -> u32 {
        match self {
            Self::Single(_) => 1,
            Self::List(list, _) => list.df,
        }
    }
}

/// The same, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartRef<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    sections: &'a Sections,
}

impl<B: AsRef<[u8]>> Part<B> {
    /// Opens the part that these bytes begin with. They should lie on a boundary of 64 bytes, for speed only.
    pub fn open(bytes: B) -> Result<Self> {
        let all = bytes.as_ref();
        let header = Header::decode(all)?;
        let sections = header.sections().filter(|sections| sections.checksums.end <= all.len());
        let sections = sections.ok_or_else(|| {
            Error::damaged(format!(
                "a lexical part is cut off at {} bytes; copy it again, or rebuild it",
                all.len()
            ))
        })?;
        Dictionary::new(&all[sections.dictionary.clone()]).ok_or_else(|| {
            Error::damaged("the dictionary of a lexical part is none").at(sections.dictionary.start)
        })?;
        Ok(Self { bytes, header, sections })
    }

    /// Compares every byte with the checksums; the error names the first place that does not hold.
    pub fn verify(&self) -> Result<()> {
        let bytes = self.bytes.as_ref();
        let Range { start, end } = self.sections.checksums;
        let (checksums, own) = bytes[start..end].split_at(end - start - 4);
        if u32_at(own, 0) != Some(crc32fast::hash(checksums)) {
            return Err(Error::damaged("the checksums of a lexical part do not hold themselves").at(start));
        }
        for (i, chunk) in bytes[..start].chunks(CHUNK_LEN).enumerate() {
            if u32_at(checksums, i * 4) != Some(crc32fast::hash(chunk)) {
                let message =
                    format!("the checksum of {} bytes of a lexical part does not hold", chunk.len());
                return Err(Error::damaged(message).at(i * CHUNK_LEN));
            }
        }
        Ok(())
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

    /// Bytes of the whole part.
    pub fn len_bytes(&self) -> usize {
        self.sections.checksums.end
    }

    pub(crate) fn as_part_ref(&self) -> PartRef<'_> {
        PartRef { bytes: self.bytes.as_ref(), header: &self.header, sections: &self.sections }
    }
}

impl<'a> PartRef<'a> {
    pub(crate) fn header(&self) -> &'a Header {
        self.header
    }

    pub(crate) fn lengths(&self, field: usize) -> Lengths<'a> {
        let (bytes, long) = &self.sections.lengths[field];
        Lengths { bytes: self.slice(bytes), long: LongLengths::Sealed(self.slice(long)) }
    }

    pub(crate) fn dictionary(&self) -> Option<Dictionary<'a>> {
        Dictionary::new(self.slice(&self.sections.dictionary))
    }

    pub(crate) fn keys(&self) -> Option<Keys<'a>> {
        Keys::all(self.dictionary()?)
    }

    pub(crate) fn find(&self, field: usize, term: &[u8]) -> Result<Option<Entry<'a>>> {
        let number = self.dictionary().and_then(|d| d.get(u8::try_from(field).ok()?, term));
        number.map(|number| self.entry(number)).transpose()
    }

    /// What a number of the dictionary stands for.
    pub(crate) fn entry(&self, number: u64) -> Result<Entry<'a>> {
        let place = self.sections.postings.start;
        let fault = || Error::damaged("a list of postings of a lexical part does not hold").at(place);
        match Value::decode(number).ok_or_else(fault)? {
            Value::Single(row) if row < self.header.rows => Ok(Entry::Single(row)),
            Value::Single(_) => Err(fault()),
            Value::List(offset) => {
                let lists = self.slice(&self.sections.postings);
                let bytes =
                    usize::try_from(offset).ok().and_then(|offset| lists.get(offset..)).ok_or_else(fault)?;
                let list = List::new(bytes, self.header.fields.has_positions(), self.header.rows)
                    .ok_or_else(fault)?;
                Ok(Entry::List(list, self.slice(&self.sections.positions)))
            }
        }
    }

    fn slice(&self, range: &Range<usize>) -> &'a [u8] {
        &self.bytes[range.clone()]
    }
}
