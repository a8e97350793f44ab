//! Which files there are to be read, and as what.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::overrides::{Override, OverrideBuilder};
use ignore::{DirEntry, WalkBuilder};
use serde::Serialize;

use super::cannot_read;
use crate::failure::{Failure, Result};

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Html,
    Jsonl,
    JsonlZst,
    /// Values are parted by this sign.
    Table(u8),
    /// Parquet or Arrow IPC.
    Columns,
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
    /// The name of the folder that was given, where the file was not given itself.
    pub(crate) folder: Option<String>,
}

impl Source {
    pub(crate) fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Whether it can be read twice.
    pub(crate) fn is_regular(&self) -> bool {
        !self.is_stdin() && fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file())
    }
}

/// A file of a folder that is left out because of what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) file: String,
    pub(crate) reason: &'static str,
}

/// What files are taken for, and which files of folders are taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct As {
    /// Every file is a blob.
    pub(crate) blob: bool,
    /// Every file is JSONL, stdin as well.
    pub(crate) jsonl: bool,
    /// Patterns of names, `!` before those that are left out.
    pub(crate) globs: Vec<String>,
    /// Endings of names, without the dot.
    pub(crate) extensions: Vec<String>,
    /// Files that a `.gitignore` names are taken all the same.
    pub(crate) no_ignore: bool,
    /// A folder that is left out: the artifact itself.
    pub(crate) artifact: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sources: Vec<Source>,
    pub(crate) skipped: Vec<Skipped>,
    /// The names of the folders that were given.
    pub(crate) folders: Vec<String>,
}

/// Files in the order in which they were given; folders become the files in them, sorted by name. Hidden files in folders are left
/// out, and those that `.gitignore` or `.ignore` names; links to folders are not followed.
pub(crate) fn sources(paths: &[PathBuf], taken_as: &As) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        if path.as_os_str() == "-" {
            if found.sources.iter().any(Source::is_stdin) {
                return Err(Failure::usage("- is named twice, and stdin can be read once"));
            }
            found.sources.push(source(path, 0, taken_as)?);
            continue;
        }
        let metadata = fs::metadata(path).map_err(|e| cannot_read(path, &e))?;
        if metadata.is_dir() {
            walk(path, taken_as, &mut found)?;
        } else {
            found.sources.push(source(path, metadata.len(), taken_as)?);
        }
    }
    Ok(found)
}

fn walk(folder: &Path, taken_as: &As, found: &mut Found) -> Result<()> {
    let name = name(folder)?.trim_end_matches('/').to_owned();
    let patterns = patterns(folder, &taken_as.globs)?;
    let artifact = fs::canonicalize(&taken_as.artifact).ok();
    let (left_out, folder_patterns) = (artifact.clone(), patterns.clone());
    let walk = WalkBuilder::new(folder)
        .git_ignore(!taken_as.no_ignore)
        .ignore(!taken_as.no_ignore)
        .git_exclude(!taken_as.no_ignore)
        .git_global(false)
        .require_git(false)
        .filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            !is_folder
                || entry.depth() == 0
                || !folder_patterns.matched(entry.path(), true).is_ignore()
                    && (left_out.is_none() || fs::canonicalize(entry.path()).ok() != left_out)
        })
        .build();
    let (mut taken, mut skipped) = (Vec::new(), Vec::new());
    for entry in walk {
        let entry = entry.map_err(|e| Failure::failed(e).at(folder.display()))?;
        if let Some(e) = entry.error() {
            return Err(Failure::failed(e).at(entry.path().display()));
        }
        if entry.file_type().is_some_and(|kind| kind.is_dir()) || !is_taken(&entry, &patterns, taken_as) {
            continue;
        }
        let path = entry.path();
        let mut skip = |reason| {
            skipped.push(Skipped {
                file: path.display().to_string().replace(std::path::MAIN_SEPARATOR, "/"),
                reason,
            });
        };
        match fs::metadata(path) {
            Ok(_) if path.to_str().is_none() => skip("a name that is not UTF-8"),
            Ok(metadata) if metadata.is_file() => {
                let source = source(path, metadata.len(), taken_as)?;
                taken.push(Source { folder: Some(name.clone()), ..source });
            }
            Ok(_) if entry.path_is_symlink() => {} // to a folder
            Ok(_) => skip("not a file"),
            Err(e) if entry.path_is_symlink() && e.kind() == std::io::ErrorKind::NotFound => {
                skip("a link to nothing");
            }
            Err(e) => return Err(cannot_read(path, &e)),
        }
    }
    if taken.is_empty() && skipped.is_empty() {
        let is_narrowed = !taken_as.globs.is_empty() || !taken_as.extensions.is_empty();
        let which = if is_narrowed { "such files" } else { "files" };
        let hint = "hidden ones, and those that a .gitignore names, do not count";
        return Err(Failure::failed(format_args!("a folder without {which}; {hint}")).at(folder.display()));
    }
    taken.sort_by(|a, b| a.name.cmp(&b.name));
    skipped.sort_by(|a, b| a.file.cmp(&b.file));
    found.sources.append(&mut taken);
    found.skipped.append(&mut skipped);
    found.folders.push(name);
    Ok(())
}

fn patterns(folder: &Path, globs: &[String]) -> Result<Override> {
    let wrong = |e: ignore::Error| Failure::usage(e).at("--glob");
    let mut patterns = OverrideBuilder::new(folder);
    for glob in globs {
        patterns.add(glob).map_err(wrong)?;
    }
    patterns.build().map_err(wrong)
}

