//! `cart similar`: what means something like a record.

use super::search;
use crate::failure::Result;
use crate::input::values::{self, Name};
use crate::output::Output;

const LONG: &str = "\
Find records whose texts mean something like that of a record: those whose embeddings are near its own. The same as `cart search --like KEY --space meaning`.

With nothing found the exit code is 3.";

/// Find records that mean something like a record
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    at: super::At,
    /// The record: a key, or # and a number
    #[arg(value_name = "KEY|#ID", value_parser = values::name)]
    record: Name,
    /// The vector space
    #[arg(long, value_name = "NAME", default_value = "meaning")]
    space: String,
    /// Only records that it lets through, as JSON
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// How many hits
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    k: usize,
}

pub(crate) fn run(args: Args, output: &mut Output) -> Result<()> {
    let Args { at, record, space, filter, k } = args;
    search::run(&search::Args::like(at, record, space, filter, k), output)
}
