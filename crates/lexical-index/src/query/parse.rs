//! The syntax of queries.

use super::{Clause, Match, Occur};
use crate::error::{Error, Result};

pub(super) fn clauses(text: &str, default: Occur) -> Result<Vec<Clause>> {
    let mut clauses = Vec::new();
    let mut rest = Rest { text, at: 0 };
    loop {
        rest.take_while(char::is_whitespace);
        if rest.left().is_empty() {
            return Ok(clauses);
        }
        clauses.push(clause(&mut rest, default)?);
    }
}

/// What is left of the text of a query.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, expected: char) -> bool {
        let taken = self.left().starts_with(expected);
        self.at += if taken { expected.len_utf8() } else { 0 };
        taken
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let left = self.left();
        let taken = &left[..left.find(|c| !belongs(c)).unwrap_or(left.len())];
        self.at += taken.len();
        taken
    }
}

fn clause(rest: &mut Rest<'_>, default: Occur) -> Result<Clause> {
    let offset = rest.at;
    let occur = match () {
        () if rest.take('+') => Occur::Must,
        () if rest.take('-') => Occur::MustNot,
        () => default,
    };
    let field = field(rest);
    let start = rest.at;
    let pattern = if rest.take('"') { phrase(rest, start)? } else { word(rest)? };
    Ok(Clause { occur, pattern, field, offset })
}

/// The name before a colon, if the next word has one.
fn field(rest: &mut Rest<'_>) -> Option<String> {
    let left = rest.left();
    let end = left.find(|c: char| c == ':' || c == '"' || c.is_whitespace())?;
    if end == 0 || !left[end..].starts_with(':') {
        return None;
    }
    rest.at += end + 1;
    Some(left[..end].to_owned())
}

fn phrase(rest: &mut Rest<'_>, start: usize) -> Result<Match> {
    let phrase = rest.take_while(|c| c != '"').to_owned();
    if !rest.take('"') {
        return Err(Error::query("this quotation mark is not closed", start));
    }
    if rest.left().starts_with(|c: char| !c.is_whitespace()) {
        return Err(Error::query("expected white space after a phrase", rest.at));
    }
    Ok(Match::Phrase(phrase))
}

fn word(rest: &mut Rest<'_>) -> Result<Match> {
    let start = rest.at;
    let word = rest.take_while(|c| !c.is_whitespace());
    if word.is_empty() {
        return Err(Error::query("expected a word or a phrase here", start));
    }
    if let Some(quote) = word.find('"') {
        return Err(Error::query("expected white space before a quotation mark", start + quote));
    }
    let Some(end) = word.find(['*', '~']) else { return Ok(Match::Words(word.to_owned())) };
    if end == 0 {
        return Err(Error::query("expected letters or digits before this", start));
    }
    let (before, sign) = word.split_at(end);
    match sign {
        "*" => Ok(Match::Prefix(before.to_owned())),
        "~" | "~1" => Ok(Match::Fuzzy(before.to_owned(), 1)),
        "~2" => Ok(Match::Fuzzy(before.to_owned(), 2)),
        _ if sign.starts_with('*') => Err(Error::query("`*` can only end a word", start + end)),
        _ => Err(Error::query("expected a distance of 1 or 2 after `~`", start + end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Query;
    use super::*;

    fn parsed(text: &str) -> Vec<(Occur, Match, Option<String>)> {
        let query = Query::parse(text, Occur::Should).unwrap();
        query.clauses.into_iter().map(|c| (c.occur, c.pattern, c.field)).collect()
    }

    #[test]
    fn every_form_of_the_syntax_is_read() {
        use Match::{Fuzzy, Phrase, Prefix, Words};
        use Occur::{Must, MustNot, Should};
        let own = |s: &str| s.to_owned();
        assert_eq!(
            parsed(
                " a+b \"x y\" -not +must pre* w~ w~2 title:t -body:\"p q\"\u{3000}+f:é* 👩‍👩 - \t"
                    .trim_end_matches("- \t")
            ),
            [
                (Should, Words(own("a+b")), None),
                (Should, Phrase(own("x y")), None),
                (MustNot, Words(own("not")), None),
                (Must, Words(own("must")), None),
                (Should, Prefix(own("pre")), None),
                (Should, Fuzzy(own("w"), 1), None),
                (Should, Fuzzy(own("w"), 2), None),
                (Should, Words(own("t")), Some(own("title"))),
                (MustNot, Phrase(own("p q")), Some(own("body"))),
                (Must, Prefix(own("é")), Some(own("f"))),
                (Should, Words(own("👩‍👩")), None),
            ]
        );
        assert_eq!(parsed(""), []);
    }

    #[test]
    fn an_error_points_at_the_byte() {
        for (text, offset) in [
            ("é \"never closed", 3),
            ("\"a\"b", 3),
            ("a\"b\"", 1),
            ("x - y", 3),
            ("x -", 3),
            ("field: y", 6),
            ("ok *", 3),
            ("~1", 0),
            ("a*b", 1),
            ("wörd~3", 6),
            ("w~12", 2),
        ] {
            let error = Query::parse(text, Occur::Should).unwrap_err();
            assert_eq!(
                (error.kind(), error.offset()),
                (crate::ErrorKind::Query, Some(offset)),
                "{text}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_or_an_error_inside_it(text in "[ab:\"*~+\\- é2]{0,20}|.{0,20}") {
            match Query::parse(&text, Occur::Must) {
                Ok(query) => prop_assert!(query.clauses.iter().all(|c| text.is_char_boundary(c.offset))),
                Err(error) => prop_assert!(error.offset().is_some_and(|at| at <= text.len() as u64)),
            }
        }
    }
}
