//! What terms are matched against when they are not named outright.

/// Terms with a beginning, or within a distance of a word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Pattern {
    Prefix(String),
    Fuzzy { word: Vec<char>, distance: u8 },
}

impl Pattern {
    pub(crate) fn prefix_of(prefix: &str) -> Self {
        Self::Prefix(prefix.to_owned())
    }

    /// Terms that insertions, deletions and replacements of characters, at most `distance` of them, make of `word`.
    pub(crate) fn fuzzy(word: &str, distance: u8) -> Self {
        Self::Fuzzy { word: word.chars().collect(), distance }
    }

    /// What every match begins with.
    pub(crate) fn prefix(&self) -> &[u8] {
        match self {
            Self::Prefix(prefix) => prefix.as_bytes(),
            Self::Fuzzy { .. } => &[],
        }
    }

    /// The distance of a term, if it matches.
    pub(crate) fn distance(&self, term: &[u8]) -> Option<u8> {
        if let Self::Prefix(prefix) = self {
            return term.starts_with(prefix.as_bytes()).then_some(0);
        }
        let mut walk = self.walk();
        (1..=term.len()).all(|len| walk.enter(&term[..len])).then_some(())?;
        walk.distance()
    }

    pub(crate) fn walk(&self) -> Walk<'_> {
        let rows = match self {
            Self::Prefix(_) => Vec::new(),
            Self::Fuzzy { word, .. } => {
                (0..=word.len()).map(|at| u8::try_from(at).unwrap_or(u8::MAX)).collect()
            }
        };
        Walk { pattern: self, rows, path: vec![State { char_start: 0, rows: 1 }] }
    }
}

/// A term read byte by byte, with steps back.
///
/// The Levenshtein automaton of the word, made as it is needed: its states are rows of the matrix of distances (Wagner and
/// Fischer, 1974), one for each character on the path from the root, as in Oflazer, "Error-tolerant finite-state recognition"
/// (1996).
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    pattern: &'a Pattern,
    rows: Vec<u8>,
    /// For each byte on the path.
    path: Vec<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Where the character that is being read begins.
    char_start: usize,
    rows: usize,
}

impl Walk<'_> {
    /// Reads the last byte of `key`, whose other bytes were read before; what lay deeper is forgotten. `false`: no match
    /// begins like this.
    pub(crate) fn enter(&mut self, key: &[u8]) -> bool {
        let Pattern::Fuzzy { word, distance } = self.pattern else { return true };
        self.path.truncate(key.len());
        let Some(&State { char_start, rows }) = self.path.last() else { return false };
        let (state, alive) = match std::str::from_utf8(&key[char_start..]) {
            Ok(text) => {
                let least = text.chars().next().map_or(u8::MAX, |c| step(&mut self.rows, rows, word, c));
                (State { char_start: key.len(), rows: rows + 1 }, least <= *distance)
            }
            Err(error) => (State { char_start, rows }, error.error_len().is_none()),
        };
        self.path.push(state);
        alive
    }

    /// The distance of what was read, if it matches.
    pub(crate) fn distance(&self) -> Option<u8> {
        let Pattern::Fuzzy { word, distance } = self.pattern else { return Some(0) };
        let rows = self.path.last()?.rows;
        self.rows.get(rows * (word.len() + 1) - 1).copied().filter(|found| found <= distance)
    }
}

/// Writes the row after the first `count` rows, for one character more; returns the least of its distances.
fn step(rows: &mut Vec<u8>, count: usize, word: &[char], c: char) -> u8 {
    let len = word.len() + 1;
    rows.truncate(count * len);
    let above = (count - 1) * len;
    let mut left = rows[above].saturating_add(1);
    let mut least = left;
    rows.push(left);
    for (i, &other) in word.iter().enumerate() {
        let replaced = rows[above + i].saturating_add(u8::from(other != c));
        left = replaced.min(left.saturating_add(1)).min(rows[above + i + 1].saturating_add(1));
        least = least.min(left);
        rows.push(left);
    }
    least
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain_distance(a: &[char], b: &[char]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a_rest @ ..], [y, b_rest @ ..]) if x == y => plain_distance(a_rest, b_rest),
            ([_, a_rest @ ..], [_, b_rest @ ..]) => {
                1 + plain_distance(a_rest, b_rest)
                    .min(plain_distance(a, b_rest))
                    .min(plain_distance(a_rest, b))
            }
        }
    }

    #[test]
    fn a_word_has_a_distance_however_long_it_is() {
        for len in [254, 255, 256, 300] {
            let word = "a".repeat(len);
            assert_eq!(Pattern::fuzzy(&word, 1).distance(word.as_bytes()), Some(0), "{len}");
            assert_eq!(Pattern::fuzzy(&word, 1).distance(&word.as_bytes()[1..]), Some(1), "{len}");
            assert_eq!(Pattern::fuzzy(&word, 1).distance(&word.as_bytes()[2..]), None, "{len}");
        }
    }

    proptest! {
        #[test]
        fn the_distance_is_the_number_of_edits(word in "[abé]{0,6}", term in "[abé日]{0,6}", most in 1..=2u8) {
            let plain = plain_distance(&word.chars().collect::<Vec<_>>(), &term.chars().collect::<Vec<_>>());
            let expected = u8::try_from(plain).ok().filter(|&distance| distance <= most);
            prop_assert_eq!(Pattern::fuzzy(&word, most).distance(term.as_bytes()), expected);
        }
    }
}
