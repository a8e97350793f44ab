//! The place of a text that shows best why it was found.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::analyzer::Analyzer;
use crate::dictionary::Pattern;
use crate::query::{self, Match, Occur, Query};

/// A part of a text, and what of it the query asked for. All ranges are in bytes of the text and begin and end between
/// characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// What to show.
    pub range: Range<usize>,
    /// What to highlight, inside `range` and in order.
    pub highlights: Vec<Range<usize>>,
}

/// The stretch of at most `max_len` bytes in which most different words of the query stand, and most of them; of equals the first.
/// It begins with such a word, or before it where the text ends. Without any it is the beginning of the text.
///
/// The words of a phrase are highlighted wherever they stand. `fields` are the names of the fields that the text is in: what the query asks for in others is not looked for.
pub fn snippet(analyzer: &Analyzer, query: &Query, text: &str, fields: &[&str], max_len: usize) -> Snippet {
    let wanted = Wanted::new(analyzer, query, fields);
    let mut window = Window::default();
    let mut best = Window::default();
    let mut found = None;
    analyzer.each_token(text, |term, range, position| {
        if found == Some(position) {
            return;
        }
        if let Some(word) = wanted.find(analyzer, term, &text[range.clone()]) {
            found = Some(position);
            window.push(word, range, max_len);
            if window.worth() > best.worth() {
                best.become_as(&window);
            }
        }
    });
    let last = best.words.back().map_or(0, |(_, range)| range.end);
    let first = best.words.front().map_or(0, |(_, range)| range.start);
    let start = text.ceil_char_boundary(first.min(text.len().saturating_sub(max_len)));
    let end = text.floor_char_boundary(start.saturating_add(max_len)).max(last).max(start);
    let mut highlights: Vec<_> = best.words.into_iter().map(|(_, range)| range).collect();
    highlights.retain(|range| range.start >= start);
    // Pairs of letters, and a sign that is several words.
    highlights.dedup_by(|later, first| {
        let is_shared = later.start < first.end;
        first.end = if is_shared { later.end.max(first.end) } else { first.end };
        is_shared
    });
    Snippet { range: start..end, highlights }
}

/// What the query asks for, with a number for each thing.
struct Wanted {
    terms: HashMap<String, usize>,
    words: usize,
    /// Of each word that is not named outright.
    patterns: Vec<Vec<Pattern>>,
}

impl Wanted {
    fn new(analyzer: &Analyzer, query: &Query, fields: &[&str]) -> Self {
        let mut wanted = Self { terms: HashMap::new(), words: 0, patterns: Vec::new() };
        wanted.add(analyzer, query, fields);
        wanted
    }

    fn add(&mut self, analyzer: &Analyzer, query: &Query, fields: &[&str]) {
        for clause in query.clauses.iter().filter(|clause| clause.occur != Occur::MustNot) {
            match &clause.wanted {
                query::Wanted::Group(group) => self.add(analyzer, group, fields),
                query::Wanted::Match(pattern, field) => {
                    if field.as_deref().is_none_or(|field| fields.contains(&field)) {
                        self.add_match(analyzer, pattern);
                    }
                }
            }
        }
    }

    fn add_match(&mut self, analyzer: &Analyzer, pattern: &Match) {
        match pattern {
            Match::Words(text) | Match::Phrase(text) | Match::Near(text, _) => self.add_words(analyzer, text),
            Match::Prefix(text) => {
                let Some((word, is_only)) = analyzer.last_word(text) else { return };
                if !is_only {
                    self.add_words(analyzer, text);
                }
                let stems = analyzer.stems_of(&word);
                let stems = stems.iter().map(|stem| Pattern::fuzzy(stem, 0));
                let begun = Pattern::prefix_of(&analyzer.folded(&word));
                self.patterns.push(stems.chain([begun]).collect());
            }
            Match::Fuzzy(word, distance) => {
                let Some((word, true)) = analyzer.last_word(word) else { return };
                let forms = analyzer.folded_and_stems(&word);
                self.patterns.push(forms.iter().map(|form| Pattern::fuzzy(form, *distance)).collect());
            }
        }
    }

    fn add_words(&mut self, analyzer: &Analyzer, text: &str) {
        let mut last = None;
        analyzer.each_token(text, |term, _, position| {
            self.words += usize::from(last.replace(position) != Some(position));
            self.terms.entry(term.to_owned()).or_insert(self.words);
        });
    }

    fn find(&self, analyzer: &Analyzer, term: &str, word: &str) -> Option<usize> {
        if let Some(&number) = self.terms.get(term) {
            return Some(number);
        }
        if self.patterns.is_empty() {
            return None;
        }
        let folded = analyzer.folded(word);
        let matches = |pattern: &Pattern| {
            pattern.distance(term.as_bytes()).is_some() || pattern.distance(folded.as_bytes()).is_some()
        };
        self.patterns
            .iter()
            .position(|of_word| of_word.iter().any(matches))
            .map(|number| self.words + 1 + number)
    }
}

