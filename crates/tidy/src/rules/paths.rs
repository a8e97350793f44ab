//! Documents name files and folders that are there.
//!
//! A path is what stands in backticks, or in a block of code, and looks like one: it has a `/` or ends like a source file. It counts from the
//! root of the repository, from the folder of the document, or from the folder of a crate or its `src`.

use crate::{Fault, Tree};

/// The text in backticks that looks like a path, with its line.
pub fn named(document: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (at, line) in document.lines().enumerate() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        if !in_block {
            let spans = line.split('`').skip(1).step_by(2);
            found.extend(spans.filter(|span| is_path(span)).map(|span| (at + 1, span.to_owned())));
        }
    }
    found
}

/// Letters, digits, `.`, `_`, `-` and `/`; with a known beginning or ending.
fn is_path(span: &str) -> bool {
    let plain = span.chars().all(|char| char.is_ascii_alphanumeric() || "._-/".contains(char));
    let known = ["crates/", "docs/", "benches/", "fuzz/", ".ci/"].iter().any(|root| span.starts_with(root));
    let source =
        span.contains('/') && [".rs", ".md", ".py", ".sh", ".toml"].iter().any(|end| span.ends_with(end));
    plain && (known || source)
}

/// One fault for each path that leads nowhere.
pub fn check(path: &str, document: &str, tree: &Tree) -> Vec<Fault> {
    let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut folders = vec![String::new(), format!("{beside}/")];
    for member in &tree.crates {
        folders.extend(["", "src/"].map(|folder| format!("crates/{}/{folder}", member.name)));
    }
    let exists = |name: &str| folders.iter().any(|folder| tree.has(&format!("{folder}{name}")));
    let missing = named(document).into_iter().filter(|(_, name)| !exists(name));
    missing.map(|(line, name)| Fault::at(path, line, format!("there is no `{name}`"))).collect()
}

/// One fault for each link that leads to no heading of the document, or to no file.
pub fn links(path: &str, document: &str, tree: &Tree) -> Vec<Fault> {
    let beside = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let anchors: Vec<String> = document.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let leads = |target: &str| match target.split_once('#') {
        Some(("", name)) => anchors.iter().any(|anchor| anchor == name),
        _ => {
            target.contains("://")
                || tree.has(&format!("{beside}{}", target.split('#').next().unwrap_or_default()))
        }
    };
    let mut faults = Vec::new();
    for (at, line) in document.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !leads(target) {
                faults.push(Fault::at(path, at + 1, format!("the link to {target} leads nowhere")));
            }
        }
    }
    faults
}

/// What a link calls a heading: its letters and digits in lower case, with `-` for spaces.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_other_code() {
        let text = "`crates/a/src/b.rs`, `docs/FORMAT.md`, `a/b`, `store/open.rs`, `a::b`, `x / y`, `benches`\n```\n`crates/no.rs`\n```\n`fuzz/run.sh`";
        let names: Vec<String> = named(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["crates/a/src/b.rs", "docs/FORMAT.md", "store/open.rs", "fuzz/run.sh"]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let tree = Tree::read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        let text = "# What's a `Pack`?\n[a](#whats-a-pack), [b](https://example.org), [c](FORMAT.md#pack)\n";
        assert_eq!(links("docs/a.md", text, &tree), []);
        assert_eq!(links("docs/a.md", "[a](#none) and [b](NONE.md)", &tree).len(), 2);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_found() {
        let tree = Tree::read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        assert_eq!(
            check("a.md", "`crates/tidy/src/rules/paths.rs`, `rules/paths.rs`, `./tests/tree.rs`", &tree),
            []
        );
        assert_eq!(
            check("a.md", "text\n`crates/tidy/src/rules/none.rs`", &tree),
            [Fault::at("a.md", 2, "there is no `crates/tidy/src/rules/none.rs`")]
        );
    }
}
