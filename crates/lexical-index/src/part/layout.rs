//! The bytes of a part: header, fields, then sections on 64-byte boundaries.

use std::ops::Range;

use wire::{ALIGN, chunk_table_len, crc32, put, try_u16_at, try_u32_at, try_u64_at};

use crate::analyzer::MAX_FORMS;
use crate::bm25::LONG;
use crate::error::{Error, ErrorKind, Result};
use crate::postings::layout::{Kept, MIN_LIST_LEN};

/// Part header.
pub(crate) mod header {
    wire::layout!(128,
        MAGIC: 8, MAJOR: 2, MINOR: 2, INCOMPATIBLE: 4, FLAGS: 4, FIELD_COUNT: 4, ANALYZER: 8, ROWS: 4, RESERVED_A: 4, TERMS: 8,
        DICTIONARY_LEN: 8, POSTINGS_LEN: 8, POSITIONS_LEN: 8, RESERVED_B: 52, CRC: 4,
    );
}

/// Field entry.
pub(crate) mod field {
    wire::layout!(64, TOKENS: 8, LONG: 4, NAME_LEN: 1, NAME: 51);
}

pub(crate) const MAGIC: [u8; 8] = *b"\x89CARL\r\n\x1a";
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
/// In `FLAGS`: positions are kept.
const POSITIONS: u32 = 1;
/// In `INCOMPATIBLE`: they are in packs.
const PACKED: u32 = 1;
/// The longest name of a field, in bytes.
pub(crate) const MAX_NAME_LEN: usize = field::LEN - field::NAME;
/// The longest record in bytes.
pub(crate) const MAX_TEXT: usize = 64 << 20;
/// The most fields.
pub(crate) const MAX_FIELDS: usize = 255;

/// The names of the fields, and whether positions are kept: what parts of one index have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    names: Vec<String>,
    positions: bool,
}

impl Fields {
    pub(crate) fn new(names: &[&str], positions: bool) -> Result<Self> {
        let fault = if names.is_empty() || names.len() > MAX_FIELDS {
            Some(format!("an index of {} fields; 1 to {MAX_FIELDS} can be had", names.len()))
        } else if let Some(name) = names.iter().find(|name| name.is_empty() || name.len() > MAX_NAME_LEN) {
            Some(format!("a field name of {} bytes; expected 1 to {MAX_NAME_LEN}", name.len()))
        } else {
            let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
            twice.map(|(_, name)| format!("two fields with the name {name:?}"))
        };
        match fault {
            Some(fault) => Err(Error::invalid(fault)),
            None => Ok(Self { names: names.iter().map(|&name| name.to_owned()).collect(), positions }),
        }
    }

    /// Whether these are the first of the other ones, and positions are kept in both or in neither.
    pub(crate) fn begin(&self, other: &Self) -> bool {
        self.positions == other.positions && other.names.starts_with(&self.names)
    }

    /// These, and further ones.
    pub(crate) fn extended(&self, names: &[&str]) -> Result<Self> {
        let known = self.names.iter().map(String::as_str);
        let all: Vec<&str> = known.chain(names.iter().copied().skip(self.len())).collect();
        Self::new(&all, self.positions)
    }

    /// Of no index at all.
    pub(crate) fn none() -> Self {
        Self { names: Vec::new(), positions: false }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(crate) fn name(&self, field: usize) -> &str {
        self.names.get(field).map_or("", String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn has_positions(&self) -> bool {
        self.positions
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }
}

/// What is known of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldStats {
    /// Tokens in all rows.
    pub(crate) tokens: u64,
    /// Rows whose length does not fit a byte.
    pub(crate) long: u32,
}

/// The header with its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) analyzer: [u8; 8],
    pub(crate) fields: Fields,
    /// Whether positions, if there are any, are in packs.
    pub(crate) packed: bool,
    pub(crate) stats: Vec<FieldStats>,
    pub(crate) rows: u32,
    pub(crate) terms: u64,
    pub(crate) dictionary_len: u64,
    pub(crate) postings_len: u64,
    pub(crate) positions_len: u64,
}

/// Where everything is.
#[derive(Debug, Clone)]
pub(crate) struct Sections {
    /// Of each field: the bytes of the lengths, and the long lengths.
    pub(crate) lengths: Vec<(Range<usize>, Range<usize>)>,
    pub(crate) dictionary: Range<usize>,
    pub(crate) postings: Range<usize>,
    pub(crate) positions: Range<usize>,
    /// Of every chunk before, and of the checksums themselves.
    pub(crate) checksums: Range<usize>,
}

impl Header {
    /// Length without the fields.
    pub(crate) const MIN_LEN: usize = header::LEN;

