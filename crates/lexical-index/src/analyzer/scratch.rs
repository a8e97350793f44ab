//! Room for words on their way to terms.

use super::known_stems::KnownStems;

/// The longest term in bytes. Of a longer word the beginning is the term.
pub(super) const MAX_TERM_LEN: usize = 255;

/// Room for the steps from a word to its terms, of one analyzer.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// In one case, with diacritics.
    pub(super) cased: String,
    /// Without diacritics.
    pub(super) plain: String,
    pub(super) terms: [String; MAX_FORMS],
    pub(super) count: usize,
    pub(super) stems: KnownStems,
}

impl Scratch {
    /// Heap in bytes that is kept from word to word.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.stems.memory_bytes()
    }
}

/// The most terms of a word: the stem, the stem of the word without diacritics, that of the word spelled otherwise.
pub(crate) const MAX_FORMS: usize = 3;

/// Adds a term, unless it is there or empty.
pub(super) fn put_term(terms: &mut [String; MAX_FORMS], count: &mut usize, term: &str) {
    let term = truncate(term, MAX_TERM_LEN);
    let (known, free) = terms.split_at_mut(*count);
    if let Some(next) =
        free.first_mut().filter(|_| !term.is_empty() && known.iter().all(|other| other != term))
    {
        next.clear();
        next.push_str(term);
        *count += 1;
    }
}

/// The beginning of `text` up to `len` bytes, ending with a whole character.
pub(super) fn truncate(text: &str, len: usize) -> &str {
    &text[..text.floor_char_boundary(len)]
}
