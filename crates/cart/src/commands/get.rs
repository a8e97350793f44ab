//! `cart get`: records by key or number.

use std::io;

use compact_artifact::Entry;
use serde::Serialize;

use super::{At, find};
use crate::failure::{Failure, Result};
use crate::input::values::{Name, name, typed};
use crate::output::{Output, bytes, harmless, metadata_line};

/// Show records by key or number
///
/// `#12` is the record with that number, `##x` the one with the key `#x`, anything else a key. What is not there is named on
/// stderr, and the exit code is 3. With --json, one record a line: id, key, text or blob (base64), title and other texts in
/// fields, metadata.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Keys, or numbers with a # before them
    #[arg(required = true, value_name = "KEY|#ID", value_parser = name)]
    names: Vec<Name>,
    /// Only the content, byte by byte as it was stored
    #[arg(long)]
    raw: bool,
}

/// A record with its number, as JSON.
#[derive(Debug, Serialize)]
struct Numbered<T> {
    id: u64,
    #[serde(flatten)]
    line: T,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.raw && output.is_json() {
        return Err(Failure::usage("--json: content that is written as it is, by --raw, is not JSON"));
    }
    let snapshot = args.at.read()?.snapshot();
    let mut missing = Vec::new();
    for name in &args.names {
        match find(&snapshot, name)? {
            Some(entry) if args.raw => write(&entry, output)?,
            Some(entry) => print(&entry, output)?,
            None => missing.push(name.to_string()),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::not_there(format_args!("there is no record {}", missing.join(", ")))
        .at(args.at.path.display()))
}

fn print(entry: &Entry, output: &mut Output) -> Result<()> {
    if output.is_json() {
        let line = crate::input::jsonl::line(entry, Vec::new())?;
        return output.json(&Numbered { id: entry.id().0, line });
    }
    let key = entry.key()?.unwrap_or_default();
    let head = format!(
        "{} {}",
        output.name(harmless(&typed(&key))),
        output.faint(format_args!("#{}", entry.id().0))
    );
    output.line(format_args!("{head}"))?;
    let metadata = entry.metadata()?;
    if !metadata.is_empty() {
        let line = output.faint(metadata_line(&metadata, usize::MAX));
        output.line(format_args!("{line}"))?;
    }
    if entry.is_text() {
        output.line(format_args!("{}\n", harmless(&entry.text()?)))
    } else {
        output.line(format_args!("({} that are not text; --raw writes them)\n", bytes(entry.len())))
    }
}

fn write(entry: &Entry, output: &mut Output) -> Result<()> {
    io::copy(&mut entry.reader(), output.raw()).map_err(content_fault)?;
    Ok(())
}

/// Copying fails where it reads or where it writes.
fn content_fault(error: io::Error) -> Failure {
    match error.downcast::<compact_artifact::Error>() {
        Ok(ours) => ours.into(),
        Err(error) => error.into(),
    }
}
