//! The README says what is so: its example is a program that is compiled, its commands are the two, the tests that it names are there.

use std::collections::BTreeSet;

use crate::{Fault, File};

const DOCUMENT: &str = "README.md";

/// The commands that a stranger needs.
pub const COMMANDS: [&str; 2] = ["cargo run --profile quick -- demo", "cargo test --workspace"];

/// The example of the README is a whole program, and the page of the crate has it compiled.
pub fn example(readme: &str, page: &File) -> Vec<Fault> {
    let shown = block(readme.lines().map(str::to_owned), "```rust,no_run");
    let is_program = shown.iter().any(|line| line.starts_with("fn main("));
    let is_compiled = page.text.contains("include_str!(\"../../../README.md\")");
    let faults = [
        (is_program, "the first example, ```rust,no_run, is no program with `fn main`"),
        (is_compiled, "the example is not compiled: the page of the crate does not include the document"),
    ];
    faults
        .into_iter()
        .filter(|(holds, _)| !holds)
        .map(|(_, fault)| Fault::of_file(DOCUMENT, fault.to_owned()))
        .collect()
}

/// Compares the commands of the first block of a console with [`COMMANDS`].
pub fn commands(readme: &str) -> Vec<Fault> {
    let shown = block(readme.lines().map(str::to_owned), "```console");
    let shown: Vec<&str> = shown
        .iter()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    if shown == COMMANDS {
        Vec::new()
    } else {
        vec![Fault::of_file(DOCUMENT, format!("the commands are {shown:?}"))]
    }
}

/// Looks for the tests that a document names as `module::` or `module::test`.
pub fn tests(path: &str, document: &str, files: &[File]) -> Vec<Fault> {
    let in_tests = || files.iter().filter(|file| file.path.contains("/tests/"));
    let modules: BTreeSet<String> = in_tests()
        .map(|file| file.path.trim_end_matches("/mod.rs").trim_end_matches(".rs"))
        .filter_map(|path| path.rsplit('/').next().map(str::to_owned))
        .collect();
    let functions: BTreeSet<&str> = in_tests()
        .flat_map(|file| {
            file.tokens.windows(2).filter(|pair| pair[0].is("fn")).map(|pair| pair[1].text.as_str())
        })
        .collect();
    let mut faults = Vec::new();
    for name in document.split('`').skip(1).step_by(2) {
        let Some((module, function)) = name.split_once("::") else { continue };
        let is_name =
            |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_name(module) || !is_name(function) {
            continue;
        }
        if !modules.contains(module) || !(function.is_empty() || functions.contains(function)) {
            faults.push(Fault::of_file(path, format!("there is no test `{name}`")));
        }
    }
    faults
}

/// The lines of the first block that opens with `fence`.
fn block(lines: impl Iterator<Item = String>, fence: &str) -> Vec<String> {
    lines.skip_while(|line| line != fence).skip(1).take_while(|line| line != "```").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# T\n\n```console\n$ cargo run --profile quick -- demo    # stores\n$ cargo test --workspace\n```\n\n```rust,no_run\nfn main() {\n}\n```\n";

    #[test]
    fn an_example_that_is_no_program_or_not_compiled_is_found() {
        let page = |code: &str| File::new("lib.rs", code.to_owned());
        let included = "#[doc = include_str!(\"../../../README.md\")] mod readme {}";
        assert_eq!(example(README, &page(included)), []);
        assert_eq!(example(README, &page("mod a {}")).len(), 1);
        assert_eq!(example(&README.replace("fn main", "fn other"), &page(included)).len(), 1);
    }

    #[test]
    fn other_commands_are_found() {
        assert_eq!(commands(README), []);
        assert_eq!(commands(&README.replace("$ cargo test --workspace\n", "")).len(), 1);
        assert_eq!(commands(&README.replace("-- demo", "-- other")).len(), 1);
    }

    #[test]
    fn tests_that_are_not_there_are_found() {
        let files = [File::new("crates/a/tests/it/crash.rs", "#[test] fn power_is_lost() {}")];
        assert_eq!(
            tests("README.md", "held by `crash::`, `crash::power_is_lost`, `Filter::new`", &files),
            []
        );
        assert_eq!(tests("README.md", "`kill::`", &files).len(), 1);
        assert_eq!(tests("README.md", "`crash::nothing_is_lost`", &files).len(), 1);
    }
}
