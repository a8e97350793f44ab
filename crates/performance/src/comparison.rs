//! Two reports side by side.

use std::fmt;

use serde::Serialize;

use crate::numbers::{count, seconds};
use crate::report::{Report, Run};

/// What changed from an old report to a new one: what both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// When the old report was made, and of which commit.
    pub old: String,
    /// The same of the new one.
    pub new: String,
    /// Why the two say little beside each other: another machine, other records.
    pub warnings: Vec<String>,
    /// What both have.
    pub changes: Vec<Change>,
}

/// One number, before and now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// What it is of.
    pub name: String,
    /// Of which both are: operations a second, or seconds.
    pub is_latency: bool,
    /// What it was.
    pub old: f64,
    /// What it is.
    pub new: f64,
}

impl Change {
    /// How many times better it is now, so that more than 1 is always good: throughput new to old, latency old to new.
    pub fn gain(&self) -> f64 {
        let (above, below) = if self.is_latency { (self.old, self.new) } else { (self.new, self.old) };
        if below > 0.0 { above / below } else { 1.0 }
    }

    /// Better or worse by more than a tenth, less being what two runs of the same differ by.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.gain() {
            gain if gain > 1.1 => "better",
            gain if gain < 1.0 / 1.1 => "worse",
            _ => "same",
        }
    }

    pub(crate) fn cells(&self) -> [String; 3] {
        let text = |value| if self.is_latency { seconds(value) } else { format!("{}/s", count(value)) };
        [text(self.old), text(self.new), format!("{:.2} x", self.gain())]
    }
}

impl Report {
    /// What changed since an old report.
    pub fn compare(&self, old: &Self) -> Comparison {
        let mut changes = Vec::new();
        if self.has_searches() && old.has_searches() {
            changes.push(change("max_throughput", false, old.max_throughput, self.max_throughput));
            changes.push(change("p95_latency", true, old.p95_latency, self.p95_latency));
        }
        // Of several open loops each is compared with the one in its place.
        let mut left: Vec<&Run> = old.runs.iter().collect();
        for run in &self.runs {
            let Some(at) = left.iter().position(|old| old.key() == run.key()) else { continue };
            let old = left.remove(at);
            changes.push(change(
                format!("{}: throughput", run.name()),
                false,
                old.throughput,
                run.throughput,
            ));
            changes.push(change(format!("{}: p95", run.name()), true, old.latency.p95, run.latency.p95));
        }
        Comparison { old: old.title(), new: self.title(), warnings: self.differences(old), changes }
    }

    fn title(&self) -> String {
        let commit =
            self.setting.commit.as_ref().map_or(String::new(), |commit| format!(", commit {commit}"));
        format!("{}, version {}{commit}", self.setting.date, self.setting.version)
    }

    /// What makes two reports say little beside each other.
    fn differences(&self, old: &Self) -> Vec<String> {
        let (new, old) = (&self.setting, &old.setting);
        let pairs = [
            ("processor", old.processor.clone(), new.processor.clone()),
            ("threads", old.threads.to_string(), new.threads.to_string()),
            ("artifact", old.artifact.clone(), new.artifact.clone()),
            ("records", old.records.to_string(), new.records.to_string()),
            ("release build", old.is_release.to_string(), new.is_release.to_string()),
            ("seconds of each load", old.seconds.to_string(), new.seconds.to_string()),
        ];
        let differ = pairs.into_iter().filter(|(_, old, new)| old != new);
        differ.map(|(what, old, new)| format!("{what}: {old} before, {new} now")).collect()
    }
}

fn change(name: impl Into<String>, is_latency: bool, old: f64, new: f64) -> Change {
    Change { name: name.into(), is_latency, old, new }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "compared with {}", self.old)?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "not the same: {warning}"))?;
        writeln!(f, "{:<56} {:>12} {:>12} {:>9}", "", "before", "now", "gain")?;
        for change in &self.changes {
            let [old, new, gain] = change.cells();
            let verdict = match change.verdict() {
                "same" => "",
                verdict => verdict,
            };
            writeln!(f, "{:<56} {old:>12} {new:>12} {gain:>9} {verdict}", change.name)?;
        }
        Ok(())
    }
}
