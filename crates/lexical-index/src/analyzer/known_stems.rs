//! Stems of words that came before: few words make up most of a text, and to find a stem costs more than to look one up.

use xxhash_rust::xxh3::xxh3_64;

use super::language::Stemmer;

/// So many sets of words of many texts are remembered: 512 KiB.
const SETS: usize = 8192;
/// And so many of one text or query: 4 KiB, which are filled in less time than to find the stem of a word takes.
const SETS_OF_ONE: usize = 64;
/// The words of a set, the one that came last first.
const WAYS: usize = 2;
/// Longer words are not remembered.
const MAX_LEN: usize = 24;
/// Nor are those whose stems end with more that they do not begin with.
const MAX_ENDING: usize = 5;

/// Words and their stems, of one stemmer: a cache in two ways, in which a word pushes out the one of its set that was not asked for longest.
#[derive(Debug)]
pub(super) struct KnownStems {
    /// None before the first word, and where there is no memory for them.
    sets: Vec<[Known; WAYS]>,
    /// How many there are then.
    most: usize,
}

/// Of one text.
impl Default for KnownStems {
    fn default() -> Self {
        Self { sets: Vec::new(), most: SETS_OF_ONE }
    }
}

/// A word and its stem: how much of the word the stem begins with, and what comes then.
#[derive(Debug, Clone, Copy)]
struct Known {
    len: u8,
    kept: u8,
    ending_len: u8,
    ending: [u8; MAX_ENDING],
    word: [u8; MAX_LEN],
}

/// No word is of length 0.
const NONE: Known = Known { len: 0, kept: 0, ending_len: 0, ending: [0; MAX_ENDING], word: [0; MAX_LEN] };

impl KnownStems {
    /// With room for the words of many texts.
    pub(super) fn of_many() -> Self {
        Self { most: SETS, ..Self::default() }
    }

    /// Makes of a word its stem, from memory or by `stemmer`.
    pub(super) fn stem(&mut self, stemmer: &Stemmer, word: &mut String) {
        let Some(set) = self.set_of(word) else {
            *word = stemmer.stem(word).into_owned();
            return;
        };
        match set.iter().position(|known| known.is_of(word)) {
            Some(0) => {}
            Some(way) => set.swap(0, way),
            None => {
                let stem = stemmer.stem(word);
                let Some(known) = Known::new(word, &stem) else {
                    *word = stem.into_owned();
                    return;
                };
                set.rotate_right(1);
                set[0] = known;
            }
        }
        set[0].put_stem(word);
    }

    /// Where a word is, if it is known.
    fn set_of(&mut self, word: &str) -> Option<&mut [Known; WAYS]> {
        if word.is_empty() || word.len() > MAX_LEN {
            return None;
        }
        if self.sets.is_empty() {
            // Without memory to remember them, all stems are found anew.
            self.sets.try_reserve_exact(self.most).ok()?;
            self.sets.resize(self.most, [NONE; WAYS]);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a few bits of it are taken")]
        let hash = xxh3_64(word.as_bytes()) as usize;
        // The numbers of sets are powers of two.
        let set = hash & (self.sets.len() - 1);
        self.sets.get_mut(set)
    }

    /// Heap in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.sets.capacity() * size_of::<[Known; WAYS]>()
    }
}

impl Known {
    /// `None` if the stem is of another form than is kept.
    fn new(word: &str, stem: &str) -> Option<Self> {
        let same = word.bytes().zip(stem.bytes()).take_while(|(a, b)| a == b).count();
        let kept = stem.floor_char_boundary(same);
        let ending = &stem.as_bytes()[kept..];
        let mut known = NONE;
        known.len = u8::try_from(word.len()).ok()?;
        known.kept = u8::try_from(kept).ok()?;
        known.ending_len = u8::try_from(ending.len()).ok()?;
        known.ending.get_mut(..ending.len())?.copy_from_slice(ending);
        known.word.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
        Some(known)
    }

    #[inline]
    fn is_of(&self, word: &str) -> bool {
        &self.word[..usize::from(self.len)] == word.as_bytes()
    }

    #[inline]
    fn put_stem(&self, word: &mut String) {
        word.truncate(usize::from(self.kept));
        let ending = &self.ending[..usize::from(self.ending_len)];
        word.push_str(std::str::from_utf8(ending).unwrap_or_default());
    }
}

#[cfg(all(test, feature = "stemmers"))]
mod tests {
    use super::super::Language;
    use super::*;

    fn stem(known: &mut KnownStems, stemmer: &Stemmer, word: &str) -> String {
        let mut stem = word.to_owned();
        known.stem(stemmer, &mut stem);
        stem
    }

    #[test]
    fn stems_from_memory_are_those_of_the_stemmer_and_memory_is_bounded() {
        let stemmer = Stemmer::new(Language::English).unwrap();
        let mut known = KnownStems::of_many();
        let endings = ["", "s", "ing", "ed", "ation", "fully", "y", "ies"];
        for round in 0..2 {
            for i in 0..4 * SETS {
                let word = format!("{}connect{}{}", "x".repeat(i % 40), i / 12 + round, endings[i % 8]);
                for _ in 0..2 {
                    assert_eq!(stem(&mut known, &stemmer, &word), stemmer.stem(&word));
                }
                assert!(known.memory_bytes() <= 512 << 10);
            }
        }
        assert_eq!(stem(&mut known, &stemmer, ""), "");
    }

    #[test]
    fn one_text_takes_little_memory_for_stems() {
        let (stemmer, mut known) = (Stemmer::new(Language::English).unwrap(), KnownStems::default());
        for i in 0..4 * SETS {
            let word = format!("{i}connecting");
            assert_eq!(stem(&mut known, &stemmer, &word), stemmer.stem(&word));
        }
        assert_eq!(known.memory_bytes(), 4 << 10);
    }

    #[test]
    fn stems_of_every_language_come_back_whole() {
        let (short, long) = ("жил был дом ışık évènement ää ß", "преподавательницами δεκαπέντε");
        for language in Language::ALL {
            let (stemmer, mut known) = (Stemmer::new(*language).unwrap(), KnownStems::default());
            for word in short.split(' ').chain(long.split(' ')).chain(["running", "happy", "nationalization"])
            {
                for _ in 0..3 {
                    assert_eq!(stem(&mut known, &stemmer, word), stemmer.stem(word), "{language:?} {word}");
                }
            }
        }
    }

    #[test]
    fn letters_that_begin_with_the_same_byte_are_not_cut() {
        let mut word = "n\u{e9}".to_owned();
        Known::new(&word, "n\u{e8}").unwrap().put_stem(&mut word);
        assert_eq!(word, "n\u{e8}");
    }

    #[test]
    fn of_two_words_of_a_set_the_one_that_came_last_stays() {
        let stemmer = Stemmer::new(Language::English).unwrap();
        let mut known = KnownStems::default();
        let is_known = |known: &mut KnownStems| {
            known.set_of("connections").unwrap().iter().any(|known| known.is_of("connections"))
        };
        let mut others = (0..).map(|i| format!("other{i}")).filter(|word| {
            let mut two = KnownStems::default();
            two.set_of(word).unwrap()[0].len = 1;
            two.set_of("connections").unwrap()[0].len == 1
        });
        stem(&mut known, &stemmer, "connections");
        stem(&mut known, &stemmer, &others.next().unwrap());
        assert!(is_known(&mut known), "one other came");
        stem(&mut known, &stemmer, &others.next().unwrap());
        assert!(!is_known(&mut known), "two others came");
    }
}
