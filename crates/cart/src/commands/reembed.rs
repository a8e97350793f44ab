//! `cart reembed`: another model for the texts of an artifact.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use compact_artifact::ErrorKind;
use serde_json::json;

use super::Folder;
use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, count, several, time};
use crate::{interrupt, model};

const LONG: &str = "\
Embed all texts by another model, or those that have no embedding yet. Searches go on with the old model until all are embedded; then \
`cart compact` gives the space of the old embeddings back.

A vector that was given for a text goes with the old embeddings. For blobs no model makes vectors again: where they were given any, nothing is \
changed, unless --lose-given says that these may go.

May be interrupted at any time: what was embedded is kept, it is said how many texts are left, and the same command goes on from there.";

/// Embed all texts by another model
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    at: Folder,
    /// The model to move to, where it is not that of this program: a file, or a folder of model2vec
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Let vectors go that were given for blobs in the space of the old model
    #[arg(long)]
    lose_given: bool,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    let begun = Instant::now();
    let model = model::open_or_built_in(args.model.as_deref())?;
    let name = model.id().to_owned();
    let artifact = args.at.write()?;
    interrupt::end_when_asked()?;
    let mut bar: Option<Progress> = None;
    let mut before = 0;
    let report = artifact.reembed_with(model, args.lose_given, |report| {
        let done = report.embedded + report.without;
        let bar = bar.get_or_insert_with(|| Progress::steps(report.left, "embedding"));
        bar.advance(done - before);
        before = done;
        if interrupt::is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(bar);
    let resumes = "what was embedded is kept, and the same command goes on from there";
    let report = report.map_err(|e| match e.kind() {
        ErrorKind::WouldLoseEmbedding => Failure::from(e),
        _ => Failure::from(e).and(resumes),
    })?;
    let warning = super::close(artifact, "the texts are embedded all the same");
    if report.left > 0 {
        let left = several(report.left, "text");
        return Err(Failure::interrupted().and(format_args!("{left} are left; {resumes}")));
    }
    if report.damaged > 0 {
        let places = several(report.damaged, "place");
        crate::output::warn(&format!("{places} could not be read (`cart verify` looks everywhere)"));
    }
    let elapsed = begun.elapsed();
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({
                "model": name,
                "embedded": report.embedded,
                "without": report.without,
                "given": report.given,
                "damaged": report.damaged,
                "warning": warning,
                "seconds": elapsed.as_secs_f64(),
            }));
        }
        output.line(format_args!(
            "embedded {} by {name} in {}; {} in which it knows nothing",
            several(report.embedded, "text"),
            time(elapsed),
            count(report.without)
        ))?;
        if report.given > 0 {
            output.line(format_args!(
                "{} that had been given for blobs went",
                several(report.given, "vector")
            ))?;
        }
        Ok(())
    });
    Ok(())
}
