//! A word to tokens: the longest that it begins with, then the longest that continues it, and so on.

use std::ops::ControlFlow;

use super::layout::{Slots, TokenTexts, token_hash};

/// The tokens of a model, read where they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vocabulary<'a> {
    pub(crate) slots: Slots<'a>,
    pub(crate) texts: TokenTexts<'a>,
    /// Number of tokens.
    pub(crate) tokens: usize,
    /// The token of a word that no others make up.
    pub(crate) unknown: u32,
    /// Bytes of the longest token.
    pub(crate) piece_len: usize,
}

/// The tokens of the word that is being split.
pub(crate) type PieceBuffer = Vec<u32>;

impl Vocabulary<'_> {
    /// Calls `each` with every token of a word, until it says stop: `unknown` alone if no tokens make up the word, or it is `None`.
    #[inline]
    pub(crate) fn each_token(
        self,
        word: Option<&[u8]>,
        pieces: &mut PieceBuffer,
        mut each: impl FnMut(u32) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(word) = word else { return each(self.unknown) };
        if let Some(token) = self.find(word, false) {
            return each(token);
        }
        if !self.split(word, pieces) {
            return each(self.unknown);
        }
        pieces.iter().try_for_each(|&piece| each(piece))
    }

    /// The token with a text.
    #[inline]
    fn find(self, text: &[u8], continues: bool) -> Option<u32> {
        if text.len() > self.piece_len {
            return None;
        }
        let is_token = |token: u32| {
            (token as usize) < self.tokens
                && self.texts.get(token).is_some_and(|found| found.1 == continues && is_equal(found.0, text))
        };
        self.slots.find(token_hash(text, continues), is_token)
    }

    /// Splits a word that is no token into several. False: there are none that make it up.
    fn split(self, word: &[u8], pieces: &mut PieceBuffer) -> bool {
        pieces.clear();
        let mut start = 0;
        while start < word.len() {
            let end = if start == 0 { word.len() - 1 } else { word.len() };
            let longest = end.min(start + self.piece_len);
            let ends = (start + 1..=longest).rev().filter(|&end| is_boundary(word, end));
            let found =
                ends.into_iter().find_map(|end| Some((self.find(&word[start..end], start > 0)?, end)));
            let Some((token, end)) = found else { return false };
            pieces.push(token);
            start = end;
        }
        true
    }
}

/// Whether a character ends before `at` in UTF-8.
fn is_boundary(word: &[u8], at: usize) -> bool {
    word.get(at).is_none_or(|byte| byte & 0xC0 != 0x80)
}

/// Whether two texts are the same. Up to 16 bytes are compared as numbers, the last of which overlap the first: almost all tokens are that
/// short, and calling the comparison of the standard library took a tenth of the time of embedding.
#[inline]
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    match left.len() {
        0..4 => left.iter().zip(right).all(|(left, right)| left == right),
        4..=8 => {
            left.first_chunk::<4>() == right.first_chunk::<4>()
                && left.last_chunk::<4>() == right.last_chunk::<4>()
        }
        9..=16 => {
            left.first_chunk::<8>() == right.first_chunk::<8>()
                && left.last_chunk::<8>() == right.last_chunk::<8>()
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_equal_if_all_their_bytes_are() {
        for len in 0..40 {
            let text: Vec<u8> = (0..len).collect();
            assert!(is_equal(&text, &text.clone()) && !is_equal(&text, &[&text[..], b"x"].concat()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 1;
                assert!(!is_equal(&text, &other), "{len} {at}");
            }
        }
    }
}
