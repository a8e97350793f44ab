//! `cart restore`: a packed file becomes a folder again.

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, bytes, several};

/// Make a folder that can be written to of a packed file
///
/// The packed file is only read; records keep their numbers. Everything is verified before and after it is copied: with damage nothing
/// is made, and the exit code is 4. After any error no file is left behind.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `cart pack` wrote
    pack: PathBuf,
    /// The folder, which must not exist, or be empty
    folder: PathBuf,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.pack.is_dir() {
        let message = "expected a packed file, found a folder, which can be copied as it is";
        return Err(Failure::failed(message).at(args.pack.display()));
    }
    crate::interrupt::leave_nothing_at(&args.folder)?;
    let report = {
        let _bar = Progress::spinner("restoring");
        compact_artifact::unpack(&args.pack, &args.folder).map_err(Failure::of_verifying)?
    };
    output.report(|output| {
        if output.is_json() {
            return output.json(&report);
        }
        let (files, len) = (several(report.files, "file"), bytes(report.bytes));
        output.line(format_args!("restored {files} into {}, {len}", args.folder.display()))
    });
    Ok(())
}
