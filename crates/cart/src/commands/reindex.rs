//! `cart reindex`: another language for the texts of an artifact.

use std::ops::ControlFlow;
use std::time::Instant;

use compact_artifact::TextOptions;
use serde_json::json;

use super::Folder;
use crate::failure::{Failure, Result};
use crate::input::values::{self, TextLanguage};
use crate::interrupt;
use crate::output::{Output, Progress, several, time, warn};

const LONG: &str = "\
Index the words of all texts anew, by the stems of another language or without stems. Searches go on by the old words until all of the new ones are there. Interrupted, or after a \
failure, everything is as it was before. Words that an earlier release made by other rules are made by those of this one, whatever is asked for.";

/// Search the texts by another language
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
#[group(required = true, multiple = true, args = ["language", "fold_diacritics"])]
pub(crate) struct Args {
    #[command(flatten)]
    at: Folder,
    /// The language by whose stems words are found, as a name or in two letters (german, de); none: by words as they are
    #[arg(long, value_parser = values::language)]
    language: Option<TextLanguage>,
    /// Whether words are found without their diacritics: é by e
    #[arg(long, value_name = "BOOL")]
    fold_diacritics: Option<bool>,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let begun = Instant::now();
    let mut options = match args.language {
        Some(TextLanguage::Stems(language)) => TextOptions::new().language(language),
        Some(TextLanguage::None) => TextOptions::new().no_language(),
        None => TextOptions::new(),
    };
    if let Some(fold) = args.fold_diacritics {
        options = options.fold_diacritics(fold);
    }
    let artifact = args.at.write()?;
    interrupt::end_when_asked()?;
    let mut bar: Option<Progress> = None;
    let mut before = 0;
    let unchanged = "nothing was changed";
    let report = artifact.set_text_options_with(options, |report| {
        let bar = bar.get_or_insert_with(|| Progress::steps(report.left, "indexing"));
        bar.advance(report.records - before);
        before = report.records;
        if interrupt::is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    let report = report.map_err(|e| Failure::from(e).and(unchanged))?;
    let language = artifact.language().map(|language| language.to_string());
    let warning = super::close(artifact, "the texts are indexed all the same");
    if report.left > 0 {
        return Err(Failure::interrupted().and(unchanged));
    }
    if report.damaged > 0 {
        let records = several(report.damaged, "record");
        warn(&format!("{records} could not be read (`cart verify` looks everywhere)"));
    }
    let elapsed = begun.elapsed();
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({
                "language": language,
                "records": report.records,
                "indexes": report.shards,
                "damaged": report.damaged,
                "warning": warning,
                "seconds": elapsed.as_secs_f64(),
            }));
        }
        let by = language
            .map_or("by their words as they are".to_owned(), |name| format!("by the stems of {name}"));
        if report.records == 0 {
            return output.line(format_args!("texts are found {by}, as before"));
        }
        let (records, indexes) = (several(report.records, "record"), several(report.shards, "index"));
        output.line(format_args!(
            "indexed {records} anew in {}: found {by} from now on ({indexes})",
            time(elapsed)
        ))
    });
    Ok(())
}
