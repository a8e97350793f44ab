//! No function of the facade is longer than 60 lines, from its `fn` to its last bracket.

use crate::source::Kind;
use crate::{Crate, Fault, File};

/// The most lines of a function.
pub const LIMIT: usize = 60;

/// One fault for each function that is too long.
pub fn check(member: &Crate) -> Vec<Fault> {
    member.files.iter().flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Fault> {
    let tokens = &file.tokens;
    let mut faults = Vec::new();
    for at in 0..tokens.len() {
        let Some(name) = tokens.get(at + 1).and_then(|next| next.word()) else { continue };
        if !tokens[at].is("fn") {
            continue;
        }
        let Some(open) = body(file, at + 1) else { continue };
        let lines = tokens[file.closing(open)].line - tokens[at].line + 1;
        if lines > LIMIT {
            faults.push(Fault::at(
                &file.path,
                tokens[at].line,
                format!("`{name}` has {lines} lines, more than {LIMIT}"),
            ));
        }
    }
    faults
}

/// The bracket that opens the body of the function whose name is at `at`; `None` for a declaration without one.
fn body(file: &File, mut at: usize) -> Option<usize> {
    while at < file.tokens.len() {
        let token = &file.tokens[at];
        match token.text.as_str() {
            _ if token.kind != Kind::Sign => {}
            "{" => return Some(at),
            ";" => return None,
            "(" | "[" => at = file.closing(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(lines: usize) -> usize {
        let text = format!(
            "trait T {{ fn t(a: [u8; 2]); }}\nfn long(f: fn(u8)) {{\n{}}}",
            "g();\n".repeat(lines - 2)
        );
        check(&Crate::new("a", &[("lib.rs", &text)])).len()
    }

    #[test]
    fn a_long_function_is_found() {
        assert_eq!((faults(60), faults(61)), (0, 1));
    }
}
