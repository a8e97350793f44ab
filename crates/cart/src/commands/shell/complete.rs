//! What Tab completes: commands, their options, keys of records, and files.

use std::path::PathBuf;

use compact_artifact::CompactArtifact;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use crate::input::values::typed;

/// Keys that are offered at the most.
const MAX_KEYS: usize = 100;

/// Completes lines by what the command line and the artifact have.
pub(super) struct Completion {
    cart: clap::Command,
    artifact: PathBuf,
    files: FilenameCompleter,
}

impl Completion {
    pub(super) fn new(cart: clap::Command, artifact: PathBuf) -> Self {
        Self { cart, artifact, files: FilenameCompleter::new() }
    }

    /// What the last word of the line, which begins so, may become. None where it is the name of a file.
    fn candidates(&self, before: &str, word: &str) -> Option<Vec<String>> {
        let begins = |name: &String| name.starts_with(word);
        let mut words = before.split_whitespace();
        let Some(command) = words.next() else {
            let names = self.cart.get_subcommands().filter(|command| !command.is_hide_set());
            let names = names.map(|command| command.get_name().to_owned()).filter(|name| name != "shell");
            let own = ["help", "exit"].map(str::to_owned);
            let mut names: Vec<String> = names.chain(own).filter(begins).collect();
            names.sort();
            return Some(names);
        };
        if command == "help" {
            return self.candidates("", word);
        }
        if word.starts_with('-') {
            let command = self.cart.find_subcommand(command)?;
            let options = command.get_arguments().chain(self.cart.get_arguments());
            let mut names: Vec<String> = options
                .filter_map(|option| Some(format!("--{}", option.get_long()?)))
                .filter(begins)
                .collect();
            names.sort();
            names.dedup();
            return Some(names);
        }
        match command {
            "get" | "delete" | "similar" => Some(self.keys(word)),
            _ => None,
        }
    }

    /// Keys as they are typed that begin with a word.
    fn keys(&self, word: &str) -> Vec<String> {
        let prefix = word.strip_prefix('#').filter(|rest| rest.starts_with('#')).unwrap_or(word);
        let keys = CompactArtifact::open_read_only(&self.artifact).and_then(|artifact| artifact.keys(prefix));
        // Where there is no artifact, or it cannot be read, there is nothing to offer.
        let keys = keys.unwrap_or_default().into_iter().map(|(key, _)| typed(&key).into_owned());
        keys.filter(|key| key.starts_with(word)).take(MAX_KEYS).collect()
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..at).unwrap_or_default();
        let begin = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let (before, word) = before.split_at(begin);
        match self.candidates(before, word) {
            Some(names) => {
                let pair = |name: String| Pair { display: name.clone(), replacement: name + " " };
                Ok((begin, names.into_iter().map(pair).collect()))
            }
            None => self.files.complete(line, at, context),
        }
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

impl Validator for Completion {}

impl Helper for Completion {}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;
    use compact_artifact::Record;

    #[test]
    fn commands_options_and_keys_are_completed_and_else_files() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a");
        let artifact = CompactArtifact::create(&path).unwrap();
        artifact.add(Record::text("x").key("moon")).unwrap();
        artifact.add(Record::text("x").key("#7")).unwrap();
        artifact.close().unwrap();
        let search = clap::Command::new("search")
            .arg(Arg::new("filter").long("filter"))
            .arg(Arg::new("total").long("total"));
        let cart = clap::Command::new("cart").arg(Arg::new("json").long("json").global(true)).subcommands([
            search,
            clap::Command::new("stats"),
            clap::Command::new("man").hide(true),
        ]);
        let completion = Completion::new(cart, path);
        let found = |before: &str, word: &str| completion.candidates(before, word).unwrap();
        assert_eq!(found("", "s"), ["search", "stats"]);
        assert_eq!(found("help ", "e"), ["exit"]);
        assert_eq!(found("", "m"), [""; 0]);
        assert_eq!(found("search x ", "--"), ["--filter", "--json", "--total"]);
        assert_eq!(found("get ", "m"), ["moon"]);
        assert_eq!(found("get ", "#"), ["##7"]);
        assert_eq!(found("get ", "##"), ["##7"]);
        assert_eq!(found("get ", "#7"), [""; 0], "the number of a record");
        assert!(completion.candidates("add ", "x").is_none());
    }
}
