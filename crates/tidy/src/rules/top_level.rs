//! The root of the repository holds few things, each where a stranger looks for it.

use crate::{Fault, Tree};

/// What may stand there. Names that begin with a dot are for tools.
pub const NAMES: [&str; 13] = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "crates",
    "docs",
    "fuzz",
    "rust-toolchain.toml",
    "target",
];

/// One fault for each other name.
pub fn check(tree: &Tree) -> Vec<Fault> {
    of_names(&tree.top_level())
}

fn of_names(names: &[String]) -> Vec<Fault> {
    let others = names.iter().filter(|name| !name.starts_with('.') && !NAMES.contains(&name.as_str()));
    others.map(|name| Fault::of_file(name, "the root of the repository is no place for it")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_found() {
        assert_eq!(of_names(&["Cargo.toml".to_owned(), ".ci".to_owned()]), []);
        assert_eq!(of_names(&["Cargo.toml".to_owned(), "data".to_owned()]).len(), 1);
    }
}
