//! No identifier is a word that the glossary of `docs/ARCHITECTURE.md` forbids.
//!
//! The glossary's table `| not | but |` has them, in backticks, in its first column.

use std::collections::BTreeMap;

use crate::{Crate, Fault};

/// The forbidden words of the glossary, each with what to say in its place.
pub fn forbidden(document: &str) -> BTreeMap<String, String> {
    let rows = document.lines().skip_while(|line| !line.starts_with("| not | but |")).skip(2);
    let mut words = BTreeMap::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let (not, but) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        for word in not.split('`').skip(1).step_by(2) {
            words.insert(word.to_owned(), but.to_owned());
        }
    }
    words
}

/// One fault for each forbidden word in each file.
pub fn check(document: &str, member: &Crate) -> Vec<Fault> {
    let words = forbidden(document);
    let mut faults = Vec::new();
    for file in &member.files {
        let mut lines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for token in &file.tokens {
            if let Some(word) = token.word().filter(|word| words.contains_key(*word)) {
                lines.entry(word).or_default().push(token.line);
            }
        }
        for (word, lines) in lines {
            let what = format!("`{word}` ({} times): say {}", lines.len(), words[word]);
            faults.push(Fault::at(&file.path, lines[0], what));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOSSARY: &str = "| not | but |\n|---|---|\n| `cut`, `bury` | split, mark_superseded |\n\ntext";

    #[test]
    fn a_forbidden_word_is_found() {
        let faults = |text: &str| check(GLOSSARY, &Crate::new("a", &[("lib.rs", text)])).len();
        assert_eq!(faults("fn cut() {} fn f() { cut() }"), 1);
        assert_eq!(faults("struct S { bury: u8 }"), 1);
        assert_eq!(faults("// cut\nfn is_cut() { \"bury\" }"), 0);
        assert_eq!(forbidden("no table").len(), 0);
    }
}
