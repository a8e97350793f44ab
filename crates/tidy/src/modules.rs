//! The modules of a crate, and which file takes a name from which.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{File, Kind, Token};

/// One name that a `use` brings in.
#[derive(Debug, Clone)]
struct Import {
    /// What it is called here; `*` for all names.
    name: String,
    path: Vec<String>,
}

#[derive(Debug, Default)]
struct Module {
    parent: Option<usize>,
    file: usize,
    children: BTreeMap<String, usize>,
    /// Names of items that stand here.
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths of at least two names that are written here, imports included.
    paths: Vec<Vec<String>>,
    /// Names that are passed on with `pub use`, each with its path: used here only if they are written here too.
    passed_on: Vec<(String, Vec<String>)>,
    /// Words outside of `use`.
    words: BTreeSet<String>,
}

/// The modules of one crate. The first is its root.
#[derive(Debug, Default)]
pub struct Modules {
    modules: Vec<Module>,
}

type Load<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Modules {
    /// Follows `mod` lines from the root file; modules that only tests have are left out.
    pub(crate) fn load(root: &str, load: Load<'_>) -> (Self, Vec<File>) {
        let mut modules = Self::default();
        let mut files = Vec::new();
        let text = load(root).unwrap_or_default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        modules.add_file(None, folder, File::new(root, text), load, &mut files);
        (modules, files)
    }

    fn add_file(
        &mut self,
        parent: Option<usize>,
        folder: &str,
        file: File,
        load: Load<'_>,
        files: &mut Vec<File>,
    ) -> usize {
        let tokens = file.tokens.clone();
        files.push(file);
        self.add(parent, files.len() - 1, folder, &tokens, load, files)
    }

    /// Adds the module that `tokens` are the body of; files of its children lie in `folder`.
    fn add(
        &mut self,
        parent: Option<usize>,
        file: usize,
        folder: &str,
        tokens: &[Token],
        load: Load<'_>,
        files: &mut Vec<File>,
    ) -> usize {
        let this = self.modules.len();
        self.modules.push(Module { parent, file, ..Module::default() });
        let mut at = 0;
        while at < tokens.len() {
            let name = tokens.get(at + 1).and_then(Token::word).unwrap_or_default().to_owned();
            let after = tokens.get(at + 2);
            if tokens[at].is("mod") && after.is_some_and(|token| token.is("{")) {
                let close = crate::source::closing(tokens, at + 2);
                let body = &tokens[at + 3..close];
                let child = self.add(Some(this), file, &format!("{folder}/{name}"), body, load, files);
                self.modules[this].children.insert(name, child);
                at = close;
            } else if tokens[at].is("mod") && after.is_some_and(|token| token.is(";")) {
                let inner = format!("{folder}/{name}");
                let places = [format!("{inner}.rs"), format!("{inner}/mod.rs")];
                if let Some((path, text)) =
                    places.into_iter().find_map(|path| load(&path).map(|text| (path, text)))
                {
                    let child = self.add_file(Some(this), &inner, File::new(path, text), load, files);
                    self.modules[this].children.insert(name, child);
                }
                at += 2;
            } else {
                at = self.modules[this].read(tokens, at);
            }
            at += 1;
        }
        this
    }

    /// Which file takes which names from which other, as indexes into the files of the crate. What a module takes from one that it is a part of
    /// is left out: the two are one thing.
    pub fn uses(&self) -> BTreeMap<(usize, usize), BTreeSet<String>> {
        let mut uses: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
        for (at, module) in self.modules.iter().enumerate() {
            let passed_on = module.passed_on.iter().filter(|(name, _)| module.words.contains(name));
            for path in module.paths.iter().chain(passed_on.map(|(_, path)| path)) {
                let Some(target) = self.target(at, path, 0) else { continue };
                let (from, to) = (module.file, self.modules[target].file);
                if from != to && !self.is_inside(at, target) {
                    uses.entry((from, to)).or_default().insert(path.last().cloned().unwrap_or_default());
                }
            }
        }
        uses
    }

    /// Whether module `at` is a part of `outer`, at whatever depth.
    fn is_inside(&self, at: usize, outer: usize) -> bool {
        std::iter::successors(self.modules[at].parent, |&parent| self.modules[parent].parent)
            .any(|parent| parent == outer)
    }

    /// The module in which the thing at `path`, written in module `at`, is defined. `None`: outside the crate.
    fn target(&self, at: usize, path: &[String], depth: usize) -> Option<usize> {
        let first = path.first()?;
        let (start, rest) = match first.as_str() {
            "crate" | "$crate" => (0, &path[1..]),
            "self" => (at, &path[1..]),
            "super" => (self.modules[at].parent?, &path[1..]),
            _ if self.modules[at].children.contains_key(first) => (at, path),
            _ => {
                let import = self.modules[at].imports.iter().find(|import| &import.name == first)?;
                if import.path.len() > 1 && import.path[0] == *first || depth > 16 {
                    return None;
                }
                let whole: Vec<String> = import.path.iter().chain(&path[1..]).cloned().collect();
                return self.target(at, &whole, depth + 1);
            }
        };
        self.descend(start, rest, depth)
    }

    fn descend(&self, at: usize, path: &[String], depth: usize) -> Option<usize> {
        let Some(name) = path.first() else { return Some(at) };
        let module = &self.modules[at];
        if name == "super" {
            return self.descend(module.parent?, &path[1..], depth);
        }
        if let Some(&child) = module.children.get(name) {
            return self.descend(child, &path[1..], depth);
        }
        if module.items.contains(name) || depth > 16 {
            return Some(at);
        }
        if let Some(import) = module.imports.iter().find(|import| &import.name == name) {
            let whole: Vec<String> = import.path.iter().chain(&path[1..]).cloned().collect();
            return self.target(at, &whole, depth + 1);
        }
        let globs = module.imports.iter().filter(|import| import.name == "*");
        let mut found =
            globs.filter_map(|import| self.target(at, &import.path, depth + 1)).filter(|&target| {
                self.modules[target].items.contains(name) || self.modules[target].children.contains_key(name)
            });
        Some(found.next().unwrap_or(at))
    }
}

