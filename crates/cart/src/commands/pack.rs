//! `cart pack`: one file to ship.

use std::path::PathBuf;

use compact_artifact::{CompactArtifact, ErrorKind};

use super::At;
use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, bytes, check_new_folder, several};

/// Write the artifact into one file that can be shipped
///
/// The file is read-only, opens as fast as the folder, and every command that reads takes it. `cart compact` first leaves out
/// what was deleted; `cart restore` makes a folder of it that can be written to.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// The file, which must not exist
    file: PathBuf,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    check_new_folder(&args.file)?;
    let artifact = open(&args.at)?;
    let report = crate::interrupt::whole_or_nothing(&args.file, || {
        let _bar = Progress::spinner("packing");
        artifact.pack(&args.file).map_err(Failure::of_making)
    })?;
    output.report(|output| {
        if output.is_json() {
            return output.json(&report);
        }
        output.line(format_args!(
            "packed {} into {}, {}",
            several(report.files as u64, "file"),
            args.file.display(),
            bytes(report.bytes)
        ))
    });
    Ok(())
}

/// For writing if that can be: what is not sealed yet has to be.
fn open(at: &At) -> Result<CompactArtifact> {
    if at.path.is_dir() {
        match at.options()?.open(&at.path) {
            Err(e) if matches!(e.kind(), ErrorKind::Locked | ErrorKind::ReadOnly) => {}
            opened => return Ok(opened?),
        }
    }
    at.read()
}
