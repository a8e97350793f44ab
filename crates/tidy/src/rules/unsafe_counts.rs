//! `docs/SAFETY.md` has a section for each file of the workspace with unsafe code, which begins with the number of its unsafe blocks and implementations.

use std::collections::BTreeMap;

use crate::{Fault, File};

const DOCUMENT: &str = "docs/SAFETY.md";

/// Compares the document with all files of Rust.
pub fn check(document: &str, files: &[File]) -> Vec<Fault> {
    let mut listed = listed(document);
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("crates/")) {
        let found = counts(file);
        let said = listed.remove(&file.path);
        match (found, said) {
            ((0, 0), None) => {}
            ((0, 0), Some(_)) => {
                faults.push(Fault::of_file(DOCUMENT, format!("{} has no unsafe code", file.path)));
            }
            (_, None) => faults.push(Fault::of_file(
                DOCUMENT,
                format!("no section on {}, which has unsafe code", file.path),
            )),
            (found, Some(said)) => {
                let right = sentence(found);
                if said != right {
                    faults.push(Fault::of_file(
                        DOCUMENT,
                        format!("{}: the section begins {said:?}; it is {right:?}", file.path),
                    ));
                }
            }
        }
    }
    faults.extend(listed.into_keys().map(|path| Fault::of_file(DOCUMENT, format!("there is no {path}"))));
    faults
}

/// The first line of each section that is headed by a path.
fn listed(document: &str) -> BTreeMap<String, String> {
    let sections = document.split("\n## `").skip(1);
    let section = |text: &str| {
        let (path, body) = text.split_once('`')?;
        Some((path.to_owned(), body.trim_start().lines().next().unwrap_or_default().to_owned()))
    };
    sections.filter_map(section).collect()
}

/// Unsafe blocks; unsafe implementations. Code of tests counts too where the whole file is a test.
fn counts(file: &File) -> (usize, usize) {
    let pairs = || file.tokens.windows(2).filter(|pair| pair[0].is("unsafe"));
    (pairs().filter(|pair| pair[1].is("{")).count(), pairs().filter(|pair| pair[1].is("impl")).count())
}

fn sentence((blocks, implementations): (usize, usize)) -> String {
    match implementations {
        0 => format!("Unsafe blocks: {blocks}."),
        _ => format!("Unsafe blocks: {blocks}; implementations: {implementations}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_differs_a_file_that_is_left_out_and_one_too_many_are_found() {
        let files = [
            File::new("crates/a.rs", "// unsafe{\nfn f() { unsafe{ g() } unsafe{ g() } }"),
            File::new("crates/b.rs", "unsafe\nimpl Send for B {}"),
            File::new("crates/c.rs", "fn c() {}"),
        ];
        let right = "# Title\n\n## `crates/a.rs`\n\nUnsafe blocks: 2.\n\n## `crates/b.rs`\n\nUnsafe blocks: 0; implementations: 1.\n";
        assert_eq!(check(right, &files), []);
        assert_eq!(check(&right.replace("2.", "3."), &files).len(), 1);
        assert_eq!(check(right.split("\n## `crates/b").next().unwrap(), &files).len(), 1);
        assert_eq!(check(&format!("{right}\n## `crates/c.rs`\n\nUnsafe blocks: 1.\n"), &files).len(), 1);
        assert_eq!(check(&format!("{right}\n## `d.rs`\n\nUnsafe blocks: 1.\n"), &files).len(), 1);
    }
}
