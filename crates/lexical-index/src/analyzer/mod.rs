//! From a text to terms: words, folded, stemmed, without stop words.

mod language;
mod words;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

pub use self::language::Language;
use self::language::Stemmer;
use crate::error::{Error, ErrorKind, Result};

/// The longest term in bytes. Of a longer word the beginning is the term.
pub(crate) const MAX_TERM_LEN: usize = 255;
/// Of a word, what is looked at: enough for a term, whatever folding makes of it.
const MAX_WORD_LEN: usize = 4 * MAX_TERM_LEN;
/// Raised when the same options begin to give other terms.
const VERSION: u8 = 1;
const FOLD_DIACRITICS: u8 = 1;

/// What a text and a query are cut into: words by Unicode Standard Annex #29, in one case and one normal form (NFC).
///
/// Case is folded by taking the lower case of the upper case, which unites `ß` and `ss`, `ς` and `σ`. A term
/// is at most 255 bytes long: of a longer word it is the beginning.
pub struct Analyzer {
    fold_diacritics: bool,
    stemmer: Option<(Language, Stemmer)>,
    stop_words: Option<(Language, HashSet<String>)>,
}

/// A word of a text as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What is looked up.
    pub term: String,
    /// The place of the word in the text, in bytes.
    pub range: Range<usize>,
    /// How many words precede it, stop words included.
    pub position: u32,
}

impl Default for Analyzer {
    fn default() -> Self {
        Self::new()
    }
}

impl Analyzer {
    /// Words in one case, nothing else: `É` is not `E`, and nothing is left out.
    pub fn new() -> Self {
        Self { fold_diacritics: false, stemmer: None, stop_words: None }
    }

    /// Takes marks off letters: `é` is found by `e`, and pointed Hebrew and Arabic by unpointed. Letters
    /// that are not composed, such as `ø`, stay.
    #[must_use]
    pub fn fold_diacritics(mut self, fold: bool) -> Self {
        self.fold_diacritics = fold;
        if let Some((language, list)) = self.stop_words.take() {
            let list = list.iter().map(|word| self.folded(word)).collect();
            self.stop_words = Some((language, list));
        }
        self
    }

    /// Reduces words to their stems (Snowball). Needs the feature `stemmers`.
    pub fn stem(mut self, language: Language) -> Result<Self> {
        self.stemmer = Some((language, Stemmer::new(language)?));
        Ok(self)
    }

    /// Leaves out the commonest words of a language. There are lists for Dutch, English, French, German, Italian,
    /// Portuguese and Spanish.
    pub fn stop_words(mut self, language: Language) -> Result<Self> {
        let list = language.stop_words()?;
        let list = list.split_ascii_whitespace().map(|word| self.folded(word)).collect();
        self.stop_words = Some((language, list));
        Ok(self)
    }

    /// The options in eight bytes, which every part carries. A part is searched with the analyzer that made it.
    pub fn identity(&self) -> [u8; 8] {
        let stem = self.stemmer.as_ref().map_or(0, |(language, _)| language.code());
        let stop = self.stop_words.as_ref().map_or(0, |(language, _)| language.code());
        [VERSION, u8::from(self.fold_diacritics) * FOLD_DIACRITICS, stem, stop, 0, 0, 0, 0]
    }

    /// The analyzer of an [`identity`](Self::identity), if this library and its features have it.
    pub fn from_identity(identity: [u8; 8]) -> Result<Self> {
        let unknown = || {
            let message = format!("no analyzer {identity:?} in this version of lexical-index");
            Error::new(ErrorKind::Unsupported, message)
        };
        let [VERSION, flags, stem, stop, 0, 0, 0, 0] = identity else { return Err(unknown()) };
        if flags & !FOLD_DIACRITICS != 0 {
            return Err(unknown());
        }
        let mut analyzer = Self::new().fold_diacritics(flags & FOLD_DIACRITICS != 0);
        if stem != 0 {
            analyzer = analyzer.stem(Language::from_code(stem).ok_or_else(unknown)?)?;
        }
        if stop != 0 {
            analyzer = analyzer.stop_words(Language::from_code(stop).ok_or_else(unknown)?)?;
        }
        Ok(analyzer)
    }

    /// The tokens of a text, in order.
    pub fn tokens(&self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        self.each_token(text, |term, range, position| {
            tokens.push(Token { term: term.to_owned(), range, position });
        });
        tokens
    }

    /// Calls `found` with term, place and position of every token. Nothing is allocated for each.
    pub(crate) fn each_token(&self, text: &str, mut found: impl FnMut(&str, Range<usize>, u32)) {
        let mut term = String::with_capacity(MAX_TERM_LEN);
        let mut position = 0u32;
        words::words(text, |range| {
            self.fold(cut(&text[range.clone()], MAX_WORD_LEN), &mut term);
            if !self.is_stop_word(&term) {
                self.stem_and_cut(&mut term);
                if !term.is_empty() {
                    found(&term, range, position);
                }
            }
            position = position.saturating_add(1);
        });
    }

    /// A word in the form of terms but not stemmed, for words whose ends are not known.
    pub(crate) fn folded(&self, word: &str) -> String {
        let mut term = String::new();
        self.fold(cut(word, MAX_WORD_LEN), &mut term);
        term.truncate(cut(&term, MAX_TERM_LEN).len());
        term
    }

    fn is_stop_word(&self, term: &str) -> bool {
        self.stop_words.as_ref().is_some_and(|(_, list)| list.contains(term))
    }

    fn stem_and_cut(&self, term: &mut String) {
        if let Some((_, stemmer)) = &self.stemmer {
            stemmer.stem(term);
        }
        term.truncate(cut(term, MAX_TERM_LEN).len());
    }