impl Module {
    /// Reads what begins at `at` and returns its last index.
    fn read(&mut self, tokens: &[Token], at: usize) -> usize {
        let next = tokens.get(at + 1);
        match tokens[at].word() {
            Some("use") if !next.is_some_and(|token| token.is("<")) => {
                let end = (at..tokens.len()).find(|&end| tokens[end].is(";")).unwrap_or(tokens.len());
                let is_public = at > 0 && (tokens[at - 1].is("pub") || tokens[at - 1].is(")"));
                self.read_use(&tokens[at + 1..end], &mut Vec::new(), is_public);
                end
            }
            Some("fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static") => {
                self.items.extend(next.and_then(Token::word).map(str::to_owned));
                at
            }
            Some("macro_rules") => {
                self.items.extend(tokens.get(at + 2).and_then(Token::word).map(str::to_owned));
                at + 2
            }
            Some(word) => {
                self.words.insert(word.to_owned());
                self.read_path(tokens, at)
            }
            None => at,
        }
    }

    fn read_path(&mut self, tokens: &[Token], at: usize) -> usize {
        let mut path = vec![tokens[at].text.clone()];
        let mut end = at;
        while is_colons(tokens, end + 1)
            && let Some(name) = tokens.get(end + 3).and_then(Token::word)
        {
            path.push(name.to_owned());
            end += 3;
        }
        let continues =
            at > 0 && (tokens[at - 1].is(".") || tokens[at - 1].is(":") && at > 1 && tokens[at - 2].is(":"));
        if path.len() > 1 && !continues {
            self.paths.push(path);
        }
        end
    }

    /// Reads one tree of a `use`: `a::b`, `a::{b, c as d}`, `a::*`.
    fn read_use(&mut self, tokens: &[Token], prefix: &mut Vec<String>, is_public: bool) {
        let depth = prefix.len();
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at];
            if token.is("{") {
                let close = crate::source::closing(tokens, at);
                for branch in branches(&tokens[at + 1..close]) {
                    self.read_use(branch, prefix, is_public);
                }
                prefix.truncate(depth);
                return;
            }
            if token.is("as") {
                let name = tokens.get(at + 1).map(|token| token.text.clone()).unwrap_or_default();
                self.import(name, prefix, is_public);
                prefix.truncate(depth);
                return;
            }
            if token.is("*") {
                self.import("*".to_owned(), prefix, is_public);
                prefix.truncate(depth);
                return;
            }
            if token.kind == Kind::Word {
                prefix.push(token.text.clone());
            }
            at += 1;
        }
        if prefix.last().is_some_and(|name| name == "self") && prefix.len() > 1 {
            prefix.pop();
        }
        if let Some(name) = prefix.last().cloned() {
            self.import(name, prefix, is_public);
        }
        prefix.truncate(depth);
    }

    fn import(&mut self, name: String, path: &[String], is_public: bool) {
        self.imports.push(Import { name: name.clone(), path: path.to_vec() });
        if is_public {
            self.passed_on.push((name, path.to_vec()));
        } else {
            self.paths.push(path.to_vec());
        }
    }
}

fn is_colons(tokens: &[Token], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token.is(":")) && tokens.get(at + 1).is_some_and(|token| token.is(":"))
}

/// Splits at the commas that stand in no bracket.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut found, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        if tokens[at].is("{") {
            at = crate::source::closing(tokens, at);
        } else if tokens[at].is(",") {
            found.push(&tokens[begin..at]);
            begin = at + 1;
        }
        at += 1;
    }
    found.push(tokens.get(begin..).unwrap_or_default());
    found.retain(|branch| !branch.is_empty());
    found
}