/// The words of the query in a stretch of the text.
#[derive(Debug, Clone, Default)]
struct Window {
    words: VecDeque<(usize, Range<usize>)>,
    counts: HashMap<usize, usize>,
    /// How many words were dropped.
    dropped: usize,
}

impl Window {
    /// How many different words, and how many in all.
    fn worth(&self) -> (usize, usize) {
        (self.counts.len(), self.words.len())
    }

    /// Becomes another window; one that only grew since is not copied as a whole.
    fn become_as(&mut self, window: &Self) {
        match window.words.back() {
            Some((word, range))
                if window.dropped == self.dropped && window.words.len() == self.words.len() + 1 =>
            {
                self.words.push_back((*word, range.clone()));
                *self.counts.entry(*word).or_default() += 1;
            }
            _ => self.clone_from(window),
        }
    }

    /// Adds a word, and drops those that lie too far before it.
    fn push(&mut self, word: usize, range: Range<usize>, max_len: usize) {
        let end = range.end;
        self.words.push_back((word, range));
        *self.counts.entry(word).or_default() += 1;
        while let Some((first, _)) = self.words.pop_front_if(|(_, range)| end - range.start > max_len) {
            self.dropped += 1;
            if let Some(count) = self.counts.get_mut(&first) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&first);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown<'a>(text: &'a str, query: &str, max_len: usize) -> (&'a str, Vec<&'a str>) {
        let query = Query::parse(query, Occur::Should).unwrap();
        let snippet = snippet(&Analyzer::new(), &query, text, &["text", "title"], max_len);
        (&text[snippet.range.clone()], snippet.highlights.into_iter().map(|range| &text[range]).collect())
    }

    #[test]
    fn the_stretch_with_most_words_of_the_query_is_shown() {
        let text = "The fox. Elsewhere, far away: a quick brown FOX and a fox. Then nothing at all any more.";
        assert_eq!(
            shown(text, "quick fox", 30),
            ("quick brown FOX and a fox. The", vec!["quick", "FOX", "fox"])
        );
        assert_eq!(shown(text, "els* fux~1 -quick", 20), ("fox. Elsewhere, far ", vec!["fox", "Elsewhere"]));
        assert_eq!(shown(text, "absent", 8), ("The fox.", vec![]));
        assert_eq!(shown(text, "more", 10), (" any more.", vec!["more"]));
        assert_eq!(shown("", "x", 10), ("", vec![]));
        assert_eq!(shown("ฉันชอบภาษาไทยมาก", "ภาษาไทย", 60).1, vec!["ภาษาไทย"]);
        assert_eq!(shown("the moon, a fox", "title:moon fox", 40).1, vec!["moon", "fox"]);
        assert_eq!(shown("the moon, a fox", "place:moon (place:\"the moon\" text:fo*)", 40).1, vec!["fox"]);
    }

    /// The words of the first stretch with most different words and most of them, where the text is made of words of a letter.
    fn best_stretch(text: &str, wanted: &str, max_len: usize) -> Vec<usize> {
        let words: Vec<usize> = text.match_indices(|c| wanted.contains(c)).map(|(at, _)| at).collect();
        let mut best = ((0, 0), Vec::new());
        for end in 1..=words.len() {
            let start = words[..end].partition_point(|&at| words[end - 1] + 1 - at > max_len);
            let stretch = &words[start..end];
            let different =
                stretch.iter().map(|&at| &text[at..=at]).collect::<std::collections::HashSet<_>>().len();
            if (different, stretch.len()) > best.0 {
                best = ((different, stretch.len()), stretch.to_vec());
            }
        }
        best.1
    }

    proptest! {
        #[test]
        fn the_best_stretch_is_that_of_a_plain_reading(text in "([abc] |x | ){0,60}", max_len in 1..30usize) {
            let query = Query::any("a b c");
            let highlights = snippet(&Analyzer::new(), &query, &text, &[], max_len).highlights;
            let starts: Vec<usize> = highlights.iter().map(|range| range.start).collect();
            prop_assert_eq!(starts, best_stretch(&text, "abc", max_len));
        }

        #[test]
        fn ranges_lie_between_characters_and_in_the_snippet(text in "(fox |é|日本 |🎉 |x|ภาษา|ໝ|ก|ำ|\u{200b}){0,30}", max_len in 0..40usize) {
            let query = Query::any("fox 日 é ภาษา ໝກ");
            let snippet = snippet(&Analyzer::new(), &query, &text, &[], max_len);
            prop_assert!(text.get(snippet.range.clone()).is_some_and(|shown| shown.len() <= max_len));
            prop_assert!(snippet.highlights.is_sorted_by(|one, next| one.end <= next.start));
            for range in &snippet.highlights {
                prop_assert!(text.get(range.clone()).is_some());
                prop_assert!(snippet.range.start <= range.start && range.end <= snippet.range.end);
            }
        }
    }
}
