//! The tokens of a vocabulary to its bytes.

use super::layout::{MAX_PROBES, SlotWriter, offset_entry, token_hash, u32s_to_bytes};
use crate::error::{Error, Result};

/// The bytes of a vocabulary, in memory.
#[derive(Debug)]
pub(crate) struct VocabularyBytes {
    pub(crate) slots: Vec<u8>,
    pub(crate) offsets: Vec<u8>,
    pub(crate) text: Vec<u8>,
    /// The most slots that finding a token takes.
    pub(crate) probes: u32,
    /// Bytes of the longest token.
    pub(crate) piece_len: usize,
}

impl VocabularyBytes {
    /// Of tokens by number: the text of each, without the sign that it continues a word, and whether it does. An empty text is found nowhere.
    pub(crate) fn new(tokens: &[(String, bool)]) -> Result<Self> {
        let slots = slots(tokens)?;
        let (offsets, text) = texts(tokens);
        Ok(Self {
            probes: slots.probes(),
            slots: slots.to_bytes(),
            offsets: u32s_to_bytes(offsets.into_iter()),
            text,
            piece_len: tokens.iter().map(|(text, _)| text.len()).max().unwrap_or(0),
        })
    }
}

/// The hash table of all tokens: three slots for each two tokens, or more until no token takes too many steps to find.
fn slots(tokens: &[(String, bool)]) -> Result<SlotWriter> {
    for portion in [2, 3, 4, 8] {
        let mut slots = SlotWriter::new(tokens.len() + tokens.len() * portion / 4 + 1);
        for (token, (text, continues)) in (0..).zip(tokens) {
            if !text.is_empty() {
                slots.insert(token_hash(text.as_bytes(), *continues), token);
            }
        }
        if slots.probes() <= MAX_PROBES {
            return Ok(slots);
        }
    }
    Err(Error::unsupported("too many tokens have the same hash, which no vocabulary has by chance"))
}

/// Where each token begins, and all tokens, one after the other.
fn texts(tokens: &[(String, bool)]) -> (Vec<u32>, Vec<u8>) {
    let (mut offsets, mut text) = (Vec::with_capacity(tokens.len() + 1), Vec::new());
    for (token, continues) in tokens {
        offsets.push(offset_entry(text.len(), *continues));
        text.extend_from_slice(token.as_bytes());
    }
    offsets.push(offset_entry(text.len(), false));
    (offsets, text)
}
