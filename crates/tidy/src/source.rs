//! Rust source as tokens: comments and whitespace are gone, and so is whatever only tests are built with.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Word,
    /// A string, byte string or character.
    Text,
    /// A number.
    Number,
    /// A lifetime.
    Lifetime,
    /// One line of documentation, without its slashes.
    Docs,
    /// One character of anything else.
    Sign,
}

/// A token and its line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// The token as written.
    pub text: String,
    /// The line on which it begins.
    pub line: usize,
}

impl Token {
    /// Whether it is this word or sign.
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text == text
    }

    /// The identifier or keyword, if it is one.
    pub fn word(&self) -> Option<&str> {
        (self.kind == Kind::Word).then_some(self.text.as_str())
    }
}

/// One file of Rust.
#[derive(Debug, Clone)]
pub struct File {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// The whole file.
    pub text: String,
    /// Its tokens, without items under `#[cfg(test)]`.
    pub tokens: Vec<Token>,
}

impl File {
    /// Reads `text`.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let tokens = without_tests(&tokens(&text));
        Self { path: path.into(), text, tokens }
    }

    /// The name without its folder.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The index of the token that closes the bracket at `open`.
    pub fn closing(&self, open: usize) -> usize {
        closing(&self.tokens, open)
    }
}

/// The index of the token that closes the bracket at `open`; the last token if nothing does.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.kind != Kind::Sign {
            continue;
        }
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len().saturating_sub(1)
}

/// Splits source into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut scan = Scan { chars: text.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while scan.at < scan.chars.len() {
        scan.next();
    }
    scan.tokens
}

struct Scan {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Scan {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn next(&mut self) {
        let (first, second) = (self.peek(0), self.peek(1));
        match first {
            _ if first.is_whitespace() => self.skip(1),
            '/' if second == '/' => self.line_comment(),
            '/' if second == '*' => self.block_comment(),
            '"' => self.string(0),
            '\'' => self.quote(),
            _ if first.is_ascii_digit() => self.number(),
            _ if first.is_alphabetic() || first == '_' => self.word(),
            _ => self.take(Kind::Sign, 1),
        }
    }

    fn skip(&mut self, len: usize) {
        let end = (self.at + len).min(self.chars.len());
        self.line += self.chars[self.at..end].iter().filter(|&&char| char == '\n').count();
        self.at = end;
    }

    fn take(&mut self, kind: Kind, len: usize) {
        let end = (self.at + len).min(self.chars.len());
        let text = self.chars[self.at..end].iter().collect();
        self.tokens.push(Token { kind, text, line: self.line });
        self.skip(len);
    }

    fn line_comment(&mut self) {
        let len = self.chars[self.at..].iter().take_while(|&&char| char != '\n').count();
        let text: String = self.chars[self.at..self.at + len].iter().collect();
        let docs = text
            .strip_prefix("//!")
            .or_else(|| text.strip_prefix("///").filter(|rest| !rest.starts_with('/')));
        if let Some(docs) = docs {
            self.tokens.push(Token { kind: Kind::Docs, text: docs.trim().to_owned(), line: self.line });
        }
        self.skip(len);
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            let (opens, closes) = match (self.peek(0), self.peek(1)) {
                ('/', '*') => (1, 0),
                ('*', '/') => (0, 1),
                _ => (0, 0),
            };
            depth = depth + opens - closes;
            self.skip(1 + opens + closes);
            if depth == 0 {
                return;
            }
        }
    }

    /// A string whose quote is `prefix` characters on.
    fn string(&mut self, prefix: usize) {
        let mut len = prefix + 1;
        while self.at + len < self.chars.len() && self.peek(len) != '"' {
            len += if self.peek(len) == '\\' { 2 } else { 1 };
        }
        self.take(Kind::Text, len + 1);
    }

    /// A raw string with `hashes` signs behind `prefix` letters.
    fn raw_string(&mut self, prefix: usize, hashes: usize) {
        let mut len = prefix + hashes + 1;
        while self.at + len < self.chars.len() {
            len += 1;
            if self.peek(len - 1) == '"' && (0..hashes).all(|hash| self.peek(len + hash) == '#') {
                break;
            }
        }
        self.take(Kind::Text, len + hashes);
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            let mut len = 3;
            while self.at + len < self.chars.len() && self.peek(len) != '\'' {
                len += 1;
            }
            self.take(Kind::Text, len + 1);
        } else if self.peek(2) == '\'' {
            self.take(Kind::Text, 3);
        } else {
            let len = self.word_len(1);
            self.take(Kind::Lifetime, len + 1);
        }
    }

    fn number(&mut self) {
        let mut len = 1;
        loop {
            let char = self.peek(len);
            let fraction = char == '.' && self.peek(len + 1).is_ascii_digit();
            if !(char.is_alphanumeric() || char == '_' || fraction) {
                break;
            }
            len += 1;
        }
        self.take(Kind::Number, len);
    }

    fn word_len(&self, from: usize) -> usize {
        let rest = self.chars.get(self.at + from..).unwrap_or_default();
        rest.iter().take_while(|&&char| char.is_alphanumeric() || char == '_').count()
    }

    fn word(&mut self) {
        let len = self.word_len(0);
        let prefix: String = self.chars[self.at..self.at + len].iter().collect();
        let hashes = self.chars[self.at + len..].iter().take_while(|&&char| char == '#').count();
        let is_raw = matches!(prefix.as_str(), "r" | "br" | "cr");
        match self.peek(len) {
            '"' if is_raw => self.raw_string(len, 0),
            '"' if matches!(prefix.as_str(), "b" | "c") => self.string(len),
            '\'' if prefix == "b" => {
                self.skip(1);
                self.quote();
            }
            '#' if is_raw && self.peek(len + hashes) == '"' => self.raw_string(len, hashes),
            '#' if prefix == "r" && hashes == 1 => {
                self.skip(2);
                self.word();
            }
            _ => self.take(Kind::Word, len),
        }
    }
}

