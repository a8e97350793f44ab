//! The bytes of a model to its parts, distrusted at the door.

use std::borrow::Cow;
use std::fmt;

use wire::check_chunks;

use super::layout::{Header, Sections, f32_value, f32s, model_hash, u32_value};
use crate::error::{Error, Result};
use crate::pooling::Tanh;
use crate::vfs::Map;
use crate::wordpiece::Vocabulary;
use crate::wordpiece::layout::{Slots, TokenTexts};

/// Where the bytes of a model lie.
#[derive(Debug)]
pub(crate) enum ModelBytes {
    Memory(Cow<'static, [u8]>),
    Map(Map),
}

impl AsRef<[u8]> for ModelBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Map(map) => map.as_ref(),
        }
    }
}

/// A model that is used where its bytes lie.
pub(crate) struct Model {
    bytes: ModelBytes,
    header: Header,
    sections: Sections,
    tanh: Option<Tanh>,
}

impl Model {
    /// Reads the header, and the few values of the last step.
    pub(crate) fn open(bytes: ModelBytes) -> Result<Self> {
        let whole = bytes.as_ref();
        let (header, sections) = Header::decode(whole)?;
        let tanh = header.has_tanh.then(|| Tanh::new(&f32s(&whole[sections.tanh.clone()]), header.dimension));
        Ok(Self { bytes, header, sections, tanh: tanh.transpose()? })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn tanh(&self) -> Option<&Tanh> {
        self.tanh.as_ref()
    }

    /// The parts that embedding a text needs.
    pub(crate) fn view(&self) -> View<'_> {
        let (bytes, sections, header) = (self.bytes(), &self.sections, &self.header);
        let table = |range: &std::ops::Range<usize>| &bytes[range.clone()];
        View {
            vocabulary: Vocabulary {
                slots: Slots::new(table(&sections.slots), header.probes),
                texts: TokenTexts { offsets: table(&sections.offsets), text: table(&sections.text) },
                tokens: header.tokens,
                unknown: header.unknown,
                piece_len: header.piece_len,
            },
            row_of_token: header.is_mapped.then(|| table(&sections.row_of_token)),
            factors: table(&sections.factors),
            query_factors: if header.has_query_factors {
                table(&sections.query_factors)
            } else {
                table(&sections.factors)
            },
            rows: table(&sections.rows),
            dimension: header.dimension,
        }
    }

    /// Reads everything, and compares checksums and hash.
    pub(crate) fn verify(&self) -> Result<()> {
        let (bytes, sections) = (self.bytes(), &self.sections);
        let (content, table) = (&bytes[..sections.checksums.start], &bytes[sections.checksums.clone()]);
        check_chunks(content, table)
            .map_err(|mismatch| Error::damaged(format!("the model is damaged: {mismatch}")))?;
        let found = model_hash(bytes, sections);
        if found == self.header.hash {
            return Ok(());
        }
        Err(Error::damaged(format!("the hash of the model is {found}, not {}", self.header.hash)))
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The parts of a model that embedding a text needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) vocabulary: Vocabulary<'a>,
    row_of_token: Option<&'a [u8]>,
    factors: &'a [u8],
    query_factors: &'a [u8],
    rows: &'a [u8],
    dimension: usize,
}

impl<'a> View<'a> {
    /// The same parts, with the factors of queries.
    pub(crate) fn of_queries(self) -> Self {
        Self { factors: self.query_factors, ..self }
    }

    /// The codes of a token, and what they are multiplied by; `None` if the token adds nothing.
    #[inline]
    pub(crate) fn row(&self, token: u32) -> Option<(&'a [u8], f32)> {
        let factor = f32_value(self.factors, token as usize).filter(|factor| *factor != 0.0)?;
        let row = match self.row_of_token {
            None => token,
            Some(table) => u32_value(table, token as usize)?,
        };
        let start = (row as usize).checked_mul(self.dimension)?;
        let codes = self.rows.get(start..start.checked_add(self.dimension)?)?;
        Some((codes, factor))
    }
}
