//! `cart salvage`: what is sound in a damaged artifact.

use std::path::PathBuf;

use compact_artifact::CompactArtifact;
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::input::values;
use crate::output::{Output, Progress, check_new_folder, one_line, sentences, several};

/// Copy what is sound in a damaged artifact into a new one
///
/// The damaged one is only read; records keep their numbers. What was lost is named, and the exit code is 4 then; the new artifact is
/// there nonetheless.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The damaged artifact
    from: PathBuf,
    /// The new one, which must not exist, unless `salvage` was interrupted there
    to: PathBuf,
    /// Memory that indexes which are made anew may take before they are written, at least 8MiB: they are made in pieces then
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    memory_limit: Option<u64>,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let options = super::limited(CompactArtifact::options(), args.memory_limit)?;
    check_new_folder(&args.to)?;
    let report = crate::interrupt::whole_or_nothing(&args.to, || {
        let _bar = Progress::spinner("salvaging");
        compact_artifact::salvage(&args.from, &args.to, options).map_err(Failure::of_making)
    })?;
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({"records": report.records, "losses": sentences(&report.losses)}));
        }
        for loss in &report.losses {
            output.line(format_args!("lost: {}", one_line(&loss.message)))?;
        }
        output.line(format_args!("kept {} in {}", several(report.records, "record"), args.to.display()))
    });
    match report.losses.len() {
        0 => Ok(()),
        losses => {
            Err(Failure::damage(format_args!("{}", several(losses as u64, "loss"))).at(args.from.display()))
        }
    }
}
