//! The syntax of queries: see [`Query::parse`].

use super::check::too_deep;
use super::{Clause, MAX_DEPTH, MAX_SLOP, Match, Occur, Query, Wanted, ends_name};
use crate::analyzer::has_words;
use crate::error::{Error, Result};

/// Signs that begin no word. Those of other syntaxes would be passed over in silence.
const NO_BEGINNING: &[char] = &['!', '&', '|', '[', ']', '{', '}', '<', '>', '=', ':'];

const OPERATORS: [&str; 3] = ["AND", "OR", "NOT"];
const OF_FULL_WIDTH: [&str; 3] = ["ＡＮＤ", "ＯＲ", "ＮＯＴ"];

/// Whether a word is one that is an operator, or looks like one.
pub(super) fn is_operator(word: &str) -> bool {
    OPERATORS.contains(&word) || OF_FULL_WIDTH.contains(&word)
}

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
    refuse_operator(rest)?;
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

fn refuse_operator(rest: &Rest<'_>) -> Result<()> {
    if let Some(operator) = OPERATORS.into_iter().find(|operator| rest.sees(operator)) {
        let message = format!("expected a word, a phrase or a group, and {operator} is an operator");
        return Err(Error::query(message, rest.at));
    }
    if OF_FULL_WIDTH.into_iter().any(|operator| rest.sees(operator)) {
        let message =
            "operators are AND, OR and NOT, not of full width; if this is a word, write `\\` before it";
        return Err(Error::query(message, rest.at));
    }
    Ok(())
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
    refuse_operator(rest)?;
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
    if let Some(at) = operator_in_phrase(&rest.text[start..rest.at]) {
        let message =
            "`*` and `~` have no meaning inside a phrase; if they belong to a word, write `\\` before them";
        return Err(Error::query(message, start + at));
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

/// The place of a `*`, or of a `~` with or without a number, at the end of a word.
fn operator_in_phrase(phrase: &str) -> Option<usize> {
    phrase.match_indices(['*', '~']).map(|(at, _)| at).find(|&at| {
        let behind = phrase[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        phrase[..at].ends_with(char::is_alphanumeric)
            && behind.starts_with(|c: char| c.is_whitespace() || c == '"')
    })
}

/// Dashes of typography, and signs of full width, which are no `-` and no `+`.
fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '−' | '－' | '＋')
}

/// Whether a word that begins so is refused: its first sign looks like one that has a meaning.
pub(super) fn is_typographic(c: char) -> bool {
    is_mark(c) || is_dash(c)
}

/// Quotation marks of typography and parentheses of full width, which begin no phrase and no group.
fn is_mark(c: char) -> bool {
    matches!(c, '“' | '”' | '„' | '‟' | '«' | '»' | '‹' | '›' | '「'..='』' | '〝'..='〟' | '＂' | '（' | '｢')
}

fn word(rest: &mut Rest<'_>) -> Result<Match> {
    let start = rest.at;
    if rest.peek().is_some_and(is_dash) {
        let message = "`-` stands before what must not match, and `+` before what must; if this sign belongs to a word, write `\\` before it";
        return Err(Error::query(message, start));
    }
    if rest.peek().is_some_and(is_mark) {
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

/// Instead of a group of one clause, the clause: `+(e-mail)` is `+e-mail`, of which each word must match. The group stays where the clause has a sign or several words of its own,
/// which would mean something else, and where both boosts together are beyond the limits.
fn lifted(mut clause: Clause) -> Clause {
    let Wanted::Group(group) = &mut clause.wanted else { return clause };
    let (low, high) = super::BOOSTS;
    let is_same = |inner: &Clause| {
        let is_several = matches!(&inner.wanted, Wanted::Match(Match::Words(text), _) if text.contains(char::is_whitespace));
        inner.occur == clause.occur && !is_several && (low..=high).contains(&(inner.boost * clause.boost))
    };
    if group.clauses.len() == 1
        && let Some(inner) = group.clauses.pop_if(|inner| is_same(inner))
    {
        return Clause { wanted: inner.wanted, boost: inner.boost * clause.boost, ..clause };
    }
    clause
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
