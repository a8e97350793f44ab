//! `cart delete`: records by key, by number, or by filter.

use compact_artifact::Batch;
use serde_json::json;

use super::{At, find};
use crate::failure::{Failure, Result};
use crate::input::values::{self, Name};
use crate::output::{Output, count};

/// Delete records, all of them or none
///
/// By key or number (`#12`), or all that a filter lets through. If one of the named records is not there, nothing is deleted and the
/// exit code is 3. Their space comes back with `cart compact`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Keys, or numbers with a # before them
    #[arg(required_unless_present = "filter", conflicts_with = "filter", value_name = "KEY|#ID", value_parser = values::name)]
    names: Vec<Name>,
    /// What is deleted, as JSON: '{"year": {"$lt": 1900}}', '{"at": {"$lt": {"$date": "2026-04-12"}}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let filter = args.filter.as_deref().map(values::filter).transpose()?;
    let artifact = args.at.write()?;
    let deleted = match filter {
        Some(filter) => artifact.delete_where(&filter)?,
        None => {
            let snapshot = artifact.snapshot();
            let mut batch = Batch::new();
            for name in &args.names {
                let Some(entry) = find(&snapshot, name)? else {
                    let message = format!("there is no record {name}; nothing was deleted");
                    return Err(Failure::not_there(message).at(args.at.path.display()));
                };
                batch = batch.delete(entry.id());
            }
            drop(snapshot);
            artifact.write(batch)?.deleted
        }
    };
    if deleted == 0 {
        return Err(Failure::not_there("no record matches the filter").at(args.at.path.display()));
    }
    let warning = super::close(artifact, "the records are deleted all the same");
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({ "deleted": deleted, "warning": warning }));
        }
        output.line(format_args!(
            "deleted {} records; `cart compact {}` gives their space back",
            count(deleted),
            args.at.path.display()
        ))
    });
    Ok(())
}
