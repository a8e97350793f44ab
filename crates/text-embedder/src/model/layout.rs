//! The bytes of a model; `docs/FORMAT.md`, "Embedding model", says the same in words.

use std::ops::Range;

use wire::{ALIGN, array_at, chunk_table_len, crc32, put, try_u32_at, u16_at, u32_at, u64_at};

use crate::embedder::ModelHash;
use crate::error::{Error, ErrorKind, Result};
use crate::wordpiece::NormalizerOptions;

pub(crate) const MAGIC: [u8; 8] = *b"\x89CAEM\r\n\x1A";
pub(crate) const MAJOR: u16 = 1;
pub(crate) const MINOR: u16 = 0;
/// The most values of a vector.
pub(crate) const MAX_DIMENSION: usize = 65_536;
/// Tokens are numbered in 20 bits, and all ones are no token.
pub(crate) const MAX_TOKENS: usize = (1 << TOKEN_BITS) - 1;
/// The longest name of a model, in bytes.
pub(crate) const MAX_ID_LEN: usize = 128;
/// The most characters of a word that a model may look up.
pub(crate) const MAX_WORD_CHARS: usize = 1_000;
/// The most slots that looking up one piece of a word reads.
pub(crate) const MAX_PROBES: u32 = 256;
/// The values of a table that every dimension has in the last step: alpha, beta, gamma, bias.
const TANH_VALUES: usize = 4;

const TOKEN_BITS: u32 = 20;
/// The slot of no token.
const EMPTY: u32 = u32::MAX;
/// Set in the offset of a token that continues a word.
const CONTINUES: u32 = 1 << 31;

/// Offsets in the header.
pub(crate) mod header {
    wire::layout! {
        256,
        MAGIC: 8,
        MAJOR: 2,
        MINOR: 2,
        INCOMPATIBLE: 4,
        TOTAL_LEN: 8,
        HASH: 16,
        DIMENSION: 4,
        ROWS: 4,
        TOKENS: 4,
        UNKNOWN: 4,
        TEXT_LEN: 4,
        SLOTS: 4,
        PROBES: 4,
        MAX_COUNTED: 4,
        WORD_CHARS: 2,
        PIECE_LEN: 2,
        NORMALIZER: 1,
        IS_MAPPED: 1,
        HAS_QUERY_FACTORS: 1,
        HAS_TANH: 1,
        ID_LEN: 1,
        ID: 128,
        RESERVED: 43,
        CRC: 4,
    }
}

