//! `cart compact`: the space of what was deleted.

use std::time::Instant;

use super::Folder;
use crate::failure::{Failure, Result};
use crate::input::values;
use crate::output::{Output, Progress, bytes, several, time};

/// Give the space of deleted records back
///
/// Rewrites files that hold deleted records, one at a time, and merges indexes. Readers go on meanwhile. May be interrupted at any
/// time.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Folder,
    /// Memory that may be used for it, 4MiB or more
    #[arg(long, value_name = "BYTES", default_value = "32MiB", value_parser = values::size)]
    budget: u64,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let budget = usize::try_from(args.budget)
        .map_err(|_| Failure::usage("--budget: more than this machine can address"))?;
    let begun = Instant::now();
    let artifact = args.at.write()?;
    let report = {
        let _bar = Progress::spinner("compacting");
        let more = "nothing is lost, and what was compacted stays so";
        artifact.compact(budget).map_err(|e| Failure::from(e).and(more))?
    };
    super::close(artifact, "it was compacted all the same");
    output.report(|output| {
        if output.is_json() {
            return output.json(&report);
        }
        output.line(format_args!(
            "{} became {}: {} dropped, {} and {} rewritten in {}",
            bytes(report.bytes_before),
            bytes(report.bytes_after),
            several(report.records_dropped, "record"),
            several(report.segments_rewritten, "segment"),
            several(report.shards_rewritten, "index"),
            time(begun.elapsed())
        ))
    });
    Ok(())
}
