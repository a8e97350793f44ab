//! The commonest words of a language, left out of queries.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::{Clause, Match, Occur, Query, Wanted};
use crate::analyzer::{Analyzer, Language};

/// The commonest words of a language: articles, pronouns, prepositions, auxiliary verbs, words of questions. They stay in the index, where
/// phrases need them, and are left out of what ranks texts by any of several words.
///
/// ```
/// use std::sync::Arc;
/// use lexical_index::{Analyzer, Language, Occur, Query, StopWords};
///
/// let stop_words = StopWords::new(&Arc::new(Analyzer::new()), Language::English);
/// let left = |text| Ok::<_, lexical_index::Error>(stop_words.leave_out(&Query::parse(text, Occur::Should)?).to_string());
/// assert_eq!(left("what is a neural network")?, "neural network");
/// assert_eq!(left("to be or not to be")?, "to be or not to be");
/// assert_eq!(left("\"the who\" +the tour of the band")?, "\"the who\" +the tour band");
/// # Ok::<(), lexical_index::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StopWords {
    analyzer: Arc<Analyzer>,
    folded: HashSet<String>,
    /// The length in bytes of the longest.
    max_len: usize,
}

/// Bytes that folding may take from a character at most: a longer word is in no list.
const MAX_SHRINKING: usize = 4;

/// What is left of what a clause wants.
enum Left {
    All,
    Part(Wanted),
    Nothing,
}

impl StopWords {
    /// Those of a language, compared with words of queries in the form that the analyzer gives both. Every language has a list.
    pub fn new(analyzer: &Arc<Analyzer>, language: Language) -> Self {
        let folded: HashSet<String> = language.common_words().map(|word| analyzer.folded(word)).collect();
        let max_len = folded.iter().map(String::len).max().unwrap_or(0);
        Self { analyzer: Arc::clone(analyzer), folded, max_len }
    }

    /// The query without its stop words, as far as they only add to scores: [`Match::Words`] that [`Should`](Occur::Should) match. Phrases, words that
    /// must or must not match, prefixes and fuzzy words stay as they are, and so does a query that has nothing else to look for.
    pub fn leave_out<'q>(&self, query: &'q Query) -> Cow<'q, Query> {
        match self.rest(query) {
            Some(rest) if rest.clauses.iter().any(|clause| clause.occur != Occur::MustNot) => {
                Cow::Owned(rest)
            }
            _ => Cow::Borrowed(query),
        }
    }

    /// What is left of a query; `None`: all of it.
    fn rest(&self, query: &Query) -> Option<Query> {
        let mut has_changed = false;
        let mut rest = Vec::with_capacity(query.clauses.len());
        for clause in &query.clauses {
            let left = self.rest_of_clause(clause);
            has_changed |= !matches!(left, Left::All);
            match left {
                Left::All => rest.push(clause.clone()),
                Left::Part(wanted) => rest.push(Clause { wanted, ..clause.clone() }),
                Left::Nothing => {}
            }
        }
        has_changed.then_some(Query { clauses: rest })
    }

    fn rest_of_clause(&self, clause: &Clause) -> Left {
        match (&clause.wanted, clause.occur) {
            (_, Occur::MustNot) => Left::All,
            (Wanted::Group(group), occur) => {
                let Some(rest) = self.rest(group) else { return Left::All };
                let has_any = rest.clauses.iter().any(|clause| clause.occur != Occur::MustNot);
                match occur {
                    _ if has_any => Left::Part(Wanted::Group(rest)),
                    Occur::Should => Left::Nothing,
                    _ => Left::All,
                }
            }
            (Wanted::Match(Match::Words(text), field), Occur::Should) => match self.rest_of_text(text) {
                None => Left::All,
                Some(rest) if rest.is_empty() => Left::Nothing,
                Some(rest) => Left::Part(Wanted::Match(Match::Words(rest), field.clone())),
            },
            _ => Left::All,
        }
    }

    /// The words of a text without its stop words, between white space; empty if it has no others, `None` if it has none of them.
    fn rest_of_text(&self, text: &str) -> Option<String> {
        let (mut rest, mut has_stop_words) = (String::new(), false);
        let (mut cased, mut plain) = (String::new(), String::new());
        self.analyzer.each_word(text, |range| {
            let word = &text[range];
            if word.len() <= self.max_len * MAX_SHRINKING {
                self.analyzer.fold(word, &mut cased, &mut plain);
                let known = plain.strip_suffix("'s").unwrap_or(&plain);
                if self.folded.contains(known) {
                    has_stop_words = true;
                    return;
                }
            }
            // Not what stands between words: behind `l` the apostrophe U+02BC would be the first letter of the next word.
            rest.push_str(word);
            rest.push(' ');
        });
        has_stop_words.then_some(rest)
    }
}
