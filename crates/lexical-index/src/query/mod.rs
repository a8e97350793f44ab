//! What to look for.

mod parse;

use crate::error::{Error, ErrorKind, Result};

/// The longest text of a query in bytes.
pub(crate) const MAX_QUERY_LEN: usize = 1 << 20;

/// Clauses, of which a record must have some, or must not.
///
/// A record is found if it has every [`Must`](Occur::Must), no [`MustNot`](Occur::MustNot), and, where there is no `Must`, at least
/// one [`Should`](Occur::Should). Its score is the sum over all that it has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    pub(crate) clauses: Vec<Clause>,
}

/// One thing to look for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clause {
    pub(crate) occur: Occur,
    pub(crate) pattern: Match,
    /// The name of the field; `None`: all of them.
    pub(crate) field: Option<String>,
    /// Where it stands in the text of the query, in bytes.
    pub(crate) offset: usize,
}

/// Whether a clause has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occur {
    /// It adds to the score.
    Should,
    /// It has to match, and adds to the score.
    Must,
    /// It must not match.
    MustNot,
}

/// What matches a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Match {
    /// The words of a text: as [`Should`](Occur::Should) any of them, as [`Must`](Occur::Must) each of them, as
    /// [`MustNot`](Occur::MustNot) all of them in one field.
    Words(String),
    /// The words of a text, one right after the other. The index must keep positions.
    Phrase(String),
    /// A word that begins so. It is not stemmed.
    Prefix(String),
    /// A word that insertions, deletions and replacements of characters make of this one, at most 1 or 2 of them. It
    /// is not stemmed.
    Fuzzy(String, u8),
}

impl Query {
    /// Records with any of the words of a plain text, in which nothing has a special meaning.
    pub fn any(text: &str) -> Self {
        Self::default().with(Occur::Should, Match::Words(text.to_owned()), None)
    }

    /// Records with all of the words of a plain text.
    pub fn all(text: &str) -> Self {
        Self::default().with(Occur::Must, Match::Words(text.to_owned()), None)
    }

    /// This query and one clause more, in one field or in all of them.
    #[must_use]
    pub fn with(mut self, occur: Occur, pattern: Match, field: Option<&str>) -> Self {
        let field = field.map(str::to_owned);
        self.clauses.push(Clause { occur, pattern, field, offset: 0 });
        self
    }

    /// Reads a query as people write it. Its parts, between white space:
    ///
    /// | | |
    /// |---|---|
    /// | `word` | as `default` says: [`Should`](Occur::Should) to find any word, [`Must`](Occur::Must) to find all |
    /// | `"two words"` | a phrase |
    /// | `begin*` | a word that begins so |
    /// | `word~`, `word~2` | a word at a distance of 1, or 2 |
    /// | `field:…` | any of these in that field only |
    /// | `+…`, `-…` | any of these: must match, must not match |
    ///
    /// Other punctuation means nothing. The error of a query that cannot be read points at the byte.
    pub fn parse(text: &str, default: Occur) -> Result<Self> {
        if text.len() > MAX_QUERY_LEN {
            let message = format!("a query of {} bytes; expected at most {MAX_QUERY_LEN}", text.len());
            return Err(Error::new(ErrorKind::TooManyWords, message));
        }
        parse::clauses(text, default).map(|clauses| Self { clauses })
    }
}
