//! What to look for.

mod check;
mod parse;
mod print;
mod stop_words;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};

pub use self::stop_words::StopWords;

pub(crate) use self::check::{check, is_negative};

/// The longest text of a query in bytes.
pub(crate) const MAX_QUERY_LEN: usize = 1 << 20;
/// The most groups inside one another.
pub(crate) const MAX_DEPTH: usize = 32;
/// The greatest distance of the words of [`Match::Near`].
pub(crate) const MAX_SLOP: u32 = 100;
/// The least and the greatest boost.
pub(crate) const BOOSTS: (f32, f32) = (0.001, 1000.0);

/// Clauses, of which a record must have some, or must not. A clause is something to [match](Match), or again a query: a *group*.
///
/// A record is found if it has every [`Must`](Occur::Must), no [`MustNot`](Occur::MustNot), and, where there is no `Must`, at least
/// one [`Should`](Occur::Should). Its score is the sum over all that it has; that of a group, the same sum in it. A `Must` group of nothing
/// but `MustNot` is the same as these beside it; any other group, and a query, needs something beside what must not match.
///
/// ```
/// use lexical_index::{Match, Occur, Query};
///
/// let pets = Query::any("cat dog").boost(2.0);
/// let query = Query::all("food").group(Occur::Must, pets).with(Occur::MustNot, Match::Prefix("vet".into()), None);
/// assert_eq!(query.to_string(), "+food +(cat\\ dog^2) -vet*");
/// let query = Query::parse("food AND (cat OR dog)^2 AND NOT vet*", Occur::Should)?;
/// assert_eq!(query.to_string(), "+food +(cat dog)^2 -vet*");
/// # Ok::<(), lexical_index::Error>(())
/// ```
///
/// It is printed in the syntax of [`parse`](Self::parse), with [`Should`](Occur::Should) as the default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    pub(crate) clauses: Vec<Clause>,
}

/// One thing to look for.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub(crate) occur: Occur,
    pub(crate) wanted: Wanted,
    /// Multiplies the score.
    pub(crate) boost: f32,
    /// Where it stands in the text of the query, in bytes.
    pub(crate) offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// With the name of the field; `None`: all of them.
    Match(Match, Option<String>),
    Group(Query),
}

