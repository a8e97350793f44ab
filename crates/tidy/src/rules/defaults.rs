//! What documentation calls a default is the value in the code.
//!
//! `Default: 48 KiB.` before a setter or a field is compared with what the constructor beside it (`default` or `new`) gives that field. Numbers
//! are compared as numbers and code in backticks as code. Anything else is compared through a list of phrases, each with the value it stands
//! for. A setter that hands its value on to options of another crate has the default that is set there.

use crate::source::{Kind, Token};
use crate::{Crate, Fault, File};

/// A sentence about a default, and the item that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    path: String,
    line: usize,
    item: String,
    prose: String,
    /// Values in the code: what the constructor gives, or what takes its place.
    values: Vec<String>,
}

/// One fault for each default that differs, or that cannot be compared.
pub fn check(crates: &[&Crate], phrases: &[(&str, &str)]) -> Vec<Fault> {
    let claims: Vec<Claim> = crates.iter().flat_map(|member| claims(member)).collect();
    let mut faults = Vec::new();
    for claim in &claims {
        let is_handed_on = claim.values.is_empty()
            && claims.iter().any(|other| {
                !other.values.is_empty() && other.item == claim.item && other.prose == claim.prose
            });
        let right = is_handed_on || claim.values.iter().any(|value| agree(&claim.prose, value, phrases));
        if !right {
            let values = if claim.values.is_empty() {
                "nowhere to be found".to_owned()
            } else {
                claim.values.join(" or ")
            };
            let what = format!(
                "`{}`: the documented default is {:?}, that of the code {values}",
                claim.item, claim.prose
            );
            faults.push(Fault::at(&claim.path, claim.line, what));
        }
    }
    faults
}

fn claims(member: &Crate) -> Vec<Claim> {
    let mut found = Vec::new();
    for file in &member.files {
        let tokens = &file.tokens;
        let mut at = 0;
        while at < tokens.len() {
            let end = (at..tokens.len()).find(|&end| tokens[end].kind != Kind::Docs).unwrap_or(tokens.len());
            if end > at {
                let docs: Vec<&str> = tokens[at..end].iter().map(|token| token.text.as_str()).collect();
                if let Some(prose) = prose(&docs.join(" "))
                    && let Some(claim) = claim(member, file, end, prose)
                {
                    found.push(claim);
                }
            }
            at = end + 1;
        }
    }
    found
}

/// What follows `Default: ` in documentation, to the end of the sentence.
fn prose(docs: &str) -> Option<String> {
    let rest = docs.split("Default: ").nth(1)?;
    let end = rest.find(". ").or_else(|| rest.find(';')).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('.').to_owned())
}

/// The claim about the item that begins at `at`.
fn claim(member: &Crate, file: &File, mut at: usize, prose: String) -> Option<Claim> {
    let tokens = &file.tokens;
    while tokens.get(at)?.is("#") {
        at = file.closing(at + 1) + 1;
    }
    while tokens.get(at)?.is("pub") || tokens[at].is("const") {
        at += 1;
        if tokens.get(at)?.is("(") {
            at = file.closing(at) + 1;
        }
    }
    let is_fn = tokens.get(at)?.is("fn");
    let item = tokens.get(at + usize::from(is_fn))?.word()?.to_owned();
    let line = tokens[at].line;
    let field = if is_fn { field_set_by(file, at).unwrap_or_else(|| item.clone()) } else { item.clone() };
    let owner = owner(file, at)?;
    let value = value_of(file, &owner, &field).or_else(|| value_of(file, &owner, &item));
    let is_option = || file.tokens.windows(3).any(|w| w[0].is(&field) && w[1].is(":") && w[2].is("Option"));
    let value = value.or_else(|| is_option().then(|| "None".to_owned()));
    let values = value.map(|value| resolve(member, &field, value)).unwrap_or_default();
    Some(Claim { path: file.path.clone(), line, item, prose, values })
}

/// The field that the setter at `at` sets: `self.FIELD = …` or `….FIELD = …`.
fn field_set_by(file: &File, at: usize) -> Option<String> {
    let open = (at..file.tokens.len()).find(|&open| file.tokens[open].is("{"))?;
    let body = &file.tokens[open..=file.closing(open)];
    let sets = body.windows(4).find(|four| {
        four[0].is(".")
            && four[1].kind == Kind::Word
            && four[2].is("=")
            && !four[3].is("=")
            && !is_delegation(body, &four[1])
    })?;
    Some(sets[1].text.clone())
}

