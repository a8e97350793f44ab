//! `cart restore`: a packed file, or an export, becomes an artifact again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;
use compact_artifact::ErrorKind;

use super::add;
use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, bytes, check_new_folder, several};

/// Make an artifact that can be written to of a packed file, or of an export
///
/// Of a packed file, which is only read, records keep their numbers. Everything is verified before and after it is copied: with damage nothing
/// is made, and the exit code is 4. Of an export (.jsonl, .jsonl.zst, .ndjson, .parquet; also .arrow and .feather) the records are added in their order, with numbers that are given out anew, to
/// an artifact that is set up as the settings in the first line say. One of a part (--filter), and files of columns, have no settings: then it is set up as by `cart add`, and that is said (--json: `has_settings`). After any
/// error no file is left behind.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `cart pack` or `cart export` wrote
    #[arg(value_name = "PACK|EXPORT")]
    from: PathBuf,
    /// The folder, which must not exist, or be empty
    folder: PathBuf,
    /// Of an export whose texts were embedded by another model than that of this program: the model, a file or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
}

/// How names of exports end.
const ENDINGS: [&str; 6] = [".jsonl", ".jsonl.zst", ".ndjson", ".parquet", ".arrow", ".feather"];

/// `cart add`, without its name.
#[derive(Debug, Parser)]
struct Add {
    #[command(flatten)]
    args: add::Args,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.from.is_dir() {
        let message = "expected a packed file, found a folder, which can be copied as it is";
        return Err(Failure::failed(message).at(args.from.display()));
    }
    if is_export(&args.from) {
        return import(args, output);
    }
    if args.model.is_some() {
        return Err(Failure::usage("--model: is for exports; a packed file has what its model gave"));
    }
    check_new_folder(&args.folder)?;
    let report = crate::interrupt::whole_or_nothing(&args.folder, || {
        let _bar = Progress::spinner("restoring");
        compact_artifact::unpack(&args.from, &args.folder).map_err(|e| match e.kind() {
            ErrorKind::NotAnArtifact => {
                Failure::from(e).and(format_args!("an export has a name that ends in {}", ENDINGS.join(", ")))
            }
            _ => Failure::of_making(e),
        })
    })?;
    output.report(|output| {
        if output.is_json() {
            return output.json(&report);
        }
        let (files, len) = (several(report.files, "file"), bytes(report.bytes));
        output.line(format_args!("restored {files} into {}, {len}", args.folder.display()))
    });
    Ok(())
}

fn is_export(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    ENDINGS.iter().any(|end| name.ends_with(end))
}

fn import(args: &Args, output: &mut Output) -> Result<()> {
    let is_empty = std::fs::read_dir(&args.folder).map_or(true, |mut folder| folder.next().is_none());
    if !is_empty || args.folder.is_file() {
        let message = "expected a folder that is not there, or is empty; `cart add` adds to an artifact";
        return Err(Failure::failed(message).at(args.folder.display()));
    }
    let (folder, from) = (args.folder.clone().into_os_string(), args.from.clone().into_os_string());
    let words: [OsString; 4] = ["restore".into(), "--".into(), folder, from];
    let mut add = Add::try_parse_from(words).map_err(Failure::usage)?.args;
    add.model.clone_from(&args.model);
    add::restore(&add, output)
}
