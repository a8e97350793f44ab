//! The packages of the lock file: their licences, which of them are there in several versions, and the Rust that they need.
//!
//! `cargo deny` checks the first two as well, but takes some three minutes to build (an estimate). Advisories are not checked: their list has to be fetched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Fault;

/// Licences that a package may have; an expression needs one alternative of these only.
pub const LICENCES: [&str; 10] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that are in a lock file in more versions than one, unless they are allowed to be.
pub fn duplicates(path: &str, lock: &str, allowed: &[&str]) -> Vec<Fault> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|line| line.strip_suffix('"')).unwrap_or_default()
        };
        versions.entry(value("name")).or_default().push(value("version"));
    }
    let mut faults = Vec::new();
    for (name, versions) in &versions {
        match (versions.len() > 1, allowed.contains(name)) {
            (true, false) => faults.push(Fault::of_file(
                path,
                format!("{name} is there {} times: {}", versions.len(), versions.join(", ")),
            )),
            (false, true) => faults
                .push(Fault::of_file(path, format!("{name} is there once: it needs no exception any more"))),
            _ => {}
        }
    }
    let gone = allowed.iter().filter(|name| !versions.contains_key(*name));
    faults.extend(
        gone.map(|name| Fault::of_file(path, format!("{name} is not there: it needs no exception any more"))),
    );
    faults
}

/// Packages of `cargo metadata` whose licence is not among [`LICENCES`].
pub fn licences(metadata: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for package in packages(metadata) {
        let licence = package["license"].as_str().unwrap_or("none");
        if !is_accepted(licence) {
            faults
                .push(Fault::of_file("Cargo.lock", format!("{} has the licence {licence}", package["name"])));
        }
    }
    faults
}

/// Packages of `cargo metadata` that need a newer Rust than `version`.
pub fn rust_versions(metadata: &Value, version: &str) -> Vec<Fault> {
    let ours = numbers(version);
    let newer = packages(metadata).filter_map(|package| {
        let theirs = package["rust_version"].as_str()?;
        let what = format!("{} needs Rust {theirs}, the workspace says {version}", package["name"]);
        (numbers(theirs) > ours).then(|| Fault::of_file("Cargo.lock", what))
    });
    newer.collect()
}

/// Compares `rust-version` of the workspace with the toolchain that everything is built and tested with.
pub fn toolchain(manifest: &str, toolchain: &str) -> Vec<Fault> {
    let value = |text: &str, key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
            .map(|value| value.trim_matches('"').to_owned())
    };
    let (said, used) = (
        value(manifest, "rust-version").unwrap_or_default(),
        value(toolchain, "channel").unwrap_or_default(),
    );
    if used == said || used.strip_suffix(".0") == Some(&said) {
        return Vec::new();
    }
    vec![Fault::of_file("Cargo.toml", format!("rust-version is {said:?}, but what is tested is {used:?}"))]
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn numbers(version: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = version.split('.').map(|number| number.parse().unwrap_or(u32::MAX)).collect();
    numbers.resize(3, 0);
    numbers
}

/// Whether an SPDX expression can be satisfied: one alternative of each part that is needed.
fn is_accepted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let accepted = alternatives(&words, &mut at);
    accepted && at == words.len()
}

fn alternatives(words: &[&str], at: &mut usize) -> bool {
    let mut accepted = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        accepted |= all_of(words, at);
    }
    accepted
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut accepted = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        accepted &= one(words, at);
    }
    accepted
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let accepted = alternatives(words, at);
        *at += 1;
        return accepted;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).unwrap_or(&"");
        *at += 2;
        return LICENCES.contains(&format!("{word} WITH {exception}").as_str());
    }
    LICENCES.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_version_is_found_and_an_exception_too_many() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n";
        assert_eq!(duplicates("Cargo.lock", lock, &[]).len(), 1);
        assert_eq!(duplicates("Cargo.lock", lock, &["a"]), []);
        assert_eq!(duplicates("Cargo.lock", lock, &["a", "b", "c"]).len(), 2);
    }

    #[test]
    fn licences_are_read_as_expressions() {
        for good in [
            "MIT",
            "MIT/GPL-3.0",
            "GPL-3.0 OR Zlib",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_accepted(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT AND GPL-3.0) OR AGPL-3.0",
            "MIT WITH some-exception",
            "none",
            "",
        ] {
            assert!(!is_accepted(bad), "{bad}");
        }
        let metadata = serde_json::json!({"packages": [{"name": "a", "license": "GPL-3.0"}, {"name": "b", "license": "MIT"}, {"name": "c"}]});
        assert_eq!(licences(&metadata).len(), 2);
    }

    #[test]
    fn a_package_that_needs_a_newer_rust_is_found() {
        let metadata = serde_json::json!({"packages": [{"name": "a", "rust_version": "1.96"}, {"name": "b", "rust_version": "1.95.0"}, {"name": "c"}]});
        assert_eq!(rust_versions(&metadata, "1.95").len(), 1);
        let manifest = "[workspace.package]\nrust-version = \"1.95\"\n";
        assert_eq!(toolchain(manifest, "[toolchain]\nchannel = \"1.95.0\"\n"), []);
        assert_eq!(toolchain(manifest, "[toolchain]\nchannel = \"1.96.0\"\n").len(), 1);
    }
}
