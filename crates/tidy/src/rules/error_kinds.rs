//! The page on errors has every kind of error in its table, and no other.

use std::collections::BTreeSet;

use crate::{Fault, File};

/// Compares the table of the page at `path` with the variants of `ErrorKind` in a file.
pub fn check(path: &str, page: &str, errors: &File) -> Vec<Fault> {
    let (kinds, listed) = (kinds(errors), listed(page));
    let missing =
        kinds.difference(&listed).map(|kind| Fault::of_file(path, format!("{kind} is not in the table")));
    let others =
        listed.difference(&kinds).map(|name| Fault::of_file(path, format!("no error has the kind {name}")));
    missing.chain(others).collect()
}

/// The variants of the enumeration.
fn kinds(errors: &File) -> BTreeSet<String> {
    let tokens = &errors.tokens;
    let open = tokens
        .windows(3)
        .position(|three| three[0].is("enum") && three[1].is("ErrorKind") && three[2].is("{"));
    let Some(open) = open.map(|at| at + 2) else { return BTreeSet::new() };
    tokens[open..errors.closing(open)].iter().filter_map(|token| token.word().map(str::to_owned)).collect()
}

/// The names in backticks in the first column of tables.
fn listed(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_without_a_row_and_a_row_without_a_kind_are_found() {
        let errors = File::new(
            "error.rs",
            "pub enum ErrorKind {\n /// Not there.\n NotFound,\n Io,\n}\nstruct Other;",
        );
        let faults = |page: &str| check("errors.md", page, &errors).len();
        assert_eq!(faults("| kind | what to do |\n|---|---|\n| `Io`, `NotFound` | look at `path` |\n"), 0);
        assert_eq!(faults("| `NotFound` | look |\n"), 1);
        assert_eq!(faults("| `NotFound`, `Io` | look |\n| `Lost` | look |\n"), 1);
    }
}