/// Leaves out items under `#[cfg(test)]` and the like; all of it if the file is under `#![cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let inner = usize::from(tokens.get(at + 1).is_some_and(|token| token.is("!")));
        let open = at + 1 + inner;
        if tokens[at].is("#") && tokens.get(open).is_some_and(|token| token.is("[")) {
            let close = closing(tokens, open);
            if needs_test(&tokens[open + 1..close]) {
                if inner == 1 {
                    return Vec::new();
                }
                drop_docs(&mut kept);
                at = end_of_item(tokens, close + 1);
                continue;
            }
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

/// Documentation and attributes that stand before an item that is left out.
fn drop_docs(kept: &mut Vec<Token>) {
    while kept.last().is_some_and(|token| token.kind == Kind::Docs) {
        kept.pop();
    }
}

/// Whether an attribute is a `cfg` that holds in tests only.
fn needs_test(attribute: &[Token]) -> bool {
    if !attribute.first().is_some_and(|token| token.is("cfg")) {
        return false;
    }
    let mut at = 2;
    while at < attribute.len() {
        let word = attribute[at].word();
        if matches!(word, Some("not" | "any")) {
            at = closing(attribute, at + 1);
        } else if word == Some("test") {
            return true;
        }
        at += 1;
    }
    false
}

/// The index behind the item, field or statement that begins at `at`, attributes included.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.is("#") || token.kind == Kind::Docs) {
        at = if tokens[at].is("#") { closing(tokens, at + 1) + 1 } else { at + 1 };
    }
    let mut first = at;
    if tokens.get(first).is_some_and(|token| token.is("pub")) {
        first += 1;
        if tokens.get(first).is_some_and(|token| token.is("(")) {
            first = closing(tokens, first) + 1;
        }
    }
    let word = tokens.get(first).and_then(Token::word).unwrap_or_default();
    let is_fn =
        tokens.get(first + 1).and_then(Token::word).is_some_and(|next| matches!(next, "fn" | "unsafe"));
    let to_semicolon = matches!(word, "use" | "static" | "type" | "let") || (word == "const" && !is_fn);
    let is_item = to_semicolon
        || matches!(
            word,
            "fn" | "mod"
                | "struct"
                | "enum"
                | "impl"
                | "trait"
                | "macro_rules"
                | "extern"
                | "unsafe"
                | "async"
                | "const"
                | "union"
        );
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            _ if tokens[at].kind != Kind::Sign => {}
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            "(" | "[" => at = closing(tokens, at),
            "{" => {
                at = closing(tokens, at);
                if !to_semicolon {
                    return at + 1;
                }
            }
            ")" | "]" | "}" => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        File::new("a.rs", text).tokens.into_iter().filter(|t| t.kind == Kind::Word).map(|t| t.text).collect()
    }

    #[test]
    fn comments_and_strings_are_no_words() {
        assert_eq!(
            words("a /* b /* c */ d */ e // f\n\"g \\\" h\" r#\"i \" j\"# b'k' '\\'' 'l' x"),
            ["a", "e", "x"]
        );
        assert_eq!(words("fn f<'life>(r#type: &'life str)"), ["fn", "f", "type", "str"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let tokens = tokens("a\n/*\n*/ b \"\n\n\" c");
        let line = |word: &str| tokens.iter().find(|t| t.is(word)).map(|t| t.line);
        assert_eq!((line("a"), line("b"), line("c")), (Some(1), Some(3), Some(5)));
    }

    #[test]
    fn what_only_tests_have_is_left_out() {
        assert_eq!(words("a; #[cfg(test)] mod tests { b; } c"), ["a", "c"]);
        assert_eq!(words("#[cfg(test)] mod tests; c"), ["c"]);
        assert_eq!(words("#[cfg(all(test, unix))] #[x] pub(crate) fn f<A, B>() -> [u8; 2] { b } c"), ["c"]);
        assert_eq!(words("#[cfg(test)] use a::{b, c}; d"), ["d"]);
        assert_eq!(words("struct S { #[cfg(test)] a: B, c: D }"), ["struct", "S", "c", "D"]);
        assert_eq!(words("#[cfg(test)] const A: [u8; 1] = { b }; c"), ["c"]);
        assert_eq!(words("#![cfg(test)] a"), Vec::<String>::new());
        assert_eq!(words("#[cfg(not(test))] a"), ["cfg", "not", "test", "a"]);
    }
}
