//! `cart mcp`: artifacts for language models.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::input::values;
use crate::mcp::Server;
use crate::mcp::artifacts::{Access, Artifacts};
use crate::mcp::limits::ANSWER_RANGE;
use crate::output::Output;

const LONG: &str = "\
Serve artifacts to a language model, by the Model Context Protocol on stdin and stdout.

A client (an editor, a desktop assistant, an agent) starts this command and calls its tools: search, get, list and stats, with --write also add, with --delete also \
delete. Records are resources too: artifact://NAME/KEY. Each artifact has a name, that of its file unless one is given:

  cart mcp notes.artifact                             read only, as `notes`
  cart mcp --write memory=~/memory.artifact           created by the first add if it is not there
  cart mcp --write notes=~/notes memory=~/memory      two of them; each call says which

Any number of these servers and other commands may use an artifact at the same time: they write by turns, and read what the others wrote. stdout has messages of the \
protocol and nothing else; what else there is to say is on stderr. It ends with stdin, when it is interrupted, or when nobody reads what it writes, and loses nothing \
that it said was added.";

/// Serve artifacts to language models (Model Context Protocol)
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    /// The artifacts, each with the name that it is called by; a leading ~/ is the home folder
    #[arg(required = true, value_name = "[NAME=]ARTIFACT", value_parser = named)]
    artifacts: Vec<(String, PathBuf)>,
    /// Let records be added and replaced; an artifact that is not there is created by the first one
    #[arg(long)]
    write: bool,
    /// Let records be deleted, too
    #[arg(long, requires = "write")]
    delete: bool,
    /// The model that the texts are embedded by, where it is not that of this program: a file, or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// The field of the metadata by which records of an artifact that is created here expire; one that is there keeps its own, or none
    #[arg(long, value_name = "NAME", default_value = "expires_at", requires = "write", value_parser = field)]
    expires_field: String,
    /// How many seconds a call waits for other processes that write
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// How many bytes of JSON the answer of a tool has at the most, 4KiB to 1MiB; a result holds it as text and, since revision 2025-06-18 of the protocol, once more as structured content
    #[arg(long, value_name = "BYTES", default_value = "32KiB", value_parser = answer_len)]
    max_answer: usize,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<()> {
    if let Some((name, _)) = duplicate(&args.artifacts) {
        let message = format!("two artifacts are called {name:?}; expected NAME=ARTIFACT with another name");
        return Err(Failure::usage(message));
    }
    let access = Access {
        write: args.write,
        delete: args.delete,
        wait: Duration::from_secs(args.wait),
        expires_field: args.expires_field,
        model: args.model.as_deref().map(crate::model::open).transpose()?,
    };
    let artifacts = Artifacts::open(args.artifacts, access)?;
    Server::new(artifacts, args.max_answer).serve(std::io::stdin(), output)
}

fn duplicate(named: &[(String, PathBuf)]) -> Option<&(String, PathBuf)> {
    let is_known = |at: usize, name: &String| named.iter().take(at).any(|(known, _)| known == name);
    named.iter().enumerate().find(|(at, (name, _))| is_known(*at, name)).map(|(_, named)| named)
}

/// A field by which records expire: what an artifact is created with is checked when the server starts.
fn field(text: &str) -> Result<String, String> {
    let is_field = (1..=1024).contains(&text.len());
    is_field
        .then(|| text.to_owned())
        .ok_or_else(|| format!("expected 1 to 1,024 bytes, found {}", text.len()))
}

fn answer_len(text: &str) -> Result<usize, String> {
    let wrong = || format!("expected 4KiB to 1MiB, found {text:?}");
    let len = values::size(text)?;
    usize::try_from(len).ok().filter(|_| ANSWER_RANGE.contains(&len)).ok_or_else(wrong)
}

/// `notes=path`, or a path whose file name without its extension is the name.
fn named(text: &str) -> Result<(String, PathBuf), String> {
    if let Some((name, path)) = text.split_once('=')
        && is_name(name)
        && !path.is_empty()
    {
        return Ok((name.to_owned(), at_home(path)));
    }
    let path = at_home(text);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if is_name_char(c) { c } else { '-' }).take(64).collect();
    if is_name(&name) { Ok((name, path)) } else { Err(format!("expected a name for it, as in notes={text}")) }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Clients start programs without a shell, which would know what `~/` is.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_has_the_name_that_is_given_or_that_of_its_file() {
        let name = |text: &str| named(text).map(|(name, path)| format!("{name} {}", path.display()));
        assert_eq!(name("notes=/a/b.artifact").unwrap(), "notes /a/b.artifact");
        assert_eq!(name("/a/My notes.artifact").unwrap(), "My-notes /a/My notes.artifact");
        assert_eq!(name("./a=b").unwrap(), "a-b ./a=b");
        assert_eq!(name("a=b=c").unwrap(), "a b=c");
        assert!(name("/").is_err() && name("..").is_err() && name("_x").is_err());
        let home = std::env::var("HOME").unwrap();
        assert_eq!(name("n=~/x").unwrap(), format!("n {home}/x"));
        assert_eq!(name("n=./~/x").unwrap(), "n ./~/x");
    }

    #[test]
    fn two_artifacts_have_two_names() {
        let all = ["a=x", "b=y", "b=z"].map(|text| named(text).unwrap());
        assert_eq!(duplicate(&all).unwrap().1, PathBuf::from("z"));
        assert_eq!(duplicate(&all[..2]), None);
    }

    #[test]
    fn an_answer_is_within_its_limits() {
        assert_eq!(answer_len("32KiB"), Ok(32 << 10));
        assert!(answer_len("4095").is_err() && answer_len("2MiB").is_err() && answer_len("x").is_err());
        const { assert!(crate::mcp::limits::MAX_LINE as u64 > *ANSWER_RANGE.end()) };
    }
}
