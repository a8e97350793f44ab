//! The commands, and what `--help` says of them.

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{
    add, bench, compact, completions, delete, demo, doctor, embed, export, get, man, mcp, pack, reembed,
    reindex, restore, salvage, schema, search, shell, similar, stats, verify,
};
use crate::failure::Result;
use crate::output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; one line on stderr says what, where, and what to do
  2  the command line, a filter or a query cannot be understood, or does not fit the artifact
  3  nothing found, or not there
  4  damage found, also where a command cannot go on for it, or nothing beside it (search, similar)
  130  interrupted; what is kept is said (add, demo, reembed), or nothing was made (pack, restore, salvage, embed --out, bench) or changed (reindex)

With --json, stdout is JSON and nothing else: one document, or one a line for get and export.
Colours and progress bars are for terminals only; NO_COLOR=1 turns colours off.";

const BEGIN: &str = "\
Keeps texts, files, metadata and embeddings in an artifact, which is a folder or one packed file, and finds them again offline: by \
words, by meaning, by metadata, or by all at once.

  cart demo                                        117,659 real texts, and what can be asked of them
  cart add notes.artifact notes/                   a folder of texts, by paragraph
  cart add facts.artifact facts.jsonl              records with keys, metadata and vectors
  cart search notes.artifact fear of small rooms   the ten best by words and meaning, with snippets
  cart search facts.artifact war --filter '{\"year\": {\"$gte\": 1900}}'
  cart export facts.artifact | cart add copy.artifact --jsonl -";

/// Texts, files, metadata and embeddings in one folder, found again offline
#[derive(Debug, Parser)]
#[command(name = "cart", version, long_about = BEGIN, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Write JSON to stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Add(add::Args),
    Search(search::Args),
    Similar(similar::Args),
    Get(get::Args),
    Delete(delete::Args),
    Export(export::Args),
    Stats(stats::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
    Compact(compact::Args),
    Embed(embed::Args),
    Reembed(reembed::Args),
    Reindex(reindex::Args),
    Schema(schema::Args),
    Pack(pack::Args),
    #[command(visible_alias = "import")]
    Restore(restore::Args),
    Salvage(salvage::Args),
    Bench(bench::Args),
    Mcp(mcp::Args),
    Shell(shell::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

impl Command {
    pub(crate) fn run(self, output: &mut Output) -> Result<()> {
        match self {
            Self::Demo(args) => demo::run(&args, output),
            Self::Add(args) => add::run(&args, output),
            Self::Search(args) => search::run(&args, output),
            Self::Similar(args) => similar::run(args, output),
            Self::Get(args) => get::run(&args, output),
            Self::Delete(args) => delete::run(&args, output),
            Self::Export(args) => export::run(&args, output),
            Self::Stats(args) => stats::run(&args, output),
            Self::Verify(args) => verify::run(&args, output),
            Self::Doctor(args) => doctor::run(&args, output),
            Self::Compact(args) => compact::run(&args, output),
            Self::Embed(args) => embed::run(&args, output),
            Self::Reembed(args) => reembed::run(&args, output),
            Self::Reindex(args) => reindex::run(&args, output),
            Self::Schema(args) => schema::run(&args, output),
            Self::Pack(args) => pack::run(&args, output),
            Self::Restore(args) => restore::run(&args, output),
            Self::Salvage(args) => salvage::run(&args, output),
            Self::Bench(args) => bench::run(&args, output),
            Self::Mcp(args) => mcp::run(args, output),
            Self::Shell(args) => shell::run(&args, Cli::command(), output),
            Self::Man(args) => man::run(&args, Cli::command(), output),
            Self::Completions(args) => completions::run(&args, Cli::command(), output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_exit_codes_of_the_help_are_those_of_the_readme_and_of_the_program() {
        use crate::failure::Code;
        let readme = include_str!("../README.md");
        let used = [Code::Failed, Code::Usage, Code::NotThere, Code::Damage, Code::Interrupted];
        let used: Vec<u8> = std::iter::once(0).chain(used.map(|code| code as u8)).collect();
        let in_help = EXIT_CODES.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
        let in_readme =
            readme.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
        assert_eq!(in_help.collect::<Vec<u8>>(), used);
        assert_eq!(in_readme.collect::<Vec<u8>>(), used);
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let row = format!("\n| `cart {}", command.get_name());
            assert!(readme.contains(&row), "{}", command.get_name());
        }
    }

    #[test]
    fn every_command_and_every_option_is_explained() {
        let cli = Cli::command();
        for command in cli.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
        }
    }
}