    /// How positions are kept.
    pub(crate) fn kept(&self) -> Kept {
        match (self.fields.has_positions(), self.packed) {
            (false, _) => Kept::No,
            (true, false) => Kept::Varints,
            (true, true) => Kept::Packed,
        }
    }

    /// The most terms that there can be. A term has a list; or it is one of the terms of a word, where no positions are kept.
    pub(crate) fn most_terms(&self) -> u64 {
        let lists = self.postings_len / MIN_LIST_LEN;
        if self.fields.has_positions() {
            return lists;
        }
        let words = |stats: &FieldStats| {
            let long = u64::from(stats.long) * MAX_TEXT as u64;
            u64::from(self.rows) * u64::from(LONG) + long
        };
        self.stats.iter().map(words).fold(lists, |sum, words| sum.saturating_add(words * MAX_FORMS as u64))
    }

    /// The most positions that there can be: each has a byte of its own, or a bit of a pack.
    pub(crate) fn most_positions(&self) -> u64 {
        match self.kept() {
            Kept::No => 0,
            Kept::Varints => self.positions_len,
            Kept::Packed => self.positions_len.saturating_add(self.postings_len).saturating_mul(8),
        }
    }

    /// Length of the header that a part begins with.
    pub(crate) fn len_of(bytes: &[u8]) -> usize {
        let fields = try_u32_at(bytes, header::FIELD_COUNT).unwrap_or(0) as usize;
        header::LEN.saturating_add(fields.saturating_mul(field::LEN))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; header::LEN + self.fields.len() * field::LEN];
        let (head, entries) = bytes.split_at_mut(header::LEN);
        put(head, header::MAGIC, MAGIC);
        put(head, header::MAJOR, MAJOR.to_le_bytes());
        put(head, header::MINOR, MINOR.to_le_bytes());
        put(head, header::INCOMPATIBLE, (u32::from(self.packed) * PACKED).to_le_bytes());
        put(head, header::FLAGS, (u32::from(self.fields.positions) * POSITIONS).to_le_bytes());
        put(head, header::FIELD_COUNT, u32::try_from(self.fields.len()).unwrap_or(u32::MAX).to_le_bytes());
        put(head, header::ANALYZER, self.analyzer);
        put(head, header::ROWS, self.rows.to_le_bytes());
        put(head, header::TERMS, self.terms.to_le_bytes());
        put(head, header::DICTIONARY_LEN, self.dictionary_len.to_le_bytes());
        put(head, header::POSTINGS_LEN, self.postings_len.to_le_bytes());
        put(head, header::POSITIONS_LEN, self.positions_len.to_le_bytes());
        for ((entry, name), stats) in
            entries.chunks_exact_mut(field::LEN).zip(&self.fields.names).zip(&self.stats)
        {
            put(entry, field::TOKENS, stats.tokens.to_le_bytes());
            put(entry, field::LONG, stats.long.to_le_bytes());
            entry[field::NAME_LEN] = u8::try_from(name.len()).unwrap_or(u8::MAX);
            entry[field::NAME..field::NAME + name.len()].copy_from_slice(name.as_bytes());
        }
        let crc = crc32(&[&head[..header::CRC], entries]);
        put(&mut bytes, header::CRC, crc.to_le_bytes());
        bytes
    }

