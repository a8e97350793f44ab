//! `docs/ARCHITECTURE.md` maps the tree: it lists every crate, its section on a crate has every folder of it, and every file begins with a
//! sentence that says what is in it.

use std::collections::BTreeSet;

use crate::{Crate, Fault};

const DOCUMENT: &str = "docs/ARCHITECTURE.md";

/// Compares the crates that the document lists with those that there are.
pub fn crates<'a>(document: &str, names: impl Iterator<Item = &'a str>) -> Vec<Fault> {
    let listed: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("crates/"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    compare(&listed, &names.collect(), "crate")
}

/// Compares the folders that the section on a crate lists with those of its `src`. A crate without folders needs no section.
pub fn folders(document: &str, member: &Crate) -> Vec<Fault> {
    let heading = format!("\n## {}\n", member.name);
    let section =
        document.split(&heading).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let listed: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter_map(|name| name.strip_suffix('/'))
        .collect();
    let root = format!("crates/{}/src/", member.name);
    let inner = member.files.iter().filter_map(|file| file.path.strip_prefix(&root));
    let found: BTreeSet<&str> = inner.filter_map(|path| Some(path.split_once('/')?.0)).collect();
    compare(&listed, &found, &format!("folder of {}", member.name))
}

fn compare(listed: &BTreeSet<&str>, found: &BTreeSet<&str>, kind: &str) -> Vec<Fault> {
    let missing = found.difference(listed).map(|name| format!("the {kind} `{name}` is not listed"));
    let gone = listed.difference(found).map(|name| format!("there is no {kind} `{name}`"));
    missing.chain(gone).map(|what| Fault::of_file(DOCUMENT, what)).collect()
}

/// One fault for each file of a crate that does not begin with a page of documentation.
pub fn first_lines(member: &Crate) -> Vec<Fault> {
    let without = member.files.iter().filter(|file| !file.text.starts_with("//! "));
    without.map(|file| Fault::of_file(&file.path, "the first line says what is in a file: `//! …`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "crates/a   what\n\n## a\n\n| folder | what |\n|---|---|\n| `one/`, `two/` | what |\n";

    #[test]
    fn folders_and_crates_that_differ_are_found() {
        let files = [("lib.rs", "mod one; mod two;"), ("one/mod.rs", ""), ("two/mod.rs", "")];
        assert_eq!(folders(MAP, &Crate::new("a", &files)), []);
        assert_eq!(folders(MAP, &Crate::new("a", &files[..2])).len(), 1, "one too many is listed");
        assert_eq!(folders("", &Crate::new("a", &files)).len(), 2, "none is listed");
        assert_eq!(crates(MAP, ["a"].into_iter()), []);
        assert_eq!(crates(MAP, ["a", "b"].into_iter()).len(), 1);
        assert_eq!(crates(MAP, [].into_iter()).len(), 1);
    }

    #[test]
    fn a_file_that_does_not_say_what_is_in_it_is_found() {
        assert_eq!(first_lines(&Crate::new("a", &[("lib.rs", "//! All of it.\n")])), []);
        assert_eq!(first_lines(&Crate::new("a", &[("lib.rs", "use std::fs;\n")])).len(), 1);
    }
}