fn is_taken(entry: &DirEntry, patterns: &Override, taken_as: &As) -> bool {
    let has_extension = || {
        let extension = entry.path().extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        taken_as.extensions.iter().any(|asked| asked.eq_ignore_ascii_case(extension))
    };
    !patterns.matched(entry.path(), false).is_ignore() && (taken_as.extensions.is_empty() || has_extension())
}

/// A path as keys have it.
fn name(path: &Path) -> Result<String> {
    let Some(text) = path.to_str() else {
        return Err(Failure::failed("a name that is not UTF-8, and cannot be a key; rename the file")
            .at(path.display()));
    };
    let name = text.replace(std::path::MAIN_SEPARATOR, "/");
    Ok(if name == "-" { "stdin" } else { name.trim_start_matches("./") }.to_owned())
}

fn source(path: &Path, len: u64, taken_as: &As) -> Result<Source> {
    let name = name(path)?;
    let is_one_of = |ends: &[&str]| ends.iter().any(|end| ends_with(&name, end));
    let format = match taken_as {
        As { blob: true, .. } => Format::Blob,
        _ if ends_with(&name, ".jsonl.zst") => Format::JsonlZst,
        As { jsonl: true, .. } => Format::Jsonl,
        _ if is_one_of(&[".jsonl", ".ndjson"]) => Format::Jsonl,
        _ if is_one_of(&[".csv"]) => Format::Table(b','),
        _ if is_one_of(&[".tsv"]) => Format::Table(b'\t'),
        _ if is_one_of(&[".parquet", ".arrow", ".feather"]) => Format::Columns,
        _ if is_one_of(&[".html", ".htm", ".xhtml"]) => Format::Html,
        _ => Format::Text,
    };
    Ok(Source { path: path.to_owned(), name, format, len, folder: None })
}

/// Upper or lower case alike.
fn ends_with(name: &str, end: &str) -> bool {
    let begun = name.len().checked_sub(end.len());
    begun.and_then(|at| name.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(files: &[&str]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        for file in files {
            let path = temp.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        temp
    }

    fn names(temp: &tempfile::TempDir, taken_as: &As) -> Vec<String> {
        let found = sources(&[temp.path().to_owned()], taken_as).unwrap();
        let root = format!("{}/", temp.path().display());
        found.sources.iter().map(|source| source.name.strip_prefix(&root).unwrap().to_owned()).collect()
    }

    #[test]
    fn folders_become_their_files_sorted_without_hidden_ones() {
        let temp = place(&[
            "z.txt",
            "b/y.jsonl",
            "b/c/x.jsonl.zst",
            "b/.hidden",
            ".git/w",
            "a.md",
            "b/t.CSV",
            "b/u.tsv",
            "b/v.htm",
            "b/w.Parquet",
        ]);
        assert_eq!(
            names(&temp, &As::default()),
            ["a.md", "b/c/x.jsonl.zst", "b/t.CSV", "b/u.tsv", "b/v.htm", "b/w.Parquet", "b/y.jsonl", "z.txt"]
        );
        let found = sources(&[temp.path().to_owned()], &As::default()).unwrap();
        let formats: Vec<Format> = found.sources.iter().map(|source| source.format).collect();
        use Format::{Columns, Html, Jsonl, JsonlZst, Table, Text};
        assert_eq!(formats, [Text, JsonlZst, Table(b','), Table(b'\t'), Html, Columns, Jsonl, Text]);
    }

    #[test]
    fn files_are_chosen_by_patterns_endings_and_what_gitignore_says() {
        let temp = place(&["a.md", "b.txt", "build/c.md", "sub/d.MD", "sub/deep/e.md", "sub/f.log"]);
        fs::write(temp.path().join(".gitignore"), "build/\n*.log\n").unwrap();
        fs::write(temp.path().join("sub/.gitignore"), "deep/\n").unwrap();
        assert_eq!(names(&temp, &As::default()), ["a.md", "b.txt", "sub/d.MD"]);
        let all = As { no_ignore: true, ..As::default() };
        assert_eq!(names(&temp, &all).len(), 6);
        let markdown = As { extensions: vec!["md".to_owned()], ..As::default() };
        assert_eq!(names(&temp, &markdown), ["a.md", "sub/d.MD"]);
        let globs =
            |globs: &[&str]| As { globs: globs.iter().map(|&glob| glob.to_owned()).collect(), ..all.clone() };
        assert_eq!(names(&temp, &globs(&["*.md"])), ["a.md", "build/c.md", "sub/deep/e.md"]);
        assert_eq!(names(&temp, &globs(&["sub/**"])), ["sub/d.MD", "sub/deep/e.md", "sub/f.log"]);
        assert_eq!(names(&temp, &globs(&["!sub", "!*.txt"])), ["a.md", "build/c.md"]);
        let failure = sources(&[temp.path().to_owned()], &globs(&["*.rs"])).unwrap_err();
        assert!(failure.message().contains("a folder without such files"), "{}", failure.message());
        assert!(
            sources(&[temp.path().to_owned()], &globs(&["["])).unwrap_err().message().starts_with("--glob: ")
        );
    }

    #[test]
    fn the_artifact_is_not_among_the_files_of_a_folder() {
        let temp = place(&["a.md", "notes.artifact/log-1"]);
        let taken_as = As { artifact: temp.path().join("./notes.artifact"), ..As::default() };
        assert_eq!(names(&temp, &taken_as), ["a.md"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let failure = sources(&[PathBuf::from("/no/such/file")], &As::default()).unwrap_err();
        assert!(failure.message().contains("/no/such/file: there is no such file"));
    }
}
