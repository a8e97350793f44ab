//! A text to words: cleaned, folded, and split at spaces and punctuation, in one pass and with memory for one word.

use std::ops::ControlFlow;

use unicode_normalization::char::decompose_canonical;

use super::characters::{is_cjk, is_mark, is_punctuation, is_removed};

/// What the normalizer does, as the options of `BertNormalizer` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four switches that are independent of each other")]
pub(crate) struct NormalizerOptions {
    /// Takes control characters away, and makes spaces of all kinds plain ones.
    pub(crate) clean_text: bool,
    /// Makes every character of Chinese a word.
    pub(crate) split_cjk: bool,
    /// Decomposes characters, and takes nonspacing marks away.
    pub(crate) strip_accents: bool,
    pub(crate) lowercase: bool,
}

impl NormalizerOptions {
    pub(crate) fn bits(self) -> u8 {
        u8::from(self.clean_text)
            | u8::from(self.split_cjk) << 1
            | u8::from(self.strip_accents) << 2
            | u8::from(self.lowercase) << 3
    }

    /// `None` for bits that mean nothing.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        let [clean_text, split_cjk, strip_accents, lowercase] =
            std::array::from_fn(|bit| bits >> bit & 1 == 1);
        (bits < 16).then_some(Self { clean_text, split_cjk, strip_accents, lowercase })
    }
}

/// What becomes of a byte below 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A part of a word.
    Word,
    /// Ends a word.
    Space,
    /// Ends a word, and is one.
    Punctuation,
    /// As if it was not there.
    Removed,
}

/// The word that is being read.
#[derive(Debug, Default)]
pub(crate) struct WordBuffer {
    text: Vec<u8>,
    /// Characters so far, those included that were too many to be kept.
    chars: usize,
}

/// Splits texts into words.
#[derive(Debug)]
pub(crate) struct Normalizer {
    options: NormalizerOptions,
    /// What each byte below 128 is, and what it becomes; bytes from 128 on begin or continue other characters.
    ascii: [(Kind, u8); 128],
    /// The most characters of a word that are kept.
    word_chars: usize,
}

impl Normalizer {
    pub(crate) fn new(options: NormalizerOptions, word_chars: usize) -> Self {
        let of_byte = |byte: u8| {
            let c = char::from(byte);
            let kind = match c {
                _ if options.clean_text && is_removed(c) => Kind::Removed,
                _ if c.is_whitespace() => Kind::Space,
                _ if is_punctuation(c) => Kind::Punctuation,
                _ => Kind::Word,
            };
            (kind, if options.lowercase { byte.to_ascii_lowercase() } else { byte })
        };
        let ascii = std::array::from_fn(|byte| of_byte(u8::try_from(byte).unwrap_or(0)));
        Self { options, ascii, word_chars }
    }

    /// Calls `each` with every word of a text until it says stop: its text in UTF-8, or `None` if it has too many characters.
    pub(crate) fn each_word(
        &self,
        text: &str,
        word: &mut WordBuffer,
        mut each: impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) {
        // A text that ends because `each` says so is no failure.
        let _ = self.words(text, word, &mut each);
    }

