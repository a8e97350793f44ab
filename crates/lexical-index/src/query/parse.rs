//! The syntax of queries: see [`Query::parse`].

use super::check::too_deep;
use super::{Clause, MAX_DEPTH, MAX_SLOP, Match, Occur, Query, Wanted, ends_name};
use crate::analyzer::has_words;
use crate::error::{Error, Result};

/// Signs that begin no word. Those of other syntaxes would be passed over in silence.
const NO_BEGINNING: &[char] = &['!', '&', '|', '[', ']', '{', '}', '<', '>', '='];

pub(super) fn query(text: &str, default: Occur) -> Result<Query> {
    let mut rest = Rest { text, at: 0, default, depth: 0 };
    let clauses = clauses(&mut rest, None)?;
    match rest.peek() {
        Some(_) => Err(Error::query("this parenthesis closes nothing", rest.at)),
        None if clauses.is_empty() => Err(Error::query("expected a word, a phrase or a group", text.len())),
        None => Ok(united(clauses)),
    }
}

/// What is left of the text of a query.
struct Rest<'a> {
    text: &'a str,
    at: usize,
    default: Occur,
    depth: usize,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.left().chars().next()
    }

    fn take(&mut self, expected: char) -> bool {
        let taken = self.peek() == Some(expected);
        self.at += if taken { expected.len_utf8() } else { 0 };
        taken
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let left = self.left();
        let taken = &left[..left.find(|c| !belongs(c)).unwrap_or(left.len())];
        self.at += taken.len();
        taken
    }

    /// Whether the next word is this operator.
    fn sees(&self, operator: &str) -> bool {
        let ends = |after: &str| after.chars().next().is_none_or(|c| c.is_whitespace() || "()\"".contains(c));
        self.left().strip_prefix(operator).is_some_and(ends)
    }

    /// Takes this operator and the white space around.
    fn take_operator(&mut self, operator: &str) -> bool {
        let before = self.at;
        self.take_while(char::is_whitespace);
        let taken = self.sees(operator);
        self.at = if taken { self.at + operator.len() } else { before };
        if taken {
            self.take_while(char::is_whitespace);
        }
        taken
    }

    fn at_end_of_item(&self) -> bool {
        self.peek().is_none_or(|c| c.is_whitespace() || c == ')')
    }
}

/// Items up to the end, or to the parenthesis that closes the group.
fn clauses(rest: &mut Rest<'_>, field: Option<&str>) -> Result<Vec<Clause>> {
    let mut clauses = Vec::new();
    loop {
        rest.take_while(char::is_whitespace);
        if rest.peek().is_none_or(|c| c == ')') {
            return Ok(clauses);
        }
        clauses.push(item(rest, field)?);
    }
}

fn item(rest: &mut Rest<'_>, field: Option<&str>) -> Result<Clause> {
    let offset = rest.at;
    let sign = match () {
        () if rest.take('+') => Occur::Must,
        () if rest.take('-') => Occur::MustNot,
        () => return or(rest, field),
    };
    let clause = Clause { occur: sign, offset, ..part(rest, field)? };
    if ["AND", "OR"].into_iter().any(|operator| rest.take_operator(operator)) {
        let message = "`+` and `-` cannot stand beside AND and OR; put parentheses around either";
        return Err(Error::query(message, offset));
    }
    Ok(clause)
}

fn or(rest: &mut Rest<'_>, field: Option<&str>) -> Result<Clause> {
    let offset = rest.at;
    let first = and(rest, field)?;
    let mut any = vec![first];
    while rest.take_operator("OR") {
        any.push(and(rest, field)?);
    }
    if any.len() == 1 {
        return any.pop().ok_or_else(|| Error::query("expected a word", offset));
    }
    if let Some(negative) = any.iter().find(|clause| clause.occur == Occur::MustNot) {
        let message = "NOT beside OR would find nearly everything; expected something to look for";
        return Err(Error::query(message, negative.offset));
    }
    for clause in &mut any {
        clause.occur = Occur::Should;
    }
    Ok(group(any, rest.default, offset))
}

