//! Libraries reach the file system through `vfs::Vfs` only: no `std::fs`, and no question to a path that asks the disk.

use crate::source::Token;
use crate::{Crate, Fault, File};

/// Methods of paths that ask the disk, and of nothing else in this repository.
const ASKS: [&str; 8] = [
    "is_file",
    "is_dir",
    "is_symlink",
    "try_exists",
    "read_dir",
    "read_link",
    "canonicalize",
    "symlink_metadata",
];

/// One fault for each place outside of `vfs/`.
pub fn check(member: &Crate) -> Vec<Fault> {
    let files = member.files.iter().filter(|file| !file.path.contains("/vfs/"));
    files.flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Fault> {
    let tokens = &file.tokens;
    let mut faults = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let is_call = at > 0 && tokens[at - 1].is(".") && tokens.get(at + 1).is_some_and(|next| next.is("("));
        let asks = is_call && (ASKS.contains(&word) || word == "exists" && is_path(tokens, at - 1));
        if asks || word == "fs" && is_std(tokens, at) || word == "OpenOptions" {
            faults.push(Fault::at(
                &file.path,
                token.line,
                format!("`{word}`: files are reached through `vfs::Vfs`"),
            ));
        }
    }
    faults
}

/// Whether `fs` at `at` is that of `std`: `std::fs`, or a branch of `use std::{…}`.
fn is_std(tokens: &[Token], at: usize) -> bool {
    if at >= 3 && tokens[at - 1].is(":") && tokens[at - 2].is(":") {
        return tokens[at - 3].is("std");
    }
    let open = (0..at).rev().find(|&open| tokens[open].is("{") || tokens[open].is(";"));
    open.is_some_and(|open| open >= 3 && tokens[open].is("{") && tokens[open - 3].is("std"))
}

/// Whether the value before the dot at `dot` looks like a path: a name with `path`, `dir`, `file` or `folder`, or a call that gives one.
fn is_path(tokens: &[Token], dot: usize) -> bool {
    let mut at = dot.saturating_sub(1);
    if tokens[at].is(")") {
        let mut depth = 0;
        while at > 0 {
            depth += usize::from(tokens[at].is(")"));
            depth -= usize::from(tokens[at].is("("));
            at -= 1;
            if depth == 0 {
                break;
            }
        }
    }
    let Some(word) = tokens[at].word() else { return false };
    let name = word.to_lowercase();
    let of_path = word == "new" && at >= 3 && tokens[at - 3].is("Path");
    of_path || ["path", "dir", "folder", "file", "parent", "join"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> usize {
        check(&Crate::new("a", &[("lib.rs", text)])).len()
    }

    #[test]
    fn questions_to_the_disk_are_found() {
        assert_eq!(faults("fn f(path: &Path) -> bool { path.is_file() }"), 1);
        assert_eq!(faults("fn f(path: &Path) -> bool { path.exists() }"), 1);
        assert_eq!(faults("fn f() -> bool { Path::new(\"a\").join(\"b\").exists() }"), 1);
        assert_eq!(faults("use std::fs;"), 1);
        assert_eq!(faults("use std::{fs, io};"), 1);
        assert_eq!(faults("fn f() { std::fs::File::open(path) }"), 1);
        assert_eq!(faults("fn f() { Filter::field(\"year\").exists() }"), 0);
        assert_eq!(faults("use rustix::fs; // std::fs"), 0);
        assert_eq!(check(&Crate::new("a", &[("lib.rs", "mod vfs;"), ("vfs/mod.rs", "use std::fs;")])), []);
    }
}