    fn fold(&self, word: &str, term: &mut String) {
        term.clear();
        if word.is_ascii() {
            term.push_str(word);
            term.make_ascii_lowercase();
            return;
        }
        let lower = word.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        if self.fold_diacritics {
            term.extend(lower.nfd().filter(|&c| !is_diacritic(c)).nfc());
        } else {
            term.extend(lower.nfc());
        }
    }
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyzer")
            .field("fold_diacritics", &self.fold_diacritics)
            .field("stem", &self.stemmer.as_ref().map(|(language, _)| language))
            .field("stop_words", &self.stop_words.as_ref().map(|(language, _)| language))
            .finish()
    }
}

/// The text, if it is one word as an analyzer cuts words.
pub(crate) fn one_word(text: &str) -> Option<&str> {
    let (mut first, mut count) = (0..0, 0);
    words::words(text, |range| {
        first = range;
        count += 1;
    });
    (count == 1).then(|| &text[first])
}

/// The beginning of `text` up to `len` bytes, ending with a whole character.
fn cut(text: &str, len: usize) -> &str {
    &text[..text.floor_char_boundary(len)]
}

/// Combining diacritical marks, Hebrew points and Arabic vowel signs. Marks of scripts that write vowels with them
/// are not among them.
fn is_diacritic(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}' | '\u{591}'..='\u{5BD}' | '\u{5BF}' | '\u{5C1}' | '\u{5C2}' | '\u{5C4}'
        | '\u{5C5}' | '\u{5C7}' | '\u{64B}'..='\u{652}' | '\u{670}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(analyzer: &Analyzer, text: &str) -> Vec<String> {
        analyzer.tokens(text).into_iter().map(|token| token.term).collect()
    }

    #[test]
    fn words_that_differ_in_case_or_normal_form_are_one_term() {
        let plain = Analyzer::new();
        assert_eq!(terms(&plain, "Straße STRASSE straße"), ["strasse"; 3]);
        assert_eq!(terms(&plain, "ΣΊΣΥΦΟΣ σίσυφος"), ["σίσυφοσ"; 2]);
        assert_eq!(terms(&plain, "caf\u{e9} cafe\u{301} CAFÉ cafe"), ["café", "café", "café", "cafe"]);
        assert_eq!(terms(&plain.fold_diacritics(true), "café cafe\u{301} CAFÉ cafe"), ["cafe"; 4]);
    }

    #[test]
    fn folding_diacritics_leaves_the_vowels_of_other_scripts() {
        let folding = Analyzer::new().fold_diacritics(true);
        assert_eq!(terms(&folding, "हिन्दी 한국어"), ["हिन्दी", "한국어"]);
        assert_eq!(terms(&folding, "שָׁלוֹם مُحَمَّد"), ["שלום", "محمد"]);
    }

    #[test]
    fn a_token_knows_its_place_and_stop_words_keep_theirs() {
        let analyzer = Analyzer::new().stop_words(Language::English).unwrap();
        let text = "The Fox, of the Wood";
        let tokens = analyzer.tokens(text);
        let seen: Vec<_> =
            tokens.iter().map(|t| (t.term.as_str(), &text[t.range.clone()], t.position)).collect();
        assert_eq!(seen, [("fox", "Fox", 1), ("wood", "Wood", 4)]);
    }

    #[test]
    fn odd_texts_have_tokens_or_none_and_never_fail() {
        let analyzer = Analyzer::new().fold_diacritics(true);
        assert_eq!(terms(&analyzer, ""), [""; 0]);
        assert_eq!(terms(&analyzer, "...!?  \u{2014}\u{3002} \u{301}"), [""; 0]);
        assert_eq!(terms(&analyzer, "שלום עולם 👩‍👩‍👧‍👦 ok🎉yes"), ["שלום", "עולם", "ok", "yes"]);
        assert_eq!(terms(&analyzer, "日本").len(), 2);
    }

    #[test]
    fn of_64_mib_of_one_word_the_beginning_is_the_term() {
        for word in ["a", "é", "\u{1D400}"] {
            let text = word.repeat((64 << 20) / word.len());
            let tokens = Analyzer::new().tokens(&text);
            assert_eq!(tokens.len(), 1);
            assert_eq!(tokens[0].range, 0..text.len());
            assert_eq!(tokens[0].term, word.repeat(MAX_TERM_LEN / word.len()));
        }
    }

    #[test]
    fn an_analyzer_comes_back_from_its_identity_and_an_unknown_one_is_refused() {
        let analyzer = Analyzer::new().fold_diacritics(true).stop_words(Language::German).unwrap();
        assert_eq!(analyzer.identity(), [1, 1, 0, 7, 0, 0, 0, 0]);
        assert_eq!(Analyzer::from_identity(analyzer.identity()).unwrap().identity(), analyzer.identity());
        for identity in [
            [2, 0, 0, 0, 0, 0, 0, 0],
            [1, 2, 0, 0, 0, 0, 0, 0],
            [1, 0, 99, 0, 0, 0, 0, 0],
            [1, 0, 0, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(Analyzer::from_identity(identity).unwrap_err().kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn languages_come_back_from_their_codes() {
        for (&language, code) in Language::ALL.iter().zip(1..) {
            assert_eq!((language.code(), Language::from_code(code)), (code, Some(language)));
        }
    }

    #[cfg(feature = "stemmers")]
    #[test]
    fn stems_unite_the_forms_of_a_word_and_stop_words_go_before() {
        let analyzer =
            Analyzer::new().stem(Language::English).unwrap().stop_words(Language::English).unwrap();
        assert_eq!(terms(&analyzer, "The connection connected connecting"), ["connect"; 3]);
    }
}