fn and(rest: &mut Rest<'_>, field: Option<&str>) -> Result<Clause> {
    let offset = rest.at;
    let first = not(rest, field)?;
    let mut all = vec![first];
    while rest.take_operator("AND") {
        all.push(not(rest, field)?);
    }
    if all.len() == 1 {
        return all.pop().ok_or_else(|| Error::query("expected a word", offset));
    }
    for clause in all.iter_mut().filter(|clause| clause.occur != Occur::MustNot) {
        clause.occur = Occur::Must;
    }
    Ok(group(all, rest.default, offset))
}

fn not(rest: &mut Rest<'_>, field: Option<&str>) -> Result<Clause> {
    let offset = rest.at;
    let occur = if rest.take_operator("NOT") { Occur::MustNot } else { rest.default };
    Ok(Clause { occur, offset, ..part(rest, field)? })
}

/// A word, a phrase or a group with its field and boost.
fn part(rest: &mut Rest<'_>, outer: Option<&str>) -> Result<Clause> {
    let offset = rest.at;
    if let Some(operator) = ["AND", "OR", "NOT"].into_iter().find(|operator| rest.sees(operator)) {
        let message = format!("expected a word, a phrase or a group, and {operator} is an operator");
        return Err(Error::query(message, offset));
    }
    if rest.peek().is_some_and(|c| c == '+' || c == '-') {
        return Err(Error::query(
            "expected a word, a phrase or a group; `+` and `-` stand before an item",
            offset,
        ));
    }
    let own = field(rest)?;
    if let (Some(_), Some(outer)) = (&own, outer) {
        let message = format!("a field inside the group of the field {outer:?}");
        return Err(Error::query(message, offset));
    }
    let name = own.or(outer.map(str::to_owned));
    let wanted = match rest.peek() {
        Some('(') => Wanted::Group(parentheses(rest, name.as_deref())?),
        Some('"') => Wanted::Match(phrase(rest)?, name),
        _ => Wanted::Match(word(rest)?, name),
    };
    let boost = if rest.take('^') { boost(rest)? } else { 1.0 };
    if !rest.at_end_of_item() {
        let message = "expected white space before this; if it belongs to a word, write `\\` before it";
        return Err(Error::query(message, rest.at));
    }
    Ok(lifted(Clause { occur: rest.default, wanted, boost, offset }))
}

/// The name before a colon, if the next word has one.
fn field(rest: &mut Rest<'_>) -> Result<Option<String>> {
    let left = rest.left();
    let Some(end) = left.find(ends_name).filter(|&end| end > 0 && left[end..].starts_with(':')) else {
        return Ok(None);
    };
    rest.at += end + 1;
    if rest.peek().is_some_and(|c| c == '+' || c == '-') {
        return Err(Error::query("`+` and `-` stand before the name of a field", rest.at));
    }
    Ok(Some(left[..end].to_owned()))
}

fn parentheses(rest: &mut Rest<'_>, field: Option<&str>) -> Result<Query> {
    let start = rest.at;
    rest.take('(');
    rest.depth += 1;
    if rest.depth > MAX_DEPTH {
        return Err(too_deep(start));
    }
    let clauses = clauses(rest, field)?;
    if !rest.take(')') {
        return Err(Error::query("this parenthesis is not closed", start));
    }
    if clauses.is_empty() {
        return Err(Error::query("this group is empty; expected something to look for", start));
    }
    rest.depth -= 1;
    Ok(united(clauses))
}

