//! Which files there are to be read, and as what.

use std::fs;
use std::path::{Path, PathBuf};

use super::cannot_read;
use crate::failure::{Failure, Result};

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Jsonl,
    JsonlZst,
    Blob,
}

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// `-` is stdin.
    pub(crate) path: PathBuf,
    /// The path as keys have it: as it was given, with `/`.
    pub(crate) name: String,
    pub(crate) format: Format,
    /// Bytes, if that is known.
    pub(crate) len: u64,
}

impl Source {
    pub(crate) fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

/// What files are taken for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct As {
    /// Every file is a blob.
    pub(crate) blob: bool,
    /// Every file is JSONL, stdin as well.
    pub(crate) jsonl: bool,
}

/// Files in the order in which they were given; folders become the files in them, sorted by name. Hidden files in folders are left
/// out, links to folders are not followed.
pub(crate) fn sources(paths: &[PathBuf], taken_as: As) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            found.push(source(path, 0, taken_as)?);
            continue;
        }
        let metadata = fs::metadata(path).map_err(|e| cannot_read(path, &e))?;
        if metadata.is_dir() {
            let before = found.len();
            walk(path, taken_as, &mut found)?;
            if found.len() == before {
                return Err(Failure::failed(format_args!("{}: a folder without files", path.display())));
            }
        } else {
            found.push(source(path, metadata.len(), taken_as)?);
        }
    }
    Ok(found)
}

fn walk(folder: &Path, taken_as: As, found: &mut Vec<Source>) -> Result<()> {
    let begun = found.len();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let fault = |e: std::io::Error| cannot_read(&folder, &e);
        let mut inner = Vec::new();
        for entry in fs::read_dir(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            if entry.file_type().map_err(fault)?.is_dir() {
                inner.push(path);
                continue;
            }
            let metadata = fs::metadata(&path).map_err(|e| cannot_read(&path, &e))?;
            if metadata.is_file() {
                found.push(source(&path, metadata.len(), taken_as)?);
            }
        }
        folders.append(&mut inner);
    }
    found.get_mut(begun..).unwrap_or_default().sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

fn source(path: &Path, len: u64, taken_as: As) -> Result<Source> {
    let Some(text) = path.to_str() else {
        return Err(Failure::failed("a name that is not UTF-8, and cannot be a key; rename the file")
            .at(path.display()));
    };
    let name = text.replace(std::path::MAIN_SEPARATOR, "/");
    let name = if name == "-" { "stdin" } else { name.trim_start_matches("./") }.to_owned();
    let format = match taken_as {
        As { blob: true, .. } => Format::Blob,
        _ if ends_with(&name, ".jsonl.zst") => Format::JsonlZst,
        As { jsonl: true, .. } => Format::Jsonl,
        _ if ends_with(&name, ".jsonl") || ends_with(&name, ".ndjson") => Format::Jsonl,
        _ => Format::Text,
    };
    Ok(Source { path: path.to_owned(), name, format, len })
}

/// Upper or lower case alike.
fn ends_with(name: &str, end: &str) -> bool {
    let begun = name.len().checked_sub(end.len());
    begun.and_then(|at| name.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: As = As { blob: false, jsonl: false };

    #[test]
    fn folders_become_their_files_sorted_without_hidden_ones() {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["b/c", ".git"] {
            fs::create_dir_all(temp.path().join(folder)).unwrap();
        }
        for file in ["z.txt", "b/y.jsonl", "b/c/x.jsonl.zst", "b/.hidden", ".git/w", "a.md"] {
            fs::write(temp.path().join(file), "x").unwrap();
        }
        let found = sources(&[temp.path().to_owned()], PLAIN).unwrap();
        let root = format!("{}/", temp.path().display());
        let names: Vec<&str> = found.iter().map(|source| source.name.strip_prefix(&root).unwrap()).collect();
        assert_eq!(names, ["a.md", "b/c/x.jsonl.zst", "b/y.jsonl", "z.txt"]);
        let formats: Vec<Format> = found.iter().map(|source| source.format).collect();
        assert_eq!(formats, [Format::Text, Format::JsonlZst, Format::Jsonl, Format::Text]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let failure = sources(&[PathBuf::from("/no/such/file")], PLAIN).unwrap_err();
        assert!(failure.message().contains("/no/such/file: there is no such file"));
    }
}
