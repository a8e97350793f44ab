//! The bytes of a model; `docs/FORMAT.md`, "Embedding model", says the same in words.

use std::ops::Range;

use wire::{ALIGN, array_at, chunk_table_len, crc32, put, try_u32_at, u16_at, u32_at, u64_at};

use crate::embedder::ModelHash;
use crate::error::{Error, ErrorKind, Result};
use crate::wordpiece::NormalizerOptions;
use crate::wordpiece::layout::{CONTINUES, MAX_PROBES, TOKEN_BITS};

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
/// The values of a table that every dimension has in the last step: alpha, beta, gamma, bias.
const TANH_VALUES: usize = 4;

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
            let message = format!("the model ends at byte {total}, the file at byte {}", bytes.len());
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
        let message =
            format!("the header of a model is {} bytes, of which {} are here", header::LEN, bytes.len());
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