    fn words(
        &self,
        text: &str,
        word: &mut WordBuffer,
        each: &mut impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        word.clear();
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Some(&(kind, folded)) = self.ascii.get(usize::from(byte)) {
                at += 1;
                match kind {
                    Kind::Word => word.push_byte(folded, self.word_chars),
                    Kind::Space => word.end(self.word_chars, each)?,
                    Kind::Punctuation => {
                        word.end(self.word_chars, each)?;
                        each(Some(&[byte]))?;
                    }
                    Kind::Removed => {}
                }
            } else {
                // A byte from 128 on begins a character, since those before it were read as a whole.
                let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
                at += c.len_utf8();
                self.add_char(c, word, each)?;
            }
        }
        word.end(self.word_chars, each)
    }

    /// Adds a character that is not ASCII.
    fn add_char(
        &self,
        c: char,
        word: &mut WordBuffer,
        each: &mut impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.options.clean_text && is_removed(c) {
            return ControlFlow::Continue(());
        }
        let stands_alone = self.options.split_cjk && is_cjk(c);
        if stands_alone {
            word.end(self.word_chars, each)?;
        }
        if self.options.strip_accents {
            let mut flow = ControlFlow::Continue(());
            decompose_canonical(c, |part| {
                if flow.is_continue() && !is_mark(part) {
                    flow = self.add_lowercase(part, word, each);
                }
            });
            flow?;
        } else {
            self.add_lowercase(c, word, each)?;
        }
        if stands_alone { word.end(self.word_chars, each) } else { ControlFlow::Continue(()) }
    }

    fn add_lowercase(
        &self,
        c: char,
        word: &mut WordBuffer,
        each: &mut impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !self.options.lowercase {
            return self.add_folded(c, word, each);
        }
        c.to_lowercase().try_for_each(|c| self.add_folded(c, word, each))
    }

    fn add_folded(
        &self,
        c: char,
        word: &mut WordBuffer,
        each: &mut impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if c.is_whitespace() {
            word.end(self.word_chars, each)
        } else if is_punctuation(c) {
            word.end(self.word_chars, each)?;
            each(Some(c.encode_utf8(&mut [0; 4]).as_bytes()))
        } else {
            word.push_char(c, self.word_chars);
            ControlFlow::Continue(())
        }
    }
}

impl WordBuffer {
    fn clear(&mut self) {
        self.text.clear();
        self.chars = 0;
    }

    #[inline]
    fn push_byte(&mut self, byte: u8, word_chars: usize) {
        if self.chars < word_chars {
            self.text.push(byte);
        }
        self.chars += 1;
    }

    fn push_char(&mut self, c: char, word_chars: usize) {
        if self.chars < word_chars {
            self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.chars += 1;
    }

    /// Ends the word, if there is one.
    #[inline]
    fn end(
        &mut self,
        word_chars: usize,
        each: &mut impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.chars == 0 {
            return ControlFlow::Continue(());
        }
        let flow = each((self.chars <= word_chars).then_some(&self.text));
        self.clear();
        flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u8 = 15;

    fn words(bits: u8, text: &str) -> Vec<String> {
        let normalizer = Normalizer::new(NormalizerOptions::from_bits(bits).unwrap(), 10);
        let mut found = Vec::new();
        normalizer.each_word(text, &mut WordBuffer::default(), |word| {
            let word = word.map_or("too long".to_owned(), |word| String::from_utf8(word.to_vec()).unwrap());
            found.push(word);
            ControlFlow::Continue(())
        });
        found
    }

    #[test]
    fn a_text_is_split_at_spaces_punctuation_and_characters_of_chinese() {
        assert_eq!(
            words(ALL, " Héllo,\tWORLD!\u{200B}s 中文x"),
            ["hello", ",", "world", "!", "s", "中", "文", "x"]
        );
        assert_eq!(words(ALL, "a$b «c» İ\u{7F}Σ"), ["a", "$", "b", "«", "c", "»", "iσ"]);
        assert_eq!(words(ALL, ""), [""; 0]);
    }

    #[test]
    fn each_switch_does_its_own_part() {
        assert_eq!(words(0, "É\0中x"), ["É\0中x"]);
        assert_eq!(words(1, "É\0中x"), ["É中x"]);
        assert_eq!(words(2, "É\0中x"), ["É\0", "中", "x"]);
        assert_eq!(words(4, "É\0中x"), ["E\0中x"]);
        assert_eq!(words(8, "É\0中x"), ["é\0中x"]);
        assert_eq!(NormalizerOptions::from_bits(16), None);
        assert!((0..16).all(|bits| NormalizerOptions::from_bits(bits).unwrap().bits() == bits));
    }

    #[test]
    fn a_word_that_is_too_long_is_given_as_such() {
        assert_eq!(words(ALL, "0123456789 0123456789a éééééééééé"), ["0123456789", "too long", "eeeeeeeeee"]);
        assert_eq!(words(ALL, &"x".repeat(1 << 20)), ["too long"]);
    }
}