/// Whether a field is set to what a method of the same field returns: `self.store = self.store.block_len(bytes)`.
fn is_delegation(body: &[Token], field: &Token) -> bool {
    body.windows(5).any(|five| {
        five[0].is("self")
            && five[1].is(".")
            && five[2].is(&field.text)
            && five[3].is(".")
            && five[4].kind == Kind::Word
    })
}

/// The type whose `impl` or `struct` the token at `at` stands in.
fn owner(file: &File, at: usize) -> Option<String> {
    let tokens = &file.tokens;
    (0..at).rev().filter(|&begin| tokens[begin].is("impl") || tokens[begin].is("struct")).find_map(|begin| {
        let open = (begin..tokens.len()).find(|&open| tokens[open].is("{") || tokens[open].is(";"))?;
        (open < at && at < file.closing(open)).then(|| type_of(&tokens[begin + 1..open]))?
    })
}

/// The name of the type in `<'a> Type<'a>` or `Trait for Type`.
fn type_of(header: &[Token]) -> Option<String> {
    let behind = header.iter().position(|token| token.is("for")).map_or(0, |at| at + 1);
    let mut depth = 0usize;
    for token in &header[behind..] {
        match token.text.as_str() {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.kind == Kind::Word => return Some(token.text.clone()),
            _ => {}
        }
    }
    None
}

/// What a constructor of a type gives a field, or hands to a setter of that name, as written.
fn value_of(file: &File, owner_type: &str, name: &str) -> Option<String> {
    let tokens = &file.tokens;
    let constructors = (0..tokens.len().saturating_sub(1))
        .filter(|&at| tokens[at].is("fn") && (tokens[at + 1].is("default") || tokens[at + 1].is("new")))
        .filter(|&at| owner(file, at).as_deref() == Some(owner_type));
    constructors.into_iter().find_map(|at| {
        let open = (at..tokens.len()).find(|&open| tokens[open].is("{"))?;
        given(&tokens[open + 1..file.closing(open)], name)
    })
}

/// What the body of a constructor gives `name`: `name: value`, `let name = value` or `.name(value)`.
fn given(body: &[Token], name: &str) -> Option<String> {
    for at in (0..body.len()).filter(|&at| body[at].is(name)) {
        let before = at.checked_sub(1).map(|before| &body[before]);
        let after = body.get(at + 1);
        if before.is_some_and(|t| t.is(".")) && after.is_some_and(|t| t.is("(")) {
            return Some(render(&body[at + 2..crate::source::closing(body, at + 1)]));
        }
        let is_field = after.is_some_and(|t| t.is(":")) && !body.get(at + 2).is_some_and(|t| t.is(":"));
        let is_let = before.is_some_and(|t| t.is("let")) && after.is_some_and(|t| t.is("="));
        if is_field || is_let {
            return Some(render(expression(&body[at + 2..])));
        }
    }
    None
}

/// The tokens up to the comma, semicolon or bracket that ends an expression.
fn expression(tokens: &[Token]) -> &[Token] {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "(" | "[" | "{" => at = crate::source::closing(tokens, at),
            "," | ";" | "}" | ")" => break,
            _ => {}
        }
        at += 1;
    }
    &tokens[..at]
}

fn render(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

/// A value, and what a constant of that name is, and what takes its place if it is `None`.
fn resolve(member: &Crate, field: &str, value: String) -> Vec<String> {
    let mut values = vec![value];
    if values[0] == "None" {
        for file in &member.files {
            let tokens = &file.tokens;
            let places = tokens
                .windows(3)
                .enumerate()
                .filter(|(_, w)| w[0].is(field) && w[1].is(".") && w[2].is("unwrap_or"));
            values.extend(places.map(|(at, _)| render(&tokens[at + 4..file.closing(at + 3)])));
        }
    }
    let constants =
        values.iter().filter_map(|value| constant(member, value.rsplit(':').next()?)).collect::<Vec<_>>();
    values.extend(constants);
    values
}

/// What a constant of the crate is, as written.
fn constant(member: &Crate, name: &str) -> Option<String> {
    member.files.iter().find_map(|file| {
        let tokens = &file.tokens;
        let at = tokens.windows(2).position(|w| w[0].is("const") && w[1].is(name))?;
        let equals = (at..tokens.len()).find(|&equals| tokens[equals].is("="))?;
        Some(render(expression(&tokens[equals + 1..])))
    })
}

fn agree(prose: &str, value: &str, phrases: &[(&str, &str)]) -> bool {
    if let (Some(said), Some(is)) = (number(prose), number(value)) {
        return (said - is).abs() < 1e-9;
    }
    if let Some(code) = prose.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return value == code || value.ends_with(&format!("::{code}"));
    }
    phrases.iter().any(|&(phrase, code)| phrase == prose && code == value)
}

