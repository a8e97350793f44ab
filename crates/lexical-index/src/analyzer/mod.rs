//! From a text to terms: words, folded, stemmed, without stop words.

mod common_words;
mod digits;
mod fold;
mod identity;
mod known_stems;
mod language;
mod scratch;
mod unspaced;
mod version;
mod words;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;

use unicode_normalization::UnicodeNormalization;

use self::known_stems::KnownStems;
pub use self::language::Language;
use self::language::Stemmer;
pub(crate) use self::scratch::{MAX_FORMS, Scratch};
use self::scratch::{MAX_TERM_LEN, put_term, truncate};
pub(crate) use self::version::Version;
use self::words::Rules;
use crate::error::Result;

/// Of a word, what is looked at: enough for a term, whatever folding makes of it.
const MAX_WORD_LEN: usize = 4 * MAX_TERM_LEN;

/// What a text and a query are cut into: words by Unicode Standard Annex #29, in the form `NFKC_Casefold`.
///
/// So `Straße`, `STRASSE` and full-width `ｓｔｒａｓｓｅ` are one term, and soft hyphens, joiners and marks of direction inside a word
/// are nothing. The apostrophes `'`, `’`, `‘`, `ʼ`, `ʻ` and `＇` are one, and nothing at the ends of a word; decimal digits of all scripts are ASCII; `ک` and `ی` of Persian and Urdu keyboards are
/// the Arabic `ك` and `ي`, while `ى` stays apart: `على` is not `علي`. A sign that stands for several words is those words: `㈱` is `株`, `ﷺ` is four.
///
/// An emoji, with all that joins it, is a word, of which tags and the style are nothing: the flags of
/// England and Scotland are one, the black flag; `©`, `®`, `™`, `‼` and `⁉` are words on their own and nothing right behind a word. Of Chinese and Japanese each ideograph and hiragana is a word, and each run of katakana; of Thai, Lao, Khmer and Burmese, whose words only a dictionary tells apart, every two letters that stand together, each with its marks: `ภาษา` is `ภา`, `าษ` and `ษา`; Korean has words between spaces.
///
/// Apostrophes, by language of the stems:
///
/// | language | |
/// |---|---|
/// | none | `dog's` is `dog`; `l'avion` is `l` and `avion`, with the elisions of French, Italian, Catalan and Portuguese |
/// | French, Italian, Portuguese | `l'avion`, `dell'arte`, `d'água` are two words |
/// | English, German, Dutch | `dog's` is `dog` |
/// | Turkish | `Ankara'da` is `Ankara`; and `I` is a capital `ı`, not `i` |
///
/// A term is at most 255 bytes long: of a longer word it is the beginning, so that longer words with the same beginning are one term.
pub struct Analyzer {
    version: Version,
    fold_diacritics: bool,
    common_elisions: bool,
    written_out: bool,
    stemmer: Option<(Language, Stemmer)>,
    stop_words: Option<(Language, HashSet<String>)>,
    /// Between one index in memory and the next.
    known_stems: Mutex<Option<KnownStems>>,
}

