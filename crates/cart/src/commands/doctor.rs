//! `cart doctor`: is an artifact sound, and is there something to do for it?

use compact_artifact::{
    Bottleneck, CompactArtifact, ErrorKind, Filter, LatencyAnalyzer, Query, RecoveryReport, Stats,
    VerifyLevel,
};
use serde::Serialize;
use serde_json::json;

use super::At;
use super::formats::SNIPPET;
use crate::failure::{Failure, Result};
use crate::output::{Output, Progress, bytes, count, one_line, sentences, several};

const LONG: &str = "\
Look an artifact over: whether every byte is the one that was written, what a crash left, what is deleted but still takes space, what searches have to go \
through, and what to do about each. Then it searches, for what --query says or for the beginnings of some of its texts, and says what takes more than a twentieth \
of the time. Reads only, beside a writer or not.

The exit code is 0 if the artifact is sound, whatever there is to do, and 4 with damage.";

/// Look an artifact over, and say what to do
#[derive(Debug, clap::Args)]
#[command(long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// A text to search for, once or several times; what takes the time of such searches is said
    #[arg(long, value_name = "TEXT")]
    query: Vec<String>,
}

/// Something that was found, and what to do about it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    found: String,
    /// Empty where there is nothing to do.
    advice: String,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<()> {
    if args.query.iter().any(|text| text.trim().is_empty()) {
        return Err(Failure::usage("--query: there is nothing to search for: the text is blank"));
    }
    let path = args.at.path.display().to_string();
    let report = {
        let _bar = Progress::spinner("reading");
        compact_artifact::verify(&args.at.path, VerifyLevel::Decode)?
    };
    let mut findings: Vec<Finding> = Vec::new();
    for place in sentences(&report.damage) {
        let advice = format!("`cart salvage {path} NEW` copies what is sound");
        findings.push(Finding { found: format!("damage: {place}"), advice });
    }
    let mut damaged = report.damage.len();
    if !report.left_by_crash.is_empty() {
        let left = several(report.left_by_crash.len() as u64, "file");
        let found = format!("a crash left {left}, or a writer is at work; nothing is lost");
        findings.push(Finding { found, advice: "the next command that writes clears them".to_owned() });
    }
    // Damage that keeps it from being opened is among what was found already.
    let (mut stats, mut searches) = (None, None);
    match args.at.options()?.open_read_only(&args.at.path) {
        Ok(artifact) => {
            let found = artifact.stats();
            findings.extend(recovered(artifact.recovery()));
            findings.extend(to_do(&found, &path));
            findings.extend(model(&artifact));
            stats = Some(found);
            searches = Some(searches_of(&artifact, &args.query)?);
        }
        Err(e) if e.kind() == ErrorKind::Damaged => {
            damaged = damaged.max(1);
            let advice = format!("`cart salvage {path} NEW` copies what is sound");
            let found = format!("it cannot be opened: {}", Failure::from(e).message());
            findings.push(Finding { found, advice });
        }
        // No fault of the artifact: too little memory, or an option.
        Err(e) if damaged == 0 => return Err(Failure::from(e).at(path)),
        Err(e) => {
            let found = format!("it cannot be opened: {}", Failure::from(e).message());
            findings.push(Finding { found, advice: String::new() });
        }
    }
    if output.is_json() {
        output.json(
            &json!({ "sound": damaged == 0, "findings": findings, "stats": stats, "searches": searches }),
        )?;
    } else {
        write(&findings, stats.as_ref(), output)?;
        if let Some(searches) = searches.filter(|searches| searches.count > 0) {
            searches.write(output)?;
        }
        let sound = if damaged == 0 { "sound" } else { "damaged" };
        let (files, blocks) = (several(report.files, "file"), several(report.blocks, "block"));
        output.line(format_args!("{sound}: every byte of {files} read, {blocks} decoded"))?;
    }
    if damaged == 0 {
        return Ok(());
    }
    let message = format!(
        "{}; `cart salvage {path} NEW` keeps what is sound",
        several(damaged as u64, "damaged place")
    );
    Err(Failure::damage(message).at(path))
}

fn write(findings: &[Finding], stats: Option<&Stats>, output: &mut Output) -> Result<()> {
    if let Some(stats) = stats {
        let (records, disk) = (several(stats.records, "record"), bytes(stats.disk_bytes));
        output.line(format_args!("{records} in {disk}"))?;
    }
    for Finding { found, advice } in findings {
        output.line(format_args!("- {}", one_line(found)))?;
        if !advice.is_empty() {
            let advice = output.strong(one_line(advice));
            output.line(format_args!("  {advice}"))?;
        }
    }
    if findings.is_empty() {
        output.line(format_args!("there is nothing to do"))?;
    }
    Ok(())
}

/// Searches are made of the beginnings of so many texts, of so many words each.
const SEARCHES: usize = 32;
const WORDS: usize = 4;

/// Searches that were made, and what took their time.
#[derive(Debug, Serialize)]
struct Searches {
    count: usize,
    bottlenecks: Vec<Bottleneck>,
}

