//! Stems of words that came before: few words make up most of a text, and to find a stem costs more than to look one up.

use std::collections::HashMap;

use super::language::Stemmer;

/// So many words are remembered as new; then they are the old ones, and those that were are forgotten.
const MAX_WORDS: usize = 4096;
/// Longer words are not remembered.
const MAX_LEN: usize = 32;

/// Words and their stems, of one stemmer. An old word that comes again is a new one, so that common words are never forgotten.
#[derive(Debug, Default)]
pub(super) struct KnownStems {
    new: Generation,
    old: Generation,
}

/// Words that came after one another, with their stems.
#[derive(Debug, Default)]
struct Generation {
    stems: HashMap<Box<str>, Box<str>>,
    /// Bytes of all words and stems.
    len: usize,
}

impl KnownStems {
    /// The stem of a word, from memory or from `stemmer`.
    pub(super) fn stem<'a>(&'a mut self, stemmer: &Stemmer, word: &'a mut String) -> &'a str {
        // Looked up twice, since a borrow that is returned would last until the end.
        if self.new.stems.contains_key(word.as_str()) {
            return &self.new.stems[word.as_str()];
        }
        let (known, stem) = match self.old.take(word) {
            Some(known) => known,
            None => {
                let stem = stemmer.stem(word);
                if word.len() > MAX_LEN {
                    *word = stem.into_owned();
                    return word;
                }
                (word.as_str().into(), stem.into())
            }
        };
        if self.new.stems.len() == MAX_WORDS {
            self.old = std::mem::take(&mut self.new);
        }
        // Without memory to remember it, the stem is found anew the next time.
        if self.new.stems.try_reserve(1).is_err() {
            *word = stem.into_string();
            return word;
        }
        self.new.len += known.len() + stem.len();
        self.new.stems.entry(known).or_insert(stem)
    }

    /// Heap in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let bytes = |generation: &Generation| {
            generation.stems.capacity() * size_of::<(Box<str>, Box<str>)>() + generation.len
        };
        bytes(&self.new) + bytes(&self.old)
    }
}

impl Generation {
    fn take(&mut self, word: &str) -> Option<(Box<str>, Box<str>)> {
        let (word, stem) = self.stems.remove_entry(word)?;
        self.len -= word.len() + stem.len();
        Some((word, stem))
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
                assert!(known.new.stems.len() <= MAX_WORDS && known.memory_bytes() < 1 << 20);
            }
        }
    }

    #[test]
    fn a_word_that_comes_again_and_again_is_never_forgotten() {
        let stemmer = Stemmer::new(Language::English).unwrap();
        let mut known = KnownStems::default();
        for i in 0..10 * MAX_WORDS {
            known.stem(&stemmer, &mut format!("word{i}"));
            if i % 1_000 == 0 {
                let is_known = |all: &Generation| all.stems.contains_key("connections");
                assert!(i == 0 || is_known(&known.new) || is_known(&known.old), "after {i} words");
                assert_eq!(known.stem(&stemmer, &mut "connections".to_owned()), "connect");
                assert!(is_known(&known.new) && !is_known(&known.old), "moved, not stemmed again");
            }
        }
    }
}