/// A word of a text as the index has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What is looked up.
    pub term: String,
    /// The place of the word in the text, in bytes.
    pub range: Range<usize>,
    /// How many words precede it, stop words included. Terms at one position are forms of one word.
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
        Self {
            version: Version::default(),
            fold_diacritics: false,
            common_elisions: false,
            written_out: false,
            stemmer: None,
            stop_words: None,
            known_stems: Mutex::default(),
        }
    }

    /// Takes marks off letters: `é` is found by `e`, and pointed Hebrew and Arabic by unpointed; `æ`, `œ`, `ø`, `đ`, `ł` and the like
    /// are found by `ae`, `oe`, `o`, `d`, `l`. `й`, `ї` and `ў` are letters of their own, so is `ı` in Turkish.
    ///
    /// Stems are made with the marks, which tell one ending from another. Where the word without them has another stem,
    /// it has both as its terms: `mangée` is found by `manger` and by `mangee`.
    #[must_use]
    pub fn fold_diacritics(mut self, fold: bool) -> Self {
        self.fold_diacritics = fold;
        self.refold_stop_words()
    }

    /// Splits the elisions of French, Italian, Catalan and Portuguese off also where the stems are of another language, for texts of several: `l'avion` is
    /// `l` and `avion`. Without stems they always are. Default: no.
    #[must_use]
    pub fn common_elisions(mut self, split: bool) -> Self {
        self.common_elisions = split;
        self
    }

    /// Reads digits below the line and signs that stand for letters as they are written out: `H₂O` is the word `h2o`, `№ 5` is `no` and `5`, `㎏` is `kg`. Digits
    /// above the line stay words of their own, since they number notes more often than not. Default: no.
    #[must_use]
    pub fn written_out(mut self, written_out: bool) -> Self {
        self.written_out = written_out;
        self
    }

    /// Reduces words to their stems (Snowball), and treats apostrophes as the language does. Needs the feature `stemmers`.
    pub fn stem(mut self, language: Language) -> Result<Self> {
        self.stemmer = Some((language, Stemmer::new(language)?));
        self.known_stems = Mutex::default();
        Ok(self.refold_stop_words())
    }

    /// Leaves out the commonest words of a language. There are lists for Dutch, English, French, German, Italian,
    /// Portuguese and Spanish.
    pub fn stop_words(mut self, language: Language) -> Result<Self> {
        language.stop_words()?;
        self.stop_words = Some((language, HashSet::new()));
        Ok(self.refold_stop_words())
    }

    fn refold_stop_words(mut self) -> Self {
        if let Some((language, _)) = self.stop_words.take() {
            let words = language.stop_words().unwrap_or_default().split_ascii_whitespace();
            let list = words.map(|word| self.folded(word)).collect();
            self.stop_words = Some((language, list));
        }
        self
    }

    /// The tokens of a text, in order.
    pub fn tokens(&self, text: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        self.each_token(text, |term, range, position| {
            tokens.push(Token { term: term.to_owned(), range, position });
        });
        tokens
    }

    /// Calls `found` with term, place and position of every token; several times in a row with one position where a word has several
    /// terms, which differ. Nothing is allocated for each.
    pub(crate) fn each_token(&self, text: &str, found: impl FnMut(&str, Range<usize>, u32)) {
        self.each_token_in(text, &mut Scratch::default(), found);
    }

    /// [`each_token`](Self::each_token), for many texts, of whose words the stems are remembered.
    pub(crate) fn each_token_in(
        &self,
        text: &str,
        scratch: &mut Scratch,
        mut found: impl FnMut(&str, Range<usize>, u32),
    ) {
        let mut position = 0u32;
        words::words(text, self.rules(), |range| {
            let word = truncate(&text[range.clone()], MAX_WORD_LEN);
            let is_ascii = word.is_ascii();
            if !is_ascii && let Some(spelled) = self.spelled(word) {
                let first = position;
                words::words(&spelled, self.rules(), |part| {
                    self.analyze(&spelled[part], scratch);
                    for term in &scratch.terms[..scratch.count] {
                        found(term, range.clone(), position);
                    }
                    position = position.saturating_add(1);
                });
                if position > first {
                    return;
                }
            }
            self.analyze_by(word, is_ascii, scratch);
            for term in &scratch.terms[..scratch.count] {
                found(term, range.clone(), position);
            }
            position = position.saturating_add(1);
        });
    }

    /// A word in the form of terms but not stemmed, for words whose ends are not known.
    pub(crate) fn folded(&self, word: &str) -> String {
        let (mut cased, mut plain) = (String::new(), String::new());
        self.fold(truncate(word, MAX_WORD_LEN), &mut cased, &mut plain);
        plain.truncate(truncate(&plain, MAX_TERM_LEN).len());
        plain
    }

    /// The forms in which an index may have a word that is misspelled: folded, and as its terms.
    pub(crate) fn folded_and_stems(&self, word: &str) -> Vec<String> {
        let mut forms = vec![self.folded(word)];
        let mut scratch = Scratch::default();
        self.analyze(truncate(word, MAX_WORD_LEN), &mut scratch);
        forms.extend_from_slice(&scratch.terms[..scratch.count]);
        forms.sort_unstable();
        forms.dedup();
        forms
    }

    /// Terms of words that begin with `beginning` which do not begin so themselves: `connecti` is of `connection`, whose stem is `connect`,
    /// and `dog's` is `dog`. Known are the word itself and those that common endings make of it.
    pub(crate) fn stems_of(&self, beginning: &str) -> Vec<String> {
        let endings = self.language().map_or(&[""][..], language::endings);
        let beginning = truncate(beginning, MAX_WORD_LEN);
        let folded = self.folded(beginning);
        let (mut stems, mut scratch) = (Vec::new(), Scratch::default());
        for ending in endings {
            let is_begun = |&len: &usize| folded.ends_with(&ending[..len]);
            for begun in (0..ending.len().max(1)).filter(is_begun) {
                self.analyze(&format!("{beginning}{}", &ending[begun..]), &mut scratch);
                let of_word = scratch.terms[..scratch.count].iter();
                stems.extend(of_word.filter(|stem| !stem.starts_with(&folded)).cloned());
            }
        }
        stems.sort_unstable();
        stems.dedup();
        stems
    }

    /// The last word of a text, and whether it is the only one. Of a sign that stands for words, or for one in parentheses, the last of these: `株` of `㈱`.
    pub(crate) fn last_word<'t>(&self, text: &'t str) -> Option<(Cow<'t, str>, bool)> {
        let last_of = |text: &str| {
            let (mut last, mut count) = (0..0, 0);
            words::words(text, self.rules(), |range| {
                last = range;
                count += 1;
            });
            (last, count)
        };
        let (place, count) = last_of(text);
        let word = (count > 0).then(|| &text[place])?;
        let Some(spelled) = self.spelled(word) else { return Some((word.into(), count == 1)) };
        match last_of(&spelled) {
            (_, 0) => Some((word.into(), count == 1)),
            (place, of_sign) => Some((spelled[place].to_owned().into(), count == 1 && of_sign == 1)),
        }
    }

    /// The words that a word with signs for several stands for.
    fn spelled(&self, word: &str) -> Option<String> {
        let may_be_several = self.version >= Version::Third && words::may_be_several(word);
        may_be_several.then(|| word.nfkc().collect())
    }

    /// Calls `found` with the place of every word of a text, in order.
    pub(crate) fn each_word(&self, text: &str, found: impl FnMut(Range<usize>)) {
        words::words(text, self.rules(), found);
    }

    /// Room for the words of many texts, with the stems that are known from others.
    pub(crate) fn scratch(&self) -> Scratch {
        let known = self.known_stems.lock().ok().and_then(|mut known| known.take());
        Scratch { stems: known.unwrap_or_else(KnownStems::of_many), ..Scratch::default() }
    }

    /// Keeps the stems for the next who asks.
    pub(crate) fn give_back(&self, scratch: Scratch) {
        let len_of = |known: &Option<KnownStems>| known.as_ref().map_or(0, KnownStems::memory_bytes);
        if let Ok(mut known) = self.known_stems.lock()
            && len_of(&known) < scratch.memory_bytes()
        {
            *known = Some(scratch.stems);
        }
    }

    /// Heap in bytes of the stems that it remembers: of 16,384 words at most, in 512 KiB.
    pub fn memory_bytes(&self) -> usize {
        self.known_stems.lock().map_or(0, |known| known.as_ref().map_or(0, KnownStems::memory_bytes))
    }

    fn rules(&self) -> Rules {
        let elisions = language::elisions(self.language(), self.common_elisions, self.version);
        Rules { elisions, written_out: self.written_out, version: self.version }
    }

    /// The language of its stems.
    pub fn language(&self) -> Option<Language> {
        self.stemmer.as_ref().map(|(language, _)| *language)
    }

    /// Whether words are compared without their diacritics.
    pub fn folds_diacritics(&self) -> bool {
        self.fold_diacritics
    }

    /// The terms of a word.
    fn analyze(&self, word: &str, scratch: &mut Scratch) {
        self.analyze_by(word, word.is_ascii(), scratch);
    }

    #[inline]
    fn analyze_by(&self, word: &str, is_ascii: bool, scratch: &mut Scratch) {
        scratch.count = 0;
        let is_plain = is_ascii && !word.contains('\'') && self.language() != Some(Language::Turkish);
        if !is_plain {
            return self.analyze_any(word, scratch);
        }
        let cased = if self.stemmer.is_some() { &mut scratch.cased } else { &mut scratch.terms[0] };
        cased.clear();
        cased.push_str(word);
        cased.make_ascii_lowercase();
        if self.is_stop_word(cased) {
            return;
        }
        match &self.stemmer {
            Some((_, stemmer)) => {
                let Scratch { cased, terms, count, stems, .. } = scratch;
                stems.stem(stemmer, cased);
                put_term(terms, count, cased);
            }
            None => {
                cased.truncate(MAX_TERM_LEN);
                scratch.count = 1;
            }
        }
    }

    fn analyze_any(&self, word: &str, scratch: &mut Scratch) {
        let Scratch { cased, plain, terms, count, .. } = scratch;
        self.fold(word, cased, plain);
        if self.is_stop_word(plain) {
            return;
        }
        let apostrophe = language::apostrophe(self.language());
        let (cased, plain) = (apostrophe.without_suffix(cased), apostrophe.without_suffix(plain));
        let Some((language, stemmer)) = &self.stemmer else { return put_term(terms, count, plain) };
        let mut put = |word: &str| {
            let stem = stemmer.stem(word);
            if !self.fold_diacritics || stem.is_ascii() {
                return put_term(terms, count, &stem);
            }
            let mut unmarked = String::new();
            fold::fold_diacritics(&stem, *language == Language::Turkish, &mut unmarked);
            put_term(terms, count, &unmarked);
        };
        put(cased);
        if self.fold_diacritics && cased != plain {
            put(plain);
            if cased.chars().any(|c| language::spelled_out(*language, c).is_some()) {
                let spelled = cased.chars().fold(String::new(), |mut spelled, c| {
                    match language::spelled_out(*language, c) {
                        Some(letters) => spelled.push_str(letters),
                        None => spelled.push(c),
                    }
                    spelled
                });
                put(&spelled);
            }
        }
    }

    fn is_stop_word(&self, plain: &str) -> bool {
        self.stop_words.as_ref().is_some_and(|(_, list)| list.contains(plain))
    }

    /// The word in one case, and in `plain` as the options want it.
    pub(crate) fn fold(&self, word: &str, cased: &mut String, plain: &mut String) {
        cased.clear();
        plain.clear();
        let turkish = self.language() == Some(Language::Turkish);
        if word.is_ascii() && !turkish {
            cased.push_str(word);
            cased.make_ascii_lowercase();
        } else {
            fold::fold_case(word, turkish, self.version, cased);
        }
        if self.fold_diacritics && !cased.is_ascii() {
            fold::fold_diacritics(cased, turkish, plain);
        } else {
            plain.push_str(cased);
        }
    }
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyzer")
            .field("version", &self.version)
            .field("fold_diacritics", &self.fold_diacritics)
            .field("common_elisions", &self.common_elisions)
            .field("written_out", &self.written_out)
            .field("stem", &self.language())
            .field("stop_words", &self.stop_words.as_ref().map(|(language, _)| language))
            .finish_non_exhaustive()
    }
}

/// Whether there is a word in a text.
pub(crate) fn has_words(text: &str) -> bool {
    let mut found = false;
    words::words(text, Rules { written_out: true, ..Rules::default() }, |_| found = true);
    found
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
        assert_eq!(terms(&analyzer, "שלום עולם 👩‍👩‍👧‍👦 ok🎉yes"), ["שלום", "עולם", "👩👩👧👦", "ok", "🎉", "yes"]);
        assert_eq!(terms(&analyzer, "日本").len(), 2);
    }

    #[test]
    fn of_64_mib_of_one_word_the_beginning_is_the_term() {
        // The last is a letter of mathematics, which is an "a" to whoever looks for it.
        for (word, folded) in [("a", "a"), ("é", "é"), ("\u{1D400}", "a")] {
            let text = word.repeat((64 << 20) / word.len());
            let tokens = Analyzer::new().tokens(&text);
            assert_eq!(tokens.len(), 1);
            assert_eq!(tokens[0].range, 0..text.len());
            assert_eq!(tokens[0].term, folded.repeat(MAX_TERM_LEN / folded.len()));
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