fn phrase(rest: &mut Rest<'_>) -> Result<Match> {
    let start = rest.at;
    rest.take('"');
    let text = unescaped(rest, |c| c == '"')?;
    if !rest.take('"') {
        return Err(Error::query("this quotation mark is not closed", start));
    }
    if !has_words(&text) {
        return Err(Error::query("there is no word in this phrase", start));
    }
    if !rest.take('~') {
        return Ok(Match::Phrase(text));
    }
    let at = rest.at;
    match rest.take_while(|c| c.is_ascii_digit()).parse() {
        Ok(distance) if (1..=MAX_SLOP).contains(&distance) => Ok(Match::Near(text, distance)),
        _ => Err(Error::query(format!("expected a number of words from 1 to {MAX_SLOP} after `~`"), at)),
    }
}

/// Quotation marks of typography and parentheses of full width, which begin no phrase and no group.
pub(super) fn is_typographic(c: char) -> bool {
    matches!(c, '“' | '”' | '„' | '‟' | '«' | '»' | '‹' | '›' | '「'..='』' | '〝'..='〟' | '＂' | '（' | '｢')
}

fn word(rest: &mut Rest<'_>) -> Result<Match> {
    let start = rest.at;
    if rest.peek().is_some_and(is_typographic) {
        let message =
            "a phrase stands in `\"`, a group in `(`; if this sign belongs to a word, write `\\` before it";
        return Err(Error::query(message, start));
    }
    if rest.peek().is_some_and(|c| NO_BEGINNING.contains(&c)) {
        let message = "this sign has no meaning here; if it belongs to a word, write `\\` before it";
        return Err(Error::query(message, start));
    }
    let text = unescaped(rest, |c| c.is_whitespace() || "\"()*~^".contains(c))?;
    if text.is_empty() {
        return Err(Error::query("expected a word, a phrase or a group here", start));
    }
    if !has_words(&text) {
        return Err(Error::query(format!("there is no word in {text:?}"), start));
    }
    if let Some(at) = foreign(&rest.text[start..rest.at]) {
        let message =
            "`?`, `&&` and `||` have no meaning inside a word; if they belong to it, write `\\` before them";
        return Err(Error::query(message, start + at));
    }
    match () {
        () if rest.take('*') => Ok(Match::Prefix(text)),
        () if rest.take('~') => distance(rest).map(|distance| Match::Fuzzy(text, distance)),
        () => Ok(Match::Words(text)),
    }
}

/// The place of what other syntaxes take for any letter, or for AND and OR.
fn foreign(word: &str) -> Option<usize> {
    let place = |sign: &str| word.find(sign).filter(|&at| !word[..at].ends_with('\\'));
    let letter = place("?").filter(|at| word[at + 1..].starts_with(char::is_alphanumeric));
    letter.or_else(|| place("&&")).or_else(|| place("||"))
}

fn distance(rest: &mut Rest<'_>) -> Result<u8> {
    let at = rest.at;
    match rest.take_while(|c| !c.is_whitespace() && !"()^\"".contains(c)) {
        "" | "1" => Ok(1),
        "2" => Ok(2),
        _ => Err(Error::query("expected a distance of 1 or 2 after `~`", at)),
    }
}

fn boost(rest: &mut Rest<'_>) -> Result<f32> {
    let at = rest.at;
    let number = rest.take_while(|c| !c.is_whitespace() && !"()\"".contains(c));
    let (low, high) = super::BOOSTS;
    number.parse().ok().filter(|boost| (low..=high).contains(boost)).ok_or_else(|| {
        Error::query(format!("expected a number from {low} to {high} after `^`, found {number:?}"), at)
    })
}

/// The text before a character that ends it, where a backslash takes the meaning from the one behind.
fn unescaped(rest: &mut Rest<'_>, ends: impl Fn(char) -> bool) -> Result<String> {
    let mut text = String::new();
    while let Some(c) = rest.peek().filter(|&c| !ends(c)) {
        let at = rest.at;
        rest.at += c.len_utf8();
        if c != '\\' {
            text.push(c);
            continue;
        }
        let Some(escaped) = rest.peek() else {
            return Err(Error::query("expected a character after `\\`", at));
        };
        rest.at += escaped.len_utf8();
        text.push(escaped);
    }
    Ok(text)
}