/// What the header says; where everything lies follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) hash: ModelHash,
    pub(crate) id: String,
    pub(crate) dimension: usize,
    pub(crate) rows: usize,
    pub(crate) tokens: usize,
    /// The token of a word that no others make up.
    pub(crate) unknown: u32,
    /// Bytes of all tokens, one after the other.
    pub(crate) text_len: usize,
    pub(crate) slots: usize,
    /// The most slots that finding a token takes.
    pub(crate) probes: u32,
    /// The most tokens of a text that are added up.
    pub(crate) max_counted: usize,
    /// A word of more characters is unknown.
    pub(crate) word_chars: usize,
    /// Bytes of the longest token.
    pub(crate) piece_len: usize,
    pub(crate) normalizer: NormalizerOptions,
    /// Whether several tokens may have the same row.
    pub(crate) is_mapped: bool,
    pub(crate) has_query_factors: bool,
    pub(crate) has_tanh: bool,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; header::LEN] {
        use header as at;
        let mut bytes = [0; header::LEN];
        put(&mut bytes, at::MAGIC, MAGIC);
        put(&mut bytes, at::MAJOR, MAJOR.to_le_bytes());
        put(&mut bytes, at::MINOR, MINOR.to_le_bytes());
        let total = self.sections().map_or(u64::MAX, |sections| sections.total as u64);
        put(&mut bytes, at::TOTAL_LEN, total.to_le_bytes());
        put(&mut bytes, at::HASH, self.hash.0);
        let counts = [
            (at::DIMENSION, self.dimension),
            (at::ROWS, self.rows),
            (at::TOKENS, self.tokens),
            (at::UNKNOWN, self.unknown as usize),
            (at::TEXT_LEN, self.text_len),
            (at::SLOTS, self.slots),
            (at::PROBES, self.probes as usize),
            (at::MAX_COUNTED, self.max_counted),
        ];
        for (at, count) in counts {
            put(&mut bytes, at, u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        for (at, count) in [(at::WORD_CHARS, self.word_chars), (at::PIECE_LEN, self.piece_len)] {
            put(&mut bytes, at, u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
        }
        put(&mut bytes, at::NORMALIZER, [self.normalizer.bits()]);
        put(&mut bytes, at::IS_MAPPED, [self.is_mapped.into()]);
        put(&mut bytes, at::HAS_QUERY_FACTORS, [self.has_query_factors.into()]);
        put(&mut bytes, at::HAS_TANH, [self.has_tanh.into()]);
        put(&mut bytes, at::ID_LEN, [u8::try_from(self.id.len()).unwrap_or(u8::MAX)]);
        bytes[at::ID..][..self.id.len()].copy_from_slice(self.id.as_bytes());
        let crc = crc32(&[&bytes[..at::CRC]]);
        put(&mut bytes, at::CRC, crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a model. What it returns is consistent, and the sections lie within `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, Sections)> {
        let head = head(bytes)?;
        let header = Self::fields(head)?;
        let sections = header.check()?;
        let total = u64_at(head, header::TOTAL_LEN);
        if total != sections.total as u64 {
            return Err(inconsistent("length"));
        }
        if (bytes.len() as u64) < total {
            let message = format!("the model is {total} bytes long, of which {} are here", bytes.len());
            return Err(Error::new(ErrorKind::Truncated, message));
        }
        if bytes.len() as u64 > total {
            let message = format!("{} bytes follow the {total} of the model", bytes.len() as u64 - total);
            return Err(Error::damaged(message));
        }
        Ok((header, sections))
    }

    fn fields(head: &[u8; header::LEN]) -> Result<Self> {
        use header as at;
        let count = |at| u32_at(head, at) as usize;
        let id = head[at::ID..][..MAX_ID_LEN].get(..head[at::ID_LEN].into());
        let id = id.and_then(|id| std::str::from_utf8(id).ok()).ok_or_else(|| inconsistent("name"))?;
        Ok(Self {
            hash: ModelHash(array_at(head, at::HASH)),
            id: id.to_owned(),
            dimension: count(at::DIMENSION),
            rows: count(at::ROWS),
            tokens: count(at::TOKENS),
            unknown: u32_at(head, at::UNKNOWN),
            text_len: count(at::TEXT_LEN),
            slots: count(at::SLOTS),
            probes: u32_at(head, at::PROBES),
            max_counted: count(at::MAX_COUNTED),
            word_chars: u16_at(head, at::WORD_CHARS).into(),
            piece_len: u16_at(head, at::PIECE_LEN).into(),
            normalizer: NormalizerOptions::from_bits(head[at::NORMALIZER])
                .ok_or_else(|| inconsistent("normalizer"))?,
            is_mapped: flag(head[at::IS_MAPPED])?,
            has_query_factors: flag(head[at::HAS_QUERY_FACTORS])?,
            has_tanh: flag(head[at::HAS_TANH])?,
        })
    }

    fn check(&self) -> Result<Sections> {
        let rows =
            if self.is_mapped { (1..=self.tokens).contains(&self.rows) } else { self.rows == self.tokens };
        let is_consistent = (1..=MAX_DIMENSION).contains(&self.dimension)
            && (1..=MAX_TOKENS).contains(&self.tokens)
            && rows
            && (self.unknown as usize) < self.tokens
            && self.text_len < CONTINUES as usize
            && self.slots > self.tokens
            && (1..=MAX_PROBES).contains(&self.probes)
            && self.max_counted > 0
            && (1..=MAX_WORD_CHARS).contains(&self.word_chars)
            && (1..=MAX_ID_LEN).contains(&self.id.len());
        if !is_consistent {
            return Err(inconsistent("counts"));
        }
        self.sections().ok_or_else(|| inconsistent("counts"))
    }

    /// Where everything lies; `None` if the end is no `usize`.
    pub(crate) fn sections(&self) -> Option<Sections> {
        let mut end = Some(header::LEN);
        let mut take = |count: usize, len: usize| {
            let start = end?.checked_next_multiple_of(ALIGN)?;
            end = start.checked_add(count.checked_mul(len)?);
            Some(start..end?)
        };
        let slots = take(self.slots, 4)?;
        let offsets = take(self.tokens + 1, 4)?;
        let text = take(self.text_len, 1)?;
        let row_of_token = take(if self.is_mapped { self.tokens } else { 0 }, 4)?;
        let factors = take(self.tokens, 4)?;
        let query_factors = take(if self.has_query_factors { self.tokens } else { 0 }, 4)?;
        let tanh = take(if self.has_tanh { self.dimension } else { 0 }, 4 * TANH_VALUES)?;
        let rows = take(self.rows, self.dimension)?;
        let checksums = rows.end.checked_next_multiple_of(ALIGN)?;
        let total = checksums.checked_add(chunk_table_len(checksums))?;
        Some(Sections {
            slots,
            offsets,
            text,
            row_of_token,
            factors,
            query_factors,
            tanh,
            rows,
            checksums: checksums..total,
            total,
        })
    }
}

/// The bytes of the header, whose checksum and version hold.
fn head(bytes: &[u8]) -> Result<&[u8; header::LEN]> {
    use header as at;
    if bytes.first_chunk() != Some(&MAGIC) {
        return Err(Error::new(ErrorKind::NotAModel, "these bytes are not those of an embedding model"));
    }
    let Some(head) = bytes.first_chunk::<{ header::LEN }>() else {
        let message = format!("the header of a model is {} bytes, of which {} are here", header::LEN, bytes.len());
        return Err(Error::new(ErrorKind::Truncated, message));
    };
    let [major, minor] = [at::MAJOR, at::MINOR].map(|at| u16_at(head, at));
    if major != MAJOR {
        let message = format!("format {major}.{minor} of a model; this library reads {MAJOR}.{MINOR}");
        return Err(Error::new(ErrorKind::NewerFormat, message));
    }
    let (expected, found) = (u32_at(head, at::CRC), crc32(&[&head[..at::CRC]]));
    if expected != found {
        return Err(Error::damaged(format!("the header's checksum is {found:08x}, not {expected:08x}")));
    }
    let incompatible = u32_at(head, at::INCOMPATIBLE);
    if incompatible != 0 {
        let message = format!("the model uses features {incompatible:#x}, which this library does not know");
        return Err(Error::new(ErrorKind::NewerFormat, message));
    }
    Ok(head)
}

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sections {
    /// A hash table of the tokens.
    pub(crate) slots: Range<usize>,
    /// Where each token begins in the text, and whether it continues a word.
    pub(crate) offsets: Range<usize>,
    /// The tokens, one after the other, without the sign that they continue a word.
    pub(crate) text: Range<usize>,
    /// The row of each token, if they are mapped.
    pub(crate) row_of_token: Range<usize>,
    /// What the row of each token is multiplied by.
    pub(crate) factors: Range<usize>,
    /// The same for queries, if it differs.
    pub(crate) query_factors: Range<usize>,
    /// alpha, beta, gamma and bias, one after the other.
    pub(crate) tanh: Range<usize>,
    pub(crate) rows: Range<usize>,
    /// CRC-32s of the chunks of everything before, then one of these.
    pub(crate) checksums: Range<usize>,
    pub(crate) total: usize,
}

/// The hash of a model: that of its header without hash and checksum, and of all sections.
pub(crate) fn model_hash(bytes: &[u8], sections: &Sections) -> ModelHash {
    let mut head = [0; header::LEN];
    head.copy_from_slice(&bytes[..header::LEN]);
    head[header::HASH..][..16].fill(0);
    ModelHash::from_pieces(&[&head[..header::CRC], &bytes[header::LEN..sections.checksums.start]])
}

/// The hash table of the tokens: a slot has a token and 12 bits of its hash, or nothing. A token is in the first free slot from the one
/// that its hash says, the first following the last.
pub(crate) struct SlotWriter {
    slots: Vec<u32>,
    /// The most slots that finding a token takes.
    probes: u32,
}

impl SlotWriter {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: vec![EMPTY; slots], probes: 1 }
    }

    pub(crate) fn insert(&mut self, hash: u64, token: u32) {
        let mut slot = home(hash, self.slots.len());
        let mut probes = 1;
        while self.slots[slot] != EMPTY {
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
            probes += 1;
        }
        self.slots[slot] = tag(hash) | token;
        self.probes = self.probes.max(probes);
    }

    pub(crate) fn probes(&self) -> u32 {
        self.probes
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        u32s_to_bytes(self.slots.iter().copied())
    }
}

/// The same table, read where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots<'a> {
    bytes: &'a [u8],
    probes: u32,
}

impl<'a> Slots<'a> {
    pub(crate) fn new(bytes: &'a [u8], probes: u32) -> Self {
        Self { bytes, probes }
    }

    /// The token with a hash that `is_token` says yes to.
    #[inline]
    pub(crate) fn find(self, hash: u64, mut is_token: impl FnMut(u32) -> bool) -> Option<u32> {
        let slots = self.bytes.as_chunks::<4>().0;
        let mut slot = home(hash, slots.len());
        for _ in 0..self.probes {
            let entry = u32::from_le_bytes(*slots.get(slot)?);
            if entry == EMPTY {
                return None;
            }
            let token = entry & ((1 << TOKEN_BITS) - 1);
            if entry & !((1 << TOKEN_BITS) - 1) == tag(hash) && is_token(token) {
                return Some(token);
            }
            slot = if slot + 1 == slots.len() { 0 } else { slot + 1 };
        }
        None
    }
}

/// The slot at which the search for a hash begins: the lower 32 bits, brought to the number of slots.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "less than the number of slots, which is a `usize`")]
fn home(hash: u64, slots: usize) -> usize {
    ((u64::from(hash as u32) * slots as u64) >> 32) as usize
}

/// The upper 12 bits of a hash, in the upper 12 bits of a slot.
#[inline]
fn tag(hash: u64) -> u32 {
    let upper = (hash >> 32) as u32;
    upper & !((1 << TOKEN_BITS) - 1)
}

/// The hash of a token: of its bytes, eight at a time, and of whether it continues a word.
#[inline]
pub(crate) fn token_hash(text: &[u8], continues: bool) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = (text.len() as u64) << 1 | u64::from(continues);
    let mut add = |word: u64| {
        hash = (hash ^ word).wrapping_mul(FACTOR);
        hash ^= hash >> 32;
    };
    let (words, rest) = text.as_chunks::<8>();
    words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        add(u64::from_le_bytes(last));
    }
    hash
}

/// The texts of the tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenTexts<'a> {
    pub(crate) offsets: &'a [u8],
    pub(crate) text: &'a [u8],
}

impl<'a> TokenTexts<'a> {
    /// The text of a token, and whether it continues a word; `None` if there is no such token.
    #[inline]
    pub(crate) fn get(self, token: u32) -> Option<(&'a [u8], bool)> {
        let offsets = self.offsets.as_chunks::<4>().0.get(token as usize..)?;
        let [start, end] = [offsets.first()?, offsets.get(1)?].map(|offset| u32::from_le_bytes(*offset));
        let text = self.text.get((start & !CONTINUES) as usize..(end & !CONTINUES) as usize)?;
        Some((text, start & CONTINUES != 0))
    }
}

/// An entry of the table of offsets.
pub(crate) fn offset_entry(offset: usize, continues: bool) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX) & !CONTINUES | if continues { CONTINUES } else { 0 }
}

/// The value at a place of a table of 32-bit integers; `None` behind its end.
#[inline]
pub(crate) fn u32_value(table: &[u8], place: usize) -> Option<u32> {
    try_u32_at(table, place * 4)
}

/// The value at a place of a table of 32-bit floating point numbers; `None` behind its end.
#[inline]
pub(crate) fn f32_value(table: &[u8], place: usize) -> Option<f32> {
    try_u32_at(table, place * 4).map(f32::from_bits)
}

pub(crate) fn u32s_to_bytes(values: impl Iterator<Item = u32>) -> Vec<u8> {
    values.flat_map(u32::to_le_bytes).collect()
}

pub(crate) fn f32s_to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// All values of a table.
pub(crate) fn f32s(table: &[u8]) -> Vec<f32> {
    table.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

fn inconsistent(what: &str) -> Error {
    Error::damaged(format!(
        "the header's checksum holds, but its {what} cannot be: no writer of this format made it"
    ))
}

fn flag(byte: u8) -> Result<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(inconsistent("flags")),
    }
}
