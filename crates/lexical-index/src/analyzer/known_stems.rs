//! Stems of words that came before: few words make up most of a text, and to find a stem costs more than to look one up.

use std::collections::HashMap;

use super::language::Stemmer;

/// So many words are remembered; then it begins anew.
const MAX_WORDS: usize = 4096;
/// Longer words are not remembered.
const MAX_LEN: usize = 32;

/// Words and their stems, of one stemmer.
#[derive(Debug, Default)]
pub(super) struct KnownStems {
    stems: HashMap<Box<str>, Box<str>>,
    /// Bytes of all words and stems.
    len: usize,
}

impl KnownStems {
    /// The stem of a word, from memory or from `stemmer`.
    pub(super) fn stem<'a>(&'a mut self, stemmer: &Stemmer, word: &'a mut String) -> &'a str {
        // Looked up twice, since a borrow that is returned would last until the end.
        if self.stems.contains_key(word.as_str()) {
            return &self.stems[word.as_str()];
        }
        let stem = stemmer.stem(word);
        if word.len() > MAX_LEN {
            *word = stem.into_owned();
            return word;
        }
        if self.stems.len() == MAX_WORDS {
            self.stems.clear();
            self.len = 0;
        }
        self.len += word.len() + stem.len();
        self.stems.entry(word.as_str().into()).or_insert_with(|| stem.into())
    }

    /// Heap in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.stems.capacity() * size_of::<(Box<str>, Box<str>)>() + self.len
    }
}

#[cfg(all(test, feature = "stemmers"))]
mod tests {
    use super::super::Language;
    use super::*;

    #[test]
    fn stems_from_memory_are_those_of_the_stemmer_and_memory_is_bounded() {
        let stemmer = Stemmer::new(Language::English).unwrap();
        let mut known = KnownStems::default();
        let endings = ["", "s", "ing", "ed", "ation", "fully"];
        for round in 0..2 {
            for i in 0..3 * MAX_WORDS {
                let word = format!("{}connect{}{}", "x".repeat(i % 40), i / 12 + round, endings[i % 6]);
                for _ in 0..2 {
                    let mut scratch = word.clone();
                    assert_eq!(known.stem(&stemmer, &mut scratch), stemmer.stem(&word));
                }
                assert!(known.stems.len() <= MAX_WORDS && known.memory_bytes() < 1 << 20);
            }
        }
    }
}