/// Where they stand does not count.
impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        (self.occur, &self.wanted, self.boost) == (other.occur, &other.wanted, other.boost)
    }
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
    /// [`MustNot`](Occur::MustNot) all of them, one right after the other as in a phrase; in an index without positions, all of them in one field.
    Words(String),
    /// The words of a text, one right after the other. The index must keep positions.
    Phrase(String),
    /// The words of a text near each other: the places of any two differ from those in a phrase by at most so many words, 1 to 100,
    /// more or fewer. So they may stand in another order; only a word that comes twice needs two places, in order. Words of two texts of one
    /// field are never near each other. The index must keep positions.
    Near(String, u32),
    /// A word that begins so; of several words, a phrase whose last word begins so, for which the index must keep positions. In an index of stems also a word of the same stem as one that begins so: `connecti` finds `connected`, as `connection`
    /// does. Such stems are known for English; in other languages a beginning finds stems that begin so.
    Prefix(String),
    /// A word that insertions, deletions and replacements of characters make of this one, at most 1 or 2 of them; in an index of stems, a word whose
    /// stem they make of it or of its stem.
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
        let wanted = Wanted::Match(pattern, field.map(str::to_owned));
        self.clauses.push(Clause { occur, wanted, boost: 1.0, offset: 0 });
        self
    }

    /// This query and another one in it as one clause. At most 32 are inside one another.
    #[must_use]
    pub fn group(mut self, occur: Occur, group: Self) -> Self {
        self.clauses.push(Clause { occur, wanted: Wanted::Group(group), boost: 1.0, offset: 0 });
        self
    }

    /// Multiplies the score, by 0.001 to 1,000.
    #[must_use]
    pub fn boost(mut self, factor: f32) -> Self {
        for clause in self.clauses.iter_mut().filter(|clause| clause.occur != Occur::MustNot) {
            clause.boost *= factor;
        }
        self
    }

    /// Reads a query as people write it.
    ///
    /// | | |
    /// |---|---|
    /// | `word` | as `default` says: [`Should`](Occur::Should) to find any of what stands side by side, [`Must`](Occur::Must) to find all |
    /// | `"two words"` | a phrase |
    /// | `"two words"~3` | [near](Match::Near) each other |
    /// | `begin*` | a word that begins so; `e-ma*` is a phrase, and so is `日本*`, whose last word begins so |
    /// | `word~`, `word~2` | a word at a distance of 1, or 2 |
    /// | `+…`, `-…`, `NOT …` | must match, must not match |
    /// | `… AND …`, `… OR …` | both, any of them; `AND` binds closer than `OR`, and `OR` than standing side by side |
    /// | `(…)` | a group; of one item without a sign that is not of several words with a `\\ ` between them, that item |
    /// | `field:…` | a word, a phrase or a group in that field only |
    /// | `…^2` | a word, a phrase or a group that counts so many times as much, 0.001 to 1,000 |
    /// | `\…` | the character behind it, without a meaning: `\AND`, `a\:b` |
    ///
    /// As a grammar, where `#` stands for white space:
    ///
    /// ```text
    /// query  = item (# item)*
    /// item   = ("+" | "-") part | or
    /// or     = and (# "OR" # and)*
    /// and    = not (# "AND" # not)*
    /// not    = ("NOT" #)? part
    /// part   = (name ":")? (word | phrase | "(" query ")") ("^" number)?
    /// word   = text ("*" | "~" ("1" | "2")?)?
    /// phrase = '"' text '"' ("~" number)?
    /// ```
    ///
    /// Other punctuation inside a word means nothing, but for what other syntaxes give a meaning: `wom?n`, `cat&&dog` and `cat||dog` are errors. So is what only looks like
    /// one of these signs where it would have a meaning: a dash before a word, an operator of full width, `*` or `~` behind a word of a phrase. Of a word of more than 255 bytes in lower case and
    /// without diacritics the first 255 of these count. What cannot be read, or would have no effect, is an error that points at the byte ([`Error::offset`]); nothing is left out.
    pub fn parse(text: &str, default: Occur) -> Result<Self> {
        if text.len() > MAX_QUERY_LEN {
            let message = format!("a query of {} bytes; expected at most {MAX_QUERY_LEN}", text.len());
            return Err(Error::new(ErrorKind::TooManyWords, message));
        }
        let query = parse::query(text, default)?;
        check(&query)?;
        Ok(query)
    }

    /// This query, where what names no field is looked for in this one, not in all.
    #[must_use]
    pub fn with_default_field(mut self, name: &str) -> Self {
        for clause in &mut self.clauses {
            match &mut clause.wanted {
                Wanted::Match(_, field @ None) => *field = Some(name.to_owned()),
                Wanted::Match(..) => {}
                Wanted::Group(group) => *group = std::mem::take(group).with_default_field(name),
            }
        }
        self
    }

    /// Whether the text of a query can name a field so: `field:word`.
    ///
    /// ```
    /// # use lexical_index::Query;
    /// assert!(Query::can_name("subtitle") && Query::can_name("Überschrift"));
    /// assert!(!Query::can_name("sub title") && !Query::can_name("a:b") && !Query::can_name("-title"));
    /// ```
    pub fn can_name(field: &str) -> bool {
        !field.is_empty() && !field.starts_with(['+', '-']) && !field.contains(ends_name)
    }

    /// Refuses a query that names another field than these.
    pub fn check_fields(&self, known: &[&str]) -> Result<()> {
        for clause in &self.clauses {
            match &clause.wanted {
                Wanted::Group(group) => group.check_fields(known)?,
                Wanted::Match(_, Some(field)) if !known.contains(&field.as_str()) => {
                    return Err(no_such_field(field, known, clause.offset));
                }
                Wanted::Match(..) => {}
            }
        }
        Ok(())
    }
}

/// What ends the name of a field.
fn ends_name(c: char) -> bool {
    c.is_whitespace() || ":\"()\\^~*".contains(c)
}

pub(crate) fn no_such_field(field: &str, known: &[&str], offset: usize) -> Error {
    let message = format!(
        "there is no field {field:?}; the fields are {}. If the colon belongs to a word, write `\\:`",
        known.join(", ")
    );
    Error::new(ErrorKind::NoSuchField, message).at(offset)
}