/// A number of prose (`1,000`, `48 KiB`, `0, none`) or code (`48<<10`, `2_000`, `1.1`).
fn number(text: &str) -> Option<f64> {
    let text = text.split(", ").next()?.replace([',', '_'], "");
    if let Some((left, right)) = text.split_once("<<") {
        return Some(number(left)? * 2f64.powi(right.trim().parse().ok()?));
    }
    if let Some((left, right)) = text.split_once('*') {
        return Some(number(left)? * number(right)?);
    }
    for (unit, factor) in [(" KiB", 1024.0), (" MiB", 1_048_576.0), (" GiB", 1_073_741_824.0)] {
        if let Some(count) = text.strip_suffix(unit) {
            return Some(count.parse::<f64>().ok()? * factor);
        }
    }
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHRASES: &[(&str, &str)] = &[("it is on disk", "Durability::Sync"), ("yes", "true")];

    fn faults(documented: &str, value: &str, setter: &str) -> usize {
        let text = format!(
            "pub struct Options {{ len: u32 }}
            impl Default for Options {{ fn default() -> Self {{ Self {{ other: 1, len: {value}, last: 2 }} }} }}
            impl Options {{
                /// The length. Default: {documented}.
                #[must_use]
                pub fn len(mut self, len: u32) -> Self {{ {setter} }}
            }}
            const LEN: u32 = 64 << 20;"
        );
        check(&[&Crate::new("a", &[("lib.rs", &text)])], PHRASES).len()
    }

    #[test]
    fn a_default_that_differs_is_found() {
        let set = "self.len = len; self";
        assert_eq!((faults("48 KiB", "48 << 10", set), faults("48 KiB", "32 << 10", set)), (0, 1));
        assert_eq!((faults("1,000", "1_000", set), faults("1,000", "100", set)), (0, 1));
        assert_eq!((faults("1.1", "1.1", set), faults("1.1", "1.2", set)), (0, 1));
        assert_eq!((faults("64 MiB", "LEN", set), faults("32 MiB", "LEN", set)), (0, 1));
        assert_eq!(
            (
                faults("`Zstd(3)`", "Compression::Zstd(3)", set),
                faults("`Zstd(3)`", "Compression::Zstd(1)", set)
            ),
            (0, 1)
        );
        assert_eq!(
            (
                faults("it is on disk", "Durability::Sync", set),
                faults("it is on disk", "Durability::Group", set)
            ),
            (0, 1)
        );
        assert_eq!(faults("as it comes", "None", set), 1, "a phrase that is not listed");
    }

    #[test]
    fn what_takes_the_place_of_none_is_the_default() {
        let text = |value: &str| {
            format!(
                "impl Query {{
                    pub fn new() -> Self {{ Self {{ width: None }} }}
                    /// Default: 64.
                    pub fn width(mut self, width: usize) -> Self {{ self.width = Some(width); self }}
                    fn search(&self) -> usize {{ self.width.unwrap_or({value}) }}
                }}"
            )
        };
        let faults = |value: &str| check(&[&Crate::new("a", &[("lib.rs", &text(value))])], &[]).len();
        assert_eq!((faults("64"), faults("32")), (0, 1));
    }

    #[test]
    fn fields_have_defaults_too() {
        let text = "pub struct A {\n/// Default: 3.\npub b: u8 }\nimpl Default for A { fn default() -> Self { Self { b: 4 } } }";
        assert_eq!(check(&[&Crate::new("a", &[("lib.rs", text)])], &[]).len(), 1);
        assert_eq!(check(&[&Crate::new("a", &[("lib.rs", &text.replace("b: 4", "b: 3"))])], &[]), []);
    }

    #[test]
    fn what_is_handed_on_has_the_default_of_the_other_crate() {
        let below = "impl Options { fn new() -> Self { Self { len: 5 } }
            /// Default: 5.
            pub fn len(mut self, len: u8) -> Self { self.len = len; self } }";
        let above = "impl Options { fn new() -> Self { Self { store: Store::new() } }
            /// Default: 5.
            pub fn len(mut self, len: u8) -> Self { self.store = self.store.len(len); self } }";
        let faults = |above: &str| {
            check(&[&Crate::new("a", &[("lib.rs", below)]), &Crate::new("b", &[("lib.rs", above)])], &[])
                .len()
        };
        assert_eq!((faults(above), faults(&above.replace("Default: 5", "Default: 6"))), (0, 1));
        let own = above.replace("Store::new()", "Store::new().len(7)");
        assert_eq!((faults(&own), faults(&own.replace("Default: 5", "Default: 7"))), (1, 0));
    }
}
