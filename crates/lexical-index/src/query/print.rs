//! Queries in their syntax.

use std::fmt::{self, Display, Formatter, Write};

use super::parse::{is_operator, is_typographic};
use super::{Clause, Match, Occur, Query, Wanted};

/// In the syntax of [`Query::parse`] with [`Occur::Should`] as the default.
impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, clause) in self.clauses.iter().enumerate() {
            if i > 0 {
                f.write_char(' ')?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.print(f, false)
    }
}

impl Clause {
    /// What may be several words gets a space where it is alone in a group, which would not be read as a group otherwise.
    fn print(&self, f: &mut Formatter<'_>, is_alone: bool) -> fmt::Result {
        match self.occur {
            Occur::Should => {}
            Occur::Must => f.write_char('+')?,
            Occur::MustNot => f.write_char('-')?,
        }
        match &self.wanted {
            Wanted::Group(group) => match group.clauses.as_slice() {
                [only] => {
                    f.write_char('(')?;
                    only.print(f, true)?;
                    f.write_char(')')?;
                }
                _ => write!(f, "({group})")?,
            },
            Wanted::Match(pattern, field) => {
                if let Some(field) = field {
                    write!(f, "{field}:")?;
                }
                pattern.fmt(f)?;
                if let Match::Words(text) = pattern
                    && is_alone
                    && text.contains(|c: char| !c.is_ascii_alphanumeric())
                    && !text.contains(char::is_whitespace)
                {
                    f.write_str("\\ ")?;
                }
            }
        }
        #[expect(clippy::float_cmp, reason = "1 is exact, and the default")]
        if self.boost != 1.0 {
            write!(f, "^{}", self.boost)?;
        }
        Ok(())
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words(text) => write_word(f, text),
            Self::Phrase(text) => write_phrase(f, text),
            Self::Near(text, distance) => {
                write_phrase(f, text)?;
                write!(f, "~{distance}")
            }
            Self::Prefix(word) => {
                write_word(f, word)?;
                f.write_char('*')
            }
            Self::Fuzzy(word, distance) => {
                write_word(f, word)?;
                write!(f, "~{distance}")
            }
        }
    }
}

fn write_word(f: &mut Formatter<'_>, word: &str) -> fmt::Result {
    let is_operator = is_operator(word);
    for (i, c) in word.chars().enumerate() {
        let has_meaning = c.is_whitespace() || "\"()*~^:?&|\\".contains(c);
        let begins = c.is_ascii_punctuation() || is_typographic(c);
        if has_meaning || i == 0 && (is_operator || begins) {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    Ok(())
}

fn write_phrase(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if "\"\\*~".contains(c) {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}
