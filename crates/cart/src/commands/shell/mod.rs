//! `cart shell`: commands on one artifact, without its name, one after the other.

mod complete;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::failure::{Failure, Result};
use crate::mcp::limits::MAX_LINE;
use crate::mcp::lines::{self, Line};
use crate::output::{Output, one_line, warn};
use complete::Completion;

const LONG: &str = "\
Type commands on one artifact, without `cart` and without the name of the artifact:

  cart shell notes.artifact
  search fear of small rooms -k 3
  add more.md
  help search

Words are parted by blanks; quotes of either kind hold them together, a backslash takes the next sign as it is. Lines that begin with # are comments. Each command is a process of its own: it \
is on disk when it has ended, an error or Ctrl-C ends the command and not the shell, and nothing is locked in between. At a terminal, Tab completes commands, options, keys and files, and what was typed is \
kept in $XDG_STATE_HOME/cart/history (~/.local/state); exit, quit or Ctrl-D ends. Read from a file or a pipe, all lines are run, and the exit code is that of the last one that failed.";

/// Type commands on one artifact
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    /// The artifact; `add` creates it if there is none
    artifact: PathBuf,
}

/// `cart` is the whole command line.
pub(crate) fn run(args: &Args, cart: clap::Command, output: &mut Output) -> Result<()> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::failed(format_args!("this program cannot be found to be run: {e}")))?;
    let shell = Shell { program, artifact: args.artifact.clone(), json: output.is_json(), cart };
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        // A command is ended by Ctrl-C; this program only at its prompt, and not by it.
        crate::interrupt::ignore()?;
        return shell.at_terminal();
    }
    let mut failed = 0;
    let mut stdin = std::io::stdin().lock();
    let fault = |e| Failure::failed(format_args!("stdin: cannot be read: {e}"));
    while let Some(line) = lines::next(&mut stdin).map_err(fault)? {
        match shell.line_of_stdin(line) {
            Next::Ended(0) => {}
            Next::Ended(code) => failed = code,
            Next::Exit => break,
        }
    }
    if failed == 0 && !args.artifact.exists() {
        let message = "there is no artifact here; `add` creates one";
        return Err(Failure::not_there(message).at(args.artifact.display()));
    }
    Failure::exit_with(failed)
}

/// What to do behind a line.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Go on: the command ended with this code.
    Ended(u8),
    Exit,
}

struct Shell {
    program: PathBuf,
    artifact: PathBuf,
    json: bool,
    cart: clap::Command,
}

impl Shell {
    fn at_terminal(self) -> Result<()> {
        let fault = |e: ReadlineError| Failure::failed(format_args!("the terminal: {e}"));
        let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
        let mut editor: Editor<Completion, FileHistory> = Editor::with_config(config).map_err(fault)?;
        editor.set_helper(Some(Completion::new(self.cart.clone(), self.artifact.clone())));
        let history = history_file();
        if let Some(path) = &history {
            // None yet, or not to be read: then there is none.
            let _ = editor.load_history(path);
        }
        let prompt = format!("cart {}> ", one_line(&self.artifact.display().to_string()));
        loop {
            match editor.readline(&prompt) {
                Ok(line) => {
                    if self.line(&line, Stdio::inherit) == Next::Exit {
                        break;
                    }
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => break,
                Err(e) => return Err(fault(e)),
            }
        }
        if let Some(path) = &history {
            let folder = path.parent().unwrap_or(Path::new("."));
            let saved = std::fs::create_dir_all(folder).map_err(ReadlineError::from);
            if let Err(e) = saved.and_then(|()| editor.save_history(path)) {
                warn(&format!("{}: what was typed is not kept: {e}", path.display()));
            }
        }
        Ok(())
    }

    /// Runs a line of a file or a pipe; one that is no text, or too long for one, is refused.
    fn line_of_stdin(&self, line: Line) -> Next {
        let text = match line {
            Line::Whole(bytes) => String::from_utf8(bytes).map_err(|_| "a line that is not UTF-8".to_owned()),
            Line::TooLong => Err(format!("a line of more than {MAX_LINE} bytes")),
        };
        match text {
            Ok(text) => self.line(text.strip_suffix('\r').unwrap_or(&text), Stdio::null),
            Err(what) => {
                warn(&format!("stdin: {what}, which is passed over"));
                Next::Ended(2)
            }
        }
    }

    /// Runs a line. What is wrong with it is said.
    fn line(&self, line: &str, stdin: impl Fn() -> Stdio) -> Next {
        let words = match words(line) {
            Ok(words) => words,
            Err(e) => {
                warn(e);
                return Next::Ended(2);
            }
        };
        let (Some(first), rest) = (words.first(), words.get(1..).unwrap_or_default()) else {
            return Next::Ended(0);
        };
        if first.starts_with('#') {
            return Next::Ended(0);
        }
        let arguments: Vec<OsString> = match first.as_str() {
            "exit" | "quit" => return Next::Exit,
            "shell" => {
                warn("this is a shell already; `cart shell` with another artifact opens another");
                return Next::Ended(2);
            }
            "help" => rest.iter().take(1).map(OsString::from).chain(["--help".into()]).collect(),
            command => {
                let name =
                    takes_artifact(&self.cart, command).then(|| self.artifact.clone().into_os_string());
                let json = self.json.then(|| OsString::from("--json"));
                let options = json.into_iter().chain(rest.iter().map(OsString::from));
                std::iter::once(OsString::from(command)).chain(name).chain(options).collect()
            }
        };
        let ended = Command::new(&self.program).args(arguments).stdin(stdin()).status();
        match ended {
            // Ended by a signal: as a shell has it.
            Ok(status) => Next::Ended(status.code().map_or(130, |code| u8::try_from(code).unwrap_or(1))),
            Err(e) => {
                warn(&format!("{}: cannot be run: {e}", self.program.display()));
                Next::Ended(1)
            }
        }
    }
}

/// Whether the artifact is what a command names first.
fn takes_artifact(cart: &clap::Command, command: &str) -> bool {
    let Some(command) = cart.find_subcommand(command) else { return false };
    let first = command.get_positionals().next();
    let name = first.and_then(clap::Arg::get_value_names).and_then(|names| names.first());
    match command.get_name() {
        "demo" => false,
        "salvage" => true,
        _ => name.is_some_and(|name| name.as_str() == "ARTIFACT"),
    }
}

/// The words of a line, as a shell parts them.
fn words(line: &str) -> std::result::Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut signs = line.chars();
    while let Some(c) = signs.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let next = signs.next().ok_or("a backslash at the end of the line")?;
                let word = word.get_or_insert_default();
                // Inside of quotes only what would end them, as shells have it: JSON keeps its escapes.
                if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quote that is not closed") } else { Ok(words) }
}

/// Where what was typed is kept.
fn history_file() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    state.map(|state| state.join("cart/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parted_as_shells_part_them() {
        for (line, expected) in [
            ("", &[][..]),
            ("  search  fear of ", &["search", "fear", "of"]),
            (r#"a 'b "c' "d e"f"#, &["a", "b \"c", "d ef"]),
            (r#"--filter '{"a": 1}' ''"#, &["--filter", r#"{"a": 1}"#, ""]),
            (r#"a\ b "c\"d\n" '\'"#, &["a b", r#"c"d\n"#, "\\"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        assert!(words("a 'b").unwrap_err().contains("not closed"));
        assert!(words("a \\").unwrap_err().contains("backslash"));
    }
}
