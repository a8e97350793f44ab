//! `cart schema`: what the metadata of records must be.

use std::path::{Path, PathBuf};

use compact_artifact::{Schema, json};

use super::At;
use crate::failure::{Failure, Result};
use crate::input::cannot_read;
use crate::output::Output;

const LONG: &str = "\
Say what the metadata of records must be, or change it. A schema is a JSON object with a type for each field, bool, number, string or date, and whether every record must have it; fields that \
are not named may be anything:

  {\"year\": {\"type\": \"number\", \"required\": true}, \"published\": \"date\", \"author.name\": \"string\"}

With --set, all records are checked first: if one breaks the schema it is named, and nothing changes. From then on `cart add` refuses what breaks it.";

/// Say what the metadata of records must be, or change it
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The schema from now on: a JSON file
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// No schema from now on
    #[arg(long, conflicts_with = "set")]
    drop: bool,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.set.is_some() || args.drop {
        let schema = args.set.as_deref().map(read).transpose()?;
        let artifact = args.at.write()?;
        artifact.set_schema(schema)?;
        super::close(artifact, "the schema is changed all the same");
    }
    let schema = args.at.read()?.schema();
    output.report(|output| match &schema {
        Some(schema) => output.json(&schema.to_json()),
        None if output.is_json() => output.json(&serde_json::Value::Null),
        None => output.line(format_args!("the metadata of records may be anything")),
    });
    Ok(())
}

/// The schema in a file.
pub(crate) fn read(path: &Path) -> Result<Schema> {
    let text = std::fs::read(path).map_err(|e| cannot_read(path, &e))?;
    let parsed = json::from_slice(&text).map_err(compact_artifact::Error::from);
    let schema = parsed.and_then(|json| Schema::from_json(&json));
    schema.map_err(|e| Failure::from(e).at(path.display()))
}