fn group(clauses: Vec<Clause>, occur: Occur, offset: usize) -> Clause {
    Clause { occur, wanted: Wanted::Group(Query { clauses }), boost: 1.0, offset }
}

/// Instead of a group of one clause, the clause: `+(e-mail)` is `+e-mail`, of which each word must match.
fn lifted(mut clause: Clause) -> Clause {
    match &mut clause.wanted {
        Wanted::Group(group) if group.clauses.len() == 1 => match group.clauses.pop() {
            Some(inner) if inner.occur != Occur::MustNot => {
                Clause { wanted: inner.wanted, boost: inner.boost * clause.boost, ..clause }
            }
            inner => {
                group.clauses.extend(inner);
                clause
            }
        },
        _ => clause,
    }
}

/// Instead of a query of one group, the group.
fn united(mut clauses: Vec<Clause>) -> Query {
    match clauses.as_mut_slice() {
        [Clause { occur: Occur::Should | Occur::Must, wanted: Wanted::Group(group), boost, .. }]
            if is_one(*boost) =>
        {
            std::mem::take(group)
        }
        _ => Query { clauses },
    }
}

#[expect(clippy::float_cmp, reason = "1 is exact, and the default")]
fn is_one(boost: f32) -> bool {
    boost == 1.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn every_form_of_the_syntax_is_read() {
        for (text, printed) in [
            ("a+b \"x y\" -not +must", "a+b \"x y\" -not +must"),
            (" pre*\u{3000}w~ w~2 👩‍👩 ", "pre* w~1 w~2 👩‍👩"),
            ("title:t -body:\"p q\" +f:é*", "title:t -body:\"p q\" +f:é*"),
            ("\"a b\"~3 dog^3 \"a b\"~2^0.5", "\"a b\"~3 dog^3 \"a b\"~2^0.5"),
            ("dog AND cat", "+dog +cat"),
            ("dog OR cat", "dog cat"),
            ("dog NOT cat", "dog -cat"),
            ("dog AND NOT cat", "+dog -cat"),
            ("NOT dog AND cat", "-dog +cat"),
            ("a OR b AND c", "a (+b +c)"),
            ("a b OR c", "a (b c)"),
            ("(a OR b) AND NOT (c d)", "+(a b) -(c d)"),
            ("a AND (NOT b)", "+a +(-b)"),
            ("((a)) +(b)^2", "a +b^2"),
            ("text:(a \"b c\" (d OR e))", "text:a text:\"b c\" (text:d text:e)"),
            ("x text:(a b)^2", "x (text:a text:b)^2"),
            (r#"\AND a\:b a\ b \+c "q\"r""#, r#"\AND a\:b a\ b \+c "q\"r""#),
            ("not and or Dog's e-mail", "not and or Dog's e-mail"),
            ("\\“a b“", "\\“a b“"),
        ] {
            let query = Query::parse(text, Occur::Should).unwrap();
            assert_eq!(query.to_string(), printed, "{text}");
        }
        assert_eq!(Query::parse("a b OR c", Occur::Must).unwrap().to_string(), "+a +(b c)");
        assert_eq!(Query::parse("a -b", Occur::Must).unwrap().to_string(), "+a -b");
    }

    #[test]
    fn what_cannot_be_read_or_has_no_effect_is_refused_at_its_byte() {
        for (text, offset) in [
            ("", 0),
            ("  ", 2),
            ("é \"never closed", 3),
            ("\"a\"b", 3),
            ("a\"b\"", 1),
            ("x - y", 3),
            ("x -", 3),
            ("field: y", 6),
            ("ok *", 3),
            ("~1", 0),
            ("a*b", 2),
            ("wörd~3", 6),
            ("w~12", 2),
            ("a~-1", 2),
            ("()", 0),
            ("a ()", 2),
            ("(a", 0),
            ("a (b (c)", 2),
            ("a)", 1),
            ("a b) c", 3),
            ("a(b)", 1),
            ("(a)b", 3),
            ("(a)(b)", 3),
            ("AND", 0),
            ("a AND", 5),
            ("AND a", 0),
            ("a OR OR b", 5),
            ("a AND OR b", 6),
            ("OR", 0),
            ("NOT", 3),
            ("a NOT", 5),
            ("NOT NOT a", 4),
            ("(a OR)", 5),
            ("a^0", 2),
            ("a^-1", 2),
            ("a^NaN", 2),
            ("a^inf", 2),
            ("a^", 2),
            ("a^2000", 2),
            ("a^2^3", 2),
            ("^2", 0),
            ("a^x", 2),
            ("b -a^2", 2),
            ("b -(a^2 c)", 4),
            ("a OR NOT b", 5),
            ("+a OR b", 0),
            ("a -b AND c", 2),
            ("-a", 0),
            ("NOT a", 0),
            ("b -(-a)", 2),
            ("b (-a -c)", 2),
            ("++a", 1),
            ("a +-b", 3),
            ("text:-b", 5),
            ("\"\"", 0),
            ("\"...\"", 0),
            ("a & b", 2),
            ("a && b", 2),
            ("a || b", 2),
            ("a !b", 2),
            ("[a TO b]", 0),
            ("... a", 0),
            ("\"a b\"~", 6),
            ("\"a b\"~x", 6),
            ("\"a b\"~0", 6),
            ("\"a b\"~101", 6),
            ("\"a b\"~1.5", 7),
            ("a\\", 1),
            ("t:(u:a)", 3),
            ("wom?n", 3),
            ("a “b c”", 2),
            ("«a b»", 0),
        ] {
            let error = Query::parse(text, Occur::Should).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(offset)), "{text}: {error}");
        }
    }

    #[test]
    fn groups_nest_up_to_the_limit() {
        let nested = |depth: usize| format!("{}b{}", "(a OR ".repeat(depth), ")".repeat(depth));
        Query::parse(&nested(MAX_DEPTH), Occur::Should).unwrap();
        let error = Query::parse(&nested(MAX_DEPTH + 1), Occur::Should).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Query);
        let error = Query::parse(&"(".repeat(1 << 20), Occur::Should).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Query, Some(MAX_DEPTH as u64)));
        let deep =
            (0..=MAX_DEPTH).fold(Query::any("a"), |query, _| Query::any("b").group(Occur::Should, query));
        assert_eq!(super::super::check(&deep).unwrap_err().kind(), ErrorKind::Query);
    }

    const PARTS: &str = "([+-]|NOT |text:|-text:)?(a|é!|\"a b\"|\"a b\"~2|b\\*|c~|c~2|a\\\\ b|\\(a( OR | AND | AND NOT | )(b|\\(c d\\))\\)|\\\\+a|AND)(\\^2|\\^0\\.5)?";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn a_query_that_is_printed_is_read_again_as_the_same(
            text in prop::string::string_regex(&format!("{PARTS}(( | AND | OR | NOT ){PARTS}){{0,4}}|[ab:\"*~+\\- é2()^\\\\]{{0,20}}")).unwrap(),
            all: bool,
        ) {
            let default = if all { Occur::Must } else { Occur::Should };
            if let Ok(query) = Query::parse(&text, default) {
                let printed = query.to_string();
                let again = Query::parse(&printed, Occur::Should);
                prop_assert!(again.as_ref().is_ok_and(|again| *again == query), "{text} is {query:?}, printed {printed}, again {again:?}");
            }
        }

        #[test]
        fn any_text_is_a_query_or_an_error_inside_it(text in "[ab:\"*~+\\- é2()^\\\\]{0,20}|.{0,20}") {
            match Query::parse(&text, Occur::Must) {
                Ok(query) => prop_assert!(query.clauses.iter().all(|c| text.is_char_boundary(c.offset))),
                Err(error) => prop_assert!(error.offset().is_some_and(|at| at <= text.len() as u64)),
            }
        }
    }
}
