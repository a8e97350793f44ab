//! A report for a person, as text.

use std::fmt;

use crate::numbers::{bytes, count, seconds, several};
use crate::report::{Latency, Loop, Operation, Report, Run, Setting, Unit};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.setting.describe())?;
        if self.has_searches() {
            writeln!(f, "{:<46} {} searches/s", "max_throughput", count(self.max_throughput))?;
            writeln!(f, "{:<46} {}", "p95_latency", seconds(self.p95_latency))?;
        }
        for figure in &self.figures {
            writeln!(f, "{:<46} {}", figure.name, figure.unit.display(figure.value))?;
        }
        let titles = ["per s", "p50", "p95", "p99", "p99.9", "max", "CPUs", "written"];
        writeln!(f, "\n{:<46}{}", "closed loop", row(&titles.map(str::to_owned)))?;
        for run in self.runs.iter().filter(|run| run.mode == Loop::Closed) {
            writeln!(f, "{:<46}{}", run.name(), row(&run.cells()))?;
        }
        let open: Vec<&Run> = self.runs.iter().filter(|run| run.mode != Loop::Closed).collect();
        if !open.is_empty() {
            writeln!(
                f,
                "\n{:<46}{}",
                "open loop, from when a call was due",
                row(&titles.map(str::to_owned))
            )?;
            for run in open {
                writeln!(f, "{:<46}{}", run.name(), row(&run.cells()))?;
            }
        }
        for recall in &self.recall {
            let width = recall.ef_search.map_or("the default".to_owned(), |ef| format!("ef {ef}"));
            let name = format!("recall at {} in {:?}, {width}", recall.k, recall.space);
            writeln!(f, "{name:<46} {:.4}", recall.recall)?;
        }
        self.skipped.iter().try_for_each(|skipped| writeln!(f, "not measured: {skipped}"))
    }
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| format!(" {cell:>9}")).collect();
    cells.concat()
}

impl Run {
    fn cells(&self) -> Vec<String> {
        let Latency { p50, p95, p99, p999, max, .. } = self.latency;
        let mut cells = vec![count(self.throughput)];
        cells.extend([p50, p95, p99, p999, max].map(seconds));
        cells.push(self.cost.processors.map_or_else(String::new, |processors| format!("{processors:.2}")));
        cells.push(self.written());
        cells
    }

    /// Bytes written to bytes added, where something is.
    pub(crate) fn written(&self) -> String {
        self.write_amplification.map_or_else(String::new, |times| format!("{times:.2} x"))
    }
}

impl Report {
    pub(crate) fn has_searches(&self) -> bool {
        self.runs.iter().any(|run| run.operation == Operation::Search)
    }
}

impl Setting {
    /// One sentence.
    pub(crate) fn describe(&self) -> String {
        let spaces = if self.spaces.is_empty() {
            "no vectors".to_owned()
        } else {
            format!("vectors: {}", self.spaces.join(", "))
        };
        let build = if self.is_release { "" } else { ", a debug build: its figures say little" };
        let commit = self.commit.as_ref().map_or(String::new(), |commit| format!(", commit {commit}"));
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let disk = bytes(self.disk_bytes as f64);
        let records = several(self.records, "record");
        format!(
            "{}: {records}, {disk} on disk, {spaces}; {} with {}; version {}{commit}{build}; {}; {} s each after {} s, seed {}",
            self.artifact,
            self.processor,
            several(self.threads as u64, "thread"),
            self.version,
            self.date,
            self.seconds,
            self.warm_up_seconds,
            self.seed
        )
    }
}

impl Unit {
    /// A value with its unit.
    pub fn display(self, value: f64) -> String {
        match self {
            Self::Seconds => seconds(value),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::PerSecond => format!("{}/s", count(value)),
            Self::Share => format!("{value:.4}"),
        }
    }
}
