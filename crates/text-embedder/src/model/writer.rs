//! The parts of a model to its bytes.

use std::io::Write;

use wire::ChunkWriter;

use super::layout::{
    Header, MAX_DIMENSION, MAX_ID_LEN, MAX_TOKENS, MAX_WORD_CHARS, f32s_to_bytes, header, model_hash,
};
use crate::embedder::ModelHash;
use crate::error::{Error, ErrorKind, Result};
use crate::wordpiece::layout::u32s_to_bytes;
use crate::wordpiece::{NormalizerOptions, VocabularyBytes};

/// Rows of int8 codes, each with the scale that its codes are multiplied by.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) dimension: usize,
    pub(crate) codes: Vec<u8>,
    pub(crate) scales: Vec<f32>,
}

impl Rows {
    /// The row of each vector, by the largest of its values.
    pub(crate) fn quantize(values: impl Iterator<Item = f32>, dimension: usize) -> Result<Self> {
        let mut rows = Self { dimension, codes: Vec::new(), scales: Vec::new() };
        let mut row = Vec::with_capacity(dimension);
        for value in values {
            if !value.is_finite() {
                let message = format!("row {} has a value that is not finite", rows.scales.len());
                return Err(Error::invalid(message));
            }
            row.push(value);
            if row.len() == dimension {
                rows.push(&row);
                row.clear();
            }
        }
        Ok(rows)
    }

    fn push(&mut self, row: &[f32]) {
        let largest = row.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        // A row whose largest value is next to nothing has no codes that multiply to it.
        let scale = if largest < f32::MIN_POSITIVE * 127.0 { 0.0 } else { largest / 127.0 };
        let code = |value: &f32| {
            let steps = if scale == 0.0 { 0.0 } else { (value / scale).round().clamp(-127.0, 127.0) };
            #[expect(clippy::cast_possible_truncation, reason = "an integer within -127 to 127")]
            let code = steps as i8;
            code.cast_unsigned()
        };
        self.codes.extend(row.iter().map(code));
        self.scales.push(scale);
    }
}

/// Everything that a model is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) id: String,
    /// The text of each token, without the sign that it continues a word, and whether it does. An empty text is found nowhere.
    pub(crate) tokens: Vec<(String, bool)>,
    pub(crate) unknown: u32,
    pub(crate) normalizer: NormalizerOptions,
    pub(crate) word_chars: usize,
    pub(crate) max_counted: usize,
    pub(crate) rows: Rows,
    /// The row of each token; `None`: its own.
    pub(crate) row_of_token: Option<Vec<u32>>,
    /// What the row of each token is multiplied by in the mean.
    pub(crate) weights: Vec<f32>,
    /// The same for queries, if it differs.
    pub(crate) query_weights: Option<Vec<f32>>,
    /// alpha, beta, gamma and bias, one after the other.
    pub(crate) tanh: Option<Vec<f32>>,
}

/// The bytes of a model.
pub(crate) fn write(parts: &Parts) -> Result<Vec<u8>> {
    check(parts)?;
    let vocabulary = VocabularyBytes::new(&parts.tokens)?;
    let mut header = Header {
        hash: ModelHash([0; 16]),
        id: parts.id.clone(),
        dimension: parts.rows.dimension,
        rows: parts.rows.scales.len(),
        tokens: parts.tokens.len(),
        unknown: parts.unknown,
        text_len: vocabulary.text.len(),
        slots: vocabulary.slots.len() / 4,
        probes: vocabulary.probes,
        max_counted: parts.max_counted,
        word_chars: parts.word_chars,
        piece_len: vocabulary.piece_len,
        normalizer: parts.normalizer,
        is_mapped: parts.row_of_token.is_some(),
        has_query_factors: parts.query_weights.is_some(),
        has_tanh: parts.tanh.is_some(),
    };
    let sections = [
        vocabulary.slots,
        vocabulary.offsets,
        vocabulary.text,
        u32s_to_bytes(parts.row_of_token.iter().flatten().copied()),
        f32s_to_bytes(&factors(parts, &parts.weights)?),
        match &parts.query_weights {
            None => Vec::new(),
            Some(weights) => f32s_to_bytes(&factors(parts, weights)?),
        },
        f32s_to_bytes(parts.tanh.as_deref().unwrap_or_default()),
    ];
    let bytes = assemble(&header, &sections, &parts.rows.codes)?;
    let (_, places) = Header::decode(&bytes)?;
    header.hash = model_hash(&bytes, &places);
    assemble(&header, &sections, &parts.rows.codes)
}

fn assemble(header: &Header, sections: &[Vec<u8>], codes: &[u8]) -> Result<Vec<u8>> {
    let in_memory =
        |error| Error::new(ErrorKind::TooLarge, format!("the model does not fit into memory: {error}"));
    let mut out = ChunkWriter::new(Vec::new());
    let mut write = || {
        out.write_all(&header.encode())?;
        for section in sections.iter().map(Vec::as_slice).chain([codes]) {
            out.pad()?;
            out.write_all(section)?;
        }
        out.pad()
    };
    write().map_err(in_memory)?;
    out.finish().map_err(in_memory)
}

fn check(parts: &Parts) -> Result<()> {
    let limits = [
        ("bytes of its name", parts.id.len(), MAX_ID_LEN),
        ("dimensions", parts.rows.dimension, MAX_DIMENSION),
        ("tokens", parts.tokens.len(), MAX_TOKENS),
        ("characters of a word that is looked up", parts.word_chars, MAX_WORD_CHARS),
        ("tokens of a text that count", parts.max_counted, u32::MAX as usize),
        (
            "bytes of its longest token",
            parts.tokens.iter().map(|(text, _)| text.len()).max().unwrap_or(0),
            u16::MAX.into(),
        ),
    ];
    for (what, found, limit) in limits {
        if !(1..=limit).contains(&found) {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the model has {found} {what}; 1 to {limit} are possible"),
            ));
        }
    }
    let text_len: usize = parts.tokens.iter().map(|(text, _)| text.len()).sum();
    if text_len >= 1 << 31 {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("the tokens have {text_len} bytes, 2^31 or more"),
        ));
    }
    Ok(())
}

/// The weight of each token times the scale of its row.
fn factors(parts: &Parts, weights: &[f32]) -> Result<Vec<f32>> {
    let factor = |(token, weight): (usize, &f32)| {
        let row = parts.row_of_token.as_ref().map_or(token, |rows| rows[token] as usize);
        let factor = weight * parts.rows.scales[row];
        if factor.is_finite() {
            Ok(factor)
        } else {
            Err(Error::invalid(format!("the weight of token {token} is not finite")))
        }
    };
    weights.iter().enumerate().map(factor).collect()
}

const _: () = assert!(header::LEN.is_multiple_of(wire::ALIGN));
