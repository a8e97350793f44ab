//! A module with public items has at least 25 lines of documentation for 100 lines of code.

use crate::{Crate, Fault, File};

/// Lines of documentation for 100 of code.
pub const PERCENT: usize = 25;

/// One fault for each module with too few.
pub fn check(member: &Crate) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in member.files.iter().filter(|file| is_public(file)) {
        let (docs, code) = count(file);
        if docs * 100 < code * PERCENT {
            let what = format!("{docs} lines of documentation to {code} of code; at least {PERCENT} to 100");
            faults.push(Fault::of_file(&file.path, what));
        }
    }
    faults
}

/// Whether a type or function here is `pub` without a restriction.
fn is_public(file: &File) -> bool {
    const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
    file.tokens
        .windows(2)
        .any(|pair| pair[0].is("pub") && pair[1].word().is_some_and(|word| ITEMS.contains(&word)))
}

/// Lines of documentation, and lines with code, without code of tests.
fn count(file: &File) -> (usize, usize) {
    use crate::source::Kind;
    let lines = |docs: bool| {
        let mut lines: Vec<usize> = file
            .tokens
            .iter()
            .filter(|token| (token.kind == Kind::Docs) == docs)
            .map(|token| token.line)
            .collect();
        lines.dedup();
        lines.len()
    };
    (lines(true), lines(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> usize {
        check(&Crate::new("a", &[("lib.rs", text)])).len()
    }

    #[test]
    fn a_public_module_without_documentation_is_found() {
        let code = "pub fn f() {\n    g();\n    h();\n}\n";
        assert_eq!(faults(code), 1);
        assert_eq!(faults(&format!("/// Calls both.\n{code}")), 0);
        assert_eq!(faults(&format!("// Calls both.\n{code}")), 1);
        assert_eq!(faults(&code.replace("pub", "pub(crate)")), 0);
        assert_eq!(faults(&format!("#[cfg(test)]\nmod tests {{ {code} }}")), 0);
    }
}