/// Searches for these texts, or for the beginnings of some of the artifact's.
fn searches_of(artifact: &CompactArtifact, texts: &[String]) -> Result<Searches> {
    let snapshot = artifact.snapshot();
    let mut texts = texts.to_vec();
    if texts.is_empty() {
        let ids = snapshot.ids_where(&Filter::all([]))?;
        for id in ids.iter().step_by((ids.len() / SEARCHES).max(1)).take(SEARCHES) {
            // Blobs have no words, and what is damaged was said.
            let Ok(Some(entry)) = snapshot.get(*id) else { continue };
            if let Ok(text) = entry.text() {
                texts.push(text.split_whitespace().take(WORDS).collect::<Vec<_>>().join(" "));
            }
        }
    }
    let analyzer = LatencyAnalyzer::new();
    let mut count = 0;
    for text in texts {
        let query = if artifact.is_model_at_hand() { Query::text(&text) } else { Query::words(&text) };
        // What is damaged was said.
        count += usize::from(analyzer.trace(|| snapshot.search(&query.snippet(SNIPPET))).is_ok());
    }
    Ok(Searches { count, bottlenecks: analyzer.identify_bottlenecks() })
}

impl Searches {
    fn write(&self, output: &mut Output) -> Result<()> {
        let number = count(self.count as u64);
        let searches = if self.count == 1 { "1 search".to_owned() } else { format!("{number} searches") };
        if self.bottlenecks.is_empty() {
            return output.line(format_args!("{searches}: nothing holds them up"));
        }
        output.line(format_args!("{searches}, and what took their time:"))?;
        self.bottlenecks
            .iter()
            .try_for_each(|one| output.line(format_args!("- {}", one_line(&one.to_string()))))
    }
}

/// What opening had to set right.
fn recovered(report: &RecoveryReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    if report.dropped_len > 0 {
        let len = bytes(report.dropped_len);
        let found = format!(
            "the end of the log is {len} of a commit that was not finished; it was never there for anybody"
        );
        findings.push(Finding { found, advice: String::new() });
    }
    if report.shards_rebuilt > 0 {
        let found = format!("{} had to be made anew in memory", several(report.shards_rebuilt, "index"));
        findings.push(Finding { found, advice: "the next command that writes keeps it".to_owned() });
    }
    findings
}

/// Indexes that a search goes through one by one.
const MANY_INDEXES: usize = 16;

/// What can be made smaller or faster.
fn to_do(stats: &Stats, path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let compact = || format!("`cart compact {path}`");
    if let Some(error) = &stats.maintenance_error {
        let found = format!("records could not be sealed: {error}");
        findings.push(Finding { found, advice: format!("{} tries again and says why not", compact()) });
    }
    if stats.deleted > 0 && stats.dead_bytes.saturating_mul(10) >= stats.disk_bytes {
        let (deleted, dead) = (several(stats.deleted, "deleted record"), bytes(stats.dead_bytes));
        let found = format!("{deleted} take {dead} of {}", bytes(stats.disk_bytes));
        findings.push(Finding { found, advice: format!("{} gives them back", compact()) });
    }
    if stats.tail_records > 0 && stats.tail_records.saturating_mul(10) >= stats.records {
        let found = format!(
            "{} of {} are not sealed yet: they take memory, and searches compare their vectors one by one",
            count(stats.tail_records),
            several(stats.records, "record")
        );
        let advice = format!("{} seals them", compact());
        findings.push(Finding { found, advice });
    }
    if stats.shards + stats.tail_shards > MANY_INDEXES {
        let indexes = several((stats.shards + stats.tail_shards) as u64, "index");
        let found = format!("a search goes through {indexes}");
        findings.push(Finding { found, advice: format!("{} merges them", compact()) });
    }
    findings
}

fn model(artifact: &CompactArtifact) -> Option<Finding> {
    let spaces = artifact.spaces();
    let model = spaces.iter().find_map(|space| space.model())?;
    if artifact.is_model_at_hand() {
        return None;
    }
    let found = format!("its texts are embedded by {:?}, which is not the model of this program", model.id());
    let advice =
        "--model names it for searches by meaning; `cart reembed` moves to that of this program".to_owned();
    Some(Finding { found, advice })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(change: impl FnOnce(&mut Stats)) -> Vec<String> {
        let mut stats = Stats::default();
        (stats.records, stats.disk_bytes) = (1000, 1_000_000);
        change(&mut stats);
        to_do(&stats, "a").into_iter().map(|finding| finding.found + " " + &finding.advice).collect()
    }

    #[test]
    fn what_is_worth_doing_is_said_and_what_is_not_is_not() {
        assert_eq!(found(|_| {}), [""; 0]);
        assert_eq!(found(|stats| (stats.deleted, stats.dead_bytes) = (5, 99_999)), [""; 0]);
        let dead = found(|stats| (stats.deleted, stats.dead_bytes) = (5, 100_000));
        assert_eq!(dead, ["5 deleted records take 100 kB of 1.00 MB `cart compact a` gives them back"]);
        assert_eq!(found(|stats| stats.tail_records = 99), [""; 0]);
        assert!(
            found(|stats| stats.tail_records = 100)[0].contains("100 of 1,000 records are not sealed yet")
        );
        assert_eq!(found(|stats| stats.shards = 16), [""; 0]);
        assert!(found(|stats| stats.shards = 17)[0].contains("17 indexes"));
        let error = found(|stats| stats.maintenance_error = Some("no space".to_owned()));
        assert!(error[0].contains("could not be sealed: no space"));
    }
}
