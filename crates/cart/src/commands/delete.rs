//! `cart delete`: records by key, by number, or by filter.

use std::io::{IsTerminal, Write};

use compact_artifact::{Batch, RecordId, Snapshot};
use serde_json::json;

use super::{Folder, find, refuse_file};
use crate::failure::{Failure, Result};
use crate::input::values::{self, Name};
use crate::output::{Output, one_line, several, shortened};

const LONG: &str = "\
Delete records, all of them or none.

By key or number (`#12`), or all that a filter lets through: --filter '{}' is every record. If one of the named records is not there, nothing is deleted and the \
exit code is 3. --dry-run says what would be deleted. Before a filter deletes every record it is asked, if there is somebody at a terminal to answer; --yes does not ask. \
Their space comes back with `cart compact`.";

/// Delete records, all of them or none
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Folder,
    /// Keys, or numbers with a # before them
    #[arg(required_unless_present = "filter", conflicts_with = "filter", value_name = "KEY|#ID", value_parser = values::name)]
    names: Vec<Name>,
    /// What is deleted, as JSON; {} is every record: '{"year": {"$lt": 1900}}', '{"at": {"$lt": {"$date": "2026-04-12"}}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Say what would be deleted, and delete nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Do not ask before a filter deletes every record
    #[arg(long, conflicts_with = "names")]
    yes: bool,
}

/// Records that --dry-run names one by one.
const NAMED: usize = 10;

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let filter = args.filter.as_deref().map(values::filter).transpose()?;
    refuse_file(&args.at.path)?;
    let artifact = if args.dry_run { args.at.read()? } else { args.at.write()? };
    let snapshot = artifact.snapshot();
    let ids = match &filter {
        Some(filter) => snapshot.ids_where(filter)?,
        None => named(args, &snapshot)?,
    };
    if ids.is_empty() {
        return Err(Failure::not_there("no record matches the filter").at(args.at.path.display()));
    }
    if args.dry_run {
        return tell(&ids, &snapshot, output);
    }
    if filter.is_some() && ids.len() as u64 == snapshot.len() && !args.yes {
        confirm(args, ids.len() as u64)?;
    }
    drop(snapshot);
    let deleted = match filter {
        Some(filter) => artifact.delete_where(&filter)?,
        None => artifact.write(ids.into_iter().fold(Batch::new(), Batch::delete))?.deleted,
    };
    let warning = super::close(artifact, "the records are deleted all the same");
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({ "deleted": deleted, "warning": warning }));
        }
        output.line(format_args!(
            "deleted {}; `cart compact {}` gives their space back",
            several(deleted, "record"),
            args.at.path.display()
        ))
    });
    Ok(())
}

/// The records that are named, each once.
fn named(args: &Args, snapshot: &Snapshot) -> Result<Vec<RecordId>> {
    let mut ids = Vec::new();
    for name in &args.names {
        let Some(entry) = find(snapshot, name)? else {
            let message = format!("there is no record {name}; nothing was deleted");
            return Err(Failure::not_there(message).at(args.at.path.display()));
        };
        if !ids.contains(&entry.id()) {
            ids.push(entry.id());
        }
    }
    Ok(ids)
}

fn tell(ids: &[RecordId], snapshot: &Snapshot, output: &mut Output) -> Result<()> {
    let name = |id: &RecordId| -> Result<String> {
        let key = snapshot.get(*id)?.map(|entry| entry.key()).transpose()?.flatten();
        Ok(key.map_or_else(|| format!("#{}", id.0), |key| values::typed(&key).into_owned()))
    };
    if output.is_json() {
        let ids: Vec<u64> = ids.iter().map(|id| id.0).collect();
        return output.json(&json!({ "would_delete": ids.len(), "ids": ids }));
    }
    output.line(format_args!("would delete {}", several(ids.len() as u64, "record")))?;
    for id in ids.iter().take(NAMED) {
        let name = output.name(shortened(&name(id)?, 80));
        output.line(format_args!("  {name}"))?;
    }
    match ids.len().saturating_sub(NAMED) {
        0 => Ok(()),
        others => output.line(format_args!("  and {}", several(others as u64, "other"))),
    }
}

/// Asks whether every record is meant, if there is somebody to ask.
fn confirm(args: &Args, records: u64) -> Result<()> {
    let mut to = anstream::stderr();
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(());
    }
    let (records, path) = (several(records, "record"), one_line(&args.at.path.display().to_string()));
    let _ = write!(to, "Delete every record of {path}, {records}? [y/N] ");
    let _ = to.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::failed("nothing was deleted").at(args.at.path.display()))
}
