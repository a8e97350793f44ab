//! The files of the repository, as the rules see them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::modules::Modules;
use crate::source::File;

/// One crate: its modules, without those that only tests have.
#[derive(Debug)]
pub struct Crate {
    /// The name of its folder.
    pub name: String,
    /// The files of its modules.
    pub files: Vec<File>,
    /// How they are nested, and who uses whom.
    pub modules: Modules,
}

impl Crate {
    /// A crate of these files, the first of which is its root: for tests of rules.
    pub fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = format!("crates/{name}/src");
        let load = |path: &str| {
            let path = path.strip_prefix(&format!("{root}/"))?;
            files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned())
        };
        Self::load(name, &format!("{root}/{}", files[0].0), &load)
    }

    fn load(name: &str, root: &str, load: &dyn Fn(&str) -> Option<String>) -> Self {
        let (modules, files) = Modules::load(root, load);
        Self { name: name.to_owned(), files, modules }
    }
}

/// The whole repository.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// The crates of the workspace.
    pub crates: Vec<Crate>,
    /// Every file of Rust, tests, benches and fuzz targets included.
    pub rust: Vec<File>,
}

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be read.
    pub fn read(root: &Path) -> Self {
        let load = |path: &str| fs::read_to_string(root.join(path)).ok();
        let mut crates = Vec::new();
        for folder in sorted(&root.join("crates")) {
            let name = name_of(&folder);
            for file in ["lib.rs", "main.rs"] {
                if folder.join("src").join(file).is_file() {
                    crates.push(Crate::load(&name, &format!("crates/{name}/src/{file}"), &load));
                }
            }
        }
        let mut paths = Vec::new();
        for folder in ["crates", "benches", "fuzz"] {
            rust_files(&root.join(folder), &mut paths);
        }
        let file = |path: PathBuf| {
            let relative = path.strip_prefix(root).map(|path| path.to_string_lossy().replace('\\', "/"));
            File::new(relative.unwrap_or_default(), fs::read_to_string(&path).unwrap_or_default())
        };
        Self { root: root.to_owned(), crates, rust: paths.into_iter().map(file).collect() }
    }

    /// The text of a file.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be read.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether there is a file or folder at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The names in the root of the repository.
    pub fn top_level(&self) -> Vec<String> {
        sorted(&self.root).iter().map(|path| name_of(path)).collect()
    }

    /// The crate in a folder.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn member(&self, name: &str) -> &Crate {
        self.crates.iter().find(|member| member.name == name).unwrap_or_else(|| panic!("no crate {name}"))
    }

    /// The libraries that are published.
    pub fn libraries(&self) -> impl Iterator<Item = &Crate> {
        self.crates.iter().filter(|member| !["cart", "tidy"].contains(&member.name.as_str()))
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in sorted(folder) {
        if path.is_dir() {
            if !["target", "corpus", "artifacts"].contains(&name_of(&path).as_str()) {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