    /// The header of a part, if its checksum holds.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let truncated =
            || Error::damaged(format!("a part of {} bytes is shorter than its header", bytes.len()));
        if !bytes.starts_with(&MAGIC) {
            return Err(Error::new(ErrorKind::NotAPart, "expected the magic of a lexical part").at(0));
        }
        let (head, rest) = bytes.split_at_checked(header::LEN).ok_or_else(truncated)?;
        let u32_of = |at| try_u32_at(head, at).unwrap_or(0);
        let u64_of = |at| try_u64_at(head, at).unwrap_or(0);
        let fields = u32_of(header::FIELD_COUNT) as usize;
        let entries = fields.checked_mul(field::LEN).and_then(|len| rest.get(..len)).ok_or_else(truncated)?;
        if crc32(&[&head[..header::CRC], entries]) != u32_of(header::CRC) {
            return Err(
                Error::damaged("the checksum of the header of a lexical part does not hold").at(header::CRC)
            );
        }
        if try_u16_at(head, header::MAJOR) != Some(MAJOR)
            || u32_of(header::INCOMPATIBLE) > PACKED
            || u32_of(header::FLAGS) > POSITIONS
        {
            let message = "a lexical part of a newer format: open it with a newer version of this library";
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let (names, stats): (Vec<&str>, Vec<FieldStats>) = entries
            .chunks_exact(field::LEN)
            .map(decode_field)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        Ok(Self {
            analyzer: u64_of(header::ANALYZER).to_le_bytes(),
            fields: Fields::new(&names, u32_of(header::FLAGS) & POSITIONS != 0)
                .map_err(|e| Error::damaged(format!("the fields of a lexical part: {e}")))?,
            packed: u32_of(header::INCOMPATIBLE) & PACKED != 0,
            stats,
            rows: u32_of(header::ROWS),
            terms: u64_of(header::TERMS),
            dictionary_len: u64_of(header::DICTIONARY_LEN),
            postings_len: u64_of(header::POSTINGS_LEN),
            positions_len: u64_of(header::POSITIONS_LEN),
        })
    }

    /// Where the sections are. `None`: they are longer than memory can be.
    pub(crate) fn sections(&self) -> Option<Sections> {
        let mut at = header::LEN + self.fields.len() * field::LEN;
        let mut section = |len: u64| {
            let start = at.checked_next_multiple_of(ALIGN)?;
            at = start.checked_add(usize::try_from(len).ok()?)?;
            Some(start..at)
        };
        let mut lengths = Vec::with_capacity(self.stats.len());
        for stats in &self.stats {
            lengths.push((section(u64::from(self.rows))?, section(u64::from(stats.long) * LONG_LEN as u64)?));
        }
        let dictionary = section(self.dictionary_len)?;
        let postings = section(self.postings_len)?;
        let positions = section(self.positions_len)?;
        let start = section(0)?.start;
        let checksums = section(chunk_table_len(start) as u64)?;
        Some(Sections { lengths, dictionary, postings, positions, checksums })
    }
}

fn decode_field(entry: &[u8]) -> Result<(&str, FieldStats)> {
    let name = entry.get(field::NAME..).and_then(|name| name.get(..usize::from(entry[field::NAME_LEN])));
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let name = name.ok_or_else(|| Error::damaged("the name of a field of a lexical part is not a text"))?;
    let tokens = try_u64_at(entry, field::TOKENS).unwrap_or(0);
    Ok((name, FieldStats { tokens, long: try_u32_at(entry, field::LONG).unwrap_or(0) }))
}

/// Bytes of a row and its length, where that does not fit a byte.
pub(crate) const LONG_LEN: usize = 8;

pub(crate) fn encode_long(row: u32, len: u32) -> [u8; LONG_LEN] {
    let mut entry = [0; LONG_LEN];
    put(&mut entry, 0, row.to_le_bytes());
    put(&mut entry, 4, len.to_le_bytes());
    entry
}

/// The length of a row, among entries that ascend by row.
pub(crate) fn find_long(bytes: &[u8], row: u32) -> Option<u32> {
    let (mut from, mut to) = (0, bytes.len() / LONG_LEN);
    while from < to {
        let middle = from.midpoint(to);
        match try_u32_at(bytes, middle * LONG_LEN)?.cmp(&row) {
            std::cmp::Ordering::Equal => return try_u32_at(bytes, middle * LONG_LEN + 4),
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    None
}
