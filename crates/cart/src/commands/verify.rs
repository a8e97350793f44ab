//! `cart verify`: is every stored byte the one that was written?

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use compact_artifact::VerifyLevel;
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, one_line, sentences, several, time};

/// Look for damage
///
/// Reads the artifact, changes nothing, and names every place that is not what was written there. With damage the exit code is
/// 4; `cart salvage` keeps what is sound.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The artifact: a folder, or a packed file
    #[arg(value_name = "ARTIFACT")]
    path: PathBuf,
    /// How much is read
    #[arg(long, value_enum, default_value_t = Level::Full)]
    level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Lists of files, headers, tables, the log
    Quick,
    /// Every byte against its checksum, every record decoded
    Full,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let level = match args.level {
        Level::Quick => VerifyLevel::Headers,
        Level::Full => VerifyLevel::Decode,
    };
    let begun = Instant::now();
    let report = {
        let _bar = Progress::spinner("reading");
        compact_artifact::verify(&args.path, level)?
    };
    let damage = &report.damage;
    if output.is_json() {
        output.json(&json!({
            "sound": damage.is_empty(),
            "files": report.files,
            "blocks": report.blocks,
            "left_by_crash": report.left_by_crash,
            "damage": sentences(damage),
            "seconds": begun.elapsed().as_secs_f64(),
        }))?;
    } else {
        for place in damage {
            output.line(format_args!("{}", one_line(&place.message)))?;
        }
        for left in &report.left_by_crash {
            output.line(format_args!(
                "left by a crash, cleared by the next open for writing: {}",
                one_line(left)
            ))?;
        }
        let sound = if damage.is_empty() { "sound" } else { "damaged" };
        let (files, blocks) = (several(report.files, "file"), several(report.blocks, "block"));
        output.line(format_args!("{sound}: {files}, {blocks} read in {}", time(begun.elapsed())))?;
    }
    if damage.is_empty() {
        return Ok(());
    }
    let hint = format!("cart salvage {} NEW", args.path.display());
    Err(Failure::damage(format_args!(
        "{}; `{hint}` keeps what is sound",
        several(damage.len() as u64, "damaged place")
    ))
    .at(args.path.display()))
}
